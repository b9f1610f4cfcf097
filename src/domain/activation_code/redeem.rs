//! Redeeming a code: the unit it stands for becomes the account's, once, whoever races.
//!
//! Every try is recorded, good or bad. The same account may ask again with the same code while that assignment is in force, and gets the
//! same assignment. Whoever holds a whole code is told that code's true state, and nothing else.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, DbBackend, FromQueryResult, JsonValue};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Actor, Error, Operation, Refusal, account, entitlement,
        entitlement::{Claim, Giving, event},
        exception, input, reservation,
        transition::Transition,
    },
    Command,
    code::Code,
    code::last_four_of,
    guess, shredded,
};
use crate::{
    entity::{
        self, activation_code, assignment, event,
        kind::{
            ActivationCodeStatus, AssignmentMethod, EntitlementStatus, EventType, ExceptionKind, RedemptionOutcome,
            RefusalCode,
        },
        redemption_attempt,
    },
    id::{AccountId, AssignmentId, EntitlementId, ExceptionId, RedemptionAttemptId},
    store::{self, Tx, journal},
};

/// What is asked for. `code` is as somebody typed it.
#[derive(Clone)]
pub struct Redeem {
    pub code: String,
    pub account: Option<account::Reference>,
    pub resource: Option<String>,
    pub input: Option<JsonValue>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Redeemed {
    pub assignment_id: AssignmentId,
    pub entitlement_id: EntitlementId,
    /// The assignment itself, where it was made just now: it need not be read again.
    #[serde(skip)]
    pub made: Option<Arc<assignment::Model>>,
}

/// What a presented code entitles its bearer to.
pub(super) enum Way {
    /// The unit is free to claim.
    Fresh,
    /// The unit is held for this very account: redeeming confirms the hold.
    Confirm,
    /// This account has claimed it with this code before, and still has it.
    Again(AssignmentId),
}

/// Redeems a code for an account. A refusal is committed with the attempt it belongs to.
pub async fn redeem(tx: &mut Tx, actor: &Actor, command: &Redeem) -> Result<Result<Redeemed, Refusal>, Error> {
    actor.may(Operation::RedeemCode)?;
    let resource = command.resource.as_ref().map(|resource| input::text(resource, input::REFERENCE));
    let resource = resource.transpose().map_err(|refusal| refusal.at(["resource"]))?;
    let given = command.input.as_ref().map(input::json).transpose();
    given.map_err(|refusal| refusal.at(["input"]))?;
    let named = account::Named::by(actor, command.account.as_ref())?;
    if !named.anybody() {
        return Err(super::super::error::invalid("say for which account: this credential has none of its own")
            .at(["account"])
            .into());
    }

    named.check(tx, actor).await?;
    let Some(code) = Code::parse(&command.code) else {
        guess::mistyped(tx, actor, &named).await?;
        let last_four = last_four_of(&command.code);
        return reject(
            tx,
            actor,
            None,
            None,
            last_four,
            unknown("the code is mistyped: check it against the original"),
        )
        .await;
    };
    let Some(mut claim) = guess::presented(tx, actor, &code, &named).await? else {
        return reject(tx, actor, None, None, Some(code.last_four()), unknown("there is no such code")).await;
    };
    let account = named.resolve(tx, actor, claim.account.take()).await?;

    let decision = match decide(&claim, Some(account.id), tx.now()) {
        Ok(Way::Fresh | Way::Confirm) => {
            match entitlement::within_limit(tx, &claim.policy, claim.unit.product_id, &account, 1).await {
                Err(Error::Refused(refusal)) => Err(refusal),
                other => Ok(other.map(|()| Way::Fresh)?),
            }
        }
        decision => decision,
    };
    match decision {
        Ok(Way::Again(assignment_id)) => Ok(Ok(Redeemed { assignment_id, entitlement_id: claim.unit.id, made: None })),
        Ok(Way::Fresh | Way::Confirm) => claim_unit(tx, actor, claim, &account, resource, command.input.clone()).await,
        Err(refusal) => {
            guess::slip(tx, actor).await?;
            reject(tx, actor, Some(&claim), Some(&account), Some(code.last_four()), refusal).await
        }
    }
}

/// Whether the live code of a unit could be redeemed for `account`.
pub(in super::super) fn redeemable(
    claim: &Claim,
    account: Option<AccountId>,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    decide(claim, account, now).map(|_| ())
}

fn unknown(message: &str) -> Refusal {
    Refusal::new(RefusalCode::CodeInvalid, message).at(["code"])
}

/// Whether the code may be redeemed for `account`; pure.
pub(super) fn decide(claim: &Claim, account: Option<AccountId>, now: DateTime<Utc>) -> Result<Way, Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(code, message).at(["code"]));
    let Some(code) = &claim.code else { return refuse(RefusalCode::CodeInvalid, "there is no such code") };
    match code.status {
        ActivationCodeStatus::Redeemed => {
            let mine = claim.assignment.as_ref().filter(|assignment| {
                assignment.activation_code_id == Some(code.id) && Some(assignment.account_id) == account
            });
            match mine {
                Some(assignment) => Ok(Way::Again(assignment.id)),
                None => refuse(RefusalCode::AlreadyRedeemed, "the code has been redeemed"),
            }
        }
        ActivationCodeStatus::Replaced => {
            refuse(RefusalCode::CodeReplaced, "the code was replaced by a newer one: use that")
        }
        ActivationCodeStatus::Revoked => refuse(RefusalCode::CodeRevoked, "the code was taken back"),
        ActivationCodeStatus::Expired => refuse(RefusalCode::CodeExpired, "the code's time is up"),
        ActivationCodeStatus::Issued => decide_unit(claim, account, now),
    }
}

fn decide_unit(claim: &Claim, account: Option<AccountId>, now: DateTime<Utc>) -> Result<Way, Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(code, message).at(["code"]));
    if claim.unit.lapsed(now) {
        return refuse(RefusalCode::CodeExpired, "the code's time is up");
    }
    match claim.unit.status {
        EntitlementStatus::Unassigned => Ok(Way::Fresh),
        EntitlementStatus::Reserved => match claim.hold.as_ref().filter(|hold| hold.holds(now)) {
            None => Ok(Way::Fresh),
            Some(hold) if hold.account_id.is_some() && hold.account_id == account => Ok(Way::Confirm),
            Some(_) => refuse(RefusalCode::ReservedByOther, "it is held for somebody else: try again after the hold"),
        },
        EntitlementStatus::Suspended => {
            refuse(RefusalCode::EntitlementSuspended, "it is suspended: try again when that is over")
        }
        EntitlementStatus::Revoked => refuse(RefusalCode::CodeRevoked, "the code was taken back"),
        EntitlementStatus::Expired => refuse(RefusalCode::CodeExpired, "the code's time is up"),
        EntitlementStatus::Assigned | EntitlementStatus::Active => {
            refuse(RefusalCode::AlreadyRedeemed, "it has been given to somebody already")
        }
    }
}

async fn claim_unit(
    tx: &mut Tx,
    actor: &Actor,
    mut claim: Claim,
    account: &entity::account::Model,
    resource: Option<String>,
    input: Option<JsonValue>,
) -> Result<Result<Redeemed, Refusal>, Error> {
    let Some(code) = claim.code.take() else { return Ok(Err(unknown("there is no such code"))) };
    reservation::settle(tx, &mut claim).await?;
    let transition = Transition::<activation_code::Entity>::decide(code.status, Command::Redeem)?;
    let used = activation_code::ActiveModel { redeemed_at: Set(Some(tx.now())), ..shredded() };
    let change = transition.apply(tx, code.id, 0, used).await?;

    let attempt_id = tx.id();
    let concerned = Some((account.id, account.partner_id));
    let carrier = event::Model {
        activation_code_id: Some(code.id),
        redemption_attempt_id: Some(attempt_id),
        from_status: Some(change.from.to_string()),
        to_status: Some(change.to.to_string()),
        ..event(EventType::CodeRedeemed, &claim.unit, &claim.policy, concerned)
    };
    let method = AssignmentMethod::Code;
    let giving = Giving { method, account, resource, input, code: Some(code.id), carrier: Some(carrier) };
    let assignment = entitlement::give(tx, &mut claim, giving).await?;
    let assignment_id = assignment.id;
    claim.code = Some(code);
    record(tx, actor, attempt_id, Some(&claim), Some(account), None, None);
    let made = Some(Arc::new(assignment));
    Ok(Ok(Redeemed { assignment_id, entitlement_id: claim.unit.id, made }))
}

async fn reject(
    tx: &mut Tx,
    actor: &Actor,
    claim: Option<&Claim>,
    account: Option<&entity::account::Model>,
    last_four: Option<String>,
    refusal: Refusal,
) -> Result<Result<Redeemed, Refusal>, Error> {
    let attempt_id = tx.id();
    let exception = match claim {
        Some(claim) if beyond_its_holder(refusal.code) => {
            let reason = refusal.code.to_string();
            let exception = exception::open(tx, ExceptionKind::RedemptionRejected, claim, reason).await?;
            // After the exception, as where one is resolved: whoever waits for the other has nothing that the other waits for.
            unchanged(tx, claim).await?;
            Some(exception)
        }
        _ => None,
    };
    let refused = Some((refusal.code, exception));
    record(tx, actor, attempt_id, claim, account, last_four, refused);
    // What its own people may do instead; whoever merely holds the code learns no more than its state.
    let refusal = match claim.filter(|claim| claim.visible_to(actor)) {
        Some(claim) => refusal.instead(claim.allowed_actions(actor, tx.now())),
        None => refusal,
    };
    let about = match claim {
        Some(claim) => event(EventType::RedemptionRejected, &claim.unit, &claim.policy, None),
        None => journal::event(EventType::RedemptionRejected),
    };
    tx.append(event::Model {
        account_id: account.map(|account| account.id),
        account_partner_id: Some(account.map_or(actor.namespace, |account| account.partner_id)),
        activation_code_id: claim.and_then(|claim| claim.code.as_ref()).map(|code| code.id),
        redemption_attempt_id: Some(attempt_id),
        reason: Some(refusal.code.to_string()),
        ..about
    });
    Ok(Err(refusal))
}

#[derive(FromQueryResult)]
struct Version {
    version: i32,
}

/// Keeps the unit as it was read until its refusal is committed: whoever mends it meanwhile comes before the refusal, or finds its exception.
async fn unchanged(tx: &Tx, claim: &Claim) -> Result<(), Error> {
    if tx.backend() == DbBackend::Sqlite {
        // Nobody else writes meanwhile.
        return Ok(());
    }
    let sql = "SELECT version FROM entitlements WHERE id = $1 FOR SHARE";
    let found: Vec<Version> = tx.query(sql, vec![claim.unit.id.into()]).await?;
    if found.iter().all(|unit| unit.version == claim.unit.version) {
        return Ok(());
    }
    Err(store::Error::Conflict(claim.unit.id.to_string()).into())
}

/// Whether a refusal is one that the holder of the code cannot mend alone: somebody has to decide.
fn beyond_its_holder(reason: RefusalCode) -> bool {
    use RefusalCode as Reason;
    matches!(
        reason,
        Reason::CodeExpired
            | Reason::CodeRevoked
            | Reason::CodeReplaced
            | Reason::ReservedByOther
            | Reason::EntitlementSuspended
            | Reason::NotEligible
    )
}

fn record(
    tx: &Tx,
    actor: &Actor,
    id: RedemptionAttemptId,
    claim: Option<&Claim>,
    account: Option<&entity::account::Model>,
    last_four: Option<String>,
    refused: Option<(RefusalCode, Option<ExceptionId>)>,
) {
    let code = claim.and_then(|claim| claim.code.as_ref());
    let unit = claim.map(|claim| &claim.unit);
    let attempt = redemption_attempt::Model {
        id,
        outcome: if refused.is_none() { RedemptionOutcome::Succeeded } else { RedemptionOutcome::Rejected },
        reason: refused.map(|(reason, _)| reason),
        code_last_four: code.map(|code| code.last_four.clone()).or(last_four),
        activation_code_id: code.map(|code| code.id),
        entitlement_id: unit.map(|unit| unit.id),
        channel_id: unit.map(|unit| unit.channel_id),
        partner_id: unit.map(|unit| unit.partner_id),
        account_id: account.map(|account| account.id),
        account_partner_id: account.map_or(actor.namespace, |account| account.partner_id),
        actor: actor.name.clone(),
        exception_id: refused.and_then(|(_, exception)| exception),
        occurred_at: tx.now(),
    };
    tx.insert(&attempt);
}
