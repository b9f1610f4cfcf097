//! The same order again: safe to send as often as a channel likes, one order and one answer.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{ORDER, codes, order, place, shop};
use crate::harness::{Answer, App, Shop, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        the_same_order_again_gets_the_same_answer,
        a_repeat_need_not_say_when_it_was_bought,
        any_difference_is_another_order,
        a_reference_is_unique_within_its_channel_only,
        requests_at_once_place_one_order,
        a_repeat_shows_only_codes_that_can_be_revealed,
    ]
}

async fn the_same_order_again_gets_the_same_answer(app: App) {
    let shop = shop(&app).await;
    let lines = json!([
        {"sku": "NOW", "quantity": 3, "unitPrice": "1.50"},
        {"sku": "ASKING", "assignTo": {"externalReference": "bo"}, "input": {"size": "M"}, "unitPrice": "2"},
    ]);
    let more = json!({"currencyCode": "GBP", "paymentReference": "p-1", "buyerAccount": {"externalReference": "ann"}});
    let first = place(&shop, "o-1", lines.clone(), more.clone()).await.done();
    let told = app.events().await;
    app.clock.advance(Duration::from_hours(1));
    let again = place(&shop, "o-1", lines, more).await.done();
    assert_eq!(again.data(), first.data());
    assert_eq!(app.events().await, told, "nothing happened");
    app.assert_sound().await;
}

async fn a_repeat_need_not_say_when_it_was_bought(app: App) {
    let shop = shop(&app).await;
    let lines = json!([{"sku": "NOW"}]);
    let moment = json!({"placedAt": "2029-12-24T18:00:00+01:00"});
    let first = place(&shop, "o-1", lines.clone(), moment.clone()).await.done();
    assert_eq!(first.at("/order/placedAt"), "2029-12-24T17:00:00Z");
    for more in [moment, json!({"placedAt": "2029-12-24T17:00:00Z"}), json!({})] {
        assert_eq!(place(&shop, "o-1", lines.clone(), more).await.done().data(), first.data());
    }
    let other = place(&shop, "o-1", lines, json!({"placedAt": "2029-12-24T17:00:01Z"})).await;
    assert_eq!(other.refusal(), Some("EXTERNAL_REFERENCE_REUSED"));
}

async fn any_difference_is_another_order(app: App) {
    let shop = shop(&app).await;
    let line = json!({
        "sku": "NOW", "quantity": 2, "unitPrice": "1.50", "recipient": {"name": "Zoë"}, "assignTo": {"externalReference": "bo"},
        "resource": "desk", "input": {"size": "M"},
    });
    let more = json!({
        "currencyCode": "GBP", "paymentReference": "p-1", "buyer": {"email": "ann@example.com"},
        "buyerAccount": {"externalReference": "ann"},
    });
    let base = order(&shop, "o-1", json!([line]), more);
    shop.key.mutate("placeOrder", ORDER, base.clone()).await.done();
    let told = app.events().await;
    for (pointer, value) in [
        ("/lines/0/sku", json!("OUTSIDE")),
        ("/lines/0/quantity", json!(3)),
        ("/lines/0/unitPrice", json!("1.51")),
        ("/lines/0/recipient", json!({"name": "Zoe"})),
        ("/lines/0/recipient", json!(null)),
        ("/lines/0/assignTo", json!({"externalReference": "cy"})),
        ("/lines/0/assignTo", json!(null)),
        ("/lines/0/resource", json!("chair")),
        ("/lines/0/input", json!({"size": "L"})),
        ("/lines", json!([line, line])),
        ("/currencyCode", json!("EUR")),
        ("/paymentReference", json!("p-2")),
        ("/paymentReference", json!(null)),
        ("/buyer", json!({"email": "other@example.com"})),
        ("/buyerAccount", json!({"externalReference": "other"})),
    ] {
        let mut input = base.clone();
        *input.pointer_mut(pointer).expect("a member") = value;
        let answer = shop.key.mutate("placeOrder", ORDER, input).await;
        assert_eq!(answer.refusal(), Some("EXTERNAL_REFERENCE_REUSED"), "{pointer}");
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["externalReference"]));
        assert_eq!(answer.at("/order"), &Value::Null);
    }
    assert_eq!(app.events().await, told);
    app.assert_sound().await;
}

async fn a_reference_is_unique_within_its_channel_only(app: App) {
    let (alpha, beta) = (shop(&app).await, Shop::open(&app, "Beta").await);
    let first = place(&alpha, "o-1", json!([{"sku": "NOW"}]), json!({})).await.done();
    let other = place(&beta, "o-1", json!([{"sku": "NOW", "quantity": 2}]), json!({})).await.done();
    assert_ne!(first.at("/order/id"), other.at("/order/id"));
    let verbatim = place(&alpha, "O-1", json!([{"sku": "NOW"}]), json!({})).await.done();
    assert_ne!(first.at("/order/id"), verbatim.at("/order/id"), "references are case-sensitive");
}

async fn requests_at_once_place_one_order(app: App) {
    let shop = shop(&app).await;
    let nodes = [app.clone(), app.second_node().await];
    let clients = nodes.map(|node| node.client(shop.key.secret().expect("a secret")));
    let lines = json!([{"sku": "NOW", "quantity": 3}, {"sku": "NOW", "assignTo": {"externalReference": "new"}}]);
    let input = order(&shop, "o-1", lines, json!({}));
    let told = app.events().await;
    let requests = clients.iter().cycle().take(8).map(|client| client.mutate("placeOrder", ORDER, input.clone()));
    let answers: Vec<Answer> = join_all(requests).await.into_iter().map(Answer::done).collect();
    let first = answers.first().expect("an answer");
    assert!(answers.iter().all(|answer| answer.data() == first.data()), "one order, and its codes");
    let query = "{ orders { totalCount } entitlements { totalCount } }";
    let counts = app.admin().query(query, json!({})).await;
    assert_eq!(counts.number("/orders/totalCount"), 1);
    assert_eq!(counts.number("/entitlements/totalCount"), 4);
    assert_eq!(app.events().await - told, 2, "the order's and its assignment's");
    app.assert_sound().await;
}

async fn a_repeat_shows_only_codes_that_can_be_revealed(app: App) {
    let shop = shop(&app).await;
    let lines = json!([{"sku": "NOW", "quantity": 2}]);
    let first = place(&shop, "o-1", lines.clone(), json!({})).await.done();
    let [used, kept] = &*codes(&first) else { panic!("two codes") };
    shop.redeem(used.as_str().expect("a code"), "ann").await.data();
    let again = place(&shop, "o-1", lines.clone(), json!({})).await.done();
    assert_eq!(&codes(&again), std::slice::from_ref(kept), "a redeemed one is gone for good");
    assert_eq!(again.at("/order/fulfillmentStatus"), "PARTIALLY_FULFILLED", "the order as it is now");
    app.clock.advance(Duration::from_hours(30 * 24));
    let late = place(&shop, "o-1", lines, json!({})).await.done();
    assert!(codes(&late).is_empty(), "the window is over");
    app.assert_sound().await;
}
