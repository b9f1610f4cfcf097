//! Orders: purchases, complete and valid from the moment they are recorded.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{
    kind::{OrderSource, OrderStatus},
    money::Amount,
    scope::{Arms, Scope, Scoped, among},
};
use crate::id::{AccountId, ChannelId, OrderId, PartnerId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    /// Changes with `status` only, so that units of one order never wait for each other.
    pub version: i32,
    #[sea_orm(unique_key = "reference")]
    pub channel_id: ChannelId,
    #[sea_orm(unique_key = "reference")]
    pub external_reference: String,
    /// The partner of the channel.
    pub partner_id: PartnerId,
    pub status: OrderStatus,
    pub buyer_name: Option<String>,
    pub buyer_email: Option<String>,
    pub buyer_account_id: Option<AccountId>,
    pub currency: Option<String>,
    pub total: Option<Amount>,
    pub payment_reference: Option<String>,
    pub placed_at: DateTime<Utc>,
    pub source: OrderSource,
    /// A keyed digest of what was asked for, by which a repeated request is recognised. None for imported orders.
    pub request_digest: Option<Vec<u8>>,
    pub created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All => Arms::All,
            Scope::Partner { subtree, .. } => Arms::Any(vec![among(Column::PartnerId.as_column_ref(), subtree)]),
            Scope::Provisioner { .. } => Arms::Any(vec![]),
            Scope::Customer { account, .. } => Arms::Any(vec![COLUMN.buyer_account_id.eq(*account)]),
        }
    }
}
