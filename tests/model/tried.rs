//! What a run has tried: one that never did, or was never refused, some kind of step proves nothing about it.

use std::{cell::RefCell, collections::BTreeMap};

use crate::{rule::Outcome, step::Step};

/// What is never refused.
const CERTAIN: [&str; 3] = ["Wait", "Sweep", "Repeat"];

/// How often each kind of step was done, and how often refused for each reason.
#[derive(Default)]
pub struct Tried(RefCell<BTreeMap<String, BTreeMap<String, usize>>>);

impl Tried {
    pub fn note(&self, step: &Step, outcome: Outcome) {
        let name = format!("{step:?}").chars().take_while(char::is_ascii_alphabetic).collect();
        let outcome = outcome.map_or_else(|reason| reason.to_string(), |()| "done".to_owned());
        *self.0.borrow_mut().entry(name).or_default().entry(outcome).or_insert(0) += 1;
    }

    /// Says what was not tried.
    pub fn everything(&self) -> Result<(), String> {
        let tried = self.0.borrow();
        let blind = |(name, outcomes): (&String, &BTreeMap<String, usize>)| {
            let refused = outcomes.len() > 1 || CERTAIN.contains(&name.as_str());
            !(refused && outcomes.contains_key("done"))
        };
        if tried.len() == Step::KINDS && !tried.iter().any(blind) {
            return Ok(());
        }
        Err(format!("not every kind of step was both done and refused: {tried:#?}"))
    }
}
