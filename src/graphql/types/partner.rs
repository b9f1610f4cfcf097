//! `Partner`: who sells.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Channel, Statistics};
use crate::{
    entity::partner::Model,
    graphql::{
        error::Fault,
        list::catalog::ChannelsOfPartner,
        loader::TalliesOfPartner,
        page::{self, Arguments, Connection},
        session::Session,
    },
};

#[derive(Clone)]
pub struct Partner(pub Arc<Model>);

/// A partner or reseller. Partners form a tree: whoever acts for one sees its sales and those of the partners below it.
#[Object]
impl Partner {
    /// The partner's id, `prt_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Changes with every change of the partner: pass it as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// The name, for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The partner above it. Null at the top of the tree, and where it is not yours to see.
    async fn parent(&self, ctx: &Context<'_>) -> Option<Result<Self, Fault>> {
        Session::of(ctx).find(self.0.parent_id).await
    }

    /// Whether its keys work, and those of the partners below it. Its channels are switched off one by one.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// The channels it owns; those of the partners below it are theirs.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn channels(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The size of the page, from the beginning of the list or from `after`: 0 to 100, 20 if neither this nor `last` is given."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only nodes after this cursor.")] after: Option<String>,
        #[graphql(
            desc = "The size of the page, from the end of the list or from `before`: 0 to 100. Not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "Only nodes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Channel>, Fault> {
        page::connect_within(ctx, Arguments { first, after, last, before }, self.0.id, ChannelsOfPartner).await
    }

    /// Its units by state, with those of the partners below it. Zeros for whoever does not sell for it.
    async fn statistics(&self, ctx: &Context<'_>) -> Result<Statistics, Fault> {
        Ok(Session::of(ctx).load(TalliesOfPartner(self.0.id)).await?.unwrap_or_default().into())
    }
}
