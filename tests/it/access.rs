//! Who may do and see what: a role decides which fields there are at all, and the scope which records. What is somebody else's answers
//! exactly as what does not exist.

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines, eventually,
    shop::{self, Placed},
    without_database,
};

pub fn tests() -> Vec<Test> {
    let mut tests = both_engines![
        what_a_role_may_not_do_is_refused_before_anything_is_looked_up,
        queries_that_a_role_does_not_have_are_refused,
        whoever_shows_no_key_gets_nothing,
        the_viewer_is_told_who_it_is,
        foreign_records_are_as_unknown_ones,
        foreign_ids_in_filters_match_nothing,
        lists_and_totals_hold_nothing_foreign,
        foreign_statistics_are_zeros,
        foreign_names_find_nothing,
        foreign_records_are_not_changed,
        foreign_events_are_not_delivered,
        foreign_live_objects_are_not_found,
        the_same_reference_is_two_accounts,
        a_partner_sees_those_below_and_not_those_above,
        a_partner_below_shares_its_accounts_and_not_its_sales,
        a_seller_does_not_learn_who_claimed_its_gift,
        a_holder_sees_its_unit_and_not_the_sale,
        a_customer_sees_what_it_bought_or_holds,
        a_customer_sees_only_the_state_of_a_gift_it_gave,
        a_customer_sees_no_words_of_support_and_no_exceptions,
        a_customer_acts_for_itself_alone,
        a_provisioner_sees_its_work_alone,
        support_reads_everything,
        a_revoked_key_opens_nothing,
        a_revoked_key_ends_its_socket,
        a_key_past_its_end_opens_nothing,
        the_keys_of_an_inactive_partner_open_nothing,
    ];
    tests.extend(without_database![every_mutation_is_in_the_table]);
    tests
}

/// Every mutation, an input whose ids are malformed, and the roles that may.
const MUTATIONS: [(&str, &str, &str); 18] = [
    ("createPartner", r#"name: "P", parentId: "x""#, "ADMIN"),
    ("updatePartner", r#"partnerId: "x""#, "ADMIN"),
    ("createChannel", r#"name: "C", kind: API, partnerId: "x""#, "ADMIN"),
    ("updateChannel", r#"channelId: "x""#, "ADMIN"),
    ("createProduct", r#"sku: "", name: """#, "ADMIN"),
    ("updateProduct", r#"productId: "x""#, "ADMIN"),
    ("setFulfillmentRule", r#"channelId: "x", productId: "x", mode: COUPLED"#, "ADMIN"),
    ("createApiKey", r#"name: "K", role: ADMIN, partnerId: "x""#, "ADMIN"),
    ("revokeApiKey", r#"apiKeyId: "x""#, "ADMIN"),
    ("placeOrder", r#"channelId: "x", externalReference: "r", lines: []"#, "ADMIN PARTNER"),
    ("redeemCode", r#"code: "x""#, "ADMIN SUPPORT PARTNER CUSTOMER"),
    ("assignEntitlement", r#"entitlementId: "x""#, "ADMIN SUPPORT PARTNER"),
    ("assignEntitlements", r#"orderLineId: "x", accounts: []"#, "ADMIN SUPPORT PARTNER"),
    ("submitAssignmentInput", r#"assignmentId: "x", input: {}"#, "ADMIN SUPPORT PARTNER CUSTOMER"),
    ("reserveEntitlement", r#"entitlementId: "x""#, "ADMIN SUPPORT PARTNER CUSTOMER"),
    ("extendReservation", r#"reservationId: "x", minutes: 5"#, "ADMIN SUPPORT PARTNER CUSTOMER"),
    ("confirmReservation", r#"reservationId: "x""#, "ADMIN SUPPORT PARTNER CUSTOMER"),
    ("releaseReservation", r#"reservationId: "x""#, "ADMIN SUPPORT PARTNER CUSTOMER"),
];

fn every_mutation_is_in_the_table() {
    let document = parse_schema(claimcheck::graphql::sdl()).expect("a schema");
    let mutations = document.definitions.into_iter().find_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) if definition.node.name.node == "Mutation" => match definition.node.kind
        {
            TypeKind::Object(object) => Some(object.fields),
            _ => None,
        },
        _ => None,
    });
    let missing: Vec<String> = mutations
        .expect("mutations")
        .into_iter()
        .map(|field| field.node.name.node.to_string())
        .filter(|name| !MUTATIONS.iter().any(|(known, _, _)| known == name))
        .collect();
    assert!(missing.is_empty(), "say which roles have {missing:?}");
}

/// A key for each role, and the role's name.
async fn every_role(app: &App, shop: &Shop) -> Vec<(&'static str, Client)> {
    vec![
        ("ADMIN", app.admin()),
        ("SUPPORT", app.key("SUPPORT", json!({})).await),
        ("PARTNER", shop.key.clone()),
        ("PROVISIONER", app.key("PROVISIONER", json!({})).await),
        ("CUSTOMER", customer(app, shop, "ann").await),
    ]
}

async fn customer(app: &App, shop: &Shop, account: &str) -> Client {
    app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": account})).await
}

async fn what_a_role_may_not_do_is_refused_before_anything_is_looked_up(app: App) {
    let shop = shop_with_products(&app).await;
    for (role, client) in every_role(&app, &shop).await {
        for (mutation, input, roles) in MUTATIONS {
            let document = format!("mutation {{ {mutation}(input: {{ {input} }}) {{ userErrors {{ code }} }} }}");
            let answer = client.query(&document, json!({})).await;
            if roles.split(' ').any(|allowed| allowed == role) {
                assert_eq!(answer.list(&format!("/{mutation}/userErrors")).len(), 1, "{role} {mutation}");
            } else {
                assert_eq!(answer.code(), Some("FORBIDDEN"), "{role} {mutation}: {:#}", answer.body);
                assert_eq!(answer.body.get("data"), Some(&Value::Null), "{role} {mutation}");
            }
        }
    }
}

async fn queries_that_a_role_does_not_have_are_refused(app: App) {
    let shop = shop_with_products(&app).await;
    let queries = [
        ("{ apiKeys { nodes { id } } }", "ADMIN SUPPORT"),
        (r#"{ redemptionCheck(code: "x") { redeemable } }"#, "ADMIN SUPPORT PARTNER CUSTOMER"),
    ];
    for (role, client) in every_role(&app, &shop).await {
        for (query, roles) in queries {
            let answer = client.query(query, json!({})).await;
            let expected = (!roles.split(' ').any(|allowed| allowed == role)).then_some("FORBIDDEN");
            assert_eq!(answer.code(), expected, "{role} {query}");
        }
    }
}

async fn whoever_shows_no_key_gets_nothing(app: App) {
    let query = "{ viewer { role } }";
    let long_lost = format!("cck_{}", "0".repeat(36));
    for client in
        [app.stranger(), app.client(""), app.client("cck_"), app.client(&long_lost), app.client("\u{7f}\u{7f}")]
    {
        let Ok(request) = client.post("/graphql").json(&json!({"query": query})).build() else { continue };
        let response = reqwest::Client::new().execute(request).await.expect("an answer");
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers().get("www-authenticate").map(|value| value.as_bytes()), Some(&b"Bearer"[..]));
        let body: Value = serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
        assert_eq!(body.pointer("/errors/0/extensions/code"), Some(&json!("UNAUTHENTICATED")));
        assert_eq!(body.get("data"), None);
    }
}

async fn the_viewer_is_told_who_it_is(app: App) {
    let shop = shop_with_products(&app).await;
    let query = "{ viewer { role partner { id } account { externalReference } apiKey { name role } } }";
    for (role, client) in every_role(&app, &shop).await {
        let answer = client.query(query, json!({})).await;
        assert_eq!(answer.at("/viewer/role"), role);
        assert_eq!(answer.at("/viewer/apiKey/role"), role);
        let partner = if matches!(role, "PARTNER" | "CUSTOMER") { json!({"id": shop.partner}) } else { Value::Null };
        assert_eq!(answer.at("/viewer/partner"), &partner, "{role}");
        let account = if role == "CUSTOMER" { json!({"externalReference": "ann"}) } else { Value::Null };
        assert_eq!(answer.at("/viewer/account"), &account, "{role}");
    }
}

/// Alpha sold three units to Ann, who holds one, has a hold on one and has not touched the last; Beta sees none of it.
struct Town {
    alpha: Shop,
    beta: Shop,
    placed: Placed,
    held: String,
    reserved: String,
    assignment: String,
    reservation: String,
    account: String,
    product: String,
}

impl Town {
    async fn build(app: &App) -> Self {
        let product = shop::product(app, "A", json!({})).await;
        let alpha = Shop::open(app, "Alpha").await;
        let beta = Shop::open(app, "Beta").await;
        let buyer = json!({"buyerAccount": {"externalReference": "ann"}, "buyer": {"email": "ann@example.com"}});
        let placed = alpha.place_with("o-1", json!([{"sku": "A", "quantity": 3}]), buyer).await;
        let redeemed = alpha.redeem(placed.codes.first().expect("a code"), "ann").await;
        let held = redeemed.text("/redeemCode/entitlement/id");
        let reserved = placed.units.iter().find(|unit| **unit != held).expect("another unit").clone();
        let reservation = reserve(&alpha.key, &reserved, Some("ann")).await.text("/reserveEntitlement/reservation/id");
        let account = account_of(&alpha.key, "ann").await.expect("an account");
        let assignment = redeemed.text("/redeemCode/assignment/id");
        Self { alpha, beta, placed, held, reserved, assignment, reservation, account, product }
    }

    /// Ids of everything that Alpha has, and of the same kinds of what nobody has.
    async fn ids(&self) -> Vec<(String, String)> {
        let query = "query ($id: ID!) { entitlement(id: $id) { activationCodes { id } redemptionAttempts { id }
            timeline { nodes { id } } } }";
        let events = eventually("the timeline", async || {
            let answer = self.alpha.key.query(query, json!({"id": self.held})).await;
            (answer.list("/entitlement/timeline/nodes").len() >= 3).then_some(answer)
        });
        let unit = events.await;
        let ids = [
            self.placed.order.clone(),
            self.placed.lines.concat(),
            self.held.clone(),
            self.reserved.clone(),
            self.assignment.clone(),
            self.reservation.clone(),
            self.account.clone(),
            self.alpha.channel.clone(),
            self.alpha.partner.clone(),
            unit.text("/entitlement/activationCodes/0/id"),
            unit.text("/entitlement/redemptionAttempts/0/id"),
            unit.text("/entitlement/timeline/nodes/0/id"),
        ];
        ids.into_iter().map(|id| (id.clone(), unknown_like(&id))).collect()
    }
}

/// An id of the same kind that nothing has.
fn unknown_like(id: &str) -> String {
    let (kind, _) = id.split_once('_').expect("a kind");
    format!("{kind}_01h455vb4pex5vsknk084sn02q")
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

async fn the_same_reference_is_two_accounts(app: App) {
    shop::product(&app, "A", json!({})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    for shop in [&alpha, &beta] {
        let placed = shop.place("o-1", json!([{"sku": "A"}])).await;
        shop.redeem(placed.codes.first().expect("a code"), "u-1").await.data();
    }
    let (first, second) = (account_of(&alpha.key, "u-1").await, account_of(&beta.key, "u-1").await);
    assert!(first.is_some() && second.is_some() && first != second);
    assert_eq!(account_of(&app.admin(), "u-1").await, None, "the platform has no such account");
    let query = "query ($partner: ID!) { accountByReference(externalReference: \"u-1\", partnerId: $partner) { id } }";
    let answer = app.admin().query(query, json!({"partner": beta.partner})).await;
    assert_eq!(Some(answer.text("/accountByReference/id")), second);
}

async fn a_partner_sees_those_below_and_not_those_above(app: App) {
    shop::product(&app, "A", json!({})).await;
    let top = Shop::open(&app, "Top").await;
    let (north, south) = (top.open_below(&app, "North").await, top.open_below(&app, "South").await);
    let mut orders = Vec::new();
    for shop in [&top, &north, &south] {
        orders.push(shop.place("o-1", json!([{"sku": "A"}])).await.order);
    }
    let seen = async |client: &Client| {
        let answer = client.query("{ orders { totalCount nodes { id } } statistics { ordered } }", json!({})).await;
        let ids: Vec<String> = answer
            .list("/orders/nodes")
            .iter()
            .filter_map(|node| node.get("id")?.as_str().map(str::to_owned))
            .collect();
        assert_eq!(answer.number("/orders/totalCount"), answer.number("/statistics/ordered"));
        ids
    };
    assert_eq!(seen(&top.key).await, orders);
    assert_eq!(seen(&north.key).await, orders.get(1..2).expect("one").to_vec());
    assert_eq!(seen(&south.key).await, orders.get(2..).expect("one").to_vec());
    for (field, id) in [("partner", &south.partner), ("channel", &south.channel), ("channel", &top.channel)] {
        let query = format!("query ($id: ID!) {{ {field}(id: $id) {{ id }} }}");
        assert_eq!(north.key.query(&query, json!({"id": id})).await.at(&format!("/{field}")), &Value::Null);
        assert!(top.key.query(&query, json!({"id": id})).await.at(&format!("/{field}")).is_object());
    }
    // The top may sell through the channels below it; nobody sells through those beside or above.
    let place =
        "mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { order { id } userErrors { code } } }";
    let input =
        |channel: &str| json!({"input": {"channelId": channel, "externalReference": "o-2", "lines": [{"sku": "A"}]}});
    assert!(top.key.query(place, input(&north.channel)).await.at("/placeOrder/order").is_object());
    for channel in [&south.channel, &top.channel] {
        let refused = north.key.query(place, input(channel)).await;
        assert_eq!(refused.at("/placeOrder/userErrors/0/code"), "NOT_FOUND");
    }
}

async fn a_partner_below_shares_its_accounts_and_not_its_sales(app: App) {
    shop::product(&app, "A", json!({})).await;
    let top = Shop::open(&app, "Top").await;
    let north = top.open_below(&app, "North").await;
    let placed = top.place("o-1", json!([{"sku": "A", "quantity": 2}])).await;
    let held = top.redeem(placed.codes.first().expect("a code"), "ann").await.text("/redeemCode/entitlement/id");
    assert_eq!(account_of(&north.key, "ann").await, account_of(&top.key, "ann").await);
    let answer = north.key.query("{ entitlements { nodes { id } } orders { totalCount } }", json!({})).await;
    assert_eq!(
        answer.at("/entitlements/nodes"),
        &json!([{"id": held}]),
        "what the shared namespace holds, and nothing else"
    );
    assert_eq!(answer.number("/orders/totalCount"), 0);
}

async fn a_seller_does_not_learn_who_claimed_its_gift(app: App) {
    shop::product(&app, "A", json!({})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    let placed = alpha.place("o-1", json!([{"sku": "A", "recipient": {"name": "Bea"}}])).await;
    let redeem =
        "mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { assignment { id } userErrors { code } } }";
    let input = json!({"code": placed.codes.first(), "account": {"externalReference": "bea"}, "resource": "seat-7", "input": {"size": "XL"}});
    let assignment = beta.key.query(redeem, json!({"input": input})).await.text("/redeemCode/assignment/id");
    let query = "query ($id: ID!) { entitlement(id: $id) { status assignment {
        id status account { externalReference } resource input externalReference
    } redemptionAttempts { outcome account { id } actor } } }";
    let unit = placed.units.first().expect("a unit");
    let answer = alpha.key.query(query, json!({"id": unit})).await;
    let unknown = json!({"id": assignment, "status": "ACTIVE", "account": null, "resource": null, "input": null, "externalReference": null});
    assert_eq!(answer.at("/entitlement/assignment"), &unknown);
    assert_eq!(
        answer.at("/entitlement/redemptionAttempts"),
        &json!([{"outcome": "SUCCEEDED", "account": null, "actor": "support"}])
    );
    let answer = beta.key.query(query, json!({"id": unit})).await;
    assert_eq!(answer.at("/entitlement/assignment/account"), &json!({"externalReference": "bea"}));
    assert_eq!(answer.at("/entitlement/assignment/input"), &json!({"size": "XL"}));
    assert_eq!(answer.at("/entitlement/assignment/resource"), "seat-7");
    for filter in ["entitlements", "assignments"] {
        let account = account_of(&beta.key, "bea").await;
        let query = format!("query ($id: ID) {{ {filter}(filter: {{ accountId: $id }}) {{ totalCount }} }}");
        let answer = alpha.key.query(&query, json!({"id": account})).await;
        assert_eq!(answer.number(&format!("/{filter}/totalCount")), 0, "{filter}: nor by asking the other way round");
    }
}

async fn a_holder_sees_its_unit_and_not_the_sale(app: App) {
    shop::product(&app, "A", json!({})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    let placed =
        alpha.place("o-1", json!([{"sku": "A", "quantity": 2, "recipient": {"email": "bea@example.com"}}])).await;
    let unit = beta.redeem(placed.codes.first().expect("a code"), "bea").await.text("/redeemCode/entitlement/id");
    let query = "query ($id: ID!) { entitlement(id: $id) { status recipient { email } product { sku } } }";
    let expected = json!({"status": "ACTIVE", "recipient": null, "product": {"sku": "A"}});
    assert_eq!(beta.key.query(query, json!({"id": unit})).await.at("/entitlement"), &expected);
    for field in ["order", "orderLine", "channel"] {
        let query = format!("query ($id: ID!) {{ entitlement(id: $id) {{ {field} {{ id }} }} }}");
        let answer = beta.key.query(&query, json!({"id": unit})).await;
        assert_eq!(answer.code(), Some("NOT_FOUND"), "{field}");
    }
    let answer = beta
        .key
        .query("{ entitlements { totalCount } orders { totalCount } statistics { ordered active } }", json!({}))
        .await;
    assert_eq!(
        answer.data(),
        &json!({"entitlements": {"totalCount": 1}, "orders": {"totalCount": 0}, "statistics": {"ordered": 0, "active": 0}})
    );
    let other = placed.units.iter().find(|other| **other != unit).expect("the other unit");
    assert_eq!(beta.key.query(query, json!({"id": other})).await.at("/entitlement"), &Value::Null);
    let filtered = format!(r#"{{ entitlements(filter: {{ channelId: "{}" }}) {{ totalCount }} }}"#, alpha.channel);
    assert_eq!(
        beta.key.query(&filtered, json!({})).await.number("/entitlements/totalCount"),
        0,
        "which channel sold it stays unknown"
    );
    let timeline =
        "query ($id: ID!) { entitlement(id: $id) { timeline { nodes { type order { id } channel { id } } } } }";
    let events = eventually("the events", async || {
        let answer = beta.key.query(timeline, json!({"id": unit})).await;
        (answer.list("/entitlement/timeline/nodes").len() >= 2).then_some(answer)
    });
    for event in events.await.list("/entitlement/timeline/nodes") {
        assert_eq!((event.get("order"), event.get("channel")), (Some(&Value::Null), Some(&Value::Null)), "{event}");
    }
}

async fn a_customer_sees_what_it_bought_or_holds(app: App) {
    let town = Town::build(&app).await;
    let ann = customer(&app, &town.alpha, "ann").await;
    let bob = customer(&app, &town.alpha, "bob").await;
    let for_bob =
        town.alpha.place("o-2", json!([{"sku": "A", "assignTo": {"externalReference": "bob"}}, {"sku": "A"}])).await;
    let lists = "{ orders { nodes { id } } entitlements { totalCount nodes { id } } channels { nodes { id } } partners { nodes { id } }
        assignments { totalCount } exceptions { totalCount } redemptionAttempts { totalCount } statistics { ordered } }";
    let seen = ann.query(lists, json!({})).await;
    assert_eq!(seen.at("/orders/nodes"), &json!([{"id": town.placed.order}]));
    assert_eq!(seen.number("/entitlements/totalCount"), 3);
    assert_eq!(seen.at("/channels/nodes"), &json!([{"id": town.alpha.channel}]));
    assert_eq!(seen.at("/partners/nodes"), &json!([{"id": town.alpha.partner}]));
    assert_eq!(seen.number("/assignments/totalCount"), 1);
    assert_eq!(seen.number("/exceptions/totalCount"), 0);
    assert_eq!(seen.number("/statistics/ordered"), 0, "statistics are those of a seller");
    let seen = bob.query(lists, json!({})).await;
    assert_eq!(seen.at("/orders/nodes"), &json!([]), "whoever holds a unit did not buy the order");
    let held: Vec<&String> = for_bob.units.iter().take(1).collect();
    assert_eq!(seen.at("/entitlements/nodes"), &json!([{"id": held.first()}]));
    assert_eq!(seen.at("/channels/nodes"), &json!([]));
    let order = "query ($id: ID!) { order(id: $id) { externalReference buyerAccount { externalReference } channel { name partner { name } }
        lines { product { sku } entitlements { nodes { status activationCode { status } } } } } }";
    let answer = ann.query(order, json!({"id": town.placed.order})).await;
    assert_eq!(answer.at("/order/buyerAccount/externalReference"), "ann");
    assert_eq!(answer.at("/order/channel"), &json!({"name": "Alpha", "partner": {"name": "Alpha"}}));
    assert_eq!(answer.list("/order/lines/0/entitlements/nodes").len(), 3);
    assert_eq!(bob.query(order, json!({"id": town.placed.order})).await.at("/order"), &Value::Null);
    let accounts = "query ($id: ID!) { account(id: $id) { id } }";
    assert!(ann.query(accounts, json!({"id": town.account})).await.at("/account").is_object());
    assert_eq!(bob.query(accounts, json!({"id": town.account})).await.at("/account"), &Value::Null);
    // By filters that name a channel or a seller it is about what was bought.
    for (client, count) in [(&ann, 3), (&bob, 0)] {
        for filter in
            [format!(r#"channelId: "{}""#, town.alpha.channel), format!(r#"partnerId: "{}""#, town.alpha.partner)]
        {
            let answer =
                client.query(&format!("{{ entitlements(filter: {{ {filter} }}) {{ totalCount }} }}"), json!({})).await;
            assert_eq!(answer.number("/entitlements/totalCount"), count, "{filter}");
        }
        let filter = format!(r#"filter: {{ channelId: "{}" }}"#, town.alpha.channel);
        let answer = client
            .query(
                &format!("{{ assignments({filter}) {{ totalCount }} orders({filter}) {{ totalCount }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(answer.number("/assignments/totalCount"), i64::from(count > 0));
        assert_eq!(answer.number("/orders/totalCount"), i64::from(count > 0));
    }
}

async fn a_customer_sees_only_the_state_of_a_gift_it_gave(app: App) {
    let town = Town::build(&app).await;
    let ann = customer(&app, &town.alpha, "ann").await;
    let redeem =
        "mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { entitlement { id } userErrors { code } } }";
    let input = json!({"code": town.placed.codes.last(), "account": {"externalReference": "bea"}, "resource": "seat-7", "input": {"size": "XL"}});
    let gift = town.beta.key.query(redeem, json!({"input": input})).await;
    let gift = gift.text("/redeemCode/entitlement/id");
    let query = "query ($id: ID!) { entitlement(id: $id) { status assignment { status account { id } resource input externalReference }
        redemptionAttempts { account { id } } timeline { nodes { type actor reason } } } }";
    let answer = eventually("the events", async || {
        let answer = ann.query(query, json!({"id": gift})).await;
        (answer.list("/entitlement/timeline/nodes").len() >= 3).then_some(answer)
    })
    .await;
    let assignment =
        json!({"status": "ACTIVE", "account": null, "resource": null, "input": null, "externalReference": null});
    assert_eq!(answer.at("/entitlement/assignment"), &assignment);
    assert_eq!(answer.at("/entitlement/redemptionAttempts"), &json!([]));
    let actors = answer.list("/entitlement/timeline/nodes").iter().filter_map(|event| event.get("actor"));
    assert!(
        actors.clone().all(|actor| actor == "support"),
        "nobody of its own did anything: {:?}",
        actors.collect::<Vec<_>>()
    );
}

async fn a_customer_sees_no_words_of_support_and_no_exceptions(app: App) {
    let town = Town::build(&app).await;
    let ann = customer(&app, &town.alpha, "ann").await;
    let support = app.key("SUPPORT", json!({})).await;
    let release = "mutation ($id: ID!, $reason: String) { releaseReservation(input: { reservationId: $id, reason: $reason }) { userErrors { code } } }";
    let answer = support.query(release, json!({"id": town.reservation, "reason": "the customer was rude"})).await;
    assert!(answer.list("/releaseReservation/userErrors").is_empty(), "{:#}", answer.body);
    // Somebody else's attempt on the unit leaves an attempt, which is not the customer's to read.
    town.alpha.redeem(town.placed.codes.first().expect("a code"), "mallory").await.data();
    let query = "query ($id: ID!) { order(id: $id) { statistics { openExceptions } timeline(first: 50) { nodes { type actor reason requestId exception { id } } }
        entitlements { nodes { statusReason exceptions { id } redemptionAttempts { account { externalReference } } } } } }";
    let released = |answer: &Answer| {
        answer
            .list("/order/timeline/nodes")
            .iter()
            .find(|event| event.get("type").is_some_and(|kind| kind == "RESERVATION_RELEASED"))
            .cloned()
    };
    let (answer, event) = eventually("the release", async || {
        let answer = ann.query(query, json!({"id": town.placed.order})).await;
        released(&answer).map(|event| (answer, event))
    })
    .await;
    assert_eq!(
        event,
        json!({"type": "RESERVATION_RELEASED", "actor": "support", "reason": null, "requestId": null, "exception": null})
    );
    assert!(!answer.body.to_string().contains("rude"), "{:#}", answer.body);
    assert!(!answer.body.to_string().contains("mallory"), "{:#}", answer.body);
    assert_eq!(answer.number("/order/statistics/openExceptions"), 0);
    let seller = town.alpha.key.query(query, json!({"id": town.placed.order})).await;
    let event = released(&seller).expect("the same event");
    assert_eq!(
        (event.get("actor"), event.get("reason")),
        (Some(&json!("support")), Some(&json!("the customer was rude")))
    );
}

async fn a_customer_acts_for_itself_alone(app: App) {
    let town = Town::build(&app).await;
    let ann = customer(&app, &town.alpha, "ann").await;
    let redeem = "mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { assignment { account { externalReference } } userErrors { code } } }";
    let code = town.placed.codes.last();
    for other in ["bob", "nobody"] {
        let answer = ann.query(redeem, json!({"input": {"code": code, "account": {"externalReference": other}}})).await;
        assert_eq!(answer.at("/redeemCode/userErrors/0/code"), "NOT_FOUND", "{other}");
    }
    let answer = ann.query(redeem, json!({"input": {"code": code}})).await;
    assert_eq!(
        answer.at("/redeemCode/assignment/account/externalReference"),
        "ann",
        "with no account given its own is meant"
    );
    let renamed = json!({"code": code, "account": {"externalReference": "ann", "email": "new@example.com"}});
    ann.query(redeem, json!({"input": renamed})).await.data();
    let answer = ann.query("{ viewer { account { email } } }", json!({})).await;
    assert_eq!(answer.at("/viewer/account/email"), &Value::Null, "no customer changes an account");
}

async fn a_provisioner_sees_its_work_alone(app: App) {
    shop::product(&app, "NOW", json!({})).await;
    shop::product(&app, "LATER", json!({"provisioning": "EXTERNAL"})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    let mut work = Vec::new();
    for shop in [&alpha, &beta] {
        let placed = shop.place("o-1", json!([{"sku": "NOW"}, {"sku": "LATER", "quantity": 2}])).await;
        shop.redeem(placed.codes.first().expect("a code"), "ann").await.data();
        work.push(shop.redeem(placed.codes.get(1).expect("a code"), "ann").await.text("/redeemCode/assignment/id"));
    }
    let everywhere = app.key("PROVISIONER", json!({})).await;
    let of_beta = app.key("PROVISIONER", json!({"partnerId": beta.partner})).await;
    let query = "{ assignments { totalCount nodes { id account { externalReference } entitlement { status product { sku } } } }
        entitlements { totalCount } orders { totalCount } redemptionAttempts { totalCount } exceptions { totalCount } }";
    for (client, expected) in [(&everywhere, work.clone()), (&of_beta, work.split_off(1))] {
        let answer = client.query(query, json!({})).await;
        let ids: Vec<&str> =
            answer.list("/assignments/nodes").iter().filter_map(|node| node.get("id")?.as_str()).collect();
        assert_eq!(ids, expected);
        assert_eq!(answer.at("/assignments/nodes/0/account/externalReference"), "ann");
        assert_eq!(
            answer.at("/assignments/nodes/0/entitlement"),
            &json!({"status": "ASSIGNED", "product": {"sku": "LATER"}})
        );
        assert_eq!(answer.number("/entitlements/totalCount"), i64::try_from(expected.len()).expect("a size"));
        for nothing in ["orders", "redemptionAttempts", "exceptions"] {
            assert_eq!(answer.number(&format!("/{nothing}/totalCount")), 0, "{nothing}");
        }
    }
    let events = eventually("the events", async || {
        let answer = everywhere.query("{ events(first: 100) { nodes { type assignment { id } } } }", json!({})).await;
        (answer.list("/events/nodes").len() >= 2).then_some(answer)
    });
    for event in events.await.list("/events/nodes") {
        assert!(
            event.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("ASSIGNMENT_")),
            "{event}"
        );
    }
}

async fn support_reads_everything(app: App) {
    let town = Town::build(&app).await;
    let support = app.key("SUPPORT", json!({})).await;
    for (id, _) in town.ids().await {
        let answer = support.query("query ($id: ID!) { node(id: $id) { id } }", json!({"id": id})).await;
        assert_eq!(answer.at("/node/id"), &id);
    }
    let query = "{ orders { totalCount } entitlements { totalCount } partners { totalCount } statistics { ordered } }";
    let admin = app.admin().query(query, json!({})).await;
    assert_eq!(support.query(query, json!({})).await.data(), admin.data());
}

/// Ends the key that `client` shows.
async fn revoke(app: &App, client: &Client) {
    let key = client.query("{ viewer { apiKey { id } } }", json!({})).await.text("/viewer/apiKey/id");
    let mutation =
        "mutation ($id: ID!) { revokeApiKey(input: { apiKeyId: $id }) { apiKey { revokedAt } userErrors { code } } }";
    let answer = app.admin().query(mutation, json!({"id": key})).await;
    assert!(answer.at("/revokeApiKey/apiKey/revokedAt").is_string(), "{:#}", answer.body);
}

/// That `client` is sent away within seconds.
async fn assert_shut_out(client: &Client) {
    let refused = eventually("the refusal", async || {
        let answer = client.query("{ viewer { role } }", json!({})).await;
        (answer.status == 401).then_some(answer)
    });
    assert_eq!(refused.await.code(), Some("UNAUTHENTICATED"));
}

async fn a_revoked_key_opens_nothing(app: App) {
    let shop = shop_with_products(&app).await;
    let other = app.second_node().await.client(shop.key.secret().expect("a secret"));
    other.query("{ viewer { role } }", json!({})).await.data();
    revoke(&app, &shop.key).await;
    assert_shut_out(&shop.key).await;
    assert_shut_out(&other).await;
}

async fn a_revoked_key_ends_its_socket(app: App) {
    let shop = shop_with_products(&app).await;
    let mut events = shop.key.subscribe("subscription { events { id } }", json!({})).await;
    let mut quiet = shop.key.subscribe("subscription { statisticsUpdated { ordered } }", json!({})).await;
    quiet.next().await;
    revoke(&app, &shop.key).await;
    assert_eq!(events.closed().await, 4403);
    assert_eq!(quiet.closed().await, 4403);
}

async fn a_key_past_its_end_opens_nothing(app: App) {
    let shop = shop_with_products(&app).await;
    let end = "2030-01-01T13:00:00Z";
    let brief = app.key("PARTNER", json!({"partnerId": shop.partner, "expiresAt": end})).await;
    brief.query("{ viewer { role } }", json!({})).await.data();
    let mut stream = brief.subscribe("subscription { statisticsUpdated { ordered } }", json!({})).await;
    stream.next().await;
    app.clock.advance(std::time::Duration::from_hours(1));
    assert_shut_out(&brief).await;
    assert_eq!(stream.closed().await, 4403);
    shop.key.query("{ viewer { role } }", json!({})).await.data();
}

async fn the_keys_of_an_inactive_partner_open_nothing(app: App) {
    let top = shop_with_products(&app).await;
    let below = top.open_below(&app, "North").await;
    let ann = customer(&app, &below, "ann").await;
    for client in [&top.key, &below.key, &ann] {
        client.query("{ viewer { role } }", json!({})).await.data();
    }
    let mutation = "mutation ($id: ID!) { updatePartner(input: { partnerId: $id, active: false }) { partner { active } userErrors { code } } }";
    app.admin().query(mutation, json!({"id": top.partner})).await.data();
    for client in [&top.key, &below.key, &ann] {
        assert_shut_out(client).await;
    }
}

async fn shop_with_products(app: &App) -> Shop {
    shop::product(app, "A", json!({})).await;
    Shop::open(app, "Alpha").await
}

async fn reserve(client: &Client, unit: &str, account: Option<&str>) -> Answer {
    let mutation = "mutation ($id: ID!, $account: AccountInput) {
        reserveEntitlement(input: { entitlementId: $id, account: $account }) { reservation { id } userErrors { code message } }
    }";
    let account = account.map(|account| json!({"externalReference": account}));
    client.query(mutation, json!({"id": unit, "account": account})).await
}

async fn account_of(client: &Client, reference: &str) -> Option<String> {
    let query = "query ($reference: String!) { accountByReference(externalReference: $reference) { id } }";
    let answer = client.query(query, json!({"reference": reference})).await;
    answer.at("/accountByReference").get("id").and_then(Value::as_str).map(str::to_owned)
}
