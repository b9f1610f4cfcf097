//! `claimcheck migrate`: brings the schema up to date, or tells how it stands and changes nothing.

use clap::Subcommand;

use super::{Failure, print};
use crate::{
    config::Config,
    service::{finish, open_database},
    store::migration_status,
};

#[derive(Clone, Copy, Subcommand)]
pub enum Action {
    /// Apply the migrations that are missing
    Up,
    /// List the migrations and whether they are applied
    Status,
}

pub async fn run(config: &Config, action: Action) -> Result<(), Failure> {
    match action {
        Action::Up => {
            let db = open_database(config).await?;
            finish(&db).await?;
        }
        Action::Status => {}
    }
    for migration in migration_status(&config.database_url).await? {
        print(&format!("{}  {}", if migration.applied { "applied" } else { "missing" }, migration.name))?;
    }
    Ok(())
}
