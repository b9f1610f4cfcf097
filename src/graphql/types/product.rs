//! `Product`: what is sold.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::FulfillmentPolicy;
use crate::{
    entity::product::Model,
    graphql::{error::Fault, scalars::DateTime, session::Session},
};

#[derive(Clone)]
pub struct Product(pub Arc<Model>);

/// Something that is sold. The catalogue is common to all partners.
#[Object]
impl Product {
    /// The product's id, `prd_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Changes with every change of the product: pass it as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// The stock keeping unit by which orders name it; unique, and case matters.
    async fn sku(&self) -> &str {
        &self.0.sku
    }

    /// The name, for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The policy that new orders are sold under.
    async fn policy(&self, ctx: &Context<'_>) -> Result<FulfillmentPolicy, Fault> {
        Session::of(ctx).need(self.0.policy_id, "policy").await
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}
