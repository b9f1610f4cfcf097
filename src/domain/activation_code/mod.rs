//! Activation codes: bearer instruments that turn into an assignment once.

mod check;
pub mod code;
mod guess;
mod redeem;
mod state;

pub use self::{
    check::{Check, Checked, check},
    redeem::{Redeem, Redeemed, redeem},
    state::Command,
};

use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

use super::{
    entitlement::{Claim, event},
    error::Error,
    transition::Transition,
};
use crate::{
    entity::{
        activation_code::{ActiveModel, Entity, Model},
        event,
        kind::EventType,
    },
    id::{ActivationCodeId, EntitlementId},
    store::Tx,
};

/// A code that was issued. What is remembered for a repeat are its ids; the code itself is known in the request that made it only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Issued {
    pub activation_code_id: ActivationCodeId,
    pub entitlement_id: EntitlementId,
    #[serde(skip)]
    pub code: Option<code::Code>,
}

/// What of a code is overwritten with every change of its status: it can never be revealed again.
pub(super) fn shredded() -> ActiveModel {
    ActiveModel { sealed: Set(None), revealable_until: Set(None), ..Default::default() }
}

/// Ends the unit's live code, if it has one, so that it cannot come alive again after somebody else's release.
pub(super) async fn end_live(tx: &mut Tx, claim: &Claim, command: Command, kind: EventType) -> Result<(), Error> {
    let Some(code) = &claim.code else { return Ok(()) };
    let transition = Transition::<Entity>::decide(code.status, command)?;
    let change = transition.apply(tx, code.id, 0, shredded()).await?;
    tx.append(event::Model {
        activation_code_id: Some(code.id),
        from_status: Some(change.from.to_string()),
        to_status: Some(change.to.to_string()),
        ..event(kind, &claim.unit, &claim.policy, None)
    });
    Ok(())
}

/// The code in full, while it may be revealed.
pub fn reveal(keyring: &crate::store::Keyring, code: &Model, now: chrono::DateTime<chrono::Utc>) -> Option<code::Code> {
    let sealed = code.sealed.as_ref().filter(|_| code.revealable(now))?;
    let bytes = keyring.unseal(code.id.0, &code.key_id, sealed)?;
    code::Code::parse(&String::from_utf8_lossy(&bytes))
}
