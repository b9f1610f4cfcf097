//! What an operation may answer instead of doing its work.
//!
//! A [`Refusal`] is an outcome: the caller asked for something the rules do not allow, and is told why, whether trying again can help and
//! what may be done instead. An [`Error`] may carry one, or say that the caller has no business asking, or that the store failed.

use crate::{
    entity::kind::RefusalCode,
    store::{self, Transient},
};

/// What may be done with an entitlement, as far as its state goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    Reserve,
    Assign,
    Redeem,
    Transfer,
    Release,
    Suspend,
    Resume,
    Revoke,
    Reissue,
    RotateCode,
    Extend,
}

impl Action {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 11] = [
        Self::Reserve,
        Self::Assign,
        Self::Redeem,
        Self::Transfer,
        Self::Release,
        Self::Suspend,
        Self::Resume,
        Self::Revoke,
        Self::Reissue,
        Self::RotateCode,
        Self::Extend,
    ];
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: RefusalCode,
    /// For a person; says what to do. Never names what the caller may not know.
    pub message: String,
    /// The path within the input that is meant, as `["lines", "0", "sku"]`.
    pub field: Vec<String>,
    /// Seconds after which trying again can help, where that is known.
    pub retry_after: Option<u32>,
    /// What the caller may do instead; empty for a stranger.
    pub allowed: Vec<Action>,
}

impl Refusal {
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: Vec::new(), retry_after: None, allowed: Vec::new() }
    }

    /// The same, about one part of the input.
    #[must_use]
    pub fn at<S: ToString>(mut self, path: impl IntoIterator<Item = S>) -> Self {
        self.field = path.into_iter().map(|part| part.to_string()).collect();
        self
    }

    /// The same, with what may be done instead.
    #[must_use]
    pub fn instead(mut self, allowed: Vec<Action>) -> Self {
        self.allowed = allowed;
        self
    }

    /// Whether the very same request may succeed later, without anybody mending it.
    pub fn retryable(&self) -> bool {
        match self.code {
            RefusalCode::StaleVersion
            | RefusalCode::ReservedByOther
            | RefusalCode::EntitlementSuspended
            | RefusalCode::InsufficientAvailable
            | RefusalCode::RateLimited => true,
            RefusalCode::NotFound
            | RefusalCode::InvalidInput
            | RefusalCode::InvalidState
            | RefusalCode::IdempotencyKeyReused
            | RefusalCode::ExternalReferenceReused
            | RefusalCode::LimitExceeded
            | RefusalCode::CodeInvalid
            | RefusalCode::CodeExpired
            | RefusalCode::CodeRevoked
            | RefusalCode::CodeReplaced
            | RefusalCode::AlreadyRedeemed
            | RefusalCode::NotEligible
            | RefusalCode::LimitPerAccount
            | RefusalCode::NotTransferable
            | RefusalCode::NotReassignable
            | RefusalCode::ReservationExpired => false,
        }
    }
}

/// No such record, or one that is not the caller's: nobody learns which.
pub fn not_found(what: &str) -> Refusal {
    Refusal::new(RefusalCode::NotFound, format!("there is no such {what}"))
}

/// Input that no state of anything would make acceptable.
pub fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::InvalidInput, message)
}

/// A state that does not allow what is asked for; `what` is in it.
pub fn wrong_state(what: &str, state: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalCode::InvalidState, format!("the {what} is {state}, which does not allow this"))
}

/// Refuses a change that was decided on another version of a record than the present one.
pub fn stale(expected: Option<i32>, present: i32) -> Result<(), Refusal> {
    if expected.is_none_or(|version| version == present) {
        return Ok(());
    }
    let message = format!("it has changed and is at version {present} now: read it again, then decide again");
    Err(Refusal::new(RefusalCode::StaleVersion, message).at(["expectedVersion"]))
}

/// Why an operation ended without its effect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules do not allow it. Rolled back.
    #[error("refused: {}", .0.message)]
    Refused(Refusal),
    /// The caller's role may not do this at all.
    #[error("this role may not do this")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// The same, its refusal changed by `change` where it carries one: for what only the caller knows, as where in its input it is.
    #[must_use]
    pub fn refusing(self, change: impl FnOnce(Refusal) -> Refusal) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(change(refusal)),
            Self::Forbidden | Self::Store(_) => self,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl Transient for Error {
    fn transient(&self) -> bool {
        match self {
            Self::Store(error) => error.transient(),
            Self::Refused(_) | Self::Forbidden => false,
        }
    }
}
