//! The newest events, kept in memory for whoever is nearly up to date.
//!
//! A bounded run of consecutive positions. It either holds everything after a position or says that it does not, so that a reader who is
//! behind it reads the journal and misses nothing.

use std::{collections::VecDeque, sync::Arc};

use crate::store::journal::Entry;

/// A run of consecutive entries, the oldest of which give way to new ones.
pub struct Ring {
    /// Everything after this position, up to the newest, is held.
    start: i64,
    entries: VecDeque<Arc<Entry>>,
    capacity: usize,
}

impl Ring {
    /// An empty ring, whose first entry will be the one after `start`.
    pub fn new(start: i64, capacity: usize) -> Self {
        Self { start, entries: VecDeque::new(), capacity }
    }

    /// Adds the next entry. After a gap in the positions it begins anew, for it holds runs only.
    pub fn push(&mut self, entry: Arc<Entry>) {
        if entry.position != self.end() + 1 {
            self.entries.clear();
            self.start = entry.position - 1;
        }
        if self.entries.len() == self.capacity && self.entries.pop_front().is_some() {
            self.start += 1;
        }
        self.entries.push_back(entry);
    }

    /// At most `limit` entries after `position`, or none if the ring does not reach back so far.
    pub fn after(&self, position: i64, limit: usize) -> Option<Vec<Arc<Entry>>> {
        let skipped = usize::try_from(position - self.start).ok()?;
        Some(self.entries.iter().skip(skipped).take(limit).cloned().collect())
    }

    /// The entry at `position`, if it is held.
    pub fn at(&self, position: i64) -> Option<Arc<Entry>> {
        self.entries.get(usize::try_from(position - self.start - 1).ok()?).cloned()
    }

    /// The position of the newest entry.
    fn end(&self) -> i64 {
        self.start + i64::try_from(self.entries.len()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{entity::kind::EventType, store::journal::event};

    fn filled(start: i64, positions: impl IntoIterator<Item = i64>) -> Ring {
        let mut ring = Ring::new(start, 4);
        for position in positions {
            ring.push(Arc::new(Entry { position, event: event(EventType::OrderPlaced) }));
        }
        ring
    }

    fn after(ring: &Ring, position: i64, limit: usize) -> Option<Vec<i64>> {
        Some(ring.after(position, limit)?.iter().map(|entry| entry.position).collect())
    }

    #[test]
    fn what_follows_a_position_is_whole_or_not_given() {
        let ring = filled(10, 11..=13);
        assert_eq!(after(&ring, 10, 9), Some(vec![11, 12, 13]));
        assert_eq!(after(&ring, 11, 1), Some(vec![12]));
        assert_eq!(after(&ring, 13, 9), Some(vec![]));
        assert_eq!(after(&ring, 20, 9), Some(vec![]));
        assert_eq!(after(&ring, 9, 9), None);
        assert_eq!(ring.at(10).is_none(), ring.at(14).is_none());
        assert!((11..=13).all(|position| ring.at(position).is_some_and(|entry| entry.position == position)));
    }

    #[test]
    fn the_oldest_give_way() {
        let ring = filled(0, 1..=9);
        assert_eq!(after(&ring, 4, 9), None);
        assert_eq!(after(&ring, 5, 9), Some(vec![6, 7, 8, 9]));
    }

    #[test]
    fn a_gap_is_never_bridged() {
        let ring = filled(0, [1, 2, 7, 8]);
        assert_eq!(after(&ring, 2, 9), None);
        assert_eq!(after(&ring, 6, 9), Some(vec![7, 8]));
    }
}
