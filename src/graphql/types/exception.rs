//! `FulfillmentException`: what needs a decision.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Assignment, Channel, Entitlement, Order, RedemptionAttempt};
use crate::{
    domain::exception::allowed_resolutions,
    entity::{fulfillment_exception::Model, kind},
    graphql::{
        enums::{ExceptionKind, ExceptionStatus, Resolution},
        error::Fault,
        list::attempt::AttemptsOfException,
        loader::ClaimOf,
        page,
        scalars::DateTime,
        session::Session,
    },
};

#[derive(Clone)]
pub struct FulfillmentException(pub Arc<Model>);

/// Something about a purchase that needs somebody's decision. Customers see none.
#[Object]
impl FulfillmentException {
    /// The exception's id, `exc_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Changes with every change of the exception: pass it as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// What is wrong.
    async fn kind(&self) -> ExceptionKind {
        self.0.kind.into()
    }

    /// Whether it still waits for somebody.
    async fn status(&self) -> ExceptionStatus {
        self.0.status.into()
    }

    /// What happened, for a person. What a provisioner said is for whoever may know the account; others read that it failed.
    async fn reason(&self, ctx: &Context<'_>) -> Result<&str, Fault> {
        use kind::ExceptionKind::{
            DeprovisioningFailed, ImportMismatch, Overdue, ProvisioningFailed, RedemptionRejected,
        };
        let hidden = match self.0.kind {
            ProvisioningFailed => "it could not be set up downstream",
            DeprovisioningFailed => "it could not be taken down downstream",
            RedemptionRejected | Overdue | ImportMismatch => return Ok(&self.0.reason),
        };
        let told = Session::of(ctx).hears_of(self.0.assignment_id).await?;
        Ok(if told { &self.0.reason } else { hidden })
    }

    /// The channel of the sale. Null where it is not yours to see.
    async fn channel(&self, ctx: &Context<'_>) -> Option<Result<Channel, Fault>> {
        Session::of(ctx).find(Some(self.0.channel_id)).await
    }

    /// The order it is about, or whose unit it is about. Null where it is not yours to see.
    async fn order(&self, ctx: &Context<'_>) -> Option<Result<Order, Fault>> {
        Session::of(ctx).find(Some(self.0.order_id)).await
    }

    /// The unit it is about. Null if it is about the order as a whole.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.entitlement_id).await
    }

    /// The assignment it is about. Null if it is about none.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(self.0.assignment_id).await
    }

    /// The redemption attempts that opened it or were added to it, newest first.
    #[graphql(complexity = "page::newest_cost(first, child_complexity)")]
    async fn redemption_attempts(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 100, desc = "At most so many: 0 to 100.")] first: Option<i32>,
    ) -> Result<Vec<RedemptionAttempt>, Fault> {
        page::newest_within(Session::of(ctx), first, self.0.id, AttemptsOfException).await
    }

    /// How you may resolve it now, by the state of what it is about. Empty once it is resolved, and to whoever may not resolve any.
    async fn allowed_resolutions(&self, ctx: &Context<'_>) -> Result<Vec<Resolution>, Fault> {
        let session = Session::of(ctx);
        let claim = match self.0.entitlement_id {
            Some(unit) => session.load(ClaimOf(unit)).await?,
            None => None,
        };
        let allowed = allowed_resolutions(&self.0, claim.as_deref(), &session.actor, session.now());
        Ok(allowed.into_iter().map(Into::into).collect())
    }

    /// What was done about it. Null while it is open.
    async fn resolution(&self) -> Option<Resolution> {
        self.0.resolution.map(Into::into)
    }

    /// What whoever resolved it had to say. Null while it is open, or if nothing was said.
    async fn note(&self) -> Option<&String> {
        self.0.note.as_ref()
    }

    /// When it was opened.
    async fn opened_at(&self) -> DateTime {
        self.0.opened_at.into()
    }

    /// When it was resolved. Null while it is open.
    async fn resolved_at(&self) -> Option<DateTime> {
        self.0.resolved_at.map(DateTime)
    }

    /// Who resolved it: somebody of yours by name, else `support` or `system`. Null while it is open.
    async fn resolved_by(&self, ctx: &Context<'_>) -> Option<String> {
        self.0.resolved_by.as_ref().map(|name| Session::of(ctx).actor_name(name, None))
    }
}
