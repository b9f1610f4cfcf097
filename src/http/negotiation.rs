//! Which media types go in and out of `/graphql`.
//!
//! Out: what `Accept` asks for, by quality and specificity (RFC 9110). Where the client leaves it open,
//! `application/json` is the answer that every client understands; `application/graphql-response+json` is preferred
//! where it is named, and streams are made only where one is. In: JSON in UTF-8 and nothing else; the content types
//! that a browser sends across sites without asking first are thereby refused.

use axum::http::{HeaderMap, HeaderValue, header};

/// The form of a single answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/graphql-response+json`: the status tells what became of the request.
    GraphQl,
    /// `application/json`: whatever the GraphQL layer has answered is a 200.
    Json,
}

/// The form of a stream of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streaming {
    /// `text/event-stream`: GraphQL over server-sent events, a connection an operation.
    Events,
    /// `multipart/mixed`: the multipart subscription protocol of Apollo's clients.
    Multipart,
}

/// What a client accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The form of an answer that comes alone.
    pub single: Option<Format>,
    /// The form of several, where the client named one.
    pub stream: Option<Streaming>,
}

impl Format {
    /// The value of `Content-Type`.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphQl => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }
}

const GRAPHQL: [&str; 2] = ["application", "graphql-response+json"];
const JSON: [&str; 2] = ["application", "json"];
const EVENTS: [&str; 2] = ["text", "event-stream"];
const MULTIPART: [&str; 2] = ["multipart", "mixed"];

/// How well a media type is asked for: its quality in thousandths, by the most specific range that covers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Wish {
    specificity: u8,
    quality: u16,
}

/// What the client accepts; nothing at all where its `Accept` allows no form there is.
pub fn accepted(headers: &HeaderMap) -> Accepted {
    let mut accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if accepts.peek().is_none() {
        return Accepted { single: Some(Format::Json), stream: None };
    }
    let ranges: Vec<_> = accepts.flat_map(|value| value.split(',')).collect();
    let wish = |form| ranges.iter().filter_map(|range| wish(range, form)).max().unwrap_or_default();
    let named = |form| Some(wish(form)).filter(|wish| wish.specificity == EXACT && wish.quality > 0);
    let stream = match (named(EVENTS), named(MULTIPART)) {
        (Some(events), Some(multipart)) if multipart.quality > events.quality => Some(Streaming::Multipart),
        (Some(_), _) => Some(Streaming::Events),
        (None, multipart) => multipart.map(|_| Streaming::Multipart),
    };
    Accepted { single: single(wish(GRAPHQL), wish(JSON)), stream }
}

fn single(graphql: Wish, json: Wish) -> Option<Format> {
    match (graphql.quality, json.quality) {
        (0, 0) => None,
        (first, second) if first > second => Some(Format::GraphQl),
        (first, second) if first == second && graphql.specificity == EXACT => Some(Format::GraphQl),
        _ => Some(Format::Json),
    }
}

const EXACT: u8 = 3;

/// What one range of `Accept` says about a form, if it covers it.
fn wish(range: &str, [kind, subtype]: [&str; 2]) -> Option<Wish> {
    let mut parts = range.split(';').map(str::trim);
    let (asked, asked_subtype) = parts.next()?.split_once('/')?;
    let specificity = match (asked.trim(), asked_subtype.trim()) {
        ("*", "*") => 1,
        (asked, "*") if asked.eq_ignore_ascii_case(kind) => 2,
        (asked, asked_subtype) if asked.eq_ignore_ascii_case(kind) && asked_subtype.eq_ignore_ascii_case(subtype) => {
            EXACT
        }
        _ => return None,
    };
    let mut quality = 1000;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        if name.trim().eq_ignore_ascii_case("q") {
            quality = thousandths(value.trim());
        } else if name.trim().eq_ignore_ascii_case("charset") && !is_utf8(value) {
            return None;
        }
    }
    Some(Wish { specificity, quality })
}

fn thousandths(quality: &str) -> u16 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    match whole.parse() {
        Ok(0_u16) => format!("{fraction:0<3}").get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0),
        Ok(_) => 1000,
        Err(_) => 0,
    }
}

/// Whether a body of this content type is read.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let charset =
        parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    essence.eq_ignore_ascii_case("application/json") && charset.is_none_or(|(_, value)| is_utf8(value))
}

fn is_utf8(charset: &str) -> bool {
    let charset = charset.trim().trim_matches('"');
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> Accepted {
        accepted(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]))
    }

    #[test]
    fn the_response_type_is_preferred_where_it_is_named() {
        assert_eq!(accepted(&HeaderMap::new()).single, Some(Format::Json));
        for (accept, expected) in [
            ("application/graphql-response+json", Some(Format::GraphQl)),
            ("application/graphql-response+json, application/json", Some(Format::GraphQl)),
            (
                "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
                Some(Format::GraphQl),
            ),
            ("application/json", Some(Format::Json)),
            ("Application/JSON", Some(Format::Json)),
            ("application/graphql-response+json;q=0.5, application/json", Some(Format::Json)),
            ("application/json;q=0.5, */*", Some(Format::GraphQl)),
            ("*/*", Some(Format::Json)),
            ("application/*", Some(Format::Json)),
            ("text/html, */*;q=0.1", Some(Format::Json)),
            ("application/json;q=0, */*", Some(Format::GraphQl)),
            ("application/json;q=0", None),
            ("application/json; charset=utf-16", None),
            ("text/event-stream", None),
            ("text/csv", None),
            ("", None),
        ] {
            assert_eq!(accepting(accept).single, expected, "{accept}");
        }
    }

    #[test]
    fn a_stream_is_made_where_one_is_named() {
        for (accept, single, stream) in [
            ("text/event-stream", None, Some(Streaming::Events)),
            ("*/*", Some(Format::Json), None),
            ("text/*", None, None),
            ("text/event-stream;q=0", None, None),
            ("application/json, text/event-stream", Some(Format::Json), Some(Streaming::Events)),
            (
                "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\", application/json",
                Some(Format::Json),
                Some(Streaming::Multipart),
            ),
            ("multipart/mixed, text/event-stream", None, Some(Streaming::Events)),
            ("multipart/mixed, text/event-stream;q=0.5", None, Some(Streaming::Multipart)),
        ] {
            assert_eq!(accepting(accept), Accepted { single, stream }, "{accept}");
        }
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        let sending = |content_type: &str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]))
        };
        assert!(
            sending("application/json")
                && sending("Application/JSON;charset=\"UTF-8\"")
                && sending("application/json; charset=utf-8")
        );
        assert!(
            !sending("application/json; charset=utf-16") && !sending("text/plain") && !sending("application/graphql")
        );
        assert!(!is_json(&HeaderMap::new()));
    }
}
