//! The feed: how events get from the journal to those who wait for them.
//!
//! One [`Tail`] a node reads the journal into a bounded ring and moves a head that everybody watches. A subscription is a cursor and a
//! filter: it takes what lies after its cursor, from the ring or else from the journal, and then waits for the head to move. Nothing is
//! queued for anybody, so a slow client costs a batch of memory and gets everything, later; and what is missed once is read again.
//! Knows neither GraphQL nor who listens.

mod cursor;
mod filter;
mod ring;
mod subscribe;
mod tail;
mod wake;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use sea_orm::DbBackend;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use self::ring::Ring;
pub use self::{
    cursor::{Cursor, CursorError},
    filter::{Criteria, Filter},
    subscribe::Progress,
    tail::Tail,
};
use crate::{
    id::EventId,
    store::{Db, Error, Keyring, journal::Entry},
};

/// Events that a node keeps in memory.
const KEPT: usize = 8_192;
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
    /// Of the commits of this process that [`Db::appended`] counts, those known to be numbered. Moves with every batch numbered.
    sequenced: watch::Sender<u64>,
    /// When the tail last found itself at the end of the journal.
    current: watch::Sender<Instant>,
}

impl Feed {
    /// The feed of a database whose keys are open, at its present head. It moves once [`tail`](Self::tail) runs.
    pub async fn open(db: Db) -> Result<Self, Error> {
        db.keyring()?;
        let head = db.head().await?;
        let last = db.read_after(head.position - 1, 1).await?;
        let cursor = match last.first() {
            Some(entry) => Cursor::of(head.epoch, entry.position, entry.event.id),
            None => Cursor::start(head.epoch),
        };
        Ok(Self(Arc::new(Inner {
            db,
            epoch: head.epoch,
            head: watch::Sender::new(cursor),
            ring: RwLock::new(Ring::new(cursor.position(), KEPT)),
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
    /// Invalid: it is none. Expired: of another database, older than what is kept, or of this database before it was set back. A cursor
    /// from ahead is waited for as long as the database has, or may have, what it names.
    pub async fn resume(&self, text: &str) -> Result<Cursor, CursorError> {
        let oldest = self.oldest();
        let cursor = Cursor::open(text, self.keyring().ok_or(CursorError::Invalid)?, oldest)?;
        let place = cursor.position();
        if place == 0 {
            return Ok(cursor);
        }
        let expired = || CursorError::Expired { oldest: self.seal(oldest) };
        if !self.reaches(place).await {
            return Err(expired());
        }
        let found = self.after(place - 1, 1).await;
        match found.first() {
            Some(entry) if entry.position == place && cursor.marks(entry.event.id) => Ok(cursor),
            _ => Err(expired()),
        }
    }

    /// The oldest place that can be resumed from.
    fn oldest(&self) -> Cursor {
        Cursor::start(self.0.epoch)
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

    /// At most `limit` entries after `position`, in order and without a gap. Waits for the database for as long as it is away.
    async fn after(&self, position: i64, limit: u32) -> Vec<Arc<Entry>> {
        let held = self.0.ring.read().unwrap_or_else(PoisonError::into_inner).after(position, limit as usize);
        if let Some(entries) = held {
            return entries;
        }
        let mut failures = 0;
        loop {
            match self.0.db.read_after(position, limit).await {
                Ok(entries) => return entries.into_iter().map(Arc::new).collect(),
                // The tail meets the same trouble, and logs it.
                Err(_) => failures += 1,
            }
            sleep(pause(failures)).await;
        }
    }

    fn keep(&self, entries: impl Iterator<Item = Arc<Entry>>) {
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        entries.for_each(|entry| ring.push(entry));
    }
}

/// How long to wait after so many failures on end. Short at first, for when a database comes back, each connection of the pool may have
/// to fail once.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(10).saturating_mul(failures).min(Duration::from_secs(1))
}
