//! Credentials: API keys, making one, ending one, and finding out who shows one; and the logins of an identity provider.
//!
//! A key has a role, and with it a partner or an account: a PARTNER key is its partner's and of those below, a CUSTOMER key one account's,
//! a PROVISIONER key may be kept to a partner's sales. The secret is shown to whoever makes the key and is nowhere after that. A key is
//! never changed but to be ended; what it opens is looked up anew every two seconds, see [`Directory`].

mod directory;
mod login;
mod principal;
mod secret;

use chrono::{DateTime, Utc};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

pub use self::{directory::Directory, login::Login, principal::Principal, secret::Secret};
use super::{
    Actor, Error, Operation,
    account::{Named, Reference},
    error::{invalid, not_found},
    input,
};
use crate::{
    entity::{
        account,
        api_key::{ActiveModel, COLUMN, Entity, Model},
        event,
        kind::{EventType, Role},
        partner,
    },
    id::{ApiKeyId, PartnerId},
    store::{self, Db, Tx, journal},
};

/// A new key. Its secret is made beforehand and told to whoever asked; nothing of it can be learnt from what is stored.
#[derive(Debug, Clone)]
pub struct Create {
    pub name: String,
    pub role: Role,
    pub partner_id: Option<PartnerId>,
    /// The account of a CUSTOMER, in the namespace of the partner, or of the platform.
    pub account_reference: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub secret: Secret,
}

/// The key to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoke {
    pub api_key_id: ApiKeyId,
}

/// The key that was made or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub api_key_id: ApiKeyId,
}

/// Makes a key.
pub async fn create(tx: &mut Tx, actor: &Actor, command: &Create) -> Result<Outcome, Error> {
    actor.may(Operation::CreateApiKey)?;

    let partner = match command.partner_id {
        None => None,
        Some(id) => {
            let found = partner::Entity::find_by_id(id).one(tx.connection().await?).await?;
            Some(found.ok_or_else(|| not_found("partner").at(["partnerId"]))?)
        }
    };

    let name = input::text(&command.name, input::NAME).map_err(|refusal| refusal.at(["name"]))?;
    let account = command.account_reference.as_deref();
    if let Some((field, message)) = refuses(command.role, command.partner_id, account) {
        return Err(invalid(message).at([field]).into());
    }
    if command.expires_at.is_some_and(|end| end <= tx.now()) {
        return Err(invalid("a key must end in the future").at(["expiresAt"]).into());
    }

    let account = match account {
        None => None,
        Some(reference) => {
            let namespace = partner.as_ref().map_or(PartnerId::HOUSE, |partner| partner.root_id);
            Some(account_of(tx, namespace, reference).await?)
        }
    };
    let key = Model {
        id: tx.id(),
        name,
        role: command.role,
        partner_id: command.partner_id,
        account_id: account.as_ref().map(|account| account.id),
        hash: command.secret.hash().to_vec(),
        expires_at: command.expires_at,
        revoked_at: None,
        last_used_at: None,
        created_at: tx.now(),
    };
    let row: ActiveModel = key.clone().into();
    Entity::insert(row.reset_all()).exec_without_returning(tx.connection().await?).await?;

    journal(tx, EventType::ApiKeyCreated, &key, account.as_ref());
    Ok(Outcome { api_key_id: key.id })
}

/// Ends a key. One that has ended already stays as it is.
pub async fn revoke(tx: &mut Tx, actor: &Actor, command: &Revoke) -> Result<Outcome, Error> {
    actor.may(Operation::RevokeApiKey)?;

    let key = Entity::find_by_id(command.api_key_id).one(tx.connection().await?).await?;
    let key = key.ok_or_else(|| not_found("API key").at(["apiKeyId"]))?;
    if key.revoked_at.is_some() {
        return Ok(Outcome { api_key_id: key.id });
    }

    let row = ActiveModel { revoked_at: Set(Some(tx.now())), ..Default::default() };
    let update = Entity::update_many().set(row).filter(COLUMN.id.eq(key.id)).filter(COLUMN.revoked_at.is_null());
    if update.exec(tx.connection().await?).await?.rows_affected != 1 {
        return Err(store::Error::Conflict(key.id.to_string()).into());
    }

    let account = match key.account_id {
        Some(id) => account::Entity::find_by_id(id).one(tx.connection().await?).await?,
        None => None,
    };
    journal(tx, EventType::ApiKeyRevoked, &key, account.as_ref());
    Ok(Outcome { api_key_id: key.id })
}

/// Why a credential of `role` cannot be for that partner and account: the part that is wrong, and what is.
fn refuses(role: Role, partner: Option<PartnerId>, account: Option<&str>) -> Option<(&'static str, String)> {
    match role {
        Role::Partner if partner.is_none() => Some(("partnerId", "a PARTNER key needs a partner".to_owned())),
        Role::Customer if account.is_none() => {
            Some(("accountReference", "a CUSTOMER key needs the reference of an account".to_owned()))
        }
        Role::Admin | Role::Support if partner.is_some() => {
            Some(("partnerId", format!("a key with the role {role} belongs to no partner")))
        }
        Role::Admin | Role::Support | Role::Partner | Role::Provisioner if account.is_some() => {
            Some(("accountReference", format!("a key with the role {role} belongs to no account")))
        }
        Role::Admin | Role::Support | Role::Partner | Role::Provisioner | Role::Customer => None,
    }
}

/// A customer's account, made where it is named for the first time.
async fn account_of(tx: &Tx, namespace: PartnerId, reference: &str) -> Result<account::Model, Error> {
    let within = Actor { namespace, ..Actor::system("access") };
    let reference = Reference { external_reference: reference.to_owned(), email: None, display_name: None };
    let resolved = async { Named::by(&within, Some(&reference))?.resolve(tx, &within, None).await };
    resolved.await.map_err(|error: Error| error.refusing(|refusal| refusal.at(["accountReference"])))
}

fn journal(tx: &mut Tx, kind: EventType, key: &Model, account: Option<&account::Model>) {
    tx.append(event::Model {
        api_key_id: Some(key.id),
        partner_id: key.partner_id,
        account_id: account.map(|account| account.id),
        account_partner_id: account.map(|account| account.partner_id),
        ..journal::event(kind)
    });
}

/// Whether `secret` is the one that a key was made with: not so where a repeated request was answered with the key it made before.
pub async fn was_made_with(db: &Db, key: ApiKeyId, secret: &Secret) -> Result<bool, Error> {
    let key = Entity::find_by_id(key).one(db.reader()).await?;
    Ok(key.is_some_and(|key| key.hash == secret.hash()))
}
