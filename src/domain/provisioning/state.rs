//! The machine of a provisioning attempt.

use super::super::transition::Machine;
use crate::{
    entity::{
        kind::ProvisioningOutcome as Status,
        provisioning_attempt::{Column, Entity},
    },
    id::ProvisioningAttemptId,
};

/// What can happen to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Its worker is given more time.
    ExtendLease,
    /// Its worker reports success.
    Succeed,
    /// Its worker reports failure.
    Fail,
    /// Its lease ran out, and another worker takes over.
    GiveUp,
}

impl Machine for Entity {
    type Id = ProvisioningAttemptId;
    type Status = Status;
    type Command = Command;
    const NAME: &'static str = "attempt";

    fn next(status: Status, command: Command) -> Option<Status> {
        match (status, command) {
            (Status::Started, Command::ExtendLease) => Some(Status::Started),
            (Status::Started, Command::Succeed) => Some(Status::Succeeded),
            (Status::Started, Command::Fail) => Some(Status::Failed),
            (Status::Started, Command::GiveUp) => Some(Status::Unknown),
            (
                Status::Succeeded | Status::Failed | Status::Unknown,
                Command::ExtendLease | Command::Succeed | Command::Fail | Command::GiveUp,
            ) => None,
        }
    }

    fn columns() -> (Column, Column, Option<Column>) {
        (Column::Id, Column::Outcome, None)
    }
}
