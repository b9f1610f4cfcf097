//! Entitlements: who gets a purchased unit, and how.

mod action;
mod assign;
mod assign_many;
mod claim;
mod end;
mod extend;
mod give;
mod reissue;
mod revoke;
mod state;
mod suspend;
mod transfer;

pub use self::{
    assign::{Assign, Assigned, assign},
    assign_many::{AssignMany, AssignedMany, From, assign_many},
    claim::Claim,
    extend::{Extend, extend},
    reissue::{REPLACED, Reissue, Reissued, reissue},
    revoke::{Revoke, revoke},
    state::Command,
    suspend::{Suspend, resume, suspend},
    transfer::{Recipient, Transfer, transfer},
};
pub(super) use self::{
    claim::{By, Guesser},
    end::{Ending, end, end_all, lapse},
    extend::{future, prolong},
    give::{Beginning, Giving, event, give, room_for_one, within_limit},
    reissue::replace,
};

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryTrait, sea_query::Expr};
use serde::{Deserialize, Serialize};

use super::{
    activation_code::Issued,
    error::Error,
    transition::{Machine, Transition},
};
use crate::{
    entity::{
        entitlement::{ActiveModel, COLUMN, Column, Entity, Model},
        event::Model as Event,
        kind::EntitlementStatus,
    },
    id::EntitlementId,
    store::{Tx, journal::Counter},
};

/// A change of a unit's status, to be told by the event that caused it.
pub(super) type Change = super::transition::Change<EntitlementStatus>;

/// Writes a unit's change of status and counts it; `unit` then is as it was written, but for what `changes` says.
pub(super) async fn change(
    tx: &mut Tx,
    unit: &mut Model,
    transition: Transition<Entity>,
    changes: ActiveModel,
) -> Result<Change, Error> {
    let change = transition.apply(tx, unit.id, unit.version, changes).await?;
    tx.tally(unit.channel_id, unit.product_id, Counter::In(change.from), -1);
    tx.tally(unit.channel_id, unit.product_id, Counter::In(change.to), 1);
    unit.status = change.to;
    unit.version += 1;
    Ok(change)
}

/// What came of changing one unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Changed {
    pub entitlement_id: EntitlementId,
    /// The code that claims it from now on, where it got a fresh one.
    pub issued: Option<Issued>,
}

impl std::convert::From<Claim> for Changed {
    fn from(claim: Claim) -> Self {
        Self { entitlement_id: claim.unit.id, issued: None }
    }
}

/// The event `about` a unit whose own change it tells of.
fn told(reason: Option<String>, change: Change, about: Event) -> Event {
    Event {
        reason,
        from_status: Some(change.from.to_string()),
        to_status: Some(change.to.to_string()),
        entitlement_from: Some(change.from),
        entitlement_to: Some(change.to),
        ..about
    }
}

/// That nobody has the unit.
fn nobody() -> ActiveModel {
    ActiveModel { holder_account_id: Set(None), holder_partner_id: Set(None), ..Default::default() }
}

/// Writes `changes` of a unit that stays in its state.
pub(super) async fn touch(tx: &Tx, unit: &mut Model, changes: ActiveModel) -> Result<(), Error> {
    let update = Entity::update_many()
        .set(changes)
        .col_expr(Column::Version, Expr::value(unit.version + 1))
        .filter(COLUMN.id.eq(unit.id))
        .filter(COLUMN.version.eq(unit.version));
    tx.change(unit.id.to_string(), update.into_query()).await?;
    unit.version += 1;
    Ok(())
}

/// Takes a unit from whoever had it. It is free to be claimed again where `command` leads there from its state; one that is suspended or
/// has ended stays so.
pub(super) async fn vacate(tx: &mut Tx, unit: &mut Model, command: Command) -> Result<Option<Change>, Error> {
    if Entity::next(unit.status, command).is_none() {
        touch(tx, unit, nobody()).await?;
        return Ok(None);
    }
    let transition = Transition::<Entity>::decide(unit.status, command)?;
    change(tx, unit, transition, nobody()).await.map(Some)
}
