//! What can go wrong between this process and its database.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

use super::keyring::KeyringError;

/// A failure of a statement or a transaction.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else was first: a compare-and-set changed no row, or a unique index refused one. Deciding again on what is there now gives
    /// the right answer.
    #[error("lost a race on {0}")]
    Conflict(String),
    /// The database could not be reached, was too busy, or went away.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] DbErr),
    /// A key that the database uses is not there: nobody can say what it stands for.
    #[error("{0}")]
    Keys(String),
    /// Anything else: a defect.
    #[error("the database refused a statement: {0}")]
    Refused(#[source] DbErr),
}

impl Error {
    /// Whether a row was found and is not what it should be: the statement did no harm, and another one may do better.
    pub fn unreadable(&self) -> bool {
        let Self::Refused(cause) = self else { return false };
        let decoded = |error: &sqlx::Error| matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_));
        matches!(cause, DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } | DbErr::ConvertFromU64(_))
            || matches!(cause, DbErr::Query(RuntimeErr::SqlxError(cause)) if decoded(cause))
    }
}

/// Whether doing the same again from the beginning may succeed.
pub trait Transient {
    fn transient(&self) -> bool;
}

impl Transient for Error {
    fn transient(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

impl From<KeyringError> for Error {
    fn from(error: KeyringError) -> Self {
        if let KeyringError::Database(error) = error { error } else { Self::Keys(error.to_string()) }
    }
}

/// PostgreSQL's code for a division by zero: what a script ends with when one of its changes missed its row. No other statement divides.
const MISSED: &str = "22012";

/// PostgreSQL's codes for a serialisation failure, a deadlock and a lock that was not available.
const RACES: [&str; 4] = ["40001", "40P01", "55P03", MISSED];

impl From<DbErr> for Error {
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else these libraries come to say is a defect of ours")]
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(index)) = error.sql_err() {
            return Self::Conflict(index);
        }
        let cause = match &error {
            DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => cause,
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => return Self::Unavailable(error),
            _ => return Self::Refused(error),
        };
        match &**cause {
            sqlx::Error::Database(refusal) => match refusal.code() {
                Some(code) if RACES.contains(&&*code) => Self::Conflict(refusal.message().to_owned()),
                // 57…: an operator intervened or the server shuts down; 08…: the connection; 53…: out of something. SQLite: 5 and 6, it
                // is busy; 9, it was told to stop.
                Some(code) if ["57", "08", "53"].iter().any(|class| code.len() == 5 && code.starts_with(class)) => {
                    Self::Unavailable(error)
                }
                Some(code) if matches!(&*code, "5" | "6" | "9" | "261" | "517") => Self::Unavailable(error),
                _ => Self::Refused(error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

/// Why a database could not be opened: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the database {url}: {cause}")]
    Unreachable { url: String, cause: String },
    #[error("DATABASE_URL must begin with sqlite: or postgres:, and {0:?} does not")]
    UnknownEngine(String),
    #[error("{0} is not a claimcheck database: it has other tables. Name an empty database, or another file")]
    NotOurs(String),
    #[error(
        "{url} was written by a newer claimcheck, with which this one does not get on (it has the migration {migration}): run that version, or restore a backup"
    )]
    Newer { url: String, migration: String },
    #[error("this claimcheck was built with SQLite {0}, which can corrupt a write-ahead log; it needs 3.51.3 or newer")]
    OldSqlite(String),
    #[error(transparent)]
    Keys(#[from] KeyringError),
    #[error("the database {url} answered with an error: {cause}")]
    Failed { url: String, cause: String },
}
