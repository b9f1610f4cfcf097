//! Accounts: whoever holds units. A reference is unique within the namespace of a top-level partner.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{
    assignment,
    scope::{Arms, Scope, Scoped, through},
};
use crate::id::{AccountId, PartnerId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// The namespace: always a top-level partner.
    #[sea_orm(unique_key = "reference")]
    pub partner_id: PartnerId,
    #[sea_orm(unique_key = "reference")]
    pub external_reference: String,
    pub email: Option<String>,
    pub display_name: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All => Arms::All,
            Scope::Partner { namespace, .. } => Arms::Any(vec![COLUMN.partner_id.eq(*namespace)]),
            Scope::Provisioner { .. } => {
                through::<assignment::Entity>(scope, assignment::Column::AccountId, Column::Id)
            }
            Scope::Customer { account, .. } => Arms::Any(vec![COLUMN.id.eq(*account)]),
        }
    }
}
