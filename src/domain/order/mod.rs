//! Orders: recording a purchase, complete and valid at once, and issuing its units.

mod cancel;
mod check;
pub mod import;
mod issue;
mod place;
mod state;

pub use self::{
    cancel::{Cancel, Cancelled, cancel},
    place::{Line, Place, Placed, place},
    state::Command,
};
