//! THE mapping: what may go wrong inside, to what a client reads.
//!
//! A domain outcome becomes a [`UserError`] in a mutation's payload. Everything else is a [`Fault`], which becomes a GraphQL error with an
//! `extensions.code`. A fault carries no cause: a failure of the database or a defect is logged where it turns into one, once, and the
//! client reads a fixed sentence. It has no `Display`, so that no other conversion to a GraphQL error exists.

use async_graphql::{ErrorExtensions, SimpleObject};

use super::enums::{EntitlementAction, UserErrorCode};
use crate::{
    domain::{self, Refusal},
    entity::kind::RefusalCode,
    feed::CursorError,
    store,
};

/// Why a field has no value.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The caller's role may not use this field at all.
    Forbidden,
    /// An argument is not what it must be; says which, and what to do.
    BadInput(String),
    /// There is no such record, or it is not the caller's.
    NotFound(&'static str),
    /// More was asked for than one request may.
    LimitExceeded(String),
    /// Asked too often; says when to come back.
    RateLimited(String),
    /// The text is no journal cursor.
    CursorInvalid,
    /// A journal cursor that cannot be resumed from, with the oldest one that can.
    CursorExpired { oldest: String },
    /// The database cannot be reached, or is too busy.
    Unavailable,
    /// A defect; logged.
    Internal,
}

impl Fault {
    fn code(&self) -> &'static str {
        match self {
            Self::Forbidden => "FORBIDDEN",
            Self::BadInput(_) => "BAD_USER_INPUT",
            Self::NotFound(_) => "NOT_FOUND",
            Self::LimitExceeded(_) => "LIMIT_EXCEEDED",
            Self::RateLimited(_) => "RATE_LIMITED",
            Self::CursorInvalid => "CURSOR_INVALID",
            Self::CursorExpired { .. } => "CURSOR_EXPIRED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Forbidden => "This credential's role may not use this field.".to_owned(),
            Self::BadInput(message) | Self::LimitExceeded(message) | Self::RateLimited(message) => message.clone(),
            Self::NotFound(what) => format!("There is no such {what}, or it is not yours to see."),
            Self::CursorInvalid => {
                "This is not a journal cursor: pass one exactly as feedCursor, Event.cursor or an edge gave it.".to_owned()
            }
            Self::CursorExpired { .. } => {
                "The journal cannot be resumed from this cursor: read the present state again and continue from feedCursor, \
                 or from extensions.oldestCursor."
                    .to_owned()
            }
            Self::Unavailable => "The service cannot do this at the moment; try again shortly.".to_owned(),
            Self::Internal => "The service failed to answer this field.".to_owned(),
        }
    }
}

impl From<Fault> for async_graphql::Error {
    fn from(fault: Fault) -> Self {
        let error = Self::new(fault.message()).extend_with(|_, extensions| extensions.set("code", fault.code()));
        match fault {
            Fault::CursorExpired { oldest } => {
                error.extend_with(|_, extensions| extensions.set("oldestCursor", oldest.as_str()))
            }
            Fault::Forbidden
            | Fault::BadInput(_)
            | Fault::NotFound(_)
            | Fault::LimitExceeded(_)
            | Fault::RateLimited(_)
            | Fault::CursorInvalid
            | Fault::Unavailable
            | Fault::Internal => error,
        }
    }
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        match &error {
            store::Error::Unavailable(_) => {
                tracing::error!(error.cause = %error, "the database is unavailable");
                Self::Unavailable
            }
            // Still losing after all retries: whoever asks again will find less of a crowd.
            store::Error::Conflict(_) => {
                tracing::warn!(error.cause = %error, "an operation lost every race it was given");
                Self::Unavailable
            }
            store::Error::Keys(_) => {
                tracing::error!(error.cause = %error, "the keys of this process do not suffice");
                Self::Unavailable
            }
            store::Error::Refused(_) => {
                tracing::error!(error.cause = %error, "a statement failed");
                Self::Internal
            }
        }
    }
}

impl From<sea_orm::DbErr> for Fault {
    fn from(error: sea_orm::DbErr) -> Self {
        store::Error::from(error).into()
    }
}

impl From<CursorError> for Fault {
    fn from(error: CursorError) -> Self {
        match error {
            CursorError::Invalid => Self::CursorInvalid,
            CursorError::Expired { oldest } => Self::CursorExpired { oldest },
        }
    }
}

/// For a field that has no `userErrors` beside it. A mutation asks [`outcome`] instead.
impl From<domain::Error> for Fault {
    fn from(error: domain::Error) -> Self {
        match outcome(error) {
            Ok(refusal) => refused(refusal),
            Err(fault) => fault,
        }
    }
}

/// What a failed operation has to say: a refusal for the payload, or a fault.
pub fn outcome(error: domain::Error) -> Result<Refusal, Fault> {
    match error {
        domain::Error::Refused(refusal) => Ok(refusal),
        domain::Error::Forbidden => Err(Fault::Forbidden),
        domain::Error::Store(error) => Err(error.into()),
    }
}

fn refused(refusal: Refusal) -> Fault {
    match refusal.code {
        RefusalCode::NotFound => Fault::NotFound("record"),
        RefusalCode::LimitExceeded => Fault::LimitExceeded(refusal.message),
        RefusalCode::RateLimited => Fault::RateLimited(refusal.message),
        RefusalCode::InvalidInput
        | RefusalCode::InvalidState
        | RefusalCode::StaleVersion
        | RefusalCode::IdempotencyKeyReused
        | RefusalCode::ExternalReferenceReused
        | RefusalCode::CodeInvalid
        | RefusalCode::CodeExpired
        | RefusalCode::CodeRevoked
        | RefusalCode::CodeReplaced
        | RefusalCode::AlreadyRedeemed
        | RefusalCode::ReservedByOther
        | RefusalCode::EntitlementSuspended
        | RefusalCode::NotEligible
        | RefusalCode::LimitPerAccount
        | RefusalCode::NotTransferable
        | RefusalCode::NotReassignable
        | RefusalCode::InsufficientAvailable
        | RefusalCode::ReservationExpired => Fault::BadInput(refusal.message),
    }
}

/// Why a mutation did not do what was asked. Nothing was changed when a payload carries one.
#[derive(Debug, Clone, SimpleObject)]
pub struct UserError {
    /// What went wrong, for a program to act on.
    code: UserErrorCode,
    /// What went wrong and what to do about it, for a person. Its wording may change.
    message: String,
    /// The path within `input` that is meant, as `["lines", "0", "sku"]`. Null where it is not about one part of the input.
    field: Option<Vec<String>>,
    /// Whether the very same request may succeed later, without anybody changing it.
    retryable: bool,
    /// Seconds after which trying again can help. Null where that is not known, or never.
    retry_after_seconds: Option<i32>,
    /// What you may do with the entitlement instead. Empty for whoever neither sold nor holds it.
    allowed_actions: Vec<EntitlementAction>,
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code.into(),
            retryable: refusal.retryable(),
            retry_after_seconds: refusal.retry_after.and_then(|seconds| i32::try_from(seconds).ok()),
            allowed_actions: refusal.allowed.into_iter().map(Into::into).collect(),
            field: (!refusal.field.is_empty()).then_some(refusal.field),
            message: refusal.message,
        }
    }
}
