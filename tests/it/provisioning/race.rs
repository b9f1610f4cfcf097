//! Two who act at once: each pair ends as if one had come first.

use std::time::Duration;

use serde_json::{Value, json};

use super::{attempts, claim, complete, extend, fail, states, take, units, work};
use crate::harness::{App, Client, Shop, Test, both_engines, shop::Placed};

pub fn tests() -> Vec<Test> {
    both_engines![
        two_reports_of_success_are_one,
        a_success_and_a_failure_do_not_both_count,
        a_late_report_and_the_next_claim_do_not_both_count,
        a_renewal_and_the_next_claim_do_not_both_count,
        a_revocation_and_a_success_leave_nothing_behind,
        a_suspended_unit_is_not_handed_out_at_the_same_moment,
        two_retries_are_one,
    ]
}

/// How often each race is run: the engines settle most of them the same way each time.
const ROUNDS: usize = 8;

/// A shop with units to be made, and a worker on each of two nodes.
async fn workers(app: &App) -> (Shop, Placed, [Client; 2]) {
    let (shop, placed, worker) = work(app, json!({}), ROUNDS).await;
    let other = app.second_node().await.client(worker.secret().expect("a secret"));
    (shop, placed, [worker, other])
}

/// One more unit's attempt, and the unit.
async fn one(worker: &Client) -> (String, String) {
    let claimed = claim(worker, json!({"limit": 1, "leaseSeconds": 5})).await.done();
    (claimed.text("/attempts/0/attempt/id"), claimed.text("/attempts/0/assignment/entitlement/id"))
}

async fn two_reports_of_success_are_one(app: App) {
    let (shop, _, [here, there]) = workers(&app).await;
    for _ in 0..ROUNDS {
        let (attempt, unit) = one(&here).await;
        let (one, other) = tokio::join!(complete(&here, &attempt, json!({})), complete(&there, &attempt, json!({})));
        assert_eq!([one.refusal(), other.refusal()], [None, None]);
        assert_eq!(states(&shop.key, &unit).await, json!(["ACTIVE", "ACTIVE"]));
    }
    app.assert_sound().await;
}

async fn a_success_and_a_failure_do_not_both_count(app: App) {
    let (shop, _, [here, there]) = workers(&app).await;
    for _ in 0..ROUNDS {
        let (attempt, unit) = one(&here).await;
        let failure = json!({"retryable": false});
        let (good, bad) = tokio::join!(complete(&here, &attempt, json!({})), fail(&there, &attempt, failure));
        let expected = match [good.refusal(), bad.refusal()] {
            [None, Some("INVALID_STATE")] => json!(["ACTIVE", "ACTIVE"]),
            [Some("INVALID_STATE"), None] => json!(["ASSIGNED", "FAILED"]),
            other => panic!("{other:?}"),
        };
        assert_eq!(states(&shop.key, &unit).await, expected);
    }
    app.assert_sound().await;
}

async fn a_late_report_and_the_next_claim_do_not_both_count(app: App) {
    let (shop, _, [here, there]) = workers(&app).await;
    for _ in 0..ROUNDS {
        let (attempt, unit) = one(&here).await;
        app.clock.advance(Duration::from_secs(5));
        let all = json!({"limit": 1});
        let (report, claimed) = tokio::join!(complete(&here, &attempt, json!({})), claim(&there, all));
        let claimed = claimed.done();
        let again = units(&claimed).contains(&unit);
        match report.refusal() {
            None => assert!(!again, "what is done is not done again"),
            Some("INVALID_STATE") => assert!(again, "somebody else has it"),
            Some(other) => panic!("{other}"),
        }
        for place in 0..claimed.list("/attempts").len() {
            complete(&there, &claimed.text(&format!("/attempts/{place}/attempt/id")), json!({})).await.done();
        }
        assert_eq!(states(&shop.key, &unit).await, json!(["ACTIVE", "ACTIVE"]));
        if claim(&here, json!({"limit": 1, "leaseSeconds": 5})).await.done().list("/attempts").is_empty() {
            break;
        }
        app.clock.advance(Duration::from_secs(5));
    }
    app.assert_sound().await;
}

async fn a_renewal_and_the_next_claim_do_not_both_count(app: App) {
    let (_, _, worker) = work(&app, json!({}), 1).await;
    let other = app.second_node().await.client(worker.secret().expect("a secret"));
    let mut attempt = take(&worker).await;
    for _ in 0..ROUNDS {
        app.clock.advance(Duration::from_mins(1));
        let (renewed, claimed) = tokio::join!(extend(&worker, &attempt, 60), claim(&other, json!({})));
        let taken = claimed.done();
        match renewed.refusal() {
            None => assert_eq!(taken.list("/attempts"), &[] as &[Value]),
            Some("INVALID_STATE") => attempt = taken.text("/attempts/0/attempt/id"),
            Some(refusal) => panic!("{refusal}"),
        }
    }
    app.assert_sound().await;
}

async fn a_revocation_and_a_success_leave_nothing_behind(app: App) {
    let (shop, _, [here, there]) = workers(&app).await;
    let support = app.key("SUPPORT", json!({})).await;
    for _ in 0..ROUNDS {
        let (attempt, unit) = one(&here).await;
        let revocation = json!({"entitlementId": unit, "reason": "fraud"});
        let revocation = support.mutate("revokeEntitlement", "entitlement { status }", revocation);
        let (done, revoked) = tokio::join!(complete(&there, &attempt, json!({})), revocation);
        assert_eq!([done.refusal(), revoked.refusal()], [None, None]);
        assert_eq!(states(&shop.key, &unit).await, json!(["REVOKED", "DEPROVISIONING"]), "whichever came first");
        assert_eq!(attempts(&app.admin(), &unit).await, [json!(["PROVISION", "SUCCEEDED"])]);
        let (attempt, oldest) = one(&here).await;
        assert_eq!(oldest, unit, "it is taken down");
        complete(&here, &attempt, json!({})).await.done();
    }
    app.assert_sound().await;
}

async fn a_suspended_unit_is_not_handed_out_at_the_same_moment(app: App) {
    let (shop, placed, [here, _]) = workers(&app).await;
    let support = app.second_node().await.client(app.key("SUPPORT", json!({})).await.secret().expect("a secret"));
    let mut taken = Vec::new();
    for unit in &placed.units {
        let input = json!({"entitlementId": unit, "reason": "a dispute"});
        let suspension = support.mutate("suspendEntitlement", "entitlement { status assignment { status } }", input);
        let (claimed, suspended) = tokio::join!(claim(&here, json!({"limit": 1})), suspension);
        suspended.done();
        taken.extend(units(&claimed.done()));
        let assignment = if taken.contains(unit) { "PROVISIONING" } else { "PENDING" };
        assert_eq!(states(&shop.key, unit).await, json!(["SUSPENDED", assignment]));
    }
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(units(&claim(&here, json!({"limit": 100})).await.done()), Vec::<String>::new());
    app.assert_sound().await;
}

async fn two_retries_are_one(app: App) {
    let (_, _, [here, there]) = workers(&app).await;
    for _ in 0..ROUNDS {
        let (attempt, _) = one(&here).await;
        let failed = fail(&here, &attempt, json!({"retryable": false})).await.done();
        let input = json!({"assignmentId": failed.at("/assignment/id")});
        let retry = |client: &Client| {
            let (client, input) = (client.clone(), input.clone());
            async move { client.mutate("retryProvisioning", "assignment { status }", input).await }
        };
        let (one, other) = tokio::join!(retry(&here), retry(&there));
        let refusals = [one.refusal(), other.refusal()];
        assert!(matches!(refusals, [None, Some("INVALID_STATE")] | [Some("INVALID_STATE"), None]), "{refusals:?}");
        let taken = take_one(&here).await;
        complete(&here, &taken, json!({})).await.done();
    }
    app.assert_sound().await;
}

async fn take_one(worker: &Client) -> String {
    claim(worker, json!({"limit": 1})).await.done().text("/attempts/0/attempt/id")
}
