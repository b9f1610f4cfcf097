//! Who shows a credential: one statement finds the key, or a login's account, the partner it acts for with all below, and whether that
//! partner and all above are active.
//!
//! A key that was revoked, or whose partner or one above it is switched off, is nobody's, and so is such a partner's login. When it expires
//! is left to whoever keeps the answer, for that moment may come while it is kept.

use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use sea_orm::{FromQueryResult, Statement, Value};

use super::{
    super::{Actor, actor::Credential},
    login::Login,
    secret::Hash,
};
use crate::{
    entity::{kind::Role, scope::Scope},
    id::{AccountId, ApiKeyId, PartnerId},
    store::{Db, Error},
};

/// Whom a credential stands for, and what it may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub credential: Credential,
    pub role: Role,
    pub partner: Option<PartnerId>,
    pub account: Option<AccountId>,
    /// The top-level partner in whose namespace its account references are meant.
    pub namespace: PartnerId,
    pub scope: Scope,
    /// When a key ends; a login's end is its token's to say.
    pub expires_at: Option<DateTime<Utc>>,
    /// As it was when the key was looked up; written about once a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// By what a principal is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum By {
    Hash(Hash),
    Key(ApiKeyId),
    Login(Arc<Login>),
}

impl Principal {
    /// The actor of a request that came with this credential.
    pub fn actor(&self, address: IpAddr, request_id: Option<String>) -> Actor {
        Actor {
            role: self.role,
            name: self.credential.to_string(),
            credential: Some(self.credential.clone()),
            partner: self.partner,
            account: self.account,
            namespace: self.namespace,
            scope: self.scope.clone(),
            expires_at: self.expires_at,
            address,
            request_id,
            session: None,
        }
    }

    /// Whether it has not ended by itself.
    pub fn stands(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// One row a partner that is covered, the credential's own columns repeated.
#[derive(FromQueryResult)]
struct Row {
    id: Option<ApiKeyId>,
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
    ($held:literal, $condition:literal) => {
        concat!(
            "WITH RECURSIVE held AS (",
            $held,
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

macro_rules! key {
    ($condition:literal) => {
        principal!(
            "SELECT k.id, k.role, k.partner_id, k.account_id, k.expires_at, k.last_used_at,
               a.partner_id AS account_partner_id, COALESCE(k.partner_id, a.partner_id) AS home_id
             FROM api_keys k LEFT JOIN accounts a ON a.id = k.account_id
             WHERE k.revoked_at IS NULL AND ",
            $condition
        )
    };
}

const LOGIN: &str = principal!(
    "SELECT CAST(NULL AS uuid) AS id, CAST($1 AS text) AS role, p.id AS partner_id, a.id AS account_id,
       CAST(NULL AS timestamptz) AS expires_at, CAST(NULL AS timestamptz) AS last_used_at,
       a.partner_id AS account_partner_id, p.id AS home_id
     FROM partners p LEFT JOIN accounts a ON a.partner_id = p.root_id AND a.external_reference = $2
     WHERE ",
    "p.id = $3"
);

/// The principal of a credential that opens anything; expired keys included. None for a customer whose account is still to be made.
pub async fn find(db: &Db, by: &By) -> Result<Option<Principal>, Error> {
    let (sql, values): (_, Vec<Value>) = match by {
        By::Hash(hash) => (key!("k.hash = $1"), vec![hash.to_vec().into()]),
        By::Key(id) => (key!("k.id = $1"), vec![(*id).into()]),
        By::Login(login) => match login.home() {
            None => return Ok(Some(of_the_platform(login))),
            Some(home) => (LOGIN, vec![login.role.to_string().into(), login.account.clone().into(), home.into()]),
        },
    };
    let statement = Statement::from_sql_and_values(db.backend(), sql, values);
    let rows = Row::find_by_statement(statement).all(db.reader()).await?;
    Ok(from_rows(rows, by))
}

/// A login that acts for no partner: it sees all, or all work.
fn of_the_platform(login: &Arc<Login>) -> Principal {
    Principal {
        credential: Credential::Login(Arc::clone(login)),
        role: login.role,
        partner: None,
        account: None,
        namespace: PartnerId::HOUSE,
        scope: if login.role == Role::Provisioner { Scope::Provisioner { subtree: None } } else { Scope::All },
        expires_at: None,
        last_used_at: None,
    }
}

fn from_rows(rows: Vec<Row>, by: &By) -> Option<Principal> {
    let mut subtree: Vec<PartnerId> = rows.iter().filter_map(|row| row.member).collect();
    // In one order, so that an unchanged scope compares equal.
    subtree.sort_unstable();
    let subtree: Arc<[PartnerId]> = subtree.into();
    let Row { id, role, partner_id, account_id, expires_at, last_used_at, account_partner_id, root_id, .. } =
        rows.into_iter().next()?;
    let (credential, partner_id) = match by {
        By::Hash(_) | By::Key(_) => (Credential::Key(id?), partner_id),
        By::Login(login) => (Credential::Login(Arc::clone(login)), login.partner),
    };
    // A customer's references are meant where its account is, even when its partner has moved since.
    let namespace = account_partner_id.or(root_id).unwrap_or(PartnerId::HOUSE);
    let scope = match role {
        Role::Admin | Role::Support => Scope::All,
        Role::Partner => Scope::Partner { subtree, namespace },
        Role::Provisioner => Scope::Provisioner { subtree: partner_id.map(|_| subtree) },
        Role::Customer => Scope::Customer { account: account_id?, namespace },
    };
    Some(Principal {
        credential,
        role,
        partner: partner_id,
        account: account_id,
        namespace,
        scope,
        expires_at,
        last_used_at,
    })
}
