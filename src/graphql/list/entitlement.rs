//! Lists of entitlements.
//!
//! The indexes of an order, a channel and a product, and that of all, lead through the state to the id, so that "the unassigned ones of
//! this channel" is one walk; within a record, each state is a leg where none is asked for.

use async_graphql::{ID, InputObject};
use chrono::Utc;
use sea_orm::{
    ColumnTrait, Condition, Iterable,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};

use super::{Listing, Rows, known, of_partners, parent, partners, scoped, stored, traded, visible};
use crate::{
    entity::{
        entitlement::{Column, Entity, Model},
        kind,
        scope::{Scope, in_state},
    },
    graphql::{
        argument, enums::EntitlementStatus, error::Fault, scalars::DateTime, session::Session, types::Entitlement,
    },
    id::{AccountId, ChannelId, OrderId, PartnerId, ProductId},
};

/// Which entitlements to list. What is left out does not matter; ids that are unknown or not yours match nothing.
#[derive(Debug, Default, InputObject)]
pub struct EntitlementFilter {
    /// Sold through this channel.
    pub channel_id: Option<ID>,
    /// Sold by this partner or one below it.
    pub partner_id: Option<ID>,
    /// Of this order.
    pub order_id: Option<ID>,
    /// Of this product.
    pub product_id: Option<ID>,
    /// Held by this account.
    pub account_id: Option<ID>,
    /// In one of these states.
    pub status: Option<Vec<EntitlementStatus>>,
    /// Issued at this moment or later.
    pub issued_from: Option<DateTime>,
    /// Issued before this moment.
    pub issued_to: Option<DateTime>,
    /// Ending before this moment.
    pub expires_before: Option<DateTime>,
}

/// The same, read and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Criteria {
    channel: Option<ChannelId>,
    partners: Option<Vec<PartnerId>>,
    order: Option<OrderId>,
    product: Option<ProductId>,
    account: Option<AccountId>,
    statuses: Option<Vec<kind::EntitlementStatus>>,
    from: Option<chrono::DateTime<Utc>>,
    to: Option<chrono::DateTime<Utc>>,
    expires_before: Option<chrono::DateTime<Utc>>,
}

impl EntitlementFilter {
    pub async fn resolve(self, session: &Session) -> Result<Criteria, Fault> {
        Ok(Criteria {
            channel: argument::optional(self.channel_id.as_ref(), "filter.channelId")?,
            partners: partners(session, self.partner_id.as_ref()).await?,
            order: argument::optional(self.order_id.as_ref(), "filter.orderId")?,
            product: argument::optional(self.product_id.as_ref(), "filter.productId")?,
            account: argument::optional(self.account_id.as_ref(), "filter.accountId")?,
            statuses: stored(self.status),
            from: self.issued_from.map(|moment| moment.0),
            to: self.issued_to.map(|moment| moment.0),
            expires_before: self.expires_before.map(|moment| moment.0),
        })
    }
}

impl Criteria {
    /// All but the state.
    fn condition(&self, scope: &Scope) -> Condition {
        let about_sales = self.channel.is_some() || self.order.is_some() || self.partners.is_some();
        let sold = || traded(scope, seller(), |account| Column::BuyerAccountId.eq(account));
        let holder = Expr::col((Entity, Column::HolderPartnerId));
        Condition::all()
            .add_option(self.channel.map(|channel| Column::ChannelId.eq(channel)))
            .add_option(self.order.map(|order| Column::OrderId.eq(order)))
            .add_option(self.product.map(|product| Column::ProductId.eq(product)))
            .add_option(self.account.map(|account| Column::HolderAccountId.eq(account)))
            .add_option(self.account.and_then(|account| known(scope, account, holder)))
            .add_option(about_sales.then(sold).flatten())
            .add_option(self.from.map(|from| Column::IssuedAt.gte(from)))
            .add_option(self.to.map(|to| Column::IssuedAt.lt(to)))
            .add_option(self.expires_before.map(|end| Column::ExpiresAt.lt(end)))
    }

    fn in_status(&self) -> Option<SimpleExpr> {
        self.statuses.as_ref().map(|statuses| in_state((Entity, Column::Status), statuses))
    }

    /// A leg for each state asked for.
    fn by_status(&self, filter: &Condition) -> Vec<Condition> {
        let one = |status: &kind::EntitlementStatus| filter.clone().add(in_state((Entity, Column::Status), &[*status]));
        match &self.statuses {
            Some(statuses) => statuses.iter().map(one).collect(),
            None => kind::EntitlementStatus::iter().map(|status| one(&status)).collect(),
        }
    }
}

fn seller() -> SimpleExpr {
    Expr::col((Entity, Column::PartnerId))
}

/// All entitlements.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entitlements(pub Criteria);

impl Listing for Entitlements {
    type Row = Model;
    type Node = Entitlement;

    fn rows(&self, scope: &Scope) -> Rows {
        let asked = &self.0;
        let filter = asked.condition(scope);
        let own = visible::<Entity>(scope);
        let of_those = || asked.partners.as_ref().map(|partners| seller().is_in(partners.clone()));
        Rows::of::<Entity>(if asked.account.is_some() {
            vec![filter.add_option(asked.in_status()).add_option(of_those()).add(own)]
        } else if asked.order.is_some() || asked.channel.is_some() {
            asked.by_status(&filter.add_option(of_those()).add(own))
        } else if let Some(partners) = &asked.partners {
            of_partners(&seller(), partners, &filter.add_option(asked.in_status()).add(own))
        } else if (asked.product.is_some() || asked.statuses.is_some()) && *scope == Scope::All {
            asked.by_status(&filter)
        } else {
            scoped::<Entity>(scope, &filter.add_option(asked.in_status()))
        })
    }
}

/// The entitlements of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnitsOfOrder(pub Criteria);

impl Listing for UnitsOfOrder {
    type Row = Model;
    type Node = Entitlement;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((Entity, Column::OrderId)).eq(parent()));
        Rows::of::<Entity>(self.0.by_status(&own.add(self.0.within(scope))))
    }
}

/// The entitlements of an order line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnitsOfLine(pub Criteria);

impl Listing for UnitsOfLine {
    type Row = Model;
    type Node = Entitlement;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((Entity, Column::OrderLineId)).eq(parent()));
        Rows::of::<Entity>(vec![own.add(self.0.within(scope)).add_option(self.0.in_status())])
    }
}

impl Criteria {
    /// All but the state, within a record that is the caller's to see.
    fn within(&self, scope: &Scope) -> Condition {
        let sold = self.partners.as_ref().map(|partners| seller().is_in(partners.clone()));
        self.condition(scope).add_option(sold).add(visible::<Entity>(scope))
    }
}
