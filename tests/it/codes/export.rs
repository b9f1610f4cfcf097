//! The codes of an order, page by page.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Desk, Shop, Test, both_engines,
    desk::{WHY, act, with},
    shop::product,
};

pub fn tests() -> Vec<Test> {
    both_engines![
        every_code_is_on_one_page,
        what_can_no_longer_be_shown_is_left_out,
        a_page_goes_on_where_the_last_one_ended,
        a_page_of_nothing_tells_of_nothing,
        what_is_past_its_end_is_left_out,
        a_page_has_a_size_and_a_place,
        nobody_else_sees_them,
        a_repeat_tells_of_nothing_more,
    ]
}

const PAGE: &str = "activationCodes { code activationCode { id entitlement { id } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";

async fn export(client: &Client, order: &str, more: Value) -> Answer {
    client.mutate("exportActivationCodes", PAGE, with(json!({"orderId": order, "reason": WHY}), more)).await
}

fn codes(page: &Answer) -> Vec<String> {
    let codes = page.list("/activationCodes").iter().filter_map(|issued| issued.get("code")?.as_str());
    codes.map(str::to_owned).collect()
}

/// How many codes each page showed, as the order's events tell.
async fn told(client: &Client, order: &str) -> Vec<Value> {
    let query = "query ($id: ID!) { order(id: $id) { timeline(first: 100) { nodes {
        type quantity reason entitlement { id } activationCode { id }
    } } } }";
    let answer = client.query(query, json!({"id": order})).await;
    let events = answer.list("/order/timeline/nodes").iter();
    let shown = events.filter(|event| event.get("type") == Some(&json!("CODE_REVEALED")));
    let quantity = |event: &Value| {
        assert_eq!(event.get("reason"), Some(&json!(WHY)));
        assert_eq!(event.get("entitlement"), Some(&Value::Null), "it tells of a page");
        event.get("quantity").cloned().unwrap_or_default()
    };
    shown.map(quantity).collect()
}

async fn every_code_is_on_one_page(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    product(&app, "Q", json!({})).await;
    let lines = json!([{"sku": "P", "quantity": 3}, {"sku": "Q", "quantity": 4}]);
    let placed = desk.shop.place("o-2", lines).await;
    let mut found = Vec::new();
    let mut after = Value::Null;
    for (size, next) in [(3, true), (3, true), (1, false)] {
        let page = export(&desk.shop.key, &placed.order, json!({"first": 3, "after": after})).await.done();
        assert_eq!(page.list("/activationCodes").len(), size);
        assert_eq!(page.at("/pageInfo/hasNextPage"), next);
        assert_eq!(page.at("/pageInfo/hasPreviousPage"), after.is_string());
        after = page.at("/pageInfo/endCursor").clone();
        found.extend(codes(&page));
    }
    let mut issued = placed.codes.clone();
    found.sort_unstable();
    issued.sort_unstable();
    assert_eq!(found, issued, "each once, and none of another order");
    assert_eq!(told(&desk.shop.key, &placed.order).await, [3, 3, 1], "one event a page");
    let whole = export(&desk.support, &placed.order, json!({})).await.done();
    assert_eq!(whole.list("/activationCodes").len(), 7);
    app.assert_sound().await;
}

async fn what_can_no_longer_be_shown_is_left_out(app: App) {
    let desk = Desk::open(&app, json!({}), 6).await;
    desk.shop.redeem(desk.code(0), "bo").await.data();
    act(&desk.support, "revokeEntitlement", desk.unit(1)).await.done();
    let fresh = act(&desk.shop.key, "rotateActivationCode", desk.unit(2)).await.done().text("/issuedCode/code");
    desk.reserve(desk.unit(3), "bo").await;
    act(&desk.support, "suspendEntitlement", desk.unit(4)).await.done();
    let new = act(&desk.support, "reissueEntitlement", desk.unit(5)).await.done().text("/issuedCode/code");
    let page = export(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    let shown = [fresh.as_str(), desk.code(3), desk.code(4), new.as_str()];
    assert_eq!(codes(&page), shown, "live ones, in the order of their units");
    app.clock.advance(Duration::from_hours(24 * 30));
    let late = export(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    assert_eq!(late.at("/activationCodes"), &json!([]), "their window is over");
    app.assert_sound().await;
}

async fn a_page_goes_on_where_the_last_one_ended(app: App) {
    let desk = Desk::open(&app, json!({}), 4).await;
    let first = export(&desk.shop.key, &desk.placed.order, json!({"first": 2})).await.done();
    assert_eq!(codes(&first), [desk.code(0), desk.code(1)]);
    desk.shop.redeem(desk.code(0), "bo").await.data();
    desk.shop.redeem(desk.code(1), "bo").await.data();
    let after = json!({"first": 2, "after": first.at("/pageInfo/endCursor")});
    let second = export(&desk.shop.key, &desk.placed.order, after).await.done();
    assert_eq!(codes(&second), [desk.code(2), desk.code(3)], "its place is the same, though it was redeemed");
}

async fn a_page_of_nothing_tells_of_nothing(app: App) {
    let desk = Desk::open(&app, json!({"issuesCodes": false}), 2).await;
    let before = app.events().await;
    let page = export(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    assert_eq!(page.at("/activationCodes"), &json!([]));
    let nowhere = json!({"hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null});
    assert_eq!(page.at("/pageInfo"), &nowhere);
    assert_eq!(app.events().await, before);
}

async fn what_is_past_its_end_is_left_out(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 2).await;
    act(&desk.support, "extendEntitlement", desk.unit(1)).await.done();
    app.clock.advance(Duration::from_hours(24));
    let page = export(&desk.shop.key, &desk.placed.order, json!({})).await.done();
    assert_eq!(codes(&page), [desk.code(1)], "no sweep has run");
}

async fn a_page_has_a_size_and_a_place(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    for first in [-1, 0, 1_001] {
        let answer = export(&desk.shop.key, &desk.placed.order, json!({"first": first})).await;
        assert_eq!(answer.refusal(), Some("INVALID_INPUT"), "{first}");
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["first"]));
        assert_eq!((answer.at("/activationCodes"), answer.at("/pageInfo")), (&Value::Null, &Value::Null));
    }
    let other = desk.shop.place("o-2", json!([{"sku": "P"}])).await;
    let other = export(&desk.shop.key, &other.order, json!({})).await.done().text("/pageInfo/endCursor");
    let unknown = "cod_01h455vb4pex5vsknk084sn02q";
    let mut answers = Vec::new();
    for after in [other.as_str(), unknown] {
        let answer = export(&desk.shop.key, &desk.placed.order, json!({"after": after})).await;
        assert_eq!(answer.refusal(), Some("NOT_FOUND"));
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["after"]));
        answers.push(answer.body.to_string());
    }
    assert_eq!(answers.first(), answers.last(), "nobody learns which");
    let malformed = export(&desk.shop.key, &desk.placed.order, json!({"after": "hello"})).await;
    assert_eq!(malformed.refusal(), Some("INVALID_INPUT"));
}

async fn nobody_else_sees_them(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let input = json!({"orderId": desk.placed.order, "reason": WHY});
    desk.assert_unknown("exportActivationCodes", PAGE, &input, "orderId").await;
    let beta = Shop::open(&app, "Beta").await;
    beta.redeem(desk.code(0), "zoe").await.data();
    let holder = export(&beta.key, &desk.placed.order, json!({})).await;
    assert_eq!(holder.refusal(), Some("NOT_FOUND"), "who holds a unit sees no order");
}

async fn a_repeat_tells_of_nothing_more(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let key = json!({"idempotencyKey": "k"});
    let first = export(&desk.shop.key, &desk.placed.order, key.clone()).await.done();
    let again = export(&desk.shop.key, &desk.placed.order, key.clone()).await.done();
    assert_eq!(again.data(), first.data());
    desk.shop.redeem(desk.code(0), "bo").await.data();
    let later = export(&desk.shop.key, &desk.placed.order, key).await.done();
    assert_eq!(codes(&later), [desk.code(1)], "a redeemed one can no longer be shown");
    assert_eq!(told(&desk.shop.key, &desk.placed.order).await, [2]);
}
