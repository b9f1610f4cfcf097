//! API keys, of which only a hash is kept.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{
    kind::Role,
    scope::{Arms, Scope, Scoped},
};
use crate::id::{AccountId, ApiKeyId, PartnerId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    pub name: String,
    pub role: Role,
    pub partner_id: Option<PartnerId>,
    pub account_id: Option<AccountId>,
    /// SHA-256 of the secret, which has entropy enough to need no slower one.
    #[sea_orm(unique)]
    pub hash: Vec<u8>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether it opens anything at `now`.
    pub fn stands(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All => Arms::All,
            Scope::Partner { .. } | Scope::Provisioner { .. } | Scope::Customer { .. } => Arms::Any(vec![]),
        }
    }
}
