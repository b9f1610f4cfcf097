//! The log: the only caller of the subscriber.
//!
//! Everything goes to standard error, so that standard output is for answers: as text to a terminal, as a JSON object a line to anything
//! else. A panic is one line there as well, never a backtrace.

use std::{
    io::IsTerminal,
    panic::{self, PanicHookInfo},
};

use tracing::{Level, dispatcher};
use tracing_subscriber::{EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, ConfigError};

/// What is logged where nothing else is said.
const USUAL: &str = "info,sea_orm_migration=warn,sqlx=warn";

/// Starts the log of a service.
pub fn start(config: &Config) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(config.log.as_deref().unwrap_or(USUAL)).map_err(|_| ConfigError::Malformed {
        variable: "CLAIMCHECK_LOG",
        form: "a filter like info, or warn,claimcheck=debug".to_owned(),
    })?;
    // These print whole messages of sockets, with the credentials in them: whatever the filter says, they do not.
    let tells = filter_fn(|what| {
        let wordy = what.target().starts_with("tungstenite") || what.target().starts_with("tokio_tungstenite");
        !wordy || *what.level() <= Level::INFO
    });
    let terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    // One that is there already, as in a process that runs several services, stays.
    let _ = if terminal {
        log.finish().with(tells).try_init()
    } else {
        log.json().flatten_event(true).finish().with(tells).try_init()
    };
    Ok(())
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
