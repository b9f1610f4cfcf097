//! Subscriptions: what the feed tells, as the graph shows it.
//!
//! A resolver says what is listened for and, where that is for it to say, from where on; then it answers about what it is given, for all
//! who asked the same (see [`delivery`](super::delivery)). Event streams answer about each event once; live objects read the present state
//! anew. What is linked to an event is read when it is delivered, by loaders that keep nothing.

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, ID, Subscription};
use async_stream::stream;
use futures_util::{Stream, StreamExt};

use super::{
    argument,
    delivery::{Item, Kind, Plan, Seat},
    error::Fault,
    list::event::EventFilter,
    scalars::Cursor,
    session::Session,
    types::{Entitlement, Event, Order, Statistics},
};
use crate::{
    entity::kind::EventType,
    feed::{Criteria, Filter},
    id::{EntitlementId, OrderId},
};

/// How long a live object waits for a database that is away, before it looks again.
const PAUSE: Duration = Duration::from_secs(1);

/// The root of subscriptions.
pub struct Subscription;

/// What you can be told of as it happens.
///
/// Event streams (`events`, `redemptions`) give every event once and in order, and can be resumed: keep the `cursor` of the last event you
/// have processed and pass it as `after` when you come back. However long you were away, nothing is lost and nothing comes twice. Live
/// objects (`orderUpdated`, …) give the present state first and again after every change; on reconnecting simply subscribe anew.
#[Subscription]
impl Subscription {
    /// All events that you may see, in journal order: the same order for all readers, in which the changes of one record stand as they
    /// were made. None is lost and none comes twice. An event's own fields are as of the event, the records it links to are as of now.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Begin after this place: `feedCursor`, an event's `cursor`, or the cursor of an edge of the `events` query. From now on, \
                    where it is left out. A malformed one is `CURSOR_INVALID`, one that cannot be resumed from `CURSOR_EXPIRED` with \
                    `extensions.oldestCursor`."
        )]
        after: Option<Cursor>,
        #[graphql(desc = "Which events. Changing it does not spoil a cursor: a place is the same under every filter.")]
        filter: Option<EventFilter>,
    ) -> Result<impl Stream<Item = Event> + use<>, Fault> {
        let _ = after;
        follow(ctx, filter.unwrap_or_default().criteria()?).await
    }

    /// Redemptions of activation codes, in journal order: `CODE_REDEEMED` events, and `REDEMPTION_REJECTED` ones where you ask for them.
    async fn redemptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Begin after this place, as with `events`. From now on, where it is left out.")] after: Option<
            Cursor,
        >,
        #[graphql(desc = "Of units that this channel sold.")] channel_id: Option<ID>,
        #[graphql(desc = "Of units of this product.")] product_id: Option<ID>,
        #[graphql(default, desc = "Whether attempts that were refused come as well.")] include_rejected: bool,
    ) -> Result<impl Stream<Item = Event> + use<>, Fault> {
        let rejected = include_rejected.then_some(EventType::RedemptionRejected);
        let criteria = Criteria {
            channel: argument::optional(channel_id.as_ref(), "channelId")?,
            product: argument::optional(product_id.as_ref(), "productId")?,
            types: Some(rejected.into_iter().chain([EventType::CodeRedeemed]).collect()),
            ..Criteria::default()
        };
        let _ = after;
        follow(ctx, criteria).await
    }

    /// The order as it is now, and again after every change to it or to anything below it. Changes that come in a burst may arrive as the
    /// newest state only. `NOT_FOUND`, at once or later, when there is no such order for you to see (any more).
    async fn order_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order's id.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Order, Fault>> + use<>, Fault> {
        let id: OrderId = argument::id(&id, "id")?;
        let (seat, session) = (Seat::of(ctx), Session::of(ctx));
        if !seat.is_taken() {
            session.need::<_, Order>(id, "order").await?;
            seat.take(Plan { filter: Filter::order(session.scope(), id), kind: Kind::State });
        }
        Ok(live(ctx, move |session| async move { session.need(id, "order").await }))
    }

    /// The entitlement as it is now, and again after every change to it, its codes, reservations, assignments and exceptions. Changes that
    /// come in a burst may arrive as the newest state only. `NOT_FOUND`, at once or later, when there is no such entitlement for you to see
    /// (any more).
    async fn entitlement_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The entitlement's id.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Entitlement, Fault>> + use<>, Fault> {
        let id: EntitlementId = argument::id(&id, "id")?;
        let (seat, session) = (Seat::of(ctx), Session::of(ctx));
        if !seat.is_taken() {
            let unit = session.load(id).await?.ok_or(Fault::NotFound("entitlement"))?;
            let filter = Filter::entitlement(session.scope(), id, unit.order_id);
            seat.take(Plan { filter, kind: Kind::State });
        }
        Ok(live(ctx, move |session| async move { session.need(id, "entitlement").await }))
    }

    /// The statistics of what you sell as they are now, and again after every change. Changes that come in a burst may arrive as the newest
    /// figures only.
    async fn statistics_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this channel only. Zeros where it is unknown or not yours.")] channel_id: Option<ID>,
        #[graphql(desc = "Of this product only. Zeros where it is unknown.")] product_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<Statistics, Fault>> + use<>, Fault> {
        let channel = argument::optional(channel_id.as_ref(), "channelId")?;
        let product = argument::optional(product_id.as_ref(), "productId")?;
        let (seat, session) = (Seat::of(ctx), Session::of(ctx));
        if !seat.is_taken() {
            seat.take(Plan { filter: Filter::statistics(session.scope(), channel, product), kind: Kind::State });
        }
        Ok(live(ctx, move |session: Session| async move {
            session.reader().tallies(channel, product).await.map(Statistics::from)
        }))
    }
}

/// The events that meet `criteria`. Where each listener begins is the business of whoever delivers to it.
async fn follow(ctx: &Context<'_>, criteria: Criteria) -> Result<impl Stream<Item = Event> + use<>, Fault> {
    let (seat, session) = (Seat::of(ctx), Session::of(ctx));
    if !seat.is_taken() {
        let filter = session.feed.filter(session.scope(), criteria).await?;
        seat.take(Plan { filter, kind: Kind::Events });
    }
    Ok(seat.items().filter_map(async |item| match item {
        Item::Event(entry) => Some(Event::from(entry)),
        Item::State => None,
    }))
}

/// What `read` finds, each time that it is asked for.
fn live<T, F, R>(ctx: &Context<'_>, read: F) -> impl Stream<Item = Result<T, Fault>> + use<T, F, R>
where
    T: Send,
    F: Fn(Session) -> R + Send,
    R: Future<Output = Result<T, Fault>> + Send,
{
    let mut asked = Box::pin(Seat::of(ctx).items());
    let source = fresh(Session::of(ctx));
    stream! {
        while asked.next().await.is_some() {
            let state = present(&source, &read).await;
            let ended = matches!(state, Err(Fault::NotFound(_)));
            yield state;
            if ended {
                break;
            }
        }
    }
}

/// The present state, once the database can be asked for it: an error in its stead would leave the client with an old one.
async fn present<T, R: Future<Output = Result<T, Fault>>>(
    source: &Session,
    read: &(impl Fn(Session) -> R + Send),
) -> Result<T, Fault> {
    loop {
        match read(fresh(source)).await {
            Err(Fault::Unavailable) => tokio::time::sleep(PAUSE).await,
            state => return state,
        }
    }
}

/// A session of the same caller for one delivery.
fn fresh(session: &Session) -> Session {
    let Session { actor, db, feed, turns, largest_page, .. } = session;
    Session::new(Arc::clone(actor), db.clone(), feed.clone(), turns.clone(), *largest_page)
}
