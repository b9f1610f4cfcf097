//! Lists of events, in journal order.
//!
//! What a subscription with the same filter would deliver, as [`Filter`](crate::feed::Filter) decides it in memory. Positions are walked by
//! whom they concern; a filter that names an order, an entitlement or an account begins at those events instead.

use async_graphql::{ID, InputObject};
use sea_orm::{
    ColumnTrait, Condition,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};

use super::{Listing, Rows, known, of_partners, parent, partners, scoped, stored, traded, visible};
use crate::{
    entity::{
        entitlement,
        event::{ASSIGNMENTS, Column, Entity},
        scope::{Scope, those},
    },
    feed,
    graphql::{argument, enums::EventType, error::Fault, session::Session, types::Event},
    id::{ChannelId, EntitlementId, PartnerId},
    store::journal::Entry,
};

/// Which events to list or to be told of. What is left out does not matter; ids that are unknown or not yours match nothing.
#[derive(Debug, Default, Clone, InputObject)]
pub struct EventFilter {
    /// About sales of this channel.
    pub channel_id: Option<ID>,
    /// About sales of this partner or one below it.
    pub partner_id: Option<ID>,
    /// About this product.
    pub product_id: Option<ID>,
    /// About this order or anything below it.
    pub order_id: Option<ID>,
    /// About this entitlement, or about its order as a whole.
    pub entitlement_id: Option<ID>,
    /// Concerning this account.
    pub account_id: Option<ID>,
    /// Of one of these types.
    pub types: Option<Vec<EventType>>,
}

impl EventFilter {
    /// The same, read and checked.
    pub fn criteria(self) -> Result<feed::Criteria, Fault> {
        Ok(feed::Criteria {
            channel: argument::optional(self.channel_id.as_ref(), "filter.channelId")?,
            partner: argument::optional(self.partner_id.as_ref(), "filter.partnerId")?,
            product: argument::optional(self.product_id.as_ref(), "filter.productId")?,
            order: argument::optional(self.order_id.as_ref(), "filter.orderId")?,
            entitlement: argument::optional(self.entitlement_id.as_ref(), "filter.entitlementId")?,
            account: argument::optional(self.account_id.as_ref(), "filter.accountId")?,
            types: stored(self.types),
        })
    }

    /// The list that it asks for.
    pub async fn resolve(self, session: &Session) -> Result<Events, Fault> {
        let partners = partners(session, self.partner_id.as_ref()).await?;
        Ok(Events { criteria: self.criteria()?, partners })
    }
}

/// Events, in journal order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Events {
    criteria: feed::Criteria,
    partners: Option<Vec<PartnerId>>,
}

impl Events {
    fn condition(&self, scope: &Scope) -> Condition {
        let asked = &self.criteria;
        let about_sales = asked.channel.is_some() || asked.order.is_some() || asked.partner.is_some();
        let sold =
            || traded(scope, Expr::col((Entity, Column::PartnerId)), |account| Column::BuyerAccountId.eq(account));
        let namespace = Expr::col((Entity, Column::AccountPartnerId));
        Condition::all()
            .add_option(asked.channel.map(|channel| Column::ChannelId.eq(channel)))
            .add_option(asked.product.map(|product| Column::ProductId.eq(product)))
            .add_option(asked.order.map(|order| Column::OrderId.eq(order)))
            .add_option(asked.account.map(|account| Column::AccountId.eq(account)))
            .add_option(asked.account.and_then(|account| known(scope, account, namespace)))
            .add_option(asked.types.as_ref().map(|types| Column::Kind.is_in(types.clone())))
            .add_option(about_sales.then(sold).flatten())
    }
}

impl Listing for Events {
    type Row = Entry;
    type Node = Event;

    fn rows(&self, scope: &Scope) -> Rows {
        let filter = self.condition(scope);
        let own = own(scope);
        let sold = || self.partners.as_ref().map(|partners| Column::PartnerId.is_in(partners.clone()));
        Rows::of_journal(if let Some(unit) = self.criteria.entitlement {
            of_unit(scope, unit)
                .into_iter()
                .map(|leg| leg.add(filter.clone()).add_option(sold()).add(own.clone()))
                .collect()
        } else if self.criteria.order.is_some() || self.criteria.account.is_some() {
            vec![filter.add_option(sold()).add(own)]
        } else if let Some(partners) = &self.partners {
            of_partners(&place("partner_id"), partners, &filter.add(own))
        } else if let Some(channel) = self.criteria.channel {
            vec![filter.add(own).add(of_owner(channel))]
        } else {
            walks(scope, &filter)
        })
    }
}

/// Positions carry whom an event concerns, so that a partner's are walked in their order.
fn walks(scope: &Scope, filter: &Condition) -> Vec<Condition> {
    match scope {
        Scope::Partner { subtree, namespace } => {
            let mut legs = of_partners(&place("partner_id"), subtree, filter);
            legs.push(filter.clone().add(place("account_partner_id").eq(*namespace)));
            legs
        }
        Scope::Provisioner { .. } => vec![filter.clone().add(own(scope))],
        Scope::All | Scope::Customer { .. } => scoped::<Entity>(scope, filter),
    }
}

/// The events that `scope` may see, by the copies that positions carry where both tables have a column of the name.
fn own(scope: &Scope) -> Condition {
    match scope {
        Scope::Partner { subtree, namespace } => Condition::any()
            .add(place("partner_id").is_in(subtree.to_vec()))
            .add(place("account_partner_id").eq(*namespace)),
        Scope::Provisioner { subtree } => Condition::all()
            .add(Column::External.eq(true))
            .add(Column::Kind.starts_with(ASSIGNMENTS))
            .add_option(subtree.as_ref().map(|subtree| place("partner_id").is_in(subtree.to_vec()))),
        Scope::All | Scope::Customer { .. } => visible::<Entity>(scope),
    }
}

/// Events of a channel are found among those of the partner that owns it.
fn of_owner(channel: ChannelId) -> SimpleExpr {
    let owner = those("partner_id", "channels", "id", channel);
    place("partner_id").eq(SimpleExpr::SubQuery(None, Box::new(owner.into())))
}

/// A unit's own events, and those of its order as a whole. None of a unit that is not the caller's to see.
fn of_unit(scope: &Scope, unit: EntitlementId) -> [Condition; 2] {
    use crate::entity::scope::Scoped;
    use sea_orm::{QueryFilter, QuerySelect, QueryTrait};

    let visible = || entitlement::Entity::visible(scope).filter(entitlement::Column::Id.eq(unit)).select_only();
    let own = visible().column(entitlement::Column::Id).into_query();
    let order = visible().column(entitlement::Column::OrderId).into_query();
    [
        Condition::all().add(Column::EntitlementId.in_subquery(own)),
        Condition::all().add(Column::EntitlementId.is_null()).add(Column::OrderId.in_subquery(order)),
    ]
}

fn place(column: &'static str) -> SimpleExpr {
    Expr::col(("journal_positions", column))
}

/// The events of an order and everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimelineOfOrder;

impl Listing for TimelineOfOrder {
    type Row = Entry;
    type Node = Event;

    fn rows(&self, scope: &Scope) -> Rows {
        let of_order = Condition::all().add(Expr::col((Entity, Column::OrderId)).eq(parent()));
        Rows::of_journal(vec![of_order.add(own(scope))])
    }
}

/// The events of an entitlement, and those of its order as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimelineOfUnit;

impl Listing for TimelineOfUnit {
    type Row = Entry;
    type Node = Event;

    fn rows(&self, scope: &Scope) -> Rows {
        let of_unit = Condition::all().add(Expr::col((Entity, Column::EntitlementId)).eq(parent()));
        let order = Expr::cust("events.order_id = (SELECT u.order_id FROM entitlements u WHERE u.id = parent.id)");
        let whole = Condition::all().add(Column::EntitlementId.is_null()).add(order);
        Rows::of_journal(vec![of_unit.add(own(scope)), whole.add(own(scope))])
    }
}
