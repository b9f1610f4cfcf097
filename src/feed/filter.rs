//! What a subscription wants to see, and what of it its owner may.
//!
//! A filter is asked for every event, in memory, and reads nothing. Ids that are unknown or belong to somebody else match nothing, and
//! nothing tells which. A filter that names a channel, a partner or an order is about sales, so it lets through what the caller sold (or,
//! a customer, bought): not what others sold to accounts the caller knows.

use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};

use super::kin::Kin;
use crate::{
    entity::{
        entitlement, event,
        kind::EventType,
        partner,
        scope::{Scope, Scoped},
    },
    id::{AccountId, ChannelId, EntitlementId, OrderId, PartnerId, ProductId},
    store::{Db, Error},
};

/// What a client asks for; what is left out is not asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Criteria {
    pub channel: Option<ChannelId>,
    /// With the partners below it.
    pub partner: Option<PartnerId>,
    pub product: Option<ProductId>,
    pub order: Option<OrderId>,
    /// Its own events and those of its order as a whole.
    pub entitlement: Option<EntitlementId>,
    /// The account that is concerned.
    pub account: Option<AccountId>,
    pub types: Option<Vec<EventType>>,
}

/// Criteria in the hands of somebody, ready to be asked.
#[derive(Debug, Clone)]
pub struct Filter {
    scope: Scope,
    criteria: Criteria,
    kin: Kin,
    /// Whether it names a partner that the caller knows nothing of.
    void: bool,
    /// The order of the entitlement that is asked for, where there is one that the caller could see.
    order_of_unit: Option<OrderId>,
    tallies: bool,
}

impl Filter {
    /// Criteria of a caller. Looks up what they do not say themselves: the partners below one, the order of an entitlement.
    pub(super) async fn resolve(db: &Db, kin: &Kin, scope: &Scope, criteria: Criteria) -> Result<Self, Error> {
        let mut void = false;
        if let Some(partner) = criteria.partner {
            void = !knows(db, scope, partner).await?;
            if !void {
                kin.learn(db, partner).await?;
            }
        }
        let order_of_unit = match criteria.entitlement {
            Some(unit) => order_of(db, scope, unit).await?,
            None => None,
        };
        Ok(Self { scope: scope.clone(), criteria, kin: kin.clone(), void, order_of_unit, tallies: false })
    }

    /// The events of one order and everything below it.
    pub fn order(scope: &Scope, order: OrderId) -> Self {
        Self::plain(scope, Criteria { order: Some(order), ..Criteria::default() })
    }

    /// The events of one entitlement, and those of its order as a whole.
    pub fn entitlement(scope: &Scope, unit: EntitlementId, order: OrderId) -> Self {
        let criteria = Criteria { entitlement: Some(unit), ..Criteria::default() };
        Self { order_of_unit: Some(order), ..Self::plain(scope, criteria) }
    }

    /// The events that may change the statistics of what the caller sells.
    pub fn statistics(scope: &Scope, channel: Option<ChannelId>, product: Option<ProductId>) -> Self {
        let criteria = Criteria { channel, product, ..Criteria::default() };
        Self { tallies: true, ..Self::plain(scope, criteria) }
    }

    fn plain(scope: &Scope, criteria: Criteria) -> Self {
        Self { scope: scope.clone(), criteria, kin: Kin::default(), void: false, order_of_unit: None, tallies: false }
    }

    /// Whether this event is asked for, and its owner may see it.
    pub fn wants(&self, event: &event::Model) -> bool {
        let asked = &self.criteria;
        let sales = asked.channel.is_some() || asked.partner.is_some() || asked.order.is_some() || self.tallies;
        // Each id first, for it rules most events out.
        !self.void
            && asked.channel.is_none_or(|channel| event.channel_id == Some(channel))
            && asked.order.is_none_or(|order| event.order_id == Some(order))
            && asked.entitlement.is_none_or(|unit| self.concerns(event, unit))
            && asked.product.is_none_or(|product| self.names(event, product))
            && asked.account.is_none_or(|account| self.known(event, account))
            && asked.types.as_ref().is_none_or(|types| types.contains(&event.kind))
            && asked.partner.is_none_or(|above| event.partner_id.is_some_and(|id| self.kin.is_within(id, above)))
            && (!sales || self.traded(event))
            && event.visible_to(&self.scope)
    }

    fn concerns(&self, event: &event::Model, unit: EntitlementId) -> bool {
        match event.entitlement_id {
            Some(own) => own == unit,
            None => self.order_of_unit.is_some() && event.order_id == self.order_of_unit,
        }
    }

    /// An event of a whole order names no product, and may be about any.
    fn names(&self, event: &event::Model, product: ProductId) -> bool {
        event.product_id == Some(product) || (self.tallies && event.product_id.is_none() && event.order_id.is_some())
    }

    fn known(&self, event: &event::Model, account: AccountId) -> bool {
        event.account_id == Some(account)
            && event.account_partner_id.is_some_and(|partner| self.scope.knows(account, partner))
    }

    /// Whether the caller sold or bought what this is about. A provisioner does neither, and sees nothing but its work anyway.
    fn traded(&self, event: &event::Model) -> bool {
        match &self.scope {
            Scope::All | Scope::Provisioner { .. } => true,
            Scope::Partner { .. } => event.partner_id.is_some_and(|partner| self.scope.sells(partner)),
            Scope::Customer { account, .. } => event.buyer_account_id == Some(*account),
        }
    }
}

async fn knows(db: &Db, scope: &Scope, partner: PartnerId) -> Result<bool, Error> {
    let row = partner::Entity::visible(scope).filter(partner::Column::Id.eq(partner));
    Ok(row.one(db.reader()).await?.is_some())
}

async fn order_of(db: &Db, scope: &Scope, unit: EntitlementId) -> Result<Option<OrderId>, Error> {
    let row = entitlement::Entity::visible(scope)
        .filter(entitlement::Column::Id.eq(unit))
        .select_only()
        .column(entitlement::Column::OrderId);
    Ok(row.into_tuple::<OrderId>().one(db.reader()).await?)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::journal;

    fn id<T: From<Uuid>>(number: u128) -> T {
        T::from(Uuid::from_u128(number))
    }

    fn partner(own: u128) -> Scope {
        Scope::Partner { subtree: [id(own)].into(), namespace: id(own) }
    }

    fn customer(account: u128) -> Scope {
        Scope::Customer { account: id(account), namespace: id(1) }
    }

    /// A unit of order 30 that partner 1 sold to account 40 and account 50, of partner 2's namespace, holds.
    fn redeemed() -> event::Model {
        event::Model {
            partner_id: Some(id(1)),
            channel_id: Some(id(10)),
            product_id: Some(id(20)),
            order_id: Some(id(30)),
            buyer_account_id: Some(id(40)),
            account_id: Some(id(50)),
            account_partner_id: Some(id(2)),
            entitlement_id: Some(id(60)),
            ..journal::event(EventType::CodeRedeemed)
        }
    }

    fn placed() -> event::Model {
        let none = event::Model { product_id: None, account_id: None, account_partner_id: None, ..redeemed() };
        event::Model { entitlement_id: None, kind: EventType::OrderPlaced, ..none }
    }

    fn wants(scope: &Scope, criteria: Criteria, event: &event::Model) -> bool {
        Filter::plain(scope, criteria).wants(event)
    }

    #[test]
    fn each_criterion_rules_out_what_it_does_not_name() {
        let none = Criteria::default();
        let matching = [
            none.clone(),
            Criteria { channel: Some(id(10)), ..none.clone() },
            Criteria { partner: Some(id(1)), ..none.clone() },
            Criteria { product: Some(id(20)), ..none.clone() },
            Criteria { order: Some(id(30)), ..none.clone() },
            Criteria { entitlement: Some(id(60)), ..none.clone() },
            Criteria { account: Some(id(50)), ..none.clone() },
            Criteria { types: Some(vec![EventType::OrderPlaced, EventType::CodeRedeemed]), ..none.clone() },
        ];
        for criteria in matching {
            assert!(wants(&Scope::All, criteria.clone(), &redeemed()), "{criteria:?}");
        }
        let other = [
            Criteria { channel: Some(id(11)), ..none.clone() },
            Criteria { partner: Some(id(3)), ..none.clone() },
            Criteria { product: Some(id(21)), ..none.clone() },
            Criteria { order: Some(id(31)), ..none.clone() },
            Criteria { entitlement: Some(id(61)), ..none.clone() },
            Criteria { account: Some(id(40)), ..none.clone() },
            Criteria { types: Some(vec![]), ..none.clone() },
            Criteria { channel: Some(id(10)), product: Some(id(21)), ..none },
        ];
        for criteria in other {
            assert!(!wants(&Scope::All, criteria.clone(), &redeemed()), "{criteria:?}");
        }
    }

    #[test]
    fn an_entitlement_has_its_own_events_and_its_order_s() {
        let filter = Filter::entitlement(&Scope::All, id(60), id(30));
        assert!(filter.wants(&redeemed()));
        assert!(filter.wants(&placed()));
        assert!(!filter.wants(&event::Model { entitlement_id: Some(id(61)), ..redeemed() }));
        assert!(!filter.wants(&event::Model { order_id: Some(id(31)), ..placed() }));
    }

    #[test]
    fn only_what_the_scope_lets_through_is_wanted() {
        for scope in [partner(1), partner(2), customer(40), customer(50)] {
            assert!(wants(&scope, Criteria::default(), &redeemed()), "{scope:?}");
        }
        for scope in [partner(3), customer(41), Scope::Provisioner { subtree: None }] {
            assert!(!wants(&scope, Criteria::default(), &redeemed()), "{scope:?}");
        }
    }

    #[test]
    fn a_holder_s_side_learns_nothing_of_the_sale_by_asking() {
        let none = Criteria::default();
        for criteria in [
            Criteria { channel: Some(id(10)), ..none.clone() },
            Criteria { partner: Some(id(1)), ..none.clone() },
            Criteria { order: Some(id(30)), ..none.clone() },
        ] {
            for scope in [partner(1), customer(40)] {
                assert!(wants(&scope, criteria.clone(), &redeemed()), "{scope:?} {criteria:?}");
            }
            for scope in [partner(2), customer(50)] {
                assert!(!wants(&scope, criteria.clone(), &redeemed()), "{scope:?} {criteria:?}");
            }
        }
    }

    #[test]
    fn a_seller_learns_nothing_of_a_foreign_holder_by_asking() {
        let criteria = Criteria { account: Some(id(50)), ..Criteria::default() };
        assert!(wants(&partner(2), criteria.clone(), &redeemed()));
        assert!(wants(&customer(50), criteria.clone(), &redeemed()));
        assert!(!wants(&partner(1), criteria.clone(), &redeemed()));
        assert!(!wants(&customer(40), criteria, &redeemed()));
    }

    #[test]
    fn statistics_of_a_product_change_with_whole_orders() {
        let filter = Filter::statistics(&partner(1), None, Some(id(20)));
        assert!(filter.wants(&placed()));
        assert!(filter.wants(&redeemed()));
        assert!(!filter.wants(&event::Model { product_id: Some(id(21)), ..redeemed() }));
        assert!(!Filter::statistics(&partner(2), None, None).wants(&redeemed()), "not its sale");
    }
}
