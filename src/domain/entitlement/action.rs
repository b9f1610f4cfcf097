//! What may be done with a unit: one decision an action, which its operation asks before it writes and the graph asks to offer it. They
//! cannot disagree.

use chrono::{DateTime, Utc};

use super::{
    super::{
        Actor, Operation, Refusal, activation_code,
        assignment::Parting,
        error::{Action, not_found, wrong_state},
        transition::Transition,
    },
    Claim, Command,
};
use crate::entity::{
    entitlement::Entity,
    kind::{EntitlementStatus as Status, OrderStatus, RefusalCode, Role},
};

impl Claim {
    /// Refuses `action` unless the unit allows it to `actor` at `now`, and says what may be done instead.
    pub fn allow(&self, action: Action, actor: &Actor, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.decide(action, actor, now).map_err(|refusal| refusal.instead(self.allowed_actions(actor, now)))
    }

    /// What `actor` may do with the unit at `now`.
    pub fn allowed_actions(&self, actor: &Actor, now: DateTime<Utc>) -> Vec<Action> {
        let offered = Action::ALL.into_iter().filter(|action| {
            let operation = self.operation(*action, now);
            operation.roles().contains(&actor.role) && self.decide(*action, actor, now).is_ok()
        });
        offered.collect()
    }

    /// The mutation that does it.
    fn operation(&self, action: Action, now: DateTime<Utc>) -> Operation {
        match action {
            Action::Reserve => Operation::ReserveEntitlement,
            Action::Assign => Operation::AssignEntitlement,
            Action::Redeem => Operation::RedeemCode,
            Action::Transfer => Operation::TransferEntitlement,
            Action::Release if self.standing(now) == Status::Reserved => Operation::ReleaseReservation,
            Action::Release => Operation::ReleaseAssignment,
            Action::Suspend => Operation::SuspendEntitlement,
            Action::Resume => Operation::ResumeEntitlement,
            Action::Revoke => Operation::RevokeEntitlement,
            Action::Reissue => Operation::ReissueEntitlement,
            Action::RotateCode => Operation::RotateActivationCode,
            Action::Extend => Operation::ExtendEntitlement,
        }
    }

    fn decide(&self, action: Action, actor: &Actor, now: DateTime<Utc>) -> Result<(), Refusal> {
        let standing = self.standing(now);
        let by = |command| Transition::<Entity>::decide(standing, command).map(|_| ());
        match action {
            Action::Reserve if standing == Status::Reserved => Err(Refusal::new(
                RefusalCode::ReservedByOther,
                "it is held already: try again after the hold, or release that first",
            )),
            Action::Reserve | Action::Transfer if standing == Status::Unassigned && !self.bought_by(actor) => {
                Err(not_found("entitlement"))
            }
            Action::Reserve => by(Command::Reserve),
            Action::Assign if standing == Status::Reserved => Err(Refusal::new(
                RefusalCode::ReservedByOther,
                "it is held by a reservation: confirm or release that first",
            )),
            Action::Assign => by(Command::Assign),
            Action::Redeem => activation_code::redeemable(self, actor.account, now),
            Action::Transfer | Action::Revoke | Action::Reissue | Action::RotateCode if !self.sold_by(actor) => {
                Err(not_found("entitlement"))
            }
            Action::Release if standing == Status::Reserved => by(Command::EndHold),
            Action::Release => self.releasable(actor, now),
            Action::Transfer if standing != Status::Unassigned => Err(wrong(standing)),
            Action::Transfer if !self.policy.transferable => {
                Err(Refusal::new(RefusalCode::NotTransferable, "the terms of its sale do not let it be handed on"))
            }
            Action::Suspend => by(Command::Suspend),
            Action::Resume => by(Command::resume(self.assignment.as_ref())),
            Action::Revoke | Action::Reissue if actor.role == Role::Partner && standing != Status::Unassigned => {
                Err(wrong(standing))
            }
            Action::Revoke => by(Command::Revoke),
            Action::Reissue if self.replaced => Err(replaced()),
            Action::RotateCode if !matches!(standing, Status::Unassigned | Status::Reserved) => Err(wrong(standing)),
            Action::RotateCode if !self.policy.issues_codes && self.code.is_none() => {
                Err(Refusal::new(RefusalCode::InvalidState, "the terms of its sale know no codes: assign it directly"))
            }
            Action::Transfer | Action::Reissue | Action::RotateCode => Ok(()),
            Action::Extend => self.extendable(standing),
        }
    }

    /// Whether the unit is not merely held by an account of the partner that asks.
    pub fn sold_by(&self, actor: &Actor) -> bool {
        actor.role != Role::Partner || actor.scope.sells(self.unit.partner_id)
    }

    /// A customer for whom it was held until now, or is not swept yet, did not buy it.
    fn bought_by(&self, actor: &Actor) -> bool {
        actor.role != Role::Customer || (actor.account.is_some() && actor.account == self.unit.buyer_account_id)
    }

    fn releasable(&self, actor: &Actor, now: DateTime<Utc>) -> Result<(), Refusal> {
        let standing = self.standing(now);
        if !self.sold_by(actor) {
            return Err(not_found("assignment"));
        }
        let Some((assignment, parting)) = self.assignment.as_ref().zip(self.parting()) else {
            return Err(wrong(standing));
        };
        if !matches!(standing, Status::Assigned | Status::Active) {
            return Err(wrong(standing));
        }
        match parting {
            Parting::Underway => {
                let message = format!("the assignment is {} and on its way out", assignment.status);
                Err(Refusal::new(RefusalCode::InvalidState, message))
            }
            Parting::Over(_) | Parting::TakenDown if standing == Status::Active && !self.policy.reassignable => {
                Err(Refusal::new(
                    RefusalCode::NotReassignable,
                    "the terms of its sale do not let it be taken back once active",
                ))
            }
            Parting::Over(_) | Parting::TakenDown | Parting::Awaited => Ok(()),
        }
    }

    fn extendable(&self, standing: Status) -> Result<(), Refusal> {
        match standing {
            Status::Revoked => Err(wrong(standing)),
            Status::Expired if self.replaced => Err(replaced()),
            Status::Expired if self.order == OrderStatus::Cancelled => Err(wrong_state("order", self.order)),
            Status::Expired => match self.parting() {
                None | Some(Parting::Over(_)) => Ok(()),
                Some(Parting::TakenDown | Parting::Awaited | Parting::Underway) => Err(Refusal::new(
                    RefusalCode::InvalidState,
                    "its former assignment is still being taken down: extend it after that",
                )),
            },
            Status::Unassigned | Status::Reserved | Status::Assigned | Status::Active | Status::Suspended => Ok(()),
        }
    }
}

fn wrong(standing: Status) -> Refusal {
    wrong_state("entitlement", standing)
}

fn replaced() -> Refusal {
    Refusal::new(RefusalCode::InvalidState, "another entitlement was issued in its place: go by that one")
}
