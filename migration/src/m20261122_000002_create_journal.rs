//! The journal with its order, and the tallies that statistics are read from.
//!
//! On PostgreSQL an event gets its position after its commit, from the sequencer: until then it waits in `journal_pending`, whose `seq` is
//! taken while the writer still holds the row locks of what it changed, so that it orders the events of one record as they were committed.
//! On SQLite the one writer gives positions as it writes. The tallies work alike: on PostgreSQL a writer only adds a row to
//! `tally_deltas`, so that no two writers meet, and the sequencer folds them in.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, JOURNAL).await?;
        crate::run(manager, crate::either(manager, WAITING, "")).await?;
        let epoch = crate::either(manager, "floor(random() * 4294967296)::bigint", "abs(random()) % 4294967296");
        let head = format!("INSERT INTO journal_head (id, epoch, position) VALUES (1, {epoch}, 0)");
        manager.get_connection().execute_unprepared(&head).await?;
        Ok(())
    }
}

const JOURNAL: &str = "
CREATE TABLE events (
  id {id} NOT NULL PRIMARY KEY,
  type text NOT NULL,
  occurred_at {time} NOT NULL,
  actor text NOT NULL,
  actor_partner_id {id},
  reason text,
  request_id text,
  partner_id {id},
  channel_id {id},
  product_id {id},
  order_id {id},
  buyer_account_id {id},
  account_id {id},
  account_partner_id {id},
  external {bool} NOT NULL,
  entitlement_id {id},
  activation_code_id {id},
  reservation_id {id},
  assignment_id {id},
  redemption_attempt_id {id},
  exception_id {id},
  from_status text,
  to_status text,
  entitlement_from text,
  entitlement_to text,
  quantity {int}
) {table};
CREATE INDEX events_by_order ON events (order_id, id) WHERE order_id IS NOT NULL;
CREATE INDEX events_by_entitlement ON events (entitlement_id, id) WHERE entitlement_id IS NOT NULL;
CREATE INDEX events_by_account ON events (account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX events_by_buyer ON events (buyer_account_id, id) WHERE buyer_account_id IS NOT NULL;

CREATE TABLE journal_positions (
  position {long} NOT NULL PRIMARY KEY,
  event_id {id} NOT NULL CONSTRAINT positions_event UNIQUE,
  partner_id {id},
  account_partner_id {id}
) {table};
CREATE INDEX positions_by_partner ON journal_positions (partner_id, position) WHERE partner_id IS NOT NULL;
CREATE INDEX positions_by_namespace ON journal_positions (account_partner_id, position) WHERE account_partner_id IS NOT NULL;

CREATE TABLE journal_head (
  id {int} NOT NULL PRIMARY KEY CONSTRAINT head_one CHECK (id = 1),
  epoch {long} NOT NULL,
  position {long} NOT NULL
) {table};

CREATE TABLE tallies (
  channel_id {id} NOT NULL,
  product_id {id} NOT NULL,
  counter text NOT NULL,
  units {long} NOT NULL,
  PRIMARY KEY (channel_id, product_id, counter)
) {table};
";

const WAITING: &str = "
CREATE TABLE journal_pending (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL,
  partner_id uuid,
  account_partner_id uuid
);
CREATE TABLE tally_deltas (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  channel_id uuid NOT NULL,
  product_id uuid NOT NULL,
  counter text NOT NULL,
  units bigint NOT NULL
);
";
