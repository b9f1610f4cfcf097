//! The guesses of one principal get numbers, so that two made at once cannot both be the last that is allowed.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, TURNS).await
    }
}

const TURNS: &str = "
ALTER TABLE code_guesses ADD COLUMN turn {int};
CREATE UNIQUE INDEX code_guesses_in_turn ON code_guesses (actor, turn);
";
