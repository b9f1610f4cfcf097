//! Giving a unit to an account: the one place where assignments of single units begin, whichever way they came about.

use chrono::TimeDelta;
use sea_orm::{ActiveValue::Set, JsonValue};

use super::{
    super::{assignment::created, error::Error, error::Refusal, exception, input, transition::Transition},
    Claim, Command, change,
};
use crate::{
    entity::{
        account, assignment, entitlement, event,
        kind::{AssignmentMethod, AssignmentStatus, EntitlementStatus, EventType, Provisioning, RefusalCode},
        policy::{self, Names},
    },
    id::{AccountId, ActivationCodeId, PartnerId, ProductId},
    store::{Tx, journal},
};

/// How an account comes by a unit.
pub struct Giving<'a> {
    pub method: AssignmentMethod,
    pub account: &'a account::Model,
    pub resource: Option<String>,
    pub input: Option<JsonValue>,
    /// The code it was claimed with.
    pub code: Option<ActivationCodeId>,
    /// The event that the unit's being assigned rides on, where something came before the assignment's own.
    pub carrier: Option<event::Model>,
}

/// How an assignment begins, by the terms of its sale.
pub struct Beginning {
    pub status: AssignmentStatus,
    pub missing: Vec<String>,
    pub external: bool,
    /// Until when it may stay as it begins.
    pub stay: Option<TimeDelta>,
}

impl Beginning {
    /// What `input` leaves missing decides first, and then whether something has to be made downstream.
    pub fn under(policy: &policy::Model, input: Option<&JsonValue>) -> Self {
        let missing = input::missing(&policy.required_input.0, input);
        let external = policy.provisioning == Provisioning::External;
        let (status, stay) = match (missing.is_empty(), external) {
            (false, _) => (AssignmentStatus::AwaitingInput, Some(TimeDelta::hours(policy.input_deadline_hours.into()))),
            (true, true) => {
                (AssignmentStatus::Pending, Some(TimeDelta::minutes(policy.provisioning_deadline_minutes.into())))
            }
            (true, false) => (AssignmentStatus::Active, None),
        };
        Self { status, missing, external, stay }
    }
}

/// An event about a unit, with all that scopes and filters ask of it. It concerns `account`, where there is one.
pub fn event(
    kind: EventType,
    unit: &entitlement::Model,
    policy: &policy::Model,
    account: Option<(AccountId, PartnerId)>,
) -> event::Model {
    event::Model {
        partner_id: Some(unit.partner_id),
        channel_id: Some(unit.channel_id),
        product_id: Some(unit.product_id),
        order_id: Some(unit.order_id),
        buyer_account_id: unit.buyer_account_id,
        entitlement_id: Some(unit.id),
        account_id: account.map(|(account, _)| account),
        account_partner_id: account.map(|(_, partner)| partner),
        external: policy.provisioning == Provisioning::External,
        ..journal::event(kind)
    }
}

/// Assigns the unit of `claim` and journals it. The caller has seen to the hold, the code and the account's limit.
pub async fn give(tx: &mut Tx, claim: &mut Claim, giving: Giving<'_>) -> Result<assignment::Model, Error> {
    let account = giving.account;
    let input = input::merged(claim.input.as_ref(), giving.input.as_ref());
    let beginning = Beginning::under(&claim.policy, input.as_ref());
    let held = claim.unit.status == EntitlementStatus::Reserved;
    let command = if held { Command::Confirm } else { Command::Assign };
    let assign = Transition::<entitlement::Entity>::decide(claim.unit.status, command)?;
    let active = beginning.status == AssignmentStatus::Active;
    let transition = if active { assign.then(Command::Activate)? } else { assign };

    let holder = entitlement::ActiveModel {
        holder_account_id: Set(Some(account.id)),
        holder_partner_id: Set(Some(account.partner_id)),
        status_reason: Set(None),
        ..Default::default()
    };
    let written = change(tx, &mut claim.unit, transition, holder).await?;
    let assignment = row(tx, claim, &giving, input, beginning);
    tx.insert(&assignment);

    let concerned = Some((account.id, account.partner_id));
    let mut own = event::Model {
        assignment_id: Some(assignment.id),
        to_status: Some(assignment.status.to_string()),
        ..event(created(assignment.status), &claim.unit, &claim.policy, concerned)
    };
    if let Some(carrier) = giving.carrier {
        tx.append(event::Model {
            entitlement_from: Some(written.from),
            entitlement_to: Some(EntitlementStatus::Assigned),
            assignment_id: Some(assignment.id),
            ..carrier
        });
        if active {
            (own.entitlement_from, own.entitlement_to) = (Some(EntitlementStatus::Assigned), Some(written.to));
        }
    } else {
        (own.entitlement_from, own.entitlement_to) = (Some(written.from), Some(written.to));
    }
    tx.append(own);
    exception::settle(tx, claim, exception::REDEMPTION).await?;
    Ok(assignment)
}

fn row(
    tx: &Tx,
    claim: &Claim,
    giving: &Giving<'_>,
    input: Option<JsonValue>,
    beginning: Beginning,
) -> assignment::Model {
    let (unit, now) = (&claim.unit, tx.now());
    assignment::Model {
        id: tx.id(),
        version: 1,
        status: beginning.status,
        status_reason: None,
        method: giving.method,
        entitlement_id: unit.id,
        account_id: giving.account.id,
        account_partner_id: giving.account.partner_id,
        channel_id: unit.channel_id,
        partner_id: unit.partner_id,
        product_id: unit.product_id,
        activation_code_id: giving.code,
        external: beginning.external,
        resource: giving.resource.clone().or_else(|| claim.resource.clone()),
        input,
        missing_input: Names(beginning.missing),
        external_reference: None,
        deadline: beginning.stay.map(|stay| now + stay),
        not_before: None,
        failures: 0,
        end_requested: false,
        assigned_at: now,
        activated_at: (beginning.status == AssignmentStatus::Active).then_some(now),
        ended_at: None,
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Count {
    units: i64,
}

/// Refuses what would give an account more units of a product than its policy allows. Locks the account, so that two claims for it at
/// once are counted one after the other; accounts are always locked before units.
pub async fn within_limit(
    tx: &Tx,
    policy: &policy::Model,
    product: ProductId,
    account: &account::Model,
    more: i64,
) -> Result<(), Error> {
    let Some(most) = policy.max_per_account else { return Ok(()) };
    tx.execute("UPDATE accounts SET created_at = created_at WHERE id = $1", vec![account.id.into()]).await?;
    Ok(room(tx, most, product, account.id, more).await??)
}

/// The same as it stands, for a question: nothing is locked.
pub async fn room_for_one(
    tx: &Tx,
    policy: &policy::Model,
    product: ProductId,
    account: AccountId,
) -> Result<Result<(), Refusal>, Error> {
    let Some(most) = policy.max_per_account else { return Ok(Ok(())) };
    room(tx, most, product, account, 1).await
}

async fn room(
    tx: &Tx,
    most: i32,
    product: ProductId,
    account: AccountId,
    more: i64,
) -> Result<Result<(), Refusal>, Error> {
    let sql = "SELECT count(*) AS units FROM assignments \
               WHERE account_id = $1 AND product_id = $2 AND status NOT IN ('ENDED', 'CANCELLED')";
    let held: Vec<Count> = tx.query(sql, vec![account.into(), product.into()]).await?;
    let held = held.first().map_or(0, |count| count.units);
    if held + more <= i64::from(most) {
        return Ok(Ok(()));
    }
    let message = format!("an account may hold {most} of this product; release one, or name another account");
    Ok(Err(Refusal::new(RefusalCode::LimitPerAccount, message)))
}
