//! Lists of redemption attempts, and of a unit's codes.

use async_graphql::{ID, InputObject};
use chrono::Utc;
use sea_orm::{
    ColumnTrait, Condition,
    sea_query::{Expr, ExprTrait},
};

use super::{Listing, Rows, parent, scoped, stored, traded, visible};
use crate::{
    entity::{
        activation_code, kind,
        redemption_attempt::{Column, Entity, Model},
        scope::{Scope, in_state, those},
    },
    graphql::{
        argument,
        enums::{RedemptionOutcome, UserErrorCode},
        error::Fault,
        scalars::DateTime,
        types::{ActivationCode, RedemptionAttempt},
    },
    id::{ChannelId, EntitlementId},
};

/// Which redemption attempts to list. What is left out does not matter; ids that are unknown or not yours match nothing.
#[derive(Debug, Default, InputObject)]
pub struct RedemptionAttemptFilter {
    /// At codes of units sold through this channel.
    pub channel_id: Option<ID>,
    /// At codes of this entitlement.
    pub entitlement_id: Option<ID>,
    /// With this outcome.
    pub outcome: Option<RedemptionOutcome>,
    /// Refused for one of these reasons.
    pub reason: Option<Vec<UserErrorCode>>,
    /// At this moment or later.
    pub from: Option<DateTime>,
    /// Before this moment.
    pub to: Option<DateTime>,
}

/// The same, read and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Criteria {
    channel: Option<ChannelId>,
    unit: Option<EntitlementId>,
    outcome: Option<kind::RedemptionOutcome>,
    reasons: Option<Vec<kind::RefusalCode>>,
    from: Option<chrono::DateTime<Utc>>,
    to: Option<chrono::DateTime<Utc>>,
}

impl RedemptionAttemptFilter {
    pub fn resolve(self) -> Result<Criteria, Fault> {
        Ok(Criteria {
            channel: argument::optional(self.channel_id.as_ref(), "filter.channelId")?,
            unit: argument::optional(self.entitlement_id.as_ref(), "filter.entitlementId")?,
            outcome: self.outcome.map(Into::into),
            reasons: stored(self.reason),
            from: self.from.map(|moment| moment.0),
            to: self.to.map(|moment| moment.0),
        })
    }
}

impl Criteria {
    fn condition(&self, scope: &Scope) -> Condition {
        let sold = || {
            traded(scope, Expr::col((Entity, Column::PartnerId)), |account| {
                Column::EntitlementId.in_subquery(those("id", "entitlements", "buyer_account_id", account))
            })
        };
        Condition::all()
            .add_option(self.channel.map(|channel| Column::ChannelId.eq(channel)))
            .add_option(self.channel.and_then(|_| sold()))
            .add_option(self.unit.map(|unit| Column::EntitlementId.eq(unit)))
            .add_option(self.outcome.map(|outcome| in_state((Entity, Column::Outcome), &[outcome])))
            .add_option(self.reasons.as_ref().map(|reasons| in_state((Entity, Column::Reason), reasons)))
            .add_option(self.from.map(|from| Column::OccurredAt.gte(from)))
            .add_option(self.to.map(|to| Column::OccurredAt.lt(to)))
    }
}

/// All redemption attempts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedemptionAttempts(pub Criteria);

impl Listing for RedemptionAttempts {
    type Row = Model;
    type Node = RedemptionAttempt;

    fn rows(&self, scope: &Scope) -> Rows {
        let filter = self.0.condition(scope);
        Rows::of::<Entity>(if self.0.unit.is_some() {
            vec![filter.add(visible::<Entity>(scope))]
        } else {
            scoped::<Entity>(scope, &filter)
        })
    }
}

/// The attempts at the codes of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptsOfUnit;

impl Listing for AttemptsOfUnit {
    type Row = Model;
    type Node = RedemptionAttempt;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((Entity, Column::EntitlementId)).eq(parent()));
        Rows::of::<Entity>(vec![own.add(visible::<Entity>(scope))])
    }
}

/// The attempts that opened an exception or were added to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptsOfException;

impl Listing for AttemptsOfException {
    type Row = Model;
    type Node = RedemptionAttempt;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((Entity, Column::ExceptionId)).eq(parent()));
        Rows::of::<Entity>(vec![own.add(visible::<Entity>(scope))])
    }
}

/// The codes that a unit has and had.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodesOfUnit;

impl Listing for CodesOfUnit {
    type Row = activation_code::Model;
    type Node = ActivationCode;

    fn rows(&self, scope: &Scope) -> Rows {
        let column = (activation_code::Entity, activation_code::Column::EntitlementId);
        let own = Condition::all().add(Expr::col(column).eq(parent()));
        Rows::of::<activation_code::Entity>(vec![own.add(visible::<activation_code::Entity>(scope))])
    }
}
