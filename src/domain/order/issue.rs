//! Issuing the units of order lines, set by set: what a purchase and an import write alike.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::error::Error;
use crate::{
    entity::{
        account,
        kind::{AssignmentMethod, AssignmentStatus, EntitlementStatus},
        order, order_line, policy,
    },
    id::{AssignmentId, EntitlementId},
    store::{
        self, Tx,
        bulk::{self, Column},
        journal::Counter,
    },
};

/// A line whose units are issued.
pub struct Lot<'a> {
    pub order: &'a order::Model,
    pub line: &'a order_line::Model,
    pub policy: &'a policy::Model,
    /// Who gets the units at once, and how; none: they are claimed later.
    pub holder: Option<Holder<'a>>,
    pub recipient: Option<(Option<String>, Option<String>)>,
    /// Since when they are valid.
    pub since: DateTime<Utc>,
}

/// An account that gets its units in the call that sells them.
#[derive(Clone)]
pub struct Holder<'a> {
    pub account: &'a account::Model,
    pub method: AssignmentMethod,
    pub beginning: AssignmentStatus,
    pub missing: Vec<String>,
    pub external: bool,
    pub deadline: Option<DateTime<Utc>>,
}

impl Lot<'_> {
    fn quantity(&self) -> usize {
        usize::try_from(self.line.quantity).unwrap_or_default()
    }

    fn status(&self) -> EntitlementStatus {
        match &self.holder {
            None => EntitlementStatus::Unassigned,
            Some(holder) if holder.beginning == AssignmentStatus::Active => EntitlementStatus::Active,
            Some(_) => EntitlementStatus::Assigned,
        }
    }

    fn expiry(&self) -> Option<DateTime<Utc>> {
        // No later than what RFC 3339 can write.
        let last = DateTime::from_timestamp(253_402_300_799, 0)?;
        self.policy.valid_for_days.map(|days| last.min(self.since + chrono::TimeDelta::days(days.into())))
    }
}

/// Inserts the units of `lots` and counts them; the ids of each lot's units.
pub async fn units(tx: &mut Tx, lots: &[Lot<'_>]) -> Result<Vec<Vec<EntitlementId>>, Error> {
    let ids: Vec<Vec<EntitlementId>> = lots.iter().map(|lot| (0..lot.quantity()).map(|_| tx.id()).collect()).collect();
    // Cells are of fixed width, and names are not: a recipient, who is rare, gets a statement of its own.
    let alike = |lot: &Lot<'_>| (lot.status(), lot.recipient.clone());
    let mut places: Vec<usize> = (0..lots.len()).collect();
    places.sort_by_key(|place| lots.get(*place).map(alike));
    for group in places.chunk_by(|one, other| lots.get(*one).map(alike) == lots.get(*other).map(alike)) {
        let rows: Vec<(&Lot<'_>, EntitlementId)> = group
            .iter()
            .filter_map(|place| lots.get(*place).zip(ids.get(*place)))
            .flat_map(|(lot, units)| units.iter().map(move |unit| (lot, *unit)))
            .collect();
        insert_units(tx, &rows).await?;
    }
    for lot in lots {
        let (channel, product, units) = (lot.line.channel_id, lot.line.product_id, lot.line.quantity.into());
        tx.tally(channel, product, Counter::Ordered, units);
        tx.tally(channel, product, Counter::In(lot.status()), units);
    }
    Ok(ids)
}

async fn insert_units(tx: &Tx, rows: &[(&Lot<'_>, EntitlementId)]) -> Result<(), store::Error> {
    let Some((first, _)) = rows.first() else { return Ok(()) };
    let each = |cell: fn(&Lot<'_>) -> Option<Uuid>| Column::Ids(rows.iter().map(|(lot, _)| cell(lot)).collect());
    let (name, email) = first.recipient.clone().unwrap_or_default();
    let columns = [
        ("id", Column::ids(rows.iter().map(|(_, id)| id.0))),
        ("version", Column::same(1)),
        ("status", Column::same(first.status())),
        ("order_line_id", each(|lot| Some(lot.line.id.0))),
        ("order_id", each(|lot| Some(lot.order.id.0))),
        ("channel_id", each(|lot| Some(lot.order.channel_id.0))),
        ("partner_id", each(|lot| Some(lot.order.partner_id.0))),
        ("product_id", each(|lot| Some(lot.line.product_id.0))),
        ("buyer_account_id", each(|lot| lot.order.buyer_account_id.map(|id| id.0))),
        ("holder_account_id", each(|lot| lot.holder.as_ref().map(|holder| holder.account.id.0))),
        ("holder_partner_id", each(|lot| lot.holder.as_ref().map(|holder| holder.account.partner_id.0))),
        ("recipient_name", Column::same(name)),
        ("recipient_email", Column::same(email)),
        ("issued_at", Column::Moments(rows.iter().map(|(lot, _)| Some(lot.since)).collect())),
        ("expires_at", Column::Moments(rows.iter().map(|(lot, _)| lot.expiry()).collect())),
    ];
    bulk::insert(tx, "entitlements", rows.len(), &columns).await
}

/// Inserts an assignment for every unit of the lots that have a holder; for each lot its units with their assignments.
pub async fn assignments(
    tx: &Tx,
    lots: &[Lot<'_>],
    units: &[Vec<EntitlementId>],
) -> Result<Vec<Vec<(EntitlementId, AssignmentId)>>, Error> {
    let given: Vec<Vec<(EntitlementId, AssignmentId)>> = lots
        .iter()
        .zip(units)
        .map(|(lot, units)| match lot.holder {
            Some(_) => units.iter().map(|unit| (*unit, tx.id())).collect(),
            None => Vec::new(),
        })
        .collect();
    // What varies in width (input, resource) varies by line at most; lots that have none of it go together.
    let plain = |lot: &Lot<'_>| lot.line.resource.is_none() && lot.line.input.is_none();
    let alike = |lot: &Lot<'_>| {
        lot.holder.as_ref().map(|holder| (holder.method, holder.beginning, holder.external, holder.missing.clone()))
    };
    let mut together: Vec<(Vec<usize>, _)> = Vec::new();
    for (place, lot) in lots.iter().enumerate().filter(|(_, lot)| lot.holder.is_some()) {
        let found = together.iter_mut().find(|(places, kind)| {
            plain(lot) && *kind == alike(lot) && places.first().and_then(|place| lots.get(*place)).is_some_and(plain)
        });
        match found {
            Some((places, _)) => places.push(place),
            None => together.push((vec![place], alike(lot))),
        }
    }
    for (places, _) in together {
        let rows: Vec<(&Lot<'_>, &Holder<'_>, EntitlementId, AssignmentId)> = places
            .into_iter()
            .filter_map(|place| lots.get(place).zip(given.get(place)))
            .filter_map(|(lot, pairs)| lot.holder.as_ref().map(|holder| (lot, holder, pairs)))
            .flat_map(|(lot, holder, pairs)| pairs.iter().map(move |(unit, id)| (lot, holder, *unit, *id)))
            .collect();
        insert_assignments(tx, &rows).await?;
    }
    Ok(given)
}

async fn insert_assignments(
    tx: &Tx,
    rows: &[(&Lot<'_>, &Holder<'_>, EntitlementId, AssignmentId)],
) -> Result<(), store::Error> {
    let Some((lot, holder, ..)) = rows.first() else { return Ok(()) };
    let active = holder.beginning == AssignmentStatus::Active;
    let moments = |cell: fn(&Lot<'_>, &Holder<'_>) -> Option<DateTime<Utc>>| {
        Column::Moments(rows.iter().map(|(lot, holder, ..)| cell(lot, holder)).collect())
    };
    let columns = [
        ("id", Column::ids(rows.iter().map(|(.., id)| id.0))),
        ("version", Column::same(1)),
        ("status", Column::same(holder.beginning)),
        ("method", Column::same(holder.method)),
        ("entitlement_id", Column::ids(rows.iter().map(|(_, _, unit, _)| unit.0))),
        ("account_id", Column::ids(rows.iter().map(|(_, holder, ..)| holder.account.id.0))),
        ("account_partner_id", Column::ids(rows.iter().map(|(_, holder, ..)| holder.account.partner_id.0))),
        ("channel_id", Column::ids(rows.iter().map(|(lot, ..)| lot.line.channel_id.0))),
        ("partner_id", Column::ids(rows.iter().map(|(lot, ..)| lot.line.partner_id.0))),
        ("product_id", Column::ids(rows.iter().map(|(lot, ..)| lot.line.product_id.0))),
        ("external", Column::same(holder.external)),
        ("resource", Column::same(lot.line.resource.clone())),
        ("input", Column::same(lot.line.input.clone())),
        ("missing_input", Column::same(policy::Names(holder.missing.clone()))),
        ("deadline", moments(|_, holder| holder.deadline)),
        ("failures", Column::same(0)),
        ("end_requested", Column::same(false)),
        ("assigned_at", moments(|lot, _| Some(lot.since))),
        ("activated_at", if active { moments(|lot, _| Some(lot.since)) } else { Column::same(None::<DateTime<Utc>>) }),
    ];
    bulk::insert(tx, "assignments", rows.len(), &columns).await
}
