//! Waiting for what the service does in its own time, without guessing how long that takes.
//!
//! What is awaited is awaited for [`PATIENCE`]; then the test fails and says for what it waited. Tests sleep nowhere else.

use std::{future::Future, time::Duration};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `future` gives; `awaited` names it where it does not come.
pub async fn within<T>(awaited: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("{awaited} did not come within {PATIENCE:?}"))
}

/// Asks again and again until there is an answer, as for an event whose place in the journal is given after the commit.
pub async fn eventually<T>(awaited: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    within(awaited, async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// How long a client waits before it comes back to a service that was not there: part of what clients do, and nothing that a test waits for.
pub async fn breath() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
