//! Partners: a tree whose roots are namespaces for accounts.
//!
//! Everybody below a top-level partner names accounts in its namespace, so every row says which root it stands under, and a partner that
//! moves takes all below it along. A top-level partner that has accounts stays where it is: put under another, its namespace would be gone
//! and its accounts with it.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Actor, Error, Operation,
        error::{invalid, not_found, stale},
        input,
    },
    Change, written,
};
use crate::{
    entity::{
        account, event,
        kind::EventType,
        partner::{ActiveModel, COLUMN, Entity, Model},
    },
    id::PartnerId,
    store::{Tx, journal},
};

/// A new partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub name: String,
    /// The partner above it; without one it is at the top.
    pub parent_id: Option<PartnerId>,
}

/// Changes of a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub partner_id: PartnerId,
    pub name: Option<String>,
    /// Cleared: it goes to the top.
    pub parent_id: Change<PartnerId>,
    pub active: Option<bool>,
    pub expected_version: Option<i32>,
}

/// The partner that was made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub partner_id: PartnerId,
}

/// Makes a partner.
pub async fn create(tx: &mut Tx, actor: &Actor, command: &Create) -> Result<Outcome, Error> {
    actor.may(Operation::CreatePartner)?;

    lock_tree(tx).await?;
    let parent = parent(tx, command.parent_id).await?;

    let name = input::text(&command.name, input::NAME).map_err(|refusal| refusal.at(["name"]))?;
    let id = tx.id();
    let root_id = parent.as_ref().map_or(id, |parent| parent.root_id);

    let row = Model { id, version: 1, name, parent_id: command.parent_id, root_id, active: true, created_at: tx.now() };
    let row: ActiveModel = row.into();
    Entity::insert(row.reset_all()).exec_without_returning(tx.connection().await?).await?;

    journal(tx, EventType::PartnerCreated, id);
    Ok(Outcome { partner_id: id })
}

/// Renames a partner, moves it or switches it on or off. What changes nothing has no effect.
pub async fn update(tx: &mut Tx, actor: &Actor, command: &Update) -> Result<Outcome, Error> {
    actor.may(Operation::UpdatePartner)?;

    lock_tree(tx).await?;
    let present = find(tx, command.partner_id).await?.ok_or_else(|| not_found("partner").at(["partnerId"]))?;
    let parent_id = match command.parent_id {
        Change::Keep => present.parent_id,
        Change::Clear => None,
        Change::Set(parent) => Some(parent),
    };
    let parent = parent(tx, parent_id).await?;

    stale(command.expected_version, present.version)?;
    let name = command.name.as_deref().map(|name| input::text(name, input::NAME)).transpose();
    let changed = Model {
        name: name.map_err(|refusal| refusal.at(["name"]))?.unwrap_or_else(|| present.name.clone()),
        active: command.active.unwrap_or(present.active),
        parent_id,
        root_id: parent.as_ref().map_or(present.id, |parent| parent.root_id),
        ..present.clone()
    };
    if changed == present {
        return Ok(Outcome { partner_id: present.id });
    }
    if changed.parent_id != present.parent_id {
        may_move(tx, &present, parent_id).await?;
    }

    let row = ActiveModel {
        version: Set(present.version + 1),
        name: Set(changed.name),
        parent_id: Set(changed.parent_id),
        root_id: Set(changed.root_id),
        active: Set(changed.active),
        ..Default::default()
    };
    let update = Entity::update_many().set(row).filter(COLUMN.id.eq(present.id));
    let update = update.filter(COLUMN.version.eq(present.version)).exec(tx.connection().await?).await?;
    written(update.rows_affected, present.id)?;
    if changed.root_id != present.root_id {
        take_along(tx, present.id, changed.root_id).await?;
    }

    journal(tx, EventType::PartnerUpdated, present.id);
    Ok(Outcome { partner_id: present.id })
}

fn journal(tx: &mut Tx, kind: EventType, partner: PartnerId) {
    tx.append(event::Model { partner_id: Some(partner), ..journal::event(kind) });
}

/// Lets one change of the tree happen at a time, so that two moves cannot make a circle and no partner is born under a root that is about
/// to be none. Whoever comes second waits here.
async fn lock_tree(tx: &Tx) -> Result<(), Error> {
    tx.execute("UPDATE partners SET version = version WHERE id = $1", vec![PartnerId::HOUSE.into()]).await?;
    Ok(())
}

async fn find(tx: &Tx, id: PartnerId) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).one(tx.connection().await?).await?)
}

async fn parent(tx: &Tx, id: Option<PartnerId>) -> Result<Option<Model>, Error> {
    match id {
        None => Ok(None),
        Some(id) => Ok(Some(find(tx, id).await?.ok_or_else(|| not_found("partner").at(["parentId"]))?)),
    }
}

/// Refuses a move that would leave accounts without a namespace, or a partner below itself.
async fn may_move(tx: &Tx, partner: &Model, to: Option<PartnerId>) -> Result<(), Error> {
    if partner.id == PartnerId::HOUSE {
        return Err(invalid("house is the platform's own partner and stays at the top").at(["parentId"]).into());
    }
    if let Some(to) = to
        && ancestry(tx, to).await?.contains(&partner.id)
    {
        return Err(invalid("a partner cannot be put under itself or one of those below it").at(["parentId"]).into());
    }
    if partner.parent_id.is_none() && has_accounts(tx, partner.id).await? {
        let message = "this top-level partner has accounts, whose references are unique within it: it cannot be put under another";
        return Err(invalid(message).at(["parentId"]).into());
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Ancestor {
    id: PartnerId,
}

/// A partner and all above it.
async fn ancestry(tx: &Tx, partner: PartnerId) -> Result<Vec<PartnerId>, Error> {
    let sql = "WITH RECURSIVE above (id, parent_id) AS (SELECT id, parent_id FROM partners WHERE id = $1 \
               UNION SELECT p.id, p.parent_id FROM partners p JOIN above a ON p.id = a.parent_id) SELECT id FROM above";
    let above: Vec<Ancestor> = tx.query(sql, vec![partner.into()]).await?;
    Ok(above.into_iter().map(|ancestor| ancestor.id).collect())
}

async fn has_accounts(tx: &Tx, partner: PartnerId) -> Result<bool, Error> {
    if tx.backend() == sea_orm::DbBackend::Postgres {
        // Waits for transactions that are making an account here: they hold the row by its foreign key.
        let sql = "SELECT id FROM partners WHERE id = $1 FOR UPDATE";
        tx.execute(sql, vec![partner.into()]).await?;
    }
    let account = account::Entity::find().filter(account::COLUMN.partner_id.eq(partner));
    Ok(account.one(tx.connection().await?).await?.is_some())
}

/// Puts all below a moved partner under its new root.
async fn take_along(tx: &Tx, partner: PartnerId, root: PartnerId) -> Result<(), Error> {
    let sql = "WITH RECURSIVE below (id) AS (SELECT id FROM partners WHERE parent_id = $1 \
               UNION SELECT p.id FROM partners p JOIN below b ON p.parent_id = b.id) \
               UPDATE partners SET root_id = $2 WHERE id IN (SELECT id FROM below)";
    tx.execute(sql, vec![partner.into(), root.into()]).await?;
    Ok(())
}
