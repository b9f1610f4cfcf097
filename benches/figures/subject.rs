//! What is measured: the service in this process, asked over HTTP by clients that cost next to nothing.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use claimcheck::{
    config::Config,
    domain::{Actor, access, once},
    entity::kind::Role,
    service::Service,
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, sqlx};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufStream},
    net::TcpStream,
    sync::{Mutex, oneshot},
    task::JoinHandle,
};

/// An engine to measure on.
pub enum Engine {
    Sqlite(tempfile::TempDir),
    Postgres { server: String, directory: tempfile::TempDir },
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        })
    }
}

/// SQLite, and PostgreSQL where `BENCH_DATABASE_URL` names a server.
pub async fn engines() -> Vec<Engine> {
    let directory = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on the disk");
    let server = std::env::var("BENCH_DATABASE_URL").ok();
    let postgres = server.map(|server| Engine::Postgres { server, directory: directory() });
    [Engine::Sqlite(directory())].into_iter().chain(postgres).collect()
}

impl Engine {
    /// An empty database of that name, made anew.
    pub async fn database(&self, name: &str) -> String {
        match self {
            Self::Sqlite(directory) => {
                for suffix in ["", "-wal", "-shm", ".keys"] {
                    let _ = std::fs::remove_file(directory.path().join(format!("{name}.db{suffix}")));
                }
                format!("sqlite:{}", directory.path().join(format!("{name}.db")).display())
            }
            Self::Postgres { server, .. } => {
                let admin = connect(server).await;
                for sql in [
                    format!("DROP DATABASE IF EXISTS bench_{name} WITH (FORCE)"),
                    format!("CREATE DATABASE bench_{name}"),
                ] {
                    admin.execute_unprepared(&sql).await.expect("a database");
                }
                let (server, _) = server.rsplit_once('/').expect("a server URL that ends in a database");
                format!("{server}/bench_{name}")
            }
        }
    }

    fn keys(&self) -> PathBuf {
        let (Self::Sqlite(directory) | Self::Postgres { directory, .. }) = self;
        let path = directory.path().join("subject.keys");
        let _ = std::fs::remove_file(&path);
        path
    }
}

/// A connection as the service has it: one writer on SQLite, with every commit on the disk.
pub async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).max_connections(if DbBackend::Sqlite.is_prefix_of(url) { 1 } else { 16 });
    options.map_sqlx_sqlite_opts(|options| {
        use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
        let options = options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        options.synchronous(SqliteSynchronous::Full).foreign_keys(true)
    });
    Database::connect(options).await.expect("a connection")
}

/// A running service with a channel and a product.
pub struct Subject {
    address: SocketAddr,
    secret: Arc<str>,
    channel: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Subject {
    pub async fn start(engine: &Engine) -> Self {
        let url = engine.database("subject").await;
        let config =
            Config { listen: ([127, 0, 0, 1], 0).into(), keys: Some(engine.keys()), ..Config::for_database(&url) };
        let mut service = Service::open(config).await.expect("a service");
        service.listen().await.expect("a port");
        let address = service.address();
        let create = access::Create {
            name: "bench".to_owned(),
            role: Role::Admin,
            partner_id: None,
            account_reference: None,
            expires_at: None,
            secret: access::Secret::generate().expect("a secret"),
        };
        once(service.db(), &Actor::system("bench"), &create, access::create).await.expect("a key");
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or_default() };
            service.run(stopped).await.expect("a service that ends in order");
        });
        let secret = create.secret.reveal().into();
        let mut subject = Self { address, secret, channel: String::new(), stop, running };
        let client = subject.client(0).await;
        let made = client.ask("mutation { createChannel(input: {name: \"bench\", kind: DIRECT}) { channel { id } } createProduct(input: {sku: \"A\", name: \"A\"}) { product { id } } }", json!({}));
        made.await["data"]["createChannel"]["channel"]["id"]
            .as_str()
            .expect("a channel")
            .clone_into(&mut subject.channel);
        subject
    }

    async fn client(&self, number: usize) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Client {
            number,
            address: self.address,
            secret: self.secret.clone(),
            stream: Mutex::new(BufStream::new(stream)),
        }
    }

    /// Places an order and gives the codes that its answer shows.
    pub async fn place(&self, reference: &str, units: usize) -> Vec<String> {
        let document = "mutation ($i: PlaceOrderInput!) { placeOrder(input: $i) { activationCodes { code } userErrors { message } } }";
        let input = json!({"channelId": self.channel, "externalReference": reference, "lines": [{"sku": "A", "quantity": units}]});
        let answer = self.client(0).await.ask(document, json!({"i": input})).await;
        let codes = answer["data"]["placeOrder"]["activationCodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
        codes.iter().filter_map(|code| code["code"].as_str().map(str::to_owned)).collect()
    }

    /// So many fresh codes.
    pub async fn codes(&self, count: usize) -> Vec<String> {
        let mut codes = Vec::new();
        while codes.len() < count {
            codes.extend(self.place(&format!("codes-{}", codes.len()), 1_000.min(count - codes.len())).await);
        }
        codes
    }

    /// How many redemptions the journal tells of.
    pub async fn redeemed(&self) -> usize {
        let document = "{ redemptionAttempts(filter: {outcome: SUCCEEDED}) { totalCount } events(filter: {types: [CODE_REDEEMED]}) { totalCount } }";
        let answer = self.client(0).await.ask(document, json!({})).await;
        let count = |list: &str| answer["data"][list]["totalCount"].as_u64().expect("a count");
        assert_eq!(count("redemptionAttempts"), count("events"), "the journal tells of each");
        usize::try_from(count("events")).expect("a count")
    }

    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.running.await.expect("a service that ends");
    }
}

/// One connection that asks and waits, again and again.
pub struct Client {
    number: usize,
    address: SocketAddr,
    secret: Arc<str>,
    stream: Mutex<BufStream<TcpStream>>,
}

impl Client {
    pub fn name(&self) -> String {
        format!("racer-{}", self.number)
    }

    /// Redeems a code; whether it answered with an assignment.
    pub async fn redeem(&self, code: &str, account: &str) -> bool {
        let document = "mutation ($i: RedeemCodeInput!) { redeemCode(input: $i) { assignment { id status } userErrors { code } } }";
        let input = json!({"code": code, "account": {"externalReference": account}});
        self.ask(document, json!({"i": input})).await["data"]["redeemCode"]["assignment"]["id"].is_string()
    }

    async fn ask(&self, document: &str, variables: Value) -> Value {
        let body = json!({"query": document, "variables": variables}).to_string();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\naccept: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            self.secret,
            body.len()
        );
        let mut stream = self.stream.lock().await;
        stream.write_all(head.as_bytes()).await.expect("a write");
        stream.write_all(body.as_bytes()).await.expect("a write");
        stream.flush().await.expect("a write");
        let answer = tokio::time::timeout(Duration::from_mins(1), read(&mut stream)).await.expect("an answer in time");
        serde_json::from_slice(&answer).expect("JSON")
    }
}

async fn read(stream: &mut BufStream<TcpStream>) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).await.expect("a body");
    body
}

impl Subject {
    /// Gives out `items` to as many clients as are wanted, each of which takes the next one when it is done.
    pub async fn concurrently<F: Future<Output = bool> + Send>(
        &self,
        clients: usize,
        items: Vec<String>,
        work: impl Fn(Arc<Client>, String) -> F + Clone + Send + 'static,
    ) -> Vec<bool> {
        let items = Arc::new(std::sync::Mutex::new(items.into_iter()));
        let mut running = tokio::task::JoinSet::new();
        for number in 0..clients {
            let (client, items, work) = (Arc::new(self.client(number).await), items.clone(), work.clone());
            running.spawn(async move {
                let mut done = Vec::new();
                loop {
                    let next = items.lock().expect("no panic holds it").next();
                    let Some(item) = next else { return done };
                    done.push(work(client.clone(), item).await);
                }
            });
        }
        running.join_all().await.concat()
    }
}
