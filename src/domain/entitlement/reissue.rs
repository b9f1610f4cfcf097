//! Issuing a unit in place of another, once.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, EntityTrait};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Action, Actor, Error, Operation,
        activation_code::{self, Issued},
        exception, input,
    },
    By, Claim,
    end::{Ending, end, lapse},
    event, touch,
    transfer::Recipient,
};
use crate::{
    entity::{
        entitlement::{ActiveModel, Entity, Model},
        event,
        kind::{EntitlementStatus, EventType},
    },
    id::EntitlementId,
    store::{Tx, journal::Counter},
};

/// What a replaced unit says of itself.
pub const REPLACED: &str = "REPLACED";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Reissue {
    pub entitlement_id: EntitlementId,
    pub reason: String,
    /// Whom the new unit is meant for; as the old one, where it is left out.
    pub recipient: Option<Recipient>,
    pub expected_version: Option<i32>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reissued {
    pub entitlement_id: EntitlementId,
    pub replaced_id: EntitlementId,
    pub issued: Option<Issued>,
}

/// Issues a new unit of the same line, and revokes the old one if it still lives: they are never both of use.
pub async fn reissue(tx: &mut Tx, actor: &Actor, command: &Reissue) -> Result<Reissued, Error> {
    actor.may(Operation::ReissueEntitlement)?;
    let reason = input::reason(&command.reason)?;
    command.recipient.as_ref().map(Recipient::check).transpose()?;
    let claim = Claim::sold(tx, actor, By::Unit(command.entitlement_id), "entitlement", "entitlementId").await?;
    claim.expect(command.expected_version)?;
    claim.allow(Action::Reissue, actor, tx.now()).map_err(|refusal| refusal.at(["entitlementId"]))?;
    replace(tx, claim, command.recipient.clone(), reason).await
}

/// The writes of a reissue that has been decided.
pub async fn replace(
    tx: &mut Tx,
    mut claim: Claim,
    recipient: Option<Recipient>,
    reason: String,
) -> Result<Reissued, Error> {
    lapse(tx, &mut claim).await?;
    let before = claim.unit.status;
    if matches!(before, EntitlementStatus::Revoked | EntitlementStatus::Expired) {
        // Written all the same: whoever extends it at this moment meets this here.
        touch(tx, &mut claim.unit, <ActiveModel as Default>::default()).await?;
        let status = Some(before.to_string());
        tx.append(event::Model {
            reason: Some(reason.clone()),
            from_status: status.clone(),
            to_status: status,
            ..event(EventType::EntitlementReissued, &claim.unit, &claim.policy, claim.holder())
        });
    } else {
        let ending = Ending {
            event: EventType::EntitlementReissued,
            code: activation_code::Command::Replace,
            status_reason: Some(REPLACED.to_owned()),
            ..Ending::revocation(reason.clone())
        };
        end(tx, &mut claim, ending).await?;
    }
    exception::settle(tx, &claim, exception::REDEMPTION).await?;

    let replaced_id = claim.unit.id;
    let new = successor(tx, claim, recipient);
    let row: ActiveModel = new.unit.clone().into();
    Entity::insert(row.reset_all()).exec_without_returning(tx.connection().await?).await?;
    tx.tally(new.unit.channel_id, new.unit.product_id, Counter::Reissued, 1);
    tx.tally(new.unit.channel_id, new.unit.product_id, Counter::In(new.unit.status), 1);
    tx.append(event::Model {
        reason: Some(reason),
        to_status: Some(new.unit.status.to_string()),
        entitlement_to: Some(new.unit.status),
        ..event(EventType::EntitlementReissued, &new.unit, &new.policy, None)
    });
    let issued = activation_code::renew(tx, &new).await?;
    Ok(Reissued { entitlement_id: new.unit.id, replaced_id, issued })
}

/// The unit in place of the one of `claim`. It ends when that one would have; where that is past, it lasts as long as a new one.
fn successor(tx: &Tx, claim: Claim, recipient: Option<Recipient>) -> Claim {
    let Claim { unit: old, policy, resource, input, order, .. } = claim;
    let now = tx.now();
    let anew = policy.valid_for_days.map(|days| now + TimeDelta::days(days.into()));
    let recipient =
        recipient.unwrap_or(Recipient { name: old.recipient_name.clone(), email: old.recipient_email.clone() });
    let unit = Model {
        id: tx.id(),
        version: 1,
        status: EntitlementStatus::Unassigned,
        status_reason: None,
        holder_account_id: None,
        holder_partner_id: None,
        recipient_name: recipient.name,
        recipient_email: recipient.email,
        replaces_id: Some(old.id),
        issued_at: now,
        expires_at: if old.lapsed(now) { anew } else { old.expires_at },
        ..old
    };
    Claim {
        unit,
        policy,
        resource,
        input,
        code: None,
        hold: None,
        assignment: None,
        account: None,
        lease: None,
        order,
        replaced: false,
        disputed: false,
        due: None,
    }
}
