//! What the design says each step does: its tables, written down once more.
//!
//! A step that is refused changes nothing, but for what a rejected redemption leaves. A deadline counts from its moment on; what is stored
//! may follow later.

mod claim;
mod dispute;
mod downstream;
mod ending;

use claimcheck::{
    domain::Action,
    entity::kind::{
        ActivationCodeStatus, AssignmentStatus, EntitlementStatus as Status, OrderStatus, RefusalCode,
        ReservationStatus,
    },
};

use crate::{
    state::{Assignment, DAY, INPUT, Model, PROVISIONING, Parting, Unit},
    step::Step,
};

pub type Outcome = Result<(), RefusalCode>;

const INVALID: Outcome = Err(RefusalCode::InvalidState);

impl Model {
    /// Does `step`, or says why it is refused.
    pub fn perform(&mut self, step: &Step) -> Outcome {
        if let Step::Repeat { done } = step {
            return self.repeat(*done);
        }
        let outcome = self.decide(step);
        if outcome.is_ok() && step.keyed() {
            self.done.push((self.now, step.clone()));
        }
        outcome
    }

    /// A repeat has no effect while the first time is remembered; after that it is a request like any other.
    fn repeat(&mut self, done: usize) -> Outcome {
        let Some(step) = self.forgotten(done).cloned() else { return Ok(()) };
        self.decide(&step)?;
        let again = self.done.get_mut(done).expect("a step that was done");
        again.0 = self.now;
        Ok(())
    }

    fn decide(&mut self, step: &Step) -> Outcome {
        match *step {
            Step::Place { product, quantity, to, buyer, seated } => self.place(product, quantity, to, buyer, seated),
            Step::Redeem { code, account, seated } => self.redeem(code, account, seated),
            Step::Assign { unit, account, seated } => self.assign(unit, account, seated),
            Step::Reserve { unit, account, minutes } => self.reserve(unit, account, minutes),
            Step::ExtendHold { hold, minutes } => self.extend_hold(hold, minutes),
            Step::Confirm { hold, account, seated } => self.confirm(hold, account, seated),
            Step::ReleaseHold { hold } => self.release_hold(hold),
            Step::Submit { assignment, seated } => self.submit(assignment, seated),
            Step::Release { assignment, force } => self.release(assignment, force),
            Step::Revoke { unit } => self.revoke(unit),
            Step::Reissue { unit } => self.reissue(unit),
            Step::Rotate { unit } => self.rotate(unit),
            Step::Transfer { unit } => self.transfer(unit),
            Step::Suspend { unit } => self.suspend(unit),
            Step::Resume { unit } => self.resume(unit),
            Step::Extend { unit, seconds } => self.extend(unit, seconds),
            Step::Cancel { order, all } => self.cancel(order, all),
            Step::Claim { lease } => self.claim(lease),
            Step::Lease { attempt, seconds } => self.lease(attempt, seconds),
            Step::Complete { attempt } => self.complete(attempt),
            Step::Fail { attempt, retryable } => self.fail(attempt, retryable),
            Step::Retry { assignment } => self.retry(assignment),
            Step::Resolve { exception, resolution, seconds } => self.resolve(exception, resolution, seconds),
            Step::Wait { seconds } => {
                self.now += seconds;
                Ok(())
            }
            Step::Sweep => {
                self.sweep();
                Ok(())
            }
            Step::Repeat { .. } => Ok(()),
        }
    }

    fn place(
        &mut self,
        product: usize,
        quantity: usize,
        to: Option<usize>,
        buyer: Option<usize>,
        seated: bool,
    ) -> Outcome {
        let terms = self.terms.get(product).expect("one of two products").clone();
        let holder = to.or(buyer.filter(|_| terms.coupled));
        if let (Some(holder), Some(most)) = (holder, terms.max_per_account)
            && self.held(holder, product) + quantity > most
        {
            return Err(RefusalCode::LimitPerAccount);
        }
        let order = self.orders.len();
        self.orders.push(OrderStatus::Confirmed);
        for _ in 0..quantity {
            let coded = holder.is_none() && terms.issues_codes;
            self.units.push(Unit {
                product,
                order,
                status: Status::Unassigned,
                expires: terms.valid_days.map(|days| self.now + days * DAY),
                seated,
                replaced: false,
                codes: if coded { vec![ActivationCodeStatus::Issued] } else { Vec::new() },
                holds: Vec::new(),
                assignments: Vec::new(),
                exceptions: Vec::new(),
            });
            if let Some(holder) = holder {
                self.begin(self.units.len() - 1, holder, false, None);
            }
        }
        Ok(())
    }

    /// Gives a unit to an account.
    fn begin(&mut self, unit: usize, account: usize, seated: bool, code: Option<usize>) {
        let (now, terms) = (self.now, self.terms_of(unit).clone());
        let row = self.unit_mut(unit);
        let (status, deadline) = if terms.asks && !(seated || row.seated) {
            (AssignmentStatus::AwaitingInput, Some(now + INPUT))
        } else if terms.external {
            (AssignmentStatus::Pending, Some(now + PROVISIONING))
        } else {
            (AssignmentStatus::Active, None)
        };
        row.status = if status == AssignmentStatus::Active { Status::Active } else { Status::Assigned };
        row.assignments.push(Assignment {
            status,
            account,
            code,
            deadline,
            not_before: None,
            failures: 0,
            end_requested: false,
            attempts: Vec::new(),
        });
        row.settle_redemption();
    }

    /// Whether the account may have one more.
    fn room(&self, unit: usize, account: usize) -> Outcome {
        let product = self.unit(unit).product;
        match self.terms_of(unit).max_per_account {
            Some(most) if self.held(account, product) >= most => Err(RefusalCode::LimitPerAccount),
            _ => Ok(()),
        }
    }

    /// A unit that is free again gets a code, where it has none and its terms know them.
    fn issue(&mut self, unit: usize) {
        let issues = self.terms_of(unit).issues_codes;
        let row = self.unit_mut(unit);
        if issues && row.live_code().is_none() {
            row.codes.push(ActivationCodeStatus::Issued);
        }
    }

    fn parting(&self, unit: usize) -> Option<Parting> {
        let external = self.terms_of(unit).external;
        self.unit(unit).assignment().map(|(_, assignment)| assignment.parting(external))
    }

    /// What support may do with a unit, in the order in which it is offered.
    pub fn actions(&self, unit: usize) -> Vec<Action> {
        let (row, terms) = (self.unit(unit), self.terms_of(unit));
        let standing = row.standing(self.now);
        let free = standing == Status::Unassigned;
        let live = !matches!(standing, Status::Revoked | Status::Expired);
        let rotatable = matches!(standing, Status::Unassigned | Status::Reserved);
        let mut actions = vec![
            (Action::Reserve, free),
            (Action::Assign, free),
            (Action::Redeem, free && row.live_code().is_some()),
            (Action::Transfer, free && terms.transferable),
            (Action::Release, standing == Status::Reserved || self.releasable(unit).is_ok()),
            (Action::Suspend, live && standing != Status::Suspended),
            (Action::Resume, standing == Status::Suspended),
            (Action::Revoke, live),
            (Action::Reissue, !row.replaced),
            (Action::RotateCode, rotatable && (terms.issues_codes || row.live_code().is_some())),
            (Action::Extend, self.extendable(unit).is_ok()),
        ];
        actions.retain(|(_, allowed)| *allowed);
        actions.into_iter().map(|(action, _)| action).collect()
    }

    /// Whether the assignment in force may be taken back.
    fn releasable(&self, unit: usize) -> Outcome {
        let standing = self.unit(unit).standing(self.now);
        if !matches!(standing, Status::Assigned | Status::Active) {
            return INVALID;
        }
        match self.parting(unit) {
            None | Some(Parting::Underway) => INVALID,
            Some(Parting::Over(_) | Parting::TakenDown)
                if standing == Status::Active && !self.terms_of(unit).reassignable =>
            {
                Err(RefusalCode::NotReassignable)
            }
            Some(_) => Ok(()),
        }
    }

    fn extendable(&self, unit: usize) -> Outcome {
        let row = self.unit(unit);
        match row.standing(self.now) {
            Status::Revoked => INVALID,
            Status::Expired if row.replaced || self.orders.get(row.order) == Some(&OrderStatus::Cancelled) => INVALID,
            Status::Expired => match self.parting(unit) {
                None | Some(Parting::Over(_)) => Ok(()),
                Some(_) => INVALID,
            },
            _ => Ok(()),
        }
    }
}

impl Unit {
    /// Ends the hold that is stored: given up before its end, expired after it. The unit is free.
    fn give_up_hold(&mut self, now: i64) {
        if let Some(hold) = self.holds.iter_mut().find(|hold| hold.status == ReservationStatus::Held) {
            let over = hold.expires <= now;
            hold.status = if over { ReservationStatus::Expired } else { ReservationStatus::Released };
            self.status = Status::Unassigned;
        }
    }

    fn end_code(&mut self, status: ActivationCodeStatus) {
        if let Some(code) = self.codes.iter_mut().find(|code| **code == ActivationCodeStatus::Issued) {
            *code = status;
        }
    }
}
