//! How much one document may ask for, whatever it looks like: of pages, of itself, and of a node that keeps it.

use std::time::Duration;

use serde_json::json;

use super::{counted, shop};
use crate::harness::{App, Test, both_engines, eventually, visitor::Visitor};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_page_has_so_many_records,
        a_document_costs_what_it_costs_however_much,
        a_subscription_is_no_larger_than_a_node_keeps,
    ]
}

async fn a_page_has_so_many_records(app: App) {
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": 120}])).await;
    let secret = shop.key.secret().expect("a secret");
    let [short, long] = [3, 110].map(|size| app.node_with(move |config| config.limits.page = size));
    let (short, long) = (short.await, long.await);
    let listed = "query ($first: Int, $last: Int) { entitlements(first: $first, last: $last) { nodes { id } pageInfo { hasNextPage } } }";
    let nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    for (node, most, usual) in [(&app, 100, 20), (&short, 3, 3), (&long, 110, 20)] {
        let client = node.client(secret);
        for argument in ["first", "last"] {
            let page = client.query(listed, json!({ argument: most })).await;
            assert_eq!(page.list("/entitlements/nodes").len(), most);
            let past = client.query(listed, json!({ argument: most + 1 })).await;
            assert_eq!(past.code(), Some("BAD_USER_INPUT"), "{:#}", past.body);
            assert!(past.body.to_string().contains(&format!("between 0 and {most}")), "{:#}", past.body);
        }
        let page = client.query(listed, json!({})).await;
        assert_eq!(page.list("/entitlements/nodes").len(), usual);
        assert_eq!(page.at("/entitlements/pageInfo/hasNextPage"), true);
        let ids = vec![placed.order.as_str(); most + 1];
        assert_eq!(client.query(nodes, json!({"ids": ids})).await.code(), Some("BAD_USER_INPUT"));
        assert_eq!(client.query(nodes, json!({"ids": ids.get(1..)})).await.list("/nodes").len(), most);
    }
    // What is of the newest has its default all the same, and the console its lists.
    let unit = "query ($id: ID!) { entitlement(id: $id) { assignments { id } } }";
    let unit = short.client(secret).query(unit, json!({"id": placed.units.first()})).await;
    assert!(unit.list("/entitlement/assignments").is_empty());
    let mut visitor = Visitor::signed_in(short.address(), secret).await;
    visitor.open(&format!("/console/order/{}", placed.order)).await.says("Valid, and not used yet");
    let form = visitor.open("/console/query").await.form("/console/query");
    let asked = visitor.send(&form.with("query", "{ entitlements(first: 4) { nodes { id } } }")).await;
    asked.says("must be between 0 and 3");
}

async fn a_document_costs_what_it_costs_however_much(app: App) {
    let shop = shop(&app).await;
    // More than any number has room for, in one field and in the sum of several.
    let nested = |sizes: &[usize]| {
        let open = counted(sizes.len(), |level| {
            format!("{{ activationCodes(first: {}) {{ entitlement ", sizes.get(level).expect("a size"))
        });
        let unit = r#"entitlement(id: "ent_01h455vb4pex5vsknk084sn02q")"#;
        format!("{unit} {open} {{ id }} {}", "} }".repeat(sizes.len()))
    };
    let one = nested(&[10_000; 6]);
    let sum = counted(4, |number| format!("a{number}: {} ", nested(&[1_844, 10_000, 10_000, 10_000, 10_000])));
    // What is in fragments that nobody spreads is validated all the same.
    let field = "orders(first: 1) { totalCount } ";
    let unused = counted(60, |number| format!("fragment A{number} on Query {{ ...F }} "));
    let fragments = format!("fragment F on Query {{ {} }} {unused}", field.repeat(100));
    for document in [format!("{{ {one} }}"), format!("{{ {sum} }}"), format!("{{ viewer {{ role }} }} {fragments}")] {
        let refused = shop.key.query(&document, json!({})).await;
        assert_eq!(refused.code(), Some("QUERY_TOO_COMPLEX"), "{:#}", refused.body);
    }
}

async fn a_subscription_is_no_larger_than_a_node_keeps(app: App) {
    let shop = shop(&app).await;
    let document = "subscription ($filter: EventFilter) { events(filter: $filter) { type } }";
    let filler = "x".repeat(33 * 1024);
    let mut large = shop.key.subscribe(document, json!({"filter": {"orderId": filler}})).await;
    assert_eq!(large.refused().await.code(), Some("LIMIT_EXCEEDED"));
    // What the document does not declare is not kept.
    let variables = json!({"filter": {"types": ["ORDER_PLACED"]}, "undeclared": filler});
    let mut events = shop.key.subscribe(document, variables).await;
    shop.key.feed_cursor().await;
    let mut ordered = 0;
    let event = eventually("an event", async || {
        ordered += 1;
        shop.place(&format!("o-{ordered}"), json!([{"sku": "P", "quantity": 1}])).await;
        tokio::time::timeout(Duration::from_millis(500), events.next()).await.ok()
    });
    assert_eq!(event.await.at("/events/type"), "ORDER_PLACED");
}
