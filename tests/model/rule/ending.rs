//! How a unit is taken back, halted, ended or replaced, and how an assignment comes to its end.

use claimcheck::entity::kind::{
    ActivationCodeStatus as Code, AssignmentStatus, EntitlementStatus as Status, OrderStatus, RefusalCode,
};

use super::{INVALID, Outcome};
use crate::state::{DAY, Model, Parting, Unit};

impl Model {
    pub(super) fn release(&mut self, (unit, assignment): (usize, usize), force: bool) -> Outcome {
        let Some((place, own)) = self.unit(unit).assignment() else { return INVALID };
        if place != assignment {
            return INVALID;
        }
        if own.status == AssignmentStatus::DeprovisionFailed && force {
            self.wind_up(unit, AssignmentStatus::Ended);
            return Ok(());
        }
        self.releasable(unit)?;
        self.let_go(unit);
        Ok(())
    }

    /// Begins the end of an assignment whose unit lives on.
    pub(super) fn let_go(&mut self, unit: usize) {
        match self.parting(unit) {
            Some(Parting::Over(status)) => self.wind_up(unit, status),
            _ => self.part(unit),
        }
    }

    /// Begins the end of an assignment.
    fn part(&mut self, unit: usize) {
        let parting = self.parting(unit);
        let row = self.unit_mut(unit);
        let Some(own) = row.assignment_mut() else { return };
        match parting {
            Some(Parting::Over(status)) => {
                own.over(status);
                row.settle_assignment();
            }
            Some(Parting::TakenDown) => own.over(AssignmentStatus::Deprovisioning),
            Some(Parting::Awaited) => own.end_requested = true,
            Some(Parting::Underway) | None => {}
        }
    }

    /// Ends an assignment for good; a unit that waited for that is free.
    pub(super) fn wind_up(&mut self, unit: usize, status: AssignmentStatus) {
        let row = self.unit_mut(unit);
        if let Some(own) = row.assignment_mut() {
            own.over(status);
        }
        row.settle_assignment();
        let freeing = if status == AssignmentStatus::Ended { Status::Active } else { Status::Assigned };
        if row.status == freeing {
            row.status = Status::Unassigned;
            row.settle_redemption();
            self.issue(unit);
        }
    }

    /// Ends a unit: its hold is released, its code dies, its assignment is wound up.
    fn end(&mut self, unit: usize, status: Status, code: Code) {
        let now = self.now;
        let row = self.unit_mut(unit);
        row.give_up_hold(now);
        row.end_code(code);
        row.status = status;
        self.part(unit);
    }

    /// Writes what a unit's end already means.
    pub(super) fn lapse(&mut self, unit: usize) {
        let row = self.unit(unit);
        if row.live() && row.lapsed(self.now) {
            self.end(unit, Status::Expired, Code::Expired);
        }
    }

    pub(super) fn revoke(&mut self, unit: usize) -> Outcome {
        if matches!(self.unit(unit).standing(self.now), Status::Revoked | Status::Expired) {
            return INVALID;
        }
        self.end(unit, Status::Revoked, Code::Revoked);
        Ok(())
    }

    pub(super) fn reissue(&mut self, unit: usize) -> Outcome {
        if self.unit(unit).replaced {
            return INVALID;
        }
        self.lapse(unit);
        if self.unit(unit).live() {
            self.end(unit, Status::Revoked, Code::Replaced);
        }
        let (now, terms) = (self.now, self.terms_of(unit).clone());
        let old = self.unit_mut(unit);
        old.settle_redemption();
        old.replaced = true;
        let anew = terms.valid_days.map(|days| now + days * DAY);
        let new = Unit {
            product: old.product,
            order: old.order,
            status: Status::Unassigned,
            expires: if old.lapsed(now) { anew } else { old.expires },
            seated: old.seated,
            replaced: false,
            codes: Vec::new(),
            holds: Vec::new(),
            assignments: Vec::new(),
            exceptions: Vec::new(),
        };
        self.units.push(new);
        self.issue(self.units.len() - 1);
        Ok(())
    }

    pub(super) fn rotate(&mut self, unit: usize) -> Outcome {
        let row = self.unit(unit);
        let claimable = matches!(row.standing(self.now), Status::Unassigned | Status::Reserved);
        if !claimable || (!self.terms_of(unit).issues_codes && row.live_code().is_none()) {
            return INVALID;
        }
        self.replace_code(unit);
        Ok(())
    }

    fn replace_code(&mut self, unit: usize) {
        let row = self.unit_mut(unit);
        row.end_code(Code::Replaced);
        self.settle_if_free(unit);
        self.issue(unit);
    }

    /// A code that not everybody may redeem settles no refusal.
    fn settle_if_free(&mut self, unit: usize) {
        if self.unit(unit).standing(self.now) == Status::Unassigned {
            self.unit_mut(unit).settle_redemption();
        }
    }

    pub(super) fn transfer(&mut self, unit: usize) -> Outcome {
        let now = self.now;
        if self.unit(unit).standing(now) != Status::Unassigned {
            return INVALID;
        }
        if !self.terms_of(unit).transferable {
            return Err(RefusalCode::NotTransferable);
        }
        self.unit_mut(unit).give_up_hold(now);
        self.replace_code(unit);
        Ok(())
    }

    pub(super) fn suspend(&mut self, unit: usize) -> Outcome {
        let now = self.now;
        let row = self.unit_mut(unit);
        if matches!(row.standing(now), Status::Revoked | Status::Expired | Status::Suspended) {
            return INVALID;
        }
        row.give_up_hold(now);
        row.status = Status::Suspended;
        Ok(())
    }

    pub(super) fn resume(&mut self, unit: usize) -> Outcome {
        let now = self.now;
        let row = self.unit_mut(unit);
        if row.standing(now) != Status::Suspended {
            return INVALID;
        }
        row.status = match row.assignment().map(|(_, own)| own.status) {
            None => Status::Unassigned,
            Some(AssignmentStatus::Active | AssignmentStatus::Deprovisioning | AssignmentStatus::DeprovisionFailed) => {
                Status::Active
            }
            Some(_) => Status::Assigned,
        };
        row.settle_redemption();
        if row.status == Status::Unassigned {
            self.issue(unit);
        }
        Ok(())
    }

    pub(super) fn extend(&mut self, unit: usize, seconds: i64) -> Outcome {
        if seconds <= 0 {
            return Err(RefusalCode::InvalidInput);
        }
        self.extendable(unit)?;
        self.prolong(unit, seconds);
        Ok(())
    }

    pub(super) fn prolong(&mut self, unit: usize, seconds: i64) {
        self.lapse(unit);
        let end = self.now + seconds;
        let row = self.unit_mut(unit);
        row.expires = Some(end);
        let renewed = row.status == Status::Expired;
        if renewed {
            row.status = Status::Unassigned;
        }
        self.settle_if_free(unit);
        if renewed {
            self.issue(unit);
        }
    }

    pub(super) fn cancel(&mut self, order: usize, all: bool) -> Outcome {
        let status = *self.orders.get(order).expect("an order of the model");
        if status == OrderStatus::Cancelled {
            return INVALID;
        }
        let now = self.now;
        let living: Vec<usize> = (0..self.units.len())
            .filter(|unit| {
                let row = self.unit(*unit);
                row.order == order && row.live() && !row.lapsed(now)
            })
            .collect();
        let (held, free): (Vec<usize>, Vec<usize>) =
            living.into_iter().partition(|unit| self.unit(*unit).assignment().is_some());
        let left = if all { 0 } else { held.len() };
        if status == OrderStatus::PartiallyCancelled && left > 0 && free.is_empty() {
            return INVALID;
        }
        for unit in free.into_iter().chain(held.into_iter().filter(|_| all)) {
            self.end(unit, Status::Revoked, Code::Revoked);
        }
        let status = if left > 0 { OrderStatus::PartiallyCancelled } else { OrderStatus::Cancelled };
        *self.orders.get_mut(order).expect("an order of the model") = status;
        Ok(())
    }
}

impl crate::state::Assignment {
    /// It leaves the state it was in for good: no deadline, no pause, no failures any more.
    fn over(&mut self, status: AssignmentStatus) {
        self.status = status;
        (self.deadline, self.not_before, self.failures) = (None, None, 0);
    }
}
