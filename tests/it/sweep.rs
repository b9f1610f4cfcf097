//! Sweeps: what is stored follows the deadlines, which count whether or not a sweep has run.

use std::time::Duration;

use claimcheck::domain::sweep::{BATCH, Sweep};
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::harness::{
    App, Client, Desk, Shop, Test, both_engines,
    desk::act,
    eventually,
    shop::{Placed, product},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_unit_past_its_end_is_expired,
        a_suspended_unit_expires_as_well,
        a_hold_past_its_end_is_over,
        a_hold_ends_with_its_unit,
        what_is_late_is_reported_once,
        what_waits_for_nobody_is_not_late,
        an_attempt_that_never_reports_is_late_though_its_unit_is_over,
        what_cannot_be_swept_keeps_nothing_else_from_it,
        deadlines_count_before_any_sweep,
        a_code_past_its_window_is_shredded,
        a_key_is_remembered_for_seven_days,
        old_guesses_are_forgotten,
        a_sweep_run_again_writes_nothing_more,
        sweeps_at_once_write_each_thing_once,
        more_than_a_batch_is_swept_batch_by_batch,
    ]
}

/// Runs every sweep until there is nothing left to sweep.
pub async fn all(app: &App) {
    app.sweep().await;
}

async fn stock(app: &App, policy: Value, quantity: usize) -> (Shop, Placed) {
    product(app, "P", policy).await;
    let shop = Shop::open(app, "Alpha").await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": quantity}])).await;
    (shop, placed)
}

fn unit(placed: &Placed) -> &str {
    placed.units.first().expect("a unit")
}

async fn reserve(client: &Client, unit: &str, minutes: u32) -> String {
    let input = json!({"entitlementId": unit, "minutes": minutes, "account": {"externalReference": "ann"}});
    client.mutate("reserveEntitlement", "reservation { id }", input).await.done().text("/reservation/id")
}

async fn entitlement(client: &Client, unit: &str) -> Value {
    let query = "query ($id: ID!) { entitlement(id: $id) {
        status activationCode { status } reservation { id } assignment { status } allowedActions
    } }";
    client.query(query, json!({"id": unit})).await.at("/entitlement").clone()
}

/// The events of a unit after its order's, each as its type, the state of its record and the unit's.
async fn told(client: &Client, unit: &str) -> Vec<Value> {
    let query = "query ($id: ID!) { entitlement(id: $id) { timeline(first: 100) { nodes { type toStatus entitlementTo actor } } } }";
    let answer = client.query(query, json!({"id": unit})).await;
    let events = answer.list("/entitlement/timeline/nodes").iter().skip(1);
    events.map(|event| json!([event.get("type"), event.get("toStatus"), event.get("entitlementTo")])).collect()
}

async fn rows(app: &App, count: &str) -> i64 {
    let connection = app.db().await;
    let statement =
        Statement::from_string(connection.get_database_backend(), format!("SELECT count(*) AS n FROM {count}"));
    let row = connection.query_one_raw(statement).await.expect("a count").expect("a row");
    connection.close().await.expect("an orderly end");
    row.try_get("", "n").expect("a number")
}

async fn a_unit_past_its_end_is_expired(app: App) {
    let (shop, placed) = stock(&app, json!({"validForDays": 1}), 1).await;
    app.clock.advance(Duration::from_secs(86_399));
    all(&app).await;
    assert_eq!(entitlement(&shop.key, unit(&placed)).await.get("status"), Some(&json!("UNASSIGNED")));
    app.clock.advance(Duration::from_secs(1));
    all(&app).await;
    let seen = entitlement(&shop.key, unit(&placed)).await;
    assert_eq!(seen.get("status"), Some(&json!("EXPIRED")));
    assert_eq!(seen.pointer("/activationCode/status"), Some(&json!("EXPIRED")));
    let expected = [json!(["CODE_EXPIRED", "EXPIRED", null]), json!(["ENTITLEMENT_EXPIRED", "EXPIRED", "EXPIRED"])];
    assert_eq!(told(&shop.key, unit(&placed)).await, expected);
    app.assert_sound().await;
}

async fn a_suspended_unit_expires_as_well(app: App) {
    let (shop, placed) = stock(&app, json!({"validForDays": 1}), 1).await;
    let input = json!({"entitlementId": unit(&placed), "reason": "a dispute"});
    app.admin().mutate("suspendEntitlement", "entitlement { status }", input).await.done();
    app.clock.advance(Duration::from_hours(24));
    all(&app).await;
    assert_eq!(entitlement(&shop.key, unit(&placed)).await.get("status"), Some(&json!("EXPIRED")));
    app.assert_sound().await;
}

async fn a_hold_past_its_end_is_over(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    reserve(&shop.key, unit(&placed), 10).await;
    app.clock.advance(Duration::from_mins(10));
    all(&app).await;
    let seen = entitlement(&shop.key, unit(&placed)).await;
    assert_eq!(seen.get("status"), Some(&json!("UNASSIGNED")));
    assert_eq!(seen.pointer("/activationCode/status"), Some(&json!("ISSUED")), "a hold keeps the code");
    let expected =
        [json!(["RESERVATION_HELD", "HELD", "RESERVED"]), json!(["RESERVATION_EXPIRED", "EXPIRED", "UNASSIGNED"])];
    assert_eq!(told(&shop.key, unit(&placed)).await, expected);
    app.assert_sound().await;
}

async fn a_hold_ends_with_its_unit(app: App) {
    let (shop, placed) = stock(&app, json!({"validForDays": 1}), 1).await;
    app.clock.advance(Duration::from_mins(24 * 60 - 5));
    let hold = reserve(&shop.key, unit(&placed), 10).await;
    app.clock.advance(Duration::from_mins(5));
    for (mutation, more) in [
        ("extendReservation", json!({"minutes": 5})),
        ("confirmReservation", json!({})),
        ("releaseReservation", json!({})),
    ] {
        let mut input = json!({"reservationId": hold});
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let answer = shop.key.mutate(mutation, "reservation { id }", input).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{mutation}");
        assert!(answer.text("/userErrors/0/message").contains("EXPIRED"), "no sweep has run");
    }
    all(&app).await;
    let expected = [
        json!(["RESERVATION_HELD", "HELD", "RESERVED"]),
        json!(["RESERVATION_RELEASED", "RELEASED", "UNASSIGNED"]),
        json!(["CODE_EXPIRED", "EXPIRED", null]),
        json!(["ENTITLEMENT_EXPIRED", "EXPIRED", "EXPIRED"]),
    ];
    assert_eq!(told(&shop.key, unit(&placed)).await, expected);
    app.assert_sound().await;
}

async fn overdue(client: &Client) -> Vec<Value> {
    let query = "{ exceptions(filter: { kind: [OVERDUE] }) { nodes { status reason entitlement { id } } } }";
    client.query(query, json!({})).await.list("/exceptions/nodes").to_vec()
}

async fn what_is_late_is_reported_once(app: App) {
    let policy = json!({
        "provisioning": "EXTERNAL", "requiredInput": ["seat"], "inputDeadlineHours": 1, "provisioningDeadlineMinutes": 30,
    });
    let (shop, placed) = stock(&app, policy, 3).await;
    let worker = app.key("PROVISIONER", json!({})).await;
    let [waiting, working, pending] = placed.units.as_slice() else { panic!("three units") };
    for (unit, given) in [(waiting, json!({})), (working, json!({"seat": "1a"}))] {
        let input = json!({"entitlementId": unit, "account": {"externalReference": "ann"}, "input": given});
        shop.key.mutate("assignEntitlement", "assignment { status }", input).await.done();
    }
    worker.mutate("claimProvisioning", "attempts { attempt { id } }", json!({})).await.done();
    let input = json!({"entitlementId": pending, "account": {"externalReference": "ann"}, "input": {"seat": "1b"}});
    shop.key.mutate("assignEntitlement", "assignment { status }", input).await.done();

    app.clock.advance(Duration::from_mins(30) - Duration::from_secs(1));
    all(&app).await;
    assert_eq!(overdue(&shop.key).await, [] as [Value; 0]);
    app.clock.advance(Duration::from_secs(1));
    all(&app).await;
    let late: Vec<Value> = overdue(&shop.key).await;
    assert_eq!(late.len(), 2);
    for (unit, state) in [(working, "PROVISIONING"), (pending, "PENDING")] {
        let about = |one: &&Value| one.pointer("/entitlement/id") == Some(&json!(unit));
        let reason = late.iter().find(about).and_then(|one| one.get("reason")?.as_str()).expect("a reason");
        assert!(reason.contains(state), "{reason}");
    }
    app.clock.advance(Duration::from_mins(30));
    all(&app).await;
    assert_eq!(overdue(&shop.key).await.len(), 3, "input may be waited for an hour");
    app.clock.advance(Duration::from_hours(1));
    all(&app).await;
    assert_eq!(overdue(&shop.key).await.len(), 3, "each is reported once");
    app.assert_sound().await;
}

async fn what_waits_for_nobody_is_not_late(app: App) {
    let (shop, placed) = stock(&app, json!({"provisioning": "EXTERNAL", "provisioningDeadlineMinutes": 30}), 1).await;
    let input = json!({"entitlementId": unit(&placed), "account": {"externalReference": "ann"}});
    shop.key.mutate("assignEntitlement", "assignment { status }", input).await.done();
    let suspension = json!({"entitlementId": unit(&placed), "reason": "a dispute"});
    app.admin().mutate("suspendEntitlement", "entitlement { status }", suspension.clone()).await.done();
    app.clock.advance(Duration::from_hours(1));
    all(&app).await;
    let listed = "{ late: assignments(filter: { overdue: true }) { totalCount } others: assignments(filter: { overdue: false }) { totalCount } }";
    let counted = shop.key.query(listed, json!({})).await;
    assert_eq!(counted.data(), &json!({"late": {"totalCount": 0}, "others": {"totalCount": 1}}));
    assert_eq!(overdue(&shop.key).await, [] as [Value; 0], "it is halted on purpose");
    app.admin().mutate("resumeEntitlement", "entitlement { status }", suspension).await.done();
    let counted = shop.key.query(listed, json!({})).await;
    assert_eq!(counted.data(), &json!({"late": {"totalCount": 1}, "others": {"totalCount": 0}}));
    all(&app).await;
    assert_eq!(overdue(&shop.key).await.len(), 1);
    app.assert_sound().await;
}

async fn an_attempt_that_never_reports_is_late_though_its_unit_is_over(app: App) {
    let policy = json!({"provisioning": "EXTERNAL", "provisioningDeadlineMinutes": 30});
    let desk = Desk::open(&app, policy, 1).await;
    desk.assign(desk.unit(0), "bo").await;
    desk.claim().await;
    act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    app.clock.advance(Duration::from_hours(2));
    app.sweep().await;
    let query = "{ exceptions { nodes { id kind status allowedResolutions } } }";
    let open = desk.support.query(query, json!({})).await;
    assert_eq!(open.list("/exceptions/nodes").len(), 1);
    assert_eq!(open.at("/exceptions/nodes/0/kind"), "OVERDUE");
    assert_eq!(open.at("/exceptions/nodes/0/allowedResolutions"), &json!(["RETRIED", "DISMISSED"]));
    let id = open.text("/exceptions/nodes/0/id");
    let input = json!({"exceptionId": id, "resolution": "RETRIED", "note": "ask downstream"});
    desk.support.mutate("resolveException", "exception { status }", input).await.done();
    app.sweep().await;
    assert_eq!(desk.support.query(query, json!({})).await.list("/exceptions/nodes").len(), 1, "it has more time");
    let again = desk.claim().await;
    desk.complete(again.first().expect("an attempt")).await;
    desk.work().await;
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / none / REVOKED");
    app.assert_sound().await;
}

async fn what_cannot_be_swept_keeps_nothing_else_from_it(app: App) {
    product(&app, "Q", json!({"validForDays": 1})).await;
    let (shop, _) = stock(&app, json!({"validForDays": 1}), BATCH / 2).await;
    let spoilt = shop.place("o-2", json!([{"sku": "Q", "quantity": 1}])).await;
    shop.place("o-3", json!([{"sku": "P", "quantity": BATCH}])).await;
    let terms = async |required: &str| {
        let connection = app.db().await;
        let sql =
            "UPDATE policies SET required_input = '{}' WHERE product_id = (SELECT id FROM products WHERE sku = 'Q')";
        let sql = sql.replace("{}", required);
        connection.execute_unprepared(&sql).await.expect("an update");
        connection.close().await.expect("an orderly end");
    };
    terms("{}").await;
    app.clock.advance(Duration::from_hours(24));
    for _ in 0..2 {
        // The service sweeps as well, and what it is at is passed over.
        Box::pin(eventually("all others being swept, and this one tried again", async || {
            let mut walk = Sweep::Entitlements.begin();
            while walk.step(app.store()).await.expect("a sweep") {}
            let failed: Vec<String> = walk.failed.iter().map(|(unit, _)| unit.to_string()).collect();
            let left = rows(&app, "entitlements WHERE status <> 'EXPIRED'").await;
            (failed == spoilt.units && left == 1).then_some(())
        }))
        .await;
    }
    terms("[]").await;
    Box::pin(eventually("the last one being swept", async || {
        all(&app).await;
        (rows(&app, "entitlements WHERE status <> 'EXPIRED'").await == 0).then_some(())
    }))
    .await;
    app.assert_sound().await;
}

async fn deadlines_count_before_any_sweep(app: App) {
    let (shop, placed) = stock(&app, json!({"validForDays": 1}), 2).await;
    let [held, free] = placed.units.as_slice() else { panic!("two units") };
    reserve(&shop.key, held, 10).await;
    app.clock.advance(Duration::from_mins(10));
    let seen = entitlement(&shop.key, held).await;
    let actions = json!(["RESERVE", "ASSIGN", "REDEEM", "TRANSFER", "REVOKE", "REISSUE", "ROTATE_CODE"]);
    assert_eq!(seen.get("allowedActions"), Some(&actions), "of one whose hold is over");
    app.clock.advance(Duration::from_hours(24));
    let support = app.key("SUPPORT", json!({})).await;
    let seen = entitlement(&support, free).await;
    assert_eq!(seen.get("allowedActions"), Some(&json!(["REISSUE", "EXTEND"])), "of one that is over");
    let account = json!({"externalReference": "bo"});
    for (mutation, selection, more) in [
        ("reserveEntitlement", "reservation { id }", json!({"account": account})),
        ("assignEntitlement", "assignment { id }", json!({"account": account})),
        ("rotateActivationCode", "entitlement { id }", json!({"reason": "lost"})),
        ("transferEntitlement", "entitlement { id }", json!({"recipient": {"name": "Bo"}})),
        ("suspendEntitlement", "entitlement { id }", json!({"reason": "a dispute"})),
        ("revokeEntitlement", "entitlement { id }", json!({"reason": "fraud"})),
    ] {
        let mut input = json!({"entitlementId": free});
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let answer = support.mutate(mutation, selection, input).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{mutation}");
        assert!(answer.text("/userErrors/0/message").contains("EXPIRED"), "{mutation} names the state");
        assert_eq!(answer.at("/userErrors/0/allowedActions"), &json!(["REISSUE", "EXTEND"]), "{mutation}");
    }
    let late = shop.redeem(placed.codes.last().expect("a code"), "bo").await;
    assert_eq!(late.at("/redeemCode/userErrors/0/code"), "CODE_EXPIRED");
    app.assert_sound().await;
}

async fn a_code_past_its_window_is_shredded(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let sealed = "activation_codes WHERE sealed IS NOT NULL";
    app.clock.advance(Duration::from_hours(30 * 24) - Duration::from_secs(1));
    all(&app).await;
    assert_eq!(rows(&app, sealed).await, 1);
    app.clock.advance(Duration::from_secs(1));
    let query = "query ($id: ID!) { entitlement(id: $id) { activationCode { id revealable status } } }";
    let seen = shop.key.query(query, json!({"id": unit(&placed)})).await;
    assert_eq!(seen.at("/entitlement/activationCode/revealable"), false, "no sweep has run");
    let input = json!({"activationCodeId": seen.at("/entitlement/activationCode/id"), "reason": "lost"});
    let answer = shop.key.mutate("revealActivationCode", "issuedCode { code }", input).await;
    assert_eq!(answer.refusal(), Some("INVALID_STATE"));
    all(&app).await;
    assert_eq!(rows(&app, sealed).await, 0);
    shop.redeem(placed.codes.first().expect("a code"), "ann").await.data();
    assert_eq!(entitlement(&shop.key, unit(&placed)).await.get("status"), Some(&json!("ACTIVE")), "it still redeems");
    app.assert_sound().await;
}

async fn a_key_is_remembered_for_seven_days(app: App) {
    let (shop, placed) = stock(&app, json!({}), 2).await;
    let rotate = async |unit: &str| {
        let input = json!({"entitlementId": unit, "reason": "lost", "idempotencyKey": "k-1"});
        shop.key.mutate("rotateActivationCode", "entitlement { version }", input).await
    };
    let first = rotate(unit(&placed)).await.done();
    app.clock.advance(Duration::from_hours(7 * 24) - Duration::from_secs(1));
    all(&app).await;
    let again = rotate(unit(&placed)).await.done();
    assert_eq!(again.at("/entitlement/version"), first.at("/entitlement/version"));
    assert_eq!(rotate(placed.units.last().expect("a unit")).await.refusal(), Some("IDEMPOTENCY_KEY_REUSED"));
    app.clock.advance(Duration::from_secs(1));
    rotate(placed.units.last().expect("a unit")).await.done();
    assert_eq!(rows(&app, "idempotency_keys").await, 1, "it is the second one's, whether a sweep has run or not");
    assert_eq!(rotate(unit(&placed)).await.refusal(), Some("IDEMPOTENCY_KEY_REUSED"));
    app.clock.advance(Duration::from_hours(7 * 24));
    all(&app).await;
    assert_eq!(rows(&app, "idempotency_keys").await, 0);
}

async fn old_guesses_are_forgotten(app: App) {
    let (shop, _) = stock(&app, json!({}), 1).await;
    let code = claimcheck::domain::activation_code::code::Code::random().expect("randomness").reveal();
    shop.redeem(&code, "ann").await.data();
    assert_eq!(rows(&app, "code_guesses").await, 1);
    app.clock.advance(Duration::from_mins(59));
    all(&app).await;
    assert_eq!(rows(&app, "code_guesses").await, 1);
    app.clock.advance(Duration::from_mins(1));
    all(&app).await;
    assert_eq!(rows(&app, "code_guesses").await, 0);
}

/// Units whose time is up, units whose holds are over and units that are late; how many events there were before.
async fn due(app: &App) -> i64 {
    let policy = json!({"provisioning": "EXTERNAL", "provisioningDeadlineMinutes": 30});
    let (shop, placed) = stock(app, policy, 20).await;
    product(app, "Q", json!({"validForDays": 1})).await;
    shop.place("o-2", json!([{"sku": "Q", "quantity": 10}])).await;
    for (place, unit) in placed.units.iter().enumerate() {
        if place % 2 == 0 {
            reserve(&shop.key, unit, 10).await;
        } else {
            let input = json!({"entitlementId": unit, "account": {"externalReference": "ann"}});
            shop.key.mutate("assignEntitlement", "assignment { status }", input).await.done();
        }
    }
    let before = app.events().await;
    app.clock.advance(Duration::from_hours(24));
    before
}

/// What a sweep of [`due`] writes: an event for each hold and each exception, two for each unit with its code.
const DUE: i64 = 10 + 10 + 10 * 2;

async fn a_sweep_run_again_writes_nothing_more(app: App) {
    let before = due(&app).await;
    all(&app).await;
    assert_eq!(app.events().await - before, DUE);
    for _ in 0..2 {
        all(&app).await;
    }
    assert_eq!(app.events().await - before, DUE);
    app.assert_sound().await;
}

async fn sweeps_at_once_write_each_thing_once(app: App) {
    let other = app.second_node().await;
    let before = due(&app).await;
    tokio::join!(all(&app), all(&other), all(&app));
    all(&app).await;
    assert_eq!(app.events().await - before, DUE);
    assert_eq!(rows(&app, "entitlements WHERE status = 'EXPIRED'").await, 10);
    assert_eq!(rows(&app, "reservations WHERE status = 'HELD'").await, 0);
    assert_eq!(rows(&app, "fulfillment_exceptions WHERE status = 'OPEN'").await, 10);
    app.assert_sound().await;
}

async fn more_than_a_batch_is_swept_batch_by_batch(app: App) {
    stock(&app, json!({"validForDays": 1}), BATCH * 2 + 1).await;
    app.clock.advance(Duration::from_hours(24));
    let mut runs = 1;
    let mut walk = Sweep::Entitlements.begin();
    while walk.step(app.store()).await.expect("a sweep") {
        runs += 1;
    }
    assert!(runs <= 3, "no batch is small without need: {runs}");
    assert_eq!(rows(&app, "entitlements WHERE status <> 'EXPIRED'").await, 0);
    assert_eq!(rows(&app, "activation_codes WHERE status <> 'EXPIRED'").await, 0);
    app.assert_sound().await;
}
