//! The machine of an exception.

use super::super::transition::Machine;
use crate::{
    entity::{
        fulfillment_exception::{Column, Entity},
        kind::ExceptionStatus as Status,
    },
    id::ExceptionId,
};

/// What can happen to an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Somebody, or something, settled it.
    Resolve,
}

impl Machine for Entity {
    type Id = ExceptionId;
    type Status = Status;
    type Command = Command;
    const NAME: &'static str = "exception";

    fn next(status: Status, command: Command) -> Option<Status> {
        match (status, command) {
            (Status::Open, Command::Resolve) => Some(Status::Resolved),
            (Status::Resolved, Command::Resolve) => None,
        }
    }

    fn columns() -> (Column, Column, Option<Column>) {
        (Column::Id, Column::Status, Some(Column::Version))
    }
}
