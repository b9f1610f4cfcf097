//! Who may do and see what: a role decides which fields there are at all, and the scope which records. What is somebody else's answers
//! exactly as what does not exist.

mod customer;
mod foreign;
mod kin;
mod role;
mod token;
mod trace;
mod walk;

use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines, eventually,
    shop::{self, Placed},
};

pub fn tests() -> Vec<Test> {
    [
        both_engines![
            whoever_shows_no_key_gets_nothing,
            the_viewer_is_told_who_it_is,
            support_reads_everything,
            a_revoked_key_opens_nothing,
            a_revoked_key_ends_its_socket,
            a_key_past_its_end_opens_nothing,
            the_keys_of_an_inactive_partner_open_nothing,
        ],
        customer::tests(),
        foreign::tests(),
        kin::tests(),
        role::tests(),
        token::tests(),
        trace::tests(),
        walk::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
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
