//! Partners above and below one another, and those who sell to each other's customers.

use serde_json::{Value, json};

use super::account_of;
use crate::harness::{App, Client, Shop, Test, both_engines, eventually, shop};

pub fn tests() -> Vec<Test> {
    both_engines![
        the_same_reference_is_two_accounts,
        a_partner_sees_those_below_and_not_those_above,
        a_partner_below_shares_its_accounts_and_not_its_sales,
        a_seller_does_not_learn_who_claimed_its_gift,
        a_holder_sees_its_unit_and_not_the_sale,
    ]
}

async fn the_same_reference_is_two_accounts(app: App) {
    shop::product(&app, "A", json!({})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    for shop in [&alpha, &beta] {
        let placed = shop.place("o-1", json!([{"sku": "A"}])).await;
        shop.redeem(placed.codes.first().expect("a code"), "u-1").await.data();
    }
    let (first, second) = (account_of(&alpha.key, "u-1").await, account_of(&beta.key, "u-1").await);
    assert!(first.is_some() && second.is_some() && first != second);
    assert_eq!(account_of(&app.admin(), "u-1").await, None, "the platform has no such account");
    let query = "query ($partner: ID!) { accountByReference(externalReference: \"u-1\", partnerId: $partner) { id } }";
    let answer = app.admin().query(query, json!({"partner": beta.partner})).await;
    assert_eq!(Some(answer.text("/accountByReference/id")), second);
}

async fn a_partner_sees_those_below_and_not_those_above(app: App) {
    shop::product(&app, "A", json!({})).await;
    let top = Shop::open(&app, "Top").await;
    let (north, south) = (top.open_below(&app, "North").await, top.open_below(&app, "South").await);
    let mut orders = Vec::new();
    for shop in [&top, &north, &south] {
        orders.push(shop.place("o-1", json!([{"sku": "A"}])).await.order);
    }
    let seen = async |client: &Client| {
        let answer = client.query("{ orders { totalCount nodes { id } } statistics { ordered } }", json!({})).await;
        let ids: Vec<String> = answer
            .list("/orders/nodes")
            .iter()
            .filter_map(|node| node.get("id")?.as_str().map(str::to_owned))
            .collect();
        assert_eq!(answer.number("/orders/totalCount"), answer.number("/statistics/ordered"));
        ids
    };
    assert_eq!(seen(&top.key).await, orders);
    assert_eq!(seen(&north.key).await, orders.get(1..2).expect("one").to_vec());
    assert_eq!(seen(&south.key).await, orders.get(2..).expect("one").to_vec());
    for (field, id) in [("partner", &south.partner), ("channel", &south.channel), ("channel", &top.channel)] {
        let query = format!("query ($id: ID!) {{ {field}(id: $id) {{ id }} }}");
        assert_eq!(north.key.query(&query, json!({"id": id})).await.at(&format!("/{field}")), &Value::Null);
        assert!(top.key.query(&query, json!({"id": id})).await.at(&format!("/{field}")).is_object());
    }
    // The top may sell through the channels below it; nobody sells through those beside or above.
    let place =
        "mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { order { id } userErrors { code } } }";
    let input =
        |channel: &str| json!({"input": {"channelId": channel, "externalReference": "o-2", "lines": [{"sku": "A"}]}});
    assert!(top.key.query(place, input(&north.channel)).await.at("/placeOrder/order").is_object());
    for channel in [&south.channel, &top.channel] {
        let refused = north.key.query(place, input(channel)).await;
        assert_eq!(refused.at("/placeOrder/userErrors/0/code"), "NOT_FOUND");
    }
}

async fn a_partner_below_shares_its_accounts_and_not_its_sales(app: App) {
    shop::product(&app, "A", json!({})).await;
    let top = Shop::open(&app, "Top").await;
    let north = top.open_below(&app, "North").await;
    let placed = top.place("o-1", json!([{"sku": "A", "quantity": 2}])).await;
    let held = top.redeem(placed.codes.first().expect("a code"), "ann").await.text("/redeemCode/entitlement/id");
    assert_eq!(account_of(&north.key, "ann").await, account_of(&top.key, "ann").await);
    let answer = north.key.query("{ entitlements { nodes { id } } orders { totalCount } }", json!({})).await;
    assert_eq!(
        answer.at("/entitlements/nodes"),
        &json!([{"id": held}]),
        "what the shared namespace holds, and nothing else"
    );
    assert_eq!(answer.number("/orders/totalCount"), 0);
}

async fn a_seller_does_not_learn_who_claimed_its_gift(app: App) {
    shop::product(&app, "A", json!({})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    let placed = alpha.place("o-1", json!([{"sku": "A", "recipient": {"name": "Bea"}}])).await;
    let redeem =
        "mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { assignment { id } userErrors { code } } }";
    let input = json!({"code": placed.codes.first(), "account": {"externalReference": "bea"}, "resource": "seat-7", "input": {"size": "XL"}});
    let assignment = beta.key.query(redeem, json!({"input": input})).await.text("/redeemCode/assignment/id");
    let query = "query ($id: ID!) { entitlement(id: $id) { status assignment {
        id status account { externalReference } resource input externalReference
    } redemptionAttempts { outcome account { id } actor } } }";
    let unit = placed.units.first().expect("a unit");
    let answer = alpha.key.query(query, json!({"id": unit})).await;
    let unknown = json!({"id": assignment, "status": "ACTIVE", "account": null, "resource": null, "input": null, "externalReference": null});
    assert_eq!(answer.at("/entitlement/assignment"), &unknown);
    assert_eq!(
        answer.at("/entitlement/redemptionAttempts"),
        &json!([{"outcome": "SUCCEEDED", "account": null, "actor": "support"}])
    );
    let answer = beta.key.query(query, json!({"id": unit})).await;
    assert_eq!(answer.at("/entitlement/assignment/account"), &json!({"externalReference": "bea"}));
    assert_eq!(answer.at("/entitlement/assignment/input"), &json!({"size": "XL"}));
    assert_eq!(answer.at("/entitlement/assignment/resource"), "seat-7");
    for filter in ["entitlements", "assignments"] {
        let account = account_of(&beta.key, "bea").await;
        let query = format!("query ($id: ID) {{ {filter}(filter: {{ accountId: $id }}) {{ totalCount }} }}");
        let answer = alpha.key.query(&query, json!({"id": account})).await;
        assert_eq!(answer.number(&format!("/{filter}/totalCount")), 0, "{filter}: nor by asking the other way round");
    }
}

async fn a_holder_sees_its_unit_and_not_the_sale(app: App) {
    shop::product(&app, "A", json!({})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    let placed =
        alpha.place("o-1", json!([{"sku": "A", "quantity": 2, "recipient": {"email": "bea@example.com"}}])).await;
    let unit = beta.redeem(placed.codes.first().expect("a code"), "bea").await.text("/redeemCode/entitlement/id");
    let query = "query ($id: ID!) { entitlement(id: $id) { status recipient { email } product { sku } } }";
    let expected = json!({"status": "ACTIVE", "recipient": null, "product": {"sku": "A"}});
    assert_eq!(beta.key.query(query, json!({"id": unit})).await.at("/entitlement"), &expected);
    for field in ["order", "orderLine", "channel"] {
        let query = format!("query ($id: ID!) {{ entitlement(id: $id) {{ {field} {{ id }} }} }}");
        let answer = beta.key.query(&query, json!({"id": unit})).await;
        assert_eq!(answer.code(), Some("NOT_FOUND"), "{field}");
    }
    let answer = beta
        .key
        .query("{ entitlements { totalCount } orders { totalCount } statistics { ordered active } }", json!({}))
        .await;
    assert_eq!(
        answer.data(),
        &json!({"entitlements": {"totalCount": 1}, "orders": {"totalCount": 0}, "statistics": {"ordered": 0, "active": 0}})
    );
    let other = placed.units.iter().find(|other| **other != unit).expect("the other unit");
    assert_eq!(beta.key.query(query, json!({"id": other})).await.at("/entitlement"), &Value::Null);
    let filtered = format!(r#"{{ entitlements(filter: {{ channelId: "{}" }}) {{ totalCount }} }}"#, alpha.channel);
    assert_eq!(
        beta.key.query(&filtered, json!({})).await.number("/entitlements/totalCount"),
        0,
        "which channel sold it stays unknown"
    );
    let timeline =
        "query ($id: ID!) { entitlement(id: $id) { timeline { nodes { type order { id } channel { id } } } } }";
    let events = eventually("the events", async || {
        let answer = beta.key.query(timeline, json!({"id": unit})).await;
        (answer.list("/entitlement/timeline/nodes").len() >= 2).then_some(answer)
    });
    for event in events.await.list("/entitlement/timeline/nodes") {
        assert_eq!((event.get("order"), event.get("channel")), (Some(&Value::Null), Some(&Value::Null)), "{event}");
    }
}
