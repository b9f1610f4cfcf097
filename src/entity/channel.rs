//! Channels: where orders come from. Every channel belongs to one partner for good.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{
    kind::ChannelKind,
    scope::{Arms, Scope, Scoped, among, those},
};
use crate::id::{ChannelId, PartnerId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "channels")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ChannelId,
    pub version: i32,
    #[sea_orm(unique)]
    pub name: String,
    pub kind: ChannelKind,
    pub partner_id: PartnerId,
    pub active: bool,
    pub created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All | Scope::Provisioner { subtree: None } => Arms::All,
            Scope::Partner { subtree, .. } | Scope::Provisioner { subtree: Some(subtree) } => {
                Arms::Any(vec![among(Column::PartnerId, subtree)])
            }
            Scope::Customer { account, .. } => {
                Arms::Any(vec![COLUMN.id.in_subquery(those("channel_id", "orders", "buyer_account_id", *account))])
            }
        }
    }
}
