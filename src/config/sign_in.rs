//! Signing in at an identity provider: what this service is there, and how browsers come back from it.

use std::fmt;

use super::{ConfigError, Variables, malformed, token::is_safe};

/// What a provider knows this service by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// `CLAIMCHECK_OIDC_CLIENT_ID`: what the provider calls this service, and the audience of its ID tokens.
    pub client_id: String,
    /// `CLAIMCHECK_OIDC_CLIENT_SECRET`: what this service shows there; none where PKCE is enough for the provider.
    pub client_secret: Option<ClientSecret>,
    /// `CLAIMCHECK_PUBLIC_URL`: what browsers call this service, without a path.
    pub public_url: String,
    /// `CLAIMCHECK_OIDC_NAME`: what people call the provider.
    pub name: String,
    /// `CLAIMCHECK_OIDC_SCOPES`: what is asked of it, `openid` among it, with spaces.
    pub scopes: String,
}

/// A secret that no message and no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

impl ClientSecret {
    pub fn new(secret: &str) -> Self {
        Self(secret.to_owned())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl SignIn {
    /// What is usual, for a service that `issuer` calls `client_id` and browsers `public_url`.
    pub fn of(issuer: &str, client_id: &str, public_url: &str) -> Self {
        let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
        Self {
            client_id: client_id.to_owned(),
            client_secret: None,
            public_url: public_url.trim_end_matches('/').to_owned(),
            name: host.split('/').next().unwrap_or(host).to_owned(),
            scopes: "openid".to_owned(),
        }
    }

    /// Where the provider sends browsers back to; it must know this address.
    pub fn return_address(&self) -> String {
        format!("{}/console/sign-in/return", self.public_url)
    }

    /// The settings for the provider called `issuer`, if there is one.
    pub(super) fn read(variable: &Variables, issuer: Option<&str>) -> Result<Option<Self>, ConfigError> {
        const PUBLIC_URL: &str = "CLAIMCHECK_PUBLIC_URL";
        let (client_id, public_url) =
            (variable.text("CLAIMCHECK_OIDC_CLIENT_ID", "")?, variable.address(PUBLIC_URL, "")?);
        let secret = variable.secret("CLAIMCHECK_OIDC_CLIENT_SECRET")?;
        let name = variable.text("CLAIMCHECK_OIDC_NAME", "the issuer's host")?;
        let scopes = variable.text("CLAIMCHECK_OIDC_SCOPES", "openid")?;
        let (Some(issuer), Some(client_id), Some(public_url)) = (issuer, &client_id, &public_url) else {
            let unset = [&client_id, &public_url, &secret, &name, &scopes].into_iter().all(Option::is_none);
            return if unset { Ok(None) } else { Err(ConfigError::HalfSignIn) };
        };
        let default = Self::of(issuer, client_id, public_url);
        let (_, host) = default.public_url.split_once("://").unwrap_or_default();
        if !is_safe(public_url) || host.is_empty() || host.contains(['/', '?', '#', '@']) {
            let form = "an address without a path, like https://claimcheck.example.com; http: is for this machine only";
            return Err(malformed(PUBLIC_URL, form));
        }
        if !is_safe(issuer) {
            return Err(malformed(
                "CLAIMCHECK_JWT_ISSUER",
                "like https://login.example.com, where people sign in there",
            ));
        }
        let scopes = scopes.unwrap_or(default.scopes);
        if !scopes.split(' ').any(|scope| scope == "openid") {
            return Err(malformed("CLAIMCHECK_OIDC_SCOPES", "scopes with spaces, openid among them"));
        }
        let client_secret = secret.as_deref().map(ClientSecret::new);
        Ok(Some(Self { client_secret, name: name.unwrap_or(default.name), scopes, ..default }))
    }
}
