//! What is somebody else's: it answers exactly as what does not exist, whichever way it is asked for.

use serde_json::{Value, json};

use super::{Town, customer, unknown_like};
use crate::harness::{Answer, App, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        foreign_records_are_as_unknown_ones,
        foreign_ids_in_filters_match_nothing,
        lists_and_totals_hold_nothing_foreign,
        foreign_statistics_are_zeros,
        foreign_names_find_nothing,
        foreign_records_are_not_changed,
        foreign_events_are_not_delivered,
        foreign_live_objects_are_not_found,
    ]
}

/// That two answers are the same but for the ids that were asked for.
#[track_caller]
fn assert_alike(foreign: &Answer, foreign_id: &str, unknown: &Answer, unknown_id: &str) {
    assert_eq!(foreign.status, unknown.status);
    let (foreign, unknown) = (foreign.body.to_string(), unknown.body.to_string());
    assert_eq!(foreign.replace(foreign_id, "*"), unknown.replace(unknown_id, "*"));
}

async fn foreign_records_are_as_unknown_ones(app: App) {
    let town = Town::build(&app).await;
    let stranger = customer(&app, &town.beta, "bea").await;
    for (id, unknown) in town.ids().await {
        let own = town.alpha.key.query("query ($id: ID!) { node(id: $id) { id } }", json!({"id": id})).await;
        assert_eq!(own.at("/node/id"), &id);
        for client in [&town.beta.key, &stranger] {
            for query in [
                "query ($id: ID!) { node(id: $id) { __typename id } }",
                "query ($id: ID!) { nodes(ids: [$id]) { id } }",
            ] {
                let foreign = client.query(query, json!({"id": id})).await;
                assert_alike(&foreign, &id, &client.query(query, json!({"id": unknown})).await, &unknown);
                assert!(foreign.body.to_string().contains("null"), "{id}: {:#}", foreign.body);
            }
        }
    }
    for (field, id) in [
        ("order", &town.placed.order),
        ("entitlement", &town.held),
        ("account", &town.account),
        ("channel", &town.alpha.channel),
        ("partner", &town.alpha.partner),
    ] {
        let answer =
            town.beta.key.query(&format!("query ($id: ID!) {{ {field}(id: $id) {{ id }} }}"), json!({"id": id})).await;
        assert_eq!(answer.at(&format!("/{field}")), &Value::Null);
    }
}

async fn foreign_ids_in_filters_match_nothing(app: App) {
    let town = Town::build(&app).await;
    town.ids().await;
    town.beta.place("b-1", json!([{"sku": "A"}])).await;
    let filters = [
        ("orders", "channelId", &town.alpha.channel),
        ("orders", "partnerId", &town.alpha.partner),
        ("entitlements", "channelId", &town.alpha.channel),
        ("entitlements", "partnerId", &town.alpha.partner),
        ("entitlements", "orderId", &town.placed.order),
        ("entitlements", "accountId", &town.account),
        ("assignments", "channelId", &town.alpha.channel),
        ("assignments", "accountId", &town.account),
        ("events", "channelId", &town.alpha.channel),
        ("events", "partnerId", &town.alpha.partner),
        ("events", "orderId", &town.placed.order),
        ("events", "entitlementId", &town.held),
        ("events", "accountId", &town.account),
        ("redemptionAttempts", "channelId", &town.alpha.channel),
        ("redemptionAttempts", "entitlementId", &town.held),
        ("exceptions", "channelId", &town.alpha.channel),
        ("exceptions", "orderId", &town.placed.order),
        ("exceptions", "entitlementId", &town.held),
    ];
    let stranger = customer(&app, &town.beta, "bea").await;
    for (field, filter, id) in filters {
        let query = |id: &str| {
            format!(
                r#"{{ {field}(filter: {{ {filter}: "{id}" }}) {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage hasPreviousPage }} }} }}"#
            )
        };
        if field != "exceptions" {
            assert!(
                !town.alpha.key.query(&query(id), json!({})).await.list(&format!("/{field}/nodes")).is_empty(),
                "{field} {filter}"
            );
        }
        for client in [&town.beta.key, &stranger] {
            let foreign = client.query(&query(id), json!({})).await;
            assert_eq!(foreign.number(&format!("/{field}/totalCount")), 0, "{field} {filter}");
            assert!(foreign.list(&format!("/{field}/nodes")).is_empty(), "{field} {filter}");
            let unknown = unknown_like(id);
            assert_alike(&foreign, id, &client.query(&query(&unknown), json!({})).await, &unknown);
        }
    }
}

async fn lists_and_totals_hold_nothing_foreign(app: App) {
    let town = Town::build(&app).await;
    town.ids().await;
    let own = [
        ("channels", 1),
        ("partners", 1),
        ("orders", 0),
        ("entitlements", 0),
        ("assignments", 0),
        ("redemptionAttempts", 0),
        ("exceptions", 0),
    ];
    for (field, count) in own {
        let answer = town.beta.key.query(&format!("{{ {field} {{ totalCount nodes {{ id }} }} }}"), json!({})).await;
        assert_eq!(answer.number(&format!("/{field}/totalCount")), count, "{field}");
        assert_eq!(answer.list(&format!("/{field}/nodes")).len(), usize::try_from(count).expect("a size"), "{field}");
    }
    let answer =
        town.beta.key.query("{ events { totalCount nodes { channel { id } order { id } } } }", json!({})).await;
    let foreign = answer.list("/events/nodes").iter().filter(|event| {
        !event.pointer("/order").is_none_or(Value::is_null)
            || event.pointer("/channel/id").is_some_and(|id| *id != town.beta.channel)
    });
    assert_eq!(foreign.count(), 0, "{:#}", answer.body);
}

const STATISTICS: &str =
    "ordered reissued unassigned reserved assigned active suspended revoked expired openExceptions";

async fn foreign_statistics_are_zeros(app: App) {
    let town = Town::build(&app).await;
    let stranger = customer(&app, &town.beta, "bea").await;
    let zeros: Value = STATISTICS.split(' ').map(|name| (name.to_owned(), json!(0))).collect();
    for client in [&town.beta.key, &stranger] {
        for arguments in [
            String::new(),
            format!(r#"(channelId: "{}")"#, town.alpha.channel),
            format!(r#"(productId: "{}")"#, town.product),
            format!(r#"(channelId: "{}", productId: "{}")"#, town.alpha.channel, town.product),
            format!(r#"(channelId: "{}")"#, unknown_like(&town.alpha.channel)),
        ] {
            let answer = client.query(&format!("{{ statistics{arguments} {{ {STATISTICS} }} }}"), json!({})).await;
            assert_eq!(answer.at("/statistics"), &zeros, "{arguments}");
            let document = format!("subscription {{ statisticsUpdated{arguments} {{ {STATISTICS} }} }}");
            let mut live = client.subscribe(&document, json!({})).await;
            assert_eq!(live.next().await.at("/statisticsUpdated"), &zeros, "{arguments}");
        }
    }
}

async fn foreign_names_find_nothing(app: App) {
    let town = Town::build(&app).await;
    let lookups = [
        (r#"channelByName(name: "Alpha")"#.to_owned(), r#"channelByName(name: "Nobody")"#.to_owned()),
        (
            format!(r#"orderByReference(channelId: "{}", externalReference: "o-1")"#, town.alpha.channel),
            format!(r#"orderByReference(channelId: "{}", externalReference: "o-2")"#, town.alpha.channel),
        ),
        (
            r#"accountByReference(externalReference: "ann")"#.to_owned(),
            r#"accountByReference(externalReference: "bob")"#.to_owned(),
        ),
        (
            format!(r#"accountByReference(externalReference: "ann", partnerId: "{}")"#, town.alpha.partner),
            format!(
                r#"accountByReference(externalReference: "ann", partnerId: "{}")"#,
                unknown_like(&town.alpha.partner)
            ),
        ),
    ];
    let stranger = customer(&app, &town.beta, "bea").await;
    for (foreign, unknown) in lookups {
        let query = |lookup: &str| format!("{{ found: {lookup} {{ id }} }}");
        assert!(town.alpha.key.query(&query(&foreign), json!({})).await.at("/found").is_object(), "{foreign}");
        for client in [&town.beta.key, &stranger] {
            let answer = client.query(&query(&foreign), json!({})).await;
            assert_eq!(answer.at("/found"), &Value::Null, "{foreign}");
            assert_alike(&answer, "", &client.query(&query(&unknown), json!({})).await, "");
        }
    }
}

async fn foreign_records_are_not_changed(app: App) {
    let town = Town::build(&app).await;
    let account = r#"account: { externalReference: "bea" }"#;
    let unit = town.placed.units.iter().find(|unit| **unit != town.held && **unit != town.reserved).expect("a third");
    let mutations = [
        ("assignEntitlement", format!(r#"entitlementId: "@", {account}"#), unit),
        (
            "assignEntitlements",
            r#"orderLineId: "@", accounts: [{ externalReference: "bea" }]"#.to_owned(),
            town.placed.lines.first().expect("a line"),
        ),
        ("reserveEntitlement", format!(r#"entitlementId: "@", {account}"#), unit),
        ("reserveEntitlement", format!(r#"entitlementId: "@", {account}"#), &town.held),
        ("extendReservation", r#"reservationId: "@", minutes: 5"#.to_owned(), &town.reservation),
        ("confirmReservation", format!(r#"reservationId: "@", {account}"#), &town.reservation),
        ("releaseReservation", r#"reservationId: "@""#.to_owned(), &town.reservation),
        ("submitAssignmentInput", r#"assignmentId: "@", input: { a: 1 }"#.to_owned(), &town.assignment),
        (
            "placeOrder",
            r#"channelId: "@", externalReference: "o-1", lines: [{ sku: "A" }]"#.to_owned(),
            &town.alpha.channel,
        ),
        (
            "assignEntitlements",
            format!(r#"channelId: "@", productId: "{}", accounts: [{{ externalReference: "bea" }}]"#, town.product),
            &town.alpha.channel,
        ),
    ];
    let before = snapshot(&town).await;
    for (mutation, input, id) in &mutations {
        let document = |id: &str| {
            let input = input.replace('@', id);
            format!(
                "mutation {{ {mutation}(input: {{ {input} }}) {{ userErrors {{ code message field retryable retryAfterSeconds allowedActions }} }} }}"
            )
        };
        let foreign = town.beta.key.query(&document(id), json!({})).await;
        let unknown_id = unknown_like(id);
        let unknown = town.beta.key.query(&document(&unknown_id), json!({})).await;
        assert_alike(&foreign, id, &unknown, &unknown_id);
        let code = foreign.text(&format!("/{mutation}/userErrors/0/code"));
        assert!(
            code == "NOT_FOUND" || (code == "INSUFFICIENT_AVAILABLE" && *mutation == "assignEntitlements"),
            "{mutation}: {code}"
        );
        assert_eq!(foreign.at(&format!("/{mutation}/userErrors/0/allowedActions")), &json!([]), "{mutation}");
    }
    assert_eq!(snapshot(&town).await, before);
}

/// What Alpha sees of its order.
async fn snapshot(town: &Town) -> Value {
    let query = "query ($id: ID!) { order(id: $id) { version entitlements { nodes {
        id version status reservation { version expiresAt } assignments { version status account { externalReference } }
    } } } }";
    town.alpha.key.query(query, json!({"id": town.placed.order})).await.at("/order").clone()
}

async fn foreign_events_are_not_delivered(app: App) {
    let town = Town::build(&app).await;
    let after = town.beta.key.feed_cursor().await;
    let query = "subscription ($after: Cursor, $filter: EventFilter) { events(after: $after, filter: $filter) { type order { id } } }";
    let filters = [
        json!(null),
        json!({"channelId": town.alpha.channel}),
        json!({"partnerId": town.alpha.partner}),
        json!({"entitlementId": town.held}),
    ];
    for filter in filters {
        let mut events = town.beta.key.subscribe(query, json!({"after": after, "filter": filter})).await;
        let reference = format!("a-{filter}").chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        town.alpha.redeem(town.placed.codes.last().expect("a code"), "ann").await.data();
        town.alpha.place(&reference, json!([{"sku": "A"}])).await;
        let own = town.beta.place(&reference, json!([{"sku": "A"}])).await;
        if filter.is_null() {
            let first = events.next().await;
            assert_eq!(first.at("/events/order/id"), &own.order, "its own comes, and nothing before it");
        } else {
            // A marker of its own passes no foreign filter either: the socket says it is alive and had nothing to say.
            events.stop().await;
        }
    }
    let mut redemptions = town
        .beta
        .key
        .subscribe(
            "subscription ($after: Cursor) { redemptions(after: $after, includeRejected: true) { order { id } } }",
            json!({"after": after}),
        )
        .await;
    let own = town.beta.place("last", json!([{"sku": "A"}])).await;
    town.beta.redeem(own.codes.first().expect("a code"), "bea").await.data();
    assert_eq!(redemptions.next().await.at("/redemptions/order/id"), &own.order);
}

async fn foreign_live_objects_are_not_found(app: App) {
    let town = Town::build(&app).await;
    let stranger = customer(&app, &town.beta, "bea").await;
    for (field, id) in [("orderUpdated", &town.placed.order), ("entitlementUpdated", &town.held)] {
        let query = format!("subscription ($id: ID!) {{ {field}(id: $id) {{ id }} }}");
        for client in [&town.beta.key, &stranger] {
            let unknown_id = unknown_like(id);
            let (mut foreign, mut unknown) = (
                client.subscribe(&query, json!({"id": id})).await,
                client.subscribe(&query, json!({"id": unknown_id})).await,
            );
            let (foreign, unknown) = (first_errors(&mut foreign).await, first_errors(&mut unknown).await);
            assert_eq!(foreign.code(), Some("NOT_FOUND"), "{field}: {:#}", foreign.body);
            assert_alike(&foreign, id, &unknown, &unknown_id);
        }
    }
}

/// The errors that an operation begins and ends with.
async fn first_errors(subscription: &mut crate::harness::Subscription) -> Answer {
    subscription.refused().await
}
