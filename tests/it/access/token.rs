//! Tokens of an identity provider beside the API keys: whose count, what they open and for how long.

mod keys;

use std::time::Duration;

use claimcheck::domain::activation_code::code::Code;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{account_of, assert_shut_out, shop_with_products};
use crate::harness::{
    App, Client, Shop, Test, both_engines, eventually,
    provider::{AUDIENCE, ISSUER, Provider, Signer, filled},
    shop,
};

pub fn tests() -> Vec<Test> {
    let own = both_engines![
        a_token_of_each_kind_of_key_counts,
        a_token_says_who_somebody_is,
        claims_that_name_nobody_open_nothing,
        claims_are_where_the_configuration_says,
        what_is_not_the_provider_s_opens_nothing,
        a_token_counts_in_its_time,
        without_a_provider_no_token_counts,
        a_customer_s_account_is_made_when_first_named,
        no_account_is_made_at_a_partner_that_is_switched_off,
        a_socket_ends_with_its_token,
        a_socket_ends_with_its_partner,
        the_journal_names_the_subject,
        people_of_one_name_are_told_apart,
    ];
    own.into_iter().chain(keys::tests()).collect()
}

const VIEWER: &str = "{ viewer { role partner { id } account { externalReference } apiKey { id } } }";

/// A node that takes the provider's tokens.
struct Door {
    node: App,
    provider: Provider,
    signer: Signer,
}

impl Door {
    async fn open(app: &App) -> Self {
        let signer = Signer::new("k-1", Algorithm::ES256);
        let provider = Provider::start(&[&signer]).await;
        let tokens = provider.tokens();
        let node = app.node_with(|config| config.tokens = Some(tokens)).await;
        Self { node, provider, signer }
    }

    /// Somebody with a good token that makes these claims.
    fn with(&self, claims: Value) -> Client {
        self.node.client(&self.signer.token(claims))
    }

    /// What becomes of a token: none where it counts, else the status of the refusal.
    async fn refusal(&self, token: &str) -> Option<u16> {
        let answer = self.node.client(token).query("{ viewer { role } }", json!({})).await;
        let code = match answer.status.as_u16() {
            200 => None,
            401 => Some("UNAUTHENTICATED"),
            _ => Some("UNAVAILABLE"),
        };
        assert_eq!(answer.code(), code, "{:#}", answer.body);
        code.map(|_| answer.status.as_u16())
    }
}

async fn a_token_of_each_kind_of_key_counts(app: App) {
    let door = Door::open(&app).await;
    let others = [Signer::new("k-2", Algorithm::RS256), Signer::new("k-3", Algorithm::EdDSA)];
    let [rsa, edwards] = &others;
    door.provider.publish(&[&door.signer, rsa, edwards]);
    for signer in [&door.signer, rsa, edwards] {
        assert_eq!(door.refusal(&signer.token(json!({"role": "support"}))).await, None);
    }
    assert_eq!(door.provider.asked(), 1);
}

async fn a_token_says_who_somebody_is(app: App) {
    let shop = shop_with_products(&app).await;
    let below = shop.open_below(&app, "Below").await;
    let placed = below.place("o-1", json!([{"sku": "A"}])).await;
    let door = Door::open(&app).await;
    let id = |id: &String| json!({"id": id});
    let account = json!({"externalReference": "u-1"});
    for (claims, role, partner, its_account, orders) in [
        (json!({"role": "ADMIN"}), "ADMIN", Value::Null, Value::Null, 1),
        (json!({"role": "Support"}), "SUPPORT", Value::Null, Value::Null, 1),
        (json!({"role": ["x", "provisioner", "y"]}), "PROVISIONER", Value::Null, Value::Null, 0),
        (json!({"role": "partner", "partner": shop.partner}), "PARTNER", id(&shop.partner), Value::Null, 1),
        (json!({"role": "partner", "partner": below.partner}), "PARTNER", id(&below.partner), Value::Null, 1),
        (json!({"role": "provisioner", "partner": below.partner}), "PROVISIONER", id(&below.partner), Value::Null, 0),
        (json!({"role": "customer"}), "CUSTOMER", Value::Null, account.clone(), 0),
        (json!({"role": "customer", "partner": shop.partner}), "CUSTOMER", id(&shop.partner), account, 0),
    ] {
        let client = door.with(claims.clone());
        let expected = json!({"viewer": {"role": role, "partner": partner, "account": its_account, "apiKey": null}});
        assert_eq!(client.query(VIEWER, json!({})).await.data(), &expected, "{claims}");
        let seen = client.query("{ orders { totalCount nodes { id } } }", json!({})).await;
        assert_eq!(seen.number("/orders/totalCount"), orders, "{claims}");
        if orders > 0 {
            assert_eq!(seen.at("/orders/nodes/0/id"), &placed.order);
        }
    }
}

async fn claims_that_name_nobody_open_nothing(app: App) {
    let shop = shop_with_products(&app).await;
    let door = Door::open(&app).await;
    let unknown = super::unknown_like(&shop.partner);
    for claims in [
        json!({}),
        json!({"role": ""}),
        json!({"role": "root"}),
        json!({"role": {"admin": true}}),
        json!({"role": ["admin", "customer"]}),
        json!({"role": "partner"}),
        json!({"role": "partner", "partner": "x"}),
        json!({"role": "partner", "partner": 7}),
        json!({"role": "partner", "partner": unknown}),
        json!({"role": "customer", "partner": unknown}),
        json!({"role": "admin", "partner": shop.partner}),
        json!({"role": "support", "sub": null}),
        json!({"role": "support", "sub": ""}),
        json!({"role": "customer", "sub": "a\u{0}b"}),
        json!({"role": "customer", "sub": "x".repeat(256)}),
    ] {
        assert_eq!(door.refusal(&door.signer.token(claims.clone())).await, Some(401), "{claims}");
    }
}

async fn claims_are_where_the_configuration_says(app: App) {
    let shop = shop_with_products(&app).await;
    let signer = Signer::new("k-1", Algorithm::ES256);
    let provider = Provider::start(&[&signer]).await;
    let mut tokens = provider.tokens();
    "/realm/roles".clone_into(&mut tokens.role_claim);
    "https://example.com/partner".clone_into(&mut tokens.partner_claim);
    "email".clone_into(&mut tokens.account_claim);
    let node = app.node_with(|config| config.tokens = Some(tokens)).await;
    let claims =
        json!({"realm": {"roles": ["customer"]}, "https://example.com/partner": shop.partner, "email": "a@b.c"});
    let answer = node.client(&signer.token(claims)).query(VIEWER, json!({})).await;
    assert_eq!(answer.at("/viewer/account/externalReference"), "a@b.c");
    assert_eq!(answer.at("/viewer/partner/id"), &shop.partner);
    let nobody = node.client(&signer.token(json!({"role": "customer"}))).query(VIEWER, json!({})).await;
    assert_eq!(nobody.code(), Some("UNAUTHENTICATED"));
}

async fn what_is_not_the_provider_s_opens_nothing(app: App) {
    let door = Door::open(&app).await;
    let rsa = Signer::new("k-2", Algorithm::RS256);
    door.provider.publish(&[&door.signer, &rsa]);
    let good = json!({"role": "admin"});
    assert_eq!(door.refusal(&door.signer.token(good.clone())).await, None);
    let stranger = Signer::new("k-1", Algorithm::ES256);
    let mut forged = vec![stranger.token(good.clone())];
    // Claims that are meant for somebody else, or for nobody.
    for claims in [
        json!({"iss": null}),
        json!({"iss": "https://login.example.org"}),
        json!({"iss": 7}),
        json!({"aud": null}),
        json!({"aud": "other"}),
        json!({"aud": ["other"]}),
        json!({"aud": []}),
    ] {
        forged.push(door.signer.token(merged(&good, claims)));
    }
    // Headers that try to choose the key, its kind, or what must be understood.
    let header = door.signer.header();
    let jwk = serde_json::from_value(stranger.public()).expect("a key");
    forged.push(stranger.token_under(&Header { jwk: Some(jwk), ..header.clone() }, good.clone()));
    forged
        .push(door.signer.token_under(&Header { crit: Some(vec!["exp".to_owned()]), ..header.clone() }, good.clone()));
    forged.push(rsa.token_under(&Header { kid: Some("k-1".to_owned()), ..rsa.header() }, good.clone()));
    forged.push(door.signer.token_under(&Header { kid: Some("k-2".to_owned()), ..header.clone() }, good.clone()));
    forged.push(door.signer.token_under(&Header { kid: None, ..header.clone() }, json!({"role": "root"})));
    // A public key taken for a secret one.
    for secret in [rsa.public().to_string(), door.signer.public().to_string(), "secret".to_owned()] {
        for kid in ["k-1", "k-2", "secret"] {
            let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };
            let key = EncodingKey::from_secret(secret.as_bytes());
            forged.push(encode(&header, &filled(good.clone()), &key).expect("a token"));
        }
    }
    // Parts that were changed, left out or put together.
    let token = door.signer.token(good.clone());
    let other = door.signer.token(json!({"role": "customer"}));
    let (parts, others): (Vec<&str>, Vec<&str>) = (token.split('.').collect(), other.split('.').collect());
    let [head, body, signature] = parts.as_slice() else { panic!("three parts") };
    forged.push(format!("{head}.{}.{signature}", others.get(1).expect("a body")));
    forged.push(format!("{head}.{body}."));
    forged.push(format!("{head}.{body}.AAAA"));
    forged.push(format!("eyJhbGciOiJub25lIn0.{body}."));
    forged.push(format!("eyJhbGciOiJub25lIn0.{body}.{signature}"));
    forged.push(format!("{head}..{signature}"));
    forged.push("..".to_owned());
    forged.push(format!("{}.{body}.{signature}", "A".repeat(20_000)));
    for token in forged {
        let short: String = token.chars().take(300).collect();
        assert_eq!(door.refusal(&token).await, Some(401), "{short}");
    }
    assert_eq!(door.refusal(&token).await, None, "and none of them did any harm");
    let audiences = json!({"aud": ["other", AUDIENCE], "iss": ISSUER});
    assert_eq!(door.refusal(&door.signer.token(merged(&good, audiences))).await, None);
}

fn merged(claims: &Value, more: Value) -> Value {
    crate::harness::desk::with(claims.clone(), more)
}

async fn a_token_counts_in_its_time(app: App) {
    let door = Door::open(&app).await;
    let now = app.clock.now().timestamp();
    let support = |claims| merged(&json!({"role": "support"}), claims);
    for (claims, refusal) in [
        (json!({"exp": now + 1}), None),
        (json!({"exp": now - 29}), None),
        (json!({"exp": now - 30}), Some(401)),
        (json!({"exp": now - 3600}), Some(401)),
        (json!({"exp": 0}), Some(401)),
        (json!({"exp": -1}), Some(401)),
        (json!({"exp": null}), Some(401)),
        (json!({"exp": "tomorrow"}), Some(401)),
        (json!({"exp": i64::MAX}), Some(401)),
        (json!({"exp": 1e300}), Some(401)),
        (json!({"nbf": now + 30}), None),
        (json!({"nbf": now + 31}), Some(401)),
        (json!({"nbf": "yesterday"}), Some(401)),
        (json!({"nbf": now - 5, "exp": f64::from(u32::try_from(now).expect("a moment")) + 0.5}), None),
    ] {
        assert_eq!(door.refusal(&door.signer.token(support(claims.clone()))).await, refusal, "{claims}");
    }
}

async fn without_a_provider_no_token_counts(app: App) {
    let signer = Signer::new("k-1", Algorithm::ES256);
    let answer = app.client(&signer.token(json!({"role": "admin"}))).query("{ viewer { role } }", json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (401, Some("UNAUTHENTICATED")));
}

async fn a_customer_s_account_is_made_when_first_named(app: App) {
    let shop = shop_with_products(&app).await;
    let below = shop.open_below(&app, "Below").await;
    let door = Door::open(&app).await;
    assert_eq!(account_of(&shop.key, "u-1").await, None);
    // Many requests of one person at once, as a page makes them; through a partner below, whose namespace is the top's.
    let tokens: Vec<Client> =
        (0..8).map(|count| door.with(json!({"role": "customer", "partner": below.partner, "jti": count}))).collect();
    let asking = tokens.iter().map(|client| client.query("{ viewer { account { id } } }", json!({})));
    let answers = futures_util::future::join_all(asking).await;
    let made = account_of(&shop.key, "u-1").await.expect("an account");
    for answer in answers {
        assert_eq!(answer.at("/viewer/account/id"), &made);
    }
    assert_eq!(account_of(&app.admin(), "u-1").await, None, "none at the platform");
    // What the shop gave to that reference is the person's.
    let placed = shop.place("o-1", json!([{"sku": "A", "assignTo": {"externalReference": "u-1"}}])).await;
    let own = tokens.first().expect("a token").query("{ entitlements { nodes { id } } }", json!({})).await;
    assert_eq!(own.at("/entitlements/nodes/0/id"), placed.units.first().expect("a unit"));
    let namesake = door.with(json!({"role": "customer"})).query("{ entitlements { nodes { id } } }", json!({})).await;
    assert_eq!(namesake.at("/entitlements/nodes"), &json!([]), "the same name elsewhere is somebody else");
    app.assert_sound().await;
}

async fn no_account_is_made_at_a_partner_that_is_switched_off(app: App) {
    let shop = shop_with_products(&app).await;
    let below = shop.open_below(&app, "Below").await;
    let door = Door::open(&app).await;
    let switch = "mutation ($id: ID!, $on: Boolean) { updatePartner(input: { partnerId: $id, active: $on }) { userErrors { code } } }";
    app.admin().query(switch, json!({"id": shop.partner, "on": false})).await.data();
    for partner in [&shop.partner, &below.partner] {
        assert_shut_out(&door.with(json!({"role": "customer", "partner": partner}))).await;
    }
    app.admin().query(switch, json!({"id": shop.partner, "on": true})).await.data();
    assert_eq!(account_of(&shop.key, "u-1").await, None);
    door.with(json!({"role": "customer", "partner": below.partner})).query(VIEWER, json!({})).await.data();
    assert!(account_of(&shop.key, "u-1").await.is_some());
}

async fn a_socket_ends_with_its_token(app: App) {
    let door = Door::open(&app).await;
    let now = app.clock.now().timestamp();
    let document = "subscription { statisticsUpdated { ordered } }";
    let mut brief = door.with(json!({"role": "admin", "exp": now + 60})).subscribe(document, json!({})).await;
    let mut long = door.with(json!({"role": "admin", "exp": now + 120})).subscribe(document, json!({})).await;
    brief.next().await;
    long.next().await;
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(brief.closed().await, 4403);
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(long.closed().await, 4403);
}

async fn a_socket_ends_with_its_partner(app: App) {
    let shop = shop_with_products(&app).await;
    let door = Door::open(&app).await;
    let seller = door.with(json!({"role": "partner", "partner": shop.partner}));
    let buyer = door.with(json!({"role": "customer", "partner": shop.partner}));
    let document = "subscription { statisticsUpdated { ordered } }";
    let (mut sells, mut buys) =
        (seller.subscribe(document, json!({})).await, buyer.subscribe(document, json!({})).await);
    sells.next().await;
    buys.next().await;
    let end = "mutation ($id: ID!) { updatePartner(input: { partnerId: $id, active: false }) { userErrors { code } } }";
    app.admin().query(end, json!({"id": shop.partner})).await.data();
    assert_eq!(sells.closed().await, 4403);
    assert_eq!(buys.closed().await, 4403);
    assert_shut_out(&seller).await;
    assert_shut_out(&buyer).await;
}

async fn the_journal_names_the_subject(app: App) {
    let shop = shop_with_products(&app).await;
    let door = Door::open(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "A"}])).await;
    let buyer = door.with(json!({"role": "customer", "partner": shop.partner, "sub": "ann"}));
    let input = json!({"code": placed.codes.first()});
    buyer.mutate("redeemCode", "assignment { account { externalReference } }", input).await.done();
    let query = "query ($id: ID!) { entitlement(id: $id) { redemptionAttempts { actor }
        timeline { nodes { type actor requestId } } } }";
    let variables = json!({"id": placed.units.first()});
    let redeemed = async |client: &Client| {
        let answer = client.query(query, variables.clone()).await;
        let nodes = answer.list("/entitlement/timeline/nodes");
        let event = nodes.iter().find(|event| event.get("type").is_some_and(|kind| kind == "CODE_REDEEMED"))?;
        Some((answer.text("/entitlement/redemptionAttempts/0/actor"), event.get("actor").cloned()?))
    };
    for client in [&app.admin(), &shop.key, &buyer] {
        let named = eventually("the event", async || redeemed(client).await).await;
        assert_eq!(named, ("user:ann".to_owned(), json!("user:ann")));
    }
}

async fn people_of_one_name_are_told_apart(app: App) {
    shop::product(&app, "A", json!({})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    let door = Door::open(&app).await;
    let [ann, other_ann] =
        [&alpha, &beta].map(|shop| door.with(json!({"role": "customer", "partner": shop.partner, "sub": "ann"})));
    let buyer = json!({"buyerAccount": {"externalReference": "ann"}});
    let placed = alpha.place_with("o-1", json!([{"sku": "A"}]), buyer).await;
    let input = json!({"code": placed.codes.first(), "idempotencyKey": "k"});
    let taken = other_ann.mutate("redeemCode", "entitlement { id }", input.clone()).await.done();
    // Her namesake gave the unit away; who took it is not hers to know, and is not herself.
    let query = "query ($id: ID!) { entitlement(id: $id) { timeline { nodes { type actor } } } }";
    let variables = json!({"id": taken.text("/entitlement/id")});
    let actor = eventually("the event", async || {
        let answer = ann.query(query, variables.clone()).await;
        let nodes = answer.list("/entitlement/timeline/nodes");
        let event = nodes.iter().find(|event| event.get("type").is_some_and(|kind| kind == "CODE_REDEEMED"))?;
        event.get("actor").cloned()
    });
    assert_eq!(actor.await, "support");
    // Nor do they share what is remembered under an idempotency key, or the limit on guesses.
    let same = ann.mutate("redeemCode", "entitlement { id }", input).await;
    assert_eq!(same.refusal(), Some("ALREADY_REDEEMED"));
    let guess = json!({"code": Code::random().expect("randomness").reveal()});
    for _ in 0..10 {
        assert_eq!(ann.mutate("redeemCode", "entitlement { id }", guess.clone()).await.refusal(), Some("CODE_INVALID"));
    }
    assert_eq!(ann.mutate("redeemCode", "entitlement { id }", guess.clone()).await.refusal(), Some("RATE_LIMITED"));
    let asked = other_ann.mutate("redeemCode", "entitlement { id }", guess).await;
    assert_eq!(asked.refusal(), Some("CODE_INVALID"));
}
