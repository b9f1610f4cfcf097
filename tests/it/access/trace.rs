//! What is written down about what people do: the journal names who did it, in which role and by which request; nothing names a secret.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use claimcheck::domain::{access::Secret, activation_code::code::Code};
use jsonwebtoken::Algorithm;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use super::walk::{settle, trade};
use crate::harness::{
    App, Client, Database, Shop, Socket, Test, both_engines,
    program::Program,
    provider::{AUDIENCE, CLIENT, PUBLIC_URL, Provider, SECRET, Signer},
    scrape::Scrape,
    shop::product,
    visitor::Visitor,
};

pub fn tests() -> Vec<Test> {
    both_engines![
        every_event_says_who_did_it_and_by_which_request,
        the_life_of_a_key_is_in_the_journal,
        nothing_that_is_written_names_a_secret,
    ]
}

async fn every_event_says_who_did_it_and_by_which_request(app: App) {
    product(&app, "NOW", json!({"reassignable": true})).await;
    product(&app, "LATER", json!({"provisioning": "EXTERNAL"})).await;
    let shop = Shop::open(&app, "Alpha").await;
    trade(&app, &shop, "").await;
    let query = "{ events(first: 100) { nodes { type actor actorRole requestId apiKey { role } } } }";
    let answer = app.admin().query(query, json!({})).await;
    let mut roles = BTreeSet::new();
    for event in answer.list("/events/nodes") {
        let actor = event.get("actor").and_then(Value::as_str).expect("an actor");
        if actor == "system:tests" {
            continue; // The first key, which no request can make.
        }
        assert!(actor.starts_with("key:key_"), "{event}");
        assert!(
            event.get("requestId").is_some_and(|id| id.as_str().is_some_and(|id| id.starts_with("req_"))),
            "{event}"
        );
        roles.insert(event.get("actorRole").and_then(Value::as_str).expect("a role"));
        let about_a_key = event.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("API_KEY"));
        assert_eq!(event.get("apiKey").is_some_and(Value::is_object), about_a_key, "{event}");
    }
    assert_eq!(roles.into_iter().collect::<Vec<_>>(), ["ADMIN", "PARTNER", "PROVISIONER", "SUPPORT"]);
    // The shop reads of its own people only; a request's id is what its client made of it.
    let answer = shop.key.query(query, json!({})).await;
    for event in answer.list("/events/nodes") {
        let own = event.get("actor").is_some_and(|actor| actor != "support");
        assert_eq!(event.get("actorRole").is_some_and(|role| role == "PARTNER"), own, "{event}");
        assert_eq!(event.get("apiKey"), Some(&Value::Null), "{event}");
    }
    let redeem = "mutation ($code: String!) { redeemCode(input: { code: $code, account: { externalReference: \"ann\" } }) { userErrors { code } } }";
    let body = json!({"query": redeem, "variables": {"code": Code::random().expect("randomness").reveal()}});
    let sent = shop
        .key
        .post("/graphql")
        .header("x-request-id", "from-the-till-7")
        .json(&body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        sent.headers().get("x-request-id").map(reqwest::header::HeaderValue::as_bytes),
        Some(&b"from-the-till-7"[..])
    );
    settle(&app).await;
    let answer = app.admin().query("{ events(last: 1) { nodes { type requestId } } }", json!({})).await;
    assert_eq!(answer.at("/events/nodes/0"), &json!({"type": "REDEMPTION_REJECTED", "requestId": "from-the-till-7"}));
}

async fn the_life_of_a_key_is_in_the_journal(app: App) {
    let shop = Shop::open(&app, "Alpha").await;
    let key = shop.key.query("{ viewer { apiKey { id } } }", json!({})).await.text("/viewer/apiKey/id");
    app.admin().mutate("revokeApiKey", "apiKey { id }", json!({"apiKeyId": key})).await.done();
    settle(&app).await;
    let query = "{ viewer { apiKey { id } } events(last: 2, filter: { types: [API_KEY_CREATED, API_KEY_REVOKED] }) {
        nodes { type actor actorRole apiKey { id name role partner { id } } } } }";
    let answer = app.admin().query(query, json!({})).await;
    let actor = format!("key:{}", answer.text("/viewer/apiKey/id"));
    let about = json!({"id": key, "name": "a PARTNER key", "role": "PARTNER", "partner": {"id": shop.partner}});
    for (place, kind) in ["API_KEY_CREATED", "API_KEY_REVOKED"].into_iter().enumerate() {
        let told = json!({"type": kind, "actor": actor, "actorRole": "ADMIN", "apiKey": about});
        assert_eq!(answer.at(&format!("/events/nodes/{place}")), &told);
    }
}

/// Talks to a service that logs all it can: its log and all answers, apart from those that are meant to show a secret.
struct Heard {
    answers: String,
    secrets: Vec<String>,
}

impl Heard {
    async fn ask(&mut self, client: &Client, document: &str, variables: Value) -> Value {
        let answer = client.query(document, variables).await;
        write!(self.answers, "{}", answer.body).expect("memory");
        answer.body
    }

    fn keep(&mut self, secret: &str) {
        self.secrets.push(secret.to_owned());
    }
}

async fn nothing_that_is_written_names_a_secret(database: Database) {
    let signer = Arc::new(Signer::new("k-1", Algorithm::ES256));
    let provider = Provider::start(&[&signer]).await;
    let keys = provider.tokens().keys;
    let program = Program::over(&database)
        .set("CLAIMCHECK_LOG", "trace,tungstenite::protocol=trace")
        .set("CLAIMCHECK_METRICS_LISTEN", "127.0.0.1:0")
        .set("CLAIMCHECK_JWT_ISSUER", &provider.issuer())
        .set("CLAIMCHECK_OIDC_CLIENT_ID", CLIENT)
        .set("CLAIMCHECK_OIDC_CLIENT_SECRET", SECRET)
        .set("CLAIMCHECK_PUBLIC_URL", PUBLIC_URL);
    let program = program.set("CLAIMCHECK_JWT_AUDIENCE", AUDIENCE).set("CLAIMCHECK_JWT_JWKS_URL", &keys);
    let admin = Program::over(&database).run(&["key", "create", "--name", "first", "--role", "admin"]).answer();
    let admin = admin.trim().to_owned();
    let mut service = program.start(&["serve"]);
    let address = service.address();
    let metrics = service.metrics_address();
    let mut heard = Heard { answers: String::new(), secrets: vec![admin.clone()] };
    let client = Client::new(address, Some(&admin));

    // A shop with codes, each shown where it is meant to be, and here kept instead of heard.
    let channel = heard
        .ask(&client, r#"mutation { createChannel(input: { name: "C", kind: API }) { channel { id } } }"#, json!({}))
        .await;
    heard
        .ask(&client, r#"mutation { createProduct(input: { sku: "P", name: "P" }) { product { id } } }"#, json!({}))
        .await;
    let input = json!({"channelId": channel.pointer("/data/createChannel/channel/id"), "externalReference": "o-1", "lines": [{"sku": "P", "quantity": 4}]});
    let placed = client
        .mutate(
            "placeOrder",
            "order { entitlements { nodes { id activationCode { id } } } } activationCodes { code }",
            input,
        )
        .await
        .done();
    let codes: Vec<String> = (0..4).map(|place| placed.text(&format!("/activationCodes/{place}/code"))).collect();
    for code in &codes {
        heard.keep(code);
    }
    let unit = |place: usize| placed.text(&format!("/order/entitlements/nodes/{place}/id"));
    let rotated = client
        .mutate("rotateActivationCode", "issuedCode { code }", json!({"entitlementId": unit(3), "reason": "r"}))
        .await
        .done();
    heard.keep(&rotated.text("/issuedCode/code"));
    let code_id = placed.text("/order/entitlements/nodes/1/activationCode/id");
    client
        .mutate("revealActivationCode", "issuedCode { code }", json!({"activationCodeId": code_id, "reason": "r"}))
        .await
        .done();

    // They are redeemed, refused, looked up and mistaken for something else.
    let redeem = "mutation ($code: String!) { redeemCode(input: { code: $code, account: { externalReference: \"ann\" } }) { entitlement { status } userErrors { code message } } }";
    let check = "query ($code: String!) { redemptionCheck(code: $code) { redeemable reason } search(query: $code) { matched } }";
    let unknown = Code::random().expect("randomness").reveal();
    heard.keep(&unknown);
    let code = |place: usize| codes.get(place).expect("a code");
    for code in [code(0), code(0), code(3), &unknown] {
        heard.ask(&client, redeem, json!({"code": code})).await;
        heard.ask(&client, check, json!({"code": code})).await;
        heard
            .ask(&client, &format!("{{ node(id: \"{code}\") {{ id }} order(id: \"{code}\") {{ id }} }}"), json!({}))
            .await;
        heard.ask(&client, &format!("{{ events(after: \"{code}\") {{ totalCount }} }}"), json!({})).await;
    }
    show_credentials(&mut heard, &provider, &signer, &client, address).await;
    sign_in(&mut heard, &provider, &signer, address).await;
    let made =
        client.mutate("createApiKey", "secret apiKey { id }", json!({"name": "n", "role": "SUPPORT"})).await.done();
    heard.keep(&made.text("/secret"));
    heard
        .ask(
            &client,
            "{ apiKeys { nodes { id name } } events(first: 100) { nodes { actor reason requestId } } }",
            json!({}),
        )
        .await;
    heard.answers.push_str(&client.get("/readyz").send().await.expect("an answer").text().await.expect("a body"));

    let counted = Scrape::at(metrics).await;
    assert!(counted.count("claimcheck_operations_total", &[]) > 20, "{}", counted.0);

    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let logged = &ended.stderr;
    assert!(logged.lines().count() > 20, "a log that says something: {logged}");
    let lost: Vec<_> = counted.series("claimcheck_log_lines_lost_total").collect();
    assert_eq!(lost, [("", "0")], "all of it");
    let written = stored(&database).await;
    for (place, text) in [
        ("log", logged),
        ("output", &ended.stdout),
        ("answers", &heard.answers),
        ("database", &written),
        ("metrics", &counted.0),
    ] {
        for secret in &heard.secrets {
            let bare = secret.replace('-', "");
            let found = text.contains(secret.as_str()) || text.contains(&bare);
            assert!(!found, "the {place} has the secret that begins with {}", secret.get(..8).unwrap_or_default());
        }
    }
}

/// Credentials of both kinds, good and bad ones, by both ways in, and where they do not belong.
async fn show_credentials(
    heard: &mut Heard,
    provider: &Provider,
    signer: &Signer,
    client: &Client,
    address: SocketAddr,
) {
    let issuer = provider.issuer();
    let token = signer.token(json!({"iss": issuer, "role": "admin", "exp": 4_000_000_000_u64}));
    let expired = signer.token(json!({"iss": issuer, "role": "admin", "exp": 1_000_000_000}));
    let lost = Secret::generate().expect("randomness").reveal().to_owned();
    for credential in [&token, &expired, &lost] {
        heard.keep(credential);
        let other = Client::new(address, Some(credential));
        heard.ask(&other, "{ viewer { role } }", json!({})).await;
        let mut socket = Socket::open(address).await;
        socket
            .send(json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {credential}")}}))
            .await;
        write!(heard.answers, "{:?}", socket.next("an answer").await).expect("memory");
        let misplaced = client.get(&format!("/graphql?query={{feedCursor}}&authorization={credential}")).send().await;
        heard.answers.push_str(&misplaced.expect("an answer").text().await.expect("a body"));
    }
}

/// Signs in at the provider, and once more in vain.
async fn sign_in(heard: &mut Heard, provider: &Provider, signer: &Arc<Signer>, address: SocketAddr) {
    let given = Arc::new(Mutex::new(String::new()));
    provider.let_in({
        let (signer, issuer, given) = (Arc::clone(signer), provider.issuer(), Arc::clone(&given));
        move |nonce| {
            let claims =
                json!({"iss": issuer, "aud": CLIENT, "nonce": nonce, "role": "support", "exp": 4_000_000_000_u64});
            let token = signer.token(claims);
            given.lock().expect("no panic holds it").clone_from(&token);
            token
        }
    });
    let mut visitor = Visitor::new(address);
    let form = visitor.open("/console/sign-in").await.form("/console/sign-in/provider");
    let back = provider.visit(&visitor.send(&form).await.link("Open the page")).await;
    heard.keep(SECRET);
    for part in back.split(['?', '&']).filter_map(|part| part.split_once('=')) {
        heard.keep(part.1);
    }
    let mut again = visitor.clone();
    for visitor in [&mut visitor, &mut again] {
        visitor.cookies.values().for_each(|cookie| heard.keep(cookie));
        heard.answers.push_str(&visitor.open(&back).await.html);
    }
    heard.keep(&given.lock().expect("no panic holds it"));
    heard.answers.push_str(&visitor.open("/console").await.html);
    visitor.cookies.values().for_each(|cookie| heard.keep(cookie));
}

/// The text of all that a database keeps about what was done.
async fn stored(database: &Database) -> String {
    let connection = database.connect().await;
    let mut all = String::new();
    for (table, columns) in [
        ("events", "COALESCE(actor, '') || COALESCE(reason, '') || COALESCE(request_id, '')"),
        ("redemption_attempts", "COALESCE(actor, '') || COALESCE(code_last_four, '') || COALESCE(reason, '')"),
        ("api_keys", "name"),
        ("code_guesses", "actor"),
    ] {
        let statement =
            Statement::from_string(connection.get_database_backend(), format!("SELECT {columns} AS told FROM {table}"));
        for row in connection.query_all_raw(statement).await.expect("rows") {
            all.push_str(&row.try_get::<String>("", "told").expect("text"));
        }
    }
    connection.close().await.expect("an orderly end");
    all
}
