//! `FulfillmentPolicy`: how units of a product are fulfilled.

use std::sync::Arc;

use async_graphql::Object;

use crate::{
    entity::policy::Model,
    graphql::enums::{FulfillmentMode, Provisioning},
};

#[derive(Clone)]
pub struct FulfillmentPolicy(pub Arc<Model>);

impl From<Arc<Model>> for FulfillmentPolicy {
    fn from(row: Arc<Model>) -> Self {
        Self(row)
    }
}

/// How units of a product are fulfilled. Versions are never changed: an entitlement keeps the one it was sold under.
#[Object]
impl FulfillmentPolicy {
    /// The version, counted from 1 within the product.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// The mode in which units are sold where a channel has no rule of its own.
    async fn mode(&self) -> FulfillmentMode {
        self.0.mode.into()
    }

    /// Whether each unit gets an activation code.
    async fn issues_codes(&self) -> bool {
        self.0.issues_codes
    }

    /// Days until a unit expires, from when it was issued. Null: it never does.
    async fn valid_for_days(&self) -> Option<i32> {
        self.0.valid_for_days
    }

    /// Minutes a reservation lasts if none are asked for.
    async fn reservation_minutes(&self) -> i32 {
        self.0.reservation_minutes
    }

    /// Minutes a reservation may last at most, extensions included.
    async fn reservation_max_minutes(&self) -> i32 {
        self.0.reservation_max_minutes
    }

    /// Hours in which the required input should be submitted.
    async fn input_deadline_hours(&self) -> i32 {
        self.0.input_deadline_hours
    }

    /// Minutes in which provisioning should be done.
    async fn provisioning_deadline_minutes(&self) -> i32 {
        self.0.provisioning_deadline_minutes
    }

    /// Whether a unit that nobody holds may be handed on to another recipient.
    async fn transferable(&self) -> bool {
        self.0.transferable
    }

    /// Whether a unit that was active may be released and assigned to somebody else.
    async fn reassignable(&self) -> bool {
        self.0.reassignable
    }

    /// How many units one account may hold. Null: as many as it likes.
    async fn max_per_account(&self) -> Option<i32> {
        self.0.max_per_account
    }

    /// The names of what must be submitted before provisioning starts.
    async fn required_input(&self) -> &[String] {
        &self.0.required_input.0
    }

    /// Whether a downstream record must be created.
    async fn provisioning(&self) -> Provisioning {
        self.0.provisioning.into()
    }
}
