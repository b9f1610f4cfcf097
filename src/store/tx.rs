//! A transaction: where all writing happens.
//!
//! On PostgreSQL it begins with the first statement that needs one. An operation that only glances at what is there and then makes its
//! changes by one script needs none: every change is a compare-and-set, and a script is done as a whole or not at all. SQLite's begins at
//! once, as its only writer.
//!
//! [`Db::write`] runs an operation in one transaction and, when it lost a race, runs it again from the beginning, so an operation must
//! have no effect outside its [`Tx`]. Changes wait until something is read or the operation is done, and go together with the events, which
//! come after every compare-and-set: row locks then order the events of a record as its changes were committed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, FromQueryResult, ModelTrait, Statement,
    TransactionOptions, TransactionTrait, Value, sea_query::UpdateStatement,
};

use super::{
    Db, Error, Keyring, Settings, Transient,
    journal::{self, Origin},
    script::Script,
};
use tokio::sync::OnceCell;
use tracing::Span;

use crate::id::{Ids, RecordId};

/// How often an operation that loses its races is run before the caller is told to try later.
const ATTEMPTS: u32 = 12;

/// Writes that go together at the most: a statement has room for so many values, and a plan for so many parts.
const TOGETHER: usize = 64;

/// One transaction, with the moment it takes place in.
pub struct Tx {
    begun: OnceCell<DatabaseTransaction>,
    now: DateTime<Utc>,
    ids: Ids,
    db: Db,
    /// Writes that have not been sent.
    waiting: Mutex<Script>,
    pub(super) journal: journal::Buffer,
}

impl Db {
    /// Runs `operation` in a transaction of its own, again where it lost a race, and commits it with its events.
    ///
    /// The operation owns its transaction and gives it back to have it committed, with its answer; what it does not give back is rolled
    /// back. An error of the commit itself is never retried: it may have happened.
    #[tracing::instrument(name = "transaction", skip_all, fields(attempts))]
    pub async fn write<T, E, F>(&self, origin: &Origin, operation: impl Fn(Tx) -> F) -> Result<T, E>
    where
        E: From<Error> + Transient,
        F: Future<Output = Result<(Tx, T), E>>,
    {
        let mut attempt = 1;
        loop {
            Span::current().record("attempts", attempt);
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

    /// The rows of a statement that goes through whole tables, planned for what there is now. What it sees is of one moment.
    pub async fn survey<M: FromQueryResult + Send>(&self, sql: &str) -> Result<Vec<M>, Error> {
        if self.backend() == DbBackend::Sqlite {
            let statement = Statement::from_string(DbBackend::Sqlite, sql);
            return Ok(M::find_by_statement(statement).all(self.reader()).await?);
        }
        let tx = self.begin(&Origin::system("survey")).await?;
        tx.plan_anew().await?;
        tx.query(sql, vec![]).await
    }

    async fn begin(&self, origin: &Origin) -> Result<Tx, Error> {
        let tx = Tx {
            begun: OnceCell::new(),
            now: self.0.clock.now(),
            ids: self.0.ids.clone(),
            db: self.clone(),
            waiting: Mutex::default(),
            journal: journal::Buffer::new(origin.clone()),
        };
        if self.backend() == DbBackend::Sqlite {
            tx.begun().await?;
        }
        Ok(tx)
    }

    /// Begins a transaction on the writer.
    ///
    /// Who waits for a turn may give it up. The beginning is in a task of its own: where whoever asked goes away before the database has
    /// answered, the task takes the answer and rolls back. sqlx gives a connection back as if nothing had happened when a wait for `BEGIN` is
    /// dropped, and what the next one commits on it by a single statement would be undone by its end.
    pub(super) async fn transaction(&self) -> Result<DatabaseTransaction, Error> {
        let writer = self.0.writer.clone();
        let options = TransactionOptions {
            // A deferred transaction that reads first fails at its first write as soon as another process wrote in between.
            sqlite_transaction_mode: (self.backend() == DbBackend::Sqlite)
                .then_some(sea_orm::SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let lost = |cause: String| Error::Unavailable(DbErr::Custom(cause));
        let turn = Arc::clone(&self.0.beginning).acquire_owned().await.map_err(|error| lost(error.to_string()))?;
        let begin = tokio::spawn(async move {
            let begun = writer.begin_with_options(options).await;
            drop(turn);
            begun
        });
        Ok(begin.await.map_err(|error| lost(error.to_string()))??)
    }

    async fn commit(&self, tx: Tx) -> Result<(), Error> {
        let appended = tx.journal.appended();
        if let Some(begun) = tx.begun.into_inner() {
            begun.commit().await?;
        }
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

    async fn begun(&self) -> Result<&DatabaseTransaction, Error> {
        self.begun.get_or_try_init(|| self.db.transaction()).await
    }

    /// The rows of a query that looks at what is committed by now, as far as nothing was changed here yet. It keeps nobody from changing it:
    /// what is decided on it must be a compare-and-set.
    pub async fn glance<M: FromQueryResult + Send>(&self, query: Statement) -> Result<Vec<M>, Error> {
        let query = M::find_by_statement(query);
        let untouched = self.begun.get().is_none() && self.waiting().is_empty();
        Ok(if untouched { query.all(self.db.reader()).await? } else { query.all(self.connection().await?).await? })
    }

    /// The connection, for finders and inserts of SeaORM; what waits is written first, so that they see it.
    pub async fn connection(&self) -> Result<&DatabaseTransaction, Error> {
        let begun = self.begun().await?;
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.run(begun).await?;
        Ok(begun)
    }

    /// Changes the row called `record` by a compare-and-set, before anything else is read. Who loses its race is told by the next statement,
    /// or at the end.
    pub async fn change(&self, record: String, update: UpdateStatement) -> Result<(), Error> {
        let full = {
            let waiting = self.waiting();
            waiting.changed().contains(&record) || waiting.len() >= TOGETHER
        };
        if full {
            self.connection().await?;
        }
        self.waiting().change(record, update);
        Ok(())
    }

    /// Adds a row, before anything else is read.
    pub fn insert<M: ModelTrait>(&self, row: &M) {
        self.waiting().row(row);
    }

    fn waiting(&self) -> MutexGuard<'_, Script> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine beneath.
    pub fn backend(&self) -> DbBackend {
        self.db.backend()
    }

    /// Has the statements of this transaction planned for what is there now: for those that read and write sets of any size, which the
    /// plan that suits a small one would take for ever over.
    pub async fn plan_anew(&self) -> Result<(), Error> {
        if self.backend() == DbBackend::Postgres {
            let sql = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'on', true)";
            self.execute(sql, vec![]).await?;
        }
        Ok(())
    }

    /// Runs a statement written as SQL.
    pub async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<ExecResult, Error> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(self.connection().await?.execute_raw(statement).await?)
    }

    /// The rows of a query written as SQL.
    pub async fn query<M: FromQueryResult + Send>(&self, sql: &str, values: Vec<Value>) -> Result<Vec<M>, Error> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(M::find_by_statement(statement).all(self.connection().await?).await?)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let journal = std::mem::take(&mut self.journal);
        if !journal.is_one_script() {
            self.begun().await?;
        }
        let script = std::mem::take(&mut *self.waiting());
        self.journal = journal.flush(self, script).await?;
        Ok(())
    }

    /// Runs a script as it is, whatever waits: in the transaction, or, where none has begun, as one of its own.
    pub(super) async fn run(&self, script: Script) -> Result<(), Error> {
        match self.begun.get() {
            Some(begun) => script.run(begun).await,
            None if script.is_empty() => Ok(()),
            None => self.db.together(script).await,
        }
    }
}
