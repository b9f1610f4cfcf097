//! Who visits, and what a visit can ask.
//!
//! [`Visit`] is a request of somebody who is signed in; without a session it turns into the way to the sign-in page. [`Posted`] is one that
//! may change something: it comes from one of our own pages and brings the session's token. Both ask the graph through [`Visit::ask`] alone.

use std::sync::Arc;

use axum::{
    Form as Pairs,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, Method, StatusCode, Uri, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Console,
    moment::Moment,
    record::Viewer,
    shell::{self, Opening, Stranger},
};
use crate::{
    domain::Actor,
    graphql::Graph,
    http::{
        self,
        address::address,
        auth::AuthError,
        client_address, request_id,
        session::{Token, is_own_page},
    },
};

pub(super) const VIEWER: &str = include_str!("../../console/viewer.graphql");

/// A request of somebody who is signed in.
pub struct Visit {
    pub actor: Arc<Actor>,
    /// What its forms bring back.
    pub token: String,
    pub console: Arc<Console>,
}

/// A request that may change something.
pub struct Posted {
    pub visit: Visit,
    pub form: Form,
}

/// The fields of a form that have something in them.
pub struct Form(Vec<(String, String)>);

/// Why there is no page.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// There is no such record, or it is somebody else's.
    Missing,
    /// It was refused, in the graph's words.
    Refused(String),
    /// The form is not one that this session was given.
    Forged,
    /// It cannot be answered at the moment.
    Unavailable,
}

#[derive(Deserialize)]
struct Who {
    viewer: Viewer,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    message: String,
    extensions: Extensions,
}

#[derive(Deserialize)]
struct Extensions {
    code: String,
}

impl Visit {
    /// What the graph answers to a document.
    pub async fn ask<T: DeserializeOwned>(&self, document: &str, variables: Value) -> Result<T, Trouble> {
        self.ask_for(document, "", variables).await
    }

    /// The same of one of several operations in a document.
    pub async fn ask_for<T: DeserializeOwned>(
        &self,
        document: &str,
        operation: &str,
        variables: Value,
    ) -> Result<T, Trouble> {
        let members = [("query", document), ("operationName", operation), ("variables", &variables.to_string())];
        let answer = self.run_by(&self.console.pages, &members).await;
        let answer: Answer<T> = serde_json::from_str(&answer).map_err(|error| {
            tracing::error!(error.cause = %error, operation.name = operation, "an answer of the graph is not what a page reads");
            Trouble::Unavailable
        })?;
        if let Some(fault) = answer.errors.into_iter().next() {
            return Err(match fault.extensions.code.as_str() {
                "NOT_FOUND" => Trouble::Missing,
                "UNAVAILABLE" | "INTERNAL" => Trouble::Unavailable,
                _ => Trouble::Refused(fault.message),
            });
        }
        answer.data.ok_or(Trouble::Unavailable)
    }

    /// Who visits, as the graph says it.
    pub async fn viewer(&self) -> Result<Viewer, Trouble> {
        let Who { viewer } = self.ask(VIEWER, json!({})).await?;
        Ok(viewer)
    }

    /// The GraphQL response to a request of somebody's own, as JSON.
    pub async fn run(&self, members: &[(&str, &str)]) -> String {
        self.run_by(&self.console.graph, members).await
    }

    async fn run_by(&self, graph: &Graph, members: &[(&str, &str)]) -> String {
        http::run(graph, Arc::clone(&self.actor), members, &self.console.limits).await
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        Moment(self.console.clock.now())
    }

    /// The visit behind a session's cookie.
    async fn find(parts: &Parts, console: &Arc<Console>) -> Result<Self, Response> {
        let session = console.sessions.find(&parts.headers).ok_or_else(|| to_sign_in(parts))?;
        let found = console.auth.resume(&session, client_address(parts), request_id(parts)).await;
        match found {
            Ok(actor) => Ok(Self { actor, token: session.token.0, console: Arc::clone(console) }),
            Err(AuthError::Unauthenticated(_)) => Err(to_sign_in(parts)),
            Err(AuthError::Unavailable) => Err(Trouble::Unavailable.into_response()),
        }
    }
}

/// From the address of a form to the page that the form is on: what somebody finds who opens it anew.
pub async fn back(uri: Uri) -> Redirect {
    Redirect::to(uri.path().rsplit_once('/').map_or("/console", |(page, _form)| page))
}

/// The way to the sign-in page and back. A link from elsewhere comes without the cookie, for that is of the same site only: such a browser
/// is told to ask again, now from a page of ours.
fn to_sign_in(parts: &Parts) -> Response {
    let cross_site = parts.headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if parts.method == Method::GET && cross_site {
        return shell::page(StatusCode::OK, &Opening { address: parts.uri.to_string() });
    }
    let back = if parts.method == Method::GET { parts.uri.path_and_query().map(ToString::to_string) } else { None };
    let back = back.filter(|back| back != "/console").unwrap_or_default();
    if back.is_empty() {
        return Redirect::to("/console/sign-in").into_response();
    }
    Redirect::to(&address("/console/sign-in", &[("to", &back)])).into_response()
}

impl FromRequestParts<Arc<Console>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Response> {
        Self::find(parts, console).await
    }
}

/// What the address of a page asks for.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Console>> for Asked<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Console>) -> Result<Self, Trouble> {
        let asked = Query::try_from_uri(&parts.uri);
        asked
            .map(|Query(asked)| Self(asked))
            .map_err(|_| Trouble::Refused("The address cannot be read: go back, or begin at the overview.".to_owned()))
    }
}

impl FromRequest<Arc<Console>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let visit = Visit::find(&parts, console).await?;
        let headers = parts.headers.clone();
        let form = Form::read(Request::from_parts(parts, body), console).await.map_err(IntoResponse::into_response)?;
        form.check(&[Token(visit.token.clone())], &headers).map_err(IntoResponse::into_response)?;
        Ok(Self { visit, form })
    }
}

impl Form {
    /// Reads the body of a request.
    pub async fn read(request: Request, console: &Console) -> Result<Self, Trouble> {
        let read = timeout(console.limits.body_timeout, Pairs::<Vec<(String, String)>>::from_request(request, &()));
        let Ok(Ok(Pairs(pairs))) = read.await else {
            return Err(Trouble::Refused("The form could not be read: go back and send it again.".to_owned()));
        };
        Ok(Self(pairs))
    }

    /// Refuses a form that was not made for whom it comes from, or that another site sends.
    pub fn check(&self, expected: &[Token], headers: &HeaderMap) -> Result<(), Trouble> {
        let own = self.get("token").is_some_and(|token| expected.iter().any(|expected| expected.is(token)));
        if own && is_own_page(headers) { Ok(()) } else { Err(Trouble::Forged) }
    }

    /// What was written into a field; none where that is nothing.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// All fields with something in them.
    pub fn filled(&self) -> impl Iterator<Item = (&str, &str)> {
        let trimmed = self.0.iter().map(|(name, value)| (name.as_str(), value.trim()));
        trimmed.filter(|(_, value)| !value.is_empty())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, title, advice) = match self {
            Self::Missing => (
                StatusCode::NOT_FOUND,
                "Not found",
                "There is no such record, or it is not yours to see. Check the address, or search for it.".to_owned(),
            ),
            Self::Refused(message) => (StatusCode::BAD_REQUEST, "That was refused", message),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This form has expired",
                "It was not made for the session it came with, so nothing was done. Open the page again and repeat it."
                    .to_owned(),
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not available at the moment",
                "The service cannot answer right now. Try again in a moment.".to_owned(),
            ),
        };
        shell::page(status, &Stranger { title, advice: &advice })
    }
}
