//! Provisioning: workers take what is to be made or taken down outside, each thing once, and say what came of it.

mod ending;
mod race;
mod report;

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines,
    desk::spoil,
    shop::{Placed, product},
};

pub fn tests() -> Vec<Test> {
    let own = both_engines![
        work_is_handed_out_once,
        many_workers_get_different_work,
        a_worker_takes_as_much_as_it_asks_for,
        work_is_taken_oldest_first,
        a_worker_may_take_some_products_only,
        a_worker_takes_what_its_partner_s_subtree_sold,
        what_is_not_made_outside_is_no_work,
        a_lease_lasts_as_long_as_was_asked_within_bounds,
        work_whose_lease_ran_out_is_handed_out_again,
        a_lease_is_extended_from_now_on,
        a_late_report_counts_until_somebody_else_has_the_work,
        work_that_waits_for_input_is_not_handed_out,
        work_of_a_suspended_unit_is_not_handed_out,
        a_worker_sees_what_it_may_claim,
        the_same_claim_again_takes_nothing_more,
        what_cannot_be_read_keeps_nobody_from_other_work,
    ];
    own.into_iter().chain(report::tests()).chain(ending::tests()).chain(race::tests()).collect()
}

const CLAIMED: &str = "attempts {
    attempt { id operation outcome leaseExpiresAt }
    assignment { id status entitlement { id status } }
    formerOutcomeUnknown idempotencyReference
}";

/// A shop whose product is made outside under `policy`, `quantity` units of which are ann's, and a worker.
async fn work(app: &App, policy: Value, quantity: usize) -> (Shop, Placed, Client) {
    product(app, "P", with(json!({"provisioning": "EXTERNAL"}), policy)).await;
    let shop = Shop::open(app, "Alpha").await;
    let placed = assigned(&shop, "o-1", "P", quantity).await;
    (shop, placed, app.key("PROVISIONER", json!({})).await)
}

async fn assigned(shop: &Shop, reference: &str, sku: &str, quantity: usize) -> Placed {
    let ann = json!({"externalReference": "ann"});
    shop.place(reference, json!([{"sku": sku, "quantity": quantity, "assignTo": ann}])).await
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

async fn claim(worker: &Client, input: Value) -> Answer {
    worker.mutate("claimProvisioning", CLAIMED, input).await
}

/// The one attempt that a claim now gives.
async fn take(worker: &Client) -> String {
    let claimed = claim(worker, json!({})).await.done();
    assert_eq!(claimed.list("/attempts").len(), 1, "{:#}", claimed.body);
    claimed.text("/attempts/0/attempt/id")
}

async fn complete(worker: &Client, attempt: &str, more: Value) -> Answer {
    let selection = "assignment { id version status externalReference activatedAt deadline }";
    worker.mutate("completeProvisioning", selection, with(json!({"attemptId": attempt}), more)).await
}

async fn fail(worker: &Client, attempt: &str, more: Value) -> Answer {
    let input = with(json!({"attemptId": attempt, "reason": "no seat left"}), more);
    worker.mutate("failProvisioning", "assignment { id version status statusReason }", input).await
}

async fn extend(worker: &Client, attempt: &str, seconds: i64) -> Answer {
    let input = json!({"attemptId": attempt, "leaseSeconds": seconds});
    worker.mutate("extendProvisioningLease", "attempt { id leaseExpiresAt outcome }", input).await
}

/// How a unit and its newest assignment stand, as `[unit, assignment]`.
async fn states(client: &Client, unit: &str) -> Value {
    let query = "query ($id: ID!) { entitlement(id: $id) { status assignments(first: 1) { status } } }";
    let seen = client.query(query, json!({"id": unit})).await;
    json!([seen.at("/entitlement/status"), seen.at("/entitlement/assignments/0/status")])
}

/// The attempts of a unit's newest assignment, oldest first, each as its operation and outcome.
async fn attempts(client: &Client, unit: &str) -> Vec<Value> {
    let query =
        "query ($id: ID!) { entitlement(id: $id) { assignments(first: 1) { attempts { operation outcome reason } } } }";
    let seen = client.query(query, json!({"id": unit})).await;
    let attempts = seen.list("/entitlement/assignments/0/attempts").iter().rev();
    attempts.map(|attempt| json!([attempt.get("operation"), attempt.get("outcome")])).collect()
}

/// What the journal tells of a unit after `skipped` events, each as its type and the state of its record.
async fn told(client: &Client, unit: &str, skipped: usize) -> Vec<Value> {
    let query = "query ($id: ID!) { entitlement(id: $id) { timeline(first: 100) { nodes { type toStatus } } } }";
    let answer = client.query(query, json!({"id": unit})).await;
    let events = answer.list("/entitlement/timeline/nodes").iter().skip(skipped);
    events.map(|event| json!([event.get("type"), event.get("toStatus")])).collect()
}

/// The units of what was claimed.
fn units(claimed: &Answer) -> Vec<String> {
    let taken = claimed.list("/attempts").iter();
    taken.filter_map(|one| one.pointer("/assignment/entitlement/id")?.as_str()).map(str::to_owned).collect()
}

async fn work_is_handed_out_once(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    let claimed = claim(&worker, json!({})).await.done();
    let attempt = json!({"operation": "PROVISION", "outcome": "STARTED", "leaseExpiresAt": "2030-01-01T12:01:00Z"});
    for (member, value) in attempt.as_object().expect("an object") {
        assert_eq!(claimed.at(&format!("/attempts/0/attempt/{member}")), value);
    }
    assert_eq!(claimed.at("/attempts/0/assignment/status"), "PROVISIONING");
    assert_eq!(claimed.at("/attempts/0/formerOutcomeUnknown"), false);
    assert!(claimed.text("/attempts/0/idempotencyReference").starts_with("asg_"));
    assert_eq!(claim(&worker, json!({})).await.done().list("/attempts"), &[] as &[Value]);
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["ASSIGNED", "PROVISIONING"]));
    let expected = [json!(["ASSIGNMENT_CREATED", "PENDING"]), json!(["ASSIGNMENT_PROVISIONING", "PROVISIONING"])];
    assert_eq!(told(&shop.key, unit(&placed), 1).await, expected);
    app.assert_sound().await;
}

async fn many_workers_get_different_work(app: App) {
    let (_, placed, worker) = work(&app, json!({}), 60).await;
    let nodes = [worker.clone(), app.second_node().await.client(worker.secret().expect("a secret"))];
    let answers = join_all(nodes.iter().cycle().take(12).map(|worker| claim(worker, json!({"limit": 7})))).await;
    let mut taken: Vec<String> = answers.into_iter().flat_map(|answer| units(&answer.done())).collect();
    // What was locked by somebody else was passed over; it is there for who asks next.
    loop {
        let more = units(&claim(&worker, json!({"limit": 7})).await.done());
        if more.is_empty() {
            break;
        }
        taken.extend(more);
    }
    let different: BTreeSet<&String> = taken.iter().collect();
    assert_eq!((taken.len(), different.len()), (placed.units.len(), placed.units.len()));
    app.assert_sound().await;
}

async fn a_worker_takes_as_much_as_it_asks_for(app: App) {
    let (_, _, worker) = work(&app, json!({}), 12).await;
    for limit in [-1, 0, 101, i32::MAX] {
        let answer = claim(&worker, json!({"limit": limit})).await;
        assert_eq!(answer.refusal(), Some("INVALID_INPUT"), "{limit}");
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["limit"]));
    }
    assert_eq!(units(&claim(&worker, json!({"limit": 1})).await.done()).len(), 1);
    assert_eq!(units(&claim(&worker, json!({})).await.done()).len(), 10);
    assert_eq!(units(&claim(&worker, json!({"limit": 100})).await.done()).len(), 1);
    app.assert_sound().await;
}

async fn work_is_taken_oldest_first(app: App) {
    let (shop, first, worker) = work(&app, json!({}), 1).await;
    app.clock.advance(Duration::from_secs(1));
    let second = assigned(&shop, "o-2", "P", 1).await;
    assert_eq!(units(&claim(&worker, json!({"limit": 1})).await.done()), first.units);
    assert_eq!(units(&claim(&worker, json!({"limit": 1})).await.done()), second.units);
}

async fn a_worker_may_take_some_products_only(app: App) {
    let (shop, first, worker) = work(&app, json!({}), 1).await;
    let other = product(&app, "Q", json!({"provisioning": "EXTERNAL"})).await;
    let second = assigned(&shop, "o-2", "Q", 1).await;
    assert_eq!(units(&claim(&worker, json!({"productIds": []})).await.done()), Vec::<String>::new());
    let unknown = "prd_01h455vb4pex5vsknk084sn02q";
    assert_eq!(units(&claim(&worker, json!({"productIds": [unknown]})).await.done()), Vec::<String>::new());
    assert_eq!(units(&claim(&worker, json!({"productIds": [other, unknown]})).await.done()), second.units);
    let malformed = claim(&worker, json!({"productIds": ["P"]})).await;
    assert_eq!(malformed.refusal(), Some("INVALID_INPUT"));
    assert_eq!(units(&claim(&worker, json!({})).await.done()), first.units);
}

async fn a_worker_takes_what_its_partner_s_subtree_sold(app: App) {
    let (alpha, _, _) = work(&app, json!({}), 1).await;
    let below = alpha.open_below(&app, "Alpha North").await;
    assigned(&below, "o-1", "P", 1).await;
    let beta = Shop::open(&app, "Beta").await;
    let other = assigned(&beta, "o-1", "P", 1).await;
    let worker = app.key("PROVISIONER", json!({"partnerId": beta.partner})).await;
    assert_eq!(units(&claim(&worker, json!({})).await.done()), other.units);
    let worker = app.key("PROVISIONER", json!({"partnerId": alpha.partner})).await;
    assert_eq!(units(&claim(&worker, json!({})).await.done()).len(), 2);
    let attempt = {
        let anybody = app.key("PROVISIONER", json!({})).await;
        app.clock.advance(Duration::from_mins(1));
        let claimed = claim(&anybody, json!({"limit": 1})).await.done();
        claimed.text("/attempts/0/attempt/id")
    };
    let foreign = app.key("PROVISIONER", json!({"partnerId": beta.partner})).await;
    for answer in [
        complete(&foreign, &attempt, json!({})).await,
        fail(&foreign, &attempt, json!({})).await,
        extend(&foreign, &attempt, 60).await,
    ] {
        assert_eq!(answer.refusal(), Some("NOT_FOUND"), "another partner's attempt is unknown");
    }
    app.assert_sound().await;
}

async fn what_is_not_made_outside_is_no_work(app: App) {
    product(&app, "P", json!({})).await;
    let shop = Shop::open(&app, "Alpha").await;
    assigned(&shop, "o-1", "P", 1).await;
    let worker = app.key("PROVISIONER", json!({})).await;
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new());
    for role in ["SUPPORT", "PARTNER"] {
        let scope = if role == "PARTNER" { json!({"partnerId": shop.partner}) } else { json!({}) };
        let answer = claim(&app.key(role, scope).await, json!({})).await;
        assert_eq!(answer.code(), Some("FORBIDDEN"), "{role}");
    }
}

async fn a_lease_lasts_as_long_as_was_asked_within_bounds(app: App) {
    let (_, _, worker) = work(&app, json!({}), 2).await;
    for seconds in [-1, 0, 4, 3_601] {
        let answer = claim(&worker, json!({"leaseSeconds": seconds})).await;
        assert_eq!(answer.refusal(), Some("INVALID_INPUT"), "{seconds}");
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["leaseSeconds"]));
    }
    for (seconds, end) in [(5, "2030-01-01T12:00:05Z"), (3_600, "2030-01-01T13:00:00Z")] {
        let claimed = claim(&worker, json!({"limit": 1, "leaseSeconds": seconds})).await.done();
        assert_eq!(claimed.at("/attempts/0/attempt/leaseExpiresAt"), end);
    }
}

async fn work_whose_lease_ran_out_is_handed_out_again(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    let first = claim(&worker, json!({"leaseSeconds": 5})).await.done();
    app.clock.advance(Duration::from_millis(4_999));
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new(), "a lease holds to its end");
    app.clock.advance(Duration::from_millis(1));
    let query = json!({"id": unit(&placed)});
    let seen =
        shop.key.query("query ($id: ID!) { entitlement(id: $id) { assignment { attempts { outcome } } } }", query);
    assert_eq!(seen.await.at("/entitlement/assignment/attempts/0/outcome"), "STARTED", "until the next claim");

    let second = claim(&worker, json!({})).await.done();
    assert_eq!(second.at("/attempts/0/formerOutcomeUnknown"), true);
    assert_eq!(second.at("/attempts/0/idempotencyReference"), first.at("/attempts/0/idempotencyReference"));
    assert_ne!(second.at("/attempts/0/attempt/id"), first.at("/attempts/0/attempt/id"));
    let expected = [json!(["PROVISION", "UNKNOWN"]), json!(["PROVISION", "STARTED"])];
    assert_eq!(attempts(&app.admin(), unit(&placed)).await, expected);
    let expected = [json!(["ATTEMPT_UNKNOWN", "UNKNOWN"]), json!(["ASSIGNMENT_PROVISIONING", "PROVISIONING"])];
    assert_eq!(told(&shop.key, unit(&placed), 3).await, expected);
    app.assert_sound().await;
}

async fn a_lease_is_extended_from_now_on(app: App) {
    let (_, placed, worker) = work(&app, json!({}), 1).await;
    let attempt = take(&worker).await;
    for seconds in [4, 3_601] {
        assert_eq!(extend(&worker, &attempt, seconds).await.refusal(), Some("INVALID_INPUT"));
    }
    app.clock.advance(Duration::from_secs(30));
    let longer = extend(&worker, &attempt, 60).await.done();
    assert_eq!(longer.at("/attempt/leaseExpiresAt"), "2030-01-01T12:01:30Z");
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new());
    app.clock.advance(Duration::from_secs(100));
    extend(&worker, &attempt, 60).await.done();
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new(), "one that ran out as well");
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(units(&claim(&worker, json!({})).await.done()), placed.units);
    let late = extend(&worker, &attempt, 60).await;
    assert_eq!(late.refusal(), Some("INVALID_STATE"), "somebody else has it now");
    app.assert_sound().await;
}

async fn a_late_report_counts_until_somebody_else_has_the_work(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 2).await;
    let claimed = claim(&worker, json!({"leaseSeconds": 5})).await.done();
    let [first, second] = [0, 1].map(|place| claimed.text(&format!("/attempts/{place}/attempt/id")));
    app.clock.advance(Duration::from_hours(1));
    complete(&worker, &first, json!({"externalReference": "seat-1"})).await.done();
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["ACTIVE", "ACTIVE"]));

    let third = take(&worker).await;
    for answer in [
        complete(&worker, &second, json!({})).await,
        fail(&worker, &second, json!({})).await,
        fail(&worker, &second, json!({"retryable": false})).await,
        extend(&worker, &second, 60).await,
    ] {
        assert_eq!(answer.refusal(), Some("INVALID_STATE"));
    }
    complete(&worker, &third, json!({})).await.done();
    let expected = [json!(["PROVISION", "UNKNOWN"]), json!(["PROVISION", "SUCCEEDED"])];
    assert_eq!(attempts(&app.admin(), placed.units.last().expect("a unit")).await, expected);
    app.assert_sound().await;
}

async fn work_that_waits_for_input_is_not_handed_out(app: App) {
    let (shop, placed, worker) = work(&app, json!({"requiredInput": ["seat"], "inputDeadlineHours": 2}), 1).await;
    assert_eq!(states(&shop.key, unit(&placed)).await, json!(["ASSIGNED", "AWAITING_INPUT"]));
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new());
    let query = "query ($id: ID!) { entitlement(id: $id) { assignment { id deadline missingInput } } }";
    let seen = shop.key.query(query, json!({"id": unit(&placed)})).await;
    assert_eq!(seen.at("/entitlement/assignment/deadline"), "2030-01-01T14:00:00Z");
    assert_eq!(seen.at("/entitlement/assignment/missingInput"), &json!(["seat"]));

    app.clock.advance(Duration::from_mins(30));
    let input = json!({"assignmentId": seen.text("/entitlement/assignment/id"), "input": {"seat": "4a"}});
    let answer = shop.key.mutate("submitAssignmentInput", "assignment { status deadline }", input).await.done();
    assert_eq!(answer.at("/assignment"), &json!({"status": "PENDING", "deadline": "2030-01-01T13:30:00Z"}));
    assert_eq!(units(&claim(&worker, json!({})).await.done()), placed.units);
    app.assert_sound().await;
}

async fn work_of_a_suspended_unit_is_not_handed_out(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 2).await;
    let support = app.key("SUPPORT", json!({})).await;
    let claimed = claim(&worker, json!({"limit": 1, "leaseSeconds": 5})).await.done();
    for unit in &placed.units {
        let input = json!({"entitlementId": unit, "reason": "a dispute"});
        support.mutate("suspendEntitlement", "entitlement { status }", input).await.done();
    }
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(units(&claim(&worker, json!({})).await.done()), Vec::<String>::new(), "neither anew nor again");

    complete(&worker, &claimed.text("/attempts/0/attempt/id"), json!({})).await.done();
    let [running, waiting] = placed.units.as_slice() else { panic!("two units") };
    assert_eq!(states(&shop.key, running).await, json!(["SUSPENDED", "ACTIVE"]), "a running one's result is recorded");
    for (unit, resumed) in [(running, "ACTIVE"), (waiting, "ASSIGNED")] {
        let input = json!({"entitlementId": unit, "reason": "settled"});
        let answer = support.mutate("resumeEntitlement", "entitlement { status }", input).await.done();
        assert_eq!(answer.at("/entitlement/status"), resumed);
    }
    assert_eq!(units(&claim(&worker, json!({})).await.done()), std::slice::from_ref(waiting));
    app.assert_sound().await;
}

async fn a_worker_sees_what_it_may_claim(app: App) {
    let (shop, placed, worker) = work(&app, json!({}), 1).await;
    product(&app, "Q", json!({})).await;
    let inside = assigned(&shop, "o-2", "Q", 1).await;
    let mut feed = {
        let after = worker.feed_cursor().await;
        worker
            .subscribe("subscription ($after: Cursor!) { events(after: $after) { type } }", json!({"after": after}))
            .await
    };
    let query = "query ($id: ID!) { entitlement(id: $id) { status assignment { status } } }";
    assert_eq!(worker.query(query, json!({"id": unit(&placed)})).await.at("/entitlement/status"), "ASSIGNED");
    assert_eq!(worker.query(query, json!({"id": unit(&inside)})).await.at("/entitlement"), &Value::Null);
    let lists = "{ assignments { nodes { id } } exceptions { nodes { id } } statistics { ordered } }";
    let lists = worker.query(lists, json!({})).await;
    assert_eq!(lists.list("/assignments/nodes").len(), 1);
    assert_eq!(lists.list("/exceptions/nodes"), &[] as &[Value]);

    let input = json!({"entitlementId": unit(&placed), "reason": "a dispute"});
    let admin = app.admin();
    admin.mutate("suspendEntitlement", "entitlement { status }", input.clone()).await.done();
    admin.mutate("resumeEntitlement", "entitlement { status }", input).await.done();
    let attempt = take(&worker).await;
    complete(&worker, &attempt, json!({})).await.done();
    for kind in ["ASSIGNMENT_PROVISIONING", "ASSIGNMENT_ACTIVATED"] {
        assert_eq!(feed.next().await.at("/events/type"), kind, "of its own work, and of nothing else");
    }
}

async fn the_same_claim_again_takes_nothing_more(app: App) {
    let (_, _, worker) = work(&app, json!({}), 2).await;
    let input = json!({"limit": 1, "idempotencyKey": "k-1"});
    let first = claim(&worker, input.clone()).await.done();
    let again = claim(&worker, input).await.done();
    assert_eq!(again.at("/attempts/0/attempt/id"), first.at("/attempts/0/attempt/id"));
    assert_eq!(units(&claim(&worker, json!({})).await.done()).len(), 1);
    let other = claim(&worker, json!({"limit": 2, "idempotencyKey": "k-1"})).await;
    assert_eq!(other.refusal(), Some("IDEMPOTENCY_KEY_REUSED"));
    app.assert_sound().await;
}

async fn what_cannot_be_read_keeps_nobody_from_other_work(app: App) {
    let (_, placed, worker) = work(&app, json!({}), 5).await;
    for spoilt in placed.units.iter().take(2) {
        spoil(&app, spoilt, "{}").await;
    }
    let mut taken = Vec::new();
    for (limit, expected) in [(1, 1), (100, 2), (1, 0)] {
        let found = units(&claim(&worker, json!({"limit": limit})).await.done());
        assert_eq!(found.len(), expected, "{limit}");
        taken.extend(found);
    }
    taken.sort();
    let mut readable = placed.units.get(2..).expect("three more").to_vec();
    readable.sort();
    assert_eq!(taken, readable);
    for spoilt in placed.units.iter().take(2) {
        spoil(&app, spoilt, "[]").await;
    }
    assert_eq!(units(&claim(&worker, json!({})).await.done()).len(), 2);
    app.assert_sound().await;
}
