//! What stands in the records after an import: the first one, another one with more lines, and one that differs.

use claimcheck::{
    domain::{
        self, Actor,
        order::import::{Import, Legacy, Row, import as import_orders},
    },
    entity::channel,
};
use sea_orm::{EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use super::{ALL, HEADER, MAKE, ask, import, import_text, order, rows, verified};
use crate::harness::{Answer, App, Database, Shop, Test, both_engines, desk::cancel, program::Program, shop::product};

pub fn tests() -> Vec<Test> {
    both_engines![
        imported_units_stand_as_they_stood,
        accounts_are_those_of_the_channels_namespace,
        added_lines_are_imported,
        an_order_that_differs_is_left_alone_and_reported_once,
        an_order_that_agrees_again_needs_no_decision,
        another_difference_is_told_as_well,
        a_cancelled_order_gains_nothing,
        an_import_and_a_cancellation_at_once,
        every_difference_is_a_mismatch,
        an_order_placed_here_is_not_imported_over,
        subscribers_are_told_of_an_import,
    ]
}

async fn imported_units_stand_as_they_stood(app: App) {
    let policy =
        json!({"provisioning": "EXTERNAL", "requiredInput": ["seat"], "maxPerAccount": 1, "validForDays": 36500});
    product(&app, "S1", policy).await;
    let text = format!("{ALL}\nA,S1,,2,9.99,2010-12-01 08:26:00,Zoë,zoe@example.com,u-1,room 7\nA,S1,,3,0.01,,,,,\n")
        .replace(",0.01,,", ",0.01,2010-12-02,");
    assert_eq!(import_text(app.database(), &text), [1, 2, 5, 0, 0, 0]);
    let seen = order(
        &app,
        "A",
        "status source placedAt fulfillmentStatus buyer { name email } buyerAccount { id } total { amount currencyCode }
         lines { mode quantity unitPrice { amount } entitlements(first: 5) { nodes {
            status issuedAt expiresAt activationCodes(first: 1) { id } reservation { id } redemptionAttempts(first: 1) { id }
            assignment { status method resource assignedAt activatedAt deadline missingInput attempts(first: 1) { id }
                account { externalReference } }
         } } }
         timeline(first: 5) { nodes { type quantity actor occurredAt order { externalReference } entitlement { id } } }",
    )
    .await;
    let own = |at: &str| seen.pointer(at).cloned().unwrap_or_default();
    assert_eq!(
        [own("/status"), own("/source"), own("/fulfillmentStatus")],
        ["CONFIRMED", "LEGACY", "PARTIALLY_FULFILLED"]
    );
    assert_eq!(own("/placedAt"), "2010-12-01T08:26:00Z");
    assert_eq!(own("/buyer"), json!({"name": "Zoë", "email": "zoe@example.com"}));
    assert_eq!((own("/buyerAccount"), own("/total/amount")), (Value::Null, json!("20.01")));

    let lines = seen.pointer("/lines").and_then(Value::as_array).expect("lines");
    let line = |mode: &str| lines.iter().find(|line| line.get("mode") == Some(&json!(mode))).expect("a line");
    let units = |mode| line(mode).pointer("/entitlements/nodes").and_then(Value::as_array).expect("units");
    assert_eq!((units("COUPLED").len(), units("DECOUPLED").len()), (2, 3));
    for unit in units("DECOUPLED") {
        assert_eq!(
            unit,
            &json!({
                "status": "UNASSIGNED", "issuedAt": "2010-12-01T08:26:00Z", "expiresAt": "2110-11-07T08:26:00Z",
                "activationCodes": [], "reservation": null, "redemptionAttempts": [], "assignment": null,
            })
        );
    }
    for unit in units("COUPLED") {
        assert_eq!(unit.get("status"), Some(&json!("ACTIVE")));
        assert_eq!(
            unit.get("assignment"),
            Some(&json!({
                "status": "ACTIVE", "method": "IMPORT", "resource": "room 7", "assignedAt": "2010-12-01T08:26:00Z",
                "activatedAt": "2010-12-01T08:26:00Z", "deadline": null, "missingInput": [], "attempts": [],
                "account": {"externalReference": "u-1"},
            }))
        );
    }
    let timeline = seen.pointer("/timeline/nodes").and_then(Value::as_array).expect("a timeline");
    assert_eq!(timeline.len(), 1, "one event an order: {timeline:?}");
    assert_eq!((own("/timeline/nodes/0/type"), own("/timeline/nodes/0/quantity")), (json!("ORDER_IMPORTED"), json!(5)));
    assert_eq!(own("/timeline/nodes/0/actor"), "system:import");
    verified(app.database());
}

async fn accounts_are_those_of_the_channels_namespace(app: App) {
    let shop = Shop::open(&app, "web").await;
    product(&app, "S1", json!({})).await;
    shop.place("native", json!([{"sku": "S1", "assignTo": {"externalReference": "u-1", "email": "u1@example.com"}}]))
        .await;
    let text = format!("{ALL}\nA,S1,,1,1,2010-12-01,,,u-1,\nB,S1,,1,1,2010-12-01,,,u-2,\nC,S1,,1,1,2010-12-01,,, ,\n");
    assert_eq!(import_text(app.database(), &text), [3, 3, 3, 0, 0, 0]);
    let accounts = "query ($partner: ID!) {
        known: accountByReference(externalReference: \"u-1\", partnerId: $partner) { email assignments { totalCount } }
        new: accountByReference(externalReference: \"u-2\", partnerId: $partner) { email assignments { totalCount } }
        house: accountByReference(externalReference: \"u-1\") { id } }";
    let seen = ask(&app, accounts, json!({"partner": shop.partner})).await;
    let expected = json!({
        "known": {"email": "u1@example.com", "assignments": {"totalCount": 2}},
        "new": {"email": null, "assignments": {"totalCount": 1}},
        "house": null,
    });
    assert_eq!(seen, expected);
    verified(app.database());
}

const EXCEPTIONS: &str = "{ exceptions(first: 10, filter: { kind: [IMPORT_MISMATCH] }) {
    nodes { status reason order { externalReference } entitlement { id } } } }";

async fn mismatches(app: &App) -> Vec<Value> {
    let found = ask(app, EXCEPTIONS, json!({})).await;
    found.pointer("/exceptions/nodes").and_then(Value::as_array).expect("exceptions").clone()
}

async fn added_lines_are_imported(app: App) {
    let database = app.database();
    let first =
        format!("{ALL}\nA,S1,,1,1.50,2010-12-01,,,u-1,\nA,S1,,1,1.50,2010-12-01,,,u-1,\nB,S1,,1,1,2010-12-01,,,,\n");
    assert_eq!(import_text(database, &first), [2, 3, 3, 0, 0, 0]);
    let more = format!(
        "{ALL}\nA,S2,,5,2,2010-12-01,,,u-1,\nA,S1,,1,1.50,2010-12-01,,,u-1,\nA,S1,,1,1.5,2010-12-01,,,u-1,\nA,S1,,1,1.50,2010-12-01,,,u-1,\nB,S1,,1,1,2010-12-01,,,,\n"
    );
    assert_eq!(import_text(database, &more), [0, 2, 6, 0, 1, 0]);
    let seen = order(
        &app,
        "A",
        "version total { amount } statistics { ordered active } lines { quantity } timeline { nodes { quantity } }",
    )
    .await;
    assert_eq!(seen.pointer("/statistics"), Some(&json!({"ordered": 8, "active": 8})));
    assert_eq!(seen.pointer("/total/amount"), Some(&json!("14.50")));
    assert_eq!(seen.pointer("/timeline/nodes"), Some(&json!([{"quantity": 2}, {"quantity": 6}])));
    assert_eq!(import_text(database, &more), [0, 0, 0, 0, 2, 0]);
    assert_eq!(mismatches(&app).await, Vec::<Value>::new());
    verified(database);
}

async fn an_order_that_differs_is_left_alone_and_reported_once(app: App) {
    let database = app.database();
    let two = format!("{ALL}\nA,S1,,1,1,2010-12-01,,,,\nA,S2,,2,1,2010-12-01,,,,\nB,S1,,1,1,2010-12-01,,,,\n");
    assert_eq!(import_text(database, &two), [2, 3, 4, 0, 0, 0]);
    let one = format!("{ALL}\nA,S1,,1,1,2010-12-01,,,,\nA,S3,,7,1,2010-12-01,,,,\nB,S1,,1,1,2010-12-01,,,,\n");
    for _ in 0..2 {
        assert_eq!(import_text(database, &one), [0, 0, 0, 0, 1, 1]);
        let found = mismatches(&app).await;
        let expected = json!([{
            "status": "OPEN", "reason": "the order was imported again and 1 of its stored lines are not in the file",
            "order": {"externalReference": "A"}, "entitlement": null,
        }]);
        assert_eq!(json!(found), expected);
    }
    let seen = order(&app, "A", "statistics { ordered openExceptions } timeline { nodes { type } }").await;
    let expected = json!({
        "statistics": {"ordered": 3, "openExceptions": 1},
        "timeline": {"nodes": [{"type": "ORDER_IMPORTED"}, {"type": "EXCEPTION_OPENED"}]},
    });
    assert_eq!(seen, expected);
    let arguments = [&["import", "orders", "orders.csv", "--channel", "web"], MAKE].concat();
    let said = Program::over(database).run(&arguments).answer();
    assert!(
        said.starts_with("order A differs from what is stored and was left alone: 1 of its stored lines"),
        "{said}"
    );
    verified(database);
}

/// The reason and the resolution of each exception, newest first.
async fn settled(app: &App) -> Vec<Value> {
    let query = "{ exceptions { nodes { reason resolution } } }";
    let found = ask(app, query, json!({})).await;
    let nodes = found.pointer("/exceptions/nodes").and_then(Value::as_array).expect("exceptions");
    nodes.iter().map(|one| json!([one.get("reason"), one.get("resolution")])).collect()
}

async fn an_order_that_agrees_again_needs_no_decision(app: App) {
    let database = app.database();
    let first = format!("{ALL}\nA,S1,,1,1,2010-12-01,,,,\nB,S1,,1,1,2010-12-01,,,,\n");
    let other = first.replace("S1,,1,", "S1,,2,");
    let more = format!("{first}B,S2,,3,1,2010-12-01,,,,\n");
    assert_eq!(import_text(database, &first), [2, 2, 2, 0, 0, 0]);
    assert_eq!(import_text(database, &other), [0, 0, 0, 0, 0, 2]);
    assert_eq!(import_text(database, &more), [0, 1, 3, 0, 1, 0]);
    let found = mismatches(&app).await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|one| one.get("status") == Some(&json!("RESOLVED"))), "{found:?}");
    let settled = settled(&app).await;
    assert!(settled.iter().all(|one| one.get(1) == Some(&json!("SUPERSEDED"))), "{settled:?}");
    verified(database);
}

async fn another_difference_is_told_as_well(app: App) {
    let database = app.database();
    let row = |quantity: u32, buyer: &str| format!("{ALL}\nA,S1,,{quantity},1,2010-12-01,{buyer},,,\n");
    import_text(database, &row(1, "Ann"));
    for text in [row(2, "Ann"), row(1, "Bob"), row(1, "Bob")] {
        assert_eq!(import_text(database, &text), [0, 0, 0, 0, 0, 1]);
    }
    let again = "the order was imported again and";
    let expected = [
        json!([format!("{again} its buyer's name is not the stored one"), null]),
        json!([format!("{again} 1 of its stored lines are not in the file"), "SUPERSEDED"]),
    ];
    let mut found = settled(&app).await;
    found.sort_by_key(|one| one.get(1) != Some(&Value::Null));
    assert_eq!(found, expected);
    verified(database);
}

async fn cancel_imported(app: &App, reference: &str) -> Answer {
    let id = order(app, reference, "id").await.get("id").cloned();
    cancel(&app.admin(), id.as_ref().and_then(Value::as_str).expect("an id"), json!({})).await
}

async fn a_cancelled_order_gains_nothing(app: App) {
    let database = app.database();
    let first = format!("{HEADER}\na3,S1,2,1,2010-12-01\n");
    assert_eq!(import_text(database, &first), [1, 1, 2, 0, 0, 0]);
    cancel_imported(&app, "a3").await.done();
    let more = format!("{first}a3,S1,5,1,2010-12-01\n");
    assert_eq!(import_text(database, &more), [0, 0, 0, 0, 0, 1]);
    let found = mismatches(&app).await;
    let reason = found.first().and_then(|one| one.get("reason"));
    assert_eq!(reason, Some(&json!("the order was imported again and it was cancelled")));
    let seen = order(&app, "a3", "status statistics { ordered unassigned }").await;
    assert_eq!(seen, json!({"status": "CANCELLED", "statistics": {"ordered": 2, "unassigned": 0}}));
    assert_eq!(import_text(database, &first), [0, 0, 0, 0, 1, 0], "the same file changes nothing");
    verified(database);
    app.assert_sound().await;
}

async fn an_import_and_a_cancellation_at_once(app: App) {
    import_text(
        app.database(),
        &format!("{HEADER}\n{}", rows(0..20, |number| format!("A{number},S1,2,1,2010-12-01\n"))),
    );
    let connection = app.db().await;
    let channel = channel::Entity::find().filter(channel::COLUMN.name.eq("web")).one(&connection).await;
    connection.close().await.expect("an orderly end");
    let (channel, actor) = (channel.expect("channels").expect("a channel"), Actor::system("import"));
    for number in 0..20 {
        let row = |quantity| Row {
            sku: "S1".to_owned(),
            quantity,
            unit_price: "1".parse().ok(),
            placed_at: "2010-12-01T00:00:00Z".parse().ok(),
            buyer_name: None,
            buyer_email: None,
            assign_to: None,
            resource: None,
        };
        let external_reference = format!("A{number}");
        let orders = [Legacy { external_reference: external_reference.clone(), rows: vec![row(2), row(5)] }];
        let command =
            Import { channel: &channel, namespace: channel.partner_id, currency: Some("GBP"), orders: &orders };
        let (imported, cancelled) = tokio::join!(
            domain::once(app.store(), &actor, &command, import_orders),
            cancel_imported(&app, &external_reference)
        );
        let imported = imported.expect("an import");
        assert_eq!(imported.units + 5 * imported.mismatched.len(), 5, "one or the other");
        cancelled.done();
    }
    let seen = ask(&app, "{ statistics { unassigned } }", json!({})).await;
    assert_eq!(seen, json!({"statistics": {"unassigned": 0}}));
    app.assert_sound().await;
}

async fn every_difference_is_a_mismatch(database: Database) {
    let stored = "A,S1,,2,1.50,2010-12-01,Ann,ann@example.com,u-1,room 7";
    let differing = [
        "A,S2,,2,1.50,2010-12-01,Ann,ann@example.com,u-1,room 7",
        "A,S1,,3,1.50,2010-12-01,Ann,ann@example.com,u-1,room 7",
        "A,S1,,2,1.51,2010-12-01,Ann,ann@example.com,u-1,room 7",
        "A,S1,,2,1.50,2010-12-02,Ann,ann@example.com,u-1,room 7",
        "A,S1,,2,1.50,2010-12-01,Bob,ann@example.com,u-1,room 7",
        "A,S1,,2,1.50,2010-12-01,Ann,,u-1,room 7",
        "A,S1,,2,1.50,2010-12-01,Ann,ann@example.com,u-2,room 7",
        "A,S1,,2,1.50,2010-12-01,Ann,ann@example.com,,room 7",
        "A,S1,,2,1.50,2010-12-01,Ann,ann@example.com,u-1,",
    ];
    assert_eq!(import_text(&database, &format!("{ALL}\n{stored}\n")), [1, 1, 2, 0, 0, 0]);
    for row in differing {
        assert_eq!(import_text(&database, &format!("{ALL}\n{row}\n")), [0, 0, 0, 0, 0, 1], "{row}");
    }
    assert_eq!(import_text(&database, &format!("{ALL}\n{stored}\n")), [0, 0, 0, 0, 1, 0]);
    let dollars = ["--create-products", "--currency", "USD"];
    assert_eq!(import(&database, &["orders.csv"], &dollars), [0, 0, 0, 0, 0, 1]);
    let renamed = format!("{ALL}\n{}\n", stored.replace("S1,", "S1,Renamed"));
    assert_eq!(import_text(&database, &renamed), [0, 0, 0, 0, 1, 0], "a product's name is no term of an order");
}

async fn an_order_placed_here_is_not_imported_over(app: App) {
    let shop = Shop::open(&app, "web").await;
    product(&app, "S1", json!({})).await;
    shop.place("A", json!([{"sku": "S1"}])).await;
    let text = "external_reference,sku,quantity\nA,S1,1\nB,S1,1\n";
    assert_eq!(import_text(app.database(), text), [1, 1, 1, 0, 0, 1]);
    assert_eq!(mismatches(&app).await.len(), 1);
}

async fn subscribers_are_told_of_an_import(app: App) {
    let admin = app.admin();
    let document = "subscription ($after: Cursor) { events(after: $after, filter: { types: [ORDER_IMPORTED] }) {
        order { externalReference } quantity } }";
    let mut events = admin.subscribe(document, json!({"after": admin.feed_cursor().await})).await;
    let rows = rows(0..700, |number| format!("A{number},S1,2,1,2010-12-01\n"));
    assert_eq!(import_text(app.database(), &format!("{HEADER}\n{rows}")), [700, 700, 1400, 0, 0, 0]);
    for number in 0..700 {
        let event = events.next().await;
        assert_eq!(event.text("/events/order/externalReference"), format!("A{number}"));
        assert_eq!(event.number("/events/quantity"), 2);
    }
    app.assert_sound().await;
}
