//! Lists of orders.

use async_graphql::{ID, InputObject};
use chrono::Utc;
use sea_orm::{
    ColumnTrait, Condition,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};

use super::{Address, Listing, Rows, of_partners, parent, partners, scoped, stored, visible};
use crate::{
    entity::{
        kind,
        order::{Column, Entity, Model},
        scope::{Scope, in_state, those},
    },
    graphql::{
        argument,
        enums::{FulfillmentStatus, OrderStatus},
        error::Fault,
        loader::statistics::{WAITING_STATES, has_unit_in},
        scalars::DateTime,
        session::Session,
        types::Order,
    },
    id::{ChannelId, PartnerId, ProductId},
};

/// Which orders to list. What is left out does not matter; ids that are unknown or not yours match nothing.
#[derive(Debug, Default, InputObject)]
pub struct OrderFilter {
    /// Placed through this channel.
    pub channel_id: Option<ID>,
    /// Sold by this partner or one below it.
    pub partner_id: Option<ID>,
    /// With a line of this product.
    pub product_id: Option<ID>,
    /// In one of these states.
    pub status: Option<Vec<OrderStatus>>,
    /// Fulfilled this far.
    pub fulfillment_status: Option<Vec<FulfillmentStatus>>,
    /// Bought under this e-mail address, whatever its case.
    pub buyer_email: Option<String>,
    /// Placed at this moment or later.
    pub placed_from: Option<DateTime>,
    /// Placed before this moment.
    pub placed_to: Option<DateTime>,
}

/// The same, read and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Criteria {
    channel: Option<ChannelId>,
    partners: Option<Vec<PartnerId>>,
    product: Option<ProductId>,
    statuses: Option<Vec<kind::OrderStatus>>,
    fulfillment: Option<Vec<FulfillmentStatus>>,
    email: Option<Address>,
    from: Option<chrono::DateTime<Utc>>,
    to: Option<chrono::DateTime<Utc>>,
}

impl OrderFilter {
    pub async fn resolve(self, session: &Session) -> Result<Criteria, Fault> {
        Ok(Criteria {
            channel: argument::optional(self.channel_id.as_ref(), "filter.channelId")?,
            partners: partners(session, self.partner_id.as_ref()).await?,
            product: argument::optional(self.product_id.as_ref(), "filter.productId")?,
            statuses: stored(self.status),
            fulfillment: self.fulfillment_status.map(|statuses| {
                [FulfillmentStatus::Unfulfilled, FulfillmentStatus::PartiallyFulfilled, FulfillmentStatus::Fulfilled]
                    .into_iter()
                    .filter(|status| statuses.contains(status))
                    .collect()
            }),
            email: self.buyer_email.map(|email| Address::new(session, &argument::text(email))),
            from: self.placed_from.map(|moment| moment.0),
            to: self.placed_to.map(|moment| moment.0),
        })
    }
}

impl Criteria {
    fn condition(&self) -> Condition {
        Condition::all()
            .add_option(self.channel.map(|channel| Column::ChannelId.eq(channel)))
            .add_option(self.product.map(has_line_of))
            .add_option(self.statuses.as_ref().map(|statuses| in_state((Entity, Column::Status), statuses)))
            .add_option(self.fulfillment.as_ref().map(|those| fulfilled(those)))
            .add_option(self.email.as_ref().map(|email| email.is_in(Column::BuyerEmail)))
            .add_option(self.from.map(|from| Column::PlacedAt.gte(from)))
            .add_option(self.to.map(|to| Column::PlacedAt.lt(to)))
    }

    /// Those of a record that `column` points to.
    fn rows_of(&self, column: Column, scope: &Scope) -> Rows {
        let sold = self.partners.as_ref().map(|partners| Column::PartnerId.is_in(partners.clone()));
        let own = Condition::all().add(Expr::col((Entity, column)).eq(parent()));
        Rows::of::<Entity>(vec![own.add(self.condition()).add_option(sold).add(visible::<Entity>(scope))])
    }
}

fn has_line_of(product: ProductId) -> SimpleExpr {
    let mut line = those("order_id", "order_lines", "product_id", product);
    line.and_where(Expr::col(("order_lines", "order_id")).equals((Entity, Column::Id)));
    Expr::exists(line)
}

fn fulfilled(those: &[FulfillmentStatus]) -> Condition {
    let active = || has_unit_in(&[kind::EntitlementStatus::Active]);
    let waiting = || has_unit_in(&WAITING_STATES);
    let one = |status: &FulfillmentStatus| match status {
        FulfillmentStatus::Unfulfilled => Condition::all().add(active().not()),
        FulfillmentStatus::PartiallyFulfilled => Condition::all().add(active()).add(waiting()),
        FulfillmentStatus::Fulfilled => Condition::all().add(active()).add(waiting().not()),
    };
    let none = those.is_empty().then(super::nothing);
    those.iter().map(one).fold(Condition::any(), Condition::add).add_option(none)
}

/// All orders.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Orders(pub Criteria);

impl Listing for Orders {
    type Row = Model;
    type Node = Order;

    fn rows(&self, scope: &Scope) -> Rows {
        let filter = self.0.condition();
        let seller: SimpleExpr = Expr::col((Entity, Column::PartnerId));
        Rows::of::<Entity>(match &self.0.partners {
            _ if self.0.channel.is_some() || self.0.email.is_some() => {
                let sold = self.0.partners.as_ref().map(|partners| seller.is_in(partners.clone()));
                vec![filter.add_option(sold).add(visible::<Entity>(scope))]
            }
            Some(partners) => of_partners(&seller, partners, &filter.add(visible::<Entity>(scope))),
            None => scoped::<Entity>(scope, &filter),
        })
    }
}

/// The orders of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrdersOfChannel(pub Criteria);

impl Listing for OrdersOfChannel {
    type Row = Model;
    type Node = Order;

    fn rows(&self, scope: &Scope) -> Rows {
        self.0.rows_of(Column::ChannelId, scope)
    }
}

/// The orders that an account bought.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrdersOfBuyer(pub Criteria);

impl Listing for OrdersOfBuyer {
    type Row = Model;
    type Node = Order;

    fn rows(&self, scope: &Scope) -> Rows {
        self.0.rows_of(Column::BuyerAccountId, scope)
    }
}
