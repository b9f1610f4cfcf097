//! `Assignment`: who has a unit, and how far it has got.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Account, Entitlement, ProvisioningAttempt};
use crate::{
    entity::{account, assignment::Model},
    graphql::{
        enums::{AssignmentMethod, AssignmentStatus},
        error::Fault,
        list::assignment::{AttemptsOfAssignment, Held},
        page,
        scalars::{DateTime, Json},
        session::{Session, reason_for},
    },
};

/// An assignment, with its account where that was read along with it.
#[derive(Clone)]
pub struct Assignment(pub Arc<Model>, pub(super) Option<Arc<account::Model>>);

impl From<Held> for Assignment {
    fn from(held: Held) -> Self {
        Self(Arc::new(held.assignment), Some(Arc::new(held.account)))
    }
}

impl Assignment {
    /// Whether the caller may know who holds the unit.
    fn known(&self, ctx: &Context<'_>) -> bool {
        Session::of(ctx).scope().knows(self.0.account_id, self.0.account_partner_id)
    }
}

/// A unit in the hands of an account. A unit has at most one that is in force, and keeps its former ones.
#[Object]
impl Assignment {
    /// The assignment's id, `asg_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Changes with every change of the assignment: pass it as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Its state. In force is every one that is neither ENDED nor CANCELLED.
    async fn status(&self) -> AssignmentStatus {
        self.0.status.into()
    }

    /// Why it is in this state, where somebody gave a reason. Null else, to customers where the support desk gave it, and to whoever may not
    /// know the account.
    async fn status_reason(&self, ctx: &Context<'_>) -> Option<String> {
        reason_for(Session::of(ctx), self.0.status_reason.as_ref().filter(|_| self.known(ctx)))
    }

    /// How the account came by the unit.
    async fn method(&self) -> AssignmentMethod {
        self.0.method.into()
    }

    /// The unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Result<Entitlement, Fault> {
        Session::of(ctx).need(self.0.entitlement_id, "entitlement").await
    }

    /// What it is assigned to on the account's side, as a device or a seat. Null if nothing was named, and to whoever may not know the account.
    async fn resource(&self, ctx: &Context<'_>) -> Option<&String> {
        self.0.resource.as_ref().filter(|_| self.known(ctx))
    }

    /// Who has, or had, the unit. Null to whoever may know that it is held but not by whom: a partner whose gift was claimed elsewhere.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account, Fault>> {
        match &self.1 {
            Some(account) => self.known(ctx).then(|| Ok(account.clone().into())),
            None => Session::of(ctx).find(Some(self.0.account_id)).await,
        }
    }

    /// What was submitted for it so far. Null if nothing was, and to whoever may not know the account.
    async fn input(&self, ctx: &Context<'_>) -> Option<Json> {
        if self.known(ctx) { self.0.input.clone().map(Json) } else { None }
    }

    /// The names of what must still be submitted before provisioning starts.
    async fn missing_input(&self) -> &[String] {
        &self.0.missing_input.0
    }

    /// The downstream record's own id. Null until a provisioner names it, and to whoever may not know the account.
    async fn external_reference(&self, ctx: &Context<'_>) -> Option<&String> {
        self.0.external_reference.as_ref().filter(|_| self.known(ctx))
    }

    /// The attempts to create or remove the downstream record, newest first.
    #[graphql(complexity = "page::newest_cost(first, child_complexity)")]
    async fn attempts(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 100, desc = "At most so many: 0 to 100.")] first: Option<i32>,
    ) -> Result<Vec<ProvisioningAttempt>, Fault> {
        page::newest_within(Session::of(ctx), first, self.0.id, AttemptsOfAssignment).await
    }

    /// By when it should have left its present state. Null where it may stay.
    async fn deadline(&self) -> Option<DateTime> {
        self.0.deadline.map(DateTime)
    }

    /// When the unit was assigned.
    async fn assigned_at(&self) -> DateTime {
        self.0.assigned_at.into()
    }

    /// When it became active. Null if it has not.
    async fn activated_at(&self) -> Option<DateTime> {
        self.0.activated_at.map(DateTime)
    }

    /// When it was over. Null while it is in force.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }
}
