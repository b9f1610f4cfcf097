//! Taking a unit back from whoever has it: it is free to be claimed again, once nothing of it is left downstream.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Desk, Shop, Test, both_engines,
    desk::{WHY, act, last_told, release, told},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_released_unit_is_claimed_by_its_new_code,
        what_had_not_begun_is_cancelled,
        what_failed_is_cancelled_and_sold_on,
        terms_may_forbid_it_once_active,
        what_is_downstream_is_taken_down_first,
        a_running_attempt_is_only_marked,
        a_running_attempt_s_failure_frees_the_unit,
        what_cannot_be_taken_down_is_ended_by_force,
        force_is_the_desk_s_alone,
        force_changes_nothing_else,
        a_unit_that_ended_stays_so,
        an_assignment_ends_once,
        an_old_version_is_refused,
        whoever_holds_it_elsewhere_does_not_release_it,
        of_many_at_once_one_releases,
        a_repeat_shows_the_same_code,
    ]
}

async fn a_released_unit_is_claimed_by_its_new_code(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let redeemed = desk.shop.redeem(desk.code(0), "bo").await;
    let assignment = redeemed.text("/redeemCode/assignment/id");
    let answer = release(&desk.shop.key, &assignment, json!({})).await.done();
    assert_eq!(answer.at("/assignment/status"), "ENDED");
    assert_eq!(answer.at("/assignment/statusReason"), WHY);
    assert_eq!(answer.at("/assignment/endedAt"), "2030-01-01T12:00:00Z");
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    let story = [
        "CODE_REDEEMED ISSUED>REDEEMED, unit UNASSIGNED>ASSIGNED",
        "ASSIGNMENT_ACTIVATED ACTIVE, unit ASSIGNED>ACTIVE",
        "ASSIGNMENT_ENDED ACTIVE>ENDED, unit ACTIVE>UNASSIGNED",
        "CODE_ISSUED ISSUED",
    ];
    assert_eq!(told(&desk.shop.key, desk.unit(0)).await, story);
    let told = last_told(&desk.shop.key, desk.unit(0), 2).await;
    assert_eq!(told.first().and_then(|event| event.get("reason")), Some(&json!(WHY)));
    for account in ["bo", "cy"] {
        let old = desk.shop.redeem(desk.code(0), account).await;
        assert_eq!(old.at("/redeemCode/userErrors/0/code"), "ALREADY_REDEEMED", "{account}");
    }
    let again = desk.shop.redeem(&answer.text("/issuedCode/code"), "cy").await;
    assert_eq!(again.at("/redeemCode/entitlement/id"), desk.unit(0));
    let query = "query ($id: ID!) { entitlement(id: $id) { assignments { status account { externalReference } } } }";
    let held = desk.shop.key.query(query, json!({"id": desk.unit(0)})).await;
    let of = |account: &str, status: &str| json!({"status": status, "account": {"externalReference": account}});
    assert_eq!(held.at("/entitlement/assignments"), &json!([of("cy", "ACTIVE"), of("bo", "ENDED")]));
    assert_eq!(desk.statistics().await, "ordered 1, active 1");
    app.assert_sound().await;
}

async fn what_had_not_begun_is_cancelled(app: App) {
    let cases = [
        (json!({"requiredInput": ["seat"], "reassignable": false}), "AWAITING_INPUT"),
        (json!({"provisioning": "EXTERNAL", "reassignable": false}), "PENDING"),
    ];
    for (place, (policy, before)) in cases.into_iter().enumerate() {
        let desk = Desk::named(&app, &format!("P{place}"), policy, 1).await;
        let assignment = desk.assign(desk.unit(0), "bo").await;
        let answer = release(&desk.shop.key, &assignment, json!({})).await.done();
        assert_eq!(answer.at("/assignment/status"), "CANCELLED");
        assert_eq!(answer.at("/issuedCode/activationCode/status"), "ISSUED");
        let story = told(&desk.shop.key, desk.unit(0)).await;
        let end = [
            format!("ASSIGNMENT_CANCELLED {before}>CANCELLED, unit ASSIGNED>UNASSIGNED"),
            "CODE_ISSUED ISSUED".to_owned(),
        ];
        assert_eq!(story.iter().skip(2).collect::<Vec<_>>(), end.iter().collect::<Vec<_>>());
        let bo = desk.customer("bo").await;
        let gone = bo.query("query ($id: ID!) { entitlement(id: $id) { id } }", json!({"id": desk.unit(0)})).await;
        assert_eq!(gone.at("/entitlement"), &Value::Null, "it is no longer Bo's");
    }
    app.assert_sound().await;
}

async fn what_failed_is_cancelled_and_sold_on(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL", "mode": "COUPLED"}), 1).await;
    for attempt in desk.claim().await {
        desk.fail(&attempt).await;
    }
    let query = "query ($id: ID!) { entitlement(id: $id) { assignment { id status method } order { status } } }";
    let failed = desk.support.query(query, json!({"id": desk.unit(0)})).await;
    assert_eq!(failed.at("/entitlement/assignment/method"), "COUPLED");
    assert_eq!(failed.at("/entitlement/order/status"), "CONFIRMED", "the purchase stands");
    let assignment = failed.text("/entitlement/assignment/id");
    let answer = release(&desk.support, &assignment, json!({})).await.done();
    assert_eq!(answer.at("/assignment/status"), "CANCELLED");
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    let redeemed = desk.shop.redeem(&answer.text("/issuedCode/code"), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/assignment/status"), "PENDING");
    let query = "query ($id: ID!) { entitlement(id: $id) { exceptions { kind resolution } } }";
    let settled = desk.support.query(query, json!({"id": desk.unit(0)})).await;
    let expected = json!([{"kind": "PROVISIONING_FAILED", "resolution": "SUPERSEDED"}]);
    assert_eq!(settled.at("/entitlement/exceptions"), &expected);
    app.assert_sound().await;
}

async fn terms_may_forbid_it_once_active(app: App) {
    for (sku, provisioning) in [("P0", "NONE"), ("P1", "EXTERNAL")] {
        let policy = json!({"reassignable": false, "provisioning": provisioning});
        let desk = Desk::named(&app, sku, policy, 1).await;
        let assignment = desk.provisioned(desk.unit(0)).await;
        for client in [&desk.support, &desk.shop.key] {
            let answer = release(client, &assignment, json!({})).await;
            assert_eq!(answer.refusal(), Some("NOT_REASSIGNABLE"), "{provisioning}");
            assert_eq!(answer.at("/userErrors/0/field"), &json!(["assignmentId"]));
        }
        assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / ACTIVE / REVOKED");
    }
    app.assert_sound().await;
}

async fn what_is_downstream_is_taken_down_first(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    let assignment = desk.provisioned(desk.unit(0)).await;
    let answer = release(&desk.shop.key, &assignment, json!({})).await.done();
    assert_eq!(answer.at("/assignment/status"), "DEPROVISIONING");
    assert_eq!(answer.at("/entitlement/status"), "ACTIVE", "until it is taken down");
    assert_eq!(answer.at("/issuedCode"), &Value::Null);
    let again = release(&desk.shop.key, &assignment, json!({})).await;
    assert_eq!(again.refusal(), Some("INVALID_STATE"));
    assert!(again.text("/userErrors/0/message").contains("DEPROVISIONING"));
    app.assert_sound().await;
    desk.work().await;
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
    let story = told(&desk.support, desk.unit(0)).await;
    let end = ["ASSIGNMENT_ENDED DEPROVISIONING>ENDED, unit ACTIVE>UNASSIGNED", "CODE_ISSUED ISSUED"];
    assert_eq!(story.iter().skip(story.len() - 2).collect::<Vec<_>>(), end);
    app.assert_sound().await;
}

async fn a_running_attempt_is_only_marked(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    let assignment = desk.assign(desk.unit(0), "bo").await;
    let attempts = desk.claim().await;
    let answer = release(&desk.shop.key, &assignment, json!({})).await.done();
    assert_eq!(answer.at("/assignment/status"), "PROVISIONING", "what becomes of it downstream is unknown");
    assert_eq!(answer.at("/entitlement/status"), "ASSIGNED");
    assert_eq!(answer.at("/issuedCode"), &Value::Null);
    assert_eq!(release(&desk.shop.key, &assignment, json!({})).await.refusal(), Some("INVALID_STATE"));
    app.assert_sound().await;
    desk.complete(attempts.first().expect("an attempt")).await;
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / DEPROVISIONING / REVOKED");
    app.assert_sound().await;
    desk.work().await;
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
    app.assert_sound().await;
}

async fn a_running_attempt_s_failure_frees_the_unit(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    let assignment = desk.assign(desk.unit(0), "bo").await;
    let attempts = desk.claim().await;
    release(&desk.shop.key, &assignment, json!({})).await.done();
    desk.fail(attempts.first().expect("an attempt")).await;
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
    let story = told(&desk.support, desk.unit(0)).await;
    let end = [
        "ASSIGNMENT_END_REQUESTED PROVISIONING>PROVISIONING",
        "ASSIGNMENT_CANCELLED PROVISIONING>CANCELLED, unit ASSIGNED>UNASSIGNED",
        "CODE_ISSUED ISSUED",
    ];
    assert_eq!(story.iter().skip(3).collect::<Vec<_>>(), end);
    app.assert_sound().await;
}

/// A unit whose assignment could not be taken down; that assignment.
async fn stuck(desk: &Desk, place: usize) -> String {
    let assignment = desk.provisioned(desk.unit(place)).await;
    release(&desk.support, &assignment, json!({})).await.done();
    for attempt in desk.claim().await {
        desk.fail(&attempt).await;
    }
    assignment
}

async fn what_cannot_be_taken_down_is_ended_by_force(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 3).await;
    let free = stuck(&desk, 0).await;
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / DEPROVISION_FAILED / REVOKED");
    assert_eq!(release(&desk.support, &free, json!({})).await.refusal(), Some("INVALID_STATE"), "not without force");
    let answer = release(&desk.support, &free, json!({"force": true})).await.done();
    assert_eq!(answer.at("/assignment/status"), "ENDED");
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    assert_eq!(answer.at("/issuedCode/activationCode/status"), "ISSUED");
    let query = "query ($id: ID!) { entitlement(id: $id) { exceptions { kind resolution } } }";
    let settled = desk.support.query(query, json!({"id": desk.unit(0)})).await;
    let expected = json!([{"kind": "DEPROVISIONING_FAILED", "resolution": "SUPERSEDED"}]);
    assert_eq!(settled.at("/entitlement/exceptions"), &expected);

    for (place, mutation, state) in [(1, "suspendEntitlement", "SUSPENDED"), (2, "revokeEntitlement", "REVOKED")] {
        let assignment = stuck(&desk, place).await;
        act(&desk.support, mutation, desk.unit(place)).await.done();
        assert_eq!(desk.state(desk.unit(place)).await, format!("{state} / DEPROVISION_FAILED / REVOKED"));
        let answer = release(&desk.support, &assignment, json!({"force": true})).await.done();
        assert_eq!(answer.at("/assignment/status"), "ENDED");
        assert_eq!(answer.at("/entitlement/status"), state, "the unit stays as it is");
        assert_eq!(answer.at("/issuedCode"), &Value::Null);
    }
    app.assert_sound().await;
}

async fn force_is_the_desk_s_alone(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    let assignment = stuck(&desk, 0).await;
    for id in [assignment.as_str(), "asg_01h455vb4pex5vsknk084sn02q"] {
        let answer = release(&desk.shop.key, id, json!({"force": true})).await;
        assert_eq!(answer.code(), Some("FORBIDDEN"), "before anything is looked up");
    }
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / DEPROVISION_FAILED / REVOKED");
}

async fn force_changes_nothing_else(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 2).await;
    let active = desk.provisioned(desk.unit(0)).await;
    let answer = release(&desk.support, &active, json!({"force": true})).await.done();
    assert_eq!(answer.at("/assignment/status"), "DEPROVISIONING", "nothing was tried yet");
    let again = release(&desk.support, &active, json!({"force": true})).await;
    assert_eq!(again.refusal(), Some("INVALID_STATE"));
    app.assert_sound().await;
}

async fn a_unit_that_ended_stays_so(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL", "validForDays": 1}), 2).await;
    let revoked = desk.provisioned(desk.unit(0)).await;
    let expired = desk.provisioned(desk.unit(1)).await;
    act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done();
    app.clock.advance(std::time::Duration::from_hours(24));
    for (assignment, state) in [(revoked, "REVOKED"), (expired, "EXPIRED")] {
        let answer = release(&desk.support, &assignment, json!({})).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"));
        assert!(answer.text("/userErrors/0/message").contains(state), "{state}");
    }
    app.assert_sound().await;
}

async fn an_assignment_ends_once(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let first = desk.assign(desk.unit(0), "bo").await;
    release(&desk.shop.key, &first, json!({})).await.done();
    let again = release(&desk.shop.key, &first, json!({})).await;
    assert_eq!(again.refusal(), Some("INVALID_STATE"));
    assert!(again.text("/userErrors/0/message").contains("ENDED"), "it names the present state");
    let second = desk.assign(desk.unit(0), "cy").await;
    assert_eq!(release(&desk.shop.key, &first, json!({})).await.refusal(), Some("INVALID_STATE"));
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / ACTIVE / REVOKED", "not somebody else's");
    release(&desk.shop.key, &second, json!({})).await.done();
    app.assert_sound().await;
}

async fn an_old_version_is_refused(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    let assignment = desk.assign(desk.unit(0), "bo").await;
    desk.work().await;
    let stale = release(&desk.shop.key, &assignment, json!({"expectedVersion": 1})).await;
    assert_eq!(stale.refusal(), Some("STALE_VERSION"), "the version is the assignment's");
    assert_eq!(stale.at("/userErrors/0/field"), &json!(["expectedVersion"]));
    release(&desk.shop.key, &assignment, json!({"expectedVersion": 3})).await.done();
    app.assert_sound().await;
}

async fn whoever_holds_it_elsewhere_does_not_release_it(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let beta = Shop::open(&app, "Beta").await;
    let redeemed = beta.redeem(desk.code(0), "zoe").await;
    let assignment = redeemed.text("/redeemCode/assignment/id");
    let holder = release(&beta.key, &assignment, json!({})).await;
    assert_eq!(holder.refusal(), Some("NOT_FOUND"), "what becomes of it is its seller's business");
    let unknown = release(&beta.key, "asg_01h455vb4pex5vsknk084sn02q", json!({})).await;
    assert_eq!(holder.body.to_string(), unknown.body.to_string());
    let query = "query ($id: ID!) { entitlement(id: $id) { status allowedActions } }";
    let seen = beta.key.query(query, json!({"id": desk.unit(0)})).await;
    assert_eq!(seen.at("/entitlement"), &json!({"status": "ACTIVE", "allowedActions": []}));
    release(&desk.shop.key, &assignment, json!({})).await.done();
    app.assert_sound().await;
}

async fn of_many_at_once_one_releases(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let (support, shop) = desk.elsewhere().await;
    let assignment = desk.assign(desk.unit(0), "bo").await;
    let clients = [&desk.support, &support, &desk.shop.key, &shop];
    let tries = clients.iter().cycle().take(8).map(|client| release(client, &assignment, json!({})));
    let answers = join_all(tries).await;
    let refusals: Vec<Option<&str>> = answers.iter().map(Answer::refusal).collect();
    assert_eq!(refusals.iter().filter(|refusal| refusal.is_none()).count(), 1, "{refusals:?}");
    assert_eq!(refusals.iter().filter(|refusal| **refusal == Some("INVALID_STATE")).count(), 7, "{refusals:?}");
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
    app.assert_sound().await;
}

async fn a_repeat_shows_the_same_code(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let assignment = desk.assign(desk.unit(0), "bo").await;
    let key = json!({"idempotencyKey": "k"});
    let first = release(&desk.shop.key, &assignment, key.clone()).await.done();
    let again = release(&desk.shop.key, &assignment, key.clone()).await.done();
    assert_eq!(again.data(), first.data());
    desk.shop.redeem(&first.text("/issuedCode/code"), "cy").await.data();
    let later = release(&desk.shop.key, &assignment, key).await.done();
    assert_eq!(later.at("/issuedCode"), &Value::Null, "a redeemed code is not shown");
    app.assert_sound().await;
}
