//! An identity provider on this machine: it publishes keys, signs tokens with them or with others, and people sign in there.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use axum::{
    Form, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Redirect,
    routing::{get, post},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claimcheck::config::{ClientSecret, SignIn, Tokens};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use reqwest::{header::LOCATION, redirect::Policy};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

pub const ISSUER: &str = "https://login.example.com";
pub const AUDIENCE: &str = "claimcheck";
/// What the provider calls the console, and by what it knows it.
pub const CLIENT: &str = "the console";
pub const SECRET: &str = "hush: hush";
/// What browsers call the service, as far as the provider knows.
pub const PUBLIC_URL: &str = "http://127.0.0.1:1";

/// What PKCS #8 puts before an RSA key of 2,048 bits.
const WRAPPING: usize = 26;

/// The provider. It answers until the test's runtime ends.
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// What is answered; nothing: the provider fails.
    body: Mutex<Option<String>>,
    asked: AtomicUsize,
    issuer: Mutex<String>,
    /// Whoever signs in; nobody: the provider lets none in.
    person: Mutex<Option<Person>>,
    /// Where browsers are sent back to in place of the public address, as by a proxy there.
    behind: Mutex<Option<SocketAddr>>,
    /// Whether its keys are not to be had yet.
    held: watch::Sender<bool>,
    /// What the codes were asked for with that nobody has redeemed yet.
    codes: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

/// Makes somebody's ID token from the nonce of the sign-in.
type Person = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A key that tokens are signed with.
pub struct Signer {
    id: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Provider {
    /// A provider with these keys.
    pub async fn start(signers: &[&Signer]) -> Self {
        let shared = Arc::new(Shared::default());
        let answer = async |State(shared): State<Arc<Shared>>| {
            shared.asked.fetch_add(1, Ordering::SeqCst);
            let _ = shared.held.subscribe().wait_for(|held| !held).await;
            let body = shared.body.lock().expect("no panic holds it").clone();
            body.ok_or(StatusCode::SERVICE_UNAVAILABLE)
        };
        let router = Router::new()
            .route("/keys", get(answer))
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        // By another name than the service, so that a browser takes the two for different sites.
        *shared.issuer.lock().expect("no panic holds it") = format!("http://localhost:{}", address.port());
        let provider = Self { address, shared };
        provider.publish(signers);
        provider
    }

    /// What a service must be told to take this provider's tokens.
    pub fn tokens(&self) -> Tokens {
        Tokens::of(ISSUER, AUDIENCE, &format!("http://{}/keys", self.address))
    }

    /// And to have people sign in here.
    pub fn sign_in(&self) -> Tokens {
        let issuer = self.issuer();
        let client_secret = Some(ClientSecret::new(SECRET));
        let sign_in = SignIn { client_secret, name: "Example".to_owned(), ..SignIn::of(&issuer, CLIENT, PUBLIC_URL) };
        Tokens { issuer, sign_in: Some(sign_in), ..self.tokens() }
    }

    /// What it calls itself where people sign in.
    pub fn issuer(&self) -> String {
        self.shared.issuer.lock().expect("no panic holds it").clone()
    }

    /// Lets in whoever comes, with the ID token that is made from the nonce.
    pub fn let_in(&self, person: impl Fn(&str) -> String + Send + Sync + 'static) {
        *self.shared.person.lock().expect("no panic holds it") = Some(Arc::new(person));
    }

    /// Lets nobody in.
    pub fn shut_out(&self) {
        *self.shared.person.lock().expect("no panic holds it") = None;
    }

    /// Comes to sign in at an address of this provider; the path that somebody is sent back to.
    pub async fn visit(&self, address: &str) -> String {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
        let sent = http.get(address).send().await.expect("an answer");
        let back = sent.headers().get(LOCATION).expect("the way back").to_str().expect("text");
        back.strip_prefix(PUBLIC_URL).expect("the service's address").to_owned()
    }

    /// Sends browsers back to this address.
    pub fn send_back_to(&self, address: SocketAddr) {
        *self.shared.behind.lock().expect("no panic holds it") = Some(address);
    }

    /// Has these keys from now on, beside one of a kind that nobody knows and one that is a secret.
    pub fn publish(&self, signers: &[&Signer]) {
        let mut keys: Vec<Value> = signers.iter().map(|signer| signer.public()).collect();
        keys.push(json!({"kty": "from the future", "kid": "f"}));
        keys.push(json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}));
        self.say(Some(json!({"keys": keys}).to_string()));
    }

    /// Lets whoever asks for its keys wait, or no longer.
    pub fn hold(&self, held: bool) {
        self.shared.held.send_replace(held);
    }

    /// Answers with this text, or with an error.
    pub fn say(&self, body: Option<String>) {
        *self.shared.body.lock().expect("no panic holds it") = body;
    }

    /// How often its keys were asked for.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Result<String, StatusCode> {
    let works = shared.body.lock().expect("no panic holds it").is_some();
    let issuer = shared.issuer.lock().expect("no panic holds it").clone();
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize?tenant=1"),
        "token_endpoint": format!("{issuer}/token"),
    });
    works.then(|| document.to_string()).ok_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// Somebody comes to sign in, and is sent back at once.
async fn authorize(
    State(shared): State<Arc<Shared>>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Result<Redirect, StatusCode> {
    let returned = format!("{PUBLIC_URL}/console/sign-in/return");
    for (name, value) in [
        ("tenant", "1"),
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", &returned),
        ("scope", "openid"),
        ("code_challenge_method", "S256"),
    ] {
        if asked.get(name).is_none_or(|given| given != value) {
            return Err(StatusCode::BAD_REQUEST);
        }
    }
    let state = asked.get("state").ok_or(StatusCode::BAD_REQUEST)?.clone();
    let mut codes = shared.codes.lock().expect("no panic holds it");
    let answer = if shared.person.lock().expect("no panic holds it").is_some() {
        let code = format!("code-{}-{state}", shared.asked.fetch_add(1, Ordering::SeqCst));
        codes.insert(code.clone(), asked);
        format!("code={code}")
    } else {
        "error=access_denied&error_description=%3Cscript%3E".to_owned()
    };
    let place = match *shared.behind.lock().expect("no panic holds it") {
        Some(address) => returned.replace(PUBLIC_URL, &format!("http://{address}")),
        None => returned,
    };
    Ok(Redirect::to(&format!("{place}?{answer}&state={state}")))
}

/// The service comes with a code, which counts once and with the verifier of whoever asked for it.
async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(given): Form<BTreeMap<String, String>>,
) -> Result<String, (StatusCode, String)> {
    let refuse = |error: &str| Err((StatusCode::BAD_REQUEST, json!({"error": error}).to_string()));
    let client = format!("Basic {}", STANDARD.encode("the%20console:hush%3A%20hush"));
    if headers.get("authorization").is_none_or(|given| *given != *client) {
        return refuse("invalid_client");
    }
    let field = |name: &str| given.get(name).map(String::as_str).unwrap_or_default();
    let asked = shared.codes.lock().expect("no panic holds it").remove(field("code"));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
    let asked = asked.filter(|asked| asked.get("code_challenge") == Some(&challenge));
    let asked = asked.filter(|asked| asked.get("redirect_uri").is_some_and(|asked| asked == field("redirect_uri")));
    let person = shared.person.lock().expect("no panic holds it").clone();
    match (asked.as_ref().and_then(|asked| asked.get("nonce")), person, field("grant_type")) {
        (Some(nonce), Some(person), "authorization_code") => {
            Ok(json!({"id_token": person(nonce), "access_token": "opaque", "token_type": "Bearer"}).to_string())
        }
        _ => refuse("invalid_grant"),
    }
}

impl Signer {
    /// A new key that `algorithm` signs with: `ES256`, `RS256` or `EdDSA`.
    #[expect(clippy::wildcard_enum_match_arm, reason = "one algorithm of each kind of key is enough")]
    pub fn new(id: &str, algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::RS256 => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key");
                let der = pair.as_der().expect("its form");
                EncodingKey::from_rsa_der(der.as_ref().get(WRAPPING..).expect("a key in it"))
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().expect("a key");
                EncodingKey::from_ed_der(pair.to_pkcs8v1().expect("its form").as_ref())
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
                EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("its form").as_ref())
            }
            other => panic!("no key is made for {other:?}"),
        };
        Self { id: id.to_owned(), algorithm, key }
    }

    /// Its public half, as a provider publishes it.
    pub fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).expect("JSON")
    }

    /// The header of its tokens.
    pub fn header(&self) -> Header {
        Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) }
    }

    /// A token with `claims` over what every good one has; null takes one away.
    pub fn token(&self, claims: Value) -> String {
        self.token_under(&self.header(), claims)
    }

    /// The same under a header of its own.
    pub fn token_under(&self, header: &Header, claims: Value) -> String {
        encode(header, &filled(claims), &self.key).expect("a token")
    }
}

/// The claims of a good token, an hour long from the start of the tests' clock, with others over them.
pub fn filled(claims: Value) -> Value {
    let mut all = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "u-1", "exp": 1_893_502_800});
    if let (Some(all), Value::Object(claims)) = (all.as_object_mut(), claims) {
        all.extend(claims);
        all.retain(|_, value| !value.is_null());
    }
    all
}
