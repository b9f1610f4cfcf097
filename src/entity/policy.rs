//! Fulfillment policies: versions that are never changed, for order lines keep the one they were sold under.

use sea_orm::entity::prelude::*;

use super::{
    kind::{FulfillmentMode, Provisioning},
    scope::{Arms, Scope, Scoped},
};
use crate::id::{PolicyId, ProductId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "policies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PolicyId,
    #[sea_orm(unique_key = "version")]
    pub product_id: ProductId,
    #[sea_orm(unique_key = "version")]
    pub version: i32,
    pub mode: FulfillmentMode,
    pub issues_codes: bool,
    pub valid_for_days: Option<i32>,
    pub reservation_minutes: i32,
    pub reservation_max_minutes: i32,
    pub input_deadline_hours: i32,
    pub provisioning_deadline_minutes: i32,
    pub transferable: bool,
    pub reassignable: bool,
    pub max_per_account: Option<i32>,
    pub required_input: Names,
    pub provisioning: Provisioning,
}

/// A list of names, stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, FromJsonQueryResult)]
pub struct Names(pub Vec<String>);

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(_: &Scope) -> Arms {
        Arms::All
    }
}
