//! Deferred onboarding: submitting what was not known when the unit was claimed.

use chrono::TimeDelta;
use sea_orm::{ActiveValue::Set, ColumnTrait, JsonValue, QueryFilter};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Actor, Error, Operation,
        account::Named,
        entitlement::{self, Beginning, By, Claim, event},
        error::{not_found, stale, wrong_state},
        exception, input,
        transition::Transition,
    },
    Command,
};
use crate::{
    entity::{
        assignment::{self, ActiveModel, Entity, Model},
        entitlement as unit, event,
        kind::{AssignmentStatus, EntitlementStatus, EventType},
        policy::Names,
        scope::Scoped,
    },
    id::AssignmentId,
    store::Tx,
};

/// What is submitted: an object whose members are added to what is there.
#[derive(Debug, Clone)]
pub struct SubmitInput {
    pub assignment_id: AssignmentId,
    pub input: JsonValue,
    pub expected_version: Option<i32>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Submitted {
    pub assignment_id: AssignmentId,
}

/// Adds input to an assignment that waits for it. With the last of it the assignment goes on.
pub async fn submit_input(tx: &mut Tx, actor: &Actor, command: &SubmitInput) -> Result<Submitted, Error> {
    actor.may(Operation::SubmitAssignmentInput)?;
    input::json(&command.input).map_err(|refusal| refusal.at(["input"]))?;

    let missing = || not_found("assignment").at(["assignmentId"]);
    let found = Entity::visible(&actor.scope).filter(assignment::COLUMN.id.eq(command.assignment_id));
    let found = found.one(tx.connection().await?).await?;
    // Whoever sold or bought a unit sees that it is held; what is submitted for it is the holder's business.
    let own = |found: &Model| actor.scope.knows(found.account_id, found.account_partner_id);
    let assignment = found.filter(own).ok_or_else(missing)?;
    stale(command.expected_version, assignment.version)?;
    let nobody = Named::nobody();
    let claim = Claim::load(tx, &Actor::system("input"), By::Unit(assignment.entitlement_id), &nobody).await?;
    let mut claim = claim.ok_or_else(missing)?;

    let standing = claim.standing(tx.now());
    if !matches!(standing, EntitlementStatus::Assigned | EntitlementStatus::Suspended) {
        return Err(wrong_state("entitlement", standing).at(["assignmentId"]).into());
    }
    let input = input::merged(assignment.input.as_ref(), Some(&command.input));
    input.as_ref().map(input::json).transpose().map_err(|refusal| refusal.at(["input"]))?;
    let beginning = Beginning::under(&claim.policy, input.as_ref());
    let next = match beginning.status {
        AssignmentStatus::AwaitingInput => Command::AddInput,
        AssignmentStatus::Active => Command::Activate,
        AssignmentStatus::Pending
        | AssignmentStatus::Provisioning
        | AssignmentStatus::Failed
        | AssignmentStatus::Deprovisioning
        | AssignmentStatus::DeprovisionFailed
        | AssignmentStatus::Ended
        | AssignmentStatus::Cancelled => Command::CompleteInput,
    };
    let transition =
        Transition::<Entity>::decide(assignment.status, next).map_err(|refusal| refusal.at(["assignmentId"]))?;

    write(tx, &mut claim, &assignment, transition, input, beginning).await?;
    Ok(Submitted { assignment_id: assignment.id })
}

async fn write(
    tx: &mut Tx,
    claim: &mut Claim,
    assignment: &Model,
    transition: Transition<Entity>,
    input: Option<JsonValue>,
    beginning: Beginning,
) -> Result<(), Error> {
    let active = transition.to() == AssignmentStatus::Active;
    let waits = transition.to() == AssignmentStatus::AwaitingInput;
    let deadline = if waits { assignment.deadline } else { beginning.stay.map(|stay: TimeDelta| tx.now() + stay) };
    let changes = ActiveModel {
        input: Set(input),
        missing_input: Set(Names(beginning.missing)),
        deadline: Set(deadline),
        activated_at: Set(active.then(|| tx.now())),
        ..Default::default()
    };
    // A suspended unit stays so; its resumption follows from the assignment.
    let unit = if active && claim.unit.status == EntitlementStatus::Assigned {
        let activate = Transition::<unit::Entity>::decide(claim.unit.status, entitlement::Command::Activate)?;
        Some(entitlement::change(tx, &mut claim.unit, activate, unit::ActiveModel::default()).await?)
    } else {
        entitlement::touch(tx, &mut claim.unit, unit::ActiveModel::default()).await?;
        None
    };
    let change = transition.apply(tx, assignment.id, assignment.version, changes).await?;
    tx.append(event::Model {
        entitlement_from: unit.map(|change| change.from),
        entitlement_to: unit.map(|change| change.to),
        assignment_id: Some(assignment.id),
        from_status: Some(change.from.to_string()),
        to_status: Some(change.to.to_string()),
        ..event(
            EventType::AssignmentInputSubmitted,
            &claim.unit,
            &claim.policy,
            Some((assignment.account_id, assignment.account_partner_id)),
        )
    });
    if waits { Ok(()) } else { exception::settle(tx, claim, exception::OVERDUE).await }
}
