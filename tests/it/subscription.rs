//! Subscriptions: events that come once, in order and from where the reader stopped; objects that are shown as they are.

mod live;
mod redemption;
mod resume;
mod shared;
mod stream;

use serde_json::{Value, json};

use crate::harness::{
    App, Client, Shop, Subscription, Test, both_engines,
    shop::{self, Placed},
};

pub fn tests() -> Vec<Test> {
    [
        both_engines![
            events_come_as_they_happen,
            events_come_from_now_on_where_no_cursor_is_given,
            a_cursor_is_the_same_under_every_filter_and_for_every_reader,
            an_event_is_as_it_was_and_its_records_as_they_are,
            a_whole_order_is_one_event,
            filters_let_through_what_they_name,
            a_partner_that_comes_later_is_below_the_one_that_a_filter_names,
            a_unit_that_comes_later_is_the_one_that_a_filter_names,
            a_cursor_that_cannot_be_resumed_from_is_refused,
            malformed_arguments_are_refused,
            actors_are_named_to_their_own_side_alone,
            several_operations_share_a_socket,
            a_stopped_operation_is_silent,
            a_subscription_by_post_is_refused,
        ],
        live::tests(),
        redemption::tests(),
        resume::tests(),
        shared::tests(),
        stream::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn shop(app: &App) -> Shop {
    shop::product(app, "A", json!({})).await;
    Shop::open(app, "Alpha").await
}

const EVENTS: &str = "subscription ($after: Cursor, $filter: EventFilter) { events(after: $after, filter: $filter) {
    id cursor type quantity order { externalReference } entitlement { id } channel { name }
} }";

const REDEMPTIONS: &str = "subscription ($after: Cursor, $channel: ID, $product: ID, $rejected: Boolean! = false) {
    redemptions(after: $after, channelId: $channel, productId: $product, includeRejected: $rejected) {
        cursor type order { externalReference } redemptionAttempt { outcome reason }
    }
}";

/// The cursor of the newest event that `client` sees, which may be ahead of what the feed has delivered.
async fn now(client: &Client) -> String {
    client.query("{ events(last: 1) { edges { cursor } } }", json!({})).await.text("/events/edges/0/cursor")
}

/// Places an order and waits until the node has read past it: whoever subscribes now is told of nothing older.
async fn place_and_read(shop: &Shop, reference: &str, lines: Value) -> Placed {
    let mut events = shop.key.subscribe(EVENTS, json!({"after": now(&shop.key).await})).await;
    let placed = shop.place(reference, lines).await;
    next(&mut events, "events").await;
    placed
}

/// The next event of a stream of `field`.
async fn next(stream: &mut Subscription, field: &str) -> Value {
    stream.next().await.at(&format!("/{field}")).clone()
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}: {event:#}"))
}

fn code(codes: &[String], place: usize) -> &str {
    codes.get(place).expect("a code")
}

async fn events_come_as_they_happen(app: App) {
    let shop = shop(&app).await;
    let after = now(&shop.key).await;
    let mut events = shop.key.subscribe(EVENTS, json!({"after": after})).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 2}])).await;
    let event = next(&mut events, "events").await;
    assert_eq!((text(&event, "/type"), text(&event, "/order/externalReference")), ("ORDER_PLACED", "o-1"));
    let unit = shop.redeem(code(&placed.codes, 0), "ann").await.text("/redeemCode/entitlement/id");
    for expected in ["CODE_REDEEMED", "ASSIGNMENT_ACTIVATED"] {
        let event = next(&mut events, "events").await;
        assert_eq!((text(&event, "/type"), text(&event, "/entitlement/id")), (expected, unit.as_str()));
    }
}

async fn events_come_from_now_on_where_no_cursor_is_given(app: App) {
    let shop = shop(&app).await;
    place_and_read(&shop, "before", json!([{"sku": "A"}])).await;
    // The first state of a live object on the same socket says that the service has read what came before it.
    let mut socket = shop.key.socket().await;
    for (id, query) in [("events", EVENTS), ("live", "subscription { statisticsUpdated { ordered } }")] {
        socket.send(json!({"id": id, "type": "subscribe", "payload": {"query": query}})).await;
    }
    let first = socket.message("next", "the statistics").await;
    assert_eq!(first.get("id"), Some(&json!("live")), "{first}");
    for number in 0..50 {
        shop.place(&format!("after-{number}"), json!([{"sku": "A"}])).await;
        let message = socket.message("next", "an event or figures").await;
        if message.get("id") == Some(&json!("events")) {
            let reference = text(&message, "/payload/data/events/order/externalReference");
            assert!(reference.starts_with("after-"), "{message}");
            return;
        }
    }
    panic!("no event came");
}

async fn a_cursor_is_the_same_under_every_filter_and_for_every_reader(app: App) {
    let shop = shop(&app).await;
    let after = now(&shop.key).await;
    let placed = shop.place("o-1", json!([{"sku": "A"}])).await;
    shop.redeem(code(&placed.codes, 0), "ann").await.data();
    let mut own = shop.key.subscribe(EVENTS, json!({"after": after})).await;
    let mut all = app.admin().subscribe(EVENTS, json!({"after": after, "filter": {"channelId": shop.channel}})).await;
    let mut cursors = Vec::new();
    for _ in 0..3 {
        let (event, same) = (next(&mut own, "events").await, next(&mut all, "events").await);
        assert_eq!(event, same, "an event and its cursor are the same for both");
        cursors.push(text(&event, "/cursor").to_owned());
    }
    // From the place of an event that the filter would not have let through.
    let filter = json!({"types": ["ASSIGNMENT_ACTIVATED"]});
    let mut resumed = shop.key.subscribe(EVENTS, json!({"after": cursors.first(), "filter": filter})).await;
    assert_eq!(text(&next(&mut resumed, "events").await, "/cursor"), cursors.last().expect("a cursor"));
}

async fn an_event_is_as_it_was_and_its_records_as_they_are(app: App) {
    let shop = shop(&app).await;
    let after = now(&shop.key).await;
    let placed = shop.place("o-1", json!([{"sku": "A"}])).await;
    shop.redeem(code(&placed.codes, 0), "ann").await.data();
    let query = "subscription ($after: Cursor) { events(after: $after) {
        type occurredAt toStatus entitlementFrom entitlementTo order { status fulfillmentStatus }
        assignment { status account { externalReference } } activationCode { status } entitlement { status }
    } }";
    let mut events = shop.key.subscribe(query, json!({"after": after})).await;
    let event = next(&mut events, "events").await;
    assert_eq!(event.pointer("/order/fulfillmentStatus"), Some(&json!("FULFILLED")), "as it is now: {event:#}");
    assert_eq!(event.get("toStatus"), Some(&json!("CONFIRMED")));
    assert_eq!(event.get("occurredAt"), Some(&json!("2030-01-01T12:00:00Z")));
    let event = next(&mut events, "events").await;
    assert_eq!(event.get("entitlementTo"), Some(&json!("ASSIGNED")), "as it was then: {event:#}");
    assert_eq!(event.pointer("/entitlement/status"), Some(&json!("ACTIVE")));
    assert_eq!(event.pointer("/activationCode/status"), Some(&json!("REDEEMED")));
    assert_eq!(event.pointer("/assignment/account/externalReference"), Some(&json!("ann")));
}

async fn a_whole_order_is_one_event(app: App) {
    let shop = shop(&app).await;
    let after = now(&shop.key).await;
    shop.place("o-1", json!([{"sku": "A", "quantity": 500}, {"sku": "A", "quantity": 30}])).await;
    shop.place("o-2", json!([{"sku": "A"}, {"sku": "A", "assignTo": {"externalReference": "ann"}}])).await;
    shop.place("o-3", json!([{"sku": "A"}])).await;
    let mut events = shop.key.subscribe(EVENTS, json!({"after": after})).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let event = next(&mut events, "events").await;
        let quantity = event.get("quantity").and_then(Value::as_i64);
        seen.push((text(&event, "/type").to_owned(), text(&event, "/order/externalReference").to_owned(), quantity));
    }
    let expected = [
        ("ORDER_PLACED", "o-1", Some(530)),
        ("ORDER_PLACED", "o-2", Some(1)),
        ("ASSIGNMENT_ACTIVATED", "o-2", None),
        ("ORDER_PLACED", "o-3", Some(1)),
    ];
    assert_eq!(seen, expected.map(|(kind, order, quantity)| (kind.to_owned(), order.to_owned(), quantity)));
}

async fn filters_let_through_what_they_name(app: App) {
    let shop = shop(&app).await;
    let of_b = shop::product(&app, "B", json!({})).await;
    let below = shop.open_below(&app, "North").await;
    let after = now(&shop.key).await;
    let first = shop.place("o-1", json!([{"sku": "A", "quantity": 2}])).await;
    let second = below.place("o-2", json!([{"sku": "B"}])).await;
    let unit = shop.redeem(code(&first.codes, 0), "ann").await.text("/redeemCode/entitlement/id");
    below.redeem(code(&second.codes, 0), "bob").await.data();
    shop.redeem(code(&first.codes, 1), "bob").await.data();
    let query = r#"{ accountByReference(externalReference: "bob") { id } }"#;
    let bob = shop.key.query(query, json!({})).await.text("/accountByReference/id");
    shop.place("o-3", json!([{"sku": "A"}])).await;
    let redeemed = ["CODE_REDEEMED", "ASSIGNMENT_ACTIVATED"];
    let cases: Vec<(Value, Vec<(&str, &str)>)> = vec![
        (
            json!({"channelId": below.channel}),
            vec![("ORDER_PLACED", "o-2"), (redeemed[0], "o-2"), (redeemed[1], "o-2")],
        ),
        (json!({"partnerId": below.partner, "types": ["CODE_REDEEMED"]}), vec![(redeemed[0], "o-2")]),
        (
            json!({"partnerId": shop.partner, "types": ["ORDER_PLACED"]}),
            vec![("ORDER_PLACED", "o-1"), ("ORDER_PLACED", "o-2"), ("ORDER_PLACED", "o-3")],
        ),
        (json!({"productId": of_b}), vec![(redeemed[0], "o-2"), (redeemed[1], "o-2")]),
        (
            json!({"orderId": first.order}),
            vec![
                ("ORDER_PLACED", "o-1"),
                (redeemed[0], "o-1"),
                (redeemed[1], "o-1"),
                (redeemed[0], "o-1"),
                (redeemed[1], "o-1"),
            ],
        ),
        (json!({"entitlementId": unit}), vec![("ORDER_PLACED", "o-1"), (redeemed[0], "o-1"), (redeemed[1], "o-1")]),
        (
            json!({"accountId": bob}),
            vec![(redeemed[0], "o-2"), (redeemed[1], "o-2"), (redeemed[0], "o-1"), (redeemed[1], "o-1")],
        ),
        (
            json!({"accountId": bob, "orderId": second.order, "types": ["ASSIGNMENT_ACTIVATED"]}),
            vec![(redeemed[1], "o-2")],
        ),
    ];
    for (filter, expected) in cases {
        let mut events = shop.key.subscribe(EVENTS, json!({"after": after, "filter": filter})).await;
        let mut seen = Vec::new();
        for _ in 0..expected.len() {
            let event = next(&mut events, "events").await;
            seen.push((text(&event, "/type").to_owned(), text(&event, "/order/externalReference").to_owned()));
        }
        let expected: Vec<_> = expected.into_iter().map(|(kind, order)| (kind.to_owned(), order.to_owned())).collect();
        assert_eq!(seen, expected, "{filter}");
        // The list under the same filter has the same events, and no more.
        let listed = "query ($after: String, $filter: EventFilter) { events(first: 100, after: $after, filter: $filter) { nodes { type order { externalReference } } } }";
        let listed = shop.key.query(listed, json!({"after": after, "filter": filter})).await;
        let listed: Vec<_> = listed
            .list("/events/nodes")
            .iter()
            .map(|event| (text(event, "/type").to_owned(), text(event, "/order/externalReference").to_owned()))
            .collect();
        assert_eq!(listed, expected, "{filter}");
    }
}

async fn a_partner_that_comes_later_is_below_the_one_that_a_filter_names(app: App) {
    let shop = shop(&app).await;
    let filter = json!({"filter": {"partnerId": shop.partner, "types": ["ORDER_PLACED"]}});
    let mut early = app.admin().subscribe(EVENTS, filter.clone()).await;
    shop.place("o-1", json!([{"sku": "A"}])).await;
    assert_eq!(text(&next(&mut early, "events").await, "/order/externalReference"), "o-1");
    let below = shop.open_below(&app, "Below").await;
    let other = Shop::open(&app, "Other").await;
    // Who joins now shares with who was there before.
    let mut late = app.admin().subscribe(EVENTS, filter).await;
    other.place("o-2", json!([{"sku": "A"}])).await;
    below.place("o-3", json!([{"sku": "A"}])).await;
    for events in [&mut early, &mut late] {
        assert_eq!(text(&next(events, "events").await, "/order/externalReference"), "o-3");
    }
    let moved = json!({"id": other.partner, "to": shop.partner});
    let moving = "mutation ($id: ID!, $to: ID) { updatePartner(input: { partnerId: $id, parentId: $to }) { userErrors { message } } }";
    let answer = app.admin().query(moving, moved).await;
    assert!(answer.list("/updatePartner/userErrors").is_empty(), "{:#}", answer.body);
    other.place("o-4", json!([{"sku": "A"}])).await;
    assert_eq!(text(&next(&mut early, "events").await, "/order/externalReference"), "o-4");
}

async fn a_unit_that_comes_later_is_the_one_that_a_filter_names(app: App) {
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A"}])).await;
    let ann = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "ann"})).await;
    let unit = placed.units.first().expect("a unit");
    let mut events =
        ann.subscribe(EVENTS, json!({"after": now(&shop.key).await, "filter": {"entitlementId": unit}})).await;
    shop.redeem(code(&placed.codes, 0), "ann").await.data();
    assert_eq!(text(&next(&mut events, "events").await, "/type"), "CODE_REDEEMED");
}

async fn a_cursor_that_cannot_be_resumed_from_is_refused(app: App) {
    let shop = shop(&app).await;
    for (query, field) in [(EVENTS, "events"), (REDEMPTIONS, "redemptions")] {
        for malformed in ["", "yesterday", shop.channel.as_str()] {
            let mut stream = shop.key.subscribe(query, json!({"after": malformed})).await;
            assert_eq!(stream.refused().await.code(), Some("CURSOR_INVALID"), "{malformed:?}");
        }
        let mut stream = shop.key.subscribe(query, json!({"after": "AAAAAAAAAAAAAAAAAAAAAA"})).await;
        let refusal = stream.refused().await;
        assert_eq!(refusal.code(), Some("CURSOR_EXPIRED"));
        let oldest =
            refusal.errors().first().and_then(|error| error.pointer("/extensions/oldestCursor")).expect("the oldest");
        let placed = shop.place(field, json!([{"sku": "A"}])).await;
        shop.redeem(code(&placed.codes, 0), "ann").await.data();
        let mut stream = shop.key.subscribe(query, json!({"after": oldest})).await;
        next(&mut stream, field).await;
    }
}

async fn malformed_arguments_are_refused(app: App) {
    let shop = shop(&app).await;
    for (document, expected) in [
        (r#"subscription { orderUpdated(id: "x") { id } }"#, "BAD_USER_INPUT"),
        (r#"subscription { entitlementUpdated(id: "ord_01h455vb4pex5vsknk084sn02q") { id } }"#, "BAD_USER_INPUT"),
        (r#"subscription { statisticsUpdated(channelId: "x") { ordered } }"#, "BAD_USER_INPUT"),
        (r#"subscription { redemptions(productId: "x") { id } }"#, "BAD_USER_INPUT"),
        (r#"subscription { events(filter: { orderId: "x" }) { id } }"#, "BAD_USER_INPUT"),
        ("subscription { nothing { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { events { id } statisticsUpdated { ordered } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
    ] {
        let mut stream = shop.key.subscribe(document, json!({})).await;
        assert_eq!(stream.refused().await.code(), Some(expected), "{document}");
    }
}

async fn actors_are_named_to_their_own_side_alone(app: App) {
    let shop = shop(&app).await;
    let support = app.key("SUPPORT", json!({})).await;
    let name = async |client: &Client| {
        let id = client.query("{ viewer { apiKey { id } } }", json!({})).await.text("/viewer/apiKey/id");
        format!("key:{id}")
    };
    let (own, desk) = (name(&shop.key).await, name(&support).await);
    let after = now(&shop.key).await;
    let placed = shop
        .place_with("o-1", json!([{"sku": "A", "quantity": 2}]), json!({"buyerAccount": {"externalReference": "ann"}}))
        .await;
    let assign = r#"mutation ($id: ID!) { assignEntitlement(input: { entitlementId: $id, account: { externalReference: "zed" } }) { userErrors { code } } }"#;
    support.query(assign, json!({"id": placed.units.first()})).await.data();
    let customer = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "ann"})).await;
    let redeem =
        "mutation ($code: String!) { redeemCode(input: { code: $code }) { entitlement { id } userErrors { code } } }";
    let mut redeemed = Value::Null;
    for issued in &placed.codes {
        let answer = customer.query(redeem, json!({"code": issued})).await;
        if answer.at("/redeemCode/entitlement").is_object() {
            redeemed = answer.at("/redeemCode/entitlement/id").clone();
        }
    }
    assert!(redeemed.is_string(), "the unit that is left");
    let ann = name(&customer).await;
    let query = "subscription ($after: Cursor) { events(after: $after, filter: { types: [ORDER_PLACED, ASSIGNMENT_ACTIVATED] }) { type actor } }";
    for (client, expected) in [
        (&app.admin(), [own.as_str(), desk.as_str(), ann.as_str()]),
        (&support, [own.as_str(), desk.as_str(), ann.as_str()]),
        (&shop.key, [own.as_str(), "support", ann.as_str()]),
        (&customer, ["support", "support", ann.as_str()]),
    ] {
        let mut events = client.subscribe(query, json!({"after": after})).await;
        for actor in expected {
            assert_eq!(text(&next(&mut events, "events").await, "/actor"), actor);
        }
    }
}

async fn several_operations_share_a_socket(app: App) {
    let shop = shop(&app).await;
    let after = now(&shop.key).await;
    let mut socket = shop.key.socket().await;
    for id in ["one", "two", "three"] {
        let payload = json!({"query": EVENTS, "variables": {"after": after}});
        socket.send(json!({"id": id, "type": "subscribe", "payload": payload})).await;
    }
    shop.place("o-1", json!([{"sku": "A"}])).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let message = socket.message("next", "an event").await;
        assert_eq!(text(&message, "/payload/data/events/order/externalReference"), "o-1");
        told.push(text(&message, "/id").to_owned());
    }
    told.sort();
    assert_eq!(told, ["one", "three", "two"]);
}

async fn a_stopped_operation_is_silent(app: App) {
    let shop = shop(&app).await;
    let mut socket = shop.key.socket().await;
    let after = now(&shop.key).await;
    for id in ["stopped", "goes-on"] {
        let payload = json!({"query": EVENTS, "variables": {"after": after}});
        socket.send(json!({"id": id, "type": "subscribe", "payload": payload})).await;
    }
    socket.send(json!({"id": "stopped", "type": "complete"})).await;
    // The answer to a query says that what was sent before it has been read.
    socket.send(json!({"id": "query", "type": "subscribe", "payload": {"query": "{ viewer { role } }"}})).await;
    assert_eq!(text(&socket.message("next", "the query's answer").await, "/id"), "query");
    assert_eq!(text(&socket.message("complete", "the query's end").await, "/id"), "query");
    for number in 0..3 {
        shop.place(&format!("o-{number}"), json!([{"sku": "A"}])).await;
        assert_eq!(text(&socket.message("next", "an event").await, "/id"), "goes-on");
    }
}

async fn a_subscription_by_post_is_refused(app: App) {
    let shop = shop(&app).await;
    let answer = shop.key.query("subscription { events { id } }", json!({})).await;
    assert_eq!(answer.code(), Some("BAD_USER_INPUT"));
    assert_eq!(answer.status, 400);
}
