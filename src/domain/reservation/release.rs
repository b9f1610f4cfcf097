//! Giving a hold up.

use super::{
    super::{Actor, Error, Operation, account::Named, exception, input},
    Held, give_up, load,
};
use crate::{id::ReservationId, store::Tx};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Release {
    pub reservation_id: ReservationId,
    pub reason: Option<String>,
    pub expected_version: Option<i32>,
}

/// Frees the unit; its code, if it has one, is the same as before.
pub async fn release(tx: &mut Tx, actor: &Actor, command: &Release) -> Result<Held, Error> {
    actor.may(Operation::ReleaseReservation)?;
    let reason = command.reason.as_ref().map(|reason| input::prose(reason, input::REASON));
    let reason = reason.transpose().map_err(|refusal| refusal.at(["reason"]))?;

    let nobody = Named::by(actor, None)?;
    let (mut claim, hold) = load(tx, actor, command.reservation_id, command.expected_version, &nobody).await?;

    give_up(tx, &mut claim, reason).await?;
    exception::settle(tx, &claim, exception::REDEMPTION).await?;
    Ok(Held { reservation_id: hold.id, entitlement_id: claim.unit.id })
}
