//! Statistics: how many units are in each state.
//!
//! Over channels and products they are sums of tallies, which cost the same however many units there are; on PostgreSQL what has not been
//! folded in yet is added, so that they are exact. They count what the caller sells. An order's are counted from its units.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Query, SimpleExpr},
};
use uuid::Uuid;

use super::{Found, Reader};
use crate::{
    entity::{
        entitlement,
        kind::EntitlementStatus,
        order,
        scope::{Scope, Scoped, among, in_state},
    },
    graphql::{error::Fault, list::Sql},
    id::{ChannelId, OrderId, PartnerId, ProductId, RecordId},
};

/// Units by counter: `ORDERED`, `REISSUED`, each state, and `OPEN_EXCEPTIONS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallies(HashMap<String, i64>);

impl Tallies {
    /// The units of a counter.
    pub fn units(&self, counter: &str) -> i64 {
        self.0.get(counter).copied().unwrap_or_default()
    }

    fn add(&mut self, counter: String, units: i64) {
        *self.0.entry(counter).or_default() += units;
    }
}

/// The statistics of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TalliesOfOrder(pub OrderId);

/// The statistics of a partner and those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TalliesOfPartner(pub PartnerId);

/// How far an order's units have got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FulfillmentOf(pub OrderId);

/// Whether an order has units in use, and units that still wait to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Fulfillment {
    pub id: OrderId,
    pub active: bool,
    pub waiting: bool,
}

#[derive(FromQueryResult)]
struct Tally {
    counter: String,
    units: i64,
}

#[derive(FromQueryResult)]
struct TallyOf {
    of: Uuid,
    counter: String,
    units: i64,
}

const COUNTERS: &str = "SELECT channel_id, product_id, counter, units FROM tallies";
const WAITING: &str = " UNION ALL SELECT channel_id, product_id, counter, units FROM tally_deltas";

impl Reader {
    /// The statistics of what the caller sells, of one channel or product where they are named.
    pub async fn tallies(&self, channel: Option<ChannelId>, product: Option<ProductId>) -> Result<Tallies, Fault> {
        let Some(sold) = self.sold_channels() else { return Ok(Tallies::default()) };
        let named = |column: &'static str, id: Option<Uuid>| id.map(|id| Expr::col(column).eq(id));
        let asked =
            [named("channel_id", channel.map(RecordId::uuid)), named("product_id", product.map(RecordId::uuid))];
        let conditions: Vec<SimpleExpr> = sold.into_iter().chain(asked.into_iter().flatten()).collect();
        let mut sql = Sql::new(self.db.backend());
        sql.text("SELECT counter, CAST(sum(units) AS bigint) AS units FROM (");
        self.counters(&mut sql);
        sql.text(") AS counted");
        restrict(&mut sql, "", &conditions);
        sql.text(" GROUP BY counter UNION ALL SELECT 'OPEN_EXCEPTIONS', count(*) FROM fulfillment_exceptions WHERE status = 'OPEN'");
        restrict(&mut sql, "OPEN", &conditions);
        let rows: Vec<Tally> = self.all(sql.finish()).await?;
        let mut tallies = Tallies::default();
        for row in rows {
            tallies.add(row.counter, row.units);
        }
        Ok(tallies)
    }

    fn counters(&self, sql: &mut Sql) {
        sql.text(COUNTERS);
        if self.db.backend() == DbBackend::Postgres {
            sql.text(WAITING);
        }
    }

    /// The conditions on `channel_id` that leave what the caller sells; none where it sells nothing.
    fn sold_channels(&self) -> Option<Vec<SimpleExpr>> {
        match &self.scope {
            Scope::All => Some(Vec::new()),
            Scope::Partner { subtree, .. } => {
                let mut own = Query::select();
                own.column("id").from("channels").and_where(among("partner_id", subtree));
                Some(vec![Expr::col("channel_id").in_subquery(own)])
            }
            Scope::Provisioner { .. } | Scope::Customer { .. } => None,
        }
    }
}

/// Writes the conditions after a `WHERE`, or after the one condition that is there.
fn restrict(sql: &mut Sql, there: &str, conditions: &[SimpleExpr]) {
    for (place, condition) in conditions.iter().enumerate() {
        sql.text(if place == 0 && there.is_empty() { " WHERE " } else { " AND " });
        sql.condition(condition);
    }
}

impl Loader<TalliesOfPartner> for Reader {
    type Value = Tallies;
    type Error = Fault;

    async fn load(&self, keys: &[TalliesOfPartner]) -> Found<TalliesOfPartner, Self::Value> {
        let Some(sold) = self.sold_channels() else { return Ok(HashMap::new()) };
        let roots: Vec<Uuid> = keys.iter().map(|key| key.0.uuid()).collect();
        let mut sql = Sql::new(self.db.backend());
        sql.text("WITH RECURSIVE below (root, id) AS (SELECT parent.id, parent.id FROM ");
        sql.parents(&roots);
        sql.text(
            " UNION ALL SELECT below.root, partners.id FROM below JOIN partners ON partners.parent_id = below.id), ",
        );
        sql.text("owned (root, channel) AS (SELECT below.root, channels.id FROM below JOIN channels ON channels.partner_id = below.id) ");
        sql.text("SELECT root AS of, counter, CAST(sum(units) AS bigint) AS units FROM owned JOIN (");
        self.counters(&mut sql);
        sql.text(") AS counted ON channel_id = channel");
        restrict(&mut sql, "", &sold);
        sql.text(" GROUP BY root, counter UNION ALL SELECT root, 'OPEN_EXCEPTIONS', count(*) FROM owned ");
        sql.text("JOIN fulfillment_exceptions ON channel_id = channel WHERE status = 'OPEN'");
        restrict(&mut sql, "OPEN", &sold);
        sql.text(" GROUP BY root");
        let rows = self.all(sql.finish()).await?;
        Ok(by_owner(rows, |id| TalliesOfPartner(id.into())))
    }
}

impl Loader<TalliesOfOrder> for Reader {
    type Value = Tallies;
    type Error = Fault;

    async fn load(&self, keys: &[TalliesOfOrder]) -> Found<TalliesOfOrder, Self::Value> {
        let orders: Vec<OrderId> = keys.iter().map(|key| key.0).collect();
        let visible = order::Entity::visible(&self.scope).filter(among(order::Column::Id.as_column_ref(), &orders));
        let visible = QuerySelect::query(&mut visible.select_only().column(order::Column::Id)).to_owned();
        let mut sql = Sql::new(self.db.backend());
        sql.text("WITH own (id) AS (");
        sql.select(&visible);
        sql.text("), counted AS (SELECT order_id, status, count(*) AS units, count(replaces_id) AS reissued FROM entitlements ");
        sql.text("WHERE order_id IN (SELECT id FROM own) GROUP BY order_id, status) ");
        sql.text("SELECT order_id AS of, status AS counter, units FROM counted ");
        sql.text(
            "UNION ALL SELECT order_id, 'REISSUED', CAST(sum(reissued) AS bigint) FROM counted GROUP BY order_id ",
        );
        sql.text("UNION ALL SELECT order_id, 'ORDERED', CAST(sum(units - reissued) AS bigint) FROM counted GROUP BY order_id ");
        sql.text("UNION ALL SELECT order_id, 'OPEN_EXCEPTIONS', count(*) FROM fulfillment_exceptions ");
        sql.text("WHERE status = 'OPEN' AND order_id IN (SELECT id FROM own)");
        restrict(&mut sql, "OPEN", &self.exceptions_of_own());
        sql.text(" GROUP BY order_id");
        let rows = self.all(sql.finish()).await?;
        Ok(by_owner(rows, |id| TalliesOfOrder(id.into())))
    }
}

impl Reader {
    /// A customer learns of no exceptions, not even how many.
    fn exceptions_of_own(&self) -> Vec<SimpleExpr> {
        match &self.scope {
            Scope::All | Scope::Partner { .. } => Vec::new(),
            Scope::Provisioner { .. } | Scope::Customer { .. } => vec![Expr::cust("1 = 0")],
        }
    }
}

fn by_owner<K: Eq + std::hash::Hash>(rows: Vec<TallyOf>, key: impl Fn(Uuid) -> K) -> HashMap<K, Tallies> {
    let mut tallies: HashMap<K, Tallies> = HashMap::new();
    for row in rows {
        tallies.entry(key(row.of)).or_default().add(row.counter, row.units);
    }
    tallies
}

impl Loader<FulfillmentOf> for Reader {
    type Value = Fulfillment;
    type Error = Fault;

    async fn load(&self, keys: &[FulfillmentOf]) -> Found<FulfillmentOf, Self::Value> {
        let orders: Vec<OrderId> = keys.iter().map(|key| key.0).collect();
        let select = order::Entity::visible(&self.scope)
            .filter(among(order::Column::Id.as_column_ref(), &orders))
            .select_only()
            .column(order::Column::Id)
            .expr_as(has_unit_in(&[EntitlementStatus::Active]), "active")
            .expr_as(has_unit_in(&WAITING_STATES), "waiting");
        let rows: Vec<Fulfillment> = select.into_model().all(self.db.reader()).await?;
        Ok(rows.into_iter().map(|row| (FulfillmentOf(row.id), row)).collect())
    }
}

/// The states of a unit that counts and is not in use yet.
pub const WAITING_STATES: [EntitlementStatus; 4] = [
    EntitlementStatus::Unassigned,
    EntitlementStatus::Reserved,
    EntitlementStatus::Assigned,
    EntitlementStatus::Suspended,
];

/// Whether the order at hand has a unit in one of `states`: one probe of an index for each.
pub fn has_unit_in(states: &[EntitlementStatus]) -> SimpleExpr {
    let unit = entitlement::Entity::find()
        .select_only()
        .expr(Expr::val(1))
        .filter(Expr::col(("entitlements", "order_id")).equals(("orders", "id")))
        .filter(in_state((entitlement::Entity, entitlement::Column::Status), states));
    Expr::exists(unit.into_query())
}
