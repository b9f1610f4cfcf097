//! Sessions of a browser: a credential under seal, in a cookie that no script can read.
//!
//! A session is nowhere but in its cookie, which a [`Seal`] keeps: what somebody signed in with, and when that ends. A cookie comes along
//! whoever made the browser ask: it counts only where the browser says that one of this service's own pages did, and what changes something
//! needs a token as well, which only such a page can know. Whoever signs in at the identity provider has another cookie meanwhile, for as
//! long as that takes, by which the browser is known again when it comes back.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Uri, header, uri::Authority};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{
    auth::Flow,
    seal::{Cookie, Seal},
};
use crate::{clock::Clock, domain::access::Login, id::PartnerId};

const SESSION: Cookie = Cookie { name: "claimcheck_session", same_site: "Strict" };
/// How long a browser stays signed in: a working day.
const LASTING: TimeDelta = TimeDelta::hours(12);

/// What stays with a browser that is sent to the identity provider. It comes back by a link of that one.
const ERRAND: Cookie = Cookie { name: "claimcheck_sign_in", same_site: "Lax" };
/// The same over HTTPS: by this name no other host can plant it, and nobody be signed in under another's.
const SAFE_ERRAND: Cookie = Cookie { name: "__Host-claimcheck_sign_in", same_site: "Lax" };
/// How long somebody may take there.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// Makes and reads sessions. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    seal: Seal,
    token: Hmac<Sha256>,
}

/// A session that a browser has.
pub struct Session {
    /// What it was begun with; nothing before signing in.
    pub pass: Option<Pass>,
    /// What a form of this session must bring along.
    pub token: String,
}

/// What a session stands on.
pub enum Pass {
    /// What `Authorization` would say; it is checked anew at each request like any other, so that a key's revocation ends its sessions.
    Shown(String),
    /// A login that the identity provider vouched for when the session began, and for how long.
    Vouched(Arc<Login>, DateTime<Utc>),
}

/// What a session's cookie holds.
#[derive(Serialize, Deserialize)]
enum Content {
    Nobody,
    Shown(String),
    /// A login's subject, role, partner and account.
    Vouched(String, String, Option<PartnerId>, Option<String>),
}

impl Content {
    fn of(pass: Option<&Pass>) -> Self {
        match pass {
            None => Self::Nobody,
            Some(Pass::Shown(authorization)) => Self::Shown(authorization.clone()),
            Some(Pass::Vouched(login, _)) => {
                let Login { subject, role, partner, account } = &**login;
                Self::Vouched(subject.clone(), role.to_string(), *partner, account.clone())
            }
        }
    }

    fn pass(self, ends: DateTime<Utc>) -> Option<Pass> {
        match self {
            Self::Nobody => None,
            Self::Shown(authorization) => Some(Pass::Shown(authorization)),
            Self::Vouched(subject, role, partner, account) => {
                let login = Login::new(&subject, Login::role(&role)?, partner, account.as_deref())?;
                Some(Pass::Vouched(Arc::new(login), ends))
            }
        }
    }
}

impl Sessions {
    /// Sessions under `key`.
    ///
    /// # Panics
    ///
    /// Never: a MAC takes a key of any length.
    #[expect(clippy::expect_used, reason = "a MAC takes a key of any length")]
    pub fn new(key: &[u8; 32], clock: Clock) -> Self {
        Self { seal: Seal::new(key, clock), token: Hmac::new_from_slice(key).expect("a key") }
    }

    /// A new session as the value of `Set-Cookie`; without a `pass` it is one of somebody who has not signed in yet. It lasts no longer than
    /// what it stands on.
    pub fn begin(&self, pass: Option<&Pass>, over_https: bool) -> Option<HeaderValue> {
        let latest = self.seal.now() + LASTING;
        let ends = match pass {
            Some(Pass::Vouched(_, until)) => latest.min(*until),
            Some(Pass::Shown(_)) | None => latest,
        };
        self.seal.close(&SESSION, &Content::of(pass), ends, over_https)
    }

    /// The end of any session, as the value of `Set-Cookie`.
    pub fn end() -> Option<HeaderValue> {
        SESSION.end(false)
    }

    /// The session of a request, if it has one that has not ended.
    pub fn find(&self, headers: &HeaderMap) -> Option<Session> {
        let value = SESSION.find(headers)?;
        let (ends, content) = self.seal.open::<Content>(&SESSION, value)?;
        let tag = self.token.clone().chain_update(value).finalize().into_bytes();
        Some(Session { pass: content.pass(ends), token: URL_SAFE_NO_PAD.encode(tag) })
    }

    /// What the session of a request stands on, where one of our own pages asks.
    pub fn pass(&self, headers: &HeaderMap) -> Option<Pass> {
        if !is_own_page(headers) {
            return None;
        }
        self.find(headers)?.pass
    }

    /// What stays with a browser that is sent to the identity provider, as the value of `Set-Cookie`.
    pub fn send_away(&self, flow: &Flow, over_https: bool) -> Option<HeaderValue> {
        self.seal.close(errand(over_https), flow, self.seal.now() + PATIENCE, over_https)
    }

    /// What stayed with it, when it comes back.
    pub fn come_back(&self, headers: &HeaderMap, over_https: bool) -> Option<Flow> {
        let errand = errand(over_https);
        let (_, flow) = self.seal.open(errand, errand.find(headers)?)?;
        Some(flow)
    }

    /// The end of that, as the value of `Set-Cookie`: an answer counts once.
    pub fn end_errand(over_https: bool) -> Option<HeaderValue> {
        errand(over_https).end(over_https)
    }
}

fn errand(over_https: bool) -> &'static Cookie {
    if over_https { &SAFE_ERRAND } else { &ERRAND }
}

impl Session {
    /// Whether a form was made for this session.
    pub fn is_own(&self, token: &str) -> bool {
        self.token.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// Whether a form came over HTTPS, as its origin says.
pub fn is_https(headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https:"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(clock: &Clock) -> Sessions {
        Sessions::new(&[1; 32], clock.clone())
    }

    fn found(clock: &Clock, set: &HeaderValue) -> Option<Session> {
        sessions(clock).find(&HeaderMap::from_iter([(header::COOKIE, set.clone())]))
    }

    #[test]
    fn a_session_lasts_a_day_and_no_longer_than_what_it_stands_on() {
        let clock = Clock::fixed(DateTime::from_timestamp(1_000_000_000, 0).unwrap());
        let role = Login::role("partner").unwrap();
        let login = Arc::new(Login::new("ann", role, Some(PartnerId::HOUSE), None).unwrap());
        let until = clock.now() + TimeDelta::hours(1);
        let brief = sessions(&clock).begin(Some(&Pass::Vouched(Arc::clone(&login), until)), false).unwrap();
        let shown = sessions(&clock).begin(Some(&Pass::Shown("Bearer x".to_owned())), false).unwrap();
        let session = found(&clock, &shown).unwrap();
        assert!(session.is_own(&session.token) && !session.is_own("") && !session.is_own(&session.token[1..]));
        assert!(matches!(session.pass, Some(Pass::Shown(text)) if text == "Bearer x"));
        let session = found(&clock, &brief).unwrap();
        assert!(matches!(session.pass, Some(Pass::Vouched(found, ends)) if found == login && ends == until));
        clock.advance(std::time::Duration::from_hours(1));
        assert!(found(&clock, &brief).is_none() && found(&clock, &shown).is_some());
        clock.advance(std::time::Duration::from_hours(11));
        assert!(found(&clock, &shown).is_none());
    }

    #[test]
    fn no_two_sessions_share_a_token_and_no_other_cookie_is_one() {
        let clock = Clock::default();
        let begin = || found(&clock, &sessions(&clock).begin(None, false).unwrap()).unwrap();
        let (one, other) = (begin(), begin());
        assert!(one.pass.is_none() && one.token != other.token);
        for value in ["", "x", "!", &"A".repeat(200)] {
            assert!(found(&clock, &format!("claimcheck_session={value}").parse().unwrap()).is_none(), "{value}");
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
