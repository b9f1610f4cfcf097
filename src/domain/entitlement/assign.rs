//! Giving one unit to an account directly.

use sea_orm::JsonValue;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Action, Actor, Error, Operation,
        account::{Named, Reference},
        activation_code,
        error::{invalid, not_found},
        input, reservation,
    },
    By, Claim, Giving, give, within_limit,
};
use crate::{
    entity::{self, kind::AssignmentMethod},
    id::{AssignmentId, EntitlementId},
    store::Tx,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Assign {
    pub entitlement_id: EntitlementId,
    pub account: Option<Reference>,
    pub resource: Option<String>,
    pub input: Option<JsonValue>,
    pub expected_version: Option<i32>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Assigned {
    pub assignment_id: AssignmentId,
    pub entitlement_id: EntitlementId,
}

/// Assigns a unit that nobody has. Its live code dies, or it could come alive again after somebody else's release.
pub async fn assign(tx: &mut Tx, actor: &Actor, command: &Assign) -> Result<Assigned, Error> {
    actor.may(Operation::AssignEntitlement)?;
    let resource = command.resource.as_ref().map(|resource| input::text(resource, input::REFERENCE));
    let resource = resource.transpose().map_err(|refusal| refusal.at(["resource"]))?;
    let given = command.input.as_ref().map(input::json).transpose();
    given.map_err(|refusal| refusal.at(["input"]))?;
    let named = Named::by(actor, command.account.as_ref())?;
    if !named.anybody() {
        return Err(invalid("say to which account: this credential has none of its own").at(["account"]).into());
    }

    let claim = Claim::load(tx, actor, By::Unit(command.entitlement_id), &named).await?;
    let mut claim = claim.ok_or_else(|| not_found("entitlement").at(["entitlementId"]))?;
    claim.expect(command.expected_version)?;

    claim.allow(Action::Assign, actor, tx.now()).map_err(|refusal| refusal.at(["entitlementId"]))?;
    let account = named.resolve(tx, actor, claim.account.take()).await?;
    within_limit(tx, &claim.policy, claim.unit.product_id, &account, 1).await?;

    let assignment_id = assign_to(tx, &mut claim, &account, resource, command.input.clone()).await?;
    Ok(Assigned { assignment_id, entitlement_id: claim.unit.id })
}

/// The writes of a direct assignment that has been decided.
pub(super) async fn assign_to(
    tx: &mut Tx,
    claim: &mut Claim,
    account: &entity::account::Model,
    resource: Option<String>,
    input: Option<JsonValue>,
) -> Result<AssignmentId, Error> {
    reservation::settle(tx, claim).await?;
    activation_code::end_live(tx, claim, activation_code::Command::Revoke, None).await?;
    let method = AssignmentMethod::Direct;
    let giving = Giving { method, account, resource, input, code: None, carrier: None };
    Ok(give(tx, claim, giving).await?.id)
}
