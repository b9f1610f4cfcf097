//! The feed: how events get from the journal to those who wait for them.
//!
//! One [`Tail`] a node reads the journal into a bounded ring and shows each event to every [`Question`] that is asked. A [`Listener`] is a
//! place and a question: it takes what is wanted after its place, from the ring or else from the journal, and then waits until the question
//! wants more. Nothing is queued for anybody, so a slow client costs a handful of events and gets everything, later; and what is missed
//! once is read again. Knows neither GraphQL nor who listens.

mod cursor;
mod filter;
mod kin;
mod listen;
mod question;
mod ring;
mod tail;
mod wake;

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use chrono::TimeDelta;
use moka::future::Cache;
use sea_orm::DbBackend;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

pub use self::{
    cursor::{Cursor, CursorError},
    filter::{Criteria, Filter},
    listen::Listener,
    question::Question,
    tail::Tail,
};
use self::{kin::Kin, question::Questions, ring::Ring};
use crate::{
    entity::scope::Scope,
    id::EventId,
    store::{Db, Error, Keyring, journal::Entry},
};

/// Events that a node keeps in memory, and has read when it starts: many come back then at once.
const KEPT: u32 = 8_192;
/// Older events are read in pages, which are the same for whoever reads them, for none of their events ever changes.
const PAGE: u32 = 256;
/// Pages that are remembered, and for how long after somebody needed them.
const PAGES: u64 = 64;
const REMEMBERED: Duration = Duration::from_secs(30);
/// How long a reader waits for what its own node has committed to be numbered, before it reads what there is.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a cursor from ahead may wait for this node before the database is asked whether it was ever there.
const GRACE: Duration = Duration::from_secs(5);

/// A node's view of the journal. Cheap to clone.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    db: Db,
    /// The journal's epoch, which belongs to the database for good.
    epoch: i64,
    /// The place up to which the tail has read.
    head: watch::Sender<Cursor>,
    ring: RwLock<Ring>,
    pages: Cache<i64, Arc<[Arc<Entry>]>>,
    questions: Questions,
    kin: Kin,
    /// How old an event may be that has not been had; any age where there is none.
    retention: Option<TimeDelta>,
    /// Of the commits of this process that [`Db::appended`] counts, those known to be numbered. Moves with every batch numbered.
    sequenced: watch::Sender<u64>,
    /// When the tail last found itself at the end of the journal.
    current: watch::Sender<Instant>,
}

impl Feed {
    /// The feed of a database whose keys are open, at its present head. It moves once [`tail`](Self::tail) runs. Who has missed an event
    /// that is older than `retention` cannot resume.
    pub async fn open(db: Db, retention: Option<TimeDelta>) -> Result<Self, Error> {
        db.keyring()?;
        let head = db.head().await?;
        let start = Cursor::start(head.epoch);
        let newest = db.read_after((head.position - i64::from(KEPT)).max(0), KEPT).await?;
        let cursor = newest.last().map_or(start, |entry| start.at(entry.position, entry.event.id));
        let mut ring = Ring::new(cursor.position(), KEPT as usize);
        for entry in newest {
            ring.push(Arc::new(entry));
        }
        Ok(Self(Arc::new(Inner {
            db,
            epoch: head.epoch,
            head: watch::Sender::new(cursor),
            ring: RwLock::new(ring),
            pages: Cache::builder().max_capacity(PAGES).time_to_idle(REMEMBERED).build(),
            questions: Questions::default(),
            kin: Kin::default(),
            retention,
            sequenced: watch::Sender::new(0),
            current: watch::Sender::new(Instant::now()),
        })))
    }

    /// The loop that keeps it up to date; one a feed.
    pub fn tail(&self) -> Tail {
        Tail::new(self.clone())
    }

    /// Where the sequencer of this process says how many of its commits have been numbered, as [`Db::appended`] counts them.
    pub fn sequenced(&self) -> watch::Sender<u64> {
        self.0.sequenced.clone()
    }

    /// Waits until what this process had committed by now has its place in the journal, so that a client reads its own writes. Gives up
    /// after two seconds: what there is by then is better than an error.
    pub async fn settled(&self) {
        if self.0.db.backend() != DbBackend::Postgres {
            return;
        }
        let committed = *self.0.db.appended().borrow();
        let mut sequenced = self.0.sequenced.subscribe();
        let _ = timeout(PATIENCE, sequenced.wait_for(|numbered| *numbered >= committed)).await;
    }

    /// Criteria of a caller, ready to be asked. Looks up what they do not say themselves.
    pub async fn filter(&self, scope: &Scope, criteria: Criteria) -> Result<Filter, Error> {
        Filter::resolve(&self.0.db, &self.0.kin, scope, criteria).await
    }

    /// The place up to which this node has read: at or before the end of the journal, never after it.
    pub fn head(&self) -> Cursor {
        *self.0.head.borrow()
    }

    /// How long ago this node was last up to date; well below a second while all is well.
    pub fn lag(&self) -> Duration {
        self.0.current.borrow().elapsed()
    }

    /// The text of the cursor after an event.
    pub fn cursor(&self, position: i64, event: EventId) -> String {
        self.seal(Cursor::of(self.0.epoch, position, event))
    }

    /// The text of a cursor.
    pub fn seal(&self, cursor: Cursor) -> String {
        self.keyring().map(|keyring| cursor.seal(keyring)).unwrap_or_default()
    }

    /// The place that a client's cursor names, once this node has got there.
    ///
    /// Invalid: it is none. Expired: of another database, of this one before it was set back, or from before an event that is older than
    /// the retention. A cursor from ahead is waited for as long as the database has, or may have, what it names.
    pub async fn resume(&self, text: &str) -> Result<Cursor, CursorError> {
        let keyring = self.keyring().ok_or(CursorError::Invalid)?;
        match Cursor::open(text, keyring, self.start())? {
            Some(cursor) if self.holds(cursor).await => Ok(cursor),
            _ => Err(CursorError::Expired { oldest: self.seal(self.oldest().await) }),
        }
    }

    /// Whether the journal goes on from `cursor`.
    async fn holds(&self, cursor: Cursor) -> bool {
        let place = cursor.position();
        if place > 0 && !self.reaches(place).await {
            return false;
        }
        let marked = |entry: &Arc<Entry>| cursor.marks(entry.event.id);
        if place > 0 && !self.entries(&[place]).await.first().is_some_and(marked) {
            return false;
        }
        let missed = place < self.head().position();
        !missed || self.entries(&[place + 1]).await.first().is_some_and(|next| !self.is_past(next))
    }

    /// Whether an event is older than the retention.
    fn is_past(&self, entry: &Entry) -> bool {
        self.0.retention.is_some_and(|retention| self.0.db.clock().now() - entry.event.occurred_at > retention)
    }

    /// The place before the first event.
    fn start(&self) -> Cursor {
        Cursor::start(self.0.epoch)
    }

    /// The oldest place that can be resumed from: after the last event that is past, which a search by halves finds.
    async fn oldest(&self) -> Cursor {
        let (mut oldest, mut beyond) = (self.start(), self.head().position() + 1);
        while self.0.retention.is_some() && oldest.position() + 1 < beyond {
            let middle = i64::midpoint(oldest.position(), beyond);
            match self.entries(&[middle]).await.first() {
                Some(entry) if self.is_past(entry) => oldest = oldest.at(middle, entry.event.id),
                _ => beyond = middle,
            }
        }
        oldest
    }

    /// The keys, which were open when this feed was, and stay so.
    fn keyring(&self) -> Option<&Keyring> {
        self.0.db.keyring().ok()
    }

    async fn reaches(&self, position: i64) -> bool {
        let mut head = self.0.head.subscribe();
        loop {
            if timeout(GRACE, head.wait_for(|head| head.position() >= position)).await.is_ok() {
                return true;
            }
            // A node lags for as long as its database is away; only the database can say that there is no such place.
            if self.0.db.head().await.is_ok_and(|head| head.position < position) {
                return false;
            }
        }
    }

    /// Some of the entries after `position`, in order and without a gap; none only where the journal has no more. Waits for the database
    /// for as long as it is away.
    async fn after(&self, position: i64) -> Vec<Arc<Entry>> {
        let held = self.ring().after(position, PAGE as usize);
        match held {
            Some(entries) => entries,
            None => self.page(position + 1).await.iter().filter(|entry| entry.position > position).cloned().collect(),
        }
    }

    /// The entries at `positions`, of those that there are.
    async fn entries(&self, positions: &[i64]) -> Vec<Arc<Entry>> {
        let held: Vec<_> = {
            let ring = self.ring();
            positions.iter().map(|position| ring.at(*position)).collect()
        };
        let mut entries = Vec::with_capacity(held.len());
        for (position, held) in positions.iter().zip(held) {
            if held.is_some() {
                entries.extend(held);
            } else {
                let page = self.page(*position).await;
                entries.extend(page.iter().find(|entry| entry.position == *position).cloned());
            }
        }
        entries
    }

    /// The page that `position` stands on. Only a page that is full is remembered.
    async fn page(&self, position: i64) -> Arc<[Arc<Entry>]> {
        let number = (position - 1).div_euclid(PAGE.into());
        let start = number * i64::from(PAGE);
        let full = self.head().position() >= start + i64::from(PAGE);
        if full { self.0.pages.get_with(number, self.read(start)).await } else { self.read(start).await }
    }

    /// Reads a page, once the database can be read.
    async fn read(&self, after: i64) -> Arc<[Arc<Entry>]> {
        let mut failures = 0;
        loop {
            match self.0.db.read_after(after, PAGE).await {
                Ok(entries) => return entries.into_iter().map(Arc::new).collect(),
                // The tail meets the same trouble, and logs it.
                Err(_) => failures += 1,
            }
            sleep(pause(failures)).await;
        }
    }

    /// Takes entries that lead up to `head` into the ring, moves the head on, and shows them to whoever listens. In this order: who sees the
    /// head finds what leads up to it, and who asks a question in between is not passed by.
    fn advance(&self, entries: Vec<Entry>, head: Cursor) {
        let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        {
            let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
            for entry in &entries {
                ring.push(Arc::clone(entry));
            }
        }
        self.0.head.send_replace(head);
        self.0.questions.show(&entries, head);
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.0.ring.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to wait after so many failures on end. Short at first, for when a database comes back, each connection of the pool may have
/// to fail once.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(10).saturating_mul(failures).min(Duration::from_secs(1))
}
