//! Giving committed events their positions.
//!
//! On PostgreSQL any node may do it and one at a time does: the others find the journal's head locked and look again. Each node knows by
//! this how many of its own commits have been numbered, which is what a client waits for who reads what it has just written. On SQLite
//! the writer numbers what it writes, and there is nothing to do.

use std::time::Duration;

use sea_orm::DbBackend;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::Metrics,
    store::{Db, Error, journal::BATCH},
};

/// How often to look for events of nodes that went away before they had numbered them.
const POLL: Duration = Duration::from_millis(250);
/// The shortest time between two batches: whoever commits meanwhile shares the next one, and the cost of its commit.
const GATHER: Duration = Duration::from_millis(5);
/// How soon to look again while another node is numbering.
const TURN: Duration = Duration::from_millis(5);
/// The longest pause between two tries while the database is away. Short at first, for when it comes back, each connection of the pool may
/// have to fail once.
const MOST: Duration = Duration::from_secs(1);
/// How long the last numbering may take once the service is to end.
const LAST: Duration = Duration::from_secs(4);
/// The shortest time between two foldings of the tallies.
const FOLD: Duration = Duration::from_secs(1);
/// How often to fold what other nodes may have left.
const LEFT: Duration = Duration::from_mins(1);

/// The loop that numbers events as they are committed.
pub struct Sequencer {
    db: Db,
    /// The commits of this process known to be numbered; moves with every batch.
    numbered: watch::Sender<u64>,
    metrics: Metrics,
}

impl Sequencer {
    /// A sequencer that tells through `numbered` how many of the commits that [`Db::appended`] counts it knows to be numbered.
    pub fn new(db: Db, numbered: watch::Sender<u64>, metrics: Metrics) -> Self {
        Self { db, numbered, metrics }
    }

    /// Numbers until `shutdown`, and then once more what was committed by then.
    pub async fn run(self, shutdown: CancellationToken) {
        if self.db.backend() != DbBackend::Postgres {
            return;
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.number() => {}
        }
        // Other nodes, or the next start, would do it as well, a little later.
        let _ = tokio::time::timeout(LAST, sequence_all(&self.db)).await;
    }

    async fn number(&self) {
        let mut appended = self.db.appended();
        let mut folding = Folding { at: Instant::now(), due: true };
        let mut failures = 0;
        loop {
            let begun = Instant::now();
            let drained = self.drain(&mut appended, &mut folding).await;
            match &drained {
                Err(error) if failures == 0 => {
                    tracing::warn!(error.cause = %error, "events cannot be numbered; trying on");
                }
                Ok(_) if failures > 0 => tracing::info!("events are numbered again"),
                Ok(_) | Err(_) => {}
            }
            if drained.is_err() {
                self.metrics.turn_failed();
            }
            failures = if drained.is_ok() { 0 } else { failures + 1 };
            let idle = matches!(drained, Ok(Drained::Whole));
            let pause = match drained {
                Ok(Drained::Whole) => POLL,
                Ok(Drained::Elsewhere) => TURN,
                Err(_) => MOST.min(Duration::from_millis(10).saturating_mul(failures)),
            };
            tokio::select! {
                Ok(()) = appended.changed(), if idle => sleep_until(begun + GATHER).await,
                () = sleep(pause) => {}
            }
        }
    }

    /// Numbers batch after batch until one takes all there is, and folds tallies when it is time.
    async fn drain(&self, appended: &mut watch::Receiver<u64>, folding: &mut Folding) -> Result<Drained, Error> {
        loop {
            // Before the pass: what is committed while it runs is the next one's.
            let committed = *appended.borrow_and_update();
            let turn = self.db.sequence().await?;
            self.metrics.turn(turn);
            let Some(numbered) = turn else {
                // The other's batch may have begun before our last commit: what is ours is still to be seen.
                let known = *self.numbered.borrow();
                return Ok(if known < committed { Drained::Elsewhere } else { Drained::Whole });
            };
            let whole = numbered < BATCH;
            self.numbered.send_if_modified(|known| {
                let before = *known;
                *known = if whole { committed } else { before };
                // The tail of this node need not wait for the notification.
                numbered > 0 || *known != before
            });
            if numbered > 0 {
                self.db.notify().await?;
                folding.due = true;
            }
            folding.fold(&self.db).await?;
            if whole {
                return Ok(Drained::Whole);
            }
        }
    }
}

enum Drained {
    /// Nothing of ours is left.
    Whole,
    /// Another node is at it.
    Elsewhere,
}

/// When tallies are folded: they count before that as well, only that reading them takes longer.
struct Folding {
    at: Instant,
    due: bool,
}

impl Folding {
    async fn fold(&mut self, db: &Db) -> Result<(), Error> {
        let since = self.at.elapsed();
        if (self.due && since >= FOLD) || since >= LEFT {
            db.fold_tallies().await?;
            *self = Self { at: Instant::now(), due: false };
        }
        Ok(())
    }
}

/// Numbers all that is committed and tells the nodes that run: for commands that write beside a service or without one.
pub async fn sequence_all(db: &Db) -> Result<(), Error> {
    let mut any = false;
    loop {
        match db.sequence().await? {
            Some(0) => break,
            Some(_) => any = true,
            None => sleep(TURN).await,
        }
    }
    if any {
        db.fold_tallies().await?;
        db.notify().await?;
    }
    Ok(())
}
