//! Taking a unit back from whoever has it, for somebody else to claim.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Action, Actor, Error, Operation,
        activation_code::Issued,
        entitlement::{By, Claim},
        error::{not_found, stale, wrong_state},
        input,
    },
    Command, let_go, wind_up,
};
use crate::{
    entity::{
        assignment::{COLUMN, Entity, Model},
        kind::AssignmentStatus,
    },
    id::{AssignmentId, EntitlementId},
    store::Tx,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Release {
    pub assignment_id: AssignmentId,
    pub reason: String,
    /// End it although what is downstream could not be taken down.
    pub force: bool,
    pub expected_version: Option<i32>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Released {
    pub assignment_id: AssignmentId,
    pub entitlement_id: EntitlementId,
    /// The code that claims the unit from now on; none while something is still to be taken down.
    pub issued: Option<Issued>,
}

/// Releases an assignment. One that nothing downstream hangs on is over at once; another is taken down first.
pub async fn release(tx: &mut Tx, actor: &Actor, command: &Release) -> Result<Released, Error> {
    actor.may(Operation::ReleaseAssignment)?;
    if command.force {
        actor.may(Operation::ForceRelease)?;
    }
    let reason = input::reason(&command.reason)?;
    let by = By::Assignment(command.assignment_id);
    let mut claim = Claim::sold(tx, actor, by, "assignment", "assignmentId").await?;
    let assignment = in_force(tx, &claim, command.assignment_id).await?;
    stale(command.expected_version, assignment.version)?;

    let stuck = assignment.status == AssignmentStatus::DeprovisionFailed;
    let issued = if stuck && command.force {
        wind_up(tx, &mut claim, Command::End, Some(reason)).await?
    } else {
        claim.allow(Action::Release, actor, tx.now()).map_err(|refusal| refusal.at(["assignmentId"]))?;
        let_go(tx, &mut claim, Some(reason)).await?
    };
    Ok(Released { assignment_id: command.assignment_id, entitlement_id: claim.unit.id, issued })
}

/// The assignment `id` of the unit of `claim`, if it is in force.
pub(in super::super) async fn in_force(tx: &Tx, claim: &Claim, id: AssignmentId) -> Result<Model, Error> {
    if let Some(assignment) = claim.assignment.as_ref().filter(|assignment| assignment.id == id) {
        return Ok(assignment.clone());
    }
    let over = Entity::find().filter(COLUMN.id.eq(id)).one(tx.connection().await?).await?;
    let over = over.ok_or_else(|| not_found("assignment").at(["assignmentId"]))?;
    Err(wrong_state("assignment", over.status).at(["assignmentId"]).into())
}
