//! Writing a transaction's events and tallies, as each engine wants it.

use sea_orm::{DbBackend, FromQueryResult, Value};
use uuid::Uuid;

use super::{
    super::{
        Error, Tx, bulk,
        script::{Insert, Row, Script},
    },
    Subject, Tally,
};
use crate::{
    entity::event,
    id::{EventId, RecordId},
};

/// The columns of an event, as they are called.
pub(super) const COLUMNS: [&str; 28] = [
    "id",
    "type",
    "occurred_at",
    "actor",
    "actor_role",
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
    "api_key_id",
    "from_status",
    "to_status",
    "entitlement_from",
    "entitlement_to",
    "quantity",
];

fn row(event: event::Model) -> [Value; 28] {
    [
        event.id.into(),
        event.kind.into(),
        event.occurred_at.into(),
        event.actor.into(),
        event.actor_role.into(),
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
        event.api_key_id.into(),
        event.from_status.into(),
        event.to_status.into(),
        event.entitlement_from.into(),
        event.entitlement_to.into(),
        event.quantity.into(),
    ]
}

/// Events, or tallies, a statement takes at the most: a statement of SQLite has at most 32,766 values.
pub(super) const ROWS: usize = 1_000;

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

/// Writes events, in their order, and tallies, after what is in `script`.
pub async fn events(tx: &Tx, script: Script, events: Vec<event::Model>, tallies: Vec<Tally>) -> Result<(), Error> {
    let (mut events, mut tallies) = (portions(events).into_iter(), portions(tallies).into_iter());
    let mut script = script;
    loop {
        let (more, counts) = (events.next(), tallies.next());
        if more.is_none() && counts.is_none() {
            return tx.run(script).await;
        }
        append(&mut script, tx.backend(), more.unwrap_or_default());
        count(&mut script, tx.backend(), counts.unwrap_or_default());
        tx.run(std::mem::take(&mut script)).await?;
    }
}

/// The events and their places: on PostgreSQL in the queue for one, on SQLite, where the writer numbers what it writes, for good.
fn append(script: &mut Script, backend: DbBackend, events: Vec<event::Model>) {
    let ids = |event: &event::Model| [event.id.into(), event.partner_id.into(), event.account_partner_id.into()];
    if backend == DbBackend::Postgres {
        let rows = events.iter().map(|event| ids(event).into()).collect();
        let into = "journal_pending (event_id, partner_id, account_partner_id)".to_owned();
        script.insert(Insert { into, rows, otherwise: "" });
    } else if !events.is_empty() {
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        script.other(format!("UPDATE journal_head SET position = position + {count}"));
        let place = |place: i64| format!("(SELECT position FROM journal_head) + ({place})");
        let rows = (1 - count..).zip(&events).map(|(at, event)| Row { text: place(at), values: ids(event).into() });
        let into = "journal_positions (position, event_id, partner_id, account_partner_id)".to_owned();
        script.insert(Insert { into, rows: rows.collect(), otherwise: "" });
    }
    let into = format!("events ({})", COLUMNS.join(", "));
    script.insert(Insert { into, rows: events.into_iter().map(|event| row(event).into()).collect(), otherwise: "" });
}

/// What becomes of units whose counter there is.
const ADDED: &str =
    " ON CONFLICT (channel_id, product_id, counter) DO UPDATE SET units = tallies.units + excluded.units";

/// The tallies: on PostgreSQL beside the counters, so that no two writers meet.
fn count(script: &mut Script, backend: DbBackend, tallies: Vec<Tally>) {
    let cells =
        |((channel, product, counter), units): Tally| [channel.into(), product.into(), counter.into(), units.into()];
    let rows = tallies.into_iter().map(|tally| cells(tally).into()).collect();
    let (table, otherwise) = if backend == DbBackend::Postgres { ("tally_deltas", "") } else { ("tallies", ADDED) };
    script.insert(Insert { into: format!("{table} (channel_id, product_id, counter, units)"), rows, otherwise });
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

/// Writes an event a subject, all alike but for that.
pub async fn alike(tx: &Tx, like: event::Model, subjects: &[Subject]) -> Result<(), Error> {
    use bulk::Column;
    let each = |id: fn(&Subject) -> Option<Uuid>| Column::Ids(subjects.iter().map(id).collect());
    let namespace = || each(|subject| subject.account.map(|(_, namespace)| namespace.0));
    let (rows, partner) = (subjects.len(), like.partner_id);
    let ids: Vec<Uuid> = subjects.iter().map(|_| tx.id::<EventId>().uuid()).collect();
    let columns: Vec<(&'static str, Column)> = COLUMNS
        .into_iter()
        .zip(row(like))
        .map(|(name, value)| {
            let column = match name {
                "id" => Column::ids(ids.iter().copied()),
                "entitlement_id" => each(|subject| subject.entitlement_id.map(|id| id.0)),
                "assignment_id" => each(|subject| subject.assignment_id.map(|id| id.0)),
                "exception_id" => each(|subject| subject.exception_id.map(|id| id.0)),
                "account_id" => each(|subject| subject.account.map(|(account, _)| account.0)),
                "account_partner_id" => namespace(),
                _ => Column::Same(value),
            };
            (name, column)
        })
        .collect();
    bulk::insert(tx, "events", rows, &columns).await?;
    let mut columns = vec![
        ("event_id", Column::ids(ids)),
        ("partner_id", Column::same(partner)),
        ("account_partner_id", namespace()),
    ];
    if tx.backend() == DbBackend::Postgres {
        return bulk::insert(tx, "journal_pending", rows, &columns).await;
    }
    let first = take_positions(tx, rows).await?;
    columns.push(("position", Column::Numbers((first..).take(rows).collect())));
    bulk::insert(tx, "journal_positions", rows, &columns).await
}
