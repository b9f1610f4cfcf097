//! How somebody comes by a unit: by its code, directly, or through a hold.

use claimcheck::entity::kind::{
    ActivationCodeStatus as Code, AssignmentStatus, EntitlementStatus as Status, ExceptionKind, RefusalCode,
    ReservationStatus,
};

use super::{INVALID, Outcome};
use crate::state::{HOLD, Hold, LONGEST_HOLD, MINUTE, Model, PROVISIONING};

impl Model {
    pub(super) fn redeem(&mut self, (unit, code): (usize, usize), account: usize, seated: bool) -> Outcome {
        let decision = self.redeemable(unit, code, account);
        if let Ok(true) = decision {
            return Ok(());
        }
        match decision.and_then(|_| self.room(unit, account)) {
            Ok(()) => {}
            Err(reason) => {
                use RefusalCode::{CodeExpired, CodeReplaced, CodeRevoked, EntitlementSuspended, ReservedByOther};
                if matches!(reason, CodeExpired | CodeRevoked | CodeReplaced | ReservedByOther | EntitlementSuspended) {
                    self.open(unit, ExceptionKind::RedemptionRejected);
                }
                return Err(reason);
            }
        }
        let now = self.now;
        let row = self.unit_mut(unit);
        if let Some(hold) = row.holds.iter_mut().find(|hold| hold.status == ReservationStatus::Held) {
            let over = hold.expires <= now;
            hold.status = if over { ReservationStatus::Expired } else { ReservationStatus::Confirmed };
        }
        row.end_code(Code::Redeemed);
        self.begin(unit, account, seated, Some(code));
        Ok(())
    }

    /// Whether the account has done so before, or why it may not.
    fn redeemable(&self, unit: usize, code: usize, account: usize) -> Result<bool, RefusalCode> {
        let row = self.unit(unit);
        match row.codes.get(code).expect("a code of the unit") {
            Code::Redeemed => {
                let mine = row.assignment().filter(|(_, own)| own.code == Some(code) && own.account == account);
                if mine.is_some() { Ok(true) } else { Err(RefusalCode::AlreadyRedeemed) }
            }
            Code::Replaced => Err(RefusalCode::CodeReplaced),
            Code::Revoked => Err(RefusalCode::CodeRevoked),
            Code::Expired => Err(RefusalCode::CodeExpired),
            Code::Issued => match row.standing(self.now) {
                Status::Expired => Err(RefusalCode::CodeExpired),
                Status::Unassigned => Ok(false),
                Status::Reserved if row.hold().is_some_and(|(_, hold)| hold.account == Some(account)) => Ok(false),
                Status::Reserved => Err(RefusalCode::ReservedByOther),
                Status::Suspended => Err(RefusalCode::EntitlementSuspended),
                other => panic!("a live code of a unit that is {other}"),
            },
        }
    }

    pub(super) fn assign(&mut self, unit: usize, account: usize, seated: bool) -> Outcome {
        self.free(unit)?;
        self.room(unit, account)?;
        let now = self.now;
        let row = self.unit_mut(unit);
        row.give_up_hold(now);
        row.end_code(Code::Revoked);
        self.begin(unit, account, seated, None);
        Ok(())
    }

    fn free(&self, unit: usize) -> Outcome {
        match self.unit(unit).standing(self.now) {
            Status::Unassigned => Ok(()),
            Status::Reserved => Err(RefusalCode::ReservedByOther),
            _ => INVALID,
        }
    }

    pub(super) fn reserve(&mut self, unit: usize, account: Option<usize>, minutes: Option<i64>) -> Outcome {
        self.free(unit)?;
        let minutes = minutes.unwrap_or(HOLD);
        if !(1..=LONGEST_HOLD).contains(&minutes) {
            return Err(RefusalCode::InvalidInput);
        }
        let now = self.now;
        let row = self.unit_mut(unit);
        row.give_up_hold(now);
        row.status = Status::Reserved;
        let (status, expires) = (ReservationStatus::Held, now + minutes * MINUTE);
        row.holds.push(Hold { status, account, created: now, expires });
        Ok(())
    }

    /// The hold, if it holds its unit now.
    fn holding(&self, (unit, hold): (usize, usize)) -> Result<&Hold, RefusalCode> {
        let row = self.unit(unit).holds.get(hold).expect("a hold of the unit");
        match row.status {
            ReservationStatus::Expired => Err(RefusalCode::ReservationExpired),
            ReservationStatus::Held if row.expires <= self.now => Err(RefusalCode::ReservationExpired),
            // What held a unit whose time is up holds nothing any more.
            ReservationStatus::Held if self.unit(unit).lapsed(self.now) => Err(RefusalCode::InvalidState),
            ReservationStatus::Held => Ok(row),
            ReservationStatus::Confirmed | ReservationStatus::Released => Err(RefusalCode::InvalidState),
        }
    }

    pub(super) fn extend_hold(&mut self, at: (usize, usize), minutes: i64) -> Outcome {
        let hold = self.holding(at)?;
        let end = hold.expires + minutes * MINUTE;
        if end > hold.created + LONGEST_HOLD * MINUTE {
            return Err(RefusalCode::LimitExceeded);
        }
        let hold = self.unit_mut(at.0).holds.get_mut(at.1).expect("a hold of the unit");
        hold.expires = end;
        Ok(())
    }

    pub(super) fn confirm(&mut self, at: (usize, usize), account: Option<usize>, seated: bool) -> Outcome {
        let hold = self.holding(at)?;
        let account = match (hold.account, account) {
            (None, None) => return Err(RefusalCode::InvalidInput),
            (Some(held_for), Some(named)) if held_for != named => return Err(RefusalCode::ReservedByOther),
            (Some(account), _) | (None, Some(account)) => account,
        };
        self.room(at.0, account)?;
        let row = self.unit_mut(at.0);
        let hold = row.holds.get_mut(at.1).expect("a hold of the unit");
        hold.status = ReservationStatus::Confirmed;
        row.end_code(Code::Revoked);
        self.begin(at.0, account, seated, None);
        Ok(())
    }

    pub(super) fn release_hold(&mut self, at: (usize, usize)) -> Outcome {
        self.holding(at)?;
        let now = self.now;
        let row = self.unit_mut(at.0);
        row.give_up_hold(now);
        row.settle_redemption();
        Ok(())
    }

    pub(super) fn submit(&mut self, (unit, assignment): (usize, usize), seated: bool) -> Outcome {
        let (now, external) = (self.now, self.terms_of(unit).external);
        let standing = self.unit(unit).standing(now);
        let row = self.unit_mut(unit);
        let own = row.assignments.get_mut(assignment).expect("an assignment of the unit");
        if !matches!(standing, Status::Assigned | Status::Suspended) || own.status != AssignmentStatus::AwaitingInput {
            return INVALID;
        }
        if !seated {
            return Ok(());
        }
        if external {
            (own.status, own.deadline) = (AssignmentStatus::Pending, Some(now + PROVISIONING));
        } else {
            (own.status, own.deadline) = (AssignmentStatus::Active, None);
            if row.status == Status::Assigned {
                row.status = Status::Active;
            }
        }
        row.settle(&[ExceptionKind::Overdue]);
        Ok(())
    }
}
