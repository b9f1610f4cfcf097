//! What all that support and sellers do to units has in common: who is refused, what is refused, and that asking again is safe.

use serde_json::{Value, json};

use crate::harness::{
    App, Desk, Shop, Test, both_engines,
    desk::{WHY, act, act_with, asked, cancel, release, selection, with},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        what_is_foreign_is_unknown,
        whoever_holds_a_unit_elsewhere_changes_nothing_about_it,
        a_seller_may_what_those_below_it_may,
        a_decision_on_an_old_version_is_refused,
        a_reason_is_given_in_words,
        a_repeat_does_nothing_more,
        a_key_is_for_one_request,
    ]
}

/// What is done to a unit by its id.
const MUTATIONS: [&str; 7] = [
    "revokeEntitlement",
    "reissueEntitlement",
    "rotateActivationCode",
    "transferEntitlement",
    "suspendEntitlement",
    "resumeEntitlement",
    "extendEntitlement",
];
/// Those that a seller may do.
const SELLERS: usize = 4;

async fn what_is_foreign_is_unknown(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let assignment = desk.assign(desk.unit(1), "bo").await;
    for mutation in MUTATIONS.iter().take(SELLERS) {
        let input = asked(mutation, desk.unit(0));
        desk.assert_unknown(mutation, &selection(mutation), &input, "entitlementId").await;
    }
    let input = json!({"assignmentId": assignment, "reason": WHY});
    desk.assert_unknown("releaseAssignment", "assignment { id }", &input, "assignmentId").await;
    let input = json!({"orderId": desk.placed.order, "reason": WHY});
    desk.assert_unknown("cancelOrder", "order { id }", &input, "orderId").await;
    assert_eq!(desk.statistics().await, "ordered 2, unassigned 1, active 1");
    app.assert_sound().await;
}

async fn whoever_holds_a_unit_elsewhere_changes_nothing_about_it(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let beta = Shop::open(&app, "Beta").await;
    beta.redeem(desk.code(0), "zoe").await.data();
    for mutation in MUTATIONS.iter().take(SELLERS) {
        let held = act(&beta.key, mutation, desk.unit(0)).await;
        assert_eq!(held.refusal(), Some("NOT_FOUND"), "{mutation}");
        let unknown = act(&beta.key, mutation, "ent_01h455vb4pex5vsknk084sn02q").await;
        assert_eq!(held.body.to_string(), unknown.body.to_string(), "{mutation}");
    }
    let order = cancel(&beta.key, &desk.placed.order, json!({})).await;
    assert_eq!(order.refusal(), Some("NOT_FOUND"));
    assert_eq!(desk.state(desk.unit(0)).await, "ACTIVE / ACTIVE / REDEEMED");
}

async fn a_seller_may_what_those_below_it_may(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let below = desk.shop.open_below(&app, "Below").await;
    let lines = json!([{"sku": "P", "quantity": SELLERS + 2}]);
    let placed = below.place("o-1", lines).await;
    let unit = |place: usize| placed.units.get(place).expect("a unit");
    for (place, mutation) in MUTATIONS.iter().take(SELLERS).enumerate() {
        act(&desk.shop.key, mutation, unit(place)).await.done();
        assert_eq!(act(&below.key, mutation, desk.unit(0)).await.refusal(), Some("NOT_FOUND"), "{mutation}");
    }
    let assignment = desk.assign(unit(SELLERS), "bo").await;
    release(&below.key, &assignment, json!({})).await.done();
    let order = cancel(&desk.shop.key, &placed.order, json!({})).await.done();
    assert_eq!(order.at("/order/status"), "CANCELLED");
    assert_eq!(cancel(&below.key, &desk.placed.order, json!({})).await.refusal(), Some("NOT_FOUND"));
    app.assert_sound().await;
}

async fn a_decision_on_an_old_version_is_refused(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    for mutation in MUTATIONS {
        for version in [0, 2, i32::MAX] {
            let answer = act_with(&desk.support, mutation, desk.unit(0), json!({"expectedVersion": version})).await;
            assert_eq!(answer.refusal(), Some("STALE_VERSION"), "{mutation}");
            assert_eq!(answer.at("/userErrors/0/field"), &json!(["expectedVersion"]));
            assert_eq!(answer.at("/userErrors/0/retryable"), true);
        }
    }
    let mut version = 1;
    for mutation in
        ["rotateActivationCode", "transferEntitlement", "suspendEntitlement", "resumeEntitlement", "extendEntitlement"]
    {
        let given = json!({"expectedVersion": version});
        let answer = act_with(&desk.support, mutation, desk.unit(0), given.clone()).await.done();
        version += 1;
        assert_eq!(answer.at("/entitlement/version"), version, "{mutation}");
        let late = act_with(&desk.support, "revokeEntitlement", desk.unit(0), given).await;
        assert_eq!(late.refusal(), Some("STALE_VERSION"), "{mutation} came before");
    }
    app.assert_sound().await;
}

async fn a_reason_is_given_in_words(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let assignment = desk.assign(desk.unit(1), "bo").await;
    let query = "query ($id: ID!) { entitlement(id: $id) { activationCode { id } } }";
    let code = desk.support.query(query, json!({"id": desk.unit(0)})).await.text("/entitlement/activationCode/id");
    for reason in ["", " \n ", "a\0b", "a\u{7}b", &"x".repeat(1_001)] {
        let bad = json!({"reason": reason});
        let mut answers = Vec::new();
        for mutation in MUTATIONS.iter().filter(|mutation| **mutation != "transferEntitlement") {
            answers.push(act_with(&desk.support, mutation, desk.unit(0), bad.clone()).await);
        }
        answers.push(release(&desk.support, &assignment, bad.clone()).await);
        answers.push(cancel(&desk.support, &desk.placed.order, bad.clone()).await);
        let reveal = with(json!({"activationCodeId": code}), bad.clone());
        answers.push(desk.support.mutate("revealActivationCode", "issuedCode { code }", reveal).await);
        let export = with(json!({"orderId": desk.placed.order}), bad);
        answers.push(desk.support.mutate("exportActivationCodes", "activationCodes { code }", export).await);
        for answer in answers {
            assert_eq!(answer.refusal(), Some("INVALID_INPUT"), "{reason:?}");
            assert_eq!(answer.at("/userErrors/0/field"), &json!(["reason"]));
        }
    }
    let long = json!({"reason": "é\n".repeat(500)});
    act_with(&desk.support, "suspendEntitlement", desk.unit(0), long).await.done();
    app.assert_sound().await;
}

async fn a_repeat_does_nothing_more(app: App) {
    let desk = Desk::open(&app, json!({}), MUTATIONS.len()).await;
    for (place, mutation) in MUTATIONS.into_iter().enumerate() {
        if mutation == "resumeEntitlement" {
            act(&desk.support, "suspendEntitlement", desk.unit(place)).await.done();
        }
        let key = json!({"idempotencyKey": "k"});
        let first = act_with(&desk.support, mutation, desk.unit(place), key.clone()).await.done();
        let before = app.events().await;
        let again = act_with(&desk.support, mutation, desk.unit(place), key).await.done();
        assert_eq!(again.data(), first.data(), "{mutation}");
        assert_eq!(app.events().await, before, "{mutation}");
    }
    app.assert_sound().await;
}

async fn a_key_is_for_one_request(app: App) {
    let desk = Desk::open(&app, json!({}), 2 * MUTATIONS.len()).await;
    for (place, mutation) in MUTATIONS.into_iter().enumerate() {
        let unit = desk.unit(place);
        if mutation == "resumeEntitlement" {
            act(&desk.support, "suspendEntitlement", unit).await.done();
        }
        let key = json!({"idempotencyKey": "k"});
        act_with(&desk.support, mutation, unit, key.clone()).await.done();
        let other = desk.unit(place + MUTATIONS.len());
        let reused = act_with(&desk.support, mutation, other, key).await;
        assert_eq!(reused.refusal(), Some("IDEMPOTENCY_KEY_REUSED"), "{mutation}");
        assert_eq!(reused.at("/entitlement"), &Value::Null);
        assert_eq!(desk.state(other).await, "UNASSIGNED / none / ISSUED", "{mutation}");
    }
    app.assert_sound().await;
}
