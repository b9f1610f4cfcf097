//! Having it tried again after it failed, and giving more time to what is overdue.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ActiveValue::Set;

use super::{
    super::{
        Actor, Error, Operation, Refusal, assignment as assignments,
        entitlement::{By, Claim},
        error::{not_found, stale, wrong_state},
        exception,
        transition::Transition,
    },
    Reported, told,
};
use crate::{
    entity::{
        assignment::{ActiveModel, Entity, Model},
        event,
        kind::{AssignmentStatus as Status, EntitlementStatus, EventType, ExceptionKind, RefusalCode},
    },
    id::AssignmentId,
    store::Tx,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Retry {
    pub assignment_id: AssignmentId,
    pub expected_version: Option<i32>,
}

/// Puts a failed assignment back to work, with all its tries before it.
pub async fn retry(tx: &mut Tx, actor: &Actor, command: &Retry) -> Result<Reported, Error> {
    actor.may(Operation::RetryProvisioning)?;
    let by = By::Assignment(command.assignment_id);
    let claim = Claim::load(tx, actor, by, &super::Named::nobody()).await?;
    let claim = claim.ok_or_else(|| not_found("assignment").at(["assignmentId"]))?;
    let assignment = assignments::in_force(tx, &claim, command.assignment_id).await?;
    stale(command.expected_version, assignment.version)?;
    retryable(&claim, tx.now()).map_err(|refusal| refusal.at(["assignmentId"]))?;

    again(tx, &claim, None).await?;
    Ok(Reported { assignment_id: assignment.id })
}

/// Whether the assignment of the unit can be tried again.
pub fn retryable(claim: &Claim, now: DateTime<Utc>) -> Result<(), Refusal> {
    let (assignment, command) = failed(claim)?;
    let standing = claim.standing(now);
    let ended = matches!(standing, EntitlementStatus::Revoked | EntitlementStatus::Expired);
    if ended && assignment.status == Status::Failed {
        return Err(wrong_state("entitlement", standing));
    }
    Transition::<Entity>::decide(assignment.status, command).map(|_| ())
}

/// The failed assignment of a unit, and how it goes on.
fn failed(claim: &Claim) -> Result<(&Model, assignments::Command), Refusal> {
    let none = || Refusal::new(RefusalCode::InvalidState, "no assignment is in force");
    let assignment = claim.assignment.as_ref().ok_or_else(none)?;
    match assignment.status {
        Status::Failed => Ok((assignment, assignments::Command::Retry)),
        Status::DeprovisionFailed => Ok((assignment, assignments::Command::Deprovision)),
        Status::Pending
        | Status::AwaitingInput
        | Status::Provisioning
        | Status::Active
        | Status::Deprovisioning
        | Status::Ended
        | Status::Cancelled => Err(wrong_state("assignment", assignment.status)),
    }
}

/// The writes of a retry that has been decided.
pub async fn again(tx: &mut Tx, claim: &Claim, reason: Option<String>) -> Result<(), Error> {
    let (assignment, command) = failed(claim)?;
    let provisions = command == assignments::Command::Retry;
    let stay = TimeDelta::minutes(claim.policy.provisioning_deadline_minutes.into());
    let changes = ActiveModel {
        status_reason: Set(None),
        deadline: Set(provisions.then(|| tx.now() + stay)),
        not_before: Set(None),
        failures: Set(0),
        ..Default::default()
    };
    let transition = Transition::<Entity>::decide(assignment.status, command)?;
    let change = transition.apply(tx, assignment.id, assignment.version, changes).await?;
    tx.append(event::Model { reason, ..told(EventType::AssignmentRetried, claim, assignment, change) });
    exception::settle(tx, claim, &[ExceptionKind::ProvisioningFailed, ExceptionKind::DeprovisioningFailed]).await
}

/// Whether what is overdue can be given more time.
pub fn postponable(claim: &Claim, now: DateTime<Utc>) -> Result<(), Refusal> {
    let standing = claim.standing(now);
    if matches!(standing, EntitlementStatus::Revoked | EntitlementStatus::Expired) {
        return Err(wrong_state("entitlement", standing));
    }
    let none = || Refusal::new(RefusalCode::InvalidState, "no assignment is in force");
    let assignment = claim.assignment.as_ref().ok_or_else(none)?;
    Transition::<Entity>::decide(assignment.status, assignments::Command::Postpone).map(|_| ())
}

/// Gives an overdue assignment as much time again as it had at first; what waits for a pause to end waits no longer.
pub async fn postpone(tx: &mut Tx, claim: &Claim, reason: Option<String>) -> Result<(), Error> {
    let Some(assignment) = &claim.assignment else { return Ok(()) };
    let policy = &claim.policy;
    let stay = if assignment.status == Status::AwaitingInput {
        TimeDelta::hours(policy.input_deadline_hours.into())
    } else {
        TimeDelta::minutes(policy.provisioning_deadline_minutes.into())
    };
    let changes = ActiveModel { deadline: Set(Some(tx.now() + stay)), not_before: Set(None), ..Default::default() };
    let transition = Transition::<Entity>::decide(assignment.status, assignments::Command::Postpone)?;
    let change = transition.apply(tx, assignment.id, assignment.version, changes).await?;
    tx.append(event::Model { reason, ..told(EventType::AssignmentRetried, claim, assignment, change) });
    Ok(())
}
