//! Looking up the unit of a code, for whoever may see the unit anyway. To everybody else a code is as unknown, and looking up an unknown
//! one counts as a guess, but for those who see everything.

use sea_orm::{QueryFilter, QueryTrait};

use super::{
    super::{Actor, Error, account::Named},
    code::Code,
    guess,
};
use crate::{
    entity::{
        activation_code::{Column, Entity, Model},
        scope::{Scope, Scoped, among},
    },
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
    let hashes = tx.keyring()?.codes().hashes(command.code.as_bytes());
    // What is not the caller's does not leave the database: it would take longer to be told apart here than what is unknown.
    let own = Entity::visible(&actor.scope).filter(among((Entity, Column::Hash), &hashes));
    let found: Option<Model> = tx.glance(own.build(tx.backend())).await?.pop();
    match &found {
        Some(_) if limited => guess::limit(tx, actor, &named).await?,
        Some(_) => {}
        None => {
            tx.renew_keys().await?;
            if limited {
                guess::count(tx, actor, &named).await?;
            }
        }
    }
    Ok(found.map(|code| Found { activation_code_id: code.id, entitlement_id: code.entitlement_id }))
}
