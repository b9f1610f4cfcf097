//! `Event`: an entry of the journal.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    ActivationCode, ApiKey, Assignment, Channel, Entitlement, FulfillmentException, Order, RedemptionAttempt,
    Reservation,
};
use crate::{
    entity::{event::ASSIGNMENTS, kind},
    graphql::{
        enums::{EntitlementStatus, EventType, Role},
        error::Fault,
        page::Listed,
        scalars::{Cursor, DateTime},
        session::Session,
    },
    store::journal::Entry,
};

/// An entry of the journal, with its place.
#[derive(Clone)]
pub struct Event(pub Arc<Entry>);

impl From<Arc<Entry>> for Event {
    fn from(entry: Arc<Entry>) -> Self {
        Self(entry)
    }
}

impl From<Entry> for Event {
    fn from(entry: Entry) -> Self {
        Self(Arc::new(entry))
    }
}

impl Listed for Event {
    type Key = i64;

    fn key(&self) -> i64 {
        self.0.position
    }

    fn cursor(&self, session: &Session) -> String {
        session.feed.cursor(self.0.position, self.0.event.id)
    }

    async fn place(text: &str, _: &'static str, session: &Session) -> Result<i64, Fault> {
        Ok(session.feed.resume(text).await?.position())
    }
}

impl Event {
    /// Whether the caller may know who did it.
    fn shows_actor(&self, ctx: &Context<'_>) -> bool {
        let event = &self.0.event;
        Session::of(ctx).actor_name(&event.actor, event.actor_partner_id) == event.actor
    }
}

/// Something that happened. Its own fields are as of then and never change; the records it links to are as of now, and null where they are
/// not yours to see.
#[Object]
impl Event {
    /// The event's id, `evt_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.event.id.to_string().into()
    }

    /// The place after this event: resume from it and nothing is lost.
    async fn cursor(&self, ctx: &Context<'_>) -> Cursor {
        Cursor(Listed::cursor(self, Session::of(ctx)))
    }

    /// What happened.
    #[graphql(name = "type")]
    async fn kind(&self) -> EventType {
        self.0.event.kind.into()
    }

    /// When it happened.
    async fn occurred_at(&self) -> DateTime {
        self.0.event.occurred_at.into()
    }

    /// Who did it: a key (`key:…`), a person (`user:…`) or a task (`system:…`); to partners and customers, `support` or `system` where it
    /// was nobody of theirs.
    async fn actor(&self, ctx: &Context<'_>) -> String {
        Session::of(ctx).actor_name(&self.0.event.actor, self.0.event.actor_partner_id)
    }

    /// The role in which it was done. Null where a task did it, and where it was nobody of yours.
    async fn actor_role(&self, ctx: &Context<'_>) -> Option<Role> {
        self.0.event.actor_role.filter(|_| self.shows_actor(ctx)).map(Into::into)
    }

    /// The reason that was given. Null if none was, and where it was given by somebody of another side: to partners another partner or its
    /// customers, to customers anybody but themselves and the shop that they are customers of. What is said of an assignment is for whoever may know the
    /// account.
    async fn reason(&self, ctx: &Context<'_>) -> Option<Result<&String, Fault>> {
        let (event, session) = (&self.0.event, Session::of(ctx));
        let reason = event.reason.as_ref()?;
        // Why a code was refused is the service's own word.
        let own_word = event.kind == kind::EventType::RedemptionRejected
            || (event.kind == kind::EventType::ExceptionOpened && !session.is_customer());
        let near = if session.is_customer() {
            let by_shop = event.actor_role != Some(kind::Role::Customer);
            by_shop && event.actor_partner_id == Some(session.actor.namespace)
        } else {
            event.actor_partner_id.is_none()
        };
        if self.shows_actor(ctx) {
            return Some(Ok(reason));
        }
        // What is said of an assignment may name who has the unit.
        let known = if event.kind == kind::EventType::ExceptionOpened {
            session.hears_of(event.assignment_id).await
        } else {
            let account = event.account_id.zip(event.account_partner_id);
            let own = account.is_none_or(|(account, partner)| session.scope().knows(account, partner));
            Ok(own || !event.kind.to_string().starts_with(ASSIGNMENTS))
        };
        known.map(|known| ((own_word || near) && known).then_some(reason)).transpose()
    }

    /// The id of the request that did it. Null where a task did, and to customers where it was not their own side.
    async fn request_id(&self, ctx: &Context<'_>) -> Option<&String> {
        self.0.event.request_id.as_ref().filter(|_| self.shows_actor(ctx))
    }

    /// The channel of the sale it is about.
    async fn channel(&self, ctx: &Context<'_>) -> Option<Result<Channel, Fault>> {
        Session::of(ctx).find(self.0.event.channel_id).await
    }

    /// The order it is about, or whose unit it is about.
    async fn order(&self, ctx: &Context<'_>) -> Option<Result<Order, Fault>> {
        Session::of(ctx).find(self.0.event.order_id).await
    }

    /// The unit it is about. Null where it is about an order as a whole.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.event.entitlement_id).await
    }

    /// The code it is about.
    async fn activation_code(&self, ctx: &Context<'_>) -> Option<Result<ActivationCode, Fault>> {
        Session::of(ctx).find(self.0.event.activation_code_id).await
    }

    /// The reservation it is about.
    async fn reservation(&self, ctx: &Context<'_>) -> Option<Result<Reservation, Fault>> {
        Session::of(ctx).find(self.0.event.reservation_id).await
    }

    /// The assignment it is about.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(self.0.event.assignment_id).await
    }

    /// The redemption attempt it is about.
    async fn redemption_attempt(&self, ctx: &Context<'_>) -> Option<Result<RedemptionAttempt, Fault>> {
        Session::of(ctx).find(self.0.event.redemption_attempt_id).await
    }

    /// The exception it is about.
    async fn exception(&self, ctx: &Context<'_>) -> Option<Result<FulfillmentException, Fault>> {
        Session::of(ctx).find(self.0.event.exception_id).await
    }

    /// The API key it is about. Null to whoever does not administer keys.
    async fn api_key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey, Fault>> {
        Session::of(ctx).find(self.0.event.api_key_id).await
    }

    /// The state that the record named by the type was in before. Null where it was made by the event, or has not changed.
    async fn from_status(&self) -> Option<&String> {
        self.0.event.from_status.as_ref()
    }

    /// The state that the record named by the type is in since. Null where it has not changed.
    async fn to_status(&self) -> Option<&String> {
        self.0.event.to_status.as_ref()
    }

    /// The state that the entitlement was in before. Null where it has not changed.
    async fn entitlement_from(&self) -> Option<EntitlementStatus> {
        self.0.event.entitlement_from.map(Into::into)
    }

    /// The state that the entitlement is in since. Null where it has not changed.
    async fn entitlement_to(&self) -> Option<EntitlementStatus> {
        self.0.event.entitlement_to.map(Into::into)
    }

    /// How many units an event about an order as a whole covers. Null for any other.
    async fn quantity(&self) -> Option<i32> {
        self.0.event.quantity
    }
}
