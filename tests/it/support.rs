//! The questions of a support desk: one box to find a record by whatever is known of it, and the queries of the README.

use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines,
    shop::{self, Placed},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_record_is_found_by_whatever_is_known_of_it,
        an_address_is_found_whatever_the_case_of_its_plain_letters,
        what_is_somebody_else_s_is_not_found,
        looking_up_codes_that_are_not_there_is_limited,
        a_search_that_makes_no_sense_is_refused,
        the_readme_s_questions_are_answered,
    ]
}

const SEARCH: &str =
    "query ($what: String!, $first: Int) { search(query: $what, first: $first) { matched node { id } } }";

async fn search(client: &Client, what: &str) -> Vec<(String, String)> {
    hits(&client.query(SEARCH, json!({"what": what})).await)
}

fn hits(answer: &Answer) -> Vec<(String, String)> {
    let text = |hit: &Value, at: &str| hit.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    answer.list("/search").iter().map(|hit| (text(hit, "/matched"), text(hit, "/node/id"))).collect()
}

async fn sell(app: &App) -> (Shop, Placed) {
    shop::product(app, "A", json!({})).await;
    let shop = Shop::open(app, "Alpha").await;
    let more = json!({"buyer": {"email": "Buyer@Example.com"}});
    let lines = json!([{"sku": "A", "recipient": {"email": "gift@example.com"}}]);
    let placed = shop.place_with("o-77", lines, more).await;
    (shop, placed)
}

async fn a_record_is_found_by_whatever_is_known_of_it(app: App) {
    let (shop, placed) = sell(&app).await;
    let (unit, code) = (placed.units.concat(), placed.codes.concat());
    let of = |kind: &str, id: &str| (kind.to_owned(), id.to_owned());
    for client in [shop.key.clone(), app.admin(), app.key("SUPPORT", json!({})).await] {
        assert_eq!(search(&client, "o-77").await, [of("externalReference", &placed.order)]);
        assert_eq!(search(&client, " o-77 ").await, [of("externalReference", &placed.order)]);
        assert_eq!(search(&client, "O-77").await, []);
        assert_eq!(search(&client, &placed.order).await, [of("id", &placed.order)]);
        assert_eq!(search(&client, &unit).await, [of("id", &unit)]);
        assert_eq!(search(&client, "buyer@example.com").await, [of("buyerEmail", &placed.order)]);
        assert_eq!(search(&client, "GIFT@example.com").await, [of("recipientEmail", &unit)]);
        let by_code = search(&client, &code.to_lowercase().replace('-', " ")).await;
        assert_eq!(by_code.first(), Some(&of("code", &unit)));
        assert!(by_code.iter().any(|(matched, id)| matched == "code" && id.starts_with("cod_")), "{by_code:?}");
        let last_four: String = code.chars().skip(code.len() - 4).collect();
        let by_end = search(&client, &last_four.to_lowercase()).await;
        assert_eq!(by_end.first(), Some(&of("lastFour", &unit)));
        assert_eq!(hits(&client.query(SEARCH, json!({"what": last_four, "first": 1})).await).len(), 1);
    }
    let account = json!({"externalReference": "ann", "email": "ann@example.com"});
    let redeemed = shop.key.query(
        "mutation ($i: RedeemCodeInput!) { redeemCode(input: $i) { assignment { account { id } } userErrors { code } } }",
        json!({"i": {"code": code, "account": account}}),
    );
    let ann = redeemed.await.text("/redeemCode/assignment/account/id");
    assert_eq!(search(&shop.key, "ann").await, [of("externalReference", &ann)]);
    assert_eq!(search(&shop.key, "ANN@example.com").await, [of("email", &ann)]);
    assert_eq!(search(&shop.key, &code).await.first(), Some(&of("code", &unit)));
}

async fn an_address_is_found_whatever_the_case_of_its_plain_letters(app: App) {
    let (shop, _) = sell(&app).await;
    let buyer = json!({"buyer": {"email": "Zoë@Ex.com"}});
    let placed = shop.place_with("o-78", json!([{"sku": "A"}]), buyer).await;
    let query = "query ($email: String!) { orders(filter: { buyerEmail: $email }) { nodes { id } } }";
    for (what, found) in [("Zoë@Ex.com", true), ("zOë@eX.COM", true), ("ZOË@EX.COM", false), ("Zoe@Ex.com", false)] {
        let hits = search(&shop.key, what).await;
        assert_eq!(hits.first().map(|(_, id)| id), found.then_some(&placed.order), "{what}");
        let listed = shop.key.query(query, json!({"email": what})).await;
        assert_eq!(listed.list("/orders/nodes").len(), usize::from(found), "{what}");
    }
}

async fn what_is_somebody_else_s_is_not_found(app: App) {
    let (_, placed) = sell(&app).await;
    let stranger = Shop::open(&app, "Beta").await.key;
    let code = placed.codes.concat();
    let last_four: String = code.chars().skip(code.len() - 4).collect();
    for what in ["o-77", &placed.order, "buyer@example.com", "gift@example.com", &code, &last_four] {
        assert_eq!(search(&stranger, what).await, [], "{what}");
    }
}

async fn looking_up_codes_that_are_not_there_is_limited(app: App) {
    let (shop, placed) = sell(&app).await;
    let customer = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "eve"})).await;
    let code = placed.codes.concat();
    for _ in 0..10 {
        assert_eq!(search(&customer, &code).await, []);
    }
    let answer = customer.query(SEARCH, json!({"what": code})).await;
    assert_eq!(answer.code(), Some("RATE_LIMITED"), "{:#}", answer.body);
    assert_eq!(search(&customer, "o-77").await, []);
    assert_eq!(search(&app.admin(), &code).await.len(), 2);
}

async fn a_search_that_makes_no_sense_is_refused(app: App) {
    for what in ["", "  ", "a\u{0}b", &"x".repeat(256)] {
        let answer = app.admin().query(SEARCH, json!({"what": what})).await;
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{what:?}");
    }
    let answer = app.admin().query(SEARCH, json!({"what": "x", "first": 101})).await;
    assert_eq!(answer.code(), Some("BAD_USER_INPUT"));
}

/// The block of the README that asks for `name`: a query and its fragment.
fn question(name: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let from = readme.find(&format!("query {name}(")).expect("a question of that name");
    let text = readme.get(from..).unwrap_or_default();
    let end = text.find("\n\n").into_iter().chain(text.find("```")).min().expect("its end");
    text.get(..end).unwrap_or_default()
}

/// The units that a question shows of `what`, of whichever records are found.
async fn shown(client: &Client, name: &str, what: &str) -> Vec<Value> {
    let answer = client.query(question(name), json!({"what": what})).await;
    let units = |hit: &Value| {
        let node = hit.get("node").expect("a record");
        let list = |at: &str| node.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default();
        let held = list("/assignments/nodes").into_iter().filter_map(|one| one.get("entitlement").cloned());
        let id = node.get("id").and_then(Value::as_str).unwrap_or_default();
        let own = id.starts_with("ent_").then(|| node.clone()).into_iter().chain(node.get("entitlement").cloned());
        own.chain(held).chain(list("/entitlements/nodes")).collect::<Vec<_>>()
    };
    answer.list("/search").iter().flat_map(units).collect()
}

async fn the_readme_s_questions_are_answered(app: App) {
    let (shop, placed) = sell(&app).await;
    let (unit, code) = (placed.units.concat(), placed.codes.concat());
    let support = app.key("SUPPORT", json!({})).await;
    let redeem = "mutation ($i: RedeemCodeInput!) { redeemCode(input: $i) { assignment { account { id } } userErrors { code } } }";
    let by = |account: &str| {
        let account = json!({"externalReference": account, "email": format!("{account}@example.com")});
        json!({"i": {"code": code, "account": account}})
    };
    let ann = shop.key.query(redeem, by("ann")).await.text("/redeemCode/assignment/account/id");
    shop.key.query(redeem, by("bob")).await;

    let query = "query ($id: ID!) { entitlement(id: $id) { activationCode { id } } }";
    let id_of_code = support.query(query, json!({"id": unit})).await.text("/entitlement/activationCode/id");
    let last_four = code.get(code.len() - 4..).expect("four symbols");
    let known = ["o-77", &placed.order, &unit, &code, last_four, &id_of_code];
    let addresses = ["buyer@example.com", "gift@example.com", "ann@example.com", "ann", &ann];
    for what in known.into_iter().chain(addresses) {
        let valid = shown(&support, "Valid", what).await;
        let found = valid.first().unwrap_or_else(|| panic!("nothing by {what}"));
        assert_eq!((found.get("id"), found.get("status")), (Some(&json!(unit)), Some(&json!("ACTIVE"))), "{what}");
        let redeemed = shown(&support, "Redeemed", what).await;
        let attempts = redeemed.first().and_then(|unit| unit.get("redemptionAttempts")?.as_array().cloned());
        let attempts = attempts.unwrap_or_else(|| panic!("nothing by {what}"));
        let told: Vec<Value> = attempts.iter().map(|one| json!([one.get("outcome"), one.get("reason")])).collect();
        assert_eq!(told, [json!(["REJECTED", "ALREADY_REDEEMED"]), json!(["SUCCEEDED", null])], "{what}");
        let held = shown(&support, "Held", what).await;
        let holder = held.first().and_then(|unit| unit.pointer("/assignment/account/externalReference"));
        assert_eq!(holder, Some(&json!("ann")), "{what}");
    }
}
