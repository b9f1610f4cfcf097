//! Holding a unit for a while.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, order::AccountInput, reference, run};
use crate::{
    domain::{
        Operation,
        reservation::{self, Confirm, Confirmed, Extend, Held, Release, Reserve},
    },
    graphql::{
        error::{Fault, UserError},
        scalars::Json,
        session::Session,
        types::{Assignment, Entitlement, Reservation},
    },
};

/// A unit to hold.
#[derive(InputObject, Clone)]
pub struct ReserveEntitlementInput {
    /// The unit. Nobody may have or hold it.
    pub entitlement_id: ID,
    /// Whom it is held for; your own account, or nobody by name, where it is left out.
    pub account: Option<AccountInput>,
    /// What the unit will be for downstream, as a seat or a site.
    pub resource: Option<String>,
    /// How long, in minutes; the policy's `reservationMinutes` where it is left out.
    pub minutes: Option<i32>,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Refuse with `STALE_VERSION` unless the unit is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// A hold that needs more time.
#[derive(InputObject, Clone)]
pub struct ExtendReservationInput {
    /// The reservation, not yet past its end.
    pub reservation_id: ID,
    /// Minutes after its present end. In all it may last the policy's `reservationMaxMinutes`.
    pub minutes: i32,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Refuse with `STALE_VERSION` unless the reservation is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// A hold to turn into an assignment.
#[derive(InputObject, Clone)]
pub struct ConfirmReservationInput {
    /// The reservation, not yet past its end.
    pub reservation_id: ID,
    /// The account that gets the unit; whom it is held for, where it is left out.
    pub account: Option<AccountInput>,
    /// Input that the product's policy asks for: an object. What is missing can be submitted later.
    pub input: Option<Json>,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Refuse with `STALE_VERSION` unless the reservation is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// A hold to give up.
#[derive(InputObject, Clone)]
pub struct ReleaseReservationInput {
    /// The reservation, not yet past its end.
    pub reservation_id: ID,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Refuse with `STALE_VERSION` unless the reservation is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of holding a unit.
pub struct ReserveEntitlementPayload(Outcome<Held>);

/// What came of `reserveEntitlement`.
#[Object]
impl ReserveEntitlementPayload {
    /// The new reservation.
    async fn reservation(&self, ctx: &Context<'_>) -> Option<Result<Reservation, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.reservation_id)).await
    }

    /// The unit that is held.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// Why nothing is held; empty when it is.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// What came of extending a hold.
pub struct ExtendReservationPayload(Outcome<Held>);

/// What came of `extendReservation`.
#[Object]
impl ExtendReservationPayload {
    /// The reservation with its new end.
    async fn reservation(&self, ctx: &Context<'_>) -> Option<Result<Reservation, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.reservation_id)).await
    }

    /// Why it was not extended; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// What came of confirming a hold.
pub struct ConfirmReservationPayload(Outcome<Confirmed>);

/// What came of `confirmReservation`.
#[Object]
impl ConfirmReservationPayload {
    /// The new assignment.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.assignment_id)).await
    }

    /// The unit that was held.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// The reservation, confirmed.
    async fn reservation(&self, ctx: &Context<'_>) -> Option<Result<Reservation, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.reservation_id)).await
    }

    /// Why it was not confirmed; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// What came of giving a hold up.
pub struct ReleaseReservationPayload(Outcome<Held>);

/// What came of `releaseReservation`.
#[Object]
impl ReleaseReservationPayload {
    /// The reservation, released.
    async fn reservation(&self, ctx: &Context<'_>) -> Option<Result<Reservation, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.reservation_id)).await
    }

    /// The unit, free again. Its activation code, if it has one, is the same as before.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// Why it was not released; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Reservations.
#[derive(Default)]
pub struct ReservationMutation;

#[Object]
impl ReservationMutation {
    /// Holds a unit for a while: nobody else can claim it until the hold is confirmed, released or past its end.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (units its subtree sold), CUSTOMER (units it bought).
    async fn reserve_entitlement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ReserveEntitlementInput,
    ) -> Result<ReserveEntitlementPayload, Fault> {
        let wanted = input.clone();
        let command = id("entitlementId", &wanted.entitlement_id).map(|entitlement_id| Reserve {
            entitlement_id,
            account: reference(wanted.account),
            resource: wanted.resource,
            minutes: wanted.minutes,
            expected_version: wanted.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref(), input.reason.as_ref());
        let done = run(ctx, Operation::ReserveEntitlement, input, command, reservation::reserve).await;
        done.map(ReserveEntitlementPayload)
    }

    /// Gives a hold more time, within what the product's policy allows in all.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER, CUSTOMER.
    async fn extend_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ExtendReservationInput,
    ) -> Result<ExtendReservationPayload, Fault> {
        let command = id("reservationId", &input.reservation_id).map(|reservation_id| Extend {
            reservation_id,
            minutes: input.minutes,
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref(), input.reason.as_ref());
        let done = run(ctx, Operation::ExtendReservation, input, command, reservation::extend).await;
        done.map(ExtendReservationPayload)
    }

    /// Assigns a held unit to whom it is held for. Its activation code, if it has a live one, stops working.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER, CUSTOMER (for itself).
    async fn confirm_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ConfirmReservationInput,
    ) -> Result<ConfirmReservationPayload, Fault> {
        let wanted = input.clone();
        let command = id("reservationId", &wanted.reservation_id).map(|reservation_id| Confirm {
            reservation_id,
            account: reference(wanted.account),
            input: wanted.input.map(|input| input.0),
            expected_version: wanted.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref(), input.reason.as_ref());
        let done = run(ctx, Operation::ConfirmReservation, input, command, reservation::confirm).await;
        done.map(ConfirmReservationPayload)
    }

    /// Gives a hold up: the unit is free again, and its activation code, if it has one, works as before.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER, CUSTOMER.
    async fn release_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ReleaseReservationInput,
    ) -> Result<ReleaseReservationPayload, Fault> {
        let wanted = input.clone();
        let command = id("reservationId", &wanted.reservation_id).map(|reservation_id| Release {
            reservation_id,
            reason: wanted.reason,
            expected_version: wanted.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        let done = run(ctx, Operation::ReleaseReservation, input, command, reservation::release).await;
        done.map(ReleaseReservationPayload)
    }
}
