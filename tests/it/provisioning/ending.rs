//! Taking down what was made, and ends that are wished while a worker is at it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{attempts, claim, complete, fail, states, take, told, unit, units, work};
use crate::harness::{Answer, App, Client, Test, both_engines, shop::Placed};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_released_unit_is_free_once_it_is_taken_down,
        a_revoked_unit_is_taken_down,
        an_expired_unit_is_taken_down,
        taking_down_is_tried_again,
        what_could_not_be_taken_down_needs_a_decision,
        a_success_after_the_end_was_wished_is_taken_down,
        a_failure_after_the_end_was_wished_is_the_end,
        an_unknown_outcome_after_the_end_was_wished_is_asked_for_again,
        a_release_meanwhile_frees_the_unit_in_the_end,
        what_waited_is_cancelled_at_once,
    ]
}

/// A unit that was made, and its worker.
async fn made(app: &App) -> (crate::harness::Shop, Placed, Client) {
    let (shop, placed, worker) = work(app, json!({}), 1).await;
    let attempt = take(&worker).await;
    complete(&worker, &attempt, json!({"externalReference": "seat-1"})).await.done();
    (shop, placed, worker)
}

async fn assignment(client: &Client, unit: &str) -> String {
    let query = "query ($id: ID!) { entitlement(id: $id) { assignments(first: 1) { id } } }";
    client.query(query, json!({"id": unit})).await.text("/entitlement/assignments/0/id")
}

async fn release(client: &Client, unit: &str, more: Value) -> Answer {
    let input = json!({"assignmentId": assignment(client, unit).await, "reason": "not needed"});
    let selection = "assignment { status } entitlement { status } issuedCode { code }";
    client.mutate("releaseAssignment", selection, super::with(input, more)).await
}

async fn revoke(app: &App, unit: &str) {
    let input = json!({"entitlementId": unit, "reason": "fraud"});
    app.admin().mutate("revokeEntitlement", "entitlement { status }", input).await.done();
}

async fn live_code(client: &Client, unit: &str) -> Value {
    let query = "query ($id: ID!) { entitlement(id: $id) { activationCode { status } } }";
    client.query(query, json!({"id": unit})).await.at("/entitlement/activationCode/status").clone()
}

async fn a_released_unit_is_free_once_it_is_taken_down(app: App) {
    let (shop, placed, worker) = made(&app).await;
    let answer = release(&shop.key, unit(&placed), json!({})).await.done();
    assert_eq!(answer.at("/assignment/status"), "DEPROVISIONING");
    assert_eq!(answer.at("/entitlement/status"), "ACTIVE");
    assert_eq!(answer.at("/issuedCode"), &Value::Null);
    assert_eq!(release(&shop.key, unit(&placed), json!({})).await.refusal(), Some("INVALID_STATE"));

    let claimed = claim(&worker, json!({})).await.done();
    assert_eq!(claimed.at("/attempts/0/attempt/operation"), "DEPROVISION");
    assert_eq!(claimed.at("/attempts/0/formerOutcomeUnknown"), false);
    let reference = claimed.text("/attempts/0/idempotencyReference");
    assert!(reference.ends_with("/deprovision"), "another operation than making it: {reference}");
    complete(&worker, &claimed.text("/attempts/0/attempt/id"), json!({})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["UNASSIGNED", "ENDED"]));
    assert_eq!(live_code(&shop.key, unit(&placed)).await, "ISSUED", "a fresh code, for its seller to reveal");
    let expected = [
        json!(["ASSIGNMENT_DEPROVISIONING", "DEPROVISIONING"]),
        json!(["ASSIGNMENT_DEPROVISIONING", "DEPROVISIONING"]),
        json!(["ASSIGNMENT_ENDED", "ENDED"]),
        json!(["CODE_ISSUED", "ISSUED"]),
    ];
    assert_eq!(told(&shop.key, unit(&placed), 4).await, expected);
    app.assert_sound().await;
}

async fn a_revoked_unit_is_taken_down(app: App) {
    let (shop, placed, worker) = made(&app).await;
    revoke(&app, unit(&placed)).await;
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["REVOKED", "DEPROVISIONING"]));
    let attempt = take(&worker).await;
    complete(&worker, &attempt, json!({})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["REVOKED", "ENDED"]));
    app.assert_sound().await;
}

async fn an_expired_unit_is_taken_down(app: App) {
    let (shop, placed, worker) = work(&app, json!({"validForDays": 1}), 1).await;
    let attempt = take(&worker).await;
    complete(&worker, &attempt, json!({})).await.done();
    app.clock.advance(Duration::from_hours(24));
    super::super::sweep::all(&app).await;
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["EXPIRED", "DEPROVISIONING"]));
    let attempt = take(&worker).await;
    complete(&worker, &attempt, json!({})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["EXPIRED", "ENDED"]));
    app.assert_sound().await;
}

async fn taking_down_is_tried_again(app: App) {
    let (shop, placed, worker) = made(&app).await;
    release(&shop.key, unit(&placed), json!({})).await.done();
    let first = claim(&worker, json!({"leaseSeconds": 5})).await.done();
    app.clock.advance(Duration::from_secs(5));
    let second = claim(&worker, json!({})).await.done();
    assert_eq!(second.at("/attempts/0/formerOutcomeUnknown"), true);
    assert_eq!(second.at("/attempts/0/idempotencyReference"), first.at("/attempts/0/idempotencyReference"));
    let answer = fail(&worker, &second.text("/attempts/0/attempt/id"), json!({})).await.done();
    assert_eq!(answer.at("/assignment/status"), "DEPROVISIONING");
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new(), "after a pause");
    app.clock.advance(Duration::from_secs(1));
    let attempt = take(&worker).await;
    complete(&worker, &attempt, json!({})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["UNASSIGNED", "ENDED"]));
    app.assert_sound().await;
}

async fn what_could_not_be_taken_down_needs_a_decision(app: App) {
    let (shop, placed, worker) = made(&app).await;
    release(&shop.key, unit(&placed), json!({})).await.done();
    let attempt = take(&worker).await;
    fail(&worker, &attempt, json!({"retryable": false})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["ACTIVE", "DEPROVISION_FAILED"]));
    assert_eq!(release(&shop.key, unit(&placed), json!({})).await.refusal(), Some("INVALID_STATE"));
    let forced = release(&shop.key, unit(&placed), json!({"force": true})).await;
    assert_eq!(forced.code(), Some("FORBIDDEN"), "whether to leave it there is not the seller's to say");

    let input = json!({"assignmentId": assignment(&shop.key, unit(&placed)).await});
    worker.mutate("retryProvisioning", "assignment { status }", input).await.done();
    let attempt = take(&worker).await;
    fail(&worker, &attempt, json!({"retryable": false})).await.done();
    let support = app.key("SUPPORT", json!({})).await;
    let forced = release(&support, unit(&placed), json!({"force": true})).await.done();
    assert_eq!(forced.at("/assignment/status"), "ENDED");
    assert_eq!(forced.at("/entitlement/status"), "UNASSIGNED");
    shop.redeem(&forced.text("/issuedCode/code"), "bo").await.data();
    app.assert_sound().await;
}

async fn a_success_after_the_end_was_wished_is_taken_down(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    let attempt = take(&worker).await;
    revoke(&app, unit(&placed)).await;
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["REVOKED", "PROVISIONING"]), "its result decides");
    let answer = complete(&worker, &attempt, json!({"externalReference": "seat-1"})).await.done();
    assert_eq!(answer.at("/assignment/status"), "DEPROVISIONING");
    let claimed = claim(&worker, json!({})).await.done();
    assert_eq!(claimed.at("/attempts/0/attempt/operation"), "DEPROVISION");
    complete(&worker, &claimed.text("/attempts/0/attempt/id"), json!({})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["REVOKED", "ENDED"]));
    app.assert_sound().await;
}

async fn a_failure_after_the_end_was_wished_is_the_end(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    let attempt = take(&worker).await;
    revoke(&app, unit(&placed)).await;
    let answer = fail(&worker, &attempt, json!({"retryable": false})).await.done();
    assert_eq!(answer.at("/assignment/status"), "CANCELLED");
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["REVOKED", "CANCELLED"]));
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new());
    app.assert_sound().await;
}

async fn an_unknown_outcome_after_the_end_was_wished_is_asked_for_again(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    take(&worker).await;
    revoke(&app, unit(&placed)).await;
    app.clock.advance(Duration::from_mins(1));
    let claimed = claim(&worker, json!({})).await.done();
    assert_eq!(claimed.at("/attempts/0/attempt/operation"), "PROVISION");
    assert_eq!(claimed.at("/attempts/0/formerOutcomeUnknown"), true);
    complete(&worker, &claimed.text("/attempts/0/attempt/id"), json!({})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["REVOKED", "DEPROVISIONING"]));
    let expected = [json!(["PROVISION", "UNKNOWN"]), json!(["PROVISION", "SUCCEEDED"])];
    assert_eq!(attempts(&app.admin(), unit(&placed)).await, expected);
    app.assert_sound().await;
}

async fn a_release_meanwhile_frees_the_unit_in_the_end(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    let attempt = take(&worker).await;
    let answer = release(&shop.key, unit(&placed), json!({})).await.done();
    assert_eq!(answer.at("/assignment/status"), "PROVISIONING");
    assert_eq!(answer.at("/issuedCode"), &Value::Null);
    assert_eq!(release(&shop.key, unit(&placed), json!({})).await.refusal(), Some("INVALID_STATE"), "it is asked for");
    complete(&worker, &attempt, json!({})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["ACTIVE", "DEPROVISIONING"]));
    let attempt = take(&worker).await;
    complete(&worker, &attempt, json!({})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["UNASSIGNED", "ENDED"]));
    assert_eq!(live_code(&shop.key, unit(&placed)).await, "ISSUED");
    app.assert_sound().await;
}

async fn what_waited_is_cancelled_at_once(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 2).await;
    let [first, second] = placed.units.as_slice() else { panic!("two units") };
    let answer = release(&shop.key, first, json!({})).await.done();
    assert_eq!(answer.at("/assignment/status"), "CANCELLED");
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    revoke(&app, second).await;
    assert_eq!(states(&shop.key, second).await, json!(["REVOKED", "CANCELLED"]));
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new());
    app.assert_sound().await;
}
