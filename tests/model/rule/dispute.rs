//! What waits for somebody's decision, and how it is settled.

use claimcheck::entity::kind::{
    AssignmentStatus as Asg, EntitlementStatus as Status, ExceptionKind as Kind, ExceptionStatus, RefusalCode,
    Resolution,
};

use super::{INVALID, Outcome};
use crate::state::{Exception, INPUT, Model, PROVISIONING, Unit};

impl Model {
    /// Opens an exception, unless one of the kind is open.
    pub(super) fn open(&mut self, unit: usize, kind: Kind) {
        let opened = self.now;
        let row = self.unit_mut(unit);
        let open = |exception: &Exception| exception.kind == kind && exception.status == ExceptionStatus::Open;
        if !row.exceptions.iter().any(open) {
            let (status, assignment) = (ExceptionStatus::Open, row.assignment().map(|(place, _)| place));
            row.exceptions.push(Exception { kind, status, assignment, opened, resolution: None });
        }
    }

    /// How an exception may be resolved, in the order in which it is offered.
    pub fn resolutions(&self, unit: usize, exception: usize) -> Vec<Resolution> {
        let row = self.unit(unit).exceptions.get(exception).expect("an exception of the unit");
        let known = known(row.kind).iter().copied();
        known.filter(|resolution| self.resolvable(unit, exception, *resolution).is_ok()).collect()
    }

    fn resolvable(&self, unit: usize, exception: usize, resolution: Resolution) -> Outcome {
        let row = self.unit(unit);
        let exception = row.exceptions.get(exception).expect("an exception of the unit");
        if exception.status != ExceptionStatus::Open || !known(exception.kind).contains(&resolution) {
            return INVALID;
        }
        let standing = row.standing(self.now);
        let ended = matches!(standing, Status::Revoked | Status::Expired);
        let about = row.assignment().filter(|(place, _)| Some(*place) == exception.assignment);
        let allowed = |condition: bool| if condition { Ok(()) } else { INVALID };
        match (exception.kind, resolution) {
            (_, Resolution::Dismissed) => Ok(()),
            (Kind::RedemptionRejected, Resolution::Released) => allowed(standing == Status::Reserved),
            (Kind::RedemptionRejected, Resolution::Extended)
                if matches!(standing, Status::Suspended | Status::Reserved) =>
            {
                INVALID
            }
            (Kind::RedemptionRejected, Resolution::Extended) => self.extendable(unit),
            (Kind::RedemptionRejected, _) => allowed(!row.replaced),
            _ if about.is_none() => INVALID,
            (Kind::Overdue, _) if about.is_some_and(|(_, own)| own.status == Asg::Provisioning) => {
                let running = about.and_then(|(_, own)| own.running()).and_then(|attempt| attempt.lease);
                allowed(resolution == Resolution::Retried && running.is_none_or(|end| end <= self.now))
            }
            (Kind::Overdue, Resolution::Retried) => allowed(!ended),
            (_, Resolution::Retried) => self.retryable(unit),
            (_, Resolution::Forced) => allowed(about.is_some_and(|(_, own)| own.status == Asg::DeprovisionFailed)),
            (_, Resolution::Released) => self.releasable(unit),
            (_, Resolution::Reissued) => allowed(!row.replaced),
            _ => allowed(!ended),
        }
    }

    pub(super) fn resolve(
        &mut self,
        (unit, exception): (usize, usize),
        resolution: Resolution,
        seconds: Option<i64>,
    ) -> Outcome {
        if seconds.is_some_and(|seconds| seconds <= 0) {
            return Err(RefusalCode::InvalidInput);
        }
        self.resolvable(unit, exception, resolution)?;
        if resolution == Resolution::Extended && seconds.is_none() {
            return Err(RefusalCode::InvalidInput);
        }
        let now = self.now;
        let row = self.unit_mut(unit).exceptions.get_mut(exception).expect("an exception of the unit");
        (row.status, row.resolution) = (ExceptionStatus::Resolved, Some(resolution));
        match (resolution, row.kind) {
            (Resolution::Retried, Kind::Overdue) => self.postpone(unit),
            (Resolution::Retried, _) => self.again(unit),
            (Resolution::Released, Kind::RedemptionRejected) => self.unit_mut(unit).give_up_hold(now),
            (Resolution::Released, _) => self.let_go(unit),
            (Resolution::Forced, _) => self.wind_up(unit, Asg::Ended),
            (Resolution::Revoked, _) => self.revoke(unit)?,
            (Resolution::Extended, _) => self.prolong(unit, seconds.unwrap_or_default()),
            (Resolution::Reissued, _) => self.reissue(unit)?,
            (Resolution::Dismissed | Resolution::Superseded, _) => {}
        }
        Ok(())
    }

    /// What is late gets as much time again as it had at first.
    fn postpone(&mut self, unit: usize) {
        let now = self.now;
        if let Some(own) = self.unit_mut(unit).assignment_mut() {
            let stay = if own.status == Asg::AwaitingInput { INPUT } else { PROVISIONING };
            (own.deadline, own.not_before) = (Some(now + stay), None);
        }
    }
}

impl Unit {
    /// What is open of these kinds was settled by what just happened.
    pub(super) fn settle(&mut self, kinds: &[Kind]) {
        let open = |exception: &&mut Exception| exception.status == ExceptionStatus::Open;
        for exception in self.exceptions.iter_mut().filter(open).filter(|exception| kinds.contains(&exception.kind)) {
            (exception.status, exception.resolution) = (ExceptionStatus::Resolved, Some(Resolution::Superseded));
        }
    }

    /// It can be claimed, or has been.
    pub(super) fn settle_redemption(&mut self) {
        self.settle(&[Kind::RedemptionRejected]);
    }

    /// Its assignment is over.
    pub(super) fn settle_assignment(&mut self) {
        self.settle(&[Kind::ProvisioningFailed, Kind::DeprovisioningFailed, Kind::Overdue]);
    }
}

/// The table of the design.
fn known(kind: Kind) -> &'static [Resolution] {
    use Resolution::{Dismissed, Extended, Forced, Reissued, Released, Retried, Revoked};
    match kind {
        Kind::RedemptionRejected => &[Reissued, Extended, Released, Dismissed],
        Kind::ProvisioningFailed | Kind::Overdue => &[Retried, Released, Reissued, Revoked, Dismissed],
        Kind::DeprovisioningFailed => &[Retried, Forced],
        Kind::ImportMismatch => &[Dismissed],
    }
}
