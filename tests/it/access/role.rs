//! Which role may use which field of Query, Mutation and Subscription: one table, held against the schema and tried cell by cell.

use std::collections::BTreeSet;

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};

use super::{every_role, shop_with_products, unknown_like};
use crate::harness::{App, Test, both_engines, without_database};

pub fn tests() -> Vec<Test> {
    [
        both_engines![
            what_a_role_may_not_do_is_refused_before_anything_is_looked_up,
            a_role_asks_what_it_may_ask,
            a_role_follows_what_it_may_follow,
        ],
        without_database![every_field_has_a_row],
    ]
    .into_iter()
    .flatten()
    .collect()
}

const ALL: &str = "ADMIN SUPPORT PARTNER PROVISIONER CUSTOMER";

/// Every mutation, an input whose ids are malformed, and the roles that may.
const MUTATIONS: [(&str, &str, &str); 35] = [
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
    ("transferEntitlement", r#"entitlementId: "x", recipient: {}"#, "ADMIN SUPPORT PARTNER CUSTOMER"),
    ("releaseAssignment", r#"assignmentId: "x", reason: "r""#, "ADMIN SUPPORT PARTNER"),
    ("cancelOrder", r#"orderId: "x", reason: "r""#, "ADMIN SUPPORT PARTNER"),
    ("revokeEntitlement", r#"entitlementId: "x", reason: "r""#, "ADMIN SUPPORT PARTNER"),
    ("reissueEntitlement", r#"entitlementId: "x", reason: "r""#, "ADMIN SUPPORT PARTNER"),
    ("rotateActivationCode", r#"entitlementId: "x", reason: "r""#, "ADMIN SUPPORT PARTNER"),
    ("revealActivationCode", r#"activationCodeId: "x", reason: "r""#, "ADMIN SUPPORT PARTNER"),
    ("exportActivationCodes", r#"orderId: "x", reason: "r""#, "ADMIN SUPPORT PARTNER"),
    ("suspendEntitlement", r#"entitlementId: "x", reason: "r""#, "ADMIN SUPPORT"),
    ("resumeEntitlement", r#"entitlementId: "x", reason: "r""#, "ADMIN SUPPORT"),
    ("extendEntitlement", r#"entitlementId: "x", expiresAt: "2031-01-01T00:00:00Z", reason: "r""#, "ADMIN SUPPORT"),
    ("resolveException", r#"exceptionId: "x", resolution: DISMISSED, note: "n""#, "ADMIN SUPPORT"),
    ("claimProvisioning", r#"productIds: ["x"]"#, "ADMIN PROVISIONER"),
    ("extendProvisioningLease", r#"attemptId: "x", leaseSeconds: 5"#, "ADMIN PROVISIONER"),
    ("completeProvisioning", r#"attemptId: "x""#, "ADMIN PROVISIONER"),
    ("failProvisioning", r#"attemptId: "x", reason: "r""#, "ADMIN PROVISIONER"),
    ("retryProvisioning", r#"assignmentId: "x""#, "ADMIN SUPPORT PROVISIONER"),
];

/// Every query with its arguments and selection, and the roles that may. Whom it is not for gets nothing; what others get is their scope's.
const QUERIES: [(&str, &str, &str); 27] = [
    ("account", "(id: #acc) { id }", ALL),
    ("accountByReference", r#"(externalReference: "x") { id }"#, ALL),
    ("apiKeys", "{ nodes { id } }", "ADMIN SUPPORT"),
    ("assignments", "{ nodes { id } }", ALL),
    ("channel", "(id: #chn) { id }", ALL),
    ("channelByName", r#"(name: "x") { id }"#, ALL),
    ("channels", "{ nodes { id } }", ALL),
    ("entitlement", "(id: #ent) { id }", ALL),
    ("entitlements", "{ nodes { id } }", ALL),
    ("events", "{ nodes { id } }", ALL),
    ("exceptions", "{ nodes { id } }", ALL),
    ("feedCursor", "", ALL),
    ("node", "(id: #ord) { id }", ALL),
    ("nodes", "(ids: [#ord]) { id }", ALL),
    ("order", "(id: #ord) { id }", ALL),
    ("orderByReference", r#"(channelId: #chn, externalReference: "x") { id }"#, ALL),
    ("orders", "{ nodes { id } }", ALL),
    ("partner", "(id: #prt) { id }", ALL),
    ("partners", "{ nodes { id } }", ALL),
    ("product", "(id: #prd) { id }", ALL),
    ("productBySku", r#"(sku: "x") { id }"#, ALL),
    ("products", "{ nodes { id } }", ALL),
    ("redemptionAttempts", "{ nodes { id } }", ALL),
    ("redemptionCheck", r#"(code: "x") { redeemable }"#, "ADMIN SUPPORT PARTNER CUSTOMER"),
    ("search", r#"(query: "x") { matched }"#, ALL),
    ("statistics", "{ ordered }", ALL),
    ("viewer", "{ role }", ALL),
];

/// Every subscription, how it is answered where the role may, and the roles that may.
const SUBSCRIPTIONS: [(&str, &str, &str, &str); 5] = [
    ("entitlementUpdated", "(id: #ent) { id }", "NOT_FOUND", ALL),
    ("events", r#"(after: "x") { id }"#, "CURSOR_INVALID", ALL),
    ("orderUpdated", "(id: #ord) { id }", "NOT_FOUND", ALL),
    ("redemptions", r#"(after: "x") { id }"#, "CURSOR_INVALID", ALL),
    ("statisticsUpdated", "{ ordered }", "", ALL),
];

/// The fields of a type of the schema.
fn fields(kind: &str) -> BTreeSet<String> {
    let document = parse_schema(claimcheck::graphql::sdl()).expect("a schema");
    let definition = document.definitions.into_iter().find_map(|definition| {
        let TypeSystemDefinition::Type(definition) = definition else { return None };
        (definition.node.name.node == kind).then_some(definition.node.kind)
    });
    let Some(TypeKind::Object(object)) = definition else { panic!("no type {kind}") };
    object.fields.into_iter().map(|field| field.node.name.node.to_string()).collect()
}

fn every_field_has_a_row() {
    let rows = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(rows(QUERIES.iter().map(|row| row.0).collect()), fields("Query"), "say which roles have it");
    assert_eq!(rows(MUTATIONS.iter().map(|row| row.0).collect()), fields("Mutation"), "say which roles have it");
    assert_eq!(
        rows(SUBSCRIPTIONS.iter().map(|row| row.0).collect()),
        fields("Subscription"),
        "say which roles have it"
    );
}

/// The text with an id that nothing has in place of each `#` and kind.
fn with_ids(text: &str) -> String {
    ["acc", "chn", "ent", "ord", "prd", "prt"].iter().fold(text.to_owned(), |text, kind| {
        text.replace(&format!("#{kind}"), &json!(unknown_like(&format!("{kind}_"))).to_string())
    })
}

fn may(role: &str, roles: &str) -> bool {
    roles.split(' ').any(|allowed| allowed == role)
}

async fn what_a_role_may_not_do_is_refused_before_anything_is_looked_up(app: App) {
    let shop = shop_with_products(&app).await;
    for (role, client) in every_role(&app, &shop).await {
        for (mutation, input, roles) in MUTATIONS {
            let document = format!("mutation {{ {mutation}(input: {{ {input} }}) {{ userErrors {{ code }} }} }}");
            let answer = client.query(&document, json!({})).await;
            if may(role, roles) {
                assert_eq!(answer.list(&format!("/{mutation}/userErrors")).len(), 1, "{role} {mutation}");
            } else {
                assert_eq!(answer.code(), Some("FORBIDDEN"), "{role} {mutation}: {:#}", answer.body);
                assert_eq!(answer.body.get("data"), Some(&Value::Null), "{role} {mutation}");
            }
        }
    }
}

async fn a_role_asks_what_it_may_ask(app: App) {
    let shop = shop_with_products(&app).await;
    for (role, client) in every_role(&app, &shop).await {
        for (query, rest, roles) in QUERIES {
            let document = format!("{{ {query}{} }}", with_ids(rest));
            let answer = client.query(&document, json!({})).await;
            let expected = (!may(role, roles)).then_some("FORBIDDEN");
            assert_eq!(answer.code(), expected, "{role} {document}: {:#}", answer.body);
        }
    }
}

async fn a_role_follows_what_it_may_follow(app: App) {
    let shop = shop_with_products(&app).await;
    for (role, client) in every_role(&app, &shop).await {
        for (subscription, rest, code, roles) in SUBSCRIPTIONS {
            let document = format!("subscription {{ {subscription}{} }}", with_ids(rest));
            let mut stream = client.subscribe(&document, json!({})).await;
            let expected = if may(role, roles) { code } else { "FORBIDDEN" };
            if expected.is_empty() {
                stream.next().await.data();
            } else {
                assert_eq!(stream.refused().await.code(), Some(expected), "{role} {document}");
            }
        }
    }
}
