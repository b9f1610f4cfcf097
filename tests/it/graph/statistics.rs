//! Figures: whatever happens to a unit, each sum that it is part of is exact.

use serde_json::{Value, json};

use super::{first, last, release, reserve, shop_with_products};
use crate::harness::{App, Shop, Test, both_engines, shop::Placed};

pub fn tests() -> Vec<Test> {
    both_engines![
        statistics_follow_every_unit,
        statistics_of_a_partner_are_those_of_its_subtree,
        an_order_s_fulfilment_follows_its_units,
        an_order_s_total_needs_a_price_on_every_line,
    ]
}

async fn statistics_follow_every_unit(app: App) {
    let shop = shop_with_products(&app).await;
    let other = Shop::open(&app, "Beta").await;
    other.place("b-1", json!([{"sku": "NOW", "quantity": 7}])).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW", "quantity": 3}, {"sku": "LATER", "quantity": 2}])).await;
    assert_statistics(&app, &shop, &placed, &json!({"ordered": 5, "unassigned": 5})).await;
    let code = |place: usize| placed.codes.get(place).expect("a code");
    shop.redeem(code(0), "ann").await.data();
    assert_statistics(&app, &shop, &placed, &json!({"ordered": 5, "unassigned": 4, "active": 1})).await;
    shop.redeem(code(3), "ann").await.data();
    assert_statistics(&app, &shop, &placed, &json!({"ordered": 5, "unassigned": 3, "active": 1, "assigned": 1})).await;
    let unit = last(&placed.units);
    let hold = reserve(&shop.key, unit, "bob").await.text("/reserveEntitlement/reservation/id");
    let held = json!({"ordered": 5, "unassigned": 2, "active": 1, "assigned": 1, "reserved": 1});
    assert_statistics(&app, &shop, &placed, &held).await;
    // A refused repeat changes nothing.
    assert_eq!(shop.redeem(code(0), "bob").await.at("/redeemCode/userErrors/0/code"), "ALREADY_REDEEMED");
    assert_statistics(&app, &shop, &placed, &held).await;
    release(&shop.key, &hold).await;
    assert_statistics(&app, &shop, &placed, &json!({"ordered": 5, "unassigned": 3, "active": 1, "assigned": 1})).await;
    let all = app.admin().query(STATISTICS, json!({})).await;
    assert_eq!(all.at("/statistics"), &figures(&json!({"ordered": 12, "unassigned": 10, "active": 1, "assigned": 1})));
}

async fn statistics_of_a_partner_are_those_of_its_subtree(app: App) {
    let top = shop_with_products(&app).await;
    let below = top.open_below(&app, "Alpha North").await;
    top.place("o-1", json!([{"sku": "NOW", "quantity": 2}])).await;
    let placed = below.place("o-1", json!([{"sku": "NOW", "quantity": 3}])).await;
    below.redeem(first(&placed.codes), "ann").await.data();
    let query = format!("query ($id: ID!) {{ partner(id: $id) {{ statistics {{ {FIGURES} }} }} }}");
    for client in [&top.key, &app.admin()] {
        let answer = client.query(&query, json!({"id": top.partner})).await;
        let expected = figures(&json!({"ordered": 5, "unassigned": 4, "active": 1}));
        assert_eq!(answer.at("/partner/statistics"), &expected);
        let answer = client.query(&query, json!({"id": below.partner})).await;
        let expected = figures(&json!({"ordered": 3, "unassigned": 2, "active": 1}));
        assert_eq!(answer.at("/partner/statistics"), &expected);
    }
}

async fn an_order_s_fulfilment_follows_its_units(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW", "quantity": 2}])).await;
    let query = "query ($id: ID!) { order(id: $id) { status version fulfillmentStatus } }";
    let mut seen = Vec::new();
    for turn in 0..=placed.codes.len() {
        let answer = shop.key.query(query, json!({"id": placed.order})).await;
        assert_eq!(answer.at("/order/status"), "CONFIRMED");
        assert_eq!(answer.number("/order/version"), 1, "units do not touch their order");
        seen.push(answer.text("/order/fulfillmentStatus"));
        if let Some(code) = placed.codes.get(turn) {
            shop.redeem(code, "ann").await.data();
        }
    }
    assert_eq!(seen, ["UNFULFILLED", "PARTIALLY_FULFILLED", "FULFILLED"]);
}

async fn an_order_s_total_needs_a_price_on_every_line(app: App) {
    let shop = shop_with_products(&app).await;
    let priced = json!({"sku": "NOW", "quantity": 3, "unitPrice": "19.90"});
    let cases = [
        (
            "whole",
            json!([priced, {"sku": "LATER", "unitPrice": "0.005"}]),
            json!({"amount": "59.705", "currencyCode": "GBP"}),
        ),
        ("free", json!([{"sku": "NOW", "unitPrice": "0"}]), json!({"amount": "0", "currencyCode": "GBP"})),
        ("half", json!([priced, {"sku": "LATER"}]), Value::Null),
        ("none", json!([{"sku": "NOW"}]), Value::Null),
    ];
    for (reference, lines, expected) in cases {
        let placed = shop.place_with(reference, lines, json!({"currencyCode": "GBP"})).await;
        let query =
            "query ($id: ID!) { order(id: $id) { total { amount currencyCode } lines { unitPrice { amount } } } }";
        let answer = shop.key.query(query, json!({"id": placed.order})).await;
        assert_eq!(answer.at("/order/total"), &expected, "{reference}");
    }
}

const FIGURES: &str = "ordered reissued unassigned reserved assigned active suspended revoked expired openExceptions";

const STATISTICS: &str = "query ($channel: ID, $product: ID) { statistics(channelId: $channel, productId: $product) {
    ordered reissued unassigned reserved assigned active suspended revoked expired openExceptions
} }";

/// All figures: those named, and zeros.
fn figures(named: &Value) -> Value {
    FIGURES.split(' ').map(|name| (name.to_owned(), named.get(name).cloned().unwrap_or_else(|| json!(0)))).collect()
}

/// The order's figures, its partner's, its channel's and all that the seller sees are `named`.
async fn assert_statistics(app: &App, shop: &Shop, placed: &Placed, named: &Value) {
    let expected = figures(named);
    let query = format!(
        "query ($order: ID!, $partner: ID!, $channel: ID!) {{
            order(id: $order) {{ statistics {{ {FIGURES} }} }} partner(id: $partner) {{ statistics {{ {FIGURES} }} }}
            statistics(channelId: $channel) {{ {FIGURES} }}
        }}"
    );
    let variables = json!({"order": placed.order, "partner": shop.partner, "channel": shop.channel});
    for client in [&shop.key, &app.admin()] {
        let answer = client.query(&query, variables.clone()).await;
        for pointer in ["/order/statistics", "/partner/statistics", "/statistics"] {
            assert_eq!(answer.at(pointer), &expected, "{pointer}");
        }
    }
    assert_eq!(shop.key.query(STATISTICS, json!({})).await.at("/statistics"), &expected);
    let sum: i64 = ["unassigned", "reserved", "assigned", "active", "suspended", "revoked", "expired"]
        .iter()
        .filter_map(|state| expected.get(*state)?.as_i64())
        .sum();
    assert_eq!(expected.get("ordered"), Some(&json!(sum)), "units are conserved");
}
