//! The command line: one file a command.
//!
//! Answers go to standard output and nothing else does. Whatever goes wrong is one line on standard error that says what to do, and exit
//! code 1; a mistake in the command itself is 2. A command that writes migrates an older database first, may run beside services, and
//! leaves its events numbered.

mod config;
mod demo;
mod export;
mod import;
mod key;
mod keys;
mod migrate;
mod progress;
mod schema;
mod serve;
mod verify;

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::{
    config::{Config, ConfigError},
    domain,
    service::ServiceError,
    store, telemetry,
};

/// The layer between paying and using: purchases are complete at once, units are claimed later.
#[derive(Parser)]
#[command(name = "claimcheck", version, after_help = SETTINGS)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

const SETTINGS: &str = "Environment:
  DATABASE_URL            sqlite:FILE or postgres://… [default: sqlite:claimcheck.db]
  CLAIMCHECK_LISTEN       address and port to serve on [default: 127.0.0.1:8000]
  CLAIMCHECK_KEYS         file with the code and cursor keys [default: beside a SQLite database]
  CLAIMCHECK_REVEAL_DAYS  days an issued code may be revealed again [default: 30]
  CLAIMCHECK_LOG          what is logged [default: info]
  CLAIMCHECK_MAX_…        limits
`claimcheck config` prints every variable, and what it is set to.";

#[derive(Subcommand)]
enum Command {
    /// Migrate the database and serve it (the default)
    Serve,
    /// Serve a throw-away database with real orders, a key for every role and a little life
    Demo,
    /// Bring the schema of the database up to date, or look how it stands
    #[command(subcommand)]
    Migrate(migrate::Action),
    /// Show how the keys of activation codes stand, or rotate them
    #[command(subcommand)]
    Keys(keys::Action),
    /// Create, list and revoke API keys
    #[command(subcommand)]
    Key(key::Action),
    /// Import what another system has recorded
    #[command(subcommand)]
    Import(import::Action),
    /// Export what has been issued
    #[command(subcommand)]
    Export(export::Action),
    /// Print every setting, what it is set to and where from; no password
    Config,
    /// Print the GraphQL schema
    Schema,
    /// Prove the invariants over the whole database, and name each row that breaks one
    Verify,
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Telemetry(#[from] telemetry::TelemetryError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Open(#[from] store::OpenError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("{0}")]
    Refused(String),
    /// The command makes no sense as it was given.
    #[error("{0}")]
    Usage(String),
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

impl From<domain::Error> for Failure {
    fn from(error: domain::Error) -> Self {
        match error {
            domain::Error::Refused(refusal) => Self::Refused(refusal.message),
            domain::Error::Store(error) => Self::Store(error),
            error @ domain::Error::Forbidden => Self::Refused(error.to_string()),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    telemetry::tame_panics();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return told(&error),
    };
    // Whatever panics has said so in one line already.
    let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| run(arguments.command.unwrap_or(Command::Serve)))) else {
        return ExitCode::FAILURE;
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the answer has read enough of it.
        Err(Failure::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            let line = failure.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(io::stderr(), "claimcheck: {line}");
            if matches!(failure, Failure::Usage(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Help and the version as they are; a mistake in the arguments in one line, like every other.
fn told(error: &clap::Error) -> ExitCode {
    if !matches!(error.exit_code(), 2) || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
    }
    let text = error.render().to_string();
    let said = text.split("\n\nUsage:").next().unwrap_or_default().trim_start_matches("error: ");
    let said = said.split("\n\nFor more information").next().unwrap_or_default();
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "claimcheck: {line}; --help says more");
    ExitCode::from(2)
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::run(Config::from_env()?).await,
            Command::Demo => Box::pin(demo::run(Config::from_env()?)).await,
            Command::Import(import::Action::Orders(orders)) => import::run(&Config::from_env()?, orders).await,
            Command::Migrate(action) => migrate::run(&Config::from_env()?, action).await,
            Command::Keys(action) => keys::run(&Config::from_env()?, action).await,
            Command::Key(action) => key::run(&Config::from_env()?, action).await,
            Command::Export(action) => export::run(&Config::from_env()?, action).await,
            Command::Config => config::run(),
            Command::Schema => schema::run(),
            Command::Verify => verify::run(&Config::from_env()?).await,
        }
    })
}

/// Writes a line of the answer.
fn print(line: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

/// Writes rows as lines, their columns below each other.
fn print_table<const N: usize>(rows: &[[String; N]]) -> Result<(), Failure> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let line = row.iter().zip(widths).fold(String::new(), |mut line, (cell, width)| {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
            line
        });
        print(line.trim_end())?;
    }
    Ok(())
}
