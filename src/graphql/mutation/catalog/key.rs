//! API keys.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, forget_principals, id, run};
use crate::{
    domain::{
        Operation, Refusal,
        access::{self, Secret},
    },
    graphql::{
        enums::Role,
        error::{Fault, UserError},
        scalars::DateTime,
        session::Session,
        types::ApiKey,
    },
};

/// A new API key.
#[derive(InputObject, Clone)]
pub struct CreateApiKeyInput {
    /// What it is for, up to 200 characters.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The partner it acts for: needed for PARTNER; for PROVISIONER it keeps the key to the sales of that partner and those below it, for
    /// CUSTOMER it says in whose namespace the account is.
    pub partner_id: Option<ID>,
    /// The account it is for, needed for CUSTOMER; made where it is named for the first time. In the namespace of `partnerId`, or the
    /// platform's own.
    pub account_reference: Option<String>,
    /// When it ends by itself; never, where it is left out.
    pub expires_at: Option<DateTime>,
    /// Makes a repeat of this request safe: see `Mutation`. A repeat answers with the key, but not with its secret.
    pub idempotency_key: Option<String>,
}

/// An API key to end.
#[derive(InputObject, Clone)]
pub struct RevokeApiKeyInput {
    /// The key.
    pub api_key_id: ID,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl CreateApiKeyInput {
    fn command(&self, secret: &Secret) -> Result<access::Create, Refusal> {
        Ok(access::Create {
            name: self.name.clone(),
            role: self.role.into(),
            partner_id: self.partner_id.as_ref().map(|partner| id("partnerId", partner)).transpose()?,
            account_reference: self.account_reference.clone(),
            expires_at: self.expires_at.map(|moment| moment.0),
            secret: secret.clone(),
        })
    }
}

impl RevokeApiKeyInput {
    fn command(&self) -> Result<access::Revoke, Refusal> {
        Ok(access::Revoke { api_key_id: id("apiKeyId", &self.api_key_id)? })
    }
}

/// What came of making a key.
pub struct CreateApiKeyPayload {
    outcome: Outcome<access::Outcome>,
    secret: Option<Secret>,
}

/// What came of `createApiKey`.
#[Object]
impl CreateApiKeyPayload {
    /// The new key.
    async fn api_key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey, Fault>> {
        Session::of(ctx).find(self.outcome.done().map(|done| done.api_key_id)).await
    }

    /// The key in full, to be sent as `Authorization: Bearer …`. It is shown this once and kept nowhere; null when the request was a
    /// repeat under its idempotency key.
    async fn secret(&self) -> Option<&str> {
        self.secret.as_ref().map(Secret::reveal)
    }

    /// Why it was not made; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.outcome.user_errors()
    }
}

/// What came of ending a key.
pub struct RevokeApiKeyPayload(Outcome<access::Outcome>);

/// What came of `revokeApiKey`.
#[Object]
impl RevokeApiKeyPayload {
    /// The key, revoked.
    async fn api_key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.api_key_id)).await
    }

    /// Why it was not revoked; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// API keys.
#[derive(Default)]
pub struct KeyMutation;

#[Object]
impl KeyMutation {
    /// Makes an API key. Its secret is in this answer and nowhere else, ever.
    ///
    /// Roles: ADMIN.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: CreateApiKeyInput,
    ) -> Result<CreateApiKeyPayload, Fault> {
        let secret = Secret::generate()?;
        let key = input.idempotency_key.as_ref();
        let outcome = run(ctx, Operation::CreateApiKey, (&input, key), input.command(&secret), access::create).await?;
        // The key of a repeated request was made with another secret, which nobody has any more.
        let made = match outcome.done() {
            Some(done) => access::was_made_with(&Session::of(ctx).db, done.api_key_id, &secret).await?,
            None => false,
        };
        Ok(CreateApiKeyPayload { outcome, secret: made.then_some(secret) })
    }

    /// Ends an API key for good. Within five seconds nothing answers to it any more, and its subscriptions are closed.
    ///
    /// Roles: ADMIN.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: RevokeApiKeyInput,
    ) -> Result<RevokeApiKeyPayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(ctx, Operation::RevokeApiKey, (&input, key), input.command(), access::revoke).await?;
        forget_principals(ctx);
        Ok(RevokeApiKeyPayload(done))
    }
}
