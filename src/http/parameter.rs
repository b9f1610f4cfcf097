//! The members of a GraphQL request, read alike from a body, from a query string and from a socket's message.
//!
//! Strict about kinds, so that a mistake is named instead of guessed around: `query` and `operationName` are strings,
//! `variables` and `extensions` are maps, null means absent. `documentId` may stand in place of `query`. Unknown members are ignored, as the specification asks,
//! and so is what `extensions` holds: nothing is offered through it. Lists of requests are not served.

use async_graphql::{Name, Request, ServerError, Value, Variables, indexmap::IndexMap};

use crate::graphql::answer::{BAD_USER_INPUT, refusal};

/// The member that stands for a document; how it comes in a [`Request`] is between the functions here.
const DOCUMENT_ID: &str = "documentId";

/// A JSON object.
pub type Object = IndexMap<Name, Value>;

/// Reads the body of a POST.
///
/// # Errors
///
/// `BAD_USER_INPUT` with what is wrong with it.
pub fn from_body(body: &[u8]) -> Result<Request, ServerError> {
    let text = std::str::from_utf8(body).map_err(|_| bad("The request body is not UTF-8."))?;
    if text.trim_ascii_start().starts_with('[') {
        return Err(bad("One request at a time: lists of requests are not served."));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => from_object(members),
        Ok(_) => Err(bad("The request body is not a JSON object.")),
        Err(_) => Err(bad("The request body is not valid JSON.")),
    }
}

/// Reads the query string of a GET, already decoded into pairs.
///
/// # Errors
///
/// `BAD_USER_INPUT` with what is wrong with it.
pub fn from_query_string(pairs: Vec<(String, String)>) -> Result<Request, ServerError> {
    let mut members = Object::new();
    for (name, text) in pairs {
        let value = match name.as_str() {
            "query" | "operationName" | DOCUMENT_ID => Value::String(text),
            "variables" | "extensions" if text.is_empty() => Value::Null,
            "variables" | "extensions" => {
                serde_json::from_str(&text).map_err(|_| bad(format!("The parameter \"{name}\" is not valid JSON.")))?
            }
            _ => continue,
        };
        if members.insert(Name::new(&name), value).is_some() {
            return Err(bad(format!("The parameter \"{name}\" is given twice.")));
        }
    }
    from_object(members)
}

/// Reads a request from its members.
///
/// # Errors
///
/// `BAD_USER_INPUT` naming the member that is missing or of the wrong kind.
pub fn from_object(mut members: Object) -> Result<Request, ServerError> {
    let mut take = |name: &str| members.swap_remove(name).filter(|value| *value != Value::Null);
    let mut request = match (take("query"), take(DOCUMENT_ID)) {
        (Some(Value::String(query)), None) => Request::new(query),
        (Some(_), None) => return Err(bad("The member \"query\" must be a string.")),
        (None, Some(id @ Value::String(_))) => {
            let mut request = Request::new("");
            request.extensions.insert(DOCUMENT_ID.to_owned(), id);
            request
        }
        (None, Some(_)) => return Err(bad("The member \"documentId\" must be a string.")),
        (Some(_), Some(_)) => return Err(bad("The members \"query\" and \"documentId\" exclude each other.")),
        (None, None) => return Err(bad("The member \"query\" is missing: it holds the GraphQL document to run.")),
    };
    request.operation_name = match take("operationName") {
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(bad("The member \"operationName\" must be a string.")),
        None => None,
    };
    request.variables = match take("variables") {
        Some(variables @ Value::Object(_)) => Variables::from_value(variables),
        Some(_) => return Err(bad("The member \"variables\" must be a map.")),
        None => Variables::default(),
    };
    match take("extensions") {
        Some(Value::Object(_)) | None => Ok(request),
        Some(_) => Err(bad("The member \"extensions\" must be a map.")),
    }
}

/// Takes the id of the document that is to be run out of a request that has it in place of the document.
pub fn document_id(request: &mut Request) -> Option<String> {
    match request.extensions.remove(DOCUMENT_ID) {
        Some(Value::String(id)) => Some(id),
        _ => None,
    }
}

fn bad(message: impl Into<String>) -> ServerError {
    refusal(BAD_USER_INPUT, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_members_are_read_and_others_ignored() {
        let request =
            from_body(br#" {"query":"{a}","operationName":"A","variables":{"x":[1]},"extensions":{"y":1},"z":0}"#)
                .unwrap();
        assert_eq!((request.query.as_str(), request.operation_name.as_deref()), ("{a}", Some("A")));
        assert_eq!(request.variables.into_value().to_string(), "{x: [1]}");
        assert!(request.extensions.is_empty());
    }

    #[test]
    fn null_is_absent() {
        let request = from_body(br#"{"query":"{a}","operationName":null,"variables":null,"extensions":null}"#).unwrap();
        assert!(request.operation_name.is_none() && request.variables.is_empty());
    }

    #[test]
    fn each_mistake_is_named() {
        for (body, word) in [
            (&b"\xff"[..], "UTF-8"),
            (b"", "valid JSON"),
            (b"{", "valid JSON"),
            (b"\"x\"", "JSON object"),
            (b" [{\"query\":\"{a}\"}]", "lists of requests"),
            (b"{}", "\"query\" is missing"),
            (br#"{"query":null}"#, "\"query\" is missing"),
            (br#"{"query":1}"#, "\"query\" must be a string"),
            (br#"{"query":"{a}","operationName":[]}"#, "\"operationName\""),
            (br#"{"query":"{a}","variables":[1]}"#, "\"variables\""),
            (br#"{"query":"{a}","extensions":"x"}"#, "\"extensions\""),
        ] {
            let error = from_body(body).unwrap_err();
            assert!(error.message.contains(word), "{}", error.message);
        }
    }

    #[test]
    fn a_query_string_says_each_thing_once() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request =
            from_query_string(vec![pair("query", "{a}"), pair("variables", r#"{"x":1}"#), pair("other", "")]).unwrap();
        assert_eq!(request.variables.len(), 1);
        assert!(from_query_string(vec![pair("query", "{a}"), pair("query", "{b}")]).is_err());
        assert!(from_query_string(vec![pair("query", "{a}"), pair("variables", "{")]).is_err());
    }
}
