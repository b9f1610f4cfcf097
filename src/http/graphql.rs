//! GraphQL over HTTP: one request, one answer, by the GraphQL-over-HTTP specification.
//!
//! POST runs queries and mutations, GET queries only. What is refused before the document is looked at (a media type, a
//! method, a body too large or too slow, no credential, malformed members) has an honest status in either format; what
//! the GraphQL layer refuses is a 4xx in `application/graphql-response+json` and a 200 in `application/json`, as its
//! older clients expect. Every body is a GraphQL response whose errors have a code. The body is read under one total
//! deadline, the operation runs under another. A GET that asks for an upgrade is handed to the socket. A client that
//! accepts a stream gets its subscriptions as one, and everything else where it accepts nothing but a stream.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::{Request, Response as Executed, ServerError, parser::types::OperationType};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequestParts, Query, State, ws::WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tokio::time::timeout;
use tracing::Instrument;

use super::{
    Http,
    auth::AuthError,
    client_address, guard,
    measure::Measure,
    negotiation::{self, Accepted, Format},
    parameter, request_id, socket, stream,
};
use crate::{
    config::Limits,
    domain::Actor,
    graphql::{
        Graph,
        answer::{
            Answer, BAD_USER_INPUT, FORBIDDEN, GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED, INTERNAL,
            LIMIT_EXCEEDED, QUERY_TOO_COMPLEX, RATE_LIMITED, UNAUTHENTICATED, UNAVAILABLE, refusal,
        },
        delivery::Delivery,
    },
};

/// A refusal that has a status of its own, whatever the format.
struct Refusal {
    status: StatusCode,
    error: ServerError,
    header: Option<(header::HeaderName, &'static str)>,
}

impl Refusal {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, error: refusal(code, message), header: None }
    }

    fn with(self, name: header::HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

/// Everything that comes to `/graphql`.
pub async fn endpoint(State(http): State<Arc<Http>>, request: axum::extract::Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::UPGRADE) && parts.method == Method::GET {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => socket::upgrade(http, upgrade, &parts),
            Err(rejection) => rejection.into_response(),
        };
    }
    let Accepted { single, stream } = negotiation::accepted(&parts.headers);
    // What is wrong with a request, an answer says in a form of its own.
    let format = single.unwrap_or(Format::Json);
    if single.is_none() && stream.is_none() {
        let message = "The answer is application/graphql-response+json, application/json, text/event-stream or \
                       multipart/mixed; Accept allows none of them.";
        return refuse(format, Refusal::new(StatusCode::NOT_ACCEPTABLE, BAD_USER_INPUT, message));
    }
    let Admitted { actor, request, kind } = match admit(&http, &parts, body).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refuse(format, refusal),
    };
    let answer = match (kind, stream) {
        (Ok(OperationType::Subscription), Some(streaming)) => {
            return stream::subscription(&http, actor, request, streaming, &parts.headers).await;
        }
        (Ok(OperationType::Subscription), None) => {
            let message = "Subscriptions are served over WebSocket at this address, by the graphql-transport-ws \
                           protocol, and to clients that accept text/event-stream or multipart/mixed.";
            return refuse(format, Refusal::new(StatusCode::BAD_REQUEST, BAD_USER_INPUT, message));
        }
        (Ok(kind @ (OperationType::Query | OperationType::Mutation)), _) => {
            execute(&http.graph, actor, kind, request, &http.limits).await
        }
        (Err(error), _) => Answer::refused(error),
    };
    match (single, stream) {
        (None, Some(streaming)) => stream::single(&answer, streaming),
        _ => render(format, &answer, status(format, &answer)),
    }
}

/// A request that may be looked at, and what kind of operation its document asks for, if that can be told.
struct Admitted {
    actor: Arc<Actor>,
    request: Request,
    kind: Result<OperationType, ServerError>,
}

async fn admit(http: &Http, parts: &Parts, body: Body) -> Result<Admitted, Refusal> {
    let is_post = parts.method == Method::POST;
    if !is_post && parts.method != Method::GET && parts.method != Method::HEAD {
        let message = "GraphQL requests come by POST, queries also by GET.";
        return Err(
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, BAD_USER_INPUT, message).with(header::ALLOW, "GET, POST")
        );
    }
    if is_post && !negotiation::is_json(&parts.headers) {
        let message = "The request body must be application/json in UTF-8, and its Content-Type must say so.";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, BAD_USER_INPUT, message));
    }
    let (address, id) = (client_address(parts), request_id(parts));
    let found = match (authorization(&parts.headers), http.sessions.own(&parts.headers)) {
        (None, Some(session)) => http.auth.resume(&session, address, id).await,
        (shown, _) => http.auth.authenticate(shown, address, id).await,
    };
    let actor = found.map_err(|error| unauthenticated(&error))?;
    let parameters = if is_post {
        parameter::from_body(&read(body, &parts.headers, &http.limits).await?)
    } else {
        query_string(parts)
    };
    let mut request = parameters.map_err(|error| Refusal { status: StatusCode::BAD_REQUEST, error, header: None })?;
    let kind = guard::admit(&mut request, &http.limits);
    if !is_post && matches!(kind, Ok(OperationType::Mutation)) {
        let message = "A mutation changes something and must come by POST.";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, BAD_USER_INPUT, message).with(header::ALLOW, "POST"));
    }
    Ok(Admitted { actor, request, kind })
}

/// Runs a request given by its members as `/graphql` would, for a page of this service; the response as JSON.
pub async fn run(graph: &Graph, actor: Arc<Actor>, members: &[(&str, &str)], limits: &Limits) -> String {
    let pairs = members.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let admitted = parameter::from_query_string(pairs.collect()).and_then(|mut request| {
        let kind = guard::admit(&mut request, limits)?;
        Ok((kind, request))
    });
    let answer = match admitted {
        Ok((kind @ (OperationType::Query | OperationType::Mutation), request)) => {
            execute(graph, actor, kind, request, limits).await
        }
        Ok((OperationType::Subscription, _)) => {
            Answer::refused(refusal(BAD_USER_INPUT, "A subscription is followed, not run."))
        }
        Err(error) => Answer::refused(error),
    };
    answer.json()
}

/// Runs a query or a mutation under the deadline; a panic in it is an answer like another.
pub(super) async fn execute(
    graph: &Graph,
    actor: Arc<Actor>,
    kind: OperationType,
    request: Request,
    limits: &Limits,
) -> Answer {
    let measure = Measure::begin(graph, &actor, kind, &request);
    let execution = AssertUnwindSafe(graph.execute(actor, request, &measure.statements));
    let execution = execution.catch_unwind().instrument(measure.span.clone());
    let response = match timeout(limits.request_timeout, execution).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!("an operation panicked");
            Executed::from_errors(vec![refusal(INTERNAL, "The service failed to run this operation.")])
        }
        Err(_elapsed) => {
            let message = "The operation took too long and was given up. A mutation may still have taken effect: \
                           ask again with the same idempotencyKey.";
            Executed::from_errors(vec![refusal(UNAVAILABLE, message)])
        }
    };
    let answer = Answer::of(response, limits.errors);
    measure.answered(&answer);
    answer
}

/// Begins a subscription, after the cursor `resume` where one is given, within `patience`.
pub(super) async fn subscribe(
    graph: &Graph,
    actor: &Actor,
    request: Request,
    resume: Option<String>,
    patience: Duration,
) -> Result<Delivery, Answer> {
    let measure = Measure::begin(graph, actor, OperationType::Subscription, &request);
    let begun = graph.subscribe(actor, request, resume).instrument(measure.span.clone());
    let Ok(begun) = timeout(patience, begun).await else {
        let answer = Answer::refused(refusal(UNAVAILABLE, "The subscription took too long to begin: try again."));
        measure.answered(&answer);
        return Err(answer);
    };
    match &begun {
        Ok(_) => measure.begun(),
        Err(answer) => measure.answered(answer),
    }
    begun
}

async fn read(body: Body, headers: &HeaderMap, limits: &Limits) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            LIMIT_EXCEEDED,
            format!("The request body is larger than {} bytes.", limits.body_bytes),
        )
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limits.body_bytes) {
        return Err(too_large());
    }
    // One deadline for the whole body: a peer that drips a byte now and then does not move it.
    match timeout(limits.body_timeout, axum::body::to_bytes(body, limits.body_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(too_large()),
        Ok(Err(_)) => {
            let message = "The request body is cut off, or is not encoded as its head says.";
            Err(Refusal::new(StatusCode::BAD_REQUEST, BAD_USER_INPUT, message))
        }
        Err(_elapsed) => {
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, LIMIT_EXCEEDED, "The request body did not arrive in time."))
        }
    }
}

/// Whether reading a body ended at the limit on its length.
fn is_too_long(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn query_string(parts: &Parts) -> Result<Request, ServerError> {
    match Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) {
        Ok(Query(pairs)) => parameter::from_query_string(pairs),
        Err(_) => Err(refusal(BAD_USER_INPUT, "The query string cannot be decoded.")),
    }
}

/// The `Authorization` header's value; one that is not text cannot be anybody's credential.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default())
}

fn unauthenticated(error: &AuthError) -> Refusal {
    match error {
        AuthError::Unauthenticated(message) => {
            Refusal::new(StatusCode::UNAUTHORIZED, UNAUTHENTICATED, *message).with(header::WWW_AUTHENTICATE, "Bearer")
        }
        AuthError::Unavailable => {
            let message = "Credentials cannot be checked at the moment; try again shortly.";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, message).with(header::RETRY_AFTER, "1")
        }
    }
}

fn status(format: Format, answer: &Answer) -> StatusCode {
    if answer.executed {
        return StatusCode::OK;
    }
    match answer.code() {
        Some(UNAUTHENTICATED) => StatusCode::UNAUTHORIZED,
        Some(UNAVAILABLE) => StatusCode::SERVICE_UNAVAILABLE,
        Some(RATE_LIMITED) => StatusCode::TOO_MANY_REQUESTS,
        Some(INTERNAL) => StatusCode::INTERNAL_SERVER_ERROR,
        Some(GRAPHQL_PARSE_FAILED | GRAPHQL_VALIDATION_FAILED | QUERY_TOO_COMPLEX | BAD_USER_INPUT)
            if format == Format::Json =>
        {
            StatusCode::OK
        }
        Some(FORBIDDEN) => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn refuse(format: Format, refusal: Refusal) -> Response {
    let mut response = render(format, &Answer::refused(refusal.error), refusal.status);
    if let Some((name, value)) = refusal.header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn render(format: Format, answer: &Answer, status: StatusCode) -> Response {
    let headers =
        [(header::CONTENT_TYPE, format.content_type()), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, headers, answer.json()).into_response()
}
