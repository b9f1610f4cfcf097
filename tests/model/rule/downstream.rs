//! What workers do, and what time does.

use claimcheck::entity::kind::{
    AssignmentStatus as Asg, EntitlementStatus as Status, ExceptionKind, ExceptionStatus, ProvisioningOperation,
    ProvisioningOutcome, RefusalCode, ReservationStatus,
};

use super::{INVALID, Outcome};
use crate::state::{Attempt, FAILURES, Model, PROVISIONING};

impl Model {
    pub(super) fn claim(&mut self, lease: i64) -> Outcome {
        if !(5..=3_600).contains(&lease) {
            return Err(RefusalCode::InvalidInput);
        }
        let now = self.now;
        self.unknown = 0;
        for unit in 0..self.units.len() {
            if !self.waits(unit) {
                continue;
            }
            let own = self.unit_mut(unit).assignment_mut().expect("what waits is in force");
            let lost = own.running_mut().map(|attempt| {
                (attempt.outcome, attempt.lease) = (ProvisioningOutcome::Unknown, None);
            });
            let operation = if own.status == Asg::Deprovisioning {
                ProvisioningOperation::Deprovision
            } else {
                own.status = Asg::Provisioning;
                ProvisioningOperation::Provision
            };
            own.not_before = None;
            let outcome = ProvisioningOutcome::Started;
            own.attempts.push(Attempt { operation, outcome, lease: Some(now + lease) });
            self.unknown += usize::from(lost.is_some());
        }
        Ok(())
    }

    /// Whether a worker may have the unit's assignment now.
    fn waits(&self, unit: usize) -> bool {
        let (row, now) = (self.unit(unit), self.now);
        let Some((_, own)) = row.assignment() else { return false };
        self.terms_of(unit).external
            && matches!(own.status, Asg::Pending | Asg::Provisioning | Asg::Deprovisioning)
            && row.status != Status::Suspended
            && (own.status != Asg::Pending || !row.lapsed(now))
            && own.not_before.is_none_or(|pause| pause <= now)
            && own.running().is_none_or(|attempt| attempt.lease.is_some_and(|end| end <= now))
    }

    fn attempt(&mut self, (unit, assignment, attempt): (usize, usize, usize)) -> &mut Attempt {
        let own = self.unit_mut(unit).assignments.get_mut(assignment).expect("an assignment of the unit");
        own.attempts.get_mut(attempt).expect("an attempt of the assignment")
    }

    pub(super) fn lease(&mut self, at: (usize, usize, usize), seconds: i64) -> Outcome {
        if seconds < 5 {
            return Err(RefusalCode::InvalidInput);
        }
        let end = self.now + seconds;
        let attempt = self.attempt(at);
        if attempt.outcome != ProvisioningOutcome::Started {
            return INVALID;
        }
        attempt.lease = Some(end);
        Ok(())
    }

    pub(super) fn complete(&mut self, at: (usize, usize, usize)) -> Outcome {
        let attempt = self.attempt(at);
        match attempt.outcome {
            ProvisioningOutcome::Succeeded => return Ok(()),
            ProvisioningOutcome::Failed | ProvisioningOutcome::Unknown => return INVALID,
            ProvisioningOutcome::Started => {}
        }
        (attempt.outcome, attempt.lease) = (ProvisioningOutcome::Succeeded, None);
        if attempt.operation == ProvisioningOperation::Deprovision {
            self.wind_up(at.0, Asg::Ended);
            return Ok(());
        }
        let row = self.unit_mut(at.0);
        if row.status == Status::Assigned {
            row.status = Status::Active;
        }
        let own = row.assignment_mut().expect("what was worked on is in force");
        own.status = if own.end_requested { Asg::Deprovisioning } else { Asg::Active };
        (own.deadline, own.not_before, own.failures, own.end_requested) = (None, None, 0, false);
        row.settle(&[ExceptionKind::Overdue]);
        Ok(())
    }

    pub(super) fn fail(&mut self, at: (usize, usize, usize), retryable: bool) -> Outcome {
        let now = self.now;
        let attempt = self.attempt(at);
        match attempt.outcome {
            ProvisioningOutcome::Failed => return Ok(()),
            ProvisioningOutcome::Succeeded | ProvisioningOutcome::Unknown => return INVALID,
            ProvisioningOutcome::Started => {}
        }
        (attempt.outcome, attempt.lease) = (ProvisioningOutcome::Failed, None);
        let provisions = attempt.operation == ProvisioningOperation::Provision;
        let row = self.unit_mut(at.0);
        let own = row.assignment_mut().expect("what was worked on is in force");
        if provisions && own.end_requested {
            self.wind_up(at.0, Asg::Cancelled);
            return Ok(());
        }
        own.not_before = Some(now + (1 << own.failures));
        own.failures += 1;
        let last = !retryable || own.failures >= FAILURES;
        match (provisions, last) {
            (true, false) => own.status = Asg::Pending,
            (false, false) => {}
            (true, true) => {
                own.status = Asg::Failed;
                row.settle(&[ExceptionKind::Overdue]);
                self.open(at.0, ExceptionKind::ProvisioningFailed);
            }
            (false, true) => {
                own.status = Asg::DeprovisionFailed;
                self.open(at.0, ExceptionKind::DeprovisioningFailed);
            }
        }
        Ok(())
    }

    pub(super) fn retry(&mut self, (unit, assignment): (usize, usize)) -> Outcome {
        if self.unit(unit).assignment().is_none_or(|(place, _)| place != assignment) {
            return INVALID;
        }
        self.retryable(unit)?;
        self.again(unit);
        Ok(())
    }

    pub(super) fn retryable(&self, unit: usize) -> Outcome {
        let row = self.unit(unit);
        let ended = matches!(row.standing(self.now), Status::Revoked | Status::Expired);
        match row.assignment().map(|(_, own)| own.status) {
            Some(Asg::Failed) if !ended => Ok(()),
            Some(Asg::DeprovisionFailed) => Ok(()),
            _ => INVALID,
        }
    }

    pub(super) fn again(&mut self, unit: usize) {
        let deadline = self.now + PROVISIONING;
        let row = self.unit_mut(unit);
        let own = row.assignment_mut().expect("what failed is in force");
        if own.status == Asg::Failed {
            (own.status, own.deadline) = (Asg::Pending, Some(deadline));
        } else {
            (own.status, own.deadline) = (Asg::Deprovisioning, None);
        }
        (own.not_before, own.failures) = (None, 0);
        row.settle(&[ExceptionKind::ProvisioningFailed, ExceptionKind::DeprovisioningFailed]);
    }

    /// Writes what the deadlines mean: of units, of holds, of assignments.
    pub(super) fn sweep(&mut self) {
        let now = self.now;
        for unit in 0..self.units.len() {
            self.lapse(unit);
            let row = self.unit_mut(unit);
            let over = |status: ReservationStatus, expires: i64| status == ReservationStatus::Held && expires <= now;
            if row.holds.iter().any(|hold| over(hold.status, hold.expires)) {
                row.give_up_hold(now);
                row.settle_redemption();
            }
            if self.late(unit) {
                self.open(unit, ExceptionKind::Overdue);
            }
        }
    }

    /// Whether the unit's assignment is past its deadline, and nobody has been told of that deadline yet.
    fn late(&self, unit: usize) -> bool {
        let row = self.unit(unit);
        let Some((place, own)) = row.assignment() else { return false };
        let waits = matches!(own.status, Asg::AwaitingInput | Asg::Pending | Asg::Provisioning);
        let Some(deadline) = own.deadline.filter(|end| waits && *end <= self.now) else { return false };
        let told = row.exceptions.iter().any(|exception| {
            exception.kind == ExceptionKind::Overdue
                && exception.assignment == Some(place)
                && (exception.status == ExceptionStatus::Open || exception.opened >= deadline)
        });
        let awaited = match row.status {
            Status::Assigned | Status::Active => true,
            // What becomes of it hangs on an attempt that has not reported.
            Status::Revoked | Status::Expired => own.status == Asg::Provisioning,
            Status::Unassigned | Status::Reserved | Status::Suspended => false,
        };
        awaited && !told
    }
}
