//! Giving a hold more time, within what the policy allows in all.

use chrono::TimeDelta;
use sea_orm::ActiveValue::Set;

use super::{
    super::{Actor, Error, Operation, Refusal, account::Named, error::invalid},
    Command, Held, change, load, told,
};
use crate::{
    entity::{
        kind::{EventType, RefusalCode},
        reservation::ActiveModel,
    },
    id::ReservationId,
    store::Tx,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Extend {
    pub reservation_id: ReservationId,
    /// Minutes after its present end.
    pub minutes: i32,
    pub expected_version: Option<i32>,
}

/// Moves the end of a hold.
pub async fn extend(tx: &mut Tx, actor: &Actor, command: &Extend) -> Result<Held, Error> {
    actor.may(Operation::ExtendReservation)?;
    if command.minutes < 1 {
        return Err(invalid("a reservation is extended by at least one minute").at(["minutes"]).into());
    }

    let nobody = Named::by(actor, None)?;
    let (claim, hold) = load(tx, actor, command.reservation_id, command.expected_version, &nobody).await?;

    let longest = claim.policy.reservation_max_minutes;
    let end = hold.expires_at + TimeDelta::minutes(command.minutes.into());
    if end > hold.created_at + TimeDelta::minutes(longest.into()) {
        let message =
            format!("a reservation of this product lasts {longest} minutes in all: confirm it, or extend it by less");
        return Err(Refusal::new(RefusalCode::LimitExceeded, message).at(["minutes"]).into());
    }

    let longer = ActiveModel { expires_at: Set(end), ..Default::default() };
    let written = change(tx, &hold, Command::Extend, longer).await?;
    tx.append(told(EventType::ReservationExtended, &claim, &hold, written));
    Ok(Held { reservation_id: hold.id, entitlement_id: claim.unit.id })
}
