//! Subscriptions over plain HTTP: server-sent events, resumed as a browser does it, and multipart.

use std::time::Duration;

use reqwest::{Url, header::ACCEPT};
use serde_json::{Value, json};

use super::{EVENTS, code, now, shop};
use crate::harness::{App, Stream, Test, both_engines, stream::payload};

pub fn tests() -> Vec<Test> {
    both_engines![
        events_come_as_they_are_sent,
        a_browser_resumes_where_it_was_cut_off,
        a_quiet_stream_moves_its_cursor_on,
        what_is_wrong_with_it_is_an_event,
        a_single_answer_is_a_short_stream,
        a_stream_ends_with_its_credential_and_with_the_service,
        parts_come_as_they_are_sent,
        the_last_part_is_followed_by_the_end,
    ]
}

const SSE: &str = "text/event-stream";
const MULTIPART: &str = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0, application/json";
const DELIMITER: &str = "\r\n--graphql";
const REDEEMED: &str = "subscription ($after: Cursor) {
    events(after: $after, filter: { types: [CODE_REDEEMED] }) { cursor entitlement { id } }
}";

async fn events_come_as_they_are_sent(app: App) {
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 2}])).await;
    let mut stream = shop.key.stream(SSE, REDEEMED, json!({"after": now(&shop.key).await})).await;
    assert_eq!((stream.status(), stream.content_type()), (200, "text/event-stream; charset=utf-8"));
    let first = stream.next().await.expect("a sign of life");
    assert!(first.field("event").is_none() && first.id().len() == 22, "a cursor before anything could be missed");
    for code in &placed.codes {
        shop.redeem(code, "ann").await.data();
        let event = stream.event().await;
        assert_eq!(event.answer().text("/events/cursor"), event.id());
    }
}

/// The path that asks for a document.
fn address(document: &str) -> String {
    let url = Url::parse_with_params("http://localhost/graphql", [("query", document)]).expect("an address");
    format!("{}?{}", url.path(), url.query().expect("a query"))
}

/// A GET with everything in its address and the cursor in a header: what an `EventSource` sends.
async fn browse(app: &App, secret: &str, cursor: &str) -> Stream {
    let request = app.client(secret).get(&address(REDEEMED));
    Stream::open(request.header(ACCEPT, SSE).header("last-event-id", cursor)).await
}

async fn a_browser_resumes_where_it_was_cut_off(app: App) {
    let shop = shop(&app).await;
    let nodes = [app.second_node().await, app.clone()];
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 6}])).await;
    let (mut cursor, mut seen) = (now(&shop.key).await, Vec::new());
    let secret = shop.key.secret().expect("a key");
    for (place, node) in nodes.iter().cycle().take(3).enumerate() {
        for number in [2 * place, 2 * place + 1] {
            shop.redeem(code(&placed.codes, number), "ann").await.data();
        }
        let mut stream = browse(node, secret, &cursor).await;
        for _ in 0..2 {
            let event = stream.event().await;
            cursor = event.id();
            seen.push(event.answer().text("/events/entitlement/id"));
        }
    }
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (6, 6), "{seen:?}");
}

async fn a_quiet_stream_moves_its_cursor_on(app: App) {
    let shop = shop(&app).await;
    let node = app.node_with(|config| config.limits.ping_interval = Duration::from_secs(1)).await;
    let client = node.client(shop.key.secret().expect("a key"));
    let start = now(&shop.key).await;
    let mut stream = client.stream(SSE, REDEEMED, json!({"after": start})).await;
    shop.place("o-1", json!([{"sku": "A"}])).await;
    let placed = now(&shop.key).await;
    loop {
        let sent = stream.next().await.expect("no end");
        assert!(sent.field("event").is_none(), "nothing of this is asked for: {sent:?}");
        if sent.id() == placed {
            break;
        }
    }
}

async fn what_is_wrong_with_it_is_an_event(app: App) {
    let admin = app.admin();
    let after = |cursor: &str| json!({"after": cursor});
    for (document, variables, expected) in [
        ("subscription {", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (REDEEMED, after("yesterday"), "CURSOR_INVALID"),
        (REDEEMED, after("AAAAAAAAAAAAAAAAAAAAAA"), "CURSOR_EXPIRED"),
        ("subscription { orderUpdated(id: \"ord_01h455vb4pex5vsknk084sn02q\") { id } }", json!({}), "NOT_FOUND"),
    ] {
        let mut stream = admin.stream(SSE, document, variables).await;
        assert_eq!(stream.event().await.answer().code(), Some(expected), "{document}");
        assert_eq!(stream.event().await.field("event"), Some("complete"), "{document}");
        assert!(stream.next().await.is_none(), "{document}");
    }
    let garbage = browse(&app, admin.secret().expect("a key"), "***").await.event().await.answer();
    assert_eq!(garbage.code(), Some("CURSOR_INVALID"), "and not what comes from now on");
    assert_eq!(app.stranger().stream(SSE, REDEEMED, json!({})).await.status(), 401);
}

async fn a_single_answer_is_a_short_stream(app: App) {
    let admin = app.admin();
    let mut stream = admin.stream(SSE, "{ viewer { role } }", json!({})).await;
    assert_eq!(stream.event().await.answer().text("/viewer/role"), "ADMIN");
    assert_eq!(stream.event().await.field("event"), Some("complete"));
    let mutation = "mutation { createChannel(input: {name: \"x\", kind: API}) { channel { id } } }";
    let request = admin.get(&address(mutation)).header(ACCEPT, SSE);
    assert_eq!(Stream::open(request).await.status(), 405);
}

async fn a_stream_ends_with_its_credential_and_with_the_service(app: App) {
    let key = app.key("SUPPORT", json!({})).await;
    let id = key.query("{ viewer { apiKey { id } } }", json!({})).await.text("/viewer/apiKey/id");
    let revoked = key.stream(SSE, EVENTS, json!({})).await;
    let kept = app.admin().stream(SSE, EVENTS, json!({"filter": {"types": ["CODE_REDEEMED"]}})).await;
    app.admin().mutate("revokeApiKey", "apiKey { id }", json!({"apiKeyId": id})).await.done();
    assert!(!revoked.rest().await.contains("complete"), "a client that comes back is told why it is not let in");
    app.stop();
    assert!(!kept.rest().await.contains("complete"), "a client comes back to another node");
}

async fn parts_come_as_they_are_sent(app: App) {
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 2}])).await;
    // Without signs of life in between: each part is whole before there is a next one.
    let node = app.node_with(|config| config.limits.ping_interval = Duration::from_hours(1)).await;
    let client = node.client(shop.key.secret().expect("a key"));
    let mut stream = client.stream(MULTIPART, REDEEMED, json!({"after": now(&shop.key).await})).await;
    assert_eq!(stream.content_type(), "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0");
    assert_eq!(stream.until(DELIMITER).await.as_deref(), Some(""));
    assert_eq!(part(&mut stream).await, json!({}), "a sign of life before anything happens");
    let mut cursors = Vec::new();
    for code in &placed.codes {
        shop.redeem(code, "ann").await.data();
        let part = part(&mut stream).await;
        cursors.push(part.pointer("/payload/data/events/cursor").expect("an event").clone());
    }
    cursors.dedup();
    assert_eq!(cursors.len(), 2, "{cursors:?}");
}

async fn the_last_part_is_followed_by_the_end(app: App) {
    let admin = app.admin();
    let refused = admin.stream(MULTIPART, "subscription { nothing }", json!({})).await.rest().await;
    let head = "\r\n--graphql\r\nContent-Type: application/json\r\n\r\n{\"payload\":";
    assert!(refused.starts_with(head) && refused.ends_with("}\r\n--graphql--\r\n"), "{refused}");
    assert_eq!(refused.matches("--graphql").count(), 2, "{refused}");
    let plain = admin.stream(MULTIPART, "{ viewer { role } }", json!({})).await;
    assert_eq!(plain.content_type(), "application/json; charset=utf-8");
}

/// The next part, up to the delimiter that ends it.
async fn part(stream: &mut Stream) -> Value {
    payload(&stream.until(DELIMITER).await.expect("no end"))
}
