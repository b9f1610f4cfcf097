//! The log and the traces: the only caller of the subscriber.
//!
//! The log goes to standard error, so that standard output is for answers: as text to a terminal, as a JSON object a line to anything else. A
//! thread of its own writes it, so that whoever reads it slowly, or not at all, stops nothing: then lines are lost, and counted.
//! What is said during an operation says of which, as long as `info` is logged. A panic is one line there as well, never a backtrace. Spans
//! (request, operation, transaction) go to a collector where one is named; without one only operations are spans, for the log. They say what
//! the log says: ids, names, roles, times, and never what a client sent.

mod collector;

use std::{
    collections::HashMap,
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
    sync::OnceLock,
    time::Duration,
};

use opentelemetry::{propagation::TextMapPropagator, trace::TracerProvider};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tokio::task::block_in_place;
use tracing::{Level, Span, dispatcher};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

use crate::config::{Config, ConfigError};

/// How long spans may take to be sent when the process ends.
const FLUSH: Duration = Duration::from_secs(3);

/// Lines that may wait to be written.
const WAITING: usize = 10_000;

static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// What is to be ended when all else has.
#[must_use]
pub struct Telemetry {
    spans: Option<SdkTracerProvider>,
    /// Writes the last lines when it is dropped, unless nobody takes them.
    _log: WorkerGuard,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("spans cannot be sent where OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT says: {0}")]
    Collector(#[from] io::Error),
}

/// Starts the log of a service, and its traces.
pub fn start(config: &Config) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&config.log).map_err(|_| ConfigError::Malformed {
        variable: "CLAIMCHECK_LOG",
        form: "a filter like info, or warn,claimcheck=debug".to_owned(),
    })?;
    // These print whole messages of sockets, with the credentials in them: whatever the filter says, they do not.
    let tells = filter_fn(|what| {
        let wordy = what.target().starts_with("tungstenite") || what.target().starts_with("tokio_tungstenite");
        let operation = what.is_span() && what.name() == "operation" && what.target().starts_with("claimcheck");
        operation || (what.is_event() && (!wordy || *what.level() <= Level::INFO))
    });
    let tells = filter.and(tells.with_max_level_hint(LevelFilter::TRACE));
    let terminal = io::stderr().is_terminal();
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(WAITING).thread_name("log").finish(io::stderr());
    let _ = LOST.set(writer.error_counter());
    let log = fmt::layer().with_writer(writer).with_ansi(terminal);
    let log = if terminal { log.boxed() } else { log.json().flatten_event(true).with_span_list(false).boxed() };

    let provider =
        config.collector.as_deref().map(|address| collector::provider(address, config.service_name.as_deref()));
    let provider = provider.transpose()?;
    // Where none are sent, there is no layer that would have them made.
    let mut layers = vec![log.with_filter(tells).boxed()];
    layers.extend(provider.as_ref().map(|provider| {
        let own = filter_fn(|what| what.is_span() && what.target().starts_with("claimcheck"));
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("claimcheck"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(own.with_max_level_hint(LevelFilter::INFO))
            .boxed()
    }));
    // One that is there already, as in a process that runs several services, stays.
    let _ = registry().with(layers).try_init();
    Ok(Telemetry { spans: provider, _log: guard })
}

impl Telemetry {
    /// Sends the spans that are left, or gives them up in time.
    pub fn end(self) {
        if let Some(provider) = self.spans
            && block_in_place(|| provider.shutdown_with_timeout(FLUSH)).is_err()
        {
            tracing::warn!("the last spans could not be sent");
        }
    }
}

/// Lines of the log that nobody has taken in time.
pub fn lost() -> u64 {
    LOST.get().map_or(0, |lost| lost.dropped_lines() as u64)
}

/// Has the span go on where a client's trace is, by its `traceparent` header. What is no such header is passed over, and so is its
/// `tracestate`, which may hold anything.
pub fn follow(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent.filter(|_| !span.is_disabled()) else { return };
    let given = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let client = TraceContextPropagator::new().extract(&given);
    // It is new: it has no parent yet.
    let _ = span.set_parent(client);
}

/// From now on a panic is one line: in the log, or on standard error where there is no log.
pub fn tame_panics() {
    panic::set_hook(Box::new(|info| {
        let message = message(info);
        let place = info.location().map(ToString::to_string);
        if dispatcher::has_been_set() {
            tracing::error!(panic.message = message, panic.location = place, "a panic, which is a defect");
        } else {
            eprintln!("claimcheck: a defect at {}: {message}", place.as_deref().unwrap_or("an unknown place"));
        }
    }));
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let text = info.payload_as_str().unwrap_or("a panic without a message");
    text.lines().next().unwrap_or_default()
}
