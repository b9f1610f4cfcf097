//! What text, numbers and JSON of a caller must look like before anything is decided about them.
//!
//! What is accepted is kept verbatim: nothing is trimmed, folded or normalised. What is refused is refused alike everywhere, with
//! `INVALID_INPUT` and a message that says what is expected; the caller adds the path of the field. Both engines can store whatever passes:
//! PostgreSQL has no NUL in text, not even within JSON. Whether a value makes sense is for the operation to say.

use std::{collections::BTreeSet, ops::RangeInclusive};

use sea_orm::JsonValue;

use super::{Refusal, error::invalid};

/// Characters of a name.
pub const NAME: usize = 200;
/// Characters of a reference or SKU.
pub const REFERENCE: usize = 255;
/// Characters of a reason or note.
pub const REASON: usize = 1_000;
/// Characters of an e-mail address (RFC 5321, 4.5.3.1.3, without the brackets).
const EMAIL: usize = 254;
/// Bytes of a JSON input.
const JSON: usize = 16 * 1024;

/// One line of text: not blank, at most `most` characters, no control characters.
pub fn text(value: &str, most: usize) -> Result<String, Refusal> {
    checked(value, most, char::is_control)
}

/// Text of a person, which may have several lines.
pub fn prose(value: &str, most: usize) -> Result<String, Refusal> {
    checked(value, most, |character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
}

/// The reason that somebody gives for what they do.
pub fn reason(value: &str) -> Result<String, Refusal> {
    prose(value, REASON).map_err(|refusal| refusal.at(["reason"]))
}

fn checked(value: &str, most: usize, forbidden: impl Fn(char) -> bool) -> Result<String, Refusal> {
    if value.trim().is_empty() {
        return Err(invalid("this must not be empty"));
    }
    if value.chars().nth(most).is_some() {
        return Err(invalid(format!("this has more than {most} characters")));
    }
    if value.chars().any(forbidden) {
        return Err(invalid("this contains a control character"));
    }
    Ok(value.to_owned())
}

/// An e-mail address, as far as that can be told without sending anything to it.
pub fn email(value: &str) -> Result<String, Refusal> {
    let address = text(value, EMAIL)?;
    let plausible = !address.contains(char::is_whitespace)
        && address.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && domain.split('.').all(|label| !label.is_empty())
        });
    if plausible { Ok(address) } else { Err(invalid("this is no e-mail address: it must look like name@example.com")) }
}

/// A currency: the three capital letters of ISO 4217.
pub fn currency(value: &str) -> Result<String, Refusal> {
    if value.len() == 3 && value.bytes().all(|letter| letter.is_ascii_uppercase()) {
        Ok(value.to_owned())
    } else {
        Err(invalid("a currency is three capital letters, like GBP"))
    }
}

/// A whole number within `range`.
pub fn whole(value: i32, range: &RangeInclusive<i32>) -> Result<i32, Refusal> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(invalid(format!("this must be a whole number from {} to {}", range.start(), range.end())))
    }
}

/// What is submitted about a unit: an object of at most 16 KiB.
pub fn json(value: &JsonValue) -> Result<(), Refusal> {
    if !value.is_object() {
        return Err(invalid("this must be a JSON object"));
    }
    if value.to_string().len() > JSON {
        return Err(invalid(format!("this JSON is larger than {JSON} bytes")));
    }
    if holds_nul(value) { Err(invalid("this JSON contains a NUL character")) } else { Ok(()) }
}

fn holds_nul(value: &JsonValue) -> bool {
    match value {
        JsonValue::String(text) => text.contains('\0'),
        JsonValue::Array(items) => items.iter().any(holds_nul),
        JsonValue::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) => false,
    }
}

/// The names of `required` that `input` does not answer, in their order. Null and blank text answer nothing.
pub fn missing(required: &[String], input: Option<&JsonValue>) -> Vec<String> {
    let answered = |name: &String| match input.and_then(|input| input.get(name)) {
        None | Some(JsonValue::Null) => false,
        Some(JsonValue::String(text)) => !text.trim().is_empty(),
        Some(JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::Array(_) | JsonValue::Object(_)) => true,
    };
    required.iter().filter(|name| !answered(name)).cloned().collect()
}

/// What was said before and what is said now, as one: now counts where both speak.
pub fn merged(before: Option<&JsonValue>, now: Option<&JsonValue>) -> Option<JsonValue> {
    let (Some(before), Some(now)) = (before, now) else { return before.or(now).cloned() };
    let (Some(earlier), Some(later)) = (before.as_object(), now.as_object()) else { return Some(now.clone()) };
    let mut members = earlier.clone();
    members.extend(later.iter().map(|(name, value)| (name.clone(), value.clone())));
    Some(JsonValue::Object(members))
}

/// Names to ask for: at most `most`, each a name, none twice.
pub fn names(values: &[String], most: usize) -> Result<Vec<String>, Refusal> {
    if values.len() > most {
        return Err(invalid(format!("this has more than {most} names")));
    }
    let mut seen = BTreeSet::new();
    let checked = values.iter().map(|value| {
        if seen.insert(value) { text(value, NAME) } else { Err(invalid(format!("this has \"{value}\" twice"))) }
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_kept_verbatim_or_refused() {
        for good in [" Zoë & Søn ", "注文-1", "👩‍👩‍👧", "a\u{301}", "'; DROP TABLE orders; --"] {
            assert_eq!(text(good, NAME).as_deref(), Ok(good));
        }
        for bad in ["", "   ", "\u{a0}", "a\0b", "a\nb", "tab\t", "\u{7f}", "\u{85}"] {
            assert!(text(bad, NAME).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(text(&"é".repeat(200), NAME).is_ok());
        assert!(text(&"é".repeat(201), NAME).is_err());
    }

    #[test]
    fn prose_may_have_lines_but_no_other_controls() {
        assert!(prose("first\r\nsecond\tcolumn", REASON).is_ok());
        assert!(prose("bell\u{7}", REASON).is_err());
        assert!(prose("\n\n", REASON).is_err());
    }

    #[test]
    fn an_address_has_two_sides() {
        for good in ["a@b", "zoë+gift@example.co.uk", "\"odd@local\"@example.com"] {
            assert!(email(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "@example.com", "a@", "a b@example.com", "a@example..com", "a@.com", "a@b\n"] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_currency_is_three_capitals() {
        assert!(currency("GBP").is_ok());
        for bad in ["gbp", "GB", "GBPX", "G1P", "£££", ""] {
            assert!(currency(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn json_is_an_object_both_engines_can_store() {
        assert!(super::json(&json!({"size": "XL", "tags": [1, null]})).is_ok());
        assert!(super::json(&json!({"n": "x".repeat(JSON - 8)})).is_ok());
        for bad in [json!([]), json!("x"), json!(null), json!({"a": ["\0"]}), json!({"\0": 1})] {
            assert!(super::json(&bad).is_err(), "{bad}");
        }
        assert!(super::json(&json!({"n": "x".repeat(JSON)})).is_err());
    }

    #[test]
    fn what_is_asked_for_must_be_answered() {
        let required = ["seat", "size", "agreed"].map(str::to_owned);
        assert_eq!(missing(&required, None), required);
        assert_eq!(missing(&required, Some(&json!({"seat": null, "size": " ", "agreed": false}))), ["seat", "size"]);
    }

    #[test]
    fn what_is_said_later_counts() {
        let (before, now) = (json!({"a": 1, "b": 1}), json!({"b": 2}));
        assert_eq!(merged(Some(&before), Some(&now)), Some(json!({"a": 1, "b": 2})));
        assert_eq!(merged(None, Some(&now)), Some(now.clone()));
        assert_eq!(merged(Some(&before), None), Some(before));
    }

    #[test]
    fn names_come_once() {
        let names =
            |values: &[&str]| super::names(&values.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), 2);
        assert!(names(&["a", "b"]).is_ok());
        assert!(names(&["a", "a"]).is_err() && names(&["a", "b", "c"]).is_err() && names(&[""]).is_err());
    }
}
