//! Signing in at an identity provider: the way there and back, and everything on it that lets nobody in.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::Algorithm;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{
    App, Desk, Shop, Test, both_engines,
    browser::Browser,
    desk::with,
    in_a_browser,
    provider::{AUDIENCE, CLIENT, Provider, Signer},
    visitor::{Page, Visitor},
};

pub fn tests() -> Vec<Test> {
    let mut tests = both_engines![
        people_sign_in_at_the_provider,
        what_comes_back_from_elsewhere_lets_nobody_in,
        a_token_that_does_not_count_lets_nobody_in,
        a_login_ends_when_its_token_does,
        a_login_counts_for_the_client_it_was_made_at,
        what_comes_from_elsewhere_signs_nobody_out,
        a_partner_s_people_see_its_own,
        signing_in_is_begun_by_our_own_page_and_leads_to_one,
        where_the_provider_cannot_be_asked_a_key_still_counts,
        without_a_provider_there_is_none_to_sign_in_at,
    ];
    tests.extend(in_a_browser![a_browser_goes_there_and_back]);
    tests
}

/// A node where people sign in at a provider.
struct Door {
    node: App,
    provider: Provider,
    signer: Arc<Signer>,
}

impl Door {
    async fn open(app: &App) -> Self {
        let signer = Arc::new(Signer::new("k-1", Algorithm::ES256));
        let provider = Provider::start(&[&signer]).await;
        let tokens = provider.sign_in();
        let node = app.node_with(|config| config.tokens = Some(tokens)).await;
        Self { node, provider, signer }
    }

    /// From now on whoever signs in has a good ID token with these claims; null takes one away.
    fn let_in(&self, claims: Value) {
        self.let_in_by(&self.signer, claims);
    }

    fn let_in_by(&self, signer: &Arc<Signer>, claims: Value) {
        let (signer, issuer) = (Arc::clone(signer), self.provider.issuer());
        self.provider.let_in(move |nonce| {
            let good = json!({"iss": issuer, "aud": CLIENT, "nonce": nonce, "role": "support"});
            signer.token(with(good, claims.clone()))
        });
    }

    fn visitor(&self) -> Visitor {
        Visitor::new(self.node.address())
    }

    /// Goes to the provider, from the sign-in page that somebody came to from `address`; where it sends back to.
    async fn go(&self, visitor: &mut Visitor, address: &str) -> String {
        let form = visitor.open(address).await.form("/console/sign-in/provider");
        let away = visitor.send(&form).await;
        assert_eq!(away.status, StatusCode::OK, "{}", away.text());
        self.provider.visit(&opened(&away)).await
    }

    async fn sign_in(&self, visitor: &mut Visitor) -> Page {
        let back = self.go(visitor, "/console").await;
        visitor.open(&back).await
    }

    /// Signs in with these claims, and is told why not.
    async fn refusal(&self, claims: Value) -> String {
        self.let_in(claims);
        let mut visitor = self.visitor();
        let page = self.sign_in(&mut visitor).await;
        assert_shut_out(&mut visitor, &page).await;
        page.text()
    }
}

/// The address that a page opens.
fn opened(page: &Page) -> String {
    page.link("Open the page")
}

/// That somebody is told on the sign-in page why, and is nobody.
async fn assert_shut_out(visitor: &mut Visitor, page: &Page) {
    assert!(page.status.is_client_error(), "{}", page.status);
    page.form("/console/sign-in");
    assert!(!visitor.cookies.contains_key("claimcheck_sign_in"), "what was begun is over");
    assert_eq!(visitor.open("/console").await.address, "/console/sign-in");
}

async fn people_sign_in_at_the_provider(app: App) {
    let door = Door::open(&app).await;
    door.let_in(json!({"exp": app.clock.now().timestamp() + 600}));
    let mut visitor = door.visitor();
    visitor.open("/console").await.says("Sign in with Example");
    let form = visitor.open("/console/units?status=ACTIVE").await.form("/console/sign-in/provider");
    let away = visitor.post(&form, &[]).await;
    let set = away.headers.get("set-cookie").expect("a cookie").to_str().expect("text");
    assert!(set.contains("; Max-Age=600; HttpOnly; SameSite=Lax"), "{set}");
    let address = opened(&away);
    assert!(address.contains("code_challenge_method=S256") && !address.contains("hush"), "{address}");

    let back = door.go(&mut visitor, "/console/units?status=ACTIVE").await;
    let page = visitor.open(&back).await;
    assert_eq!((page.status, opened(&page).as_str()), (StatusCode::OK, "/console/units?status=ACTIVE"));
    let set: Vec<_> = page.headers.get_all("set-cookie").iter().map(|set| set.to_str().expect("text")).collect();
    assert!(set.iter().any(|set| set.contains("; Max-Age=600; HttpOnly; SameSite=Strict")), "{set:?}");
    assert!(set.iter().any(|set| set.starts_with("claimcheck_sign_in=; Path=/; Max-Age=0")), "{set:?}");
    let policy = page.headers.get("content-security-policy").expect("a policy").to_str().expect("text");
    assert!(policy.contains("form-action 'self'") && !policy.contains("unsafe"), "{policy}");

    let page = visitor.open("/console").await;
    assert_eq!((page.status, page.address.as_str()), (StatusCode::OK, "/console"));
    let asked = visitor.fetch("/graphql?query=%7Bviewer%7Brole%7D%7D", None, &[("sec-fetch-site", "same-origin")]);
    assert_eq!(asked.await.html, r#"{"data":{"viewer":{"role":"SUPPORT"}}}"#);
    let mut elsewhere = visitor.at(app.address());
    assert_eq!(elsewhere.open("/console").await.address, "/console/sign-in", "a node where nobody can sign in so");
    visitor.send(&page.form("/console/sign-out")).await;
    assert_eq!(visitor.open("/console").await.address, "/console/sign-in");
}

async fn what_comes_back_from_elsewhere_lets_nobody_in(app: App) {
    let door = Door::open(&app).await;
    door.let_in(json!({}));
    let begun = "was not begun in this browser, was finished before, or took too long";
    // With another state, without one, from another provider, and with nothing at all.
    for change in [
        |back: &str| format!("{back}x"),
        |back: &str| back.split("&state").next().unwrap_or_default().to_owned(),
        |back: &str| format!("{back}&state=twice"),
        |back: &str| format!("{back}&iss=https%3A%2F%2Fevil.example"),
        |_: &str| "/console/sign-in/return".to_owned(),
    ] {
        let mut visitor = door.visitor();
        let back = door.go(&mut visitor, "/console").await;
        let page = visitor.open(&change(&back)).await;
        page.says(begun);
        assert_shut_out(&mut visitor, &page).await;
        visitor.open(&back).await.says(begun);
    }
    // In another browser, late, and a second time.
    let mut visitor = door.visitor();
    let back = door.go(&mut visitor, "/console").await;
    let mut other = door.visitor();
    let page = other.open(&back).await;
    page.says(begun);
    assert_shut_out(&mut other, &page).await;
    let mut copied = visitor.clone();
    assert_eq!(visitor.open(&back).await.status, StatusCode::OK);
    visitor.open(&back).await.says(begun);
    let page = copied.open(&back).await;
    page.says("The identity provider no longer takes this sign-in's code.");
    assert_shut_out(&mut copied, &page).await;
    let back = door.go(&mut visitor, "/console/sign-in").await;
    app.clock.advance(Duration::from_mins(10));
    visitor.open(&back).await.says(begun);
    // A code of somebody else's sign-in, put into one's own.
    let (mut one, mut another) = (door.visitor(), door.visitor());
    let (own, seen) = (door.go(&mut one, "/console").await, door.go(&mut another, "/console").await);
    let (_, state) = own.split_once("&state").expect("a state");
    let (code, _) = seen.split_once("&state").expect("a code");
    let page = one.open(&format!("{code}&state{state}")).await;
    page.says("The identity provider no longer takes this sign-in's code.");
    assert_shut_out(&mut one, &page).await;
    // Somebody whom the provider does not let in.
    door.provider.shut_out();
    let page = door.sign_in(&mut one).await;
    page.says("The identity provider did not sign you in.");
    assert!(!page.html.contains("script>"), "{}", page.html);
    assert_shut_out(&mut one, &page).await;
}

async fn a_token_that_does_not_count_lets_nobody_in(app: App) {
    let door = Door::open(&app).await;
    let now = app.clock.now().timestamp();
    let (not_ours, another) = ("The token does not count here", "belongs to another sign-in");
    for (claims, words) in [
        (json!({"nonce": "another"}), another),
        (json!({"nonce": null}), another),
        (json!({"aud": "another console"}), not_ours),
        (json!({"aud": AUDIENCE}), not_ours),
        (json!({"aud": [CLIENT, "other"], "azp": "other"}), not_ours),
        (json!({"iss": "http://localhost"}), not_ours),
        (json!({"exp": now - 3600}), "The token's time is over"),
        (json!({"exp": now}), "The token's time is over"),
        (json!({"nbf": now + 3600}), "or has not come"),
        (json!({"exp": null}), not_ours),
        (json!({"role": null}), "do not say who this is"),
        (json!({"role": "partner"}), "do not say who this is"),
        (json!({"role": "partner", "partner": "prt_01h455vb4pex5vsknk084sn02q"}), "a partner that there is not"),
        (json!({"role": "customer"}), "your login has another role"),
        (json!({"role": "provisioner"}), "your login has another role"),
    ] {
        let told = door.refusal(claims.clone()).await;
        assert!(told.contains(words), "{claims}: {told}");
    }
    let forger = Arc::new(Signer::new("k-1", Algorithm::ES256));
    door.let_in_by(&forger, json!({}));
    let mut visitor = door.visitor();
    let page = door.sign_in(&mut visitor).await;
    page.says(not_ours);
    assert_shut_out(&mut visitor, &page).await;
    // An ID token is no credential of the API.
    let claims = json!({"iss": door.provider.issuer(), "aud": CLIENT, "role": "admin"});
    let asked = door.node.client(&door.signer.token(claims)).query("{ viewer { role } }", json!({})).await;
    assert_eq!(asked.code(), Some("UNAUTHENTICATED"));
}

async fn a_login_ends_when_its_token_does(app: App) {
    let door = Door::open(&app).await;
    let shop = Shop::open(&app, "Alpha").await;
    let claims = json!({"role": "partner", "partner": shop.partner, "exp": app.clock.now().timestamp() + 60});
    door.let_in(claims.clone());
    let mut visitor = door.visitor();
    door.sign_in(&mut visitor).await;
    assert_eq!(visitor.open("/console").await.status, StatusCode::OK);
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(visitor.open("/console").await.address, "/console");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(visitor.open("/console").await.address, "/console/sign-in");
    door.let_in(with(claims, json!({"exp": app.clock.now().timestamp() + 60})));
    door.sign_in(&mut visitor).await;
    assert_eq!(visitor.open("/console").await.address, "/console", "it is signed in to anew");
    let end = "mutation ($id: ID!) { updatePartner(input: { partnerId: $id, active: false }) { userErrors { code } } }";
    door.node.admin().query(end, json!({"id": shop.partner})).await.data();
    assert_eq!(visitor.open("/console").await.address, "/console/sign-in");
}

async fn a_login_counts_for_the_client_it_was_made_at(app: App) {
    let door = Door::open(&app).await;
    door.let_in(json!({}));
    let mut visitor = door.visitor();
    door.sign_in(&mut visitor).await;
    for (client, address) in [(CLIENT, "/console"), ("another", "/console/sign-in")] {
        let mut tokens = door.provider.sign_in();
        client.clone_into(&mut tokens.sign_in.as_mut().expect("a way to sign in").client_id);
        let node = app.node_with(|config| config.tokens = Some(tokens)).await;
        assert_eq!(visitor.at(node.address()).open("/console").await.address, address, "{client}");
    }
}

async fn what_comes_from_elsewhere_signs_nobody_out(app: App) {
    let door = Door::open(&app).await;
    door.let_in(json!({}));
    let mut visitor = door.visitor();
    door.sign_in(&mut visitor).await;
    let back = door.go(&mut visitor, "/console/sign-in").await;
    assert!(visitor.open(&format!("{back}x")).await.status.is_client_error());
    visitor.open("/console/sign-in").await.form("/console/sign-in");
    assert_eq!(visitor.open("/console").await.address, "/console");
}

async fn a_partner_s_people_see_its_own(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let beta = Shop::open(&app, "Beta").await;
    let door = Door::open(&app).await;
    let (mut own, mut foreign) = (door.visitor(), door.visitor());
    for (visitor, partner) in [(&mut own, &desk.shop.partner), (&mut foreign, &beta.partner)] {
        door.let_in(json!({"role": "partner", "partner": partner}));
        door.sign_in(visitor).await;
    }
    own.open("/console").await.says("2 Unassigned");
    foreign.open("/console").await.says("0 Unassigned");
    for address in [format!("/console/order/{}", desk.placed.order), format!("/console/entitlement/{}", desk.unit(0))] {
        assert_eq!(own.open(&address).await.status, StatusCode::OK, "{address}");
        assert_eq!(foreign.open(&address).await.status, StatusCode::NOT_FOUND, "{address}");
    }
}

async fn signing_in_is_begun_by_our_own_page_and_leads_to_one(app: App) {
    let door = Door::open(&app).await;
    door.let_in(json!({}));
    let mut visitor = door.visitor();
    let form = visitor.open("/console/sign-in").await.form("/console/sign-in/provider");
    let own = format!("http://{}", door.node.address());
    for (form, origin) in [(form.clone().with("token", "x"), own.as_str()), (form.clone(), "https://evil.example")] {
        let page = visitor.post(&form, &[("origin", origin)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{origin}");
        assert!(page.headers.get("set-cookie").is_none());
    }
    for to in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2Fconsole%2F..%2Fgraphiql", "%2Fconsoles"] {
        let back = door.go(&mut visitor, &format!("/console/sign-in?to={to}")).await;
        assert_eq!(opened(&visitor.open(&back).await), "/console", "{to}");
    }
}

async fn where_the_provider_cannot_be_asked_a_key_still_counts(app: App) {
    let door = Door::open(&app).await;
    door.provider.say(None);
    let mut visitor = door.visitor();
    let form = visitor.open("/console/sign-in").await.form("/console/sign-in/provider");
    let page = visitor.send(&form).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.says("The identity provider cannot be reached at the moment.");
    let key = app.key("SUPPORT", json!({})).await;
    assert_eq!(visitor.sign_in(key.secret().expect("a secret")).await.address, "/console");
    // It is asked again when some time has passed; and one that calls itself otherwise is another one.
    door.provider.publish(&[&door.signer]);
    app.clock.advance(Duration::from_secs(10));
    door.let_in(json!({}));
    door.sign_in(&mut door.visitor()).await.link("Open the page");
    let mut tokens = door.provider.sign_in();
    tokens.issuer.push('/');
    let node = app.node_with(|config| config.tokens = Some(tokens)).await;
    let mut visitor = Visitor::new(node.address());
    let form = visitor.open("/console/sign-in").await.form("/console/sign-in/provider");
    visitor.send(&form).await.says("The identity provider cannot be reached at the moment.");
}

async fn without_a_provider_there_is_none_to_sign_in_at(app: App) {
    let mut visitor = Visitor::new(app.address());
    let page = visitor.open("/console/sign-in").await;
    assert_eq!(page.actions(), ["/console/sign-in"]);
    assert_eq!(visitor.open("/console/sign-in/return?code=1&state=2").await.status, StatusCode::NOT_FOUND);
}

async fn a_browser_goes_there_and_back(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let door = Door::open(&app).await;
    door.let_in(json!({}));
    door.provider.send_back_to(door.node.address());
    let browser = Browser::start();
    let mut tab = browser.open(door.node.address()).await;
    let order = format!("/console/order/{}", desk.placed.order);
    tab.goto(&order).await;
    tab.leave("document.querySelector('form[action$=provider] button').click()").await;
    tab.becomes("the order", &format!("location.pathname === {} && document.title !== ''", json!(order))).await;
    tab.comes_to_say("1 unassigned").await;
    assert_eq!(tab.evaluate("document.cookie").await, Some(json!("")), "no script sees a session");
    tab.leave("document.querySelector('form.who').requestSubmit()").await;
    tab.becomes("the form", "location.pathname === '/console/sign-in'").await;
    door.provider.shut_out();
    tab.leave("document.querySelector('form[action$=provider] button').click()").await;
    tab.comes_to_say("The identity provider did not sign you in.").await;
}
