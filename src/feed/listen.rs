//! Listening: a place in the journal and a question.
//!
//! Backfill and live are the same loop: take what is wanted after the place, hand it on, and where there is no more, wait until the question
//! wants something. Nothing runs ahead of the consumer but a handful of events, so the consumer's pace is the pace, and a place moves on only
//! when the consumer says that it has passed.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::watch;

use super::{
    Cursor, Feed, Filter,
    question::{Known, Question},
};
use crate::store::journal::Entry;

/// How long to wait for a journal that is behind its head.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);
/// Events that are held for the consumer.
const AHEAD: usize = 64;

impl Feed {
    /// Asks a question from now on.
    pub fn ask(&self, filter: Filter) -> Arc<Question> {
        self.0.questions.add(filter, || self.head())
    }

    /// Listens for what `question` wants after `from`.
    pub fn listen(&self, question: Arc<Question>, from: Cursor) -> Listener {
        let known = question.known();
        Listener { feed: self.clone(), question, known, place: from, due: VecDeque::new(), looked: from }
    }
}

/// Somebody's place in the journal, and what is next for them.
pub struct Listener {
    feed: Feed,
    question: Arc<Question>,
    known: watch::Receiver<Known>,
    /// Everything before it was passed, or is not wanted.
    place: Cursor,
    /// Wanted events after the place, and how far they reach.
    due: VecDeque<Arc<Entry>>,
    looked: Cursor,
}

impl Listener {
    /// The next event that is wanted, as soon as there is one; the same one until it is passed. Safe to drop half-way.
    pub async fn next(&mut self) -> Arc<Entry> {
        loop {
            if let Some(entry) = self.due.front() {
                return Arc::clone(entry);
            }
            self.place = self.looked;
            self.look().await;
        }
    }

    /// Whether the next event would have to be waited for.
    pub fn is_idle(&self) -> bool {
        self.due.is_empty() && !self.known.borrow().leads_beyond(self.looked.position())
    }

    /// Says that the next event was had.
    pub fn pass(&mut self) {
        if let Some(entry) = self.due.pop_front() {
            self.place = self.place.at(entry.position, entry.event.id);
        }
    }

    /// The place after the newest event that is wanted, as soon as there is one after the listener's place. Safe to drop half-way.
    pub async fn changed(&mut self) -> Cursor {
        let entry = self.next().await;
        let latest = self.known.borrow().latest();
        if latest.position() > entry.position { latest } else { self.place.at(entry.position, entry.event.id) }
    }

    /// Says that everything before `place` was had.
    pub fn pass_to(&mut self, place: Cursor) {
        self.due.clear();
        (self.place, self.looked) = (place, place);
    }

    /// Where to resume from: all that is wanted before it was passed.
    pub fn place(&self) -> Cursor {
        if self.due.is_empty() { self.known.borrow().seen_from(self.looked) } else { self.place }
    }

    async fn look(&mut self) {
        let place = self.place.position();
        // An error would mean that the question is gone, of which this holds a part.
        let known = self.known.wait_for(|known| known.leads_beyond(place)).await;
        let positions = known.ok().and_then(|known| known.after(place, AHEAD));
        let entries = match positions {
            Some(positions) => self.feed.entries(&positions).await,
            None => self.feed.after(place).await,
        };
        let Some(last) = entries.last() else {
            // A head that is ahead of the journal: the database was set back under a service that runs.
            tokio::time::sleep(PAUSE).await;
            return;
        };
        self.looked = self.place.at(last.position, last.event.id);
        self.due = entries.into_iter().filter(|entry| self.question.wants(entry)).collect();
        if self.due.is_empty() {
            // Neighbours on this thread come first: a page from memory never waits for anything.
            tokio::task::yield_now().await;
        }
    }
}
