//! Claiming by code.

use async_graphql::{Context, InputObject, Object};

use super::{Outcome, order::AccountInput, reference, run_recorded};
use crate::{
    domain::{
        Operation,
        activation_code::{self, Redeem, Redeemed},
    },
    graphql::{
        error::{Fault, UserError},
        scalars::Json,
        session::Session,
        types::{Assignment, Entitlement},
    },
};

/// A code to redeem.
#[derive(InputObject, Clone)]
pub struct RedeemCodeInput {
    /// The code as it was typed: case, hyphens and the letters I, L and O are forgiven.
    pub code: String,
    /// The account that gets the unit; your own, where it is left out. A CUSTOMER can name no other.
    pub account: Option<AccountInput>,
    /// What the unit is for downstream, as a seat or a site.
    pub resource: Option<String>,
    /// Input that the product's policy asks for: an object. What is missing can be submitted later.
    pub input: Option<Json>,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of redeeming a code.
pub struct RedeemCodePayload(Outcome<Redeemed>);

/// What came of `redeemCode`.
#[Object]
impl RedeemCodePayload {
    /// The assignment that the code turned into.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        let done = self.0.done()?;
        match &done.made {
            Some(made) => Some(Ok(made.clone().into())),
            None => Session::of(ctx).find(Some(done.assignment_id)).await,
        }
    }

    /// The unit that the code stood for.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// Why the code was not redeemed; empty when it was. The attempt is recorded either way.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Claiming by code.
#[derive(Default)]
pub struct RedemptionMutation;

#[Object]
impl RedemptionMutation {
    /// Redeems an activation code: its unit becomes the account's. A code redeems once, whoever races. The same account may ask again
    /// with the same code while the assignment is in force, and gets the same assignment.
    ///
    /// A code is a bearer instrument: whoever may redeem may redeem any valid code, whichever channel sold it. Unknown codes are counted:
    /// after too many in a quarter of an hour the answer is `RATE_LIMITED`.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER, CUSTOMER.
    async fn redeem_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: RedeemCodeInput,
    ) -> Result<RedeemCodePayload, Fault> {
        let wanted = input.clone();
        let command = Redeem {
            code: wanted.code,
            account: reference(wanted.account),
            resource: wanted.resource,
            input: wanted.input.map(|input| input.0),
        };
        let input = (&input, input.idempotency_key.as_ref(), input.reason.as_ref());
        let done = run_recorded(ctx, Operation::RedeemCode, input, command, activation_code::redeem).await;
        done.map(RedeemCodePayload)
    }
}
