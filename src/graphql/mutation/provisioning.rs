//! Provisioning: the work of creating and taking down what is downstream.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, run};
use crate::{
    domain::{
        Operation,
        provisioning::{
            self, Claimed, ClaimedAttempt as Taken, Complete, ExtendLease, Extended, Fail, Reported, Retry, Work,
        },
    },
    graphql::{
        error::{Fault, UserError},
        session::Session,
        types::{Assignment, ProvisioningAttempt},
    },
};

/// How much work to take.
#[derive(InputObject, Clone)]
pub struct ClaimProvisioningInput {
    /// At most so many assignments: 1 to 100.
    #[graphql(default = 10)]
    pub limit: i32,
    /// Seconds for which they are yours alone: 5 to 3,600. Ask for more with `extendProvisioningLease` before they are over.
    #[graphql(default = 60)]
    pub lease_seconds: i32,
    /// Only assignments of these products, at most 100; of all, where it is left out.
    pub product_ids: Option<Vec<ID>>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// An assignment that is yours to work on until its lease ends. Several workers never get the same one.
pub struct ClaimedAttempt(Taken);

/// An assignment that is yours to work on until its lease ends. Several workers never get the same one.
#[Object]
impl ClaimedAttempt {
    /// The attempt: report on it with `completeProvisioning` or `failProvisioning`.
    async fn attempt(&self, ctx: &Context<'_>) -> Result<ProvisioningAttempt, Fault> {
        Session::of(ctx).need(self.0.attempt_id, "attempt").await
    }

    /// What is to be created, or to be removed, downstream.
    async fn assignment(&self, ctx: &Context<'_>) -> Result<Assignment, Fault> {
        Session::of(ctx).need(self.0.assignment_id, "assignment").await
    }

    /// Whether a former attempt ended without a report: ask downstream by `idempotencyReference` what became of it before you do anything.
    async fn former_outcome_unknown(&self) -> bool {
        self.0.former_unknown
    }

    /// What to call this operation downstream, so that it can tell a repeat: the same for every attempt of one operation.
    async fn idempotency_reference(&self, ctx: &Context<'_>) -> Result<String, Fault> {
        let session = Session::of(ctx);
        let attempt = session.load(self.0.attempt_id).await?.ok_or(Fault::NotFound("attempt"))?;
        Ok(attempt.idempotency_reference.clone())
    }
}

/// What came of taking work.
pub struct ClaimProvisioningPayload(Outcome<Claimed>);

/// What came of `claimProvisioning`.
#[Object]
impl ClaimProvisioningPayload {
    /// The work that is yours now, oldest first; empty when there is none. Null when there are `userErrors`.
    async fn attempts(&self) -> Option<Vec<ClaimedAttempt>> {
        Some(self.0.done()?.attempts.iter().copied().map(ClaimedAttempt).collect())
    }

    /// Why no work was given; empty also when there was none to give.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// An attempt that needs more time.
#[derive(InputObject, Clone)]
pub struct ExtendProvisioningLeaseInput {
    /// The attempt, not yet reported on.
    pub attempt_id: ID,
    /// Seconds from now on: 5 to 3,600.
    pub lease_seconds: i32,
}

/// What came of keeping an attempt for longer.
pub struct ExtendProvisioningLeasePayload(Outcome<Extended>);

/// What came of `extendProvisioningLease`.
#[Object]
impl ExtendProvisioningLeasePayload {
    /// The attempt.
    async fn attempt(&self, ctx: &Context<'_>) -> Option<Result<ProvisioningAttempt, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.attempt_id)).await
    }

    /// Why it is not yours for longer; empty when it is.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A success to report.
#[derive(InputObject, Clone)]
pub struct CompleteProvisioningInput {
    /// The attempt.
    pub attempt_id: ID,
    /// The downstream record's own id, to keep with the assignment.
    pub external_reference: Option<String>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of reporting success.
pub struct CompleteProvisioningPayload(Outcome<Reported>);

/// What came of `completeProvisioning`.
#[Object]
impl CompleteProvisioningPayload {
    /// The assignment.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.assignment_id)).await
    }

    /// Why the report was not taken; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A failure to report.
#[derive(InputObject, Clone)]
pub struct FailProvisioningInput {
    /// The attempt.
    pub attempt_id: ID,
    /// What went wrong: up to 1,000 characters.
    pub reason: String,
    /// Whether trying again may help. If so, the assignment is given out again after a pause that grows, up to a bound; if not, somebody
    /// has to decide.
    #[graphql(default = true)]
    pub retryable: bool,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of reporting failure.
pub struct FailProvisioningPayload(Outcome<Reported>);

/// What came of `failProvisioning`.
#[Object]
impl FailProvisioningPayload {
    /// The assignment.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.assignment_id)).await
    }

    /// Why the report was not taken; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A failed assignment to try again.
#[derive(InputObject, Clone)]
pub struct RetryProvisioningInput {
    /// The assignment. It must be `FAILED` or `DEPROVISION_FAILED`.
    pub assignment_id: ID,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Refuse with `STALE_VERSION` unless the assignment is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of having it tried again.
pub struct RetryProvisioningPayload(Outcome<Reported>);

/// What came of `retryProvisioning`.
#[Object]
impl RetryProvisioningPayload {
    /// The assignment.
    async fn assignment(&self, ctx: &Context<'_>) -> Option<Result<Assignment, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.assignment_id)).await
    }

    /// Why it is not tried again; empty when it is.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// The work of creating and taking down what is downstream.
#[derive(Default)]
pub struct ProvisioningMutation;

#[Object]
impl ProvisioningMutation {
    /// Takes work: assignments that wait to be created or removed downstream, and those whose worker's lease ran out. Nothing of a suspended
    /// unit is given out.
    ///
    /// Roles: ADMIN, PROVISIONER (of what its partner's subtree sold, where it has one).
    async fn claim_provisioning(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ClaimProvisioningInput,
    ) -> Result<ClaimProvisioningPayload, Fault> {
        let products = input.product_ids.as_ref().map(|ids| ids.iter().map(|one| id("productIds", one)).collect());
        let command = products.transpose().map(|products| Work {
            limit: input.limit,
            lease_seconds: input.lease_seconds,
            products,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::ClaimProvisioning, input, command, provisioning::claim).await.map(ClaimProvisioningPayload)
    }

    /// Keeps an attempt for longer. A lease that has run out can still be extended, as long as nobody else has claimed the work.
    ///
    /// Roles: ADMIN, PROVISIONER.
    async fn extend_provisioning_lease(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ExtendProvisioningLeaseInput,
    ) -> Result<ExtendProvisioningLeasePayload, Fault> {
        let command = id("attemptId", &input.attempt_id)
            .map(|attempt_id| ExtendLease { attempt_id, lease_seconds: input.lease_seconds });
        run(ctx, Operation::ExtendProvisioningLease, (&input, None), command, provisioning::extend_lease)
            .await
            .map(ExtendProvisioningLeasePayload)
    }

    /// Reports success: the assignment is active, or over if it was to be removed. The same report again changes nothing; one that comes
    /// after somebody else claimed the work is refused.
    ///
    /// Roles: ADMIN, PROVISIONER.
    async fn complete_provisioning(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: CompleteProvisioningInput,
    ) -> Result<CompleteProvisioningPayload, Fault> {
        let command = id("attemptId", &input.attempt_id)
            .map(|attempt_id| Complete { attempt_id, external_reference: input.external_reference.clone() });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::CompleteProvisioning, input, command, provisioning::complete)
            .await
            .map(CompleteProvisioningPayload)
    }

    /// Reports failure. The same report again changes nothing; one that comes after somebody else claimed the work is refused.
    ///
    /// Roles: ADMIN, PROVISIONER.
    async fn fail_provisioning(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: FailProvisioningInput,
    ) -> Result<FailProvisioningPayload, Fault> {
        let command = id("attemptId", &input.attempt_id).map(|attempt_id| Fail {
            attempt_id,
            reason: input.reason.clone(),
            retryable: input.retryable,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::FailProvisioning, input, command, provisioning::fail).await.map(FailProvisioningPayload)
    }

    /// Puts a failed assignment back to work, with all its tries before it.
    ///
    /// Roles: ADMIN, SUPPORT, PROVISIONER.
    async fn retry_provisioning(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: RetryProvisioningInput,
    ) -> Result<RetryProvisioningPayload, Fault> {
        let command = id("assignmentId", &input.assignment_id)
            .map(|assignment_id| Retry { assignment_id, expected_version: input.expected_version });
        let input = (&input, input.idempotency_key.as_ref(), input.reason.as_ref());
        run(ctx, Operation::RetryProvisioning, input, command, provisioning::retry).await.map(RetryProvisioningPayload)
    }
}
