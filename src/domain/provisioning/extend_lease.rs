//! Keeping an attempt for longer.

use chrono::TimeDelta;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

use super::{
    super::{Actor, Error, Operation, transition::Transition},
    Command, LEASE, input, load, over,
};
use crate::{
    entity::{
        kind::ProvisioningOutcome,
        provisioning_attempt::{ActiveModel, Entity},
    },
    id::ProvisioningAttemptId,
    store::Tx,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ExtendLease {
    pub attempt_id: ProvisioningAttemptId,
    /// Seconds from now on.
    pub lease_seconds: i32,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Extended {
    pub attempt_id: ProvisioningAttemptId,
}

/// Sets the end of a lease anew; also of one that has run out, as long as nobody else has claimed the work.
pub async fn extend_lease(tx: &mut Tx, actor: &Actor, command: &ExtendLease) -> Result<Extended, Error> {
    actor.may(Operation::ExtendProvisioningLease)?;
    input::whole(command.lease_seconds, &LEASE).map_err(|refusal| refusal.at(["leaseSeconds"]))?;
    let (attempt, _) = load(tx, actor, command.attempt_id).await?;
    if attempt.outcome != ProvisioningOutcome::Started {
        return Err(over(&attempt).into());
    }
    let end = tx.now() + TimeDelta::seconds(command.lease_seconds.into());
    let longer = ActiveModel { lease_expires_at: Set(Some(end)), ..Default::default() };
    let transition = Transition::<Entity>::decide(attempt.outcome, Command::ExtendLease)?;
    let _ = transition.apply(tx, attempt.id, 0, longer).await?;
    Ok(Extended { attempt_id: attempt.id })
}
