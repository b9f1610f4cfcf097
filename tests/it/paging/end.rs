//! The ends of a list, its total, and the pages that make no sense.

use serde_json::json;

use super::{List, Page, SELECTION, orders, product_id, shop_with_products, total};
use crate::harness::{App, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        each_of_several_parents_has_a_page_of_its_own,
        a_window_has_two_ends,
        the_default_page_has_twenty_nodes,
        a_page_of_nothing_knows_what_is_around_it,
        an_empty_list_has_no_ends,
        the_total_is_that_of_the_list_and_not_of_the_page,
        the_total_is_counted_only_where_it_is_asked_for,
        what_is_added_comes_at_the_end,
        a_page_that_makes_no_sense_is_refused,
        a_cursor_of_another_list_is_refused,
        an_event_s_cursor_must_be_one_of_the_journal,
    ]
}

async fn each_of_several_parents_has_a_page_of_its_own(app: App) {
    let shop = shop_with_products(&app).await;
    let quantities = [1, 2, 3, 5, 2];
    let mut placed = Vec::new();
    for (number, quantity) in quantities.into_iter().enumerate() {
        placed.push(shop.place(&format!("o-{number}"), json!([{"sku": "A", "quantity": quantity}])).await);
    }
    let query = |page: &str| {
        format!("{{ orders(first: 10) {{ nodes {{ entitlements({page}) {{ totalCount {SELECTION} }} }} }} }}")
    };
    for (arguments, forward) in [("first: 2", true), ("last: 2", false)] {
        let answer = shop.key.query(&query(arguments), json!({})).await;
        for (place, order) in placed.iter().enumerate() {
            let pointer = format!("/orders/nodes/{place}/entitlements");
            let page = Page::of(&answer, &pointer);
            let take = order.units.len().min(2);
            let from = if forward { 0 } else { order.units.len() - take };
            let expected: Vec<String> = order.units.iter().skip(from).take(take).cloned().collect();
            assert_eq!(page.ids, expected);
            let more = order.units.len() > 2;
            assert_eq!((page.has_next, page.has_previous), (more && forward, more && !forward));
            assert_eq!(answer.at(&format!("{pointer}/totalCount")), order.units.len());
        }
    }
    // The same cursor under every parent: what lies after it in each of them.
    let middle = placed.get(3).and_then(|order| order.units.get(2)).expect("a unit in the middle");
    let answer = shop.key.query(&query(&format!(r#"first: 2, after: "{middle}""#)), json!({})).await;
    let pages: Vec<Page> =
        (0..5).map(|place| Page::of(&answer, &format!("/orders/nodes/{place}/entitlements"))).collect();
    let sizes: Vec<usize> = pages.iter().map(|page| page.ids.len()).collect();
    assert_eq!(sizes, [0, 0, 0, 2, 2]);
    let behind: Vec<bool> = pages.iter().map(|page| page.has_previous).collect();
    assert_eq!(behind, [true, true, true, true, false]);
}

async fn a_window_has_two_ends(app: App) {
    let shop = shop_with_products(&app).await;
    let ids: Vec<String> = orders(&shop, 9).await.into_iter().map(|order| order.order).collect();
    let list = List::root("orders", "");
    let all = list.page(&shop.key, "first: 100").await;
    let cursor = |place: usize| all.cursors.get(place).expect("a cursor");
    let between = format!(r#"after: "{}", before: "{}""#, cursor(1), cursor(7));
    for (size, expected) in [("first: 3", 2..5), ("last: 3", 4..7), ("first: 100", 2..7), ("last: 100", 2..7)] {
        let page = list.page(&shop.key, &format!("{size} {between}")).await;
        assert_eq!(page.ids, ids.get(expected).expect("a range"), "{size}");
        if size.starts_with("first") {
            assert!(page.has_previous, "{size}");
            assert_eq!(page.has_next, size == "first: 3", "{size}");
        } else {
            assert!(page.has_next, "{size}");
            assert_eq!(page.has_previous, size == "last: 3", "{size}");
        }
    }
    let nothing = list.page(&shop.key, &format!(r#"first: 5, after: "{}", before: "{}""#, cursor(4), cursor(4))).await;
    assert!(nothing.ids.is_empty());
}

async fn the_default_page_has_twenty_nodes(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 25}])).await;
    let list = List::root("entitlements", "filter: { status: [UNASSIGNED] }");
    let page = list.page(&shop.key, "").await;
    assert_eq!(page.ids, placed.units.get(..20).expect("a page"));
    assert!(page.has_next && !page.has_previous);
    let middle = page.cursors.get(10).expect("a cursor");
    let page = list.page(&shop.key, &format!(r#"before: "{middle}""#)).await;
    assert_eq!(page.ids, placed.units.get(..10).expect("a page"), "the page before a cursor ends at it");
}

async fn a_page_of_nothing_knows_what_is_around_it(app: App) {
    let shop = shop_with_products(&app).await;
    orders(&shop, 2).await;
    let list = List::root("orders", "");
    let none = list.page(&shop.key, "first: 0").await;
    assert!(none.ids.is_empty() && none.has_next && !none.has_previous);
    let none = list.page(&shop.key, "last: 0").await;
    assert!(none.ids.is_empty() && !none.has_next && none.has_previous);
    let all = list.page(&shop.key, "first: 2").await;
    let end = all.end.expect("a cursor");
    let after = list.page(&shop.key, &format!(r#"first: 2, after: "{end}""#)).await;
    assert!(after.ids.is_empty() && !after.has_next && after.has_previous);
}

async fn an_empty_list_has_no_ends(app: App) {
    let shop = shop_with_products(&app).await;
    let none = Page { ids: vec![], cursors: vec![], has_next: false, has_previous: false, start: None, end: None };
    for field in ["orders", "entitlements", "assignments", "redemptionAttempts", "exceptions"] {
        for arguments in ["first: 5", "last: 5"] {
            assert_eq!(List::root(field, "").page(&shop.key, arguments).await, none, "{field}");
        }
        assert_eq!(total(&shop.key, field, "").await, 0, "{field}");
    }
}

async fn the_total_is_that_of_the_list_and_not_of_the_page(app: App) {
    let shop = shop_with_products(&app).await;
    orders(&shop, 5).await;
    let of_b = product_id(&shop.key, "B").await;
    assert_eq!(total(&shop.key, "orders", "(first: 2)").await, 5);
    assert_eq!(total(&shop.key, "orders", "(first: 0)").await, 5);
    assert_eq!(total(&shop.key, "orders", &format!(r#"(filter: {{ productId: "{of_b}" }})"#)).await, 2);
    let list = List::root("orders", "");
    let end = list.page(&shop.key, "first: 4").await.end.expect("a cursor");
    assert_eq!(total(&shop.key, "orders", &format!(r#"(first: 1, after: "{end}")"#)).await, 5);
}

async fn the_total_is_counted_only_where_it_is_asked_for(app: App) {
    let shop = shop_with_products(&app).await;
    orders(&shop, 3).await;
    let mut fewest = [u64::MAX; 3];
    for _ in 0..15 {
        for (query, fewest) in [
            "{ orders(first: 2) { nodes { id } } }",
            "{ orders(first: 2) { totalCount nodes { id } } }",
            "{ orders(first: 2) { totalCount @skip(if: true) nodes { id } } }",
        ]
        .into_iter()
        .zip(&mut fewest)
        {
            app.statements();
            shop.key.query(query, json!({})).await.data();
            *fewest = app.statements().min(*fewest);
        }
    }
    let [without, with, skipped] = fewest;
    assert_eq!((with, skipped), (without + 1, without));
}

async fn what_is_added_comes_at_the_end(app: App) {
    let shop = shop_with_products(&app).await;
    orders(&shop, 4).await;
    let list = List::root("orders", "");
    let end = list.page(&shop.key, "first: 4").await.end.expect("a cursor");
    let added = shop.place("later", json!([{"sku": "A"}])).await;
    let page = list.page(&shop.key, &format!(r#"first: 4, after: "{end}""#)).await;
    assert_eq!(page.ids, [added.order]);
    assert!(page.has_previous && !page.has_next);
}

async fn a_page_that_makes_no_sense_is_refused(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A"}])).await;
    let order = &placed.order;
    let lists = [
        "orders(@) { nodes { id } }".to_owned(),
        "entitlements(@) { nodes { id } }".to_owned(),
        "assignments(@) { nodes { id } }".to_owned(),
        "products(@) { nodes { id } }".to_owned(),
        "channels(@) { nodes { id } }".to_owned(),
        "partners(@) { nodes { id } }".to_owned(),
        "redemptionAttempts(@) { nodes { id } }".to_owned(),
        "exceptions(@) { nodes { id } }".to_owned(),
        format!(r#"order(id: "{order}") {{ entitlements(@) {{ nodes {{ id }} }} }}"#),
    ];
    let pages = [
        "first: -1",
        "last: -1",
        "first: 101",
        "last: 101",
        "first: 2147483647",
        "first: 1, last: 1",
        r#"first: 1, after: "garbage""#,
        r#"last: 1, before: """#,
        r#"first: 1, after: "ord_x""#,
    ];
    for list in &lists {
        for page in pages {
            let answer = shop.key.query(&format!("{{ {} }}", list.replace('@', page)), json!({})).await;
            assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{list} with {page}: {:#}", answer.body);
            assert_eq!(answer.errors().len(), 1, "{list} with {page}");
        }
    }
    for page in ["first: -1", "last: 101", "first: 1, last: 1"] {
        let answer = shop.key.query(&format!("{{ events({page}) {{ nodes {{ id }} }} }}"), json!({})).await;
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{page}");
    }
    for first in [-1, 101] {
        let query = format!(
            r#"{{ entitlement(id: "{}") {{ activationCodes(first: {first}) {{ id }} }} }}"#,
            placed.units.concat()
        );
        assert_eq!(shop.key.query(&query, json!({})).await.code(), Some("BAD_USER_INPUT"));
    }
}

async fn a_cursor_of_another_list_is_refused(app: App) {
    let shop = shop_with_products(&app).await;
    orders(&shop, 2).await;
    let of_orders = List::root("orders", "").page(&shop.key, "first: 1").await.end.expect("a cursor");
    let of_units = List::root("entitlements", "").page(&shop.key, "first: 1").await.end.expect("a cursor");
    let of_journal = shop.key.feed_cursor().await;
    for (list, cursor) in
        [("orders", &of_units), ("entitlements", &of_orders), ("orders", &of_journal), ("products", &of_units)]
    {
        for page in ["first: 1, after", "last: 1, before"] {
            let answer =
                shop.key.query(&format!(r#"{{ {list}({page}: "{cursor}") {{ nodes {{ id }} }} }}"#), json!({})).await;
            assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{list} {page}");
        }
    }
}

async fn an_event_s_cursor_must_be_one_of_the_journal(app: App) {
    let shop = shop_with_products(&app).await;
    orders(&shop, 1).await;
    let of_orders = List::root("orders", "").page(&shop.key, "first: 1").await.end.expect("a cursor");
    for (cursor, code) in [
        ("garbage", "CURSOR_INVALID"),
        ("", "CURSOR_INVALID"),
        (of_orders.as_str(), "CURSOR_INVALID"),
        ("AAAAAAAAAAAAAAAAAAAAAA", "CURSOR_EXPIRED"),
    ] {
        let answer = shop
            .key
            .query("query ($after: String) { events(after: $after) { nodes { id } } }", json!({"after": cursor}))
            .await;
        assert_eq!(answer.code(), Some(code), "{cursor}");
    }
}
