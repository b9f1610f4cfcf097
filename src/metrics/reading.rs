//! What is looked up when somebody asks.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::ConstCounter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::{Registry, Unit},
};

use super::PREFIX;
use crate::store::Pool;

/// How a service stands at one moment.
pub struct Reading {
    /// Statements run since the start.
    pub statements: u64,
    pub pools: Vec<Pool>,
    /// The end of the journal, and the age of the oldest event that has no place in it yet; none while the database is away.
    pub journal: Option<(i64, Duration)>,
    /// The end of the journal as far as this node has read it.
    pub delivered: i64,
    /// How long ago this node last was up to date.
    pub lag: Duration,
    /// Different questions that are subscribed to, and those who ask them.
    pub groups: usize,
    pub subscribers: usize,
    /// Open sockets and streams, and what runs on them.
    pub connections: usize,
    /// Lines of the log that nobody took in time.
    pub lines_lost: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connections {
    pool: &'static str,
    state: &'static str,
}

impl Reading {
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register(
            "statements",
            "SQL statements, transaction control aside",
            ConstCounter::new(self.statements),
        );
        registry.register(
            "log_lines_lost",
            "Lines of the log that nobody took in time",
            ConstCounter::new(self.lines_lost),
        );
        let connections = Family::<Connections, Gauge>::default();
        for Pool { name: pool, open, idle, most } in &self.pools {
            for (state, count) in [("idle", *idle), ("used", open.saturating_sub(*idle)), ("most", *most)] {
                connections.get_or_create(&Connections { pool, state }).set(count.into());
            }
        }
        registry.register("pool_connections", "Connections to the database, and how many may be", connections);

        let mut count = |name, help: &str, value: i64| registry.register(name, help, ConstGauge::new(value));
        count("feed_position", "The last event that this node has read and shown to its subscribers", self.delivered);
        if let Some((head, _)) = self.journal {
            count("journal_position", "The last event that has been numbered", head);
            count("feed_behind_events", "Events numbered that this node has not read", (head - self.delivered).max(0));
        }
        let size = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        count("feed_groups", "Different questions that are subscribed to", size(self.groups));
        count("feed_subscribers", "Subscriptions", size(self.subscribers));
        count("connections", "Open sockets and streams", size(self.connections));

        let mut time = |name, help: &str, value: Duration| {
            registry.register_with_unit(name, help, Unit::Seconds, ConstGauge::new(value.as_secs_f64()));
        };
        time("feed_lag", "Since this node was last up to date with the journal", self.lag);
        if let Some((_, waiting)) = self.journal {
            time("journal_unnumbered_age", "The age of the oldest event that has no number yet", waiting);
        }
        registry
    }
}
