//! The mode that new orders of a channel use for a product, where it differs from the product's own.

use sea_orm::entity::prelude::*;

use super::{
    channel,
    kind::FulfillmentMode,
    scope::{Arms, Scope, Scoped, through},
};
use crate::id::{ChannelId, ProductId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "fulfillment_rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel_id: ChannelId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: ProductId,
    pub mode: FulfillmentMode,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        through::<channel::Entity>(scope, channel::Column::Id, Column::ChannelId)
    }
}
