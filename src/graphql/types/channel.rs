//! `Channel` and `FulfillmentRule`: where orders come from, and how their units are assigned.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Order, Partner, Product};
use crate::{
    entity::{channel::Model, fulfillment_rule},
    graphql::{
        enums::{ChannelKind, FulfillmentMode},
        error::Fault,
        list::order::{OrderFilter, OrdersOfChannel},
        loader::RulesOf,
        page::{self, Arguments, Connection},
        scalars::DateTime,
        session::Session,
    },
};

#[derive(Clone)]
pub struct Channel(pub Arc<Model>);

/// Where orders come from: a shop, an integration, a marketplace. Each belongs to one partner.
#[Object]
impl Channel {
    /// The channel's id, `chn_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Changes with every change of the channel: pass it as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// The name, which no other channel has.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is; for information only.
    async fn kind(&self) -> ChannelKind {
        self.0.kind.into()
    }

    /// Whether it takes new orders.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// The partner that owns it, and so its sales.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Partner, Fault> {
        Session::of(ctx).need(self.0.partner_id, "partner").await
    }

    /// The products for which it has a rule of its own; any other is sold by its product's policy.
    #[graphql(complexity = "page::unpaged(child_complexity)")]
    async fn fulfillment_rules(&self, ctx: &Context<'_>) -> Result<Vec<FulfillmentRule>, Fault> {
        let rules = Session::of(ctx).load(RulesOf(self.0.id)).await?.unwrap_or_default();
        Ok(rules.into_iter().map(FulfillmentRule).collect())
    }

    /// The orders placed through it, as far as they are yours.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The size of the page, from the beginning of the list or from `after`: 0 to 100, 20 if neither this nor `last` is given."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only nodes after this cursor.")] after: Option<String>,
        #[graphql(
            desc = "The size of the page, from the end of the list or from `before`: 0 to 100. Not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "Only nodes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which of them.")] filter: Option<OrderFilter>,
    ) -> Result<Connection<Order>, Fault> {
        let criteria = filter.unwrap_or_default().resolve(Session::of(ctx)).await?;
        page::connect_within(ctx, Arguments { first, after, last, before }, self.0.id, OrdersOfChannel(criteria)).await
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

#[derive(Clone)]
pub struct FulfillmentRule(pub Arc<fulfillment_rule::Model>);

/// The mode in which a channel sells a product, for new orders.
#[Object]
impl FulfillmentRule {
    /// The channel it is for.
    async fn channel(&self, ctx: &Context<'_>) -> Result<Channel, Fault> {
        Session::of(ctx).need(self.0.channel_id, "channel").await
    }

    /// The product it is for.
    async fn product(&self, ctx: &Context<'_>) -> Result<Product, Fault> {
        Session::of(ctx).need(self.0.product_id, "product").await
    }

    /// The mode.
    async fn mode(&self) -> FulfillmentMode {
        self.0.mode.into()
    }
}
