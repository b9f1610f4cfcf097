//! Writes of many at the same moment, which go to the database together: each is its own, and nobody waits or fails for another's sake.

use std::collections::HashSet;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, Statement, TransactionTrait as _};
use serde_json::json;

use crate::harness::{App, Engine, Shop, Test, both_engines, eventually, shop::product, within};

pub fn tests() -> Vec<Test> {
    both_engines![
        many_at_once_are_each_their_own,
        of_two_for_one_code_one_fails_and_alone,
        who_waits_for_a_lock_keeps_nobody_else_waiting,
    ]
}

const UNITS: usize = 64;
/// More than statements that are under way at a time.
const LOCKED: usize = 6;

/// A shop whose accounts are known: one that is made first writes by itself.
async fn shop(app: &App) -> Shop {
    product(app, "P", json!({})).await;
    let shop = Shop::open(app, "Alpha").await;
    let first = shop.place("o-0", json!([{"sku": "P", "quantity": 2}])).await;
    for (code, account) in first.codes.iter().zip(["bo", "eve"]) {
        shop.redeem(code, account).await.data();
    }
    shop
}

async fn many_at_once_are_each_their_own(app: App) {
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": UNITS}])).await;
    let answers = join_all(placed.codes.iter().map(|code| shop.redeem(code, "bo"))).await;
    let mut assignments = HashSet::new();
    for (unit, answer) in placed.units.iter().zip(answers) {
        assert_eq!(answer.text("/redeemCode/entitlement/id"), *unit);
        assert_eq!(answer.text("/redeemCode/entitlement/status"), "ACTIVE");
        assignments.insert(answer.text("/redeemCode/assignment/id"));
    }
    assert_eq!(assignments.len(), UNITS);
    app.assert_sound().await;
}

async fn of_two_for_one_code_one_fails_and_alone(app: App) {
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": UNITS}])).await;
    let redeem = async |code: &str, account: &str| {
        let input = json!({"code": code, "account": {"externalReference": account}});
        shop.key.mutate("redeemCode", "assignment { id }", input).await.refusal().map(str::to_owned)
    };
    let pairs = placed.codes.iter().map(async |code| tokio::join!(redeem(code, "bo"), redeem(code, "eve")));
    for (one, other) in join_all(pairs).await {
        let refused: Vec<_> = [one, other].into_iter().flatten().collect();
        assert_eq!(refused, ["ALREADY_REDEEMED"]);
    }
    app.assert_sound().await;
}

async fn who_waits_for_a_lock_keeps_nobody_else_waiting(app: App) {
    if app.engine() == Engine::Sqlite {
        // There is one lock, and whoever writes has it.
        return;
    }
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": UNITS}])).await;
    let connection = app.db().await;
    let holding = connection.begin().await.expect("a transaction");
    // The first of the order; those before are of the first order.
    let sql = format!("SELECT id FROM entitlements WHERE status = 'UNASSIGNED' ORDER BY id LIMIT {LOCKED} FOR UPDATE");
    holding.execute_raw(Statement::from_string(holding.get_database_backend(), sql)).await.expect("locks");
    let (stuck, free) = placed.codes.split_at(LOCKED);
    let stuck: Vec<_> = stuck
        .iter()
        .map(|code| {
            let (shop, code) = (shop.clone(), code.clone());
            tokio::spawn(async move { shop.redeem(&code, "bo").await })
        })
        .collect();
    eventually("somebody who waits", async || (app.waiting_for_locks().await > 0).then_some(())).await;
    let answers = within("all others", join_all(free.iter().map(|code| shop.redeem(code, "bo")))).await;
    for answer in answers {
        assert_eq!(answer.text("/redeemCode/entitlement/status"), "ACTIVE");
    }
    assert!(!stuck.iter().any(tokio::task::JoinHandle::is_finished));
    holding.rollback().await.expect("an end");
    connection.close().await.expect("an orderly end");
    for answer in within("whoever waited", join_all(stuck)).await {
        assert_eq!(answer.expect("an answer").text("/redeemCode/entitlement/status"), "ACTIVE");
    }
    app.assert_sound().await;
}
