//! The history of the schema, frozen: a migration that has been released is never edited and imports no live code.
//!
//! The records are written as SQL, once for both engines, because what matters here (partial unique indexes, checks, composite foreign
//! keys) is what a schema builder hides. Expand first, contract a release later: a running old binary must get on with the new schema.
//!
//! An old binary that *starts* knows of a newer migration nothing but its name, so the name says who gets on with it. One that ends in
//! `_for_000007` is for every binary whose own newest migration has at least that number: each statement that such a binary makes goes
//! through and means what it did. A migration that only adds (a table, a column that may be left out, an index) is for the one before it;
//! one that drops what nobody has used since migration 7 is for 7. A name without such an end is for nobody but those who know it: whatever
//! an old binary would get wrong, a constraint that it may breach, a status that it does not know, is released like that. [`serves`] is the
//! rule, and a test holds the names against the list.

use sea_orm_migration::prelude::{DbErr, DynIden, IntoIden, MigrationTrait};
pub use sea_orm_migration::prelude::{MigratorTrait, SchemaManager};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

mod m20261122_000001_create_records;
mod m20261122_000002_create_journal;
mod m20261125_000003_drop_keys_to_hot_rows;
mod m20261125_000004_number_code_guesses;
mod m20261125_000005_name_who_acted;
mod m20261125_000006_index_states_for_000005;

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
            Box::new(m20261125_000006_index_states_for_000005::Migration),
        ]
    }
}

/// Whether a binary whose newest migration is `newest` gets on with a database that has `other`, which it does not know.
pub fn serves(other: &str, newest: &str) -> bool {
    other.rsplit_once("_for_").is_some_and(|(_, least)| {
        let counted = least.len() == 6 && least.bytes().all(|digit| digit.is_ascii_digit());
        counted && number(newest).is_some_and(|newest| least <= newest && number(other) > Some(newest))
    })
}

/// The number in a migration's name: the second part of `m20261122_000001_create_records` and its like.
fn number(name: &str) -> Option<&str> {
    name.split('_').nth(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_who_gets_on_with_it() {
        let newest = "m20261125_000005_name_who_acted";
        for other in ["m20270101_000006_add_colour_for_000005", "m20270101_000009_drop_shape_for_000003"] {
            assert!(serves(other, newest), "{other}");
        }
        for other in [
            "m20270101_000006_add_colour",
            "m20270101_000009_drop_shape_for_000006",
            "m20270101_000006_look_for_colour",
            "m20270101_000004_add_colour_for_000003",
            "m20270101_000006_add_colour_for_5",
            "m20270101_000006_add_colour_for_",
            "m20270101_000006_for_000001_add_colour",
        ] {
            assert!(!serves(other, newest), "{other}");
        }
    }

    #[test]
    fn numbers_ascend_and_each_is_for_one_before_it() {
        let names: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
        for (place, name) in names.iter().enumerate() {
            assert_eq!(number(name), Some(format!("{:06}", place + 1).as_str()), "{name}");
            assert!(!name.contains("_for_") || names[..place].iter().any(|before| serves(name, before)), "{name}");
        }
    }
}
