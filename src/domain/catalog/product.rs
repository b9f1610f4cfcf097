//! Products and the terms they are sold under. A SKU is one product's for good; changed terms are a new version for new order lines.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Actor, Error, Operation,
        error::{invalid, not_found, stale},
        input,
    },
    PolicyChange, policy, written,
};
use crate::{
    entity::{
        event,
        kind::EventType,
        policy::{ActiveModel as PolicyRow, Entity as Policies, Model as Policy},
        product::{ActiveModel, COLUMN, Entity, Model},
    },
    id::ProductId,
    store::{self, Tx, journal},
};

/// A new product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub sku: String,
    pub name: String,
    pub policy: PolicyChange,
}

/// Changes of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub product_id: ProductId,
    pub name: Option<String>,
    pub policy: PolicyChange,
    pub expected_version: Option<i32>,
}

/// The product that was made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub product_id: ProductId,
}

/// Makes a product with the first version of its policy.
pub async fn create(tx: &mut Tx, actor: &Actor, command: &Create) -> Result<Outcome, Error> {
    actor.may(Operation::CreateProduct)?;

    // Who loses the race for a SKU meets the unique index, and then this.
    let sku = input::text(&command.sku, input::REFERENCE).map_err(|refusal| refusal.at(["sku"]))?;
    let taken = Entity::find().filter(COLUMN.sku.eq(sku.as_str())).one(tx.connection().await?).await?;
    if taken.is_some() {
        return Err(invalid("another product has this SKU").at(["sku"]).into());
    }

    let name = input::text(&command.name, input::NAME).map_err(|refusal| refusal.at(["name"]))?;
    let terms = policy::usual(tx.id(), tx.id());
    let terms = command.policy.clone().apply(&terms, true)?;
    let row = Model { id: terms.product_id, version: 1, sku, name, policy_id: terms.id, created_at: tx.now() };

    let insert: ActiveModel = row.clone().into();
    Entity::insert(insert.reset_all()).exec_without_returning(tx.connection().await?).await?;
    write_policy(tx, terms).await?;

    journal(tx, EventType::ProductCreated, row.id);
    Ok(Outcome { product_id: row.id })
}

/// Renames a product, or changes the terms of its later sales. What changes nothing has no effect.
pub async fn update(tx: &mut Tx, actor: &Actor, command: &Update) -> Result<Outcome, Error> {
    actor.may(Operation::UpdateProduct)?;

    let present = Entity::find_by_id(command.product_id).one(tx.connection().await?).await?;
    let present = present.ok_or_else(|| not_found("product").at(["productId"]))?;
    let terms = Policies::find_by_id(present.policy_id).one(tx.connection().await?).await?;
    let terms = terms.ok_or_else(|| store::Error::Conflict(present.policy_id.to_string()))?;

    stale(command.expected_version, present.version)?;
    let name = command.name.as_deref().map(|name| input::text(name, input::NAME)).transpose();
    let changed = Model {
        name: name.map_err(|refusal| refusal.at(["name"]))?.unwrap_or_else(|| present.name.clone()),
        ..present.clone()
    };
    let mut new_terms = command.policy.clone().apply(&terms, false)?;
    let other_terms = new_terms != terms;
    if changed == present && !other_terms {
        return Ok(Outcome { product_id: present.id });
    }

    if other_terms {
        (new_terms.id, new_terms.version) = (tx.id(), terms.version + 1);
    }
    let row = ActiveModel {
        version: Set(present.version + 1),
        name: Set(changed.name),
        policy_id: Set(new_terms.id),
        ..Default::default()
    };
    let update = Entity::update_many().set(row).filter(COLUMN.id.eq(present.id));
    let update = update.filter(COLUMN.version.eq(present.version)).exec(tx.connection().await?).await?;
    written(update.rows_affected, present.id)?;
    if other_terms {
        write_policy(tx, new_terms).await?;
    }

    journal(tx, EventType::ProductUpdated, present.id);
    Ok(Outcome { product_id: present.id })
}

async fn write_policy(tx: &Tx, terms: Policy) -> Result<(), Error> {
    let row: PolicyRow = terms.into();
    Policies::insert(row.reset_all()).exec_without_returning(tx.connection().await?).await?;
    Ok(())
}

fn journal(tx: &mut Tx, kind: EventType, product: ProductId) {
    tx.append(event::Model { product_id: Some(product), ..journal::event(kind) });
}
