//! Which names of operations are told apart.
//!
//! A name is a client's to choose, and each that is told apart costs some memory and some lines for good. So the first ones that were run
//! are, and all others are one; where only trusted documents are served, there are no others than theirs.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

/// Names that are told apart.
const MOST: usize = 200;
/// The longest of them, in bytes.
const LONGEST: usize = 64;
/// What all others are called, and an operation that has no name. No name has such letters.
const OTHER: &str = "(other)";
const ANONYMOUS: &str = "(anonymous)";

/// The names that are told apart by now.
#[derive(Default)]
pub struct Names(RwLock<HashSet<Arc<str>>>);

impl Names {
    /// The name to count by. One that is `worthy` is remembered while there is room.
    pub fn known(&self, name: Option<&str>, worthy: bool) -> Arc<str> {
        let Some(name) = name else { return ANONYMOUS.into() };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.or_else(|| worthy.then(|| self.remember(name)).flatten()).unwrap_or_else(|| OTHER.into())
    }

    fn remember(&self, name: &str) -> Option<Arc<str>> {
        if name.len() > LONGEST {
            return None;
        }
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MOST && !names.contains(name) {
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
        assert_eq!(&*names.known(None, true), ANONYMOUS);
        assert_eq!(&*names.known(Some("Mistaken"), false), OTHER);
        assert_eq!(&*names.known(Some(&"x".repeat(LONGEST + 1)), true), OTHER);
        for number in 0..MOST {
            assert_eq!(*names.known(Some(&format!("N{number}")), true), format!("N{number}"));
        }
        assert_eq!(&*names.known(Some("OneMore"), true), OTHER);
        assert_eq!(&*names.known(Some("N7"), false), "N7");
        assert_eq!(names.0.read().unwrap().len(), MOST);
    }
}
