//! Which names of operations are told apart.
//!
//! A name is a client's to choose, and each that is told apart costs some memory and some lines for good. So the first ones that were run
//! are, and all others are one; what customers make up takes no more than half of the room. Where only trusted documents are served, there
//! are no others than theirs.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

/// Names that are told apart, and those of them that there may be when a customer's comes.
const MOST: usize = 200;
const OF_CUSTOMERS: usize = MOST / 2;
/// The longest of them, in bytes.
const LONGEST: usize = 64;
/// What all others are called, and an operation that has no name. No name has such letters.
const OTHER: &str = "(other)";
const ANONYMOUS: &str = "(anonymous)";

/// The names that are told apart by now.
#[derive(Default)]
pub struct Names(RwLock<HashSet<Arc<str>>>);

impl Names {
    /// The name to count by. One that was run is remembered while there is room.
    pub fn known(&self, name: Option<&str>, ran: bool, by_customer: bool) -> Arc<str> {
        let Some(name) = name else { return ANONYMOUS.into() };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let most = if by_customer { OF_CUSTOMERS } else { MOST };
        known.or_else(|| ran.then(|| self.remember(name, most)).flatten()).unwrap_or_else(|| OTHER.into())
    }

    fn remember(&self, name: &str, most: usize) -> Option<Arc<str>> {
        if name.len() > LONGEST {
            return None;
        }
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= most && !names.contains(name) {
            return None;
        }
        let name: Arc<str> = name.into();
        names.insert(Arc::clone(&name));
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_names_are_told_apart_and_all_others_are_one() {
        let names = Names::default();
        assert_eq!(&*names.known(None, true, false), ANONYMOUS);
        assert_eq!(&*names.known(Some("Mistaken"), false, false), OTHER);
        assert_eq!(&*names.known(Some(&"x".repeat(LONGEST + 1)), true, false), OTHER);
        for number in 0..OF_CUSTOMERS {
            assert_eq!(*names.known(Some(&format!("N{number}")), true, true), format!("N{number}"));
        }
        assert_eq!(&*names.known(Some("OneMore"), true, true), OTHER);
        for number in OF_CUSTOMERS..MOST {
            assert_eq!(*names.known(Some(&format!("N{number}")), true, false), format!("N{number}"));
        }
        assert_eq!(&*names.known(Some("OneMore"), true, false), OTHER);
        assert_eq!(&*names.known(Some("N7"), false, true), "N7");
        assert_eq!(names.0.read().unwrap().len(), MOST);
    }
}
