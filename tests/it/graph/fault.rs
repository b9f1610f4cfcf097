//! Fields that fail: the nearest that may be null is null, there is one error, and everything else is as it would have been.

use serde_json::{Value, json};

use super::{first, shop_with_products};
use crate::harness::{Answer, App, Shop, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_failed_field_that_may_be_null_is_null,
        a_failed_field_that_cannot_be_null_nulls_its_parent,
        a_failed_field_in_a_list_nulls_what_may_be_null_above,
        answers_follow_the_order_of_the_query,
    ]
}

async fn a_failed_field_that_may_be_null_is_null(app: App) {
    let query = r#"{ before: feedCursor broken: node(id: "garbage") { id } after: viewer { role } }"#;
    let answer = app.admin().query(query, json!({})).await;
    let data = answer.body.get("data").expect("data");
    assert_eq!(data.get("broken"), Some(&Value::Null));
    assert_eq!(data.pointer("/after/role"), Some(&json!("ADMIN")));
    assert!(data.get("before").is_some_and(Value::is_string));
    assert_eq!(paths(&answer), [json!(["broken"])]);
    assert_eq!(answer.code(), Some("BAD_USER_INPUT"));
}

async fn a_failed_field_that_cannot_be_null_nulls_its_parent(app: App) {
    let seller = shop_with_products(&app).await;
    let holder = Shop::open(&app, "Beta").await;
    let placed = seller.place("o-1", json!([{"sku": "NOW"}])).await;
    let redeemed = holder.redeem(first(&placed.codes), "bea").await;
    let unit = redeemed.text("/redeemCode/entitlement/id");
    let query = "query ($id: ID!) { unit: entitlement(id: $id) { id status order { id } } viewer { role } }";
    let answer = holder.key.query(query, json!({"id": unit})).await;
    assert_eq!(answer.body.get("data"), Some(&json!({"unit": null, "viewer": {"role": "PARTNER"}})));
    assert_eq!(paths(&answer), [json!(["unit", "order"])]);
    assert_eq!(answer.code(), Some("NOT_FOUND"));
    let answer =
        holder.key.query("query ($id: ID!) { entitlement(id: $id) { status product { sku } } }", json!({"id": unit}));
    assert_eq!(answer.await.at("/entitlement"), &json!({"status": "ACTIVE", "product": {"sku": "NOW"}}));
}

async fn a_failed_field_in_a_list_nulls_what_may_be_null_above(app: App) {
    let seller = shop_with_products(&app).await;
    let holder = Shop::open(&app, "Beta").await;
    let placed = seller.place("o-1", json!([{"sku": "NOW"}])).await;
    let unit = holder.redeem(first(&placed.codes), "bea").await.text("/redeemCode/entitlement/id");
    // A unit in a list cannot be null, nor can the list: nothing is left but the error.
    let answer = holder.key.query("{ entitlements { nodes { id channel { id } } } }", json!({})).await;
    assert_eq!(answer.body.get("data"), Some(&Value::Null));
    assert_eq!(answer.code(), Some("NOT_FOUND"));
    assert_leads_to(&answer, &["entitlements", "nodes", "0"]);
    // One of `nodes` can, and takes nobody along.
    let own = holder.place("b-1", json!([{"sku": "NOW"}])).await;
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Entitlement { id channel { id } } } }";
    let answer = holder.key.query(query, json!({"ids": [unit, first(&own.units)]})).await;
    let kept = json!({"id": first(&own.units), "channel": {"id": holder.channel}});
    assert_eq!(answer.body.get("data"), Some(&json!({"nodes": [null, kept]})));
    assert_leads_to(&answer, &["nodes", "0"]);
}

async fn answers_follow_the_order_of_the_query(app: App) {
    let shop = shop_with_products(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "NOW"}])).await;
    let query = format!(
        r#"{{ z: viewer {{ role }} order(id: "{}") {{ statistics {{ revoked active ordered }} status lines {{ quantity product {{ sku id }} mode id }}
            channel {{ name id }} id ...More externalReference }} a: feedCursor }} fragment More on Order {{ placedAt source }}"#,
        placed.order
    );
    let response = shop.key.post("/graphql").json(&json!({"query": query})).send().await.expect("an answer");
    let text = response.text().await.expect("a body");
    let names = [
        "z",
        "role",
        "order",
        "statistics",
        "revoked",
        "active",
        "ordered",
        "status",
        "lines",
        "quantity",
        "product",
        "sku",
        "id",
        "mode",
        "id",
        "channel",
        "name",
        "id",
        "id",
        "placedAt",
        "source",
        "externalReference",
        "a",
    ];
    let mut rest = text.as_str();
    for name in names {
        let (_, after) =
            rest.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} is not next: {text}"));
        rest = after;
    }
}

/// That the path of the one error begins so: the executor ends the path of an error below a list at the item.
#[track_caller]
fn assert_leads_to(answer: &Answer, path: &[&str]) {
    let paths = paths(answer);
    let [Value::Array(found)] = paths.as_slice() else { panic!("one error: {:#}", answer.body) };
    let found: Vec<String> = found.iter().map(|part| part.to_string().replace('"', "")).collect();
    assert!(found.starts_with(&path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()), "{found:?}");
}

fn paths(answer: &Answer) -> Vec<Value> {
    answer.errors().iter().filter_map(|error| error.get("path").cloned()).collect()
}
