//! The catalogue: partners, their channels, products with their policies, and which mode a channel sells a product in.
//!
//! Rows that change are changed by compare-and-set on their version; each change has its event. Nothing is ever deleted but a rule, for
//! orders refer to all of it: partners and channels are switched off instead.

pub mod channel;
pub mod partner;
mod policy;
pub mod product;
pub mod rule;

pub use self::policy::PolicyChange;
use crate::store::Error;

/// What is asked for a value that may be left as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is; in something new, the default.
    #[default]
    Keep,
    /// The default again, or none where there can be none.
    Clear,
    /// This.
    Set(T),
}

impl<T> Change<T> {
    /// The value that comes of it.
    pub fn apply(self, present: T, default: T) -> T {
        match self {
            Self::Keep => present,
            Self::Clear => default,
            Self::Set(value) => value,
        }
    }
}

/// Who finds the row changed since it was read decides again on what is there now.
fn written(rows: u64, what: impl std::fmt::Display) -> Result<(), Error> {
    if rows == 1 { Ok(()) } else { Err(Error::Conflict(what.to_string())) }
}
