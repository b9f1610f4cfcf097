//! A step as the service takes it: a command of the domain, with the ids of what the step names by its place.

use claimcheck::{
    domain::{
        Actor, Operation,
        activation_code::{self, Redeem, Rotate},
        assignment::{self, SubmitInput},
        entitlement::{self, Assign, Recipient, Reissue, Revoke, Suspend, Transfer},
        exception::{self, Resolve},
        order::{self, Cancel, Place},
        provisioning::{self, Complete, ExtendLease, Fail, Retry, Work},
        reservation::{self, Confirm, Reserve},
    },
    entity::kind::RefusalCode,
    id::EntitlementId,
    store::Db,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    seen::Seen,
    service::{Answer, Session, perform},
    step::Step,
};

#[derive(Clone)]
pub enum Command {
    Place(Place),
    Redeem(Redeem),
    Assign(Assign),
    Reserve(Reserve),
    ExtendHold(reservation::Extend),
    Confirm(Confirm),
    ReleaseHold(reservation::Release),
    Submit(SubmitInput),
    Release(assignment::Release),
    Revoke(Revoke),
    Reissue(Reissue),
    Rotate(Rotate),
    Transfer(Transfer),
    Suspend(Suspend),
    Resume(Suspend),
    Extend(entitlement::Extend),
    Cancel(Cancel),
    Claim(Work),
    Lease(ExtendLease),
    Complete(Complete),
    Fail(Fail),
    Retry(Retry),
    Resolve(Resolve),
}

fn value(done: &impl Serialize) -> Value {
    serde_json::to_value(done).expect("an answer")
}

impl Command {
    /// The command that `step` means in a session; none for what is no request.
    #[expect(clippy::too_many_lines, reason = "an arm for each kind of step")]
    pub fn of(step: &Step, session: &Session<'_>, seen: &Seen) -> Option<Self> {
        let reason = || "the model".to_owned();
        let unit = |unit: usize| -> EntitlementId { *session.units.get(unit).expect("a unit that was sold") };
        let account = |account: Option<usize>| account.map(|account| session.account(account));
        let input = |seated: bool| seated.then(|| json!({"seat": "4a"}));
        let expected_version = None;
        let suspend = |of: usize| Suspend { entitlement_id: unit(of), reason: reason(), expected_version };
        Some(match *step {
            Step::Place { product, quantity, to, buyer, seated } => Self::Place(Place {
                channel_id: session.channel,
                external_reference: format!("{}-{}", session.name, session.orders.len()),
                lines: vec![order::Line {
                    sku: format!("{}-{product}", session.name),
                    quantity: i32::try_from(quantity).expect("a small number"),
                    unit_price: None,
                    recipient: None,
                    assign_to: account(to),
                    resource: None,
                    input: input(seated),
                }],
                buyer: None,
                buyer_account: account(buyer),
                placed_at: None,
                currency: None,
                payment_reference: None,
                request: format!("{step:?}").into_bytes(),
            }),
            Step::Redeem { code, account: whom, seated } => Self::Redeem(Redeem {
                code: session.codes.get(&seen.code(code)).cloned().expect("a code that was learnt"),
                account: account(Some(whom)),
                resource: None,
                input: input(seated),
            }),
            Step::Assign { unit: of, account: whom, seated } => Self::Assign(Assign {
                entitlement_id: unit(of),
                account: account(Some(whom)),
                resource: None,
                input: input(seated),
                expected_version,
            }),
            Step::Reserve { unit: of, account: whom, minutes } => Self::Reserve(Reserve {
                entitlement_id: unit(of),
                account: account(whom),
                resource: None,
                minutes: minutes.map(|minutes| i32::try_from(minutes).expect("a small number")),
                expected_version,
            }),
            Step::ExtendHold { hold, minutes } => Self::ExtendHold(reservation::Extend {
                reservation_id: seen.hold(hold),
                minutes: i32::try_from(minutes).expect("a small number"),
                expected_version,
            }),
            Step::Confirm { hold, account: whom, seated } => Self::Confirm(Confirm {
                reservation_id: seen.hold(hold),
                account: account(whom),
                input: input(seated),
                expected_version,
            }),
            Step::ReleaseHold { hold } => Self::ReleaseHold(reservation::Release {
                reservation_id: seen.hold(hold),
                reason: None,
                expected_version,
            }),
            Step::Submit { assignment, seated } => Self::Submit(SubmitInput {
                assignment_id: seen.assignment(assignment),
                input: input(seated).unwrap_or_else(|| json!({"size": "M"})),
                expected_version,
            }),
            Step::Release { assignment, force } => Self::Release(assignment::Release {
                assignment_id: seen.assignment(assignment),
                reason: reason(),
                force,
                expected_version,
            }),
            Step::Revoke { unit: of } => {
                Self::Revoke(Revoke { entitlement_id: unit(of), reason: reason(), expected_version })
            }
            Step::Reissue { unit: of } => {
                Self::Reissue(Reissue { entitlement_id: unit(of), reason: reason(), recipient: None, expected_version })
            }
            Step::Rotate { unit: of } => {
                Self::Rotate(Rotate { entitlement_id: unit(of), reason: reason(), expected_version })
            }
            Step::Transfer { unit: of } => {
                let recipient = Recipient { name: Some("Bo".to_owned()), email: None };
                Self::Transfer(Transfer { entitlement_id: unit(of), recipient, expected_version })
            }
            Step::Suspend { unit: of } => Self::Suspend(suspend(of)),
            Step::Resume { unit: of } => Self::Resume(suspend(of)),
            Step::Extend { unit: of, seconds } => Self::Extend(entitlement::Extend {
                entitlement_id: unit(of),
                expires_at: session.moment(seconds),
                reason: reason(),
                expected_version,
            }),
            Step::Cancel { order, all } => Self::Cancel(Cancel {
                order_id: *session.orders.get(order).expect("an order that was placed"),
                reason: reason(),
                include_assigned: all,
                expected_version,
            }),
            Step::Claim { lease } => Self::Claim(Work {
                limit: 100,
                lease_seconds: i32::try_from(lease).expect("a small number"),
                products: Some(session.products.to_vec()),
            }),
            Step::Lease { attempt, seconds } => Self::Lease(ExtendLease {
                attempt_id: seen.attempt(attempt),
                lease_seconds: i32::try_from(seconds).expect("a small number"),
            }),
            Step::Complete { attempt } => {
                Self::Complete(Complete { attempt_id: seen.attempt(attempt), external_reference: None })
            }
            Step::Fail { attempt, retryable } => {
                Self::Fail(Fail { attempt_id: seen.attempt(attempt), reason: reason(), retryable })
            }
            Step::Retry { assignment } => {
                Self::Retry(Retry { assignment_id: seen.assignment(assignment), expected_version })
            }
            Step::Resolve { exception, resolution, seconds } => Self::Resolve(Resolve {
                exception_id: seen.exception(exception),
                resolution,
                note: reason(),
                expires_at: seconds.map(|seconds| session.moment(seconds)),
                recipient: None,
                expected_version,
            }),
            Step::Wait { .. } | Step::Sweep | Step::Repeat { .. } => return None,
        })
    }

    /// Does it, once under `key`.
    pub async fn run(&self, db: &Db, actor: &Actor, key: &str) -> Result<Answer, RefusalCode> {
        macro_rules! plain {
            ($mutation:ident, $command:expr, $operation:path) => {{
                let done = perform(db, actor, Operation::$mutation, Some(key), $command, $operation).await?;
                Answer { value: value(&done), ..Answer::default() }
            }};
        }
        macro_rules! issuing {
            ($mutation:ident, $command:expr, $operation:path) => {{
                let done = perform(db, actor, Operation::$mutation, Some(key), $command, $operation).await?;
                Answer { value: value(&done), issued: done.issued.into_iter().collect(), ..Answer::default() }
            }};
        }
        Ok(match self {
            Self::Redeem(_) => panic!("a redemption leaves traces of its own"),
            Self::Place(command) => {
                let done = perform(db, actor, Operation::PlaceOrder, Some(key), command, order::place).await?;
                Answer { value: value(&done), order: Some(done.order_id), issued: done.codes, ..Answer::default() }
            }
            Self::Reissue(command) => {
                let operation = Operation::ReissueEntitlement;
                let done = perform(db, actor, operation, Some(key), command, entitlement::reissue).await?;
                let (value, successor) = (value(&done), Some(done.entitlement_id));
                Answer { value, successor, issued: done.issued.into_iter().collect(), ..Answer::default() }
            }
            Self::Resolve(command) => {
                let operation = Operation::ResolveException;
                let done = perform(db, actor, operation, Some(key), command, exception::resolve).await?;
                let reissued = command.resolution == claimcheck::entity::kind::Resolution::Reissued;
                let (value, successor) = (value(&done), done.entitlement_id.filter(|_| reissued));
                Answer { value, successor, issued: done.issued.into_iter().collect(), ..Answer::default() }
            }
            Self::Claim(command) => {
                let operation = Operation::ClaimProvisioning;
                let done = perform(db, actor, operation, Some(key), command, provisioning::claim).await?;
                Answer { value: value(&done), claimed: Some(done), ..Answer::default() }
            }
            Self::Assign(command) => plain!(AssignEntitlement, command, entitlement::assign),
            Self::Reserve(command) => plain!(ReserveEntitlement, command, reservation::reserve),
            Self::ExtendHold(command) => plain!(ExtendReservation, command, reservation::extend),
            Self::Confirm(command) => plain!(ConfirmReservation, command, reservation::confirm),
            Self::ReleaseHold(command) => plain!(ReleaseReservation, command, reservation::release),
            Self::Submit(command) => plain!(SubmitAssignmentInput, command, assignment::submit_input),
            Self::Release(command) => issuing!(ReleaseAssignment, command, assignment::release),
            Self::Revoke(command) => issuing!(RevokeEntitlement, command, entitlement::revoke),
            Self::Rotate(command) => issuing!(RotateActivationCode, command, activation_code::rotate),
            Self::Transfer(command) => issuing!(TransferEntitlement, command, entitlement::transfer),
            Self::Suspend(command) => issuing!(SuspendEntitlement, command, entitlement::suspend),
            Self::Resume(command) => issuing!(ResumeEntitlement, command, entitlement::resume),
            Self::Extend(command) => issuing!(ExtendEntitlement, command, entitlement::extend),
            Self::Cancel(command) => plain!(CancelOrder, command, order::cancel),
            Self::Lease(command) => plain!(ExtendProvisioningLease, command, provisioning::extend_lease),
            Self::Complete(command) => plain!(CompleteProvisioning, command, provisioning::complete),
            Self::Fail(command) => plain!(FailProvisioning, command, provisioning::fail),
            Self::Retry(command) => plain!(RetryProvisioning, command, provisioning::retry),
        })
    }
}
