//! Live objects: the present state first, and again after each change of it and of nothing else.

use serde_json::{Value, json};

use super::{EVENTS, code, next, now, place_and_read, shop, text};
use crate::harness::{App, Client, Shop, Subscription, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_order_is_shown_at_once_and_after_each_change_below_it,
        an_entitlement_is_shown_at_once_and_after_each_change,
        changes_elsewhere_wake_nobody,
        statistics_are_shown_at_once_and_after_each_change,
        what_nobody_has_is_not_found,
    ]
}

async fn an_order_is_shown_at_once_and_after_each_change_below_it(app: App) {
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 2}])).await;
    let query = "subscription ($id: ID!) { orderUpdated(id: $id) { fulfillmentStatus statistics { unassigned reserved active } } }";
    let mut order = shop.key.subscribe(query, json!({"id": placed.order})).await;
    let state = |fulfillment: &str, unassigned: i64, reserved: i64, active: i64| json!({"fulfillmentStatus": fulfillment, "statistics": {"unassigned": unassigned, "reserved": reserved, "active": active}});
    assert_eq!(next(&mut order, "orderUpdated").await, state("UNFULFILLED", 2, 0, 0));
    shop.redeem(code(&placed.codes, 0), "ann").await.data();
    until(&mut order, "orderUpdated", &state("PARTIALLY_FULFILLED", 1, 0, 1)).await;
    let unit = unit_in(&shop.key, &placed.order, "UNASSIGNED").await;
    reserve(&shop.key, &unit).await;
    until(&mut order, "orderUpdated", &state("PARTIALLY_FULFILLED", 0, 1, 1)).await;
    shop.redeem(code(&placed.codes, 1), "ann").await.data();
    until(&mut order, "orderUpdated", &state("FULFILLED", 0, 0, 2)).await;
}

/// Passes over states, of which a change may bring several, until `state` comes.
async fn until(stream: &mut Subscription, field: &str, state: &Value) {
    for _ in 0..10 {
        if next(stream, field).await == *state {
            return;
        }
    }
    panic!("{state} did not come");
}

async fn unit_in(client: &Client, order: &str, status: &str) -> String {
    let query = "query ($id: ID!, $status: EntitlementStatus!) { order(id: $id) { entitlements(filter: { status: [$status] }) { nodes { id } } } }";
    client.query(query, json!({"id": order, "status": status})).await.text("/order/entitlements/nodes/0/id")
}

async fn reserve(client: &Client, unit: &str) -> String {
    let mutation = r#"mutation ($id: ID!) { reserveEntitlement(input: { entitlementId: $id, account: { externalReference: "ann" } }) {
        reservation { id } userErrors { message }
    } }"#;
    client.query(mutation, json!({"id": unit})).await.text("/reserveEntitlement/reservation/id")
}

async fn an_entitlement_is_shown_at_once_and_after_each_change(app: App) {
    let shop = shop(&app).await;
    let placed = place_and_read(&shop, "o-1", json!([{"sku": "A"}])).await;
    let unit = placed.units.concat();
    let query = "subscription ($id: ID!) { entitlementUpdated(id: $id) {
        status version activationCode { status } reservation { status } assignment { account { externalReference } }
    } }";
    let mut entitlement = shop.key.subscribe(query, json!({"id": unit})).await;
    let first = next(&mut entitlement, "entitlementUpdated").await;
    let expected = json!({"status": "UNASSIGNED", "version": 1, "activationCode": {"status": "ISSUED"}, "reservation": null, "assignment": null});
    assert_eq!(first, expected);
    reserve(&shop.key, &unit).await;
    let second = next(&mut entitlement, "entitlementUpdated").await;
    assert_eq!((text(&second, "/status"), text(&second, "/reservation/status")), ("RESERVED", "HELD"));
    shop.redeem(code(&placed.codes, 0), "ann").await.data();
    let third = next(&mut entitlement, "entitlementUpdated").await;
    assert_eq!((text(&third, "/status"), text(&third, "/assignment/account/externalReference")), ("ACTIVE", "ann"));
    assert_eq!(text(&third, "/activationCode/status"), "REDEEMED");
}

async fn changes_elsewhere_wake_nobody(app: App) {
    let shop = shop(&app).await;
    let placed = place_and_read(&shop, "o-1", json!([{"sku": "A"}])).await;
    let query = "subscription ($id: ID!) { orderUpdated(id: $id) { fulfillmentStatus } }";
    let mut order = shop.key.subscribe(query, json!({"id": placed.order})).await;
    assert_eq!(next(&mut order, "orderUpdated").await, json!({"fulfillmentStatus": "UNFULFILLED"}));
    let mut events = shop
        .key
        .subscribe(EVENTS, json!({"after": now(&shop.key).await, "filter": {"types": ["CODE_REDEEMED"]}}))
        .await;
    for number in 0..5 {
        let other = shop.place(&format!("other-{number}"), json!([{"sku": "A"}])).await;
        shop.redeem(code(&other.codes, 0), "ann").await.data();
        next(&mut events, "events").await;
    }
    shop.redeem(code(&placed.codes, 0), "ann").await.data();
    assert_eq!(
        next(&mut order, "orderUpdated").await,
        json!({"fulfillmentStatus": "FULFILLED"}),
        "nothing came in between"
    );
}

async fn statistics_are_shown_at_once_and_after_each_change(app: App) {
    let shop = shop(&app).await;
    let other = Shop::open(&app, "Beta").await;
    let of_b = shop::product(&app, "B", json!({})).await;
    let query = "subscription ($channel: ID, $product: ID) { statisticsUpdated(channelId: $channel, productId: $product) { ordered unassigned active } }";
    let figures = |ordered: i64, unassigned: i64, active: i64| json!({"ordered": ordered, "unassigned": unassigned, "active": active});
    let mut own = shop.key.subscribe(query, json!({})).await;
    let mut all = app.admin().subscribe(query, json!({})).await;
    let mut of_product = shop.key.subscribe(query, json!({"product": of_b, "channel": shop.channel})).await;
    for stream in [&mut own, &mut all, &mut of_product] {
        assert_eq!(next(stream, "statisticsUpdated").await, figures(0, 0, 0));
    }
    other.place("b-1", json!([{"sku": "A", "quantity": 7}])).await;
    until(&mut all, "statisticsUpdated", &figures(7, 7, 0)).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 2}, {"sku": "B"}])).await;
    until(&mut own, "statisticsUpdated", &figures(3, 3, 0)).await;
    until(&mut all, "statisticsUpdated", &figures(10, 10, 0)).await;
    until(&mut of_product, "statisticsUpdated", &figures(1, 1, 0)).await;
    shop.redeem(placed.codes.last().expect("a code"), "ann").await.data();
    until(&mut own, "statisticsUpdated", &figures(3, 2, 1)).await;
    until(&mut of_product, "statisticsUpdated", &figures(1, 0, 1)).await;
}

async fn what_nobody_has_is_not_found(app: App) {
    let shop = shop(&app).await;
    for document in [
        r#"subscription { orderUpdated(id: "ord_01h455vb4pex5vsknk084sn02q") { id } }"#,
        r#"subscription { entitlementUpdated(id: "ent_01h455vb4pex5vsknk084sn02q") { id } }"#,
    ] {
        for client in [&shop.key, &app.admin()] {
            let mut stream = client.subscribe(document, json!({})).await;
            assert_eq!(stream.refused().await.code(), Some("NOT_FOUND"), "{document}");
        }
    }
    let mut stream = shop
        .key
        .subscribe(
            "subscription ($id: ID) { statisticsUpdated(channelId: $id) { ordered } }",
            json!({"id": "chn_01h455vb4pex5vsknk084sn02q"}),
        )
        .await;
    assert_eq!(next(&mut stream, "statisticsUpdated").await, json!({"ordered": 0}));
}
