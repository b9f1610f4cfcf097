//! Taking a unit back for good.

use super::{
    super::{Action, Actor, Error, Operation, input},
    By, Changed, Claim,
    end::{Ending, end},
};
use crate::{id::EntitlementId, store::Tx};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Revoke {
    pub entitlement_id: EntitlementId,
    pub reason: String,
    pub expected_version: Option<i32>,
}

/// Revokes a live unit: its code dies, its hold is released, its assignment is wound up.
pub async fn revoke(tx: &mut Tx, actor: &Actor, command: &Revoke) -> Result<Changed, Error> {
    actor.may(Operation::RevokeEntitlement)?;
    let reason = input::reason(&command.reason)?;
    let mut claim = Claim::sold(tx, actor, By::Unit(command.entitlement_id), "entitlement", "entitlementId").await?;
    claim.expect(command.expected_version)?;
    claim.allow(Action::Revoke, actor, tx.now()).map_err(|refusal| refusal.at(["entitlementId"]))?;

    end(tx, &mut claim, Ending::revocation(reason)).await?;
    Ok(claim.into())
}
