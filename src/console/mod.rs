//! The console: pages for a support desk, and for partners with their own stock.
//!
//! A page is a document of the public schema beside a template, and a few words in between: it asks the graph as whoever is signed in, so it
//! can show and do nothing that the API would not. Every page works without scripts; the one script there is follows the service's own event
//! stream and asks for the page again when something has changed, so that what a state means in words is said in one place, here. Pages,
//! style and script are parts of the binary. Who is signed in is the business of [`crate::http::session`].

mod account;
mod asset;
mod deed;
mod entitlement;
mod exception;
mod moment;
mod order;
mod overview;
mod provider;
mod query;
mod record;
mod search;
mod shell;
mod sign_in;
mod unit;
mod verdict;
mod visit;
mod word;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    response::Redirect,
    routing::{get, post},
};

use self::visit::Trouble;
use crate::{
    clock::Clock,
    config::Limits,
    graphql::Graph,
    http::{auth::Authenticator, session::Sessions},
};

/// The longest list of a page.
pub const LONGEST: u32 = 100;

/// What the pages work with.
pub struct Console {
    /// What people ask.
    pub graph: Graph,
    /// The same for the pages' own documents, whose lists are as long as they are.
    pub pages: Graph,
    /// Tells who is asking.
    pub auth: Authenticator,
    /// What a browser signed in with.
    pub sessions: Sessions,
    /// Sizes, counts and deadlines.
    pub limits: Limits,
    /// The time, for deadlines and ages.
    pub clock: Clock,
}

/// What the pages ask, and have scripts ask: trusted wherever only some documents are.
pub const DOCUMENTS: [&str; 10] = [
    account::DOCUMENT,
    deed::DOCUMENT,
    entitlement::DOCUMENT,
    exception::DOCUMENT,
    order::DOCUMENT,
    overview::DOCUMENT,
    search::DOCUMENT,
    shell::LIVE,
    unit::DOCUMENT,
    visit::VIEWER,
];

/// The console's routes.
pub fn router(console: Console) -> Router {
    let largest = DefaultBodyLimit::max(console.limits.body_bytes);
    Router::new()
        .route("/console", get(overview::page))
        .route("/console/", get(|| async { Redirect::permanent("/console") }))
        .route("/console/sign-in", get(sign_in::page).post(sign_in::enter))
        .route("/console/sign-in/provider", post(provider::send_away))
        .route("/console/sign-in/return", get(provider::come_back))
        .route("/console/sign-out", post(sign_in::leave))
        .route("/console/search", get(search::page).post(search::land))
        .route("/console/order/{id}", get(order::page))
        .route("/console/order/{id}/{deed}", post(order::act).get(visit::back))
        .route("/console/entitlement/{id}", get(entitlement::page))
        .route("/console/entitlement/{id}/{deed}", post(entitlement::act).get(visit::back))
        .route("/console/account/{id}", get(account::page))
        .route("/console/units", get(unit::page))
        .route("/console/exceptions", get(exception::queue))
        .route("/console/exception/{id}", get(exception::page))
        .route("/console/exception/{id}/{deed}", post(exception::act).get(visit::back))
        .route("/console/overdue", get(exception::overdue))
        .route("/console/query", get(query::page).post(query::run))
        .route("/console/asset/{name}", get(asset::file))
        .route("/console/{*rest}", get(|| async { Trouble::Missing }))
        .layer(largest)
        .with_state(Arc::new(console))
}
