//! Activation codes: bearer instruments that turn into an assignment once.

mod check;
pub mod code;
mod export;
mod find;
mod guess;
mod issue;
mod redeem;
mod reveal;
mod rotate;
mod state;

pub use self::{
    check::{Check, Checked, check},
    export::{Export, Exported, MOST, export, in_full},
    find::{Find, Found, find},
    redeem::{Redeem, Redeemed, redeem},
    reveal::{Reveal, reveal},
    rotate::{Rotate, rotate},
    state::Command,
};
pub(super) use self::{
    issue::{codes, end_live, renew, replace},
    redeem::redeemable,
};

use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

use crate::{
    entity::activation_code::{ActiveModel, Model},
    id::{ActivationCodeId, EntitlementId},
    store::{self, Db},
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

/// The code in full, while it may be revealed.
pub async fn unseal(db: &Db, code: &Model) -> Result<Option<code::Code>, store::Error> {
    let Some(sealed) = code.sealed.as_ref().filter(|_| code.revealable(db.clock().now())) else { return Ok(None) };
    if !db.keyring()?.codes().holds(&code.key_id) {
        db.renew_keys().await?;
    }
    let bytes = db.keyring()?.codes().unseal(code.id.0, &code.key_id, sealed);
    Ok(bytes.and_then(|bytes| code::Code::parse(&String::from_utf8_lossy(&bytes))))
}
