//! Products: the catalogue, common to all partners.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::scope::{Arms, Scope, Scoped};
use crate::id::{PolicyId, ProductId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "products")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    pub version: i32,
    #[sea_orm(unique)]
    pub sku: String,
    pub name: String,
    /// The policy new order lines are sold under.
    pub policy_id: PolicyId,
    pub created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(_: &Scope) -> Arms {
        Arms::All
    }
}
