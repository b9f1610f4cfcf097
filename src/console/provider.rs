//! Signing in at the identity provider: away from the sign-in page, and back to it or on from there.
//!
//! Nobody is sent away but by a form of ours, with a cookie that only this browser has; and nobody comes in without it. The way goes over
//! a page that opens the next one: a form's answer may not lead to another site, and what comes from another site has no session yet.

use std::sync::Arc;

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{AppendHeaders, IntoResponse, Response},
};

use super::{
    Console,
    shell::{self, Opening},
    sign_in::{Refusal, begin, destination, read, show},
    visit::Trouble,
};
use crate::http::{
    auth::{Flow, Provider, Return},
    session::{Pass, Sessions},
};

const UNREACHABLE: &str = "The identity provider cannot be reached at the moment. Try again, or use an API key.";

/// Sends somebody to the provider.
pub async fn send_away(State(console): State<Arc<Console>>, request: Request) -> Response {
    let Some(provider) = console.auth.provider() else { return Trouble::Missing.into_response() };
    let (form, parts) = match read(request, &console).await {
        Ok(read) => read,
        Err(trouble) => return trouble.into_response(),
    };
    let to = destination(&form);
    let begun = provider.begin(to).await.ok();
    let begun = begun.and_then(|(address, flow)| {
        let cookie = console.sessions.send_away(&flow, provider.is_over_https())?;
        Some((cookie, address))
    });
    match begun {
        Some((cookie, address)) => {
            ([(header::SET_COOKIE, cookie)], shell::page(StatusCode::OK, &Opening { address })).into_response()
        }
        None => show(&console, &parts.headers, to, StatusCode::SERVICE_UNAVAILABLE, Some(UNREACHABLE)),
    }
}

/// Takes somebody in who comes back, whatever came of it there. An answer counts once.
pub async fn come_back(
    State(console): State<Arc<Console>>,
    answer: Result<Query<Return>, QueryRejection>,
    parts: Parts,
) -> Response {
    let Some(provider) = console.auth.provider() else { return Trouble::Missing.into_response() };
    let flow = console.sessions.come_back(&parts.headers, provider.is_over_https());
    let to = flow.as_ref().map_or("/console", |flow| flow.to.as_str());
    let answer = answer.map(|Query(answer)| answer).unwrap_or_default();
    let response = match enter(&console, provider, &parts, flow.as_ref(), &answer).await {
        Ok(session) => {
            let page = shell::page(StatusCode::OK, &Opening { address: to.to_owned() });
            ([(header::SET_COOKIE, session)], page).into_response()
        }
        Err(Refusal::Told(status, alarm)) => show(&console, &parts.headers, to, status, Some(alarm)),
        Err(Refusal::Trouble(_)) => {
            show(&console, &parts.headers, to, StatusCode::SERVICE_UNAVAILABLE, Some(UNREACHABLE))
        }
    };
    (AppendHeaders(Sessions::end_errand(provider.is_over_https()).map(|cookie| (header::SET_COOKIE, cookie))), response)
        .into_response()
}

async fn enter(
    console: &Arc<Console>,
    provider: &Provider,
    parts: &Parts,
    flow: Option<&Flow>,
    answer: &Return,
) -> Result<HeaderValue, Refusal> {
    let voucher = provider.finish(flow, answer).await?;
    begin(console, parts, &Pass::Vouched(voucher), provider.is_over_https()).await
}
