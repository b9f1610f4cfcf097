//! `ApiKey`: a server's credential, without its secret.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Account, Partner};
use crate::{
    entity::api_key::Model,
    graphql::{enums::Role, error::Fault, scalars::DateTime, session::Session},
};

#[derive(Clone)]
pub struct ApiKey(pub Arc<Model>);

/// A credential of a server. Its secret is shown once, when it is created, and kept nowhere.
#[Object]
impl ApiKey {
    /// The key's id, `key_…`, by which the journal names what it did.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The name, for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it may do.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// The partner it acts for. Null if for none.
    async fn partner(&self, ctx: &Context<'_>) -> Option<Result<Partner, Fault>> {
        Session::of(ctx).find(self.0.partner_id).await
    }

    /// The account it acts for. Null if for none.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account, Fault>> {
        Session::of(ctx).find(self.0.account_id).await
    }

    /// When it ends by itself. Null: never.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }

    /// When it was revoked. Null if it was not.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }

    /// When it was last used, to the minute or so. Null if it never was.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(DateTime)
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}
