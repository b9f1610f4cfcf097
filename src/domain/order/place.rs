//! Placing an order.
//!
//! An order needs a channel, a reference and lines, and nothing else: a purchase is never refused for want of a user. Whoever places the
//! same order again gets the order as it is now. All of it is one transaction, whatever its size.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, JsonValue, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use serde::{Deserialize, Serialize};

use super::super::{
    Actor, Error, Operation, Refusal,
    account::{Named, Reference},
    activation_code::{Issued, codes},
    assignment,
    entitlement::{Beginning, within_limit},
    error::{invalid, not_found},
};
use super::{
    check::check,
    issue::{self, Holder, Lot},
};
use crate::{
    entity::{
        account, activation_code, channel, event, fulfillment_rule,
        kind::{
            AssignmentMethod, AssignmentStatus, EntitlementStatus, EventType, FulfillmentMode, OrderSource,
            OrderStatus, RefusalCode,
        },
        money::Amount,
        order, order_line, policy, product,
        scope::{Scoped, among},
    },
    id::{AccountId, ChannelId, EntitlementId, OrderId, ProductId},
    store::{Tx, journal::Subject},
};

/// Codes a payload shows at the most; the rest are exported page by page.
const SHOWN: usize = 1_000;

/// What is bought.
#[derive(Debug, Clone)]
pub struct Place {
    pub channel_id: ChannelId,
    pub external_reference: String,
    pub lines: Vec<Line>,
    pub buyer: Option<(Option<String>, Option<String>)>,
    pub buyer_account: Option<Reference>,
    pub placed_at: Option<DateTime<Utc>>,
    pub currency: Option<String>,
    pub payment_reference: Option<String>,
    /// All of the above but `placed_at`, in a spelling that is the same for the same order.
    pub request: Vec<u8>,
}

/// So many units of one product.
#[derive(Debug, Clone)]
pub struct Line {
    pub sku: String,
    pub quantity: i32,
    pub unit_price: Option<Amount>,
    /// Name and e-mail of whom the units are meant for: a hint, no condition of access.
    pub recipient: Option<(Option<String>, Option<String>)>,
    /// Who gets the units in this very call, whatever the rule.
    pub assign_to: Option<Reference>,
    pub resource: Option<String>,
    pub input: Option<JsonValue>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Placed {
    pub order_id: OrderId,
    /// The first codes, in full as far as they may be shown.
    pub codes: Vec<Issued>,
}

/// Records a purchase and issues its units.
pub async fn place(tx: &mut Tx, actor: &Actor, command: &Place) -> Result<Placed, Error> {
    actor.may(Operation::PlaceOrder)?;
    check(command, tx.settings())?;

    let channel = channel::Entity::visible(&actor.scope).filter(channel::COLUMN.id.eq(command.channel_id));
    let channel = channel.one(tx.connection().await?).await?.ok_or_else(|| not_found("channel").at(["channelId"]))?;
    if let Some(placed) = placed_before(tx, &channel, command).await? {
        return Ok(placed);
    }
    if !channel.active {
        let message = "the channel is not active: activate it, or place the order through another";
        return Err(Refusal::new(RefusalCode::InvalidState, message).at(["channelId"]).into());
    }
    let goods = Goods::load(tx, &channel, command).await?;
    let accounts = Accounts::resolve(tx, actor, command).await?;

    let order = order_row(tx, &channel, command, accounts.buyer())?;
    let lines = line_rows(tx, &order, command, &goods, &accounts)?;
    let lots = lots(tx, &order, &lines, command, &goods, &accounts)?;
    limits(tx, &lots).await?;

    insert_orders(tx, &[&order]).await?;
    insert_lines(tx, &lines).await?;
    let units = issue::units(tx, &lots).await?;
    let given = issue::assignments(tx, &lots, &units).await?;
    let coded: Vec<EntitlementId> = lots
        .iter()
        .zip(&units)
        .filter(|(lot, _)| lot.holder.is_none() && lot.policy.issues_codes)
        .flat_map(|(_, units)| units.iter().copied())
        .collect();
    let issued = codes(tx, &coded, SHOWN).await?;

    journal(tx, &order, &lots, given);
    Ok(Placed { order_id: order.id, codes: issued })
}

/// The order of this reference, where there is one: as it is now if it is the same, else a refusal.
async fn placed_before(tx: &Tx, channel: &channel::Model, command: &Place) -> Result<Option<Placed>, Error> {
    let order = order::Entity::find()
        .filter(order::COLUMN.channel_id.eq(channel.id))
        .filter(order::COLUMN.external_reference.eq(&command.external_reference));
    let Some(order) = order.one(tx.connection().await?).await? else { return Ok(None) };
    let digest = tx.keyring()?.digest(&command.request);
    let same = order.request_digest.as_ref() == Some(&digest)
        && command.placed_at.is_none_or(|placed_at| placed_at == order.placed_at);
    if !same {
        let message = "this channel has another order of that reference: use a new reference, or repeat the first request unchanged";
        return Err(Refusal::new(RefusalCode::ExternalReferenceReused, message).at(["externalReference"]).into());
    }
    let codes = activation_code::Entity::find()
        .filter(activation_code::COLUMN.status.eq(crate::entity::kind::ActivationCodeStatus::Issued))
        // Those that were issued with it: later ones were issued to somebody else, or shown to somebody for a reason.
        .filter(activation_code::COLUMN.issued_at.eq(order.created_at))
        .filter(
            activation_code::Column::EntitlementId.in_subquery(
                crate::entity::entitlement::Entity::find()
                    .select_only()
                    .column(crate::entity::entitlement::Column::Id)
                    .filter(crate::entity::entitlement::COLUMN.order_id.eq(order.id))
                    .into_query(),
            ),
        )
        .order_by_asc(activation_code::Column::EntitlementId)
        .limit(SHOWN as u64)
        .all(tx.connection().await?)
        .await?;
    let issued = codes.into_iter().map(|code| Issued {
        activation_code_id: code.id,
        entitlement_id: code.entitlement_id,
        code: None,
    });
    Ok(Some(Placed { order_id: order.id, codes: issued.collect() }))
}

/// The products that are bought, with their present policies and the channel's rules.
struct Goods(HashMap<String, (product::Model, policy::Model, FulfillmentMode)>);

impl Goods {
    async fn load(tx: &Tx, channel: &channel::Model, command: &Place) -> Result<Self, Error> {
        let mut skus: Vec<&str> = command.lines.iter().map(|line| line.sku.as_str()).collect();
        skus.sort_unstable();
        skus.dedup();
        let products =
            product::Entity::find().filter(among(product::Column::Sku, &skus)).all(tx.connection().await?).await?;
        let known: HashMap<&str, &product::Model> =
            products.iter().map(|product| (product.sku.as_str(), product)).collect();
        if let Some(place) = command.lines.iter().position(|line| !known.contains_key(line.sku.as_str())) {
            let path = ["lines".to_owned(), place.to_string(), "sku".to_owned()];
            return Err(not_found("product").at(path).into());
        }
        let policies: Vec<_> = products.iter().map(|product| product.policy_id).collect();
        let policies =
            policy::Entity::find().filter(among(policy::Column::Id, &policies)).all(tx.connection().await?).await?;
        let policies: HashMap<ProductId, policy::Model> =
            policies.into_iter().map(|policy| (policy.product_id, policy)).collect();
        let rules = fulfillment_rule::Entity::find().filter(fulfillment_rule::COLUMN.channel_id.eq(channel.id));
        let rules: HashMap<ProductId, FulfillmentMode> =
            rules.all(tx.connection().await?).await?.into_iter().map(|rule| (rule.product_id, rule.mode)).collect();
        let goods = products.into_iter().filter_map(|product| {
            let policy = policies.get(&product.id)?.clone();
            let mode = rules.get(&product.id).copied().unwrap_or(policy.mode);
            Some((product.sku.clone(), (product, policy, mode)))
        });
        Ok(Self(goods.collect()))
    }

    fn of(&self, line: &Line) -> Result<&(product::Model, policy::Model, FulfillmentMode), Refusal> {
        self.0.get(&line.sku).ok_or_else(|| not_found("product"))
    }
}

/// The accounts that are named, each read or made once, in the order of their references.
struct Accounts {
    named: BTreeMap<String, account::Model>,
    buyer: Option<String>,
}

impl Accounts {
    async fn resolve(tx: &Tx, actor: &Actor, command: &Place) -> Result<Self, Error> {
        let lines = command.lines.iter().enumerate();
        let on_lines = lines.filter_map(|(place, line)| {
            let path = vec!["lines".to_owned(), place.to_string(), "assignTo".to_owned()];
            line.assign_to.as_ref().map(|reference| (reference, path))
        });
        let buyer = command.buyer_account.as_ref().map(|reference| (reference, vec!["buyerAccount".to_owned()]));
        let mut wanted: BTreeMap<&str, (&Reference, Vec<String>)> = BTreeMap::new();
        for (reference, path) in on_lines.chain(buyer) {
            wanted.entry(&reference.external_reference).or_insert((reference, path));
        }
        let mut named = BTreeMap::new();
        for (key, (reference, path)) in wanted {
            let at = |error: Error| {
                error.refusing(|refusal| {
                    let part = refusal.field.last().cloned();
                    refusal.at(path.iter().cloned().chain(part))
                })
            };
            let account = Named::by(actor, Some(reference)).map_err(at)?.resolve(tx, actor, None).await.map_err(at)?;
            named.insert(key.to_owned(), account);
        }
        Ok(Self { named, buyer: command.buyer_account.as_ref().map(|reference| reference.external_reference.clone()) })
    }

    fn buyer(&self) -> Option<&account::Model> {
        self.buyer.as_ref().and_then(|reference| self.named.get(reference))
    }

    /// Who gets the units of a line at once: whom it names, else, under a coupled rule, the buyer.
    fn holder(&self, line: &Line, mode: FulfillmentMode) -> Option<&account::Model> {
        match &line.assign_to {
            Some(reference) => self.named.get(&reference.external_reference),
            None if mode == FulfillmentMode::Coupled => self.buyer(),
            None => None,
        }
    }
}

fn order_row(
    tx: &Tx,
    channel: &channel::Model,
    command: &Place,
    buyer: Option<&account::Model>,
) -> Result<order::Model, Error> {
    let (buyer_name, buyer_email) = command.buyer.clone().unwrap_or_default();
    Ok(order::Model {
        id: tx.id(),
        version: 1,
        channel_id: channel.id,
        external_reference: command.external_reference.clone(),
        partner_id: channel.partner_id,
        status: OrderStatus::Confirmed,
        buyer_name,
        buyer_email,
        buyer_account_id: buyer.map(|account| account.id),
        currency: command.currency.clone(),
        total: total(command.lines.iter().map(|line| (line.unit_price, line.quantity)))?,
        payment_reference: command.payment_reference.clone(),
        placed_at: command.placed_at.unwrap_or_else(|| tx.now()),
        source: OrderSource::Native,
        request_digest: Some(tx.keyring()?.digest(&command.request)),
        created_at: tx.now(),
    })
}

/// The sum of the lines, where every one of them has a price.
pub(super) fn total(lines: impl IntoIterator<Item = (Option<Amount>, i32)>) -> Result<Option<Amount>, Refusal> {
    let mut sum = Decimal::ZERO;
    for (price, quantity) in lines {
        let Some(Amount(price)) = price else { return Ok(None) };
        let line = price.checked_mul(quantity.into()).and_then(|line| sum.checked_add(line));
        sum = line.ok_or_else(|| invalid("the order's total has too many digits").at(["lines"]))?;
    }
    Ok(Some(Amount(sum)))
}

fn line_rows(
    tx: &Tx,
    order: &order::Model,
    command: &Place,
    goods: &Goods,
    accounts: &Accounts,
) -> Result<Vec<order_line::Model>, Refusal> {
    let row = |line: &Line| {
        let (product, policy, mode) = goods.of(line)?;
        let holder = accounts.holder(line, *mode);
        Ok(order_line::Model {
            id: tx.id(),
            order_id: order.id,
            channel_id: order.channel_id,
            partner_id: order.partner_id,
            product_id: product.id,
            policy_id: policy.id,
            mode: if holder.is_some() { FulfillmentMode::Coupled } else { FulfillmentMode::Decoupled },
            quantity: line.quantity,
            unit_price: line.unit_price,
            account_id: holder.map(|account| account.id),
            resource: line.resource.clone(),
            input: line.input.clone(),
        })
    };
    command.lines.iter().map(row).collect()
}

fn lots<'a>(
    tx: &Tx,
    order: &'a order::Model,
    lines: &'a [order_line::Model],
    command: &Place,
    goods: &'a Goods,
    accounts: &'a Accounts,
) -> Result<Vec<Lot<'a>>, Refusal> {
    let lot = |(row, line): (&'a order_line::Model, &Line)| {
        let (_, policy, mode) = goods.of(line)?;
        let holder = accounts.holder(line, *mode).map(|account| {
            let beginning = Beginning::under(policy, line.input.as_ref());
            Holder {
                account,
                method: AssignmentMethod::Coupled,
                beginning: beginning.status,
                missing: beginning.missing,
                external: beginning.external,
                deadline: beginning.stay.map(|stay| tx.now() + stay),
            }
        });
        Ok(Lot { order, line: row, policy, holder, recipient: line.recipient.clone(), since: tx.now() })
    };
    lines.iter().zip(&command.lines).map(lot).collect()
}

/// Refuses what would give an account more of a product than its policy allows, over all lines together.
async fn limits(tx: &Tx, lots: &[Lot<'_>]) -> Result<(), Error> {
    let mut more: BTreeMap<(AccountId, ProductId), (i64, usize)> = BTreeMap::new();
    for (place, lot) in lots.iter().enumerate() {
        if let Some(holder) = &lot.holder {
            let entry = more.entry((holder.account.id, lot.line.product_id)).or_insert((0, place));
            entry.0 += i64::from(lot.line.quantity);
        }
    }
    for ((_, product), (units, place)) in more {
        let Some((lot, holder)) = lots.get(place).and_then(|lot| lot.holder.as_ref().map(|holder| (lot, holder)))
        else {
            continue;
        };
        let within = within_limit(tx, lot.policy, product, holder.account, units).await;
        within.map_err(|error| error.refusing(|refusal| refusal.at(["lines".to_owned(), place.to_string()])))?;
    }
    Ok(())
}

/// Orders or lines a statement takes at the most.
const LINES: usize = 1_000;

pub(super) async fn insert_orders(tx: &Tx, orders: &[&order::Model]) -> Result<(), Error> {
    for portion in orders.chunks(LINES) {
        let rows = portion.iter().map(|order| order::ActiveModel::from((*order).clone()).reset_all());
        order::Entity::insert_many(rows).exec_without_returning(tx.connection().await?).await?;
    }
    Ok(())
}

pub(super) async fn insert_lines(tx: &Tx, lines: &[order_line::Model]) -> Result<(), Error> {
    for portion in lines.chunks(LINES) {
        let rows = portion.iter().map(|line| order_line::ActiveModel::from(line.clone()).reset_all());
        order_line::Entity::insert_many(rows).exec_without_returning(tx.connection().await?).await?;
    }
    Ok(())
}

/// One event for the order and all units that nobody has, and one for each assignment.
fn journal(
    tx: &mut Tx,
    order: &order::Model,
    lots: &[Lot<'_>],
    given: Vec<Vec<(EntitlementId, crate::id::AssignmentId)>>,
) {
    let open: i32 = lots.iter().filter(|lot| lot.holder.is_none()).map(|lot| lot.line.quantity).sum();
    tx.append(event::Model {
        to_status: Some(order.status.to_string()),
        quantity: Some(open),
        ..super::event(EventType::OrderPlaced, order)
    });
    for (lot, pairs) in lots.iter().zip(given) {
        let Some(holder) = &lot.holder else { continue };
        let active = holder.beginning == AssignmentStatus::Active;
        let like = event::Model {
            product_id: Some(lot.line.product_id),
            external: holder.external,
            to_status: Some(holder.beginning.to_string()),
            entitlement_to: Some(if active { EntitlementStatus::Active } else { EntitlementStatus::Assigned }),
            ..super::event(assignment::created(holder.beginning), order)
        };
        let account = Some((holder.account.id, holder.account.partner_id));
        let subject = |(unit, assignment)| Subject {
            entitlement_id: Some(unit),
            assignment_id: Some(assignment),
            account,
            ..Subject::default()
        };
        tx.append_each(like, pairs.into_iter().map(subject).collect());
    }
}
