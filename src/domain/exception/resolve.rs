//! Resolving an exception: doing what resolves it, in the same transaction.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Action, Actor, Error, Operation, Refusal,
        activation_code::Issued,
        assignment,
        entitlement::{self, By, Claim, Ending, Recipient},
        error::{invalid, not_found, stale, wrong_state},
        input, provisioning, reservation,
    },
    close,
};
use crate::{
    entity::{
        fulfillment_exception::{COLUMN, Entity, Model},
        kind::{AssignmentStatus, EntitlementStatus, ExceptionKind as Kind, ExceptionStatus, RefusalCode, Resolution},
        scope::Scoped,
    },
    id::{EntitlementId, ExceptionId},
    store::Tx,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Resolve {
    pub exception_id: ExceptionId,
    pub resolution: Resolution,
    pub note: String,
    /// The new end of the unit, for EXTENDED.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whom the new unit is meant for, for REISSUED.
    pub recipient: Option<Recipient>,
    pub expected_version: Option<i32>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resolved {
    pub exception_id: ExceptionId,
    /// The unit it was about; of a reissue the new one.
    pub entitlement_id: Option<EntitlementId>,
    pub issued: Option<Issued>,
}

/// The resolutions that `actor` may choose now. `claim` is the unit it is about, where it is about one.
pub fn allowed_resolutions(
    exception: &Model,
    claim: Option<&Claim>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Vec<Resolution> {
    if !Operation::ResolveException.roles().contains(&actor.role) {
        return Vec::new();
    }
    let known = candidates(exception.kind).iter().copied();
    known.filter(|resolution| decide(exception, *resolution, claim, actor, now).is_ok()).collect()
}

/// The resolutions of a kind of exception, whatever state its unit is in.
fn candidates(kind: Kind) -> &'static [Resolution] {
    match kind {
        Kind::RedemptionRejected => {
            &[Resolution::Reissued, Resolution::Extended, Resolution::Released, Resolution::Dismissed]
        }
        Kind::ProvisioningFailed | Kind::Overdue => &[
            Resolution::Retried,
            Resolution::Released,
            Resolution::Reissued,
            Resolution::Revoked,
            Resolution::Dismissed,
        ],
        Kind::DeprovisioningFailed => &[Resolution::Retried, Resolution::Forced],
        Kind::ImportMismatch => &[Resolution::Dismissed],
    }
}

/// Whether the exception can be resolved so: its kind knows the resolution, and what it does is allowed by the unit's own machines.
fn decide(
    exception: &Model,
    resolution: Resolution,
    claim: Option<&Claim>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new(RefusalCode::InvalidState, message));
    if exception.status != ExceptionStatus::Open {
        return Err(wrong_state("exception", exception.status));
    }
    if !candidates(exception.kind).contains(&resolution) {
        return refuse(format!("an exception of the kind {} is not resolved by {resolution}", exception.kind));
    }
    if resolution == Resolution::Dismissed {
        return Ok(());
    }
    let Some(claim) = claim else { return Err(not_found("entitlement")) };
    let concerned = claim.assignment.as_ref().filter(|assignment| Some(assignment.id) == exception.assignment_id);
    if exception.kind == Kind::RedemptionRejected {
        let standing = claim.standing(now);
        if resolution == Resolution::Released && standing != EntitlementStatus::Reserved {
            return refuse("no reservation holds it".to_owned());
        }
        if resolution == Resolution::Extended && standing == EntitlementStatus::Suspended {
            return refuse("it is suspended, and a later end would not change that: resume it".to_owned());
        }
        if resolution == Resolution::Extended && standing == EntitlementStatus::Reserved {
            return refuse("it is held, and a later end would not change that: release the reservation".to_owned());
        }
        return act(claim, resolution, actor, now);
    }
    let Some(assignment) = concerned else { return refuse("the assignment is not in force any more".to_owned()) };
    if exception.kind == Kind::Overdue && assignment.status == AssignmentStatus::Provisioning {
        let running = claim.lease.is_some_and(|end| now < end);
        if resolution != Resolution::Retried {
            return refuse("nobody knows yet what is downstream: have it tried again".to_owned());
        }
        return if running { refuse("a worker is at it: try again when its lease is over".to_owned()) } else { Ok(()) };
    }
    match resolution {
        Resolution::Retried if exception.kind == Kind::Overdue => provisioning::postponable(claim, now),
        Resolution::Retried => provisioning::retryable(claim, now),
        Resolution::Forced if assignment.status == AssignmentStatus::DeprovisionFailed => Ok(()),
        Resolution::Forced => Err(wrong_state("assignment", assignment.status)),
        Resolution::Released
        | Resolution::Reissued
        | Resolution::Revoked
        | Resolution::Extended
        | Resolution::Dismissed
        | Resolution::Superseded => act(claim, resolution, actor, now),
    }
}

/// Whether the unit allows what the resolution does to it.
fn act(claim: &Claim, resolution: Resolution, actor: &Actor, now: DateTime<Utc>) -> Result<(), Refusal> {
    let action = match resolution {
        Resolution::Released => Action::Release,
        Resolution::Reissued => Action::Reissue,
        Resolution::Revoked => Action::Revoke,
        Resolution::Extended => Action::Extend,
        Resolution::Retried | Resolution::Forced | Resolution::Dismissed | Resolution::Superseded => return Ok(()),
    };
    claim.allow(action, actor, now)
}

/// Resolves an open exception by doing what the resolution says.
pub async fn resolve(tx: &mut Tx, actor: &Actor, command: &Resolve) -> Result<Resolved, Error> {
    actor.may(Operation::ResolveException)?;
    let note = input::prose(&command.note, input::REASON).map_err(|refusal| refusal.at(["note"]))?;
    command.recipient.as_ref().map(Recipient::check).transpose()?;
    if let Some(end) = command.expires_at {
        entitlement::future(tx, end)?;
    }
    let found = Entity::visible(&actor.scope).filter(COLUMN.id.eq(command.exception_id));
    let exception = found.one(tx.connection().await?).await?;
    let exception = exception.ok_or_else(|| not_found("exception").at(["exceptionId"]))?;
    stale(command.expected_version, exception.version)?;
    let claim = match exception.entitlement_id {
        Some(unit) => Claim::load(tx, actor, By::Unit(unit), &super::super::account::Named::nobody()).await?,
        None => None,
    };
    decide(&exception, command.resolution, claim.as_ref(), actor, tx.now())
        .map_err(|refusal| refusal.at(["resolution"]))?;

    // First, so that what is done next does not take it for settled by the way.
    close(tx, &exception, command.resolution, Some(note.clone())).await?;
    let (entitlement_id, issued) = match claim {
        Some(claim) => perform(tx, &exception, claim, command, note).await?,
        None => (None, None),
    };
    Ok(Resolved { exception_id: exception.id, entitlement_id, issued })
}

async fn perform(
    tx: &mut Tx,
    exception: &Model,
    mut claim: Claim,
    command: &Resolve,
    note: String,
) -> Result<(Option<EntitlementId>, Option<Issued>), Error> {
    let unit = claim.unit.id;
    let issued = match command.resolution {
        Resolution::Retried if exception.kind == Kind::Overdue => {
            provisioning::postpone(tx, &claim, Some(note)).await?;
            None
        }
        Resolution::Retried => {
            provisioning::again(tx, &claim, Some(note)).await?;
            None
        }
        Resolution::Released if exception.kind == Kind::RedemptionRejected => {
            reservation::give_up(tx, &mut claim, Some(note)).await?;
            None
        }
        Resolution::Released => assignment::let_go(tx, &mut claim, Some(note)).await?,
        Resolution::Forced => assignment::wind_up(tx, &mut claim, assignment::Command::End, Some(note)).await?,
        Resolution::Revoked => {
            entitlement::end(tx, &mut claim, Ending::revocation(note)).await?;
            None
        }
        Resolution::Extended => {
            let end = command.expires_at;
            let end = end.ok_or_else(|| invalid("say until when the unit is extended").at(["expiresAt"]))?;
            entitlement::prolong(tx, claim, end, note).await?.issued
        }
        Resolution::Reissued => {
            let reissued = entitlement::replace(tx, claim, command.recipient.clone(), note).await?;
            return Ok((Some(reissued.entitlement_id), reissued.issued));
        }
        Resolution::Dismissed | Resolution::Superseded => None,
    };
    Ok((Some(unit), issued))
}
