//! `claimcheck keys`: how the code keys stand, a new one for the codes to come, and another one for sessions.

use chrono::SecondsFormat;
use clap::Subcommand;

use super::{Failure, print, print_table};
use crate::{
    config::Config,
    service::{finish, open_database},
    store::{
        OpenError,
        keyring::{self, KeyUse},
    },
};

#[derive(Clone, Copy, Subcommand)]
pub enum Action {
    /// List the code keys, with how many codes depend on each
    Status,
    /// Add a code key to the key file and issue all further codes under it; prints its id. Old codes stay good
    Rotate,
    /// End all sessions of the console, as when somebody has copied the key file: puts another session key into it. Counts on each node
    /// once that has the file and has been restarted
    EndSessions,
}

pub async fn run(config: &Config, action: Action) -> Result<(), Failure> {
    let path = config.key_file()?;
    let db = open_database(config).await?;
    match action {
        Action::Status => {
            let keys = keyring::status(&db, &path).await.map_err(OpenError::from)?;
            let header = ["ID", "STATE", "CODES", "REDEEMABLE", "SINCE"].map(str::to_owned);
            let rows = keys.into_iter().enumerate().map(|(place, key)| row(place == 0, key));
            print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())?;
        }
        Action::EndSessions => keyring::end_sessions(&db, &path).await.map_err(OpenError::from)?,
        Action::Rotate => print(&keyring::rotate(&db, &path).await.map_err(OpenError::from)?)?,
    }
    Ok(finish(&db).await?)
}

fn row(first: bool, key: KeyUse) -> [String; 5] {
    let state = match (key.since, key.held) {
        (Some(_), false) => "missing in the file",
        (Some(_), true) if first => "current",
        (Some(_), true) => "held",
        (None, _) => "not used",
    };
    let since = key.since.map_or_else(|| "-".to_owned(), |since| since.to_rfc3339_opts(SecondsFormat::Secs, true));
    [key.id, state.to_owned(), key.codes.to_string(), key.live.to_string(), since]
}
