//! Fulfillment rules.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, run};
use crate::{
    domain::{Operation, Refusal, catalog::rule},
    graphql::{
        enums::FulfillmentMode,
        error::{Fault, UserError},
        loader::RulesOf,
        session::Session,
        types::FulfillmentRule,
    },
};

/// The mode in which a channel sells a product.
#[derive(InputObject, Clone)]
pub struct SetFulfillmentRuleInput {
    /// The channel.
    pub channel_id: ID,
    /// The product.
    pub product_id: ID,
    /// The mode of new orders; left out or null, the one of the product's policy again.
    pub mode: Option<FulfillmentMode>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl SetFulfillmentRuleInput {
    fn command(&self) -> Result<rule::Set, Refusal> {
        Ok(rule::Set {
            channel_id: id("channelId", &self.channel_id)?,
            product_id: id("productId", &self.product_id)?,
            mode: self.mode.map(Into::into),
        })
    }
}

/// What came of setting a rule.
pub struct SetFulfillmentRulePayload(Outcome<rule::Outcome>);

/// What came of `setFulfillmentRule`.
#[Object]
impl SetFulfillmentRulePayload {
    /// The rule as it is now; null where the product's own mode applies.
    async fn rule(&self, ctx: &Context<'_>) -> Option<Result<FulfillmentRule, Fault>> {
        let done = self.0.done()?;
        let rules = Session::of(ctx).load(RulesOf(done.channel_id)).await.transpose()?;
        let own =
            |rules: Vec<_>| rules.into_iter().map(FulfillmentRule).find(|rule| rule.0.product_id == done.product_id);
        rules.map(own).transpose()
    }

    /// Why it was not set; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Rules.
#[derive(Default)]
pub struct RuleMutation;

#[Object]
impl RuleMutation {
    /// Switches a channel's new orders of a product to COUPLED or DECOUPLED, or back to what the product's policy says. What has been sold
    /// keeps the mode it was sold under.
    ///
    /// Roles: ADMIN.
    async fn set_fulfillment_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: SetFulfillmentRuleInput,
    ) -> Result<SetFulfillmentRulePayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(ctx, Operation::SetFulfillmentRule, (&input, key), input.command(), rule::set).await;
        done.map(SetFulfillmentRulePayload)
    }
}
