//! Events: the journal's entries, never changed and never deleted.
//!
//! An event carries the ids it needs for anybody's scope and filter to be decided without reading another row. Its place in the order of
//! all events is kept apart, in `journal_positions`, for it is given after the commit.

use chrono::{DateTime, Utc};
use sea_orm::{entity::prelude::*, sea_query::ExprTrait};

use super::{
    kind::{EntitlementStatus, EventType, Role},
    scope::{Arms, Scope, Scoped, among},
};
use crate::id::{
    AccountId, ActivationCodeId, ApiKeyId, AssignmentId, ChannelId, EntitlementId, EventId, ExceptionId, OrderId,
    PartnerId, ProductId, RedemptionAttemptId, ReservationId,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    #[sea_orm(column_name = "type")]
    pub kind: EventType,
    pub occurred_at: DateTime<Utc>,
    pub actor: String,
    /// The role in which somebody acted; none where it was the service itself.
    pub actor_role: Option<Role>,
    /// The partner or namespace the actor acts for; none for the platform's own people and tasks.
    pub actor_partner_id: Option<PartnerId>,
    pub reason: Option<String>,
    pub request_id: Option<String>,
    /// The partner it belongs to: the seller, where it is about a sale.
    pub partner_id: Option<PartnerId>,
    pub channel_id: Option<ChannelId>,
    pub product_id: Option<ProductId>,
    pub order_id: Option<OrderId>,
    /// The account that bought, where it is about a sale.
    pub buyer_account_id: Option<AccountId>,
    /// The account that is concerned, and its namespace.
    pub account_id: Option<AccountId>,
    pub account_partner_id: Option<PartnerId>,
    /// Whether it is about a unit that is provisioned outside.
    pub external: bool,
    pub entitlement_id: Option<EntitlementId>,
    pub activation_code_id: Option<ActivationCodeId>,
    pub reservation_id: Option<ReservationId>,
    pub assignment_id: Option<AssignmentId>,
    pub redemption_attempt_id: Option<RedemptionAttemptId>,
    pub exception_id: Option<ExceptionId>,
    /// The key that was made or ended.
    pub api_key_id: Option<ApiKeyId>,
    pub from_status: Option<String>,
    pub to_status: Option<String>,
    pub entitlement_from: Option<EntitlementStatus>,
    pub entitlement_to: Option<EntitlementStatus>,
    pub quantity: Option<i32>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How the types of events about assignments begin: those that a provisioner is told of.
pub const ASSIGNMENTS: &str = "ASSIGNMENT_";

impl Model {
    /// Whether `scope` may see it: the same rule as [`Scoped::arms`], for an event in memory.
    pub fn visible_to(&self, scope: &Scope) -> bool {
        match scope {
            Scope::All => true,
            Scope::Partner { subtree, namespace } => {
                self.partner_id.is_some_and(|partner| subtree.contains(&partner))
                    || self.account_partner_id == Some(*namespace)
            }
            Scope::Provisioner { subtree } => {
                self.external
                    && self.kind.to_string().starts_with(ASSIGNMENTS)
                    && subtree.as_ref().is_none_or(|own| self.partner_id.is_some_and(|id| own.contains(&id)))
            }
            Scope::Customer { account, .. } => {
                self.exception_id.is_none()
                    && (self.buyer_account_id == Some(*account) || self.account_id == Some(*account))
            }
        }
    }
}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All => Arms::All,
            Scope::Partner { subtree, namespace } => {
                Arms::Any(vec![among(Column::PartnerId, subtree), COLUMN.account_partner_id.eq(*namespace)])
            }
            Scope::Provisioner { subtree } => {
                let external = COLUMN.external.eq(true).and(Column::Kind.starts_with(ASSIGNMENTS));
                Arms::Any(vec![match subtree {
                    None => external,
                    Some(subtree) => external.and(among(Column::PartnerId, subtree)),
                }])
            }
            Scope::Customer { account, .. } => Arms::Any(vec![
                COLUMN.buyer_account_id.eq(*account).and(COLUMN.exception_id.is_null()),
                COLUMN.account_id.eq(*account).and(COLUMN.exception_id.is_null()),
            ]),
        }
    }
}
