//! Importing orders that another system has recorded: as they are, with their dates, in as few statements as a purchase takes.
//!
//! An imported order gets one event, whatever its size. Its units have no codes until somebody asks for them; those of a line that names an
//! account are active for it since the order's date. An order that is there already is left alone; where it has gained lines they are
//! added; where it differs in any other way it is reported, and nothing is changed.

mod compare;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};

use self::compare::{Comparison, Stored};
use super::{
    super::{Actor, Error, Operation, exception},
    issue::{self, Holder, Lot},
    place::{insert_lines, insert_orders, total},
};
use crate::{
    entity::{
        account, channel, event,
        kind::{
            AssignmentMethod, AssignmentStatus, EventType, ExceptionKind, FulfillmentMode, OrderSource, OrderStatus,
            Provisioning,
        },
        money::Amount,
        order, order_line, policy, product,
        scope::among,
    },
    id::{PartnerId, ProductId},
    store::Tx,
};

/// SKUs and accounts looked up in one statement: there may be more of them than a statement can have values.
const NAMES: usize = 1_000;

/// A row of a file: so many units of one product.
#[derive(Debug, Clone)]
pub struct Row {
    pub sku: String,
    pub quantity: i32,
    pub unit_price: Option<Amount>,
    pub placed_at: Option<DateTime<Utc>>,
    pub buyer_name: Option<String>,
    pub buyer_email: Option<String>,
    pub assign_to: Option<String>,
    pub resource: Option<String>,
}

/// The rows of one reference, in the order in which they were read; at least one.
#[derive(Debug, Clone)]
pub struct Legacy {
    pub external_reference: String,
    pub rows: Vec<Row>,
}

impl Legacy {
    /// How many units it has.
    pub fn units(&self) -> usize {
        self.rows.iter().map(|row| usize::try_from(row.quantity).unwrap_or_default()).sum()
    }
}

/// What is imported in one transaction. Every SKU is that of a product.
#[derive(Debug, Clone, Copy)]
pub struct Import<'a> {
    pub channel: &'a channel::Model,
    /// The namespace of the channel, in which accounts are meant.
    pub namespace: PartnerId,
    pub currency: Option<&'a str>,
    pub orders: &'a [Legacy],
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    pub orders: usize,
    pub lines: usize,
    pub units: usize,
    pub unchanged: usize,
    /// References of orders that differ from what is stored, and how.
    pub mismatched: Vec<(String, String)>,
}

/// An order with the rows that are to be written for it.
struct Wanted<'a> {
    order: order::Model,
    /// Whether it is there already.
    known: bool,
    rows: Vec<&'a Row>,
}

/// Imports orders into a channel.
pub async fn import(tx: &mut Tx, actor: &Actor, command: &Import<'_>) -> Result<Imported, Error> {
    actor.may(Operation::ImportOrders)?;

    let goods = goods(tx, command.orders).await?;
    let accounts = accounts(tx, command).await?;
    let stored = Stored::load(tx, command).await?;

    let mut imported = Imported::default();
    let mut wanted = Vec::new();
    let mut agreeing = Vec::new();
    for legacy in command.orders {
        match stored.compare(legacy, command, &goods, &accounts) {
            Comparison::New => wanted.push(Wanted {
                order: order_row(tx, legacy, command),
                known: false,
                rows: legacy.rows.iter().collect(),
            }),
            Comparison::Same(order) => {
                imported.unchanged += 1;
                agreeing.push(order.id);
            }
            Comparison::More(order, rows) => {
                wanted.push(Wanted { order: order.clone(), known: true, rows });
                agreeing.push(order.id);
            }
            Comparison::Different(order, how) => {
                exception::open_for_order(
                    tx,
                    ExceptionKind::ImportMismatch,
                    order,
                    format!("the order was imported again and {how}"),
                )
                .await?;
                imported.mismatched.push((legacy.external_reference.clone(), how));
            }
        }
    }

    exception::settle_orders(tx, &agreeing).await?;
    write(tx, command, &mut wanted, &goods, &accounts).await?;
    for Wanted { order, known, rows } in &wanted {
        imported.orders += usize::from(!known);
        imported.lines += rows.len();
        let units: i32 = rows.iter().map(|row| row.quantity).sum();
        imported.units += usize::try_from(units).unwrap_or_default();
        tx.append(event::Model {
            to_status: Some(order.status.to_string()),
            quantity: Some(units),
            ..super::event(EventType::OrderImported, order)
        });
    }
    Ok(imported)
}

async fn write(
    tx: &mut Tx,
    command: &Import<'_>,
    wanted: &mut [Wanted<'_>],
    goods: &Goods,
    accounts: &Accounts,
) -> Result<(), Error> {
    let mut lines: Vec<Vec<order_line::Model>> = Vec::new();
    for want in wanted.iter_mut() {
        lines.push(want.rows.iter().filter_map(|row| line_row(tx, &want.order, row, goods, accounts)).collect());
    }
    let new: Vec<&order::Model> = wanted.iter().filter(|want| !want.known).map(|want| &want.order).collect();
    insert_orders(tx, &new).await?;
    insert_lines(tx, &lines.concat()).await?;
    for want in wanted.iter().filter(|want| want.known) {
        let legacy = command.orders.iter().find(|legacy| legacy.external_reference == want.order.external_reference);
        let total = legacy.map(price).unwrap_or_default();
        let row = order::ActiveModel { id: Set(want.order.id), total: Set(total), ..Default::default() };
        order::Entity::update(row).validate()?.exec(tx.connection().await?).await?;
    }
    let holders: HashMap<_, &account::Model> = accounts.values().map(|account| (account.id, account)).collect();
    let mut lots = Vec::new();
    let of_order = wanted.iter().zip(&lines).flat_map(|(want, lines)| lines.iter().map(move |line| (want, line)));
    for (want, line) in of_order {
        let Some((_, policy)) = goods.by_id.get(&line.product_id) else { continue };
        let account = line.account_id.and_then(|id| holders.get(&id).copied());
        let holder = account.map(|account| Holder {
            account,
            method: AssignmentMethod::Import,
            beginning: AssignmentStatus::Active,
            missing: Vec::new(),
            external: policy.provisioning == Provisioning::External,
            deadline: None,
        });
        lots.push(Lot { order: &want.order, line, policy, holder, recipient: None, since: want.order.placed_at });
    }
    let units = issue::units(tx, &lots).await?;
    issue::assignments(tx, &lots, &units).await?;
    Ok(())
}

/// The products of the rows, with their present policies.
struct Goods {
    by_sku: HashMap<String, ProductId>,
    by_id: HashMap<ProductId, (product::Model, policy::Model)>,
}

async fn goods(tx: &Tx, orders: &[Legacy]) -> Result<Goods, Error> {
    let mut skus: Vec<&str> = orders.iter().flat_map(|order| &order.rows).map(|row| row.sku.as_str()).collect();
    skus.sort_unstable();
    skus.dedup();
    let mut products = Vec::new();
    let mut policies: HashMap<ProductId, policy::Model> = HashMap::new();
    for portion in skus.chunks(NAMES) {
        let found =
            product::Entity::find().filter(among(product::Column::Sku, portion)).all(tx.connection().await?).await?;
        let terms: Vec<_> = found.iter().map(|product| product.policy_id).collect();
        let terms =
            policy::Entity::find().filter(among(policy::Column::Id, &terms)).all(tx.connection().await?).await?;
        policies.extend(terms.into_iter().map(|policy| (policy.product_id, policy)));
        products.extend(found);
    }
    let by_sku = products.iter().map(|product| (product.sku.clone(), product.id)).collect();
    let by_id = products
        .into_iter()
        .filter_map(|product| policies.remove(&product.id).map(|policy| (product.id, (product, policy))));
    Ok(Goods { by_id: by_id.collect(), by_sku })
}

type Accounts = HashMap<String, account::Model>;

/// The accounts of the rows, made where they are new.
async fn accounts(tx: &Tx, command: &Import<'_>) -> Result<Accounts, Error> {
    let mut references: Vec<&str> =
        command.orders.iter().flat_map(|order| &order.rows).filter_map(|row| row.assign_to.as_deref()).collect();
    references.sort_unstable();
    references.dedup();
    let new = references.iter().map(|reference| account::ActiveModel {
        id: Set(tx.id()),
        partner_id: Set(command.namespace),
        external_reference: Set((*reference).to_owned()),
        created_at: Set(tx.now()),
        ..Default::default()
    });
    let same =
        OnConflict::columns([account::Column::PartnerId, account::Column::ExternalReference]).do_nothing().to_owned();
    for portion in new.collect::<Vec<_>>().chunks(NAMES) {
        let insert = account::Entity::insert_many(portion.iter().cloned()).on_conflict(same.clone());
        insert.exec_without_returning(tx.connection().await?).await?;
    }
    let mut accounts = Accounts::new();
    for portion in references.chunks(NAMES) {
        let found = account::Entity::find()
            .filter(account::COLUMN.partner_id.eq(command.namespace))
            .filter(among(account::Column::ExternalReference, portion))
            .all(tx.connection().await?)
            .await?;
        accounts.extend(found.into_iter().map(|account| (account.external_reference.clone(), account)));
    }
    Ok(accounts)
}

/// The order's total, where every row has a price and the sum can be written.
fn price(legacy: &Legacy) -> Option<Amount> {
    total(legacy.rows.iter().map(|row| (row.unit_price, row.quantity))).unwrap_or_default()
}

fn order_row(tx: &Tx, legacy: &Legacy, command: &Import<'_>) -> order::Model {
    let first = legacy.rows.first();
    order::Model {
        id: tx.id(),
        version: 1,
        channel_id: command.channel.id,
        external_reference: legacy.external_reference.clone(),
        partner_id: command.channel.partner_id,
        status: OrderStatus::Confirmed,
        buyer_name: first.and_then(|row| row.buyer_name.clone()),
        buyer_email: first.and_then(|row| row.buyer_email.clone()),
        buyer_account_id: None,
        currency: command.currency.map(str::to_owned),
        total: price(legacy),
        payment_reference: None,
        placed_at: first.and_then(|row| row.placed_at).unwrap_or_else(|| tx.now()),
        source: OrderSource::Legacy,
        request_digest: None,
        created_at: tx.now(),
    }
}

fn line_row(tx: &Tx, order: &order::Model, row: &Row, goods: &Goods, accounts: &Accounts) -> Option<order_line::Model> {
    let product_id = *goods.by_sku.get(&row.sku)?;
    let (_, policy) = goods.by_id.get(&product_id)?;
    let account = row.assign_to.as_ref().and_then(|reference| accounts.get(reference));
    Some(order_line::Model {
        id: tx.id(),
        order_id: order.id,
        channel_id: order.channel_id,
        partner_id: order.partner_id,
        product_id,
        policy_id: policy.id,
        mode: if account.is_some() { FulfillmentMode::Coupled } else { FulfillmentMode::Decoupled },
        quantity: row.quantity,
        unit_price: row.unit_price,
        account_id: account.map(|account| account.id),
        resource: row.resource.clone(),
        input: None,
    })
}
