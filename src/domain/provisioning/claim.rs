//! Taking work: what a worker is to create or to take down.

use std::collections::HashMap;

use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    Value,
};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Actor, Error, Operation, assignment as assignments,
        entitlement::{By, Claim, event},
        error::invalid,
        transition::Transition,
    },
    Command, LEASE, Named, finish, input, told,
};
use crate::{
    entity::{
        assignment, event,
        kind::{AssignmentStatus, EventType, ProvisioningOperation, ProvisioningOutcome},
        provisioning_attempt::{self, COLUMN},
        scope::{Scope, among},
    },
    id::{AssignmentId, EntitlementId, ProductId, ProvisioningAttemptId},
    store::Tx,
};

/// Assignments one request may take.
const MOST: i32 = 100;
/// Products it may name: SQLite finds a numbered value by going through all before it.
const PRODUCTS: usize = 100;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Work {
    pub limit: i32,
    pub lease_seconds: i32,
    /// Only of these products; of all, where it is left out.
    pub products: Option<Vec<ProductId>>,
}

/// What was taken, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claimed {
    pub attempts: Vec<ClaimedAttempt>,
}

/// An assignment that is this worker's until its lease ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ClaimedAttempt {
    pub attempt_id: ProvisioningAttemptId,
    pub assignment_id: AssignmentId,
    /// Whether a former attempt ended without a word: downstream may be what was asked for, or not.
    pub former_unknown: bool,
}

#[derive(FromQueryResult)]
struct Found {
    assignment_id: AssignmentId,
    entitlement_id: EntitlementId,
}

/// Takes up to so many assignments that wait, or whose worker's lease ran out. Two workers never get the same one.
pub async fn claim(tx: &mut Tx, actor: &Actor, command: &Work) -> Result<Claimed, Error> {
    actor.may(Operation::ClaimProvisioning)?;
    input::whole(command.limit, &(1..=MOST)).map_err(|refusal| refusal.at(["limit"]))?;
    input::whole(command.lease_seconds, &LEASE).map_err(|refusal| refusal.at(["leaseSeconds"]))?;

    if command.products.as_ref().is_some_and(|products| products.len() > PRODUCTS) {
        return Err(invalid(format!("name at most {PRODUCTS} products")).at(["productIds"]).into());
    }

    let mut attempts = Vec::new();
    let mut rows = Vec::new();
    for (claim, former) in found(tx, actor, command).await? {
        let Some(assignment) = &claim.assignment else { continue };
        let former = former.as_ref();
        // Another worker's since this statement began to look.
        if former.is_some_and(|attempt| attempt.lease_expires_at.is_some_and(|end| tx.now() < end)) {
            continue;
        }
        if let Some(former) = former {
            give_up(tx, &claim, former).await?;
        }
        let row = begin(tx, &claim, assignment, command.lease_seconds).await?;
        attempts.push(ClaimedAttempt {
            attempt_id: row.id,
            assignment_id: assignment.id,
            former_unknown: former.is_some(),
        });
        rows.push(provisioning_attempt::ActiveModel::from(row).reset_all());
    }
    if !rows.is_empty() {
        provisioning_attempt::Entity::insert_many(rows).exec_without_returning(tx.connection().await?).await?;
    }
    Ok(Claimed { attempts })
}

/// A unit, and the attempt at it that has not ended.
type Job = (Claim, Option<provisioning_attempt::Model>);

/// The work that is to be taken, locked. What cannot be read is passed over, and keeps nobody from what comes after it.
async fn found(tx: &Tx, actor: &Actor, command: &Work) -> Result<Vec<Job>, Error> {
    let most = usize::try_from(command.limit).unwrap_or_default();
    let (mut jobs, mut after) = (Vec::new(), None);
    // Of no products there is no work, and an empty list is no SQL.
    while jobs.len() < most && command.products.as_ref().is_none_or(|products| !products.is_empty()) {
        let wanted = most - jobs.len();
        let found = lock(tx, actor, command, wanted, after).await?;
        let all = found.len() < wanted;
        after = found.last().map(|row| row.assignment_id);
        jobs.extend(readable(tx, found.iter().map(|row| row.entitlement_id).collect()).await?);
        if all {
            break;
        }
    }
    Ok(jobs)
}

/// Those of the units that can be read.
async fn readable(tx: &Tx, units: Vec<EntitlementId>) -> Result<Vec<Job>, Error> {
    if units.is_empty() {
        return Ok(Vec::new());
    }
    match read(tx, units.clone()).await {
        Err(Error::Store(cause)) if cause.unreadable() => {}
        outcome => return outcome,
    }
    let mut jobs = Vec::new();
    for unit in units {
        match read(tx, vec![unit]).await {
            Err(Error::Store(cause)) if cause.unreadable() => {
                tracing::warn!(error.cause = %cause, entitlement.id = %unit, "work cannot be read and is passed over");
            }
            outcome => jobs.extend(outcome?),
        }
    }
    Ok(jobs)
}

async fn read(tx: &Tx, units: Vec<EntitlementId>) -> Result<Vec<Job>, Error> {
    let claims = Claim::load_all(tx, &Actor::system("provisioning"), By::Units(units), &Named::nobody()).await?;
    let mut former = started(tx, &claims).await?;
    let with_former = |claim: Claim| {
        let former = claim.assignment.as_ref().and_then(|assignment| former.remove(&assignment.id));
        (claim, former)
    };
    Ok(claims.into_iter().map(with_former).collect())
}

/// Finds work and locks it, passing over what others are locking. The units are locked against being suspended meanwhile: of a suspended
/// one nothing is handed out.
async fn lock(
    tx: &Tx,
    actor: &Actor,
    command: &Work,
    most: usize,
    after: Option<AssignmentId>,
) -> Result<Vec<Found>, Error> {
    let mut values: Vec<Value> = vec![tx.now().into()];
    let mut list = |ids: Vec<Value>| {
        let places = ids.into_iter().map(|id| {
            values.push(id);
            format!("${}", values.len())
        });
        places.collect::<Vec<_>>().join(", ")
    };
    let mut only = Vec::new();
    if let Some(products) = &command.products {
        let products = list(products.iter().map(|id| (*id).into()).collect());
        only.push(format!(" AND s.product_id IN ({products})"));
    }
    if let Scope::Provisioner { subtree: Some(subtree) } = &actor.scope {
        let partners = list(subtree.iter().map(|id| (*id).into()).collect());
        only.push(format!(" AND s.partner_id IN ({partners})"));
    }
    if let Some(after) = after {
        only.push(format!(" AND s.id > {}", list(vec![after.into()])));
    }
    let only = only.concat();
    let postgres = tx.backend() == DbBackend::Postgres;
    let lock = if postgres { "FOR NO KEY UPDATE OF s SKIP LOCKED FOR SHARE OF u SKIP LOCKED" } else { "" };
    let sql = format!(
        "SELECT s.id AS assignment_id, s.entitlement_id FROM assignments s JOIN entitlements u ON u.id = s.entitlement_id \
         LEFT JOIN provisioning_attempts a ON a.assignment_id = s.id AND a.outcome = 'STARTED' \
         WHERE s.external AND s.status IN ('PENDING', 'PROVISIONING', 'DEPROVISIONING'){only} \
           AND (s.not_before IS NULL OR s.not_before <= $1) AND (a.id IS NULL OR a.lease_expires_at <= $1) \
           AND u.status <> 'SUSPENDED' \
           AND (s.status <> 'PENDING' OR u.expires_at IS NULL OR u.expires_at > $1) \
         ORDER BY s.id LIMIT {most} {lock}"
    );
    Ok(tx.query(&sql, values).await?)
}

/// The attempts that have not ended, read after the locks are held, and locked themselves: a lease that is being extended at this moment is
/// waited for.
async fn started(tx: &Tx, claims: &[Claim]) -> Result<HashMap<AssignmentId, provisioning_attempt::Model>, Error> {
    let ids: Vec<AssignmentId> =
        claims.iter().filter_map(|claim| claim.assignment.as_ref().map(|assignment| assignment.id)).collect();
    let started = provisioning_attempt::Entity::find()
        .filter(among(provisioning_attempt::Column::AssignmentId, &ids))
        .filter(COLUMN.outcome.eq(ProvisioningOutcome::Started))
        .lock_exclusive();
    let started = started.all(tx.connection().await?).await?;
    Ok(started.into_iter().map(|attempt| (attempt.assignment_id, attempt)).collect())
}

/// Nobody knows what came of an attempt, and nobody will hear of it from its worker any more.
async fn give_up(tx: &mut Tx, claim: &Claim, attempt: &provisioning_attempt::Model) -> Result<(), Error> {
    finish(tx, attempt, Command::GiveUp, None).await?;
    tx.append(event::Model {
        assignment_id: Some(attempt.assignment_id),
        from_status: Some(ProvisioningOutcome::Started.to_string()),
        to_status: Some(ProvisioningOutcome::Unknown.to_string()),
        ..event(EventType::AttemptUnknown, &claim.unit, &claim.policy, claim.holder())
    });
    Ok(())
}

async fn begin(
    tx: &mut Tx,
    claim: &Claim,
    assignment: &assignment::Model,
    lease_seconds: i32,
) -> Result<provisioning_attempt::Model, Error> {
    use assignments::Command as Step;
    let transition = if assignment.status == AssignmentStatus::Provisioning {
        Transition::<assignment::Entity>::decide(assignment.status, Step::Requeue)?.then(Step::Claim)?
    } else {
        Transition::<assignment::Entity>::decide(assignment.status, Step::Claim)?
    };
    let changes = assignment::ActiveModel { status_reason: Set(None), not_before: Set(None), ..Default::default() };
    let change = transition.apply(tx, assignment.id, assignment.version, changes).await?;
    let (operation, kind, word) = if change.to == AssignmentStatus::Deprovisioning {
        (ProvisioningOperation::Deprovision, EventType::AssignmentDeprovisioning, "deprovision")
    } else {
        (ProvisioningOperation::Provision, EventType::AssignmentProvisioning, "provision")
    };
    tx.append(told(kind, claim, assignment, change));
    Ok(provisioning_attempt::Model {
        id: tx.id(),
        assignment_id: assignment.id,
        operation,
        outcome: ProvisioningOutcome::Started,
        idempotency_reference: format!("{}/{word}", assignment.id),
        started_at: tx.now(),
        finished_at: None,
        lease_expires_at: Some(tx.now() + TimeDelta::seconds(lease_seconds.into())),
        reason: None,
    })
}
