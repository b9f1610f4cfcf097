//! `RedemptionCheck`: what a redemption would come to.

use async_graphql::{Context, Object};

use super::Product;
use crate::{
    domain::activation_code::Checked,
    graphql::{enums::UserErrorCode, error::Fault, session::Session},
};

pub struct RedemptionCheck(pub Checked);

/// What redeeming a code would come to, for the account that was named.
#[Object]
impl RedemptionCheck {
    /// Whether it would be redeemed.
    async fn redeemable(&self) -> bool {
        self.0.refusal.is_none()
    }

    /// Why it would be refused. Null if it would not.
    async fn reason(&self) -> Option<UserErrorCode> {
        self.0.refusal.as_ref().map(|refusal| refusal.code.into())
    }

    /// Whether the same attempt may succeed later, without anybody changing it.
    async fn retryable(&self) -> bool {
        self.0.refusal.as_ref().is_some_and(crate::domain::Refusal::retryable)
    }

    /// What the code is for. Null if there is no such code.
    async fn product(&self, ctx: &Context<'_>) -> Option<Result<Product, Fault>> {
        Session::of(ctx).find(self.0.product).await
    }

    /// The names of what would have to be submitted before the unit is of use.
    async fn missing_input(&self) -> &[String] {
        &self.0.missing_input
    }
}
