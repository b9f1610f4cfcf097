//! Taking a unit back for good: nothing of it can be used any more, and what is downstream is taken down.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    App, Desk, Test, both_engines,
    desk::{WHY, act, act_with, last_told, spoil, told},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_revoked_unit_is_of_no_use,
        its_hold_is_released_first,
        what_nothing_hangs_on_is_over_at_once,
        what_is_downstream_is_taken_down,
        a_running_attempt_s_success_is_taken_down,
        a_running_attempt_s_failure_ends_it,
        a_suspended_unit_is_revoked_with_its_assignment,
        what_settles_an_exception_closes_it,
        a_unit_ends_once,
        a_seller_revokes_what_nobody_has,
        a_lapsed_hold_keeps_nobody_from_revoking,
        the_desk_s_words_are_not_for_everybody,
        what_cannot_be_read_is_not_nothing,
    ]
}

async fn a_revoked_unit_is_of_no_use(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let answer = act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    assert_eq!(answer.at("/entitlement/status"), "REVOKED");
    assert_eq!(answer.at("/entitlement/statusReason"), WHY);
    assert_eq!(answer.at("/entitlement/version"), 2);
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / none / REVOKED");
    assert_eq!(desk.statistics().await, "ordered 2, unassigned 1, revoked 1");
    let story = ["CODE_REVOKED ISSUED>REVOKED", "ENTITLEMENT_REVOKED UNASSIGNED>REVOKED, unit UNASSIGNED>REVOKED"];
    assert_eq!(told(&desk.support, desk.unit(0)).await, story);
    let late = desk.shop.redeem(desk.code(0), "bo").await;
    assert_eq!(late.at("/redeemCode/userErrors/0/code"), "CODE_REVOKED");
    let other = desk.shop.redeem(desk.code(1), "bo").await;
    assert_eq!(other.at("/redeemCode/userErrors"), &json!([]), "the others are as they were");
    app.assert_sound().await;
}

async fn its_hold_is_released_first(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let hold = desk.reserve(desk.unit(0), "bo").await;
    act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    let story = [
        "RESERVATION_HELD HELD, unit UNASSIGNED>RESERVED",
        "RESERVATION_RELEASED HELD>RELEASED, unit RESERVED>UNASSIGNED",
        "CODE_REVOKED ISSUED>REVOKED",
        "ENTITLEMENT_REVOKED UNASSIGNED>REVOKED, unit UNASSIGNED>REVOKED",
    ];
    assert_eq!(told(&desk.support, desk.unit(0)).await, story);
    let confirm = desk.shop.key.mutate("confirmReservation", "assignment { id }", json!({"reservationId": hold})).await;
    assert_eq!(confirm.refusal(), Some("INVALID_STATE"));
    app.assert_sound().await;
}

async fn what_nothing_hangs_on_is_over_at_once(app: App) {
    let active = "ASSIGNMENT_ENDED ACTIVE>ENDED";
    let cases = [
        (json!({}), "ACTIVE", active),
        (json!({"requiredInput": ["seat"]}), "ASSIGNED", "ASSIGNMENT_CANCELLED AWAITING_INPUT>CANCELLED"),
        (json!({"provisioning": "EXTERNAL"}), "ASSIGNED", "ASSIGNMENT_CANCELLED PENDING>CANCELLED"),
    ];
    for (place, (policy, before, ended)) in cases.into_iter().enumerate() {
        let desk = Desk::named(&app, &format!("P{place}"), policy, 1).await;
        desk.assign(desk.unit(0), "bo").await;
        act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
        assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / none / REVOKED");
        let story = told(&desk.support, desk.unit(0)).await;
        let revoked = format!("ENTITLEMENT_REVOKED {before}>REVOKED, unit {before}>REVOKED");
        assert_eq!(story.iter().skip(2).map(String::as_str).collect::<Vec<_>>(), [revoked.as_str(), ended]);
        let events = last_told(&desk.support, desk.unit(0), 2).await;
        assert!(events.iter().all(|event| event.get("reason") == Some(&json!(WHY))), "{events:?}");
    }
    app.assert_sound().await;
}

async fn what_is_downstream_is_taken_down(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.provisioned(desk.unit(0)).await;
    act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / DEPROVISIONING / REVOKED");
    assert_eq!(desk.statistics().await, "ordered 1, revoked 1");
    app.assert_sound().await;
    desk.work().await;
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / none / REVOKED", "it gets no fresh code");
    let story = told(&desk.support, desk.unit(0)).await;
    let end = [
        "ENTITLEMENT_REVOKED ACTIVE>REVOKED, unit ACTIVE>REVOKED",
        "ASSIGNMENT_DEPROVISIONING ACTIVE>DEPROVISIONING",
        "ASSIGNMENT_DEPROVISIONING DEPROVISIONING>DEPROVISIONING",
        "ASSIGNMENT_ENDED DEPROVISIONING>ENDED",
    ];
    let last: Vec<&str> = story.iter().map(String::as_str).filter(|line| end.contains(line)).collect();
    assert_eq!(last.first(), end.first(), "{story:?}");
    assert_eq!(last.last(), end.last(), "{story:?}");
    app.assert_sound().await;
}

async fn a_running_attempt_s_success_is_taken_down(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.assign(desk.unit(0), "bo").await;
    let attempts = desk.claim().await;
    act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / PROVISIONING / REVOKED", "its outcome is unknown yet");
    app.assert_sound().await;
    desk.complete(attempts.first().expect("an attempt")).await;
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / DEPROVISIONING / REVOKED");
    desk.work().await;
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / none / REVOKED");
    app.assert_sound().await;
}

async fn a_running_attempt_s_failure_ends_it(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.assign(desk.unit(0), "bo").await;
    let attempts = desk.claim().await;
    act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    desk.fail(attempts.first().expect("an attempt")).await;
    let story = told(&desk.support, desk.unit(0)).await;
    let end = [
        "ENTITLEMENT_REVOKED ASSIGNED>REVOKED, unit ASSIGNED>REVOKED",
        "ASSIGNMENT_END_REQUESTED PROVISIONING>PROVISIONING",
        "ASSIGNMENT_CANCELLED PROVISIONING>CANCELLED",
    ];
    assert_eq!(story.iter().skip(3).collect::<Vec<_>>(), end, "and nobody has to decide anything");
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / none / REVOKED");
    app.assert_sound().await;
}

async fn a_suspended_unit_is_revoked_with_its_assignment(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    desk.assign(desk.unit(0), "bo").await;
    for unit in [desk.unit(0), desk.unit(1)] {
        act(&desk.support, "suspendEntitlement", unit).await.done();
        act(&desk.support, "revokeEntitlement", unit).await.done();
        assert_eq!(desk.state(unit).await, "REVOKED / none / REVOKED");
    }
    assert_eq!(desk.statistics().await, "ordered 2, revoked 2");
    app.assert_sound().await;
}

async fn what_settles_an_exception_closes_it(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.assign(desk.unit(0), "bo").await;
    for attempt in desk.claim().await {
        desk.fail(&attempt).await;
    }
    assert_eq!(desk.state(desk.unit(0)).await, "ASSIGNED / FAILED / REVOKED");
    act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    let query = "query ($id: ID!) { entitlement(id: $id) { exceptions { kind status resolution } } }";
    let answer = desk.support.query(query, json!({"id": desk.unit(0)})).await;
    let closed = json!({"kind": "PROVISIONING_FAILED", "status": "RESOLVED", "resolution": "SUPERSEDED"});
    assert_eq!(answer.at("/entitlement/exceptions"), &json!([closed]));
    app.assert_sound().await;
}

async fn a_unit_ends_once(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 2).await;
    act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    let again = act(&desk.support, "revokeEntitlement", desk.unit(0)).await;
    assert_eq!(again.refusal(), Some("INVALID_STATE"));
    assert!(again.text("/userErrors/0/message").contains("REVOKED"), "it names the present state");
    assert_eq!(again.at("/userErrors/0/allowedActions"), &json!(["REISSUE"]));
    assert_eq!(again.at("/userErrors/0/retryable"), false);
    app.clock.advance(Duration::from_hours(24));
    let late = act(&desk.support, "revokeEntitlement", desk.unit(1)).await;
    assert_eq!(late.refusal(), Some("INVALID_STATE"), "no sweep has run");
    assert!(late.text("/userErrors/0/message").contains("EXPIRED"));
    assert_eq!(late.at("/userErrors/0/allowedActions"), &json!(["REISSUE", "EXTEND"]));
    app.assert_sound().await;
}

async fn a_seller_revokes_what_nobody_has(app: App) {
    let desk = Desk::open(&app, json!({}), 4).await;
    desk.reserve(desk.unit(0), "bo").await;
    desk.assign(desk.unit(1), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(2)).await.done();
    for (place, state) in ["RESERVED", "ACTIVE", "SUSPENDED"].into_iter().enumerate() {
        let answer = act(&desk.shop.key, "revokeEntitlement", desk.unit(place)).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{state}");
        assert!(answer.text("/userErrors/0/message").contains(state));
    }
    act(&desk.shop.key, "revokeEntitlement", desk.unit(3)).await.done();
    assert_eq!(desk.statistics().await, "ordered 4, reserved 1, active 1, suspended 1, revoked 1");
    app.assert_sound().await;
}

async fn a_lapsed_hold_keeps_nobody_from_revoking(app: App) {
    let desk = Desk::open(&app, json!({"reservationMinutes": 10}), 1).await;
    desk.reserve(desk.unit(0), "bo").await;
    app.clock.advance(Duration::from_mins(10));
    act(&desk.shop.key, "revokeEntitlement", desk.unit(0)).await.done();
    let story = told(&desk.support, desk.unit(0)).await;
    let expired = "RESERVATION_EXPIRED HELD>EXPIRED, unit RESERVED>UNASSIGNED";
    assert_eq!(story.get(1).map(String::as_str), Some(expired), "it was not released");
    app.assert_sound().await;
}

async fn the_desk_s_words_are_not_for_everybody(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    act_with(&desk.support, "revokeEntitlement", desk.unit(0), json!({"reason": "FRAUD"})).await.done();
    act(&desk.shop.key, "revokeEntitlement", desk.unit(1)).await.done();
    let support = last_told(&desk.support, desk.unit(0), 1).await;
    let actor = support.first().and_then(|event| event.get("actor")?.as_str()).expect("an actor");
    assert!(actor.starts_with("key:"), "{actor}");
    let seller = last_told(&desk.shop.key, desk.unit(0), 1).await;
    let expected = json!({"type": "ENTITLEMENT_REVOKED", "actor": "support", "reason": "FRAUD", "quantity": null});
    assert_eq!(seller, [expected]);
    let ann = desk.customer("ann").await;
    let expected = json!({"type": "ENTITLEMENT_REVOKED", "actor": "support", "reason": null, "quantity": null});
    assert_eq!(last_told(&ann, desk.unit(0), 1).await, [expected]);
    let query = "query ($id: ID!) { entitlement(id: $id) { status statusReason } }";
    let seen = ann.query(query, json!({"id": desk.unit(0)})).await;
    assert_eq!(seen.at("/entitlement"), &json!({"status": "REVOKED", "statusReason": null}));
}

/// An assignment that cannot be read is no reason to take the unit for nobody's.
async fn what_cannot_be_read_is_not_nothing(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    desk.assign(desk.unit(0), "bo").await;
    desk.assign(desk.unit(1), "bo").await;
    spoil(&app, desk.unit(0), "{}").await;
    for mutation in ["revokeEntitlement", "suspendEntitlement", "reissueEntitlement"] {
        let answer = act(&desk.support, mutation, desk.unit(0)).await;
        assert_eq!(answer.code(), Some("INTERNAL"), "{mutation}: {:#}", answer.body);
    }
    act(&desk.support, "revokeEntitlement", desk.unit(1)).await.done();
    spoil(&app, desk.unit(0), "[]").await;
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / ACTIVE / REVOKED");
    app.assert_sound().await;
}
