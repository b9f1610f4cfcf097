//! Setting when a unit ends: while it lives its end moves, and after its end it is on offer again.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Desk, Test, both_engines,
    desk::{WHY, act, act_with, cancel, last_told, told},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_end_moves_both_ways,
        the_new_end_counts,
        an_end_is_to_come,
        a_live_unit_stays_as_it_is,
        a_unit_past_its_end_is_on_offer_again,
        what_was_swept_is_on_offer_again,
        what_somebody_had_is_on_offer_again,
        what_is_still_downstream_is_awaited,
        terms_without_codes_know_none_here_either,
        what_was_taken_back_stays_so,
        what_had_ended_when_its_order_was_cancelled_stays_so,
        of_many_at_once_one_renews,
    ]
}

async fn extend(client: &Client, unit: &str, end: &str) -> Answer {
    act_with(client, "extendEntitlement", unit, json!({"expiresAt": end})).await
}

async fn an_end_moves_both_ways(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    for (version, end) in [(2, "2030-02-01T00:00:00Z"), (3, "2033-02-01T00:00:00Z"), (4, "2030-01-01T12:00:01Z")] {
        let answer = extend(&desk.support, desk.unit(0), end).await.done();
        assert_eq!(answer.at("/entitlement/expiresAt"), end);
        assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
        assert_eq!(answer.at("/entitlement/version"), version);
        assert_eq!(answer.at("/issuedCode"), &Value::Null, "it keeps its code");
    }
    assert_eq!(told(&desk.support, desk.unit(0)).await, ["ENTITLEMENT_EXTENDED UNASSIGNED>UNASSIGNED"; 3]);
    let events = last_told(&desk.support, desk.unit(0), 3).await;
    assert!(events.iter().all(|event| event.get("reason") == Some(&json!(WHY))), "{events:?}");
    let redeemed = desk.shop.redeem(desk.code(0), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/userErrors"), &json!([]));
    app.assert_sound().await;
}

async fn the_new_end_counts(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 2).await;
    extend(&desk.support, desk.unit(0), "2030-01-03T12:00:00Z").await.done();
    extend(&desk.support, desk.unit(1), "2030-01-01T13:00:00Z").await.done();
    app.clock.advance(Duration::from_hours(1));
    let sooner = desk.shop.redeem(desk.code(1), "bo").await;
    assert_eq!(sooner.at("/redeemCode/userErrors/0/code"), "CODE_EXPIRED");
    app.clock.advance(Duration::from_hours(46));
    let later = desk.shop.redeem(desk.code(0), "bo").await;
    assert_eq!(later.at("/redeemCode/userErrors"), &json!([]));
    app.assert_sound().await;
}

async fn an_end_is_to_come(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 1).await;
    for end in ["2029-01-01T00:00:00Z", "2030-01-01T12:00:00Z"] {
        let answer = extend(&desk.support, desk.unit(0), end).await;
        assert_eq!(answer.refusal(), Some("INVALID_INPUT"), "{end}");
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["expiresAt"]));
    }
    assert_eq!(told(&desk.support, desk.unit(0)).await, Vec::<String>::new());
}

async fn a_live_unit_stays_as_it_is(app: App) {
    let desk = Desk::open(&app, json!({}), 3).await;
    desk.reserve(desk.unit(0), "bo").await;
    desk.assign(desk.unit(1), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(2)).await.done();
    for (place, state) in
        ["RESERVED / none / ISSUED", "ACTIVE / ACTIVE / REVOKED", "SUSPENDED / none / ISSUED"].into_iter().enumerate()
    {
        act(&desk.support, "extendEntitlement", desk.unit(place)).await.done();
        assert_eq!(desk.state(desk.unit(place)).await, state);
    }
    app.assert_sound().await;
}

async fn a_unit_past_its_end_is_on_offer_again(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 1).await;
    app.clock.advance(Duration::from_hours(24));
    let answer = act(&desk.support, "extendEntitlement", desk.unit(0)).await.done();
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    let story = [
        "CODE_EXPIRED ISSUED>EXPIRED",
        "ENTITLEMENT_EXPIRED UNASSIGNED>EXPIRED, unit UNASSIGNED>EXPIRED",
        "ENTITLEMENT_EXTENDED EXPIRED>UNASSIGNED, unit EXPIRED>UNASSIGNED",
        "CODE_ISSUED ISSUED",
    ];
    assert_eq!(told(&desk.support, desk.unit(0)).await, story, "no sweep has run");
    assert_eq!(desk.statistics().await, "ordered 1, unassigned 1");
    let old = desk.shop.redeem(desk.code(0), "bo").await;
    assert_eq!(old.at("/redeemCode/userErrors/0/code"), "CODE_EXPIRED");
    let redeemed = desk.shop.redeem(&answer.text("/issuedCode/code"), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/entitlement/id"), desk.unit(0));
    app.assert_sound().await;
}

async fn what_was_swept_is_on_offer_again(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 1).await;
    app.clock.advance(Duration::from_hours(24));
    app.sweep().await;
    assert_eq!(desk.statistics().await, "ordered 1, expired 1");
    let answer = act(&desk.support, "extendEntitlement", desk.unit(0)).await.done();
    assert_eq!(answer.at("/issuedCode/activationCode/status"), "ISSUED");
    assert_eq!(desk.statistics().await, "ordered 1, unassigned 1");
    app.assert_sound().await;
}

async fn what_somebody_had_is_on_offer_again(app: App) {
    let cases = [
        (json!({"validForDays": 1}), "ASSIGNMENT_ENDED ACTIVE>ENDED"),
        (json!({"validForDays": 1, "requiredInput": ["seat"]}), "ASSIGNMENT_CANCELLED AWAITING_INPUT>CANCELLED"),
        (json!({"validForDays": 1, "provisioning": "EXTERNAL"}), "ASSIGNMENT_CANCELLED PENDING>CANCELLED"),
    ];
    let mut desks = Vec::new();
    for (place, (policy, over)) in cases.into_iter().enumerate() {
        let desk = Desk::named(&app, &format!("P{place}"), policy, 1).await;
        desk.assign(desk.unit(0), "bo").await;
        desks.push((desk, over));
    }
    app.clock.advance(Duration::from_hours(24));
    for (desk, over) in desks {
        let answer = act(&desk.support, "extendEntitlement", desk.unit(0)).await.done();
        assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
        assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
        let story = told(&desk.support, desk.unit(0)).await;
        assert!(story.iter().any(|line| line == over), "{story:?}");
        let redeemed = desk.shop.redeem(&answer.text("/issuedCode/code"), "cy").await;
        assert_eq!(redeemed.at("/redeemCode/userErrors"), &json!([]));
    }
    app.assert_sound().await;
}

async fn what_is_still_downstream_is_awaited(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1, "provisioning": "EXTERNAL"}), 2).await;
    desk.assign(desk.unit(1), "bo").await;
    let running = desk.claim().await;
    desk.assign(desk.unit(0), "bo").await;
    desk.work().await;
    app.clock.advance(Duration::from_hours(24));
    for unit in [desk.unit(0), desk.unit(1)] {
        let early = act(&desk.support, "extendEntitlement", unit).await;
        assert_eq!(early.refusal(), Some("INVALID_STATE"), "no sweep has run");
        assert_eq!(early.at("/userErrors/0/allowedActions"), &json!(["REISSUE"]));
    }
    app.sweep().await;
    assert_eq!(desk.state(desk.unit(0)).await, "EXPIRED / DEPROVISIONING / REVOKED");
    assert_eq!(desk.state(desk.unit(1)).await, "EXPIRED / PROVISIONING / REVOKED");
    for unit in [desk.unit(0), desk.unit(1)] {
        assert_eq!(act(&desk.support, "extendEntitlement", unit).await.refusal(), Some("INVALID_STATE"));
    }
    desk.fail(running.first().expect("an attempt")).await;
    desk.work().await;
    for unit in [desk.unit(0), desk.unit(1)] {
        let answer = act(&desk.support, "extendEntitlement", unit).await.done();
        assert_eq!(answer.at("/issuedCode/activationCode/status"), "ISSUED");
        assert_eq!(desk.state(unit).await, "UNASSIGNED / none / ISSUED");
    }
    app.assert_sound().await;
}

async fn terms_without_codes_know_none_here_either(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1, "issuesCodes": false}), 1).await;
    app.clock.advance(Duration::from_hours(24));
    let answer = act(&desk.support, "extendEntitlement", desk.unit(0)).await.done();
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    assert_eq!(answer.at("/issuedCode"), &Value::Null);
    app.assert_sound().await;
}

async fn what_was_taken_back_stays_so(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 1).await;
    act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    for _ in 0..2 {
        let answer = act(&desk.support, "extendEntitlement", desk.unit(0)).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"));
        assert!(answer.text("/userErrors/0/message").contains("REVOKED"));
        app.clock.advance(Duration::from_hours(24));
    }
}

async fn what_had_ended_when_its_order_was_cancelled_stays_so(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    extend(&desk.support, desk.unit(0), "2030-01-01T13:00:00Z").await.done();
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(cancel(&desk.support, &desk.placed.order, json!({})).await.done().at("/order/status"), "CANCELLED");
    app.assert_sound().await;
    for _ in 0..2 {
        let refused = extend(&desk.support, desk.unit(0), "2031-01-01T00:00:00Z").await;
        assert_eq!(refused.refusal(), Some("INVALID_STATE"));
        assert!(refused.text("/userErrors/0/message").contains("the order is CANCELLED"));
        let instead = refused.list("/userErrors/0/allowedActions");
        assert!(!instead.contains(&json!("EXTEND")), "{instead:?}");
        app.sweep().await;
    }
    assert_eq!(desk.state(desk.unit(0)).await, "EXPIRED / none / EXPIRED");
    app.assert_sound().await;
}

async fn of_many_at_once_one_renews(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 1).await;
    let (support, _) = desk.elsewhere().await;
    app.clock.advance(Duration::from_hours(24));
    let clients = [&desk.support, &support];
    let tries = clients.iter().cycle().take(6);
    let answers = join_all(tries.map(|client| act(client, "extendEntitlement", desk.unit(0)))).await;
    let codes = answers.into_iter().map(Answer::done).filter(|answer| !answer.at("/issuedCode").is_null());
    assert_eq!(codes.count(), 1, "the others find it extended already");
    let query = "query ($id: ID!) { entitlement(id: $id) { activationCodes { status } } }";
    let codes = desk.support.query(query, json!({"id": desk.unit(0)})).await;
    assert_eq!(codes.at("/entitlement/activationCodes"), &json!([{"status": "ISSUED"}, {"status": "EXPIRED"}]));
    app.assert_sound().await;
}
