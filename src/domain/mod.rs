//! The rules. Knows neither GraphQL nor HTTP.
//!
//! An *operation* is one use case: a function of a transaction, an actor and a command, `entitlement::assign(tx, actor, command)`. It can be
//! run again from the beginning, has no effect outside its transaction, and takes time and ids from it. Its paragraphs come in this order:
//! authorise, load, decide (pure), write, journal. It returns the ids of what it did, so that the same answer can be given again to who
//! asks again; [`run`] sees to that.

pub mod access;
pub mod account;
pub mod activation_code;
pub mod actor;
pub mod assignment;
pub mod catalog;
pub mod entitlement;
pub mod error;
pub mod exception;
mod idempotency;
pub mod input;
pub mod order;
pub mod provisioning;
pub mod reservation;
pub mod sweep;
pub mod transition;
pub mod verify;

pub use self::{
    actor::{Actor, Operation},
    error::{Action, Error, Refusal},
    idempotency::{Request, once, run},
};
