//! Where everything is read that needs no transaction.
//!
//! sqlx asks a connection whether it still answers whenever one is given back, a round trip beside each statement. So some connections are
//! kept here from one statement to the next: as many as there are turns, which statements wait for here and not in the pool. On PostgreSQL
//! that is half of the pool; the other half is left to whoever writes and may wait for another's lock. What fails, or is given up half-way,
//! keeps its turn until it is over, and leaves its connection to the pool, which looks at it.
//!
//! PostgreSQL stops a statement that takes too long by itself, and one that nobody waits for any more when it is told. SQLite is made to: by
//! a fuse that burns while a statement runs.

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
        self, AssertSqlSafe, Connection as _, Database, Postgres, Sqlite,
        pool::{PoolConnection, PoolOptions},
        query::Query,
    },
};
use sea_query_sqlx::SqlxValues;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::Statements;

/// For how long a connection is kept before the pool, which replaces old ones, sees it again.
const TENURE: Duration = Duration::from_secs(30);
/// Steps of its virtual machine after which SQLite looks at the fuse: some hundred times a second.
const STEPS: i32 = 10_000;

/// Ends what the process of this number is doing for us.
const CANCEL: &str = "SELECT pg_cancel_backend($1)";

/// A pool, and the connections of it that are kept.
pub struct Reader {
    pool: DatabaseConnection,
    turns: Arc<Semaphore>,
    /// For how long a statement may wait for its turn.
    wait: Duration,
    /// For how long a statement may run.
    patience: Option<Duration>,
    kept: Mutex<Vec<Kept>>,
    statements: Statements,
}

/// A connection, and when it was taken from the pool.
struct Kept {
    since: Instant,
    line: Line,
}

enum Line {
    /// With the number of the process that serves it.
    Postgres(PoolConnection<Postgres>, i32),
    Sqlite(PoolConnection<Sqlite>, Fuse),
}

/// A connection whose turn it is. Where it is dropped before its statement is over, that is cancelled, and the turn ends when it has ended:
/// the pool has no other connection for whoever comes next until then.
struct Turn {
    /// None once the statement is over.
    held: Option<(Kept, OwnedSemaphorePermit)>,
    pool: DatabaseConnection,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let (Some((mut kept, permit)), Ok(runtime)) = (self.held.take(), Handle::try_current()) {
            let pool = self.pool.clone();
            runtime.spawn(async move {
                kept.line.settle(&pool).await;
                drop((kept, permit));
            });
        }
    }
}

impl Line {
    /// Waits until the connection has done what it was asked for, however that ends. PostgreSQL is told to end it; SQLite knows.
    async fn settle(&mut self, pool: &DatabaseConnection) {
        let _ = match self {
            Self::Postgres(connection, backend) => {
                let cancel = Statement::from_sql_and_values(DbBackend::Postgres, CANCEL, [(*backend).into()]);
                let _ = pool.query_one_raw(cancel).await;
                connection.ping().await
            }
            Self::Sqlite(connection, _) => connection.ping().await,
        };
    }
}

impl Reader {
    /// Keeps connections of `pool`. A statement may run for as long as `patience`; each is counted in `statements`.
    pub(super) fn new(pool: DatabaseConnection, patience: Option<Duration>, statements: Statements) -> Self {
        let (turns, wait) = if pool.get_database_backend() == DbBackend::Postgres {
            let (most, wait) = bounds(pool.get_postgres_connection_pool().options());
            (most.div_ceil(2), wait)
        } else {
            bounds(pool.get_sqlite_connection_pool().options())
        };
        Self { pool, turns: Arc::new(Semaphore::new(turns)), wait, patience, kept: Mutex::default(), statements }
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

    async fn turn(&self) -> Result<Turn, DbErr> {
        self.statements.count();
        let permit = match tokio::time::timeout(self.wait, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(closed()),
            Err(_) => return Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        };
        let kept = self.kept().pop().filter(|kept| kept.since.elapsed() < TENURE);
        let kept = match kept {
            Some(kept) => kept,
            None => Kept { since: Instant::now(), line: self.line().await.map_err(unconnected)? },
        };
        Ok(Turn { held: Some((kept, permit)), pool: self.pool.clone() })
    }

    async fn line(&self) -> Result<Line, sqlx::Error> {
        if self.pool.get_database_backend() == DbBackend::Postgres {
            let mut connection = self.pool.get_postgres_connection_pool().acquire().await?;
            let backend = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await?;
            return Ok(Line::Postgres(connection, backend));
        }
        let mut connection = self.pool.get_sqlite_connection_pool().acquire().await?;
        let fuse = Fuse::default();
        let burning = fuse.clone();
        connection.lock_handle().await?.set_progress_handler(STEPS, move || burning.burns());
        Ok(Line::Sqlite(connection, fuse))
    }

    /// Keeps a connection whose statement is over for the next one.
    fn rest(&self, kept: Kept) {
        let mut resting = self.kept();
        // Those beneath have not been needed for as long.
        resting.retain(|kept| kept.since.elapsed() < TENURE);
        // Under the same lock: what comes after `close` has emptied it would keep the pool from closing.
        if !self.turns.is_closed() {
            resting.push(kept);
        }
    }
}

fn bounds<DB: Database>(options: &PoolOptions<DB>) -> (usize, Duration) {
    (usize::try_from(options.get_max_connections()).unwrap_or(usize::MAX), options.get_acquire_timeout())
}

fn unconnected(error: sqlx::Error) -> DbErr {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
    } else if matches!(error, sqlx::Error::PoolClosed) {
        closed()
    } else {
        DbErr::Conn(RuntimeErr::SqlxError(error.into()))
    }
}

fn closed() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
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

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(unwritten())
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(unwritten())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut turn = self.turn().await?;
        let rows = match turn.held.as_mut().map(|(kept, _)| &mut kept.line) {
            Some(Line::Postgres(connection, _)) => query(statement).fetch_all(&mut **connection).await.map(results),
            Some(Line::Sqlite(connection, fuse)) => {
                let _lit = fuse.light(self.patience);
                query(statement).fetch_all(&mut **connection).await.map(results)
            }
            None => return Err(closed()),
        };
        // However it ended, it is over.
        let held = turn.held.take();
        let rows = rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))?;
        if let Some((kept, _permit)) = held {
            self.rest(kept);
        }
        Ok(rows)
    }
}

fn unwritten() -> DbErr {
    DbErr::Custom("a reader writes nothing".to_owned())
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
