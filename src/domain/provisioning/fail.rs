//! Reporting that an attempt failed.

use chrono::TimeDelta;
use sea_orm::ActiveValue::Set;

use super::{
    super::{
        Actor, Error, Operation, assignment as assignments, entitlement::Claim, exception, input,
        transition::Transition,
    },
    Command, Reported, finish, load, over, running, told,
};
use crate::{
    entity::{
        assignment, event,
        kind::{EventType, ExceptionKind, ProvisioningOperation, ProvisioningOutcome},
    },
    id::ProvisioningAttemptId,
    store::Tx,
};

/// The pause after the first failure that may pass; it doubles with each.
const PAUSE_SECONDS: i64 = 1;
/// The longest pause.
const LONGEST_SECONDS: i64 = 600;

/// What is reported.
#[derive(Debug, Clone)]
pub struct Fail {
    pub attempt_id: ProvisioningAttemptId,
    pub reason: String,
    /// Whether trying again may help.
    pub retryable: bool,
}

/// Records failure: another try after a pause that grows, or somebody's decision. The same report again has no further effect.
pub async fn fail(tx: &mut Tx, actor: &Actor, command: &Fail) -> Result<Reported, Error> {
    use assignments::Command as Step;
    actor.may(Operation::FailProvisioning)?;
    let reason = input::reason(&command.reason)?;
    let (attempt, mut claim) = load(tx, actor, command.attempt_id).await?;
    match attempt.outcome {
        ProvisioningOutcome::Failed => return Ok(Reported { assignment_id: attempt.assignment_id }),
        ProvisioningOutcome::Succeeded | ProvisioningOutcome::Unknown => return Err(over(&attempt).into()),
        ProvisioningOutcome::Started => {}
    }
    let assignment = running(&claim, &attempt)?;

    let last = !command.retryable || assignment.failures + 1 >= tx.settings().provisioning_attempts;
    match attempt.operation {
        // Nothing was made, and nothing is wanted any more.
        ProvisioningOperation::Provision if assignment.end_requested => {
            assignments::wind_up(tx, &mut claim, Step::Abandon, Some(reason.clone())).await?;
        }
        ProvisioningOperation::Provision if last => {
            step(tx, &claim, &assignment, Step::Fail, EventType::AssignmentFailed, &reason).await?;
            exception::settle(tx, &claim, exception::OVERDUE).await?;
            exception::open(tx, ExceptionKind::ProvisioningFailed, &claim, reason.clone()).await?;
        }
        ProvisioningOperation::Provision => {
            step(tx, &claim, &assignment, Step::Requeue, EventType::AssignmentRetried, &reason).await?;
        }
        ProvisioningOperation::Deprovision if last => {
            let kind = EventType::AssignmentDeprovisionFailed;
            step(tx, &claim, &assignment, Step::FailDeprovisioning, kind, &reason).await?;
            exception::open(tx, ExceptionKind::DeprovisioningFailed, &claim, reason.clone()).await?;
        }
        ProvisioningOperation::Deprovision => {
            step(tx, &claim, &assignment, Step::Claim, EventType::AssignmentRetried, &reason).await?;
        }
    }
    finish(tx, &attempt, Command::Fail, Some(reason)).await?;
    Ok(Reported { assignment_id: attempt.assignment_id })
}

async fn step(
    tx: &mut Tx,
    claim: &Claim,
    assignment: &assignment::Model,
    command: assignments::Command,
    kind: EventType,
    reason: &str,
) -> Result<(), Error> {
    let exponent = u32::try_from(assignment.failures).unwrap_or_default().min(30);
    let pause = TimeDelta::seconds((PAUSE_SECONDS << exponent).min(LONGEST_SECONDS));
    let changes = assignment::ActiveModel {
        status_reason: Set(Some(reason.to_owned())),
        failures: Set(assignment.failures + 1),
        not_before: Set(Some(tx.now() + pause)),
        ..Default::default()
    };
    let transition = Transition::<assignment::Entity>::decide(assignment.status, command)?;
    let change = transition.apply(tx, assignment.id, assignment.version, changes).await?;
    tx.append(event::Model { reason: Some(reason.to_owned()), ..told(kind, claim, assignment, change) });
    Ok(())
}
