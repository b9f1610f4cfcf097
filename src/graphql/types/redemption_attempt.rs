//! `RedemptionAttempt`: every try to redeem a code.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Account, ActivationCode, Entitlement};
use crate::{
    entity::redemption_attempt::Model,
    graphql::{
        enums::{RedemptionOutcome, UserErrorCode},
        error::Fault,
        scalars::DateTime,
        session::Session,
    },
    id::PartnerId,
};

#[derive(Clone)]
pub struct RedemptionAttempt(pub Arc<Model>);

/// A try to redeem a code, good or bad.
#[Object]
impl RedemptionAttempt {
    /// The attempt's id, `att_…`.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// What came of it.
    async fn outcome(&self) -> RedemptionOutcome {
        self.0.outcome.into()
    }

    /// Why it was refused. Null if it was not.
    async fn reason(&self) -> Option<UserErrorCode> {
        self.0.reason.map(Into::into)
    }

    /// The last four symbols of what was tried. Null where it was no code at all.
    async fn code_last_four(&self) -> Option<&String> {
        self.0.code_last_four.as_ref()
    }

    /// The code that was tried. Null if there is no such code, or it is not yours to see.
    async fn activation_code(&self, ctx: &Context<'_>) -> Option<Result<ActivationCode, Fault>> {
        Session::of(ctx).find(self.0.activation_code_id).await
    }

    /// The unit of that code. Null if there is no such code, or it is not yours to see.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.entitlement_id).await
    }

    /// The account it was tried for. Null if it was refused before one was made, and to whoever may not know it.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account, Fault>> {
        Session::of(ctx).find(self.0.account_id).await
    }

    /// Who tried: a key (`key:…`) or a person (`user:…`) of yours, else `support` or `system`.
    async fn actor(&self, ctx: &Context<'_>) -> String {
        // The platform's own people act in the namespace of `house`, so that one does not tell on whose behalf.
        let partner = Some(self.0.account_partner_id).filter(|partner| *partner != PartnerId::HOUSE);
        Session::of(ctx).actor_name(&self.0.actor, partner)
    }

    /// When it was tried.
    async fn occurred_at(&self) -> DateTime {
        self.0.occurred_at.into()
    }
}
