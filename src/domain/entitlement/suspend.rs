//! Halting a unit for the time being, and letting it go on.

use sea_orm::ActiveValue::Set;

use super::{
    super::{Action, Actor, Error, Operation, activation_code, exception, input, reservation, transition::Transition},
    By, Changed, Claim, Command, change, event, told,
};
use crate::{
    entity::{
        entitlement::{ActiveModel, Entity},
        kind::{EntitlementStatus, EventType},
    },
    id::EntitlementId,
    store::Tx,
};

/// What is asked for: to suspend, or to resume.
#[derive(Debug, Clone)]
pub struct Suspend {
    pub entitlement_id: EntitlementId,
    pub reason: String,
    pub expected_version: Option<i32>,
}

/// Suspends a unit: nothing can be done with it until it is resumed. Its hold is released; its assignment stays as it is, and its code.
pub async fn suspend(tx: &mut Tx, actor: &Actor, command: &Suspend) -> Result<Changed, Error> {
    actor.may(Operation::SuspendEntitlement)?;
    let reason = input::reason(&command.reason)?;
    let mut claim = load(tx, actor, command, Action::Suspend).await?;

    reservation::give_up(tx, &mut claim, Some(reason.clone())).await?;
    let transition = Transition::<Entity>::decide(claim.unit.status, Command::Suspend)?;
    let why = ActiveModel { status_reason: Set(Some(reason.clone())), ..Default::default() };
    let written = change(tx, &mut claim.unit, transition, why).await?;
    let about = event(EventType::EntitlementSuspended, &claim.unit, &claim.policy, claim.holder());
    tx.append(told(Some(reason), written, about));
    Ok(claim.into())
}

/// Resumes a unit, into the state that follows from its assignment.
pub async fn resume(tx: &mut Tx, actor: &Actor, command: &Suspend) -> Result<Changed, Error> {
    actor.may(Operation::ResumeEntitlement)?;
    let reason = input::reason(&command.reason)?;
    let mut claim = load(tx, actor, command, Action::Resume).await?;

    let transition = Transition::<Entity>::decide(claim.unit.status, Command::resume(claim.assignment.as_ref()))?;
    let no_more = ActiveModel { status_reason: Set(None), ..Default::default() };
    let written = change(tx, &mut claim.unit, transition, no_more).await?;
    let about = event(EventType::EntitlementResumed, &claim.unit, &claim.policy, claim.holder());
    tx.append(told(Some(reason), written, about));
    // Its code may have been refused since it was read.
    claim.disputed = true;
    exception::settle(tx, &claim, exception::REDEMPTION).await?;
    let free = written.to == EntitlementStatus::Unassigned;
    let issued = if free { activation_code::renew(tx, &claim).await? } else { None };
    Ok(Changed { issued, ..claim.into() })
}

async fn load(tx: &Tx, actor: &Actor, command: &Suspend, action: Action) -> Result<Claim, Error> {
    let claim = Claim::sold(tx, actor, By::Unit(command.entitlement_id), "entitlement", "entitlementId").await?;
    claim.expect(command.expected_version)?;
    claim.allow(action, actor, tx.now()).map_err(|refusal| refusal.at(["entitlementId"]))?;
    Ok(claim)
}
