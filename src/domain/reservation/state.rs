//! The machine of a reservation.

use super::super::transition::Machine;
use crate::{
    entity::{
        kind::ReservationStatus as Status,
        reservation::{Column, Entity},
    },
    id::ReservationId,
};

/// What can happen to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// It is given more time.
    Extend,
    /// The unit is assigned to whom it was held for.
    Confirm,
    /// It is given up.
    Release,
    /// Its time is up.
    Expire,
}

impl Machine for Entity {
    type Id = ReservationId;
    type Status = Status;
    type Command = Command;
    const NAME: &'static str = "reservation";

    fn next(status: Status, command: Command) -> Option<Status> {
        match (status, command) {
            (Status::Held, Command::Extend) => Some(Status::Held),
            (Status::Held, Command::Confirm) => Some(Status::Confirmed),
            (Status::Held, Command::Release) => Some(Status::Released),
            (Status::Held, Command::Expire) => Some(Status::Expired),
            (
                Status::Confirmed | Status::Released | Status::Expired,
                Command::Extend | Command::Confirm | Command::Release | Command::Expire,
            ) => None,
        }
    }

    fn columns() -> (Column, Column, Option<Column>) {
        (Column::Id, Column::Status, Some(Column::Version))
    }
}
