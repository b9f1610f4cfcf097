//! What a decision about one unit needs to know, read in one statement: the unit, the terms it was sold under, its live code, the hold on
//! it, the assignment in force and the account that is to have it.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, EntityTrait, FromQueryResult, Iden, Iterable, JsonValue, QueryResult, Value};

use super::super::{
    Actor, Refusal, account,
    error::{Error, stale},
};
use crate::{
    entity::{activation_code, assignment, entitlement, kind::EntitlementStatus, policy, reservation},
    id::{EntitlementId, ReservationId},
    store::Tx,
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
}

/// How the unit is found.
pub enum By {
    /// By the hash of a presented code, under any of the live keys. A code is a bearer instrument: whoever has it finds its unit.
    Hashes(Vec<Vec<u8>>),
    /// By its id, if it is the caller's to see.
    Unit(EntitlementId),
    /// Several by their ids, likewise; see [`Claim::load_all`].
    Units(Vec<EntitlementId>),
    /// By a reservation's id, if its unit is the caller's to see.
    Reservation(ReservationId),
}

/// `alias.column AS prefix_column` for every column of a table.
fn columns<E: EntityTrait>(alias: &str) -> String {
    let columns = E::Column::iter().map(|column| {
        let name = column.to_string();
        format!("{alias}.{name} AS {alias}_{name}")
    });
    columns.collect::<Vec<_>>().join(", ")
}

static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, {}, {}, {}, {}, {}, l.resource AS l_resource, l.input AS l_input \
         FROM entitlements u \
         JOIN order_lines l ON l.id = u.order_line_id \
         JOIN policies p ON p.id = l.policy_id",
        columns::<entitlement::Entity>("u"),
        columns::<policy::Entity>("p"),
        columns::<activation_code::Entity>("c"),
        columns::<reservation::Entity>("r"),
        columns::<assignment::Entity>("s"),
        columns::<crate::entity::account::Entity>("a"),
    )
});

const REST: &str = " \
    LEFT JOIN reservations r ON r.entitlement_id = u.id AND r.status = 'HELD' \
    LEFT JOIN assignments s ON s.entitlement_id = u.id AND s.status NOT IN ('ENDED', 'CANCELLED') \
    LEFT JOIN accounts a ON a.partner_id = $1 AND a.external_reference = $2";

impl Claim {
    /// Reads the unit, and the account that `named` means to `actor`. None: there is no such unit, or not for this caller.
    pub async fn load(tx: &Tx, actor: &Actor, by: By, named: &account::Named) -> Result<Option<Self>, Error> {
        Ok(Self::load_all(tx, actor, by, named).await?.pop())
    }

    /// Reads the units that are found and visible, in the order of their ids.
    pub async fn load_all(tx: &Tx, actor: &Actor, by: By, named: &account::Named) -> Result<Vec<Self>, Error> {
        let mut values: Vec<Value> = vec![named.namespace.into(), named.reference.clone().into()];
        let live = " LEFT JOIN activation_codes c ON c.entitlement_id = u.id AND c.status = 'ISSUED'";
        let sql = match &by {
            By::Hashes(hashes) => {
                let places = hashes.iter().map(|hash| {
                    values.push(hash.clone().into());
                    format!("${}", values.len())
                });
                let places = places.collect::<Vec<_>>().join(", ");
                format!(
                    "{} JOIN activation_codes c ON c.entitlement_id = u.id{REST} WHERE c.hash IN ({places})",
                    *SELECT
                )
            }
            By::Unit(id) => {
                values.push((*id).into());
                format!("{}{live}{REST} WHERE u.id = $3", *SELECT)
            }
            By::Units(ids) => {
                let padding = ids.len().next_power_of_two() - ids.len();
                let padded = ids.iter().chain(ids.last().into_iter().cycle().take(padding));
                let places = padded.map(|id| {
                    values.push((*id).into());
                    format!("${}", values.len())
                });
                let places = places.collect::<Vec<_>>().join(", ");
                format!("{}{live}{REST} WHERE u.id IN ({places}) ORDER BY u.id", *SELECT)
            }
            By::Reservation(id) => {
                values.push((*id).into());
                let found = "u.id = (SELECT x.entitlement_id FROM reservations x WHERE x.id = $3)";
                format!("{}{live}{REST} WHERE {found}", *SELECT)
            }
        };
        let claims = tx.query::<Self>(&sql, values).await?.into_iter();
        let bearer = matches!(by, By::Hashes(_));
        Ok(claims.filter(|claim| bearer || claim.visible_to(actor)).collect())
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

    /// Refuses a decision made on another version than the present one.
    pub fn expect(&self, version: Option<i32>) -> Result<(), Refusal> {
        stale(version, self.unit.version)
    }

    /// The rule of [`entitlement::Entity::arms`], for the unit in hand.
    fn visible_to(&self, actor: &Actor) -> bool {
        use crate::entity::scope::Scope;
        match &actor.scope {
            Scope::All => true,
            Scope::Partner { subtree, namespace } => {
                subtree.contains(&self.unit.partner_id) || self.unit.holder_partner_id == Some(*namespace)
            }
            Scope::Provisioner { .. } => false,
            Scope::Customer { account, .. } => {
                let held_for = self.hold.as_ref().and_then(|hold| hold.account_id);
                [self.unit.buyer_account_id, self.unit.holder_account_id, held_for].contains(&Some(*account))
            }
        }
    }
}

impl FromQueryResult for Claim {
    fn from_query_result(row: &QueryResult, _: &str) -> Result<Self, DbErr> {
        Ok(Self {
            unit: entitlement::Model::from_query_result(row, "u_")?,
            policy: policy::Model::from_query_result(row, "p_")?,
            resource: row.try_get("l_", "resource")?,
            input: row.try_get("l_", "input")?,
            code: activation_code::Model::from_query_result_optional(row, "c_")?,
            hold: reservation::Model::from_query_result_optional(row, "r_")?,
            assignment: assignment::Model::from_query_result_optional(row, "s_")?,
            account: crate::entity::account::Model::from_query_result_optional(row, "a_")?,
        })
    }
}
