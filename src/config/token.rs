//! Tokens of an identity provider: whose count, and which of their claims say what.

use chrono::TimeDelta;

use super::{ConfigError, SignIn, Variables, malformed};

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
        let default = Self::of("", "", "");
        let claim = |name, default: String| Ok::<_, ConfigError>(variable.text(name, &default)?.unwrap_or(default));
        let named = [
            variable.text("CLAIMCHECK_JWT_ISSUER", "")?,
            variable.text("CLAIMCHECK_JWT_AUDIENCE", "")?,
            variable.address(KEYS, "")?,
        ];
        let sign_in = SignIn::read(variable, named.first().and_then(Option::as_deref))?;
        let role_claim = claim("CLAIMCHECK_JWT_ROLE_CLAIM", default.role_claim)?;
        let partner_claim = claim("CLAIMCHECK_JWT_PARTNER_CLAIM", default.partner_claim)?;
        let account_claim = claim("CLAIMCHECK_JWT_ACCOUNT_CLAIM", default.account_claim)?;
        let leeway = default.leeway.num_seconds();
        let leeway = TimeDelta::seconds(variable.number("CLAIMCHECK_JWT_LEEWAY_SECONDS", 0..=600, leeway)?);
        let [Some(issuer), Some(audience), Some(keys)] = &named else {
            return if named.iter().all(Option::is_none) { Ok(None) } else { Err(ConfigError::HalfTokens) };
        };
        if !is_safe(keys) {
            let form = "like https://login.example.com/keys; http: is for a provider on this machine only";
            return Err(malformed(KEYS, form));
        }
        let of_provider = Self::of(issuer, audience, keys);
        Ok(Some(Self { role_claim, partner_claim, account_claim, leeway, sign_in, ..of_provider }))
    }
}

/// Whether nobody between here and there can read along or put in something of their own.
pub fn is_safe(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return url.starts_with("https://") };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    ["localhost", "127.0.0.1", "[::1]"].contains(&name.map_or(host, |(name, _)| name))
}
