//! Who shows a key: one statement finds the key, the partner it acts for with all below, and whether that partner and all above are active.
//!
//! A key that was revoked, or whose partner or one above it is switched off, is nobody's. When it expires is left to whoever keeps the
//! answer, for that moment may come while it is kept.

use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use sea_orm::{FromQueryResult, Statement, Value};

use super::{super::Actor, secret::Hash};
use crate::{
    entity::{kind::Role, scope::Scope},
    id::{AccountId, ApiKeyId, PartnerId},
    store::{Db, Error},
};

/// Whom a key stands for, and what it may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub key: ApiKeyId,
    pub role: Role,
    pub partner: Option<PartnerId>,
    pub account: Option<AccountId>,
    /// The top-level partner in whose namespace its account references are meant.
    pub namespace: PartnerId,
    pub scope: Scope,
    pub expires_at: Option<DateTime<Utc>>,
    /// As it was when the key was looked up; written about once a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// By what a key is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    Hash(Hash),
    Key(ApiKeyId),
}

impl Principal {
    /// The actor of a request that came with this key.
    pub fn actor(&self, address: IpAddr, request_id: Option<String>) -> Actor {
        Actor {
            role: self.role,
            name: format!("key:{}", self.key),
            key: Some(self.key),
            partner: self.partner,
            account: self.account,
            namespace: self.namespace,
            scope: self.scope.clone(),
            expires_at: self.expires_at,
            address,
            request_id,
        }
    }

    /// Whether the key has not ended by itself.
    pub fn stands(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// One row a partner that the key covers, the key's own columns repeated.
#[derive(FromQueryResult)]
struct Row {
    id: ApiKeyId,
    role: Role,
    partner_id: Option<PartnerId>,
    account_id: Option<AccountId>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    account_partner_id: Option<PartnerId>,
    root_id: Option<PartnerId>,
    member: Option<PartnerId>,
}

macro_rules! principal {
    ($condition:literal) => {
        concat!(
            "WITH RECURSIVE held AS (
               SELECT k.id, k.role, k.partner_id, k.account_id, k.expires_at, k.last_used_at,
                 a.partner_id AS account_partner_id, COALESCE(k.partner_id, a.partner_id) AS home_id
               FROM api_keys k LEFT JOIN accounts a ON a.id = k.account_id
               WHERE k.revoked_at IS NULL AND ",
            $condition,
            "), above (id, parent_id, active) AS (
               SELECT p.id, p.parent_id, p.active FROM partners p JOIN held h ON p.id = h.home_id
               UNION SELECT p.id, p.parent_id, p.active FROM partners p JOIN above b ON p.id = b.parent_id
             ), below (id) AS (
               SELECT partner_id FROM held WHERE partner_id IS NOT NULL AND role IN ('PARTNER', 'PROVISIONER')
               UNION SELECT p.id FROM partners p JOIN below b ON p.parent_id = b.id
             )
             SELECT h.id, h.role, h.partner_id, h.account_id, h.expires_at, h.last_used_at, h.account_partner_id,
               p.root_id, b.id AS member
             FROM held h LEFT JOIN partners p ON p.id = h.partner_id LEFT JOIN below b ON 1 = 1
             WHERE NOT EXISTS (SELECT 1 FROM above WHERE NOT active)"
        )
    };
}

/// The principal of a key that opens anything; expired keys included.
pub async fn find(db: &Db, by: By) -> Result<Option<Principal>, Error> {
    let (sql, value): (_, Value) = match by {
        By::Hash(hash) => (principal!("k.hash = $1"), hash.to_vec().into()),
        By::Key(id) => (principal!("k.id = $1"), id.into()),
    };
    let statement = Statement::from_sql_and_values(db.backend(), sql, [value]);
    let rows = Row::find_by_statement(statement).all(db.reader()).await?;
    Ok(from_rows(rows))
}

fn from_rows(rows: Vec<Row>) -> Option<Principal> {
    let mut subtree: Vec<PartnerId> = rows.iter().filter_map(|row| row.member).collect();
    // In one order, so that an unchanged scope compares equal.
    subtree.sort_unstable();
    let subtree: Arc<[PartnerId]> = subtree.into();
    let Row { id, role, partner_id, account_id, expires_at, last_used_at, account_partner_id, root_id, .. } =
        rows.into_iter().next()?;
    // A customer's references are meant where its account is, even when its partner has moved since.
    let namespace = account_partner_id.or(root_id).unwrap_or(PartnerId::HOUSE);
    let scope = match role {
        Role::Admin | Role::Support => Scope::All,
        Role::Partner => Scope::Partner { subtree, namespace },
        Role::Provisioner => Scope::Provisioner { subtree: partner_id.map(|_| subtree) },
        Role::Customer => Scope::Customer { account: account_id?, namespace },
    };
    Some(Principal {
        key: id,
        role,
        partner: partner_id,
        account: account_id,
        namespace,
        scope,
        expires_at,
        last_used_at,
    })
}
