//! The end of a unit: taken back, or its time is up. Its hold is released, its code dies and its assignment is wound up with it.

use sea_orm::ActiveValue::Set;

use super::{
    super::{
        activation_code,
        assignment::{self, Parting},
        error::Error,
        reservation,
        transition::Transition,
    },
    Claim, Command, change, event, nobody,
};
use crate::{
    entity::{
        entitlement::{ActiveModel, Entity},
        event,
        kind::EventType,
    },
    store::Tx,
};

/// Why and how a unit ends.
pub struct Ending {
    pub command: Command,
    pub event: EventType,
    /// What becomes of its live code.
    pub code: activation_code::Command,
    /// What the unit says of itself from then on.
    pub status_reason: Option<String>,
    /// What the journal says of it.
    pub reason: Option<String>,
}

impl Ending {
    /// Its time is up.
    pub fn expiry() -> Self {
        Self {
            command: Command::Expire,
            event: EventType::EntitlementExpired,
            code: activation_code::Command::Expire,
            status_reason: None,
            reason: None,
        }
    }

    /// It is taken back.
    pub fn revocation(reason: String) -> Self {
        Self {
            command: Command::Revoke,
            event: EventType::EntitlementRevoked,
            code: activation_code::Command::Revoke,
            status_reason: Some(reason.clone()),
            reason: Some(reason),
        }
    }
}

/// Ends a live unit. An assignment that has to be taken down, or whose attempt is running, outlives it until that is done.
pub async fn end(tx: &mut Tx, claim: &mut Claim, ending: Ending) -> Result<(), Error> {
    reservation::give_up(tx, claim, ending.reason.clone()).await?;
    activation_code::end_live(tx, claim, ending.code, ending.reason.clone()).await?;

    let over = matches!(claim.assignment.as_ref().map(assignment::parting), None | Some(Parting::Over(_)));
    let concerned = claim.holder();
    let transition = Transition::<Entity>::decide(claim.unit.status, ending.command)?;
    let left = if over { nobody() } else { ActiveModel::default() };
    let changes = ActiveModel { status_reason: Set(ending.status_reason), ..left };
    let written = change(tx, &mut claim.unit, transition, changes).await?;
    tx.append(event::Model {
        reason: ending.reason.clone(),
        from_status: Some(written.from.to_string()),
        to_status: Some(written.to.to_string()),
        entitlement_from: Some(written.from),
        entitlement_to: Some(written.to),
        ..event(ending.event, &claim.unit, &claim.policy, concerned)
    });
    assignment::part(tx, claim, ending.reason).await
}

/// Writes what the unit's end already means, where no sweep has come by yet.
pub async fn lapse(tx: &mut Tx, claim: &mut Claim) -> Result<(), Error> {
    if claim.unit.lapsed(tx.now()) && Transition::<Entity>::decide(claim.unit.status, Command::Expire).is_ok() {
        end(tx, claim, Ending::expiry()).await?;
    }
    Ok(())
}
