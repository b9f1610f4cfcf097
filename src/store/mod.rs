//! The database: one [`Db`] for both engines.
//!
//! Reads go to a [`Reader`]. Writes go through [`Db::write`], the only way to begin a transaction: it retries lost races, writes the journal
//! last and wakes the feed after the commit. SQLite has one writer connection, so that writers queue here, evenly, instead of failing there.
//! PostgreSQL uses one pool for both, and takes what many write at the same moment in one statement (`together`). Knows entities, and no
//! rule about them.

pub mod bulk;
mod count;
mod error;
pub mod journal;
pub mod keyring;
mod look;
mod open;
mod reader;
mod script;
mod together;
mod tx;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};
use tokio::sync::{Semaphore, watch};

use self::together::Together;
pub use self::{
    count::Statements,
    error::{Error, OpenError, Transient},
    keyring::Keyring,
    look::Pool,
    open::{Pending, migration_status, shown},
    reader::Reader,
    tx::Tx,
};
use crate::{clock::Clock, id::Ids};

/// A database that is open and migrated. Cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    reader: Reader,
    writer: DatabaseConnection,
    /// As many transactions may be waiting to begin as the writer has connections; the others wait for their turn to.
    beginning: Arc<Semaphore>,
    together: Together,
    clock: Clock,
    ids: Ids,
    statements: Statements,
    keyring: OnceLock<Keyring>,
    settings: Settings,
    /// Counts commits that appended to the journal: what the feed wakes by.
    appended: watch::Sender<u64>,
}

/// What operations need to know of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an issued code may be revealed again; zero: it is shown once only.
    pub reveal_days: u32,
    /// Units an order may have.
    pub order_units: usize,
    /// Lines an order may have.
    pub order_lines: usize,
    /// Well-formed unknown codes that one guesser may try within a quarter of an hour.
    pub guesses: u32,
    /// The same for a server key, behind which many people stand.
    pub server_guesses: u32,
    /// Failures of a provisioning operation after which somebody has to decide.
    pub provisioning_attempts: i32,
    /// How long a statement may run, or wait for others; commands may take their time.
    pub statement_timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reveal_days: 30,
            order_units: 100_000,
            order_lines: 2_000,
            guesses: 10,
            server_guesses: 1_000,
            provisioning_attempts: 10,
            statement_timeout: None,
        }
    }
}

impl Db {
    /// Where reading is done. Callers' data is read through scoped finders only.
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// The engine beneath.
    pub fn backend(&self) -> DbBackend {
        self.0.reader.get_database_backend()
    }

    /// The clock that every deadline is compared with.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The keys, once they have been opened; a command that needs none opens none.
    pub fn keyring(&self) -> Result<&Keyring, Error> {
        self.0.keyring.get().ok_or_else(|| Error::Refused(sea_orm::DbErr::Custom("no keys are open".to_owned())))
    }

    /// What operations need to know of the configuration.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Opens the keys at `path` for this database.
    pub async fn open_keys(&self, path: &std::path::Path) -> Result<(), OpenError> {
        let keyring = Keyring::open(self, path).await?;
        let _ = self.0.keyring.set(keyring);
        Ok(())
    }

    /// A watch that changes after each commit of this process that appended to the journal.
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.0.appended.subscribe()
    }

    /// How many statements this process has run since it was opened, transaction control aside.
    pub fn statements(&self) -> u64 {
        self.0.statements.number()
    }

    /// Closes all connections, after what runs on them has ended.
    pub async fn close(&self) {
        self.0.reader.close().await;
        let _ = self.0.writer.close_by_ref().await;
    }
}
