//! Setting when a unit ends.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, DbBackend, FromQueryResult};

use super::{
    super::{
        Action, Actor, Error, Operation, Refusal, activation_code, error::invalid, exception, input,
        transition::Transition,
    },
    By, Changed, Claim, Command, change,
    end::lapse,
    event, touch,
};
use crate::{
    entity::{
        entitlement::{ActiveModel, Entity},
        event,
        kind::{EntitlementStatus, EventType, OrderStatus},
    },
    id::EntitlementId,
    store::{self, Tx},
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Extend {
    pub entitlement_id: EntitlementId,
    /// Any future moment, earlier or later than before.
    pub expires_at: DateTime<Utc>,
    pub reason: String,
    pub expected_version: Option<i32>,
}

/// Sets the end of a unit. One whose time was up is on offer again, with a fresh code.
pub async fn extend(tx: &mut Tx, actor: &Actor, command: &Extend) -> Result<Changed, Error> {
    actor.may(Operation::ExtendEntitlement)?;
    let reason = input::reason(&command.reason)?;
    future(tx, command.expires_at)?;
    let claim = Claim::sold(tx, actor, By::Unit(command.entitlement_id), "entitlement", "entitlementId").await?;
    claim.expect(command.expected_version)?;
    claim.allow(Action::Extend, actor, tx.now()).map_err(|refusal| refusal.at(["entitlementId"]))?;
    prolong(tx, claim, command.expires_at, reason).await
}

/// Refuses an end that has passed.
pub fn future(tx: &Tx, end: DateTime<Utc>) -> Result<(), Refusal> {
    if end > tx.now() { Ok(()) } else { Err(invalid("this must be a moment to come").at(["expiresAt"])) }
}

/// The writes of an extension that has been decided.
pub async fn prolong(tx: &mut Tx, mut claim: Claim, end: DateTime<Utc>, reason: String) -> Result<Changed, Error> {
    if claim.standing(tx.now()) == EntitlementStatus::Expired {
        keep_order(tx, &claim).await?;
        // Its code may have been refused for that since it was read.
        claim.disputed = true;
    }
    lapse(tx, &mut claim).await?;
    let longer = ActiveModel { expires_at: Set(Some(end)), ..Default::default() };
    let mut told = event::Model {
        reason: Some(reason),
        from_status: Some(claim.unit.status.to_string()),
        ..event(EventType::EntitlementExtended, &claim.unit, &claim.policy, claim.holder())
    };
    let renewed = claim.unit.status == EntitlementStatus::Expired;
    if renewed {
        let transition = Transition::<Entity>::decide(claim.unit.status, Command::Renew)?;
        let written = change(tx, &mut claim.unit, transition, longer).await?;
        (told.entitlement_from, told.entitlement_to) = (Some(written.from), Some(written.to));
    } else {
        touch(tx, &mut claim.unit, longer).await?;
    }
    claim.unit.expires_at = Some(end);
    told.to_status = Some(claim.unit.status.to_string());
    tx.append(told);
    exception::settle_redemption(tx, &claim).await?;
    let issued = if renewed { activation_code::renew(tx, &claim).await? } else { None };
    Ok(Changed { issued, ..claim.into() })
}

#[derive(FromQueryResult)]
struct Kept {
    status: OrderStatus,
}

/// Keeps the order from being cancelled before its unit is on offer again, or finds that it just was.
async fn keep_order(tx: &Tx, claim: &Claim) -> Result<(), Error> {
    let lock = if tx.backend() == DbBackend::Postgres { "FOR SHARE" } else { "" };
    let sql = format!("SELECT status FROM orders WHERE id = $1 {lock}");
    let kept: Vec<Kept> = tx.query(&sql, vec![claim.unit.order_id.into()]).await?;
    if kept.iter().all(|order| order.status == claim.order) {
        return Ok(());
    }
    Err(store::Error::Conflict(claim.unit.order_id.to_string()).into())
}
