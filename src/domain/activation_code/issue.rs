//! Codes coming alive and dying beside their unit.

use super::{
    super::{
        entitlement::{Claim, event},
        error::Error,
        transition::Transition,
    },
    Command, Issued,
    code::{Code, SYMBOLS},
    shredded,
};
use crate::{
    entity::{
        activation_code::Entity,
        event,
        kind::{ActivationCodeStatus, EventType},
    },
    id::{ActivationCodeId, EntitlementId},
    store::{
        Tx,
        bulk::{self, Column},
        keyring::SEALED,
    },
};

/// Codes made between two chances for other work on this thread.
const BREATH: usize = 2_000;

/// Makes and inserts a code for each unit. The first `shown` come back in full; the rest can be revealed within the window.
pub async fn codes(tx: &Tx, units: &[EntitlementId], shown: usize) -> Result<Vec<Issued>, Error> {
    let days = tx.settings().reveal_days;
    let keys = tx.keyring()?.codes();
    let (mut ids, mut hashes, mut sealed, mut last_fours) = (Vec::new(), Vec::new(), Vec::new(), String::new());
    let mut issued = Vec::new();
    for portion in units.chunks(BREATH) {
        for (unit, code) in portion.iter().zip(Code::batch(portion.len())?) {
            let id: ActivationCodeId = tx.id();
            hashes.extend(keys.hash(code.as_bytes()));
            sealed.extend(keys.seal(id.0, code.as_bytes()).unwrap_or_else(|| vec![0; SEALED]));
            last_fours.push_str(&code.last_four());
            ids.push(id.0);
            if issued.len() < shown {
                issued.push(Issued { activation_code_id: id, entitlement_id: *unit, code: Some(code) });
            }
        }
        tokio::task::yield_now().await;
    }
    debug_assert_eq!(SEALED, SYMBOLS + 16, "the width of a cell");
    let until = (days > 0).then(|| tx.now() + chrono::TimeDelta::days(days.into()));
    let columns = [
        ("id", Column::ids(ids)),
        ("entitlement_id", Column::ids(units.iter().map(|unit| unit.0))),
        ("status", Column::same(ActivationCodeStatus::Issued)),
        ("hash", Column::Bytes(32, hashes)),
        ("key_id", Column::same(keys.current())),
        ("last_four", Column::Ascii(4, last_fours)),
        ("sealed", if days > 0 { Column::Bytes(SEALED, sealed) } else { Column::same(None::<Vec<u8>>) }),
        ("revealable_until", Column::same(until)),
        ("issued_at", Column::same(tx.now())),
    ];
    bulk::insert(tx, "activation_codes", units.len(), &columns).await?;
    Ok(issued)
}

/// Ends the unit's live code, if it has one, so that it cannot come alive again after somebody else's release.
pub async fn end_live(tx: &mut Tx, claim: &mut Claim, command: Command, reason: Option<String>) -> Result<(), Error> {
    let Some(code) = claim.code.take() else { return Ok(()) };
    let transition = Transition::<Entity>::decide(code.status, command)?;
    let change = transition.apply(tx, code.id, 0, shredded()).await?;
    let kind = match command {
        Command::Redeem => EventType::CodeRedeemed,
        Command::Replace => EventType::CodeRotated,
        Command::Revoke => EventType::CodeRevoked,
        Command::Expire => EventType::CodeExpired,
    };
    tx.append(event::Model {
        activation_code_id: Some(code.id),
        reason,
        from_status: Some(change.from.to_string()),
        to_status: Some(change.to.to_string()),
        ..event(kind, &claim.unit, &claim.policy, None)
    });
    Ok(())
}

/// Gives a unit that is free again a fresh code, where the terms of its sale know codes and none is live.
pub async fn renew(tx: &mut Tx, claim: &Claim) -> Result<Option<Issued>, Error> {
    issue(tx, claim, None).await
}

/// Puts a fresh code in the place of the live one; on a unit without one, its first.
pub async fn replace(tx: &mut Tx, claim: &mut Claim, reason: Option<String>) -> Result<Option<Issued>, Error> {
    end_live(tx, claim, Command::Replace, reason.clone()).await?;
    issue(tx, claim, reason).await
}

async fn issue(tx: &mut Tx, claim: &Claim, reason: Option<String>) -> Result<Option<Issued>, Error> {
    if claim.code.is_some() || !claim.policy.issues_codes {
        return Ok(None);
    }
    let issued = codes(tx, &[claim.unit.id], 1).await?.pop();
    tx.append(event::Model {
        activation_code_id: issued.as_ref().map(|issued| issued.activation_code_id),
        reason,
        to_status: Some(ActivationCodeStatus::Issued.to_string()),
        ..event(EventType::CodeIssued, &claim.unit, &claim.policy, None)
    });
    Ok(issued)
}
