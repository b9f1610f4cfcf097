//! `Order`: a purchase.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Account, Channel, Contact, Entitlement, Event, Money, OrderLine, Statistics};
use crate::{
    entity::{channel, order::Model},
    graphql::{
        enums::{FulfillmentStatus, OrderSource, OrderStatus},
        error::Fault,
        list::{
            entitlement::{EntitlementFilter, UnitsOfOrder},
            event::TimelineOfOrder,
        },
        loader::{Fulfillment, FulfillmentOf, LinesOf, TalliesOfOrder},
        page::{self, Arguments, Connection},
        scalars::DateTime,
        session::Session,
    },
};

/// An order, with its channel where that was read along with it.
#[derive(Clone)]
pub struct Order(pub Arc<Model>, pub(super) Option<Arc<channel::Model>>);

impl From<(Arc<Model>, Arc<channel::Model>)> for Order {
    fn from((row, channel): (Arc<Model>, Arc<channel::Model>)) -> Self {
        Self(row, Some(channel))
    }
}

/// A purchase, complete and valid from the moment it is recorded. What becomes of its units is told by its entitlements.
#[Object]
impl Order {
    /// The order's id, `ord_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Changes with the order's own status, and not with its units': pass it as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// The channel's own number of it, unique within the channel.
    async fn external_reference(&self) -> &str {
        &self.0.external_reference
    }

    /// The channel that placed it.
    async fn channel(&self, ctx: &Context<'_>) -> Result<Channel, Fault> {
        match &self.1 {
            Some(channel) => Ok(channel.clone().into()),
            None => Session::of(ctx).need(self.0.channel_id, "channel").await,
        }
    }

    /// How much of it stands.
    async fn status(&self) -> OrderStatus {
        self.0.status.into()
    }

    /// How many of its units are in use: all, some or none of those neither revoked nor expired.
    async fn fulfillment_status(&self, ctx: &Context<'_>) -> Result<FulfillmentStatus, Fault> {
        let found = Session::of(ctx).load(FulfillmentOf(self.0.id)).await?;
        Ok(match found {
            Some(Fulfillment { active: true, waiting: false, .. }) => FulfillmentStatus::Fulfilled,
            Some(Fulfillment { active: true, waiting: true, .. }) => FulfillmentStatus::PartiallyFulfilled,
            Some(Fulfillment { active: false, .. }) | None => FulfillmentStatus::Unfulfilled,
        })
    }

    /// Who bought, as the channel named them. Null if it did not. No account is meant by it.
    async fn buyer(&self) -> Option<Contact> {
        Contact::of(self.0.buyer_name.as_ref(), self.0.buyer_email.as_ref())
    }

    /// The account that bought. Null if none was named, and to whoever may not know it.
    async fn buyer_account(&self, ctx: &Context<'_>) -> Option<Result<Account, Fault>> {
        Session::of(ctx).find(self.0.buyer_account_id).await
    }

    /// The sum over its lines. Null where one of them has no price.
    async fn total(&self) -> Option<Money> {
        Money::of(self.0.total, self.0.currency.as_ref())
    }

    /// When the purchase was made, as the channel said; else when it was recorded.
    async fn placed_at(&self) -> DateTime {
        self.0.placed_at.into()
    }

    /// Whether it was placed here or imported.
    async fn source(&self) -> OrderSource {
        self.0.source.into()
    }

    /// The payment it was settled by, as the channel named it. Null if it did not.
    async fn payment_reference(&self) -> Option<&String> {
        self.0.payment_reference.as_ref()
    }

    /// All its lines, in the order in which they were placed.
    #[graphql(complexity = "page::unpaged(child_complexity)")]
    async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<OrderLine>, Fault> {
        let lines = Session::of(ctx).load(LinesOf(self.0.id)).await?.unwrap_or_default();
        Ok(lines.into_iter().map(Into::into).collect())
    }

    /// Its units, over all lines.
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
        page::connect_within(ctx, Arguments { first, after, last, before }, self.0.id, UnitsOfOrder(criteria)).await
    }

    /// Its units by state.
    async fn statistics(&self, ctx: &Context<'_>) -> Result<Statistics, Fault> {
        Ok(Session::of(ctx).load(TalliesOfOrder(self.0.id)).await?.unwrap_or_default().into())
    }

    /// What happened to it and to everything below it, in journal order. The edges' cursors are journal cursors.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn timeline(
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
    ) -> Result<Connection<Event>, Fault> {
        Session::of(ctx).feed.settled().await;
        page::connect_within(ctx, Arguments { first, after, last, before }, self.0.id, TimelineOfOrder).await
    }
}
