//! The machine of an entitlement, and what a caller may do with one.

use super::super::{actor::Operation, error::Action, transition::Machine};
use crate::{
    entity::{
        assignment,
        entitlement::{Column, Entity},
        kind::{AssignmentStatus, EntitlementStatus as Status, Role},
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

/// The actions that this service offers to `role` and that a unit in `status` allows: computed from the machine, so that no action is
/// offered that would be refused for the unit's state.
pub fn allowed_actions(status: Status, role: Role) -> Vec<Action> {
    let offered = [
        (Action::Reserve, Command::Reserve, Operation::ReserveEntitlement),
        (Action::Assign, Command::Assign, Operation::AssignEntitlement),
    ];
    let redeemable = status == Status::Unassigned && Operation::RedeemCode.roles().contains(&role);
    let allowed = offered.into_iter().filter(|(_, command, operation)| {
        operation.roles().contains(&role) && Entity::next(status, *command).is_some()
    });
    allowed.map(|(action, ..)| action).chain(redeemable.then_some(Action::Redeem)).collect()
}
