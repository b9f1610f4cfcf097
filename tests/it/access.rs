//! Who may do and see what: a role decides which fields there are at all, and the scope which records. What is somebody else's answers
//! exactly as what does not exist.

mod customer;
mod foreign;
mod kin;

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
    [
        both_engines![
            what_a_role_may_not_do_is_refused_before_anything_is_looked_up,
            queries_that_a_role_does_not_have_are_refused,
            whoever_shows_no_key_gets_nothing,
            the_viewer_is_told_who_it_is,
            support_reads_everything,
            a_revoked_key_opens_nothing,
            a_revoked_key_ends_its_socket,
            a_key_past_its_end_opens_nothing,
            the_keys_of_an_inactive_partner_open_nothing,
        ],
        without_database![every_mutation_is_in_the_table],
        customer::tests(),
        foreign::tests(),
        kin::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

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

fn every_mutation_is_in_the_table() {
    let document = parse_schema(claimcheck::graphql::sdl()).expect("a schema");
    let mutation = document.definitions.into_iter().find_map(|definition| {
        let TypeSystemDefinition::Type(definition) = definition else { return None };
        (definition.node.name.node == "Mutation").then_some(definition.node.kind)
    });
    let Some(TypeKind::Object(mutation)) = mutation else { panic!("no mutations") };
    let names = mutation.fields.into_iter().map(|field| field.node.name.node.to_string());
    let missing: Vec<String> = names.filter(|name| !MUTATIONS.iter().any(|(known, _, _)| known == name)).collect();
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
        assert_eq!(
            response.headers().get("www-authenticate").map(reqwest::header::HeaderValue::as_bytes),
            Some(&b"Bearer"[..])
        );
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
