//! Signing in with an API key, and out again.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    Console, shell,
    visit::{Asked, Form, Posted, Trouble, Visit},
};
use crate::http::{
    auth::{AuthError, Provider},
    client_address, request_id,
    session::{Pass, Sessions, Token, is_https},
};

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
    /// What the identity provider is called, where people can sign in at one.
    provider: Option<&'a str>,
}

/// The form.
pub async fn page(State(console): State<Arc<Console>>, Asked(To { to }): Asked<To>, headers: HeaderMap) -> Response {
    show(&console, &headers, &to, StatusCode::OK, None)
}

/// The form, and what went wrong before.
pub fn show(console: &Console, headers: &HeaderMap, to: &str, status: StatusCode, alarm: Option<&str>) -> Response {
    let Some((cookie, Token(token))) = console.sessions.welcome(headers) else {
        return Trouble::Unavailable.into_response();
    };
    let provider = console.auth.provider().map(Provider::name);
    let page = shell::page(status, &Page { token, to, alarm, provider });
    (AppendHeaders(cookie.map(|cookie| (header::SET_COOKIE, cookie))), page).into_response()
}

/// Signs in, and goes on to where somebody wanted to go.
pub async fn enter(State(console): State<Arc<Console>>, request: Request) -> Response {
    let (form, parts) = match read(request, &console).await {
        Ok(read) => read,
        Err(trouble) => return trouble.into_response(),
    };
    let to = destination(&form);
    let pass = Pass::Shown(format!("Bearer {}", form.get("key").unwrap_or_default()));
    match begin(&console, &parts, &pass, is_https(&parts.headers)).await {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response(),
        Err(Refusal::Told(status, alarm)) => show(&console, &parts.headers, to, status, Some(alarm)),
        Err(Refusal::Trouble(trouble)) => trouble.into_response(),
    }
}

/// A form of the sign-in page, and the request it came by.
pub async fn read(request: Request, console: &Console) -> Result<(Form, Parts), Trouble> {
    let (parts, body) = request.into_parts();
    let form = Form::read(Request::from_parts(parts.clone(), body), console).await?;
    form.check(&console.sessions.guests(&parts.headers), &parts.headers)?;
    Ok((form, parts))
}

/// Where a form of the sign-in page leads.
pub fn destination(form: &Form) -> &str {
    // A longer one would not fit into the cookie that it waits in.
    form.get("to").filter(|to| to.len() <= 1_024 && is_console(to)).unwrap_or("/console")
}

/// Why nobody has signed in.
pub enum Refusal {
    /// For a reason to be told with the form.
    Told(StatusCode, &'static str),
    Trouble(Trouble),
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unauthenticated(message) => Self::Told(StatusCode::UNAUTHORIZED, message),
            AuthError::Unavailable => Self::Trouble(Trouble::Unavailable),
        }
    }
}

/// Begins the session of somebody who has business here, as the value of `Set-Cookie`.
pub async fn begin(
    console: &Arc<Console>,
    parts: &Parts,
    pass: &Pass,
    over_https: bool,
) -> Result<HeaderValue, Refusal> {
    let actor = console.auth.recognise(pass, client_address(parts), request_id(parts)).await?;
    let visit = Visit { actor, token: String::new(), console: Arc::clone(console) };
    let viewer = visit.viewer().await.map_err(Refusal::Trouble)?;
    if !matches!(viewer.role.as_str(), "ADMIN" | "SUPPORT" | "PARTNER") {
        let message = match pass {
            Pass::Shown(_) => "The console is for support, partner and administrator keys; this key has another role.",
            Pass::Vouched(_) => "The console is for support, partners and administrators; your login has another role.",
        };
        return Err(Refusal::Told(StatusCode::FORBIDDEN, message));
    }
    console.sessions.begin(pass, over_https).ok_or(Refusal::Trouble(Trouble::Unavailable))
}

/// Signs out.
pub async fn leave(Posted { visit, .. }: Posted) -> Response {
    // Where that fails the browser keeps its cookie, to try again.
    if visit.console.auth.end(&visit.actor, &Token(visit.token)).await.is_err() {
        return Trouble::Unavailable.into_response();
    }
    // By both names: one that was begun without HTTPS would count again.
    let ended = [true, false].into_iter().filter_map(Sessions::end).map(|cookie| (header::SET_COOKIE, cookie));
    (AppendHeaders(ended), Redirect::to("/console/sign-in")).into_response()
}

/// Whether an address leads nowhere but to a page of the console. Browsers take `%2e` in a path for a dot.
fn is_console(address: &str) -> bool {
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && !address.contains("..");
    let plain = plain && address.split('?').next().is_some_and(|path| !path.contains('%'));
    let rest = address.strip_prefix("/console");
    plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_the_console_and_nowhere_else() {
        for address in ["/console", "/console/units?after=a%3D", "/console/order/ord_1"] {
            assert!(is_console(address), "{address}");
        }
        for address in [
            "",
            "/",
            "//evil.example",
            "/consoles",
            "/console/../graphiql",
            "/console/%2e%2e/graphiql?x",
            "https://evil.example/console",
            "/console\\@evil",
            "/console/\r\nx: y",
        ] {
            assert!(!is_console(address), "{address}");
        }
    }
}
