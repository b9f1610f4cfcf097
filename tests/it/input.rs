//! Whatever a client may send by mistake or malice: one clear answer, with the code that says which of the two sides must change, and
//! nothing changed.

use std::fmt::Write as _;

use reqwest::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::{Answer, App, Client, Shop, Test, both_engines, shop};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_order_that_makes_no_sense_is_refused_by_its_field,
        numbers_and_amounts_of_the_wrong_kind_are_refused,
        text_comes_back_as_it_was_sent,
        malformed_ids_in_queries_are_refused,
        malformed_ids_in_mutations_are_refused_by_their_field,
        malformed_filters_and_times_are_refused,
        catalogue_entries_that_make_no_sense_are_refused,
        accounts_that_make_no_sense_are_refused,
        codes_of_any_shape_are_refused_alike,
        a_document_that_is_none_is_refused,
        a_document_against_the_schema_is_refused,
        a_document_that_asks_too_much_is_refused,
        fragments_that_explode_are_refused,
        a_repeated_mutation_is_refused,
        too_many_mutations_at_once_are_refused,
        errors_are_capped,
        a_body_that_is_no_request_is_refused,
        a_body_that_is_too_large_is_refused,
        a_body_of_another_type_is_refused,
        a_mutation_by_get_is_refused,
        lists_of_requests_are_refused,
        nothing_of_it_shows_a_cause,
    ]
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

async fn an_order_that_makes_no_sense_is_refused_by_its_field(app: App) {
    let shop = shop(&app).await;
    let long = "x".repeat(10_000);
    let lines = |line: Value| Value::from(vec![line]);
    let cases: Vec<(&str, Value, &str, Value)> = vec![
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
    ];
    for (pointer, value, code, field) in cases {
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

async fn malformed_ids_in_queries_are_refused(app: App) {
    let shop = shop(&app).await;
    let long = "x".repeat(10_000);
    let bad = [
        "",
        "garbage",
        "ord_",
        "_",
        "ord_x",
        "ORD_01h455vb4pex5vsknk084sn02q",
        "ord_81h455vb4pex5vsknk084sn02q",
        "ord_01h455vb4pex5vsknk084sn02\0",
        &long,
        "007",
    ];
    for id in bad {
        for field in ["node", "order", "entitlement", "account", "product", "channel", "partner"] {
            let answer =
                shop.key.query(&format!("query ($id: ID!) {{ {field}(id: $id) {{ id }} }}"), json!({"id": id})).await;
            assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{field} {id:?}");
            assert_eq!(answer.body.pointer(&format!("/data/{field}")), Some(&Value::Null), "{field} {id:?}");
            assert_eq!(answer.status, StatusCode::OK);
        }
        let answer = shop
            .key
            .query("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": [shop.channel, id]}))
            .await;
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{id:?}");
    }
    // Another kind's id is a mistake of whoever wrote the query, whether it exists or not.
    for field in ["order", "entitlement", "account", "product", "partner"] {
        let query = format!("query ($id: ID!) {{ {field}(id: $id) {{ id }} }}");
        assert_eq!(shop.key.query(&query, json!({"id": shop.channel})).await.code(), Some("BAD_USER_INPUT"), "{field}");
    }
    let many = vec![shop.channel.clone(); 101];
    let answer = shop.key.query("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": many})).await;
    assert_eq!(answer.code(), Some("BAD_USER_INPUT"));
}

async fn malformed_ids_in_mutations_are_refused_by_their_field(app: App) {
    let shop = shop(&app).await;
    let mutations = [
        ("assignEntitlement", "entitlementId", r#"account: { externalReference: "a" }"#),
        ("assignEntitlements", "orderLineId", r#"accounts: [{ externalReference: "a" }]"#),
        ("submitAssignmentInput", "assignmentId", "input: {}"),
        ("reserveEntitlement", "entitlementId", r#"account: { externalReference: "a" }"#),
        ("extendReservation", "reservationId", "minutes: 1"),
        ("confirmReservation", "reservationId", ""),
        ("releaseReservation", "reservationId", ""),
    ];
    let long = "x".repeat(5_000);
    for (mutation, field, rest) in mutations {
        for id in ["garbage", "", shop.channel.as_str(), long.as_str()] {
            let document = format!(
                "mutation ($id: ID!) {{ {mutation}(input: {{ {field}: $id {rest} }}) {{ userErrors {{ code field message }} }} }}"
            );
            let answer = shop.key.query(&document, json!({"id": id})).await;
            assert_eq!(answer.at(&format!("/{mutation}/userErrors/0/code")), "INVALID_INPUT", "{mutation}");
            assert_eq!(answer.at(&format!("/{mutation}/userErrors/0/field")), &json!([field]), "{mutation}");
        }
    }
    for (mutation, field, rest) in [
        ("updateChannel", "channelId", r#"name: "x""#),
        ("updatePartner", "partnerId", r#"name: "x""#),
        ("updateProduct", "productId", r#"name: "x""#),
        ("revokeApiKey", "apiKeyId", ""),
    ] {
        for (id, code) in [("garbage", "INVALID_INPUT"), (shop.channel.as_str(), "INVALID_INPUT")] {
            let document = format!(
                "mutation ($id: ID!) {{ {mutation}(input: {{ {field}: $id {rest} }}) {{ userErrors {{ code field }} }} }}"
            );
            if field == "channelId" && id == shop.channel {
                continue;
            }
            let answer = app.admin().query(&document, json!({"id": id})).await;
            assert_eq!(
                answer.at(&format!("/{mutation}/userErrors/0")),
                &json!({"code": code, "field": [field]}),
                "{mutation}"
            );
        }
    }
}

async fn malformed_filters_and_times_are_refused(app: App) {
    let shop = shop(&app).await;
    for (field, filter) in [
        ("orders", r#"channelId: "x""#),
        ("orders", r#"partnerId: "x""#),
        ("orders", r#"productId: "x""#),
        ("entitlements", r#"accountId: "x""#),
        ("entitlements", r#"orderId: "x""#),
        ("assignments", r#"accountId: "x""#),
        ("events", r#"entitlementId: "x""#),
        ("events", r#"partnerId: "x""#),
        ("redemptionAttempts", r#"entitlementId: "x""#),
        ("exceptions", r#"orderId: "x""#),
    ] {
        let answer =
            shop.key.query(&format!("{{ {field}(filter: {{ {filter} }}) {{ nodes {{ id }} }} }}"), json!({})).await;
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{field} {filter}");
    }
    for filter in [
        r#"placedFrom: "today""#,
        r#"placedTo: "2026-02-30T00:00:00Z""#,
        "placedFrom: 7",
        "status: [LOST]",
        "unknown: 1",
    ] {
        let answer =
            shop.key.query(&format!("{{ orders(filter: {{ {filter} }}) {{ nodes {{ id }} }} }}"), json!({})).await;
        assert_eq!(answer.errors().len(), 1, "{filter}");
        assert!(
            matches!(answer.code(), Some("BAD_USER_INPUT" | "GRAPHQL_VALIDATION_FAILED")),
            "{filter}: {:#}",
            answer.body
        );
    }
    for argument in [r#"channelId: "x""#, r#"productId: "ord_01h455vb4pex5vsknk084sn02q""#] {
        let answer = shop.key.query(&format!("{{ statistics({argument}) {{ ordered }} }}"), json!({})).await;
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{argument}");
    }
    // What nobody can be is no mistake: it matches nothing.
    for filter in [
        r#"buyerEmail: """#,
        r#"buyerEmail: "\u0000""#,
        "status: []",
        "fulfillmentStatus: []",
        r#"placedFrom: "9999-12-31T23:59:59Z""#,
        r#"placedTo: "0001-01-01T00:00:00Z""#,
    ] {
        let answer = shop
            .key
            .query(&format!("{{ orders(filter: {{ {filter} }}) {{ totalCount nodes {{ id }} }} }}"), json!({}))
            .await;
        assert_eq!(answer.at("/orders"), &json!({"totalCount": 0, "nodes": []}), "{filter}");
    }
}

async fn catalogue_entries_that_make_no_sense_are_refused(app: App) {
    let long = "x".repeat(10_000);
    let admin = app.admin();
    shop(&app).await;
    let cases = [
        ("createProduct", json!({"sku": "", "name": "n"}), json!(["sku"])),
        ("createProduct", json!({"sku": long, "name": "n"}), json!(["sku"])),
        ("createProduct", json!({"sku": "s\0", "name": "n"}), json!(["sku"])),
        ("createProduct", json!({"sku": "s", "name": long}), json!(["name"])),
        ("createProduct", json!({"sku": "s", "name": "n\0"}), json!(["name"])),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"validForDays": 0}}),
            json!(["policy", "validForDays"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"validForDays": -1}}),
            json!(["policy", "validForDays"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"reservationMinutes": 0}}),
            json!(["policy", "reservationMinutes"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"maxPerAccount": 0}}),
            json!(["policy", "maxPerAccount"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"requiredInput": ["a", "a"]}}),
            json!(["policy", "requiredInput"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"requiredInput": [""]}}),
            json!(["policy", "requiredInput"]),
        ),
        ("createPartner", json!({"name": ""}), json!(["name"])),
        ("createPartner", json!({"name": long}), json!(["name"])),
        ("createPartner", json!({"name": "p", "parentId": "garbage"}), json!(["parentId"])),
        ("createChannel", json!({"name": "\0", "kind": "API"}), json!(["name"])),
        ("createChannel", json!({"name": "c", "kind": "API", "partnerId": "garbage"}), json!(["partnerId"])),
        ("createApiKey", json!({"name": "", "role": "ADMIN"}), json!(["name"])),
        ("createApiKey", json!({"name": "k", "role": "PARTNER"}), json!(["partnerId"])),
        ("createApiKey", json!({"name": "k", "role": "CUSTOMER"}), json!(["accountReference"])),
        ("createApiKey", json!({"name": "k", "role": "CUSTOMER", "accountReference": ""}), json!(["accountReference"])),
        (
            "createApiKey",
            json!({"name": "k", "role": "ADMIN", "expiresAt": "2020-01-01T00:00:00Z"}),
            json!(["expiresAt"]),
        ),
    ];
    for (mutation, input, field) in cases {
        let shown: String = input.to_string().chars().take(100).collect();
        let title = mutation.replacen('c', "C", 1);
        let document = format!(
            "mutation ($input: {title}Input!) {{ {mutation}(input: $input) {{ userErrors {{ code field }} }} }}"
        );
        let answer = admin.query(&document, json!({"input": input})).await;
        assert_eq!(
            answer.at(&format!("/{mutation}/userErrors")),
            &json!([{"code": "INVALID_INPUT", "field": field}]),
            "{shown}"
        );
    }
    // A name that is taken is told so, once.
    for (mutation, input) in [
        ("createProduct", json!({"sku": "A", "name": "n"})),
        ("createChannel", json!({"name": "Alpha", "kind": "API"})),
    ] {
        let title = mutation.replacen('c', "C", 1);
        let document =
            format!("mutation ($input: {title}Input!) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}");
        let answer = admin.query(&document, json!({"input": input})).await;
        assert_eq!(answer.list(&format!("/{mutation}/userErrors")).len(), 1, "{mutation}: {:#}", answer.body);
    }
}

async fn accounts_that_make_no_sense_are_refused(app: App) {
    let shop = shop(&app).await;
    let unit = shop.place("o-1", json!([{"sku": "A"}])).await.units.concat();
    let long = "x".repeat(10_000);
    let mutation =
        "mutation ($input: AssignEntitlementInput!) { assignEntitlement(input: $input) { userErrors { code field } } }";
    for (account, field) in [
        (json!({"externalReference": ""}), json!(["account", "externalReference"])),
        (json!({"externalReference": long}), json!(["account", "externalReference"])),
        (json!({"externalReference": "a\0"}), json!(["account", "externalReference"])),
        (json!({"externalReference": "a", "email": "nobody"}), json!(["account", "email"])),
        (json!({"externalReference": "a", "displayName": "\u{7}"}), json!(["account", "displayName"])),
        (json!(null), json!(["account"])),
    ] {
        let answer = shop.key.query(mutation, json!({"input": {"entitlementId": unit, "account": account}})).await;
        assert_eq!(
            answer.at("/assignEntitlement/userErrors"),
            &json!([{"code": "INVALID_INPUT", "field": field}]),
            "{field}"
        );
    }
    for input in [json!([]), json!("text"), json!({"a": "\0"}), json!({"a": "x".repeat(20_000)})] {
        let answer = shop
            .key
            .query(
                mutation,
                json!({"input": {"entitlementId": unit, "account": {"externalReference": "a"}, "input": input}}),
            )
            .await;
        assert_eq!(answer.at("/assignEntitlement/userErrors"), &json!([{"code": "INVALID_INPUT", "field": ["input"]}]));
    }
    let answer =
        shop.key.query("query ($id: ID!) { entitlement(id: $id) { status version } }", json!({"id": unit})).await;
    assert_eq!(answer.at("/entitlement"), &json!({"status": "UNASSIGNED", "version": 1}));
    assert_eq!(
        shop.key
            .query(r#"{ accountByReference(externalReference: "a") { id } }"#, json!({}))
            .await
            .at("/accountByReference"),
        &Value::Null
    );
}

async fn codes_of_any_shape_are_refused_alike(app: App) {
    let shop = shop(&app).await;
    let long = "0".repeat(10_000);
    for code in ["", " ", "garbage", "\0", "👩‍👩‍👧", "00000-00000-00000-00000-00001", &long] {
        let answer = shop.redeem(code, "ann").await;
        assert_eq!(answer.at("/redeemCode/userErrors/0/code"), "CODE_INVALID", "{code:?}");
        assert_eq!(answer.at("/redeemCode/userErrors/0/allowedActions"), &json!([]));
        let query = "query ($code: String!) { redemptionCheck(code: $code) { redeemable reason product { id } } }";
        let answer = shop.key.query(query, json!({"code": code})).await;
        assert_eq!(
            answer.at("/redemptionCheck"),
            &json!({"redeemable": false, "reason": "CODE_INVALID", "product": null}),
            "{code:?}"
        );
    }
}

/// The answer to a document that never ran: one error with `code`, status 400, no data.
#[track_caller]
fn assert_refused(answer: &Answer, code: &str, shown: &str) {
    let shown: String = shown.chars().take(120).collect();
    assert_eq!(answer.code(), Some(code), "{shown}: {:#}", answer.body);
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{shown}");
    assert_eq!(answer.body.get("data"), None, "{shown}");
    assert!(answer.errors().len() <= 10, "{shown}");
    assert!(answer.body.to_string().len() < 8_000, "{shown}");
}

async fn a_document_that_is_none_is_refused(app: App) {
    for document in [
        "",
        " ",
        "{",
        "{ viewer { role }",
        "query { }",
        "fragment F on Query { x }",
        "{ a(b: ) }",
        "\u{feff}",
        "\0",
        "{ viewer { role } } }",
        "query ($a) { x }",
        "hello world",
        r#"{ a(b: "unclosed) }"#,
    ] {
        assert_refused(&app.admin().query(document, json!({})).await, "GRAPHQL_PARSE_FAILED", document);
    }
}

async fn a_document_against_the_schema_is_refused(app: App) {
    for document in [
        "{ nothing }",
        "{ viewer }",
        "{ viewer { role { x } } }",
        "{ order { id } }",
        r#"{ order(id: "x", more: 1) { id } }"#,
        "{ order(id: [1]) { id } }",
        "query ($id: ID!) { viewer { role } }",
        "query ($id: Nothing) { order(id: $id) { id } }",
        "{ order(id: $id) { id } }",
        "{ ...F }",
        "{ viewer { role } } fragment F on Query { viewer { role } }",
        "{ ...F } fragment F on Nothing { x }",
        "{ viewer { ...F } } fragment F on Order { id }",
        "{ viewer @unknown { role } }",
        "{ a: viewer { role } a: feedCursor }",
        "mutation { placeOrder { order { id } } }",
        "subscription { a: events { id } b: events { id } }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    ] {
        assert_refused(&app.admin().query(document, json!({})).await, "GRAPHQL_VALIDATION_FAILED", document);
    }
    let two = "query A { viewer { role } } query B { viewer { role } }";
    assert_refused(&app.admin().query(two, json!({})).await, "BAD_USER_INPUT", two);
}

async fn a_document_that_asks_too_much_is_refused(app: App) {
    let deep =
        format!("{{ channels {{ nodes {}id{} }} }}", "{ partner { channels { nodes ".repeat(5), " } } }".repeat(5));
    let wide =
        "{ orders(first: 100) { nodes { entitlements(first: 100) { nodes { assignments(first: 100) { id } } } } } }"
            .to_owned();
    let unpaged =
        "{ orders(first: 100) { nodes { lines { entitlements(first: 100) { nodes { id status } } } } } }".to_owned();
    let aliases =
        format!("{{ {} }}", (0..31).fold(String::new(), |text, number| text + &format!("a{number}: feedCursor ")));
    let tokens = format!("{{ viewer {{ {} }} }}", "role ".repeat(10_000));
    let brackets = format!("{{ a(b: {}) }}", "[".repeat(50_000));
    let values = format!("{{ nodes(ids: [{}]) {{ id }} }}", r#""x" "#.repeat(20_000));
    let nested = "{a".repeat(5_000);
    let directives = format!("{{ viewer {{ role {} }} }}", "@skip(if: false) ".repeat(50));
    for document in [deep, wide, unpaged, aliases, tokens, brackets, values, nested, directives] {
        assert_refused(&app.admin().query(&document, json!({})).await, "QUERY_TOO_COMPLEX", &document);
    }
    // What is big and honest passes.
    let honest = "{ orders(first: 100) { totalCount nodes { id lines { id product { sku } } } } }";
    app.admin().query(honest, json!({})).await.data();
}

async fn fragments_that_explode_are_refused(app: App) {
    let mut document = String::from("{ ...F0 }");
    for number in 0..28 {
        write!(document, " fragment F{number} on Query {{ ...F{next} ...F{next} }}", next = number + 1)
            .expect("memory");
    }
    document.push_str(" fragment F28 on Query { viewer { role } }");
    assert_refused(&app.admin().query(&document, json!({})).await, "QUERY_TOO_COMPLEX", &document);
    let mut chain = String::from("{ ...F0 }");
    for number in 0..500 {
        write!(chain, " fragment F{number} on Query {{ ...F{} }}", number + 1).expect("memory");
    }
    chain.push_str(" fragment F500 on Query { viewer { role } }");
    assert_refused(&app.admin().query(&chain, json!({})).await, "QUERY_TOO_COMPLEX", "a chain");
}

async fn a_repeated_mutation_is_refused(app: App) {
    let shop = shop(&app).await;
    let place = |reference: &str| {
        format!(
            r#"placeOrder(input: {{ channelId: "{}", externalReference: "{reference}", lines: [{{ sku: "A" }}] }}) {{ order {{ id }} }}"#,
            shop.channel
        )
    };
    for document in [
        format!("mutation {{ {0} {0} }}", place("o-1")),
        format!("mutation {{ a: {} a: {} }}", place("o-1"), place("o-1")),
        format!("mutation {{ {} ...F }} fragment F on Mutation {{ {} }}", place("o-1"), place("o-1")),
        format!("mutation {{ ...F ...F }} fragment F on Mutation {{ {} }}", place("o-1")),
        format!("mutation {{ {} ... {{ {} }} }}", place("o-1"), place("o-1")),
    ] {
        assert_refused(&shop.key.query(&document, json!({})).await, "GRAPHQL_VALIDATION_FAILED", &document);
    }
    assert_eq!(total(&shop.key).await, 0, "not even once");
    let answer = shop.key.query(&format!("mutation {{ a: {} b: {} }}", place("o-1"), place("o-2")), json!({})).await;
    assert!(answer.text("/a/order/id") < answer.text("/b/order/id"), "in their order");
    assert_eq!(total(&shop.key).await, 2);
}

async fn too_many_mutations_at_once_are_refused(app: App) {
    let revoke =
        |number: usize| format!(r#"a{number}: revokeApiKey(input: {{ apiKeyId: "x" }}) {{ userErrors {{ code }} }} "#);
    let mutations = |count: usize| format!("mutation {{ {} }}", (0..count).map(revoke).collect::<String>());
    app.admin().query(&mutations(10), json!({})).await.data();
    assert_refused(&app.admin().query(&mutations(11), json!({})).await, "QUERY_TOO_COMPLEX", "eleven");
}

async fn errors_are_capped(app: App) {
    let fields = (0..25)
        .fold(String::new(), |text, number| text + &format!(r#"a{number}: node(id: "{}") {{ id }} "#, "x".repeat(200)));
    let answer = app.admin().query(&format!("{{ {fields} }}"), json!({})).await;
    assert_eq!(answer.errors().len(), 10);
    assert_eq!(answer.body.pointer("/extensions/omittedErrors"), Some(&json!(15)));
    let unknown = (0..500).fold(String::new(), |text, number| text + &format!("nothing{number} "));
    assert_refused(
        &app.admin().query(&format!("{{ {unknown} }}"), json!({})).await,
        "GRAPHQL_VALIDATION_FAILED",
        "500 unknown fields",
    );
}

/// What came of a body sent as it is.
async fn sent(client: &Client, kind: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let request = client.post("/graphql").header("accept", "application/graphql-response+json").body(body);
    let request = match kind {
        Some(kind) => request.header(CONTENT_TYPE, kind),
        None => request,
    };
    received(request).await
}

async fn received(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status}, {error}: {text}"));
    Answer { status, body }
}

async fn a_body_that_is_no_request_is_refused(app: App) {
    for body in [
        "",
        "{",
        "null",
        "7",
        "\"query\"",
        "{}",
        r#"{"query": null}"#,
        r#"{"query": 7}"#,
        r#"{"query": ["{ a }"]}"#,
        r#"{"query": "{ feedCursor }", "variables": "x"}"#,
        r#"{"query": "{ feedCursor }", "variables": [1]}"#,
        r#"{"query": "{ feedCursor }", "operationName": 1}"#,
        r#"{"query": "{ feedCursor }", "operationName": "Other"}"#,
        r#"{"query": "{ feedCursor }", "extensions": []}"#,
    ] {
        let answer = sent(&app.admin(), Some("application/json"), body).await;
        assert_refused(&answer, "BAD_USER_INPUT", body);
    }
    let answer = sent(&app.admin(), Some("application/json"), vec![b'{', 0xff, 0xfe, b'}']).await;
    assert_refused(&answer, "BAD_USER_INPUT", "not UTF-8");
    let nested = format!(
        r#"{{"query": "{{ feedCursor }}", "variables": {{"a": {}{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_refused(&sent(&app.admin(), Some("application/json"), nested).await, "BAD_USER_INPUT", "deep JSON");
}

async fn a_body_that_is_too_large_is_refused(app: App) {
    let request = |size: usize| json!({"query": "{ feedCursor }", "padding": "x".repeat(size)}).to_string();
    let answer = sent(&app.admin(), Some("application/json"), request(1024 * 1024)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.code(), Some("LIMIT_EXCEEDED"));
    let answer = sent(&app.admin(), Some("application/json"), request(1024 * 1024 - 100)).await;
    assert!(answer.at("/feedCursor").is_string(), "just below it is served");
}

async fn a_body_of_another_type_is_refused(app: App) {
    let body = r#"{"query": "{ feedCursor }"}"#;
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/graphql"),
        Some("application/json; charset=latin1"),
        Some("application/jsonp"),
    ] {
        let answer = sent(&app.admin(), kind, body).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind:?}");
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{kind:?}");
    }
    for kind in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON;charset=UTF-8"] {
        assert!(sent(&app.admin(), Some(kind), body).await.at("/feedCursor").is_string(), "{kind}");
    }
}

async fn a_mutation_by_get_is_refused(app: App) {
    let shop = shop(&app).await;
    let mutation = format!(
        r#"mutation {{ placeOrder(input: {{ channelId: "{}", externalReference: "o-1", lines: [{{ sku: "A" }}] }}) {{ order {{ id }} }} }}"#,
        shop.channel
    );
    let several = format!("query A {{ feedCursor }} {}", mutation.replacen("mutation", "mutation B", 1));
    for parameters in [format!("query={}", encoded(&mutation)), format!("query={}&operationName=B", encoded(&several))]
    {
        let answer = received(shop.key.get(&format!("/graphql?{parameters}"))).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"));
    }
    assert_eq!(total(&shop.key).await, 0);
    let answer = received(shop.key.get(&format!("/graphql?query={}", encoded("{ viewer { role } }")))).await;
    assert_eq!(answer.at("/viewer/role"), "PARTNER");
}

/// Text as a query string takes it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

async fn lists_of_requests_are_refused(app: App) {
    let answer =
        sent(&app.admin(), Some("application/json"), r#"[{"query": "{ feedCursor }"}, {"query": "{ feedCursor }"}]"#)
            .await;
    assert_refused(&answer, "BAD_USER_INPUT", "a list");
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
