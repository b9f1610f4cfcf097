//! Many who ask the same: one execution serves them, and each gets everything once and in order, whenever it joins.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{EVENTS, next, now, place_and_read, shop, text};
use crate::harness::{App, Client, Shop, Subscription, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        one_question_is_answered_once_for_all,
        whoever_joins_late_misses_nothing_and_gets_nothing_twice,
        a_cursor_in_the_text_and_one_in_a_variable_lead_to_the_same_place,
        those_of_other_rights_do_not_share,
        a_burst_comes_to_all_as_the_newest_state,
        a_crowd_that_comes_back_at_once_reads_the_journal_once,
    ]
}

/// As many as a page, and a few.
const CROWD: usize = 40;

async fn crowd(client: &Client, document: &str, variables: &Value) -> Vec<Subscription> {
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(client.subscribe(document, variables.clone()).await);
    }
    crowd
}

async fn one_question_is_answered_once_for_all(app: App) {
    let shop = shop(&app).await;
    let placed = place_and_read(&shop, "o-1", json!([{"sku": "A", "quantity": 2}])).await;
    let variables = json!({"after": now(&shop.key).await, "filter": {"types": ["CODE_REDEEMED"]}});
    let mut listeners = crowd(&shop.key, EVENTS, &variables).await;
    // Another key of the same partner may see the same.
    let partner = json!({"partnerId": shop.partner});
    listeners.extend(crowd(&app.key("PARTNER", partner).await, EVENTS, &variables).await);
    shop.redeem(placed.codes.first().expect("a code"), "ann").await.data();
    for listener in &mut listeners {
        next(listener, "events").await;
    }
    app.statements();
    shop.redeem(placed.codes.last().expect("a code"), "ann").await.data();
    for listener in &mut listeners {
        next(listener, "events").await;
    }
    let statements = app.statements();
    assert!(statements < 60, "{statements} statements for one event and {} who listen", listeners.len());
}

async fn whoever_joins_late_misses_nothing_and_gets_nothing_twice(app: App) {
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 30}])).await;
    let filter = json!({"types": ["CODE_REDEEMED"]});
    let start = json!({"after": now(&shop.key).await, "filter": filter});
    let mut steady = shop.key.subscribe(EVENTS, start).await;
    let (mut seen, mut late) = (Vec::new(), Vec::new());
    for code in &placed.codes {
        shop.redeem(code, "ann").await.data();
        seen.push(next(&mut steady, "events").await);
        let cursor = text(seen.last().expect("an event"), "/cursor");
        late.push(shop.key.subscribe(EVENTS, json!({"after": cursor, "filter": filter})).await);
    }
    for (place, mut listener) in late.into_iter().enumerate() {
        for expected in seen.iter().skip(place + 1) {
            assert_eq!(next(&mut listener, "events").await, *expected, "{place}");
        }
    }
}

async fn a_cursor_in_the_text_and_one_in_a_variable_lead_to_the_same_place(app: App) {
    let shop = shop(&app).await;
    let cursor = now(&shop.key).await;
    shop.place("o-1", json!([{"sku": "A"}])).await;
    let by_variable = "subscription ($c: Cursor!) { events(after: $c) { type } }";
    let by_default = format!("subscription ($c: Cursor = \"{cursor}\") {{ events(after: $c) {{ type }} }}");
    let in_text =
        format!("subscription {{ ...F }} fragment F on Subscription {{ events(after: \"{cursor}\") {{ type }} }}");
    for (document, variables) in [
        (by_variable, json!({"c": cursor})),
        (&*by_default, json!({})),
        (&*in_text, json!({})),
        (by_variable, json!({"c": cursor})),
    ] {
        let mut events = shop.key.subscribe(document, variables).await;
        assert_eq!(next(&mut events, "events").await, json!({"type": "ORDER_PLACED"}), "{document}");
    }
    let mut malformed = shop.key.subscribe(by_variable, json!({"c": 7})).await;
    assert_eq!(malformed.refused().await.code(), Some("BAD_USER_INPUT"));
}

async fn those_of_other_rights_do_not_share(app: App) {
    let shop = shop(&app).await;
    let other = Shop::open(&app, "Beta").await;
    let cursor = now(&app.admin()).await;
    let mut listeners = [
        (shop.key.subscribe(EVENTS, json!({"after": cursor})).await, vec!["ours"]),
        (other.key.subscribe(EVENTS, json!({"after": cursor})).await, vec!["theirs"]),
        (app.admin().subscribe(EVENTS, json!({"after": cursor})).await, vec!["ours", "theirs"]),
    ];
    shop.place("ours", json!([{"sku": "A"}])).await;
    other.place("theirs", json!([{"sku": "A"}])).await;
    for (listener, references) in &mut listeners {
        for reference in references {
            assert_eq!(text(&next(listener, "events").await, "/order/externalReference"), *reference);
        }
    }
}

async fn a_burst_comes_to_all_as_the_newest_state(app: App) {
    let shop = shop(&app).await;
    let placed = place_and_read(&shop, "o-1", json!([{"sku": "A", "quantity": 20}])).await;
    let query = "subscription ($id: ID!) { orderUpdated(id: $id) { statistics { active } } }";
    let mut listeners = crowd(&shop.key, query, &json!({"id": placed.order})).await;
    for listener in &mut listeners {
        assert_eq!(next(listener, "orderUpdated").await, json!({"statistics": {"active": 0}}));
    }
    for code in &placed.codes {
        shop.redeem(code, "ann").await.data();
    }
    for listener in &mut listeners {
        let mut before = 0;
        while before < 20 {
            let active = next(listener, "orderUpdated").await.pointer("/statistics/active").and_then(Value::as_i64);
            let active = active.expect("a number");
            assert!(active >= before, "{active} after {before}");
            before = active;
        }
    }
}

async fn a_crowd_that_comes_back_at_once_reads_the_journal_once(app: App) {
    let shop = shop(&app).await;
    let placed = place_and_read(&shop, "o-1", json!([{"sku": "A", "quantity": 20}])).await;
    let filter = json!({"types": ["CODE_REDEEMED"]});
    let start = json!({"after": now(&shop.key).await, "filter": filter});
    let secret = shop.key.secret().expect("a secret");
    let (before, away) = placed.codes.split_at(5);

    let node = app.second_node().await;
    let mut listeners = crowd(&node.client(secret), EVENTS, &start).await;
    for code in before {
        shop.redeem(code, "ann").await.data();
    }
    // Each has had some, and all lose the node at once.
    let mut cursors = Vec::new();
    for (place, listener) in listeners.iter_mut().enumerate() {
        let mut cursor = String::new();
        for _ in 0..=place % before.len() {
            text(&next(listener, "events").await, "/cursor").clone_into(&mut cursor);
        }
        cursors.push((place % before.len(), cursor));
    }
    node.stop();
    for code in away {
        shop.redeem(code, "ann").await.data();
    }

    let node = app.second_node().await;
    node.statements();
    let client = node.client(secret);
    let back = cursors.iter().map(|(_, cursor)| json!({"after": cursor, "filter": filter}));
    let mut listeners = join_all(back.map(|variables| client.subscribe(EVENTS, variables))).await;
    let whole = shop.key.query("{ redemptionAttempts(first: 20) { nodes { entitlement { id } } } }", json!({})).await;
    let whole: Vec<_> =
        whole.list("/redemptionAttempts/nodes").iter().map(|node| text(node, "/entitlement/id")).collect();
    for (listener, (had, _)) in listeners.iter_mut().zip(&cursors) {
        for expected in whole.iter().skip(had + 1) {
            assert_eq!(text(&next(listener, "events").await, "/entitlement/id"), *expected);
        }
    }
    // Each event is answered once, whoever resumes from where: at most three statements each, and the loops' own.
    let statements = node.statements();
    assert!(statements < 150, "{statements} statements for twenty events and {CROWD} who come back");
}
