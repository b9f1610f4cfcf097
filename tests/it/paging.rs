//! Pages: whichever way a list is walked, each of its records comes once, in the one order, and the ends are known as such.

mod end;

use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines, eventually,
    shop::{self, Placed},
};

pub fn tests() -> Vec<Test> {
    [
        both_engines![
            orders_are_walked_both_ways,
            units_are_walked_both_ways,
            units_are_walked_both_ways_under_every_filter,
            events_are_walked_both_ways,
            an_event_s_edge_leads_into_the_subscription,
            catalogue_and_keys_are_walked_both_ways,
            an_account_s_assignments_are_walked_both_ways,
            units_sold_and_held_are_walked_once,
            orders_of_a_subtree_are_walked_once,
        ],
        end::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A connection: a document in which `@` stands for the arguments of a page and `#` for what is selected, and where to find it.
struct List {
    document: String,
    pointer: String,
}

const SELECTION: &str =
    "edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";

impl List {
    /// A list at the root, by the arguments that it has beside those of a page.
    fn root(field: &str, arguments: &str) -> Self {
        Self { document: format!("{{ {field}(@ {arguments}) {{ # }} }}"), pointer: format!("/{field}") }
    }

    /// A list of a record.
    fn of(id: &str, kind: &str, field: &str, arguments: &str) -> Self {
        Self {
            document: format!(r#"{{ node(id: "{id}") {{ ... on {kind} {{ {field}(@ {arguments}) {{ # }} }} }} }}"#),
            pointer: format!("/node/{field}"),
        }
    }

    async fn page(&self, client: &Client, arguments: &str) -> Page {
        let document = self.document.replace('@', arguments).replace('#', SELECTION);
        Page::of(&client.query(&document, json!({})).await, &self.pointer)
    }

    /// Walks the list in pages of `size` and gives all ids, in the order of the list.
    async fn walk(&self, client: &Client, size: usize, forward: bool) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let from =
                cursor.as_ref().map(|cursor| format!(r#"{}: "{cursor}""#, if forward { "after" } else { "before" }));
            let arguments = format!("{}: {size} {}", if forward { "first" } else { "last" }, from.unwrap_or_default());
            let page = self.page(client, &arguments).await;
            let (more, came_from) =
                if forward { (page.has_next, page.has_previous) } else { (page.has_previous, page.has_next) };
            assert_eq!(came_from, cursor.is_some(), "where a page came from is known: {page:?}");
            assert!(page.ids.len() <= size, "{page:?}");
            if more {
                assert_eq!(page.ids.len(), size, "only the last page is short: {page:?}");
            }
            cursor = if forward { page.end } else { page.start };
            if forward {
                ids.extend(page.ids);
            } else {
                ids.splice(0..0, page.ids);
            }
            if !more {
                return ids;
            }
        }
    }

    /// That the list is `expected`, whichever way and however it is walked.
    async fn assert_walks(&self, client: &Client, expected: &[String]) {
        for size in [1, 2, 3, expected.len().max(1), 100] {
            for forward in [true, false] {
                let walked = self.walk(client, size, forward).await;
                assert_eq!(walked, expected, "{} by {size}, forward: {forward}", self.document);
            }
        }
    }
}

/// A page as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page {
    ids: Vec<String>,
    cursors: Vec<String>,
    has_next: bool,
    has_previous: bool,
    start: Option<String>,
    end: Option<String>,
}

impl Page {
    fn of(answer: &Answer, pointer: &str) -> Self {
        let text =
            |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned();
        let edges = answer.list(&format!("{pointer}/edges"));
        let ids: Vec<String> = edges.iter().map(|edge| text(edge, "/node/id")).collect();
        let nodes: Vec<String> =
            answer.list(&format!("{pointer}/nodes")).iter().map(|node| text(node, "/id")).collect();
        assert_eq!(ids, nodes, "edges and nodes are the same");
        let cursors: Vec<String> = edges.iter().map(|edge| text(edge, "/cursor")).collect();
        let info = |name: &str| answer.at(&format!("{pointer}/pageInfo/{name}"));
        let page = Self {
            ids,
            has_next: info("hasNextPage").as_bool().expect("a flag"),
            has_previous: info("hasPreviousPage").as_bool().expect("a flag"),
            start: info("startCursor").as_str().map(str::to_owned),
            end: info("endCursor").as_str().map(str::to_owned),
            cursors,
        };
        assert_eq!((page.start.as_ref(), page.end.as_ref()), (page.cursors.first(), page.cursors.last()));
        page
    }
}

async fn shop_with_products(app: &App) -> Shop {
    shop::product(app, "A", json!({})).await;
    shop::product(app, "B", json!({})).await;
    Shop::open(app, "Alpha").await
}

/// Orders `o-0`, `o-1`…, of the products A and B in turn.
async fn orders(shop: &Shop, count: usize) -> Vec<Placed> {
    let mut orders = Vec::with_capacity(count);
    for number in 0..count {
        let sku = if number % 2 == 0 { "A" } else { "B" };
        orders.push(shop.place(&format!("o-{number}"), json!([{"sku": sku}])).await);
    }
    orders
}

async fn orders_are_walked_both_ways(app: App) {
    let shop = shop_with_products(&app).await;
    let beta = Shop::open(&app, "Beta").await;
    let placed = orders(&shop, 7).await;
    let ids: Vec<String> = placed.iter().map(|order| order.order.clone()).collect();
    beta.place("b-1", json!([{"sku": "A"}])).await;
    List::root("orders", "").assert_walks(&shop.key, &ids).await;
    let channel = format!(r#"filter: {{ channelId: "{}" }}"#, shop.channel);
    for client in [&shop.key, &app.admin()] {
        List::root("orders", &channel).assert_walks(client, &ids).await;
        List::of(&shop.channel, "Channel", "orders", "").assert_walks(client, &ids).await;
    }
    let product = product_id(&shop.key, "B").await;
    let of_b: Vec<String> = ids.iter().skip(1).step_by(2).cloned().collect();
    List::root("orders", &format!(r#"filter: {{ productId: "{product}" }}"#)).assert_walks(&shop.key, &of_b).await;
    let partner = format!(r#"filter: {{ partnerId: "{}", status: [CONFIRMED, CANCELLED] }}"#, shop.partner);
    List::root("orders", &partner).assert_walks(&app.admin(), &ids).await;
}

async fn units_are_walked_both_ways(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 5}, {"sku": "B", "quantity": 4}])).await;
    shop.place("o-2", json!([{"sku": "A", "quantity": 2}])).await;
    let (of_a, of_b) = placed.units.split_at(5);
    List::of(&placed.order, "Order", "entitlements", "").assert_walks(&shop.key, &placed.units).await;
    for (line, units) in placed.lines.iter().zip([of_a, of_b]) {
        List::of(line, "OrderLine", "entitlements", "").assert_walks(&shop.key, units).await;
    }
}

async fn units_are_walked_both_ways_under_every_filter(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 6}, {"sku": "B", "quantity": 3}])).await;
    shop.place("o-2", json!([{"sku": "B"}])).await;
    let mut active = Vec::new();
    for code in placed.codes.iter().step_by(2) {
        active.push(shop.redeem(code, "ann").await.text("/redeemCode/entitlement/id"));
    }
    active.sort();
    let rest: Vec<String> = placed.units.iter().filter(|unit| !active.contains(unit)).cloned().collect();
    let order = &placed.order;
    let account = shop.key.query(r#"{ accountByReference(externalReference: "ann") { id } }"#, json!({})).await;
    let account = account.text("/accountByReference/id");
    let of_a = product_id(&shop.key, "A").await;
    let a_units: Vec<String> = placed.units.iter().take(6).cloned().collect();
    let filters = [
        (format!(r#"orderId: "{order}""#), &placed.units),
        (format!(r#"orderId: "{order}", status: [ACTIVE]"#), &active),
        (format!(r#"orderId: "{order}", status: [UNASSIGNED, RESERVED]"#), &rest),
        (format!(r#"channelId: "{}", orderId: "{order}", status: [UNASSIGNED, ACTIVE]"#, shop.channel), &placed.units),
        (format!(r#"accountId: "{account}""#), &active),
        (format!(r#"channelId: "{}", status: [ACTIVE]"#, shop.channel), &active),
        (format!(r#"partnerId: "{}", productId: "{of_a}""#, shop.partner), &a_units),
        (
            format!(r#"productId: "{of_a}", issuedFrom: "2020-01-01T00:00:00Z", issuedTo: "2040-01-01T00:00:00Z""#),
            &a_units,
        ),
    ];
    for (filter, expected) in filters {
        let list = List::root("entitlements", &format!("filter: {{ {filter} }}"));
        for client in [&shop.key, &app.admin()] {
            list.assert_walks(client, expected).await;
        }
    }
    let nested = |filter: &str| List::of(order, "Order", "entitlements", &format!("filter: {{ {filter} }}"));
    nested("status: [ACTIVE]").assert_walks(&shop.key, &active).await;
    nested(&format!(r#"productId: "{of_a}""#)).assert_walks(&shop.key, &a_units).await;
    nested(r#"issuedTo: "2020-01-01T00:00:00Z""#).assert_walks(&shop.key, &[]).await;
}

async fn events_are_walked_both_ways(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 4}])).await;
    for code in &placed.codes {
        shop.redeem(code, "ann").await.data();
    }
    shop.place("o-2", json!([{"sku": "A"}])).await;
    let order = format!(r#"filter: {{ orderId: "{}" }}"#, placed.order);
    let list = List::root("events", &order);
    let all = eventually("the events", async || {
        Some(list.page(&shop.key, "first: 100").await.ids).filter(|ids| ids.len() == 9)
    });
    let all = all.await;
    list.assert_walks(&shop.key, &all).await;
    List::of(&placed.order, "Order", "timeline", "").assert_walks(&shop.key, &all).await;
    List::root("events", &format!(r#"filter: {{ orderId: "{}", types: [CODE_REDEEMED] }}"#, placed.order))
        .assert_walks(&shop.key, &all.iter().skip(1).step_by(2).cloned().collect::<Vec<_>>())
        .await;
    let everything = List::root("events", "").walk(&app.admin(), 100, true).await;
    List::root("events", "").assert_walks(&app.admin(), &everything).await;
    assert!(everything.len() > all.len());
}

async fn an_event_s_edge_leads_into_the_subscription(app: App) {
    let shop = shop_with_products(&app).await;
    orders(&shop, 5).await;
    let list = List::root("events", "filter: { types: [ORDER_PLACED] }");
    let page = eventually("the events", async || {
        Some(list.page(&shop.key, "first: 10").await).filter(|page| page.ids.len() == 5)
    });
    let page = page.await;
    for (place, cursor) in page.cursors.iter().enumerate().take(4) {
        let query =
            "subscription ($after: Cursor) { events(after: $after, filter: { types: [ORDER_PLACED] }) { id cursor } }";
        let mut events = shop.key.subscribe(query, json!({"after": cursor})).await;
        let next = events.next().await;
        assert_eq!(Some(&next.text("/events/id")), page.ids.get(place + 1));
        assert_eq!(Some(&next.text("/events/cursor")), page.cursors.get(place + 1), "a cursor is the same everywhere");
        events.stop().await;
    }
}

async fn catalogue_and_keys_are_walked_both_ways(app: App) {
    let admin = app.admin();
    let first = Shop::open(&app, "P0").await;
    for number in 1..6 {
        shop::product(&app, &format!("sku-{number}"), json!({})).await;
        first.open_below(&app, &format!("P{number}")).await;
    }
    for field in ["products", "channels", "partners", "apiKeys"] {
        let list = List::root(field, "");
        let all = list.walk(&admin, 100, true).await;
        assert!(all.len() >= 5, "{field}");
        list.assert_walks(&admin, &all).await;
    }
    let channels = List::root("channels", "").walk(&first.key, 100, true).await;
    assert_eq!(channels.len(), 6);
    List::root("channels", "").assert_walks(&first.key, &channels).await;
    List::of(&first.partner, "Partner", "channels", "").assert_walks(&admin, &[first.channel]).await;
}

async fn an_account_s_assignments_are_walked_both_ways(app: App) {
    let shop = shop_with_products(&app).await;
    let mut assignments = Vec::new();
    for (number, order) in orders(&shop, 8).await.iter().enumerate() {
        let account = if number % 4 == 3 { "bob" } else { "ann" };
        let code = order.codes.first().expect("a code");
        let assignment = shop.redeem(code, account).await.text("/redeemCode/assignment/id");
        if account == "ann" {
            assignments.push(assignment);
        }
    }
    let account = shop.key.query(r#"{ accountByReference(externalReference: "ann") { id } }"#, json!({})).await;
    let account = account.text("/accountByReference/id");
    List::of(&account, "Account", "assignments", "").assert_walks(&shop.key, &assignments).await;
    let filter = format!(r#"filter: {{ accountId: "{account}", status: [ACTIVE] }}"#);
    List::root("assignments", &filter).assert_walks(&shop.key, &assignments).await;
    List::of(&account, "Account", "assignments", "filter: { status: [PENDING] }").assert_walks(&shop.key, &[]).await;
}

async fn units_sold_and_held_are_walked_once(app: App) {
    let alpha = shop_with_products(&app).await;
    let beta = Shop::open(&app, "Beta").await;
    let (mut of_alpha, mut of_beta) = (Vec::new(), Vec::new());
    for number in 0..8 {
        let (seller, sold) = if number % 2 == 0 { (&alpha, &mut of_alpha) } else { (&beta, &mut of_beta) };
        let placed = seller.place(&format!("o-{number}"), json!([{"sku": "A"}])).await;
        let (unit, code) =
            (placed.units.first().expect("a unit").clone(), placed.codes.first().expect("a code").clone());
        sold.push((unit, code));
    }
    // Alpha holds two of its own and two that Beta sold; one of Alpha's is held by Beta.
    let held = of_beta.iter().step_by(2).chain(of_alpha.iter().step_by(2));
    for (_, code) in held {
        alpha.redeem(code, "ann").await.data();
    }
    beta.redeem(&of_alpha.get(1).expect("a second").1, "bea").await.data();
    let mut expected: Vec<String> =
        of_alpha.iter().chain(of_beta.iter().step_by(2)).map(|(unit, _)| unit.clone()).collect();
    expected.sort();
    let list = List::root("entitlements", "");
    list.assert_walks(&alpha.key, &expected).await;
    assert_eq!(total(&alpha.key, "entitlements", "").await, expected.len());
    let active: Vec<String> = expected.clone();
    let in_use = List::root("entitlements", "filter: { status: [ACTIVE] }").walk(&alpha.key, 2, true).await;
    assert_eq!(in_use.len(), 5);
    assert!(in_use.iter().all(|unit| active.contains(unit)));
    // What happened to what it holds is its own to read, once.
    let events = List::root("events", "");
    let all = eventually("the events", async || {
        Some(events.walk(&alpha.key, 100, true).await).filter(|ids| ids.len() >= 4 + 2 * 4 + 2)
    });
    events.assert_walks(&alpha.key, &all.await).await;
    let assignments = List::root("assignments", "").walk(&alpha.key, 100, true).await;
    assert_eq!(assignments.len(), 5, "four it holds, one that it sold");
    List::root("assignments", "").assert_walks(&alpha.key, &assignments).await;
}

async fn orders_of_a_subtree_are_walked_once(app: App) {
    let top = shop_with_products(&app).await;
    let north = top.open_below(&app, "North").await;
    let south = top.open_below(&app, "South").await;
    let deep = north.open_below(&app, "Deep").await;
    let mut all = Vec::new();
    for number in 0..12 {
        let seller = [&top, &north, &south, &deep].into_iter().nth(number % 4).expect("one of four");
        all.push(seller.place(&format!("o-{number}"), json!([{"sku": "A"}])).await.order);
    }
    List::root("orders", "").assert_walks(&top.key, &all).await;
    let below: Vec<String> = all.iter().skip(1).step_by(2).cloned().collect();
    List::root("orders", "").assert_walks(&north.key, &below).await;
    let filter = format!(r#"filter: {{ partnerId: "{}" }}"#, north.partner);
    List::root("orders", &filter).assert_walks(&top.key, &below).await;
    List::root("orders", &filter).assert_walks(&deep.key, &[]).await;
}

async fn product_id(client: &Client, sku: &str) -> String {
    client
        .query("query ($sku: String!) { productBySku(sku: $sku) { id } }", json!({"sku": sku}))
        .await
        .text("/productBySku/id")
}

async fn total(client: &Client, field: &str, arguments: &str) -> usize {
    let answer = client.query(&format!("{{ {field}{arguments} {{ totalCount }} }}"), json!({})).await;
    usize::try_from(answer.number(&format!("/{field}/totalCount"))).expect("no negative number")
}
