//! Partners: a tree, each of whose roots is a namespace for accounts.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::scope::{Arms, Scope, Scoped, among, those};
use crate::id::PartnerId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partners")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PartnerId,
    pub version: i32,
    pub name: String,
    pub parent_id: Option<PartnerId>,
    /// The top of this partner's tree, itself where it has no parent: the namespace that its accounts live in.
    pub root_id: PartnerId,
    pub active: bool,
    pub created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn arms(scope: &Scope) -> Arms {
        match scope {
            Scope::All | Scope::Provisioner { subtree: None } => Arms::All,
            // Whoever lives in a namespace knows whose it is.
            Scope::Partner { subtree, namespace } => {
                Arms::Any(vec![among(Column::Id, subtree), COLUMN.id.eq(*namespace)])
            }
            Scope::Provisioner { subtree: Some(subtree) } => Arms::Any(vec![among(Column::Id, subtree)]),
            Scope::Customer { account, namespace } => Arms::Any(vec![
                COLUMN.id.eq(*namespace),
                COLUMN.id.in_subquery(those("partner_id", "orders", "buyer_account_id", *account)),
            ]),
        }
    }
}
