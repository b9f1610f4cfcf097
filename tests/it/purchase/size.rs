//! The size of an order: one transaction up to its limits, and a refusal past them.

use serde_json::{Value, json};

use crate::harness::{Answer, App, Client, Shop, Test, both_engines, shop::product};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_order_of_very_many_units_is_placed_whole,
        an_order_of_many_lines_is_placed_whole,
        an_order_past_a_limit_is_refused,
        a_limit_is_a_setting,
    ]
}

const ORDER: &str = "order { id total { amount } statistics { ordered unassigned active } } activationCodes { code }";

async fn shop(app: &App) -> Shop {
    product(app, "P", json!({})).await;
    Shop::open(app, "Alpha").await
}

async fn place(client: &Client, shop: &Shop, lines: Value) -> Answer {
    let input = json!({"channelId": shop.channel, "externalReference": "o-1", "lines": lines, "currencyCode": "GBP"});
    client.mutate("placeOrder", ORDER, input).await
}

async fn an_order_of_very_many_units_is_placed_whole(app: App) {
    let shop = shop(&app).await;
    let told = app.events().await;
    let answer = place(&shop.key, &shop, json!([{"sku": "P", "quantity": 25_000, "unitPrice": "0.01"}])).await.done();
    assert_eq!(answer.at("/order/statistics"), &json!({"ordered": 25_000, "unassigned": 25_000, "active": 0}));
    assert_eq!(answer.at("/order/total/amount"), "250.00");
    assert_eq!(answer.list("/activationCodes").len(), 1_000, "the rest is exported");
    assert_eq!(app.events().await - told, 1, "one event, whatever the number");
    let code = answer.text("/activationCodes/999/code");
    assert_eq!(shop.redeem(&code, "ann").await.at("/redeemCode/entitlement/status"), "ACTIVE");
    app.assert_sound().await;
}

async fn an_order_of_many_lines_is_placed_whole(app: App) {
    let shop = shop(&app).await;
    let line = |number: usize| match number % 4 {
        0 => json!({"sku": "P", "assignTo": {"externalReference": "ann"}, "unitPrice": "1"}),
        1 => json!({"sku": "P", "recipient": {"name": format!("Guest {number}")}, "unitPrice": "1"}),
        _ => json!({"sku": "P", "unitPrice": "1"}),
    };
    let answer = place(&shop.key, &shop, (0..2_000).map(line).collect()).await.done();
    assert_eq!(answer.at("/order/statistics"), &json!({"ordered": 2_000, "unassigned": 1_500, "active": 500}));
    assert_eq!(answer.at("/order/total/amount"), "2000");
    app.assert_sound().await;
}

async fn an_order_past_a_limit_is_refused(app: App) {
    let shop = shop(&app).await;
    let told = app.events().await;
    for lines in [
        json!([{"sku": "P", "quantity": 100_001}]),
        json!([{"sku": "P", "quantity": 99_999}, {"sku": "P", "quantity": 2}]),
        json!([{"sku": "P", "quantity": i32::MAX}, {"sku": "P", "quantity": i32::MAX}]),
        vec![json!({"sku": "P"}); 2_001].into(),
    ] {
        let answer = place(&shop.key, &shop, lines).await;
        assert_eq!(answer.refusal(), Some("LIMIT_EXCEEDED"));
        assert_eq!(answer.at("/userErrors/0/field"), &json!(["lines"]));
    }
    assert_eq!(app.events().await, told);
}

async fn a_limit_is_a_setting(app: App) {
    let shop = shop(&app).await;
    let small = app.node_with(|config| (config.limits.order_units, config.limits.order_lines) = (3, 2)).await;
    let client = small.client(shop.key.secret().expect("a secret"));
    let line = |quantity: usize| json!({"sku": "P", "quantity": quantity});
    for lines in [json!([line(4)]), json!([line(1), line(1), line(1)])] {
        assert_eq!(place(&client, &shop, lines).await.refusal(), Some("LIMIT_EXCEEDED"));
    }
    place(&client, &shop, json!([line(1), line(2)])).await.done();
}
