//! The principals of credentials, remembered for two seconds: what a busy client costs, and how late a revocation is seen.
//!
//! Every node remembers for itself. Requests that ask for the same key at once share one look-up. Keys that nobody has are remembered as
//! well, apart, so that a flood of made-up ones drives out no real one. That a key was used is noted here and written later, by a task of
//! the service: no request waits for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use moka::future::Cache;
use sea_orm::{FromQueryResult, Statement};

use super::{
    super::{Actor, Error as Failure, actor::Credential, idempotency},
    Login, Secret, account_of,
    principal::{By, Principal, find},
};
use crate::{
    id::{ApiKeyId, PartnerId},
    store::{Db, Error, journal::Origin},
};

const REMEMBERED: Duration = Duration::from_secs(2);
const MOST: u64 = 10_000;
/// How exactly a key's last use is known.
const USE: TimeDelta = TimeDelta::minutes(1);
/// Uses written by one transaction.
const BATCH: usize = 500;

/// Finds the principals of keys and logins. Cheap to clone; clones remember together.
#[derive(Clone)]
pub struct Directory {
    db: Db,
    known: Cache<By, Arc<Principal>>,
    unknown: Cache<By, ()>,
    used: Arc<Mutex<BTreeMap<ApiKeyId, DateTime<Utc>>>>,
}

/// In whose namespace a partner's accounts are.
#[derive(FromQueryResult)]
struct Home {
    root_id: PartnerId,
}

/// That of a partner which is active, as all above it are.
const HOME: &str = "WITH RECURSIVE above (parent_id, active) AS (SELECT parent_id, active FROM partners WHERE id = $1 \
                    UNION SELECT p.parent_id, p.active FROM partners p JOIN above a ON p.id = a.parent_id) \
                    SELECT root_id FROM partners WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM above WHERE NOT active)";

/// Why nobody was found.
enum Miss {
    Unknown,
    Failed(Arc<Error>),
}

impl Directory {
    /// A directory of the keys in `db`.
    pub fn new(db: Db) -> Self {
        let (known, unknown) = (Cache::builder(), Cache::builder());
        Self {
            db,
            known: known.max_capacity(MOST).time_to_live(REMEMBERED).build(),
            unknown: unknown.max_capacity(MOST).time_to_live(REMEMBERED).build(),
            used: Arc::default(),
        }
    }

    /// Whom the secret is of, if it opens anything now.
    pub async fn find(&self, secret: &Secret) -> Result<Option<Arc<Principal>>, Arc<Error>> {
        self.look_up(By::Hash(secret.hash())).await
    }

    /// Whom a login stands for, if for anybody. A customer's account is made where it is named for the first time.
    pub async fn admit(&self, login: &Arc<Login>) -> Result<Option<Arc<Principal>>, Arc<Error>> {
        let by = By::Login(Arc::clone(login));
        let found = self.look_up(by.clone()).await?;
        let (None, Some(reference)) = (&found, &login.account) else { return Ok(found) };
        if !self.open_account(login.partner.unwrap_or(PartnerId::HOUSE), reference).await? {
            return Ok(None);
        }
        // Not by `look_up`, which may be answered by a question from before the account was made.
        let found = find(&self.db, &by).await.map_err(Arc::new)?.map(Arc::new);
        if let Some(principal) = &found {
            self.known.insert(by, Arc::clone(principal)).await;
        }
        Ok(found)
    }

    /// Ends a session before its time, on every node.
    pub async fn end_session(&self, actor: &Actor, session: &str) -> Result<(), Failure> {
        idempotency::end_session(&self.db, actor, session).await
    }

    /// Whether a session was ended so.
    pub async fn has_ended(&self, session: &str) -> Result<bool, Error> {
        idempotency::has_ended(&self.db, session).await
    }

    /// The same for a credential that was found before: whether it still opens anything, and what.
    pub async fn renew(&self, credential: &Credential) -> Result<Option<Arc<Principal>>, Arc<Error>> {
        self.look_up(match credential {
            Credential::Key(key) => By::Key(*key),
            Credential::Login(login) => By::Login(Arc::clone(login)),
        })
        .await
    }

    /// Makes the account of a partner's customer, if there is such a partner and it is active.
    async fn open_account(&self, partner: PartnerId, reference: &str) -> Result<bool, Arc<Error>> {
        let home = Statement::from_sql_and_values(self.db.backend(), HOME, [partner.into()]);
        let home = Home::find_by_statement(home).one(self.db.reader()).await.map_err(|error| Arc::new(error.into()))?;
        let Some(Home { root_id }) = home else { return Ok(false) };
        let origin = Origin::system("logins");
        let opened = self.db.write(&origin, |tx| async move {
            account_of(&tx, root_id, reference).await?;
            Ok::<_, Failure>((tx, ()))
        });
        match opened.await {
            Ok(()) => Ok(true),
            Err(Failure::Store(error)) => Err(Arc::new(error)),
            Err(Failure::Refused(_) | Failure::Forbidden) => Ok(false),
        }
    }

    /// Forgets everything, so that a change made here is seen here by the next request.
    pub fn forget(&self) {
        self.known.invalidate_all();
        self.unknown.invalidate_all();
    }

    /// Writes which keys were used since the last time. What cannot be written now is written the next time.
    pub async fn write_uses(&self) -> Result<(), Error> {
        let noted = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let uses: Vec<_> = noted.into_iter().collect();
        for batch in uses.chunks(BATCH) {
            if let Err(error) = self.write_batch(batch).await {
                self.used.lock().unwrap_or_else(PoisonError::into_inner).extend(uses);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write_batch(&self, batch: &[(ApiKeyId, DateTime<Utc>)]) -> Result<(), Error> {
        // In the order of their ids, so that two nodes that write the same keys wait for each other instead of locking up.
        let sql = "UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $3)";
        let origin = Origin::system("keys");
        let write = self.db.write(&origin, |tx| async move {
            for (key, moment) in batch {
                tx.execute(sql, vec![(*moment).into(), (*key).into(), (*moment - USE).into()]).await?;
            }
            Ok::<_, Error>((tx, ()))
        });
        write.await
    }

    async fn look_up(&self, by: By) -> Result<Option<Arc<Principal>>, Arc<Error>> {
        let now = self.db.clock().now();
        if self.unknown.contains_key(&by) {
            return Ok(None);
        }
        let found = self.known.try_get_with(by.clone(), async {
            let principal =
                find(&self.db, &by).await.map_err(|error| Miss::Failed(Arc::new(error)))?.ok_or(Miss::Unknown)?;
            self.note_use(&principal, now);
            Ok(Arc::new(principal))
        });
        match found.await {
            Ok(principal) => Ok(Some(principal).filter(|principal| principal.stands(now))),
            Err(miss) => match &*miss {
                Miss::Unknown => {
                    // There is no flood of logins that nobody has, and a customer's is known as soon as its account is made.
                    if !matches!(by, By::Login(_)) {
                        self.unknown.insert(by, ()).await;
                    }
                    Ok(None)
                }
                Miss::Failed(error) => Err(Arc::clone(error)),
            },
        }
    }

    fn note_use(&self, principal: &Principal, now: DateTime<Utc>) {
        let Credential::Key(key) = principal.credential else { return };
        if principal.stands(now) && principal.last_used_at.is_none_or(|last| last < now - USE) {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key, now);
        }
    }
}
