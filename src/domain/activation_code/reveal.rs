//! Showing a code in full once more, to whoever may, each time with a reason and an entry in the journal.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    super::{
        Actor, Error, Operation, Refusal,
        entitlement::{By, Changed, Claim, event},
        error::not_found,
        input,
    },
    Issued,
};
use crate::{
    entity::{
        activation_code::{COLUMN, Entity},
        event,
        kind::{EntitlementStatus, EventType, RefusalCode},
    },
    id::ActivationCodeId,
    store::Tx,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Reveal {
    pub activation_code_id: ActivationCodeId,
    pub reason: String,
}

/// Journals that a live code is shown again; it is unsealed for the answer.
pub async fn reveal(tx: &mut Tx, actor: &Actor, command: &Reveal) -> Result<Changed, Error> {
    actor.may(Operation::RevealActivationCode)?;
    let reason = input::reason(&command.reason)?;
    let id = command.activation_code_id;
    let claim = Claim::sold(tx, actor, By::Code(id), "activation code", "activationCodeId").await?;
    let Some(code) = claim.code.as_ref().filter(|code| code.id == id) else {
        let over = Entity::find().filter(COLUMN.id.eq(id)).one(tx.connection().await?).await?;
        let over = over.ok_or_else(|| not_found("activation code").at(["activationCodeId"]))?;
        return Err(refused(&format!("the activation code is {}, and can never be shown again", over.status)).into());
    };
    if claim.standing(tx.now()) == EntitlementStatus::Expired {
        return Err(refused("the code's time is up").into());
    }
    if !code.revealable(tx.now()) {
        return Err(refused("the code can no longer be shown: rotate it, and hand out the new one").into());
    }
    tx.append(event::Model {
        activation_code_id: Some(id),
        reason: Some(reason),
        from_status: Some(code.status.to_string()),
        to_status: Some(code.status.to_string()),
        ..event(EventType::CodeRevealed, &claim.unit, &claim.policy, None)
    });
    let issued = Issued { activation_code_id: id, entitlement_id: claim.unit.id, code: None };
    Ok(Changed { issued: Some(issued), ..claim.into() })
}

fn refused(message: &str) -> Refusal {
    Refusal::new(RefusalCode::InvalidState, message).at(["activationCodeId"])
}
