//! Orders: recording a purchase, complete and valid at once, and issuing its units.

mod check;
pub mod import;
mod issue;
mod place;

pub use self::place::{Line, Place, Placed, place};
