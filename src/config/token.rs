//! Tokens of an identity provider: whose count, and which of their claims say what.

use chrono::TimeDelta;

use super::{ConfigError, SignIn, Variables, number};

/// What makes a token count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// `CLAIMCHECK_JWT_ISSUER`: what `iss` must be.
    pub issuer: String,
    /// `CLAIMCHECK_JWT_AUDIENCE`: what `aud` must be, or contain.
    pub audience: String,
    /// `CLAIMCHECK_JWT_JWKS_URL`: where the provider's keys are.
    pub keys: String,
    /// `CLAIMCHECK_JWT_ROLE_CLAIM`: the claim with the role, or with a list that has one; a name, or a JSON pointer.
    pub role_claim: String,
    /// `CLAIMCHECK_JWT_PARTNER_CLAIM`: the claim with the partner's id.
    pub partner_claim: String,
    /// `CLAIMCHECK_JWT_ACCOUNT_CLAIM`: the claim with the reference of a customer's account.
    pub account_claim: String,
    /// `CLAIMCHECK_JWT_LEEWAY_SECONDS`: how far the provider's clock may be off.
    pub leeway: TimeDelta,
    /// How people sign in at the provider to use the console; none: with an API key only.
    pub sign_in: Option<SignIn>,
}

impl Tokens {
    /// The usual claims of the tokens of `issuer` for `audience`, whose keys are at the address `keys`.
    pub fn of(issuer: &str, audience: &str, keys: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            keys: keys.to_owned(),
            role_claim: "role".to_owned(),
            partner_claim: "partner".to_owned(),
            account_claim: "sub".to_owned(),
            leeway: TimeDelta::seconds(30),
            sign_in: None,
        }
    }

    pub(super) fn read(variable: &Variables) -> Result<Option<Self>, ConfigError> {
        const KEYS: &str = "CLAIMCHECK_JWT_JWKS_URL";
        let named = [variable("CLAIMCHECK_JWT_ISSUER")?, variable("CLAIMCHECK_JWT_AUDIENCE")?, variable(KEYS)?];
        let sign_in = SignIn::read(variable, named.first().and_then(Option::as_deref))?;
        let [Some(issuer), Some(audience), Some(keys)] = &named else {
            return if named.iter().all(Option::is_none) { Ok(None) } else { Err(ConfigError::HalfTokens) };
        };
        if !is_safe(keys) {
            let form = "like https://login.example.com/keys; http: is for a provider on this machine only".to_owned();
            return Err(ConfigError::Malformed { variable: KEYS, form });
        }
        let default = Self::of(issuer, audience, keys);
        let leeway = number(variable, "CLAIMCHECK_JWT_LEEWAY_SECONDS", 0..=600, default.leeway.num_seconds())?;
        let claim = |name, default| Ok::<_, ConfigError>(variable(name)?.unwrap_or(default));
        Ok(Some(Self {
            role_claim: claim("CLAIMCHECK_JWT_ROLE_CLAIM", default.role_claim)?,
            partner_claim: claim("CLAIMCHECK_JWT_PARTNER_CLAIM", default.partner_claim)?,
            account_claim: claim("CLAIMCHECK_JWT_ACCOUNT_CLAIM", default.account_claim)?,
            leeway: TimeDelta::seconds(leeway),
            sign_in,
            ..default
        }))
    }
}

/// Whether nobody between here and there can read along or put in something of their own.
pub fn is_safe(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return url.starts_with("https://") };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    ["localhost", "127.0.0.1", "[::1]"].contains(&name.map_or(host, |(name, _)| name))
}
