//! `Entitlement`: one purchased unit.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    ActivationCode, Assignment, Channel, Contact, Event, FulfillmentException, Order, OrderLine, Product,
    RedemptionAttempt, Reservation,
};
use crate::{
    entity::entitlement::Model,
    graphql::{
        enums::{EntitlementAction, EntitlementStatus},
        error::Fault,
        list::{
            assignment::AssignmentsOfUnit,
            attempt::{AttemptsOfUnit, CodesOfUnit},
            event::TimelineOfUnit,
            exception::ExceptionsOfUnit,
            reservation::ReservationsOfUnit,
        },
        loader::{ClaimOf, HoldOf, InForceOf, ReplacementOf},
        page::{self, Arguments, Connection},
        scalars::DateTime,
        session::{Session, reason_for},
    },
};

#[derive(Clone)]
pub struct Entitlement(pub Arc<Model>);

/// One purchased unit: the record of what is already paid for and can be claimed later.
#[Object]
impl Entitlement {
    /// The entitlement's id, `ent_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Changes with every change of the entitlement: pass it as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Its state. An end that has passed shows here within a minute; nothing can be done with the unit from the very moment.
    async fn status(&self) -> EntitlementStatus {
        self.0.status.into()
    }

    /// Why it is in this state, where somebody gave a reason. Null else, and to customers where the support desk gave it.
    async fn status_reason(&self, ctx: &Context<'_>) -> Option<String> {
        reason_for(Session::of(ctx), self.0.status_reason.as_ref())
    }

    /// The order it was purchased with. The error `NOT_FOUND` for whoever holds a unit that somebody else sold.
    async fn order(&self, ctx: &Context<'_>) -> Result<Order, Fault> {
        Session::of(ctx).need(self.0.order_id, "order").await
    }

    /// The line it was purchased with. The error `NOT_FOUND` for whoever holds a unit that somebody else sold.
    async fn order_line(&self, ctx: &Context<'_>) -> Result<OrderLine, Fault> {
        Session::of(ctx).need(self.0.order_line_id, "order line").await
    }

    /// What it is a unit of.
    async fn product(&self, ctx: &Context<'_>) -> Result<Product, Fault> {
        Session::of(ctx).need(self.0.product_id, "product").await
    }

    /// The channel it was sold through. The error `NOT_FOUND` for whoever holds a unit that somebody else sold.
    async fn channel(&self, ctx: &Context<'_>) -> Result<Channel, Fault> {
        Session::of(ctx).need(self.0.channel_id, "channel").await
    }

    /// Whom it is meant for; a hint for a gift, and no condition of access. Null if nobody was named, and to a holder that did not sell it.
    async fn recipient(&self, ctx: &Context<'_>) -> Option<Contact> {
        let scope = Session::of(ctx).scope();
        let shown = scope.traded(self.0.partner_id, self.0.buyer_account_id);
        if shown { Contact::of(self.0.recipient_name.as_ref(), self.0.recipient_email.as_ref()) } else { None }
    }

    /// When it was issued; of an imported one, when it was purchased.
    async fn issued_at(&self) -> DateTime {
        self.0.issued_at.into()
    }

    /// When it ends. Null: never.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }

    /// The code that is live, or was last. Null if it never had one.
    async fn activation_code(&self, ctx: &Context<'_>) -> Option<Result<ActivationCode, Fault>> {
        let codes = page::newest_within(Session::of(ctx), Some(1), self.0.id, CodesOfUnit).await;
        codes.map(|codes| codes.into_iter().next()).transpose()
    }

    /// Its codes, newest first. At most one of them is live.
    #[graphql(complexity = "page::newest_cost(first, child_complexity)")]
    async fn activation_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 100, desc = "At most so many: 0 to 100.")] first: Option<i32>,
    ) -> Result<Vec<ActivationCode>, Fault> {
        page::newest_within(Session::of(ctx), first, self.0.id, CodesOfUnit).await
    }

    /// The reservation that holds it now. Null if none does.
    async fn reservation(&self, ctx: &Context<'_>) -> Option<Result<Reservation, Fault>> {
        let session = Session::of(ctx);
        match session.load(HoldOf(self.0.id)).await {
            Ok(hold) => hold.filter(|hold| hold.holds(session.now())).map(|hold| Ok(Reservation(hold))),
            Err(fault) => Some(Err(fault)),
        }
    }

    /// The assignment that is in force. Null if none is.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(Some(InForceOf(self.0.id))).await
    }

    /// Its reservations with the former ones, newest first: for whom it is held, and was.
    #[graphql(complexity = "page::newest_cost(first, child_complexity)")]
    async fn reservations(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 100, desc = "At most so many: 0 to 100.")] first: Option<i32>,
    ) -> Result<Vec<Reservation>, Fault> {
        page::newest_within(Session::of(ctx), first, self.0.id, ReservationsOfUnit).await
    }

    /// Its assignments with the former ones, newest first: who holds it, and who held it.
    #[graphql(complexity = "page::newest_cost(first, child_complexity)")]
    async fn assignments(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 100, desc = "At most so many: 0 to 100.")] first: Option<i32>,
    ) -> Result<Vec<Assignment>, Fault> {
        page::newest_within(Session::of(ctx), first, self.0.id, AssignmentsOfUnit).await
    }

    /// The unit it was issued in place of. Null if it is an original.
    async fn replaces(&self, ctx: &Context<'_>) -> Option<Result<Self, Fault>> {
        Session::of(ctx).find(self.0.replaces_id).await
    }

    /// The unit that was issued in its place. Null if none was.
    async fn replaced_by(&self, ctx: &Context<'_>) -> Option<Result<Self, Fault>> {
        Session::of(ctx).find(Some(ReplacementOf(self.0.id))).await
    }

    /// The attempts to redeem its codes, newest first, as far as they are yours to see.
    #[graphql(complexity = "page::newest_cost(first, child_complexity)")]
    async fn redemption_attempts(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 100, desc = "At most so many: 0 to 100.")] first: Option<i32>,
    ) -> Result<Vec<RedemptionAttempt>, Fault> {
        page::newest_within(Session::of(ctx), first, self.0.id, AttemptsOfUnit).await
    }

    /// What needed a decision about it, newest first. Customers see none.
    #[graphql(complexity = "page::newest_cost(first, child_complexity)")]
    async fn exceptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 100, desc = "At most so many: 0 to 100.")] first: Option<i32>,
    ) -> Result<Vec<FulfillmentException>, Fault> {
        page::newest_within(Session::of(ctx), first, self.0.id, ExceptionsOfUnit).await
    }

    /// What you may do with it now, by its state and your role. What has passed its end is treated so from the very moment.
    async fn allowed_actions(&self, ctx: &Context<'_>) -> Result<Vec<EntitlementAction>, Fault> {
        let session = Session::of(ctx);
        let claim = session.load(ClaimOf(self.0.id)).await?.ok_or(Fault::NotFound("entitlement"))?;
        Ok(claim.allowed_actions(&session.actor, session.now()).into_iter().map(Into::into).collect())
    }

    /// What happened to it, in journal order, beginning with its order. The edges' cursors are journal cursors.
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
        page::connect_within(ctx, Arguments { first, after, last, before }, self.0.id, TimelineOfUnit).await
    }
}
