//! Products and the terms they are sold under.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};

use super::{Outcome, change, id, run};
use crate::{
    domain::{
        Operation, Refusal,
        catalog::{PolicyChange, product},
    },
    graphql::{
        enums::{FulfillmentMode, Provisioning},
        error::{Fault, UserError},
        session::Session,
        types::Product,
    },
};

/// The terms of a product's later sales. On update, what is left out stays as it is and null goes back to the default.
#[derive(InputObject, Clone, Default)]
pub struct FulfillmentPolicyInput {
    /// Whether units are assigned in the call that sells them, where no rule of the channel says otherwise. Default DECOUPLED.
    pub mode: MaybeUndefined<FulfillmentMode>,
    /// Whether a unit that nobody has comes with an activation code. Default true.
    pub issues_codes: MaybeUndefined<bool>,
    /// Days after its issue that a unit expires, 1 to 36,500. Default null: never.
    pub valid_for_days: MaybeUndefined<i32>,
    /// Minutes that a reservation lasts where nothing else is asked, 1 to 525,600. Default 30.
    pub reservation_minutes: MaybeUndefined<i32>,
    /// Minutes that a reservation lasts at the most, its extensions included, up to 525,600. Default ten times `reservationMinutes`.
    pub reservation_max_minutes: MaybeUndefined<i32>,
    /// Hours within which required input should be submitted, 1 to 87,600. Default 168.
    pub input_deadline_hours: MaybeUndefined<i32>,
    /// Minutes within which a unit should be provisioned, 1 to 525,600. Default 60.
    pub provisioning_deadline_minutes: MaybeUndefined<i32>,
    /// Whether a unit may be handed on before it is claimed. Default true.
    pub transferable: MaybeUndefined<bool>,
    /// Whether a unit may be given to somebody else after it has been active. Default true.
    pub reassignable: MaybeUndefined<bool>,
    /// Units of the product that one account may hold at a time, 1 to 1,000,000. Default null: any number.
    pub max_per_account: MaybeUndefined<i32>,
    /// Names of what must be submitted before provisioning starts, up to 50. Default none.
    pub required_input: MaybeUndefined<Vec<String>>,
    /// Whether a provisioner creates something downstream before a unit is active. Default NONE.
    pub provisioning: MaybeUndefined<Provisioning>,
}

/// A new product.
#[derive(InputObject, Clone)]
pub struct CreateProductInput {
    /// Its SKU, up to 255 characters, case-sensitive; no two products have the same.
    pub sku: String,
    /// Its name, up to 200 characters.
    pub name: String,
    /// The terms it is sold under; the defaults, where they are left out.
    pub policy: Option<FulfillmentPolicyInput>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// Changes of a product. What is left out stays as it is.
#[derive(InputObject, Clone)]
pub struct UpdateProductInput {
    /// The product.
    pub product_id: ID,
    /// Its name, up to 200 characters.
    pub name: Option<String>,
    /// Changes of the terms, for later sales: what has been sold keeps the version it was sold under.
    pub policy: Option<FulfillmentPolicyInput>,
    /// Refuse with `STALE_VERSION` unless the product is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl From<FulfillmentPolicyInput> for PolicyChange {
    fn from(input: FulfillmentPolicyInput) -> Self {
        Self {
            mode: change(input.mode.map_value(Into::into)),
            issues_codes: change(input.issues_codes),
            valid_for_days: change(input.valid_for_days),
            reservation_minutes: change(input.reservation_minutes),
            reservation_max_minutes: change(input.reservation_max_minutes),
            input_deadline_hours: change(input.input_deadline_hours),
            provisioning_deadline_minutes: change(input.provisioning_deadline_minutes),
            transferable: change(input.transferable),
            reassignable: change(input.reassignable),
            max_per_account: change(input.max_per_account),
            required_input: change(input.required_input),
            provisioning: change(input.provisioning.map_value(Into::into)),
        }
    }
}

impl CreateProductInput {
    fn command(&self) -> product::Create {
        let policy = self.policy.clone().unwrap_or_default().into();
        product::Create { sku: self.sku.clone(), name: self.name.clone(), policy }
    }
}

impl UpdateProductInput {
    fn command(&self) -> Result<product::Update, Refusal> {
        Ok(product::Update {
            product_id: id("productId", &self.product_id)?,
            name: self.name.clone(),
            policy: self.policy.clone().unwrap_or_default().into(),
            expected_version: self.expected_version,
        })
    }
}

/// What came of making a product.
pub struct CreateProductPayload(Outcome<product::Outcome>);

/// What came of `createProduct`.
#[Object]
impl CreateProductPayload {
    /// The new product.
    async fn product(&self, ctx: &Context<'_>) -> Option<Result<Product, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.product_id)).await
    }

    /// Why it was not made; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// What came of changing a product.
pub struct UpdateProductPayload(Outcome<product::Outcome>);

/// What came of `updateProduct`.
#[Object]
impl UpdateProductPayload {
    /// The product as it is now.
    async fn product(&self, ctx: &Context<'_>) -> Option<Result<Product, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.product_id)).await
    }

    /// Why it was not changed; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Products.
#[derive(Default)]
pub struct ProductMutation;

#[Object]
impl ProductMutation {
    /// Makes a product: what can be sold through every channel, by its SKU.
    ///
    /// Roles: ADMIN.
    async fn create_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: CreateProductInput,
    ) -> Result<CreateProductPayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(ctx, Operation::CreateProduct, (&input, key), Ok(input.command()), product::create).await;
        done.map(CreateProductPayload)
    }

    /// Renames a product, or changes the terms it is sold under from now on.
    ///
    /// Roles: ADMIN.
    async fn update_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: UpdateProductInput,
    ) -> Result<UpdateProductPayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(ctx, Operation::UpdateProduct, (&input, key), input.command(), product::update).await;
        done.map(UpdateProductPayload)
    }
}
