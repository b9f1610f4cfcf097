//! The graph: every record leads to its neighbours, both ways, in as many statements as the query has levels.
//!
//! Statements are counted as the fewest of several runs, for the service's own loops run some of their own beside them.

mod fault;
mod statement;
mod statistics;

use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines, eventually,
    shop::{self, Placed},
};

pub fn tests() -> Vec<Test> {
    [
        both_engines![
            an_order_leads_to_whoever_holds_its_units,
            an_assignment_leads_back_to_the_order,
            an_account_leads_to_the_orders_of_what_it_holds,
            an_account_leads_to_what_it_bought_and_what_is_held_for_it,
            an_unclaimed_unit_has_a_code_and_no_holder,
            the_former_holders_of_a_hold_stay_visible,
            a_unit_s_timeline_begins_with_its_order,
            an_order_s_timeline_tells_of_all_its_units,
            a_node_is_found_by_its_id_whatever_its_kind,
            unknown_nodes_are_null_in_their_places,
        ],
        fault::tests(),
        statement::tests(),
        statistics::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn shop_with_products(app: &App) -> Shop {
    shop::product(app, "NOW", json!({})).await;
    shop::product(app, "LATER", json!({"provisioning": "EXTERNAL"})).await;
    Shop::open(app, "Alpha").await
}

async fn an_order_leads_to_whoever_holds_its_units(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW", "quantity": 2}, {"sku": "LATER"}])).await;
    let code = placed.codes.first().expect("a code");
    shop.redeem(code, "ann").await.data();
    let query = "query ($id: ID!) { order(id: $id) {
        externalReference channel { name kind partner { name parent { id } } }
        lines {
            quantity order { id } product { sku name policy { mode provisioning } } policy { version provisioning }
            entitlements { nodes {
                id status order { id } orderLine { id } channel { id } product { sku }
                activationCode { status lastFour redeemedAt entitlement { id } }
                assignment { method status account { externalReference partner { id } } }
            } }
        }
    } }";
    let answer = shop.key.query(query, json!({"id": placed.order})).await;
    assert_eq!(answer.at("/order/externalReference"), "o-1");
    assert_eq!(answer.at("/order/channel/name"), "Alpha");
    assert_eq!(answer.at("/order/channel/partner"), &json!({"name": "Alpha", "parent": null}));
    let skus: Vec<&Value> =
        answer.list("/order/lines").iter().filter_map(|line| line.pointer("/product/sku")).collect();
    assert_eq!(skus, ["NOW", "LATER"]);
    assert_eq!(answer.at("/order/lines/1/policy"), &json!({"version": 1, "provisioning": "EXTERNAL"}));
    assert_eq!(answer.list("/order/lines/0/entitlements/nodes").len(), 2);
    for (line, unit) in [(0, 0), (0, 1), (1, 0)] {
        let at = |pointer: &str| answer.at(&format!("/order/lines/{line}/entitlements/nodes/{unit}{pointer}"));
        assert_eq!(at("/order/id"), &placed.order);
        assert_eq!(at("/orderLine/id"), placed.lines.get(line).expect("a line"));
        assert_eq!(at("/channel/id"), &shop.channel);
        assert_eq!(at("/activationCode/entitlement/id"), at("/id"));
    }
    let holder = answer.at("/order/lines/0/entitlements/nodes/0/assignment");
    let account = json!({"externalReference": "ann", "partner": {"id": shop.partner}});
    assert_eq!(holder, &json!({"method": "CODE", "status": "ACTIVE", "account": account}));
    assert_eq!(answer.at("/order/lines/0/entitlements/nodes/0/activationCode/status"), "REDEEMED");
}

async fn an_assignment_leads_back_to_the_order(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW"}])).await;
    let assignment = shop.redeem(first(&placed.codes), "ann").await.text("/redeemCode/assignment/id");
    let query = "query ($id: ID!) { node(id: $id) { ... on Assignment {
        entitlement { orderLine { order { externalReference channel { partner { name } } } } assignments { id } }
    } } }";
    let answer = shop.key.query(query, json!({"id": assignment})).await;
    let order = json!({"externalReference": "o-1", "channel": {"partner": {"name": "Alpha"}}});
    assert_eq!(answer.at("/node/entitlement/orderLine/order"), &order);
    assert_eq!(answer.at("/node/entitlement/assignments"), &json!([{"id": assignment}]));
}

async fn an_account_leads_to_the_orders_of_what_it_holds(app: App) {
    let shop = shop_with_products(&app).await;
    for reference in ["o-1", "o-2"] {
        let placed = shop.place(reference, json!([{"sku": "NOW"}])).await;
        shop.redeem(first(&placed.codes), "ann").await.data();
    }
    let query = r#"{ accountByReference(externalReference: "ann") {
        assignments { totalCount nodes { account { externalReference } entitlement { order { externalReference } } } }
    } }"#;
    let answer = shop.key.query(query, json!({})).await;
    assert_eq!(answer.number("/accountByReference/assignments/totalCount"), 2);
    for (place, reference) in ["o-1", "o-2"].into_iter().enumerate() {
        let node = answer.at(&format!("/accountByReference/assignments/nodes/{place}"));
        let expected = json!({"account": {"externalReference": "ann"}, "entitlement": {"order": {"externalReference": reference}}});
        assert_eq!(node, &expected);
    }
}

async fn an_account_leads_to_what_it_bought_and_what_is_held_for_it(app: App) {
    let shop = shop_with_products(&app).await;
    let (first, second) = (Shop::open(&app, "Beta").await, shop.open_below(&app, "Below").await);
    let buyer = json!({"buyerAccount": {"externalReference": "ann"}});
    let lines = json!([{"sku": "NOW", "quantity": 2}]);
    first.place_with("foreign", lines.clone(), buyer.clone()).await;
    let own = shop.place_with("own", lines.clone(), buyer.clone()).await;
    let below = second.place_with("below", lines.clone(), buyer).await;
    shop.place("nobody's", lines).await;
    for (unit, minutes) in [(&own.units, 5), (&below.units, 10)] {
        let account = json!({"externalReference": "ann"});
        let input = json!({"entitlementId": unit.first(), "account": account, "minutes": minutes});
        shop.key.mutate("reserveEntitlement", "reservation { id }", input).await.done();
    }
    let query = "query ($id: ID!) { order(id: $id) { buyerAccount {
        orders(first: 1) { nodes { externalReference } totalCount }
        below: orders(filter: { status: [CANCELLED] }) { totalCount }
        reservations(last: 1) { nodes { status entitlement { id } account { externalReference } } totalCount }
    } entitlements(first: 1) { nodes { reservations { status } } } } }";
    let asked = json!({"id": own.order});
    let answer = shop.key.query(query, asked.clone()).await;
    let bought = json!({"nodes": [{"externalReference": "own"}], "totalCount": 2});
    assert_eq!(answer.at("/order/buyerAccount/orders"), &bought);
    assert_eq!(answer.at("/order/buyerAccount/below/totalCount"), 0);
    let held =
        json!({"status": "HELD", "entitlement": {"id": below.units.first()}, "account": {"externalReference": "ann"}});
    assert_eq!(answer.at("/order/buyerAccount/reservations"), &json!({"nodes": [held], "totalCount": 2}));

    // What has passed holds nothing, and is not forgotten.
    app.clock.advance(std::time::Duration::from_mins(6));
    app.sweep().await;
    let answer = shop.key.query(query, asked).await;
    assert_eq!(answer.at("/order/buyerAccount/reservations/totalCount"), 1);
    assert_eq!(answer.at("/order/entitlements/nodes/0/reservations"), &json!([{"status": "EXPIRED"}]));
}

async fn an_unclaimed_unit_has_a_code_and_no_holder(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW"}])).await;
    let query = "query ($id: ID!) { entitlement(id: $id) {
        status statusReason reservation { id } assignment { id } assignments { id } replaces { id } replacedBy { id }
        redemptionAttempts { id } exceptions { id } activationCode { status lastFour revealable } activationCodes { status }
    } }";
    let answer = shop.key.query(query, json!({"id": first(&placed.units)})).await;
    let code = first(&placed.codes);
    let (_, last_four) = code.split_at(code.len() - 4);
    let expected = json!({
        "status": "UNASSIGNED", "statusReason": null, "reservation": null, "assignment": null, "assignments": [],
        "replaces": null, "replacedBy": null, "redemptionAttempts": [], "exceptions": [],
        "activationCode": {"status": "ISSUED", "lastFour": last_four, "revealable": true},
        "activationCodes": [{"status": "ISSUED"}],
    });
    assert_eq!(answer.at("/entitlement"), &expected);
}

async fn the_former_holders_of_a_hold_stay_visible(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW"}])).await;
    let unit = first(&placed.units);
    let reservation = reserve(&shop.key, unit, "ann").await.text("/reserveEntitlement/reservation/id");
    let query = "query ($id: ID!) { entitlement(id: $id) { status reservation { id account { externalReference } } } }";
    let answer = shop.key.query(query, json!({"id": unit})).await;
    let held = json!({"id": reservation, "account": {"externalReference": "ann"}});
    assert_eq!(answer.at("/entitlement"), &json!({"status": "RESERVED", "reservation": held}));
    release(&shop.key, &reservation).await;
    let query = "query ($id: ID!) { node(id: $id) { ... on Reservation {
        status account { externalReference } entitlement { status reservation { id } }
    } } }";
    let answer = shop.key.query(query, json!({"id": reservation})).await;
    let expected = json!({
        "status": "RELEASED", "account": {"externalReference": "ann"},
        "entitlement": {"status": "UNASSIGNED", "reservation": null},
    });
    assert_eq!(answer.at("/node"), &expected);
}

const TIMELINE: &str = "query ($id: ID!) { node(id: $id) {
    ... on Entitlement { timeline(first: 100) { nodes { type entitlementFrom entitlementTo quantity entitlement { id } } } }
    ... on Order { timeline(first: 100) { totalCount nodes { type entitlement { id } order { id } } } }
} }";

async fn a_unit_s_timeline_begins_with_its_order(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW", "quantity": 3}])).await;
    shop.redeem(first(&placed.codes), "ann").await.data();
    let entitlement = redeemed_unit(&shop, &placed).await;
    let answer = events(&shop.key, &entitlement, 3).await;
    let seen: Vec<&Value> = types(&answer);
    assert_eq!(seen, ["ORDER_PLACED", "CODE_REDEEMED", "ASSIGNMENT_ACTIVATED"]);
    assert_eq!(answer.at("/node/timeline/nodes/0/quantity"), 3);
    assert_eq!(answer.at("/node/timeline/nodes/0/entitlement"), &Value::Null);
    let changes = [1, 2].map(|place| {
        ["entitlementFrom", "entitlementTo"].map(|name| answer.at(&format!("/node/timeline/nodes/{place}/{name}")))
    });
    assert_eq!(changes, [["UNASSIGNED", "ASSIGNED"], ["ASSIGNED", "ACTIVE"]], "each change rides on its cause");
    // Of another unit of the order: what happened to the order alone.
    let other = placed.units.iter().find(|unit| **unit != entitlement).expect("another unit");
    assert_eq!(types(&events(&shop.key, other, 1).await), ["ORDER_PLACED"]);
}

async fn an_order_s_timeline_tells_of_all_its_units(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW", "quantity": 3}])).await;
    for (code, account) in placed.codes.iter().zip(["ann", "bob"]) {
        shop.redeem(code, account).await.data();
    }
    shop.place("o-2", json!([{"sku": "NOW"}])).await;
    let answer = events(&shop.key, &placed.order, 5).await;
    let expected = ["ORDER_PLACED", "CODE_REDEEMED", "ASSIGNMENT_ACTIVATED", "CODE_REDEEMED", "ASSIGNMENT_ACTIVATED"];
    assert_eq!(types(&answer), expected);
    assert_eq!(answer.number("/node/timeline/totalCount"), 5);
    for place in 0..5 {
        assert_eq!(answer.at(&format!("/node/timeline/nodes/{place}/order/id")), &placed.order);
    }
}

async fn a_node_is_found_by_its_id_whatever_its_kind(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW"}])).await;
    let redeemed = shop.redeem(first(&placed.codes), "ann").await;
    let query = "query ($id: ID!) { entitlement(id: $id) {
        id product { id } activationCode { id } redemptionAttempts { id } assignment { id account { id } }
    } }";
    let unit = shop.key.query(query, json!({"id": redeemed.text("/redeemCode/entitlement/id")})).await;
    let event = events(&shop.key, &placed.order, 3).await;
    let event = event_id(&shop.key, &placed.order, &event).await;
    let kinds = [
        ("Partner", shop.partner.clone()),
        ("Channel", shop.channel.clone()),
        ("Order", placed.order.clone()),
        ("OrderLine", first(&placed.lines).to_owned()),
        ("Entitlement", unit.text("/entitlement/id")),
        ("Product", unit.text("/entitlement/product/id")),
        ("ActivationCode", unit.text("/entitlement/activationCode/id")),
        ("RedemptionAttempt", unit.text("/entitlement/redemptionAttempts/0/id")),
        ("Assignment", unit.text("/entitlement/assignment/id")),
        ("Account", unit.text("/entitlement/assignment/account/id")),
        ("Event", event),
    ];
    let ids: Vec<&String> = kinds.iter().map(|(_, id)| id).collect();
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
    let answer = shop.key.query(query, json!({"ids": ids})).await;
    let expected: Vec<Value> = kinds.iter().map(|(kind, id)| json!({"__typename": kind, "id": id})).collect();
    assert_eq!(answer.at("/nodes"), &Value::from(expected));
    for (kind, id) in kinds {
        let answer = shop.key.query("query ($id: ID!) { node(id: $id) { __typename id } }", json!({"id": id})).await;
        assert_eq!(answer.at("/node"), &json!({"__typename": kind, "id": id}));
    }
}

async fn unknown_nodes_are_null_in_their_places(app: App) {
    let shop = shop_with_products(&app).await;
    let unknown = "ord_01h455vb4pex5vsknk084sn02q";
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let answer = shop.key.query(query, json!({"ids": [unknown, shop.channel, unknown, shop.channel]})).await;
    assert_eq!(answer.at("/nodes"), &json!([null, {"id": shop.channel}, null, {"id": shop.channel}]));
    assert_eq!(shop.key.query(query, json!({"ids": []})).await.at("/nodes"), &json!([]));
}

async fn reserve(client: &Client, unit: &str, account: &str) -> Answer {
    let mutation = "mutation ($id: ID!, $account: AccountInput) {
        reserveEntitlement(input: { entitlementId: $id, account: $account }) { reservation { id } userErrors { code message } }
    }";
    client.query(mutation, json!({"id": unit, "account": {"externalReference": account}})).await
}

async fn release(client: &Client, reservation: &str) {
    let mutation = "mutation ($id: ID!) {
        releaseReservation(input: { reservationId: $id }) { entitlement { status } userErrors { code message } }
    }";
    let answer = client.query(mutation, json!({"id": reservation})).await;
    assert_eq!(answer.at("/releaseReservation/entitlement/status"), "UNASSIGNED");
}

/// The unit of the order that is in use.
async fn redeemed_unit(shop: &Shop, placed: &Placed) -> String {
    let query = "query ($id: ID!) { order(id: $id) { entitlements(filter: { status: [ACTIVE] }) { nodes { id } } } }";
    shop.key.query(query, json!({"id": placed.order})).await.text("/order/entitlements/nodes/0/id")
}

/// The timeline of a record, once it has `count` events.
async fn events(client: &Client, id: &str, count: usize) -> Answer {
    eventually("the timeline", async || {
        let answer = client.query(TIMELINE, json!({"id": id})).await;
        (answer.list("/node/timeline/nodes").len() >= count).then_some(answer)
    })
    .await
}

async fn event_id(client: &Client, order: &str, _timeline: &Answer) -> String {
    let query = "query ($id: ID!) { order(id: $id) { timeline { nodes { id } } } }";
    client.query(query, json!({"id": order})).await.text("/order/timeline/nodes/0/id")
}

fn types(timeline: &Answer) -> Vec<&Value> {
    timeline.list("/node/timeline/nodes").iter().filter_map(|event| event.get("type")).collect()
}

fn first(texts: &[String]) -> &str {
    texts.first().expect("one at least")
}

fn last(texts: &[String]) -> &str {
    texts.last().expect("one at least")
}
