//! Redemption attempts: every try to redeem a code, good or bad.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{
    kind::{RedemptionOutcome, RefusalCode},
    scope::{Arms, Scope, Scoped, among},
};
use crate::id::{AccountId, ActivationCodeId, ChannelId, EntitlementId, ExceptionId, PartnerId, RedemptionAttemptId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "redemption_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RedemptionAttemptId,
    pub outcome: RedemptionOutcome,
    pub reason: Option<RefusalCode>,
    pub code_last_four: Option<String>,
    pub activation_code_id: Option<ActivationCodeId>,
    pub entitlement_id: Option<EntitlementId>,
    /// The channel and partner that sold the unit; none where no unit was identified.
    pub channel_id: Option<ChannelId>,
    pub partner_id: Option<PartnerId>,
    pub account_id: Option<AccountId>,
    /// The namespace the attempt was made in.
    pub account_partner_id: PartnerId,
    pub actor: String,
    /// The exception this attempt opened or added itself to.
    pub exception_id: Option<ExceptionId>,
    pub occurred_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All => Arms::All,
            Scope::Partner { subtree, namespace } => {
                Arms::Any(vec![among(Column::PartnerId, subtree), COLUMN.account_partner_id.eq(*namespace)])
            }
            Scope::Provisioner { .. } => Arms::Any(vec![]),
            Scope::Customer { account, .. } => Arms::Any(vec![COLUMN.account_id.eq(*account)]),
        }
    }
}
