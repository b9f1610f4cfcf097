//! Cancelling an order.
//!
//! All is written set by set, whatever the number of units. Those that nobody has are told of by the order's one event; those that somebody
//! has, by events of their own. Codes die before their units are written, as everywhere, so that whoever redeems one meanwhile
//! meets this at the code.

mod held;

use sea_orm::{ColumnTrait, DbBackend, FromQueryResult, QueryFilter, QuerySelect, Value, sea_query::LockType};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Actor, Error, Operation, Refusal,
        error::{not_found, stale},
        input,
        transition::Transition,
    },
    event,
    state::Command,
};
use crate::{
    entity::{
        event::Model as Event,
        kind::{EntitlementStatus, EventType, OrderStatus, RefusalCode},
        order::{ActiveModel, COLUMN, Entity, Model},
        scope::Scoped,
    },
    id::{OrderId, ProductId},
    store::{self, Tx, journal::Counter},
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Cancel {
    pub order_id: OrderId,
    pub reason: String,
    /// Also the units that somebody has.
    pub include_assigned: bool,
    pub expected_version: Option<i32>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Cancelled {
    pub order_id: OrderId,
}

#[derive(FromQueryResult)]
struct Gone {
    product_id: ProductId,
    status: EntitlementStatus,
    units: i64,
}

#[derive(FromQueryResult)]
struct Count {
    units: i64,
}

/// Revokes what nobody has of an order, and what somebody has where that is asked for.
pub async fn cancel(tx: &mut Tx, actor: &Actor, command: &Cancel) -> Result<Cancelled, Error> {
    actor.may(Operation::CancelOrder)?;
    if command.include_assigned {
        actor.may(Operation::CancelAssigned)?;
    }
    let reason = input::reason(&command.reason)?;
    let order = Entity::visible(&actor.scope)
        .filter(COLUMN.id.eq(command.order_id))
        // An import that adds units to it, and the extension of one that has ended, come before this or see what it did.
        .lock(LockType::NoKeyUpdate);
    let order = order.one(tx.connection().await?).await?;
    let order = order.filter(|order| actor.scope.sells(order.partner_id));
    let order = order.ok_or_else(|| not_found("order").at(["orderId"]))?;
    stale(command.expected_version, order.version)?;
    let _ =
        Transition::<Entity>::decide(order.status, Command::CancelAll).map_err(|refusal| refusal.at(["orderId"]))?;

    tx.plan_anew().await?;
    let gone = revoke_free(tx, &order, &reason).await?;
    let ended = if command.include_assigned { held::revoke(tx, &order, &reason).await? } else { 0 };
    let left = remaining(tx, &order).await?;
    if (command.include_assigned && left > 0) || torn(tx, &order).await? {
        // Somebody gave one back, or took one, in this very moment.
        return Err(store::Error::Conflict(order.id.to_string()).into());
    }
    if order.status == OrderStatus::PartiallyCancelled && left > 0 && gone == 0 {
        let message =
            "all that is left of the order has been assigned: cancel it with includeAssigned, or release units first";
        return Err(Refusal::new(RefusalCode::InvalidState, message).at(["orderId"]).into());
    }

    let step = if left > 0 { Command::CancelPart } else { Command::CancelAll };
    let transition = Transition::<Entity>::decide(order.status, step)?;
    let change = transition.apply(tx, order.id, order.version, ActiveModel::default()).await?;
    tracing::debug!(order.id = %order.id, units.free = gone, units.held = ended, "an order was cancelled");
    tx.append(Event {
        reason: Some(reason),
        from_status: Some(change.from.to_string()),
        to_status: Some(change.to.to_string()),
        quantity: Some(i32::try_from(gone).unwrap_or(i32::MAX)),
        ..event(EventType::OrderCancelled, &order)
    });
    Ok(Cancelled { order_id: order.id })
}

/// What nobody has: neither assigned nor ended, its own end not yet past.
const FREE: &str = "u.order_id = $1 AND u.status IN ('UNASSIGNED', 'RESERVED', 'SUSPENDED') \
    AND u.holder_account_id IS NULL AND (u.expires_at IS NULL OR u.expires_at > $2)";

/// Revokes all units that nobody has, with their codes and holds; how many.
async fn revoke_free(tx: &mut Tx, order: &Model, reason: &str) -> Result<i64, Error> {
    let when = || vec![order.id.into(), tx.now().into()];
    strip(tx, when()).await?;
    let mut values = when();
    values.push(reason.into());
    let set = "SET status = 'REVOKED', status_reason = $3, version = version + 1";
    let gone: Vec<Gone> = if tx.backend() == DbBackend::Postgres {
        // Locked before they are written: each is counted by the state it is taken out of, whoever else was at it.
        let sql = format!(
            "WITH free AS MATERIALIZED (SELECT u.id, u.product_id, u.status FROM entitlements u WHERE {FREE} FOR UPDATE), \
             gone AS (UPDATE entitlements e {set} FROM free WHERE e.id = free.id RETURNING free.product_id, free.status) \
             SELECT product_id, status, count(*) AS units FROM gone GROUP BY product_id, status"
        );
        tx.query(&sql, values).await?
    } else {
        let count = format!(
            "SELECT u.product_id, u.status, count(*) AS units FROM entitlements u WHERE {FREE} GROUP BY u.product_id, u.status"
        );
        let gone = tx.query(&count, when()).await?;
        tx.execute(&format!("UPDATE entitlements AS u {set} WHERE {FREE}"), values).await?;
        gone
    };
    for group in &gone {
        tx.tally(order.channel_id, group.product_id, Counter::In(group.status), -group.units);
        tx.tally(order.channel_id, group.product_id, Counter::In(EntitlementStatus::Revoked), group.units);
    }
    Ok(gone.iter().map(|group| group.units).sum())
}

/// Revokes the codes and releases the holds of the units that nobody has.
async fn strip(tx: &Tx, values: Vec<Value>) -> Result<(), Error> {
    let units = format!("entitlement_id IN (SELECT u.id FROM entitlements u WHERE {FREE})");
    let codes = "UPDATE activation_codes SET status = 'REVOKED', sealed = NULL, revealable_until = NULL";
    tx.execute(&format!("{codes} WHERE status = 'ISSUED' AND {units}"), values.clone()).await?;
    // What the deadline already means is what is written.
    let holds = "UPDATE reservations SET version = version + 1, \
                 status = CASE WHEN expires_at > $2 THEN 'RELEASED' ELSE 'EXPIRED' END";
    tx.execute(&format!("{holds} WHERE status = 'HELD' AND {units}"), values).await?;
    Ok(())
}

/// Whether a unit changed between two of these statements: it is free again, or its code or hold began too late to die with it.
async fn torn(tx: &Tx, order: &Model) -> Result<bool, Error> {
    if tx.backend() == DbBackend::Sqlite {
        // Nobody else writes meanwhile.
        return Ok(false);
    }
    let sql = format!(
        "SELECT count(*) AS units FROM entitlements u WHERE ({FREE}) OR (u.order_id = $1 AND u.status = 'REVOKED' AND ( \
           EXISTS (SELECT 1 FROM activation_codes c WHERE c.entitlement_id = u.id AND c.status = 'ISSUED') \
           OR EXISTS (SELECT 1 FROM reservations r WHERE r.entitlement_id = u.id AND r.status = 'HELD')))"
    );
    let found: Vec<Count> = tx.query(&sql, vec![order.id.into(), tx.now().into()]).await?;
    Ok(found.first().is_some_and(|count| count.units > 0))
}

/// How many units of the order still live.
async fn remaining(tx: &Tx, order: &Model) -> Result<i64, Error> {
    let sql = "SELECT count(*) AS units FROM entitlements WHERE order_id = $1 AND status NOT IN ('REVOKED', 'EXPIRED') \
               AND (expires_at IS NULL OR expires_at > $2)";
    let left: Vec<Count> = tx.query(sql, vec![order.id.into(), tx.now().into()]).await?;
    Ok(left.first().map_or(0, |count| count.units))
}
