//! Loaders: everything of a kind that a level of a query asks for, in one statement.
//!
//! A key is a small type named for the question: a record's own id asks for the record, `LinesOf(order)` for the lines of an order. Each
//! statement sees what the caller sees. What the caller may not see is not in the answer, as if it did not exist.

pub mod nested;
pub mod statistics;
mod turn;

use std::{collections::HashMap, hash::Hash, sync::Arc};

use async_graphql::dataloader::Loader;
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, Iterable, JoinType, PrimaryKeyToColumn, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Statement, sea_query::ExprTrait,
};

pub use self::{
    statistics::{Fulfillment, FulfillmentOf, Tallies, TalliesOfOrder, TalliesOfPartner},
    turn::{AtOnce, Turns},
};
use super::error::Fault;
use crate::{
    domain::entitlement::Claim,
    entity::{
        account, activation_code, api_key, assignment, channel, entitlement, event, fulfillment_exception,
        fulfillment_rule,
        kind::{AssignmentStatus, ReservationStatus},
        order, order_line, partner, policy, product, provisioning_attempt, redemption_attempt, reservation,
        scope::{Scope, Scoped, among, in_state},
    },
    id::{
        AccountId, ActivationCodeId, ApiKeyId, AssignmentId, ChannelId, EntitlementId, EventId, ExceptionId, OrderId,
        OrderLineId, PartnerId, PolicyId, ProductId, ProvisioningAttemptId, RecordId, RedemptionAttemptId,
        ReservationId,
    },
    store::{Db, journal::Entry},
};

/// The database as one caller sees it.
pub struct Reader {
    db: Db,
    scope: Scope,
}

type Found<K, V> = Result<HashMap<K, V>, Fault>;

impl Reader {
    pub fn new(db: Db, scope: Scope) -> Self {
        Self { db, scope }
    }

    /// The visible rows of `E` whose `column` is one of `keys`.
    async fn rows<E: Scoped, K: RecordId + Into<sea_orm::Value>>(
        &self,
        column: E::Column,
        keys: &[K],
    ) -> Result<Vec<E::Model>, Fault> {
        Ok(E::visible(&self.scope).filter(among(column.as_column_ref(), keys)).all(self.db.reader()).await?)
    }

    async fn all<M: FromQueryResult>(&self, statement: Statement) -> Result<Vec<M>, Fault> {
        Ok(M::find_by_statement(statement).all(self.db.reader()).await?)
    }
}

macro_rules! records {
    ($($entity:ident by $id:ty;)*) => {
        $(
            impl Loader<$id> for Reader {
                type Value = Arc<$entity::Model>;
                type Error = Fault;

                async fn load(&self, keys: &[$id]) -> Found<$id, Self::Value> {
                    let rows = self.rows::<$entity::Entity, _>($entity::Column::Id, keys).await?;
                    Ok(rows.into_iter().map(|row| (row.id, Arc::new(row))).collect())
                }
            }
        )*
    };
}

records! {
    partner by PartnerId;
    channel by ChannelId;
    product by ProductId;
    policy by PolicyId;
    order by OrderId;
    order_line by OrderLineId;
    entitlement by EntitlementId;
    activation_code by ActivationCodeId;
    reservation by ReservationId;
    assignment by AssignmentId;
    account by AccountId;
    provisioning_attempt by ProvisioningAttemptId;
    redemption_attempt by RedemptionAttemptId;
    fulfillment_exception by ExceptionId;
    api_key by ApiKeyId;
}

/// An event with its place; one that has no place yet is not there yet.
impl Loader<EventId> for Reader {
    type Value = Arc<Entry>;
    type Error = Fault;

    async fn load(&self, keys: &[EventId]) -> Found<EventId, Self::Value> {
        let events = self.rows::<event::Entity, _>(event::Column::Id, keys).await?;
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let places = self.places(&ids).await?;
        let entries = events.into_iter().filter_map(|event| Some((event.id, *places.get(&event.id)?, event)));
        Ok(entries.map(|(id, position, event)| (id, Arc::new(Entry { position, event }))).collect())
    }
}

#[derive(FromQueryResult)]
struct Place {
    position: i64,
    event_id: EventId,
}

impl Reader {
    async fn places(&self, events: &[EventId]) -> Found<EventId, i64> {
        let mut select = sea_orm::sea_query::Query::select();
        select.columns(["position", "event_id"]).from("journal_positions").and_where(among("event_id", events));
        let places: Vec<Place> = self.all(self.db.backend().build(&select)).await?;
        Ok(places.into_iter().map(|place| (place.event_id, place.position)).collect())
    }
}

/// An order with its channel: whoever may see the one may see the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderInChannel(pub OrderId);

impl Loader<OrderInChannel> for Reader {
    type Value = (Arc<order::Model>, Arc<channel::Model>);
    type Error = Fault;

    async fn load(&self, keys: &[OrderInChannel]) -> Found<OrderInChannel, Self::Value> {
        let ids: Vec<OrderId> = keys.iter().map(|key| key.0).collect();
        let placed = order::Entity::belongs_to(channel::Entity).from(order::Column::ChannelId).to(channel::Column::Id);
        let rows = order::Entity::visible(&self.scope)
            .filter(among(order::Column::Id.as_column_ref(), &ids))
            .join(JoinType::InnerJoin, placed.into())
            .select_also(channel::Entity)
            .all(self.db.reader())
            .await?;
        let both = |(order, channel): (order::Model, Option<channel::Model>)| {
            Some((OrderInChannel(order.id), (Arc::new(order), Arc::new(channel?))))
        };
        Ok(rows.into_iter().filter_map(both).collect())
    }
}

/// The lines of an order, in their order, with their products, which everybody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinesOf(pub OrderId);

impl Loader<LinesOf> for Reader {
    type Value = Vec<(Arc<order_line::Model>, Arc<product::Model>)>;
    type Error = Fault;

    async fn load(&self, keys: &[LinesOf]) -> Found<LinesOf, Self::Value> {
        let orders: Vec<OrderId> = keys.iter().map(|key| key.0).collect();
        let sold = order_line::Entity::belongs_to(product::Entity);
        let sold = sold.from(order_line::Column::ProductId).to(product::Column::Id);
        let rows = order_line::Entity::visible(&self.scope)
            .filter(among(order_line::Column::OrderId.as_column_ref(), &orders))
            .join(JoinType::InnerJoin, sold.into())
            .select_also(product::Entity)
            .order_by_asc(order_line::Column::Id)
            .all(self.db.reader())
            .await?;
        let mut lines: HashMap<LinesOf, Self::Value> = HashMap::new();
        for (line, product) in rows {
            let Some(product) = product else { continue };
            lines.entry(LinesOf(line.order_id)).or_default().push((Arc::new(line), Arc::new(product)));
        }
        Ok(lines)
    }
}

/// The rules of a channel, in the order of its products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RulesOf(pub ChannelId);

impl Loader<RulesOf> for Reader {
    type Value = Vec<Arc<fulfillment_rule::Model>>;
    type Error = Fault;

    async fn load(&self, keys: &[RulesOf]) -> Found<RulesOf, Self::Value> {
        let channels: Vec<ChannelId> = keys.iter().map(|key| key.0).collect();
        let rules = fulfillment_rule::Entity::visible(&self.scope)
            .filter(among(fulfillment_rule::Column::ChannelId.as_column_ref(), &channels))
            .order_by_asc(fulfillment_rule::Column::ProductId)
            .all(self.db.reader())
            .await?;
        Ok(grouped(rules, |rule| RulesOf(rule.channel_id)))
    }
}

/// The reservation that is stored as holding a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HoldOf(pub EntitlementId);

impl Loader<HoldOf> for Reader {
    type Value = Arc<reservation::Model>;
    type Error = Fault;

    async fn load(&self, keys: &[HoldOf]) -> Found<HoldOf, Self::Value> {
        let units: Vec<EntitlementId> = keys.iter().map(|key| key.0).collect();
        let held = reservation::Entity::visible(&self.scope)
            .filter(among(reservation::Column::EntitlementId.as_column_ref(), &units))
            .filter(in_state((reservation::Entity, reservation::Column::Status), &[ReservationStatus::Held]))
            .all(self.db.reader())
            .await?;
        Ok(held.into_iter().map(|row| (HoldOf(row.entitlement_id), Arc::new(row))).collect())
    }
}

/// The assignment of a unit that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InForceOf(pub EntitlementId);

impl Loader<InForceOf> for Reader {
    type Value = Arc<assignment::Model>;
    type Error = Fault;

    async fn load(&self, keys: &[InForceOf]) -> Found<InForceOf, Self::Value> {
        let units: Vec<EntitlementId> = keys.iter().map(|key| key.0).collect();
        let over = [AssignmentStatus::Ended, AssignmentStatus::Cancelled];
        let in_force = assignment::Entity::visible(&self.scope)
            .filter(among(assignment::Column::EntitlementId.as_column_ref(), &units))
            .filter(in_state((assignment::Entity, assignment::Column::Status), &over).not())
            .all(self.db.reader())
            .await?;
        Ok(in_force.into_iter().map(|row| (InForceOf(row.entitlement_id), Arc::new(row))).collect())
    }
}

/// The unit that was issued in place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplacementOf(pub EntitlementId);

impl Loader<ReplacementOf> for Reader {
    type Value = Arc<entitlement::Model>;
    type Error = Fault;

    async fn load(&self, keys: &[ReplacementOf]) -> Found<ReplacementOf, Self::Value> {
        let units: Vec<EntitlementId> = keys.iter().map(|key| key.0).collect();
        let rows = self.rows::<entitlement::Entity, _>(entitlement::Column::ReplacesId, &units).await?;
        let replacing = rows.into_iter().filter_map(|row| Some((ReplacementOf(row.replaces_id?), Arc::new(row))));
        Ok(replacing.collect())
    }
}

/// A unit with all that decides what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimOf(pub EntitlementId);

/// For units that the caller has been shown.
impl Loader<ClaimOf> for Reader {
    type Value = Arc<Claim>;
    type Error = Fault;

    async fn load(&self, keys: &[ClaimOf]) -> Found<ClaimOf, Self::Value> {
        let claims = Claim::read(&self.db, keys.iter().map(|key| key.0).collect()).await?;
        Ok(claims.into_iter().map(|claim| (ClaimOf(claim.unit.id), Arc::new(claim))).collect())
    }
}

/// A partner and those below it, of those whose sales the caller may ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubtreeOf(pub PartnerId);

#[derive(FromQueryResult)]
struct Below {
    root: PartnerId,
    id: PartnerId,
}

impl Loader<SubtreeOf> for Reader {
    type Value = Vec<PartnerId>;
    type Error = Fault;

    async fn load(&self, keys: &[SubtreeOf]) -> Found<SubtreeOf, Self::Value> {
        let mut sql = super::list::Sql::new(self.db.backend());
        let roots: Vec<uuid::Uuid> = keys.iter().map(|key| key.0.uuid()).collect();
        sql.text("WITH RECURSIVE below (root, id) AS (SELECT parent.id, parent.id FROM ");
        sql.parents(&roots);
        sql.text(
            " UNION ALL SELECT below.root, partners.id FROM below JOIN partners ON partners.parent_id = below.id) ",
        );
        sql.text("SELECT root, id FROM below WHERE root IN (");
        let known = partner::Entity::visible(&self.scope).select_only().column(partner::Column::Id);
        sql.select(&known.into_query());
        sql.text(")");
        let below: Vec<Below> = self.all(sql.finish()).await?;
        let mut subtrees: HashMap<SubtreeOf, Vec<PartnerId>> = HashMap::new();
        for row in below.into_iter().filter(|row| self.may_ask_about(row.id)) {
            subtrees.entry(SubtreeOf(row.root)).or_default().push(row.id);
        }
        Ok(subtrees)
    }
}

impl Reader {
    /// A customer asks about what it bought, whoever sold it; what it did not buy is left out elsewhere.
    fn may_ask_about(&self, partner: PartnerId) -> bool {
        match &self.scope {
            Scope::All | Scope::Customer { .. } | Scope::Provisioner { subtree: None } => true,
            Scope::Partner { subtree, .. } | Scope::Provisioner { subtree: Some(subtree) } => {
                subtree.contains(&partner)
            }
        }
    }

    /// The first visible row that meets `condition`, for a record that is looked up by something else than its id.
    pub async fn one<E: Scoped>(&self, condition: sea_orm::sea_query::SimpleExpr) -> Result<Option<E::Model>, Fault> {
        Ok(E::visible(&self.scope).filter(condition).one(self.db.reader()).await?)
    }

    /// The newest visible rows that meet `condition`, at most so many.
    pub async fn newest<E: Scoped>(
        &self,
        condition: sea_orm::sea_query::SimpleExpr,
        most: u32,
    ) -> Result<Vec<E::Model>, Fault> {
        let mut rows = E::visible(&self.scope).filter(condition).limit(u64::from(most));
        for key in E::PrimaryKey::iter() {
            rows = rows.order_by_desc(key.into_column());
        }
        Ok(rows.all(self.db.reader()).await?)
    }

    /// The key that the caller's own credential is. Everybody may know that one, and only administration any other.
    pub async fn own_key(&self, id: ApiKeyId) -> Result<Option<api_key::Model>, Fault> {
        Ok(api_key::Entity::visible(&Scope::All).filter(api_key::Column::Id.eq(id)).one(self.db.reader()).await?)
    }
}

fn grouped<K: Eq + Hash, M>(rows: Vec<M>, key: impl Fn(&M) -> K) -> HashMap<K, Vec<Arc<M>>> {
    let mut groups: HashMap<K, Vec<Arc<M>>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(Arc::new(row));
    }
    groups
}
