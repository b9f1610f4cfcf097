//! Lists of reservations.

use sea_orm::{
    Condition,
    sea_query::{Expr, ExprTrait},
};

use super::{Listing, Rows, parent, visible};
use crate::{
    entity::{
        kind::ReservationStatus,
        reservation::{Column, Entity, Model},
        scope::{Scope, in_state},
    },
    graphql::types::Reservation,
};

/// The reservations that hold a unit for an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeldForAccount;

impl Listing for HeldForAccount {
    type Row = Model;
    type Node = Reservation;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((Entity, Column::AccountId)).eq(parent()));
        let held = own.add(in_state((Entity, Column::Status), &[ReservationStatus::Held]));
        Rows::of::<Entity>(vec![held.add(visible::<Entity>(scope))])
    }
}

/// The reservations that hold a unit, and held it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReservationsOfUnit;

impl Listing for ReservationsOfUnit {
    type Row = Model;
    type Node = Reservation;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((Entity, Column::EntitlementId)).eq(parent()));
        Rows::of::<Entity>(vec![own.add(visible::<Entity>(scope))])
    }
}
