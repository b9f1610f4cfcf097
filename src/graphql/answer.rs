//! What every transport answers with: codes, caps and the JSON of a response.
//!
//! An error leaves here with an `extensions.code`. The domain's errors bring theirs; the ones that the executor makes
//! itself have none and get it by the phase they arose in. A response is *refused* when the operation never ran (it
//! then has no `data` entry at all) and *executed* otherwise. The number and the length of errors are bounded. How a
//! refusal is worded in HTTP or on a socket stays there.

use std::collections::BTreeMap;

use async_graphql::{ErrorExtensionValues, PathSegment, Pos, Response, ServerError, Value};
use serde::Serialize;

pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
pub const FORBIDDEN: &str = "FORBIDDEN";
pub const GRAPHQL_PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
pub const GRAPHQL_VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
pub const INTERNAL: &str = "INTERNAL";
pub const LIMIT_EXCEEDED: &str = "LIMIT_EXCEEDED";
pub const QUERY_TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";
pub const RATE_LIMITED: &str = "RATE_LIMITED";
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
pub const UNAVAILABLE: &str = "UNAVAILABLE";

/// The longest message that is passed on, in bytes: validation quotes names, and a name may be as long as the body.
const LONGEST_MESSAGE: usize = 600;

/// How the executor words the limits it enforces; it gives them no code of their own.
const LIMIT_WORDINGS: [&str; 5] = [
    "Query is too complex",
    "Query is nested too deep",
    "The recursion depth of the query",
    "The amount of aliases of the query",
    "The number of directives on the field",
];

/// How it words an argument whose value does not fit its type; some of these show only when the field runs.
const INPUT_WORDINGS: [&str; 2] = ["Failed to parse ", "Expected input type "];

/// An error with a code, and nowhere in particular.
pub fn refusal(code: &str, message: impl Into<String>) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    ServerError { extensions: Some(extensions), ..ServerError::new(message, None) }
}

/// An error with a code, at a place in the document.
pub fn refusal_at(code: &str, message: impl Into<String>, at: Pos) -> ServerError {
    ServerError { locations: vec![at], ..refusal(code, message) }
}

/// The error's `extensions.code`.
pub fn code(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        Value::Enum(code) => Some(code),
        Value::Null | Value::Number(_) | Value::Boolean(_) | Value::Binary(_) | Value::List(_) | Value::Object(_) => {
            None
        }
    }
}

/// A response after its errors were coded and capped.
pub struct Answer {
    /// Whether the operation ran; if not, there is no `data`.
    pub executed: bool,
    response: Response,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

impl Answer {
    /// Codes and caps what the executor gave.
    pub fn of(mut response: Response, most_errors: usize) -> Self {
        // Errors of a running operation have a path; data that was nulled by one is still data.
        let executed = response.data != Value::Null || response.errors.iter().any(|error| !error.path.is_empty());
        let omitted = response.errors.len().saturating_sub(most_errors);
        response.errors.truncate(most_errors);
        for error in &mut response.errors {
            complete(error, executed);
        }
        if omitted > 0 {
            response.extensions.insert("omittedErrors".to_owned(), Value::from(omitted));
        }
        Self { executed, response }
    }

    /// An answer to an operation that never ran.
    pub fn refused(error: ServerError) -> Self {
        Self { executed: false, response: Response::from_errors(vec![error]) }
    }

    /// The code of the first error, if there is one.
    pub fn code(&self) -> Option<&str> {
        self.response.errors.first().and_then(code)
    }

    /// The response as JSON.
    pub fn json(&self) -> String {
        let data = self.executed.then_some(&self.response.data);
        let body = Body { errors: &self.response.errors, data, extensions: &self.response.extensions };
        // Values came from JSON or from the executor: writing them cannot fail, and a fixed answer is better than a
        // panic.
        serde_json::to_string(&body)
            .unwrap_or_else(|_| String::from(r#"{"errors":[{"message":"The response could not be written."}]}"#))
    }

    /// Only the errors, as a JSON array.
    pub fn errors_json(&self) -> String {
        serde_json::to_string(&self.response.errors).unwrap_or_else(|_| String::from("[]"))
    }
}

fn complete(error: &mut ServerError, executed: bool) {
    if code(error).is_none() {
        let code = match executed {
            false if LIMIT_WORDINGS.iter().any(|wording| error.message.starts_with(wording)) => QUERY_TOO_COMPLEX,
            false => GRAPHQL_VALIDATION_FAILED,
            true if INPUT_WORDINGS.iter().any(|wording| error.message.starts_with(wording)) => BAD_USER_INPUT,
            true => {
                // The message stays out of the log as well: it may quote what the client sent, perhaps a secret.
                tracing::error!(error.path = %path(error), "a field failed with an error that has no code");
                "The service failed to answer this field.".clone_into(&mut error.message);
                INTERNAL
            }
        };
        error.extensions.get_or_insert_default().set("code", code);
    }
    if error.message.len() > LONGEST_MESSAGE {
        error.message.truncate(error.message.floor_char_boundary(LONGEST_MESSAGE));
        error.message.push('…');
    }
}

fn path(error: &ServerError) -> String {
    let segments: Vec<_> = error
        .path
        .iter()
        .map(|segment| match segment {
            PathSegment::Field(name) => name.clone(),
            PathSegment::Index(index) => index.to_string(),
        })
        .collect();
    segments.join(".")
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn at_path(message: &str) -> ServerError {
        ServerError::new(message, None).with_path(vec![PathSegment::Field("a".to_owned())])
    }

    #[test]
    fn an_operation_that_never_ran_has_no_data() {
        let answer = Answer::of(Response::from_errors(vec![ServerError::new("Unknown field", None)]), 10);
        assert!(!answer.executed);
        assert_eq!(
            answer.json(),
            r#"{"errors":[{"message":"Unknown field","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}"#
        );
    }

    #[test]
    fn nulled_data_is_data_and_a_stray_message_is_not_shown() {
        let answer = Answer::of(Response::from_errors(vec![at_path("no such table: keys")]), 10);
        assert!(answer.executed);
        assert_eq!(
            answer.json(),
            r#"{"errors":[{"message":"The service failed to answer this field.","path":["a"],"extensions":{"code":"INTERNAL"}}],"data":null}"#
        );
    }

    #[test]
    fn what_a_scalar_refuses_is_the_client_s_input() {
        for message in ["Failed to parse \"ID\": not an id", "Expected input type \"Date\", found [1]."] {
            let answer = Answer::of(Response::from_errors(vec![at_path(message)]), 10);
            assert_eq!(answer.code(), Some(BAD_USER_INPUT));
        }
    }

    #[test]
    fn a_code_that_is_there_stays() {
        let answer = Answer::of(Response::from_errors(vec![refusal(FORBIDDEN, "Not for this key.")]), 10);
        assert_eq!(answer.code(), Some(FORBIDDEN));
    }

    #[test]
    fn errors_are_capped_in_number_and_in_length() {
        let errors = (0..25).map(|_| ServerError::new("é".repeat(4000), None)).collect();
        let answer = Answer::of(Response::from_errors(errors), 10);
        assert_eq!(answer.response.errors.len(), 10);
        assert!(answer.response.errors.iter().all(|error| error.message.len() < 650));
        assert!(answer.json().ends_with(r#""extensions":{"omittedErrors":15}}"#));
    }

    #[test]
    fn data_comes_after_errors_and_alone_without_them() {
        assert_eq!(Answer::of(Response::new(value!({ "a": 1 })), 10).json(), r#"{"data":{"a":1}}"#);
    }
}
