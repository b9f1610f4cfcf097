//! Holding a unit.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, EntityTrait};

use super::{
    super::{
        Action, Actor, Error, Operation,
        account::{Named, Reference},
        entitlement::{self, By, Claim, event},
        error::{invalid, not_found},
        input,
        transition::Transition,
    },
    Held, settle,
};
use crate::{
    entity::{
        entitlement as unit, event,
        kind::{EventType, ReservationStatus},
        reservation,
    },
    id::EntitlementId,
    store::Tx,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Reserve {
    pub entitlement_id: EntitlementId,
    /// Whom it is held for; the actor's own account, or nobody by name, where it is left out.
    pub account: Option<Reference>,
    pub resource: Option<String>,
    /// How long; the policy's default where it is left out.
    pub minutes: Option<i32>,
    pub expected_version: Option<i32>,
}

/// Holds a unit that nobody has.
pub async fn reserve(tx: &mut Tx, actor: &Actor, command: &Reserve) -> Result<Held, Error> {
    actor.may(Operation::ReserveEntitlement)?;
    let resource = command.resource.as_ref().map(|resource| input::text(resource, input::REFERENCE));
    let resource = resource.transpose().map_err(|refusal| refusal.at(["resource"]))?;

    let named = Named::by(actor, command.account.as_ref())?;
    let claim = Claim::load(tx, actor, By::Unit(command.entitlement_id), &named).await?;
    let mut claim = claim.ok_or_else(|| not_found("entitlement").at(["entitlementId"]))?;
    claim.expect(command.expected_version)?;

    claim.allow(Action::Reserve, actor, tx.now()).map_err(|refusal| refusal.at(["entitlementId"]))?;
    let minutes = command.minutes.unwrap_or(claim.policy.reservation_minutes);
    if !(1..=claim.policy.reservation_max_minutes).contains(&minutes) {
        let message =
            format!("a reservation of this product lasts 1 to {} minutes", claim.policy.reservation_max_minutes);
        return Err(invalid(message).at(["minutes"]).into());
    }
    let account = if named.anybody() { Some(named.resolve(tx, actor, claim.account.take()).await?) } else { None };

    settle(tx, &mut claim).await?;
    let transition = Transition::<unit::Entity>::decide(claim.unit.status, entitlement::Command::Reserve)?;
    let held = entitlement::change(tx, &mut claim.unit, transition, <unit::ActiveModel as Default>::default()).await?;
    let hold = reservation::Model {
        id: tx.id(),
        version: 1,
        status: ReservationStatus::Held,
        entitlement_id: claim.unit.id,
        account_id: account.as_ref().map(|account| account.id),
        account_partner_id: account.as_ref().map(|account| account.partner_id),
        resource,
        expires_at: tx.now() + TimeDelta::minutes(minutes.into()),
        created_at: tx.now(),
    };
    let row: reservation::ActiveModel = hold.clone().into();
    reservation::Entity::insert(row.reset_all()).exec_without_returning(tx.connection().await?).await?;

    let concerned = account.map(|account| (account.id, account.partner_id));
    tx.append(event::Model {
        reservation_id: Some(hold.id),
        to_status: Some(hold.status.to_string()),
        entitlement_from: Some(held.from),
        entitlement_to: Some(held.to),
        ..event(EventType::ReservationHeld, &claim.unit, &claim.policy, concerned)
    });
    Ok(Held { reservation_id: hold.id, entitlement_id: claim.unit.id })
}
