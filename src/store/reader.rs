//! Where statements run that need no transaction: all reading, and changes that are one statement.
//!
//! sqlx asks a connection of PostgreSQL whether it still answers whenever one is given back, which is a round trip beside each statement.
//! So a part of the pool is kept here from one statement to the next. What fails, or is given up half-way, leaves its connection to the
//! pool, which looks at it; so does a connection that was kept for long.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, RuntimeErr, Statement, Values,
    prelude::async_trait::async_trait,
    sqlx::{self, AssertSqlSafe, PgPool, Postgres, pool::PoolConnection, query::Query},
};
use sea_query_sqlx::SqlxValues;

/// For how long a connection may be kept that nobody uses.
const REST: Duration = Duration::from_secs(30);

/// A pool, and the connections of it that are kept.
pub struct Reader {
    pool: DatabaseConnection,
    kept: Mutex<Vec<(Instant, PoolConnection<Postgres>)>>,
    statements: Arc<AtomicU64>,
}

impl Reader {
    /// Statements that the pool does not count itself are counted in `statements`.
    pub(super) fn new(pool: DatabaseConnection, statements: Arc<AtomicU64>) -> Self {
        Self { pool, kept: Mutex::default(), statements }
    }

    /// The pool beneath.
    pub fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Connections that are kept.
    pub(super) fn resting(&self) -> usize {
        self.kept().len()
    }

    /// Gives a connection back if the pool has none left, for whoever is about to ask it for one.
    pub(super) fn spare(&self) {
        if self.is_postgres() && is_exhausted(self.postgres()) {
            let spared = self.kept().pop();
            drop(spared);
        }
    }

    /// Closes all connections, after what runs on them has ended.
    pub(super) async fn close(&self) {
        let kept = std::mem::take(&mut *self.kept());
        drop(kept);
        let _ = self.pool.close_by_ref().await;
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(Instant, PoolConnection<Postgres>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_postgres(&self) -> bool {
        self.pool.get_database_backend() == DbBackend::Postgres
    }

    fn postgres(&self) -> &PgPool {
        self.pool.get_postgres_connection_pool()
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let kept = self.kept().pop();
        if let Some((since, connection)) = kept
            && since.elapsed() < REST
        {
            return Ok(connection);
        }
        self.postgres().acquire().await.map_err(|error| {
            if matches!(error, sqlx::Error::PoolTimedOut) {
                DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
            } else if matches!(error, sqlx::Error::PoolClosed) {
                DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
            } else {
                DbErr::Conn(RuntimeErr::SqlxError(error.into()))
            }
        })
    }

    /// Keeps a connection whose statement is over, unless somebody may be waiting for it.
    fn keep(&self, connection: PoolConnection<Postgres>) {
        let pool = self.postgres();
        let most = pool.options().get_max_connections() / 2;
        let mut kept = self.kept();
        if kept.len() < most as usize && !is_exhausted(pool) && !pool.is_closed() {
            kept.push((Instant::now(), connection));
        }
    }
}

fn is_exhausted(pool: &PgPool) -> bool {
    pool.num_idle() == 0 && pool.size() >= pool.options().get_max_connections()
}

fn query(statement: Statement) -> Query<'static, Postgres, SqlxValues> {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

#[async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        if !self.is_postgres() {
            return self.pool.execute_raw(statement).await;
        }
        let mut connection = self.connection().await?;
        let done = query(statement).execute(&mut *connection).await;
        let done = done.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))?;
        self.keep(connection);
        Ok(done.into())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.pool.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if !self.is_postgres() {
            return self.pool.query_one_raw(statement).await;
        }
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if !self.is_postgres() {
            return self.pool.query_all_raw(statement).await;
        }
        let mut connection = self.connection().await?;
        let rows = query(statement).fetch_all(&mut *connection).await;
        let rows = rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))?;
        self.keep(connection);
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }
}

/// A look at what is committed, or, from within a transaction, at that as well which is not.
pub enum Glance<'a> {
    Outside(&'a Reader),
    Inside(&'a DatabaseTransaction),
}

#[async_trait]
impl ConnectionTrait for Glance<'_> {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Outside(reader) => reader.get_database_backend(),
            Self::Inside(transaction) => transaction.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Outside(reader) => reader.execute_raw(statement).await,
            Self::Inside(transaction) => transaction.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Outside(reader) => reader.execute_unprepared(sql).await,
            Self::Inside(transaction) => transaction.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Outside(reader) => reader.query_one_raw(statement).await,
            Self::Inside(transaction) => transaction.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Outside(reader) => reader.query_all_raw(statement).await,
            Self::Inside(transaction) => transaction.query_all_raw(statement).await,
        }
    }
}
