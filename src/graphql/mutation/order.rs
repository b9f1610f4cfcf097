//! Purchase.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, run, spelling};
use crate::{
    domain::{
        Operation, Refusal, account,
        entitlement::Recipient,
        order::{self, Cancel, Cancelled, Placed},
    },
    graphql::{
        error::{Fault, UserError},
        scalars::{DateTime, Decimal, Json},
        session::Session,
        types::{IssuedCode, Order, issued_code::issued_codes},
    },
};

/// An account, by your own reference for it. It is made when it is first named: onboarding is never a condition of purchase.
#[derive(InputObject, Clone)]
pub struct AccountInput {
    /// Your reference, unique within your namespace, up to 255 characters.
    pub external_reference: String,
    /// An e-mail address to keep with the account. It never gives access to anything.
    pub email: Option<String>,
    /// A name to show.
    pub display_name: Option<String>,
}

impl From<AccountInput> for account::Reference {
    fn from(input: AccountInput) -> Self {
        Self { external_reference: input.external_reference, email: input.email, display_name: input.display_name }
    }
}

/// Somebody, as far as is known.
#[derive(InputObject, Clone)]
pub struct ContactInput {
    /// A name, up to 200 characters.
    pub name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
}

impl From<ContactInput> for Recipient {
    fn from(input: ContactInput) -> Self {
        Self { name: input.name, email: input.email }
    }
}

/// So many units of one product.
#[derive(InputObject, Clone)]
pub struct OrderLineInput {
    /// The product's SKU.
    pub sku: String,
    /// How many units; at least 1.
    #[graphql(default = 1)]
    pub quantity: i32,
    /// The price of one unit, in the order's currency.
    pub unit_price: Option<Decimal>,
    /// Whom the units are meant for: a hint for a gift, no condition of access.
    pub recipient: Option<ContactInput>,
    /// The account that gets the units in this very call, whatever the rule says.
    pub assign_to: Option<AccountInput>,
    /// What the units are for downstream, as a seat or a site. Kept for whoever claims a unit.
    pub resource: Option<String>,
    /// Input that the product's policy asks for, as far as it is known at purchase: an object. Kept for whoever claims a unit.
    pub input: Option<Json>,
}

/// A purchase.
#[derive(InputObject, Clone)]
pub struct PlaceOrderInput {
    /// The channel it came through.
    pub channel_id: ID,
    /// Your reference, unique within the channel, up to 255 characters. Placing the same order again is safe: it answers with the order
    /// as it is now. Another order under the same reference is refused.
    pub external_reference: String,
    /// What was bought: 1 to 2,000 lines, up to 100,000 units in all.
    pub lines: Vec<OrderLineInput>,
    /// Who bought it, as far as is known.
    pub buyer: Option<ContactInput>,
    /// The buyer's account. Under a coupled rule it gets the units in this call.
    pub buyer_account: Option<AccountInput>,
    /// When it was bought; now, where it is left out.
    pub placed_at: Option<DateTime>,
    /// The currency of all prices, as three capital letters (ISO 4217). Needed where there are prices.
    pub currency_code: Option<String>,
    /// The payment's reference, for your own use.
    pub payment_reference: Option<String>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl PlaceOrderInput {
    fn command(&self) -> Result<order::Place, Refusal> {
        let contact = |contact: ContactInput| (contact.name, contact.email);
        let input = self.clone();
        // What makes two requests the same order. When it was bought counts only where both say so.
        let mut same = Self { placed_at: None, idempotency_key: None, ..self.clone() };
        for price in same.lines.iter_mut().filter_map(|line| line.unit_price.as_mut()) {
            price.0.0 = price.0.0.normalize();
        }
        let lines = input.lines.into_iter().map(|line| order::Line {
            sku: line.sku,
            quantity: line.quantity,
            unit_price: line.unit_price.map(|price| price.0),
            recipient: line.recipient.map(contact),
            assign_to: line.assign_to.map(Into::into),
            resource: line.resource,
            input: line.input.map(|input| input.0),
        });
        Ok(order::Place {
            channel_id: id("channelId", &input.channel_id)?,
            external_reference: input.external_reference,
            lines: lines.collect(),
            buyer: input.buyer.map(contact),
            buyer_account: input.buyer_account.map(Into::into),
            placed_at: input.placed_at.map(|moment| moment.0),
            currency: input.currency_code,
            payment_reference: input.payment_reference,
            request: spelling(&same, None),
        })
    }
}

/// What came of placing an order.
pub struct PlaceOrderPayload(Outcome<Placed>);

/// What came of `placeOrder`.
#[Object]
impl PlaceOrderPayload {
    /// The order: new, or as it is now where it had been placed before.
    async fn order(&self, ctx: &Context<'_>) -> Option<Result<Order, Fault>> {
        Session::of(ctx).find(self.0.done().map(|placed| placed.order_id)).await
    }

    /// The codes of the units that are claimed later, in full: the first 1,000. The rest comes by `exportActivationCodes`, page by page.
    /// Where the order had been placed before, those that can still be revealed.
    async fn activation_codes(&self, ctx: &Context<'_>) -> Result<Vec<IssuedCode>, Fault> {
        issued_codes(ctx, self.0.done().map(|placed| placed.codes.as_slice()).unwrap_or_default()).await
    }

    /// Why nothing was recorded; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// An order to cancel.
#[derive(InputObject, Clone)]
pub struct CancelOrderInput {
    /// The order.
    pub order_id: ID,
    /// Why, for the journal.
    pub reason: String,
    /// Also the units that somebody has; ADMIN and SUPPORT only. Without it they stay, and the order is `PARTIALLY_CANCELLED`.
    #[graphql(default = false)]
    pub include_assigned: bool,
    /// Refuse with `STALE_VERSION` unless the order is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What came of cancelling an order.
pub struct CancelOrderPayload(Outcome<Cancelled>);

/// What came of `cancelOrder`.
#[Object]
impl CancelOrderPayload {
    /// The order.
    async fn order(&self, ctx: &Context<'_>) -> Option<Result<Order, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.order_id)).await
    }

    /// Why nothing was cancelled; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Purchase.
#[derive(Default)]
pub struct OrderMutation;

#[Object]
impl OrderMutation {
    /// Records a purchase: complete and valid at once, each unit an entitlement. Units whose line names `assignTo`, or whose channel and
    /// product are coupled and whose order names `buyerAccount`, are assigned in the same call; the others are claimed later.
    ///
    /// Roles: ADMIN, PARTNER (its own channels and those below it).
    async fn place_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: PlaceOrderInput,
    ) -> Result<PlaceOrderPayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(ctx, Operation::PlaceOrder, (&input, key), input.command(), order::place).await;
        done.map(PlaceOrderPayload)
    }

    /// Cancels an order: revokes its units that nobody has, and with `includeAssigned` the others too, whose assignments are wound up. One
    /// `ORDER_CANCELLED` event tells of all units that nobody had.
    ///
    /// Roles: ADMIN, SUPPORT, PARTNER (what its subtree sold, and without `includeAssigned`).
    async fn cancel_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: CancelOrderInput,
    ) -> Result<CancelOrderPayload, Fault> {
        if input.include_assigned {
            Session::of(ctx).actor.may(Operation::CancelAssigned)?;
        }
        let command = id("orderId", &input.order_id).map(|order_id| Cancel {
            order_id,
            reason: input.reason.clone(),
            include_assigned: input.include_assigned,
            expected_version: input.expected_version,
        });
        let input = (&input, input.idempotency_key.as_ref());
        run(ctx, Operation::CancelOrder, input, command, order::cancel).await.map(CancelOrderPayload)
    }
}
