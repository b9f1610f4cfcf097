//! What the pages can do: one mutation a deed, as a form with a preview, and what came of it.
//!
//! A [`Deed`] is a row of a table: the mutation, its fields, and what it is called. An [`Offer`] is a deed for one record as it stands now:
//! made only where the graph allows it, and sent back with the version that was looked at, so that what is no longer as it was shown is
//! refused and not done. Sending a form twice does it once.

mod effect;
mod offer;

use std::collections::HashMap;

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use self::offer::{Offer, Refused, of_exception, of_order, of_unit};
use super::{
    record::Id,
    shell::{self, Shell},
    visit::{Form, Posted, Trouble},
};
use crate::http::address::address;

pub(super) const DOCUMENT: &str = include_str!("../../../console/deed.graphql");

/// Something that can be done.
#[derive(Clone, Copy)]
pub struct Deed {
    /// Its name in addresses.
    pub name: &'static str,
    /// The operation of the document that does it.
    operation: &'static str,
    pub title: &'static str,
    /// The input's member that names the record; empty where another field does.
    subject: &'static str,
    fields: &'static [Field],
    /// A member of the input that is always the same.
    fixed: Option<(&'static str, Fixed)>,
    /// Whether somebody loses something by it.
    pub severe: bool,
    /// What is said afterwards.
    done: &'static str,
}

#[derive(Clone, Copy)]
enum Fixed {
    Text(&'static str),
    Yes,
}

/// A field of a form. Its name is the path of the input's member that it fills.
#[derive(Clone, Copy)]
struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    required: bool,
}

const fn field(name: &'static str, label: &'static str, kind: &'static str, required: bool) -> Field {
    Field { name, label, kind, required }
}

const REASON: Field = field("reason", "Reason", "text", true);
const NOTE: Field = field("note", "Reason", "text", true);
const ACCOUNT: Field = field("account.externalReference", "Account reference", "text", true);
const CODE: Field = field("code", "The code in full", "text", true);
const MINUTES: Field = field("minutes", "Minutes", "number", false);
const MORE: Field = field("minutes", "Minutes more", "number", true);
const END: Field = field("expiresAt", "New end (UTC)", "datetime-local", true);
const NAME: Field = field("recipient.name", "Recipient's name", "text", false);
const EMAIL: Field = field("recipient.email", "Recipient's e-mail", "email", false);
const TO: Field = field("recipient.email", "Recipient's e-mail", "email", true);

const fn deed(
    name: &'static str,
    operation: &'static str,
    title: &'static str,
    subject: &'static str,
    fields: &'static [Field],
    done: &'static str,
) -> Deed {
    Deed { name, operation, title, subject, fields, fixed: None, severe: false, done }
}

const fn severe(deed: Deed) -> Deed {
    Deed { severe: true, ..deed }
}

const fn resolution(
    name: &'static str,
    value: &'static str,
    title: &'static str,
    fields: &'static [Field],
    done: &'static str,
) -> Deed {
    let fixed = Some(("resolution", Fixed::Text(value)));
    Deed { fixed, ..deed(name, "Resolve", title, "exceptionId", fields, done) }
}

const UNIT_ID: &str = "entitlementId";

/// What can be done with a unit.
pub const UNIT: &[Deed] = &[
    deed("reveal", "Reveal", "Show the code again", "activationCodeId", &[REASON], "The code was shown."),
    deed("rotate", "Rotate", "Replace the code", UNIT_ID, &[REASON], "A new code was issued."),
    deed("redeem", "Redeem", "Redeem the code", "", &[CODE, ACCOUNT, REASON], "The code was redeemed."),
    deed("assign", "Assign", "Assign directly", UNIT_ID, &[ACCOUNT, REASON], "It was assigned."),
    deed("reserve", "Reserve", "Hold for an account", UNIT_ID, &[ACCOUNT, MINUTES, REASON], "It is held now."),
    deed("confirm", "Confirm", "Confirm the hold", "reservationId", &[REASON], "The hold was confirmed."),
    deed("prolong", "Prolong", "Prolong the hold", "reservationId", &[MORE, REASON], "The hold was prolonged."),
    deed("let-go", "ReleaseHold", "Release the hold", "reservationId", &[REASON], "The hold was released."),
    deed("inform", "SubmitInput", "Enter what is missing", "assignmentId", &[REASON], "The information was entered."),
    deed("retry", "Retry", "Try again downstream", "assignmentId", &[REASON], "It is being tried again."),
    deed("release", "Release", "Release the assignment", "assignmentId", &[REASON], "The assignment was released."),
    deed("transfer", "Transfer", "Hand on to another recipient", UNIT_ID, &[NAME, TO, REASON], "It was handed on."),
    deed("extend", "Extend", "Move its end", UNIT_ID, &[END, REASON], "Its end was moved."),
    deed("suspend", "Suspend", "Suspend", UNIT_ID, &[REASON], "It is suspended."),
    deed("resume", "Resume", "Resume", UNIT_ID, &[REASON], "It was resumed."),
    severe(deed(
        "reissue",
        "Reissue",
        "Reissue",
        UNIT_ID,
        &[REASON, NAME, EMAIL],
        "A new one took its place: this one.",
    )),
    severe(deed("revoke", "Revoke", "Revoke", UNIT_ID, &[REASON], "It was revoked.")),
];

/// What resolves an exception.
pub const EXCEPTION: &[Deed] = &[
    resolution("retried", "RETRIED", "Try again", &[NOTE], "It is being tried again."),
    resolution("released", "RELEASED", "Release", &[NOTE], "It was released."),
    resolution("extended", "EXTENDED", "Move its end", &[END, NOTE], "Its end was moved."),
    severe(resolution("reissued", "REISSUED", "Reissue", &[NOTE, NAME, EMAIL], "A new one was issued.")),
    severe(resolution("revoked", "REVOKED", "Revoke", &[NOTE], "It was revoked.")),
    severe(resolution("forced", "FORCED", "Take as ended", &[NOTE], "It was taken as ended.")),
    resolution("dismissed", "DISMISSED", "Dismiss", &[NOTE], "It was dismissed."),
];

/// What can be done with an order.
pub const ORDER: &[Deed] = &[
    severe(deed("cancel", "Cancel", "Cancel what nobody has", "orderId", &[REASON], "What nobody had was cancelled.")),
    severe(Deed {
        fixed: Some(("includeAssigned", Fixed::Yes)),
        ..deed("cancel-all", "Cancel", "Cancel all of it", "orderId", &[REASON], "The order was cancelled.")
    }),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    entitlement: Option<Id>,
    issued_code: Option<Issued>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct Issued {
    code: String,
}

#[derive(Deserialize)]
struct UserError {
    message: String,
}

/// The page after a deed that issued a code.
#[derive(Template)]
#[template(path = "done.html", config = ".askama.toml")]
struct Done<'a> {
    shell: Shell,
    deed: &'a Deed,
    code: &'a str,
    on: &'a str,
}

impl Deed {
    /// The one of a table that an address names.
    pub fn named(name: &str, table: &'static [Self]) -> Option<&'static Self> {
        table.iter().find(|deed| deed.name == name)
    }

    /// Does it. Leads on to the record at `back`, or to the unit that took its place; a code that was issued is shown first. The error is
    /// why it was refused.
    pub async fn perform(&'static self, posted: &Posted, back: &str) -> Result<Result<Response, Refused>, Trouble> {
        let Posted { visit, form } = posted;
        let variables = json!({"input": self.input(form)});
        let data: HashMap<String, Payload> = visit.ask_for(DOCUMENT, self.operation, variables).await?;
        let payload = data.into_values().next().ok_or(Trouble::Unavailable)?;
        if let Some(error) = payload.user_errors.into_iter().next() {
            return Ok(Err(Refused::new(self, &error.message, form)));
        }
        let on = match (&payload.entitlement, self.name) {
            (Some(unit), "reissue" | "reissued") => format!("/console/entitlement/{}", unit.id),
            _ => back.to_owned(),
        };
        let Some(Issued { code }) = payload.issued_code else {
            return Ok(Ok(Redirect::to(&address(&on, &[("done", self.name)])).into_response()));
        };
        let shell = Shell::new(visit, &visit.viewer().await?, "units")?;
        Ok(Ok(shell::page(StatusCode::OK, &Done { shell, deed: self, code: &code, on: &on })))
    }

    fn input(&self, form: &Form) -> Value {
        let mut input = Map::new();
        if let Some(subject) = form.get("subject").filter(|_| !self.subject.is_empty()) {
            input.insert(self.subject.to_owned(), subject.into());
        }
        let version = form.get("version").and_then(|version| version.parse::<i32>().ok());
        if let Some(version) = version {
            input.insert("expectedVersion".to_owned(), version.into());
        }
        if let Some(once) = form.get("once") {
            input.insert("idempotencyKey".to_owned(), once.into());
        }
        if let Some((name, value)) = self.fixed {
            let value = match value {
                Fixed::Text(text) => Value::from(text),
                Fixed::Yes => Value::from(true),
            };
            input.insert(name.to_owned(), value);
        }
        for field in self.fields {
            match form.get(field.name) {
                Some(value) => put(&mut input, field.name, typed(field.kind, value)),
                // Blanks: the graph says what is wrong with that, and the form is kept.
                None if field.required && field.kind == "text" => put(&mut input, field.name, "".into()),
                None => {}
            }
        }
        // What is missing of an assignment differs from product to product.
        for (name, value) in form.filled().filter(|(name, _)| self.name == "inform" && name.starts_with("input.")) {
            put(&mut input, name, value.into());
        }
        input.into()
    }
}

/// What is said after a deed of this name.
pub fn done(name: &str) -> Option<&'static str> {
    [UNIT, EXCEPTION, ORDER].into_iter().flatten().find(|deed| deed.name == name).map(|deed| deed.done)
}

fn typed(kind: &str, value: &str) -> Value {
    match kind {
        "number" => value.parse::<i32>().map_or_else(|_| value.into(), Value::from),
        // What a browser writes of a moment ends with its minutes, sometimes its seconds.
        "datetime-local" if value.len() == 16 => format!("{value}:00Z").into(),
        "datetime-local" if !value.ends_with('Z') => format!("{value}Z").into(),
        _ => value.into(),
    }
}

/// Puts a value where a path leads, as `account.externalReference`; what follows the first dot of an input's name is one name.
fn put(input: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(input.insert(path.to_owned(), value)),
        Some((object, member)) => {
            let within = input.entry(object).or_insert_with(|| json!({}));
            if let Value::Object(within) = within {
                within.insert(member.to_owned(), value);
            }
        }
    }
}
