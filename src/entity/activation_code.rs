//! Activation codes: what is kept of them, which is never the code itself.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{
    entitlement,
    kind::ActivationCodeStatus,
    scope::{Arms, Scope, Scoped, through},
};
use crate::id::{ActivationCodeId, EntitlementId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activation_codes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActivationCodeId,
    pub entitlement_id: EntitlementId,
    pub status: ActivationCodeStatus,
    /// The keyed hash, by which a code that somebody holds is found; unique.
    pub hash: Vec<u8>,
    /// The key of the hash and of the seal.
    pub key_id: String,
    pub last_four: String,
    /// The code itself, encrypted, while it may be revealed.
    pub sealed: Option<Vec<u8>>,
    pub revealable_until: Option<DateTime<Utc>>,
    pub issued_at: DateTime<Utc>,
    pub redeemed_at: Option<DateTime<Utc>>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether it can be shown in full once more.
    pub fn revealable(&self, now: DateTime<Utc>) -> bool {
        self.status == ActivationCodeStatus::Issued
            && self.sealed.is_some()
            && self.revealable_until.is_some_and(|end| now < end)
    }
}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        through::<entitlement::Entity>(scope, entitlement::Column::Id, Column::EntitlementId)
    }
}
