//! Arguments and inputs other than an order's: each mistake is told by its field.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::shop;
use crate::harness::{App, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        malformed_ids_in_queries_are_refused,
        malformed_ids_in_mutations_are_refused_by_their_field,
        malformed_filters_and_times_are_refused,
        catalogue_entries_that_make_no_sense_are_refused,
        accounts_that_make_no_sense_are_refused,
        codes_of_any_shape_are_refused_alike,
    ]
}

async fn malformed_ids_in_queries_are_refused(app: App) {
    let shop = shop(&app).await;
    let long = "x".repeat(10_000);
    let bad = [
        "",
        "garbage",
        "ord_",
        "_",
        "ord_x",
        "ORD_01h455vb4pex5vsknk084sn02q",
        "ord_81h455vb4pex5vsknk084sn02q",
        "ord_01h455vb4pex5vsknk084sn02\0",
        &long,
        "007",
    ];
    for id in bad {
        for field in ["node", "order", "entitlement", "account", "product", "channel", "partner"] {
            let answer =
                shop.key.query(&format!("query ($id: ID!) {{ {field}(id: $id) {{ id }} }}"), json!({"id": id})).await;
            assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{field} {id:?}");
            assert_eq!(answer.body.pointer(&format!("/data/{field}")), Some(&Value::Null), "{field} {id:?}");
            assert_eq!(answer.status, StatusCode::OK);
        }
        let answer = shop
            .key
            .query("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": [shop.channel, id]}))
            .await;
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{id:?}");
    }
    // Another kind's id is a mistake of whoever wrote the query, whether it exists or not.
    for field in ["order", "entitlement", "account", "product", "partner"] {
        let query = format!("query ($id: ID!) {{ {field}(id: $id) {{ id }} }}");
        assert_eq!(shop.key.query(&query, json!({"id": shop.channel})).await.code(), Some("BAD_USER_INPUT"), "{field}");
    }
    let many = vec![shop.channel.clone(); 101];
    let answer = shop.key.query("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": many})).await;
    assert_eq!(answer.code(), Some("BAD_USER_INPUT"));
}

async fn malformed_ids_in_mutations_are_refused_by_their_field(app: App) {
    let shop = shop(&app).await;
    let mutations = [
        ("assignEntitlement", "entitlementId", r#"account: { externalReference: "a" }"#),
        ("assignEntitlements", "orderLineId", r#"accounts: [{ externalReference: "a" }]"#),
        ("submitAssignmentInput", "assignmentId", "input: {}"),
        ("reserveEntitlement", "entitlementId", r#"account: { externalReference: "a" }"#),
        ("extendReservation", "reservationId", "minutes: 1"),
        ("confirmReservation", "reservationId", ""),
        ("releaseReservation", "reservationId", ""),
    ];
    let long = "x".repeat(5_000);
    for (mutation, field, rest) in mutations {
        for id in ["garbage", "", shop.channel.as_str(), long.as_str()] {
            let document = format!(
                "mutation ($id: ID!) {{ {mutation}(input: {{ {field}: $id {rest} }}) {{ userErrors {{ code field message }} }} }}"
            );
            let answer = shop.key.query(&document, json!({"id": id})).await;
            assert_eq!(answer.at(&format!("/{mutation}/userErrors/0/code")), "INVALID_INPUT", "{mutation}");
            assert_eq!(answer.at(&format!("/{mutation}/userErrors/0/field")), &json!([field]), "{mutation}");
        }
    }
    for (mutation, field, rest) in [
        ("updateChannel", "channelId", r#"name: "x""#),
        ("updatePartner", "partnerId", r#"name: "x""#),
        ("updateProduct", "productId", r#"name: "x""#),
        ("revokeApiKey", "apiKeyId", ""),
    ] {
        for (id, code) in [("garbage", "INVALID_INPUT"), (shop.channel.as_str(), "INVALID_INPUT")] {
            let document = format!(
                "mutation ($id: ID!) {{ {mutation}(input: {{ {field}: $id {rest} }}) {{ userErrors {{ code field }} }} }}"
            );
            if field == "channelId" && id == shop.channel {
                continue;
            }
            let answer = app.admin().query(&document, json!({"id": id})).await;
            assert_eq!(
                answer.at(&format!("/{mutation}/userErrors/0")),
                &json!({"code": code, "field": [field]}),
                "{mutation}"
            );
        }
    }
}

async fn malformed_filters_and_times_are_refused(app: App) {
    let shop = shop(&app).await;
    for (field, filter) in [
        ("orders", r#"channelId: "x""#),
        ("orders", r#"partnerId: "x""#),
        ("orders", r#"productId: "x""#),
        ("entitlements", r#"accountId: "x""#),
        ("entitlements", r#"orderId: "x""#),
        ("assignments", r#"accountId: "x""#),
        ("events", r#"entitlementId: "x""#),
        ("events", r#"partnerId: "x""#),
        ("redemptionAttempts", r#"entitlementId: "x""#),
        ("exceptions", r#"orderId: "x""#),
    ] {
        let answer =
            shop.key.query(&format!("{{ {field}(filter: {{ {filter} }}) {{ nodes {{ id }} }} }}"), json!({})).await;
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{field} {filter}");
    }
    for filter in [
        r#"placedFrom: "today""#,
        r#"placedTo: "2026-02-30T00:00:00Z""#,
        "placedFrom: 7",
        "status: [LOST]",
        "unknown: 1",
    ] {
        let answer =
            shop.key.query(&format!("{{ orders(filter: {{ {filter} }}) {{ nodes {{ id }} }} }}"), json!({})).await;
        assert_eq!(answer.errors().len(), 1, "{filter}");
        assert!(
            matches!(answer.code(), Some("BAD_USER_INPUT" | "GRAPHQL_VALIDATION_FAILED")),
            "{filter}: {:#}",
            answer.body
        );
    }
    for argument in [r#"channelId: "x""#, r#"productId: "ord_01h455vb4pex5vsknk084sn02q""#] {
        let answer = shop.key.query(&format!("{{ statistics({argument}) {{ ordered }} }}"), json!({})).await;
        assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{argument}");
    }
    // What nobody can be is no mistake: it matches nothing.
    for filter in [
        r#"buyerEmail: """#,
        r#"buyerEmail: "\u0000""#,
        "status: []",
        "fulfillmentStatus: []",
        r#"placedFrom: "9999-12-31T23:59:59Z""#,
        r#"placedTo: "0001-01-01T00:00:00Z""#,
    ] {
        let answer = shop
            .key
            .query(&format!("{{ orders(filter: {{ {filter} }}) {{ totalCount nodes {{ id }} }} }}"), json!({}))
            .await;
        assert_eq!(answer.at("/orders"), &json!({"totalCount": 0, "nodes": []}), "{filter}");
    }
}

async fn catalogue_entries_that_make_no_sense_are_refused(app: App) {
    let long = "x".repeat(10_000);
    let admin = app.admin();
    shop(&app).await;
    let cases = [
        ("createProduct", json!({"sku": "", "name": "n"}), json!(["sku"])),
        ("createProduct", json!({"sku": long, "name": "n"}), json!(["sku"])),
        ("createProduct", json!({"sku": "s\0", "name": "n"}), json!(["sku"])),
        ("createProduct", json!({"sku": "s", "name": long}), json!(["name"])),
        ("createProduct", json!({"sku": "s", "name": "n\0"}), json!(["name"])),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"validForDays": 0}}),
            json!(["policy", "validForDays"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"validForDays": -1}}),
            json!(["policy", "validForDays"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"reservationMinutes": 0}}),
            json!(["policy", "reservationMinutes"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"maxPerAccount": 0}}),
            json!(["policy", "maxPerAccount"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"requiredInput": ["a", "a"]}}),
            json!(["policy", "requiredInput"]),
        ),
        (
            "createProduct",
            json!({"sku": "s", "name": "n", "policy": {"requiredInput": [""]}}),
            json!(["policy", "requiredInput"]),
        ),
        ("createPartner", json!({"name": ""}), json!(["name"])),
        ("createPartner", json!({"name": long}), json!(["name"])),
        ("createPartner", json!({"name": "p", "parentId": "garbage"}), json!(["parentId"])),
        ("createChannel", json!({"name": "\0", "kind": "API"}), json!(["name"])),
        ("createChannel", json!({"name": "c", "kind": "API", "partnerId": "garbage"}), json!(["partnerId"])),
        ("createApiKey", json!({"name": "", "role": "ADMIN"}), json!(["name"])),
        ("createApiKey", json!({"name": "k", "role": "PARTNER"}), json!(["partnerId"])),
        ("createApiKey", json!({"name": "k", "role": "CUSTOMER"}), json!(["accountReference"])),
        ("createApiKey", json!({"name": "k", "role": "CUSTOMER", "accountReference": ""}), json!(["accountReference"])),
        (
            "createApiKey",
            json!({"name": "k", "role": "ADMIN", "expiresAt": "2020-01-01T00:00:00Z"}),
            json!(["expiresAt"]),
        ),
    ];
    for (mutation, input, field) in cases {
        let shown: String = input.to_string().chars().take(100).collect();
        let title = mutation.replacen('c', "C", 1);
        let document = format!(
            "mutation ($input: {title}Input!) {{ {mutation}(input: $input) {{ userErrors {{ code field }} }} }}"
        );
        let answer = admin.query(&document, json!({"input": input})).await;
        assert_eq!(
            answer.at(&format!("/{mutation}/userErrors")),
            &json!([{"code": "INVALID_INPUT", "field": field}]),
            "{shown}"
        );
    }
    // A name that is taken is told so, once.
    for (mutation, input) in [
        ("createProduct", json!({"sku": "A", "name": "n"})),
        ("createChannel", json!({"name": "Alpha", "kind": "API"})),
    ] {
        let title = mutation.replacen('c', "C", 1);
        let document =
            format!("mutation ($input: {title}Input!) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}");
        let answer = admin.query(&document, json!({"input": input})).await;
        assert_eq!(answer.list(&format!("/{mutation}/userErrors")).len(), 1, "{mutation}: {:#}", answer.body);
    }
}

async fn accounts_that_make_no_sense_are_refused(app: App) {
    let shop = shop(&app).await;
    let unit = shop.place("o-1", json!([{"sku": "A"}])).await.units.concat();
    let long = "x".repeat(10_000);
    let mutation =
        "mutation ($input: AssignEntitlementInput!) { assignEntitlement(input: $input) { userErrors { code field } } }";
    for (account, field) in [
        (json!({"externalReference": ""}), json!(["account", "externalReference"])),
        (json!({"externalReference": long}), json!(["account", "externalReference"])),
        (json!({"externalReference": "a\0"}), json!(["account", "externalReference"])),
        (json!({"externalReference": "a", "email": "nobody"}), json!(["account", "email"])),
        (json!({"externalReference": "a", "displayName": "\u{7}"}), json!(["account", "displayName"])),
        (json!(null), json!(["account"])),
    ] {
        let answer = shop.key.query(mutation, json!({"input": {"entitlementId": unit, "account": account}})).await;
        assert_eq!(
            answer.at("/assignEntitlement/userErrors"),
            &json!([{"code": "INVALID_INPUT", "field": field}]),
            "{field}"
        );
    }
    for input in [json!([]), json!("text"), json!({"a": "\0"}), json!({"a": "x".repeat(20_000)})] {
        let answer = shop
            .key
            .query(
                mutation,
                json!({"input": {"entitlementId": unit, "account": {"externalReference": "a"}, "input": input}}),
            )
            .await;
        assert_eq!(answer.at("/assignEntitlement/userErrors"), &json!([{"code": "INVALID_INPUT", "field": ["input"]}]));
    }
    let answer =
        shop.key.query("query ($id: ID!) { entitlement(id: $id) { status version } }", json!({"id": unit})).await;
    assert_eq!(answer.at("/entitlement"), &json!({"status": "UNASSIGNED", "version": 1}));
    assert_eq!(
        shop.key
            .query(r#"{ accountByReference(externalReference: "a") { id } }"#, json!({}))
            .await
            .at("/accountByReference"),
        &Value::Null
    );
}

async fn codes_of_any_shape_are_refused_alike(app: App) {
    let shop = shop(&app).await;
    let long = "0".repeat(10_000);
    for code in ["", " ", "garbage", "\0", "👩‍👩‍👧", "00000-00000-00000-00000-00001", &long] {
        let answer = shop.redeem(code, "ann").await;
        assert_eq!(answer.at("/redeemCode/userErrors/0/code"), "CODE_INVALID", "{code:?}");
        assert_eq!(answer.at("/redeemCode/userErrors/0/allowedActions"), &json!([]));
        let query = "query ($code: String!) { redemptionCheck(code: $code) { redeemable reason product { id } } }";
        let answer = shop.key.query(query, json!({"code": code})).await;
        assert_eq!(
            answer.at("/redemptionCheck"),
            &json!({"redeemable": false, "reason": "CODE_INVALID", "product": null}),
            "{code:?}"
        );
    }
}
