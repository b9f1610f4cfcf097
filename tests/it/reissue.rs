//! Issuing a unit in place of another: there is exactly one that is of use afterwards.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Desk, Test, both_engines,
    desk::{WHY, act, act_with, last_told, told},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        another_unit_takes_its_place,
        it_is_meant_for_whom_is_named,
        a_unit_in_any_state_is_reissued,
        what_is_downstream_of_the_old_one_is_taken_down,
        a_running_attempt_of_the_old_one_decides,
        an_old_one_past_its_end_is_replaced_by_a_fresh_one,
        an_end_that_was_swept_is_the_same,
        a_unit_is_replaced_once,
        a_chain_can_be_followed_both_ways,
        terms_without_codes_know_none_here_either,
        a_seller_reissues_what_nobody_has,
        of_many_at_once_one_reissues,
        a_repeat_shows_the_same_unit_and_code,
        a_bad_recipient_is_refused,
    ]
}

async fn reissue(client: &Client, unit: &str) -> Answer {
    act(client, "reissueEntitlement", unit).await
}

async fn another_unit_takes_its_place(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 10}), 1).await;
    let input = json!({"entitlementId": desk.unit(0), "recipient": {"name": "Bo", "email": "bo@example.com"}});
    let gift = desk.support.mutate("transferEntitlement", "issuedCode { code }", input).await.done();
    app.clock.advance(Duration::from_hours(24));
    let answer = reissue(&desk.support, desk.unit(0)).await.done();
    let new = answer.text("/entitlement/id");
    assert_ne!(new, desk.unit(0));
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    assert_eq!(answer.at("/entitlement/statusReason"), &Value::Null);
    assert_eq!(answer.at("/entitlement/version"), 1);
    assert_eq!(answer.at("/entitlement/expiresAt"), "2030-01-11T12:00:00Z", "when the old one would have ended");
    assert_eq!(answer.at("/entitlement/recipient"), &json!({"name": "Bo", "email": "bo@example.com"}));
    assert_eq!(answer.at("/replaced/id"), desk.unit(0));
    assert_eq!(answer.at("/replaced/status"), "REVOKED");
    assert_eq!(answer.at("/replaced/statusReason"), "REPLACED");
    assert_eq!(answer.at("/issuedCode/activationCode/status"), "ISSUED");
    assert_eq!(desk.statistics().await, "ordered 1, reissued 1, unassigned 1, revoked 1");

    let old = told(&desk.support, desk.unit(0)).await;
    let end = ["CODE_ROTATED ISSUED>REPLACED", "ENTITLEMENT_REISSUED UNASSIGNED>REVOKED, unit UNASSIGNED>REVOKED"];
    assert_eq!(old.iter().skip(3).collect::<Vec<_>>(), end);
    let story = ["ENTITLEMENT_REISSUED UNASSIGNED, unit UNASSIGNED", "CODE_ISSUED ISSUED"];
    assert_eq!(told(&desk.support, &new).await, story);
    let told = last_told(&desk.support, &new, 2).await;
    assert_eq!(told.first().and_then(|event| event.get("reason")), Some(&json!(WHY)));

    let late = desk.shop.redeem(&gift.text("/issuedCode/code"), "bo").await;
    assert_eq!(late.at("/redeemCode/userErrors/0/code"), "CODE_REPLACED");
    let redeemed = desk.shop.redeem(&answer.text("/issuedCode/code"), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/entitlement/id"), &new);
    app.assert_sound().await;
}

async fn it_is_meant_for_whom_is_named(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let recipient = json!({"recipient": {"name": "Dee"}});
    let answer = act_with(&desk.support, "reissueEntitlement", desk.unit(0), recipient).await.done();
    assert_eq!(answer.at("/entitlement/recipient"), &json!({"name": "Dee", "email": null}));
    assert_eq!(answer.at("/replaced/recipient"), &Value::Null);
}

async fn a_unit_in_any_state_is_reissued(app: App) {
    let desk = Desk::open(&app, json!({}), 5).await;
    desk.reserve(desk.unit(0), "bo").await;
    desk.assign(desk.unit(1), "bo").await;
    desk.assign(desk.unit(2), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(2)).await.done();
    act(&desk.support, "suspendEntitlement", desk.unit(3)).await.done();
    act(&desk.support, "revokeEntitlement", desk.unit(4)).await.done();
    for (place, reason) in ["REPLACED", "REPLACED", "REPLACED", "REPLACED", WHY].into_iter().enumerate() {
        let answer = reissue(&desk.support, desk.unit(place)).await.done();
        assert_eq!(answer.at("/replaced/status"), "REVOKED", "{place}");
        assert_eq!(answer.at("/replaced/statusReason"), reason, "{place}");
        assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED", "{place}");
        let new = answer.text("/entitlement/id");
        assert_eq!(desk.state(&new).await, "UNASSIGNED / none / ISSUED", "{place}");
        let old = desk.state(desk.unit(place)).await;
        assert!(old.starts_with("REVOKED / none / "), "{place}: {old}");
    }
    let revoked = told(&desk.support, desk.unit(4)).await;
    assert_eq!(revoked.last().map(String::as_str), Some("ENTITLEMENT_REISSUED REVOKED>REVOKED"), "it ended before");
    assert_eq!(desk.statistics().await, "ordered 5, reissued 5, unassigned 5, revoked 5");
    app.assert_sound().await;
}

async fn what_is_downstream_of_the_old_one_is_taken_down(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.provisioned(desk.unit(0)).await;
    let answer = reissue(&desk.support, desk.unit(0)).await.done();
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / DEPROVISIONING / REVOKED");
    let redeemed = desk.shop.redeem(&answer.text("/issuedCode/code"), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/assignment/status"), "PENDING");
    desk.work().await;
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / none / REVOKED");
    assert_eq!(desk.state(&answer.text("/entitlement/id")).await, "ACTIVE / ACTIVE / REDEEMED");
    app.assert_sound().await;
}

async fn a_running_attempt_of_the_old_one_decides(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.assign(desk.unit(0), "bo").await;
    let attempts = desk.claim().await;
    let answer = reissue(&desk.support, desk.unit(0)).await.done();
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / PROVISIONING / REVOKED");
    desk.complete(attempts.first().expect("an attempt")).await;
    desk.work().await;
    assert_eq!(desk.state(desk.unit(0)).await, "REVOKED / none / REVOKED");
    assert_eq!(desk.state(&answer.text("/entitlement/id")).await, "UNASSIGNED / none / ISSUED");
    app.assert_sound().await;
}

async fn an_old_one_past_its_end_is_replaced_by_a_fresh_one(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 10}), 2).await;
    desk.assign(desk.unit(1), "bo").await;
    app.clock.advance(Duration::from_hours(24 * 10));
    for unit in [desk.unit(0), desk.unit(1)] {
        let answer = reissue(&desk.support, unit).await.done();
        assert_eq!(answer.at("/replaced/status"), "EXPIRED", "no sweep has run, but its time was up");
        assert_eq!(answer.at("/entitlement/expiresAt"), "2030-01-21T12:00:00Z", "it lasts as long as a new one");
    }
    let end = [
        "CODE_EXPIRED ISSUED>EXPIRED",
        "ENTITLEMENT_EXPIRED UNASSIGNED>EXPIRED, unit UNASSIGNED>EXPIRED",
        "ENTITLEMENT_REISSUED EXPIRED>EXPIRED",
    ];
    assert_eq!(told(&desk.support, desk.unit(0)).await, end);
    assert_eq!(desk.state(desk.unit(1)).await, "EXPIRED / none / REVOKED");
    assert_eq!(desk.statistics().await, "ordered 2, reissued 2, unassigned 2, expired 2");
    app.assert_sound().await;
}

async fn an_end_that_was_swept_is_the_same(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 10}), 1).await;
    app.clock.advance(Duration::from_hours(24 * 10));
    app.sweep().await;
    assert_eq!(desk.state(desk.unit(0)).await, "EXPIRED / none / EXPIRED");
    let answer = reissue(&desk.support, desk.unit(0)).await.done();
    assert_eq!(answer.at("/replaced/status"), "EXPIRED");
    assert_eq!(answer.at("/entitlement/expiresAt"), "2030-01-21T12:00:00Z");
    app.assert_sound().await;
}

async fn a_unit_is_replaced_once(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 2).await;
    reissue(&desk.support, desk.unit(0)).await.done();
    let again = reissue(&desk.support, desk.unit(0)).await;
    assert_eq!(again.refusal(), Some("INVALID_STATE"));
    assert_eq!(again.at("/userErrors/0/field"), &json!(["entitlementId"]));
    assert_eq!(again.at("/userErrors/0/allowedActions"), &json!([]), "nothing can be done with it any more");
    app.clock.advance(Duration::from_hours(24));
    reissue(&desk.support, desk.unit(1)).await.done();
    assert_eq!(reissue(&desk.support, desk.unit(1)).await.refusal(), Some("INVALID_STATE"));
    let extended = act(&desk.support, "extendEntitlement", desk.unit(1)).await;
    assert_eq!(extended.refusal(), Some("INVALID_STATE"), "its successor is the one to extend");
    app.sweep().await;
    assert_eq!(desk.statistics().await, "ordered 2, reissued 2, unassigned 1, revoked 1, expired 2");
    app.assert_sound().await;
}

async fn a_chain_can_be_followed_both_ways(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let second = reissue(&desk.support, desk.unit(0)).await.done().text("/entitlement/id");
    let third = reissue(&desk.shop.key, &second).await.done().text("/entitlement/id");
    let query = "query ($id: ID!) { entitlement(id: $id) {
        replaces { id replaces { id replaces { id } } } replacedBy { id replacedBy { id replacedBy { id } } }
    } }";
    let ann = desk.customer("ann").await;
    for client in [&desk.support, &desk.shop.key, &ann] {
        let last = client.query(query, json!({"id": third})).await;
        let back = json!({"id": second, "replaces": {"id": desk.unit(0), "replaces": null}});
        assert_eq!(last.at("/entitlement"), &json!({"replaces": back, "replacedBy": null}));
        let first = client.query(query, json!({"id": desk.unit(0)})).await;
        let forth = json!({"id": second, "replacedBy": {"id": third, "replacedBy": null}});
        assert_eq!(first.at("/entitlement"), &json!({"replaces": null, "replacedBy": forth}));
    }
    let query = "query ($id: ID!) { order(id: $id) { lines { quantity entitlements { totalCount } }
        fulfillmentStatus statistics { ordered reissued } } }";
    let order = desk.shop.key.query(query, json!({"id": desk.placed.order})).await;
    let line = json!({"quantity": 1, "entitlements": {"totalCount": 3}});
    let expected = json!({
        "lines": [line], "fulfillmentStatus": "UNFULFILLED", "statistics": {"ordered": 1, "reissued": 2},
    });
    assert_eq!(order.at("/order"), &expected);
    app.assert_sound().await;
}

async fn terms_without_codes_know_none_here_either(app: App) {
    let desk = Desk::open(&app, json!({"issuesCodes": false}), 1).await;
    let answer = reissue(&desk.support, desk.unit(0)).await.done();
    assert_eq!(answer.at("/issuedCode"), &Value::Null);
    let new = answer.text("/entitlement/id");
    assert_eq!(told(&desk.support, &new).await, ["ENTITLEMENT_REISSUED UNASSIGNED, unit UNASSIGNED"]);
    desk.assign(&new, "bo").await;
    app.assert_sound().await;
}

async fn a_seller_reissues_what_nobody_has(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 6).await;
    desk.reserve(desk.unit(0), "bo").await;
    desk.assign(desk.unit(1), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(2)).await.done();
    act(&desk.support, "revokeEntitlement", desk.unit(3)).await.done();
    for (place, state) in ["RESERVED", "ACTIVE", "SUSPENDED", "REVOKED"].into_iter().enumerate() {
        let answer = reissue(&desk.shop.key, desk.unit(place)).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{state}");
        assert!(answer.text("/userErrors/0/message").contains(state));
    }
    reissue(&desk.shop.key, desk.unit(4)).await.done();
    app.clock.advance(Duration::from_hours(24));
    let late = reissue(&desk.shop.key, desk.unit(5)).await;
    assert!(late.text("/userErrors/0/message").contains("EXPIRED"), "no sweep has run");
    app.assert_sound().await;
}

async fn of_many_at_once_one_reissues(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let (support, shop) = desk.elsewhere().await;
    let clients = [&desk.support, &support, &desk.shop.key, &shop];
    let answers = join_all(clients.iter().cycle().take(8).map(|client| reissue(client, desk.unit(0)))).await;
    let refusals: Vec<Option<&str>> = answers.iter().map(Answer::refusal).collect();
    assert_eq!(refusals.iter().filter(|refusal| refusal.is_none()).count(), 1, "{refusals:?}");
    assert_eq!(refusals.iter().filter(|refusal| **refusal == Some("INVALID_STATE")).count(), 7, "{refusals:?}");
    assert_eq!(desk.statistics().await, "ordered 1, reissued 1, unassigned 1, revoked 1");
    app.assert_sound().await;
}

async fn a_repeat_shows_the_same_unit_and_code(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let repeat = async || {
        let key = json!({"idempotencyKey": "k"});
        act_with(&desk.support, "reissueEntitlement", desk.unit(0), key).await.done()
    };
    let first = repeat().await;
    assert_eq!(repeat().await.data(), first.data());
    desk.shop.redeem(&first.text("/issuedCode/code"), "bo").await.data();
    let later = repeat().await;
    assert_eq!(later.at("/entitlement/id"), first.at("/entitlement/id"));
    assert_eq!(later.at("/entitlement/status"), "ACTIVE", "as it is now");
    assert_eq!(later.at("/issuedCode"), &Value::Null, "a redeemed code is not shown");
    assert_eq!(desk.statistics().await, "ordered 1, reissued 1, active 1, revoked 1");
    app.assert_sound().await;
}

async fn a_bad_recipient_is_refused(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    for (recipient, field) in [(json!({"email": "nobody"}), "email"), (json!({"name": " "}), "name")] {
        for mutation in ["reissueEntitlement", "transferEntitlement"] {
            let answer = act_with(&desk.support, mutation, desk.unit(0), json!({"recipient": recipient})).await;
            assert_eq!(answer.refusal(), Some("INVALID_INPUT"), "{mutation} {recipient}");
            assert_eq!(answer.at("/userErrors/0/field"), &json!(["recipient", field]));
        }
    }
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
    app.assert_sound().await;
}
