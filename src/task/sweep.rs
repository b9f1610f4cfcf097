//! Writing what deadlines already mean: any node may do it at any time.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        Error,
        sweep::{Sweep, Walk},
    },
    id::EntitlementId,
    metrics::{Metrics, Walked},
    store::Db,
};

/// How often to look. What is stored follows a deadline within a minute.
const EVERY: Duration = Duration::from_secs(15);

/// What could not be swept when it was last tried.
#[derive(Default)]
struct Stuck(HashMap<Sweep, HashSet<EntitlementId>>);

/// Sweeps until `shutdown`.
pub async fn run(db: Db, metrics: Metrics, shutdown: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stuck = Stuck::default();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for sweep in Sweep::ALL {
            let started = Instant::now();
            match drain(&db, sweep, &shutdown).await {
                Ok(Some(walk)) => {
                    let (rows, failed, took) = (walk.written, walk.failed.len(), started.elapsed());
                    metrics.walked(Walked { sweep: format!("{sweep:?}"), rows, failed, took });
                    tell(&mut stuck, sweep, &walk);
                }
                Ok(None) => return,
                Err(error) => {
                    metrics.stumbled(format!("{sweep:?}"));
                    tracing::warn!(error.cause = %error, sweep = ?sweep, "a sweep failed; it is tried again");
                }
            }
        }
    }
}

/// Sweeps batch after batch until one finds less than it could take. None: the service ended before that.
async fn drain(db: &Db, sweep: Sweep, shutdown: &CancellationToken) -> Result<Option<Walk>, Error> {
    let mut walk = sweep.begin();
    while !shutdown.is_cancelled() {
        if !walk.step(db).await? {
            return Ok(Some(walk));
        }
        tokio::task::yield_now().await;
    }
    Ok(None)
}

/// Logs what could not be swept, once until it could.
fn tell(stuck: &mut Stuck, sweep: Sweep, walk: &Walk) {
    let news = stuck.news(sweep, &walk.failed.iter().map(|(unit, _)| *unit).collect());
    for (unit, cause) in walk.failed.iter().filter(|(unit, _)| news.contains(unit)) {
        tracing::error!(
            error.cause = %cause,
            sweep = ?sweep,
            entitlement.id = %unit,
            "a unit cannot be swept; it is tried again every time, and this is said once"
        );
    }
}

impl Stuck {
    /// Those of `now` that were not stuck before.
    fn news(&mut self, sweep: Sweep, now: &HashSet<EntitlementId>) -> HashSet<EntitlementId> {
        let before = self.0.insert(sweep, now.clone()).unwrap_or_default();
        now.difference(&before).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_stuck_is_news_once_until_it_is_mended() {
        let units = |numbers: &[u128]| numbers.iter().map(|id| EntitlementId(Uuid::from_u128(*id))).collect();
        let mut stuck = Stuck::default();
        assert_eq!(stuck.news(Sweep::Overdue, &units(&[1, 2])), units(&[1, 2]));
        assert_eq!(stuck.news(Sweep::Overdue, &units(&[1, 2, 3])), units(&[3]));
        assert_eq!(stuck.news(Sweep::Entitlements, &units(&[1])), units(&[1]));
        assert_eq!(stuck.news(Sweep::Overdue, &units(&[2])), units(&[]));
        assert_eq!(stuck.news(Sweep::Overdue, &units(&[1, 2])), units(&[1]));
    }
}
