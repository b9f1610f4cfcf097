//! `claimcheck import orders`: legacy orders from CSV, one row a line, or from NDJSON.
//!
//! Rows are read first, all files together, for the rows of one order need not be adjacent. A row that cannot be used goes to the rejects
//! file with its place and the reason, and stops nothing. Orders are then written some hundred at a time; whatever ends the command in
//! between, the next run goes on where this one stopped.

mod read;

use std::{fs::File, io, path::PathBuf};

use clap::{Args, Subcommand};
use sea_orm::{EntityTrait, QueryFilter};

pub use self::read::{Fields, Reading, Rejects, mapping};
use super::{Failure, print, progress};
use crate::{
    config::Config,
    domain::{
        self, Actor,
        catalog::{self, PolicyChange},
        order::import::{Import, Imported, Legacy, import},
    },
    entity::{channel, kind::ChannelKind, partner, product, scope::among},
    service::{finish, open_database},
    store::Db,
};

/// Units and orders of a transaction: enough to make it worth its while, few enough that nobody waits for it.
const UNITS: usize = 20_000;
const ORDERS: usize = 300;
/// SKUs looked up, and products made, at a time.
const PRODUCTS: usize = 500;

#[derive(Subcommand)]
pub enum Action {
    /// Import orders from CSV, one row a line, or from NDJSON
    Orders(Orders),
}

#[derive(Args)]
pub struct Orders {
    /// Files with a header line (CSV), or an object a line (.ndjson, .jsonl)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The channel they came through; made if there is none of that name
    #[arg(long)]
    channel: String,
    /// The currency of all prices, as three capital letters
    #[arg(long)]
    currency: Option<String>,
    /// The files' own names for the fields, as `external_reference=InvoiceNo,sku=StockCode`
    #[arg(long, value_name = "FIELD=HEADER,…", value_delimiter = ',', value_parser = read::mapping)]
    map: Vec<(read::Field, String)>,
    /// Make a product for every SKU that there is none for
    #[arg(long)]
    create_products: bool,
    /// Write the rows that cannot be used here, each with its file, line and reason
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(config: &Config, arguments: Orders) -> Result<(), Failure> {
    let currency = arguments.currency.as_deref().map(domain::input::currency).transpose();
    let currency = currency.map_err(|refusal| Failure::Usage(format!("--currency: {}", refusal.message)))?;
    if arguments.rejects.as_ref().is_some_and(|rejects| arguments.files.contains(rejects)) {
        return Err(Failure::Usage("--rejects names a file that is to be imported: name another".to_owned()));
    }
    let mut rejects = Rejects::open(arguments.rejects.as_deref())?;
    let fields = Fields::new(arguments.map)?;
    let mut reading = Reading::default();
    for file in &arguments.files {
        let opened = File::open(file).map_err(|cause| cannot_read(file, &cause))?;
        reading.file(file, opened, &fields, &mut rejects)?;
    }
    if reading.priced() && currency.is_none() {
        return Err(Failure::Usage("the prices need a currency: add --currency, as in --currency GBP".to_owned()));
    }

    let db = open_database(config).await?;
    let legacies = Legacies {
        channel: &arguments.channel,
        currency: currency.as_deref(),
        create_products: arguments.create_products,
    };
    let imported = load(&db, &Actor::system("import"), reading, &legacies, &mut rejects).await?;
    let rejected = rejects.finish()?;
    finish(&db).await?;
    report(&imported, rejected, arguments.json)
}

/// What is said of all orders together.
pub struct Legacies<'a> {
    pub channel: &'a str,
    pub currency: Option<&'a str>,
    pub create_products: bool,
}

/// Writes what has been read.
pub async fn load(
    db: &Db,
    actor: &Actor,
    mut reading: Reading,
    legacies: &Legacies<'_>,
    rejects: &mut Rejects,
) -> Result<Imported, Failure> {
    if legacies.create_products {
        create_products(db, actor, &reading).await?;
    } else {
        reading.reject_unknown(&known_skus(db, &reading).await?, rejects)?;
    }
    let orders = reading.finish(db.settings().order_units, rejects)?;
    let channel = channel(db, actor, legacies.channel).await?;
    write(db, actor, &channel, legacies.currency, &orders).await
}

fn cannot_read(file: &std::path::Path, cause: &io::Error) -> Failure {
    Failure::Refused(format!("cannot read {}: {cause}", file.display()))
}

/// The channel of that name, made where there is none.
async fn channel(db: &Db, actor: &Actor, name: &str) -> Result<channel::Model, Failure> {
    let find = || channel::Entity::find().filter(channel::COLUMN.name.eq(name));
    if let Some(channel) = find().one(db.reader()).await.map_err(crate::store::Error::from)? {
        return Ok(channel);
    }
    let create = &catalog::channel::Create { name: name.to_owned(), kind: ChannelKind::Direct, partner_id: None };
    domain::once(db, actor, create, catalog::channel::create).await?;
    let channel = find().one(db.reader()).await.map_err(crate::store::Error::from)?;
    channel.ok_or_else(|| Failure::Refused(format!("the channel {name} went away")))
}

async fn known_skus(db: &Db, reading: &Reading) -> Result<Vec<String>, Failure> {
    let mut known = Vec::new();
    for portion in reading.skus().chunks(PRODUCTS) {
        let found = product::Entity::find().filter(among(product::Column::Sku, portion)).all(db.reader()).await;
        known.extend(found.map_err(crate::store::Error::from)?.into_iter().map(|product| product.sku));
    }
    Ok(known)
}

/// Makes the products that are missing, each named as in the first of its rows.
async fn create_products(db: &Db, actor: &Actor, reading: &Reading) -> Result<(), Failure> {
    let known: std::collections::HashSet<String> = known_skus(db, reading).await?.into_iter().collect();
    let missing: Vec<catalog::product::Create> = reading
        .products()
        .filter(|(sku, _)| !known.contains(*sku))
        .map(|(sku, name)| catalog::product::Create {
            sku: sku.to_owned(),
            name: read::presentable(name).or_else(|| read::presentable(sku.trim())).unwrap_or_else(|| sku.to_owned()),
            policy: PolicyChange::default(),
        })
        .collect();
    let bar = progress::steps(missing.len());
    bar.set_message("products");
    for portion in missing.chunks(PRODUCTS) {
        domain::once(db, actor, &portion, async |tx, actor, portion| {
            for create in *portion {
                catalog::product::create(tx, actor, create).await?;
            }
            Ok(())
        })
        .await?;
        bar.inc(portion.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

async fn write(
    db: &Db,
    actor: &Actor,
    channel: &channel::Model,
    currency: Option<&str>,
    orders: &[Legacy],
) -> Result<Imported, Failure> {
    let owner = partner::Entity::find_by_id(channel.partner_id).one(db.reader()).await;
    let owner = owner.map_err(crate::store::Error::from)?;
    let namespace = owner.map_or(channel.partner_id, |owner| owner.root_id);
    let bar = progress::steps(orders.len());
    bar.set_message("orders");
    let mut all = Imported::default();
    for portion in portions(orders) {
        let command = &Import { channel, namespace, currency, orders: portion };
        let imported = domain::once(db, actor, command, import).await?;
        all.orders += imported.orders;
        all.lines += imported.lines;
        all.units += imported.units;
        all.unchanged += imported.unchanged;
        all.mismatched.extend(imported.mismatched);
        bar.inc(portion.len() as u64);
    }
    bar.finish_and_clear();
    Ok(all)
}

/// The orders, cut where a transaction has enough.
fn portions(mut orders: &[Legacy]) -> Vec<&[Legacy]> {
    let mut portions = Vec::new();
    while !orders.is_empty() {
        let mut units = 0;
        let enough = orders.iter().take(ORDERS).position(|order| {
            units += order.units();
            units >= UNITS
        });
        let (portion, rest) = orders.split_at(enough.map_or(orders.len().min(ORDERS), |last| last + 1));
        portions.push(portion);
        orders = rest;
    }
    portions
}

fn report(imported: &Imported, rejected: usize, json: bool) -> Result<(), Failure> {
    let Imported { orders, lines, units, unchanged, mismatched } = imported;
    if json {
        return print(&format!(
            r#"{{"orders":{orders},"lines":{lines},"units":{units},"rejectedRows":{rejected},"unchangedOrders":{unchanged},"mismatchedOrders":{}}}"#,
            mismatched.len()
        ));
    }
    for (reference, how) in mismatched {
        print(&format!("order {reference} differs from what is stored and was left alone: {how}"))?;
    }
    if *lines == 0 {
        print("nothing new")?;
    }
    print(&format!(
        "{orders} orders, {lines} lines, {units} units imported; {rejected} rows rejected; {unchanged} orders unchanged, {} different",
        mismatched.len()
    ))
}
