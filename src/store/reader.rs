//! Where everything is read that needs no transaction.
//!
//! sqlx asks a connection whether it still answers whenever one is given back, a round trip beside each statement. So some connections are
//! kept here from one statement to the next: as many as there are turns, which statements wait for here and not in the pool. On PostgreSQL
//! that is half of the pool; the other half is left to whoever writes and may wait for another's lock. What fails, or is given up half-way,
//! leaves its connection to the pool, which looks at it.
//!
//! PostgreSQL stops a statement that takes too long by itself. SQLite is made to: by a fuse that burns while a statement runs.

use std::{
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement, Values,
    prelude::async_trait::async_trait,
    sqlx::{
        self, AssertSqlSafe, Database, Postgres, Sqlite,
        pool::{PoolConnection, PoolOptions},
        query::Query,
    },
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::{Semaphore, SemaphorePermit};

/// For how long a connection is kept before the pool, which replaces old ones, sees it again.
const TENURE: Duration = Duration::from_secs(30);
/// Steps of its virtual machine after which SQLite looks at the fuse: some hundred times a second.
const STEPS: i32 = 10_000;

/// A pool, and the connections of it that are kept.
pub struct Reader {
    pool: DatabaseConnection,
    turns: Semaphore,
    /// For how long a statement may wait for its turn.
    wait: Duration,
    /// For how long a statement may run.
    patience: Option<Duration>,
    kept: Mutex<Vec<Kept>>,
    statements: Arc<AtomicU64>,
}

/// A connection, and when it was taken from the pool.
struct Kept {
    since: Instant,
    line: Line,
}

enum Line {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>, Fuse),
}

/// A connection whose turn it is.
struct Turn<'a> {
    kept: Kept,
    permit: SemaphorePermit<'a>,
}

impl Reader {
    /// Keeps connections of `pool`. A statement may run for as long as `patience`; each is counted in `statements`.
    pub(super) fn new(pool: DatabaseConnection, patience: Option<Duration>, statements: Arc<AtomicU64>) -> Self {
        let (turns, wait) = if pool.get_database_backend() == DbBackend::Postgres {
            let (most, wait) = bounds(pool.get_postgres_connection_pool().options());
            (most.div_ceil(2), wait)
        } else {
            bounds(pool.get_sqlite_connection_pool().options())
        };
        Self { pool, turns: Semaphore::new(turns), wait, patience, kept: Mutex::default(), statements }
    }

    /// The pool beneath.
    pub fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Connections that are kept and do nothing.
    pub(super) fn resting(&self) -> usize {
        self.kept().len()
    }

    /// Closes all connections, after what runs on them has ended.
    pub(super) async fn close(&self) {
        self.turns.close();
        let kept = std::mem::take(&mut *self.kept());
        drop(kept);
        let _ = self.pool.close_by_ref().await;
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self) -> Result<Turn<'_>, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let permit = match tokio::time::timeout(self.wait, self.turns.acquire()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
            Err(_) => return Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        };
        let kept = self.kept().pop().filter(|kept| kept.since.elapsed() < TENURE);
        let kept = match kept {
            Some(kept) => kept,
            None => Kept { since: Instant::now(), line: self.line().await.map_err(unconnected)? },
        };
        Ok(Turn { kept, permit })
    }

    async fn line(&self) -> Result<Line, sqlx::Error> {
        if self.pool.get_database_backend() == DbBackend::Postgres {
            return Ok(Line::Postgres(self.pool.get_postgres_connection_pool().acquire().await?));
        }
        let mut connection = self.pool.get_sqlite_connection_pool().acquire().await?;
        let fuse = Fuse::default();
        let burning = fuse.clone();
        connection.lock_handle().await?.set_progress_handler(STEPS, move || burning.burns());
        Ok(Line::Sqlite(connection, fuse))
    }

    /// Keeps a connection whose statement is over for the next one.
    fn rest(&self, turn: Turn<'_>) {
        let mut resting = self.kept();
        // Under the same lock: what comes after `close` has emptied it would keep the pool from closing.
        if !self.turns.is_closed() {
            resting.push(turn.kept);
        }
        drop(resting);
        drop(turn.permit);
    }
}

fn bounds<DB: Database>(options: &PoolOptions<DB>) -> (usize, Duration) {
    (usize::try_from(options.get_max_connections()).unwrap_or(usize::MAX), options.get_acquire_timeout())
}

fn unconnected(error: sqlx::Error) -> DbErr {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
    } else if matches!(error, sqlx::Error::PoolClosed) {
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
    } else {
        DbErr::Conn(RuntimeErr::SqlxError(error.into()))
    }
}

fn query<DB: Database>(statement: Statement) -> Query<'static, DB, SqlxValues>
where
    SqlxValues: sqlx::IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

#[async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut turn = self.turn().await?;
        let done = match &mut turn.kept.line {
            Line::Postgres(connection) => query(statement).execute(&mut **connection).await.map(ExecResult::from),
            Line::Sqlite(connection, fuse) => {
                let _lit = fuse.light(self.patience);
                query(statement).execute(&mut **connection).await.map(ExecResult::from)
            }
        };
        let done = done.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))?;
        self.rest(turn);
        Ok(done)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.pool.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut turn = self.turn().await?;
        let rows = match &mut turn.kept.line {
            Line::Postgres(connection) => query(statement).fetch_all(&mut **connection).await.map(results),
            Line::Sqlite(connection, fuse) => {
                let _lit = fuse.light(self.patience);
                query(statement).fetch_all(&mut **connection).await.map(results)
            }
        };
        let rows = rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))?;
        self.rest(turn);
        Ok(rows)
    }
}

fn results<R: Into<QueryResult>>(rows: Vec<R>) -> Vec<QueryResult> {
    rows.into_iter().map(Into::into).collect()
}

/// By when SQLite gives up a statement: after its time, or at once where nobody waits for it any more.
#[derive(Clone, Default)]
struct Fuse(Arc<AtomicU64>);

/// Burns out when it is dropped.
struct Lit<'a>(&'a Fuse);

/// What fuses count from, for an instant is no number.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Fuse {
    fn light(&self, patience: Option<Duration>) -> Lit<'_> {
        let end = patience.map_or(u64::MAX, |patience| millis(BEGINNING.elapsed() + patience));
        self.0.store(end, Ordering::Relaxed);
        Lit(self)
    }

    fn burns(&self) -> bool {
        millis(BEGINNING.elapsed()) < self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Lit<'_> {
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
