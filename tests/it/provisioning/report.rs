//! What a worker reports, and what comes of failures.

use std::time::Duration;

use serde_json::{Value, json};

use super::{attempts, claim, complete, fail, states, take, told, unit, units, work};
use crate::harness::{App, Client, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_success_makes_the_unit_active,
        the_same_report_again_changes_nothing,
        a_report_that_contradicts_another_is_refused,
        a_failure_that_may_pass_is_tried_again_after_a_pause_that_grows,
        a_pause_has_an_end,
        the_tenth_failure_is_the_last,
        how_many_failures_are_borne_can_be_set,
        a_failure_for_good_needs_a_decision,
        what_failed_is_tried_again_on_demand,
        a_retry_on_an_old_version_is_refused,
        only_what_failed_is_tried_again,
        an_unknown_attempt_is_not_found,
        a_reason_is_given,
    ]
}

/// The open exceptions of a unit, each as its kind and reason.
async fn open(client: &Client, unit: &str) -> Vec<Value> {
    let query = "query ($filter: ExceptionFilter) { exceptions(filter: $filter) { nodes { kind reason } } }";
    let answer = client.query(query, json!({"filter": {"entitlementId": unit, "status": "OPEN"}})).await;
    let exceptions = answer.list("/exceptions/nodes").iter();
    exceptions.map(|exception| json!([exception.get("kind"), exception.get("reason")])).collect()
}

async fn assignment(client: &Client, unit: &str) -> String {
    let query = "query ($id: ID!) { entitlement(id: $id) { assignment { id } } }";
    client.query(query, json!({"id": unit})).await.text("/entitlement/assignment/id")
}

async fn retry(client: &Client, assignment: &str, more: Value) -> crate::harness::Answer {
    let input = super::with(json!({"assignmentId": assignment}), more);
    client.mutate("retryProvisioning", "assignment { id version status statusReason deadline }", input).await
}

async fn a_success_makes_the_unit_active(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    let attempt = take(&worker).await;
    app.clock.advance(Duration::from_secs(9));
    let answer = complete(&worker, &attempt, json!({"externalReference": "seat-1"})).await.done();
    assert_eq!(answer.at("/assignment/status"), "ACTIVE");
    assert_eq!(answer.at("/assignment/externalReference"), "seat-1");
    assert_eq!(answer.at("/assignment/activatedAt"), "2030-01-01T12:00:09Z");
    assert_eq!(answer.at("/assignment/deadline"), &Value::Null);
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["ACTIVE", "ACTIVE"]));
    assert_eq!(attempts(&app.admin(), unit(&placed)).await, [json!(["PROVISION", "SUCCEEDED"])]);
    let events = told(&shop.key, unit(&placed), 3).await;
    assert_eq!(events, [json!(["ASSIGNMENT_ACTIVATED", "ACTIVE"])]);
    app.assert_sound().await;
}

async fn the_same_report_again_changes_nothing(app: App) {
    let (_, _, worker) = work(&app, json!({}), 2).await;
    let claimed = claim(&worker, json!({})).await.done();
    let [good, bad] = [0, 1].map(|place| claimed.text(&format!("/attempts/{place}/attempt/id")));
    let first = complete(&worker, &good, json!({"externalReference": "seat-1"})).await.done();
    let failed = fail(&worker, &bad, json!({"retryable": false})).await.done();
    let before = app.events().await;
    for more in [json!({"externalReference": "seat-1"}), json!({"externalReference": "seat-2"}), json!({})] {
        let again = complete(&worker, &good, more).await.done();
        assert_eq!(again.at("/assignment"), first.at("/assignment"));
    }
    for more in [json!({"retryable": false}), json!({"reason": "another"})] {
        let again = fail(&worker, &bad, more).await.done();
        assert_eq!(again.at("/assignment"), failed.at("/assignment"));
    }
    assert_eq!(app.events().await, before);
    app.assert_sound().await;
}

async fn a_report_that_contradicts_another_is_refused(app: App) {
    let (_, _, worker) = work(&app, json!({}), 2).await;
    let claimed = claim(&worker, json!({})).await.done();
    let [good, bad] = [0, 1].map(|place| claimed.text(&format!("/attempts/{place}/attempt/id")));
    complete(&worker, &good, json!({})).await.done();
    fail(&worker, &bad, json!({})).await.done();
    for (answer, outcome) in
        [(fail(&worker, &good, json!({})).await, "SUCCEEDED"), (complete(&worker, &bad, json!({})).await, "FAILED")]
    {
        assert_eq!(answer.refusal(), Some("INVALID_STATE"));
        assert!(answer.text("/userErrors/0/message").contains(outcome), "it names the present state");
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["attemptId"]));
    }
    app.assert_sound().await;
}

async fn a_failure_that_may_pass_is_tried_again_after_a_pause_that_grows(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    for pause in [1, 2, 4, 8] {
        let attempt = take(&worker).await;
        let answer = fail(&worker, &attempt, json!({})).await.done();
        assert_eq!(answer.at("/assignment/status"), "PENDING");
        assert_eq!(answer.at("/assignment/statusReason"), "no seat left");
        app.clock.advance(Duration::from_millis(pause * 1_000 - 1));
        assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new(), "a pause of {pause} s");
        app.clock.advance(Duration::from_millis(1));
    }
    let claimed = claim(&worker, json!({})).await.done();
    assert_eq!(claimed.at("/attempts/0/formerOutcomeUnknown"), false, "what became of the others is known");
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["ASSIGNED", "PROVISIONING"]));
    assert_eq!(open(&app.admin(), unit(&placed)).await, [] as [Value; 0]);
    app.assert_sound().await;
}

async fn a_pause_has_an_end(app: App) {
    let (_, _, worker) = work(&app, json!({}), 1).await;
    let patient = app.node_with(|config| config.limits.provisioning_attempts = 100).await;
    let patient = patient.client(worker.secret().expect("a secret"));
    for _ in 0..35 {
        let attempt = take(&patient).await;
        fail(&patient, &attempt, json!({})).await.done();
        app.clock.advance(Duration::from_mins(10));
    }
    take(&patient).await;
}

async fn the_tenth_failure_is_the_last(app: App) {
    let (shop, placed, worker) = work(&app, json!({"provisioningDeadlineMinutes": 10_000}), 1).await;
    for failure in 1..=10 {
        let attempt = take(&worker).await;
        let answer = fail(&worker, &attempt, json!({})).await.done();
        let expected = if failure < 10 { "PENDING" } else { "FAILED" };
        assert_eq!(answer.at("/assignment/status"), expected, "{failure}");
        app.clock.advance(Duration::from_mins(10));
    }
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new());
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["ASSIGNED", "FAILED"]));
    assert_eq!(open(&app.admin(), unit(&placed)).await, [json!(["PROVISIONING_FAILED", "no seat left"])]);
    app.assert_sound().await;
}

async fn how_many_failures_are_borne_can_be_set(app: App) {
    let (_, _, worker) = work(&app, json!({}), 1).await;
    let strict = app.node_with(|config| config.limits.provisioning_attempts = 2).await;
    let strict = strict.client(worker.secret().expect("a secret"));
    for expected in ["PENDING", "FAILED"] {
        let attempt = take(&strict).await;
        assert_eq!(fail(&strict, &attempt, json!({})).await.done().at("/assignment/status"), expected);
        app.clock.advance(Duration::from_secs(2));
    }
}

async fn a_failure_for_good_needs_a_decision(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    let attempt = take(&worker).await;
    let answer = fail(&worker, &attempt, json!({"retryable": false})).await.done();
    assert_eq!(answer.at("/assignment/status"), "FAILED");
    assert_eq!(open(&shop.key, unit(&placed)).await, [json!(["PROVISIONING_FAILED", "no seat left"])]);
    let order = "query ($id: ID!) { order(id: $id) { status } }";
    let order = shop.key.query(order, json!({"id": placed.order})).await;
    assert_eq!(order.at("/order/status"), "CONFIRMED", "the purchase stands");
    let expected = [json!(["ASSIGNMENT_FAILED", "FAILED"]), json!(["EXCEPTION_OPENED", "OPEN"])];
    assert_eq!(told(&shop.key, unit(&placed), 3).await, expected);

    let input =
        json!({"assignmentId": assignment(&shop.key, unit(&placed)).await, "reason": "give it to somebody else"});
    let released =
        shop.key.mutate("releaseAssignment", "entitlement { status } issuedCode { code }", input).await.done();
    assert_eq!(released.at("/entitlement/status"), "UNASSIGNED");
    shop.redeem(&released.text("/issuedCode/code"), "bo").await.data();
    assert_eq!(open(&shop.key, unit(&placed)).await, [] as [Value; 0]);
    app.assert_sound().await;
}

async fn what_failed_is_tried_again_on_demand(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    let attempt = take(&worker).await;
    fail(&worker, &attempt, json!({"retryable": false})).await.done();
    let assignment = assignment(&shop.key, unit(&placed)).await;
    assert_eq!(retry(&shop.key, &assignment, json!({})).await.code(), Some("FORBIDDEN"));
    app.clock.advance(Duration::from_mins(90));
    let again = retry(&worker, &assignment, json!({})).await.done();
    assert_eq!(again.at("/assignment/status"), "PENDING");
    assert_eq!(again.at("/assignment/statusReason"), &Value::Null);
    assert_eq!(again.at("/assignment/deadline"), "2030-01-01T14:30:00Z", "with all its time before it");
    assert_eq!(open(&app.admin(), unit(&placed)).await, [] as [Value; 0]);
    let attempt = take(&worker).await;
    fail(&worker, &attempt, json!({})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["ASSIGNED", "PENDING"]), "with all its tries before it");
    app.assert_sound().await;
}

async fn a_retry_on_an_old_version_is_refused(app: App) {
    let (_, _, worker) = work(&app, json!({}), 1).await;
    let attempt = take(&worker).await;
    let failed = fail(&worker, &attempt, json!({"retryable": false})).await.done();
    let (id, version) = (failed.text("/assignment/id"), failed.number("/assignment/version"));
    let stale = retry(&worker, &id, json!({"expectedVersion": version - 1})).await;
    assert_eq!(stale.refusal(), Some("STALE_VERSION"));
    let again = retry(&worker, &id, json!({"expectedVersion": version})).await.done();
    assert_eq!(again.number("/assignment/version"), version + 1);
}

async fn only_what_failed_is_tried_again(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    let assignment = assignment(&shop.key, unit(&placed)).await;
    let refused = async |state: &str| {
        let answer = retry(&worker, &assignment, json!({})).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{state}");
        assert!(answer.text("/userErrors/0/message").contains(state), "it names the present state");
    };
    refused("PENDING").await;
    let attempt = take(&worker).await;
    refused("PROVISIONING").await;
    complete(&worker, &attempt, json!({})).await.done();
    refused("ACTIVE").await;
    let unknown = retry(&worker, "asg_01h455vb4pex5vsknk084sn02q", json!({})).await;
    assert_eq!(unknown.refusal(), Some("NOT_FOUND"));
    app.assert_sound().await;
}

async fn an_unknown_attempt_is_not_found(app: App) {
    let worker = app.key("PROVISIONER", json!({})).await;
    let unknown = "pat_01h455vb4pex5vsknk084sn02q";
    for answer in [
        complete(&worker, unknown, json!({})).await,
        fail(&worker, unknown, json!({})).await,
        super::extend(&worker, unknown, 60).await,
    ] {
        assert_eq!(answer.refusal(), Some("NOT_FOUND"));
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["attemptId"]));
    }
}

async fn a_reason_is_given(app: App) {
    let (_, _, worker) = work(&app, json!({}), 1).await;
    let attempt = take(&worker).await;
    for reason in [String::new(), " ".to_owned(), "x".repeat(1_001)] {
        let answer = fail(&worker, &attempt, json!({"reason": reason})).await;
        assert_eq!(answer.refusal(), Some("INVALID_INPUT"));
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["reason"]));
    }
    fail(&worker, &attempt, json!({"reason": "x".repeat(1_000)})).await.done();
}
