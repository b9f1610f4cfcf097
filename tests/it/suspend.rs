//! Halting a unit, and letting it go on from where its assignment has got to meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    App, Desk, Test, both_engines,
    desk::{WHY, act, release, told},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_free_unit_waits_with_its_code,
        a_hold_does_not_survive,
        an_assignment_stays_as_it_is,
        waiting_work_is_not_handed_out,
        a_running_attempt_s_result_is_recorded,
        a_running_attempt_s_failure_is_recorded,
        what_is_on_its_way_out_stays_active,
        what_was_taken_down_meanwhile_is_free,
        nothing_is_suspended_or_resumed_twice,
        nothing_else_can_be_done_meanwhile,
        its_time_runs_on,
    ]
}

async fn a_free_unit_waits_with_its_code(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let suspended = act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    assert_eq!(suspended.at("/entitlement/status"), "SUSPENDED");
    assert_eq!(suspended.at("/entitlement/statusReason"), WHY);
    assert_eq!(desk.state(desk.unit(0)).await, "SUSPENDED / none / ISSUED");
    assert_eq!(desk.statistics().await, "ordered 1, suspended 1");
    let early = desk.shop.redeem(desk.code(0), "bo").await;
    assert_eq!(early.at("/redeemCode/userErrors/0/code"), "ENTITLEMENT_SUSPENDED");
    assert_eq!(early.at("/redeemCode/userErrors/0/retryable"), true);
    let resumed = act(&desk.support, "resumeEntitlement", desk.unit(0)).await.done();
    assert_eq!(resumed.at("/entitlement/status"), "UNASSIGNED");
    assert_eq!(resumed.at("/entitlement/statusReason"), &Value::Null);
    assert_eq!(resumed.at("/issuedCode"), &Value::Null, "it has its code still");
    let redeemed = desk.shop.redeem(desk.code(0), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/userErrors"), &json!([]));
    let story = [
        "ENTITLEMENT_SUSPENDED UNASSIGNED>SUSPENDED, unit UNASSIGNED>SUSPENDED",
        "EXCEPTION_OPENED OPEN",
        "REDEMPTION_REJECTED",
        "ENTITLEMENT_RESUMED SUSPENDED>UNASSIGNED, unit SUSPENDED>UNASSIGNED",
        "EXCEPTION_RESOLVED OPEN>RESOLVED",
        "CODE_REDEEMED ISSUED>REDEEMED, unit UNASSIGNED>ASSIGNED",
        "ASSIGNMENT_ACTIVATED ACTIVE, unit ASSIGNED>ACTIVE",
    ];
    assert_eq!(told(&desk.support, desk.unit(0)).await, story);
    app.assert_sound().await;
}

async fn a_hold_does_not_survive(app: App) {
    let desk = Desk::open(&app, json!({"reservationMinutes": 10}), 2).await;
    let hold = desk.reserve(desk.unit(0), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    let query = "query ($id: ID!) { node(id: $id) { ... on Reservation { status } } }";
    let over = desk.shop.key.query(query, json!({"id": hold})).await;
    assert_eq!(over.at("/node/status"), "RELEASED");
    let story = [
        "RESERVATION_HELD HELD, unit UNASSIGNED>RESERVED",
        "RESERVATION_RELEASED HELD>RELEASED, unit RESERVED>UNASSIGNED",
        "ENTITLEMENT_SUSPENDED UNASSIGNED>SUSPENDED, unit UNASSIGNED>SUSPENDED",
    ];
    assert_eq!(told(&desk.support, desk.unit(0)).await, story);
    let resumed = act(&desk.support, "resumeEntitlement", desk.unit(0)).await.done();
    assert_eq!(resumed.at("/entitlement/status"), "UNASSIGNED");

    desk.reserve(desk.unit(1), "bo").await;
    app.clock.advance(Duration::from_mins(10));
    act(&desk.support, "suspendEntitlement", desk.unit(1)).await.done();
    let story = told(&desk.support, desk.unit(1)).await;
    let lapsed = "RESERVATION_EXPIRED HELD>EXPIRED, unit RESERVED>UNASSIGNED";
    assert_eq!(story.get(1).map(String::as_str), Some(lapsed));
    app.assert_sound().await;
}

async fn an_assignment_stays_as_it_is(app: App) {
    let cases = [
        (json!({}), "ACTIVE", "ACTIVE"),
        (json!({"requiredInput": ["seat"]}), "ASSIGNED", "AWAITING_INPUT"),
        (json!({"provisioning": "EXTERNAL"}), "ASSIGNED", "PENDING"),
    ];
    for (place, (policy, unit, assignment)) in cases.into_iter().enumerate() {
        let desk = Desk::named(&app, &format!("P{place}"), policy, 1).await;
        desk.assign(desk.unit(0), "bo").await;
        act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
        assert_eq!(desk.state(desk.unit(0)).await, format!("SUSPENDED / {assignment} / REVOKED"));
        let bo = desk.customer("bo").await;
        let query = "{ viewer { account { assignments { nodes { status entitlement { status } } } } } }";
        let seen = bo.query(query, json!({})).await;
        let held = json!([{"status": assignment, "entitlement": {"status": "SUSPENDED"}}]);
        assert_eq!(seen.at("/viewer/account/assignments/nodes"), &held, "whoever has it sees why nothing works");
        let resumed = act(&desk.support, "resumeEntitlement", desk.unit(0)).await.done();
        assert_eq!(resumed.at("/entitlement/status"), unit);
        assert_eq!(desk.state(desk.unit(0)).await, format!("{unit} / {assignment} / REVOKED"));
    }
    app.assert_sound().await;
}

async fn waiting_work_is_not_handed_out(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.assign(desk.unit(0), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    assert_eq!(desk.claim().await, Vec::<String>::new());
    act(&desk.support, "resumeEntitlement", desk.unit(0)).await.done();
    desk.work().await;
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / ACTIVE / REVOKED");
    app.assert_sound().await;
}

async fn a_running_attempt_s_result_is_recorded(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.assign(desk.unit(0), "bo").await;
    let attempts = desk.claim().await;
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    desk.complete(attempts.first().expect("an attempt")).await;
    assert_eq!(desk.state(desk.unit(0)).await, "SUSPENDED / ACTIVE / REVOKED");
    app.assert_sound().await;
    let resumed = act(&desk.support, "resumeEntitlement", desk.unit(0)).await.done();
    assert_eq!(resumed.at("/entitlement/status"), "ACTIVE");
    app.assert_sound().await;
}

async fn a_running_attempt_s_failure_is_recorded(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.assign(desk.unit(0), "bo").await;
    let attempts = desk.claim().await;
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    desk.fail(attempts.first().expect("an attempt")).await;
    assert_eq!(desk.state(desk.unit(0)).await, "SUSPENDED / FAILED / REVOKED");
    let resumed = act(&desk.support, "resumeEntitlement", desk.unit(0)).await.done();
    assert_eq!(resumed.at("/entitlement/status"), "ASSIGNED");
    app.assert_sound().await;
}

async fn what_is_on_its_way_out_stays_active(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    let assignment = desk.provisioned(desk.unit(0)).await;
    release(&desk.support, &assignment, json!({})).await.done();
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    assert_eq!(desk.state(desk.unit(0)).await, "SUSPENDED / DEPROVISIONING / REVOKED");
    let resumed = act(&desk.support, "resumeEntitlement", desk.unit(0)).await.done();
    assert_eq!(resumed.at("/entitlement/status"), "ACTIVE");
    desk.work().await;
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
    app.assert_sound().await;
}

async fn what_was_taken_down_meanwhile_is_free(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    let assignment = desk.provisioned(desk.unit(0)).await;
    release(&desk.support, &assignment, json!({})).await.done();
    let attempts = desk.claim().await;
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    desk.complete(attempts.first().expect("an attempt")).await;
    assert_eq!(desk.state(desk.unit(0)).await, "SUSPENDED / none / REVOKED", "it has no code while it is suspended");
    app.assert_sound().await;
    let resumed = act(&desk.support, "resumeEntitlement", desk.unit(0)).await.done();
    assert_eq!(resumed.at("/entitlement/status"), "UNASSIGNED");
    let redeemed = desk.shop.redeem(&resumed.text("/issuedCode/code"), "cy").await;
    assert_eq!(redeemed.at("/redeemCode/entitlement/id"), desk.unit(0), "the fresh code claims it");
    app.assert_sound().await;
}

async fn nothing_is_suspended_or_resumed_twice(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let early = act(&desk.support, "resumeEntitlement", desk.unit(0)).await;
    assert_eq!(early.refusal(), Some("INVALID_STATE"));
    assert!(early.text("/userErrors/0/message").contains("UNASSIGNED"), "it names the present state");
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    let again = act(&desk.support, "suspendEntitlement", desk.unit(0)).await;
    assert_eq!(again.refusal(), Some("INVALID_STATE"));
    assert!(again.list("/userErrors/0/allowedActions").contains(&json!("RESUME")));
    act(&desk.support, "revokeEntitlement", desk.unit(1)).await.done();
    for mutation in ["suspendEntitlement", "resumeEntitlement"] {
        assert_eq!(act(&desk.support, mutation, desk.unit(1)).await.refusal(), Some("INVALID_STATE"), "{mutation}");
    }
    app.assert_sound().await;
}

async fn nothing_else_can_be_done_meanwhile(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let assignment = desk.assign(desk.unit(1), "bo").await;
    for unit in [desk.unit(0), desk.unit(1)] {
        act(&desk.support, "suspendEntitlement", unit).await.done();
        for mutation in ["transferEntitlement", "rotateActivationCode"] {
            assert_eq!(act(&desk.support, mutation, unit).await.refusal(), Some("INVALID_STATE"), "{mutation}");
        }
        let account = json!({"entitlementId": unit, "account": {"externalReference": "cy"}});
        for mutation in ["assignEntitlement", "reserveEntitlement"] {
            let answer = desk.support.mutate(mutation, "entitlement { id }", account.clone()).await;
            assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{mutation}");
        }
    }
    assert_eq!(release(&desk.support, &assignment, json!({})).await.refusal(), Some("INVALID_STATE"));
    assert_eq!(desk.state(desk.unit(1)).await, "SUSPENDED / ACTIVE / REVOKED");
    app.assert_sound().await;
}

async fn its_time_runs_on(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 1).await;
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    app.clock.advance(Duration::from_hours(24));
    let late = act(&desk.support, "resumeEntitlement", desk.unit(0)).await;
    assert_eq!(late.refusal(), Some("INVALID_STATE"), "no sweep has run");
    assert!(late.text("/userErrors/0/message").contains("EXPIRED"));
    let extended = act(&desk.support, "extendEntitlement", desk.unit(0)).await.done();
    assert_eq!(extended.at("/entitlement/status"), "UNASSIGNED", "it ended, and that ended the suspension");
    assert_eq!(extended.at("/entitlement/statusReason"), &Value::Null);
    app.assert_sound().await;
}
