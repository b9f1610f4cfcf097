//! Partners.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};

use super::{Outcome, change, forget_principals, id, run};
use crate::{
    domain::{
        Operation, Refusal,
        catalog::{Change, partner},
    },
    graphql::{
        error::{Fault, UserError},
        session::Session,
        types::Partner,
    },
};

/// A new partner.
#[derive(InputObject, Clone)]
pub struct CreatePartnerInput {
    /// Its name, up to 200 characters.
    pub name: String,
    /// The partner above it, which sees everything of it. Left out, it is a top-level partner with a namespace for accounts of its own.
    pub parent_id: Option<ID>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// Changes of a partner. What is left out stays as it is.
#[derive(InputObject, Clone)]
pub struct UpdatePartnerInput {
    /// The partner.
    pub partner_id: ID,
    /// Its name, up to 200 characters.
    pub name: Option<String>,
    /// The partner to put it under, with all below it; null puts it at the top. A top-level partner that has accounts cannot be put under
    /// another, for its namespace would be gone.
    pub parent_id: MaybeUndefined<ID>,
    /// Whether keys of the partner and of those below it open anything.
    pub active: Option<bool>,
    /// Refuse with `STALE_VERSION` unless the partner is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl CreatePartnerInput {
    fn command(&self) -> Result<partner::Create, Refusal> {
        let parent_id = self.parent_id.as_ref().map(|parent| id("parentId", parent)).transpose()?;
        Ok(partner::Create { name: self.name.clone(), parent_id })
    }
}

impl UpdatePartnerInput {
    fn command(&self) -> Result<partner::Update, Refusal> {
        Ok(partner::Update {
            partner_id: id("partnerId", &self.partner_id)?,
            name: self.name.clone(),
            parent_id: match change(self.parent_id.clone()) {
                Change::Set(parent) => Change::Set(id("parentId", &parent)?),
                Change::Clear => Change::Clear,
                Change::Keep => Change::Keep,
            },
            active: self.active,
            expected_version: self.expected_version,
        })
    }
}

/// What came of making a partner.
pub struct CreatePartnerPayload(Outcome<partner::Outcome>);

/// What came of `createPartner`.
#[Object]
impl CreatePartnerPayload {
    /// The new partner.
    async fn partner(&self, ctx: &Context<'_>) -> Option<Result<Partner, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.partner_id)).await
    }

    /// Why it was not made; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// What came of changing a partner.
pub struct UpdatePartnerPayload(Outcome<partner::Outcome>);

/// What came of `updatePartner`.
#[Object]
impl UpdatePartnerPayload {
    /// The partner as it is now.
    async fn partner(&self, ctx: &Context<'_>) -> Option<Result<Partner, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.partner_id)).await
    }

    /// Why it was not changed; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Partners.
#[derive(Default)]
pub struct PartnerMutation;

#[Object]
impl PartnerMutation {
    /// Makes a partner: somebody who owns channels, sees what is sold through them and by the partners below, and nothing else.
    ///
    /// Roles: ADMIN.
    async fn create_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: CreatePartnerInput,
    ) -> Result<CreatePartnerPayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(ctx, Operation::CreatePartner, (&input, key), input.command(), partner::create).await?;
        forget_principals(ctx);
        Ok(CreatePartnerPayload(done))
    }

    /// Renames a partner, puts it elsewhere in the tree, or switches it off and on: while it is off, neither its keys nor those of the
    /// partners below it open anything.
    ///
    /// Roles: ADMIN.
    async fn update_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: UpdatePartnerInput,
    ) -> Result<UpdatePartnerPayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(ctx, Operation::UpdatePartner, (&input, key), input.command(), partner::update).await?;
        forget_principals(ctx);
        Ok(UpdatePartnerPayload(done))
    }
}
