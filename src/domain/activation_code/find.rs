//! Looking up the unit of a code, for whoever may see the unit anyway. To everybody else a code is as unknown, and looking up an unknown
//! one counts as a guess, but for those who see everything.

use super::{
    super::{Actor, Error, account::Named, entitlement::Claim},
    code::Code,
    guess,
};
use crate::{
    entity::scope::Scope,
    id::{ActivationCodeId, EntitlementId},
    store::Tx,
};

/// The code, as it was typed.
#[derive(Clone)]
pub struct Find {
    pub code: Code,
}

/// What it is the code of.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub activation_code_id: ActivationCodeId,
    pub entitlement_id: EntitlementId,
}

/// The record of a code, whatever became of it.
pub async fn find(tx: &mut Tx, actor: &Actor, command: &Find) -> Result<Option<Found>, Error> {
    let named = Named::by(actor, None)?;
    let limited = actor.scope != Scope::All;
    let found = guess::find(tx, actor, &command.code, &named).await?.filter(|claim| claim.visible_to(actor));
    match &found {
        Some(claim) if limited => guess::refuse(tx, actor, &named, claim.guesses)?,
        Some(_) => {}
        None => {
            tx.renew_keys().await?;
            if limited {
                guess::count(tx, actor, &named).await?;
            }
        }
    }
    let found_of = |claim: Claim| Some(Found { activation_code_id: claim.code?.id, entitlement_id: claim.unit.id });
    Ok(found.and_then(found_of))
}
