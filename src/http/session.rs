//! Sessions of a browser: a credential under seal, in a cookie that no script can read.
//!
//! A session is nowhere but in its cookie, which a [`Seal`] keeps: what somebody signed in with, and when that ends. That somebody has
//! signed out is remembered by the database, and ends it for whoever has a copy. A cookie comes along whoever made the browser ask: it counts
//! only where the browser says that one of this service's own pages did, and what changes something needs a token as well, which only such a
//! page can know. Who has not signed in yet is a guest, by a cookie for the sign-in form's token; whoever signs in at the identity provider
//! has another one meanwhile, by which the browser is known again when it comes back. Neither touches a session that there is.

use std::{net::IpAddr, sync::Arc};

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
use crate::{
    clock::{self, Clock},
    domain::access::Login,
    id::PartnerId,
};

const SESSION: Cookie = Cookie { name: "claimcheck_session", same_site: "Strict" };
/// How long a browser stays signed in: a working day.
const LASTING: TimeDelta = TimeDelta::hours(12);

/// What the sign-in form belongs to.
const GUEST: Cookie = Cookie { name: "claimcheck_guest", same_site: "Strict" };

/// What stays with a browser that is sent to the identity provider. It comes back by a link of that one.
const ERRAND: Cookie = Cookie { name: "claimcheck_sign_in", same_site: "Lax" };
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
    /// What it was begun with.
    pub pass: Pass,
    /// What a form of this session must bring along.
    pub token: Token,
}

/// What a form brings along, so that it is known to be of this service's pages.
pub struct Token(pub String);

/// What a session stands on.
#[derive(Debug, PartialEq, Eq)]
pub enum Pass {
    /// What `Authorization` would say; it is checked anew at each request like any other, so that a key's revocation ends its sessions.
    Shown(String),
    /// A login that an identity provider vouched for when the session began.
    Vouched(Voucher),
}

/// Whose word a session stands on, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    pub login: Arc<Login>,
    /// The provider and the client that people signed in to, as [`Provider::mark`](super::auth::Provider::mark) says it.
    pub by: String,
    pub until: DateTime<Utc>,
}

/// What a session's cookie holds.
#[derive(Serialize, Deserialize)]
enum Content {
    Shown(String),
    Vouched { by: String, subject: String, role: String, partner: Option<PartnerId>, account: Option<String> },
}

impl Content {
    fn of(pass: &Pass) -> Self {
        match pass {
            Pass::Shown(authorization) => Self::Shown(authorization.clone()),
            Pass::Vouched(Voucher { login, by, .. }) => {
                let Login { subject, role, partner, account } = (**login).clone();
                Self::Vouched { by: by.clone(), subject, role: role.to_string(), partner, account }
            }
        }
    }

    fn pass(self, until: DateTime<Utc>) -> Option<Pass> {
        match self {
            Self::Shown(authorization) => Some(Pass::Shown(authorization)),
            Self::Vouched { by, subject, role, partner, account } => {
                let login = Login::new(&subject, Login::role(&role)?, partner, account.as_deref())?;
                Some(Pass::Vouched(Voucher { login: Arc::new(login), by, until }))
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

    /// A new session as the value of `Set-Cookie`. It lasts no longer than what it stands on.
    pub fn begin(&self, pass: &Pass, over_https: bool) -> Option<HeaderValue> {
        let latest = self.seal.now() + LASTING;
        let ends = match pass {
            Pass::Vouched(voucher) => latest.min(voucher.until),
            Pass::Shown(_) => latest,
        };
        self.seal.close(&SESSION, &Content::of(pass), ends, over_https)
    }

    /// The end of a session, as the value of `Set-Cookie`.
    pub fn end(over_https: bool) -> Option<HeaderValue> {
        SESSION.end(over_https)
    }

    /// The session of a request, if it has one that has not ended.
    pub fn find(&self, headers: &HeaderMap) -> Option<Session> {
        // A host beside this one can plant a cookie of the other name: it counts where there is no HTTPS alone, and so nothing better.
        let ways: &[bool] = if came_over_https(headers) { &[true] } else { &[true, false] };
        let found = ways.iter().find_map(|over_https| Some((SESSION.find(headers, *over_https)?, *over_https)));
        let (value, over_https) = found?;
        let (ends, content) = self.seal.open::<Content>(&SESSION, value, over_https)?;
        if ends > self.seal.now() + LASTING + clock::APART {
            return None;
        }
        Some(Session { pass: content.pass(ends)?, token: self.token(value) })
    }

    /// A guest that makes a request, as the value of `Set-Cookie`, and what a form must bring along for it. One that has been here lately
    /// stays who it was, with every form it has open.
    pub fn welcome(&self, headers: &HeaderMap) -> Option<(Option<HeaderValue>, Token)> {
        let over_https = came_over_https(headers);
        let lasts = |value: &&str| {
            let opened = self.seal.open::<()>(&GUEST, value, over_https);
            opened.is_some_and(|(ends, ())| ends > self.seal.now() + LASTING / 2)
        };
        if let Some(value) = GUEST.find(headers, over_https).filter(lasts) {
            return Some((None, self.token(value)));
        }
        let cookie = self.seal.close(&GUEST, &(), self.seal.now() + LASTING, over_https)?;
        let pair = HeaderMap::from_iter([(header::COOKIE, cookie.clone())]);
        let token = self.token(GUEST.find(&pair, over_https)?);
        Some((Some(cookie), token))
    }

    /// What forms may bring along for one that has been here before. Whether a page was asked for over HTTPS is not always to be seen, so it
    /// may have been here by either name.
    pub fn guests(&self, headers: &HeaderMap) -> Vec<Token> {
        let token = |over_https| {
            let value = GUEST.find(headers, over_https)?;
            self.seal.open::<()>(&GUEST, value, over_https)?;
            Some(self.token(value))
        };
        [true, false].into_iter().filter_map(token).collect()
    }

    fn token(&self, cookie: &str) -> Token {
        let tag = self.token.clone().chain_update(cookie).finalize().into_bytes();
        Token(URL_SAFE_NO_PAD.encode(tag))
    }

    /// The session of a request, where one of our own pages asks.
    pub fn own(&self, headers: &HeaderMap) -> Option<Session> {
        is_own_page(headers).then(|| self.find(headers)).flatten()
    }

    /// What stays with a browser that is sent to the identity provider, as the value of `Set-Cookie`.
    pub fn send_away(&self, flow: &Flow, over_https: bool) -> Option<HeaderValue> {
        self.seal.close(&ERRAND, flow, self.seal.now() + PATIENCE, over_https)
    }

    /// What stayed with it, when it comes back.
    pub fn come_back(&self, headers: &HeaderMap, over_https: bool) -> Option<Flow> {
        let (_, flow) = self.seal.open(&ERRAND, ERRAND.find(headers, over_https)?, over_https)?;
        Some(flow)
    }

    /// The end of that, as the value of `Set-Cookie`: an answer counts once.
    pub fn end_errand(over_https: bool) -> Option<HeaderValue> {
        ERRAND.end(over_https)
    }
}

impl Token {
    /// Whether a form was made for this.
    pub fn is(&self, token: &str) -> bool {
        self.0.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// Whether a form came over HTTPS, as its origin says.
pub fn is_https(headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https:"))
}

/// Whether the browser says that it asks over HTTPS, which no request says by itself: a page's origin tells, and so does `Sec-Fetch-Site`,
/// which stands on nothing that goes without encryption but to the browser's own machine. An older browser says nothing.
fn came_over_https(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let host = host.as_ref().map_or("", Authority::host);
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let own_machine =
        host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback());
    let says_so = is_https(headers) && is_own_page(headers);
    says_so || (headers.contains_key("sec-fetch-site") && !own_machine)
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
        let vouched = || Pass::Vouched(Voucher { login: Arc::clone(&login), by: "somebody".to_owned(), until });
        let brief = sessions(&clock).begin(&vouched(), true).unwrap();
        let shown = sessions(&clock).begin(&Pass::Shown("Bearer x".to_owned()), false).unwrap();
        let session = found(&clock, &shown).unwrap();
        let token = &session.token;
        assert!(token.is(&token.0) && !token.is("") && !token.is(&token.0[1..]));
        assert_eq!(session.pass, Pass::Shown("Bearer x".to_owned()));
        assert_eq!(found(&clock, &brief).unwrap().pass, vouched());
        clock.advance(std::time::Duration::from_hours(1));
        assert!(found(&clock, &brief).is_none() && found(&clock, &shown).is_some());
        clock.advance(std::time::Duration::from_hours(11));
        assert!(found(&clock, &shown).is_none());
        let (ahead, behind) = (Clock::fixed(clock.now() + TimeDelta::minutes(1)), clock);
        let begun = sessions(&ahead).begin(&Pass::Shown("Bearer x".to_owned()), false).unwrap();
        assert!(found(&behind, &begun).is_some(), "another node's clock may be ahead");
        let far = Clock::fixed(behind.now() + TimeDelta::hours(1));
        let begun = sessions(&far).begin(&Pass::Shown("Bearer x".to_owned()), false).unwrap();
        assert!(found(&behind, &begun).is_none(), "none lasts longer than a day");
    }

    #[test]
    fn a_session_of_https_is_not_outdone_by_a_cookie_without() {
        let clock = Clock::default();
        let begin = |text: &str, over_https| {
            let set = sessions(&clock).begin(&Pass::Shown(text.to_owned()), over_https).unwrap();
            set.to_str().unwrap().split(';').next().unwrap().to_owned()
        };
        let (planted, own) = (begin("Bearer x", false), begin("Bearer own", true));
        for cookies in [format!("{planted}; {own}"), format!("{own}; {planted}")] {
            let session = found(&clock, &cookies.parse().unwrap()).unwrap();
            assert_eq!(session.pass, Pass::Shown("Bearer own".to_owned()));
        }
        let alone = |header: &'static str, value: &str, host: &str| {
            let pairs = [("cookie", planted.as_str()), (header, value), ("host", host)];
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            sessions(&clock).find(&headers).is_some()
        };
        assert!(
            !alone("sec-fetch-site", "same-origin", "a.example") && !alone("origin", "https://a.example", "a.example")
        );
        assert!(alone("origin", "http://a.example:8000", "a.example:8000"));
        for own_machine in ["localhost:8000", "a.localhost", "127.0.0.1:8000", "[::1]:8000"] {
            assert!(alone("sec-fetch-site", "same-origin", own_machine), "{own_machine}");
        }
        let renamed = planted.replace("claimcheck_session", "__Host-claimcheck_session");
        assert!(found(&clock, &renamed.parse().unwrap()).is_none());
    }

    #[test]
    fn no_two_guests_share_a_token_and_no_other_cookie_is_a_session() {
        let clock = Clock::default();
        let welcome = || sessions(&clock).welcome(&HeaderMap::new()).unwrap();
        let ((cookie, one), (_, other)) = (welcome(), welcome());
        assert!(one.0 != other.0);
        let cookie = cookie.unwrap();
        let headers = HeaderMap::from_iter([(header::COOKIE, cookie.clone())]);
        let known = sessions(&clock).guests(&headers);
        assert!(known.iter().any(|token| token.is(&one.0)) && found(&clock, &cookie).is_none());
        let (again, same) = sessions(&clock).welcome(&headers).unwrap();
        assert!(again.is_none() && same.is(&one.0), "who opens a second form may send the first");
        let guest = cookie.to_str().unwrap().split_once(['=', ';']).unwrap().1.split(';').next().unwrap();
        for value in ["", "x", "!", &"A".repeat(200), guest] {
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
