//! The composition root: opens everything, starts what runs as long as the service, serves, and ends it all in order.
//!
//! A service stops like this: it takes no new connections, sockets are told to come back elsewhere, what is under way finishes; then the
//! loops end, then the database is closed. Each step has a deadline, so that nobody's slowness keeps a service from ending.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, ConfigError, Limits, Networks},
    console::{self, Console},
    domain::access::Directory,
    feed::Feed,
    graphql::Graph,
    http::{
        self, DeliveryLane, Http, Seats,
        auth::Authenticator,
        health::{Readiness, Report},
        listen,
        session::Sessions,
    },
    metrics::{Metrics, Reading},
    store::{Db, Error, OpenError, Settings},
    task::{
        keys,
        sequence::{Sequencer, sequence_all},
        sweep,
    },
    telemetry,
};

/// How long requests and sockets may take to finish when the service stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long the loops may take to end after that.
const WIND_DOWN: Duration = Duration::from_secs(5);
/// How long who asks for metrics waits for the database.
const LOOK: Duration = Duration::from_secs(2);
/// How often it is written which keys were used.
const USES: Duration = Duration::from_secs(15);

/// Why a service does not start or run: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] Error),
    #[error("the keys of the identity provider cannot be fetched as CLAIMCHECK_JWT_JWKS_URL says: {0}")]
    Tokens(#[source] io::Error),
    #[error("cannot start the threads that deliver: {0}. Allow this process more threads")]
    Threads(#[source] io::Error),
    #[error("cannot listen on {address}: {cause}. Set {variable} to an address and port that are free")]
    Listen { variable: &'static str, address: SocketAddr, cause: io::Error },
}

/// A service that has been opened.
pub struct Service {
    listen: SocketAddr,
    metrics_listen: Option<SocketAddr>,
    limits: Limits,
    metrics: Metrics,
    db: Db,
    feed: Feed,
    graph: Graph,
    directory: Directory,
    auth: Authenticator,
    proxies: Networks,
    origins: Arc<[String]>,
    sessions: Sessions,
    listener: Option<TcpListener>,
    metrics_listener: Option<TcpListener>,
}

/// Opens the database that is configured and migrates it, without its keys, for a command that may take its time.
pub async fn open_database(config: &Config) -> Result<Db, OpenError> {
    open_database_within(config, None).await
}

async fn open_database_within(config: &Config, statement_timeout: Option<Duration>) -> Result<Db, OpenError> {
    let limits = &config.limits;
    let settings = Settings {
        reveal_days: config.reveal_days,
        order_units: limits.order_units,
        order_lines: limits.order_lines,
        guesses: limits.guesses,
        server_guesses: limits.server_guesses,
        provisioning_attempts: i32::try_from(limits.provisioning_attempts).unwrap_or(i32::MAX),
        statement_timeout,
    };
    let (clock, ids) = (config.clock.clone(), config.ids.clone());
    Db::open(&config.database_url, limits.connections, clock, ids, settings).await
}

/// What a command does that writes without being a service: numbers all events there are, and wakes the services that run.
pub async fn finish_pending(db: &Db) -> Result<(), Error> {
    if db.backend() == sea_orm::DbBackend::Postgres {
        sequence_all(db).await?;
    }
    Ok(())
}

/// The same as the last thing it does.
pub async fn finish(db: &Db) -> Result<(), Error> {
    finish_pending(db).await?;
    db.close().await;
    Ok(())
}

impl Service {
    /// Opens the database, its keys and all that stands on them.
    pub async fn open(config: Config) -> Result<Self, ServiceError> {
        let key_file = config.key_file()?;
        let db = open_database_within(&config, Some(config.limits.request_timeout)).await?;
        db.open_keys(&key_file).await?;
        let feed = Feed::open(db.clone(), config.retention).await?;
        let directory = Directory::new(db.clone());
        let metrics = Metrics::default();
        let graph = Graph::new(db.clone(), feed.clone(), directory.clone(), &config.limits, metrics.clone());
        let auth = Authenticator::new(directory.clone(), config.tokens.clone(), config.clock.clone())
            .map_err(ServiceError::Tokens)?;
        let sessions = Sessions::new(&db.keyring()?.session(), db.clock().clone());
        let Config { listen, metrics_listen, mut limits, proxies, origins, .. } = config;
        limits.documents = limits.documents.map(|listed| listed.with(&console::DOCUMENTS));
        Ok(Self {
            listen,
            metrics_listen,
            limits,
            metrics,
            db,
            feed,
            graph,
            directory,
            auth,
            proxies,
            origins,
            sessions,
            listener: None,
            metrics_listener: None,
        })
    }

    /// Takes its ports. Requests wait there until the service runs.
    pub async fn listen(&mut self) -> Result<(), ServiceError> {
        let (address, listener) = bind("CLAIMCHECK_LISTEN", self.listen).await?;
        (self.listen, self.listener) = (address, Some(listener));
        if let Some(address) = self.metrics_listen {
            let (address, listener) = bind("CLAIMCHECK_METRICS_LISTEN", address).await?;
            (self.metrics_listen, self.metrics_listener) = (Some(address), Some(listener));
        }
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Where what is counted can be read, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_listen
    }

    /// The database beneath.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Serves until `shutdown`, and then ends in order.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), ServiceError> {
        if self.listener.is_none() {
            self.listen().await?;
        }
        let (loops, stop_loops) = (TaskTracker::new(), CancellationToken::new());
        self.start_loops(&loops, &stop_loops);

        let lane = DeliveryLane::start().map_err(ServiceError::Threads)?;
        let (sockets, stop_serving) = (TaskTracker::new(), CancellationToken::new());
        if let Some(listener) = self.metrics_listener.take() {
            // To the end of the loops, so that one sees how a service drains.
            let router = http::metrics::router(self.reader(sockets.clone()));
            loops.spawn(listen::serve(listener, router, self.patience(), stop_loops.clone()));
        }
        let serving = self.serve(sockets.clone(), &lane, stop_serving.clone());
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            () = &mut serving => true,
            () = shutdown => false,
        };

        stop_serving.cancel();
        sockets.close();
        let drained = async {
            if !ended {
                serving.await;
            }
            sockets.wait().await;
        };
        if timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("some connections did not finish in time and are cut");
        }
        drop(lane);
        stop_loops.cancel();
        loops.close();
        if timeout(WIND_DOWN, loops.wait()).await.is_err() {
            tracing::warn!("some loops did not end in time");
        }
        self.db.close().await;
        Ok(())
    }

    fn start_loops(&self, loops: &TaskTracker, stop: &CancellationToken) {
        let sequencer = Sequencer::new(self.db.clone(), self.feed.sequenced(), self.metrics.clone());
        loops.spawn(sequencer.run(stop.clone()));
        loops.spawn(self.feed.tail().run(stop.clone()));
        loops.spawn(sweep::run(self.db.clone(), self.metrics.clone(), stop.clone()));
        loops.spawn(keys::run(self.db.clone(), stop.clone()));
        loops.spawn(write_uses(self.directory.clone(), stop.clone()));
    }

    fn patience(&self) -> listen::Patience {
        listen::Patience { head: self.limits.head_timeout, write: self.limits.write_timeout }
    }

    /// Makes the text of the metrics, as often as it is asked for.
    fn reader(
        &self,
        connections: TaskTracker,
    ) -> impl Fn() -> BoxFuture<'static, String> + Clone + Send + Sync + 'static {
        let (metrics, db, feed, graph) = (self.metrics.clone(), self.db.clone(), self.feed.clone(), self.graph.clone());
        move || {
            let (metrics, db, feed, graph) = (metrics.clone(), db.clone(), feed.clone(), graph.clone());
            let connections = connections.clone();
            async move { metrics.text(&read(&db, &feed, &graph, connections.len()).await) }.boxed()
        }
    }

    fn serve(
        &mut self,
        sockets: TaskTracker,
        lane: &DeliveryLane,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let pages = console::router(Console {
            graph: self.graph.clone(),
            pages: self.graph.paged(self.limits.page.max(console::LONGEST)),
            auth: self.auth.clone(),
            sessions: self.sessions.clone(),
            limits: self.limits.clone(),
            clock: self.db.clock().clone(),
        });
        let http = Http {
            graph: self.graph.clone(),
            auth: self.auth.clone(),
            sessions: self.sessions.clone(),
            limits: self.limits.clone(),
            proxies: self.proxies.clone(),
            origins: Arc::clone(&self.origins),
            seats: Seats::default(),
            shutdown: shutdown.clone(),
            sockets,
            lanes: lane.lanes(),
            ready: readiness(&self.db, &self.feed),
        };
        let router = http::router(http, pages);
        let listener = self.listener.take();
        let patience = self.patience();
        async move {
            if let Some(listener) = listener {
                listen::serve(listener, router, patience, shutdown).await;
            }
        }
    }
}

async fn bind(variable: &'static str, address: SocketAddr) -> Result<(SocketAddr, TcpListener), ServiceError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        io::Result::Ok((listener.local_addr()?, listener))
    };
    bound.await.map_err(|cause| ServiceError::Listen { variable, address, cause })
}

fn readiness(db: &Db, feed: &Feed) -> Readiness {
    let state = Arc::new((db.clone(), feed.clone()));
    Readiness::new(move || {
        let state = Arc::clone(&state);
        async move {
            let (db, feed) = &*state;
            let database = db.head().await.is_ok();
            let migrations = database && db.is_served().await;
            let keys = db.knows_all_codes().await.unwrap_or(database);
            Report { database, migrations, keys, feed_lag: feed.lag() }
        }
    })
}

/// How the service stands now. What a database that is away would say is left out, after a moment.
async fn read(db: &Db, feed: &Feed, graph: &Graph, connections: usize) -> Reading {
    let standing = timeout(LOOK, db.standing()).await.ok().and_then(Result::ok);
    let (groups, subscribers) = graph.subscribed();
    Reading {
        statements: db.statements(),
        pools: db.pools(),
        journal: standing.map(|(head, waiting)| (head, waiting.to_std().unwrap_or_default())),
        delivered: feed.head().position(),
        lag: feed.lag(),
        groups,
        subscribers,
        connections,
        lines_lost: telemetry::lost(),
    }
}

async fn write_uses(directory: Directory, shutdown: CancellationToken) {
    let mut ticks = interval(USES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            () = shutdown.cancelled() => true,
            _ = ticks.tick() => false,
        };
        if let Err(error) = directory.write_uses().await {
            tracing::warn!(error.cause = %error, "the last uses of keys cannot be written; trying on");
        }
        if last {
            return;
        }
    }
}
