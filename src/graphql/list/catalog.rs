//! Lists of partners, channels, products and API keys, which are as long as somebody's patience at entering them.

use sea_orm::{
    Condition,
    sea_query::{Expr, ExprTrait},
};

use super::{Listing, Rows, parent, scoped, visible};
use crate::{
    entity::{api_key, channel, partner, product, scope::Scope},
    graphql::types::{ApiKey, Channel, Partner, Product},
};

macro_rules! whole {
    ($($(#[$doc:meta])* $name:ident of $entity:ident as $node:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Hash)]
            pub struct $name;

            impl Listing for $name {
                type Row = $entity::Model;
                type Node = $node;

                fn rows(&self, scope: &Scope) -> Rows {
                    Rows::of::<$entity::Entity>(scoped::<$entity::Entity>(scope, &Condition::all()))
                }
            }
        )*
    };
}

whole! {
    /// All partners.
    Partners of partner as Partner;
    /// All channels.
    Channels of channel as Channel;
    /// All products.
    Products of product as Product;
    /// All API keys.
    ApiKeys of api_key as ApiKey;
}

/// The channels of a partner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelsOfPartner;

impl Listing for ChannelsOfPartner {
    type Row = channel::Model;
    type Node = Channel;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((channel::Entity, channel::Column::PartnerId)).eq(parent()));
        Rows::of::<channel::Entity>(vec![own.add(visible::<channel::Entity>(scope))])
    }
}
