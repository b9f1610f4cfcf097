//! Lists of fulfillment exceptions.

use async_graphql::{ID, InputObject};
use chrono::Utc;
use sea_orm::{
    ColumnTrait, Condition,
    sea_query::{Expr, ExprTrait},
};

use super::{Listing, Rows, parent, scoped, stored, visible};
use crate::{
    entity::{
        fulfillment_exception::{Column, Entity, Model},
        kind,
        scope::{Scope, in_state},
    },
    graphql::{
        argument,
        enums::{ExceptionKind, ExceptionStatus},
        error::Fault,
        scalars::DateTime,
        types::FulfillmentException,
    },
    id::{ChannelId, EntitlementId, OrderId},
};

/// Which exceptions to list. What is left out does not matter; ids that are unknown or not yours match nothing.
#[derive(Debug, Default, InputObject)]
pub struct ExceptionFilter {
    /// About sales of this channel.
    pub channel_id: Option<ID>,
    /// About this order or its units.
    pub order_id: Option<ID>,
    /// About this entitlement.
    pub entitlement_id: Option<ID>,
    /// Opened before this moment.
    pub opened_before: Option<DateTime>,
    /// Of one of these kinds.
    pub kind: Option<Vec<ExceptionKind>>,
    /// In this state.
    pub status: Option<ExceptionStatus>,
}

/// The same, read and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Criteria {
    channel: Option<ChannelId>,
    order: Option<OrderId>,
    unit: Option<EntitlementId>,
    opened_before: Option<chrono::DateTime<Utc>>,
    kinds: Option<Vec<kind::ExceptionKind>>,
    status: Option<kind::ExceptionStatus>,
}

impl ExceptionFilter {
    pub fn resolve(self) -> Result<Criteria, Fault> {
        Ok(Criteria {
            channel: argument::optional(self.channel_id.as_ref(), "filter.channelId")?,
            order: argument::optional(self.order_id.as_ref(), "filter.orderId")?,
            unit: argument::optional(self.entitlement_id.as_ref(), "filter.entitlementId")?,
            opened_before: self.opened_before.map(|moment| moment.0),
            kinds: stored(self.kind),
            status: self.status.map(Into::into),
        })
    }
}

/// All exceptions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Exceptions(pub Criteria);

impl Listing for Exceptions {
    type Row = Model;
    type Node = FulfillmentException;

    fn rows(&self, scope: &Scope) -> Rows {
        let asked = &self.0;
        let filter = Condition::all()
            .add_option(asked.channel.map(|channel| Column::ChannelId.eq(channel)))
            .add_option(asked.order.map(|order| Column::OrderId.eq(order)))
            .add_option(asked.unit.map(|unit| Column::EntitlementId.eq(unit)))
            .add_option(asked.opened_before.map(|moment| Column::OpenedAt.lt(moment)))
            .add_option(asked.kinds.as_ref().map(|kinds| in_state((Entity, Column::Kind), kinds)))
            .add_option(asked.status.map(|status| in_state((Entity, Column::Status), &[status])));
        Rows::of::<Entity>(if asked.order.is_some() || asked.unit.is_some() || asked.channel.is_some() {
            vec![filter.add(visible::<Entity>(scope))]
        } else {
            scoped::<Entity>(scope, &filter)
        })
    }
}

/// The exceptions about a unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExceptionsOfUnit;

impl Listing for ExceptionsOfUnit {
    type Row = Model;
    type Node = FulfillmentException;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((Entity, Column::EntitlementId)).eq(parent()));
        Rows::of::<Entity>(vec![own.add(visible::<Entity>(scope))])
    }
}
