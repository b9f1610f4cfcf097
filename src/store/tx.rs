//! A transaction: where all writing happens.
//!
//! [`Db::write`] runs an operation in one transaction and, when it lost a race, runs it again from the beginning, so an operation must
//! have no effect outside its [`Tx`]. Events are gathered and written last, after every compare-and-set: row locks then order the events
//! of a record as its changes were committed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, ExecResult, FromQueryResult, Statement, TransactionOptions,
    TransactionTrait, Value,
};

use super::{
    Db, Error, Keyring, Settings, Transient,
    journal::{self, Origin},
};
use crate::id::{Ids, RecordId};

/// How often an operation that loses its races is run before the caller is told to try later.
const ATTEMPTS: u32 = 12;

/// One transaction, with the moment it takes place in.
pub struct Tx {
    connection: DatabaseTransaction,
    now: DateTime<Utc>,
    ids: Ids,
    db: Db,
    pub(super) journal: journal::Buffer,
}

impl Db {
    /// Runs `operation` in a transaction of its own, again where it lost a race, and commits it with its events.
    ///
    /// The operation owns its transaction and gives it back to have it committed, with its answer; what it does not give back is rolled
    /// back. An error of the commit itself is never retried: it may have happened.
    pub async fn write<T, E, F>(&self, origin: &Origin, operation: impl Fn(Tx) -> F) -> Result<T, E>
    where
        E: From<Error> + Transient,
        F: Future<Output = Result<(Tx, T), E>>,
    {
        let mut attempt = 1;
        loop {
            let tx = self.begin(origin).await?;
            let failure = match operation(tx).await {
                Ok((mut tx, value)) => match tx.flush().await {
                    Ok(()) => {
                        self.commit(tx).await?;
                        return Ok(value);
                    }
                    Err(failure) => E::from(failure),
                },
                Err(failure) => failure,
            };
            if !failure.transient() || attempt == ATTEMPTS {
                return Err(failure);
            }
            // A loser waits a little longer each time, so that a crowd on one record thins out.
            tokio::time::sleep(Duration::from_millis(u64::from(attempt - 1))).await;
            attempt += 1;
        }
    }

    async fn begin(&self, origin: &Origin) -> Result<Tx, Error> {
        let options = TransactionOptions {
            // A deferred transaction that reads first fails at its first write as soon as another process wrote in between.
            sqlite_transaction_mode: (self.backend() == DbBackend::Sqlite)
                .then_some(sea_orm::SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Tx {
            connection: self.0.writer.begin_with_options(options).await?,
            now: self.0.clock.now(),
            ids: self.0.ids.clone(),
            db: self.clone(),
            journal: journal::Buffer::new(origin.clone()),
        })
    }

    async fn commit(&self, tx: Tx) -> Result<(), Error> {
        let appended = tx.journal.appended();
        tx.connection.commit().await?;
        if appended {
            self.0.appended.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

impl Tx {
    /// The moment of this transaction, the same for everything in it.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// A new id.
    pub fn id<T: RecordId>(&self) -> T {
        self.ids.make(self.now)
    }

    /// The keys.
    pub fn keyring(&self) -> Result<&Keyring, Error> {
        self.db.keyring()
    }

    /// What operations need to know of the configuration.
    pub fn settings(&self) -> &Settings {
        self.db.settings()
    }

    /// The connection, for finders and inserts of SeaORM.
    pub fn connection(&self) -> &DatabaseTransaction {
        &self.connection
    }

    /// The engine beneath.
    pub fn backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    /// Runs a statement written as SQL.
    pub async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<ExecResult, Error> {
        Ok(self.connection.execute_raw(Statement::from_sql_and_values(self.backend(), sql, values)).await?)
    }

    /// The rows of a query written as SQL.
    pub async fn query<M: FromQueryResult + Send>(&self, sql: &str, values: Vec<Value>) -> Result<Vec<M>, Error> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(M::find_by_statement(statement).all(&self.connection).await?)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let journal = std::mem::take(&mut self.journal);
        self.journal = journal.flush(self).await?;
        Ok(())
    }
}
