//! The object types of the schema, one a file.
//!
//! A type wraps the record it shows and adds what belongs to it through the loaders. A field that may be null is an
//! `Option<Result<…>>`: its failure then nulls the field and not its parent.

pub mod account;
pub mod activation_code;
pub mod api_key;
pub mod assignment;
pub mod channel;
pub mod contact;
pub mod entitlement;
pub mod event;
pub mod exception;
pub mod issued_code;
pub mod money;
pub mod order;
pub mod order_line;
pub mod partner;
pub mod policy;
pub mod product;
pub mod provisioning_attempt;
pub mod redemption_attempt;
pub mod redemption_check;
pub mod reservation;
pub mod statistics;
pub mod viewer;

use std::sync::Arc;

use async_graphql::{ID, Interface};

pub use self::{
    account::Account,
    activation_code::ActivationCode,
    api_key::ApiKey,
    assignment::Assignment,
    channel::{Channel, FulfillmentRule},
    contact::Contact,
    entitlement::Entitlement,
    event::Event,
    exception::FulfillmentException,
    issued_code::IssuedCode,
    money::{Money, MoneyInput},
    order::Order,
    order_line::OrderLine,
    partner::Partner,
    policy::FulfillmentPolicy,
    product::Product,
    provisioning_attempt::ProvisioningAttempt,
    redemption_attempt::RedemptionAttempt,
    redemption_check::RedemptionCheck,
    reservation::Reservation,
    statistics::Statistics,
    viewer::Viewer,
};
use super::{
    error::Fault,
    page::{Listed, place_of},
    session::Session,
};
use crate::{
    entity,
    id::{
        AccountId, ActivationCodeId, AnyId, ApiKeyId, AssignmentId, ChannelId, EntitlementId, ExceptionId, OrderId,
        OrderLineId, PartnerId, ProductId, ProvisioningAttemptId, RecordId, RedemptionAttemptId, ReservationId,
    },
};

macro_rules! records {
    ($($name:ident of $entity:ident by $id:ty $(, alone: $alone:expr)?;)*) => {
        $(
            impl From<Arc<entity::$entity::Model>> for $name {
                fn from(row: Arc<entity::$entity::Model>) -> Self {
                    Self(row $(, $alone)?)
                }
            }

            impl From<entity::$entity::Model> for $name {
                fn from(row: entity::$entity::Model) -> Self {
                    Self(Arc::new(row) $(, $alone)?)
                }
            }

            impl Listed for $name {
                type Key = uuid::Uuid;

                fn key(&self) -> uuid::Uuid {
                    self.0.id.uuid()
                }

                fn cursor(&self, _: &Session) -> String {
                    self.0.id.to_string()
                }

                async fn place(text: &str, argument: &'static str, _: &Session) -> Result<uuid::Uuid, Fault> {
                    place_of::<$id>(text, argument)
                }
            }
        )*
    };
}

records! {
    Partner of partner by PartnerId;
    Channel of channel by ChannelId;
    Product of product by ProductId;
    Order of order by OrderId, alone: None;
    OrderLine of order_line by OrderLineId, alone: None;
    Entitlement of entitlement by EntitlementId;
    ActivationCode of activation_code by ActivationCodeId;
    Reservation of reservation by ReservationId;
    Assignment of assignment by AssignmentId, alone: None;
    ProvisioningAttempt of provisioning_attempt by ProvisioningAttemptId;
    RedemptionAttempt of redemption_attempt by RedemptionAttemptId;
    FulfillmentException of fulfillment_exception by ExceptionId;
    Account of account by AccountId;
    ApiKey of api_key by ApiKeyId;
}

/// A record that has an id. Ids are readable: the prefix names the kind of record, as `ord_…` an order, and any of them can be looked up
/// with `node`.
#[derive(Clone, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The record's id, the same for good."))]
#[allow(clippy::large_enum_variant, reason = "all variants are one pointer")]
pub enum Node {
    Partner(Partner),
    Channel(Channel),
    Product(Product),
    Order(Order),
    OrderLine(OrderLine),
    Entitlement(Entitlement),
    ActivationCode(ActivationCode),
    Reservation(Reservation),
    Assignment(Assignment),
    ProvisioningAttempt(ProvisioningAttempt),
    Account(Account),
    RedemptionAttempt(RedemptionAttempt),
    FulfillmentException(FulfillmentException),
    Event(Event),
    ApiKey(ApiKey),
}

impl Node {
    /// The record with this id, if the caller may see it.
    pub async fn find(session: &Session, id: AnyId) -> Option<Result<Self, Fault>> {
        fn node<T: Into<Node>>(found: Option<Result<T, Fault>>) -> Option<Result<Node, Fault>> {
            found.map(|found| found.map(Into::into))
        }
        match id {
            AnyId::PartnerId(id) => node(session.find::<_, Partner>(Some(id)).await),
            AnyId::ChannelId(id) => node(session.find::<_, Channel>(Some(id)).await),
            AnyId::ProductId(id) => node(session.find::<_, Product>(Some(id)).await),
            AnyId::PolicyId(_) => None,
            AnyId::OrderId(id) => node(session.find::<_, Order>(Some(id)).await),
            AnyId::OrderLineId(id) => node(session.find::<_, OrderLine>(Some(id)).await),
            AnyId::EntitlementId(id) => node(session.find::<_, Entitlement>(Some(id)).await),
            AnyId::ActivationCodeId(id) => node(session.find::<_, ActivationCode>(Some(id)).await),
            AnyId::ReservationId(id) => node(session.find::<_, Reservation>(Some(id)).await),
            AnyId::AssignmentId(id) => node(session.find::<_, Assignment>(Some(id)).await),
            AnyId::AccountId(id) => node(session.find::<_, Account>(Some(id)).await),
            AnyId::ProvisioningAttemptId(id) => node(session.find::<_, ProvisioningAttempt>(Some(id)).await),
            AnyId::RedemptionAttemptId(id) => node(session.find::<_, RedemptionAttempt>(Some(id)).await),
            AnyId::ExceptionId(id) => node(session.find::<_, FulfillmentException>(Some(id)).await),
            AnyId::EventId(id) => {
                session.feed.settled().await;
                node(session.find::<_, Event>(Some(id)).await)
            }
            AnyId::ApiKeyId(id) => node(session.find::<_, ApiKey>(Some(id)).await),
        }
    }
}
