//! The tail: one reader of the journal a node.
//!
//! It reads what follows the head it knows and hands it to the feed, on which everybody else waits. It looks when this process has
//! committed or numbered something, when another node notifies, and now and then by itself. While the database is away it keeps trying; it
//! ends with the service only.

use std::{collections::HashSet, time::Duration};

use sea_orm::DbBackend;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Feed, pause, wake};
use crate::{entity::kind::EventType, id::PartnerId, store::Error};

/// How often it looks by itself.
const POLL: Duration = Duration::from_millis(250);
/// Entries read at a time.
const BATCH: u32 = 1_000;

/// The loop that keeps a [`Feed`] up to date.
pub struct Tail {
    feed: Feed,
}

impl Tail {
    pub(super) fn new(feed: Feed) -> Self {
        Self { feed }
    }

    /// Reads until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let notified = Notify::new();
        tokio::select! {
            () = shutdown.cancelled() => {}
            never = wake::listen(&self.feed.0.db, &notified) => match never {},
            () = self.read(&notified) => {}
        }
    }

    async fn read(&self, notified: &Notify) {
        // On SQLite a commit of this process is there to be read; on PostgreSQL it is once it has been numbered.
        let inner = &self.feed.0;
        let numbered_later = inner.db.backend() == DbBackend::Postgres;
        let mut own = if numbered_later { inner.sequenced.subscribe() } else { inner.db.appended() };
        let mut failures = 0;
        loop {
            // Before the reading, so that what is committed during it is looked for afterwards.
            own.borrow_and_update();
            match self.catch_up().await {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!("the journal can be read again");
                    }
                    failures = 0;
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(error.cause = %error, "the journal cannot be read; trying on");
                    }
                    failures += 1;
                }
            }
            let idle = failures == 0;
            tokio::select! {
                Ok(()) = own.changed(), if idle => {}
                () = notified.notified(), if idle => {}
                () = sleep(if idle { POLL } else { pause(failures) }) => {}
            }
        }
    }

    /// Reads up to the end of the journal.
    async fn catch_up(&self) -> Result<(), Error> {
        let inner = &self.feed.0;
        loop {
            let head = self.feed.head();
            let entries = inner.db.read_after(head.position(), BATCH).await?;
            let complete = entries.len() < BATCH as usize;
            // Before anything that follows is shown to a filter by a partner.
            let moved = entries.iter().map(|entry| &entry.event).filter(|event| is_about_partners(event.kind));
            let moved: HashSet<PartnerId> = moved.filter_map(|event| event.partner_id).collect();
            inner.kin.learn_again(&inner.db, &Vec::from_iter(moved)).await?;
            if let Some(last) = entries.last() {
                let head = head.at(last.position, last.event.id);
                self.feed.advance(entries, head);
            }
            if complete {
                inner.current.send_replace(Instant::now());
                return Ok(());
            }
        }
    }
}

fn is_about_partners(kind: EventType) -> bool {
    matches!(kind, EventType::PartnerCreated | EventType::PartnerUpdated)
}
