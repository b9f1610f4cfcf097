//! Order lines: so many units of one product, with the policy and mode they were sold under.

use sea_orm::entity::prelude::*;

use super::{
    kind::FulfillmentMode,
    money::Amount,
    order,
    scope::{Arms, Scope, Scoped, among, through},
};
use crate::id::{AccountId, ChannelId, OrderId, OrderLineId, PartnerId, PolicyId, ProductId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderLineId,
    pub order_id: OrderId,
    /// The order's channel and partner, and so its units'.
    pub channel_id: ChannelId,
    pub partner_id: PartnerId,
    pub product_id: ProductId,
    pub policy_id: PolicyId,
    pub mode: FulfillmentMode,
    pub quantity: i32,
    pub unit_price: Option<Amount>,
    /// The account the units were sold to directly, if any.
    pub account_id: Option<AccountId>,
    pub resource: Option<String>,
    /// What was submitted at purchase for whoever claims a unit.
    pub input: Option<Json>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All => Arms::All,
            Scope::Partner { subtree, .. } => Arms::Any(vec![among(Column::PartnerId.as_column_ref(), subtree)]),
            Scope::Provisioner { .. } => Arms::Any(vec![]),
            Scope::Customer { .. } => through::<order::Entity>(scope, order::Column::Id, Column::OrderId),
        }
    }
}
