//! Writing what deadlines already mean: any node may do it at any time.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{domain::sweep::Sweep, store::Db};

/// How often to look. What is stored follows a deadline within a minute.
const EVERY: Duration = Duration::from_secs(15);

/// Sweeps until `shutdown`.
pub async fn run(db: Db, shutdown: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for sweep in Sweep::ALL {
            drain(&db, sweep, &shutdown).await;
        }
    }
}

/// Sweeps batch after batch until one finds less than it could take.
async fn drain(db: &Db, sweep: Sweep, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        match sweep.run(db).await {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(error.cause = %error, sweep = ?sweep, "a sweep failed; it is tried again");
                return;
            }
        }
    }
}
