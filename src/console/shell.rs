//! What all pages have in common: the frame around them, their headers, and how they are kept current.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    record::Viewer,
    visit::{Trouble, Visit},
    word,
};

/// Nothing but our own files, and no script or style within a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The frame around a page of somebody who is signed in.
pub struct Shell {
    /// The session's token, for the forms.
    pub token: String,
    /// What tells a form that is sent twice from another one like it.
    pub once: String,
    /// Who is signed in, in words.
    pub who: String,
    /// The part of the console that the page belongs to.
    pub section: &'static str,
    /// What was looked for, to be corrected where it led to no one page.
    pub sought: Option<String>,
    /// What to say at the top, as after something was done.
    pub notice: Option<String>,
    /// What went wrong, likewise.
    pub alarm: Option<String>,
    pub live: Option<Live>,
    /// The address of the page, where it came as the answer to a form, by another one.
    pub page: Option<String>,
}

/// What a page follows: a subscription, whose every event makes the browser ask for the page again.
pub struct Live {
    pub query: &'static str,
    pub variables: String,
}

/// What pages follow.
pub const LIVE: &str =
    "subscription Live($after: Cursor, $filter: EventFilter) { events(after: $after, filter: $filter) { type } }";

impl Shell {
    /// The frame for whoever visits. Without randomness there is none: no two forms may look alike.
    pub fn new(visit: &Visit, viewer: &Viewer, section: &'static str) -> Result<Self, Trouble> {
        let role = word::plain(&viewer.role);
        let name = viewer.partner.as_ref().map(|partner| &partner.name);
        let name = name.or(viewer.api_key.as_ref().map(|key| &key.name));
        let who = name.map_or_else(|| role.clone(), |name| format!("{name} · {role}"));
        let mut once = [0; 16];
        getrandom::fill(&mut once).map_err(|_| Trouble::Unavailable)?;
        Ok(Self {
            token: visit.token.clone(),
            once: URL_SAFE_NO_PAD.encode(once),
            who,
            section,
            sought: None,
            notice: None,
            alarm: None,
            live: None,
            page: None,
        })
    }

    /// The same kept current by what a filter lets through after a place in the journal.
    pub fn following(self, after: &str, filter: &Value) -> Self {
        let variables = json!({"after": after, "filter": filter}).to_string();
        Self { live: Some(Live { query: LIVE, variables }), ..self }
    }

    /// The same after something was looked for.
    pub fn seeking(self, what: &str) -> Self {
        Self { sought: Some(what.to_owned()), ..self }
    }

    /// The same after something was done to the record whose page this is, or refused.
    pub fn saying(self, notice: Option<&str>, alarm: Option<String>, page: String) -> Self {
        let page = (notice.is_some() || alarm.is_some()).then_some(page);
        Self { notice: notice.map(str::to_owned), alarm, page, ..self }
    }

    pub fn is(&self, section: &str) -> bool {
        self.section == section
    }
}

/// A page outside the frame: trouble, mostly.
#[derive(Template)]
#[template(path = "stranger.html", config = ".askama.toml")]
pub struct Stranger<'a> {
    pub title: &'a str,
    pub advice: &'a str,
}

/// A page that asks for its own address again.
#[derive(Template)]
#[template(path = "opening.html", config = ".askama.toml")]
pub struct Opening {
    pub address: String,
}

/// A page as it goes out.
pub fn page(status: StatusCode, page: &impl Template) -> Response {
    let Ok(text) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // A form of a page that sends no referrer has no origin either, and that is what a form is recognised by.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (status, headers, Html(text)).into_response()
}
