//! Who is asking: from the text of an `Authorization` header, or of a socket's greeting, to an actor.
//!
//! Tells only whether a credential stands and whose it is; every other reason is the same short message, so that nobody learns from it
//! which keys there are. What the actor may do is the domain's to say. A credential's text is neither kept nor logged.

use std::{net::IpAddr, sync::Arc};

use crate::domain::{
    access::{Directory, Principal, Secret},
    actor::Actor,
};

const MISSING: &str = "This needs a credential: send `Authorization: Bearer <API key>`.";
const NO_BEARER: &str = "The Authorization header must be `Bearer`, a space and the API key.";
const NO_KEY: &str = "This is no API key: it begins with cck_ and has 40 characters. Check that it was copied whole.";
const ENDED: &str = "The API key is unknown, expired or revoked.";

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
}

/// What a client shows, told apart by its form alone. Tokens of an identity provider join here, beside the keys.
enum Credential {
    Key(Secret),
}

impl Credential {
    fn read(authorization: Option<&str>) -> Result<Self, AuthError> {
        let value = authorization.ok_or(AuthError::Unauthenticated(MISSING))?.trim();
        let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or(AuthError::Unauthenticated(NO_BEARER))?;
        Secret::parse(token.trim_start()).map(Self::Key).ok_or(AuthError::Unauthenticated(NO_KEY))
    }
}

impl Authenticator {
    /// An authenticator of the keys in `directory`.
    pub fn new(directory: Directory) -> Self {
        Self { directory }
    }

    /// The actor for an `Authorization` value, who asks from `address`.
    pub async fn authenticate(
        &self,
        authorization: Option<&str>,
        address: IpAddr,
        request_id: String,
    ) -> Result<Arc<Actor>, AuthError> {
        let found = match Credential::read(authorization)? {
            Credential::Key(secret) => self.directory.find(&secret).await,
        };
        let principal = checked(found)?.ok_or(AuthError::Unauthenticated(ENDED))?;
        Ok(Arc::new(principal.actor(address, Some(request_id))))
    }

    /// The same actor as its credential stands now, with the rights it has now; none where it has ended.
    pub async fn renew(&self, actor: &Arc<Actor>) -> Result<Option<Arc<Actor>>, AuthError> {
        let Some(key) = actor.key else { return Ok(Some(Arc::clone(actor))) };
        let principal = checked(self.directory.renew(key).await)?;
        Ok(principal.map(|principal| Arc::new(principal.actor(actor.address, actor.request_id.clone()))))
    }
}

fn checked<E: std::fmt::Display>(
    found: Result<Option<Arc<Principal>>, E>,
) -> Result<Option<Arc<Principal>>, AuthError> {
    found.map_err(|error| {
        tracing::error!(error.cause = %error, "a credential cannot be checked");
        AuthError::Unavailable
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: Option<&str>) -> Result<(), AuthError> {
        Credential::read(authorization).map(|Credential::Key(_)| ())
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
            (Some("Bearer eyJhbGciOiJub25lIn0.e30."), NO_KEY),
        ] {
            assert_eq!(read(authorization), Err(AuthError::Unauthenticated(message)), "{authorization:?}");
        }
    }
}
