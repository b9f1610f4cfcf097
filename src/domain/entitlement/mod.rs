//! Entitlements: who gets a purchased unit, and how.

mod assign;
mod assign_many;
mod claim;
mod give;
mod state;

pub use self::{
    assign::{Assign, Assigned, assign},
    assign_many::{AssignMany, AssignedMany, From, assign_many},
    state::{Command, allowed_actions},
};
pub(super) use self::{
    claim::{By, Claim},
    give::{Beginning, Giving, event, give, room_for_one, within_limit},
};

use super::{error::Error, transition::Transition};
use crate::{
    entity::{
        entitlement::{ActiveModel, Entity, Model},
        kind::EntitlementStatus,
    },
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
