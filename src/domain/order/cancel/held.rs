//! The units of an order that somebody has: those in the same state are taken back, and told of, together.

use sea_orm::{DbBackend, FromQueryResult};

use super::super::{
    super::{
        Error,
        assignment::{self, Leaving, Parting},
        entitlement::{self, Ending},
        exception,
    },
    event,
};
use crate::{
    entity::{
        event::Model as Event,
        kind::{AssignmentStatus, EntitlementStatus, EventType, Provisioning},
        order::Model,
    },
    id::{AccountId, AssignmentId, EntitlementId, PartnerId, ProductId},
    store::{Tx, journal::Subject},
};

/// A unit with the assignment in force, as far as taking it back goes.
#[derive(FromQueryResult)]
struct Held {
    unit_id: EntitlementId,
    unit_version: i32,
    unit_status: EntitlementStatus,
    product_id: ProductId,
    provisioning: Provisioning,
    assignment_id: AssignmentId,
    version: i32,
    status: AssignmentStatus,
    external: bool,
    end_requested: bool,
    account_id: AccountId,
    account_partner_id: PartnerId,
}

impl Held {
    fn parting(&self) -> Parting {
        assignment::parting(self.status, self.external, self.end_requested)
    }

    /// What decides how it is taken back, and what is told of it.
    fn alike(&self) -> impl Ord + use<> {
        (self.product_id, self.provisioning, self.unit_status, self.status, self.parting())
    }

    fn subject(&self) -> Subject {
        let account = Some((self.account_id, self.account_partner_id));
        Subject { entitlement_id: Some(self.unit_id), account, ..Subject::default() }
    }
}

/// Revokes the units that somebody has; how many.
pub async fn revoke(tx: &mut Tx, order: &Model, reason: &str) -> Result<usize, Error> {
    let mut held = lock(tx, order).await?;
    held.sort_by_key(Held::alike);
    for units in held.chunk_by(|one, other| one.alike() == other.alike()) {
        take_back(tx, order, units, reason).await?;
    }
    exception::settle_ended(tx, order).await?;
    Ok(held.len())
}

/// The units that somebody has, locked where others write meanwhile: all that follows is decided on what is there.
async fn lock(tx: &Tx, order: &Model) -> Result<Vec<Held>, Error> {
    let lock = if tx.backend() == DbBackend::Postgres { "FOR NO KEY UPDATE OF u, s" } else { "" };
    let sql = format!(
        "SELECT u.id AS unit_id, u.version AS unit_version, u.status AS unit_status, u.product_id, p.provisioning, \
           s.id AS assignment_id, s.version, s.status, s.external, s.end_requested, s.account_id, s.account_partner_id \
         FROM entitlements u \
         JOIN assignments s ON s.entitlement_id = u.id AND s.status NOT IN ('ENDED', 'CANCELLED') \
         JOIN order_lines l ON l.id = u.order_line_id JOIN policies p ON p.id = l.policy_id \
         WHERE u.order_id = $1 AND u.status IN ('ASSIGNED', 'ACTIVE', 'SUSPENDED') \
           AND (u.expires_at IS NULL OR u.expires_at > $2) ORDER BY u.id {lock}"
    );
    Ok(tx.query(&sql, vec![order.id.into(), tx.now().into()]).await?)
}

/// Takes back units that are all alike.
async fn take_back(tx: &mut Tx, order: &Model, units: &[Held], reason: &str) -> Result<(), Error> {
    let Some(first) = units.first() else { return Ok(()) };
    let like = Event {
        product_id: Some(first.product_id),
        external: first.provisioning == Provisioning::External,
        ..event(EventType::EntitlementRevoked, order)
    };
    let ended = units.iter().map(|unit| (unit.unit_id, unit.unit_version, unit.subject()));
    let ending = Ending::revocation(reason.to_owned());
    let over = first.parting().is_over();
    entitlement::end_all(tx, first.unit_status, over, ended.collect(), ending, like.clone()).await?;

    let left = units.iter().map(|unit| {
        let subject = Subject { assignment_id: Some(unit.assignment_id), ..unit.subject() };
        (unit.assignment_id, unit.version, subject)
    });
    let leaving = Leaving { status: first.status, parting: first.parting(), reason: Some(reason.to_owned()) };
    assignment::part_all(tx, leaving, left.collect(), like).await
}
