//! Reservations: a unit held for somebody for a while.

use chrono::{DateTime, Utc};
use sea_orm::{QuerySelect, QueryTrait, entity::prelude::*, sea_query::SelectStatement};

use super::{
    entitlement,
    kind::ReservationStatus,
    scope::{Arms, Scope, Scoped, in_state, through},
};
use crate::id::{AccountId, EntitlementId, PartnerId, ReservationId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reservations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReservationId,
    pub version: i32,
    pub status: ReservationStatus,
    pub entitlement_id: EntitlementId,
    /// Whom it is held for; none where it is held for nobody by name.
    pub account_id: Option<AccountId>,
    /// The namespace of that account.
    pub account_partner_id: Option<PartnerId>,
    pub resource: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether it holds the unit at `now`: a hold past its end holds nothing, swept or not.
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.status == ReservationStatus::Held && now < self.expires_at
    }
}

/// The units that are held for an account.
pub fn held_for(account: AccountId) -> SelectStatement {
    let held = Entity::find()
        .filter(COLUMN.account_id.eq(account))
        .filter(in_state((Entity, Column::Status), &[ReservationStatus::Held]));
    held.select_only().column(Column::EntitlementId).into_query()
}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        through::<entitlement::Entity>(scope, entitlement::Column::Id, Column::EntitlementId)
    }
}
