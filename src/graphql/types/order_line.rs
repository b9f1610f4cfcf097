//! `OrderLine`: so many units of a product.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Entitlement, FulfillmentPolicy, Money, Order, Product};
use crate::{
    entity::{order_line::Model, product},
    graphql::{
        enums::FulfillmentMode,
        error::Fault,
        list::entitlement::{EntitlementFilter, UnitsOfLine},
        page::{self, Arguments, Connection},
        session::Session,
    },
};

/// A line, with its product where that was read along with it.
#[derive(Clone)]
pub struct OrderLine(pub Arc<Model>, pub(super) Option<Arc<product::Model>>);

impl From<(Arc<Model>, Arc<product::Model>)> for OrderLine {
    fn from((row, product): (Arc<Model>, Arc<product::Model>)) -> Self {
        Self(row, Some(product))
    }
}

/// A line of an order: so many units of one product, on the terms they were sold under.
#[Object]
impl OrderLine {
    /// The line's id, `lin_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The order it belongs to.
    async fn order(&self, ctx: &Context<'_>) -> Result<Order, Fault> {
        Session::of(ctx).need(self.0.order_id, "order").await
    }

    /// What was sold.
    async fn product(&self, ctx: &Context<'_>) -> Result<Product, Fault> {
        match &self.1 {
            Some(product) => Ok(product.clone().into()),
            None => Session::of(ctx).need(self.0.product_id, "product").await,
        }
    }

    /// How many units were sold.
    async fn quantity(&self) -> i32 {
        self.0.quantity
    }

    /// The price of one unit. Null if the channel named none.
    async fn unit_price(&self, ctx: &Context<'_>) -> Option<Result<Money, Fault>> {
        let amount = self.0.unit_price?;
        // The currency is the order's, for all its lines.
        match Session::of(ctx).load(self.0.order_id).await {
            Ok(order) => Money::of(Some(amount), order?.currency.as_ref()).map(Ok),
            Err(fault) => Some(Err(fault)),
        }
    }

    /// How its units were fulfilled: whether in the call that sold them, or later.
    async fn mode(&self) -> FulfillmentMode {
        self.0.mode.into()
    }

    /// The version of the product's policy that its units were sold under, and go by for good.
    async fn policy(&self, ctx: &Context<'_>) -> Result<FulfillmentPolicy, Fault> {
        Session::of(ctx).need(self.0.policy_id, "policy").await
    }

    /// Its units, with those issued in place of others.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn entitlements(
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
        #[graphql(desc = "Which of them.")] filter: Option<EntitlementFilter>,
    ) -> Result<Connection<Entitlement>, Fault> {
        let criteria = filter.unwrap_or_default().resolve(Session::of(ctx)).await?;
        page::connect_within(ctx, Arguments { first, after, last, before }, self.0.id, UnitsOfLine(criteria)).await
    }
}
