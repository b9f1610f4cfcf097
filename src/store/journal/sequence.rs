//! The order of events: giving positions after the commit, and reading by them.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};

use super::{
    super::{Db, Error},
    write::COLUMNS,
};
use crate::entity::event;

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
        // A planner that knows nothing of the position, or has old statistics, would rather read all events than follow a few positions.
        let event = if self.backend() == DbBackend::Postgres {
            "CROSS JOIN LATERAL (SELECT * FROM events WHERE id = p.event_id OFFSET 0) e"
        } else {
            "JOIN events e ON e.id = p.event_id"
        };
        // By their names: PostgreSQL refuses a prepared `*` once a newer version has added a column.
        let columns = COLUMNS.map(|column| format!("e.{column}")).join(", ");
        let sql = format!(
            "SELECT p.position, {columns} FROM (SELECT position, event_id FROM journal_positions WHERE position > $1 \
             ORDER BY position LIMIT {limit}) p {event} ORDER BY p.position"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [position.into()]);
        Ok(Entry::find_by_statement(statement).all(self.reader()).await?)
    }

    /// Numbers up to [`BATCH`] committed events; how many, or none if another node is at it. On SQLite there is never anything to number.
    ///
    /// The head is locked in a statement of its own: the batch is then read as it is after whoever held the lock before has committed.
    pub async fn sequence(&self) -> Result<Option<u64>, Error> {
        if self.backend() != DbBackend::Postgres {
            return Ok(Some(0));
        }
        let turn = self.transaction().await?;
        let head = Statement::from_string(DbBackend::Postgres, TURN);
        if turn.query_one_raw(head).await?.is_none() {
            return Ok(None);
        }
        let batch = Statement::from_string(DbBackend::Postgres, NUMBER);
        let numbered = Numbered::find_by_statement(batch).one(&turn).await?;
        turn.commit().await?;
        Ok(Some(numbered.and_then(|batch| u64::try_from(batch.events).ok()).unwrap_or_default()))
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

/// Events that [`Db::sequence`] numbers at a time: fewer, and none are left that had been committed before.
pub const BATCH: u64 = 5_000;

#[derive(FromQueryResult)]
struct Numbered {
    events: i64,
}

const TURN: &str = "SELECT position FROM journal_head WHERE id = 1 FOR UPDATE SKIP LOCKED";

// A bound, and not a list: planned while little waited, a list would be gone through once for each of the very many that a bulk sale writes.
const NUMBER: &str = "
WITH batch AS (
  DELETE FROM journal_pending
  WHERE seq <= (SELECT max(seq) FROM (SELECT seq FROM journal_pending ORDER BY seq LIMIT 5000) AS first)
  RETURNING seq, event_id, partner_id, account_partner_id
),
numbered AS (
  INSERT INTO journal_positions (position, event_id, partner_id, account_partner_id)
  SELECT (SELECT position FROM journal_head WHERE id = 1) + row_number() OVER (ORDER BY seq),
    event_id, partner_id, account_partner_id FROM batch
  RETURNING 1
),
counted AS (SELECT count(*) AS events FROM numbered),
moved AS (
  UPDATE journal_head SET position = position + counted.events FROM counted WHERE id = 1 AND counted.events > 0
  RETURNING 1
)
SELECT events FROM counted";

const FOLD: &str = "
WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(7311047) AS mine),
batch AS (
  DELETE FROM tally_deltas
  WHERE seq <= (SELECT max(seq) FROM (
    SELECT seq FROM tally_deltas WHERE (SELECT mine FROM turn) ORDER BY seq LIMIT 20000) AS first)
  RETURNING channel_id, product_id, counter, units
)
INSERT INTO tallies (channel_id, product_id, counter, units)
SELECT channel_id, product_id, counter, sum(units)::bigint FROM batch GROUP BY 1, 2, 3
ON CONFLICT (channel_id, product_id, counter) DO UPDATE SET units = tallies.units + excluded.units";
