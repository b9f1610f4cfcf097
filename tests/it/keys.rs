//! The key file: made once, kept private, and held against the database.

mod rotation;

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use sea_orm::{ConnectionTrait as _, Statement};

use crate::harness::{
    Database, Engine, Test, both_engines,
    program::{Program, Running},
};

pub fn tests() -> Vec<Test> {
    let mut tests = both_engines![
        the_first_service_makes_the_key_file_for_its_owner_alone,
        a_file_that_was_made_before_is_used,
        the_keys_lie_beside_a_sqlite_file_and_must_be_named_otherwise,
        a_service_without_the_key_of_its_database_does_not_start,
        a_file_that_is_no_key_file_is_named,
        of_two_services_with_different_keys_one_starts,
        services_that_start_together_share_one_file,
    ];
    tests.extend(rotation::tests());
    tests
}

fn key_file(database: &Database) -> PathBuf {
    database.directory().join("claimcheck.keys")
}

fn with_keys(database: &Database, file: &str) -> Program {
    Program::over(database).set("CLAIMCHECK_KEYS", &database.directory().join(file).to_string_lossy())
}

/// Starts a service and stops it as soon as it listens.
#[track_caller]
fn serve_once(program: &Program) {
    let mut service = program.start(&["serve"]);
    service.address();
    assert_eq!(service.terminate().code, Some(0));
}

/// The id of the code key that the database knows.
async fn known_key(database: &Database) -> String {
    let connection = database.connect().await;
    let statement = Statement::from_string(connection.get_database_backend(), "SELECT id FROM code_keys");
    let rows = connection.query_all_raw(statement).await.expect("rows");
    connection.close().await.expect("an orderly end");
    assert_eq!(rows.len(), 1);
    rows.first().and_then(|row| row.try_get("", "id").ok()).expect("an id")
}

async fn the_first_service_makes_the_key_file_for_its_owner_alone(database: Database) {
    let program = Program::over(&database);
    program.run(&["key", "create", "--name", "first", "--role", "admin"]).answer();
    assert!(!key_file(&database).exists(), "a command that needs no keys makes none");
    serve_once(&program);
    let mode = fs::metadata(key_file(&database)).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(key_file(&database)).expect("the file");
    assert!(text.contains(&known_key(&database).await));
    serve_once(&program);
    assert_eq!(fs::read_to_string(key_file(&database)).expect("the file"), text, "made once");
}

async fn a_file_that_was_made_before_is_used(database: Database) {
    let other = database.empty().await;
    serve_once(&Program::over(&other));
    fs::copy(key_file(&other), key_file(&database)).expect("a copy");
    serve_once(&Program::over(&database));
    assert_eq!(known_key(&other).await, known_key(&database).await);
    other.remove().await;
}

async fn the_keys_lie_beside_a_sqlite_file_and_must_be_named_otherwise(database: Database) {
    let program = Program::over(&database).unset("CLAIMCHECK_KEYS");
    match database.engine() {
        Engine::Sqlite => {
            serve_once(&program);
            assert!(database.directory().join("claimcheck.db.keys").exists());
        }
        Engine::Postgres => {
            let ran = program.run(&["serve"]);
            assert!(ran.refusal(1).starts_with("CLAIMCHECK_KEYS must name the key file"), "{ran:?}");
            program.run(&["key", "list"]).answer();
        }
    }
}

async fn a_service_without_the_key_of_its_database_does_not_start(database: Database) {
    serve_once(&Program::over(&database));
    let id = known_key(&database).await;
    let missing = with_keys(&database, "none.keys");
    let other = database.empty().await;
    serve_once(&Program::over(&other));
    let foreign = Program::over(&database).set("CLAIMCHECK_KEYS", &key_file(&other).to_string_lossy());
    for program in [missing, foreign] {
        let ran = program.run(&["serve"]);
        let line = ran.refusal(1);
        assert!(line.starts_with(&format!("the database uses the code key {id}, which ")), "{line}");
        assert!(line.contains("set CLAIMCHECK_KEYS to the file that this database was used with"), "{line}");
    }
    assert!(!database.directory().join("none.keys").exists(), "no new keys for a database that has some");
    other.remove().await;
}

async fn a_file_that_is_no_key_file_is_named(database: Database) {
    for text in ["not JSON", "{}", r#"{"cursor_key": "", "digest_key": "", "code_keys": []}"#] {
        fs::write(key_file(&database), text).expect("a file");
        let ran = Program::over(&database).run(&["serve"]);
        let line = ran.refusal(1);
        assert!(line.contains("claimcheck.keys is not a key file of claimcheck: "), "{line}");
    }
    let ran = with_keys(&database, "no/such/directory/keys").run(&["serve"]);
    assert!(ran.refusal(1).starts_with("cannot create the key file "), "{ran:?}");
    let ran = with_keys(&database, "").run(&["serve"]);
    assert!(ran.refusal(1).starts_with("cannot read the key file "), "{ran:?}");
}

async fn of_two_services_with_different_keys_one_starts(database: Database) {
    let empty = database.empty().await;
    let mut services = ["one.keys", "two.keys"].map(|file| with_keys(&empty, file).start(&["serve"]));
    let listening = services.each_mut().map(Running::line).map(|line| line.starts_with("listening on "));
    assert_eq!(listening.iter().filter(|listens| **listens).count(), 1);
    for (service, listens) in services.iter_mut().zip(listening) {
        if listens {
            assert_eq!(service.terminate().code, Some(0));
        } else {
            let ended = service.ended();
            assert!(ended.refusal(1).starts_with("the database uses the code key ck_"), "{ended:?}");
        }
    }
    empty.remove().await;
}

async fn services_that_start_together_share_one_file(database: Database) {
    let program = Program::over(&database);
    let mut services: Vec<Running> = (0..4).map(|_| program.start(&["serve"])).collect();
    for service in &mut services {
        service.address();
    }
    known_key(&database).await;
}
