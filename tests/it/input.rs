//! Whatever a client may send by mistake or malice: one clear answer, with the code that says which of the two sides must change, and
//! nothing changed.

mod field;
mod request;

use serde_json::{Value, json};

use crate::harness::{Answer, App, Client, Shop, Test, both_engines, shop};

pub fn tests() -> Vec<Test> {
    [
        both_engines![
            an_order_that_makes_no_sense_is_refused_by_its_field,
            numbers_and_amounts_of_the_wrong_kind_are_refused,
            text_comes_back_as_it_was_sent,
            nothing_of_it_shows_a_cause,
        ],
        field::tests(),
        request::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const PLACE: &str = "mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) {
    order { id } activationCodes { code } userErrors { code message field retryable }
} }";

async fn shop(app: &App) -> Shop {
    shop::product(app, "A", json!({})).await;
    Shop::open(app, "Alpha").await
}

/// An order with `changes` made to it by their JSON pointers.
fn order(shop: &Shop, changes: &[(&str, Value)]) -> Value {
    let mut input = json!({
        "channelId": shop.channel, "externalReference": "o-1", "currencyCode": "GBP",
        "lines": [{"sku": "A", "quantity": 1, "unitPrice": "1.00", "recipient": {"name": "R"}, "assignTo": {"externalReference": "ann"}, "input": {}}],
        "buyer": {"name": "B", "email": "b@example.com"}, "buyerAccount": {"externalReference": "ann"},
    });
    for (pointer, value) in changes {
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        let parent = input.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        parent.insert(member.to_owned(), value.clone());
    }
    input
}

async fn total(client: &Client) -> i64 {
    client.query("{ orders { totalCount } }", json!({})).await.number("/orders/totalCount")
}

/// Where to change an order, to what, and the code and field of the refusal.
fn mistakes(shop: &Shop) -> Vec<(&'static str, Value, &'static str, Value)> {
    let long = "x".repeat(10_000);
    let lines = |line: Value| Value::from(vec![line]);
    vec![
        ("/lines", json!([]), "INVALID_INPUT", json!(["lines"])),
        ("/lines", lines(json!({"sku": "A", "quantity": 0})), "INVALID_INPUT", json!(["lines", "0", "quantity"])),
        ("/lines", lines(json!({"sku": "A", "quantity": -1})), "INVALID_INPUT", json!(["lines", "0", "quantity"])),
        (
            "/lines",
            lines(json!({"sku": "A", "quantity": i32::MIN})),
            "INVALID_INPUT",
            json!(["lines", "0", "quantity"]),
        ),
        ("/lines", lines(json!({"sku": "A", "quantity": i32::MAX})), "LIMIT_EXCEEDED", json!(["lines"])),
        ("/lines", lines(json!({"sku": "A", "quantity": 100_001})), "LIMIT_EXCEEDED", json!(["lines"])),
        (
            "/lines",
            json!([{"sku": "A", "quantity": i32::MAX}, {"sku": "A", "quantity": i32::MAX}, {"sku": "A", "quantity": 2}]),
            "LIMIT_EXCEEDED",
            json!(["lines"]),
        ),
        ("/lines", lines(json!({"sku": "a"})), "NOT_FOUND", json!(["lines", "0", "sku"])),
        ("/lines", json!([{"sku": "A"}, {"sku": "unknown"}]), "NOT_FOUND", json!(["lines", "1", "sku"])),
        ("/lines", lines(json!({"sku": ""})), "INVALID_INPUT", json!(["lines", "0", "sku"])),
        ("/lines", lines(json!({"sku": long})), "INVALID_INPUT", json!(["lines", "0", "sku"])),
        ("/lines", lines(json!({"sku": "A\0"})), "INVALID_INPUT", json!(["lines", "0", "sku"])),
        ("/lines", lines(json!({"sku": "A", "resource": "\0"})), "INVALID_INPUT", json!(["lines", "0", "resource"])),
        ("/lines", lines(json!({"sku": "A", "input": [1]})), "INVALID_INPUT", json!(["lines", "0", "input"])),
        ("/lines", lines(json!({"sku": "A", "input": {"a": ["\0"]}})), "INVALID_INPUT", json!(["lines", "0", "input"])),
        (
            "/lines",
            lines(json!({"sku": "A", "input": {"a": "x".repeat(20_000)}})),
            "INVALID_INPUT",
            json!(["lines", "0", "input"]),
        ),
        (
            "/lines",
            lines(json!({"sku": "A", "recipient": {"name": long}})),
            "INVALID_INPUT",
            json!(["lines", "0", "recipient", "name"]),
        ),
        (
            "/lines",
            lines(json!({"sku": "A", "recipient": {"email": "nobody"}})),
            "INVALID_INPUT",
            json!(["lines", "0", "recipient", "email"]),
        ),
        (
            "/lines",
            lines(json!({"sku": "A", "assignTo": {"externalReference": ""}})),
            "INVALID_INPUT",
            json!(["lines", "0", "assignTo", "externalReference"]),
        ),
        (
            "/lines",
            lines(json!({"sku": "A", "assignTo": {"externalReference": "a", "email": "@"}})),
            "INVALID_INPUT",
            json!(["lines", "0", "assignTo", "email"]),
        ),
        (
            "/buyerAccount",
            json!({"externalReference": long}),
            "INVALID_INPUT",
            json!(["buyerAccount", "externalReference"]),
        ),
        ("/buyer", json!({"email": "a b@example.com"}), "INVALID_INPUT", json!(["buyer", "email"])),
        (
            "/buyer",
            json!({"email": format!("{}@example.com", "x".repeat(250))}),
            "INVALID_INPUT",
            json!(["buyer", "email"]),
        ),
        ("/buyer", json!({"name": long}), "INVALID_INPUT", json!(["buyer", "name"])),
        ("/buyer", json!({"name": "B\0b"}), "INVALID_INPUT", json!(["buyer", "name"])),
        ("/currencyCode", json!("pounds"), "INVALID_INPUT", json!(["currencyCode"])),
        ("/currencyCode", json!("gbp"), "INVALID_INPUT", json!(["currencyCode"])),
        ("/currencyCode", json!(""), "INVALID_INPUT", json!(["currencyCode"])),
        ("/currencyCode", json!(null), "INVALID_INPUT", json!(["lines", "0", "unitPrice"])),
        ("/externalReference", json!(""), "INVALID_INPUT", json!(["externalReference"])),
        ("/externalReference", json!(" "), "INVALID_INPUT", json!(["externalReference"])),
        ("/externalReference", json!(long), "INVALID_INPUT", json!(["externalReference"])),
        ("/externalReference", json!("a\0b"), "INVALID_INPUT", json!(["externalReference"])),
        ("/paymentReference", json!(long), "INVALID_INPUT", json!(["paymentReference"])),
        ("/idempotencyKey", json!(""), "INVALID_INPUT", json!(["idempotencyKey"])),
        ("/idempotencyKey", json!(long), "INVALID_INPUT", json!(["idempotencyKey"])),
        ("/idempotencyKey", json!("a\0b"), "INVALID_INPUT", json!(["idempotencyKey"])),
        ("/channelId", json!("garbage"), "INVALID_INPUT", json!(["channelId"])),
        ("/channelId", json!(""), "INVALID_INPUT", json!(["channelId"])),
        ("/channelId", json!(shop.partner), "INVALID_INPUT", json!(["channelId"])),
        ("/channelId", json!("chn_01h455vb4pex5vsknk084sn02q"), "NOT_FOUND", json!(["channelId"])),
    ]
}

async fn an_order_that_makes_no_sense_is_refused_by_its_field(app: App) {
    let shop = shop(&app).await;
    for (pointer, value, code, field) in mistakes(&shop) {
        let shown: String = format!("{pointer} {value}").chars().take(100).collect();
        let answer = shop.key.query(PLACE, json!({"input": order(&shop, &[(pointer, value)])})).await;
        assert_eq!(answer.list("/placeOrder/userErrors").len(), 1, "{shown}");
        assert_eq!(answer.at("/placeOrder/userErrors/0/code"), code, "{shown}: {:#}", answer.body);
        assert_eq!(answer.at("/placeOrder/userErrors/0/field"), &field, "{shown}: {:#}", answer.body);
        assert_eq!(answer.at("/placeOrder/userErrors/0/retryable"), false, "{shown}");
        assert_eq!(answer.at("/placeOrder/order"), &Value::Null, "{shown}");
        assert_eq!(answer.at("/placeOrder/activationCodes"), &json!([]), "{shown}");
        let message = answer.text("/placeOrder/userErrors/0/message");
        assert!((10..300).contains(&message.len()), "{shown}: {message}");
    }
    assert_eq!(total(&shop.key).await, 0);
}

async fn numbers_and_amounts_of_the_wrong_kind_are_refused(app: App) {
    let shop = shop(&app).await;
    let line = |member: &str, value: Value| {
        let mut line = json!({"sku": "A"});
        line.as_object_mut().expect("an object").insert(member.to_owned(), value);
        line
    };
    let wrong = [
        line("quantity", json!(2_147_483_648_i64)),
        line("quantity", json!(-2_147_483_649_i64)),
        line("quantity", json!(1.5)),
        line("quantity", json!("1")),
        line("quantity", json!(null)),
        line("quantity", json!(1e40)),
        line("unitPrice", json!("1.00 pounds")),
        line("unitPrice", json!("abc")),
        line("unitPrice", json!("-1.00")),
        line("unitPrice", json!("1e3")),
        line("unitPrice", json!("1,00")),
        line("unitPrice", json!("")),
        line("unitPrice", json!("9".repeat(60))),
        line("unitPrice", json!(1.0)),
        line("unitPrice", json!(true)),
        line("sku", json!(7)),
        line("unknown", json!("x")),
        json!("A"),
    ];
    for line in wrong {
        let answer = shop.key.query(PLACE, json!({"input": order(&shop, &[("/lines", json!([line]))])})).await;
        assert_wrong_kind(&answer, &line);
    }
    for (pointer, value) in [
        ("/placedAt", json!("yesterday")),
        ("/placedAt", json!("2026-13-01T00:00:00Z")),
        ("/placedAt", json!("2026-11-22")),
        ("/placedAt", json!(0)),
        ("/externalReference", json!(null)),
        ("/lines", json!(null)),
        ("/lines", json!("A")),
        ("/buyer", json!([])),
    ] {
        let answer = shop.key.query(PLACE, json!({"input": order(&shop, &[(pointer, value.clone())])})).await;
        assert_wrong_kind(&answer, &json!({pointer: value}));
    }
    let literal = format!(
        r#"mutation {{ placeOrder(input: {{ channelId: "{}", externalReference: "o", lines: [{{ sku: "A", quantity: 2147483648 }}] }}) {{ order {{ id }} }} }}"#,
        shop.channel
    );
    assert_wrong_kind(&shop.key.query(&literal, json!({})).await, &json!("a literal"));
    assert_eq!(total(&shop.key).await, 0);
}

/// One error that names no cause, whether validation or execution met the value.
#[track_caller]
fn assert_wrong_kind(answer: &Answer, shown: &Value) {
    assert_eq!(answer.errors().len(), 1, "{shown}: {:#}", answer.body);
    assert!(
        matches!(answer.code(), Some("BAD_USER_INPUT" | "GRAPHQL_VALIDATION_FAILED")),
        "{shown}: {:#}",
        answer.body
    );
    assert!(answer.body.get("data").is_none_or(Value::is_null), "{shown}: {:#}", answer.body);
}

async fn text_comes_back_as_it_was_sent(app: App) {
    let shop = shop(&app).await;
    let texts =
        ["👩‍👩‍👧 Zoë & Søn", "注文-1", "a\u{301}", "'; DROP TABLE orders; --", "%_\\", "$1 ?", "\u{202e}x", " padded "];
    for text in texts {
        let contact = json!({"name": text, "email": "zoë@example.com"});
        let changes =
            [("/externalReference", json!(text)), ("/paymentReference", json!(text)), ("/buyer", contact.clone())];
        let answer = shop.key.query(PLACE, json!({"input": order(&shop, &changes)})).await;
        let id = answer.text("/placeOrder/order/id");
        let query = "query ($channel: ID!, $reference: String!) { orderByReference(channelId: $channel, externalReference: $reference) {
            id externalReference paymentReference buyer { name email }
        } }";
        let found = shop.key.query(query, json!({"channel": shop.channel, "reference": text})).await;
        let expected = json!({"id": id, "externalReference": text, "paymentReference": text, "buyer": contact});
        assert_eq!(found.at("/orderByReference"), &expected);
    }
    let query = "query ($reference: String!) { accountByReference(externalReference: $reference) { id } }";
    for nothing in ["\0", "a\0b", "", &"x".repeat(10_000)] {
        let answer = shop.key.query(query, json!({"reference": nothing})).await;
        assert_eq!(answer.at("/accountByReference"), &Value::Null, "{nothing:?}");
    }
}

async fn nothing_of_it_shows_a_cause(app: App) {
    let shop = shop(&app).await;
    let answers = [
        shop.key
            .query(PLACE, json!({"input": order(&shop, &[("/lines", json!([{"sku": "A", "unitPrice": "x"}]))])}))
            .await,
        shop.key.query(PLACE, json!({"input": order(&shop, &[("/externalReference", json!("a\0b"))])})).await,
        shop.key.query("query ($r: String!) { channelByName(name: $r) { id } }", json!({"r": "a\0b"})).await,
        shop.key.query("query ($r: String!) { productBySku(sku: $r) { id } }", json!({"r": "a\0b"})).await,
        shop.key
            .query("query ($r: String) { orders(filter: { buyerEmail: $r }) { totalCount } }", json!({"r": "a\0b"}))
            .await,
    ];
    for answer in answers {
        let text = answer.body.to_string().to_lowercase();
        for word in ["sqlx", "sqlite", "postgres", "sea_orm", "panick", "::", "src/", "utf8 error", "internal"] {
            assert!(!text.contains(word), "{word}: {:#}", answer.body);
        }
    }
}
