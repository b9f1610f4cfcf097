//! The graph: every record leads to its neighbours, both ways, in as many statements as the query has levels.
//!
//! Statements are counted as the fewest of several runs, for the service's own loops run some of their own beside them.

use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines, eventually,
    shop::{self, Placed},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_order_leads_to_whoever_holds_its_units,
        an_assignment_leads_back_to_the_order,
        an_account_leads_to_the_orders_of_what_it_holds,
        an_unclaimed_unit_has_a_code_and_no_holder,
        the_former_holders_of_a_hold_stay_visible,
        a_unit_s_timeline_begins_with_its_order,
        an_order_s_timeline_tells_of_all_its_units,
        statistics_follow_every_unit,
        statistics_of_a_partner_are_those_of_its_subtree,
        an_order_s_fulfilment_follows_its_units,
        an_order_s_total_needs_a_price_on_every_line,
        an_order_takes_one_statement_a_level,
        a_page_of_orders_takes_as_many_statements_as_one,
        statistics_of_many_orders_take_one_statement,
        the_way_back_takes_one_statement_a_level,
        a_total_is_counted_once_for_all_parents,
        a_failed_field_that_may_be_null_is_null,
        a_failed_field_that_cannot_be_null_nulls_its_parent,
        a_failed_field_in_a_list_nulls_what_may_be_null_above,
        answers_follow_the_order_of_the_query,
        a_node_is_found_by_its_id_whatever_its_kind,
        unknown_nodes_are_null_in_their_places,
    ]
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

const ORDER_GRAPH: &str = "query ($id: ID!) { order(id: $id) {
    externalReference channel { name } lines { quantity product { sku name } entitlements(first: 5) { nodes {
        id status expiresAt activationCode { lastFour status } assignments { status account { externalReference } }
    } } }
} }";

/// Order, channel, lines, products, units, codes, assignments, accounts.
const ORDER_GRAPH_LEVELS: u64 = 8;

async fn an_order_takes_one_statement_a_level(app: App) {
    let shop = shop_with_products(&app).await;
    for line_count in [1, 20] {
        let placed = large_order(&shop, &format!("large-{line_count}"), line_count).await;
        let variables = json!({"id": placed.order});
        let answer = shop.key.query(ORDER_GRAPH, variables.clone()).await;
        assert_eq!(answer.list("/order/lines").len(), line_count);
        let last = answer.at(&format!("/order/lines/{}/entitlements/nodes/2/assignments/0/account", line_count - 1));
        assert_eq!(last, &json!({"externalReference": format!("holder-{}", line_count - 1)}));
        let statements = fewest_statements(&app, &shop.key, ORDER_GRAPH, &variables, ORDER_GRAPH_LEVELS).await;
        assert!(statements <= ORDER_GRAPH_LEVELS, "{line_count} lines took {statements} statements");
    }
}

async fn a_page_of_orders_takes_as_many_statements_as_one(app: App) {
    let shop = shop_with_products(&app).await;
    for number in 0..5 {
        large_order(&shop, &format!("o-{number}"), 3).await;
    }
    let query = "query { orders(first: 5) { nodes {
        channel { partner { name } } buyerAccount { id } fulfillmentStatus lines { product { sku } policy { version }
            entitlements(first: 3) { nodes { activationCode { status } reservation { id } assignment { account { id } } } }
        } entitlements(first: 2) { totalCount nodes { id } } timeline(first: 2) { nodes { type } }
    } } }";
    assert_eq!(shop.key.query(query, json!({})).await.list("/orders/nodes").len(), 5);
    let statements = fewest_statements(&app, &shop.key, query, &json!({}), 15).await;
    // Orders, channels, partners, fulfilment, lines, products, policies, units, codes, holds, assignments, accounts, units, their number,
    // timelines.
    assert!(statements <= 15, "{statements} statements");
}

async fn statistics_of_many_orders_take_one_statement(app: App) {
    let shop = shop_with_products(&app).await;
    for number in 0..10 {
        shop.place(&format!("o-{number}"), json!([{"sku": "NOW", "quantity": 2}])).await;
    }
    let query = "query { orders(first: 10) { nodes { statistics { ordered unassigned } } } }";
    let answer = shop.key.query(query, json!({})).await;
    assert_eq!(answer.list("/orders/nodes").len(), 10);
    assert_eq!(answer.at("/orders/nodes/9/statistics"), &json!({"ordered": 2, "unassigned": 2}));
    let statements = fewest_statements(&app, &shop.key, query, &json!({}), 2).await;
    assert!(statements <= 2, "{statements} statements");
}

async fn the_way_back_takes_one_statement_a_level(app: App) {
    let shop = shop_with_products(&app).await;
    for number in 0..4 {
        large_order(&shop, &format!("o-{number}"), 2).await;
    }
    let query = "query { assignments(first: 20) { nodes {
        account { assignments(first: 3) { nodes { id } } } entitlement { orderLine { order { channel { partner { name } } } } }
    } } }";
    assert_eq!(shop.key.query(query, json!({})).await.list("/assignments/nodes").len(), 20);
    let statements = fewest_statements(&app, &shop.key, query, &json!({}), 8).await;
    // Assignments, accounts, theirs, units, lines, orders, channels, partners.
    assert!(statements <= 8, "{statements} statements");
}

async fn a_total_is_counted_once_for_all_parents(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = large_order(&shop, "o-1", 10).await;
    let with = "query ($id: ID!) { order(id: $id) { lines { entitlements(first: 1) { totalCount nodes { id } } } } }";
    let without = "query ($id: ID!) { order(id: $id) { lines { entitlements(first: 1) { nodes { id } } } } }";
    let variables = json!({"id": placed.order});
    assert_eq!(shop.key.query(with, variables.clone()).await.at("/order/lines/9/entitlements/totalCount"), 3);
    let without = fewest_statements(&app, &shop.key, without, &variables, 3).await;
    let with = fewest_statements(&app, &shop.key, with, &variables, 4).await;
    // The order, its lines, their units; and how many of those there are.
    assert_eq!((without, with), (3, 4));
}

async fn a_failed_field_that_may_be_null_is_null(app: App) {
    let query = r#"{ before: feedCursor broken: node(id: "garbage") { id } after: viewer { role } }"#;
    let answer = app.admin().query(query, json!({})).await;
    let data = answer.body.get("data").expect("data");
    assert_eq!(data.get("broken"), Some(&Value::Null));
    assert_eq!(data.pointer("/after/role"), Some(&json!("ADMIN")));
    assert!(data.get("before").is_some_and(Value::is_string));
    assert_eq!(paths(&answer), [json!(["broken"])]);
    assert_eq!(answer.code(), Some("BAD_USER_INPUT"));
}

async fn a_failed_field_that_cannot_be_null_nulls_its_parent(app: App) {
    let seller = shop_with_products(&app).await;
    let holder = Shop::open(&app, "Beta").await;
    let placed = seller.place("o-1", json!([{"sku": "NOW"}])).await;
    let redeemed = holder.redeem(first(&placed.codes), "bea").await;
    let unit = redeemed.text("/redeemCode/entitlement/id");
    let query = "query ($id: ID!) { unit: entitlement(id: $id) { id status order { id } } viewer { role } }";
    let answer = holder.key.query(query, json!({"id": unit})).await;
    assert_eq!(answer.body.get("data"), Some(&json!({"unit": null, "viewer": {"role": "PARTNER"}})));
    assert_eq!(paths(&answer), [json!(["unit", "order"])]);
    assert_eq!(answer.code(), Some("NOT_FOUND"));
    let answer =
        holder.key.query("query ($id: ID!) { entitlement(id: $id) { status product { sku } } }", json!({"id": unit}));
    assert_eq!(answer.await.at("/entitlement"), &json!({"status": "ACTIVE", "product": {"sku": "NOW"}}));
}

async fn a_failed_field_in_a_list_nulls_what_may_be_null_above(app: App) {
    let seller = shop_with_products(&app).await;
    let holder = Shop::open(&app, "Beta").await;
    let placed = seller.place("o-1", json!([{"sku": "NOW"}])).await;
    let unit = holder.redeem(first(&placed.codes), "bea").await.text("/redeemCode/entitlement/id");
    // A unit in a list cannot be null, nor can the list: nothing is left but the error.
    let answer = holder.key.query("{ entitlements { nodes { id channel { id } } } }", json!({})).await;
    assert_eq!(answer.body.get("data"), Some(&Value::Null));
    assert_eq!(answer.code(), Some("NOT_FOUND"));
    assert_leads_to(&answer, &["entitlements", "nodes", "0"]);
    // One of `nodes` can, and takes nobody along.
    let own = holder.place("b-1", json!([{"sku": "NOW"}])).await;
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Entitlement { id channel { id } } } }";
    let answer = holder.key.query(query, json!({"ids": [unit, first(&own.units)]})).await;
    let kept = json!({"id": first(&own.units), "channel": {"id": holder.channel}});
    assert_eq!(answer.body.get("data"), Some(&json!({"nodes": [null, kept]})));
    assert_leads_to(&answer, &["nodes", "0"]);
}

async fn answers_follow_the_order_of_the_query(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW"}])).await;
    let query = format!(
        r#"{{ z: viewer {{ role }} order(id: "{}") {{ statistics {{ revoked active ordered }} status lines {{ quantity product {{ sku id }} mode id }}
            channel {{ name id }} id ...More externalReference }} a: feedCursor }} fragment More on Order {{ placedAt source }}"#,
        placed.order
    );
    let response = shop.key.post("/graphql").json(&json!({"query": query})).send().await.expect("an answer");
    let text = response.text().await.expect("a body");
    let names = [
        "z",
        "role",
        "order",
        "statistics",
        "revoked",
        "active",
        "ordered",
        "status",
        "lines",
        "quantity",
        "product",
        "sku",
        "id",
        "mode",
        "id",
        "channel",
        "name",
        "id",
        "id",
        "placedAt",
        "source",
        "externalReference",
        "a",
    ];
    let mut rest = text.as_str();
    for name in names {
        let (_, after) =
            rest.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} is not next: {text}"));
        rest = after;
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

/// An order of lines with three units each, all of them assigned, each line's to an account of its own.
async fn large_order(shop: &Shop, reference: &str, lines: usize) -> Placed {
    let lines: Vec<Value> = (0..lines)
        .map(|line| {
            let sku = if line % 2 == 0 { "NOW" } else { "LATER" };
            json!({"sku": sku, "quantity": 3, "assignTo": {"externalReference": format!("holder-{line}")}})
        })
        .collect();
    shop.place(reference, Value::from(lines)).await
}

/// How many statements the query takes, once one of several runs has taken `enough` or fewer; else the fewest of them.
async fn fewest_statements(app: &App, client: &Client, query: &str, variables: &Value, enough: u64) -> u64 {
    let mut fewest = u64::MAX;
    for _ in 0..40 {
        app.statements();
        client.query(query, variables.clone()).await.data();
        fewest = fewest.min(app.statements());
        if fewest <= enough {
            break;
        }
    }
    fewest
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

/// That the path of the one error begins so: the executor ends the path of an error below a list at the item.
#[track_caller]
fn assert_leads_to(answer: &Answer, path: &[&str]) {
    let paths = paths(answer);
    let [Value::Array(found)] = paths.as_slice() else { panic!("one error: {:#}", answer.body) };
    let found: Vec<String> = found.iter().map(|part| part.to_string().replace('"', "")).collect();
    assert!(found.starts_with(&path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()), "{found:?}");
}

fn paths(answer: &Answer) -> Vec<Value> {
    answer.errors().iter().filter_map(|error| error.get("path").cloned()).collect()
}

fn first(texts: &[String]) -> &str {
    texts.first().expect("one at least")
}

fn last(texts: &[String]) -> &str {
    texts.last().expect("one at least")
}
