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
    id::AssignmentId,
    store::{Tx, journal::Subject},
};

/// How an assignment in force comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

impl Parting {
    /// Whether the unit is nobody's at once.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Over(_))
    }

    /// The command that begins it; none where it has begun.
    fn command(self) -> Option<Command> {
        match self {
            Self::Over(command) => Some(command),
            Self::TakenDown => Some(Command::Deprovision),
            Self::Awaited => Some(Command::RequestEnd),
            Self::Underway => None,
        }
    }
}

/// How an assignment would come to its end: one in this state, of a product that is provisioned outside or not, whose end has been asked
/// for or not.
pub fn parting(status: Status, external: bool, end_requested: bool) -> Parting {
    match status {
        Status::Pending | Status::AwaitingInput | Status::Failed => Parting::Over(Command::Cancel),
        Status::Active if external => Parting::TakenDown,
        Status::Active => Parting::Over(Command::End),
        Status::Provisioning if !end_requested => Parting::Awaited,
        Status::Provisioning
        | Status::Deprovisioning
        | Status::DeprovisionFailed
        | Status::Ended
        | Status::Cancelled => Parting::Underway,
    }
}

/// Begins the end of the assignment of a unit that has ended itself; the unit is written already.
pub async fn part(tx: &mut Tx, claim: &mut Claim, reason: Option<String>) -> Result<(), Error> {
    let Some(parting) = claim.parting() else { return Ok(()) };
    let Some(assignment) = claim.assignment.take() else { return Ok(()) };
    if let Some(command) = parting.command() {
        write(tx, claim, &assignment, command, reason, None).await?;
    }
    if !parting.is_over() {
        // It outlives its unit for now.
        claim.assignment = Some(assignment);
    }
    Ok(())
}

/// How assignments that are all alike leave.
pub struct Leaving {
    pub status: Status,
    pub parting: Parting,
    pub reason: Option<String>,
}

/// Begins the end of assignments that are all alike; their units have ended and are written already. What is told of each is `like` this,
/// and settling what was open about them is the caller's.
pub async fn part_all(
    tx: &mut Tx,
    leaving: Leaving,
    assignments: Vec<(AssignmentId, i32, Subject)>,
    like: event::Model,
) -> Result<(), Error> {
    let Some(command) = leaving.parting.command() else { return Ok(()) };
    let transition = Transition::<Entity>::decide(leaving.status, command)?;
    let rows = assignments.iter().map(|(id, version, _)| (*id, *version));
    let changes = left(tx, command, &transition, leaving.reason.clone());
    let written = transition.apply_all(tx, rows, changes).await?;
    let told = event::Model { kind: told(written), ..about(written, leaving.reason, like) };
    tx.append_each(told, assignments.into_iter().map(|(.., subject)| subject).collect());
    Ok(())
}

/// Begins the end of an assignment whose unit lives on. If that is over at once, the unit is free again and gets a fresh code.
pub async fn let_go(tx: &mut Tx, claim: &mut Claim, reason: Option<String>) -> Result<Option<Issued>, Error> {
    match claim.parting() {
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
    let changes = left(tx, command, &transition, reason.clone());
    let written = transition.apply(tx, assignment.id, assignment.version, changes).await?;
    let concerned = Some((assignment.account_id, assignment.account_partner_id));
    let like = event(told(written), &claim.unit, &claim.policy, concerned);
    tx.append(event::Model {
        assignment_id: Some(assignment.id),
        entitlement_from: unit.map(|change| change.from),
        entitlement_to: unit.map(|change| change.to),
        ..about(written, reason, like)
    });
    if over(written.to) { exception::settle(tx, claim, exception::ASSIGNMENT).await } else { Ok(()) }
}

fn over(status: Status) -> bool {
    matches!(status, Status::Ended | Status::Cancelled)
}

/// What is written of an assignment on its way out, besides its status.
fn left(tx: &Tx, command: Command, transition: &Transition<Entity>, reason: Option<String>) -> ActiveModel {
    let mut changes = ActiveModel { status_reason: Set(reason), ..Default::default() };
    if command == Command::RequestEnd {
        changes.end_requested = Set(true);
    } else {
        (changes.deadline, changes.not_before, changes.failures) = (Set(None), Set(None), Set(0));
        changes.ended_at = Set(over(transition.to()).then(|| tx.now()));
    }
    changes
}

/// What is told of it.
fn about(change: Change<Status>, reason: Option<String>, like: event::Model) -> event::Model {
    event::Model { reason, from_status: Some(change.from.to_string()), to_status: Some(change.to.to_string()), ..like }
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
