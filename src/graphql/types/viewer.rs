//! `Viewer`: who is asking.

use async_graphql::{Context, Object};

use super::{Account, ApiKey, Partner};
use crate::graphql::{enums::Role, error::Fault, session::Session};

pub struct Viewer;

/// Whoever is asking, as the service understands the credential.
#[Object]
impl Viewer {
    /// What the credential may do.
    async fn role(&self, ctx: &Context<'_>) -> Role {
        Session::of(ctx).actor.role.into()
    }

    /// The partner it acts for. Null if for none.
    async fn partner(&self, ctx: &Context<'_>) -> Option<Result<Partner, Fault>> {
        let session = Session::of(ctx);
        session.find(session.actor.partner).await
    }

    /// The account it acts for; where an account may be left out, this one is meant. Null if for none.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account, Fault>> {
        let session = Session::of(ctx);
        session.find(session.actor.account).await
    }

    /// The API key itself. Null where the credential is a login.
    async fn api_key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey, Fault>> {
        let session = Session::of(ctx);
        session.reader().own_key(session.actor.key()?).await.transpose().map(|key| key.map(ApiKey::from))
    }
}
