//! `Account`: who holds units, and buys them.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Assignment, Order, Partner, Reservation};
use crate::{
    entity::account::Model,
    graphql::{
        error::Fault,
        list::{
            assignment::{AssignmentFilter, AssignmentsOfAccount},
            order::{OrderFilter, OrdersOfBuyer},
            reservation::HeldForAccount,
        },
        page::{self, Arguments, Connection},
        scalars::DateTime,
        session::Session,
    },
};

#[derive(Clone)]
pub struct Account(pub Arc<Model>);

/// Whoever holds units. An account is made when it is first named and never a condition of purchase.
#[Object]
impl Account {
    /// The account's id, `acc_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The top-level partner whose namespace it lives in: two partners' `u-1` are two accounts.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Partner, Fault> {
        Session::of(ctx).need(self.0.partner_id, "partner").await
    }

    /// What its namespace calls it, unique there.
    async fn external_reference(&self) -> &str {
        &self.0.external_reference
    }

    /// Its e-mail address, if one was given. It gives no access to anything.
    async fn email(&self) -> Option<&String> {
        self.0.email.as_ref()
    }

    /// Its name for people, if one was given.
    async fn display_name(&self) -> Option<&String> {
        self.0.display_name.as_ref()
    }

    /// The units it has and had, as far as they are yours to see.
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
        page::connect_within(ctx, Arguments { first, after, last, before }, self.0.id, AssignmentsOfAccount(criteria))
            .await
    }

    /// The reservations that hold a unit for it, as far as they are yours to see.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn reservations(
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
    ) -> Result<Connection<Reservation>, Fault> {
        page::connect_within(ctx, Arguments { first, after, last, before }, self.0.id, HeldForAccount).await
    }

    /// The orders it bought, as far as they are yours to see.
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
        page::connect_within(ctx, Arguments { first, after, last, before }, self.0.id, OrdersOfBuyer(criteria)).await
    }

    /// When it was first named.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}
