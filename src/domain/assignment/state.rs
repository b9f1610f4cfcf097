//! The machine of an assignment.

use super::super::transition::Machine;
use crate::{
    entity::{
        assignment::{Column, Entity},
        kind::{AssignmentStatus as Status, EventType},
    },
    id::AssignmentId,
};

/// What can happen to an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// Some of what was asked for is there.
    AddInput,
    /// The last of what was asked for is there, and something downstream has to be made.
    CompleteInput,
    /// A worker takes it.
    Claim,
    /// It is in effect: nothing had to be made downstream, or it was made.
    Activate,
    /// Making it downstream failed for good.
    Fail,
    /// Making it failed for now, or nobody knows.
    Requeue,
    /// It is tried again after it failed.
    Retry,
    /// It is given up before it was in effect.
    Cancel,
    /// Making it failed for good, and its end had been asked for meanwhile.
    Abandon,
    /// What is downstream has to be taken down.
    Deprovision,
    /// Taking it down failed.
    FailDeprovisioning,
    /// It is over.
    End,
    /// Its end is wanted, and a running attempt has to report first.
    RequestEnd,
    /// It is given more time where it is.
    Postpone,
}

impl Machine for Entity {
    type Id = AssignmentId;
    type Status = Status;
    type Command = Command;
    const NAME: &'static str = "assignment";

    fn next(status: Status, command: Command) -> Option<Status> {
        match (status, command) {
            (Status::AwaitingInput, Command::AddInput | Command::Postpone) => Some(Status::AwaitingInput),
            (Status::AwaitingInput, Command::CompleteInput)
            | (Status::Pending, Command::Postpone)
            | (Status::Provisioning, Command::Requeue)
            | (Status::Failed, Command::Retry) => Some(Status::Pending),
            (Status::Pending, Command::Claim) | (Status::Provisioning, Command::Postpone | Command::RequestEnd) => {
                Some(Status::Provisioning)
            }
            (Status::AwaitingInput | Status::Provisioning, Command::Activate) => Some(Status::Active),
            (Status::Provisioning, Command::Fail) => Some(Status::Failed),
            (Status::AwaitingInput | Status::Pending | Status::Failed, Command::Cancel)
            | (Status::Provisioning, Command::Abandon) => Some(Status::Cancelled),
            (Status::Provisioning | Status::Active | Status::DeprovisionFailed, Command::Deprovision)
            | (Status::Deprovisioning, Command::Claim) => Some(Status::Deprovisioning),
            (Status::Deprovisioning, Command::FailDeprovisioning) => Some(Status::DeprovisionFailed),
            (Status::Active | Status::Deprovisioning | Status::DeprovisionFailed, Command::End) => Some(Status::Ended),
            (
                Status::Pending
                | Status::AwaitingInput
                | Status::Provisioning
                | Status::Active
                | Status::Failed
                | Status::Deprovisioning
                | Status::DeprovisionFailed
                | Status::Ended
                | Status::Cancelled,
                Command::AddInput
                | Command::CompleteInput
                | Command::Claim
                | Command::Activate
                | Command::Fail
                | Command::Requeue
                | Command::Retry
                | Command::Cancel
                | Command::Abandon
                | Command::Deprovision
                | Command::FailDeprovisioning
                | Command::End
                | Command::RequestEnd
                | Command::Postpone,
            ) => None,
        }
    }

    fn columns() -> (Column, Column, Option<Column>) {
        (Column::Id, Column::Status, Some(Column::Version))
    }
}

/// The event that tells of an assignment's beginning.
pub fn created(status: Status) -> EventType {
    match status {
        Status::AwaitingInput => EventType::AssignmentAwaitingInput,
        Status::Active => EventType::AssignmentActivated,
        Status::Pending
        | Status::Provisioning
        | Status::Failed
        | Status::Deprovisioning
        | Status::DeprovisionFailed
        | Status::Ended
        | Status::Cancelled => EventType::AssignmentCreated,
    }
}
