//! The journal: appending events, giving them their order, reading them.
//!
//! Positions are dense and agree with the order in which the changes of a record were committed. SQLite's single writer gives them as it
//! writes. On PostgreSQL a number taken before the commit is no order, for a reader that has passed 10 would miss a 9 that commits later;
//! there an event waits in `journal_pending` until [`sequence`] numbers all that have been committed, one sequencer at a time. The row
//! lock on `journal_head` makes it one, is taken per batch and freed by a crash.

use std::collections::BTreeMap;

use chrono::DateTime;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::{Db, Error, Tx, bulk};
use crate::{
    entity::{
        event,
        kind::{EntitlementStatus, EventType},
    },
    id::{AssignmentId, ChannelId, EntitlementId, EventId, PartnerId, ProductId, RecordId},
};

/// Who or what causes the events of a transaction.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `key:<key id>`, `user:<subject>` or `system:<task>`.
    pub actor: String,
    /// The partner it acts for.
    pub partner: Option<PartnerId>,
    pub request_id: Option<String>,
}

impl Origin {
    /// One of the service's own tasks.
    pub fn system(task: &str) -> Self {
        Self { actor: format!("system:{task}"), partner: None, request_id: None }
    }
}

/// What statistics count, besides the units in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Units sold.
    Ordered,
    /// Units issued in place of others.
    Reissued,
    /// Units in a state.
    In(EntitlementStatus),
}

impl std::fmt::Display for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ordered => f.write_str("ORDERED"),
            Self::Reissued => f.write_str("REISSUED"),
            Self::In(status) => status.fmt(f),
        }
    }
}

/// The events and tallies of a transaction, until it is about to commit.
#[derive(Default)]
pub(super) struct Buffer {
    origin: Origin,
    events: Vec<event::Model>,
    alike: Vec<(event::Model, Vec<(EntitlementId, AssignmentId)>)>,
    tallies: BTreeMap<(Uuid, Uuid, String), i64>,
    appended: bool,
}

/// An event that says nothing yet but its type. The transaction fills in who, when and its id.
pub fn event(kind: EventType) -> event::Model {
    event::Model {
        id: EventId(Uuid::nil()),
        kind,
        occurred_at: DateTime::UNIX_EPOCH,
        actor: String::new(),
        actor_partner_id: None,
        reason: None,
        request_id: None,
        partner_id: None,
        channel_id: None,
        product_id: None,
        order_id: None,
        buyer_account_id: None,
        account_id: None,
        account_partner_id: None,
        external: false,
        entitlement_id: None,
        activation_code_id: None,
        reservation_id: None,
        assignment_id: None,
        redemption_attempt_id: None,
        exception_id: None,
        from_status: None,
        to_status: None,
        entitlement_from: None,
        entitlement_to: None,
        quantity: None,
    }
}

impl Tx {
    /// Appends an event; it is written when the transaction commits, after all its changes.
    pub fn append(&mut self, event: event::Model) {
        self.journal.events.push(event);
    }

    /// Appends an event a unit, all alike but for the unit and its assignment.
    pub fn append_each(&mut self, like: event::Model, units: Vec<(EntitlementId, AssignmentId)>) {
        self.journal.alike.push((like, units));
    }

    /// Counts units into (or, negative, out of) a counter of a channel and product.
    pub fn tally(&mut self, channel: ChannelId, product: ProductId, counter: Counter, units: i64) {
        *self.journal.tallies.entry((channel.0, product.0, counter.to_string())).or_default() += units;
    }

    /// The actor of this transaction, as its events name it.
    pub fn actor(&self) -> &str {
        &self.journal.origin.actor
    }
}

const COLUMNS: [&str; 26] = [
    "id", "type", "occurred_at", "actor", "actor_partner_id", "reason", "request_id", "partner_id", "channel_id",
    "product_id", "order_id", "buyer_account_id", "account_id", "account_partner_id", "external", "entitlement_id",
    "activation_code_id", "reservation_id", "assignment_id", "redemption_attempt_id", "exception_id", "from_status",
    "to_status", "entitlement_from", "entitlement_to", "quantity",
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
#[derive(Default)]
struct Rows {
    values: Vec<Value>,
}

impl Rows {
    /// The text of one row, `($1, $2, …)`.
    fn row(&mut self, cells: impl IntoIterator<Item = Value>) -> String {
        let places: Vec<String> = cells
            .into_iter()
            .map(|cell| {
                self.values.push(cell);
                format!("${}", self.values.len())
            })
            .collect();
        format!("({})", places.join(", "))
    }
}

impl Buffer {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, ..Self::default() }
    }

    pub(super) fn appended(&self) -> bool {
        self.appended
    }

    /// Writes what was gathered. What is left says only whether anything was.
    pub(super) async fn flush(mut self, tx: &Tx) -> Result<Self, Error> {
        let events: Vec<event::Model> = std::mem::take(&mut self.events).into_iter().map(|event| self.sign(event, tx)).collect();
        let alike = std::mem::take(&mut self.alike);
        let tallies: Vec<_> = std::mem::take(&mut self.tallies).into_iter().filter(|(_, units)| *units != 0).collect();
        self.appended = !events.is_empty() || !alike.is_empty();
        let mut tallies = Some(tallies);
        for events in chunks(events) {
            let tallies = tallies.take().unwrap_or_default();
            match tx.backend() {
                DbBackend::Postgres => queue(tx, events, tallies).await?,
                _ => number(tx, events, tallies).await?,
            }
        }
        for (like, units) in alike {
            let like = self.sign(like, tx);
            write_alike(tx, like, units).await?;
        }
        Ok(self)
    }

    fn sign(&self, event: event::Model, tx: &Tx) -> event::Model {
        event::Model {
            id: tx.id(),
            occurred_at: tx.now(),
            actor: self.origin.actor.clone(),
            actor_partner_id: self.origin.partner,
            request_id: self.origin.request_id.clone(),
            ..event
        }
    }
}

/// Events a statement takes at the most: a statement of SQLite has at most 32,766 values.
const EVENTS: usize = 1_000;

/// The events in portions; one empty portion where there are none, for there may be tallies.
fn chunks(mut events: Vec<event::Model>) -> Vec<Vec<event::Model>> {
    let mut portions = Vec::new();
    while events.len() > EVENTS {
        let rest = events.split_off(EVENTS);
        portions.push(std::mem::replace(&mut events, rest));
    }
    portions.push(events);
    portions
}

type Tally = ((Uuid, Uuid, String), i64);

/// PostgreSQL: events, their places in the queue and the tallies in one round trip.
async fn queue(tx: &Tx, events: Vec<event::Model>, tallies: Vec<Tally>) -> Result<(), Error> {
    let mut rows = Rows::default();
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

/// SQLite: the writer numbers what it writes.
async fn number(tx: &Tx, events: Vec<event::Model>, tallies: Vec<Tally>) -> Result<(), Error> {
    if !events.is_empty() {
        let first = take_positions(tx, events.len()).await?;
        let mut rows = Rows::default();
        let places: Vec<String> = (first..)
            .zip(&events)
            .map(|(position, event)| {
                rows.row([position.into(), event.id.into(), event.partner_id.into(), event.account_partner_id.into()])
            })
            .collect();
        let columns = "position, event_id, partner_id, account_partner_id";
        let sql = format!("INSERT INTO journal_positions ({columns}) VALUES {}", places.join(", "));
        tx.execute(&sql, rows.values).await?;
        let mut rows = Rows::default();
        let written: Vec<String> = events.into_iter().map(|event| rows.row(row(event))).collect();
        let sql = format!("INSERT INTO events ({}) VALUES {}", COLUMNS.join(", "), written.join(", "));
        tx.execute(&sql, rows.values).await?;
    }
    if !tallies.is_empty() {
        let mut rows = Rows::default();
        let counted: Vec<String> = tallies
            .into_iter()
            .map(|((channel, product, counter), units)| {
                rows.row([channel.into(), product.into(), counter.into(), units.into()])
            })
            .collect();
        let sql = format!(
            "INSERT INTO tallies (channel_id, product_id, counter, units) VALUES {} \
             ON CONFLICT (channel_id, product_id, counter) DO UPDATE SET units = tallies.units + excluded.units",
            counted.join(", ")
        );
        tx.execute(&sql, rows.values).await?;
    }
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

async fn write_alike(tx: &Tx, like: event::Model, units: Vec<(EntitlementId, AssignmentId)>) -> Result<(), Error> {
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

/// The end of the journal and the epoch of this database, which tells its positions from those of any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Head {
    pub epoch: i64,
    pub position: i64,
}

/// An event with its place.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Entry {
    pub position: i64,
    #[sea_orm(nested)]
    pub event: event::Model,
}

impl Db {
    /// The head of the journal as other transactions see it now.
    pub async fn head(&self) -> Result<Head, Error> {
        let statement = Statement::from_string(self.backend(), "SELECT epoch, position FROM journal_head");
        let head = Head::find_by_statement(statement).one(self.reader()).await?;
        Ok(head.unwrap_or(Head { epoch: 0, position: 0 }))
    }

    /// At most `limit` events after `position`, in order. For the feed, which decides for each subscriber what may be seen.
    pub async fn read_after(&self, position: i64, limit: u32) -> Result<Vec<Entry>, Error> {
        let sql = format!(
            "SELECT p.position, e.* FROM journal_positions p JOIN events e ON e.id = p.event_id \
             WHERE p.position > $1 ORDER BY p.position LIMIT {limit}"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [position.into()]);
        Ok(Entry::find_by_statement(statement).all(self.reader()).await?)
    }

    /// Numbers up to a batch of committed events and folds their tallies; the number of events, or none if another node is at it. On
    /// SQLite there is never anything to number.
    pub async fn sequence(&self) -> Result<Option<u64>, Error> {
        if self.backend() != DbBackend::Postgres {
            return Ok(Some(0));
        }
        let statement = Statement::from_string(DbBackend::Postgres, SEQUENCE);
        let numbered: Option<Numbered> = Numbered::find_by_statement(statement).one(&self.0.writer).await?;
        Ok(numbered.and_then(|batch| batch.events).and_then(|events| u64::try_from(events).ok()))
    }

    /// Tells other nodes that there are new positions. Only a sequencer may call it: a notification makes its commit hold a lock that
    /// all notifying commits of the cluster share.
    pub async fn notify(&self) -> Result<(), Error> {
        self.0.writer.execute_unprepared(&format!("NOTIFY {CHANNEL}")).await?;
        Ok(())
    }

    /// Folds waiting tallies into the counters, if no other node is at it.
    pub async fn fold_tallies(&self) -> Result<(), Error> {
        if self.backend() == DbBackend::Postgres {
            self.0.writer.execute_unprepared(FOLD).await?;
        }
        Ok(())
    }
}

/// The channel that sequencers notify.
pub const CHANNEL: &str = "claimcheck_journal";

#[derive(FromQueryResult)]
struct Numbered {
    events: Option<i64>,
}

// One statement, one snapshot. Two sequencers cannot be at it, for the second skips the locked head. What the second reads after the first
// has committed may be an older snapshot: then the rows it would number are gone, and the head is read again as it is.
const SEQUENCE: &str = "
WITH head AS MATERIALIZED (SELECT position FROM journal_head WHERE id = 1 FOR UPDATE SKIP LOCKED),
batch AS (
  DELETE FROM journal_pending
  WHERE seq IN (SELECT seq FROM journal_pending WHERE EXISTS (SELECT FROM head) ORDER BY seq LIMIT 5000)
  RETURNING seq, event_id, partner_id, account_partner_id
),
numbered AS (
  INSERT INTO journal_positions (position, event_id, partner_id, account_partner_id)
  SELECT (SELECT position FROM head) + row_number() OVER (ORDER BY seq), event_id, partner_id, account_partner_id FROM batch
  RETURNING 1
),
counted AS (SELECT count(*) AS events FROM numbered),
moved AS (
  UPDATE journal_head SET position = journal_head.position + counted.events FROM counted
  WHERE journal_head.id = 1 AND counted.events > 0
  RETURNING 1
)
SELECT CASE WHEN EXISTS (SELECT FROM head) THEN (SELECT events FROM counted) END AS events";

const FOLD: &str = "
WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(7311047) AS mine),
batch AS (
  DELETE FROM tally_deltas
  WHERE seq IN (SELECT seq FROM tally_deltas WHERE (SELECT mine FROM turn) ORDER BY seq LIMIT 20000)
  RETURNING channel_id, product_id, counter, units
)
INSERT INTO tallies (channel_id, product_id, counter, units)
SELECT channel_id, product_id, counter, sum(units)::bigint FROM batch GROUP BY 1, 2, 3
ON CONFLICT (channel_id, product_id, counter) DO UPDATE SET units = tallies.units + excluded.units";
