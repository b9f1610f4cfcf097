//! The machine of an order.

use super::super::transition::Machine;
use crate::{
    entity::{
        kind::OrderStatus as Status,
        order::{Column, Entity},
    },
    id::OrderId,
};

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// What nobody has is taken back, and something remains.
    CancelPart,
    /// Nothing of it remains.
    CancelAll,
}

impl Machine for Entity {
    type Id = OrderId;
    type Status = Status;
    type Command = Command;
    const NAME: &'static str = "order";

    fn next(status: Status, command: Command) -> Option<Status> {
        match (status, command) {
            (Status::Confirmed | Status::PartiallyCancelled, Command::CancelPart) => Some(Status::PartiallyCancelled),
            (Status::Confirmed | Status::PartiallyCancelled, Command::CancelAll) => Some(Status::Cancelled),
            (Status::Cancelled, Command::CancelPart | Command::CancelAll) => None,
        }
    }

    fn columns() -> (Column, Column, Option<Column>) {
        (Column::Id, Column::Status, Some(Column::Version))
    }
}
