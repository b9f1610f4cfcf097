//! Sessions of a browser: a credential under seal, in a cookie that no script can read.
//!
//! A session is nowhere but in its cookie, so that any node can serve the next request: the text of an `Authorization` header and the moment
//! it ends, sealed under a key that every node has from the key file. The credential is checked anew at each request like any other, so that
//! a key's revocation ends its sessions. A cookie comes along whoever made the browser ask: it counts only where the browser says that one of
//! this service's own pages did, and what changes something needs a token as well, which only such a page can know.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit as _},
};
use chrono::{DateTime, TimeDelta};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use axum::http::{HeaderMap, HeaderValue, Uri, header, uri::Authority};

use crate::clock::Clock;

const COOKIE: &str = "claimcheck_session";
/// How long a browser stays signed in: a working day.
const LASTING: TimeDelta = TimeDelta::hours(12);
const NONCE: usize = 24;

/// Makes and reads sessions. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    seal: XChaCha20Poly1305,
    token: Hmac<Sha256>,
    clock: Clock,
}

/// A session that a browser has.
pub struct Session {
    /// What `Authorization` would say; none before signing in.
    pub authorization: Option<String>,
    /// What a form of this session must bring along.
    pub token: String,
}

impl Sessions {
    /// Sessions under `key`.
    ///
    /// # Panics
    ///
    /// Never: a MAC takes a key of any length.
    #[expect(clippy::expect_used, reason = "a MAC takes a key of any length")]
    pub fn new(key: &[u8; 32], clock: Clock) -> Self {
        let token = Hmac::new_from_slice(key).expect("a key");
        Self { seal: XChaCha20Poly1305::new(key.into()), token, clock }
    }

    /// A new session as the value of `Set-Cookie`. With an empty `authorization` it is one of somebody who has not signed in yet. `headers`
    /// are those of the request: over HTTPS the cookie stays with HTTPS.
    pub fn begin(&self, authorization: &str, headers: &HeaderMap) -> Option<HeaderValue> {
        let ends = (self.clock.now() + LASTING).timestamp();
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        let sealed = self.seal.encrypt(&XNonce::from(nonce), format!("{ends} {authorization}").as_bytes()).ok()?;
        let value = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        cookie(&value, LASTING.num_seconds(), headers)
    }

    /// The end of any session, as the value of `Set-Cookie`.
    pub fn end(headers: &HeaderMap) -> Option<HeaderValue> {
        cookie("", 0, headers)
    }

    /// The session of a request, if it has one that has not ended.
    pub fn find(&self, headers: &HeaderMap) -> Option<Session> {
        let value = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let mut pairs = value.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
        let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let opened = self.seal.decrypt(&XNonce::from(<[u8; NONCE]>::try_from(nonce).ok()?), sealed).ok()?;
        let opened = String::from_utf8(opened).ok()?;
        let (ends, authorization) = opened.split_once(' ')?;
        if DateTime::from_timestamp(ends.parse().ok()?, 0)? <= self.clock.now() {
            return None;
        }
        let tag = self.token.clone().chain_update(value).finalize().into_bytes();
        let authorization = Some(authorization).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Session { authorization, token: URL_SAFE_NO_PAD.encode(tag) })
    }

    /// What the session of a request says in place of its `Authorization` header, where one of our own pages asks.
    pub fn authorization(&self, headers: &HeaderMap) -> Option<String> {
        if !is_own_page(headers) {
            return None;
        }
        self.find(headers)?.authorization
    }
}

impl Session {
    /// Whether a form was made for this session.
    pub fn is_own(&self, token: &str) -> bool {
        self.token.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// Whether the browser says that a page of this very origin makes the request: by its `Origin`, which stands on everything that may change
/// something, where there is none by `Sec-Fetch-Site`, and where there is no encryption and so not that either by its `Referer`. No page can
/// set any of them.
pub fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = |page: &str| {
        let page = page.parse::<Uri>().ok();
        let authority = page.as_ref().and_then(Uri::authority).map(Authority::as_str);
        authority.is_some() && authority == text(header::HOST)
    };
    match (text(header::ORIGIN), headers.get("sec-fetch-site")) {
        (Some(origin), _) => is_own(origin),
        (None, Some(site)) => site == "same-origin",
        (None, None) => text(header::REFERER).is_some_and(is_own),
    }
}

fn cookie(value: &str, seconds: i64, headers: &HeaderMap) -> Option<HeaderValue> {
    let https = headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https:"));
    let secure = if https { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(key: u8, clock: &Clock) -> Sessions {
        Sessions::new(&[key; 32], clock.clone())
    }

    fn with_cookie(set: &HeaderValue) -> HeaderMap {
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, format!("other=1; {pair}").parse().unwrap())])
    }

    #[test]
    fn a_session_is_read_by_every_node_until_it_ends() {
        let clock = Clock::fixed(DateTime::from_timestamp(1_000_000_000, 0).unwrap());
        let set = sessions(1, &clock).begin("Bearer x", &HeaderMap::new()).unwrap();
        let headers = with_cookie(&set);
        let found = sessions(1, &clock).find(&headers).unwrap();
        assert_eq!(found.authorization.as_deref(), Some("Bearer x"));
        assert!(found.is_own(&found.token) && !found.is_own("") && !found.is_own(&found.token[1..]));
        assert!(!set.to_str().unwrap().contains("Bearer"));
        assert!(sessions(2, &clock).find(&headers).is_none());
        clock.advance(std::time::Duration::from_hours(12));
        assert!(sessions(1, &clock).find(&headers).is_none());
    }

    #[test]
    fn no_two_sessions_share_a_token_and_no_other_cookie_is_one() {
        let clock = Clock::default();
        let found = |set: &HeaderValue| sessions(1, &clock).find(&with_cookie(set));
        let begin = || sessions(1, &clock).begin("", &HeaderMap::new()).unwrap();
        let (one, other) = (found(&begin()).unwrap(), found(&begin()).unwrap());
        assert!(one.authorization.is_none() && one.token != other.token);
        for value in
            ["", "x", "!", &"A".repeat(200), &Sessions::end(&HeaderMap::new()).unwrap().to_str().unwrap()[19..]]
        {
            assert!(found(&format!("{COOKIE}={value}").parse().unwrap()).is_none(), "{value}");
        }
    }

    #[test]
    fn a_cookie_counts_for_our_own_pages_alone() {
        let own = |pairs: &[(&'static str, &str)]| {
            is_own_page(&pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
        };
        assert!(own(&[("host", "a.example:8000"), ("origin", "http://a.example:8000")]));
        assert!(own(&[("host", "a.example"), ("origin", "https://a.example"), ("sec-fetch-site", "same-origin")]));
        assert!(own(&[("host", "a.example"), ("sec-fetch-site", "same-origin")]));
        assert!(own(&[("host", "a.example"), ("referer", "http://a.example/console")]));
        for pairs in [
            &[("host", "a.example")][..],
            &[("host", "a.example"), ("origin", "null")],
            &[("host", "a.example"), ("origin", "https://b.a.example"), ("sec-fetch-site", "same-site")],
            &[("host", "a.example"), ("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("host", "a.example"), ("sec-fetch-site", "same-site")],
            &[("host", "a.example"), ("sec-fetch-site", "none")],
            &[("host", "a.example"), ("sec-fetch-site", "same-site"), ("referer", "https://a.example/console")],
            &[("host", "a.example"), ("referer", "https://evil.example/a.example")],
            &[("origin", "https://a.example")],
        ] {
            assert!(!own(pairs), "{pairs:?}");
        }
    }
}
