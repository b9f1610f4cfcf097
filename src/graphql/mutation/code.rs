//! Codes after they were issued.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, run};
use crate::{
    domain::{
        Operation,
        activation_code::{self, Export, Exported, Reveal, Rotate},
        entitlement::Changed,
    },
    graphql::{
        error::{Fault, UserError},
        page::PageInfo,
        session::Session,
        types::{
            Entitlement, IssuedCode,
            issued_code::{issued_code, issued_codes},
        },
    },
};

/// A unit that needs another code.
#[derive(InputObject, Clone)]
pub struct RotateActivationCodeInput {
    /// The unit. It must be `UNASSIGNED` or `RESERVED`.
    pub entitlement_id: ID,
    /// Why, for the journal: up to 1,000 characters.
    pub reason: String,
    /// Refuse with `STALE_VERSION` unless the unit is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of putting a fresh code in the place of another.
pub struct RotateActivationCodePayload(Outcome<Changed>);

/// What came of `rotateActivationCode`.
#[Object]
impl RotateActivationCodePayload {
    /// The unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// The new code, in full: the old one has stopped working.
    async fn issued_code(&self, ctx: &Context<'_>) -> Option<Result<IssuedCode, Fault>> {
        issued_code(ctx, self.0.done().and_then(|done| done.issued.as_ref())).await
    }

    /// Why there is no new code; empty when there is.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A code to show in full once more.
#[derive(InputObject, Clone)]
pub struct RevealActivationCodeInput {
    /// The code. It must be `ISSUED` and `revealable`.
    pub activation_code_id: ID,
    /// Why, for the journal: up to 1,000 characters.
    pub reason: String,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of showing a code again.
pub struct RevealActivationCodePayload(Outcome<Changed>);

/// What came of `revealActivationCode`.
#[Object]
impl RevealActivationCodePayload {
    /// The code in full. Null when a repeat of the request comes after it can be revealed.
    async fn issued_code(&self, ctx: &Context<'_>) -> Option<Result<IssuedCode, Fault>> {
        issued_code(ctx, self.0.done().and_then(|done| done.issued.as_ref())).await
    }

    /// Why it is not shown; empty when it is.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A page of the codes of an order to show in full.
#[derive(InputObject, Clone)]
pub struct ExportActivationCodesInput {
    /// The order.
    pub order_id: ID,
    /// Why, for the journal: up to 1,000 characters.
    pub reason: String,
    /// The size of the page: 1 to 1,000.
    #[graphql(default = 1000)]
    pub first: i32,
    /// Only codes after this one: `pageInfo.endCursor` of the page before.
    pub after: Option<String>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of showing a page of codes.
pub struct ExportActivationCodesPayload(Outcome<Exported>);

/// What came of `exportActivationCodes`.
#[Object]
impl ExportActivationCodesPayload {
    /// The codes of the page that can still be shown. Null when there are `userErrors`.
    async fn activation_codes(&self, ctx: &Context<'_>) -> Option<Result<Vec<IssuedCode>, Fault>> {
        Some(issued_codes(ctx, &self.0.done()?.codes).await)
    }

    /// Where the page lies. Null when there are `userErrors`.
    async fn page_info(&self) -> Option<PageInfo> {
        let page = self.0.done()?;
        let cursor = |code: Option<&activation_code::Issued>| code.map(|code| code.activation_code_id.to_string());
        Some(PageInfo {
            has_next_page: page.more,
            has_previous_page: page.later,
            start_cursor: cursor(page.codes.first()),
            end_cursor: cursor(page.codes.last()),
        })
    }

    /// Why they are not shown; empty when they are.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Codes after they were issued.
#[derive(Default)]
pub struct CodeMutation;

#[Object]
impl CodeMutation {
    /// Puts a fresh code in the place of a unit's live one, which stops working: it leaked, or was lost. A unit without a live code, as an
    /// imported one, gets its first.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (what its subtree sold).
    async fn rotate_activation_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: RotateActivationCodeInput,
    ) -> Result<RotateActivationCodePayload, Fault> {
        let command = id("entitlementId", &input.entitlement_id).map(|entitlement_id| Rotate {
            entitlement_id,
            reason: input.reason.clone(),
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::RotateActivationCode, input, command, activation_code::rotate)
            .await
            .map(RotateActivationCodePayload)
    }

    /// Shows a code in full once more, while it is `ISSUED` and within its window. Journaled each time, as `CODE_REVEALED`.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (what its subtree sold).
    async fn reveal_activation_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: RevealActivationCodeInput,
    ) -> Result<RevealActivationCodePayload, Fault> {
        let command = id("activationCodeId", &input.activation_code_id)
            .map(|activation_code_id| Reveal { activation_code_id, reason: input.reason.clone() });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::RevealActivationCode, input, command, activation_code::reveal)
            .await
            .map(RevealActivationCodePayload)
    }

    /// Shows the codes of an order that can still be shown, page by page. One `CODE_REVEALED` event a page, with its quantity.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (what its subtree sold).
    async fn export_activation_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ExportActivationCodesInput,
    ) -> Result<ExportActivationCodesPayload, Fault> {
        let command = id("orderId", &input.order_id).and_then(|order_id| {
            let after = input.after.as_ref().map(|after| id("after", &ID::from(after.as_str()))).transpose()?;
            Ok(Export { order_id, reason: input.reason.clone(), first: input.first, after })
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::ExportActivationCodes, input, command, activation_code::export)
            .await
            .map(ExportActivationCodesPayload)
    }
}
