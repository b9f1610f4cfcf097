//! Assignments: what happens to one after it has begun.

mod state;
mod submit_input;

pub use self::{
    state::{Command, created},
    submit_input::{SubmitInput, Submitted, submit_input},
};
