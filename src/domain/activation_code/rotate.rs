//! Putting a fresh code in the place of one that leaked or was lost.

use super::{
    super::{
        Action, Actor, Error, Operation,
        entitlement::{By, Changed, Claim, touch},
        exception, input,
    },
    replace,
};
use crate::{entity::entitlement::ActiveModel, id::EntitlementId, store::Tx};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Rotate {
    pub entitlement_id: EntitlementId,
    pub reason: String,
    pub expected_version: Option<i32>,
}

/// Replaces the live code of a unit that nobody has; the old one stops working. A unit without one, as an imported one, gets its first.
pub async fn rotate(tx: &mut Tx, actor: &Actor, command: &Rotate) -> Result<Changed, Error> {
    actor.may(Operation::RotateActivationCode)?;
    let reason = input::reason(&command.reason)?;
    let mut claim = Claim::sold(tx, actor, By::Unit(command.entitlement_id), "entitlement", "entitlementId").await?;
    claim.expect(command.expected_version)?;
    claim.allow(Action::RotateCode, actor, tx.now()).map_err(|refusal| refusal.at(["entitlementId"]))?;

    let issued = replace(tx, &mut claim, Some(reason)).await?;
    // Without a live code there is no other row at which this would meet whoever claims the unit meanwhile.
    touch(tx, &mut claim.unit, ActiveModel::default()).await?;
    exception::settle_redemption(tx, &claim).await?;
    Ok(Changed { issued, ..claim.into() })
}
