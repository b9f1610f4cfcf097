//! Reservations: holding a unit for somebody for a while.

mod confirm;
mod extend;
mod release;
mod reserve;
mod state;

use serde::{Deserialize, Serialize};

pub use self::{
    confirm::{Confirm, Confirmed, confirm},
    extend::{Extend, extend},
    release::{Release, release},
    reserve::{Reserve, reserve},
    state::Command,
};
use super::{
    Actor, Refusal,
    account::Named,
    entitlement::{self, By, Claim, event},
    error::{Error, not_found, stale, wrong_state},
    transition::{Change, Transition},
};
use crate::{
    entity::{
        entitlement as unit, event,
        kind::{EntitlementStatus, EventType, RefusalCode, ReservationStatus},
        reservation::{ActiveModel, Entity, Model},
    },
    id::{EntitlementId, ReservationId},
    store::Tx,
};

/// The ids of a hold and of what it holds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Held {
    pub reservation_id: ReservationId,
    pub entitlement_id: EntitlementId,
}

/// Reads a reservation that is to be changed, with its unit.
async fn load(
    tx: &Tx,
    actor: &Actor,
    id: ReservationId,
    version: Option<i32>,
    named: &Named,
) -> Result<(Claim, Model), Error> {
    let claim = Claim::load(tx, actor, By::Reservation(id), named).await?;
    let claim = claim.ok_or_else(|| not_found("reservation").at(["reservationId"]))?;
    match &claim.hold {
        Some(hold) if hold.id == id => {
            let hold = hold.clone();
            stale(version, hold.version)?;
            if !hold.holds(tx.now()) {
                return Err(expired().into());
            }
            // What held a unit whose time is up holds nothing any more.
            let standing = claim.standing(tx.now());
            if standing != EntitlementStatus::Reserved {
                return Err(wrong_state("entitlement", standing).at(["reservationId"]).into());
            }
            Ok((claim, hold))
        }
        _ => {
            use sea_orm::EntityTrait;
            let over = Entity::find_by_id(id).one(tx.connection().await?).await?;
            let over = over.ok_or_else(|| not_found("reservation").at(["reservationId"]))?;
            stale(version, over.version)?;
            match over.status {
                ReservationStatus::Expired => Err(expired().into()),
                ReservationStatus::Held | ReservationStatus::Confirmed | ReservationStatus::Released => {
                    Err(wrong_state("reservation", over.status).at(["reservationId"]).into())
                }
            }
        }
    }
}

fn expired() -> Refusal {
    let message = "the reservation is past its end: reserve the unit again";
    Refusal::new(RefusalCode::ReservationExpired, message).at(["reservationId"])
}

/// Writes a reservation's change of status.
async fn change(
    tx: &Tx,
    hold: &Model,
    command: Command,
    changes: ActiveModel,
) -> Result<Change<ReservationStatus>, Error> {
    let transition = Transition::<Entity>::decide(hold.status, command)?;
    transition.apply(tx, hold.id, hold.version, changes).await
}

/// The event of a reservation's change, about whom it is held for.
fn told(kind: EventType, claim: &Claim, hold: &Model, change: Change<ReservationStatus>) -> event::Model {
    let concerned = hold.account_id.zip(hold.account_partner_id);
    event::Model {
        reservation_id: Some(hold.id),
        from_status: Some(change.from.to_string()),
        to_status: Some(change.to.to_string()),
        ..event(kind, &claim.unit, &claim.policy, concerned)
    }
}

/// Ends the hold on a unit that is about to be claimed: one past its end expires, one for the claimant is confirmed. The decision that it
/// may be claimed has been made; a confirmed hold's unit stays RESERVED, and its assignment takes it from there.
pub(super) async fn settle(tx: &mut Tx, claim: &mut Claim) -> Result<(), Error> {
    let Some(hold) = let_go(claim) else { return Ok(()) };
    if hold.holds(tx.now()) {
        let written = change(tx, &hold, Command::Confirm, ActiveModel::default()).await?;
        let event = told(EventType::ReservationConfirmed, claim, &hold, written);
        tx.append(event);
        return Ok(());
    }
    end(tx, claim, &hold, Command::Expire, EventType::ReservationExpired, None).await
}

/// Gives up the hold on a unit, if there is one, for something else is about to happen to it; one past its end expires.
pub(super) async fn give_up(tx: &mut Tx, claim: &mut Claim, reason: Option<String>) -> Result<(), Error> {
    let Some(hold) = let_go(claim) else { return Ok(()) };
    let (command, kind) = if hold.holds(tx.now()) {
        (Command::Release, EventType::ReservationReleased)
    } else {
        (Command::Expire, EventType::ReservationExpired)
    };
    end(tx, claim, &hold, command, kind, reason).await
}

/// The hold that is about to end. Somebody may have been refused for it since it was read.
fn let_go(claim: &mut Claim) -> Option<Model> {
    claim.disputed |= claim.hold.is_some();
    claim.hold.take()
}

/// Ends a hold without an assignment: its unit is free again, and keeps its code.
async fn end(
    tx: &mut Tx,
    claim: &mut Claim,
    hold: &Model,
    command: Command,
    kind: EventType,
    reason: Option<String>,
) -> Result<(), Error> {
    let written = change(tx, hold, command, ActiveModel::default()).await?;
    let transition = Transition::<unit::Entity>::decide(claim.unit.status, entitlement::Command::EndHold)?;
    let freed = entitlement::change(tx, &mut claim.unit, transition, unit::ActiveModel::default()).await?;
    tx.append(event::Model {
        reason,
        entitlement_from: Some(freed.from),
        entitlement_to: Some(freed.to),
        ..told(kind, claim, hold, written)
    });
    Ok(())
}
