//! Assignments: what happens to one after it has begun.

mod part;
mod release;
mod state;
mod submit_input;

pub(super) use self::{
    part::{Leaving, let_go, part, part_all, wind_up},
    release::in_force,
};
pub use self::{
    part::{Parting, parting},
    release::{Release, Released, release},
    state::{Command, created},
    submit_input::{SubmitInput, Submitted, submit_input},
};
