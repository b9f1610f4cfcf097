//! Signing in at the identity provider: the authorization code flow of OIDC, with PKCE.
//!
//! [`Provider::begin`] makes the address a browser is sent to, and the [`Flow`] that stays with the browser; [`Provider::finish`] takes what it
//! comes back with. Of the flow's secrets `state` keeps out an answer that was got elsewhere, as by somebody who wants another to work under
//! his name, `verifier` makes a code worthless to whoever sees it on its way, and `nonce` keeps out a code of another sign-in.
//!
//! Who somebody is, the ID token says. It alone is meant for us, always a JWT, and bound to this sign-in; an access token is for others to
//! read, and need not be a JWT. Where to send what, the provider's discovery document says, looked at once an hour. Neither code nor token nor any secret is logged or kept.

use std::sync::Arc;

use axum::http::{Request, StatusCode, header};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::{
    AuthError,
    fetched::Fetched,
    token::Reader,
    web::{Cause, Web},
};
use crate::{
    clock::Clock,
    config::{SignIn, is_safe},
    http::{
        address::{address, encoded, pairs},
        session::Voucher,
    },
};

const NOT_BEGUN: &str =
    "This sign-in was not begun in this browser, was finished before, or took too long. Begin again.";
const DENIED: &str = "The identity provider did not sign you in.";
const SPENT: &str = "The identity provider no longer takes this sign-in's code. Begin again.";

/// How long the endpoints count without a look at whether they still do.
const FRESH: TimeDelta = TimeDelta::hours(1);

/// The provider, as people sign in there.
pub struct Provider {
    settings: SignIn,
    issuer: String,
    reader: Arc<Reader>,
    web: Web,
    endpoints: Fetched<Endpoints>,
}

/// What the discovery document says that matters here.
#[derive(Clone, Deserialize)]
struct Endpoints {
    issuer: String,
    #[serde(rename = "authorization_endpoint")]
    authorization: String,
    #[serde(rename = "token_endpoint")]
    token: String,
}

/// What stays with a browser while it is at the provider.
#[derive(Serialize, Deserialize)]
pub struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    /// Where to go afterwards.
    pub to: String,
}

/// What a browser comes back with.
#[derive(Default, Deserialize)]
pub struct Return {
    state: Option<String>,
    code: Option<String>,
    /// Who answers, where the provider says so.
    iss: Option<String>,
}

/// What the provider gives for a code.
#[derive(Default, Deserialize)]
struct Granted {
    id_token: Option<String>,
    error: Option<String>,
}

impl Flow {
    fn new(to: &str) -> Option<Self> {
        Some(Self { state: random()?, nonce: random()?, verifier: random()?, to: to.to_owned() })
    }
}

impl Provider {
    /// The provider called `issuer`, whose tokens `reader` reads.
    pub fn new(settings: SignIn, issuer: String, reader: Arc<Reader>, web: Web, clock: Clock) -> Self {
        let endpoints = Fetched::new("the discovery document of the identity provider", FRESH, clock);
        Self { settings, issuer, reader, web, endpoints }
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Whether browsers speak to this service by HTTPS.
    pub fn is_over_https(&self) -> bool {
        self.settings.public_url.starts_with("https:")
    }

    /// Where to send somebody who wants to go `to` a page, and what to remember meanwhile.
    pub async fn begin(&self, to: &str) -> Result<(String, Flow), AuthError> {
        let endpoints = self.endpoints().await?;
        let flow = Flow::new(to).ok_or(AuthError::Unavailable)?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&flow.verifier));
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.settings.return_address()),
            ("scope", &self.settings.scopes),
            ("state", &flow.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        Ok((address(&endpoints.authorization, &parameters), flow))
    }

    /// What tells it, and the client that we are there, from any other: a session that another one vouched for does not count.
    pub fn mark(&self) -> String {
        format!("{} {}", self.settings.client_id, self.issuer)
    }

    /// Who has signed in there, and until when.
    pub async fn finish(&self, flow: Option<&Flow>, answer: &Return) -> Result<Voucher, AuthError> {
        let state = answer.state.as_deref().unwrap_or_default().as_bytes();
        let flow = flow.filter(|flow| flow.state.as_bytes().ct_eq(state).into());
        let flow = flow.filter(|_| answer.iss.as_ref().is_none_or(|issuer| *issuer == self.issuer));
        let flow = flow.ok_or(AuthError::Unauthenticated(NOT_BEGUN))?;
        let code = answer.code.as_deref().ok_or(AuthError::Unauthenticated(DENIED))?;
        let token = self.redeem(code, flow).await?;
        let (login, until) = self.reader.read_id(&token, &self.settings.client_id, &flow.nonce).await?;
        Ok(Voucher { login, by: self.mark(), until })
    }

    /// The ID token for a code.
    async fn redeem(&self, code: &str, flow: &Flow) -> Result<String, AuthError> {
        let endpoints = self.endpoints().await?;
        let granted = self.grant(&endpoints.token, code, flow).await.map_err(|cause| unavailable(&cause))?;
        match (granted.id_token, granted.error.as_deref()) {
            (Some(token), None) => Ok(token),
            (_, Some("invalid_grant")) => Err(AuthError::Unauthenticated(SPENT)),
            (None, None) => Err(unavailable(&"it gives no ID token; is openid in CLAIMCHECK_OIDC_SCOPES?".into())),
            (_, Some(error)) => Err(unavailable(&format!("it refuses us: {error:?}").into())),
        }
    }

    async fn grant(&self, endpoint: &str, code: &str, flow: &Flow) -> Result<Granted, Cause> {
        let SignIn { client_id, client_secret, .. } = &self.settings;
        let returned = self.settings.return_address();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &returned),
            ("code_verifier", &flow.verifier),
        ];
        let mut request = Request::post(endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match client_secret {
            Some(secret) => {
                let pair = STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret.reveal())));
                request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
            }
            None => fields.push(("client_id", client_id)),
        }
        let (status, body) = self.web.ask(request.body(pairs(&fields).into())?).await?;
        if status.is_success() || status == StatusCode::BAD_REQUEST {
            return Ok(serde_json::from_slice(&body)?);
        }
        Err(format!("the answer to a code is {status}").into())
    }

    async fn endpoints(&self) -> Result<Endpoints, AuthError> {
        let fetch = || discover(self.web.clone(), self.issuer.clone());
        self.endpoints.get(|endpoints| Some(endpoints.clone()), fetch).await.map_err(|_| AuthError::Unavailable)
    }
}

async fn discover(web: Web, issuer: String) -> Result<Endpoints, Cause> {
    let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let found: Endpoints = web.get(&place).await?;
    let safe = is_safe(&found.authorization) && is_safe(&found.token);
    if found.issuer != issuer || !safe {
        return Err("its discovery document is of another issuer, or leads to places that are not safe".into());
    }
    Ok(found)
}

fn unavailable(cause: &Cause) -> AuthError {
    tracing::warn!(error.cause = %cause, "nobody can sign in at the identity provider");
    AuthError::Unavailable
}

/// A text that nobody guesses.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
