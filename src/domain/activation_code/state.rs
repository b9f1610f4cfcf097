//! The machine of an activation code.

use super::super::transition::Machine;
use crate::{
    entity::{
        activation_code::{Column, Entity},
        kind::ActivationCodeStatus as Status,
    },
    id::ActivationCodeId,
};

/// What can happen to a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Somebody claims the unit with it.
    Redeem,
    /// Another one takes its place.
    Replace,
    /// It stops working, and no other takes its place.
    Revoke,
    /// Its unit's time is up.
    Expire,
}

impl Machine for Entity {
    type Id = ActivationCodeId;
    type Status = Status;
    type Command = Command;
    const NAME: &'static str = "activation code";

    fn next(status: Status, command: Command) -> Option<Status> {
        match (status, command) {
            (Status::Issued, Command::Redeem) => Some(Status::Redeemed),
            (Status::Issued, Command::Replace) => Some(Status::Replaced),
            (Status::Issued, Command::Revoke) => Some(Status::Revoked),
            (Status::Issued, Command::Expire) => Some(Status::Expired),
            (
                Status::Redeemed | Status::Replaced | Status::Revoked | Status::Expired,
                Command::Redeem | Command::Replace | Command::Revoke | Command::Expire,
            ) => None,
        }
    }

    fn columns() -> (Column, Column, Option<Column>) {
        (Column::Id, Column::Status, None)
    }
}
