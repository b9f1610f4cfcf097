//! `/metrics`, on an address of its own: whoever reads it needs no credential, so it is for the operator to say who can reach it.

use axum::{Router, http::header, routing::get};

/// The text that Prometheus reads, as the `OpenMetrics` standard calls it.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The route, with what makes its text once for each who asks.
pub fn router<F, Fut>(text: F) -> Router
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = String> + Send + 'static,
{
    Router::new().route("/metrics", get(async move || ([(header::CONTENT_TYPE, TEXT)], text().await)))
}
