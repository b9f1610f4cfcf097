//! The machine of an entitlement.

use super::super::transition::Machine;
use crate::{
    entity::{
        assignment,
        entitlement::{Column, Entity},
        kind::{AssignmentStatus, EntitlementStatus as Status},
    },
    id::EntitlementId,
};

/// What can happen to an entitlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// It is held for somebody.
    Reserve,
    /// The hold ends without an assignment: released, or past its end.
    EndHold,
    /// It is given to an account, by code or directly.
    Assign,
    /// It is given to the account that it was held for.
    Confirm,
    /// Its assignment became active.
    Activate,
    /// Its assignment was cancelled before it became active.
    Cancel,
    /// Its active assignment ended, and it may be claimed again.
    Return,
    /// Nothing may happen with it for the time being.
    Suspend,
    /// That is over, and there is no assignment in force.
    ResumeUnassigned,
    /// That is over, and its assignment is on its way.
    ResumeAssigned,
    /// That is over, and its assignment is active, or on its way out.
    ResumeActive,
    /// It is taken back for good.
    Revoke,
    /// Its time is up.
    Expire,
    /// It gets more time after its time was up.
    Renew,
}

impl Command {
    /// The resumption that follows from the assignment in force.
    pub fn resume(assignment: Option<&assignment::Model>) -> Self {
        match assignment.map(|assignment| assignment.status) {
            None | Some(AssignmentStatus::Ended | AssignmentStatus::Cancelled) => Self::ResumeUnassigned,
            Some(AssignmentStatus::Active | AssignmentStatus::Deprovisioning | AssignmentStatus::DeprovisionFailed) => {
                Self::ResumeActive
            }
            Some(
                AssignmentStatus::Pending
                | AssignmentStatus::AwaitingInput
                | AssignmentStatus::Provisioning
                | AssignmentStatus::Failed,
            ) => Self::ResumeAssigned,
        }
    }
}

impl Machine for Entity {
    type Id = EntitlementId;
    type Status = Status;
    type Command = Command;
    const NAME: &'static str = "entitlement";

    fn next(status: Status, command: Command) -> Option<Status> {
        match (command, status) {
            (Command::Reserve, Status::Unassigned) => Some(Status::Reserved),
            (Command::EndHold, Status::Reserved)
            | (Command::Cancel, Status::Assigned)
            | (Command::Return, Status::Active)
            | (Command::ResumeUnassigned, Status::Suspended)
            | (Command::Renew, Status::Expired) => Some(Status::Unassigned),
            (Command::Assign, Status::Unassigned)
            | (Command::Confirm, Status::Reserved)
            | (Command::ResumeAssigned, Status::Suspended) => Some(Status::Assigned),
            (Command::Activate, Status::Assigned) | (Command::ResumeActive, Status::Suspended) => Some(Status::Active),
            (Command::Suspend, Status::Unassigned | Status::Reserved | Status::Assigned | Status::Active) => {
                Some(Status::Suspended)
            }
            (
                Command::Revoke,
                Status::Unassigned | Status::Reserved | Status::Assigned | Status::Active | Status::Suspended,
            ) => Some(Status::Revoked),
            (
                Command::Expire,
                Status::Unassigned | Status::Reserved | Status::Assigned | Status::Active | Status::Suspended,
            ) => Some(Status::Expired),
            (
                Command::Reserve
                | Command::EndHold
                | Command::Assign
                | Command::Confirm
                | Command::Activate
                | Command::Cancel
                | Command::Return
                | Command::Suspend
                | Command::ResumeUnassigned
                | Command::ResumeAssigned
                | Command::ResumeActive
                | Command::Revoke
                | Command::Expire
                | Command::Renew,
                Status::Unassigned
                | Status::Reserved
                | Status::Assigned
                | Status::Active
                | Status::Suspended
                | Status::Revoked
                | Status::Expired,
            ) => None,
        }
    }

    fn columns() -> (Column, Column, Option<Column>) {
        (Column::Id, Column::Status, Some(Column::Version))
    }
}
