//! Questions: what is listened for, asked once for each event however many listen.
//!
//! The tail shows every event to every question that somebody listens by; a question remembers the places of those it wants. Whoever listens
//! wakes for these alone, and passes over all others without looking at them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::watch;

use super::{Cursor, Filter};
use crate::store::journal::Entry;

/// Places that a question remembers: a listener who is further behind looks for itself.
const REMEMBERED: usize = 128;

/// A filter that somebody listens by.
pub struct Question {
    filter: Filter,
    /// Every wanted event after this place is seen.
    asked: Cursor,
    known: watch::Sender<Known>,
}

/// What a question knows of the journal.
pub(super) struct Known {
    /// Every wanted position after this one, and up to what was seen, is remembered.
    since: i64,
    wanted: VecDeque<i64>,
    /// The place after the newest event that is wanted.
    latest: Cursor,
    /// The place after the newest event that was looked at.
    seen: Cursor,
}

impl Question {
    /// Whether this event is asked for, and those who ask may see it.
    pub fn wants(&self, entry: &Entry) -> bool {
        self.filter.wants(&entry.event)
    }

    /// Where it was asked: whoever listens from there misses nothing.
    pub fn asked(&self) -> Cursor {
        self.asked
    }

    pub(super) fn known(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// Looks at the events that lead up to `head`, and wakes those who listen if one of them is wanted.
    fn look(&self, entries: &[Arc<Entry>], head: Cursor) {
        self.known.send_if_modified(|known| {
            let (before, seen) = (known.latest, known.seen.position());
            for entry in entries.iter().filter(|entry| entry.position > seen && self.wants(entry)) {
                known.remember(entry.position);
                known.latest = head.at(entry.position, entry.event.id);
            }
            known.seen = head;
            known.latest != before
        });
    }
}

impl Known {
    fn remember(&mut self, position: i64) {
        if self.wanted.len() == REMEMBERED {
            self.since = self.wanted.pop_front().unwrap_or(self.since);
        }
        self.wanted.push_back(position);
    }

    /// Whether there may be anything for a listener at `place`.
    pub fn leads_beyond(&self, place: i64) -> bool {
        place < self.since || place < self.latest.position()
    }

    /// The first positions that are wanted after `place`; none where that is too long ago to tell.
    pub fn after(&self, place: i64, most: usize) -> Option<Vec<i64>> {
        let first = self.wanted.partition_point(|position| *position <= place);
        (place >= self.since).then(|| self.wanted.range(first..).take(most).copied().collect())
    }

    /// The place after the newest event that is wanted.
    pub fn latest(&self) -> Cursor {
        self.latest
    }

    /// Where a listener at `place` stands who has had all that is wanted.
    pub fn seen_from(&self, place: Cursor) -> Cursor {
        if self.leads_beyond(place.position()) || self.seen.position() < place.position() { place } else { self.seen }
    }
}

/// The questions that somebody listens by.
#[derive(Default)]
pub(super) struct Questions(Mutex<Vec<Weak<Question>>>);

impl Questions {
    /// Adds a question. `head` is asked for once no event can pass by unseen.
    pub fn add(&self, filter: Filter, head: impl FnOnce() -> Cursor) -> Arc<Question> {
        let mut questions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let head = head();
        let known = Known { since: head.position(), wanted: VecDeque::new(), latest: head, seen: head };
        let question = Arc::new(Question { filter, asked: head, known: watch::Sender::new(known) });
        questions.push(Arc::downgrade(&question));
        question
    }

    /// Shows the events that lead up to `head` to all of them, and forgets those that nobody listens by any more.
    pub fn show(&self, entries: &[Arc<Entry>], head: Cursor) {
        let mut questions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        questions.retain(|question| match question.upgrade() {
            Some(question) => {
                question.look(entries, head);
                true
            }
            None => false,
        });
    }
}
