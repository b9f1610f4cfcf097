//! `ProvisioningAttempt`: what was tried downstream.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::Assignment;
use crate::{
    entity::provisioning_attempt::Model,
    graphql::{
        enums::{ProvisioningOperation, ProvisioningOutcome},
        error::Fault,
        scalars::DateTime,
        session::Session,
    },
};

#[derive(Clone)]
pub struct ProvisioningAttempt(pub Arc<Model>);

/// One attempt to create or remove an assignment's downstream record.
#[Object]
impl ProvisioningAttempt {
    /// The attempt's id, `pat_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The assignment whose record it is. Null if it is not yours to see.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(Some(self.0.assignment_id)).await
    }

    /// Whether the record is to be created or removed.
    async fn operation(&self) -> ProvisioningOperation {
        self.0.operation.into()
    }

    /// What came of it.
    async fn outcome(&self) -> ProvisioningOutcome {
        self.0.outcome.into()
    }

    /// When a provisioner took it.
    async fn started_at(&self) -> DateTime {
        self.0.started_at.into()
    }

    /// When its result was reported, or given up. Null while it runs.
    async fn finished_at(&self) -> Option<DateTime> {
        self.0.finished_at.map(DateTime)
    }

    /// Until when it is the provisioner's alone. Null once it is finished.
    async fn lease_expires_at(&self) -> Option<DateTime> {
        self.0.lease_expires_at.map(DateTime)
    }

    /// Why it failed, as the provisioner said. Null if it did not, to customers, and to whoever may not know the account.
    async fn reason(&self, ctx: &Context<'_>) -> Option<Result<&String, Fault>> {
        let reason = self.0.reason.as_ref()?;
        let told = Session::of(ctx).hears_of(Some(self.0.assignment_id)).await;
        told.map(|told| told.then_some(reason)).transpose()
    }
}
