//! Provisioning: workers create, and take down, what an assignment needs downstream, exactly once.
//!
//! A worker claims assignments for a while, each with an attempt of its own, and reports what came of it. An attempt whose worker never
//! reported is UNKNOWN from the moment the next worker claims the assignment, who is told so: it asks downstream by the idempotency
//! reference, which is the same for every attempt of one operation, before it does anything. Until then a late report counts.

mod claim;
mod complete;
mod extend_lease;
mod fail;
mod retry;
mod state;

use sea_orm::{ActiveValue::Set, ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};

pub(super) use self::retry::{again, postponable, postpone, retryable};
pub use self::{
    claim::{Claimed, ClaimedAttempt, Work, claim},
    complete::{Complete, complete},
    extend_lease::{ExtendLease, Extended, extend_lease},
    fail::{Fail, fail},
    retry::{Retry, retry},
    state::Command,
};
use super::{
    Actor, Error, Refusal,
    account::Named,
    entitlement::{By, Claim, event},
    error::{not_found, wrong_state},
    input,
    transition::{Change, Transition},
};
use crate::{
    entity::{
        assignment, event,
        kind::{AssignmentStatus, EventType, ProvisioningOperation, ProvisioningOutcome, RefusalCode},
        provisioning_attempt::{ActiveModel, COLUMN, Entity, Model},
        scope::Scoped,
    },
    id::{AssignmentId, ProvisioningAttemptId},
    store::{self, Tx},
};

/// Seconds a lease may last.
const LEASE: std::ops::RangeInclusive<i32> = 5..=3_600;

/// What came of a report.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Reported {
    pub assignment_id: AssignmentId,
}

/// Reads an attempt of the caller's, with the unit of its assignment.
async fn load(tx: &Tx, actor: &Actor, id: ProvisioningAttemptId) -> Result<(Model, Claim), Error> {
    let missing = || not_found("attempt").at(["attemptId"]);
    let found = Entity::visible(&actor.scope).filter(COLUMN.id.eq(id)).one(tx.connection().await?).await?;
    let attempt = found.ok_or_else(missing)?;
    // The attempt is theirs, and so is what it is about.
    let by = By::Assignment(attempt.assignment_id);
    let claim = Claim::load(tx, &Actor::system("provisioning"), by, &Named::nobody()).await?;
    Ok((attempt, claim.ok_or_else(missing)?))
}

/// The assignment in force that `attempt` is running for.
fn running(claim: &Claim, attempt: &Model) -> Result<assignment::Model, Error> {
    let worked_on = match attempt.operation {
        ProvisioningOperation::Provision => AssignmentStatus::Provisioning,
        ProvisioningOperation::Deprovision => AssignmentStatus::Deprovisioning,
    };
    let own = |assignment: &assignment::Model| assignment.id == attempt.assignment_id && assignment.status == worked_on;
    let assignment = claim.assignment.clone().filter(own);
    // A started attempt has one: it was reported on, or claimed by another, between the two reads.
    Ok(assignment.ok_or_else(|| store::Error::Conflict(attempt.id.to_string()))?)
}

fn over(attempt: &Model) -> Refusal {
    let message = match attempt.outcome {
        ProvisioningOutcome::Unknown => {
            "the attempt's lease ran out and another worker has claimed its work: leave it to that one"
        }
        ProvisioningOutcome::Started | ProvisioningOutcome::Succeeded | ProvisioningOutcome::Failed => {
            return wrong_state("attempt", attempt.outcome).at(["attemptId"]);
        }
    };
    Refusal::new(RefusalCode::InvalidState, message).at(["attemptId"])
}

/// Writes what came of an attempt.
async fn finish(tx: &Tx, attempt: &Model, command: Command, reason: Option<String>) -> Result<(), Error> {
    let transition = Transition::<Entity>::decide(attempt.outcome, command)?;
    let changes = ActiveModel {
        finished_at: Set(Some(tx.now())),
        lease_expires_at: Set(None),
        reason: Set(reason),
        ..Default::default()
    };
    let _ = transition.apply(tx, attempt.id, 0, changes).await?;
    Ok(())
}

/// The event of an assignment's change.
fn told(
    kind: EventType,
    claim: &Claim,
    assignment: &assignment::Model,
    change: Change<AssignmentStatus>,
) -> event::Model {
    event::Model {
        assignment_id: Some(assignment.id),
        from_status: Some(change.from.to_string()),
        to_status: Some(change.to.to_string()),
        ..event(kind, &claim.unit, &claim.policy, Some((assignment.account_id, assignment.account_partner_id)))
    }
}
