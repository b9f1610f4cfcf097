//! Bringing a database up to date: from nothing, again, and by several processes at once.

use migration::{Migrator, MigratorTrait as _};
use reqwest::StatusCode;
use sea_orm::{ConnectionTrait as _, FromQueryResult, Statement};
use serde_json::json;

use crate::harness::{
    App, Client, Database, Engine, Shop, Test, both_engines,
    program::{Program, Running},
    shop::{Placed, product},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_empty_database_is_migrated_and_then_left_alone,
        looking_changes_nothing,
        a_command_that_writes_migrates_first,
        several_processes_may_migrate_at_once,
        an_old_node_gets_on_with_a_schema_that_was_made_for_it,
        an_old_node_refuses_a_schema_that_was_not,
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

/// Does to a database what a newer version would: `script`, and the record of a migration that is called `name`.
async fn migrate_by_a_newer_version(database: &Database, name: &str, script: &[&str]) {
    let connection = database.connect().await;
    let record = format!("INSERT INTO claimcheck_migrations (version, applied_at) VALUES ('{name}', 0)");
    for statement in script.iter().copied().chain([record.as_str()]) {
        connection.execute_unprepared(statement).await.expect(statement);
    }
    connection.close().await.expect("an orderly end");
}

/// The number of the newest migration that this version knows.
fn newest() -> String {
    let known = Migrator::migrations();
    let name = known.last().expect("a migration").name().to_owned();
    name.split('_').nth(1).expect("a number").to_owned()
}

async fn redeem(shop: &Shop, placed: &Placed) {
    let redeemed = shop.redeem(placed.codes.first().expect("a code"), "ann").await;
    assert_eq!(redeemed.text("/redeemCode/assignment/status"), "ACTIVE");
}

async fn an_old_node_gets_on_with_a_schema_that_was_made_for_it(app: App) {
    product(&app, "P", json!({})).await;
    let shop = Shop::open(&app, "Alpha").await;
    let before = shop.place("before", json!([{"sku": "P", "quantity": 1}])).await;
    let name = format!("m29990101_999999_add_colour_for_{}", newest());
    let added = [
        "ALTER TABLE orders ADD COLUMN colour text",
        "ALTER TABLE events ADD COLUMN colour text",
        "ALTER TABLE activation_codes ADD COLUMN colour text",
        "CREATE TABLE colours (name text NOT NULL PRIMARY KEY)",
    ];
    migrate_by_a_newer_version(app.database(), &name, &added).await;

    // The node that runs, one that starts, and the commands.
    for node in [app.clone(), app.second_node().await] {
        let client = node.client(shop.key.secret().expect("a secret"));
        let shop = Shop { key: client, ..shop.clone() };
        let after = shop.place(&node.address().to_string(), json!([{"sku": "P", "quantity": 1}])).await;
        redeem(&shop, &after).await;
        assert!(node.stranger().get("/readyz").send().await.expect("an answer").status().is_success());
    }
    redeem(&shop, &before).await;
    app.assert_sound().await;
    let program = Program::over(app.database());
    assert!(program.run(&["verify"]).answer().ends_with("invariants hold\n"));
    for action in ["status", "up"] {
        let answer = program.run(&["migrate", action]).answer();
        assert!(answer.ends_with(&format!("applied  {name}\n")), "{answer}");
    }
    let mut service = program.start(&["serve"]);
    service.address();
    assert_eq!(service.terminate().code, Some(0));
}

async fn an_old_node_refuses_a_schema_that_was_not(database: Database) {
    let mut running = Program::over(&database).start(&["serve"]);
    let stranger = Client::new(running.address(), None);
    for name in ["m29990101_999999_think_for_999998", "m29990101_999999_think"] {
        migrate_by_a_newer_version(&database, name, &[]).await;
        let answer = stranger.get("/readyz").send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let report: serde_json::Value = answer.json().await.expect("JSON");
        assert_eq!((report.get("database"), report.get("migrations")), (Some(&json!(true)), Some(&json!(false))));
        for command in [&["serve"][..], &["migrate", "up"], &["verify"]] {
            let ran = Program::over(&database).run(command);
            let line = ran.refusal(1);
            assert!(line.contains("newer claimcheck") && line.contains(name), "{line}");
        }
        let connection = database.connect().await;
        let forget = format!("DELETE FROM claimcheck_migrations WHERE version = '{name}'");
        connection.execute_unprepared(&forget).await.expect("a row less");
        connection.close().await.expect("an orderly end");
    }
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
