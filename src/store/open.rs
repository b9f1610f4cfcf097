//! Opening a database: connecting as each engine wants it, and bringing the schema up to date.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use migration::{MIGRATIONS, Migrator, MigratorTrait, serves};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, FromQueryResult, Statement,
    TransactionTrait,
    sqlx::{self, Connection},
};
use tokio::sync::{Semaphore, watch};

use super::{Db, Inner, OpenError, Reader, Settings, Statements, look, together::Together};
use crate::{clock::Clock, id::Ids};

/// The first bundled SQLite whose write-ahead log cannot be corrupted by a reset.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);
const SQLITE_READERS: u32 = 4;
/// How long to wait for another process that writes to the same file.
const BUSY: Duration = Duration::from_secs(10);

/// What `migrate status` tells of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub name: String,
    pub applied: bool,
}

impl Db {
    /// Opens the database at `url` and migrates it. Refuses one that is not ours, and one that a newer version has migrated so that this one
    /// does not get on with it.
    pub async fn open(
        url: &str,
        connections: u32,
        clock: Clock,
        ids: Ids,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let db = Self::connect(url, connections, clock, ids, settings).await?;
        refuse_foreign(db.reader(), url).await?;
        db.migrate(url).await.map_err(|cause| failed(url, &cause))?;
        // Another node may have migrated it meanwhile.
        for migration in refuse_foreign(db.reader(), url).await? {
            tracing::info!(migration.name = %migration, "the database is of a newer version, which this one gets on with");
        }
        Ok(db)
    }

    async fn connect(
        url: &str,
        connections: u32,
        clock: Clock,
        ids: Ids,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let unreachable = |cause: DbErr| OpenError::Unreachable { url: shown(url), cause: cause.to_string() };
        let patience = settings.statement_timeout;
        let (reader, mut writer) = if DbBackend::Sqlite.is_prefix_of(url) {
            let writer = Database::connect(sqlite(url, 1, patience)).await.map_err(unreachable)?;
            let reader = Database::connect(sqlite(url, SQLITE_READERS, patience)).await.map_err(unreachable)?;
            refuse_old_sqlite(&writer, url).await?;
            (reader, writer)
        } else if DbBackend::Postgres.is_prefix_of(url) {
            // A pool tries again until its time is up, and then has forgotten why.
            sqlx::PgConnection::connect(url).await.map_err(|cause| unreachable(DbErr::Custom(cause.to_string())))?;
            let pool = Database::connect(postgres(url, connections, patience)).await.map_err(unreachable)?;
            (pool.clone(), pool)
        } else {
            return Err(OpenError::UnknownEngine(url.split(':').next().unwrap_or_default().to_owned()));
        };
        let statements = Statements::default();
        let counted = statements.clone();
        writer.set_metric_callback(move |_| {
            counted.count();
        });
        let (appended, keyring) = (watch::Sender::new(0), OnceLock::new());
        let together = Together::default();
        let beginning = Arc::new(Semaphore::new(look::pool("writer", &writer).most as usize));
        let reader = Reader::new(reader, patience, statements.clone());
        Ok(Self(Arc::new(Inner {
            reader,
            writer,
            beginning,
            together,
            clock,
            ids,
            statements,
            keyring,
            settings,
            appended,
        })))
    }

    /// Whether the schema is one that this version gets on with: a newer one may have migrated it since it was opened.
    pub async fn is_served(&self) -> bool {
        refuse_foreign(self.reader(), "").await.is_ok()
    }

    /// Applies the migrations that are missing. Several processes may do so at once: on PostgreSQL they wait for each other, on SQLite
    /// whoever comes second finds the work done when it looks again.
    async fn migrate(&self, url: &str) -> Result<(), DbErr> {
        if self.backend() == DbBackend::Postgres {
            // By connections of its own, on which a statement may take as long as it takes.
            let patient = Database::connect(postgres(url, 2, None)).await?;
            let turn = patient.begin().await?;
            turn.execute_unprepared("SELECT pg_advisory_xact_lock(7311046)").await?;
            up(&patient).await?;
            turn.commit().await?;
            return patient.close().await;
        }
        let mut attempt = up(&self.0.writer).await;
        for _ in 0..20 {
            if attempt.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            attempt = up(&self.0.writer).await;
        }
        attempt
    }
}

/// Applies what is missing. A newer version has left nothing to apply.
async fn up(connection: &DatabaseConnection) -> Result<(), DbErr> {
    if unknown(&applied(connection).await?).is_empty() { Migrator::up(connection, None).await } else { Ok(()) }
}

/// Each migration and whether the database at `url` has it, those of a newer version last; applies none.
pub async fn migration_status(url: &str) -> Result<Vec<Pending>, OpenError> {
    let db = Db::connect(url, 1, Clock::default(), Ids::default(), Settings::default()).await?;
    let newer = refuse_foreign(db.reader(), url).await?;
    let applied = applied(db.reader()).await.map_err(|cause| failed(url, &cause))?;
    let names = known().chain(newer);
    Ok(names.map(|name| Pending { applied: applied.contains(&name), name }).collect())
}

fn sqlite(url: &str, connections: u32, patience: Option<Duration>) -> ConnectOptions {
    let patience = patience.map_or(BUSY, |patience| patience.min(BUSY));
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false).acquire_timeout(Duration::from_secs(30));
    options.map_sqlx_sqlite_opts(move |options| {
        use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
        options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL may lose the last commits when the power fails.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(patience)
            .statement_cache_capacity(400)
            // A checkpoint every 1,000 pages costs a third of the writer's throughput.
            .pragma("wal_autocheckpoint", "10000")
            .pragma("cache_size", "-65536")
    });
    options
}

fn postgres(url: &str, connections: u32, patience: Option<Duration>) -> ConnectOptions {
    let patience = patience.map_or_else(|| "0".to_owned(), |patience| patience.as_millis().to_string());
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .sqlx_logging(false)
        .connect_timeout(Duration::from_secs(10))
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .set_application_name("claimcheck");
    options.map_sqlx_postgres_opts(move |options| {
        // Every statement here is one walk along an index whatever its values are; planning each anew costs more than running it.
        // Whoever asked has given up by then, and what nobody waits for should not run on.
        let patience = ("statement_timeout", patience.as_str());
        options.statement_cache_capacity(400).options([
            ("plan_cache_mode", "force_generic_plan"),
            // A plan made while a table was empty would read all of it for as long as the connection lasts, or until it is analysed.
            ("enable_seqscan", "off"),
            ("jit", "off"),
            patience,
        ])
    });
    options
}

#[derive(FromQueryResult)]
struct Name {
    name: String,
}

async fn names(connection: &impl ConnectionTrait, sql: String) -> Result<Vec<String>, DbErr> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    Ok(Name::find_by_statement(statement).all(connection).await?.into_iter().map(|row| row.name).collect())
}

async fn applied(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    if !tables(connection).await?.iter().any(|table| table == MIGRATIONS) {
        return Ok(Vec::new());
    }
    names(connection, format!("SELECT version AS name FROM {MIGRATIONS}")).await
}

/// Those of the migrations of a database that only a newer version knows.
fn unknown(applied: &[String]) -> Vec<String> {
    let known: Vec<String> = known().collect();
    let mut unknown: Vec<String> = applied.iter().filter(|name| !known.contains(name)).cloned().collect();
    unknown.sort();
    unknown
}

/// The names of this version's migrations.
fn known() -> impl Iterator<Item = String> {
    Migrator::migrations().into_iter().map(|migration| migration.name().to_owned())
}

async fn tables(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let sql = if connection.get_database_backend() == DbBackend::Postgres {
        "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema()"
    } else {
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    };
    names(connection, sql.to_owned()).await
}

/// Refuses a database that this version cannot serve; the migrations that only a newer one knows, where it can.
async fn refuse_foreign(connection: &impl ConnectionTrait, url: &str) -> Result<Vec<String>, OpenError> {
    let tables = tables(connection).await.map_err(|cause| failed(url, &cause))?;
    if !tables.is_empty() && !tables.iter().any(|table| table == MIGRATIONS) {
        return Err(OpenError::NotOurs(shown(url)));
    }
    let applied = applied(connection).await.map_err(|cause| failed(url, &cause))?;
    let newer = unknown(&applied);
    let newest = known().last().unwrap_or_default();
    // A newer version has applied all of this one's first; where it has not, nothing is as it seems.
    let whole = known().all(|name| applied.contains(&name));
    match newer.iter().find(|name| !whole || !serves(name, &newest)) {
        Some(migration) => Err(OpenError::Newer { url: shown(url), migration: migration.clone() }),
        None => Ok(newer),
    }
}

fn failed(url: &str, cause: &DbErr) -> OpenError {
    OpenError::Failed { url: shown(url), cause: cause.to_string() }
}

async fn refuse_old_sqlite(connection: &DatabaseConnection, url: &str) -> Result<(), OpenError> {
    let version = names(connection, "SELECT sqlite_version() AS name".to_owned())
        .await
        .map_err(|cause| OpenError::Unreachable { url: shown(url), cause: cause.to_string() })?
        .pop()
        .unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) < OLDEST_SQLITE { Err(OpenError::OldSqlite(version)) } else { Ok(()) }
}

/// The address without what must not be shown: the password.
pub fn shown(url: &str) -> String {
    // Settings behind a question mark may hold one as well, and a password may hold a question mark.
    let bare = |text: &str| text.split('?').next().unwrap_or_default().to_owned();
    match url.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
        Some((scheme, Some((credentials, rest)))) => {
            let user = credentials.split([':', '/', '?']).next().unwrap_or_default();
            format!("{scheme}://{user}@{}", bare(rest))
        }
        _ => bare(url),
    }
}
