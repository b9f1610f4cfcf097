//! The end of a unit: taken back, or its time is up. Its hold is released, its code dies and its assignment is wound up with it.

use sea_orm::ActiveValue::Set;

use super::{
    super::{
        activation_code,
        assignment::{self, Parting},
        error::Error,
        reservation,
        transition::Transition,
    },
    Claim, Command, change, event, nobody, told,
};
use crate::{
    entity::{
        entitlement::{ActiveModel, Entity},
        event,
        kind::{EntitlementStatus, EventType},
    },
    id::EntitlementId,
    store::{
        Tx,
        journal::{Counter, Subject},
    },
};

/// Why and how a unit ends.
pub struct Ending {
    pub command: Command,
    pub event: EventType,
    /// What becomes of its live code.
    pub code: activation_code::Command,
    /// What the unit says of itself from then on.
    pub status_reason: Option<String>,
    /// What the journal says of it.
    pub reason: Option<String>,
}

impl Ending {
    /// Its time is up.
    pub fn expiry() -> Self {
        Self {
            command: Command::Expire,
            event: EventType::EntitlementExpired,
            code: activation_code::Command::Expire,
            status_reason: None,
            reason: None,
        }
    }

    /// It is taken back.
    pub fn revocation(reason: String) -> Self {
        Self {
            command: Command::Revoke,
            event: EventType::EntitlementRevoked,
            code: activation_code::Command::Revoke,
            status_reason: Some(reason.clone()),
            reason: Some(reason),
        }
    }
}

/// Ends a live unit. An assignment that has to be taken down, or whose attempt is running, outlives it until that is done.
pub async fn end(tx: &mut Tx, claim: &mut Claim, ending: Ending) -> Result<(), Error> {
    reservation::give_up(tx, claim, ending.reason.clone()).await?;
    activation_code::end_live(tx, claim, ending.code, ending.reason.clone()).await?;

    let over = claim.parting().is_none_or(Parting::is_over);
    let concerned = claim.holder();
    let transition = Transition::<Entity>::decide(claim.unit.status, ending.command)?;
    let written = change(tx, &mut claim.unit, transition, ended(over, ending.status_reason)).await?;
    let about = event(ending.event, &claim.unit, &claim.policy, concerned);
    tx.append(told(ending.reason.clone(), written, about));
    assignment::part(tx, claim, ending.reason).await
}

/// Ends live units that are all in the state `from`, without a hold or a code, whose assignments are wound up next; `over`: at once. What
/// is told of each is `like` this.
pub async fn end_all(
    tx: &mut Tx,
    from: EntitlementStatus,
    over: bool,
    units: Vec<(EntitlementId, i32, Subject)>,
    ending: Ending,
    like: event::Model,
) -> Result<(), Error> {
    let transition = Transition::<Entity>::decide(from, ending.command)?;
    let rows = units.iter().map(|(id, version, _)| (*id, *version));
    let changes = ended(over, ending.status_reason);
    let written = transition.apply_all(tx, rows, changes).await?;
    if let Some((channel, product)) = like.channel_id.zip(like.product_id) {
        let count = i64::try_from(units.len()).unwrap_or(i64::MAX);
        tx.tally(channel, product, Counter::In(written.from), -count);
        tx.tally(channel, product, Counter::In(written.to), count);
    }
    let told = event::Model { kind: ending.event, ..told(ending.reason, written, like) };
    tx.append_each(told, units.into_iter().map(|(.., subject)| subject).collect());
    Ok(())
}

fn ended(over: bool, status_reason: Option<String>) -> ActiveModel {
    let left = if over { nobody() } else { ActiveModel::default() };
    ActiveModel { status_reason: Set(status_reason), ..left }
}

/// Writes what the unit's end already means, where no sweep has come by yet.
pub async fn lapse(tx: &mut Tx, claim: &mut Claim) -> Result<(), Error> {
    if claim.unit.lapsed(tx.now()) && Transition::<Entity>::decide(claim.unit.status, Command::Expire).is_ok() {
        end(tx, claim, Ending::expiry()).await?;
    }
    Ok(())
}
