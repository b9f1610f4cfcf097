//! What can be told of a database while it runs, for whoever watches the service.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, DbBackend, FromQueryResult, Statement};

use super::{Db, Error};

/// The connections of a pool: those that are open, those of them that nobody uses, and how many may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    pub name: &'static str,
    pub open: u32,
    pub idle: u32,
    pub most: u32,
}

#[derive(FromQueryResult)]
struct Standing {
    position: i64,
    waiting_since: Option<DateTime<Utc>>,
}

impl Db {
    /// Its pools: on PostgreSQL one for everything.
    pub fn pools(&self) -> Vec<Pool> {
        let shared = self.backend() == DbBackend::Postgres;
        let mut reader = pool(if shared { "shared" } else { "reader" }, self.0.reader.pool());
        reader.idle += u32::try_from(self.0.reader.resting()).unwrap_or(u32::MAX);
        if shared { vec![reader] } else { vec![reader, pool("writer", &self.0.writer)] }
    }

    /// The end of the journal, and for how long the oldest event has been waiting for its place there.
    pub async fn standing(&self) -> Result<(i64, TimeDelta), Error> {
        let oldest = if self.backend() == DbBackend::Postgres {
            "(SELECT occurred_at FROM events WHERE id = (SELECT event_id FROM journal_pending ORDER BY seq LIMIT 1))"
        } else {
            "NULL"
        };
        let sql = format!("SELECT position, {oldest} AS waiting_since FROM journal_head");
        let standing = Standing::find_by_statement(Statement::from_string(self.backend(), sql)).one(self.reader());
        let Some(Standing { position, waiting_since }) = standing.await? else { return Ok((0, TimeDelta::zero())) };
        let now = self.clock().now();
        Ok((position, waiting_since.map_or(TimeDelta::zero(), |since| now - since)))
    }
}

pub(super) fn pool(name: &'static str, connection: &DatabaseConnection) -> Pool {
    let count = |idle: usize| u32::try_from(idle).unwrap_or(u32::MAX);
    let (open, idle, most) = if connection.get_database_backend() == DbBackend::Postgres {
        let pool = connection.get_postgres_connection_pool();
        (pool.size(), count(pool.num_idle()), pool.options().get_max_connections())
    } else {
        let pool = connection.get_sqlite_connection_pool();
        (pool.size(), count(pool.num_idle()), pool.options().get_max_connections())
    };
    Pool { name, open, idle, most }
}
