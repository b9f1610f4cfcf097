//! Documents and bodies: what is refused before anything runs.

use std::fmt::Write as _;

use reqwest::{StatusCode, header::CONTENT_TYPE};
use serde_json::json;

use super::{shop, total};
use crate::harness::{Answer, App, Client, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
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
    ]
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
        &app.admin().query(&format!("{{ viewer {{ {unknown} }} }}"), json!({})).await,
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
