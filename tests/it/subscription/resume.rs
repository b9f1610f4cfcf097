//! Resuming: whoever goes on from its last cursor gets what comes after it, whatever has happened to nodes and clocks meanwhile.

use chrono::TimeDelta;
use serde_json::json;

use super::{EVENTS, next, now, place_and_read, shop, text};
use crate::harness::{App, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![events_are_resumed_without_gap_or_repeat_across_a_restart, a_clock_that_jumps_changes_no_order,]
}

async fn events_are_resumed_without_gap_or_repeat_across_a_restart(app: App) {
    let shop = shop(&app).await;
    let filter = json!({"types": ["ORDER_PLACED"]});
    let mut cursor = now(&shop.key).await;
    let mut seen = Vec::new();
    for number in 0..6 {
        shop.place(&format!("o-{number}"), json!([{"sku": "A"}])).await;
    }
    // Reads a few, and loses the connection with the node.
    let first_node = app.second_node().await;
    let reader = first_node.client(shop.key.secret().expect("a secret"));
    let mut events = reader.subscribe(EVENTS, json!({"after": cursor, "filter": filter})).await;
    for _ in 0..4 {
        let event = next(&mut events, "events").await;
        text(&event, "/cursor").clone_into(&mut cursor);
        seen.push(text(&event, "/order/externalReference").to_owned());
    }
    first_node.stop();
    assert_eq!(events.closed().await, 1012, "clients come back after that");
    for number in 6..9 {
        shop.place(&format!("o-{number}"), json!([{"sku": "A"}])).await;
    }
    let restarted = app.second_node().await;
    let reader = restarted.client(shop.key.secret().expect("a secret"));
    let mut events = reader.subscribe(EVENTS, json!({"after": cursor, "filter": filter})).await;
    shop.place("o-9", json!([{"sku": "A"}])).await;
    for _ in 0..6 {
        let event = next(&mut events, "events").await;
        seen.push(text(&event, "/order/externalReference").to_owned());
    }
    assert_eq!(seen, (0..10).map(|number| format!("o-{number}")).collect::<Vec<_>>());
}

async fn a_clock_that_jumps_changes_no_order(app: App) {
    let shop = shop(&app).await;
    let placed = place_and_read(&shop, "o-1", json!([{"sku": "A", "quantity": 6}])).await;
    let filter = json!({"types": ["CODE_REDEEMED"]});
    let mut steady = shop.key.subscribe(EVENTS, json!({"after": now(&shop.key).await, "filter": filter})).await;
    let noon = app.clock.now();
    let (mut redeemed, mut seen) = (Vec::new(), Vec::new());
    for (code, hours) in placed.codes.iter().zip([0, 120, -48, 1, -240, 72]) {
        app.clock.set(noon + TimeDelta::hours(hours));
        redeemed.push(shop.redeem(code, "ann").await.text("/redeemCode/entitlement/id"));
        seen.push(next(&mut steady, "events").await);
    }
    assert_eq!(seen.iter().map(|event| text(event, "/entitlement/id")).collect::<Vec<_>>(), redeemed);
    for (place, event) in seen.iter().enumerate() {
        let after = json!({"after": text(event, "/cursor"), "filter": filter});
        let mut resumed = shop.key.subscribe(EVENTS, after).await;
        for expected in seen.iter().skip(place + 1) {
            assert_eq!(next(&mut resumed, "events").await, *expected, "after {place}");
        }
    }
    app.assert_sound().await;
}
