//! Tokens of the identity provider: from the text of a JWT to the login it vouches for.
//!
//! A token counts when one of the provider's keys signed it, by an algorithm of that key, for this audience, and its time has come and is
//! not over; the two clocks may differ by a leeway. Which claims say who somebody is, is configured. A token that was accepted by the
//! leeway alone opens no socket for longer than it says itself. An ID token, which says to a client who has just signed in, is read alike:
//! its audience is the client, and it must belong to that very sign-in. Neither the token nor a claim is logged.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::{AuthError, fetched::Missing, issuer::Issuer, web::Web};
use crate::{clock::Clock, config::Tokens, domain::access::Login};

const NOT_OURS: &str = "The token does not count here: its form, signature, issuer or audience is not what it must be.";
const OVER: &str = "The token's time is over, or has not come: get a fresh one.";
const NOBODY: &str =
    "The token's claims do not say who this is: it needs a subject, a role and, for a PARTNER, a partner.";

const ANOTHER: &str = "The identity provider's answer belongs to another sign-in. Begin again.";

/// Longer than any token that a header holds with reason.
const LONGEST: usize = 16 * 1024;

type Claims = Map<String, Value>;

/// Reads tokens as the configuration says.
pub struct Reader {
    tokens: Tokens,
    issuer: Issuer,
    clock: Clock,
}

impl Reader {
    /// A reader of the tokens of one provider.
    pub fn new(tokens: Tokens, web: Web, clock: Clock) -> Self {
        let issuer = Issuer::new(&tokens.keys, web, clock.clone());
        Self { tokens, issuer, clock }
    }

    /// Whom `token` is of, and until when.
    pub async fn read(&self, token: &str) -> Result<(Arc<Login>, DateTime<Utc>), AuthError> {
        let claims = self.verify(token, &self.tokens.audience).await?;
        self.vouched(&claims)
    }

    /// Whom an ID token is of that `client` was given for the sign-in with this nonce, and until when.
    pub async fn read_id(
        &self,
        token: &str,
        client: &str,
        nonce: &str,
    ) -> Result<(Arc<Login>, DateTime<Utc>), AuthError> {
        let claims = self.verify(token, client).await?;
        if claims.get("azp").is_some_and(|party| party != client) {
            return Err(AuthError::Unauthenticated(NOT_OURS));
        }
        if claims.get("nonce").is_none_or(|found| found != nonce) {
            return Err(AuthError::Unauthenticated(ANOTHER));
        }
        let (login, ends) = self.vouched(&claims)?;
        // What begins with it would be over already.
        if ends <= self.clock.now() { Err(AuthError::Unauthenticated(OVER)) } else { Ok((login, ends)) }
    }

    /// Whom claims are of whose time has come, and until when.
    fn vouched(&self, claims: &Claims) -> Result<(Arc<Login>, DateTime<Utc>), AuthError> {
        let now = self.clock.now();
        let leeway = self.tokens.leeway;
        let begins = claims.get("nbf").map(|begins| moment(begins).ok_or(AuthError::Unauthenticated(NOT_OURS)));
        let ends = claims.get("exp").and_then(moment).ok_or(AuthError::Unauthenticated(NOT_OURS))?;
        if ends + leeway <= now || begins.transpose()?.is_some_and(|begins| now + leeway < begins) {
            return Err(AuthError::Unauthenticated(OVER));
        }
        let login = self.login(claims).ok_or(AuthError::Unauthenticated(NOBODY))?;
        Ok((Arc::new(login), ends))
    }

    /// The claims of a token that is the provider's and meant for `audience`.
    async fn verify(&self, token: &str, audience: &str) -> Result<Claims, AuthError> {
        let not_ours = AuthError::Unauthenticated(NOT_OURS);
        let header = Some(token).filter(|token| token.len() <= LONGEST).and_then(|token| decode_header(token).ok());
        // What a token declares critical would have to be understood, and nothing is.
        let header = header.filter(|header| header.crit.is_none()).ok_or(not_ours)?;
        let key = self.issuer.key(header.kid.as_deref(), header.alg).await.map_err(|missing| match missing {
            Missing::Unknown => not_ours,
            Missing::Unavailable => AuthError::Unavailable,
        })?;
        let decoded = decode::<Claims>(token, &key.decoding, &self.validation(header.alg, audience));
        decoded.map(|token| token.claims).map_err(|error| {
            tracing::debug!(error.cause = %error, "a token is refused");
            not_ours
        })
    }

    /// What the library is to check: all but the time, which is the service's own.
    fn validation(&self, algorithm: Algorithm, audience: &str) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.set_issuer(&[&self.tokens.issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation
    }

    fn login(&self, claims: &Claims) -> Option<Login> {
        let text = |name: &str| claim(claims, name).and_then(Value::as_str);
        let roles = claim(claims, &self.tokens.role_claim)?;
        let partner = match claim(claims, &self.tokens.partner_claim) {
            None | Some(Value::Null) => None,
            Some(partner) => Some(partner.as_str()?.parse().ok()?),
        };
        let mut known = words(roles).filter_map(Login::role);
        let role = known.next().filter(|role| known.all(|other| other == *role))?;
        Login::new(text("sub")?, role, partner, text(&self.tokens.account_claim))
    }
}

/// A claim by its name, or by a JSON pointer (RFC 6901) to where it lies within another.
fn claim<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    let Some(path) = name.strip_prefix('/') else { return claims.get(name) };
    let (first, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
}

/// The words of a claim that holds one or a list of them.
fn words(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

/// A moment as tokens give it, in seconds.
fn moment(value: &Value) -> Option<DateTime<Utc>> {
    let seconds = value.as_i64().or_else(|| {
        let seconds = value.as_f64()?;
        #[expect(clippy::cast_possible_truncation, reason = "a moment beyond the range is none, as below")]
        let whole = seconds.floor() as i64;
        Some(whole)
    })?;
    // Far from the ends of what a moment can be, so that a leeway can be added to it.
    DateTime::from_timestamp(seconds, 0)
        .filter(|moment| moment.years_since(DateTime::UNIX_EPOCH).is_some_and(|years| years < 8_000))
}
