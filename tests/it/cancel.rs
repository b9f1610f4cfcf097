//! Cancelling an order: what nobody has is taken back at once, whatever its number, and told of by one event.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Desk, Test, both_engines,
    desk::{WHY, act, cancel, release, told},
    shop::product,
};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_order_that_nobody_has_anything_of_is_gone,
        what_somebody_has_is_left,
        an_order_is_cancelled_to_its_end,
        what_somebody_has_is_taken_where_that_is_asked_for,
        what_is_downstream_is_taken_down,
        what_is_held_or_suspended_is_taken_back,
        what_ended_by_itself_is_left_to_its_end,
        a_successor_is_cancelled_with_the_order,
        a_large_order_takes_as_many_statements_as_a_small_one,
        taking_what_somebody_has_takes_as_many_statements_whatever_their_number,
        what_was_open_about_what_is_taken_is_settled,
        only_the_desk_takes_what_somebody_has,
        an_old_version_is_refused,
        of_two_at_once_one_cancels,
        a_repeat_cancels_nothing_more,
        whoever_watches_a_unit_sees_it_go,
    ]
}

/// The order's own events after it was placed.
async fn told_of_order(client: &Client, order: &str) -> Vec<Value> {
    let query = "query ($id: ID!) { events(first: 100, filter: { orderId: $id, types: [ORDER_CANCELLED] }) { nodes {
        fromStatus toStatus quantity reason
    } } }";
    let answer = client.query(query, json!({"id": order})).await;
    let own = answer.list("/events/nodes").iter();
    let members = ["fromStatus", "toStatus", "quantity", "reason"];
    own.map(|event| members.iter().map(|member| event.get(member).cloned().unwrap_or_default()).collect()).collect()
}

async fn an_order_that_nobody_has_anything_of_is_gone(app: App) {
    let desk = Desk::open(&app, json!({}), 3).await;
    let before = app.events().await;
    let answer = cancel(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    assert_eq!(answer.at("/order/status"), "CANCELLED");
    assert_eq!(answer.at("/order/fulfillmentStatus"), "UNFULFILLED");
    assert_eq!(answer.at("/order/version"), 2);
    assert_eq!(app.events().await, before + 1, "one event for all");
    let expected = json!(["CONFIRMED", "CANCELLED", 3, WHY]);
    assert_eq!(told_of_order(&desk.shop.key, &desk.placed.order).await, [expected]);
    assert_eq!(
        told(&desk.shop.key, desk.unit(0)).await,
        ["ORDER_CANCELLED CONFIRMED>CANCELLED"],
        "in each one's story"
    );
    assert_eq!(desk.statistics().await, "ordered 3, revoked 3");
    for (unit, code) in desk.placed.units.iter().zip(&desk.placed.codes) {
        assert_eq!(desk.state(unit).await, "REVOKED / none / REVOKED");
        let late = desk.shop.redeem(code, "bo").await;
        assert_eq!(late.at("/redeemCode/userErrors/0/code"), "CODE_REVOKED");
    }
    let again = cancel(&desk.shop.key, &desk.placed.order, json!({})).await;
    assert_eq!(again.refusal(), Some("INVALID_STATE"));
    assert!(again.text("/userErrors/0/message").contains("CANCELLED"), "it names the present state");
    app.assert_sound().await;
}

async fn what_somebody_has_is_left(app: App) {
    let desk = Desk::open(&app, json!({}), 3).await;
    desk.shop.redeem(desk.code(0), "bo").await.data();
    let answer = cancel(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    assert_eq!(answer.at("/order/status"), "PARTIALLY_CANCELLED");
    assert_eq!(answer.at("/order/fulfillmentStatus"), "FULFILLED", "all that is left");
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / ACTIVE / REDEEMED");
    assert_eq!(desk.statistics().await, "ordered 3, active 1, revoked 2");
    let expected = json!(["CONFIRMED", "PARTIALLY_CANCELLED", 2, WHY]);
    assert_eq!(told_of_order(&desk.shop.key, &desk.placed.order).await, [expected]);
    app.assert_sound().await;
}

async fn an_order_is_cancelled_to_its_end(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let assignments = [desk.assign(desk.unit(0), "bo").await, desk.assign(desk.unit(1), "cy").await];
    let first = cancel(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    assert_eq!(first.at("/order/status"), "PARTIALLY_CANCELLED", "nothing was free");
    let none = cancel(&desk.shop.key, &desk.placed.order, json!({})).await;
    assert_eq!(none.refusal(), Some("INVALID_STATE"), "nothing is free");
    for assignment in &assignments {
        release(&desk.shop.key, assignment, json!({})).await.done();
    }
    let last = cancel(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    assert_eq!(last.at("/order/status"), "CANCELLED");
    let expected =
        [json!(["CONFIRMED", "PARTIALLY_CANCELLED", 0, WHY]), json!(["PARTIALLY_CANCELLED", "CANCELLED", 2, WHY])];
    assert_eq!(told_of_order(&desk.shop.key, &desk.placed.order).await, expected);
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / none / REVOKED", "its fresh code died too");
    app.assert_sound().await;
}

async fn what_somebody_has_is_taken_where_that_is_asked_for(app: App) {
    let desk = Desk::open(&app, json!({"requiredInput": ["seat"]}), 4).await;
    desk.assign(desk.unit(0), "bo").await;
    desk.assign(desk.unit(1), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(1)).await.done();
    let answer = cancel(&desk.support, &desk.placed.order, json!({"includeAssigned": true})).await.done();
    assert_eq!(answer.at("/order/status"), "CANCELLED");
    assert_eq!(desk.statistics().await, "ordered 4, revoked 4");
    let expected = json!(["CONFIRMED", "CANCELLED", 2, WHY]);
    assert_eq!(told_of_order(&desk.support, &desk.placed.order).await, [expected], "those that nobody had");
    let story = [
        "CODE_REVOKED ISSUED>REVOKED",
        "ASSIGNMENT_AWAITING_INPUT AWAITING_INPUT, unit UNASSIGNED>ASSIGNED",
        "ORDER_CANCELLED CONFIRMED>CANCELLED",
        "ENTITLEMENT_REVOKED ASSIGNED>REVOKED, unit ASSIGNED>REVOKED",
        "ASSIGNMENT_CANCELLED AWAITING_INPUT>CANCELLED",
    ];
    assert_eq!(told(&desk.support, desk.unit(0)).await, story);
    let suspended = told(&desk.support, desk.unit(1)).await;
    let revoked = "ENTITLEMENT_REVOKED SUSPENDED>REVOKED, unit SUSPENDED>REVOKED";
    assert!(suspended.iter().any(|line| line == revoked), "{suspended:?}");
    app.assert_sound().await;
}

async fn what_is_downstream_is_taken_down(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 3).await;
    desk.provisioned(desk.unit(0)).await;
    desk.assign(desk.unit(1), "bo").await;
    let running = desk.claim().await;
    desk.assign(desk.unit(2), "bo").await;
    cancel(&desk.support, &desk.placed.order, json!({"includeAssigned": true})).await.done();
    for (place, assignment) in ["DEPROVISIONING", "PROVISIONING", "none"].into_iter().enumerate() {
        assert_eq!(desk.state(desk.unit(place)).await, format!("REVOKED / {assignment} / REVOKED"));
    }
    app.assert_sound().await;
    desk.complete(running.first().expect("an attempt")).await;
    desk.work().await;
    for unit in &desk.placed.units {
        assert_eq!(desk.state(unit).await, "REVOKED / none / REVOKED");
    }
    app.assert_sound().await;
}

async fn what_is_held_or_suspended_is_taken_back(app: App) {
    let desk = Desk::open(&app, json!({"reservationMinutes": 10}), 4).await;
    let lapsed = desk.reserve(desk.unit(0), "bo").await;
    app.clock.advance(Duration::from_mins(10));
    let held = desk.reserve(desk.unit(1), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(2)).await.done();
    desk.assign(desk.unit(3), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(3)).await.done();
    let answer = cancel(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    assert_eq!(answer.at("/order/status"), "PARTIALLY_CANCELLED", "the suspended one is somebody's");
    for unit in [desk.unit(0), desk.unit(1), desk.unit(2)] {
        assert_eq!(desk.state(unit).await, "REVOKED / none / REVOKED");
    }
    assert_eq!(desk.state(desk.unit(3)).await, "SUSPENDED / ACTIVE / REVOKED");
    let query = "query ($id: ID!) { node(id: $id) { ... on Reservation { status } } }";
    for (hold, status) in [(lapsed, "EXPIRED"), (held, "RELEASED")] {
        let answer = desk.shop.key.query(query, json!({"id": hold})).await;
        assert_eq!(answer.at("/node/status"), status, "as its deadline says, swept or not");
        let confirm = desk.shop.key.mutate("confirmReservation", "assignment { id }", json!({"reservationId": hold}));
        assert!(confirm.await.refusal().is_some());
    }
    assert_eq!(desk.statistics().await, "ordered 4, suspended 1, revoked 3");
    app.assert_sound().await;
}

async fn what_ended_by_itself_is_left_to_its_end(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 3).await;
    desk.assign(desk.unit(0), "bo").await;
    act(&desk.support, "extendEntitlement", desk.unit(1)).await.done();
    app.clock.advance(Duration::from_hours(24));
    let answer = cancel(&desk.support, &desk.placed.order, json!({"includeAssigned": true})).await.done();
    assert_eq!(answer.at("/order/status"), "CANCELLED");
    let expected = json!(["CONFIRMED", "CANCELLED", 1, WHY]);
    assert_eq!(told_of_order(&desk.support, &desk.placed.order).await, [expected], "the one that still lived");
    assert_eq!(desk.state(desk.unit(1)).await, "REVOKED / none / REVOKED");
    for unit in [desk.unit(0), desk.unit(2)] {
        let state = desk.state(unit).await;
        assert!(!state.starts_with("REVOKED"), "{state}");
    }
    app.assert_sound().await;
}

async fn a_successor_is_cancelled_with_the_order(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let new = act(&desk.support, "reissueEntitlement", desk.unit(0)).await.done();
    cancel(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    let late = desk.shop.redeem(&new.text("/issuedCode/code"), "bo").await;
    assert_eq!(late.at("/redeemCode/userErrors/0/code"), "CODE_REVOKED");
    assert_eq!(desk.statistics().await, "ordered 1, reissued 1, revoked 2");
    let again = act(&desk.support, "reissueEntitlement", &new.text("/entitlement/id")).await.done();
    assert_eq!(again.at("/entitlement/status"), "UNASSIGNED", "the desk may still make up for a mistake");
    app.assert_sound().await;
}

async fn a_large_order_takes_as_many_statements_as_a_small_one(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let large = desk.shop.place("large", json!([{"sku": "P", "quantity": 2_000}])).await;
    let held = desk.reserve(large.units.first().expect("a unit"), "bo").await;
    app.statements();
    let answer = cancel(&desk.shop.key, &large.order, json!({})).await.done();
    let statements = app.statements();
    assert!(statements < 60, "{statements} statements");
    assert_eq!(answer.at("/order/status"), "CANCELLED");
    let expected = json!(["CONFIRMED", "CANCELLED", 2_000, WHY]);
    assert_eq!(told_of_order(&desk.shop.key, &large.order).await, [expected]);
    assert_eq!(desk.statistics().await, "ordered 2001, unassigned 1, revoked 2000", "the other order stands");
    let confirm = desk.shop.key.mutate("confirmReservation", "assignment { id }", json!({"reservationId": held})).await;
    assert_eq!(confirm.refusal(), Some("INVALID_STATE"));
    app.assert_sound().await;
}

async fn taking_what_somebody_has_takes_as_many_statements_whatever_their_number(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    product(&app, "Q", json!({})).await;
    let bought = |quantity: usize| {
        let to =
            |sku: &str, who: &str| json!({"sku": sku, "quantity": quantity, "assignTo": {"externalReference": who}});
        json!([to("P", "bo"), to("P", "cy"), to("Q", "bo"), {"sku": "Q", "quantity": quantity}])
    };
    let mut counted = Vec::new();
    for (reference, quantity) in [("small", 2), ("large", 1_500)] {
        let placed = desk.shop.place(reference, bought(quantity)).await;
        for unit in placed.units.iter().take(2) {
            act(&desk.support, "suspendEntitlement", unit).await.done();
        }
        let before = app.events().await;
        app.statements();
        let answer = cancel(&desk.support, &placed.order, json!({"includeAssigned": true})).await.done();
        counted.push(app.statements());
        assert_eq!(answer.at("/order/status"), "CANCELLED");
        let events = i64::try_from(quantity * 3 * 2 + 1).expect("a number");
        assert_eq!(app.events().await - before, events, "two for each that somebody had, and the order's own");
        let expected = json!(["CONFIRMED", "CANCELLED", quantity, WHY]);
        assert_eq!(told_of_order(&desk.support, &placed.order).await, [expected]);
    }
    assert!(counted.iter().all(|statements| *statements < 200), "{counted:?} statements, with those of the feed");
    let bo = desk.customer("bo").await;
    let own = "{ viewer { account { assignments(first: 100) { totalCount } } } }";
    assert_eq!(bo.query(own, json!({})).await.number("/viewer/account/assignments/totalCount"), 2 * 1_502);
    let told = "{ events(first: 100, filter: { types: [ASSIGNMENT_CANCELLED] }) { totalCount nodes { assignment { status } } } }";
    let told = bo.query(told, json!({})).await;
    assert!(!told.list("/events/nodes").is_empty(), "whoever had one is told");
    app.assert_sound().await;
}

async fn what_was_open_about_what_is_taken_is_settled(app: App) {
    let policy = json!({"provisioning": "EXTERNAL", "provisioningDeadlineMinutes": 30});
    let desk = Desk::open(&app, policy, 3).await;
    desk.assign(desk.unit(0), "bo").await;
    let running = desk.claim().await;
    desk.fail(running.first().expect("an attempt")).await;
    desk.assign(desk.unit(1), "bo").await;
    let unknown = desk.claim().await;
    desk.assign(desk.unit(2), "bo").await;
    app.clock.advance(Duration::from_mins(30));
    app.sweep().await;
    cancel(&desk.support, &desk.placed.order, json!({"includeAssigned": true})).await.done();
    let query = "query ($id: ID!) { entitlement(id: $id) { exceptions { kind status resolution resolvedBy } } }";
    for (unit, kind, resolution) in [
        (0, "PROVISIONING_FAILED", json!("SUPERSEDED")),
        (1, "OVERDUE", Value::Null),
        (2, "OVERDUE", json!("SUPERSEDED")),
    ] {
        let found = desk.support.query(query, json!({"id": desk.unit(unit)})).await;
        assert_eq!(found.list("/entitlement/exceptions").len(), 1);
        assert_eq!(found.at("/entitlement/exceptions/0/kind"), kind);
        assert_eq!(found.at("/entitlement/exceptions/0/resolution"), &resolution, "{kind} of unit {unit}");
    }
    let last = told(&desk.support, desk.unit(2)).await;
    assert!(last.iter().any(|line| line == "EXCEPTION_RESOLVED OPEN>RESOLVED"), "{last:?}");
    app.assert_sound().await;
    desk.complete(unknown.first().expect("an attempt")).await;
    let found = desk.support.query(query, json!({"id": desk.unit(1)})).await;
    assert_eq!(found.at("/entitlement/exceptions/0/resolution"), "SUPERSEDED", "its attempt has reported");
    app.assert_sound().await;
}

async fn only_the_desk_takes_what_somebody_has(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    desk.assign(desk.unit(0), "bo").await;
    for order in [desk.placed.order.as_str(), "ord_01h455vb4pex5vsknk084sn02q"] {
        let answer = cancel(&desk.shop.key, order, json!({"includeAssigned": true})).await;
        assert_eq!(answer.code(), Some("FORBIDDEN"), "before anything is looked up");
    }
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / ACTIVE / REVOKED");
}

async fn an_old_version_is_refused(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    desk.assign(desk.unit(0), "bo").await;
    cancel(&desk.shop.key, &desk.placed.order, json!({"expectedVersion": 1})).await.done();
    let all = json!({"expectedVersion": 1, "includeAssigned": true});
    let stale = cancel(&desk.support, &desk.placed.order, all).await;
    assert_eq!(stale.refusal(), Some("STALE_VERSION"));
    assert_eq!(stale.at("/userErrors/0/field"), &json!(["expectedVersion"]));
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / ACTIVE / REVOKED");
}

async fn of_two_at_once_one_cancels(app: App) {
    let desk = Desk::open(&app, json!({}), 50).await;
    let (support, shop) = desk.elsewhere().await;
    let clients = [&desk.support, &support, &desk.shop.key, &shop];
    let answers = join_all(clients.map(|client| cancel(client, &desk.placed.order, json!({})))).await;
    let refusals: Vec<Option<&str>> = answers.iter().map(Answer::refusal).collect();
    assert_eq!(refusals.iter().filter(|refusal| refusal.is_none()).count(), 1, "{refusals:?}");
    assert_eq!(refusals.iter().filter(|refusal| **refusal == Some("INVALID_STATE")).count(), 3, "{refusals:?}");
    let expected = json!(["CONFIRMED", "CANCELLED", 50, WHY]);
    assert_eq!(told_of_order(&desk.support, &desk.placed.order).await, [expected]);
    assert_eq!(desk.statistics().await, "ordered 50, revoked 50");
    app.assert_sound().await;
}

async fn a_repeat_cancels_nothing_more(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let assignment = desk.assign(desk.unit(0), "bo").await;
    let key = json!({"idempotencyKey": "k"});
    cancel(&desk.shop.key, &desk.placed.order, key.clone()).await.done();
    release(&desk.shop.key, &assignment, json!({})).await.done();
    let again = cancel(&desk.shop.key, &desk.placed.order, key).await.done();
    assert_eq!(again.at("/order/status"), "PARTIALLY_CANCELLED");
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
    app.assert_sound().await;
}

async fn whoever_watches_a_unit_sees_it_go(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let ann = desk.customer("ann").await;
    let document = "subscription ($id: ID!) { entitlementUpdated(id: $id) { status } }";
    let mut watches = Vec::new();
    for client in [&desk.shop.key, &ann] {
        let mut watch = client.subscribe(document, json!({"id": desk.unit(1)})).await;
        assert_eq!(watch.next().await.at("/entitlementUpdated/status"), "UNASSIGNED");
        watches.push(watch);
    }
    cancel(&desk.support, &desk.placed.order, json!({})).await.done();
    for mut watch in watches {
        assert_eq!(watch.next().await.at("/entitlementUpdated/status"), "REVOKED", "the order's event is each unit's");
    }
}
