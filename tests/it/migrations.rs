//! Bringing a database up to date: from nothing, again, and by several processes at once.

use sea_orm::{FromQueryResult, Statement};

use crate::harness::{
    Database, Engine, Test, both_engines,
    program::{Program, Running},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_empty_database_is_migrated_and_then_left_alone,
        looking_changes_nothing,
        a_command_that_writes_migrates_first,
        several_processes_may_migrate_at_once,
        the_platforms_own_partner_is_there_from_the_start,
    ]
}

const MISSING: &str = "missing  m20261122_000001_create_records\nmissing  m20261122_000002_create_journal\n";

/// Whatever migrations there are by now, they begin with these two.
#[track_caller]
fn assert_applied(answer: &str) {
    let applied = MISSING.replace("missing", "applied");
    assert!(answer.starts_with(&applied) && !answer.contains("missing"), "{answer}");
}

async fn an_empty_database_is_migrated_and_then_left_alone(database: Database) {
    let empty = database.empty().await;
    let program = Program::over(&empty);
    assert_applied(&program.run(&["migrate", "up"]).answer());
    assert_applied(&program.run(&["migrate", "status"]).answer());
    let before = rows(&empty).await;
    assert_applied(&program.run(&["migrate", "up"]).answer());
    assert_eq!(rows(&empty).await, before);
    assert!(program.run(&["verify"]).answer().ends_with("invariants hold\n"));
    empty.remove().await;
}

async fn looking_changes_nothing(database: Database) {
    let empty = database.empty().await;
    for _ in 0..2 {
        assert!(Program::over(&empty).run(&["migrate", "status"]).answer().starts_with(MISSING));
    }
    empty.remove().await;
}

async fn a_command_that_writes_migrates_first(database: Database) {
    let empty = database.empty().await;
    let program = Program::over(&empty);
    assert!(program.run(&["key", "create", "--name", "first", "--role", "admin"]).answer().starts_with("cck_"));
    assert_applied(&program.run(&["migrate", "status"]).answer());
    empty.remove().await;
}

async fn several_processes_may_migrate_at_once(database: Database) {
    let empty = database.empty().await;
    let program = Program::over(&empty);
    let mut running: Vec<Running> = (0..4).map(|_| program.start(&["migrate", "up"])).collect();
    for ended in running.iter_mut().map(Running::ended) {
        assert_applied(&ended.answer());
    }
    let mut services = [program.start(&["serve"]), program.start(&["serve"])];
    for service in &mut services {
        service.address();
    }
    assert_eq!(rows(&empty).await.len(), 2);
    empty.remove().await;
}

async fn the_platforms_own_partner_is_there_from_the_start(database: Database) {
    let connection = database.connect().await;
    let sql = "SELECT name AS text FROM partners";
    let found = Text::find_by_statement(Statement::from_string(connection.get_database_backend(), sql));
    let found = found.all(&connection).await.expect("rows");
    assert_eq!(found, [Text { text: "house".to_owned() }]);
    connection.close().await.expect("an orderly end");
}

#[derive(Debug, PartialEq, Eq, FromQueryResult)]
struct Text {
    text: String,
}

/// What the migrations have left: the journal's epoch, and how often the platform's own partner is there.
async fn rows(database: &Database) -> Vec<Text> {
    let connection = database.connect().await;
    let text = if database.engine() == Engine::Postgres { "text" } else { "TEXT" };
    let sql = format!(
        "SELECT CAST(epoch AS {text}) AS text FROM journal_head UNION ALL SELECT CAST(count(*) AS {text}) FROM partners"
    );
    let found = Text::find_by_statement(Statement::from_string(connection.get_database_backend(), sql));
    let found = found.all(&connection).await.expect("rows");
    connection.close().await.expect("an orderly end");
    found
}
