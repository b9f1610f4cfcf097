//! Reservations: a unit is held for a while, by one, and is free again the moment its hold is over.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines,
    shop::{Placed, product},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_hold_lasts_as_long_as_the_policy_says,
        a_hold_lasts_as_long_as_was_asked_within_bounds,
        a_held_unit_is_held_by_one,
        of_many_at_once_one_holds,
        a_hold_can_be_for_nobody_by_name,
        a_hold_keeps_the_code,
        a_hold_is_extended_up_to_the_longest,
        a_confirmed_hold_is_an_assignment,
        a_hold_is_confirmed_for_nobody_else,
        a_hold_for_nobody_is_confirmed_by_name,
        a_confirmation_counts_what_the_account_has,
        a_released_hold_frees_the_unit,
        a_hold_past_its_end_is_over,
        a_lapsed_hold_is_replaced_by_another,
        a_hold_that_ended_stays_so,
        a_change_decided_on_an_old_version_is_refused,
        a_confirmation_and_a_release_at_once_do_not_both_happen,
        a_foreign_hold_is_unknown,
        a_customer_holds_what_it_bought,
        a_unit_past_its_end_is_not_held,
    ]
}

const HELD: &str = "reservation { id version status resource expiresAt account { externalReference } } entitlement { id status version }";
const CONFIRMED: &str = "assignment { id status method resource account { externalReference } } entitlement { id status } reservation { status }";
const CHANGED: &str = "reservation { id version status expiresAt }";

async fn stock(app: &App, policy: Value) -> (Shop, Placed) {
    product(app, "P", policy).await;
    let shop = Shop::open(app, "Alpha").await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": 2}])).await;
    (shop, placed)
}

fn unit(placed: &Placed) -> &str {
    placed.units.first().expect("a unit")
}

fn with(mut input: Value, more: Value) -> Value {
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    input
}

async fn reserve(client: &Client, unit: &str, more: Value) -> Answer {
    client.mutate("reserveEntitlement", HELD, with(json!({"entitlementId": unit}), more)).await
}

async fn extend(client: &Client, reservation: &str, more: Value) -> Answer {
    client.mutate("extendReservation", CHANGED, with(json!({"reservationId": reservation}), more)).await
}

async fn confirm(client: &Client, reservation: &str, more: Value) -> Answer {
    client.mutate("confirmReservation", CONFIRMED, with(json!({"reservationId": reservation}), more)).await
}

async fn release(client: &Client, reservation: &str, more: Value) -> Answer {
    client.mutate("releaseReservation", HELD, with(json!({"reservationId": reservation}), more)).await
}

fn account(reference: &str) -> Value {
    json!({"account": {"externalReference": reference}})
}

/// The id of a hold for `reference` on the first unit.
async fn held(shop: &Shop, placed: &Placed, reference: &str) -> String {
    reserve(&shop.key, unit(placed), account(reference)).await.done().text("/reservation/id")
}

async fn told(client: &Client, unit: &str) -> Vec<Value> {
    let query =
        "query ($id: ID!) { entitlement(id: $id) { timeline { nodes { type toStatus entitlementTo reason } } } }";
    let answer = client.query(query, json!({"id": unit})).await;
    let members = ["type", "toStatus", "entitlementTo"];
    let events = answer.list("/entitlement/timeline/nodes").iter().skip(1);
    events.map(|event| members.iter().map(|member| event.get(member).cloned().unwrap_or_default()).collect()).collect()
}

async fn a_hold_lasts_as_long_as_the_policy_says(app: App) {
    let (shop, placed) = stock(&app, json!({"reservationMinutes": 45})).await;
    let answer = reserve(&shop.key, unit(&placed), with(account("ann"), json!({"resource": "desk"}))).await.done();
    assert_eq!(answer.at("/reservation/status"), "HELD");
    assert_eq!(answer.at("/reservation/expiresAt"), "2030-01-01T12:45:00Z");
    assert_eq!(answer.at("/reservation/account/externalReference"), "ann");
    assert_eq!(answer.at("/reservation/resource"), "desk");
    assert_eq!(answer.at("/entitlement/status"), "RESERVED");
    assert_eq!(told(&shop.key, unit(&placed)).await, [json!(["RESERVATION_HELD", "HELD", "RESERVED"])]);
    app.assert_sound().await;
}

async fn a_hold_lasts_as_long_as_was_asked_within_bounds(app: App) {
    let (shop, placed) = stock(&app, json!({"reservationMinutes": 10, "reservationMaxMinutes": 60})).await;
    for minutes in [-1, 0, 61, i32::MAX] {
        let answer = reserve(&shop.key, unit(&placed), json!({"minutes": minutes})).await;
        assert_eq!(answer.refusal(), Some("INVALID_INPUT"), "{minutes}");
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["minutes"]));
    }
    let answer = reserve(&shop.key, unit(&placed), json!({"minutes": 60})).await.done();
    assert_eq!(answer.at("/reservation/expiresAt"), "2030-01-01T13:00:00Z");
}

async fn a_held_unit_is_held_by_one(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    held(&shop, &placed, "ann").await;
    for other in ["bo", "ann"] {
        let answer = reserve(&shop.key, unit(&placed), account(other)).await;
        assert_eq!(answer.refusal(), Some("RESERVED_BY_OTHER"), "{other}");
        assert_eq!(answer.at("/userErrors/0/retryable"), true);
    }
    let input = with(json!({"entitlementId": unit(&placed)}), account("bo"));
    let direct = shop.key.mutate("assignEntitlement", "assignment { id }", input).await;
    assert_eq!(direct.refusal(), Some("RESERVED_BY_OTHER"));
    app.assert_sound().await;
}

async fn of_many_at_once_one_holds(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let nodes = [shop.key.clone(), app.second_node().await.client(shop.key.secret().expect("a secret"))];
    let tries = nodes.iter().cycle().take(12).enumerate();
    let answers = join_all(tries.map(|(place, client)| {
        let unit = unit(&placed).to_owned();
        async move { reserve(client, &unit, account(&format!("account {place}"))).await }
    }));
    let answers = answers.await;
    assert_eq!(answers.iter().filter(|answer| answer.refusal().is_none()).count(), 1);
    assert!(answers.iter().filter_map(Answer::refusal).all(|refusal| refusal == "RESERVED_BY_OTHER"));
    app.assert_sound().await;
}

async fn a_hold_can_be_for_nobody_by_name(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let answer = reserve(&shop.key, unit(&placed), json!({})).await.done();
    assert_eq!(answer.at("/reservation/account"), &Value::Null);
    let code = placed.codes.first().expect("a code");
    let anybody = shop.redeem(code, "ann").await;
    assert_eq!(anybody.at("/redeemCode/userErrors/0/code"), "RESERVED_BY_OTHER");
}

async fn a_hold_keeps_the_code(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let hold = held(&shop, &placed, "ann").await;
    let query = "query ($id: ID!) { entitlement(id: $id) { activationCode { status revealable } } }";
    let code = shop.key.query(query, json!({"id": unit(&placed)})).await;
    assert_eq!(code.at("/entitlement/activationCode"), &json!({"status": "ISSUED", "revealable": true}));
    release(&shop.key, &hold, json!({})).await.done();
    let redeemed = shop.redeem(placed.codes.first().expect("a code"), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/userErrors"), &json!([]), "the same code as before");
    app.assert_sound().await;
}

async fn a_hold_is_extended_up_to_the_longest(app: App) {
    let (shop, placed) = stock(&app, json!({"reservationMinutes": 10, "reservationMaxMinutes": 30})).await;
    let hold = held(&shop, &placed, "ann").await;
    app.clock.advance(Duration::from_mins(5));
    let longer = extend(&shop.key, &hold, json!({"minutes": 15})).await.done();
    assert_eq!(longer.at("/reservation/expiresAt"), "2030-01-01T12:25:00Z", "counted from its present end");
    let too_long = extend(&shop.key, &hold, json!({"minutes": 6})).await;
    assert_eq!(too_long.refusal(), Some("LIMIT_EXCEEDED"));
    extend(&shop.key, &hold, json!({"minutes": 5})).await.done();
    for minutes in [0, -5] {
        assert_eq!(extend(&shop.key, &hold, json!({"minutes": minutes})).await.refusal(), Some("INVALID_INPUT"));
    }
    assert_eq!(extend(&shop.key, &hold, json!({"minutes": i32::MAX})).await.refusal(), Some("LIMIT_EXCEEDED"));
    let kinds: Vec<Value> =
        told(&shop.key, unit(&placed)).await.into_iter().filter_map(|event| event.get(0).cloned()).collect();
    assert_eq!(kinds, ["RESERVATION_HELD", "RESERVATION_EXTENDED", "RESERVATION_EXTENDED"]);
    app.assert_sound().await;
}

async fn a_confirmed_hold_is_an_assignment(app: App) {
    let (shop, placed) = stock(&app, json!({"requiredInput": ["seat"]})).await;
    let more = with(account("ann"), json!({"resource": "desk"}));
    let hold = reserve(&shop.key, unit(&placed), more).await.done().text("/reservation/id");
    let answer = confirm(&shop.key, &hold, json!({"input": {"seat": "4a"}})).await.done();
    let assignment = json!({"status": "ACTIVE", "method": "RESERVATION", "resource": "desk", "account": {"externalReference": "ann"}});
    for (member, value) in assignment.as_object().expect("an object") {
        assert_eq!(answer.at(&format!("/assignment/{member}")), value);
    }
    assert_eq!(answer.at("/entitlement/status"), "ACTIVE");
    assert_eq!(answer.at("/reservation/status"), "CONFIRMED");
    let expected = [
        json!(["RESERVATION_HELD", "HELD", "RESERVED"]),
        json!(["CODE_REVOKED", "REVOKED", null]),
        json!(["RESERVATION_CONFIRMED", "CONFIRMED", "ASSIGNED"]),
        json!(["ASSIGNMENT_ACTIVATED", "ACTIVE", "ACTIVE"]),
    ];
    assert_eq!(told(&shop.key, unit(&placed)).await, expected);
    let late = shop.redeem(placed.codes.first().expect("a code"), "ann").await;
    assert_eq!(late.at("/redeemCode/userErrors/0/code"), "CODE_REVOKED");
    app.assert_sound().await;
}

async fn a_hold_is_confirmed_for_nobody_else(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let hold = held(&shop, &placed, "ann").await;
    let other = confirm(&shop.key, &hold, account("bo")).await;
    assert_eq!(other.refusal(), Some("RESERVED_BY_OTHER"));
    confirm(&shop.key, &hold, account("ann")).await.done();
    app.assert_sound().await;
}

async fn a_hold_for_nobody_is_confirmed_by_name(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let hold = reserve(&shop.key, unit(&placed), json!({})).await.done().text("/reservation/id");
    let unnamed = confirm(&shop.key, &hold, json!({})).await;
    assert_eq!(unnamed.refusal(), Some("INVALID_INPUT"));
    assert_eq!(unnamed.at("/userErrors/0/field"), &json!(["account"]));
    let answer = confirm(&shop.key, &hold, account("bo")).await.done();
    assert_eq!(answer.at("/assignment/account/externalReference"), "bo");
    app.assert_sound().await;
}

async fn a_confirmation_counts_what_the_account_has(app: App) {
    let (shop, placed) = stock(&app, json!({"maxPerAccount": 1})).await;
    let hold = held(&shop, &placed, "ann").await;
    shop.redeem(placed.codes.last().expect("a code"), "ann").await.data();
    assert_eq!(confirm(&shop.key, &hold, json!({})).await.refusal(), Some("LIMIT_PER_ACCOUNT"));
    let still = extend(&shop.key, &hold, json!({"minutes": 1})).await.done();
    assert_eq!(still.at("/reservation/status"), "HELD", "nothing was changed");
    app.assert_sound().await;
}

async fn a_released_hold_frees_the_unit(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let hold = held(&shop, &placed, "ann").await;
    let answer = release(&shop.key, &hold, json!({"reason": "changed her mind"})).await.done();
    assert_eq!(answer.at("/reservation/status"), "RELEASED");
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    let events = told(&shop.key, unit(&placed)).await;
    assert_eq!(events.last(), Some(&json!(["RESERVATION_RELEASED", "RELEASED", "UNASSIGNED"])));
    held(&shop, &placed, "bo").await;
    app.assert_sound().await;
}

async fn a_hold_past_its_end_is_over(app: App) {
    let (shop, placed) = stock(&app, json!({"reservationMinutes": 10})).await;
    let hold = held(&shop, &placed, "ann").await;
    app.clock.advance(Duration::from_mins(10));
    let answers = [
        extend(&shop.key, &hold, json!({"minutes": 1})).await,
        confirm(&shop.key, &hold, json!({})).await,
        release(&shop.key, &hold, json!({})).await,
    ];
    for answer in answers {
        assert_eq!(answer.refusal(), Some("RESERVATION_EXPIRED"), "no sweep has run");
    }
    let query = "query ($id: ID!) { entitlement(id: $id) { reservation { id } allowedActions } }";
    let seen = shop.key.query(query, json!({"id": unit(&placed)})).await;
    assert_eq!(seen.at("/entitlement/reservation"), &Value::Null);
    assert!(seen.list("/entitlement/allowedActions").contains(&json!("RESERVE")));
    app.assert_sound().await;
}

async fn a_lapsed_hold_is_replaced_by_another(app: App) {
    let (shop, placed) = stock(&app, json!({"reservationMinutes": 10})).await;
    let lapsed = held(&shop, &placed, "ann").await;
    app.clock.advance(Duration::from_mins(10));
    let hold = held(&shop, &placed, "bo").await;
    assert_ne!(hold, lapsed);
    let expected = [
        json!(["RESERVATION_HELD", "HELD", "RESERVED"]),
        json!(["RESERVATION_EXPIRED", "EXPIRED", "UNASSIGNED"]),
        json!(["RESERVATION_HELD", "HELD", "RESERVED"]),
    ];
    assert_eq!(told(&shop.key, unit(&placed)).await, expected);
    assert_eq!(confirm(&shop.key, &lapsed, json!({})).await.refusal(), Some("RESERVATION_EXPIRED"));
    confirm(&shop.key, &hold, json!({})).await.done();
    app.assert_sound().await;
}

async fn a_hold_that_ended_stays_so(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let released = held(&shop, &placed, "ann").await;
    release(&shop.key, &released, json!({})).await.done();
    let confirmed = held(&shop, &placed, "bo").await;
    confirm(&shop.key, &confirmed, json!({})).await.done();
    for (hold, state) in [(released, "RELEASED"), (confirmed, "CONFIRMED")] {
        let answers = [
            extend(&shop.key, &hold, json!({"minutes": 1})).await,
            confirm(&shop.key, &hold, json!({})).await,
            release(&shop.key, &hold, json!({})).await,
        ];
        for answer in answers {
            assert_eq!(answer.refusal(), Some("INVALID_STATE"));
            assert!(answer.text("/userErrors/0/message").contains(state), "it names the present state");
        }
    }
    app.assert_sound().await;
}

async fn a_change_decided_on_an_old_version_is_refused(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let old = reserve(&shop.key, unit(&placed), json!({"expectedVersion": 7})).await;
    assert_eq!(old.refusal(), Some("STALE_VERSION"));
    assert_eq!(old.at("/userErrors/0/field"), &json!(["expectedVersion"]));
    let answer = reserve(&shop.key, unit(&placed), with(account("ann"), json!({"expectedVersion": 1}))).await.done();
    let (hold, first) = (answer.text("/reservation/id"), answer.number("/reservation/version"));
    let second = extend(&shop.key, &hold, json!({"minutes": 1, "expectedVersion": first})).await.done();
    let second = second.number("/reservation/version");
    assert!(second > first);
    let stale = json!({"expectedVersion": first});
    assert_eq!(
        extend(&shop.key, &hold, json!({"minutes": 1, "expectedVersion": first})).await.refusal(),
        Some("STALE_VERSION")
    );
    assert_eq!(confirm(&shop.key, &hold, stale.clone()).await.refusal(), Some("STALE_VERSION"));
    assert_eq!(release(&shop.key, &hold, stale).await.refusal(), Some("STALE_VERSION"));
    confirm(&shop.key, &hold, json!({"expectedVersion": second})).await.done();
}

async fn a_confirmation_and_a_release_at_once_do_not_both_happen(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let other = app.second_node().await.client(shop.key.secret().expect("a secret"));
    for unit in &placed.units {
        let hold = reserve(&shop.key, unit, account("ann")).await.done().text("/reservation/id");
        let (confirmed, released) =
            tokio::join!(confirm(&shop.key, &hold, json!({})), release(&other, &hold, json!({})));
        let refusals = [confirmed.refusal(), released.refusal()];
        assert!(matches!(refusals, [None, Some("INVALID_STATE")] | [Some("INVALID_STATE"), None]), "{refusals:?}");
    }
    app.assert_sound().await;
}

async fn a_foreign_hold_is_unknown(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    let hold = held(&shop, &placed, "ann").await;
    let beta = Shop::open(&app, "Beta").await;
    let answers = [
        reserve(&beta.key, unit(&placed), json!({})).await,
        extend(&beta.key, &hold, json!({"minutes": 1})).await,
        confirm(&beta.key, &hold, account("ann")).await,
        release(&beta.key, &hold, json!({})).await,
    ];
    for answer in answers {
        assert_eq!(answer.refusal(), Some("NOT_FOUND"));
        assert_eq!(answer.at("/userErrors/0/allowedActions"), &json!([]));
    }
}

async fn a_customer_holds_what_it_bought(app: App) {
    product(&app, "P", json!({})).await;
    let shop = Shop::open(&app, "Alpha").await;
    let buyer = json!({"buyerAccount": {"externalReference": "ann"}});
    let placed = shop.place_with("o-1", json!([{"sku": "P"}]), buyer).await;
    let ann = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "ann"})).await;
    let bo = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "bo"})).await;
    assert_eq!(reserve(&bo, unit(&placed), json!({})).await.refusal(), Some("NOT_FOUND"));
    assert_eq!(reserve(&ann, unit(&placed), account("bo")).await.refusal(), Some("NOT_FOUND"));
    let held = reserve(&ann, unit(&placed), json!({})).await.done();
    assert_eq!(held.at("/reservation/account/externalReference"), "ann");
    let confirmed = confirm(&ann, &held.text("/reservation/id"), json!({})).await.done();
    assert_eq!(confirmed.at("/assignment/account/externalReference"), "ann");
    app.assert_sound().await;
}

async fn a_unit_past_its_end_is_not_held(app: App) {
    let (shop, placed) = stock(&app, json!({"validForDays": 1})).await;
    app.clock.advance(Duration::from_secs(86_390));
    let hold = held(&shop, &placed, "ann").await;
    app.clock.advance(Duration::from_secs(10));
    assert_eq!(confirm(&shop.key, &hold, json!({})).await.refusal(), Some("INVALID_STATE"));
    let late = reserve(&shop.key, placed.units.last().expect("a unit"), json!({})).await;
    assert_eq!(late.refusal(), Some("INVALID_STATE"));
    assert!(late.text("/userErrors/0/message").contains("EXPIRED"), "no sweep has run");
    app.assert_sound().await;
}
