//! The service under test: the real one, in this process, on a port of its own.
//!
//! Its clock stands still until a test moves it, its ids follow from a seed, and an ADMIN key is there from the start. Tests speak to it
//! through [`Client`]s; what they cannot see that way they read from the database.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use claimcheck::{
    clock::Clock,
    config::Config,
    domain::{Actor, Error, access, sweep::Sweep, verify},
    entity::kind::Role,
    id::Ids,
    service::Service,
    store::Db,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Client, Database, Engine, Fixture, scrape::Scrape};

/// When the tests' clock starts.
const START: &str = "2030-01-01T12:00:00Z";

/// A running service over a database of its own. Clones speak to the same node.
#[derive(Clone)]
pub struct App {
    /// The clock of every node: stands still, and moves by `advance`.
    pub clock: Clock,
    shared: Arc<Shared>,
    node: Node,
}

struct Shared {
    database: Database,
    /// One for all clients of a test: making one takes as long as dozens of requests.
    http: reqwest::Client,
    ids: Ids,
    admin: String,
    running: Mutex<Vec<Running>>,
}

#[derive(Clone)]
struct Node {
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    db: Db,
    /// The count of statements when it was last asked for.
    counted: Arc<AtomicU64>,
    stop: CancellationToken,
}

struct Running {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl App {
    /// The client with every right.
    pub fn admin(&self) -> Client {
        self.client(&self.shared.admin)
    }

    /// Where this node listens.
    pub fn address(&self) -> SocketAddr {
        self.node.address
    }

    /// What this node says of itself to whoever watches it.
    pub async fn scrape(&self) -> Scrape {
        Scrape::at(self.node.metrics.expect("an address for metrics")).await
    }

    /// A client that shows `secret`.
    pub fn client(&self, secret: &str) -> Client {
        Client::over(&self.shared.http, self.node.address, Some(secret))
    }

    /// A client that shows no credential.
    pub fn stranger(&self) -> Client {
        Client::over(&self.shared.http, self.node.address, None)
    }

    /// A client with a new key of `role`; `scope` holds further members of `CreateApiKeyInput`, as `json!({"partnerId": id})`.
    pub async fn key(&self, role: &str, scope: Value) -> Client {
        let mut input = json!({"name": format!("a {role} key"), "role": role});
        if let (Some(input), Value::Object(scope)) = (input.as_object_mut(), scope) {
            input.extend(scope);
        }
        let mutation = "mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message } } }";
        let answer = self.admin().query(mutation, json!({"input": input})).await;
        self.client(&answer.text("/createApiKey/secret"))
    }

    /// Another service over the same database, with the same clock and ids.
    pub async fn second_node(&self) -> Self {
        self.node_with(|_| ()).await
    }

    /// Another service over the same database, its settings changed by `change`.
    pub async fn node_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(&self.shared.database, &self.clock, &self.shared.ids);
        change(&mut config);
        let (node, running) = serve(config).await;
        self.shared.running.lock().expect("no panic holds it").push(running);
        Self { node, ..self.clone() }
    }

    /// Tells this node to shut down, as a signal would; its sockets are drained.
    pub fn stop(&self) {
        self.node.stop.cancel();
    }

    /// How many SQL statements this node has run since this was last asked.
    pub fn statements(&self) -> u64 {
        let count = self.node.db.statements();
        count - self.node.counted.swap(count, Ordering::Relaxed)
    }

    /// How many events have been written, of any kind and by any node, numbered or not.
    pub async fn events(&self) -> i64 {
        let connection = self.db().await;
        let statement =
            Statement::from_string(connection.get_database_backend(), "SELECT count(*) AS events FROM events");
        let row = connection.query_one_raw(statement).await.expect("a count").expect("a row");
        connection.close().await.expect("an orderly end");
        row.try_get("", "events").expect("a number")
    }

    /// Writes what deadlines already mean, as the service does by itself every now and then.
    pub async fn sweep(&self) {
        for sweep in Sweep::ALL {
            let mut walk = sweep.begin();
            while walk.step(&self.node.db).await.expect("a sweep") {}
            assert!(walk.failed.is_empty(), "{:?}", walk.failed);
        }
    }

    /// Fails the test where something does not hold that always must.
    pub async fn assert_sound(&self) {
        for check in verify::CHECKS {
            let breaches = check.run(&self.node.db).await.expect("a check");
            assert!(breaches.is_empty(), "{}: {breaches:?}", check.holds);
        }
    }

    /// This node's own way to the database, for what runs beside its requests.
    pub fn store(&self) -> &Db {
        &self.node.db
    }

    /// The database beneath.
    pub fn database(&self) -> &Database {
        &self.shared.database
    }

    /// The engine beneath.
    pub fn engine(&self) -> Engine {
        self.shared.database.engine()
    }

    /// A connection of the test's own to the database. Close it before the test ends.
    pub async fn db(&self) -> DatabaseConnection {
        self.shared.database.connect().await
    }

    /// How many statements wait for a lock, on PostgreSQL.
    pub async fn waiting_for_locks(&self) -> i64 {
        let connection = self.db().await;
        let sql = "SELECT count(*) AS waiting FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'";
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(statement).await.expect("a count").expect("a row");
        connection.close().await.expect("an orderly end");
        row.try_get("", "waiting").expect("a number")
    }
}

impl Fixture for App {
    async fn set_up(database: Database) -> Self {
        let start: DateTime<Utc> = START.parse().expect("a moment");
        let (clock, ids) = (Clock::fixed(start), Ids::seeded(1));
        let (node, running) = serve(config(&database, &clock, &ids)).await;
        let admin = admin_key(&node.db).await;
        Self {
            clock,
            node,
            shared: Arc::new(Shared {
                database,
                http: reqwest::Client::new(),
                ids,
                admin,
                running: Mutex::new(vec![running]),
            }),
        }
    }

    fn tear_down(self) -> impl Future<Output = ()> {
        let running = std::mem::take(&mut *self.shared.running.lock().expect("no panic holds it"));
        async move {
            for node in running {
                node.stop.cancel();
                node.ended.await.expect("the service ends without a panic");
            }
        }
    }
}

fn config(database: &Database, clock: &Clock, ids: &Ids) -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        keys: Some(database.directory().join("claimcheck.keys")),
        clock: clock.clone(),
        ids: ids.clone(),
        ..Config::for_database(database.url())
    }
}

/// Makes the first key, which no client can, and gives its secret.
async fn admin_key(db: &Db) -> String {
    let actor = Actor::system("tests");
    let command = access::Create {
        name: "the tests' administrator".to_owned(),
        role: Role::Admin,
        partner_id: None,
        account_reference: None,
        expires_at: None,
        secret: access::Secret::generate().expect("randomness"),
    };
    let (by, create) = (&actor, &command);
    let made: Result<_, Error> = db
        .write(&actor.origin(), |mut tx| async move {
            let outcome = access::create(&mut tx, by, create).await?;
            Ok((tx, outcome))
        })
        .await;
    made.expect("a key");
    command.secret.reveal().to_owned()
}

async fn serve(config: Config) -> (Node, Running) {
    let mut service = Service::open(config).await.unwrap_or_else(|error| panic!("the service opens: {error}"));
    service.listen().await.unwrap_or_else(|error| panic!("the service listens: {error}"));
    let stop = CancellationToken::new();
    let node = Node {
        address: service.address(),
        metrics: service.metrics_address(),
        db: service.db().clone(),
        counted: Arc::default(),
        stop: stop.clone(),
    };
    let ended = tokio::spawn({
        let stop = stop.clone();
        async move { service.run(stop.cancelled_owned()).await.unwrap_or_else(|error| panic!("the service runs: {error}")) }
    });
    (node, Running { stop, ended })
}
