//! What the database holds of a sequence: the ids of its records in the order in which they came to be, and the picture they make.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use claimcheck::{
    domain::{entitlement::Claim, exception::allowed_resolutions},
    entity::{
        account, activation_code, assignment, entitlement, fulfillment_exception, kind::ActivationCodeStatus, order,
        provisioning_attempt, reservation,
    },
    id::{
        ActivationCodeId, AssignmentId, EntitlementId, ExceptionId, OrderId, ProductId, ProvisioningAttemptId,
        RecordId, ReservationId,
    },
    store::Db,
};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, Statement};

use crate::{
    service::Session,
    state::{AssignmentPicture, Picture, UnitPicture},
};

#[derive(Default)]
pub struct Seen {
    units: Vec<EntitlementId>,
    codes: Vec<activation_code::Model>,
    holds: Vec<reservation::Model>,
    assignments: Vec<assignment::Model>,
    attempts: Vec<provisioning_attempt::Model>,
    exceptions: Vec<fulfillment_exception::Model>,
}

#[derive(FromQueryResult)]
struct Tally {
    counter: String,
    units: i64,
}

/// A code as it is stored.
pub async fn code(db: &Db, id: ActivationCodeId) -> activation_code::Model {
    let found = activation_code::Entity::find_by_id(id).one(db.reader()).await;
    found.expect("a read").expect("a code")
}

/// The units of an order, in the order in which they were issued.
pub async fn units_of(db: &Db, order: OrderId) -> Vec<EntitlementId> {
    let found = entitlement::Entity::find().filter(entitlement::Column::OrderId.eq(order));
    let found = found.order_by_asc(entitlement::Column::Id).all(db.reader()).await.expect("a read");
    found.into_iter().map(|unit| unit.id).collect()
}

macro_rules! read {
    ($db:expr, $entity:ident, $column:ident, $values:expr) => {{
        let found = $entity::Entity::find().filter($entity::Column::$column.is_in($values));
        found.order_by_asc($entity::Column::Id).all($db.reader()).await.expect("a read")
    }};
}

impl Seen {
    /// Reads everything of a session, and the picture it makes.
    pub async fn read(session: &Session<'_>) -> (Self, Picture) {
        let db = &session.service.db;
        let ids = session.units.clone();
        let units = read!(db, entitlement, Id, ids.clone());
        let codes = read!(db, activation_code, EntitlementId, ids.clone());
        let holds = read!(db, reservation, EntitlementId, ids.clone());
        let assignments = read!(db, assignment, EntitlementId, ids.clone());
        let exceptions = read!(db, fulfillment_exception, EntitlementId, ids.clone());
        let of: Vec<AssignmentId> = assignments.iter().map(|assignment| assignment.id).collect();
        let attempts = read!(db, provisioning_attempt, AssignmentId, of);
        let orders = read!(db, order, Id, session.orders.clone());
        let accounts: Vec<_> = assignments.iter().map(|assignment| assignment.account_id).collect();
        let accounts = read!(db, account, Id, accounts);
        let claims = if ids.is_empty() { Vec::new() } else { Claim::read(db, ids.clone()).await.expect("a read") };

        let seen = Self { units: ids, codes, holds, assignments, attempts, exceptions };
        let accounts: BTreeMap<_, _> =
            accounts.into_iter().map(|account| (account.id, account.external_reference)).collect();
        let whose = |assignment: &assignment::Model| {
            let reference = accounts.get(&assignment.account_id).and_then(|text| text.rsplit_once("-a"));
            reference.and_then(|(_, number)| number.parse().ok()).expect("an account of this session")
        };
        let mut pictures = Vec::new();
        for id in &seen.units {
            let unit = units.iter().find(|unit| unit.id == *id).expect("a unit that was sold");
            let claim = claims.iter().find(|claim| claim.unit.id == *id).expect("a unit that was sold");
            pictures.push(seen.unit(session, unit, claim, &whose));
        }
        let status = |id: &OrderId| orders.iter().find(|order| order.id == *id).expect("an order").status;
        let [one, other] = session.products;
        let picture = Picture {
            orders: session.orders.iter().map(status).collect(),
            units: pictures,
            counts: [counts(db, one).await, counts(db, other).await],
        };
        (seen, picture)
    }

    fn unit(
        &self,
        session: &Session<'_>,
        unit: &entitlement::Model,
        claim: &Claim,
        whose: &dyn Fn(&assignment::Model) -> usize,
    ) -> UnitPicture {
        let seconds = |moment: DateTime<Utc>| (moment - session.start).num_seconds();
        let (now, actor) = (session.service.db.clock().now(), &session.service.actor);
        let assignments = self.assignments_of(unit.id).map(|assignment| AssignmentPicture {
            status: assignment.status,
            account: whose(assignment),
            deadline: assignment.deadline.map(seconds),
            not_before: assignment.not_before.map(seconds),
            failures: u32::try_from(assignment.failures).expect("a small number"),
            end_requested: assignment.end_requested,
            attempts: self
                .attempts_of(assignment.id)
                .map(|attempt| (attempt.operation, attempt.outcome, attempt.lease_expires_at.map(seconds)))
                .collect(),
        });
        let exceptions = self.exceptions_of(unit.id).map(|exception| {
            let allowed = allowed_resolutions(exception, Some(claim), actor, now);
            (exception.kind, exception.resolution, allowed)
        });
        UnitPicture {
            status: unit.status,
            expires: unit.expires_at.map(seconds),
            codes: self.codes_of(unit.id).map(|code| code.status).collect(),
            holds: self.holds_of(unit.id).map(|hold| (hold.status, seconds(hold.expires_at))).collect(),
            assignments: assignments.collect(),
            exceptions: exceptions.collect(),
            actions: claim.allowed_actions(actor, now),
        }
    }

    /// The codes that could be redeemed.
    pub fn live_codes(&self) -> BTreeSet<ActivationCodeId> {
        self.codes.iter().filter(|code| code.status == ActivationCodeStatus::Issued).map(|code| code.id).collect()
    }

    /// Attempts of one operation share their reference, and no others do.
    pub fn references_agree(&self) -> bool {
        let mut references = BTreeMap::new();
        let agree = self.attempts.iter().all(|attempt| {
            let reference = references
                .entry((attempt.assignment_id, attempt.operation))
                .or_insert_with(|| attempt.idempotency_reference.clone());
            *reference == attempt.idempotency_reference
        });
        agree && references.values().collect::<BTreeSet<_>>().len() == references.len()
    }

    fn unit_id(&self, unit: usize) -> EntitlementId {
        *self.units.get(unit).expect("a unit that was sold")
    }

    fn codes_of(&self, unit: EntitlementId) -> impl Iterator<Item = &activation_code::Model> {
        self.codes.iter().filter(move |code| code.entitlement_id == unit)
    }

    fn holds_of(&self, unit: EntitlementId) -> impl Iterator<Item = &reservation::Model> {
        self.holds.iter().filter(move |hold| hold.entitlement_id == unit)
    }

    fn assignments_of(&self, unit: EntitlementId) -> impl Iterator<Item = &assignment::Model> {
        self.assignments.iter().filter(move |assignment| assignment.entitlement_id == unit)
    }

    fn attempts_of(&self, assignment: AssignmentId) -> impl Iterator<Item = &provisioning_attempt::Model> {
        self.attempts.iter().filter(move |attempt| attempt.assignment_id == assignment)
    }

    fn exceptions_of(&self, unit: EntitlementId) -> impl Iterator<Item = &fulfillment_exception::Model> {
        self.exceptions.iter().filter(move |exception| exception.entitlement_id == Some(unit))
    }

    pub fn code(&self, (unit, place): (usize, usize)) -> ActivationCodeId {
        self.codes_of(self.unit_id(unit)).nth(place).expect("a code of the unit").id
    }

    pub fn hold(&self, (unit, place): (usize, usize)) -> ReservationId {
        self.holds_of(self.unit_id(unit)).nth(place).expect("a hold of the unit").id
    }

    pub fn assignment(&self, (unit, place): (usize, usize)) -> AssignmentId {
        self.assignments_of(self.unit_id(unit)).nth(place).expect("an assignment of the unit").id
    }

    pub fn attempt(&self, (unit, place, attempt): (usize, usize, usize)) -> ProvisioningAttemptId {
        self.attempts_of(self.assignment((unit, place))).nth(attempt).expect("an attempt of the assignment").id
    }

    pub fn exception(&self, (unit, place): (usize, usize)) -> ExceptionId {
        self.exceptions_of(self.unit_id(unit)).nth(place).expect("an exception of the unit").id
    }
}

/// The statistics of a product.
async fn counts(db: &Db, product: ProductId) -> Vec<(String, i64)> {
    let waiting = if db.backend() == DbBackend::Postgres {
        "UNION ALL SELECT product_id, counter, units FROM tally_deltas"
    } else {
        ""
    };
    let sql = format!(
        "SELECT counter, CAST(sum(units) AS bigint) AS units FROM \
           (SELECT product_id, counter, units FROM tallies {waiting}) AS t \
         WHERE product_id = $1 GROUP BY counter HAVING sum(units) <> 0 ORDER BY counter"
    );
    let statement = Statement::from_sql_and_values(db.backend(), sql, [product.uuid().into()]);
    let rows = Tally::find_by_statement(statement).all(db.reader()).await.expect("a read");
    let mut counts: Vec<(String, i64)> = rows.into_iter().map(|row| (row.counter, row.units)).collect();
    counts.sort();
    counts
}
