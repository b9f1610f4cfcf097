//! Exceptions: what needs somebody's decision, how it comes to be open, and how it is settled.

mod resolve;
mod state;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::OnConflict,
};

pub use self::{
    resolve::{Resolve, Resolved, allowed_resolutions, resolve},
    state::Command,
};
use super::{
    entitlement::{Claim, event},
    error::Error,
    order::event as of_order,
    transition::Transition,
};
use crate::{
    entity::{
        assignment, event,
        fulfillment_exception::{ActiveModel, COLUMN, Column, Entity, Model},
        kind::{AssignmentStatus, EntitlementStatus, EventType, ExceptionKind, ExceptionStatus, Resolution},
        order,
        scope::among,
    },
    id::{ChannelId, ExceptionId, OrderId, PartnerId},
    store::{self, Tx, journal, journal::Subject},
};

/// What a unit that can be claimed, or has been, settles.
pub(super) const REDEMPTION: &[ExceptionKind] = &[ExceptionKind::RedemptionRejected];
/// What the end of an assignment settles.
pub(super) const ASSIGNMENT: &[ExceptionKind] =
    &[ExceptionKind::ProvisioningFailed, ExceptionKind::DeprovisioningFailed, ExceptionKind::Overdue];
/// What an assignment settles that gets on.
pub(super) const OVERDUE: &[ExceptionKind] = &[ExceptionKind::Overdue];

/// Opens an exception about a unit and its assignment, unless one of the kind is open: the one that then is.
pub(super) async fn open(
    tx: &mut Tx,
    kind: ExceptionKind,
    claim: &Claim,
    reason: String,
) -> Result<ExceptionId, Error> {
    let (unit, assignment) = (&claim.unit, &claim.assignment);
    let exception = Model {
        product_id: Some(unit.product_id),
        entitlement_id: Some(unit.id),
        assignment_id: assignment.as_ref().map(|assignment| assignment.id),
        ..opened(tx, kind, reason, (unit.order_id, unit.channel_id, unit.partner_id))
    };
    let told = event::Model {
        assignment_id: exception.assignment_id,
        ..event(EventType::ExceptionOpened, unit, &claim.policy, None)
    };
    insert(tx, exception, told).await
}

/// The same about an order as a whole.
pub(super) async fn open_for_order(
    tx: &mut Tx,
    kind: ExceptionKind,
    order: &order::Model,
    reason: String,
) -> Result<ExceptionId, Error> {
    let exception = opened(tx, kind, reason, (order.id, order.channel_id, order.partner_id));
    insert(tx, exception, of_order(EventType::ExceptionOpened, order)).await
}

/// An exception that has just been opened, about an order so far.
fn opened(
    tx: &Tx,
    kind: ExceptionKind,
    reason: String,
    (order_id, channel_id, partner_id): (OrderId, ChannelId, PartnerId),
) -> Model {
    Model {
        id: tx.id(),
        version: 1,
        kind,
        status: ExceptionStatus::Open,
        reason,
        channel_id,
        partner_id,
        product_id: None,
        order_id,
        entitlement_id: None,
        assignment_id: None,
        resolution: None,
        note: None,
        opened_at: tx.now(),
        resolved_at: None,
        resolved_by: None,
    }
}

async fn insert(tx: &mut Tx, exception: Model, told: event::Model) -> Result<ExceptionId, Error> {
    let row: ActiveModel = exception.clone().into();
    // Which of the two partial indexes it meets depends on what it is about.
    let one_open = OnConflict::new().do_nothing().to_owned();
    let inserted =
        Entity::insert(row.reset_all()).on_conflict(one_open).exec_without_returning(tx.connection().await?).await?;
    if inserted == 1 {
        tx.append(event::Model {
            exception_id: Some(exception.id),
            reason: Some(exception.reason),
            to_status: Some(exception.status.to_string()),
            ..told
        });
        return Ok(exception.id);
    }
    let of_unit = match exception.entitlement_id {
        Some(unit) => COLUMN.entitlement_id.eq(unit),
        None => COLUMN.entitlement_id.is_null(),
    };
    let open = Entity::find()
        .filter(COLUMN.kind.eq(exception.kind))
        .filter(COLUMN.order_id.eq(exception.order_id))
        .filter(COLUMN.status.eq(ExceptionStatus::Open))
        .filter(of_unit);
    let open = open.one(tx.connection().await?).await?;
    // Resolved in this very moment: deciding again opens a new one.
    let open = open.ok_or_else(|| store::Error::Conflict("exceptions_one_open".to_owned()))?;
    let same = match open.kind {
        ExceptionKind::RedemptionRejected => true,
        ExceptionKind::ImportMismatch => open.reason == exception.reason,
        ExceptionKind::ProvisioningFailed | ExceptionKind::DeprovisioningFailed | ExceptionKind::Overdue => {
            open.assignment_id == exception.assignment_id
        }
    };
    if same {
        return Ok(open.id);
    }
    // About an assignment that is over, or another difference: this one takes its place.
    close(tx, &open, Resolution::Superseded, None).await?;
    Box::pin(insert(tx, exception, told)).await
}

/// Closes what is open about a unit and has been settled by what just happened to it.
pub(super) async fn settle(tx: &mut Tx, claim: &Claim, kinds: &[ExceptionKind]) -> Result<(), Error> {
    // What is late may have been found so since it was read.
    if !claim.disputed && claim.due.is_none_or(|due| tx.now() < due) {
        return Ok(());
    }
    let open = Entity::find()
        .filter(COLUMN.entitlement_id.eq(claim.unit.id))
        .filter(COLUMN.status.eq(ExceptionStatus::Open))
        .filter(COLUMN.kind.is_in(kinds.iter().copied()));
    for exception in open.all(tx.connection().await?).await? {
        close(tx, &exception, Resolution::Superseded, None).await?;
    }
    Ok(())
}

/// The same of refused redemptions, if anybody may redeem the unit's code now.
pub(super) async fn settle_redemption(tx: &mut Tx, claim: &Claim) -> Result<(), Error> {
    let free = claim.standing(tx.now()) == EntitlementStatus::Unassigned;
    if free { settle(tx, claim, REDEMPTION).await } else { Ok(()) }
}

/// The same of all assignments of an order that have ended, set by set.
pub(super) async fn settle_ended(tx: &mut Tx, order: &order::Model) -> Result<(), Error> {
    let over = assignment::Entity::find()
        .select_only()
        .column(assignment::Column::Id)
        .filter(assignment::COLUMN.status.is_in([AssignmentStatus::Ended, AssignmentStatus::Cancelled]));
    let open = Entity::find()
        .filter(COLUMN.order_id.eq(order.id))
        .filter(COLUMN.status.eq(ExceptionStatus::Open))
        .filter(COLUMN.kind.is_in(ASSIGNMENT.iter().copied()))
        .filter(Column::AssignmentId.in_subquery(over.into_query()))
        .order_by_asc(Column::ProductId)
        .order_by_asc(Column::Id);
    let open = open.all(tx.connection().await?).await?;
    for alike in open.chunk_by(|one, other| one.product_id == other.product_id) {
        let transition = Transition::<Entity>::decide(ExceptionStatus::Open, Command::Resolve)?;
        let rows = alike.iter().map(|exception| (exception.id, exception.version));
        let change = transition.apply_all(tx, rows, resolved(tx, Resolution::Superseded, None)).await?;
        let like = event::Model {
            product_id: alike.first().and_then(|exception| exception.product_id),
            reason: Some(Resolution::Superseded.to_string()),
            from_status: Some(change.from.to_string()),
            to_status: Some(change.to.to_string()),
            ..of_order(EventType::ExceptionResolved, order)
        };
        let subject = |exception: &Model| Subject {
            entitlement_id: exception.entitlement_id,
            assignment_id: exception.assignment_id,
            exception_id: Some(exception.id),
            account: None,
        };
        tx.append_each(like, alike.iter().map(subject).collect());
    }
    Ok(())
}

/// Closes what was open about orders that agree with what is imported again.
pub(super) async fn settle_orders(tx: &mut Tx, orders: &[OrderId]) -> Result<(), Error> {
    let open = Entity::find()
        .filter(among(Column::OrderId, orders))
        .filter(COLUMN.kind.eq(ExceptionKind::ImportMismatch))
        .filter(COLUMN.status.eq(ExceptionStatus::Open));
    for exception in open.all(tx.connection().await?).await? {
        close(tx, &exception, Resolution::Superseded, None).await?;
    }
    Ok(())
}

fn resolved(tx: &Tx, resolution: Resolution, note: Option<String>) -> ActiveModel {
    ActiveModel {
        resolution: Set(Some(resolution)),
        note: Set(note),
        resolved_at: Set(Some(tx.now())),
        resolved_by: Set(Some(tx.actor().to_owned())),
        ..Default::default()
    }
}

/// Writes how an exception was resolved.
async fn close(tx: &mut Tx, exception: &Model, resolution: Resolution, note: Option<String>) -> Result<(), Error> {
    let transition = Transition::<Entity>::decide(exception.status, Command::Resolve)?;
    let changes = resolved(tx, resolution, note.clone());
    let change = transition.apply(tx, exception.id, exception.version, changes).await?;
    tx.append(event::Model {
        partner_id: Some(exception.partner_id),
        channel_id: Some(exception.channel_id),
        product_id: exception.product_id,
        order_id: Some(exception.order_id),
        entitlement_id: exception.entitlement_id,
        assignment_id: exception.assignment_id,
        exception_id: Some(exception.id),
        reason: note.or_else(|| Some(resolution.to_string())),
        from_status: Some(change.from.to_string()),
        to_status: Some(change.to.to_string()),
        ..journal::event(EventType::ExceptionResolved)
    });
    Ok(())
}
