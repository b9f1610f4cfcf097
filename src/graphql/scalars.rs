//! The scalars of the schema that are not GraphQL's own.
//!
//! Each reads exactly what its description promises and refuses the rest with a sentence that says what would do. Moments are in UTC with
//! microseconds, which is what both engines store: what was sent compares equal to what is read.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{Datelike, SecondsFormat, Utc};
use serde_json::Value as JsonValue;

use crate::entity::money::Amount;

/// A moment, as RFC 3339 text: `2026-11-22T08:30:00.125Z`. Answers are always in UTC and end in `Z`; an input may have any offset.
/// Microseconds are kept, finer digits are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DateTime(pub chrono::DateTime<Utc>);

#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339", use_type_description = true)]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let wanted = "expected a moment as RFC 3339 text with an offset, as 2026-11-22T08:30:00Z";
        let Value::String(text) = value else { return Err(InputValueError::custom(wanted)) };
        let moment = chrono::DateTime::parse_from_rfc3339(&text).map_err(|_| InputValueError::custom(wanted))?;
        // Through a count of microseconds, in which a leap second is the first of the next minute.
        let moment = chrono::DateTime::from_timestamp_micros(moment.timestamp_micros());
        let moment = moment.filter(|moment| (1..=9999).contains(&moment.year()));
        moment.map(Self).ok_or_else(|| InputValueError::custom(wanted))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl async_graphql::Description for DateTime {
    fn description() -> &'static str {
        "A moment, as RFC 3339 text: `2026-11-22T08:30:00.125Z`. Answers are always in UTC and end in `Z`; an input may have any offset. \
         Microseconds are kept, finer digits are cut off."
    }
}

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(moment: chrono::DateTime<Utc>) -> Self {
        Self(moment)
    }
}

/// A place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc4648#section-5", use_type_description = true)]
impl ScalarType for Cursor {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else {
            return Err(InputValueError::custom("expected a journal cursor as text"));
        };
        Ok(Self(text))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl async_graphql::Description for Cursor {
    fn description() -> &'static str {
        "A place in the event journal: opaque text, the same for every reader and every transport. Keep the last one you have processed and \
         resume from it after a disconnect: nothing is lost and nothing comes twice."
    }
}

/// An exact amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(pub Amount);

#[Scalar(specified_by_url = "https://www.w3.org/TR/xmlschema11-2/#decimal", use_type_description = true)]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let wanted =
            "expected an amount as text, as \"19.90\": digits and at most one point, neither a sign nor an exponent";
        let Value::String(text) = value else { return Err(InputValueError::custom(wanted)) };
        text.parse().map(Self).map_err(|_| InputValueError::custom(wanted))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl async_graphql::Description for Decimal {
    fn description() -> &'static str {
        "An exact amount, as text: `\"19.90\"`. Digits and at most one point, at most 28 digits, never negative, never in exponent notation."
    }
}

/// Any JSON value.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(pub JsonValue);

#[Scalar(
    name = "JSON",
    specified_by_url = "https://datatracker.ietf.org/doc/html/rfc8259",
    use_type_description = true
)]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        value.into_json().map(Self).map_err(|_| InputValueError::custom("expected a JSON value"))
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

impl async_graphql::Description for Json {
    fn description() -> &'static str {
        "A JSON value, passed through as it is: an object of whatever a product's `requiredInput` asks for, for example."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<String> {
        let moment = DateTime::parse(Value::from(text)).ok()?;
        moment.to_value().into_json().ok()?.as_str().map(str::to_owned)
    }

    #[test]
    fn a_moment_is_answered_in_utc_with_a_z() {
        assert_eq!(moment("2026-11-22T08:30:00Z").as_deref(), Some("2026-11-22T08:30:00Z"));
        assert_eq!(moment("2026-11-22T09:30:00.5+01:00").as_deref(), Some("2026-11-22T08:30:00.500Z"));
        assert_eq!(moment("2026-11-22T08:30:00.1234567Z").as_deref(), Some("2026-11-22T08:30:00.123456Z"));
    }

    #[test]
    fn a_moment_without_an_offset_is_refused() {
        for bad in ["2026-11-22", "2026-11-22T08:30:00", "yesterday", ""] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_amount_keeps_its_digits() {
        let amount = Decimal::parse(Value::from("19.90")).expect("an amount");
        assert_eq!(amount.to_value(), Value::from("19.90"));
        for bad in ["-1", "1e3", "", "19,90"] {
            assert!(Decimal::parse(Value::from(bad)).is_err(), "{bad}");
        }
        assert!(Decimal::parse(Value::from(19)).is_err());
    }
}
