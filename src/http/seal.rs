//! Cookies that only this service makes and reads.
//!
//! What a cookie holds is sealed under a key that every node has from the key file, so that any of them can serve the next request. The seal
//! covers the cookie's name, lest one stand in for another, and the moment it ends, whatever the browser makes of that. No script reads it.
//! Over HTTPS its name begins with `__Host-`: by such a name no other host can plant one (RFC 6265bis, 4.1.3.2).

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit as _, Payload},
};
use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};

use crate::clock::Clock;

const NONCE: usize = 24;

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Seal {
    cipher: XChaCha20Poly1305,
    clock: Clock,
}

/// A kind of cookie.
pub struct Cookie {
    pub name: &'static str,
    /// With whose requests it comes along, as `SameSite` says it.
    pub same_site: &'static str,
}

impl Seal {
    pub fn new(key: &[u8; 32], clock: Clock) -> Self {
        Self { cipher: XChaCha20Poly1305::new(key.into()), clock }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A cookie with `content`, as the value of `Set-Cookie`; one that came `over_https` stays with HTTPS.
    pub fn close<T: Serialize>(
        &self,
        cookie: &Cookie,
        content: &T,
        ends: DateTime<Utc>,
        over_https: bool,
    ) -> Option<HeaderValue> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        let text = serde_json::to_vec(&(ends.timestamp(), content)).ok()?;
        let called = cookie.called(over_https);
        let payload = Payload { msg: &text, aad: called.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        let value = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        cookie.set(&value, (ends - self.now()).num_seconds(), over_https)
    }

    /// What a cookie's value holds and when that ends, unless it has ended.
    pub fn open<T: DeserializeOwned>(
        &self,
        cookie: &Cookie,
        value: &str,
        over_https: bool,
    ) -> Option<(DateTime<Utc>, T)> {
        let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let called = cookie.called(over_https);
        let payload = Payload { msg: sealed, aad: called.as_bytes() };
        let text = self.cipher.decrypt(&XNonce::from(<[u8; NONCE]>::try_from(nonce).ok()?), payload).ok()?;
        let (ends, content) = serde_json::from_slice(&text).ok()?;
        let ends = DateTime::from_timestamp(ends, 0)?;
        (self.now() < ends).then_some((ends, content))
    }
}

impl Cookie {
    fn called(&self, over_https: bool) -> String {
        format!("{}{}", if over_https { "__Host-" } else { "" }, self.name)
    }

    /// Its value in a request, whatever other hosts have had the browser send beside it: no text, perhaps.
    pub fn find<'a>(&self, headers: &'a HeaderMap, over_https: bool) -> Option<&'a str> {
        let called = self.called(over_https);
        let cookies =
            headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
        let mut values =
            cookies.filter_map(|pair| pair.trim_ascii().strip_prefix(called.as_bytes())?.strip_prefix(b"="));
        values.find_map(|value| str::from_utf8(value).ok())
    }

    /// Its end, as the value of `Set-Cookie`.
    pub fn end(&self, over_https: bool) -> Option<HeaderValue> {
        self.set("", 0, over_https)
    }

    fn set(&self, value: &str, seconds: i64, over_https: bool) -> Option<HeaderValue> {
        let (name, same_site) = (self.called(over_https), self.same_site);
        let secure = if over_https { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}").parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Cookie = Cookie { name: "one", same_site: "Strict" };
    const OTHER: Cookie = Cookie { name: "other", same_site: "Lax" };

    #[test]
    fn a_cookie_is_read_by_every_node_and_in_no_other_s_place_until_it_ends() {
        let clock = Clock::fixed(DateTime::from_timestamp(1_000_000_000, 0).unwrap());
        let seal = |key: u8| Seal::new(&[key; 32], clock.clone());
        let ends = clock.now() + chrono::TimeDelta::minutes(1);
        let set = seal(1).close(&ONE, &"content", ends, true).unwrap();
        let set = set.to_str().unwrap();
        assert!(!set.contains("content") && set.starts_with("__Host-one="));
        assert!(set.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"));
        let cookies = HeaderValue::from_bytes(format!("none=Zo\u{eb}; {set}").as_bytes()).unwrap();
        let headers = HeaderMap::from_iter([(header::COOKIE, cookies)]);
        let value = ONE.find(&headers, true).unwrap();
        let open = |key: u8, cookie: &Cookie| seal(key).open::<String>(cookie, value, true);
        assert_eq!(open(1, &ONE), Some((ends, "content".to_owned())));
        assert_eq!((open(2, &ONE), open(1, &OTHER)), (None, None));
        assert!(OTHER.find(&headers, true).is_none() && ONE.find(&headers, false).is_none());
        assert!(seal(1).open::<String>(&ONE, value, false).is_none());
        clock.advance(std::time::Duration::from_mins(1));
        assert_eq!(open(1, &ONE), None);
    }
}
