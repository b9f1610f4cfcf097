//! Handing a unit on: it is meant for somebody else, and only the new code claims it.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Desk, Test, both_engines,
    desk::{act, act_with, told},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        only_the_new_code_claims_it,
        only_what_nobody_has_is_handed_on,
        terms_may_forbid_it,
        a_lapsed_hold_is_in_nobody_s_way,
        a_buyer_hands_on_what_it_bought,
        nobody_else_hands_it_on,
        who_had_it_on_hold_does_not_hand_it_on,
        terms_without_codes_change_the_recipient_alone,
        at_once_the_last_code_counts,
    ]
}

async fn transfer(client: &Client, unit: &str) -> Answer {
    act(client, "transferEntitlement", unit).await
}

async fn only_the_new_code_claims_it(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let answer = transfer(&desk.shop.key, desk.unit(0)).await.done();
    assert_eq!(answer.at("/entitlement/recipient"), &json!({"name": "Cy", "email": "cy@example.com"}));
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    assert_eq!(answer.at("/entitlement/version"), 2);
    let story = ["ENTITLEMENT_TRANSFERRED UNASSIGNED>UNASSIGNED", "CODE_ROTATED ISSUED>REPLACED", "CODE_ISSUED ISSUED"];
    assert_eq!(told(&desk.shop.key, desk.unit(0)).await, story);
    let old = desk.shop.redeem(desk.code(0), "bo").await;
    assert_eq!(old.at("/redeemCode/userErrors/0/code"), "CODE_REPLACED");
    let redeemed = desk.shop.redeem(&answer.text("/issuedCode/code"), "anybody").await;
    assert_eq!(redeemed.at("/redeemCode/userErrors"), &json!([]), "a recipient is a hint");
    app.assert_sound().await;
}

async fn only_what_nobody_has_is_handed_on(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 5).await;
    desk.reserve(desk.unit(0), "bo").await;
    desk.assign(desk.unit(1), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(2)).await.done();
    act(&desk.support, "revokeEntitlement", desk.unit(3)).await.done();
    for (place, state) in ["RESERVED", "ACTIVE", "SUSPENDED", "REVOKED"].into_iter().enumerate() {
        let answer = transfer(&desk.shop.key, desk.unit(place)).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{state}");
        assert!(answer.text("/userErrors/0/message").contains(state));
    }
    app.clock.advance(Duration::from_hours(24));
    let late = transfer(&desk.shop.key, desk.unit(4)).await;
    assert!(late.text("/userErrors/0/message").contains("EXPIRED"), "no sweep has run");
    app.assert_sound().await;
}

async fn terms_may_forbid_it(app: App) {
    let desk = Desk::open(&app, json!({"transferable": false}), 1).await;
    for client in [&desk.support, &desk.shop.key, &desk.customer("ann").await] {
        let answer = transfer(client, desk.unit(0)).await;
        assert_eq!(answer.refusal(), Some("NOT_TRANSFERABLE"));
        assert!(!answer.list("/userErrors/0/allowedActions").contains(&json!("TRANSFER")));
    }
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
}

async fn a_lapsed_hold_is_in_nobody_s_way(app: App) {
    let desk = Desk::open(&app, json!({"reservationMinutes": 10}), 1).await;
    desk.reserve(desk.unit(0), "bo").await;
    app.clock.advance(Duration::from_mins(10));
    transfer(&desk.shop.key, desk.unit(0)).await.done();
    let story = [
        "RESERVATION_HELD HELD, unit UNASSIGNED>RESERVED",
        "RESERVATION_EXPIRED HELD>EXPIRED, unit RESERVED>UNASSIGNED",
        "ENTITLEMENT_TRANSFERRED UNASSIGNED>UNASSIGNED",
        "CODE_ROTATED ISSUED>REPLACED",
        "CODE_ISSUED ISSUED",
    ];
    assert_eq!(told(&desk.shop.key, desk.unit(0)).await, story);
    app.assert_sound().await;
}

async fn a_buyer_hands_on_what_it_bought(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let ann = desk.customer("ann").await;
    let answer = transfer(&ann, desk.unit(0)).await.done();
    assert_eq!(answer.at("/entitlement/recipient/name"), "Cy");
    let redeemed = desk.shop.redeem(&answer.text("/issuedCode/code"), "cy").await;
    assert_eq!(redeemed.at("/redeemCode/userErrors"), &json!([]));
    assert_eq!(transfer(&ann, desk.unit(0)).await.refusal(), Some("INVALID_STATE"));
    app.assert_sound().await;
}

async fn nobody_else_hands_it_on(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    desk.assign(desk.unit(1), "bo").await;
    let bo = desk.customer("bo").await;
    assert_eq!(transfer(&bo, desk.unit(0)).await.refusal(), Some("NOT_FOUND"));
    assert_eq!(transfer(&bo, desk.unit(1)).await.refusal(), Some("INVALID_STATE"), "it is bo's, and in use");
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
    app.assert_sound().await;
}

async fn who_had_it_on_hold_does_not_hand_it_on(app: App) {
    let desk = Desk::open(&app, json!({"reservationMinutes": 10}), 1).await;
    desk.reserve(desk.unit(0), "bo").await;
    let bo = desk.customer("bo").await;
    assert_eq!(transfer(&bo, desk.unit(0)).await.refusal(), Some("INVALID_STATE"), "it is RESERVED");
    app.clock.advance(Duration::from_mins(10));
    assert_eq!(transfer(&bo, desk.unit(0)).await.refusal(), Some("NOT_FOUND"), "no sweep has run");
    let again = bo.mutate("reserveEntitlement", "entitlement { id }", json!({"entitlementId": desk.unit(0)})).await;
    assert_eq!(again.refusal(), Some("NOT_FOUND"));
    let query = "query ($id: ID!) { entitlement(id: $id) { allowedActions } }";
    let seen = bo.query(query, json!({"id": desk.unit(0)})).await;
    let allowed = seen.at("/entitlement").get("allowedActions").cloned().unwrap_or(json!([]));
    assert!(allowed == json!([]) || allowed == json!(["REDEEM"]), "{allowed}");
    app.assert_sound().await;
}

async fn terms_without_codes_change_the_recipient_alone(app: App) {
    let desk = Desk::open(&app, json!({"issuesCodes": false}), 1).await;
    let answer = transfer(&desk.shop.key, desk.unit(0)).await.done();
    assert_eq!(answer.at("/issuedCode"), &Value::Null);
    assert_eq!(told(&desk.shop.key, desk.unit(0)).await, ["ENTITLEMENT_TRANSFERRED UNASSIGNED>UNASSIGNED"]);
    let nobody = act_with(&desk.shop.key, "transferEntitlement", desk.unit(0), json!({"recipient": {}})).await.done();
    assert_eq!(nobody.at("/entitlement/recipient"), &Value::Null, "it is meant for nobody by name");
    app.assert_sound().await;
}

async fn at_once_the_last_code_counts(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let (_, shop) = desk.elsewhere().await;
    let clients = [&desk.shop.key, &shop];
    let answers = join_all(clients.iter().cycle().take(6).map(|client| transfer(client, desk.unit(0)))).await;
    let mut redeemed = 0;
    for answer in answers {
        let answer = desk.shop.redeem(&answer.done().text("/issuedCode/code"), "bo").await;
        match answer.list("/redeemCode/userErrors").first().and_then(|error| error.get("code")?.as_str()) {
            None => redeemed += 1,
            Some(refusal) => assert_eq!(refusal, "CODE_REPLACED"),
        }
    }
    assert_eq!(redeemed, 1);
    app.assert_sound().await;
}
