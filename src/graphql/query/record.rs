//! Queries for one record, and for what is known of the caller and its sales.

use async_graphql::{Context, ID, Object};
use sea_orm::{ColumnTrait, sea_query::ExprTrait};

use crate::{
    domain::{
        self,
        activation_code::{Check, check},
    },
    entity,
    graphql::{
        argument,
        error::Fault,
        loader::OrderInChannel,
        mutation::order::AccountInput,
        page,
        scalars::Cursor,
        session::Session,
        types::{Account, Channel, Entitlement, Node, Order, Partner, Product, RedemptionCheck, Statistics, Viewer},
    },
    id::{AnyId, ChannelId, PartnerId},
};

#[derive(Default)]
pub struct Records;

fn any(text: &ID, argument: &str) -> Result<AnyId, Fault> {
    let bad = |_| {
        Fault::BadInput(format!(
            "`{argument}` must be an id as this API gives them, as `ord_01h455vb4pex5vsknk084sn02q`."
        ))
    };
    text.parse().map_err(bad)
}

/// Queries for one record.
#[Object]
impl Records {
    /// The record with this id, of whatever kind.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The record's id.")] id: ID,
    ) -> Option<Result<Node, Fault>> {
        match any(&id, "id") {
            Ok(id) => Node::find(Session::of(ctx), id).await,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// The records with these ids, in their order, with null for each that does not exist or is not yours.
    #[graphql(complexity = "page::times(ids.len(), child_complexity)")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The records' ids, at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Result<Node, Fault>>>, Fault> {
        let session = Session::of(ctx);
        let most = session.largest_page;
        if ids.len() > most as usize {
            return Err(Fault::BadInput(format!("`ids` may be at most {most}: ask for the rest in another request.")));
        }
        let ids = ids.iter().map(|id| any(id, "ids")).collect::<Result<Vec<AnyId>, Fault>>()?;
        Ok(futures_util::future::join_all(ids.into_iter().map(|id| Node::find(session, id))).await)
    }

    /// Whoever is asking.
    async fn viewer(&self) -> Viewer {
        Viewer
    }

    /// The end of the journal as it was before anything else in this request was read: subscribe `after` it, and nothing that happens in
    /// between is lost. It may tell again of what this answer already shows.
    async fn feed_cursor(&self, ctx: &Context<'_>) -> Cursor {
        let session = Session::of(ctx);
        Cursor(session.feed.seal(session.head))
    }

    /// An order by its id.
    async fn order(&self, ctx: &Context<'_>, #[graphql(desc = "`ord_…`")] id: ID) -> Option<Result<Order, Fault>> {
        match argument::id::<crate::id::OrderId>(&id, "id") {
            Ok(id) => Session::of(ctx).find(Some(OrderInChannel(id))).await,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// An order by the channel's own number of it.
    async fn order_by_reference(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The channel, `chn_…`.")] channel_id: ID,
        #[graphql(desc = "The channel's own number; case matters.")] external_reference: String,
    ) -> Option<Result<Order, Fault>> {
        use entity::order::{Column, Entity};
        let channel: ChannelId = match argument::id(&channel_id, "channelId") {
            Ok(channel) => channel,
            Err(fault) => return Some(Err(fault)),
        };
        let named = Column::ChannelId.eq(channel).and(Column::ExternalReference.eq(argument::text(external_reference)));
        Session::of(ctx).reader().one::<Entity>(named).await.transpose().map(|found| found.map(Order::from))
    }

    /// An entitlement by its id.
    async fn entitlement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "`ent_…`")] id: ID,
    ) -> Option<Result<Entitlement, Fault>> {
        match argument::id::<crate::id::EntitlementId>(&id, "id") {
            Ok(id) => Session::of(ctx).find(Some(id)).await,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// An account by its id.
    async fn account(
        &self, ctx: &Context<'_>, #[graphql(desc = "`acc_…`")] id: ID
    ) -> Option<Result<Account, Fault>> {
        match argument::id::<crate::id::AccountId>(&id, "id") {
            Ok(id) => Session::of(ctx).find(Some(id)).await,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// An account by its reference: in your own namespace, or in that of the partner named.
    async fn account_by_reference(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the namespace calls the account; case matters.")] external_reference: String,
        #[graphql(desc = "A partner whose namespace is meant, `prt_…`. Your own if left out.")] partner_id: Option<ID>,
    ) -> Option<Result<Account, Fault>> {
        let session = Session::of(ctx);
        match argument::optional(partner_id.as_ref(), "partnerId") {
            Ok(partner) => by_reference(session, partner, argument::text(external_reference)).await.transpose(),
            Err(fault) => Some(Err(fault)),
        }
    }

    /// A product by its id.
    async fn product(
        &self, ctx: &Context<'_>, #[graphql(desc = "`prd_…`")] id: ID
    ) -> Option<Result<Product, Fault>> {
        match argument::id::<crate::id::ProductId>(&id, "id") {
            Ok(id) => Session::of(ctx).find(Some(id)).await,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// A product by its SKU.
    async fn product_by_sku(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The SKU; case matters.")] sku: String,
    ) -> Option<Result<Product, Fault>> {
        use entity::product::{Column, Entity};
        let found = Session::of(ctx).reader().one::<Entity>(Column::Sku.eq(argument::text(sku))).await;
        found.transpose().map(|found| found.map(Product::from))
    }

    /// A channel by its id.
    async fn channel(
        &self, ctx: &Context<'_>, #[graphql(desc = "`chn_…`")] id: ID
    ) -> Option<Result<Channel, Fault>> {
        match argument::id::<ChannelId>(&id, "id") {
            Ok(id) => Session::of(ctx).find(Some(id)).await,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// A channel by its name.
    async fn channel_by_name(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The whole name; case matters.")] name: String,
    ) -> Option<Result<Channel, Fault>> {
        use entity::channel::{Column, Entity};
        let found = Session::of(ctx).reader().one::<Entity>(Column::Name.eq(argument::text(name))).await;
        found.transpose().map(|found| found.map(Channel::from))
    }

    /// A partner by its id.
    async fn partner(
        &self, ctx: &Context<'_>, #[graphql(desc = "`prt_…`")] id: ID
    ) -> Option<Result<Partner, Fault>> {
        match argument::id::<PartnerId>(&id, "id") {
            Ok(id) => Session::of(ctx).find(Some(id)).await,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// Whether a code would be redeemed, and if not, why. Changes nothing, but an unknown code counts against the limit on guessing. A code
    /// is redeemable by whoever holds it whole: this tells its true state, and no more.
    async fn redemption_check(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code as it was typed: case, hyphens and the letters I, L and O are forgiven.")]
        code: String,
        #[graphql(desc = "For whom it would be redeemed. Your own account if left out.")] account: Option<AccountInput>,
    ) -> Result<RedemptionCheck, Fault> {
        let session = Session::of(ctx);
        let command = Check { code, account: account.map(Into::into) };
        Ok(RedemptionCheck(domain::once(&session.db, &session.actor, &command, check).await?))
    }

    /// The units you sold, by state: all of them, or of one channel, one product or both. Zeros for what is unknown or not yours.
    async fn statistics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only units sold through this channel.")] channel_id: Option<ID>,
        #[graphql(desc = "Only units of this product.")] product_id: Option<ID>,
    ) -> Result<Statistics, Fault> {
        let channel = argument::optional(channel_id.as_ref(), "channelId")?;
        let product = argument::optional(product_id.as_ref(), "productId")?;
        Ok(Session::of(ctx).reader().tallies(channel, product).await?.into())
    }
}

/// The namespace of a partner is that of the top of its tree.
async fn by_reference(
    session: &Session,
    partner: Option<PartnerId>,
    reference: String,
) -> Result<Option<Account>, Fault> {
    use entity::account::{Column, Entity};
    let namespace = match partner {
        None => session.actor.namespace,
        Some(partner) => match session.load(partner).await? {
            Some(partner) => partner.root_id,
            None => return Ok(None),
        },
    };
    let named = Column::PartnerId.eq(namespace).and(Column::ExternalReference.eq(reference));
    Ok(session.reader().one::<Entity>(named).await?.map(Account::from))
}
