//! Writing a transaction's events and tallies, as each engine wants it.

use sea_orm::{DbBackend, FromQueryResult, Value};
use uuid::Uuid;

use super::{
    super::{Error, Tx, bulk},
    Tally,
};
use crate::{
    entity::event,
    id::{AssignmentId, EntitlementId, EventId, RecordId},
};

const COLUMNS: [&str; 26] = [
    "id",
    "type",
    "occurred_at",
    "actor",
    "actor_partner_id",
    "reason",
    "request_id",
    "partner_id",
    "channel_id",
    "product_id",
    "order_id",
    "buyer_account_id",
    "account_id",
    "account_partner_id",
    "external",
    "entitlement_id",
    "activation_code_id",
    "reservation_id",
    "assignment_id",
    "redemption_attempt_id",
    "exception_id",
    "from_status",
    "to_status",
    "entitlement_from",
    "entitlement_to",
    "quantity",
];

fn row(event: event::Model) -> [Value; 26] {
    [
        event.id.into(),
        event.kind.into(),
        event.occurred_at.into(),
        event.actor.into(),
        event.actor_partner_id.into(),
        event.reason.into(),
        event.request_id.into(),
        event.partner_id.into(),
        event.channel_id.into(),
        event.product_id.into(),
        event.order_id.into(),
        event.buyer_account_id.into(),
        event.account_id.into(),
        event.account_partner_id.into(),
        event.external.into(),
        event.entitlement_id.into(),
        event.activation_code_id.into(),
        event.reservation_id.into(),
        event.assignment_id.into(),
        event.redemption_attempt_id.into(),
        event.exception_id.into(),
        event.from_status.into(),
        event.to_status.into(),
        event.entitlement_from.into(),
        event.entitlement_to.into(),
        event.quantity.into(),
    ]
}

/// Rows of values being written into a statement, with their placeholders.
struct Rows {
    numbered: bool,
    values: Vec<Value>,
}

impl Rows {
    fn new(tx: &Tx) -> Self {
        // SQLite looks a number up among all others, and counts on from statement to statement of a script without one.
        Self { numbered: tx.backend() == DbBackend::Postgres, values: Vec::new() }
    }

    fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        if self.numbered { format!("${}", self.values.len()) } else { "?".to_owned() }
    }

    /// The text of one row, `($1, $2, …)`.
    fn row(&mut self, cells: impl IntoIterator<Item = Value>) -> String {
        let places: Vec<String> = cells.into_iter().map(|cell| self.place(cell)).collect();
        format!("({})", places.join(", "))
    }
}

/// Events, or tallies, a statement takes at the most: a statement of SQLite has at most 32,766 values.
const ROWS: usize = 1_000;

fn portions<T>(mut rows: Vec<T>) -> Vec<Vec<T>> {
    let mut portions = Vec::new();
    while rows.len() > ROWS {
        let rest = rows.split_off(ROWS);
        portions.push(std::mem::replace(&mut rows, rest));
    }
    if !rows.is_empty() {
        portions.push(rows);
    }
    portions
}

/// Writes events, in their order, and tallies.
pub async fn events(tx: &Tx, events: Vec<event::Model>, tallies: Vec<Tally>) -> Result<(), Error> {
    let (mut events, mut tallies) = (portions(events).into_iter(), portions(tallies).into_iter());
    loop {
        let (events, tallies) = (events.next(), tallies.next());
        if events.is_none() && tallies.is_none() {
            return Ok(());
        }
        let (events, tallies) = (events.unwrap_or_default(), tallies.unwrap_or_default());
        if tx.backend() == DbBackend::Postgres {
            queue(tx, events, tallies).await?;
        } else {
            number(tx, events, tallies).await?;
        }
    }
}

/// PostgreSQL: events, their places in the queue and the tallies in one round trip.
async fn queue(tx: &Tx, events: Vec<event::Model>, tallies: Vec<Tally>) -> Result<(), Error> {
    let mut rows = Rows::new(tx);
    let queued: Vec<String> = events
        .iter()
        .map(|event| rows.row([event.id.into(), event.partner_id.into(), event.account_partner_id.into()]))
        .collect();
    let written: Vec<String> = events.into_iter().map(|event| rows.row(row(event))).collect();
    let counted: Vec<String> = tallies
        .into_iter()
        .map(|((channel, product, counter), units)| {
            rows.row([channel.into(), product.into(), counter.into(), units.into()])
        })
        .collect();
    let mut statements = Vec::new();
    if !written.is_empty() {
        statements.push(format!("INSERT INTO events ({}) VALUES {}", COLUMNS.join(", "), written.join(", ")));
        let columns = "event_id, partner_id, account_partner_id";
        statements.push(format!("INSERT INTO journal_pending ({columns}) VALUES {}", queued.join(", ")));
    }
    if !counted.is_empty() {
        let columns = "channel_id, product_id, counter, units";
        statements.push(format!("INSERT INTO tally_deltas ({columns}) VALUES {}", counted.join(", ")));
    }
    let Some(last) = statements.pop() else { return Ok(()) };
    let before: Vec<String> =
        statements.iter().enumerate().map(|(place, statement)| format!("w{place} AS ({statement})")).collect();
    let with = if before.is_empty() { String::new() } else { format!("WITH {} ", before.join(", ")) };
    tx.execute(&format!("{with}{last}"), rows.values).await?;
    Ok(())
}

/// SQLite: the writer numbers what it writes; all of it is one script.
async fn number(tx: &Tx, events: Vec<event::Model>, tallies: Vec<Tally>) -> Result<(), Error> {
    let mut rows = Rows::new(tx);
    let mut script = Vec::new();
    if !events.is_empty() {
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        script.push(format!("UPDATE journal_head SET position = position + {}", rows.place(count.into())));
        let places: Vec<String> = (1 - count..)
            .zip(&events)
            .map(|(place, event)| {
                let ids = [event.id.into(), event.partner_id.into(), event.account_partner_id.into()];
                let [id, partner, namespace] = ids.map(|id| rows.place(id));
                format!("((SELECT position FROM journal_head) + ({place}), {id}, {partner}, {namespace})")
            })
            .collect();
        let columns = "position, event_id, partner_id, account_partner_id";
        script.push(format!("INSERT INTO journal_positions ({columns}) VALUES {}", places.join(", ")));
        let written: Vec<String> = events.into_iter().map(|event| rows.row(row(event))).collect();
        script.push(format!("INSERT INTO events ({}) VALUES {}", COLUMNS.join(", "), written.join(", ")));
    }
    if !tallies.is_empty() {
        let counted: Vec<String> = tallies
            .into_iter()
            .map(|((channel, product, counter), units)| {
                rows.row([channel.into(), product.into(), counter.into(), units.into()])
            })
            .collect();
        script.push(format!(
            "INSERT INTO tallies (channel_id, product_id, counter, units) VALUES {} \
             ON CONFLICT (channel_id, product_id, counter) DO UPDATE SET units = tallies.units + excluded.units",
            counted.join(", ")
        ));
    }
    tx.execute(&script.join("; "), rows.values).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Position {
    position: i64,
}

async fn take_positions(tx: &Tx, count: usize) -> Result<i64, Error> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let sql = "UPDATE journal_head SET position = position + $1 RETURNING position";
    let head: Vec<Position> = tx.query(sql, vec![count.into()]).await?;
    Ok(head.first().map_or(0, |head| head.position) - count + 1)
}

/// Writes an event a unit, all alike but for the unit and its assignment.
pub async fn alike(tx: &Tx, like: event::Model, units: Vec<(EntitlementId, AssignmentId)>) -> Result<(), Error> {
    use bulk::Column;
    let ids: Vec<Uuid> = units.iter().map(|_| tx.id::<EventId>().uuid()).collect();
    let (partner, namespace) = (like.partner_id, like.account_partner_id);
    let columns: Vec<(&'static str, Column)> = COLUMNS
        .into_iter()
        .zip(row(like))
        .map(|(name, value)| {
            let column = match name {
                "id" => Column::ids(ids.iter().copied()),
                "entitlement_id" => Column::ids(units.iter().map(|(unit, _)| unit.0)),
                "assignment_id" => Column::ids(units.iter().map(|(_, assignment)| assignment.0)),
                _ => Column::Same(value),
            };
            (name, column)
        })
        .collect();
    bulk::insert(tx, "events", units.len(), &columns).await?;
    let mut columns = vec![
        ("event_id", Column::ids(ids)),
        ("partner_id", Column::same(partner)),
        ("account_partner_id", Column::same(namespace)),
    ];
    if tx.backend() == DbBackend::Postgres {
        return bulk::insert(tx, "journal_pending", units.len(), &columns).await;
    }
    let first = take_positions(tx, units.len()).await?;
    columns.push(("position", Column::Numbers((first..).take(units.len()).collect())));
    bulk::insert(tx, "journal_positions", units.len(), &columns).await
}
