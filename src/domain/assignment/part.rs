//! Parting a unit from whoever has it.

use sea_orm::ActiveValue::Set;

use super::{
    super::{
        activation_code::{self, Issued},
        entitlement::{self, Claim, event, vacate},
        error::Error,
        exception,
        transition::{Change, Transition},
    },
    Command,
};
use crate::{
    entity::{
        assignment::{ActiveModel, Entity, Model},
        event,
        kind::{AssignmentStatus as Status, EventType},
    },
    store::Tx,
};

/// How an assignment in force comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// At once, by this command: nothing of it is downstream.
    Over(Command),
    /// What is downstream has to be taken down first.
    TakenDown,
    /// An attempt is running, and nobody knows yet what will be downstream: its result decides.
    Awaited,
    /// It is on its way out already.
    Underway,
}

/// How `assignment` would come to its end.
pub fn parting(assignment: &Model) -> Parting {
    match assignment.status {
        Status::Pending | Status::AwaitingInput | Status::Failed => Parting::Over(Command::Cancel),
        Status::Active if assignment.external => Parting::TakenDown,
        Status::Active => Parting::Over(Command::End),
        Status::Provisioning if !assignment.end_requested => Parting::Awaited,
        Status::Provisioning
        | Status::Deprovisioning
        | Status::DeprovisionFailed
        | Status::Ended
        | Status::Cancelled => Parting::Underway,
    }
}

/// Begins the end of the assignment of a unit that has ended itself; the unit is written already.
pub async fn part(tx: &mut Tx, claim: &mut Claim, reason: Option<String>) -> Result<(), Error> {
    let Some(assignment) = claim.assignment.take() else { return Ok(()) };
    let command = match parting(&assignment) {
        Parting::Over(command) => return write(tx, claim, &assignment, command, reason, None).await,
        Parting::TakenDown => Some(Command::Deprovision),
        Parting::Awaited => Some(Command::RequestEnd),
        Parting::Underway => None,
    };
    if let Some(command) = command {
        write(tx, claim, &assignment, command, reason, None).await?;
    }
    // It outlives its unit for now.
    claim.assignment = Some(assignment);
    Ok(())
}

/// Begins the end of an assignment whose unit lives on. If that is over at once, the unit is free again and gets a fresh code.
pub async fn let_go(tx: &mut Tx, claim: &mut Claim, reason: Option<String>) -> Result<Option<Issued>, Error> {
    match claim.assignment.as_ref().map(parting) {
        Some(Parting::Over(command)) => wind_up(tx, claim, command, reason).await,
        Some(Parting::TakenDown | Parting::Awaited | Parting::Underway) | None => {
            part(tx, claim, reason).await?;
            Ok(None)
        }
    }
}

/// Ends an assignment for good. Its unit is free again and gets a fresh code, unless it is suspended or has ended itself.
pub async fn wind_up(
    tx: &mut Tx,
    claim: &mut Claim,
    command: Command,
    reason: Option<String>,
) -> Result<Option<Issued>, Error> {
    let Some(assignment) = claim.assignment.take() else { return Ok(None) };
    let was_of_use = command == Command::End;
    let freeing = if was_of_use { entitlement::Command::Return } else { entitlement::Command::Cancel };
    let freed = vacate(tx, &mut claim.unit, freeing).await?;
    write(tx, claim, &assignment, command, reason, freed).await?;
    if freed.is_none() {
        return Ok(None);
    }
    exception::settle(tx, claim, exception::REDEMPTION).await?;
    activation_code::renew(tx, claim).await
}

/// Writes one change on an assignment's way out; `unit` is what it did to the unit.
async fn write(
    tx: &mut Tx,
    claim: &Claim,
    assignment: &Model,
    command: Command,
    reason: Option<String>,
    unit: Option<entitlement::Change>,
) -> Result<(), Error> {
    let transition = Transition::<Entity>::decide(assignment.status, command)?;
    let over = matches!(transition.to(), Status::Ended | Status::Cancelled);
    let mut changes = ActiveModel { status_reason: Set(reason.clone()), ..Default::default() };
    if command == Command::RequestEnd {
        changes.end_requested = Set(true);
    } else {
        (changes.deadline, changes.not_before, changes.failures) = (Set(None), Set(None), Set(0));
        changes.ended_at = Set(over.then(|| tx.now()));
    }
    let written = transition.apply(tx, assignment.id, assignment.version, changes).await?;
    tx.append(event::Model {
        assignment_id: Some(assignment.id),
        reason,
        from_status: Some(written.from.to_string()),
        to_status: Some(written.to.to_string()),
        entitlement_from: unit.map(|change| change.from),
        entitlement_to: unit.map(|change| change.to),
        ..event(told(written), &claim.unit, &claim.policy, Some((assignment.account_id, assignment.account_partner_id)))
    });
    if over { exception::settle(tx, claim, exception::ASSIGNMENT).await } else { Ok(()) }
}

fn told(change: Change<Status>) -> EventType {
    match change.to {
        Status::Deprovisioning | Status::DeprovisionFailed => EventType::AssignmentDeprovisioning,
        Status::Ended => EventType::AssignmentEnded,
        Status::Cancelled => EventType::AssignmentCancelled,
        // It stays as it is until its attempt has reported.
        Status::Provisioning | Status::Pending | Status::AwaitingInput | Status::Active | Status::Failed => {
            EventType::AssignmentEndRequested
        }
    }
}
