//! Whether the process lives, and whether it should be sent requests.
//!
//! `/livez` answers as long as the runtime turns; it asks nothing else, so that a database that is away does not get
//! every node restarted. `/readyz` asks the service: the database answers, its migrations are ones that this binary
//! gets on with, the key file has the key of every code, the feed keeps up; and the process is not on its way out. What
//! is measured is the service's affair, the verdict and its JSON are made here.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode, response::Response};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;
use tokio::time::timeout;

use super::{Http, json_response};

/// How far behind its journal the feed may be before the node is taken out of rotation.
const MOST_LAG: Duration = Duration::from_secs(10);
/// How long the checks may take; a probe's own patience is often a few seconds only.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the service found out about itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// The database answered a query.
    pub database: bool,
    /// Every migration of this binary is applied, and no other that it does not get on with.
    pub migrations: bool,
    /// No code is out under a key that this process lacks.
    pub keys: bool,
    /// How far the feed is behind the journal.
    pub feed_lag: Duration,
}

impl Report {
    fn is_ready(&self) -> bool {
        self.database && self.migrations && self.keys && self.feed_lag <= MOST_LAG
    }
}

/// Asks the service for a report.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> BoxFuture<'static, Report> + Send + Sync>);

impl Readiness {
    /// A handle that makes its report by `ask`, once for each probe.
    pub fn new<F, Fut>(ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Report> + Send + 'static,
    {
        Self(Arc::new(move || ask().boxed()))
    }
}

/// `/livez`
pub async fn live() -> &'static str {
    "ok\n"
}

/// `/readyz`
pub async fn ready(State(http): State<Arc<Http>>) -> Response {
    let report = timeout(PATIENCE, (http.ready.0)()).await.unwrap_or_default();
    let draining = http.shutdown.is_cancelled();
    let ready = report.is_ready() && !draining;
    let body = json!({
        "status": if ready { "ready" } else { "unavailable" },
        "database": report.database,
        "migrations": report.migrations,
        "keys": report.keys,
        "feedLagMilliseconds": u64::try_from(report.feed_lag.as_millis()).unwrap_or(u64::MAX),
        "draining": draining,
    });
    json_response(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_must_hold_for_a_node_to_be_ready() {
        let good = Report { database: true, migrations: true, keys: true, feed_lag: Duration::from_millis(40) };
        assert!(good.is_ready());
        for bad in [
            Report { database: false, ..good },
            Report { migrations: false, ..good },
            Report { keys: false, ..good },
            Report { feed_lag: Duration::from_secs(11), ..good },
        ] {
            assert!(!bad.is_ready(), "{bad:?}");
        }
    }
}
