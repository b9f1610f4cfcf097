//! Codes after they were issued: replaced, shown once more, and handed out page by page.

mod export;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Desk, Test, both_engines,
    desk::{WHY, act, act_with, last_told, told},
    program::Program,
};

pub fn tests() -> Vec<Test> {
    let own = both_engines![
        a_replaced_code_stops_working,
        a_hold_outlives_its_code,
        only_what_can_be_claimed_gets_another,
        an_imported_unit_gets_its_first,
        terms_without_codes_know_none,
        a_code_is_shown_again,
        a_code_is_shown_while_it_is_live_and_recent,
        a_code_that_is_kept_nowhere_is_shown_once,
        a_unit_past_its_end_has_nothing_to_show,
        a_repeat_shows_the_code_while_that_may_be,
    ];
    own.into_iter().chain(export::tests()).collect()
}

async fn rotate(client: &Client, unit: &str) -> Answer {
    act(client, "rotateActivationCode", unit).await
}

async fn reveal(client: &Client, code: &str, more: Value) -> Answer {
    let input = crate::harness::desk::with(json!({"activationCodeId": code, "reason": WHY}), more);
    client.mutate("revealActivationCode", "issuedCode { code activationCode { id status } }", input).await
}

/// The id of a unit's last code.
async fn code_of(client: &Client, unit: &str) -> String {
    let query = "query ($id: ID!) { entitlement(id: $id) { activationCode { id } } }";
    client.query(query, json!({"id": unit})).await.text("/entitlement/activationCode/id")
}

async fn a_replaced_code_stops_working(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let answer = rotate(&desk.shop.key, desk.unit(0)).await.done();
    assert_eq!(answer.at("/entitlement/status"), "UNASSIGNED");
    assert_eq!(answer.at("/entitlement/version"), 2, "whoever decides on the former code is late");
    assert_eq!(told(&desk.shop.key, desk.unit(0)).await, ["CODE_ROTATED ISSUED>REPLACED", "CODE_ISSUED ISSUED"]);
    let events = last_told(&desk.shop.key, desk.unit(0), 2).await;
    assert!(events.iter().all(|event| event.get("reason") == Some(&json!(WHY))), "{events:?}");
    let old = desk.shop.redeem(desk.code(0), "bo").await;
    assert_eq!(old.at("/redeemCode/userErrors/0/code"), "CODE_REPLACED");
    let redeemed = desk.shop.redeem(&answer.text("/issuedCode/code"), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/entitlement/id"), desk.unit(0));
    app.assert_sound().await;
}

async fn a_hold_outlives_its_code(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    desk.reserve(desk.unit(0), "bo").await;
    let answer = rotate(&desk.shop.key, desk.unit(0)).await.done();
    assert_eq!(answer.at("/entitlement/status"), "RESERVED");
    let code = answer.text("/issuedCode/code");
    let other = desk.shop.redeem(&code, "cy").await;
    assert_eq!(other.at("/redeemCode/userErrors/0/code"), "RESERVED_BY_OTHER");
    let holder = desk.shop.redeem(&code, "bo").await;
    assert_eq!(holder.at("/redeemCode/userErrors"), &json!([]));
    app.assert_sound().await;
}

async fn only_what_can_be_claimed_gets_another(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 4).await;
    desk.assign(desk.unit(0), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(1)).await.done();
    act(&desk.support, "revokeEntitlement", desk.unit(2)).await.done();
    for (place, state) in ["ACTIVE", "SUSPENDED", "REVOKED"].into_iter().enumerate() {
        let answer = rotate(&desk.support, desk.unit(place)).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{state}");
        assert!(answer.text("/userErrors/0/message").contains(state));
    }
    app.clock.advance(Duration::from_hours(24));
    let late = rotate(&desk.support, desk.unit(3)).await;
    assert!(late.text("/userErrors/0/message").contains("EXPIRED"), "no sweep has run");
    app.assert_sound().await;
}

async fn an_imported_unit_gets_its_first(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let rows = "external_reference,sku,quantity,assign_to\nL1,P,1,\n";
    std::fs::write(app.database().directory().join("legacy.csv"), rows).expect("a file");
    let channel = desk.shop.key.query("{ channels { nodes { name } } }", json!({})).await;
    let channel = channel.text("/channels/nodes/0/name");
    Program::over(app.database()).run(&["import", "orders", "legacy.csv", "--channel", &channel]).answer();
    let query = "query ($id: ID!) { orderByReference(channelId: $id, externalReference: \"L1\") {
        entitlements { nodes { id activationCode { id } allowedActions } }
    } }";
    let imported = desk.shop.key.query(query, json!({"id": desk.shop.channel})).await;
    let unit = imported.text("/orderByReference/entitlements/nodes/0/id");
    assert_eq!(imported.at("/orderByReference/entitlements/nodes/0/activationCode"), &Value::Null);
    let allowed = imported.list("/orderByReference/entitlements/nodes/0/allowedActions");
    assert!(allowed.contains(&json!("ROTATE_CODE")) && !allowed.contains(&json!("REDEEM")), "{allowed:?}");
    let answer = rotate(&desk.shop.key, &unit).await.done();
    assert_eq!(told(&desk.shop.key, &unit).await, ["CODE_ISSUED ISSUED"]);
    let redeemed = desk.shop.redeem(&answer.text("/issuedCode/code"), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/entitlement/id"), &unit);
    app.assert_sound().await;
}

async fn terms_without_codes_know_none(app: App) {
    let desk = Desk::open(&app, json!({"issuesCodes": false}), 1).await;
    let answer = rotate(&desk.support, desk.unit(0)).await;
    assert_eq!(answer.refusal(), Some("INVALID_STATE"));
    assert!(!answer.list("/userErrors/0/allowedActions").contains(&json!("ROTATE_CODE")));
}

async fn a_code_is_shown_again(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let id = code_of(&desk.shop.key, desk.unit(0)).await;
    for client in [&desk.shop.key, &desk.support, &app.admin()] {
        let answer = reveal(client, &id, json!({})).await.done();
        assert_eq!(
            answer.at("/issuedCode"),
            &json!({
                "code": desk.code(0), "activationCode": {"id": id, "status": "ISSUED"},
            })
        );
    }
    assert_eq!(told(&desk.shop.key, desk.unit(0)).await, ["CODE_REVEALED ISSUED>ISSUED"; 3], "each time");
    let events = last_told(&desk.shop.key, desk.unit(0), 3).await;
    assert!(events.iter().all(|event| event.get("reason") == Some(&json!(WHY))), "{events:?}");
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    reveal(&desk.shop.key, &id, json!({})).await.done();
    let input = json!({"activationCodeId": id, "reason": WHY});
    desk.assert_unknown("revealActivationCode", "issuedCode { code }", &input, "activationCodeId").await;
    app.assert_sound().await;
}

async fn a_code_is_shown_while_it_is_live_and_recent(app: App) {
    let desk = Desk::open(&app, json!({}), 4).await;
    let mut over = Vec::new();
    for unit in &desk.placed.units {
        over.push(code_of(&desk.shop.key, unit).await);
    }
    let recent = over.pop().expect("a code");
    desk.shop.redeem(desk.code(0), "bo").await.data();
    rotate(&desk.shop.key, desk.unit(1)).await.done();
    act(&desk.support, "revokeEntitlement", desk.unit(2)).await.done();
    for (id, state) in over.iter().zip(["REDEEMED", "REPLACED", "REVOKED"]) {
        let answer = reveal(&desk.shop.key, id, json!({})).await;
        assert_eq!(answer.refusal(), Some("INVALID_STATE"));
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["activationCodeId"]));
        assert!(answer.text("/userErrors/0/message").contains(state), "{state}");
    }
    app.clock.advance(Duration::from_secs(30 * 86_400 - 1));
    reveal(&desk.shop.key, &recent, json!({})).await.done();
    app.clock.advance(Duration::from_secs(1));
    let late = reveal(&desk.shop.key, &recent, json!({})).await;
    assert_eq!(late.refusal(), Some("INVALID_STATE"), "no sweep has run");
    let redeemed = desk.shop.redeem(desk.code(3), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/userErrors"), &json!([]), "it works as before");
    app.assert_sound().await;
}

async fn a_code_that_is_kept_nowhere_is_shown_once(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let node = app.node_with(|config| config.reveal_days = 0).await;
    let shop = node.client(desk.shop.key.secret().expect("a secret"));
    let key = json!({"idempotencyKey": "k"});
    let first = act_with(&shop, "rotateActivationCode", desk.unit(0), key.clone()).await.done();
    let id = first.text("/issuedCode/activationCode/id");
    assert_eq!(reveal(&shop, &id, json!({})).await.refusal(), Some("INVALID_STATE"));
    let again = act_with(&shop, "rotateActivationCode", desk.unit(0), key).await.done();
    assert_eq!(again.at("/issuedCode"), &Value::Null);
    let redeemed = desk.shop.redeem(&first.text("/issuedCode/code"), "bo").await;
    assert_eq!(redeemed.at("/redeemCode/userErrors"), &json!([]));
    app.assert_sound().await;
}

async fn a_unit_past_its_end_has_nothing_to_show(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 1).await;
    let id = code_of(&desk.shop.key, desk.unit(0)).await;
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(reveal(&desk.shop.key, &id, json!({})).await.refusal(), Some("INVALID_STATE"), "no sweep has run");
    app.assert_sound().await;
}

async fn a_repeat_shows_the_code_while_that_may_be(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let id = code_of(&desk.shop.key, desk.unit(0)).await;
    let key = json!({"idempotencyKey": "k"});
    for _ in 0..2 {
        let answer = reveal(&desk.shop.key, &id, key.clone()).await.done();
        assert_eq!(answer.at("/issuedCode/code"), desk.code(0));
    }
    assert_eq!(told(&desk.shop.key, desk.unit(0)).await, ["CODE_REVEALED ISSUED>ISSUED"]);
    rotate(&desk.shop.key, desk.unit(0)).await.done();
    let later = reveal(&desk.shop.key, &id, key).await.done();
    assert_eq!(later.at("/issuedCode"), &Value::Null);
    app.assert_sound().await;
}
