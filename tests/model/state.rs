//! What the model remembers: units, and what belongs to each, with moments in seconds since the sequence began.
//!
//! It follows the tables of the design and knows nothing of the service but the words for its states. How states change is in `rule`.

use claimcheck::{
    domain::Action,
    entity::kind::{
        ActivationCodeStatus, AssignmentStatus, EntitlementStatus, ExceptionKind, ExceptionStatus, OrderStatus,
        ProvisioningOperation, ProvisioningOutcome, ReservationStatus, Resolution,
    },
};

use crate::step::Step;

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// How long a hold lasts by default, and at the most, in minutes.
pub const HOLD: i64 = 30;
pub const LONGEST_HOLD: i64 = 60;
/// How long input may be waited for.
pub const INPUT: i64 = 24 * HOUR;
/// How long provisioning may take.
pub const PROVISIONING: i64 = HOUR;
/// Failures of an operation after which somebody decides.
pub const FAILURES: u32 = 3;
/// How long a repeat is answered from memory.
pub const MEMORY: i64 = 7 * DAY;

/// The terms of a product, as far as they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "as the policy has them")]
pub struct Terms {
    pub issues_codes: bool,
    pub valid_days: Option<i64>,
    pub transferable: bool,
    pub reassignable: bool,
    pub max_per_account: Option<usize>,
    /// Whether a seat has to be named before anything else.
    pub asks: bool,
    pub external: bool,
    pub coupled: bool,
}

#[derive(Debug, Clone)]
pub struct Unit {
    /// Which of the two products it is of.
    pub product: usize,
    pub order: usize,
    pub status: EntitlementStatus,
    pub expires: Option<i64>,
    /// Whether its purchase named the seat.
    pub seated: bool,
    pub replaced: bool,
    pub codes: Vec<ActivationCodeStatus>,
    pub holds: Vec<Hold>,
    pub assignments: Vec<Assignment>,
    pub exceptions: Vec<Exception>,
}

#[derive(Debug, Clone)]
pub struct Hold {
    pub status: ReservationStatus,
    pub account: Option<usize>,
    pub created: i64,
    pub expires: i64,
}

#[derive(Debug, Clone)]
pub struct Assignment {
    pub status: AssignmentStatus,
    pub account: usize,
    /// The unit's code it was claimed with.
    pub code: Option<usize>,
    pub deadline: Option<i64>,
    pub not_before: Option<i64>,
    pub failures: u32,
    pub end_requested: bool,
    pub attempts: Vec<Attempt>,
}

#[derive(Debug, Clone)]
pub struct Attempt {
    pub operation: ProvisioningOperation,
    pub outcome: ProvisioningOutcome,
    pub lease: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Exception {
    pub kind: ExceptionKind,
    pub status: ExceptionStatus,
    pub assignment: Option<usize>,
    pub opened: i64,
    pub resolution: Option<Resolution>,
}

/// A shop's world: two products, three accounts, and what was sold to them.
#[derive(Debug, Clone)]
pub struct Model {
    pub terms: [Terms; 2],
    pub now: i64,
    pub orders: Vec<OrderStatus>,
    pub units: Vec<Unit>,
    /// What was done under a key, and when.
    pub done: Vec<(i64, Step)>,
    /// How many of the attempts that the last claim began followed one without a report.
    pub unknown: usize,
}

/// How an assignment in force comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    Over(AssignmentStatus),
    TakenDown,
    Awaited,
    Underway,
}

impl Model {
    pub fn new(terms: [Terms; 2]) -> Self {
        Self { terms, now: 0, orders: Vec::new(), units: Vec::new(), done: Vec::new(), unknown: 0 }
    }

    /// What was done under a key, if that is remembered no more.
    pub fn forgotten(&self, done: usize) -> Option<&Step> {
        let (at, step) = self.done.get(done).expect("a step that was done");
        (self.now - at >= MEMORY).then_some(step)
    }

    pub fn unit(&self, unit: usize) -> &Unit {
        self.units.get(unit).expect("a unit of the model")
    }

    pub fn unit_mut(&mut self, unit: usize) -> &mut Unit {
        self.units.get_mut(unit).expect("a unit of the model")
    }

    pub fn terms_of(&self, unit: usize) -> &Terms {
        self.terms.get(self.unit(unit).product).expect("one of two products")
    }

    /// How many units of a product an account has.
    pub fn held(&self, account: usize, product: usize) -> usize {
        let of_product = self.units.iter().filter(|unit| unit.product == product);
        of_product.filter_map(Unit::assignment).filter(|(_, assignment)| assignment.account == account).count()
    }
}

impl Unit {
    /// The assignment in force, and its place.
    pub fn assignment(&self) -> Option<(usize, &Assignment)> {
        self.assignments.iter().enumerate().find(|(_, assignment)| assignment.in_force())
    }

    pub fn assignment_mut(&mut self) -> Option<&mut Assignment> {
        self.assignments.iter_mut().find(|assignment| assignment.in_force())
    }

    /// The reservation that is stored as held, past its end or not.
    pub fn hold(&self) -> Option<(usize, &Hold)> {
        self.holds.iter().enumerate().find(|(_, hold)| hold.status == ReservationStatus::Held)
    }

    pub fn live_code(&self) -> Option<usize> {
        self.codes.iter().position(|code| *code == ActivationCodeStatus::Issued)
    }

    pub fn lapsed(&self, now: i64) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    pub fn live(&self) -> bool {
        !matches!(self.status, EntitlementStatus::Revoked | EntitlementStatus::Expired)
    }

    /// The state by the deadlines, whatever is stored yet.
    pub fn standing(&self, now: i64) -> EntitlementStatus {
        if !self.live() {
            self.status
        } else if self.lapsed(now) {
            EntitlementStatus::Expired
        } else if self.hold().is_some_and(|(_, hold)| hold.expires <= now) {
            EntitlementStatus::Unassigned
        } else {
            self.status
        }
    }
}

impl Assignment {
    pub fn in_force(&self) -> bool {
        !matches!(self.status, AssignmentStatus::Ended | AssignmentStatus::Cancelled)
    }

    pub fn parting(&self, external: bool) -> Parting {
        match self.status {
            AssignmentStatus::Pending | AssignmentStatus::AwaitingInput | AssignmentStatus::Failed => {
                Parting::Over(AssignmentStatus::Cancelled)
            }
            AssignmentStatus::Active if external => Parting::TakenDown,
            AssignmentStatus::Active => Parting::Over(AssignmentStatus::Ended),
            AssignmentStatus::Provisioning if !self.end_requested => Parting::Awaited,
            AssignmentStatus::Provisioning
            | AssignmentStatus::Deprovisioning
            | AssignmentStatus::DeprovisionFailed
            | AssignmentStatus::Ended
            | AssignmentStatus::Cancelled => Parting::Underway,
        }
    }

    /// The attempt that runs.
    pub fn running(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.outcome == ProvisioningOutcome::Started)
    }

    pub fn running_mut(&mut self) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.outcome == ProvisioningOutcome::Started)
    }
}

/// What can be seen of a sequence from outside: the model's and the service's must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub orders: Vec<OrderStatus>,
    pub units: Vec<UnitPicture>,
    /// Ordered, reissued and each state, of each product.
    pub counts: [Vec<(String, i64)>; 2],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitPicture {
    pub status: EntitlementStatus,
    pub expires: Option<i64>,
    pub codes: Vec<ActivationCodeStatus>,
    pub holds: Vec<(ReservationStatus, i64)>,
    pub assignments: Vec<AssignmentPicture>,
    pub exceptions: Vec<(ExceptionKind, Option<Resolution>, Vec<Resolution>)>,
    pub actions: Vec<Action>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentPicture {
    pub status: AssignmentStatus,
    pub account: usize,
    pub deadline: Option<i64>,
    pub not_before: Option<i64>,
    pub failures: u32,
    pub end_requested: bool,
    pub attempts: Vec<(ProvisioningOperation, ProvisioningOutcome, Option<i64>)>,
}

impl Model {
    pub fn picture(&self) -> Picture {
        let units = self.units.iter().enumerate().map(|(place, unit)| UnitPicture {
            status: unit.status,
            expires: unit.expires,
            codes: unit.codes.clone(),
            holds: unit.holds.iter().map(|hold| (hold.status, hold.expires)).collect(),
            assignments: unit.assignments.iter().map(Assignment::picture).collect(),
            exceptions: (0..unit.exceptions.len()).map(|exception| self.exception_picture(place, exception)).collect(),
            actions: self.actions(place),
        });
        Picture { orders: self.orders.clone(), units: units.collect(), counts: [self.counts(0), self.counts(1)] }
    }

    fn exception_picture(&self, unit: usize, exception: usize) -> (ExceptionKind, Option<Resolution>, Vec<Resolution>) {
        let row = self.unit(unit).exceptions.get(exception).expect("an exception of the unit");
        (row.kind, row.resolution, self.resolutions(unit, exception))
    }

    fn counts(&self, product: usize) -> Vec<(String, i64)> {
        let units = || self.units.iter().filter(|unit| unit.product == product);
        let mut counts = std::collections::BTreeMap::new();
        for unit in units() {
            *counts.entry(unit.status.to_string()).or_insert(0) += 1;
        }
        let replaced = units().filter(|unit| unit.replaced).count();
        let all = units().count();
        for (name, number) in [("ORDERED", all - replaced), ("REISSUED", replaced)] {
            counts.insert(name.to_owned(), i64::try_from(number).expect("few units"));
        }
        counts.into_iter().filter(|(_, number)| *number != 0).collect()
    }
}

impl Assignment {
    fn picture(&self) -> AssignmentPicture {
        AssignmentPicture {
            status: self.status,
            account: self.account,
            deadline: self.deadline,
            not_before: self.not_before,
            failures: self.failures,
            end_requested: self.end_requested,
            attempts: self.attempts.iter().map(|one| (one.operation, one.outcome, one.lease)).collect(),
        }
    }
}
