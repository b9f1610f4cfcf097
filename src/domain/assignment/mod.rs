//! Assignments: what happens to one after it has begun.

mod part;
mod release;
mod state;
mod submit_input;

pub use self::{
    part::{Parting, parting},
    release::{Release, Released, release},
    state::{Command, created},
    submit_input::{SubmitInput, Submitted, submit_input},
};
pub(super) use self::{
    part::{let_go, part, wind_up},
    release::in_force,
};
