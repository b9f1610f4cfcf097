//! What may become of a unit besides being claimed.

// long because six operations each have an input, a payload and a resolver

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, order::ContactInput, run};
use crate::{
    domain::{
        Operation,
        entitlement::{self, Changed, Extend, Reissue, Reissued, Revoke, Suspend, Transfer},
    },
    graphql::{
        error::{Fault, UserError},
        scalars::DateTime,
        session::Session,
        types::{Entitlement, IssuedCode, issued_code::issued_code},
    },
};

/// A unit to take back for good.
#[derive(InputObject, Clone)]
pub struct RevokeEntitlementInput {
    /// The unit. A PARTNER can revoke one that is `UNASSIGNED` only.
    pub entitlement_id: ID,
    /// Why, for the journal: up to 1,000 characters.
    pub reason: String,
    /// Refuse with `STALE_VERSION` unless the unit is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of revoking a unit.
pub struct RevokeEntitlementPayload(Outcome<Changed>);

/// What came of `revokeEntitlement`.
#[Object]
impl RevokeEntitlementPayload {
    /// The unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// Why it was not revoked; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A unit to issue another in place of.
#[derive(InputObject, Clone)]
pub struct ReissueEntitlementInput {
    /// The unit, in any state; once only. A PARTNER can reissue one that is `UNASSIGNED` only.
    pub entitlement_id: ID,
    /// Why, for the journal: up to 1,000 characters.
    pub reason: String,
    /// Whom the new unit is meant for; as the old one, where it is left out.
    pub recipient: Option<ContactInput>,
    /// Refuse with `STALE_VERSION` unless the unit is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of reissuing a unit.
pub struct ReissueEntitlementPayload(Outcome<Reissued>);

/// What came of `reissueEntitlement`.
#[Object]
impl ReissueEntitlementPayload {
    /// The new unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// The unit in whose place it was issued.
    async fn replaced(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.replaced_id)).await
    }

    /// The new unit's code, in full. Null where the terms of its sale know no codes, and once it can no longer be revealed.
    async fn issued_code(&self, ctx: &Context<'_>) -> Option<Result<IssuedCode, Fault>> {
        issued_code(ctx, self.0.done().and_then(|done| done.issued.as_ref())).await
    }

    /// Why nothing was issued; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A unit to halt for the time being.
#[derive(InputObject, Clone)]
pub struct SuspendEntitlementInput {
    /// The unit, in any state but `SUSPENDED`, `REVOKED` and `EXPIRED`.
    pub entitlement_id: ID,
    /// Why, for the journal: up to 1,000 characters.
    pub reason: String,
    /// Refuse with `STALE_VERSION` unless the unit is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of suspending a unit.
pub struct SuspendEntitlementPayload(Outcome<Changed>);

/// What came of `suspendEntitlement`.
#[Object]
impl SuspendEntitlementPayload {
    /// The unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// Why it was not suspended; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A suspended unit to let go on.
#[derive(InputObject, Clone)]
pub struct ResumeEntitlementInput {
    /// The unit. It must be `SUSPENDED`.
    pub entitlement_id: ID,
    /// Why, for the journal: up to 1,000 characters.
    pub reason: String,
    /// Refuse with `STALE_VERSION` unless the unit is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of resuming a unit.
pub struct ResumeEntitlementPayload(Outcome<Changed>);

/// What came of `resumeEntitlement`.
#[Object]
impl ResumeEntitlementPayload {
    /// The unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// The code that claims the unit from now on, where it is free and had none.
    async fn issued_code(&self, ctx: &Context<'_>) -> Option<Result<IssuedCode, Fault>> {
        issued_code(ctx, self.0.done().and_then(|done| done.issued.as_ref())).await
    }

    /// Why it was not resumed; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A unit to end at another moment.
#[derive(InputObject, Clone)]
pub struct ExtendEntitlementInput {
    /// The unit, in any state but `REVOKED`; an `EXPIRED` one that was replaced stays so.
    pub entitlement_id: ID,
    /// When it ends: any moment to come, earlier or later than before.
    pub expires_at: DateTime,
    /// Why, for the journal: up to 1,000 characters.
    pub reason: String,
    /// Refuse with `STALE_VERSION` unless the unit is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of setting the end of a unit.
pub struct ExtendEntitlementPayload(Outcome<Changed>);

/// What came of `extendEntitlement`.
#[Object]
impl ExtendEntitlementPayload {
    /// The unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// The code that claims the unit from now on, where its time had been up. Null else.
    async fn issued_code(&self, ctx: &Context<'_>) -> Option<Result<IssuedCode, Fault>> {
        issued_code(ctx, self.0.done().and_then(|done| done.issued.as_ref())).await
    }

    /// Why its end was not set; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// A unit to hand on.
#[derive(InputObject, Clone)]
pub struct TransferEntitlementInput {
    /// The unit. It must be `UNASSIGNED`, and its policy must allow it.
    pub entitlement_id: ID,
    /// Whom it is meant for from now on: a hint for a gift, no condition of access.
    pub recipient: ContactInput,
    /// Why, for the journal.
    pub reason: Option<String>,
    /// Refuse with `STALE_VERSION` unless the unit is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of handing a unit on.
pub struct TransferEntitlementPayload(Outcome<Changed>);

/// What came of `transferEntitlement`.
#[Object]
impl TransferEntitlementPayload {
    /// The unit.
    async fn entitlement(&self, ctx: &Context<'_>) -> Option<Result<Entitlement, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.entitlement_id)).await
    }

    /// The code that claims the unit from now on, in full: the old one has stopped working.
    async fn issued_code(&self, ctx: &Context<'_>) -> Option<Result<IssuedCode, Fault>> {
        issued_code(ctx, self.0.done().and_then(|done| done.issued.as_ref())).await
    }

    /// Why it was not handed on; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// What may become of a unit besides being claimed.
#[derive(Default)]
pub struct EntitlementMutation;

#[Object]
impl EntitlementMutation {
    /// Takes a unit back for good: its code stops working, its reservation is released, its assignment is cancelled or taken down.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (what its subtree sold, `UNASSIGNED` only).
    async fn revoke_entitlement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: RevokeEntitlementInput,
    ) -> Result<RevokeEntitlementPayload, Fault> {
        let command = id("entitlementId", &input.entitlement_id).map(|entitlement_id| Revoke {
            entitlement_id,
            reason: input.reason.clone(),
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::RevokeEntitlement, input, command, entitlement::revoke).await.map(RevokeEntitlementPayload)
    }

    /// Issues a new unit in place of another, once, with a code of its own. The old one is revoked if it was still live: they are never
    /// both of use. The new one ends when the old one would have; where that is past, it lasts as long as a new one.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (what its subtree sold, `UNASSIGNED` only).
    async fn reissue_entitlement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ReissueEntitlementInput,
    ) -> Result<ReissueEntitlementPayload, Fault> {
        let command = id("entitlementId", &input.entitlement_id).map(|entitlement_id| Reissue {
            entitlement_id,
            reason: input.reason.clone(),
            recipient: input.recipient.clone().map(Into::into),
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::ReissueEntitlement, input, command, entitlement::reissue)
            .await
            .map(ReissueEntitlementPayload)
    }

    /// Halts a unit: nothing can be done with it until it is resumed. Its reservation is released; its code and its assignment stay, and no
    /// provisioner is given it.
    ///
    /// Roles: ADMIN, SUPPORT.
    async fn suspend_entitlement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: SuspendEntitlementInput,
    ) -> Result<SuspendEntitlementPayload, Fault> {
        let command = id("entitlementId", &input.entitlement_id).map(|entitlement_id| Suspend {
            entitlement_id,
            reason: input.reason.clone(),
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::SuspendEntitlement, input, command, entitlement::suspend)
            .await
            .map(SuspendEntitlementPayload)
    }

    /// Lets a suspended unit go on: its state follows from its assignment.
    ///
    /// Roles: ADMIN, SUPPORT.
    async fn resume_entitlement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ResumeEntitlementInput,
    ) -> Result<ResumeEntitlementPayload, Fault> {
        let command = id("entitlementId", &input.entitlement_id).map(|entitlement_id| Suspend {
            entitlement_id,
            reason: input.reason.clone(),
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::ResumeEntitlement, input, command, entitlement::resume).await.map(ResumeEntitlementPayload)
    }

    /// Sets when a unit ends. One that is `EXPIRED` is `UNASSIGNED` again, with a fresh code.
    ///
    /// Roles: ADMIN, SUPPORT.
    async fn extend_entitlement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: ExtendEntitlementInput,
    ) -> Result<ExtendEntitlementPayload, Fault> {
        let command = id("entitlementId", &input.entitlement_id).map(|entitlement_id| Extend {
            entitlement_id,
            expires_at: input.expires_at.0,
            reason: input.reason.clone(),
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::ExtendEntitlement, input, command, entitlement::extend).await.map(ExtendEntitlementPayload)
    }

    /// Hands a unit on: it is meant for somebody else from now on, and the old code stops working.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (what its subtree sold), CUSTOMER (what it bought).
    async fn transfer_entitlement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: TransferEntitlementInput,
    ) -> Result<TransferEntitlementPayload, Fault> {
        let command = id("entitlementId", &input.entitlement_id).map(|entitlement_id| Transfer {
            entitlement_id,
            recipient: input.recipient.clone().into(),
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref(), input.reason.as_ref());
        run(ctx, Operation::TransferEntitlement, input, command, entitlement::transfer)
            .await
            .map(TransferEntitlementPayload)
    }
}
