//! What time does: each sweep writes, in bounded batches, what the deadlines already mean. Nothing depends on one having run, any number
//! of nodes may run them at once, and running one again does nothing more.

use chrono::TimeDelta;
use sea_orm::{DbBackend, FromQueryResult};

use super::{
    Actor, Error,
    account::Named,
    entitlement::{self, By, Claim},
    exception, reservation,
};
use crate::{
    entity::kind::{AssignmentStatus, ExceptionKind},
    id::EntitlementId,
    store::{Db, Tx},
};

/// Records that one transaction handles.
pub const BATCH: usize = 200;
/// How long a repeat of a mutation is answered from memory.
const IDEMPOTENCY: TimeDelta = TimeDelta::days(7);
/// How long guesses are looked back on, and some more.
const GUESSES: TimeDelta = TimeDelta::hours(1);

/// The sweeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Units whose time is up.
    Entitlements,
    /// Holds past their end.
    Reservations,
    /// Assignments past their deadline, which somebody has to look at.
    Overdue,
    /// Codes that may no longer be revealed.
    Codes,
    /// Idempotency keys past their retention.
    IdempotencyKeys,
    /// Guesses that no limit counts any more.
    Guesses,
}

impl Sweep {
    /// All of them, in the order in which they are run.
    pub const ALL: [Self; 6] =
        [Self::Entitlements, Self::Reservations, Self::Overdue, Self::Codes, Self::IdempotencyKeys, Self::Guesses];

    /// Sweeps once; whether there may be more to sweep.
    pub async fn run(self, db: &Db) -> Result<bool, Error> {
        let swept = super::once(db, &Actor::system("sweep"), &self, batch).await?;
        Ok(swept >= BATCH)
    }
}

async fn batch(tx: &mut Tx, actor: &Actor, sweep: &Sweep) -> Result<usize, Error> {
    match sweep {
        Sweep::Entitlements => {
            let ended = "SELECT u.id FROM entitlements u WHERE u.expires_at <= $1 \
                         AND u.status NOT IN ('REVOKED', 'EXPIRED') ORDER BY u.expires_at";
            let claims = due(tx, actor, ended, "u").await?;
            let found = claims.len();
            for mut claim in claims {
                entitlement::lapse(tx, &mut claim).await?;
            }
            Ok(found)
        }
        Sweep::Reservations => {
            let ended = "SELECT r.entitlement_id AS id FROM reservations r WHERE r.status = 'HELD' \
                         AND r.expires_at <= $1 ORDER BY r.expires_at";
            let claims = due(tx, actor, ended, "r").await?;
            let found = claims.len();
            for mut claim in claims {
                if claim.hold.as_ref().is_some_and(|hold| !hold.holds(tx.now())) {
                    reservation::give_up(tx, &mut claim, None).await?;
                    exception::settle(tx, &claim, exception::REDEMPTION).await?;
                }
            }
            Ok(found)
        }
        Sweep::Overdue => {
            // One that was dismissed is not opened again before it has a new deadline.
            let late = "SELECT s.entitlement_id AS id FROM assignments s JOIN entitlements u ON u.id = s.entitlement_id \
                        WHERE s.status IN ('AWAITING_INPUT', 'PENDING', 'PROVISIONING') AND s.deadline <= $1 \
                        AND u.status IN ('ASSIGNED', 'ACTIVE') AND NOT EXISTS ( \
                          SELECT 1 FROM fulfillment_exceptions x WHERE x.entitlement_id = u.id AND x.assignment_id = s.id \
                          AND x.kind = 'OVERDUE' AND (x.status = 'OPEN' OR x.opened_at >= s.deadline)) ORDER BY s.deadline";
            let claims = due(tx, actor, late, "s").await?;
            let found = claims.len();
            for claim in claims {
                let Some(assignment) = &claim.assignment else { continue };
                let waits = matches!(
                    assignment.status,
                    AssignmentStatus::AwaitingInput | AssignmentStatus::Pending | AssignmentStatus::Provisioning
                );
                if waits && assignment.deadline.is_some_and(|deadline| deadline <= tx.now()) {
                    let reason = format!("the assignment is {} past its deadline", assignment.status);
                    exception::open(tx, ExceptionKind::Overdue, &claim, reason).await?;
                }
            }
            Ok(found)
        }
        Sweep::Codes => {
            let codes = "UPDATE activation_codes SET sealed = NULL, revealable_until = NULL WHERE id IN ( \
                         SELECT id FROM activation_codes WHERE revealable_until <= $1 ORDER BY revealable_until LIMIT {n} {lock})";
            write(tx, codes, TimeDelta::zero()).await
        }
        Sweep::IdempotencyKeys => {
            let keys = "DELETE FROM idempotency_keys WHERE (scope, mutation, key) IN ( \
                        SELECT scope, mutation, key FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT {n} {lock})";
            write(tx, keys, IDEMPOTENCY).await
        }
        Sweep::Guesses => {
            let guesses = "DELETE FROM code_guesses WHERE id IN ( \
                           SELECT id FROM code_guesses WHERE occurred_at <= $1 ORDER BY occurred_at LIMIT {n} {lock})";
            write(tx, guesses, GUESSES).await
        }
    }
}

#[derive(FromQueryResult)]
struct Due {
    id: EntitlementId,
}

/// The units that `sql` finds, locked against other nodes' sweeps by their row of `table`.
async fn due(tx: &Tx, actor: &Actor, sql: &str, table: &str) -> Result<Vec<Claim>, Error> {
    let postgres = tx.backend() == DbBackend::Postgres;
    let lock = if postgres { format!("FOR NO KEY UPDATE OF {table} SKIP LOCKED") } else { String::new() };
    let found: Vec<Due> = tx.query(&format!("{sql} LIMIT {BATCH} {lock}"), vec![tx.now().into()]).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let units = found.into_iter().map(|due| due.id).collect();
    Claim::load_all(tx, actor, By::Units(units), &Named::nobody()).await
}

/// Writes over what is older than `age`.
async fn write(tx: &Tx, sql: &str, age: TimeDelta) -> Result<usize, Error> {
    let lock = if tx.backend() == DbBackend::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = sql.replace("{n}", &BATCH.to_string()).replace("{lock}", lock);
    let written = tx.execute(&sql, vec![(tx.now() - age).into()]).await?;
    Ok(usize::try_from(written.rows_affected()).unwrap_or(usize::MAX))
}
