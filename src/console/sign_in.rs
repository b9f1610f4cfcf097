//! Signing in with an API key, and out again.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Console,
    record::Viewer,
    shell,
    visit::{Form, Posted, Trouble, Visit},
};
use crate::http::{
    auth::AuthError,
    client_address, request_id,
    session::{Session, Sessions},
};

const DOCUMENT: &str = include_str!("../../console/viewer.graphql");

#[derive(Deserialize)]
pub struct To {
    #[serde(default)]
    to: String,
}

#[derive(Template)]
#[template(path = "sign_in.html", config = ".askama.toml")]
struct Page<'a> {
    token: String,
    to: &'a str,
    alarm: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    viewer: Viewer,
}

/// The form. It begins a session of nobody, so that it too has a token.
pub async fn page(State(console): State<Arc<Console>>, Query(To { to }): Query<To>, headers: HeaderMap) -> Response {
    show(&console, &headers, &to, StatusCode::OK, None)
}

fn show(console: &Console, headers: &HeaderMap, to: &str, status: StatusCode, alarm: Option<&str>) -> Response {
    let begun = || {
        let cookie = console.sessions.begin("", headers)?;
        let pair = HeaderMap::from_iter([(header::COOKIE, cookie.clone())]);
        Some((console.sessions.find(&pair)?, cookie))
    };
    let Some((Session { token, .. }, cookie)) = begun() else { return Trouble::Unavailable.into_response() };
    let page = shell::page(status, &Page { token, to, alarm });
    ([(header::SET_COOKIE, cookie)], page).into_response()
}

/// Signs in, and goes on to where somebody wanted to go.
pub async fn enter(State(console): State<Arc<Console>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let read = Form::read(Request::from_parts(parts.clone(), body), &console).await;
    let form = match read.and_then(|form| form.check(&parts.headers, &console).map(|()| form)) {
        Ok(form) => form,
        Err(trouble) => return trouble.into_response(),
    };
    let to = form.get("to").filter(|to| is_console(to)).unwrap_or("/console");
    let refuse = |status, alarm| show(&console, &parts.headers, to, status, Some(alarm));

    let authorization = format!("Bearer {}", form.get("key").unwrap_or_default());
    let found = console.auth.authenticate(Some(&authorization), client_address(&parts), request_id(&parts)).await;
    let actor = match found {
        Ok(actor) => actor,
        Err(AuthError::Unauthenticated(message)) => return refuse(StatusCode::UNAUTHORIZED, message),
        Err(AuthError::Unavailable) => return Trouble::Unavailable.into_response(),
    };
    let visit = Visit { actor, token: String::new(), console: Arc::clone(&console) };
    match visit.ask::<Answer>(DOCUMENT, json!({})).await {
        Ok(Answer { viewer }) if matches!(viewer.role.as_str(), "ADMIN" | "SUPPORT" | "PARTNER") => {}
        Ok(_) => {
            let message = "The console is for support, partner and administrator keys; this key has another role.";
            return refuse(StatusCode::FORBIDDEN, message);
        }
        Err(trouble) => return trouble.into_response(),
    }
    match console.sessions.begin(&authorization, &parts.headers) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response(),
        None => Trouble::Unavailable.into_response(),
    }
}

/// Signs out.
pub async fn leave(headers: HeaderMap, _: Posted) -> Response {
    let ended = Sessions::end(&headers).map(|cookie| [(header::SET_COOKIE, cookie)]);
    (ended, Redirect::to("/console/sign-in")).into_response()
}

/// Whether an address leads nowhere but to a page of the console.
fn is_console(address: &str) -> bool {
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && !address.contains("..");
    let rest = address.strip_prefix("/console");
    plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_the_console_and_nowhere_else() {
        for address in ["/console", "/console/units?status=ACTIVE", "/console/order/ord_1"] {
            assert!(is_console(address), "{address}");
        }
        for address in [
            "",
            "/",
            "//evil.example",
            "/consoles",
            "/console/../graphiql",
            "https://evil.example/console",
            "/console\\@evil",
            "/console/\r\nx: y",
        ] {
            assert!(!is_console(address), "{address}");
        }
    }
}
