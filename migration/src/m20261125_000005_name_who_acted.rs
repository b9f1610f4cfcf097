//! The journal says in which role somebody acted, and which key an event about a key is about.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, NAMES).await
    }
}

const NAMES: &str = "
ALTER TABLE events ADD COLUMN actor_role text;
ALTER TABLE events ADD COLUMN api_key_id {id};
";
