//! Holding the orders of a file against what is stored under their references.
//!
//! The rows of an order have no names of their own: two are the same where their terms are, and each stored line answers one row. Dates,
//! buyers and the currency are the order's.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{Accounts, Error, Goods, Import, Legacy, Row};
use crate::{
    entity::{
        kind::{OrderSource, OrderStatus},
        money::Amount,
        order, order_line,
        scope::among,
    },
    id::{OrderId, ProductId},
    store::Tx,
};

/// What makes two lines the same.
type Terms<'a> = (ProductId, i32, Option<Amount>, Option<&'a str>, Option<&'a str>);

/// What is stored under the references that are imported.
pub(super) struct Stored {
    orders: HashMap<String, order::Model>,
    lines: HashMap<OrderId, Vec<order_line::Model>>,
}

/// How an order of a file stands to the stored one of its reference.
pub(super) enum Comparison<'a, 's> {
    /// There is none.
    New,
    Same(&'s order::Model),
    /// These rows are not stored yet, and all that is stored is in the file.
    More(&'s order::Model, Vec<&'a Row>),
    /// They differ, and how.
    Different(&'s order::Model, String),
}

impl Stored {
    /// Reads what is stored, and keeps others from adding to it.
    pub(super) async fn load(tx: &Tx, command: &Import<'_>) -> Result<Self, Error> {
        let references: Vec<&str> = command.orders.iter().map(|order| order.external_reference.as_str()).collect();
        let orders = order::Entity::find()
            .filter(order::COLUMN.channel_id.eq(command.channel.id))
            .filter(among(order::Column::ExternalReference, &references))
            .order_by_asc(order::Column::Id)
            // Another import of the same orders, or their cancellation, waits here, and reads what this one has added. SQLite has one
            // writer anyhow.
            .lock_exclusive()
            .all(tx.connection().await?)
            .await?;
        let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
        let found = order_line::Entity::find()
            .filter(among(order_line::Column::OrderId, &ids))
            .all(tx.connection().await?)
            .await?;
        let mut lines: HashMap<OrderId, Vec<order_line::Model>> = HashMap::new();
        for line in found {
            lines.entry(line.order_id).or_default().push(line);
        }
        Ok(Self { orders: orders.into_iter().map(|order| (order.external_reference.clone(), order)).collect(), lines })
    }

    /// Holds an order of the file against the stored one.
    pub(super) fn compare<'a>(
        &self,
        legacy: &'a Legacy,
        command: &Import<'_>,
        goods: &Goods,
        accounts: &Accounts,
    ) -> Comparison<'a, '_> {
        let Some(order) = self.orders.get(&legacy.external_reference) else { return Comparison::New };
        if let Some(how) = header_difference(order, legacy, command) {
            return Comparison::Different(order, how);
        }
        let names: HashMap<_, &str> = accounts.iter().map(|(name, account)| (account.id, name.as_str())).collect();
        let mut left: BTreeMap<Terms<'_>, i64> = BTreeMap::new();
        for line in self.lines.get(&order.id).into_iter().flatten() {
            // An account that no row names is no name that a row could have.
            let account = line.account_id.map(|id| names.get(&id).copied().unwrap_or("\0"));
            let terms = (line.product_id, line.quantity, line.unit_price, account, line.resource.as_deref());
            *left.entry(terms).or_default() += 1;
        }
        let mut more = Vec::new();
        for row in &legacy.rows {
            let product = goods.by_sku.get(&row.sku).copied();
            let terms = product.map(|product| {
                (product, row.quantity, row.unit_price, row.assign_to.as_deref(), row.resource.as_deref())
            });
            match terms.and_then(|terms| left.get_mut(&terms)).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => more.push(row),
            }
        }
        let missing: i64 = left.values().sum();
        match (missing, more.is_empty()) {
            (0, true) => Comparison::Same(order),
            (0, false) if order.status == OrderStatus::Cancelled => {
                Comparison::Different(order, "it was cancelled".to_owned())
            }
            (0, false) => Comparison::More(order, more),
            _ => Comparison::Different(order, format!("{missing} of its stored lines are not in the file")),
        }
    }
}

fn header_difference(order: &order::Model, legacy: &Legacy, command: &Import<'_>) -> Option<String> {
    let first = legacy.rows.first()?;
    let differs = |what: &str| Some(format!("its {what} is not the stored one"));
    if order.source != OrderSource::Legacy {
        return Some("it was placed here, not imported".to_owned());
    }
    if first.placed_at.is_some_and(|placed_at| placed_at != order.placed_at) {
        return differs("date");
    }
    if first.buyer_name != order.buyer_name {
        return differs("buyer's name");
    }
    if first.buyer_email != order.buyer_email {
        return differs("buyer's e-mail");
    }
    if command.currency != order.currency.as_deref() {
        return differs("currency");
    }
    None
}
