//! Showing the codes of an order, page by page: the gift cards of a bulk purchase.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, Value};
use serde::{Deserialize, Serialize};

use super::{
    super::{Actor, Error, Operation, error::not_found, input, order::event},
    Issued,
    code::Code,
    unseal,
};
use crate::{
    entity::{
        activation_code::{Column, Entity, Model},
        event::Model as Event,
        kind::EventType,
        order,
        scope::{Scoped, among},
    },
    id::{ActivationCodeId, EntitlementId, OrderId, OrderLineId},
    store::{Db, Tx},
};

/// Codes a page has at the most.
pub const MOST: i32 = 1_000;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Export {
    pub order_id: OrderId,
    pub reason: String,
    pub first: i32,
    /// The last code of the page before.
    pub after: Option<ActivationCodeId>,
}

/// A page of codes that can be shown, in the order of their lines and units.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exported {
    pub codes: Vec<Issued>,
    pub more: bool,
    /// Whether it comes after another.
    pub later: bool,
}

#[derive(FromQueryResult)]
struct Place {
    line: OrderLineId,
    unit: EntitlementId,
}

#[derive(FromQueryResult)]
struct Found {
    id: ActivationCodeId,
    unit: EntitlementId,
}

/// Journals a page of the codes of an order that can still be shown; they are unsealed for the answer.
pub async fn export(tx: &mut Tx, actor: &Actor, command: &Export) -> Result<Exported, Error> {
    actor.may(Operation::ExportActivationCodes)?;
    let reason = input::reason(&command.reason)?;
    input::whole(command.first, &(1..=MOST)).map_err(|refusal| refusal.at(["first"]))?;
    let order = order::Entity::visible(&actor.scope).filter(order::COLUMN.id.eq(command.order_id));
    let order = order.one(tx.connection().await?).await?.filter(|order| actor.scope.sells(order.partner_id));
    let order = order.ok_or_else(|| not_found("order").at(["orderId"]))?;

    let mut values: Vec<Value> = vec![order.id.into(), tx.now().into()];
    let mut from = String::new();
    if let Some(after) = command.after {
        let place = place(tx, order.id, after).await?;
        values.extend([place.line.into(), place.unit.into()]);
        from.push_str("AND (l.id > $3 OR (l.id = $3 AND u.id > $4)) ");
    }
    let sql = format!(
        "SELECT c.id, u.id AS unit FROM order_lines l \
         JOIN entitlements u ON u.order_line_id = l.id AND (u.expires_at IS NULL OR u.expires_at > $2) \
         JOIN activation_codes c ON c.entitlement_id = u.id AND c.status = 'ISSUED' \
           AND c.sealed IS NOT NULL AND c.revealable_until > $2 \
         WHERE l.order_id = $1 {from}ORDER BY l.id, u.id LIMIT {}",
        command.first + 1
    );
    let mut found: Vec<Found> = tx.query(&sql, values).await?;
    let page = usize::try_from(command.first).unwrap_or_default();
    let more = found.len() > page;
    found.truncate(page);
    if !found.is_empty() {
        tx.append(Event {
            reason: Some(reason),
            quantity: Some(i32::try_from(found.len()).unwrap_or(i32::MAX)),
            ..event(EventType::CodeRevealed, &order)
        });
    }
    let issued = |row: Found| Issued { activation_code_id: row.id, entitlement_id: row.unit, code: None };
    Ok(Exported { codes: found.into_iter().map(issued).collect(), more, later: command.after.is_some() })
}

/// Where a page ended. The code may be of no use any more by now; its place is the same.
async fn place(tx: &Tx, order: OrderId, code: ActivationCodeId) -> Result<Place, Error> {
    let sql = "SELECT u.order_line_id AS line, u.id AS unit FROM activation_codes c \
               JOIN entitlements u ON u.id = c.entitlement_id WHERE c.id = $1 AND u.order_id = $2";
    let found: Option<Place> = tx.query(sql, vec![code.into(), order.into()]).await?.pop();
    Ok(found.ok_or_else(|| not_found("activation code of this order").at(["after"]))?)
}

/// The codes of a page, in full, of those that can still be shown.
pub async fn in_full(db: &Db, issued: &[Issued]) -> Result<Vec<(Issued, Code)>, Error> {
    let ids: Vec<ActivationCodeId> = issued.iter().map(|code| code.activation_code_id).collect();
    let found = Entity::find().filter(among(Column::Id.as_column_ref(), &ids)).all(db.reader()).await?;
    let records: HashMap<ActivationCodeId, Model> = found.into_iter().map(|record| (record.id, record)).collect();
    let mut shown = Vec::with_capacity(issued.len());
    for issued in issued {
        let Some(record) = records.get(&issued.activation_code_id) else { continue };
        shown.extend(unseal(db, record).await?.map(|code| (issued.clone(), code)));
    }
    Ok(shown)
}
