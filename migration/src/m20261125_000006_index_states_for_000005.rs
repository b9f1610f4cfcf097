//! Units by their state alone, so that the few in a rare state are found among any number of others.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, INDEX).await
    }
}

const INDEX: &str = "
CREATE INDEX entitlements_by_status ON entitlements (status, id);
";
