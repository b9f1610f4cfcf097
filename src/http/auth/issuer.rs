//! The keys of the identity provider, by which its tokens are told from anybody else's.
//!
//! They are fetched when they are first needed, and again when they are five minutes old or a token names one that is not among them: so
//! a provider may change its keys at any time. While they cannot be fetched the old ones go on counting. A key is bound to the algorithms of
//! its own type, none of which is symmetric: what a token says about its algorithm only chooses among them.

use chrono::TimeDelta;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;

use super::{
    fetched::{Fetched, Missing},
    web::{Cause, Web},
};
use crate::clock::Clock;

/// How long keys count without a look at whether they still do.
const FRESH: TimeDelta = TimeDelta::minutes(5);

/// A key, and what it may have been used for.
#[derive(Clone)]
pub struct Key {
    id: Option<String>,
    pub algorithms: &'static [Algorithm],
    /// The one algorithm that the provider keeps it for, where it says so.
    only: Option<Algorithm>,
    pub decoding: DecodingKey,
}

/// The provider's keys, as they were when it was last asked. Clones know the same.
#[derive(Clone)]
pub struct Issuer {
    address: String,
    web: Web,
    keys: Fetched<Vec<Key>>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl Issuer {
    /// The provider whose keys are at `address`. Nothing is fetched yet.
    pub fn new(address: &str, web: Web, clock: Clock) -> Self {
        let keys = Fetched::new("the key set of the identity provider", FRESH, clock);
        Self { address: address.to_owned(), web, keys }
    }

    /// The key called `id` that may have been used with `algorithm`. A token that names no key is taken to mean the only one there is.
    pub async fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Key, Missing> {
        let fetch = || fetch(self.web.clone(), self.address.clone());
        self.keys.get(|keys| find(keys, id, algorithm), fetch).await
    }
}

fn find(keys: &[Key], id: Option<&str>, algorithm: Algorithm) -> Option<Key> {
    let mut fitting = keys.iter().filter(|key| key.verifies(algorithm) && (id.is_none() || key.id.as_deref() == id));
    let first = fitting.next()?;
    (id.is_some() || fitting.next().is_none()).then(|| first.clone())
}

async fn fetch(web: Web, address: String) -> Result<Vec<Key>, Cause> {
    let set: KeySet = web.get(&address).await?;
    // A key that is of no use here, or of a kind that is not known, is no reason to do without the others.
    Ok(set.keys.into_iter().filter_map(|key| Key::read(&serde_json::from_value(key).ok()?)).collect())
}

impl Key {
    fn read(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|purposes| purposes.contains(&KeyOperations::Verify));
        let algorithms = algorithms(&jwk.algorithm)?;
        // An algorithm by a name that is not known here is none of those above.
        let only = common.key_algorithm.map(|algorithm| algorithm.to_string().parse()).transpose().ok()?;
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        signs.then(|| Self { id: common.key_id.clone(), algorithms, only, decoding })
    }

    fn verifies(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm) && self.only.is_none_or(|only| only == algorithm)
    }
}

/// The algorithms of a key's type; none where it is of no use here.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a kind that the library may come to know counts once it is listed here"
)]
fn algorithms(key: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let curve = match key {
        AlgorithmParameters::RSA(_) => return Some(&[RS256, RS384, RS512, PS256, PS384, PS512]),
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => return Some(&[EdDSA]),
        AlgorithmParameters::EllipticCurve(key) => &key.curve,
        _ => return None,
    };
    match curve {
        EllipticCurve::P256 => Some(&[ES256]),
        EllipticCurve::P384 => Some(&[ES384]),
        _ => None,
    }
}
