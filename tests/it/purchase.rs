//! Purchases: complete at once, whoever claims the units and whenever, and safe to repeat.

use serde_json::{Value, json};

use crate::harness::{Answer, App, Shop, Test, both_engines, shop::product};

mod repeat;
mod size;

pub fn tests() -> Vec<Test> {
    let own = both_engines![
        a_decoupled_line_issues_units_with_codes,
        a_line_assigned_to_somebody_is_theirs_in_the_same_call,
        a_coupled_rule_gives_the_units_to_the_buyer,
        a_coupled_line_without_a_buyer_is_sold_decoupled,
        a_switched_rule_binds_new_orders_only,
        a_gift_keeps_its_recipient,
        a_product_without_codes_issues_none,
        one_event_tells_of_all_open_units_and_one_of_each_assignment,
        a_unit_ends_so_many_days_after_it_was_bought,
        a_unit_without_a_period_never_ends,
        an_account_gets_no_more_than_its_limit_over_all_lines,
        a_total_is_exact,
        a_sold_line_keeps_its_terms,
        a_refusal_names_what_is_meant,
        a_refused_order_leaves_nothing_behind,
        an_inactive_channel_takes_no_new_order,
    ];
    [own, repeat::tests(), size::tests()].into_iter().flatten().collect()
}

const ORDER: &str = "order {
    id version status fulfillmentStatus total { amount currencyCode } buyerAccount { externalReference } placedAt paymentReference
    lines { mode quantity unitPrice { amount currencyCode } policy { version } entitlements(first: 10) { nodes {
        id status expiresAt recipient { name email } activationCode { status }
        assignment { status method resource input missingInput deadline account { externalReference } }
    } } }
} activationCodes { code activationCode { id revealable entitlement { id } } }";

/// A shop that sells what is active at once, what is provisioned outside, and what asks for input first.
async fn shop(app: &App) -> Shop {
    product(app, "NOW", json!({})).await;
    product(app, "OUTSIDE", json!({"provisioning": "EXTERNAL"})).await;
    product(app, "ASKING", json!({"provisioning": "EXTERNAL", "requiredInput": ["seat", "size"]})).await;
    Shop::open(app, "Alpha").await
}

fn order(shop: &Shop, reference: &str, lines: Value, more: Value) -> Value {
    let mut input = json!({"channelId": shop.channel, "externalReference": reference});
    if let (Value::Object(input), Value::Object(mut more)) = (&mut input, more) {
        input.append(&mut more);
        input.insert("lines".to_owned(), lines);
    }
    input
}

async fn place(shop: &Shop, reference: &str, lines: Value, more: Value) -> Answer {
    shop.key.mutate("placeOrder", ORDER, order(shop, reference, lines, more)).await
}

async fn set_rule(app: &App, shop: &Shop, product: &str, mode: Value) {
    let input = json!({"channelId": shop.channel, "productId": product, "mode": mode});
    app.admin().mutate("setFulfillmentRule", "rule { mode }", input).await.done();
}

/// One member of every unit of a line.
fn units(answer: &Answer, line: usize, member: &str) -> Vec<Value> {
    let units = answer.list(&format!("/order/lines/{line}/entitlements/nodes")).iter();
    units.map(|unit| unit.pointer(member).cloned().unwrap_or_default()).collect()
}

fn codes(answer: &Answer) -> Vec<Value> {
    let codes = answer.list("/activationCodes").iter();
    codes.map(|issued| issued.pointer("/code").cloned().unwrap_or_default()).collect()
}

async fn a_decoupled_line_issues_units_with_codes(app: App) {
    let shop = shop(&app).await;
    let answer = place(&shop, "o-1", json!([{"sku": "NOW", "quantity": 3}]), json!({})).await.done();
    assert_eq!(answer.at("/order/status"), "CONFIRMED");
    assert_eq!(answer.at("/order/fulfillmentStatus"), "UNFULFILLED");
    assert_eq!(answer.at("/order/lines/0/mode"), "DECOUPLED");
    assert_eq!(units(&answer, 0, "/status"), ["UNASSIGNED"; 3]);
    assert_eq!(units(&answer, 0, "/activationCode/status"), ["ISSUED"; 3]);
    let coded: Vec<Value> = answer
        .list("/activationCodes")
        .iter()
        .map(|issued| issued.pointer("/activationCode/entitlement/id").cloned().expect("a unit"))
        .collect();
    assert_eq!(coded, units(&answer, 0, "/id"), "a code for each unit");
    app.assert_sound().await;
}

async fn a_line_assigned_to_somebody_is_theirs_in_the_same_call(app: App) {
    let shop = shop(&app).await;
    let to = json!({"externalReference": "ann", "email": "ann@example.com"});
    let lines = json!([
        {"sku": "NOW", "quantity": 2, "assignTo": to, "resource": "desk 1"},
        {"sku": "OUTSIDE", "assignTo": to},
        {"sku": "ASKING", "assignTo": to, "input": {"seat": "4a"}},
    ]);
    let answer = place(&shop, "o-1", lines, json!({})).await.done();
    for line in 0..3 {
        assert_eq!(answer.at(&format!("/order/lines/{line}/mode")), "COUPLED", "whatever the rule");
        let unit = |member: &str| answer.at(&format!("/order/lines/{line}/entitlements/nodes/0{member}"));
        assert_eq!(unit("/assignment/method"), "COUPLED");
        assert_eq!(unit("/assignment/account/externalReference"), "ann");
        assert_eq!(unit("/activationCode"), &Value::Null);
    }
    assert_eq!(units(&answer, 0, "/status"), ["ACTIVE"; 2]);
    assert_eq!(units(&answer, 0, "/assignment/resource"), ["desk 1"; 2]);
    assert_eq!(units(&answer, 1, "/status"), ["ASSIGNED"]);
    assert_eq!(units(&answer, 1, "/assignment/status"), ["PENDING"]);
    assert_eq!(units(&answer, 1, "/assignment/deadline"), ["2030-01-01T13:00:00Z"]);
    assert_eq!(units(&answer, 2, "/assignment/status"), ["AWAITING_INPUT"]);
    assert_eq!(units(&answer, 2, "/assignment/missingInput"), [json!(["size"])]);
    assert_eq!(units(&answer, 2, "/assignment/deadline"), ["2030-01-08T12:00:00Z"]);
    assert_eq!(codes(&answer), [Value::Null; 0]);
    app.assert_sound().await;
}

async fn a_coupled_rule_gives_the_units_to_the_buyer(app: App) {
    let shop = shop(&app).await;
    let coupled = product(&app, "COUPLED", json!({"mode": "COUPLED"})).await;
    let lines = json!([{"sku": "COUPLED", "quantity": 2}, {"sku": "NOW"}]);
    let buyer = json!({"buyerAccount": {"externalReference": "ann"}});
    let answer = place(&shop, "o-1", lines.clone(), buyer.clone()).await.done();
    assert_eq!(answer.at("/order/lines/0/mode"), "COUPLED");
    assert_eq!(units(&answer, 0, "/assignment/account/externalReference"), ["ann"; 2]);
    assert_eq!(answer.at("/order/lines/1/mode"), "DECOUPLED");
    assert_eq!(units(&answer, 1, "/status"), ["UNASSIGNED"]);
    assert_eq!(answer.at("/order/fulfillmentStatus"), "PARTIALLY_FULFILLED");

    set_rule(&app, &shop, &coupled, json!("DECOUPLED")).await;
    let answer = place(&shop, "o-2", lines, buyer).await.done();
    assert_eq!(answer.at("/order/lines/0/mode"), "DECOUPLED", "the rule overrides the policy");
    app.assert_sound().await;
}

async fn a_coupled_line_without_a_buyer_is_sold_decoupled(app: App) {
    let shop = shop(&app).await;
    product(&app, "COUPLED", json!({"mode": "COUPLED"})).await;
    let buyer = json!({"buyer": {"name": "Ann", "email": "ann@example.com"}});
    let answer = place(&shop, "o-1", json!([{"sku": "COUPLED"}]), buyer).await.done();
    assert_eq!(answer.at("/order/lines/0/mode"), "DECOUPLED");
    assert_eq!(units(&answer, 0, "/status"), ["UNASSIGNED"]);
    assert_eq!(codes(&answer).len(), 1);
}

async fn a_switched_rule_binds_new_orders_only(app: App) {
    let shop = shop(&app).await;
    let product = product(&app, "SWITCHED", json!({})).await;
    let buyer = json!({"buyerAccount": {"externalReference": "ann"}});
    let lines = json!([{"sku": "SWITCHED"}]);
    let mut modes = Vec::new();
    for (place_in_time, mode) in [json!(null), json!("COUPLED"), json!(null)].into_iter().enumerate() {
        set_rule(&app, &shop, &product, mode).await;
        let answer = place(&shop, &place_in_time.to_string(), lines.clone(), buyer.clone()).await.done();
        modes.push(answer.text("/order/lines/0/mode"));
    }
    assert_eq!(modes, ["DECOUPLED", "COUPLED", "DECOUPLED"]);
    let first = place(&shop, "0", lines, buyer).await.done();
    assert_eq!(units(&first, 0, "/status"), ["UNASSIGNED"]);
    app.assert_sound().await;
}

async fn a_gift_keeps_its_recipient(app: App) {
    let shop = shop(&app).await;
    let lines = json!([
        {"sku": "NOW", "quantity": 2, "recipient": {"name": "Zoë", "email": "zoe@example.com"}},
        {"sku": "NOW", "recipient": {"email": "bo@example.com"}},
        {"sku": "NOW"},
    ]);
    let answer = place(&shop, "o-1", lines, json!({"buyerAccount": {"externalReference": "ann"}})).await.done();
    let zoe = json!({"name": "Zoë", "email": "zoe@example.com"});
    assert_eq!(units(&answer, 0, "/recipient"), [zoe.clone(), zoe]);
    assert_eq!(units(&answer, 1, "/recipient"), [json!({"name": null, "email": "bo@example.com"})]);
    assert_eq!(units(&answer, 2, "/recipient"), [Value::Null]);
    assert_eq!(units(&answer, 0, "/assignment"), [Value::Null, Value::Null], "a hint, and no assignment");
    app.assert_sound().await;
}

async fn a_product_without_codes_issues_none(app: App) {
    let shop = shop(&app).await;
    product(&app, "BARE", json!({"issuesCodes": false})).await;
    let answer = place(&shop, "o-1", json!([{"sku": "BARE", "quantity": 2}]), json!({})).await.done();
    assert_eq!(units(&answer, 0, "/status"), ["UNASSIGNED"; 2]);
    assert_eq!(units(&answer, 0, "/activationCode"), [Value::Null, Value::Null]);
    assert!(codes(&answer).is_empty());
}

async fn one_event_tells_of_all_open_units_and_one_of_each_assignment(app: App) {
    let shop = shop(&app).await;
    let to = json!({"externalReference": "ann"});
    let lines = json!([
        {"sku": "NOW", "quantity": 3}, {"sku": "NOW", "quantity": 2, "assignTo": to}, {"sku": "OUTSIDE", "assignTo": to},
        {"sku": "ASKING", "assignTo": to}, {"sku": "OUTSIDE", "quantity": 4},
    ]);
    let answer = place(&shop, "o-1", lines, json!({})).await.done();
    let query = "query ($id: ID!) { order(id: $id) { timeline { nodes {
        type quantity fromStatus toStatus entitlementFrom entitlementTo entitlement { id status } assignment { status } order { id }
    } } } }";
    let timeline = shop.key.query(query, json!({"id": answer.at("/order/id")})).await;
    let told = timeline.list("/order/timeline/nodes");
    let said = |event: &Value| {
        ["type", "quantity", "toStatus", "entitlementTo"].map(|member| event.get(member).cloned().unwrap_or_default())
    };
    let expected = [
        ("ORDER_PLACED", json!(7), "CONFIRMED", json!(null)),
        ("ASSIGNMENT_ACTIVATED", json!(null), "ACTIVE", json!("ACTIVE")),
        ("ASSIGNMENT_ACTIVATED", json!(null), "ACTIVE", json!("ACTIVE")),
        ("ASSIGNMENT_CREATED", json!(null), "PENDING", json!("ASSIGNED")),
        ("ASSIGNMENT_AWAITING_INPUT", json!(null), "AWAITING_INPUT", json!("ASSIGNED")),
    ];
    let expected = expected.map(|(kind, quantity, to, unit)| [json!(kind), quantity, json!(to), unit]);
    assert_eq!(told.iter().map(said).collect::<Vec<_>>(), expected);
    assert!(told.iter().all(|event| event.pointer("/order/id") == Some(answer.at("/order/id"))));
    assert!(told.iter().skip(1).all(|event| event.get("entitlementTo") == event.pointer("/entitlement/status")));
    app.assert_sound().await;
}

async fn a_unit_ends_so_many_days_after_it_was_bought(app: App) {
    let shop = shop(&app).await;
    product(&app, "MONTH", json!({"validForDays": 30})).await;
    let answer = place(&shop, "o-1", json!([{"sku": "MONTH", "quantity": 2}]), json!({})).await.done();
    assert_eq!(units(&answer, 0, "/expiresAt"), ["2030-01-31T12:00:00Z"; 2]);
}

async fn a_unit_without_a_period_never_ends(app: App) {
    let shop = shop(&app).await;
    let answer = place(&shop, "o-1", json!([{"sku": "NOW"}]), json!({})).await.done();
    assert_eq!(units(&answer, 0, "/expiresAt"), [Value::Null]);
}

async fn an_account_gets_no_more_than_its_limit_over_all_lines(app: App) {
    let shop = shop(&app).await;
    product(&app, "TWO", json!({"maxPerAccount": 2})).await;
    let (ann, bo) = (json!({"externalReference": "ann"}), json!({"externalReference": "bo"}));
    let line = |to: &Value, quantity: i32| json!({"sku": "TWO", "quantity": quantity, "assignTo": to});
    let refused = place(&shop, "o-1", json!([line(&ann, 2), line(&bo, 1), line(&ann, 1)]), json!({})).await;
    assert_eq!(refused.refusal(), Some("LIMIT_PER_ACCOUNT"));
    place(&shop, "o-1", json!([line(&ann, 2), line(&bo, 1)]), json!({})).await.done();
    assert_eq!(place(&shop, "o-2", json!([line(&bo, 2)]), json!({})).await.refusal(), Some("LIMIT_PER_ACCOUNT"));
    place(&shop, "o-3", json!([line(&bo, 1), {"sku": "TWO", "quantity": 50}]), json!({})).await.done();
    app.assert_sound().await;
}

async fn a_total_is_exact(app: App) {
    let shop = shop(&app).await;
    let pounds = json!({"currencyCode": "GBP"});
    let lines = json!([{"sku": "NOW", "quantity": 3, "unitPrice": "0.10"}, {"sku": "OUTSIDE", "unitPrice": "19.99"}]);
    let answer = place(&shop, "o-1", lines, pounds.clone()).await.done();
    assert_eq!(answer.at("/order/total"), &json!({"amount": "20.29", "currencyCode": "GBP"}));
    assert_eq!(answer.at("/order/lines/0/unitPrice"), &json!({"amount": "0.10", "currencyCode": "GBP"}));
    let lines = json!([{"sku": "NOW", "unitPrice": "1"}, {"sku": "NOW"}]);
    let answer = place(&shop, "o-2", lines, pounds).await.done();
    assert_eq!(answer.at("/order/total"), &Value::Null, "not every line has a price");
    let unpriced = place(&shop, "o-3", json!([{"sku": "NOW", "unitPrice": "1"}]), json!({})).await;
    assert_eq!(unpriced.refusal(), Some("INVALID_INPUT"), "a price needs a currency");
    assert_eq!(unpriced.at("/userErrors/0/field"), &json!(["lines", "0", "unitPrice"]));
}

async fn a_sold_line_keeps_its_terms(app: App) {
    let shop = shop(&app).await;
    let product = product(&app, "CHANGING", json!({})).await;
    let lines = json!([{"sku": "CHANGING"}]);
    let before = shop.place("o-1", lines.clone()).await;
    let terms = json!({"provisioning": "EXTERNAL", "requiredInput": ["seat"], "validForDays": 1, "maxPerAccount": 1});
    let input = json!({"productId": product, "policy": terms});
    app.admin().mutate("updateProduct", "product { policy { version } }", input).await.done();
    let after = shop.place("o-2", lines.clone()).await;

    app.clock.advance(std::time::Duration::from_hours(1));
    for (placed, assignment) in [(&before, "ACTIVE"), (&after, "AWAITING_INPUT")] {
        let answer = shop.redeem(placed.codes.first().expect("a code"), assignment).await;
        assert_eq!(answer.at("/redeemCode/assignment/status"), assignment);
    }
    for (reference, version, end) in [("o-1", 1, json!(null)), ("o-2", 2, json!("2030-01-02T12:00:00Z"))] {
        let answer = place(&shop, reference, lines.clone(), json!({})).await.done();
        assert_eq!(answer.number("/order/lines/0/policy/version"), version);
        assert_eq!(units(&answer, 0, "/expiresAt"), [end]);
    }
    app.assert_sound().await;
}

async fn a_refusal_names_what_is_meant(app: App) {
    let (shop, other) = (shop(&app).await, Shop::open(&app, "Beta").await);
    let foreign = json!({"channelId": other.channel});
    for (lines, more, code, field) in [
        (json!([]), json!({}), "INVALID_INPUT", json!(["lines"])),
        (json!([{"sku": "NOW"}, {"sku": "GONE"}]), json!({}), "NOT_FOUND", json!(["lines", "1", "sku"])),
        (json!([{"sku": "NOW", "quantity": 0}]), json!({}), "INVALID_INPUT", json!(["lines", "0", "quantity"])),
        (json!([{"sku": "NOW", "input": [1]}]), json!({}), "INVALID_INPUT", json!(["lines", "0", "input"])),
        (
            json!([{"sku": "NOW", "recipient": {"email": "x"}}]),
            json!({}),
            "INVALID_INPUT",
            json!(["lines", "0", "recipient", "email"]),
        ),
        (
            json!([{"sku": "NOW", "assignTo": {"externalReference": ""}}]),
            json!({}),
            "INVALID_INPUT",
            json!(["lines", "0", "assignTo", "externalReference"]),
        ),
        (json!([{"sku": "NOW"}]), json!({"externalReference": " "}), "INVALID_INPUT", json!(["externalReference"])),
        (json!([{"sku": "NOW"}]), json!({"currencyCode": "pound"}), "INVALID_INPUT", json!(["currencyCode"])),
        (
            json!([{"sku": "NOW"}]),
            json!({"buyerAccount": {"externalReference": "a", "email": "x"}}),
            "INVALID_INPUT",
            json!(["buyerAccount", "email"]),
        ),
        (json!([{"sku": "NOW"}]), json!({"channelId": "chn_nonsense"}), "INVALID_INPUT", json!(["channelId"])),
        (json!([{"sku": "NOW"}]), foreign, "NOT_FOUND", json!(["channelId"])),
    ] {
        let answer = place(&shop, "o-1", lines.clone(), more).await;
        assert_eq!(answer.refusal(), Some(code), "{lines}");
        assert_eq!(answer.at("/userErrors/0/field"), &field, "{lines}");
        assert_eq!(answer.at("/userErrors/0/retryable"), false);
    }
}

async fn a_refused_order_leaves_nothing_behind(app: App) {
    let shop = shop(&app).await;
    let told = app.events().await;
    let lines = json!([{"sku": "NOW", "assignTo": {"externalReference": "ann"}}, {"sku": "GONE"}]);
    assert_eq!(place(&shop, "o-1", lines, json!({})).await.refusal(), Some("NOT_FOUND"));
    let query = "{ accountByReference(externalReference: \"ann\") { id } orders { totalCount } }";
    let rest = shop.key.query(query, json!({})).await;
    assert_eq!(rest.data(), &json!({"accountByReference": null, "orders": {"totalCount": 0}}));
    assert_eq!(app.events().await, told);
    place(&shop, "o-1", json!([{"sku": "NOW"}]), json!({})).await.done();
}

async fn an_inactive_channel_takes_no_new_order(app: App) {
    let shop = shop(&app).await;
    let lines = json!([{"sku": "NOW"}]);
    let sold = place(&shop, "o-1", lines.clone(), json!({})).await.done();
    let input = json!({"channelId": shop.channel, "active": false});
    app.admin().mutate("updateChannel", "channel { active }", input).await.done();
    assert_eq!(place(&shop, "o-2", lines.clone(), json!({})).await.refusal(), Some("INVALID_STATE"));
    assert_eq!(place(&shop, "o-1", lines, json!({})).await.done().data(), sold.data(), "a repeat is no new order");
    let code = codes(&sold).first().and_then(Value::as_str).expect("a code").to_owned();
    assert_eq!(shop.redeem(&code, "ann").await.at("/redeemCode/userErrors"), &json!([]), "what was sold stays good");
}
