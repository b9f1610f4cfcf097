//! Subscriptions: a cursor and a filter, and a loop over both.
//!
//! Backfill and live are the same loop: take what lies after the cursor, hand on what the filter lets through, and where the head is
//! reached, wait for it to move. Nothing runs ahead of the consumer but one batch, so the consumer's pace is the pace.

use std::sync::{Arc, Mutex, PoisonError};

use async_stream::stream;
use futures_util::Stream;

use super::{Cursor, Feed, Filter};
use crate::store::journal::Entry;

/// How long to wait for a journal that is behind its head.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);
/// Entries taken at a time, when most are wanted and wait for the consumer.
const FEWEST: u32 = 64;
/// Entries taken at a time, when hardly any are.
const MOST: u32 = 1_000;

/// How far a subscription has got, for whoever carries its answers: every event up to there was handed on or was none of its business.
///
/// While an answer is being made, and until the next is asked for, it is the place of the event that the answer is about.
#[derive(Default)]
pub struct Progress(Mutex<Option<Cursor>>);

impl Progress {
    /// The place; none before the first event was looked at.
    pub fn get(&self) -> Option<Cursor> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, cursor: Cursor) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor);
    }
}

impl Feed {
    /// Every event after `from` that the filter lets through, once and in order, for ever.
    pub fn events(
        &self,
        from: Cursor,
        filter: Filter,
        progress: Arc<Progress>,
    ) -> impl Stream<Item = Arc<Entry>> + Send + use<> {
        let mut scan = Scan::new(self.clone(), from);
        stream! {
            loop {
                let batch = scan.next(&filter).await;
                for entry in batch.wanted {
                    progress.set(from.at(entry.position, entry.event.id));
                    yield entry;
                }
                progress.set(batch.end);
            }
        }
    }

    /// Fires at once, and again after events that the filter lets through: once for all that have come by then. To be followed by a look
    /// at the present state, which must not have begun before `from` was taken.
    pub fn changes(
        &self,
        from: Cursor,
        filter: Filter,
        progress: Arc<Progress>,
    ) -> impl Stream<Item = ()> + Send + use<> {
        let mut scan = Scan::new(self.clone(), from);
        stream! {
            progress.set(from);
            yield ();
            loop {
                let mut changed = false;
                loop {
                    let batch = scan.next(&filter).await;
                    progress.set(batch.end);
                    changed |= !batch.wanted.is_empty();
                    if changed && batch.is_last {
                        break;
                    }
                }
                yield ();
            }
        }
    }
}

/// A walk along the journal.
struct Scan {
    feed: Feed,
    head: tokio::sync::watch::Receiver<Cursor>,
    place: Cursor,
    limit: u32,
}

struct Batch {
    wanted: Vec<Arc<Entry>>,
    /// The place after all that was looked at.
    end: Cursor,
    /// Whether that is as far as the node has read.
    is_last: bool,
}

impl Scan {
    fn new(feed: Feed, from: Cursor) -> Self {
        let head = feed.0.head.subscribe();
        Self { feed, head, place: from, limit: FEWEST }
    }

    /// The next entries, as soon as there are any; perhaps none that is wanted.
    async fn next(&mut self, filter: &Filter) -> Batch {
        let place = self.place.position();
        // An error would mean that the feed is gone, of which this holds a part.
        let reached = self.head.wait_for(|head| head.position() > place).await.map_or(self.place, |head| *head);
        let entries = self.feed.after(place, self.limit).await;
        if let Some(last) = entries.last() {
            self.place = self.place.at(last.position, last.event.id);
        }
        let looked_at = entries.len();
        let wanted: Vec<_> = entries.into_iter().filter(|entry| filter.wants(&entry.event)).collect();
        // Few at a time while they are wanted, for they stay in memory until the consumer has had them; many while they are not, for a
        // long backfill is mostly that.
        self.limit = if wanted.len() * 8 < looked_at { MOST.min(self.limit * 2) } else { FEWEST };
        if looked_at == 0 {
            // A head that is ahead of the journal: the database was set back under a service that runs.
            tokio::time::sleep(PAUSE).await;
        }
        if wanted.is_empty() {
            // Neighbours on this thread come first: a batch from the ring never waits for anything.
            tokio::task::yield_now().await;
        }
        Batch { wanted, end: self.place, is_last: self.place.position() >= reached.position() }
    }
}
