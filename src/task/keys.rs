//! Taking up rotated keys: codes are issued under the newest key that the database knows, and no restart is needed for that.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::store::Db;

/// How often to look. A code under a key that is not known yet is looked up again at once, whatever this says.
const EVERY: Duration = Duration::from_secs(15);

/// Looks for new keys until `shutdown`.
pub async fn run(db: Db, shutdown: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = db.renew_keys().await {
            tracing::error!(error.cause = %error, "codes of newer keys cannot be told from unknown ones");
        }
    }
}
