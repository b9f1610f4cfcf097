//! Queries for lists.

use async_graphql::{Context, Object};

use crate::{
    domain::Operation,
    graphql::{
        error::Fault,
        list::{
            assignment::{AssignmentFilter, Assignments},
            attempt::{RedemptionAttemptFilter, RedemptionAttempts},
            catalog::{ApiKeys, Channels, Partners, Products},
            entitlement::{EntitlementFilter, Entitlements},
            event::EventFilter,
            exception::{ExceptionFilter, Exceptions},
            order::{OrderFilter, Orders},
        },
        page::{self, Arguments, Connection},
        session::Session,
        types::{
            ApiKey, Assignment, Channel, Entitlement, Event, FulfillmentException, Order, Partner, Product,
            RedemptionAttempt,
        },
    },
};

#[derive(Default)]
pub struct Lists;

/// Queries for lists.
#[Object]
impl Lists {
    /// The orders you sold or bought.
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
        page::connect(ctx, Arguments { first, after, last, before }, Orders(criteria)).await
    }

    /// The units you sold, bought or hold.
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
        page::connect(ctx, Arguments { first, after, last, before }, Entitlements(criteria)).await
    }

    /// The assignments of units you sold, and those to accounts of yours.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn assignments(
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
        #[graphql(desc = "Which of them.")] filter: Option<AssignmentFilter>,
    ) -> Result<Connection<Assignment>, Fault> {
        let criteria = filter.unwrap_or_default().resolve(Session::of(ctx))?;
        page::connect(ctx, Arguments { first, after, last, before }, Assignments(criteria)).await
    }

    /// The catalogue.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn products(
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
    ) -> Result<Connection<Product>, Fault> {
        page::connect(ctx, Arguments { first, after, last, before }, Products).await
    }

    /// The channels you sell through or bought from.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn channels(
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
    ) -> Result<Connection<Channel>, Fault> {
        page::connect(ctx, Arguments { first, after, last, before }, Channels).await
    }

    /// The API keys. For administration and support; FORBIDDEN to anybody else.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn api_keys(
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
    ) -> Result<Connection<ApiKey>, Fault> {
        Session::of(ctx).actor.may(Operation::ApiKeys)?;
        page::connect(ctx, Arguments { first, after, last, before }, ApiKeys).await
    }

    /// The partners you act for, with those below, and the one whose namespace you live in.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn partners(
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
    ) -> Result<Connection<Partner>, Fault> {
        page::connect(ctx, Arguments { first, after, last, before }, Partners).await
    }

    /// What happened, in journal order: what a subscription with the same filter has delivered. The edges' cursors are journal cursors, and
    /// a subscription can go on after any of them.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn events(
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
        #[graphql(desc = "Which of them.")] filter: Option<EventFilter>,
    ) -> Result<Connection<Event>, Fault> {
        let session = Session::of(ctx);
        let events = filter.unwrap_or_default().resolve(session).await?;
        session.feed.settled().await;
        page::connect(ctx, Arguments { first, after, last, before }, events).await
    }

    /// The attempts to redeem codes of units you sold, and those of accounts of yours.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn redemption_attempts(
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
        #[graphql(desc = "Which of them.")] filter: Option<RedemptionAttemptFilter>,
    ) -> Result<Connection<RedemptionAttempt>, Fault> {
        let criteria = filter.unwrap_or_default().resolve()?;
        page::connect(ctx, Arguments { first, after, last, before }, RedemptionAttempts(criteria)).await
    }

    /// What needs, or needed, a decision about what you sold. Customers see none.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn exceptions(
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
        #[graphql(desc = "Which of them.")] filter: Option<ExceptionFilter>,
    ) -> Result<Connection<FulfillmentException>, Fault> {
        let criteria = filter.unwrap_or_default().resolve()?;
        page::connect(ctx, Arguments { first, after, last, before }, Exceptions(criteria)).await
    }
}
