//! How an exception comes to be, whom it is shown to, and what else settles it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    newest, resolve,
    situation::{Situation, Stage},
    states, text,
};
use crate::{
    harness::{App, Client, Shop, Test, both_engines, desk::act_with, program::Program, shop::product},
    sweep,
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_repeat_adds_its_attempt_to_what_is_open,
        what_its_holder_can_mend_opens_none,
        each_kind_is_open_beside_another,
        what_another_operation_settles_is_superseded,
        what_mends_nothing_settles_nothing,
        what_was_dismissed_is_not_opened_again_at_once,
        what_was_retried_has_a_new_deadline,
        a_reissue_gives_a_new_unit_and_its_code,
        an_extension_says_until_when,
        a_note_is_given,
        a_resolution_on_an_old_version_is_refused,
        the_same_resolution_again_is_answered_the_same,
        of_two_resolutions_at_once_one_is_done,
        they_are_shown_to_whom_they_concern,
        they_are_listed_as_they_are_asked_for,
        an_order_that_was_imported_otherwise_can_only_be_looked_at,
    ]
}

async fn a_repeat_adds_its_attempt_to_what_is_open(app: App) {
    let mut stage = Stage::open(&app).await;
    let placed = {
        product(&app, "P", json!({})).await;
        stage.shop.place("o-1", json!([{"sku": "P"}])).await
    };
    let unit = placed.units.first().expect("a unit");
    stage.on(unit, "suspendEntitlement").await;
    for _ in 0..3 {
        stage.shop.redeem(placed.codes.first().expect("a code"), "ann").await.data();
    }
    let open = newest(&stage.support, unit).await;
    assert_eq!(open.pointer("/redemptionAttempts").and_then(Value::as_array).map(Vec::len), Some(3));
    assert_eq!(open.get("reason"), Some(&json!("ENTITLEMENT_SUSPENDED")));
    let all = list(&stage.support, json!({"entitlementId": unit})).await;
    assert_eq!(all.len(), 1);
    resolve(&stage.support, &open, "DISMISSED", json!({})).await.done();
    stage.shop.redeem(placed.codes.first().expect("a code"), "ann").await.data();
    let next = newest(&stage.support, unit).await;
    assert_ne!(next.get("id"), open.get("id"), "what was dismissed is over");
    assert_eq!(next.pointer("/redemptionAttempts").and_then(Value::as_array).map(Vec::len), Some(1));
    stage.make(Situation::Held).await;
    app.assert_sound().await;
}

async fn what_its_holder_can_mend_opens_none(app: App) {
    let stage = Stage::open(&app).await;
    product(&app, "P", json!({"maxPerAccount": 1})).await;
    let placed = stage.shop.place("o-1", json!([{"sku": "P", "quantity": 2}])).await;
    let [first, second] = placed.codes.as_slice() else { panic!("two codes") };
    stage.shop.redeem(first, "ann").await.data();
    for (code, account, reason) in [(first, "bo", "ALREADY_REDEEMED"), (second, "ann", "LIMIT_PER_ACCOUNT")] {
        let answer = stage.shop.redeem(code, account).await;
        assert_eq!(answer.at("/redeemCode/userErrors/0/code"), reason);
    }
    let unknown = claimcheck::domain::activation_code::code::Code::random().expect("randomness").reveal();
    stage.shop.redeem(&unknown, "ann").await.data();
    assert_eq!(list(&stage.support, json!({})).await, [] as [Value; 0]);
}

async fn each_kind_is_open_beside_another(app: App) {
    let mut stage = Stage::open(&app).await;
    let unit = stage.make(Situation::LateAndLost).await;
    let late = newest(&stage.support, &unit).await;
    let query = "query ($id: ID!) { entitlement(id: $id) { product { id } } }";
    let product = app.admin().query(query, json!({"id": unit})).await.text("/entitlement/product/id");
    stage.fail(&product).await;
    let failed = newest(&stage.support, &unit).await;
    assert_eq!(failed.get("kind"), Some(&json!("PROVISIONING_FAILED")));
    let late = list(&stage.support, json!({"entitlementId": unit, "kind": ["OVERDUE"]})).await.first().map(|one| {
        assert_eq!(one.get("id"), late.get("id"));
        one.get("resolution").cloned()
    });
    assert_eq!(late, Some(Some(json!("SUPERSEDED"))), "it is late no more: it failed");
    app.assert_sound().await;
}

async fn what_another_operation_settles_is_superseded(app: App) {
    let mut stage = Stage::open(&app).await;
    for (situation, mutation) in [
        (Situation::Suspended, "resumeEntitlement"),
        (Situation::AfterRotation, "rotateActivationCode"),
        (Situation::Held, "reissueEntitlement"),
        (Situation::Failed, "revokeEntitlement"),
        (Situation::LateInput, "revokeEntitlement"),
        (Situation::LatePending, "reissueEntitlement"),
    ] {
        let unit = stage.make(situation).await;
        stage.on(&unit, mutation).await;
        superseded(&stage, &unit, situation).await;
    }
    for situation in [Situation::Failed, Situation::StuckAfterRelease] {
        let unit = stage.make(situation).await;
        let input = json!({"assignmentId": stage.assignment(&unit).await});
        stage.worker.mutate("retryProvisioning", "assignment { id }", input).await.done();
        superseded(&stage, &unit, situation).await;
    }
    let unit = stage.make(Situation::LateInput).await;
    let input = json!({"assignmentId": stage.assignment(&unit).await, "input": {"seat": "4a"}});
    stage.shop.key.mutate("submitAssignmentInput", "assignment { id }", input).await.done();
    superseded(&stage, &unit, Situation::LateInput).await;
    let unit = stage.make(Situation::StuckAfterRelease).await;
    let input = json!({"assignmentId": stage.assignment(&unit).await, "reason": "leave it there", "force": true});
    stage.support.mutate("releaseAssignment", "assignment { id }", input).await.done();
    superseded(&stage, &unit, Situation::StuckAfterRelease).await;
    app.assert_sound().await;
}

async fn what_mends_nothing_settles_nothing(app: App) {
    let mut stage = Stage::open(&app).await;
    for (situation, mutation, more) in [
        (Situation::Suspended, "extendEntitlement", json!({"expiresAt": stage.in_a_year()})),
        (Situation::Held, "extendEntitlement", json!({"expiresAt": stage.in_a_year()})),
        (Situation::Held, "rotateActivationCode", json!({})),
    ] {
        let unit = stage.make(situation).await;
        act_with(&stage.support, mutation, &unit, more).await.done();
        let row = newest(&stage.support, &unit).await;
        assert_eq!(row.get("status"), Some(&json!("OPEN")), "redeeming is refused as before: {situation:?} {mutation}");
    }
    app.assert_sound().await;
}

async fn superseded(stage: &Stage, unit: &str, situation: Situation) {
    let row = newest(&stage.support, unit).await;
    assert_eq!(row.get("kind"), Some(&json!(situation.kind())), "{situation:?}");
    assert_eq!(row.get("resolution"), Some(&json!("SUPERSEDED")), "{situation:?}");
    assert_eq!(row.get("note"), Some(&Value::Null), "{situation:?}");
}

async fn what_was_dismissed_is_not_opened_again_at_once(app: App) {
    let mut stage = Stage::open(&app).await;
    let unit = stage.make(Situation::LatePending).await;
    let open = newest(&stage.support, &unit).await;
    resolve(&stage.support, &open, "DISMISSED", json!({})).await.done();
    app.clock.advance(Duration::from_hours(5));
    sweep::all(&app).await;
    assert_eq!(newest(&stage.support, &unit).await.get("id"), open.get("id"), "somebody knows of it");
    assert_eq!(states(&stage.support, &unit).await, json!(["ASSIGNED", "PENDING"]));
    app.assert_sound().await;
}

async fn what_was_retried_has_a_new_deadline(app: App) {
    let mut stage = Stage::open(&app).await;
    for situation in [Situation::LateInput, Situation::LatePending, Situation::LateAndLost] {
        let unit = stage.make(situation).await;
        let open = newest(&stage.support, &unit).await;
        resolve(&stage.support, &open, "RETRIED", json!({})).await.done();
        let query = "query ($id: ID!) { entitlement(id: $id) { assignment { deadline } } }";
        let seen = stage.support.query(query, json!({"id": unit})).await;
        let end = seen.text("/entitlement/assignment/deadline").parse::<chrono::DateTime<chrono::Utc>>();
        assert_eq!(end.expect("a moment"), app.clock.now() + chrono::TimeDelta::hours(1), "{situation:?}");
        app.clock.advance(Duration::from_mins(59));
        sweep::all(&app).await;
        assert_eq!(newest(&stage.support, &unit).await.get("id"), open.get("id"), "{situation:?}");
        app.clock.advance(Duration::from_mins(1));
        sweep::all(&app).await;
        let next = newest(&stage.support, &unit).await;
        assert_ne!(next.get("id"), open.get("id"), "late once more: {situation:?}");
        assert_eq!(next.get("status"), Some(&json!("OPEN")));
    }
    app.assert_sound().await;
}

async fn a_reissue_gives_a_new_unit_and_its_code(app: App) {
    let mut stage = Stage::open(&app).await;
    let unit = stage.make(Situation::Failed).await;
    let open = newest(&stage.support, &unit).await;
    let more = json!({"recipient": {"name": "Bo", "email": "bo@example.com"}});
    let answer = resolve(&stage.support, &open, "REISSUED", more).await.done();
    assert_eq!(answer.at("/entitlement/replaces/id"), &json!(unit));
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    let query = "query ($id: ID!) { entitlement(id: $id) { recipient { name email } } }";
    let seen = stage.support.query(query, json!({"id": answer.at("/entitlement/id")})).await;
    assert_eq!(seen.at("/entitlement/recipient"), &json!({"name": "Bo", "email": "bo@example.com"}));
    stage.shop.redeem(&answer.text("/issuedCode/code"), "bo").await.data();
    assert_eq!(states(&stage.support, &unit).await, json!(["REVOKED", "CANCELLED"]));
    app.assert_sound().await;
}

async fn an_extension_says_until_when(app: App) {
    let mut stage = Stage::open(&app).await;
    let unit = stage.make(Situation::Expired).await;
    let open = newest(&stage.support, &unit).await;
    for more in [json!({}), json!({"expiresAt": app.clock.now()})] {
        let answer = resolve(&stage.support, &open, "EXTENDED", more).await;
        assert_eq!(answer.refusal(), Some("INVALID_INPUT"));
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["expiresAt"]));
    }
    assert_eq!(newest(&stage.support, &unit).await, open, "nothing was changed");
    let more = json!({"expiresAt": stage.in_a_year()});
    let answer = resolve(&stage.support, &open, "EXTENDED", more).await.done();
    stage.shop.redeem(&answer.text("/issuedCode/code"), "ann").await.data();
    assert_eq!(states(&stage.support, &unit).await, json!(["ACTIVE", "ACTIVE"]));
    app.assert_sound().await;
}

async fn a_note_is_given(app: App) {
    let mut stage = Stage::open(&app).await;
    let unit = stage.make(Situation::Suspended).await;
    let open = newest(&stage.support, &unit).await;
    for note in [String::new(), "x".repeat(1_001)] {
        let answer = resolve(&stage.support, &open, "DISMISSED", json!({"note": note})).await;
        assert_eq!(answer.refusal(), Some("INVALID_INPUT"));
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["note"]));
    }
    resolve(&stage.support, &open, "DISMISSED", json!({"note": "x".repeat(1_000)})).await.done();
}

async fn a_resolution_on_an_old_version_is_refused(app: App) {
    let mut stage = Stage::open(&app).await;
    let unit = stage.make(Situation::Suspended).await;
    let open = newest(&stage.support, &unit).await;
    let version = open.get("version").and_then(Value::as_i64).expect("a version");
    let stale = resolve(&stage.support, &open, "DISMISSED", json!({"expectedVersion": version + 1})).await;
    assert_eq!(stale.refusal(), Some("STALE_VERSION"));
    let done = resolve(&stage.support, &open, "DISMISSED", json!({"expectedVersion": version})).await.done();
    assert_eq!(done.number("/exception/version"), version + 1);
}

async fn the_same_resolution_again_is_answered_the_same(app: App) {
    let mut stage = Stage::open(&app).await;
    let unit = stage.make(Situation::Failed).await;
    let open = newest(&stage.support, &unit).await;
    let key = json!({"idempotencyKey": "k-1"});
    let first = resolve(&stage.support, &open, "REISSUED", key.clone()).await.done();
    let before = app.events().await;
    let again = resolve(&stage.support, &open, "REISSUED", key.clone()).await.done();
    assert_eq!(again.at("/entitlement/id"), first.at("/entitlement/id"));
    assert_eq!(app.events().await, before);
    let other = resolve(&stage.support, &open, "DISMISSED", key).await;
    assert_eq!(other.refusal(), Some("IDEMPOTENCY_KEY_REUSED"));
    app.assert_sound().await;
}

async fn of_two_resolutions_at_once_one_is_done(app: App) {
    let mut stage = Stage::open(&app).await;
    let there = app.second_node().await.client(stage.support.secret().expect("a secret"));
    for other in ["RETRIED", "RELEASED", "REVOKED", "DISMISSED", "REISSUED"] {
        let unit = stage.make(Situation::Failed).await;
        let open = newest(&stage.support, &unit).await;
        let (one, two) = tokio::join!(
            resolve(&stage.support, &open, "REISSUED", json!({})),
            resolve(&there, &open, other, json!({}))
        );
        let refusals = [one.refusal(), two.refusal()];
        assert!(matches!(refusals, [None, Some("INVALID_STATE")] | [Some("INVALID_STATE"), None]), "{refusals:?}");
    }
    app.assert_sound().await;
}

async fn they_are_shown_to_whom_they_concern(app: App) {
    let mut stage = Stage::open(&app).await;
    let unit = stage.make(Situation::Failed).await;
    let open = newest(&stage.support, &unit).await;
    let seller = newest(&stage.shop.key, &unit).await;
    assert_eq!((seller.get("id"), seller.get("allowedResolutions")), (open.get("id"), Some(&json!([]))));
    let refused = resolve(&stage.shop.key, &open, "RETRIED", json!({})).await;
    assert_eq!(refused.code(), Some("FORBIDDEN"));
    let done = resolve(&stage.support, &open, "DISMISSED", json!({})).await.done();
    assert!(done.text("/exception/resolvedBy").starts_with("key:"));
    let seller = newest(&stage.shop.key, &unit).await;
    assert_eq!(text(&seller, "/resolvedBy"), "support", "a stranger to its seller");

    let beta = Shop::open(&app, "Beta").await;
    let ann = app.key("CUSTOMER", json!({"partnerId": stage.shop.partner, "accountReference": "ann"})).await;
    let query = "query ($id: ID!) { node(id: $id) { id } }";
    for stranger in [&beta.key, &ann, &stage.worker] {
        assert_eq!(list(stranger, json!({})).await, [] as [Value; 0]);
        assert_eq!(stranger.query(query, json!({"id": open.get("id")})).await.at("/node"), &Value::Null);
    }
    for holder in [&ann, &stage.worker] {
        let query = "query ($id: ID!) { entitlement(id: $id) { exceptions { id } } }";
        let seen = holder.query(query, json!({"id": unit})).await;
        assert_eq!(seen.at("/entitlement/exceptions"), &json!([]));
    }
}

/// The exceptions that a filter leaves, newest first.
async fn list(client: &Client, filter: Value) -> Vec<Value> {
    let query = "query ($filter: ExceptionFilter) { exceptions(first: 100, filter: $filter) {
        nodes { id kind status resolution } totalCount
    } }";
    let answer = client.query(query, json!({"filter": filter})).await;
    let found = answer.list("/exceptions/nodes").to_vec();
    assert_eq!(answer.number("/exceptions/totalCount"), i64::try_from(found.len()).expect("a small number"));
    found
}

async fn they_are_listed_as_they_are_asked_for(app: App) {
    let mut stage = Stage::open(&app).await;
    let failed = stage.make(Situation::Failed).await;
    app.clock.advance(Duration::from_secs(1));
    let then = app.clock.now();
    let stuck = stage.make(Situation::StuckAfterRelease).await;
    let rejected = stage.make(Situation::Suspended).await;
    let done = newest(&stage.support, &rejected).await;
    resolve(&stage.support, &done, "DISMISSED", json!({})).await.done();

    let [failed_row, stuck_row] = [newest(&stage.support, &failed).await, newest(&stage.support, &stuck).await];
    let order = text(&failed_row, "/order/id");
    let unknown = "ent_01h455vb4pex5vsknk084sn02q";
    for (filter, expected) in [
        (json!({}), vec![&failed_row, &stuck_row, &done]),
        (json!({"status": "OPEN"}), vec![&failed_row, &stuck_row]),
        (json!({"status": "RESOLVED"}), vec![&done]),
        (json!({"kind": ["DEPROVISIONING_FAILED", "OVERDUE"]}), vec![&stuck_row]),
        (json!({"kind": []}), vec![]),
        (json!({"orderId": order}), vec![&failed_row]),
        (json!({"entitlementId": stuck}), vec![&stuck_row]),
        (json!({"entitlementId": unknown}), vec![]),
        (json!({"openedBefore": then}), vec![&failed_row]),
        (json!({"channelId": stage.shop.channel, "status": "OPEN"}), vec![&failed_row, &stuck_row]),
    ] {
        let found = list(&stage.support, filter.clone()).await;
        let mut found: Vec<Option<&Value>> = found.iter().map(|one| one.get("id")).collect();
        let mut expected: Vec<Option<&Value>> = expected.iter().map(|one| one.get("id")).collect();
        found.sort_by_key(|id| id.map(ToString::to_string));
        expected.sort_by_key(|id| id.map(ToString::to_string));
        assert_eq!(found, expected, "{filter}");
    }
    assert_eq!(list(&stage.shop.key, json!({"status": "OPEN"})).await.len(), 2, "its seller sees them too");
}

async fn an_order_that_was_imported_otherwise_can_only_be_looked_at(app: App) {
    let shop = Shop::open(&app, "web").await;
    product(&app, "P", json!({})).await;
    for quantity in [1, 2] {
        let text = format!("external_reference,sku,quantity,placed_at\nA,P,{quantity},2010-12-01\n");
        std::fs::write(app.database().directory().join("orders.csv"), text).expect("a file");
        Program::over(app.database()).run(&["import", "orders", "--channel", "web", "orders.csv"]).answer();
    }
    let support = app.key("SUPPORT", json!({})).await;
    let query = "{ exceptions { nodes { id kind order { id } entitlement { id } allowedResolutions } } }";
    let seen = support.query(query, json!({})).await;
    let open = seen.at("/exceptions/nodes/0").clone();
    assert_eq!(open.get("kind"), Some(&json!("IMPORT_MISMATCH")));
    assert_eq!(
        (open.get("entitlement"), open.get("allowedResolutions")),
        (Some(&Value::Null), Some(&json!(["DISMISSED"])))
    );
    let of_order = json!({"orderId": open.pointer("/order/id"), "status": "OPEN"});
    assert_eq!(list(&shop.key, of_order).await.len(), 1);
    for resolution in super::RESOLUTIONS {
        if resolution != "DISMISSED" {
            let more = json!({"expiresAt": app.clock.now() + chrono::TimeDelta::days(365)});
            let answer = resolve(&support, &open, resolution, more).await;
            assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{resolution}");
        }
    }
    let answer = resolve(&support, &open, "DISMISSED", json!({})).await.done();
    assert_eq!(answer.at("/entitlement"), &Value::Null);
    assert_eq!(answer.at("/exception/resolution"), "DISMISSED");
    app.assert_sound().await;
}
