//! Purchase.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, run, spelling};
use crate::{
    domain::{
        Operation, Refusal, account,
        activation_code::{self, Issued},
        order::{self, Placed},
    },
    graphql::{
        error::{Fault, UserError},
        scalars::{DateTime, Decimal, Json},
        session::Session,
        types::{ActivationCode, Order},
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
            request: spelling(&same),
        })
    }
}

/// A code in full, for the one it was issued to.
pub struct IssuedCode {
    code: String,
    record: ActivationCode,
}

/// An activation code in full. Hand it on and forget it: it is a bearer instrument.
#[Object]
impl IssuedCode {
    /// The code: 25 symbols in five groups. Case, hyphens and the letters I, L and O are forgiven when it is typed.
    async fn code(&self) -> &str {
        &self.code
    }

    /// Its record.
    async fn activation_code(&self) -> &ActivationCode {
        &self.record
    }
}

/// The codes that were issued, in full as far as they may be shown: those of this request always, those of a repeated one while they can
/// be revealed.
pub async fn issued_codes(ctx: &Context<'_>, issued: &[Issued]) -> Result<Vec<IssuedCode>, Fault> {
    let session = Session::of(ctx);
    let ids: Vec<_> = issued.iter().map(|code| code.activation_code_id).collect();
    let mut records = session.load_all(ids).await?;
    let mut codes = Vec::with_capacity(issued.len());
    for code in issued {
        let Some(record) = records.remove(&code.activation_code_id) else { continue };
        let text = match &code.code {
            Some(code) => Some(code.reveal()),
            None => activation_code::reveal(session.db.keyring()?, &record, session.now()).map(|code| code.reveal()),
        };
        codes.extend(text.map(|code| IssuedCode { code, record: record.into() }));
    }
    Ok(codes)
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
}
