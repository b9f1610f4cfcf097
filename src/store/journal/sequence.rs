//! The order of events: giving positions after the commit, and reading by them.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};

use super::super::{Db, Error};
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
