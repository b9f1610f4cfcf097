//! An identity provider on this machine: it publishes keys, and signs tokens with them or with others.

use std::{
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
use axum::{Router, extract::State, http::StatusCode, routing::get};
use claimcheck::config::Tokens;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://login.example.com";
pub const AUDIENCE: &str = "claimcheck";

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
}

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
            let body = shared.body.lock().expect("no panic holds it").clone();
            body.ok_or(StatusCode::SERVICE_UNAVAILABLE)
        };
        let router = Router::new().route("/keys", get(answer)).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let provider = Self { address, shared };
        provider.publish(signers);
        provider
    }

    /// What a service must be told to take this provider's tokens.
    pub fn tokens(&self) -> Tokens {
        Tokens::of(ISSUER, AUDIENCE, &format!("http://{}/keys", self.address))
    }

    /// Has these keys from now on, beside one of a kind that nobody knows and one that is a secret.
    pub fn publish(&self, signers: &[&Signer]) {
        let mut keys: Vec<Value> = signers.iter().map(|signer| signer.public()).collect();
        keys.push(json!({"kty": "from the future", "kid": "f"}));
        keys.push(json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}));
        self.say(Some(json!({"keys": keys}).to_string()));
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
