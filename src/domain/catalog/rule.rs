//! Fulfillment rules: which mode new orders of a channel use for a product, where that is not the product's own. Switched at run time; what
//! has been sold keeps the mode it was sold under.

use sea_orm::{ActiveModelTrait, EntityTrait, sea_query::OnConflict};
use serde::{Deserialize, Serialize};

use super::super::{Actor, Error, Operation, error::not_found};
use crate::{
    entity::{
        channel, event,
        fulfillment_rule::{ActiveModel, Column, Entity, Model},
        kind::{EventType, FulfillmentMode},
        product,
    },
    id::{ChannelId, ProductId},
    store::{Tx, journal},
};

/// The mode of a channel and product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    pub channel_id: ChannelId,
    pub product_id: ProductId,
    /// None: the product's own again.
    pub mode: Option<FulfillmentMode>,
}

/// What the rule is about, and whether there is one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub channel_id: ChannelId,
    pub product_id: ProductId,
}

/// Sets the mode, or goes back to the product's own. What changes nothing has no effect.
pub async fn set(tx: &mut Tx, actor: &Actor, command: &Set) -> Result<Outcome, Error> {
    actor.may(Operation::SetFulfillmentRule)?;

    let channel = channel::Entity::find_by_id(command.channel_id).one(tx.connection().await?).await?;
    let channel = channel.ok_or_else(|| not_found("channel").at(["channelId"]))?;
    let product = product::Entity::find_by_id(command.product_id).one(tx.connection().await?).await?;
    let product = product.ok_or_else(|| not_found("product").at(["productId"]))?;
    let outcome = Outcome { channel_id: channel.id, product_id: product.id };
    let present = Entity::find_by_id((channel.id, product.id)).one(tx.connection().await?).await?;
    if present.map(|rule| rule.mode) == command.mode {
        return Ok(outcome);
    }

    match command.mode {
        None => {
            Entity::delete_by_id((channel.id, product.id)).exec(tx.connection().await?).await?;
        }
        Some(mode) => {
            let row: ActiveModel = Model { channel_id: channel.id, product_id: product.id, mode }.into();
            let replace =
                OnConflict::columns([Column::ChannelId, Column::ProductId]).update_column(Column::Mode).to_owned();
            Entity::insert(row.reset_all()).on_conflict(replace).exec_without_returning(tx.connection().await?).await?;
        }
    }

    tx.append(event::Model {
        partner_id: Some(channel.partner_id),
        channel_id: Some(channel.id),
        product_id: Some(product.id),
        ..journal::event(EventType::RuleSet)
    });
    Ok(outcome)
}
