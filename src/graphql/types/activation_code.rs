//! `ActivationCode`: what is known of a code without knowing the code.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::Entitlement;
use crate::{
    entity::activation_code::Model,
    graphql::{enums::ActivationCodeStatus, error::Fault, scalars::DateTime, session::Session},
};

#[derive(Clone)]
pub struct ActivationCode(pub Arc<Model>);

/// An activation code, without the code: that is shown when it is issued, and again by revealActivationCode while it may be.
#[Object]
impl ActivationCode {
    /// The code's id, `cod_…`; it cannot be redeemed by it.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Its state.
    async fn status(&self) -> ActivationCodeStatus {
        self.0.status.into()
    }

    /// Its last four symbols, to tell it from others.
    async fn last_four(&self) -> &str {
        &self.0.last_four
    }

    /// The unit it is for.
    async fn entitlement(&self, ctx: &Context<'_>) -> Result<Entitlement, Fault> {
        Session::of(ctx).need(self.0.entitlement_id, "entitlement").await
    }

    /// When it was issued.
    async fn issued_at(&self) -> DateTime {
        self.0.issued_at.into()
    }

    /// When it was redeemed. Null if it was not.
    async fn redeemed_at(&self) -> Option<DateTime> {
        self.0.redeemed_at.map(DateTime)
    }

    /// Whether it can still be shown in full again.
    async fn revealable(&self, ctx: &Context<'_>) -> bool {
        self.0.revealable(Session::of(ctx).now())
    }
}
