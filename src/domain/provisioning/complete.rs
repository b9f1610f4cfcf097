//! Reporting that an attempt succeeded.

use sea_orm::ActiveValue::Set;

use super::{
    super::{
        Actor, Error, Operation, assignment as assignments,
        entitlement::{self, Claim},
        exception, input,
        transition::Transition,
    },
    Command, Reported, finish, load, over, running, told,
};
use crate::{
    entity::{
        assignment, entitlement as unit, event,
        kind::{EntitlementStatus, EventType, ProvisioningOperation, ProvisioningOutcome},
    },
    id::ProvisioningAttemptId,
    store::Tx,
};

/// What is reported.
#[derive(Debug, Clone)]
pub struct Complete {
    pub attempt_id: ProvisioningAttemptId,
    /// The downstream record's own id.
    pub external_reference: Option<String>,
}

/// Records success. The same report again has no further effect.
pub async fn complete(tx: &mut Tx, actor: &Actor, command: &Complete) -> Result<Reported, Error> {
    actor.may(Operation::CompleteProvisioning)?;
    let reference = command.external_reference.as_ref().map(|text| input::text(text, input::REFERENCE)).transpose();
    let reference = reference.map_err(|refusal| refusal.at(["externalReference"]))?;
    let (attempt, mut claim) = load(tx, actor, command.attempt_id).await?;
    match attempt.outcome {
        ProvisioningOutcome::Succeeded => return Ok(Reported { assignment_id: attempt.assignment_id }),
        ProvisioningOutcome::Failed | ProvisioningOutcome::Unknown => return Err(over(&attempt).into()),
        ProvisioningOutcome::Started => {}
    }
    let assignment = running(&claim, &attempt)?;

    match attempt.operation {
        ProvisioningOperation::Provision => activate(tx, &mut claim, &assignment, reference).await?,
        ProvisioningOperation::Deprovision => {
            // The code of a unit that is free again is for its seller to reveal, not for the worker.
            assignments::wind_up(tx, &mut claim, assignments::Command::End, None).await?;
        }
    }
    finish(tx, &attempt, Command::Succeed, None).await?;
    Ok(Reported { assignment_id: attempt.assignment_id })
}

/// What was to be made is there. Where the end was asked for meanwhile, it is taken down next.
async fn activate(
    tx: &mut Tx,
    claim: &mut Claim,
    assignment: &assignment::Model,
    reference: Option<String>,
) -> Result<(), Error> {
    // A unit that is suspended or has ended stays so.
    let unit = if claim.unit.status == EntitlementStatus::Assigned {
        let activate = Transition::<unit::Entity>::decide(claim.unit.status, entitlement::Command::Activate)?;
        Some(entitlement::change(tx, &mut claim.unit, activate, unit::ActiveModel::default()).await?)
    } else {
        // Whoever resumes it at this moment has to look again at what it has.
        entitlement::touch(tx, &mut claim.unit, unit::ActiveModel::default()).await?;
        None
    };
    let (command, kind) = if assignment.end_requested {
        (assignments::Command::Deprovision, EventType::AssignmentDeprovisioning)
    } else {
        (assignments::Command::Activate, EventType::AssignmentActivated)
    };
    let mut changes = assignment::ActiveModel {
        status_reason: Set(None),
        activated_at: Set(Some(tx.now())),
        deadline: Set(None),
        not_before: Set(None),
        failures: Set(0),
        end_requested: Set(false),
        ..Default::default()
    };
    if reference.is_some() {
        changes.external_reference = Set(reference);
    }
    let transition = Transition::<assignment::Entity>::decide(assignment.status, command)?;
    let change = transition.apply(tx, assignment.id, assignment.version, changes).await?;
    tx.append(event::Model {
        entitlement_from: unit.map(|change| change.from),
        entitlement_to: unit.map(|change| change.to),
        ..told(kind, claim, assignment, change)
    });
    exception::settle(tx, claim, exception::OVERDUE).await
}
