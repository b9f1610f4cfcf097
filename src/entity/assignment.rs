//! Assignments: who has a unit, who had it, and how far it has got downstream.

use chrono::{DateTime, Utc};
use sea_orm::{entity::prelude::*, sea_query::ExprTrait};

use super::{
    entitlement,
    kind::{AssignmentMethod, AssignmentStatus},
    policy::Names,
    scope::{Arms, Scope, Scoped, among, through},
};
use crate::id::{AccountId, ActivationCodeId, AssignmentId, ChannelId, EntitlementId, PartnerId, ProductId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "assignments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AssignmentId,
    pub version: i32,
    pub status: AssignmentStatus,
    pub status_reason: Option<String>,
    pub method: AssignmentMethod,
    pub entitlement_id: EntitlementId,
    pub account_id: AccountId,
    /// The namespace of the account.
    pub account_partner_id: PartnerId,
    /// The unit's channel, partner and product.
    pub channel_id: ChannelId,
    pub partner_id: PartnerId,
    pub product_id: ProductId,
    /// The code it was claimed with.
    pub activation_code_id: Option<ActivationCodeId>,
    /// Whether the product is provisioned outside.
    pub external: bool,
    pub resource: Option<String>,
    pub input: Option<Json>,
    pub missing_input: Names,
    pub external_reference: Option<String>,
    /// By when it should have left its present state.
    pub deadline: Option<DateTime<Utc>>,
    /// Before this moment it is not handed out again: the pause after a failure that may pass.
    pub not_before: Option<DateTime<Utc>>,
    /// Attempts of the present operation that failed.
    pub failures: i32,
    /// Asked to end while an attempt was running: its result decides how.
    pub end_requested: bool,
    pub assigned_at: DateTime<Utc>,
    pub activated_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether it still counts: it has neither ended nor been cancelled.
    pub fn in_force(&self) -> bool {
        !matches!(self.status, AssignmentStatus::Ended | AssignmentStatus::Cancelled)
    }
}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All => Arms::All,
            Scope::Partner { subtree, namespace } => Arms::Any(vec![
                among(Column::PartnerId.as_column_ref(), subtree),
                COLUMN.account_partner_id.eq(*namespace),
            ]),
            Scope::Provisioner { subtree: None } => Arms::Any(vec![COLUMN.external.eq(true)]),
            Scope::Provisioner { subtree: Some(subtree) } => {
                Arms::Any(vec![COLUMN.external.eq(true).and(among(Column::PartnerId.as_column_ref(), subtree))])
            }
            Scope::Customer { account, .. } => {
                let Arms::Any(mut arms) =
                    through::<entitlement::Entity>(scope, entitlement::Column::Id, Column::EntitlementId)
                else {
                    return Arms::All;
                };
                arms.push(COLUMN.account_id.eq(*account));
                Arms::Any(arms)
            }
        }
    }
}
