//! Who is asking: from the text of an `Authorization` header, of a socket's greeting, or from a browser's session, to an actor.
//!
//! Tells only whether a credential stands and whose it is; every other reason is the same short message, so that nobody learns from it
//! which keys there are. What the actor may do is the domain's to say. A credential's text is neither kept nor logged.

mod fetched;
mod issuer;
mod provider;
mod token;
mod web;

use std::{io, net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};

pub use self::provider::{Flow, Provider, Return};
use self::{token::Reader, web::Web};
use super::session::{Pass, Session, Token, Voucher};
use crate::{
    clock::Clock,
    config::Tokens,
    domain::{
        access::{Directory, Login, Secret},
        actor::{Actor, Credential},
    },
};

const MISSING: &str = "This needs a credential: send `Authorization: Bearer <API key or token>`.";
const NO_BEARER: &str = "The Authorization header must be `Bearer`, a space and the API key or token.";
const NO_KEY: &str = "This is no API key: it begins with cck_ and has 40 characters. Check that it was copied whole.";
const ENDED: &str = "The API key is unknown, expired or revoked.";
const NO_LOGIN: &str = "The token names a partner that there is not, or that is not active.";

/// Why there is no actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthError {
    /// The credential is missing or opens nothing; the message is for the client.
    Unauthenticated(&'static str),
    /// It cannot be checked at the moment.
    Unavailable,
}

/// Finds the actor behind a credential. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    directory: Directory,
    tokens: Option<Arc<Reader>>,
    provider: Option<Arc<Provider>>,
    clock: Clock,
}

/// What a client shows, told apart by its form alone.
enum Shown<'a> {
    Key(Secret),
    Token(&'a str),
}

impl<'a> Shown<'a> {
    fn read(authorization: Option<&'a str>) -> Result<Self, AuthError> {
        let value = authorization.ok_or(AuthError::Unauthenticated(MISSING))?.trim();
        let text = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, text) = text.ok_or(AuthError::Unauthenticated(NO_BEARER))?;
        let text = text.trim_start();
        match Secret::parse(text) {
            Some(secret) => Ok(Self::Key(secret)),
            None if text.bytes().filter(|byte| *byte == b'.').count() == 2 => Ok(Self::Token(text)),
            None => Err(AuthError::Unauthenticated(NO_KEY)),
        }
    }
}

impl Authenticator {
    /// An authenticator of the keys in `directory`, and of the tokens of a provider where one is configured.
    pub fn new(directory: Directory, tokens: Option<Tokens>, clock: Clock) -> io::Result<Self> {
        let Some(tokens) = tokens else { return Ok(Self { directory, tokens: None, provider: None, clock }) };
        let web = Web::new()?;
        let (issuer, sign_in) = (tokens.issuer.clone(), tokens.sign_in.clone());
        let reader = Arc::new(Reader::new(tokens, web.clone(), clock.clone()));
        let provider = sign_in.map(|sign_in| Provider::new(sign_in, issuer, Arc::clone(&reader), web, clock.clone()));
        Ok(Self { directory, tokens: Some(reader), provider: provider.map(Arc::new), clock })
    }

    /// Where people can sign in, if anywhere.
    pub fn provider(&self) -> Option<&Provider> {
        self.provider.as_deref()
    }

    /// The actor for an `Authorization` value, who asks from `address`.
    pub async fn authenticate(
        &self,
        authorization: Option<&str>,
        address: IpAddr,
        request_id: String,
    ) -> Result<Arc<Actor>, AuthError> {
        match Shown::read(authorization)? {
            Shown::Key(secret) => {
                let principal = checked(self.directory.find(&secret).await)?;
                let principal = principal.ok_or(AuthError::Unauthenticated(ENDED))?;
                Ok(Arc::new(principal.actor(address, Some(request_id))))
            }
            Shown::Token(token) => {
                let reader = self.tokens.as_ref().ok_or(AuthError::Unauthenticated(NO_KEY))?;
                let (login, expires_at) = reader.read(token).await?;
                self.admit(&login, expires_at, address, request_id).await
            }
        }
    }

    /// The same for a session, unless somebody has signed out of it.
    pub async fn resume(
        &self,
        session: &Session,
        address: IpAddr,
        request_id: String,
    ) -> Result<Arc<Actor>, AuthError> {
        let actor = self.recognise(&session.pass, address, request_id).await?;
        let actor = Actor { session: Some(session.token.0.as_str().into()), ..(*actor).clone() };
        if self.has_ended(&actor).await? { Err(AuthError::Unauthenticated(MISSING)) } else { Ok(Arc::new(actor)) }
    }

    /// Whether somebody has signed out of the session that an actor came by.
    async fn has_ended(&self, actor: &Actor) -> Result<bool, AuthError> {
        match &actor.session {
            Some(session) => checked(self.directory.has_ended(session).await),
            None => Ok(false),
        }
    }

    /// Signs out of a session: whoever else has its cookie is signed out as well.
    pub async fn end(&self, actor: &Actor, token: &Token) -> Result<(), AuthError> {
        checked(self.directory.end_session(actor, &token.0).await)
    }

    /// The same for what a session stands on.
    pub async fn recognise(&self, pass: &Pass, address: IpAddr, request_id: String) -> Result<Arc<Actor>, AuthError> {
        match pass {
            Pass::Shown(authorization) => self.authenticate(Some(authorization), address, request_id).await,
            Pass::Vouched(Voucher { login, by, until }) => {
                // Where nobody can sign in any more, nobody stays.
                if self.provider.as_ref().is_none_or(|provider| provider.mark() != *by) {
                    return Err(AuthError::Unauthenticated(MISSING));
                }
                self.admit(login, *until, address, request_id).await
            }
        }
    }

    async fn admit(
        &self,
        login: &Arc<Login>,
        until: DateTime<Utc>,
        address: IpAddr,
        request_id: String,
    ) -> Result<Arc<Actor>, AuthError> {
        let principal = checked(self.directory.admit(login).await)?;
        let principal = principal.ok_or(AuthError::Unauthenticated(NO_LOGIN))?;
        let actor = principal.actor(address, Some(request_id));
        Ok(Arc::new(Actor { expires_at: Some(until), ..actor }))
    }

    /// The same actor as its credential stands now, with the rights it has now; none where it has ended.
    pub async fn renew(&self, actor: &Arc<Actor>) -> Result<Option<Arc<Actor>>, AuthError> {
        let Some(credential) = &actor.credential else { return Ok(Some(Arc::clone(actor))) };
        let ended = |end: Option<DateTime<Utc>>| end.is_some_and(|end| end <= self.clock.now());
        // The end of a login is in its token, which was shown once: nobody has to be asked about that.
        if matches!(credential, Credential::Login(_)) && ended(actor.expires_at) {
            return Ok(None);
        }
        if self.has_ended(actor).await? {
            return Ok(None);
        }
        let principal = checked(self.directory.renew(credential).await)?;
        let Some(principal) = principal else { return Ok(None) };
        let renewed = principal.actor(actor.address, actor.request_id.clone());
        let (expires_at, session) = (renewed.expires_at.or(actor.expires_at), actor.session.clone());
        let renewed = Actor { expires_at, session, ..renewed };
        Ok((!ended(renewed.expires_at)).then(|| Arc::new(renewed)))
    }
}

fn checked<T, E: std::fmt::Display>(found: Result<T, E>) -> Result<T, AuthError> {
    found.map_err(|error| {
        tracing::error!(error.cause = %error, "a credential cannot be checked");
        AuthError::Unavailable
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: Option<&str>) -> Result<(), AuthError> {
        Shown::read(authorization).map(|_| ())
    }

    #[test]
    fn a_key_comes_as_a_bearer_token() {
        let secret = Secret::generate().unwrap();
        for scheme in ["Bearer ", "bearer ", "BEARER  "] {
            assert_eq!(read(Some(&format!("{scheme}{}", secret.reveal()))), Ok(()));
        }
    }

    #[test]
    fn what_is_no_key_is_told_so_without_a_look_up() {
        for (authorization, message) in [
            (None, MISSING),
            (Some(""), NO_BEARER),
            (Some("Bearer"), NO_BEARER),
            (Some("Basic dTpw"), NO_BEARER),
            (Some("cck_"), NO_BEARER),
            (Some("Bearer cck_000000000000000000000000000000000000"), NO_KEY),
            (Some("Bearer eyJhbGciOiJub25lIn0.e30"), NO_KEY),
            (Some("Bearer a.b.c.d"), NO_KEY),
        ] {
            assert_eq!(read(authorization), Err(AuthError::Unauthenticated(message)), "{authorization:?}");
        }
    }
}
