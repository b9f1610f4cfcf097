//! Handing a unit on: it is meant for somebody else from now on, and only a new code claims it.

use sea_orm::ActiveValue::Set;

use super::{
    super::{Action, Actor, Error, Operation, activation_code, exception, input, reservation},
    By, Changed, Claim, event, touch,
};
use crate::{
    entity::{entitlement::ActiveModel, event, kind::EventType},
    id::EntitlementId,
    store::Tx,
};

/// Whom a unit is meant for.
#[derive(Debug, Clone, Default)]
pub struct Recipient {
    pub name: Option<String>,
    pub email: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Transfer {
    pub entitlement_id: EntitlementId,
    pub recipient: Recipient,
    pub expected_version: Option<i32>,
}

/// Changes whom a unit is meant for, and its code: the old one stops working.
pub async fn transfer(tx: &mut Tx, actor: &Actor, command: &Transfer) -> Result<Changed, Error> {
    actor.may(Operation::TransferEntitlement)?;
    command.recipient.check()?;
    let mut claim = Claim::sold(tx, actor, By::Unit(command.entitlement_id), "entitlement", "entitlementId").await?;
    claim.expect(command.expected_version)?;
    claim.allow(Action::Transfer, actor, tx.now()).map_err(|refusal| refusal.at(["entitlementId"]))?;

    // A hold past its end is written off first: the unit is free by its deadline already.
    reservation::give_up(tx, &mut claim, None).await?;
    let status = Some(claim.unit.status.to_string());
    let meant = command.recipient.clone();
    let changes =
        ActiveModel { recipient_name: Set(meant.name), recipient_email: Set(meant.email), ..Default::default() };
    let (from_status, to_status) = (status.clone(), status);
    tx.append(event::Model {
        from_status,
        to_status,
        ..event(EventType::EntitlementTransferred, &claim.unit, &claim.policy, None)
    });
    let issued = activation_code::replace(tx, &mut claim, None).await?;
    touch(tx, &mut claim.unit, changes).await?;
    exception::settle(tx, &claim, exception::REDEMPTION).await?;
    Ok(Changed { issued, ..claim.into() })
}

impl Recipient {
    /// Refuses what is no name or no address.
    pub fn check(&self) -> Result<(), super::super::Refusal> {
        let name = self.name.as_ref().map(|name| input::text(name, input::NAME)).transpose();
        name.map_err(|refusal| refusal.at(["recipient", "name"]))?;
        let email = self.email.as_ref().map(|email| input::email(email)).transpose();
        email.map_err(|refusal| refusal.at(["recipient", "email"]))?;
        Ok(())
    }
}
