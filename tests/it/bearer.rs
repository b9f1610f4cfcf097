//! A code is a bearer instrument: what whoever has one may ask and do, whoever sold it, and what neither side learns of the other.

use std::time::Duration;

use claimcheck::domain::activation_code::code::Code;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines,
    shop::{Placed, product},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_check_says_that_a_code_would_redeem,
        a_check_says_why_a_code_would_not,
        a_check_knows_for_whom_a_unit_is_held,
        a_check_counts_what_an_account_has,
        a_check_changes_nothing,
        a_check_of_unknown_codes_is_guessing,
        a_customer_checks_for_itself_alone,
        a_code_redeems_whoever_sold_it,
        the_seller_sees_the_state_and_not_the_holder,
        the_holder_s_side_sees_the_unit_and_not_the_order,
        a_reference_means_another_account_elsewhere,
        a_stranger_s_refusal_tells_nothing_of_the_sale,
    ]
}

async fn stock(app: &App, policy: Value) -> (Shop, Placed) {
    product(app, "P", policy).await;
    let shop = Shop::open(app, "Alpha").await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": 2}])).await;
    (shop, placed)
}

fn code(placed: &Placed) -> &str {
    placed.codes.first().expect("a code")
}

fn unit(placed: &Placed) -> &str {
    placed.units.first().expect("a unit")
}

async fn ask(client: &Client, code: &str, account: &str) -> Answer {
    let query = "query ($code: String!, $account: AccountInput) { redemptionCheck(code: $code, account: $account) {
        redeemable reason retryable missingInput product { sku }
    } }";
    client.query(query, json!({"code": code, "account": {"externalReference": account}})).await
}

/// The reason why `code` would not redeem for `account`; none: it would.
async fn reason(client: &Client, code: &str, account: &str) -> Option<String> {
    let answer = ask(client, code, account).await;
    let reason = answer.at("/redemptionCheck/reason").as_str().map(str::to_owned);
    assert_eq!(answer.at("/redemptionCheck/redeemable"), reason.is_none());
    reason
}

async fn reserve(shop: &Shop, placed: &Placed, account: &str) {
    let input = json!({"entitlementId": unit(placed), "account": {"externalReference": account}});
    shop.key.mutate("reserveEntitlement", "reservation { id }", input).await.done();
}

async fn redeem(shop: &Shop, code: &str, account: &str) -> Answer {
    let input = json!({"code": code, "account": {"externalReference": account}});
    shop.key
        .mutate("redeemCode", "entitlement { id status } assignment { id status account { externalReference } }", input)
        .await
}

async fn a_check_says_that_a_code_would_redeem(app: App) {
    let (shop, placed) = stock(&app, json!({"requiredInput": ["seat"]})).await;
    let answer = ask(&shop.key, &code(&placed).to_lowercase(), "ann").await;
    let expected = json!({
        "redeemable": true, "reason": null, "retryable": false, "missingInput": ["seat"], "product": {"sku": "P"},
    });
    assert_eq!(answer.at("/redemptionCheck"), &expected);
}

async fn a_check_says_why_a_code_would_not(app: App) {
    let (shop, placed) = stock(&app, json!({"validForDays": 1})).await;
    let [redeemed, revoked] = &*placed.codes else { panic!("two codes") };
    redeem(&shop, redeemed, "ann").await.done();
    let input = json!({"entitlementId": placed.units.last(), "account": {"externalReference": "ann"}});
    shop.key.mutate("assignEntitlement", "assignment { id }", input).await.done();
    let lapsed = shop.place("o-2", json!([{"sku": "P"}])).await;
    assert_eq!(reason(&shop.key, redeemed, "ann").await, None, "it was redeemed for this very account");
    assert_eq!(reason(&shop.key, redeemed, "bo").await.as_deref(), Some("ALREADY_REDEEMED"));
    assert_eq!(reason(&shop.key, revoked, "ann").await.as_deref(), Some("CODE_REVOKED"));
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(reason(&shop.key, code(&lapsed), "ann").await.as_deref(), Some("CODE_EXPIRED"), "no sweep has run");
    for wrong in [Code::random().expect("randomness").reveal().as_str(), "MISTYPED"] {
        let answer = ask(&shop.key, wrong, "ann").await;
        assert_eq!(answer.at("/redemptionCheck/reason"), "CODE_INVALID");
        assert_eq!(answer.at("/redemptionCheck/product"), &Value::Null);
    }
}

async fn a_check_knows_for_whom_a_unit_is_held(app: App) {
    let (shop, placed) = stock(&app, json!({"reservationMinutes": 10})).await;
    reserve(&shop, &placed, "ann").await;
    assert_eq!(reason(&shop.key, code(&placed), "ann").await, None);
    for other in ["bo", "somebody new"] {
        let answer = ask(&shop.key, code(&placed), other).await;
        assert_eq!(answer.at("/redemptionCheck/reason"), "RESERVED_BY_OTHER");
        assert_eq!(answer.at("/redemptionCheck/retryable"), true);
    }
    app.clock.advance(Duration::from_mins(10));
    assert_eq!(reason(&shop.key, code(&placed), "bo").await, None, "the hold is over");
}

async fn a_check_counts_what_an_account_has(app: App) {
    let (shop, placed) = stock(&app, json!({"maxPerAccount": 1})).await;
    let [first, second] = &*placed.codes else { panic!("two codes") };
    redeem(&shop, first, "ann").await.done();
    assert_eq!(reason(&shop.key, second, "ann").await.as_deref(), Some("LIMIT_PER_ACCOUNT"));
    assert_eq!(reason(&shop.key, first, "ann").await, None, "asking again takes nothing more");
    assert_eq!(reason(&shop.key, second, "bo").await, None);
    let ann = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "ann"})).await;
    let query = "query ($code: String!) { redemptionCheck(code: $code) { reason } }";
    let own = ann.query(query, json!({"code": second})).await;
    assert_eq!(own.at("/redemptionCheck/reason"), "LIMIT_PER_ACCOUNT", "the viewer's own account is meant");
}

async fn a_check_changes_nothing(app: App) {
    let (shop, placed) = stock(&app, json!({"maxPerAccount": 1, "reservationMinutes": 10})).await;
    reserve(&shop, &placed, "ann").await;
    let state = async || {
        let query = "query ($id: ID!) {
            entitlement(id: $id) { version status activationCode { status } redemptionAttempts { id } }
            accountByReference(externalReference: \"new\") { id }
            events { totalCount } redemptionAttempts { totalCount }
        }";
        shop.key.query(query, json!({"id": unit(&placed)})).await.data().clone()
    };
    let before = state().await;
    let unknown = Code::random().expect("randomness").reveal();
    for code in [code(&placed), &unknown, "MISTYPED"] {
        for account in ["ann", "new"] {
            ask(&shop.key, code, account).await.data();
        }
    }
    assert_eq!(state().await, before);
    app.assert_sound().await;
}

async fn a_check_of_unknown_codes_is_guessing(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    for _ in 0..10 {
        let unknown = Code::random().expect("randomness").reveal();
        assert_eq!(reason(&shop.key, &unknown, "ann").await.as_deref(), Some("CODE_INVALID"));
    }
    assert_eq!(ask(&shop.key, code(&placed), "ann").await.code(), Some("RATE_LIMITED"));
    assert_eq!(redeem(&shop, code(&placed), "ann").await.refusal(), Some("RATE_LIMITED"), "both count together");
    assert_eq!(reason(&shop.key, code(&placed), "bo").await, None);
}

async fn a_customer_checks_for_itself_alone(app: App) {
    let (shop, placed) = stock(&app, json!({})).await;
    redeem(&shop, code(&placed), "ann").await.done();
    let bo = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "bo"})).await;
    assert_eq!(reason(&bo, code(&placed), "bo").await.as_deref(), Some("ALREADY_REDEEMED"));
    for other in ["ann", "nobody"] {
        assert_eq!(ask(&bo, code(&placed), other).await.code(), Some("NOT_FOUND"), "{other}");
        assert_eq!(
            ask(&bo, Code::random().expect("randomness").reveal().as_str(), other).await.code(),
            Some("NOT_FOUND"),
            "which says nothing of the code"
        );
    }
}

/// A code that Alpha sold and an account of Beta's redeemed.
async fn claimed_elsewhere(app: &App) -> (Shop, Shop, Placed, Answer) {
    let (alpha, placed) = stock(app, json!({})).await;
    let beta = Shop::open(app, "Beta").await;
    let answer = redeem(&beta, code(&placed), "ann").await.done();
    (alpha, beta, placed, answer)
}

async fn a_code_redeems_whoever_sold_it(app: App) {
    let (_, beta, _, answer) = claimed_elsewhere(&app).await;
    assert_eq!(answer.at("/entitlement/status"), "ACTIVE");
    assert_eq!(answer.at("/assignment/account/externalReference"), "ann");
    let query =
        "{ accountByReference(externalReference: \"ann\") { partner { id } assignments { nodes { status } } } }";
    let account = beta.key.query(query, json!({})).await;
    assert_eq!(account.at("/accountByReference/partner/id"), &beta.partner);
    assert_eq!(account.at("/accountByReference/assignments/nodes"), &json!([{"status": "ACTIVE"}]));
    app.assert_sound().await;
}

async fn the_seller_sees_the_state_and_not_the_holder(app: App) {
    let (alpha, _, placed, _) = claimed_elsewhere(&app).await;
    let query = "query ($id: ID!) {
        entitlement(id: $id) { status assignment { status method account { id } resource input } activationCode { status } order { id } }
        accountByReference(externalReference: \"ann\") { id }
    }";
    let answer = alpha.key.query(query, json!({"id": unit(&placed)})).await;
    assert_eq!(answer.at("/entitlement/status"), "ACTIVE");
    let assignment = json!({"status": "ACTIVE", "method": "CODE", "account": null, "resource": null, "input": null});
    assert_eq!(answer.at("/entitlement/assignment"), &assignment);
    assert_eq!(answer.at("/entitlement/activationCode/status"), "REDEEMED");
    assert_eq!(answer.at("/entitlement/order/id"), &placed.order);
    assert_eq!(answer.at("/accountByReference"), &Value::Null);
}

async fn the_holder_s_side_sees_the_unit_and_not_the_order(app: App) {
    let (_, beta, placed, _) = claimed_elsewhere(&app).await;
    let query = "query ($unit: ID!, $order: ID!) {
        entitlement(id: $unit) { status product { sku } assignment { account { externalReference } } }
        order(id: $order) { id }
        orders { totalCount }
    }";
    let answer = beta.key.query(query, json!({"unit": unit(&placed), "order": placed.order})).await;
    let seen =
        json!({"status": "ACTIVE", "product": {"sku": "P"}, "assignment": {"account": {"externalReference": "ann"}}});
    assert_eq!(answer.at("/entitlement"), &seen);
    assert_eq!(answer.at("/order"), &Value::Null);
    assert_eq!(answer.at("/orders/totalCount"), 0);
    let way_back = beta
        .key
        .query("query ($id: ID!) { entitlement(id: $id) { order { id } } }", json!({"id": unit(&placed)}))
        .await;
    assert_eq!(way_back.code(), Some("NOT_FOUND"));
    let other =
        beta.key.query("query ($id: ID!) { entitlement(id: $id) { id } }", json!({"id": placed.units.last()})).await;
    assert_eq!(other.at("/entitlement"), &Value::Null, "the order's other unit is nobody's yet");
}

async fn a_reference_means_another_account_elsewhere(app: App) {
    let (alpha, _, placed, _) = claimed_elsewhere(&app).await;
    let answer = redeem(&alpha, code(&placed), "ann").await;
    assert_eq!(answer.refusal(), Some("ALREADY_REDEEMED"), "Alpha's ann is not Beta's");
}

async fn a_stranger_s_refusal_tells_nothing_of_the_sale(app: App) {
    let (alpha, placed) = stock(&app, json!({})).await;
    let beta = Shop::open(&app, "Beta").await;
    redeem(&alpha, code(&placed), "ann").await.done();
    let refused = redeem(&beta, code(&placed), "ann").await;
    assert_eq!(refused.refusal(), Some("ALREADY_REDEEMED"), "the code's true state, for whoever holds it whole");
    assert_eq!(refused.at("/userErrors/0/allowedActions"), &json!([]));
    for name in ["Alpha", "ann", "o-1"] {
        assert!(!refused.text("/userErrors/0/message").contains(name));
    }
    let query = "query ($id: ID!) { entitlement(id: $id) { id } redemptionAttempts { nodes {
        outcome entitlement { id } activationCode { id } account { externalReference }
    } } }";
    let seen = beta.key.query(query, json!({"id": unit(&placed)})).await;
    assert_eq!(seen.at("/entitlement"), &Value::Null);
    let attempt = json!({
        "outcome": "REJECTED", "entitlement": null, "activationCode": null, "account": {"externalReference": "ann"},
    });
    assert_eq!(seen.list("/redemptionAttempts/nodes"), [attempt], "its own try, and nothing else");
    app.assert_sound().await;
}
