//! Exporting codes: for a bulk purchase whose codes go out by other means.

use std::io;

use clap::Subcommand;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{Failure, progress};
use crate::{
    config::Config,
    domain::{
        self, Actor,
        activation_code::{self, Export, Exported},
    },
    entity::order_line,
    id::OrderId,
    service::{finish, open_database},
    store::Db,
};

#[derive(Subcommand)]
pub enum Action {
    /// Write the codes of an order that can still be shown, as CSV to standard output. Journaled page by page
    Codes {
        /// The order
        #[arg(long, value_name = "ID", value_parser = order_id)]
        order: OrderId,
        /// Why, for the journal
        #[arg(long, default_value = "exported from the command line")]
        reason: String,
    },
}

fn order_id(text: &str) -> Result<OrderId, String> {
    text.parse().map_err(|_| "expected an id like ord_01h455vb4pex5vsknk084sn02q".to_owned())
}

pub async fn run(config: &Config, action: Action) -> Result<(), Failure> {
    let Action::Codes { order, reason } = action;
    let key_file = config.key_file()?;
    let db = open_database(config).await?;
    db.open_keys(&key_file).await?;
    let outcome = codes(&db, order, reason).await;
    finish(&db).await?;
    outcome
}

async fn codes(db: &Db, order_id: OrderId, reason: String) -> Result<(), Failure> {
    let bar = progress::steps(units(db, order_id).await?);
    bar.set_message("codes");
    let mut output = csv::Writer::from_writer(io::stdout().lock());
    let actor = Actor::system("export");
    let mut page = Export { order_id, reason, first: activation_code::MOST, after: None };
    loop {
        // Journaled first: what is written out has been told.
        let exported: Exported = domain::once(db, &actor, &page, activation_code::export).await?;
        if page.after.is_none() {
            output.write_record(["code", "activation_code_id", "entitlement_id"]).map_err(unwritten)?;
        }
        for (issued, code) in activation_code::in_full(db, &exported.codes).await? {
            let (id, unit) = (issued.activation_code_id.to_string(), issued.entitlement_id.to_string());
            output.write_record([code.reveal(), id, unit]).map_err(unwritten)?;
            bar.inc(1);
        }
        page.after = exported.codes.last().map(|code| code.activation_code_id);
        if !exported.more {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(output.flush()?)
}

/// The units of an order: no more codes than that can be shown.
async fn units(db: &Db, order_id: OrderId) -> Result<usize, Failure> {
    let lines = order_line::Entity::find().filter(order_line::COLUMN.order_id.eq(order_id)).all(db.reader()).await;
    let quantities = lines.map_err(crate::store::Error::from)?.into_iter().map(|line| line.quantity);
    Ok(quantities.map(|quantity| usize::try_from(quantity).unwrap_or_default()).sum())
}

/// What kept a row from being written, as it is: a reader who has seen enough is no failure.
fn unwritten(error: csv::Error) -> io::Error {
    let kind = error.into_kind();
    if let csv::ErrorKind::Io(cause) = kind { cause } else { io::Error::other(format!("{kind:?}")) }
}
