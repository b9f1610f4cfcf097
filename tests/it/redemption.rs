//! Redeeming: a code turns into an assignment once, whoever races, and whoever may not have it is told why.

mod guess;

use std::time::Duration;

use claimcheck::domain::activation_code::code::Code;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines, eventually,
    shop::{Placed, product},
};

pub fn tests() -> Vec<Test> {
    let own = both_engines![
        a_code_turns_into_an_active_assignment,
        a_unit_that_is_made_outside_waits_for_that,
        a_unit_that_asks_for_input_waits_for_it,
        a_unit_keeps_what_its_purchase_said,
        a_code_is_read_however_it_is_typed,
        the_same_account_may_ask_again,
        another_account_is_too_late,
        a_code_that_nobody_issued_is_invalid,
        a_code_ends_at_its_very_moment,
        a_code_dies_with_a_direct_assignment,
        a_held_unit_is_for_whom_it_is_held,
        a_redemption_by_the_holder_confirms_the_hold,
        a_lapsed_hold_is_in_nobody_s_way,
        an_account_redeems_no_more_than_its_limit,
        a_redemption_says_for_whom,
        a_customer_redeems_for_itself_alone,
        every_attempt_is_recorded,
        of_many_at_once_one_redeems,
        an_account_s_limit_holds_in_a_race,
    ];
    own.into_iter().chain(guess::tests()).collect()
}

const REDEEMED: &str = "entitlement { id version status product { sku } } assignment {
    id status method resource input missingInput deadline activatedAt account { externalReference }
}";

/// A shop with so many units of a product under `policy`.
async fn stock(app: &App, policy: Value, quantity: usize) -> (Shop, Placed) {
    product(app, "P", policy).await;
    let shop = Shop::open(app, "Alpha").await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": quantity}])).await;
    (shop, placed)
}

fn code(placed: &Placed, place: usize) -> &str {
    placed.codes.get(place).expect("a code")
}

async fn redeem(client: &Client, code: &str, account: &str) -> Answer {
    let input = json!({"code": code, "account": {"externalReference": account}});
    client.mutate("redeemCode", REDEEMED, input).await
}

async fn reserve(shop: &Shop, placed: &Placed, account: &str) -> String {
    let input =
        json!({"entitlementId": placed.units.first(), "account": {"externalReference": account}, "minutes": 10});
    shop.key.mutate("reserveEntitlement", "reservation { id }", input).await.done().text("/reservation/id")
}

fn unknown() -> String {
    Code::random().expect("randomness").reveal()
}

/// The entitlement's events after its order's, each as its type and its own and the unit's change.
async fn told(client: &Client, unit: &str) -> Vec<Value> {
    let query = "query ($id: ID!) { entitlement(id: $id) { timeline(first: 100) { nodes {
        type fromStatus toStatus entitlementFrom entitlementTo
    } } } }";
    let answer = client.query(query, json!({"id": unit})).await;
    let members = ["type", "fromStatus", "toStatus", "entitlementFrom", "entitlementTo"];
    let events = answer.list("/entitlement/timeline/nodes").iter().skip(1);
    events.map(|event| members.iter().map(|member| event.get(member).cloned().unwrap_or_default()).collect()).collect()
}

async fn a_code_turns_into_an_active_assignment(app: App) {
    let (shop, placed) = stock(&app, json!({}), 2).await;
    let answer = redeem(&shop.key, code(&placed, 0), "ann").await.done();
    assert_eq!(answer.at("/entitlement/status"), "ACTIVE");
    assert_eq!(answer.at("/entitlement/id"), placed.units.first().expect("a unit"));
    assert_eq!(answer.at("/assignment/status"), "ACTIVE");
    assert_eq!(answer.at("/assignment/method"), "CODE");
    assert_eq!(answer.at("/assignment/activatedAt"), "2030-01-01T12:00:00Z");
    assert_eq!(answer.at("/assignment/account/externalReference"), "ann");
    let unit = answer.text("/entitlement/id");
    let expected = [
        json!(["CODE_REDEEMED", "ISSUED", "REDEEMED", "UNASSIGNED", "ASSIGNED"]),
        json!(["ASSIGNMENT_ACTIVATED", null, "ACTIVE", "ASSIGNED", "ACTIVE"]),
    ];
    assert_eq!(told(&shop.key, &unit).await, expected);
    app.assert_sound().await;
}

async fn a_unit_that_is_made_outside_waits_for_that(app: App) {
    let terms = json!({"provisioning": "EXTERNAL", "provisioningDeadlineMinutes": 90});
    let (shop, placed) = stock(&app, terms, 1).await;
    let answer = redeem(&shop.key, code(&placed, 0), "ann").await.done();
    assert_eq!(answer.at("/entitlement/status"), "ASSIGNED");
    assert_eq!(answer.at("/assignment/status"), "PENDING");
    assert_eq!(answer.at("/assignment/activatedAt"), &Value::Null);
    assert_eq!(answer.at("/assignment/deadline"), "2030-01-01T13:30:00Z");
    let expected = [
        json!(["CODE_REDEEMED", "ISSUED", "REDEEMED", "UNASSIGNED", "ASSIGNED"]),
        json!(["ASSIGNMENT_CREATED", null, "PENDING", null, null]),
    ];
    assert_eq!(told(&shop.key, &answer.text("/entitlement/id")).await, expected);
    app.assert_sound().await;
}

async fn a_unit_that_asks_for_input_waits_for_it(app: App) {
    let terms = json!({"requiredInput": ["seat", "size"], "inputDeadlineHours": 2});
    let (shop, placed) = stock(&app, terms, 2).await;
    let answer = redeem(&shop.key, code(&placed, 0), "ann").await.done();
    assert_eq!(answer.at("/assignment/status"), "AWAITING_INPUT");
    assert_eq!(answer.at("/assignment/missingInput"), &json!(["seat", "size"]));
    assert_eq!(answer.at("/assignment/deadline"), "2030-01-01T14:00:00Z");
    assert_eq!(answer.at("/entitlement/status"), "ASSIGNED");
    let input =
        json!({"code": code(&placed, 1), "account": {"externalReference": "bo"}, "input": {"seat": "4a", "size": "M"}});
    let complete = shop.key.mutate("redeemCode", REDEEMED, input).await.done();
    assert_eq!(complete.at("/assignment/status"), "ACTIVE", "nothing is missing");
    assert_eq!(complete.at("/assignment/input"), &json!({"seat": "4a", "size": "M"}));
    app.assert_sound().await;
}

async fn a_unit_keeps_what_its_purchase_said(app: App) {
    product(&app, "P", json!({"requiredInput": ["seat", "size"]})).await;
    let shop = Shop::open(&app, "Alpha").await;
    let lines = json!([{"sku": "P", "quantity": 2, "resource": "desk", "input": {"seat": "4a", "size": "S"}}]);
    let placed = shop.place("o-1", lines).await;
    let answer = redeem(&shop.key, code(&placed, 0), "ann").await.done();
    assert_eq!(answer.at("/assignment/status"), "ACTIVE");
    assert_eq!(answer.at("/assignment/resource"), "desk");
    let input = json!({
        "code": code(&placed, 1), "account": {"externalReference": "bo"}, "resource": "chair", "input": {"size": "L"},
    });
    let answer = shop.key.mutate("redeemCode", REDEEMED, input).await.done();
    assert_eq!(answer.at("/assignment/resource"), "chair");
    assert_eq!(answer.at("/assignment/input"), &json!({"seat": "4a", "size": "L"}), "what is said later counts");
}

async fn a_code_is_read_however_it_is_typed(app: App) {
    let (shop, placed) = stock(&app, json!({}), 4).await;
    let typed: [fn(&str) -> String; 4] = [
        |code| code.to_lowercase(),
        |code| code.replace('-', ""),
        |code| format!("  {}  ", code.replace('-', " ")),
        |code| code.replace('1', "I").replace('0', "o").replacen('I', "l", 1),
    ];
    for (written, typed) in placed.codes.iter().zip(typed) {
        let groups: Vec<usize> = written.split('-').map(str::len).collect();
        assert_eq!(groups, [5; 5]);
        redeem(&shop.key, &typed(written), "ann").await.done();
    }
}

async fn the_same_account_may_ask_again(app: App) {
    let (shop, placed) = stock(&app, json!({"maxPerAccount": 1}), 1).await;
    let first = redeem(&shop.key, code(&placed, 0), "ann").await.done();
    app.clock.advance(Duration::from_hours(24));
    let again = redeem(&shop.key, code(&placed, 0), "ann").await.done();
    assert_eq!(again.data(), first.data());
    assert_eq!(told(&shop.key, &first.text("/entitlement/id")).await.len(), 2, "nothing more happened");
    app.assert_sound().await;
}

async fn another_account_is_too_late(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let first = redeem(&shop.key, code(&placed, 0), "ann").await.done();
    let late = redeem(&shop.key, code(&placed, 0), "bo").await;
    assert_eq!(late.refusal(), Some("ALREADY_REDEEMED"));
    assert_eq!(late.at("/userErrors/0/retryable"), false);
    assert_eq!(late.at("/userErrors/0/field"), &json!(["code"]));
    assert_eq!((late.at("/assignment"), late.at("/entitlement")), (&Value::Null, &Value::Null));
    let events = told(&shop.key, &first.text("/entitlement/id")).await;
    assert_eq!(events.last(), Some(&json!(["REDEMPTION_REJECTED", null, null, null, null])));
    app.assert_sound().await;
}

async fn a_code_that_nobody_issued_is_invalid(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let mut mistyped = code(&placed, 0).to_owned();
    let last = if mistyped.ends_with('Z') { "Y" } else { "Z" };
    mistyped.replace_range(mistyped.len() - 1.., last);
    for wrong in [mistyped.as_str(), &unknown(), "hello", "", "🎁🎁🎁🎁"] {
        let answer = redeem(&shop.key, wrong, "ann").await;
        assert_eq!(answer.refusal(), Some("CODE_INVALID"), "{wrong}");
        assert_eq!(answer.at("/userErrors/0/allowedActions"), &json!([]));
    }
    redeem(&shop.key, code(&placed, 0), "ann").await.done();
    app.assert_sound().await;
}

async fn a_code_ends_at_its_very_moment(app: App) {
    let (shop, placed) = stock(&app, json!({"validForDays": 1}), 2).await;
    app.clock.advance(Duration::from_secs(86_399));
    redeem(&shop.key, code(&placed, 0), "ann").await.done();
    app.clock.advance(Duration::from_secs(1));
    let late = redeem(&shop.key, code(&placed, 1), "ann").await;
    assert_eq!(late.refusal(), Some("CODE_EXPIRED"), "no sweep has run");
    redeem(&shop.key, code(&placed, 0), "ann").await.done();
    app.assert_sound().await;
}

async fn a_code_dies_with_a_direct_assignment(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let input = json!({"entitlementId": placed.units.first(), "account": {"externalReference": "ann"}});
    shop.key.mutate("assignEntitlement", "assignment { id }", input).await.done();
    for account in ["bo", "ann"] {
        let answer = redeem(&shop.key, code(&placed, 0), account).await;
        assert_eq!(answer.refusal(), Some("CODE_REVOKED"), "{account}");
    }
    app.assert_sound().await;
}

async fn a_held_unit_is_for_whom_it_is_held(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    reserve(&shop, &placed, "ann").await;
    let answer = redeem(&shop.key, code(&placed, 0), "bo").await;
    assert_eq!(answer.refusal(), Some("RESERVED_BY_OTHER"));
    assert_eq!(answer.at("/userErrors/0/retryable"), true);
    app.assert_sound().await;
}

async fn a_redemption_by_the_holder_confirms_the_hold(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let reservation = reserve(&shop, &placed, "ann").await;
    let answer = redeem(&shop.key, code(&placed, 0), "ann").await.done();
    assert_eq!(answer.at("/entitlement/status"), "ACTIVE");
    let query = "query ($id: ID!) { node(id: $id) { ... on Reservation { status } } }";
    let hold = shop.key.query(query, json!({"id": reservation})).await;
    assert_eq!(hold.at("/node/status"), "CONFIRMED");
    let events = told(&shop.key, &answer.text("/entitlement/id")).await;
    let expected = [
        json!(["RESERVATION_HELD", null, "HELD", "UNASSIGNED", "RESERVED"]),
        json!(["RESERVATION_CONFIRMED", "HELD", "CONFIRMED", null, null]),
        json!(["CODE_REDEEMED", "ISSUED", "REDEEMED", "RESERVED", "ASSIGNED"]),
        json!(["ASSIGNMENT_ACTIVATED", null, "ACTIVE", "ASSIGNED", "ACTIVE"]),
    ];
    assert_eq!(events, expected);
    app.assert_sound().await;
}

async fn a_lapsed_hold_is_in_nobody_s_way(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    reserve(&shop, &placed, "ann").await;
    app.clock.advance(Duration::from_mins(10));
    let answer = redeem(&shop.key, code(&placed, 0), "bo").await.done();
    let events = told(&shop.key, &answer.text("/entitlement/id")).await;
    let expired = json!(["RESERVATION_EXPIRED", "HELD", "EXPIRED", "RESERVED", "UNASSIGNED"]);
    assert_eq!(events.get(1), Some(&expired), "the journal tells of its end");
    app.assert_sound().await;
}

async fn an_account_redeems_no_more_than_its_limit(app: App) {
    let (shop, placed) = stock(&app, json!({"maxPerAccount": 1}), 2).await;
    redeem(&shop.key, code(&placed, 0), "ann").await.done();
    let more = redeem(&shop.key, code(&placed, 1), "ann").await;
    assert_eq!(more.refusal(), Some("LIMIT_PER_ACCOUNT"));
    redeem(&shop.key, code(&placed, 1), "bo").await.done();
    app.assert_sound().await;
}

async fn a_redemption_says_for_whom(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let answer = shop.key.mutate("redeemCode", REDEEMED, json!({"code": code(&placed, 0)})).await;
    assert_eq!(answer.refusal(), Some("INVALID_INPUT"));
    assert_eq!(answer.at("/userErrors/0/field"), &json!(["account"]));
}

async fn a_customer_redeems_for_itself_alone(app: App) {
    let (shop, placed) = stock(&app, json!({}), 2).await;
    let ann = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "ann"})).await;
    let own = ann.mutate("redeemCode", REDEEMED, json!({"code": code(&placed, 0)})).await.done();
    assert_eq!(own.at("/assignment/account/externalReference"), "ann");
    redeem(&shop.key, code(&placed, 0), "ann").await.done();
    for other in ["bo", "nobody"] {
        let answer = redeem(&ann, code(&placed, 1), other).await;
        assert_eq!(answer.refusal(), Some("NOT_FOUND"));
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["account"]));
    }
    let named = redeem(&ann, code(&placed, 1), "ann").await.done();
    assert_eq!(named.at("/entitlement/status"), "ACTIVE");
    app.assert_sound().await;
}

async fn every_attempt_is_recorded(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let unknown = unknown();
    redeem(&shop.key, &unknown, "ann").await;
    redeem(&shop.key, code(&placed, 0), "ann").await.done();
    redeem(&shop.key, code(&placed, 0), "bo").await;
    let attempt =
        "outcome reason codeLastFour account { externalReference } entitlement { id } activationCode { status }";
    let query = format!(
        "query ($id: ID!) {{ entitlement(id: $id) {{ redemptionAttempts {{ {attempt} }} }}
            redemptionAttempts {{ totalCount nodes {{ {attempt} }} }} }}"
    );
    let unit = placed.units.first().expect("a unit");
    let answer = shop.key.query(&query, json!({"id": unit})).await;
    let last_four = |code: &str| code.get(code.len() - 4..).expect("four symbols").to_owned();
    let known = |outcome, reason, account| {
        json!({
            "outcome": outcome, "reason": reason, "codeLastFour": last_four(code(&placed, 0)),
            "account": {"externalReference": account}, "entitlement": {"id": unit}, "activationCode": {"status": "REDEEMED"},
        })
    };
    let (good, late) = (known("SUCCEEDED", Value::Null, "ann"), known("REJECTED", json!("ALREADY_REDEEMED"), "bo"));
    assert_eq!(answer.list("/entitlement/redemptionAttempts"), [late, good], "newest first");
    assert_eq!(answer.number("/redemptionAttempts/totalCount"), 3);
    let guess = json!({
        "outcome": "REJECTED", "reason": "CODE_INVALID", "codeLastFour": last_four(&unknown), "account": null,
        "entitlement": null, "activationCode": null,
    });
    assert!(answer.list("/redemptionAttempts/nodes").contains(&guess), "{:#}", answer.body);
}

async fn of_many_at_once_one_redeems(app: App) {
    const REDEEMERS: usize = 40;
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let nodes = [shop.key.clone(), app.second_node().await.client(shop.key.secret().expect("a secret"))];
    let one = |(place, client): (usize, Client)| {
        let code = code(&placed, 0).to_owned();
        async move { redeem(&client, &code, &format!("account {place}")).await }
    };
    let answers = join_all(nodes.iter().cycle().take(REDEEMERS).cloned().enumerate().map(one)).await;
    let outcomes: Vec<Option<&str>> = answers.iter().map(Answer::refusal).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_none()).count(), 1, "{outcomes:?}");
    assert_eq!(
        outcomes.iter().filter(|outcome| **outcome == Some("ALREADY_REDEEMED")).count(),
        REDEEMERS - 1,
        "{outcomes:?}"
    );
    let unit = placed.units.first().expect("a unit");
    let events = eventually("every try's event", async || {
        Some(told(&shop.key, unit).await).filter(|events| events.len() > REDEEMERS)
    });
    let events = events.await;
    let times = |kind: &str| events.iter().filter(|event| event.get(0) == Some(&json!(kind))).count();
    assert_eq!(times("CODE_REDEEMED"), 1);
    assert_eq!(times("ASSIGNMENT_ACTIVATED"), 1);
    assert_eq!(times("REDEMPTION_REJECTED"), REDEEMERS - 1);
    app.assert_sound().await;
}

async fn an_account_s_limit_holds_in_a_race(app: App) {
    const CODES: usize = 12;
    let (shop, placed) = stock(&app, json!({"maxPerAccount": 2}), CODES).await;
    let nodes = [shop.key.clone(), app.second_node().await.client(shop.key.secret().expect("a secret"))];
    let tries = nodes.iter().cycle().zip(&placed.codes).map(|(client, code)| redeem(client, code, "ann"));
    let answers = join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.refusal().is_none()).count(), 2);
    assert!(answers.iter().filter_map(Answer::refusal).all(|refusal| refusal == "LIMIT_PER_ACCOUNT"));
    app.assert_sound().await;
}
