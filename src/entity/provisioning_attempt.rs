//! Provisioning attempts: what was tried downstream for an assignment.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{
    assignment,
    kind::{ProvisioningOperation, ProvisioningOutcome},
    scope::{Arms, Scope, Scoped, through},
};
use crate::id::{AssignmentId, ProvisioningAttemptId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "provisioning_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProvisioningAttemptId,
    pub assignment_id: AssignmentId,
    pub operation: ProvisioningOperation,
    pub outcome: ProvisioningOutcome,
    /// The same for every attempt of one operation, so that downstream can tell a repeat.
    pub idempotency_reference: String,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub lease_expires_at: Option<DateTime<Utc>>,
    pub reason: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        through::<assignment::Entity>(scope, assignment::Column::Id, Column::AssignmentId)
    }
}
