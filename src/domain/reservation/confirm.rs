//! Assigning a held unit to whom it is held for.

use sea_orm::JsonValue;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Actor, Error, Operation, Refusal,
        account::{Named, Reference},
        activation_code,
        entitlement::{self, Giving},
        error::invalid,
        input,
    },
    Command, change, load, told,
};
use crate::{
    entity::{
        self,
        kind::{AssignmentMethod, EventType, RefusalCode},
        reservation::{ActiveModel, Model},
    },
    id::{AssignmentId, EntitlementId, ReservationId},
    store::Tx,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Confirm {
    pub reservation_id: ReservationId,
    /// Whom the unit goes to; whom it is held for, where it is left out.
    pub account: Option<Reference>,
    pub input: Option<JsonValue>,
    pub expected_version: Option<i32>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Confirmed {
    pub assignment_id: AssignmentId,
    pub entitlement_id: EntitlementId,
    pub reservation_id: ReservationId,
}

/// Assigns a held unit. Its live code dies, or it could come alive again after somebody else's release.
pub async fn confirm(tx: &mut Tx, actor: &Actor, command: &Confirm) -> Result<Confirmed, Error> {
    actor.may(Operation::ConfirmReservation)?;
    let given = command.input.as_ref().map(input::json).transpose();
    given.map_err(|refusal| refusal.at(["input"]))?;

    let named = Named::by(actor, command.account.as_ref())?;
    let (mut claim, hold) = load(tx, actor, command.reservation_id, command.expected_version, &named).await?;
    let account = whom(tx, actor, &named, &hold, claim.account.take()).await?;

    entitlement::within_limit(tx, &claim.policy, claim.unit.product_id, &account, 1).await?;

    // Somebody may have been refused for the hold since it was read.
    claim.disputed = true;
    let written = change(tx, &hold, Command::Confirm, ActiveModel::default()).await?;
    let carrier = told(EventType::ReservationConfirmed, &claim, &hold, written);
    activation_code::end_live(tx, &mut claim, activation_code::Command::Revoke, None).await?;
    let assignment = entitlement::give(
        tx,
        &mut claim,
        Giving {
            method: AssignmentMethod::Reservation,
            account: &account,
            resource: hold.resource.clone(),
            input: command.input.clone(),
            code: None,
            carrier: Some(carrier),
        },
    )
    .await?;
    Ok(Confirmed { assignment_id: assignment.id, entitlement_id: claim.unit.id, reservation_id: hold.id })
}

async fn whom(
    tx: &Tx,
    actor: &Actor,
    named: &Named,
    hold: &Model,
    found: Option<entity::account::Model>,
) -> Result<entity::account::Model, Error> {
    use sea_orm::EntityTrait;
    if named.anybody() {
        let account = named.resolve(tx, actor, found).await?;
        if hold.account_id.is_none_or(|held_for| held_for == account.id) {
            return Ok(account);
        }
        let message = "it is held for somebody else: confirm it for them, or release it first";
        return Err(Refusal::new(RefusalCode::ReservedByOther, message).at(["account"]).into());
    }
    let held_for = match hold.account_id {
        Some(account) => entity::account::Entity::find_by_id(account).one(tx.connection().await?).await?,
        None => None,
    };
    let account =
        held_for.ok_or_else(|| invalid("it is held for nobody by name: say for which account").at(["account"]))?;
    let partner = entity::partner::Entity::find_by_id(account.partner_id).one(tx.connection().await?).await?;
    if partner.is_some_and(|partner| partner.active) {
        return Ok(account);
    }
    let message = "the account's partner is switched off: nothing can be given to its accounts until it is on again";
    Err(Refusal::new(RefusalCode::NotEligible, message).at(["reservationId"]).into())
}
