//! Direct assignment, and input that follows it.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, order::AccountInput, reference, run};
use crate::{
    domain::{
        Operation, Refusal,
        assignment::{self, Release, Released, SubmitInput, Submitted},
        entitlement::{self, Assign, AssignMany, Assigned, AssignedMany, From},
        error::invalid,
    },
    graphql::{
        error::{Fault, UserError},
        scalars::Json,
        session::Session,
        types::{Assignment, Entitlement, IssuedCode, issued_code::issued_code},
    },
};

/// A unit to assign.
#[derive(InputObject, Clone)]
pub struct AssignEntitlementInput {
    /// The unit. Nobody may have it.
    pub entitlement_id: ID,
    /// The account that gets it; your own, where it is left out and you have one.
    pub account: Option<AccountInput>,
    /// What the unit is for downstream, as a seat or a site.
    pub resource: Option<String>,
    /// Input that the product's policy asks for: an object. What is missing can be submitted later.
    pub input: Option<Json>,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Refuse with `STALE_VERSION` unless the unit is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of assigning a unit.
pub struct AssignEntitlementPayload(Outcome<Assigned>);

/// What came of `assignEntitlement`.
#[Object]
impl AssignEntitlementPayload {
    /// The new assignment.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.assignment_id)).await
    }

    /// The unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// Why nothing was assigned; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Units to assign to many accounts, one each: of one order line, or of a channel and product.
#[derive(InputObject, Clone)]
pub struct AssignEntitlementsInput {
    /// The order line whose units are given. Leave it out when you name a channel and a product.
    pub order_line_id: Option<ID>,
    /// The channel whose stock is given, oldest units first.
    pub channel_id: Option<ID>,
    /// The product of that stock.
    pub product_id: Option<ID>,
    /// The accounts: 1 to 1,000. One that is named twice gets two units.
    pub accounts: Vec<AccountInput>,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl AssignEntitlementsInput {
    fn command(&self) -> Result<AssignMany, Refusal> {
        let from = match (&self.order_line_id, &self.channel_id, &self.product_id) {
            (Some(line), None, None) => From::Line(id("orderLineId", line)?),
            (None, Some(channel), Some(product)) => From::Stock(id("channelId", channel)?, id("productId", product)?),
            _ => return Err(invalid("name either an order line, or a channel and a product").at(["orderLineId"])),
        };
        Ok(AssignMany { from, accounts: self.accounts.iter().cloned().map(Into::into).collect() })
    }
}

/// What came of assigning units to many.
pub struct AssignEntitlementsPayload(Outcome<AssignedMany>);

/// What came of `assignEntitlements`.
#[Object]
impl AssignEntitlementsPayload {
    /// The new assignments, in the order of the accounts. Null when there are `userErrors`: all or none.
    async fn assignments(&self, ctx: &Context<'_>) -> Option<Result<Vec<Assignment>, Fault>> {
        let ids = self.0.done()?.assignment_ids.clone();
        Some(load_in_order(ctx, ids).await)
    }

    /// Why nothing was assigned; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

async fn load_in_order(ctx: &Context<'_>, ids: Vec<crate::id::AssignmentId>) -> Result<Vec<Assignment>, Fault> {
    let mut found = Session::of(ctx).load_all(ids.clone()).await?;
    Ok(ids.iter().filter_map(|id| found.remove(id)).map(Into::into).collect())
}

/// Input for an assignment that waits for it.
#[derive(InputObject, Clone)]
pub struct SubmitAssignmentInputInput {
    /// The assignment, in state `AWAITING_INPUT`.
    pub assignment_id: ID,
    /// An object whose members are added to what was submitted before.
    pub input: Json,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Refuse with `STALE_VERSION` unless the assignment is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of submitting input.
pub struct SubmitAssignmentInputPayload(Outcome<Submitted>);

/// What came of `submitAssignmentInput`.
#[Object]
impl SubmitAssignmentInputPayload {
    /// The assignment: on its way once nothing is missing any more.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.assignment_id)).await
    }

    /// Why the input was not taken; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A unit to take back from whoever has it.
#[derive(InputObject, Clone)]
pub struct ReleaseAssignmentInput {
    /// The assignment, in force.
    pub assignment_id: ID,
    /// Why, for the journal: up to 1,000 characters.
    pub reason: String,
    /// End it although removing it downstream failed; ADMIN and SUPPORT only.
    #[graphql(default = false)]
    pub force: bool,
    /// Refuse with `STALE_VERSION` unless the assignment is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of releasing an assignment.
pub struct ReleaseAssignmentPayload(Outcome<Released>);

/// What came of `releaseAssignment`.
#[Object]
impl ReleaseAssignmentPayload {
    /// The assignment.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.assignment_id)).await
    }

    /// The unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// The code that claims the unit from now on. Null while something is still to be removed downstream.
    async fn issued_code(&self, ctx: &Context<'_>) -> Option<Result<IssuedCode, Fault>> {
        issued_code(ctx, self.0.done().and_then(|done| done.issued.as_ref())).await
    }

    /// Why it was not released; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Direct assignment.
#[derive(Default)]
pub struct AssignmentMutation;

#[Object]
impl AssignmentMutation {
    /// Gives a unit that nobody has to an account. Its activation code, if it has a live one, stops working.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (units its subtree sold).
    async fn assign_entitlement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: AssignEntitlementInput,
    ) -> Result<AssignEntitlementPayload, Fault> {
        let wanted = input.clone();
        let command = id("entitlementId", &wanted.entitlement_id).map(|entitlement_id| Assign {
            entitlement_id,
            account: reference(wanted.account),
            resource: wanted.resource,
            input: wanted.input.map(|input| input.0),
            expected_version: wanted.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref(), input.reason.as_ref());
        let done = run(ctx, Operation::AssignEntitlement, input, command, entitlement::assign).await;
        done.map(AssignEntitlementPayload)
    }

    /// Gives one unit each to many accounts, oldest units first, all or none: units that nobody has or holds.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (units its subtree sold).
    async fn assign_entitlements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: AssignEntitlementsInput,
    ) -> Result<AssignEntitlementsPayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(
            ctx,
            Operation::AssignEntitlements,
            (&input, key, input.reason.as_ref()),
            input.command(),
            entitlement::assign_many,
        )
        .await;
        done.map(AssignEntitlementsPayload)
    }

    /// Submits what a product's policy asks for after the unit was claimed. With the last of it the assignment goes on.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER, CUSTOMER (its own).
    async fn submit_assignment_input(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: SubmitAssignmentInputInput,
    ) -> Result<SubmitAssignmentInputPayload, Fault> {
        let command = id("assignmentId", &input.assignment_id).map(|assignment_id| SubmitInput {
            assignment_id,
            input: input.input.0.clone(),
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref(), input.reason.as_ref());
        let done = run(ctx, Operation::SubmitAssignmentInput, input, command, assignment::submit_input).await;
        done.map(SubmitAssignmentInputPayload)
    }

    /// Takes a unit back from whoever has it: it can be claimed again, with a fresh code. What exists downstream is removed first, and where
    /// an attempt to create it is running, its result decides. An active one can be released if its policy is `reassignable`.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (what its subtree sold, and without `force`).
    async fn release_assignment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ReleaseAssignmentInput,
    ) -> Result<ReleaseAssignmentPayload, Fault> {
        if input.force {
            Session::of(ctx).actor.may(Operation::ForceRelease)?;
        }
        let command = id("assignmentId", &input.assignment_id).map(|assignment_id| Release {
            assignment_id,
            reason: input.reason.clone(),
            force: input.force,
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::ReleaseAssignment, input, command, assignment::release).await.map(ReleaseAssignmentPayload)
    }
}
