//! The catalogue: partners and their tree, channels, products with their policies, and rules.

mod tree;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, App, Shop, Test, both_engines, eventually, shop::product};

pub fn tests() -> Vec<Test> {
    let others = both_engines![
        a_channel_belongs_to_one_partner,
        a_channel_that_is_off_takes_no_orders,
        names_of_channels_and_skus_are_unique,
        of_many_who_want_one_name_one_gets_it,
        a_policy_has_the_documented_defaults,
        a_policy_keeps_what_is_left_out_and_clears_what_is_null,
        changed_terms_are_a_new_version_for_new_lines,
        a_policy_has_bounds,
        a_rule_is_set_switched_and_cleared,
        a_change_decided_on_an_old_version_is_refused,
        of_many_changes_of_one_version_one_is_made,
        text_is_kept_verbatim_or_refused,
        unknown_records_are_not_found,
        every_change_has_its_event_and_what_changes_nothing_has_none,
        a_repeat_under_the_same_key_makes_nothing_twice,
    ];
    tree::tests().into_iter().chain(others).collect()
}

async fn partner(app: &App, name: &str, parent: Option<&str>) -> String {
    let input = json!({"name": name, "parentId": parent});
    app.admin().mutate("createPartner", "partner { id }", input).await.done().text("/partner/id")
}

async fn update_partner(app: &App, input: Value) -> Answer {
    app.admin().mutate("updatePartner", "partner { version name active parent { id } }", input).await
}

async fn update_product(app: &App, input: Value) -> Answer {
    let policy = "version mode issuesCodes validForDays reservationMinutes reservationMaxMinutes inputDeadlineHours
        provisioningDeadlineMinutes transferable reassignable maxPerAccount requiredInput provisioning";
    app.admin().mutate("updateProduct", &format!("product {{ version name policy {{ {policy} }} }}"), input).await
}

#[track_caller]
fn assert_refused(answer: &Answer, code: &str, field: &[&str]) {
    assert_eq!(answer.refusal(), Some(code), "{:#}", answer.body);
    assert_eq!(answer.at("/userErrors/0/field"), &json!(field), "{:#}", answer.body);
}

async fn a_channel_belongs_to_one_partner(app: App) {
    let admin = app.admin();
    let of_house = json!({"name": "shop", "kind": "DIRECT"});
    let selection = "channel { id version kind active partner { name } orders(first: 1) { totalCount } }";
    let made = admin.mutate("createChannel", selection, of_house).await.done();
    assert_eq!((made.text("/channel/partner/name"), made.number("/channel/version")), ("house".to_owned(), 1));
    let owner = partner(&app, "Owner", None).await;
    for kind in ["API", "PARTNER", "RESELLER", "MARKETPLACE"] {
        let input = json!({"name": format!("a {kind}"), "kind": kind, "partnerId": owner});
        let made = admin.mutate("createChannel", selection, input).await.done();
        assert_eq!(
            (made.text("/channel/partner/name"), made.text("/channel/kind")),
            ("Owner".to_owned(), kind.to_owned())
        );
    }
    let own = "query ($id: ID!) { partner(id: $id) { channels(first: 10) { totalCount } }
        channelByName(name: \"a RESELLER\") { kind } }";
    let own = admin.query(own, json!({"id": owner})).await;
    assert_eq!(
        (own.number("/partner/channels/totalCount"), own.text("/channelByName/kind")),
        (4, "RESELLER".to_owned())
    );
}

async fn a_channel_that_is_off_takes_no_orders(app: App) {
    let shop = Shop::open(&app, "shop").await;
    product(&app, "S", json!({})).await;
    let placed = shop.place("A", json!([{"sku": "S"}])).await;
    let switch = json!({"channelId": shop.channel, "active": false, "name": "closed"});
    let off = app.admin().mutate("updateChannel", "channel { active version name }", switch).await.done();
    assert_eq!(off.at("/channel"), &json!({"active": false, "version": 2, "name": "closed"}));
    let input = json!({"channelId": shop.channel, "externalReference": "B", "lines": [{"sku": "S"}]});
    let refused = shop.key.mutate("placeOrder", "order { id }", input).await;
    assert_eq!(refused.refusal(), Some("INVALID_STATE"), "{:#}", refused.body);
    let code = placed.codes.first().expect("a code");
    assert_eq!(shop.redeem(code, "u-1").await.at("/redeemCode/userErrors"), &json!([]), "what it has sold stays valid");
}

async fn names_of_channels_and_skus_are_unique(app: App) {
    let admin = app.admin();
    let (one, two) = (Shop::open(&app, "one").await, Shop::open(&app, "two").await);
    let create = json!({"name": "one", "kind": "API", "partnerId": two.partner});
    assert_refused(&admin.mutate("createChannel", "channel { id }", create).await, "INVALID_INPUT", &["name"]);
    let rename = async |name: &str| {
        admin.mutate("updateChannel", "channel { version }", json!({"channelId": one.channel, "name": name})).await
    };
    assert_refused(&rename("two").await, "INVALID_INPUT", &["name"]);
    assert_eq!(rename("one").await.done().number("/channel/version"), 1, "its own name is no change");
    assert_eq!(rename("One").await.done().number("/channel/version"), 2, "names are case-sensitive");
    product(&app, "S", json!({})).await;
    let create =
        async |sku: &str| admin.mutate("createProduct", "product { id }", json!({"sku": sku, "name": "n"})).await;
    assert_refused(&create("S").await, "INVALID_INPUT", &["sku"]);
    for other in ["s", " S", "S ", "Ś"] {
        create(other).await.done();
    }
    let found =
        admin.query("{ a: productBySku(sku: \"S \") { sku } b: productBySku(sku: \"  S\") { sku } }", json!({}));
    assert_eq!(found.await.data(), &json!({"a": {"sku": "S "}, "b": null}));
}

async fn of_many_who_want_one_name_one_gets_it(app: App) {
    let admin = app.admin();
    let input = json!({"sku": "S", "name": "n"});
    let answers = join_all((0..8).map(|_| admin.mutate("createProduct", "product { id }", input.clone()))).await;
    let refusals: Vec<_> = answers.iter().filter_map(Answer::refusal).collect();
    assert_eq!(refusals, ["INVALID_INPUT"; 7]);
    let input = json!({"name": "shop", "kind": "API"});
    let answers = join_all((0..8).map(|_| admin.mutate("createChannel", "channel { id }", input.clone()))).await;
    assert_eq!(answers.iter().filter_map(Answer::refusal).count(), 7);
}

fn defaults() -> Value {
    json!({
        "version": 1, "mode": "DECOUPLED", "issuesCodes": true, "validForDays": null, "reservationMinutes": 30,
        "reservationMaxMinutes": 300, "inputDeadlineHours": 168, "provisioningDeadlineMinutes": 60, "transferable": true,
        "reassignable": true, "maxPerAccount": null, "requiredInput": [], "provisioning": "NONE",
    })
}

/// The defaults but for some members.
fn policy(version: i32, changes: Value) -> Value {
    let mut policy = defaults();
    if let (Some(policy), Value::Object(changes)) = (policy.as_object_mut(), changes) {
        policy.extend(changes);
        policy.insert("version".to_owned(), version.into());
    }
    policy
}

async fn a_policy_has_the_documented_defaults(app: App) {
    for (sku, said) in
        [("A", json!(null)), ("B", json!({})), ("C", json!({"mode": null, "reservationMaxMinutes": null}))]
    {
        let id = product(&app, sku, said).await;
        let same = update_product(&app, json!({"productId": id})).await.done();
        assert_eq!(same.at("/product"), &json!({"version": 1, "name": format!("The {sku}"), "policy": defaults()}));
    }
    let id = product(&app, "D", json!({"reservationMinutes": 7})).await;
    let same = update_product(&app, json!({"productId": id})).await.done();
    let expected = policy(1, json!({"reservationMinutes": 7, "reservationMaxMinutes": 70}));
    assert_eq!(same.at("/product/policy"), &expected, "ten times");
}

async fn a_policy_keeps_what_is_left_out_and_clears_what_is_null(app: App) {
    let said = json!({
        "mode": "COUPLED", "issuesCodes": false, "validForDays": 30, "reservationMinutes": 5, "reservationMaxMinutes": 6,
        "inputDeadlineHours": 1, "provisioningDeadlineMinutes": 2, "transferable": false, "reassignable": false,
        "maxPerAccount": 3, "requiredInput": ["seat", "size"], "provisioning": "EXTERNAL",
    });
    let id = product(&app, "S", said.clone()).await;
    let update = async |change: Value| {
        update_product(&app, json!({"productId": id, "policy": change})).await.done().at("/product/policy").clone()
    };
    assert_eq!(update(json!({})).await, policy(1, said.clone()));
    assert_eq!(update(said.clone()).await, policy(1, said.clone()), "nothing changes");
    let mut kept = said.clone();
    if let Some(kept) = kept.as_object_mut() {
        kept.insert("maxPerAccount".to_owned(), json!(4));
    }
    assert_eq!(update(json!({"maxPerAccount": 4})).await, policy(2, kept));
    let names = said.as_object().into_iter().flat_map(serde_json::Map::keys);
    let nulls: Value = names.map(|name| (name.clone(), Value::Null)).collect::<serde_json::Map<_, _>>().into();
    assert_eq!(update(nulls).await, policy(3, json!({})));
}

async fn changed_terms_are_a_new_version_for_new_lines(app: App) {
    let shop = Shop::open(&app, "shop").await;
    let id = product(&app, "S", json!({"validForDays": 10})).await;
    let sold_before = shop.place("A", json!([{"sku": "S"}])).await;
    let renamed = update_product(&app, json!({"productId": id, "name": "Another"})).await.done();
    assert_eq!((renamed.number("/product/version"), renamed.number("/product/policy/version")), (2, 1));
    let changed = update_product(&app, json!({"productId": id, "policy": {"validForDays": 20}})).await.done();
    assert_eq!((changed.number("/product/version"), changed.number("/product/policy/version")), (3, 2));
    let sold_after = shop.place("B", json!([{"sku": "S"}])).await;
    let sold = "query ($id: ID!) { order(id: $id) { lines { product { name } policy { version validForDays } } } }";
    for (order, version, days) in [(sold_before.order, 1, 10), (sold_after.order, 2, 20)] {
        let lines = shop.key.query(sold, json!({"id": order})).await;
        let expected = json!([{"product": {"name": "Another"}, "policy": {"version": version, "validForDays": days}}]);
        assert_eq!(lines.at("/order/lines"), &expected);
    }
}

async fn a_policy_has_bounds(app: App) {
    let id = product(&app, "S", json!({})).await;
    let beyond = [
        ("validForDays", json!(0)),
        ("validForDays", json!(36_501)),
        ("reservationMinutes", json!(0)),
        ("reservationMinutes", json!(525_601)),
        ("reservationMaxMinutes", json!(29)),
        ("inputDeadlineHours", json!(-1)),
        ("provisioningDeadlineMinutes", json!(0)),
        ("maxPerAccount", json!(0)),
        ("requiredInput", json!(["seat", "seat"])),
        ("requiredInput", json!([""])),
    ];
    for (name, value) in beyond {
        let mut input = json!({});
        if let Some(input) = input.as_object_mut() {
            input.insert(name.to_owned(), value);
        }
        let updated = update_product(&app, json!({"productId": id, "policy": input})).await;
        assert_refused(&updated, "INVALID_INPUT", &["policy", name]);
        let input = json!({"sku": "T", "name": "n", "policy": input});
        let made = app.admin().mutate("createProduct", "product { id }", input).await;
        assert_refused(&made, "INVALID_INPUT", &["policy", name]);
    }
    assert_eq!(update_product(&app, json!({"productId": id})).await.done().number("/product/version"), 1);
}

async fn a_rule_is_set_switched_and_cleared(app: App) {
    let shop = Shop::open(&app, "shop").await;
    let id = product(&app, "S", json!({})).await;
    let set = async |mode: Value| {
        let input = json!({"channelId": shop.channel, "productId": id, "mode": mode});
        let selection = "rule { mode channel { id } product { sku } }";
        app.admin().mutate("setFulfillmentRule", selection, input).await.done().at("/rule").clone()
    };
    let rules = async || {
        let rules = "query ($id: ID!) { channel(id: $id) { fulfillmentRules { mode product { sku } } } }";
        shop.key.query(rules, json!({"id": shop.channel})).await.at("/channel/fulfillmentRules").clone()
    };
    assert_eq!(set(json!(null)).await, json!(null), "there was none");
    for mode in ["COUPLED", "COUPLED", "DECOUPLED"] {
        assert_eq!(
            set(json!(mode)).await,
            json!({"mode": mode, "channel": {"id": shop.channel}, "product": {"sku": "S"}})
        );
        assert_eq!(rules().await, json!([{"mode": mode, "product": {"sku": "S"}}]));
    }
    assert_eq!(set(json!(null)).await, json!(null));
    assert_eq!(rules().await, json!([]));
    let journal = "{ events(first: 10, filter: { types: [RULE_SET] }) { nodes { channel { id } } } }";
    let written = async || {
        let events = shop.key.query(journal, json!({})).await.list("/events/nodes").len();
        (events >= 3).then_some(events)
    };
    assert_eq!(eventually("the events", written).await, 3, "for each change one");
}

async fn a_change_decided_on_an_old_version_is_refused(app: App) {
    let shop = Shop::open(&app, "shop").await;
    let id = product(&app, "S", json!({})).await;
    let admin = app.admin();
    let changes = [
        ("updatePartner", "partner", json!({"partnerId": shop.partner})),
        ("updateChannel", "channel", json!({"channelId": shop.channel})),
        ("updateProduct", "product", json!({"productId": id})),
    ];
    for (mutation, record, input) in changes {
        let change = async |name: &str, expected: i32| {
            let mut input = input.clone();
            if let Some(input) = input.as_object_mut() {
                input.insert("name".to_owned(), json!(name));
                input.insert("expectedVersion".to_owned(), json!(expected));
            }
            admin.mutate(mutation, &format!("{record} {{ version name }}"), input).await
        };
        assert_refused(&change("new", 2).await, "STALE_VERSION", &["expectedVersion"]);
        let done = change("new", 1).await.done();
        assert_eq!(done.at(&format!("/{record}")), &json!({"version": 2, "name": "new"}));
        let refused = change("newer", 1).await;
        assert_refused(&refused, "STALE_VERSION", &["expectedVersion"]);
        assert!(refused.at(&format!("/{record}")).is_null());
        change("newer", 2).await.done();
    }
}

async fn of_many_changes_of_one_version_one_is_made(app: App) {
    let id = product(&app, "S", json!({})).await;
    let changes = (1..=8).map(|days| {
        update_product(&app, json!({"productId": id, "expectedVersion": 1, "policy": {"validForDays": days}}))
    });
    let answers = join_all(changes).await;
    let refusals: Vec<_> = answers.iter().filter_map(Answer::refusal).collect();
    assert_eq!(refusals, ["STALE_VERSION"; 7]);
    let changes = (1..=8).map(|days| update_product(&app, json!({"productId": id, "policy": {"maxPerAccount": days}})));
    for answer in join_all(changes).await {
        answer.done();
    }
    let now = update_product(&app, json!({"productId": id})).await.done();
    assert_eq!((now.number("/product/version"), now.number("/product/policy/version")), (10, 10), "none was lost");
}

async fn text_is_kept_verbatim_or_refused(app: App) {
    let admin = app.admin();
    for name in [" Zoë & Søn ", "注文", "'; DROP TABLE partners; --", &"é".repeat(200)] {
        let made = admin.mutate("createPartner", "partner { name }", json!({"name": name})).await.done();
        assert_eq!(made.at("/partner/name"), name);
    }
    for name in ["", "  ", "a\u{0}b", "two\nlines", &"x".repeat(201)] {
        let partner = admin.mutate("createPartner", "partner { id }", json!({"name": name})).await;
        assert_refused(&partner, "INVALID_INPUT", &["name"]);
        let channel = admin.mutate("createChannel", "channel { id }", json!({"name": name, "kind": "API"})).await;
        assert_refused(&channel, "INVALID_INPUT", &["name"]);
        let product = admin.mutate("createProduct", "product { id }", json!({"sku": "S", "name": name})).await;
        assert_refused(&product, "INVALID_INPUT", &["name"]);
    }
    let sku = admin.mutate("createProduct", "product { id }", json!({"sku": "x".repeat(256), "name": "n"})).await;
    assert_refused(&sku, "INVALID_INPUT", &["sku"]);
}

async fn unknown_records_are_not_found(app: App) {
    let shop = Shop::open(&app, "shop").await;
    let id = product(&app, "S", json!({})).await;
    let last = |id: &str| format!("{}{}", &id.get(..29).expect("an id"), if id.ends_with('0') { '1' } else { '0' });
    let (no_partner, no_channel, no_product) = (last(&shop.partner), last(&shop.channel), last(&id));
    let admin = app.admin();
    let cases = [
        ("createPartner", json!({"name": "n", "parentId": no_partner}), "parentId"),
        ("updatePartner", json!({"partnerId": no_partner, "name": "n"}), "partnerId"),
        ("updatePartner", json!({"partnerId": shop.partner, "parentId": no_partner}), "parentId"),
        ("createChannel", json!({"name": "n", "kind": "API", "partnerId": no_partner}), "partnerId"),
        ("updateChannel", json!({"channelId": no_channel, "name": "n"}), "channelId"),
        ("updateProduct", json!({"productId": no_product, "name": "n"}), "productId"),
        ("setFulfillmentRule", json!({"channelId": no_channel, "productId": id, "mode": "COUPLED"}), "channelId"),
        (
            "setFulfillmentRule",
            json!({"channelId": shop.channel, "productId": no_product, "mode": "COUPLED"}),
            "productId",
        ),
    ];
    for (mutation, input, field) in cases {
        let answer = admin.mutate(mutation, "", input).await;
        assert_refused(&answer, "NOT_FOUND", &[field]);
    }
    let of_another_kind = admin.mutate("updatePartner", "", json!({"partnerId": shop.channel, "name": "n"})).await;
    assert_refused(&of_another_kind, "INVALID_INPUT", &["partnerId"]);
}

async fn every_change_has_its_event_and_what_changes_nothing_has_none(app: App) {
    let admin = app.admin();
    let start = admin.feed_cursor().await;
    let shop = Shop::open(&app, "shop").await;
    let id = product(&app, "S", json!({})).await;
    for name in ["shop", "new", "new"] {
        update_partner(&app, json!({"partnerId": shop.partner, "name": name, "active": true})).await.done();
        let input = json!({"channelId": shop.channel, "name": name});
        admin.mutate("updateChannel", "channel { id }", input).await.done();
        update_product(&app, json!({"productId": id, "name": name, "policy": {"mode": "DECOUPLED"}})).await.done();
    }
    let document = "subscription ($after: Cursor) { events(after: $after) { type actor channel { id } } }";
    let mut events = admin.subscribe(document, json!({"after": start})).await;
    let expected = [
        "PARTNER_CREATED",
        "CHANNEL_CREATED",
        "API_KEY_CREATED",
        "PRODUCT_CREATED",
        "PRODUCT_UPDATED",
        "PARTNER_UPDATED",
        "CHANNEL_UPDATED",
        "PRODUCT_UPDATED",
    ];
    for kind in expected {
        let mut event = events.next().await;
        if event.at("/events/actor") == "system:tests" {
            event = events.next().await; // The administrator's own key, where it got its position after the cursor was read.
        }
        assert_eq!(event.at("/events/type"), kind);
        assert!(event.text("/events/actor").starts_with("key:key_"));
        assert_eq!(event.at("/events/channel").is_object(), kind.starts_with("CHANNEL"), "{kind}");
    }
}

async fn a_repeat_under_the_same_key_makes_nothing_twice(app: App) {
    let admin = app.admin();
    let create = async |sku: &str| {
        let input = json!({"sku": sku, "name": "n", "idempotencyKey": "once"});
        admin.mutate("createProduct", "product { id }", input).await
    };
    let first = create("S").await.done().text("/product/id");
    assert_eq!(create("S").await.done().text("/product/id"), first);
    assert_eq!(create("T").await.refusal(), Some("IDEMPOTENCY_KEY_REUSED"));
    let input = json!({"name": "n", "idempotencyKey": "once"});
    admin.mutate("createPartner", "partner { id }", input).await.done();
}
