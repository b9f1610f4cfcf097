//! Fulfillment exceptions: what needs somebody's decision.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{
    kind::{ExceptionKind, ExceptionStatus, Resolution},
    scope::{Arms, Scope, Scoped, among},
};
use crate::id::{AssignmentId, ChannelId, EntitlementId, ExceptionId, OrderId, PartnerId, ProductId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "fulfillment_exceptions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExceptionId,
    pub version: i32,
    pub kind: ExceptionKind,
    pub status: ExceptionStatus,
    pub reason: String,
    pub channel_id: ChannelId,
    pub partner_id: PartnerId,
    pub product_id: Option<ProductId>,
    pub order_id: OrderId,
    pub entitlement_id: Option<EntitlementId>,
    pub assignment_id: Option<AssignmentId>,
    pub resolution: Option<Resolution>,
    pub note: Option<String>,
    pub opened_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolved_by: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All => Arms::All,
            Scope::Partner { subtree, .. } => Arms::Any(vec![among(Column::PartnerId, subtree)]),
            Scope::Provisioner { .. } | Scope::Customer { .. } => Arms::Any(vec![]),
        }
    }
}
