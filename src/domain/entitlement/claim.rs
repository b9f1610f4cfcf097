//! What a decision about one unit needs to know, read in one statement: the unit, the terms it was sold under, its live code, the hold on
//! it, the assignment in force and the account that is to have it.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sea_orm::{
    DbBackend, DbErr, EntityTrait, FromQueryResult, Iden, Iterable, JsonValue, QueryResult, Statement, Value,
};
use uuid::Uuid;

use super::super::{
    Actor, Refusal, account,
    assignment::{Parting, parting},
    error::{Error, not_found, stale},
};
use crate::{
    entity::{
        activation_code, assignment, entitlement,
        kind::{EntitlementStatus, OrderStatus, Provisioning},
        policy, reservation,
    },
    id::{AccountId, ActivationCodeId, AssignmentId, EntitlementId, PartnerId, ReservationId},
    store::{Db, Tx},
};

/// Everything about a unit that somebody claims.
#[derive(Debug)]
pub struct Claim {
    pub unit: entitlement::Model,
    pub policy: policy::Model,
    /// What the purchase said about the downstream resource and its input.
    pub resource: Option<String>,
    pub input: Option<JsonValue>,
    /// The code that was presented, or the live one.
    pub code: Option<activation_code::Model>,
    /// The reservation that is not over yet, or is past its end and not swept.
    pub hold: Option<reservation::Model>,
    /// The assignment in force.
    pub assignment: Option<assignment::Model>,
    /// The account that was named, where there is one already.
    pub account: Option<crate::entity::account::Model>,
    /// Until when the running attempt to provision it is its worker's alone.
    pub lease: Option<DateTime<Utc>>,
    /// What became of its order.
    pub order: OrderStatus,
    /// Whether another unit was issued in its place.
    pub replaced: bool,
    /// Whether anything about it waits for a decision, or may have come to since it was read.
    pub disputed: bool,
    /// By when its assignment should have left the state it was read in.
    pub due: Option<DateTime<Utc>>,
}

/// Who presents a code, and how often they may have guessed since when to be told anything of it.
#[derive(Debug, Clone)]
pub struct Guesser {
    pub digest: Vec<u8>,
    pub principal: String,
    pub since: DateTime<Utc>,
    /// How many a guesser has, and how many all of a credential have together.
    pub most: [i64; 2],
}

/// How the unit is found.
pub enum By {
    /// By the hash of a presented code, under any of the live keys. A code is a bearer instrument: whoever has it finds its unit.
    Hashes(Vec<Vec<u8>>, Guesser),
    /// By its id, if it is the caller's to see.
    Unit(EntitlementId),
    /// Several by their ids, likewise; see [`Claim::load_all`].
    Units(Vec<EntitlementId>),
    /// By the id of something of it, if the unit is the caller's to see.
    Reservation(ReservationId),
    Assignment(AssignmentId),
    Code(ActivationCodeId),
}

/// `alias.column AS prefix_column` for every column of a table.
fn columns<E: EntityTrait>(alias: &str) -> String {
    let columns = E::Column::iter().map(|column| {
        let name = column.to_string();
        format!("{alias}.{name} AS {alias}_{name}")
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// What is read.
static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}, {}, {}, {}, {}, {}, l.resource AS l_resource, l.input AS l_input, \
           (SELECT o.status FROM orders o WHERE o.id = u.order_id) AS x_order, \
           (SELECT count(*) FROM entitlements n WHERE n.replaces_id = u.id) AS x_replaced, \
           (SELECT count(*) FROM fulfillment_exceptions x WHERE x.entitlement_id = u.id AND x.status = 'OPEN') AS x_disputed, \
           t.lease_expires_at AS x_lease",
        columns::<entitlement::Entity>("u"),
        columns::<policy::Entity>("p"),
        columns::<activation_code::Entity>("c"),
        columns::<reservation::Entity>("r"),
        columns::<assignment::Entity>("s"),
        columns::<crate::entity::account::Entity>("a"),
    )
});

const FROM: &str = " \
    FROM entitlements u \
    JOIN order_lines l ON l.id = u.order_line_id \
    JOIN policies p ON p.id = l.policy_id";
const REST: &str = " \
    LEFT JOIN reservations r ON r.entitlement_id = u.id AND r.status = 'HELD' \
    LEFT JOIN assignments s ON s.entitlement_id = u.id AND s.status NOT IN ('ENDED', 'CANCELLED') \
    LEFT JOIN provisioning_attempts t ON t.assignment_id = s.id AND t.outcome = 'STARTED' \
    LEFT JOIN accounts a ON a.partner_id = $1 AND a.external_reference = $2";

impl Claim {
    /// Reads the unit, and the account that `named` means to `actor`. None: there is no such unit, or not for this caller.
    pub async fn load(tx: &Tx, actor: &Actor, by: By, named: &account::Named) -> Result<Option<Self>, Error> {
        Ok(Self::load_all(tx, actor, by, named).await?.pop())
    }

    /// Reads the units that are found and visible, in the order of their ids.
    pub async fn load_all(tx: &Tx, actor: &Actor, by: By, named: &account::Named) -> Result<Vec<Self>, Error> {
        let bearer = matches!(by, By::Hashes(..));
        let found: Vec<Self> = tx.glance(Self::statement(tx.backend(), &by, named)).await?;
        Ok(found.into_iter().filter(|claim| bearer || claim.visible_to(actor)).collect())
    }

    /// Reads units for a question, outside a transaction; the caller has seen to it that they may be seen.
    pub async fn read(db: &Db, units: Vec<EntitlementId>) -> Result<Vec<Self>, DbErr> {
        let statement = Self::statement(db.backend(), &By::Units(units), &account::Named::nobody());
        Self::find_by_statement(statement).all(db.reader()).await
    }

    fn statement(backend: DbBackend, by: &By, named: &account::Named) -> Statement {
        let mut values: Vec<Value> = vec![named.namespace.into(), named.reference.clone().into()];
        let mut place = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let live = "LEFT JOIN activation_codes c ON c.entitlement_id = u.id AND c.status = 'ISSUED'";
        let mut of = |table: &str, id: Value| {
            let id = place(id);
            (live, format!("u.id = (SELECT y.entitlement_id FROM {table} y WHERE y.id = {id})"))
        };
        let (code, found) = match by {
            By::Hashes(hashes, Guesser { digest, principal, since, most: [own, all] }) => {
                let tried = format!(
                    "SELECT count(*) FROM code_guesses g WHERE g.actor = {} AND g.occurred_at > {}",
                    place(principal.clone().into()),
                    place((*since).into())
                );
                // What names no row is decided first: past the limit no code is looked for, known or not.
                let room = format!(
                    "({tried} AND g.guesser = {}) < {} AND ({tried}) < {}",
                    place(digest.clone().into()),
                    place((*own).into()),
                    place((*all).into())
                );
                let hashes = hashes.iter().map(|hash| place(hash.clone().into())).collect::<Vec<_>>().join(", ");
                ("JOIN activation_codes c ON c.entitlement_id = u.id", format!("{room} AND c.hash IN ({hashes})"))
            }
            By::Unit(id) => (live, format!("u.id = {}", place((*id).into()))),
            By::Units(ids) => {
                let padding = ids.len().next_power_of_two() - ids.len();
                let padded = ids.iter().chain(ids.last().into_iter().cycle().take(padding));
                let places = padded.map(|id| place((*id).into())).collect::<Vec<_>>().join(", ");
                (live, format!("u.id IN ({places}) ORDER BY u.id"))
            }
            By::Reservation(id) => of("reservations", (*id).into()),
            By::Assignment(id) => of("assignments", (*id).into()),
            By::Code(id) => of("activation_codes", (*id).into()),
        };
        let sql = format!("SELECT {}{FROM} {code}{REST} WHERE {found}", *COLUMNS);
        Statement::from_sql_and_values(backend, sql, values)
    }

    /// The state the unit is in at `now`, whatever the stored one says yet: a deadline counts from its moment, swept or not.
    pub fn standing(&self, now: DateTime<Utc>) -> EntitlementStatus {
        let held = self.hold.as_ref().is_some_and(|hold| hold.holds(now));
        match self.unit.status {
            EntitlementStatus::Revoked | EntitlementStatus::Expired => self.unit.status,
            _ if self.unit.lapsed(now) => EntitlementStatus::Expired,
            EntitlementStatus::Reserved if !held => EntitlementStatus::Unassigned,
            EntitlementStatus::Unassigned
            | EntitlementStatus::Reserved
            | EntitlementStatus::Assigned
            | EntitlementStatus::Active
            | EntitlementStatus::Suspended => self.unit.status,
        }
    }

    /// Reads a unit that is to be changed by whoever may dispose of it; `what` and `field` are how the caller named it. Whoever merely holds
    /// it is told that there is no such record: what becomes of it is its seller's business.
    pub async fn sold(tx: &Tx, actor: &Actor, by: By, what: &str, field: &str) -> Result<Self, Error> {
        let claim = Self::load(tx, actor, by, &account::Named::nobody()).await?;
        let own = claim.filter(|claim| claim.sold_by(actor));
        Ok(own.ok_or_else(|| not_found(what).at([field]))?)
    }

    /// Whose business the unit is besides its seller's: the account that has it, and its namespace.
    pub fn holder(&self) -> Option<(AccountId, PartnerId)> {
        self.assignment.as_ref().map(|assignment| (assignment.account_id, assignment.account_partner_id))
    }

    /// How its assignment in force would come to its end.
    pub fn parting(&self) -> Option<Parting> {
        self.assignment.as_ref().map(|held| parting(held.status, held.external, held.end_requested))
    }

    /// Refuses a decision made on another version than the present one.
    pub fn expect(&self, version: Option<i32>) -> Result<(), Refusal> {
        stale(version, self.unit.version)
    }

    /// The rule of [`entitlement::Entity::arms`], for the unit in hand.
    pub fn visible_to(&self, actor: &Actor) -> bool {
        use crate::entity::scope::Scope;
        match &actor.scope {
            Scope::All => true,
            Scope::Partner { subtree, namespace } => {
                subtree.contains(&self.unit.partner_id) || self.unit.holder_partner_id == Some(*namespace)
            }
            // What its worker is shown is an assignment, in force or not; and all of a unit are made by one policy.
            Scope::Provisioner { subtree } => {
                self.policy.provisioning == Provisioning::External
                    && subtree.as_ref().is_none_or(|own| own.contains(&self.unit.partner_id))
            }
            Scope::Customer { account, .. } => {
                let held_for = self.hold.as_ref().and_then(|hold| hold.account_id);
                [self.unit.buyer_account_id, self.unit.holder_account_id, held_for].contains(&Some(*account))
            }
        }
    }
}

/// What a left join has found. What is there and cannot be read is an error, and not none.
fn joined<M: FromQueryResult>(row: &QueryResult, prefix: &str) -> Result<Option<M>, DbErr> {
    let id: Option<Uuid> = row.try_get(prefix, "id")?;
    id.map(|_| M::from_query_result(row, prefix)).transpose()
}

impl FromQueryResult for Claim {
    fn from_query_result(row: &QueryResult, _: &str) -> Result<Self, DbErr> {
        let assignment: Option<assignment::Model> = joined(row, "s_")?;
        Ok(Self {
            due: assignment.as_ref().and_then(|assignment| assignment.deadline),
            unit: entitlement::Model::from_query_result(row, "u_")?,
            policy: policy::Model::from_query_result(row, "p_")?,
            resource: row.try_get("l_", "resource")?,
            input: row.try_get("l_", "input")?,
            code: joined(row, "c_")?,
            hold: joined(row, "r_")?,
            assignment,
            account: joined(row, "a_")?,
            lease: row.try_get("x_", "lease")?,
            order: row.try_get("x_", "order")?,
            replaced: row.try_get::<i64>("x_", "replaced")? > 0,
            disputed: row.try_get::<i64>("x_", "disputed")? > 0,
        })
    }
}
