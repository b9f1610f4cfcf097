//! HTTP: the router, and what every request has in common.
//!
//! `/graphql` takes GraphQL over HTTP, its subscriptions as streams, and by upgrade GraphQL over WebSocket; `/schema.graphql` is the schema as text;
//! `/graphiql` a page to try it on; `/livez` and `/readyz` are for whoever runs the service, and so is `/metrics`, elsewhere. Each request has an id,
//! which the client may give, which the answer repeats and which the log carries; each leaves one line in the log, with
//! no body, no credential and no query string in it. Reading a document, running it and wording its errors is the
//! modules' business; deciding anything about the domain is nobody's here.

pub mod address;
pub mod auth;
mod graphql;
mod guard;
pub mod health;
mod lane;
pub mod listen;
mod measure;
pub mod metrics;
mod negotiation;
mod origin;
mod parameter;
mod seal;
pub mod session;
mod socket;
mod stream;
mod watch;

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use async_graphql::http::GraphiQLSource;
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, Uri, header, request::Parts},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, Span, field::Empty};

use self::{auth::Authenticator, health::Readiness, origin::Page, session::Sessions};
pub use self::{
    graphql::run,
    lane::{DeliveryLane, Lanes},
    socket::Seats,
};
use crate::{
    config::{Limits, Networks},
    graphql::Graph,
    telemetry,
};

/// What the routes work with.
pub struct Http {
    /// The schema and all it needs.
    pub graph: Graph,
    /// Tells who is asking.
    pub auth: Authenticator,
    /// What a browser signed in with.
    pub sessions: Sessions,
    /// Sizes, counts and deadlines.
    pub limits: Limits,
    /// The proxies that are believed.
    pub proxies: Networks,
    /// The origins of pages, beside our own, that may ask.
    pub origins: Arc<[String]>,
    /// Who has how many sockets.
    pub seats: Seats,
    /// Cancelled when the service is to stop: open sockets then drain.
    pub shutdown: CancellationToken,
    /// Counts open sockets, which axum's own shutdown does not wait for.
    pub sockets: TaskTracker,
    /// Where requests are answered, and where sockets and streams are served.
    pub lanes: Lanes,
    /// Tells whether the service should be sent requests.
    pub ready: Readiness,
}

/// The id of a request, in its extensions once `observe` has seen it.
#[derive(Clone)]
struct RequestId(String);

/// The client's address, likewise.
#[derive(Clone, Copy)]
struct ClientAddress(IpAddr);

/// The service's routes, and those of `pages` beside them. Serve them with connect info (`SocketAddr`), or every client's address is
/// unspecified.
pub fn router(http: Http, pages: Router) -> Router {
    let http = Arc::new(http);
    Router::new()
        .route("/graphql", any(graphql::endpoint))
        .route("/schema.graphql", get(schema))
        .route("/graphiql", get(graphiql))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(not_found)
        .with_state(Arc::clone(&http))
        .merge(pages)
        .layer(middleware::from_fn_with_state(http, observe))
}

async fn schema(State(http): State<Arc<Http>>, uri: Uri) -> Response {
    if !http.limits.introspection {
        return not_found(uri).await;
    }
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], http.graph.sdl().to_owned()).into_response()
}

async fn graphiql(State(http): State<Arc<Http>>, uri: Uri) -> Response {
    // Without a schema it is of no use; and what it loads from elsewhere runs beside the console, as whoever is signed in there.
    if !http.limits.introspection || !http.limits.graphiql {
        return not_found(uri).await;
    }
    let page =
        GraphiQLSource::build().endpoint("/graphql").subscription_endpoint("/graphql").title("claimcheck").finish();
    // The page loads its parts from elsewhere and runs inline scripts; what can be closed without breaking it is.
    let policy = "frame-ancestors 'none'; object-src 'none'; base-uri 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

async fn not_found(uri: Uri) -> Response {
    if uri.path() == "/metrics" {
        let body =
            json!({"error": "Metrics are served at an address of their own, which CLAIMCHECK_METRICS_LISTEN names."});
        return json_response(StatusCode::NOT_FOUND, &body);
    }
    let body = json!({
        "error": format!("There is nothing at {}.", uri.path()),
        "paths": ["/graphql", "/console", "/graphiql", "/schema.graphql", "/livez", "/readyz"],
    });
    json_response(StatusCode::NOT_FOUND, &body)
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body.to_string()).into_response()
}

/// Gives the request its id, the answer its common headers and the log its line.
async fn observe(State(http): State<Arc<Http>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = given_id(&request).unwrap_or_else(new_id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let address = origin::address(&request, &http.proxies);
    request.extensions_mut().insert(ClientAddress(address));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let page = Page::of(request.headers(), &http.origins);

    let span = span(&id, &request, route.as_ref());
    let mut response = match page.settle(&request) {
        Some(response) => response,
        None => next.run(request).instrument(span.clone()).await,
    };

    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    page.mark(headers);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    let status = response.status().as_u16();
    span.record("http.response.status_code", status);
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    http.graph.metrics().request(route.as_ref().map(MatchedPath::as_str), status, started.elapsed());
    tracing::info!(
        request.id = %id,
        http.method = %method,
        http.route = route.as_ref().map_or("none", MatchedPath::as_str),
        http.status = status,
        duration.ms = started.elapsed().as_secs_f64() * 1000.0,
        "request"
    );
    response
}

/// The request as a span, which goes on where the client's own is.
fn span(id: &str, request: &Request, route: Option<&MatchedPath>) -> Span {
    let route = route.map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        otel.name = route,
        otel.kind = "server",
        otel.status_code = Empty,
        request.id = id,
        http.request.method = %request.method(),
        http.route = route,
        http.response.status_code = Empty,
    );
    telemetry::follow(&span, request.headers().get("traceparent").and_then(|value| value.to_str().ok()));
    span
}

fn given_id(request: &Request) -> Option<String> {
    let id = request.headers().get("x-request-id")?.to_str().ok()?;
    let sane = (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    sane.then(|| id.to_owned())
}

/// An id for a request that came without one: not a record's id, only something to find it by in the log.
fn new_id() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("req_{:016x}_{:x}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The id that `observe` gave the request.
pub fn request_id(parts: &Parts) -> String {
    parts.extensions.get::<RequestId>().map_or_else(new_id, |id| id.0.clone())
}

/// The client's address, as `observe` found it.
pub fn client_address(parts: &Parts) -> IpAddr {
    parts.extensions.get::<ClientAddress>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.0)
}
