//! Entitlements: one row a purchased unit.
//!
//! The seller's ids are copies that a composite foreign key to the line keeps true; with them a page of a channel, a partner or a product
//! is one walk along an index. The holder's are written with the assignment they come from.

use chrono::{DateTime, Utc};
use sea_orm::{QuerySelect, QueryTrait, entity::prelude::*, sea_query::ExprTrait};

use super::{
    assignment,
    kind::EntitlementStatus,
    reservation,
    scope::{Arms, Scope, Scoped, among},
};
use crate::id::{AccountId, ChannelId, EntitlementId, OrderId, OrderLineId, PartnerId, ProductId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entitlements")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EntitlementId,
    pub version: i32,
    pub status: EntitlementStatus,
    pub status_reason: Option<String>,
    pub order_line_id: OrderLineId,
    pub order_id: OrderId,
    pub channel_id: ChannelId,
    pub partner_id: PartnerId,
    pub product_id: ProductId,
    pub buyer_account_id: Option<AccountId>,
    /// The account of the assignment in force, and its namespace.
    pub holder_account_id: Option<AccountId>,
    pub holder_partner_id: Option<PartnerId>,
    pub recipient_name: Option<String>,
    pub recipient_email: Option<String>,
    /// The unit that this one was issued in place of; unique.
    pub replaces_id: Option<EntitlementId>,
    pub issued_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether the deadline has passed, whatever the stored status says yet.
    pub fn lapsed(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All => Arms::All,
            Scope::Partner { subtree, namespace } => {
                Arms::Any(vec![among(Column::PartnerId, subtree), COLUMN.holder_partner_id.eq(*namespace)])
            }
            Scope::Provisioner { .. } => {
                let row = assignment::Entity::visible(scope).select_only().expr(Expr::val(1));
                let of_unit = assignment::Column::EntitlementId.into_expr().eq(Expr::col((Self, Column::Id)));
                Arms::Any(vec![Expr::exists(row.filter(of_unit).into_query())])
            }
            Scope::Customer { account, .. } => Arms::Any(vec![
                COLUMN.buyer_account_id.eq(*account),
                COLUMN.holder_account_id.eq(*account),
                Expr::col((Self, Column::Id)).in_subquery(reservation::held_for(*account)),
            ]),
        }
    }
}
