//! A database for one test.
//!
//! Both engines start from one migrated template: a file that is copied, or a database that the server copies. Beside its database every
//! test has a directory of its own, for key files and the like. What stays out: the service over it (see `app`), and how a PostgreSQL server
//! comes to be (see `postgres`).

use std::{
    fmt, fs,
    path::Path,
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{Fixture, postgres};

/// A database engine that the service runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// SQLite's file in the directory of its database.
const FILE: &str = "claimcheck.db";

/// A database that one test has to itself; clones are the same one.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    engine: Engine,
    url: String,
    /// The database's name on the PostgreSQL server.
    name: Option<String>,
    directory: TempDir,
}

impl Database {
    /// A database with every migration applied and no rows but those the migrations write.
    pub async fn migrated(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let template = SQLITE_TEMPLATE.get_or_init(migrated_file).await;
                let (database, file) = Self::in_file();
                fs::write(file, template).expect("a copy of the template");
                database
            }
            Engine::Postgres => Self::on_server(POSTGRES_TEMPLATE.get_or_init(migrated_template).await).await,
        }
    }

    /// An empty database on the engine of this one, for tests of the migrations themselves. To be removed by its maker.
    pub async fn empty(&self) -> Self {
        match self.engine() {
            Engine::Sqlite => Self::in_file().0,
            Engine::Postgres => Self::on_server("template0").await,
        }
    }

    /// What comes of a backup of this one, made and restored as `deploy/README.md` says, whoever uses it meanwhile. None where the programs
    /// for that are missing.
    pub async fn restored(&self) -> Option<Self> {
        let copy = self.empty().await;
        if let (Some(from), Some(to)) = (&self.0.name, &copy.0.name) {
            postgres::copy(from, to)?;
            return Some(copy);
        }
        let connection = self.connect().await;
        let file = copy.directory().join(FILE);
        run(&connection, &format!("VACUUM INTO '{}'", file.display())).await;
        connection.close().await.expect("an orderly end");
        Some(copy)
    }

    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// What `DATABASE_URL` is set to for a service over this database.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// A directory that lasts as long as the database.
    pub fn directory(&self) -> &Path {
        self.0.directory.path()
    }

    /// A connection beside the service's own, to look at rows or to spoil them. Close it before the test ends.
    pub async fn connect(&self) -> DatabaseConnection {
        connect(self.url(), 2).await
    }

    /// Removes the database; whoever is still connected is thrown out.
    pub async fn remove(&self) {
        if let Some(name) = &self.0.name {
            run(server().await, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }

    fn in_file() -> (Self, std::path::PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join(FILE);
        let url = format!("sqlite://{}?mode=rwc", file.display());
        (Self(Arc::new(Inner { engine: Engine::Sqlite, url, name: None, directory })), file)
    }

    async fn on_server(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}_{}_{}", postgres::prefix(), process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        run(server().await, &format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY {}", postgres::copying()))
            .await;
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self(Arc::new(Inner { engine: Engine::Postgres, url: postgres::url(&name), name: Some(name), directory }))
    }
}

impl Fixture for Database {
    async fn set_up(database: Database) -> Self {
        database
    }

    async fn tear_down(self) {}
}

static SQLITE_TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
static POSTGRES_TEMPLATE: OnceCell<String> = OnceCell::const_new();

async fn migrated_file() -> Vec<u8> {
    let (database, file) = Database::in_file();
    migrate(database.url()).await;
    fs::read(file).expect("the migrated file")
}

/// The template on the server. It outlives the process on a server that does, so it carries the build it was migrated by, written last:
/// a template of another build, or one whose making was cut short, is made again. The lock keeps processes that start together from each
/// making it.
async fn migrated_template() -> String {
    let name = format!("{}_template", postgres::prefix());
    let build = postgres::build();
    let session = connect(&postgres::url("postgres"), 1).await;
    run(&session, &format!("SELECT pg_advisory_lock(hashtext('{name}'))")).await;
    let present = Statement::from_string(
        session.get_database_backend(),
        format!(
            "SELECT 1 FROM pg_database WHERE datname = '{name}' AND shobj_description(oid, 'pg_database') = '{build}'"
        ),
    );
    if session.query_one_raw(present).await.expect("the catalogue").is_none() {
        run(&session, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        run(&session, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        migrate(&postgres::url(&name)).await;
        run(&session, &format!("COMMENT ON DATABASE {name} IS '{build}'")).await;
    }
    session.close().await.expect("an orderly end");
    name
}

async fn migrate(url: &str) {
    let connection = connect(url, 1).await;
    Migrator::up(&connection, None).await.expect("the migrations apply");
    connection.close().await.expect("an orderly end");
}

/// The connections that create and drop databases.
async fn server() -> &'static DatabaseConnection {
    static SERVER: OnceCell<DatabaseConnection> = OnceCell::const_new();
    SERVER.get_or_init(|| async { connect(&postgres::url("postgres"), 4).await }).await
}

async fn connect(url: &str, connections: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

async fn run(connection: &DatabaseConnection, sql: &str) {
    connection.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
