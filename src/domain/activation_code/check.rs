//! Asking whether a code would redeem, without redeeming it. Changes nothing, but an unknown code counts as a guess.

use super::{
    super::{Actor, Error, Operation, account, entitlement::room_for_one, input},
    code::Code,
    guess,
    redeem::{Way, decide},
};
use crate::{entity::kind::RefusalCode, id::ProductId, store::Tx};

/// What is asked. `code` is as somebody typed it.
#[derive(Clone)]
pub struct Check {
    pub code: String,
    pub account: Option<account::Reference>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Why it would be refused; none: it would redeem.
    pub refusal: Option<super::super::Refusal>,
    /// What it is for, where there is such a code.
    pub product: Option<ProductId>,
    /// What would have to be submitted before the unit can be of use.
    pub missing_input: Vec<String>,
}

/// Whether the code would redeem for the account.
pub async fn check(tx: &mut Tx, actor: &Actor, command: &Check) -> Result<Checked, Error> {
    actor.may(Operation::RedemptionCheck)?;
    let named = account::Named::by(actor, command.account.as_ref())?;
    let invalid = |message: &str| Checked {
        refusal: Some(super::super::Refusal::new(RefusalCode::CodeInvalid, message)),
        product: None,
        missing_input: Vec::new(),
    };
    let Some(code) = Code::parse(&command.code) else {
        guess::limit(tx, actor, &named).await?;
        return Ok(invalid("the code is mistyped: check it against the original"));
    };
    let Some(claim) = guess::presented(tx, actor, &code, &named).await? else {
        return Ok(invalid("there is no such code"));
    };
    let account = named.present(actor, claim.account.as_ref())?;
    let refusal = match (decide(&claim, account, tx.now()), account) {
        (Ok(Way::Fresh | Way::Confirm), Some(account)) => {
            room_for_one(tx, &claim.policy, claim.unit.product_id, account).await?.err()
        }
        (decision, _) => decision.err(),
    };
    let missing_input = input::missing(&claim.policy.required_input.0, claim.input.as_ref());
    Ok(Checked { refusal, product: Some(claim.unit.product_id), missing_input })
}
