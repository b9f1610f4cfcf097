//! Channels: where orders come from. A name is one channel's only; a channel belongs to one partner for good.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Actor, Error, Operation,
        error::{invalid, not_found, stale},
        input,
    },
    written,
};
use crate::{
    entity::{
        channel::{ActiveModel, COLUMN, Entity, Model},
        event,
        kind::{ChannelKind, EventType},
        partner,
    },
    id::{ChannelId, PartnerId},
    store::{Tx, journal},
};

/// A new channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub name: String,
    pub kind: ChannelKind,
    /// Its owner; the platform itself, where nobody is named.
    pub partner_id: Option<PartnerId>,
}

/// Changes of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub channel_id: ChannelId,
    pub name: Option<String>,
    pub active: Option<bool>,
    pub expected_version: Option<i32>,
}

/// The channel that was made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub channel_id: ChannelId,
}

/// Makes a channel.
pub async fn create(tx: &mut Tx, actor: &Actor, command: &Create) -> Result<Outcome, Error> {
    actor.may(Operation::CreateChannel)?;

    let owner = command.partner_id.unwrap_or(PartnerId::HOUSE);
    let owner = partner::Entity::find_by_id(owner).one(tx.connection().await?).await?;
    let owner = owner.ok_or_else(|| not_found("partner").at(["partnerId"]))?;

    let name = unused(tx, &command.name).await?;
    let row = Model {
        id: tx.id(),
        version: 1,
        name,
        kind: command.kind,
        partner_id: owner.id,
        active: true,
        created_at: tx.now(),
    };

    let insert: ActiveModel = row.clone().into();
    Entity::insert(insert.reset_all()).exec_without_returning(tx.connection().await?).await?;

    journal(tx, EventType::ChannelCreated, &row);
    Ok(Outcome { channel_id: row.id })
}

/// Renames a channel, or switches it on or off. What changes nothing has no effect.
pub async fn update(tx: &mut Tx, actor: &Actor, command: &Update) -> Result<Outcome, Error> {
    actor.may(Operation::UpdateChannel)?;

    let present = Entity::find_by_id(command.channel_id).one(tx.connection().await?).await?;
    let present = present.ok_or_else(|| not_found("channel").at(["channelId"]))?;

    stale(command.expected_version, present.version)?;
    let name = match &command.name {
        Some(name) if *name != present.name => unused(tx, name).await?,
        Some(_) | None => present.name.clone(),
    };
    let changed = Model { name, active: command.active.unwrap_or(present.active), ..present.clone() };
    if changed == present {
        return Ok(Outcome { channel_id: present.id });
    }

    let row = ActiveModel {
        version: Set(present.version + 1),
        name: Set(changed.name),
        active: Set(changed.active),
        ..Default::default()
    };
    let update = Entity::update_many().set(row).filter(COLUMN.id.eq(present.id));
    let update = update.filter(COLUMN.version.eq(present.version)).exec(tx.connection().await?).await?;
    written(update.rows_affected, present.id)?;

    journal(tx, EventType::ChannelUpdated, &present);
    Ok(Outcome { channel_id: present.id })
}

fn journal(tx: &mut Tx, kind: EventType, channel: &Model) {
    let (partner_id, channel_id) = (Some(channel.partner_id), Some(channel.id));
    tx.append(event::Model { partner_id, channel_id, ..journal::event(kind) });
}

/// A name that no channel has. Who loses the race for one meets the unique index, and then this.
async fn unused(tx: &Tx, name: &str) -> Result<String, Error> {
    let name = input::text(name, input::NAME).map_err(|refusal| refusal.at(["name"]))?;
    let taken = Entity::find().filter(COLUMN.name.eq(name.as_str())).one(tx.connection().await?).await?;
    match taken {
        Some(_) => Err(invalid("another channel has this name").at(["name"]).into()),
        None => Ok(name),
    }
}
