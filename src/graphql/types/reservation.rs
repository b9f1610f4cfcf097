//! `Reservation`: a unit held for a while.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Account, Entitlement};
use crate::{
    entity::reservation::Model,
    graphql::{enums::ReservationStatus, error::Fault, scalars::DateTime, session::Session},
};

#[derive(Clone)]
pub struct Reservation(pub Arc<Model>);

/// A unit held for somebody for a while.
#[Object]
impl Reservation {
    /// The reservation's id, `res_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Changes with every change of the reservation: pass it as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Its state. An end that has passed shows here within a minute; it holds nothing from the very moment.
    async fn status(&self) -> ReservationStatus {
        self.0.status.into()
    }

    /// The unit it holds, or held.
    async fn entitlement(&self, ctx: &Context<'_>) -> Result<Entitlement, Fault> {
        Session::of(ctx).need(self.0.entitlement_id, "entitlement").await
    }

    /// Whom it is held for. Null if nobody was named, and to whoever may not know them.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account, Fault>> {
        Session::of(ctx).find(self.0.account_id).await
    }

    /// What it is held for on the account's side, as a device or a seat. Null if nothing was named, and to whoever may not know the account.
    async fn resource(&self, ctx: &Context<'_>) -> Option<Result<String, Fault>> {
        let resource = self.0.resource.clone()?;
        let Some(account) = self.0.account_id else { return Some(Ok(resource)) };
        Session::of(ctx).load(account).await.transpose().map(|known| known.map(|_| resource))
    }

    /// Until when it holds.
    async fn expires_at(&self) -> DateTime {
        self.0.expires_at.into()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}
