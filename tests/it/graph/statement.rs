//! Budgets: a query takes one statement a level, however many records the level has.
//!
//! What counts is the fewest statements of several runs, for the service's own loops run some of their own beside them.

use serde_json::{Value, json};

use super::shop_with_products;
use crate::harness::{App, Client, Shop, Test, both_engines, shop::Placed};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_order_takes_one_statement_a_level,
        a_page_of_orders_takes_as_many_statements_as_one,
        statistics_of_many_orders_take_one_statement,
        the_way_back_takes_one_statement_a_level,
        a_total_is_counted_once_for_all_parents,
    ]
}

const ORDER_GRAPH: &str = "query ($id: ID!) { order(id: $id) {
    externalReference channel { name } lines { quantity product { sku name } entitlements(first: 5) { nodes {
        id status expiresAt activationCode { lastFour status } assignments { status account { externalReference } }
    } } }
} }";

/// Order, channel, lines, products, units, codes, assignments, accounts.
const ORDER_GRAPH_LEVELS: u64 = 8;

async fn an_order_takes_one_statement_a_level(app: App) {
    let shop = shop_with_products(&app).await;
    for line_count in [1, 20] {
        let placed = large_order(&shop, &format!("large-{line_count}"), line_count).await;
        let variables = json!({"id": placed.order});
        let answer = shop.key.query(ORDER_GRAPH, variables.clone()).await;
        assert_eq!(answer.list("/order/lines").len(), line_count);
        let last = answer.at(&format!("/order/lines/{}/entitlements/nodes/2/assignments/0/account", line_count - 1));
        assert_eq!(last, &json!({"externalReference": format!("holder-{}", line_count - 1)}));
        let statements = fewest_statements(&app, &shop.key, ORDER_GRAPH, &variables, ORDER_GRAPH_LEVELS).await;
        assert!(statements <= ORDER_GRAPH_LEVELS, "{line_count} lines took {statements} statements");
    }
}

async fn a_page_of_orders_takes_as_many_statements_as_one(app: App) {
    let shop = shop_with_products(&app).await;
    for number in 0..5 {
        large_order(&shop, &format!("o-{number}"), 3).await;
    }
    let query = "query { orders(first: 5) { nodes {
        channel { partner { name } } buyerAccount { id } fulfillmentStatus lines { product { sku } policy { version }
            entitlements(first: 3) { nodes { activationCode { status } reservation { id } assignment { account { id } } } }
        } entitlements(first: 2) { totalCount nodes { id } } timeline(first: 2) { nodes { type } }
    } } }";
    assert_eq!(shop.key.query(query, json!({})).await.list("/orders/nodes").len(), 5);
    let statements = fewest_statements(&app, &shop.key, query, &json!({}), 15).await;
    // Orders, channels, partners, fulfilment, lines, products, policies, units, codes, holds, assignments, accounts, units, their number,
    // timelines.
    assert!(statements <= 15, "{statements} statements");
}

async fn statistics_of_many_orders_take_one_statement(app: App) {
    let shop = shop_with_products(&app).await;
    for number in 0..10 {
        shop.place(&format!("o-{number}"), json!([{"sku": "NOW", "quantity": 2}])).await;
    }
    let query = "query { orders(first: 10) { nodes { statistics { ordered unassigned } } } }";
    let answer = shop.key.query(query, json!({})).await;
    assert_eq!(answer.list("/orders/nodes").len(), 10);
    assert_eq!(answer.at("/orders/nodes/9/statistics"), &json!({"ordered": 2, "unassigned": 2}));
    let statements = fewest_statements(&app, &shop.key, query, &json!({}), 2).await;
    assert!(statements <= 2, "{statements} statements");
}

async fn the_way_back_takes_one_statement_a_level(app: App) {
    let shop = shop_with_products(&app).await;
    for number in 0..4 {
        large_order(&shop, &format!("o-{number}"), 2).await;
    }
    let query = "query { assignments(first: 20) { nodes {
        account { assignments(first: 3) { nodes { id } } orders(first: 3) { nodes { id } } reservations(first: 3) { nodes { id } } }
        entitlement { orderLine { order { channel { partner { name } } } } }
    } } }";
    assert_eq!(shop.key.query(query, json!({})).await.list("/assignments/nodes").len(), 20);
    let statements = fewest_statements(&app, &shop.key, query, &json!({}), 10).await;
    // Assignments, accounts, theirs, what they bought, what is held for them, units, lines, orders, channels, partners.
    assert!(statements <= 10, "{statements} statements");
}

async fn a_total_is_counted_once_for_all_parents(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = large_order(&shop, "o-1", 10).await;
    let with = "query ($id: ID!) { order(id: $id) { lines { entitlements(first: 1) { totalCount nodes { id } } } } }";
    let without = "query ($id: ID!) { order(id: $id) { lines { entitlements(first: 1) { nodes { id } } } } }";
    let variables = json!({"id": placed.order});
    assert_eq!(shop.key.query(with, variables.clone()).await.at("/order/lines/9/entitlements/totalCount"), 3);
    let without = fewest_statements(&app, &shop.key, without, &variables, 3).await;
    let with = fewest_statements(&app, &shop.key, with, &variables, 4).await;
    // The order, its lines, their units; and how many of those there are.
    assert_eq!((without, with), (3, 4));
}

/// An order of lines with three units each, all of them assigned, each line's to an account of its own.
async fn large_order(shop: &Shop, reference: &str, lines: usize) -> Placed {
    let lines: Vec<Value> = (0..lines)
        .map(|line| {
            let sku = if line % 2 == 0 { "NOW" } else { "LATER" };
            json!({"sku": sku, "quantity": 3, "assignTo": {"externalReference": format!("holder-{line}")}})
        })
        .collect();
    shop.place(reference, Value::from(lines)).await
}

/// How many statements the query takes, once one of several runs has taken `enough` or fewer; else the fewest of them.
async fn fewest_statements(app: &App, client: &Client, query: &str, variables: &Value, enough: u64) -> u64 {
    let mut fewest = u64::MAX;
    for _ in 0..40 {
        app.statements();
        client.query(query, variables.clone()).await.data();
        fewest = fewest.min(app.statements());
        if fewest <= enough {
            break;
        }
    }
    fewest
}
