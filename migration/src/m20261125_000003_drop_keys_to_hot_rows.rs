//! No foreign key from a claim to the account it is for.
//!
//! PostgreSQL checks a foreign key by locking the row it leads to, in a mode that many may share. Where many redemptions name one account
//! at a time, each of them has to write that list of sharers anew, which costs more than all the rest of it. Accounts are never deleted,
//! and a claim reads or creates its account in the transaction that names it; `verify` names a claim that leads to none. SQLite locks
//! nothing, cannot drop a key without copying the table, and keeps them.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, crate::either(manager, KEYS, "")).await
    }
}

const KEYS: &str = "
ALTER TABLE entitlements DROP CONSTRAINT entitlements_holder;
ALTER TABLE assignments DROP CONSTRAINT assignments_account;
";
