//! The stream of redemptions.

use serde_json::json;

use super::{REDEMPTIONS, code, next, now, shop, text};
use crate::harness::{App, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        redemptions_tell_of_redeemed_codes_alone,
        refused_attempts_come_where_they_are_asked_for,
        redemptions_are_resumed_by_their_cursors,
    ]
}

async fn redemptions_tell_of_redeemed_codes_alone(app: App) {
    let shop = shop(&app).await;
    let of_b = shop::product(&app, "B", json!({})).await;
    let other = shop.open_below(&app, "North").await;
    let after = now(&shop.key).await;
    let first = shop.place("o-1", json!([{"sku": "A"}, {"sku": "B"}])).await;
    let second = other.place("o-2", json!([{"sku": "A"}])).await;
    for (place, account) in [(0, "ann"), (1, "bob")] {
        shop.redeem(code(&first.codes, place), account).await.data();
        shop.redeem(code(&first.codes, place), "mallory").await.data();
    }
    other.redeem(code(&second.codes, 0), "cat").await.data();
    let last = shop.place("o-3", json!([{"sku": "A"}])).await;
    shop.redeem(code(&last.codes, 0), "dan").await.data();
    for (filter, expected) in [
        (json!({}), vec!["o-1", "o-1", "o-2", "o-3"]),
        (json!({"channel": shop.channel}), vec!["o-1", "o-1", "o-3"]),
        (json!({"product": of_b}), vec!["o-1"]),
        (json!({"channel": other.channel}), vec!["o-2"]),
    ] {
        let mut variables = filter.clone();
        variables.as_object_mut().expect("an object").insert("after".to_owned(), json!(after));
        let mut redemptions = shop.key.subscribe(REDEMPTIONS, variables).await;
        for reference in expected {
            let event = next(&mut redemptions, "redemptions").await;
            assert_eq!(
                (text(&event, "/type"), text(&event, "/order/externalReference")),
                ("CODE_REDEEMED", reference),
                "{filter}"
            );
            assert_eq!(text(&event, "/redemptionAttempt/outcome"), "SUCCEEDED");
        }
    }
}

async fn refused_attempts_come_where_they_are_asked_for(app: App) {
    let shop = shop(&app).await;
    let after = now(&shop.key).await;
    let placed = shop.place("o-1", json!([{"sku": "A"}])).await;
    shop.redeem(code(&placed.codes, 0), "ann").await.data();
    let refused = shop.redeem(code(&placed.codes, 0), "bob").await;
    assert_eq!(refused.at("/redeemCode/userErrors/0/code"), "ALREADY_REDEEMED");
    let mut redemptions = shop.key.subscribe(REDEMPTIONS, json!({"after": after, "rejected": true})).await;
    let seen = [next(&mut redemptions, "redemptions").await, next(&mut redemptions, "redemptions").await];
    assert_eq!(seen.each_ref().map(|event| text(event, "/type")), ["CODE_REDEEMED", "REDEMPTION_REJECTED"]);
    let attempts = seen.each_ref().map(|event| event.get("redemptionAttempt").expect("an attempt"));
    assert_eq!(
        attempts,
        [
            &json!({"outcome": "SUCCEEDED", "reason": null}),
            &json!({"outcome": "REJECTED", "reason": "ALREADY_REDEEMED"})
        ]
    );
}

async fn redemptions_are_resumed_by_their_cursors(app: App) {
    let shop = shop(&app).await;
    let mut cursor = now(&shop.key).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 5}])).await;
    let mut seen = Vec::new();
    for (place, redeemed) in placed.codes.iter().enumerate() {
        shop.redeem(redeemed, &format!("account-{place}")).await.data();
    }
    let query = "subscription ($after: Cursor) { redemptions(after: $after) { cursor assignment { account { externalReference } } } }";
    for _ in &placed.codes {
        let mut redemptions = shop.key.subscribe(query, json!({"after": cursor})).await;
        let event = next(&mut redemptions, "redemptions").await;
        text(&event, "/cursor").clone_into(&mut cursor);
        seen.push(text(&event, "/assignment/account/externalReference").to_owned());
        redemptions.stop().await;
    }
    assert_eq!(seen, (0..5).map(|place| format!("account-{place}")).collect::<Vec<_>>());
}
