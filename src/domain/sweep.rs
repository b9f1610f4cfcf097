//! What time does: each sweep writes, in bounded batches, what the deadlines already mean. Nothing depends on one having run, any number
//! of nodes may run them at once, and running one again does nothing more. What cannot be swept keeps nothing else from it: the sweep
//! passes over it, and the next one tries it again.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DbBackend, FromQueryResult, Value};

use super::{
    Actor, Error,
    account::Named,
    entitlement::{self, By, Claim},
    exception, idempotency, reservation,
};
use crate::{
    entity::kind::{AssignmentStatus, ExceptionKind},
    id::EntitlementId,
    store::{self, Db, Tx},
};

/// Records that one transaction handles.
pub const BATCH: usize = 200;
/// How long guesses are looked back on, and some more.
const GUESSES: TimeDelta = TimeDelta::hours(1);

/// The sweeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// Begins a sweep over all that is due.
    pub fn begin(self) -> Walk {
        Walk { sweep: self, after: None, written: 0, failed: Vec::new() }
    }

    /// The units that are due, soonest first: where they are found, by which moment, and which table's row says so.
    fn due(self) -> Option<Finding> {
        let (rows, unit, moment) = match self {
            Self::Entitlements => (
                "entitlements u WHERE u.expires_at <= $1 AND u.status NOT IN ('REVOKED', 'EXPIRED')",
                "u.id",
                "u.expires_at",
            ),
            Self::Reservations => {
                ("reservations r WHERE r.status = 'HELD' AND r.expires_at <= $1", "r.entitlement_id", "r.expires_at")
            }
            // Whoever has ended while an attempt was running waits for its report. One that was dismissed is not opened again before it has a
            // new deadline.
            Self::Overdue => (
                "assignments s JOIN entitlements u ON u.id = s.entitlement_id \
                 WHERE s.status IN ('AWAITING_INPUT', 'PENDING', 'PROVISIONING') AND s.deadline <= $1 \
                 AND (u.status IN ('ASSIGNED', 'ACTIVE') OR (u.status IN ('REVOKED', 'EXPIRED') AND s.status = 'PROVISIONING')) \
                 AND NOT EXISTS (SELECT 1 FROM fulfillment_exceptions x WHERE x.entitlement_id = u.id AND x.assignment_id = s.id \
                   AND x.kind = 'OVERDUE' AND (x.status = 'OPEN' OR x.opened_at >= s.deadline))",
                "s.entitlement_id",
                "s.deadline",
            ),
            Self::Codes | Self::IdempotencyKeys | Self::Guesses => return None,
        };
        Some(Finding { rows, unit, moment })
    }
}

struct Finding {
    rows: &'static str,
    unit: &'static str,
    moment: &'static str,
}

/// A unit that is due.
#[derive(Debug, Clone, Copy, FromQueryResult)]
struct Due {
    id: EntitlementId,
    moment: DateTime<Utc>,
}

/// Which of the units that are due.
#[derive(Debug, Clone, Copy)]
enum Which {
    /// A batch of them, those after this one.
    After(Option<Due>),
    /// This one.
    Only(EntitlementId),
}

/// One walk of a sweep over all that is due.
pub struct Walk {
    sweep: Sweep,
    after: Option<Due>,
    /// How many rows it has found and written.
    pub written: usize,
    /// The units that could not be swept, and why.
    pub failed: Vec<(EntitlementId, Error)>,
}

impl Walk {
    /// Sweeps a batch; whether there may be more to sweep.
    pub async fn step(&mut self, db: &Db) -> Result<bool, Error> {
        let system = Actor::system("sweep");
        let Some(finding) = self.sweep.due() else {
            let forgotten = super::once(db, &system, &self.sweep, forget).await?;
            self.written += forgotten;
            return Ok(forgotten >= BATCH);
        };
        let (finding, which) = (&finding, Which::After(self.after));
        let found = match super::once(db, &system, &(self.sweep, finding, which), units).await {
            Err(Error::Store(cause @ store::Error::Unavailable(_))) => return Err(cause.into()),
            Err(_) => self.one_by_one(db, &system, finding).await?,
            Ok(found) => {
                self.written += found.len();
                found
            }
        };
        self.after = found.last().copied().or(self.after);
        Ok(found.len() >= BATCH)
    }

    /// One of a batch cannot be swept: each by itself.
    async fn one_by_one(&mut self, db: &Db, system: &Actor, finding: &Finding) -> Result<Vec<Due>, Error> {
        let found = super::once(db, system, &(finding, Which::After(self.after)), listed).await?;
        for due in &found {
            match super::once(db, system, &(self.sweep, finding, Which::Only(due.id)), units).await {
                Err(Error::Store(cause @ store::Error::Unavailable(_))) => return Err(cause.into()),
                Err(cause) => self.failed.push((due.id, cause)),
                Ok(written) => self.written += written.len(),
            }
        }
        Ok(found)
    }
}

async fn listed(tx: &mut Tx, _: &Actor, batch: &(&Finding, Which)) -> Result<Vec<Due>, Error> {
    due(tx, batch.0, batch.1).await
}

async fn units(tx: &mut Tx, actor: &Actor, batch: &(Sweep, &Finding, Which)) -> Result<Vec<Due>, Error> {
    let (sweep, finding, which) = *batch;
    let found = due(tx, finding, which).await?;
    if found.is_empty() {
        return Ok(found);
    }
    let ids = found.iter().map(|due| due.id).collect();
    for claim in Claim::load_all(tx, actor, By::Units(ids), &Named::nobody()).await? {
        write(tx, sweep, claim).await?;
    }
    Ok(found)
}

/// Writes what the deadline of a unit means.
async fn write(tx: &mut Tx, sweep: Sweep, mut claim: Claim) -> Result<(), Error> {
    match sweep {
        Sweep::Entitlements => entitlement::lapse(tx, &mut claim).await,
        Sweep::Reservations => {
            if claim.hold.as_ref().is_some_and(|hold| !hold.holds(tx.now())) {
                reservation::give_up(tx, &mut claim, None).await?;
                exception::settle(tx, &claim, exception::REDEMPTION).await?;
            }
            Ok(())
        }
        Sweep::Overdue => {
            let Some(assignment) = &claim.assignment else { return Ok(()) };
            let waits = matches!(
                assignment.status,
                AssignmentStatus::AwaitingInput | AssignmentStatus::Pending | AssignmentStatus::Provisioning
            );
            if waits && assignment.deadline.is_some_and(|deadline| deadline <= tx.now()) {
                let reason = format!("the assignment is {} past its deadline", assignment.status);
                exception::open(tx, ExceptionKind::Overdue, &claim, reason).await?;
            }
            Ok(())
        }
        Sweep::Codes | Sweep::IdempotencyKeys | Sweep::Guesses => Ok(()),
    }
}

/// The units that are due, locked against other nodes' sweeps.
async fn due(tx: &Tx, finding: &Finding, which: Which) -> Result<Vec<Due>, Error> {
    let Finding { rows, unit, moment } = finding;
    let mut values: Vec<Value> = vec![tx.now().into()];
    let only = match which {
        Which::After(None) => String::new(),
        Which::After(Some(after)) => {
            values.extend([after.moment.into(), after.id.into()]);
            format!("AND ({moment}, {unit}) > ($2, $3)")
        }
        Which::Only(id) => {
            values.push(id.into());
            format!("AND {unit} = $2")
        }
    };
    let (table, _) = unit.split_once('.').unwrap_or((unit, unit));
    let postgres = tx.backend() == DbBackend::Postgres;
    let lock = if postgres { format!("FOR NO KEY UPDATE OF {table} SKIP LOCKED") } else { String::new() };
    let sql = format!(
        "SELECT {unit} AS id, {moment} AS moment FROM {rows} {only} ORDER BY {moment}, {unit} LIMIT {BATCH} {lock}"
    );
    Ok(tx.query(&sql, values).await?)
}

/// Forgets what nothing looks back on any more.
async fn forget(tx: &mut Tx, _: &Actor, sweep: &Sweep) -> Result<usize, Error> {
    let (sql, age) = match sweep {
        Sweep::Codes => (
            "UPDATE activation_codes SET sealed = NULL, revealable_until = NULL WHERE id IN ( \
             SELECT id FROM activation_codes WHERE revealable_until <= $1 ORDER BY revealable_until LIMIT {n} {lock})",
            TimeDelta::zero(),
        ),
        Sweep::IdempotencyKeys => (
            "DELETE FROM idempotency_keys WHERE (scope, mutation, key) IN ( \
             SELECT scope, mutation, key FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT {n} {lock})",
            idempotency::RETENTION,
        ),
        Sweep::Guesses => (
            "DELETE FROM code_guesses WHERE id IN ( \
             SELECT id FROM code_guesses WHERE occurred_at <= $1 ORDER BY occurred_at LIMIT {n} {lock})",
            GUESSES,
        ),
        Sweep::Entitlements | Sweep::Reservations | Sweep::Overdue => return Ok(0),
    };
    let lock = if tx.backend() == DbBackend::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = sql.replace("{n}", &BATCH.to_string()).replace("{lock}", lock);
    let written = tx.execute(&sql, vec![(tx.now() - age).into()]).await?;
    Ok(usize::try_from(written.rows_affected()).unwrap_or(usize::MAX))
}
