//! How often somebody may try what is no code, and that it makes no difference then whether it is one.

use std::time::Duration;

use serde_json::json;

use super::{code, redeem, stock, unknown};
use crate::harness::{App, Client, Shop, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        guessing_is_slow,
        a_customer_mistypes_as_often_as_a_server_guesses,
        a_customer_is_refused_as_often_as_a_server_guesses,
        a_server_s_key_stands_for_many_people,
    ]
}

async fn guessing_is_slow(app: App) {
    let (shop, placed) = stock(&app, json!({}), 3).await;
    let node = app.second_node().await.client(shop.key.secret().expect("a secret"));
    for turn in 0..10 {
        let client = if turn % 2 == 0 { &shop.key } else { &node };
        assert_eq!(
            redeem(client, "MISTYPED", "ann").await.refusal(),
            Some("CODE_INVALID"),
            "mistyped ones do not count"
        );
        assert_eq!(redeem(client, &unknown(), "ann").await.refusal(), Some("CODE_INVALID"));
    }
    let attempts = async || {
        let query = "{ redemptionAttempts { totalCount } }";
        let attempts = app.admin().query(query, json!({})).await.number("/redemptionAttempts/totalCount");
        (attempts, app.events().await)
    };
    let before = attempts().await;
    for tried in [unknown().as_str(), code(&placed, 0), "MISTYPED"] {
        let limited = redeem(&shop.key, tried, "ann").await;
        assert_eq!(limited.refusal(), Some("RATE_LIMITED"), "whatever is tried");
        assert_eq!(limited.at("/userErrors/0/retryable"), true);
        assert!((1..=900).contains(&limited.number("/userErrors/0/retryAfterSeconds")));
    }
    assert_eq!(attempts().await, before, "limited tries write nothing");
    redeem(&shop.key, code(&placed, 1), "bo").await.done();
    app.clock.advance(Duration::from_mins(15));
    redeem(&shop.key, code(&placed, 0), "ann").await.done();
    app.assert_sound().await;
}

async fn a_customer_mistypes_as_often_as_a_server_guesses(app: App) {
    let (shop, placed) = stock(&app, json!({}), 2).await;
    let node = app.node_with(|config| config.limits.server_guesses = 12).await;
    let ann = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "ann"})).await;
    let ann = node.client(ann.secret().expect("a secret"));
    let mistype = async |client: &Client| redeem(client, "MISTYPED", "ann").await.refusal().map(str::to_owned);
    for _ in 0..12 {
        assert_eq!(mistype(&ann).await.as_deref(), Some("CODE_INVALID"));
    }
    let before = app.events().await;
    assert_eq!(mistype(&ann).await.as_deref(), Some("RATE_LIMITED"));
    assert_eq!(app.events().await, before, "limited tries write nothing");
    redeem(&ann, code(&placed, 0), "ann").await.done();
    let server = node.client(shop.key.secret().expect("a secret"));
    for _ in 0..13 {
        assert_eq!(mistype(&server).await.as_deref(), Some("CODE_INVALID"), "behind it stand many");
    }
    app.clock.advance(Duration::from_mins(15));
    assert_eq!(mistype(&ann).await.as_deref(), Some("CODE_INVALID"));
    app.assert_sound().await;
}

async fn a_customer_is_refused_as_often_as_a_server_guesses(app: App) {
    let (shop, placed) = stock(&app, json!({}), 2).await;
    redeem(&shop.key, code(&placed, 0), "bo").await.done();
    let node = app.node_with(|config| config.limits.server_guesses = 12).await;
    let ann = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "ann"})).await;
    let ann = node.client(ann.secret().expect("a secret"));
    for _ in 0..12 {
        assert_eq!(redeem(&ann, code(&placed, 0), "ann").await.refusal(), Some("ALREADY_REDEEMED"));
    }
    let before = app.events().await;
    assert_eq!(redeem(&ann, code(&placed, 0), "ann").await.refusal(), Some("RATE_LIMITED"));
    assert_eq!(app.events().await, before, "limited tries write nothing");
    redeem(&ann, code(&placed, 1), "ann").await.done();
    app.assert_sound().await;
}

async fn a_server_s_key_stands_for_many_people(app: App) {
    let (shop, placed) = stock(&app, json!({}), 2).await;
    let node = app.node_with(|config| config.limits.server_guesses = 12).await;
    let server = node.client(shop.key.secret().expect("a secret"));
    for person in 0..12 {
        let answer = redeem(&server, &unknown(), &format!("person {person}")).await;
        assert_eq!(answer.refusal(), Some("CODE_INVALID"));
    }
    assert_eq!(redeem(&server, code(&placed, 0), "ann").await.refusal(), Some("RATE_LIMITED"));
    let other = Shop::open(&app, "Beta").await;
    let other = node.client(other.key.secret().expect("a secret"));
    redeem(&other, code(&placed, 0), "ann").await.done();
}
