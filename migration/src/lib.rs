//! The history of the schema, frozen: a migration that has been released is never edited and imports no live code.
//!
//! The records are written as SQL, once for both engines, because what matters here (partial unique indexes, checks, composite foreign
//! keys) is what a schema builder hides. Expand first, contract a release later: a running old binary must get on with the new schema.

use sea_orm_migration::prelude::{DbErr, DynIden, IntoIden, MigrationTrait};
pub use sea_orm_migration::prelude::{MigratorTrait, SchemaManager};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

mod m20261122_000001_create_records;
mod m20261122_000002_create_journal;
mod m20261125_000003_drop_keys_to_hot_rows;
mod m20261125_000004_number_code_guesses;
mod m20261125_000005_name_who_acted;
mod m20261125_000006_index_states;

/// The table that says which migrations a database has; a database without it is not ours.
pub const MIGRATIONS: &str = "claimcheck_migrations";

/// All migrations, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migration_table_name() -> DynIden {
        MIGRATIONS.into_iden()
    }

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_create_records::Migration),
            Box::new(m20261122_000002_create_journal::Migration),
            Box::new(m20261125_000003_drop_keys_to_hot_rows::Migration),
            Box::new(m20261125_000004_number_code_guesses::Migration),
            Box::new(m20261125_000005_name_who_acted::Migration),
            Box::new(m20261125_000006_index_states::Migration),
        ]
    }
}

/// What is written in the one way on PostgreSQL and in the other on SQLite.
fn either<'a>(manager: &SchemaManager<'_>, postgres: &'a str, sqlite: &'a str) -> &'a str {
    if manager.get_database_backend() == DbBackend::Postgres { postgres } else { sqlite }
}

/// Runs statements separated by a semicolon at the end of a line, with the names of types that differ between the engines replaced.
async fn run(manager: &SchemaManager<'_>, script: &str) -> Result<(), DbErr> {
    let types: [(&str, &str, &str); 8] = [
        ("{id}", "uuid", "BLOB"),
        ("{time}", "timestamptz", "TEXT"),
        ("{bytes}", "bytea", "BLOB"),
        ("{json}", "jsonb", "TEXT"),
        ("{bool}", "boolean", "INTEGER"),
        ("{int}", "integer", "INTEGER"),
        ("{long}", "bigint", "INTEGER"),
        ("{table}", "", "STRICT, WITHOUT ROWID"),
    ];
    let script = types.iter().fold(script.to_owned(), |script, (name, on_postgres, on_sqlite)| {
        script.replace(name, either(manager, on_postgres, on_sqlite))
    });
    for statement in script.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
