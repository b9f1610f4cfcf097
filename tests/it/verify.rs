//! `claimcheck verify`: silent over what the service does, and loud about every row that somebody else has spoiled.

mod breach;

use std::fs;

use claimcheck::{
    domain::verify::CHECKS,
    id::{EntitlementId, RecordId},
};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, Statement, Value};
use serde_json::json;
use uuid::Uuid;

use self::breach::Breach;
use crate::harness::{App, Engine, Shop, Test, both_engines, eventually, program::Program, shop::product};

pub fn tests() -> Vec<Test> {
    both_engines![a_sound_database_is_proved_sound, one_row_is_named, every_breach_is_named]
}

/// A channel with a little of everything: open, redeemed, reserved, released and assigned units, and an import.
struct Sold {
    shop: Shop,
    /// Twelve units with codes that nobody has claimed.
    units: Vec<String>,
    line: String,
    order: String,
    /// Reservations of the eighth, ninth and eleventh unit; that of the tenth was released.
    held: [String; 3],
    /// Units and assignments of another order, sold to somebody.
    given: Vec<String>,
    assignments: Vec<String>,
    /// An order that was imported with one assigned unit, and one that differs when it is imported again.
    imported: [String; 2],
}

impl Sold {
    fn unit(&self, place: usize) -> &str {
        self.units.get(place).expect("a unit")
    }

    fn given(&self, place: usize) -> &str {
        self.given.get(place).expect("a unit")
    }

    fn assignment(&self, place: usize) -> &str {
        self.assignments.get(place).expect("an assignment")
    }
}

async fn sell(app: &App) -> Sold {
    let shop = Shop::open(app, "shop").await;
    product(app, "S", json!({})).await;
    product(app, "T", json!({})).await;
    let placed = shop.place("open", json!([{"sku": "S", "quantity": 12}])).await;
    let by_code = shop.place("redeemed", json!([{"sku": "S", "quantity": 3}])).await;
    for code in &by_code.codes {
        shop.redeem(code, "u-1").await.data();
    }
    let mut held = Vec::new();
    for unit in placed.units.iter().skip(7).take(4) {
        let input = json!({"entitlementId": unit, "account": {"externalReference": "u-2"}});
        held.push(
            shop.key.mutate("reserveEntitlement", "reservation { id }", input).await.done().text("/reservation/id"),
        );
    }
    let released = held.remove(2);
    shop.key.mutate("releaseReservation", "reservation { id }", json!({"reservationId": released})).await.done();
    let longer =
        json!({"entitlementId": placed.units.last(), "reason": "as agreed", "expiresAt": "2032-01-01T00:00:00Z"});
    app.admin().mutate("extendEntitlement", "entitlement { id }", longer).await.done();
    let assigned = json!([{"sku": "S", "quantity": 4, "assignTo": {"externalReference": "u-3"}}]);
    let given = shop.place("given", assigned).await;
    let assignment = "query ($id: ID!) { entitlement(id: $id) { assignment { id } } }";
    let mut assignments = Vec::new();
    for unit in &given.units {
        assignments.push(shop.key.query(assignment, json!({"id": unit})).await.text("/entitlement/assignment/id"));
    }
    let imported = [import(app, "L1", "u-4", 1), import(app, "L2", "", 2)];
    import(app, "L2", "", 3);
    eventually("the events' positions", async || (count(app, waiting(app)).await == 0).then_some(())).await;
    Sold {
        line: placed.lines.first().expect("a line").clone(),
        order: placed.order,
        units: placed.units,
        held: held.try_into().expect("three reservations"),
        given: given.units,
        assignments,
        imported,
        shop,
    }
}

/// Imports an order of one row; its reference.
fn import(app: &App, reference: &str, account: &str, quantity: u32) -> String {
    let text = format!("external_reference,sku,quantity,assign_to\n{reference},S,{quantity},{account}\n");
    fs::write(app.database().directory().join("legacy.csv"), text).expect("a file");
    Program::over(app.database()).run(&["import", "orders", "legacy.csv", "--channel", "shop"]).answer();
    reference.to_owned()
}

fn waiting(app: &App) -> &'static str {
    match app.engine() {
        Engine::Sqlite => "SELECT 0 AS number",
        Engine::Postgres => "SELECT count(*) AS number FROM journal_pending",
    }
}

async fn count(app: &App, sql: &str) -> i64 {
    let connection = app.db().await;
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.expect("an answer").expect("a row");
    connection.close().await.expect("an orderly end");
    row.try_get::<i64>("", "number").unwrap_or_default()
}

async fn a_sound_database_is_proved_sound(app: App) {
    sell(&app).await;
    let answer = Program::over(app.database()).run(&["verify"]).answer();
    assert_eq!(answer, format!("{} invariants hold\n", CHECKS.len()));
}

/// Somebody with a connection and no respect.
struct Vandal(DatabaseConnection);

impl Vandal {
    async fn enter(app: &App) -> Self {
        let mut options = ConnectOptions::new(app.database().url());
        // One, for SQLite's pragmas are a connection's.
        options.max_connections(1).sqlx_logging(false);
        let connection = sea_orm::Database::connect(options).await.expect("a connection");
        if app.engine() == Engine::Sqlite {
            connection.execute_unprepared("PRAGMA foreign_keys = OFF").await.expect("a pragma");
            connection.execute_unprepared("PRAGMA ignore_check_constraints = ON").await.expect("a pragma");
        } else {
            for (table, constraint) in [("entitlements", "entitlements_line"), ("entitlements", "entitlements_held")] {
                let sql = format!("ALTER TABLE {table} DROP CONSTRAINT {constraint}");
                connection.execute_unprepared(&sql).await.expect("no constraint any more");
            }
        }
        for index in [
            "assignments_one_in_force",
            "reservations_one_held",
            "codes_one_live",
            "attempts_one_success",
            "entitlements_replaced_once",
        ] {
            connection.execute_unprepared(&format!("DROP INDEX {index}")).await.expect("no index any more");
        }
        Self(connection)
    }

    async fn run(&self, sql: &str, ids: &[Uuid]) {
        let values = ids.iter().map(|id| Value::from(*id));
        let statement = Statement::from_sql_and_values(self.0.get_database_backend(), sql, values);
        let done = self.0.execute_raw(statement).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(done.rows_affected() > 0, "nothing to spoil: {sql}");
    }

    /// The id that `sql` finds, as `id`, written as that of a `T`.
    async fn find<T: RecordId>(&self, sql: &str, ids: &[Uuid]) -> String {
        let values = ids.iter().map(|id| Value::from(*id));
        let statement = Statement::from_sql_and_values(self.0.get_database_backend(), sql, values);
        let row = self.0.query_one_raw(statement).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let id: Uuid = row.and_then(|row| row.try_get("", "id").ok()).unwrap_or_else(|| panic!("nothing: {sql}"));
        T::from(id).to_string()
    }
}

/// The bare id in a written one, of whatever kind: all are written alike.
fn bare(id: &str) -> Uuid {
    let suffix = id.split_once('_').map_or("", |(_, suffix)| suffix);
    let id = format!("ent_{suffix}").parse::<EntitlementId>();
    id.expect("an id").uuid()
}

async fn one_row_is_named(app: App) {
    let sold = sell(&app).await;
    let vandal = Vandal::enter(&app).await;
    vandal.run("UPDATE orders SET status = 'PARTIALLY_CANCELLED' WHERE id = $1", &[bare(&sold.order)]).await;
    vandal.0.close().await.expect("an orderly end");
    let ran = Program::over(app.database()).run(&["verify"]);
    assert_eq!(ran.refusal(1), "1 row breaks an invariant");
    let line = format!(
        "{}: it is PARTIALLY_CANCELLED and the journal says CONFIRMED (not so: an order's status is what the journal says last)\n",
        sold.order
    );
    assert_eq!(ran.stdout, line);
}

/// Breaks everything at once, each in rows of its own, and expects a line for each.
async fn every_breach_is_named(app: App) {
    let sold = sell(&app).await;
    let vandal = Vandal::enter(&app).await;
    let breaches = breach::all(&sold, &vandal).await;
    for Breach { sql, ids, .. } in breaches.iter().filter(|breach| !breach.sql.is_empty()) {
        vandal.run(sql, ids).await;
    }
    vandal.0.close().await.expect("an orderly end");

    let ran = Program::over(app.database()).run(&["verify"]);
    assert!(ran.refusal(1).ends_with(" rows break an invariant"), "{ran:?}");
    for Breach { holds, record, detail, .. } in &breaches {
        let named = ran.stdout.lines().any(|line| {
            line.starts_with(&format!("{record}: {detail}")) && line.ends_with(&format!("(not so: {holds})"))
        });
        assert!(named, "{record} does not break {holds:?}:\n{}", ran.stdout);
    }
    for check in CHECKS {
        assert!(breaches.iter().any(|breach| breach.holds == check.holds), "nobody broke {:?}", check.holds);
    }
}
