//! What is counted for whoever watches the service, in the text that Prometheus reads.
//!
//! Counts are kept where things happen; what can be looked up is looked up when somebody asks, as a [`Reading`]. Nothing here names a
//! record, a person, a credential or a client's words but the names of operations, and of those only some are told apart: however many a
//! client makes up, what is kept and what is written stay bounded.

mod name;
mod process;
mod reading;

use std::{
    fmt::{Error, Write},
    sync::Arc,
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use self::name::Names;
pub use self::reading::Reading;

/// What every name of ours begins with.
const PREFIX: &str = "claimcheck";

type Durations<S> = Family<S, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    operation: Arc<str>,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    operation: Arc<str>,
    kind: &'static str,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Swept {
    sweep: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Turned {
    outcome: &'static str,
}

/// An operation of the graph that has ended.
pub struct Operation<'a> {
    pub name: Option<&'a str>,
    /// `query`, `mutation` or `subscription`.
    pub kind: &'static str,
    /// Whether it was run: the name of one that could not be is not remembered.
    pub ran: bool,
    /// Whether a customer asked for it.
    pub by_customer: bool,
    /// `OK`, or the code of its first error.
    pub outcome: &'a str,
    pub took: Duration,
    /// Statements that it took; none of a subscription, which only begins.
    pub statements: Option<u64>,
}

/// A walk of a sweep.
pub struct Walked {
    pub sweep: String,
    /// Rows that it found and wrote.
    pub rows: usize,
    /// Units that it had to pass over.
    pub failed: usize,
    pub took: Duration,
}

/// The counts of one service. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    names: Names,
    requests: Durations<Route>,
    operations: Family<Ended, Counter>,
    operation_durations: Durations<Named>,
    operation_statements: Family<Named, Histogram, fn() -> Histogram>,
    turns: Family<Turned, Counter>,
    numbered: Counter,
    sweeps: Durations<Swept>,
    swept: Family<Swept, Counter>,
    sweep_failures: Family<Swept, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("build", "What is running", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        let mut all = Inner {
            registry,
            names: Names::default(),
            requests: Family::new_with_constructor(durations),
            operations: Family::default(),
            operation_durations: Family::new_with_constructor(durations),
            operation_statements: Family::new_with_constructor(statements),
            turns: Family::default(),
            numbered: Counter::default(),
            sweeps: Family::new_with_constructor(durations),
            swept: Family::default(),
            sweep_failures: Family::default(),
        };
        all.register();
        Self(Arc::new(all))
    }
}

impl Inner {
    fn register(&mut self) {
        let Self { registry, .. } = self;
        registry.register_with_unit(
            "http_request_duration",
            "HTTP requests by route and status, until the answer begins",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register("operations", "GraphQL operations by how they ended", self.operations.clone());
        registry.register_with_unit(
            "operation_duration",
            "GraphQL operations; a subscription until it has begun",
            Unit::Seconds,
            self.operation_durations.clone(),
        );
        registry.register(
            "operation_statements",
            "SQL statements of a query or a mutation, transaction control aside",
            self.operation_statements.clone(),
        );
        registry.register("sequencer_turns", "Turns at numbering events, by who had them", self.turns.clone());
        registry.register("sequencer_events", "Events that this node has numbered", self.numbered.clone());
        registry.register_with_unit(
            "sweep_duration",
            "Walks of a sweep over all that is due",
            Unit::Seconds,
            self.sweeps.clone(),
        );
        registry.register("sweep_rows", "Rows that a sweep has written", self.swept.clone());
        registry.register("sweep_failures", "Walks cut short and units passed over", self.sweep_failures.clone());
    }
}

/// From a statement to the longest that a request may take.
fn durations() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

/// From a page that is one statement to one that is read row by row.
fn statements() -> Histogram {
    Histogram::new([0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 144.0])
}

impl Metrics {
    /// A request that was answered; `route` is the pattern of its path, none where nothing is there.
    pub fn request(&self, route: Option<&str>, status: u16, took: Duration) {
        let labels = Route { route: route.unwrap_or("none").to_owned(), status };
        self.0.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// An operation that has ended.
    pub fn operation(&self, ended: &Operation<'_>) {
        let Operation { name, kind, ran, by_customer, outcome, took, statements } = *ended;
        let operation = self.0.names.known(name, ran, by_customer);
        let labels = Ended { operation: Arc::clone(&operation), kind, outcome: outcome.to_owned() };
        self.0.operations.get_or_create(&labels).inc();
        let labels = Named { operation, kind };
        self.0.operation_durations.get_or_create(&labels).observe(took.as_secs_f64());
        if let Some(statements) = statements {
            let statements = u32::try_from(statements).unwrap_or(u32::MAX);
            self.0.operation_statements.get_or_create(&labels).observe(statements.into());
        }
    }

    /// A turn at numbering: how many events, none where another node had it.
    pub fn turn(&self, numbered: Option<u64>) {
        let outcome = if numbered.is_some() { "own" } else { "elsewhere" };
        self.0.turns.get_or_create(&Turned { outcome }).inc();
        self.0.numbered.inc_by(numbered.unwrap_or_default());
    }

    /// A turn at numbering that failed.
    pub fn turn_failed(&self) {
        self.0.turns.get_or_create(&Turned { outcome: "failed" }).inc();
    }

    /// A walk that got to its end.
    pub fn walked(&self, walk: Walked) {
        let labels = Swept { sweep: walk.sweep };
        self.0.sweeps.get_or_create(&labels).observe(walk.took.as_secs_f64());
        self.0.swept.get_or_create(&labels).inc_by(walk.rows as u64);
        self.0.sweep_failures.get_or_create(&labels).inc_by(walk.failed as u64);
    }

    /// A walk that was cut short.
    pub fn stumbled(&self, sweep: String) {
        self.0.sweep_failures.get_or_create(&Swept { sweep }).inc();
    }

    /// All counts, and what was looked up, as text.
    pub fn text(&self, reading: &Reading) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, reading);
        text
    }

    fn write(&self, text: &mut impl Write, reading: &Reading) -> Result<(), Error> {
        text::encode_registry(text, &self.0.registry)?;
        text::encode_registry(text, &reading.registry())?;
        text::encode_registry(text, &process::registry())?;
        text::encode_eof(text)
    }
}
