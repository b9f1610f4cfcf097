//! Resolving exceptions.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, order::ContactInput, run};
use crate::{
    domain::{
        Operation,
        exception::{self, Resolve, Resolved},
    },
    graphql::{
        enums::Resolution,
        error::{Fault, UserError},
        scalars::DateTime,
        session::Session,
        types::{Entitlement, FulfillmentException, IssuedCode, issued_code::issued_code},
    },
};

/// An exception to resolve.
#[derive(InputObject, Clone)]
pub struct ResolveExceptionInput {
    /// The exception. It must be `OPEN`.
    pub exception_id: ID,
    /// How: one of its `allowedResolutions`.
    pub resolution: Resolution,
    /// What you have to say about it: up to 1,000 characters. It is the reason of whatever is done.
    pub note: String,
    /// For `EXTENDED`: when the unit ends.
    pub expires_at: Option<DateTime>,
    /// For `REISSUED`: whom the new unit is meant for; as the old one, where it is left out.
    pub recipient: Option<ContactInput>,
    /// Refuse with `STALE_VERSION` unless the exception is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of resolving an exception.
pub struct ResolveExceptionPayload(Outcome<Resolved>);

/// What came of `resolveException`.
#[Object]
impl ResolveExceptionPayload {
    /// The exception.
    async fn exception(&self, ctx: &Context<'_>) -> Option<Result<FulfillmentException, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.exception_id)).await
    }

    /// The unit it was about; for `REISSUED` the new one. Null if it was about an order as a whole.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().and_then(|done| done.entitlement_id)).await
    }

    /// The code that claims the unit from now on, where it got a fresh one.
    async fn issued_code(&self, ctx: &Context<'_>) -> Option<Result<IssuedCode, Fault>> {
        issued_code(ctx, self.0.done().and_then(|done| done.issued.as_ref())).await
    }

    /// Why it was not resolved; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Resolving exceptions.
#[derive(Default)]
pub struct ExceptionMutation;

#[Object]
impl ExceptionMutation {
    /// Resolves an exception by doing what the resolution says, in one transaction: it does not only tick a box.
    ///
    /// Roles: ADMIN, SUPPORT.
    async fn resolve_exception(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ResolveExceptionInput,
    ) -> Result<ResolveExceptionPayload, Fault> {
        let command = id("exceptionId", &input.exception_id).map(|exception_id| Resolve {
            exception_id,
            resolution: input.resolution.into(),
            note: input.note.clone(),
            expires_at: input.expires_at.as_ref().map(|moment| moment.0),
            recipient: input.recipient.clone().map(Into::into),
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::ResolveException, input, command, exception::resolve).await.map(ResolveExceptionPayload)
    }
}
