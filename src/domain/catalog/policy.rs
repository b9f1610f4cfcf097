//! The terms a product is sold under: what is left unsaid, and how far the numbers go.
//!
//! A policy that has been written is never changed: a change makes the next version, and order lines keep theirs.

use std::ops::RangeInclusive;

use super::{
    super::{Refusal, input},
    Change,
};
use crate::{
    entity::{
        kind::{FulfillmentMode, Provisioning},
        policy::{Model, Names},
    },
    id::{PolicyId, ProductId},
};

/// A hundred years.
const DAYS: RangeInclusive<i32> = 1..=36_500;
/// A year.
const MINUTES: RangeInclusive<i32> = 1..=525_600;
/// Ten years.
const HOURS: RangeInclusive<i32> = 1..=87_600;
const UNITS: RangeInclusive<i32> = 1..=1_000_000;
const QUESTIONS: usize = 50;
/// How often a hold may be extended by its own length, where nothing else is said.
const EXTENSIONS: i32 = 10;

/// What is asked for the terms of a product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyChange {
    pub mode: Change<FulfillmentMode>,
    pub issues_codes: Change<bool>,
    pub valid_for_days: Change<i32>,
    pub reservation_minutes: Change<i32>,
    pub reservation_max_minutes: Change<i32>,
    pub input_deadline_hours: Change<i32>,
    pub provisioning_deadline_minutes: Change<i32>,
    pub transferable: Change<bool>,
    pub reassignable: Change<bool>,
    pub max_per_account: Change<i32>,
    pub required_input: Change<Vec<String>>,
    pub provisioning: Change<Provisioning>,
}

/// The terms of a product about which nothing is said.
pub fn usual(id: PolicyId, product_id: ProductId) -> Model {
    Model {
        id,
        product_id,
        version: 1,
        mode: FulfillmentMode::Decoupled,
        issues_codes: true,
        valid_for_days: None,
        reservation_minutes: 30,
        reservation_max_minutes: 300,
        input_deadline_hours: 168,
        provisioning_deadline_minutes: 60,
        transferable: true,
        reassignable: true,
        max_per_account: None,
        required_input: Names(Vec::new()),
        provisioning: Provisioning::None,
    }
}

impl PolicyChange {
    /// The terms that come of it. `first`: nothing was said before, so that the longest hold follows from the usual one.
    pub(super) fn apply(self, present: &Model, first: bool) -> Result<Model, Refusal> {
        let usual = usual(present.id, present.product_id);
        let reservation_minutes = within(
            "reservationMinutes",
            &MINUTES,
            self.reservation_minutes.apply(present.reservation_minutes, usual.reservation_minutes),
        )?;
        let longest = (reservation_minutes.saturating_mul(EXTENSIONS)).min(*MINUTES.end());
        let kept = if first { longest } else { present.reservation_max_minutes };
        let reservation_max_minutes = within(
            "reservationMaxMinutes",
            &(reservation_minutes..=*MINUTES.end()),
            self.reservation_max_minutes.apply(kept, longest),
        )?;
        let input_deadline_hours =
            self.input_deadline_hours.apply(present.input_deadline_hours, usual.input_deadline_hours);
        let provisioning_deadline_minutes = self
            .provisioning_deadline_minutes
            .apply(present.provisioning_deadline_minutes, usual.provisioning_deadline_minutes);
        let required_input = self.required_input.apply(present.required_input.0.clone(), Vec::new());
        let required_input =
            input::names(&required_input, QUESTIONS).map_err(|refusal| at(refusal, "requiredInput"))?;
        Ok(Model {
            mode: self.mode.apply(present.mode, usual.mode),
            issues_codes: self.issues_codes.apply(present.issues_codes, usual.issues_codes),
            valid_for_days: optional("validForDays", &DAYS, self.valid_for_days, present.valid_for_days)?,
            reservation_minutes,
            reservation_max_minutes,
            input_deadline_hours: within("inputDeadlineHours", &HOURS, input_deadline_hours)?,
            provisioning_deadline_minutes: within(
                "provisioningDeadlineMinutes",
                &MINUTES,
                provisioning_deadline_minutes,
            )?,
            transferable: self.transferable.apply(present.transferable, usual.transferable),
            reassignable: self.reassignable.apply(present.reassignable, usual.reassignable),
            max_per_account: optional("maxPerAccount", &UNITS, self.max_per_account, present.max_per_account)?,
            required_input: Names(required_input),
            provisioning: self.provisioning.apply(present.provisioning, usual.provisioning),
            ..*present
        })
    }
}

fn optional(
    field: &str,
    range: &RangeInclusive<i32>,
    change: Change<i32>,
    present: Option<i32>,
) -> Result<Option<i32>, Refusal> {
    match change {
        Change::Keep => Ok(present),
        Change::Clear => Ok(None),
        Change::Set(value) => within(field, range, value).map(Some),
    }
}

fn within(field: &str, range: &RangeInclusive<i32>, value: i32) -> Result<i32, Refusal> {
    input::whole(value, range).map_err(|refusal| at(refusal, field))
}

fn at(refusal: Refusal, field: &str) -> Refusal {
    refusal.at(["policy", field])
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn standing() -> Model {
        usual(PolicyId(Uuid::nil()), ProductId(Uuid::nil()))
    }

    #[test]
    fn nothing_said_is_the_usual_at_first_and_no_change_later() {
        assert_eq!(PolicyChange::default().apply(&standing(), true), Ok(standing()));
        let present = Model { reservation_minutes: 5, max_per_account: Some(2), ..standing() };
        assert_eq!(PolicyChange::default().apply(&present, false), Ok(present));
    }

    #[test]
    fn the_longest_hold_follows_from_the_usual_one_unless_it_was_said() {
        let change = |minutes, longest| PolicyChange {
            reservation_minutes: Change::Set(minutes),
            reservation_max_minutes: longest,
            ..PolicyChange::default()
        };
        let longest =
            |change: PolicyChange, first| change.apply(&standing(), first).map(|policy| policy.reservation_max_minutes);
        assert_eq!(longest(change(45, Change::Keep), true), Ok(450));
        assert_eq!(longest(change(525_600, Change::Keep), true), Ok(525_600));
        assert_eq!(longest(change(45, Change::Set(60)), true), Ok(60));
        assert_eq!(longest(change(45, Change::Keep), false), Ok(300));
        assert_eq!(longest(change(45, Change::Clear), false), Ok(450));
        let refusal = longest(change(301, Change::Keep), false).unwrap_err();
        assert_eq!(refusal.field, ["policy", "reservationMaxMinutes"]);
    }

    #[test]
    fn clearing_goes_back_to_the_usual_or_to_none() {
        let present = Model {
            valid_for_days: Some(7),
            transferable: false,
            required_input: Names(vec!["seat".to_owned()]),
            ..standing()
        };
        let cleared = PolicyChange {
            valid_for_days: Change::Clear,
            transferable: Change::Clear,
            required_input: Change::Clear,
            ..PolicyChange::default()
        };
        assert_eq!(cleared.apply(&present, false), Ok(standing()));
    }

    #[test]
    fn numbers_have_bounds() {
        for days in [0, -1, 36_501] {
            let change = PolicyChange { valid_for_days: Change::Set(days), ..PolicyChange::default() };
            assert_eq!(change.apply(&standing(), true).unwrap_err().field, ["policy", "validForDays"]);
        }
        let change = PolicyChange { reservation_minutes: Change::Set(0), ..PolicyChange::default() };
        assert_eq!(change.apply(&standing(), true).unwrap_err().field, ["policy", "reservationMinutes"]);
    }
}
