//! Rotating the keys: a new code key for codes to come, beside the old ones that codes out there still depend on; and a session key in the
//! place of the old one.

use std::{collections::HashMap, path::Path};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ActiveValue::Set, EntityTrait, FromQueryResult, Statement};

use super::{CodeKeys, Db, Error, File, Keyring, KeyringError, Origin, found, lock, recorded};
use crate::entity::code_key;

/// A code key, and what depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    pub id: String,
    /// Since when the database uses it; none: it does not.
    pub since: Option<DateTime<Utc>>,
    /// Whether the file has it.
    pub held: bool,
    /// Codes that were issued under it, and those of them that can be redeemed.
    pub codes: i64,
    pub live: i64,
}

#[derive(FromQueryResult)]
struct Counted {
    key_id: String,
    codes: i64,
    live: i64,
}

/// The keys that the database uses, the current one first, and then those that are only in the file.
pub async fn status(db: &Db, path: &Path) -> Result<Vec<KeyUse>, KeyringError> {
    let held: Vec<String> =
        File::read(path)?.map(|file| file.code_keys.into_iter().map(|key| key.id).collect()).unwrap_or_default();
    let sql = "SELECT key_id, count(*) AS codes, count(*) FILTER (WHERE status = 'ISSUED') AS live \
               FROM activation_codes GROUP BY key_id";
    let counted = Counted::find_by_statement(Statement::from_string(db.backend(), sql)).all(db.reader()).await;
    let counted: HashMap<String, (i64, i64)> =
        counted.map_err(Error::from)?.into_iter().map(|row| (row.key_id, (row.codes, row.live))).collect();

    let recorded = recorded(db.reader()).await?;
    let unused = held.iter().filter(|id| recorded.iter().all(|key| key.id != **id)).cloned().collect::<Vec<_>>();
    let used = recorded.into_iter().map(|key| (key.id, Some(key.created_at)));
    let keys = used.chain(unused.into_iter().map(|id| (id, None))).map(|(id, since)| {
        let (codes, live) = counted.get(&id).copied().unwrap_or_default();
        KeyUse { held: held.contains(&id), since, codes, live, id }
    });
    Ok(keys.collect())
}

/// Makes another key the current one, and gives its id. It is in the file for good before the database knows of it.
pub async fn rotate(db: &Db, path: &Path) -> Result<String, KeyringError> {
    // Makes the first where there is none, and finds out here what is amiss.
    Keyring::open(db, path).await?;
    db.write(&Origin::system("keys"), |tx| async move {
        // Whoever rotates at the same time waits, and then adds to the file that it finds.
        lock(&tx).await?;
        let recorded = recorded(tx.connection().await?).await?;
        let used: Vec<String> = recorded.iter().map(|key| key.id.clone()).collect();
        let file = found(path, &used)?;
        // Refuses where another has added a key to a file of its own meanwhile.
        CodeKeys::of(&file, &used, path)?;
        let id = file.add(path, &used)?;
        // Later than all others, whatever clocks say: the newest is the current one.
        let after = recorded.first().map(|newest| newest.created_at + TimeDelta::microseconds(1));
        let created_at = after.map_or(tx.now(), |after| after.max(tx.now()));
        let key = code_key::ActiveModel { id: Set(id.clone()), created_at: Set(created_at) };
        code_key::Entity::insert(key).exec_without_returning(tx.connection().await?).await.map_err(Error::from)?;
        Ok((tx, id))
    })
    .await
}

/// Makes another session key: what was begun under the old one counts no longer wherever a node has read the file anew, as it starts.
pub async fn end_sessions(db: &Db, path: &Path) -> Result<(), KeyringError> {
    Keyring::open(db, path).await?;
    db.write(&Origin::system("keys"), |tx| async move {
        lock(&tx).await?;
        let used: Vec<String> = recorded(tx.connection().await?).await?.into_iter().map(|key| key.id).collect();
        found(path, &used)?.renew_sessions(path)?;
        Ok((tx, ()))
    })
    .await
}
