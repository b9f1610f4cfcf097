//! Running an operation so that asking again is safe.
//!
//! Under an idempotency key the ids an operation answers with are stored in its own transaction, beside a keyed digest of the input. The
//! same key with the same input answers with the same ids and has no second effect; with other input it is refused. A refusal is not
//! stored: it is evaluated anew. The key is taken before anything else is looked at, so of two requests at once the second finds it in use,
//! and comes back until it can read the first one's answer. The same table remembers which sessions of a browser were
//! ended: that, too, is done once, and need not be known for longer.

use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::{DbBackend, FromQueryResult, JsonValue, Statement, Value};
use serde::{Serialize, de::DeserializeOwned};

use super::{Actor, Error, Operation, Refusal, input};
use crate::{
    entity::kind::RefusalCode,
    store::{self, Db, Tx, journal::Origin},
};

const LONGEST_KEY: usize = 255;
/// How long a repeat is answered from memory.
pub(super) const RETENTION: TimeDelta = TimeDelta::days(7);

/// What identifies a request to run a mutation.
#[derive(Debug, Clone)]
pub struct Request {
    pub mutation: Operation,
    /// The key the client chose, if any.
    pub key: Option<String>,
    /// Why, for the journal, where the operation itself asks for no reason.
    pub reason: Option<String>,
    /// All that was asked for, in a spelling that is the same for the same input; nothing matters of it without a key.
    pub input: Vec<u8>,
}

/// Between two looks at a key that is in use.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// What is remembered at a place.
const STORED: &str =
    "SELECT request_digest, result FROM idempotency_keys WHERE scope = $1 AND mutation = $2 AND key = $3";

#[derive(FromQueryResult)]
struct Stored {
    request_digest: Vec<u8>,
    result: JsonValue,
}

/// Runs `operation` for `actor` in a transaction of its own, at most once under the request's key.
///
/// The operation gives its transaction back to have it committed. It may do so with a refusal that leaves traces, as a rejected
/// redemption does; a refusal without traces is an error, and rolled back. Neither is remembered under the key.
pub async fn run<T, F>(db: &Db, actor: &Actor, request: &Request, operation: impl Fn(Tx) -> F) -> Result<T, Error>
where
    T: Serialize + DeserializeOwned,
    F: Future<Output = Result<(Tx, Result<T, Refusal>), Error>>,
{
    let operation = &operation;
    let reason = request.reason.as_deref().map(input::reason).transpose()?;
    let origin = Origin { reason, ..actor.origin() };
    let Some(key) = &request.key else { return Ok(db.write(&origin, operation).await??) };
    if key.is_empty() || key.chars().count() > LONGEST_KEY || key.contains('\0') {
        let message = format!("an idempotency key has 1 to {LONGEST_KEY} characters");
        return Err(super::error::invalid(message).at(["idempotencyKey"]).into());
    }
    let digest = &db.keyring()?.digest(&request.input);
    let (scope, mutation) = (&actor.idempotency_scope(), &request.mutation.name());
    let once = |tx| async move {
        let place = [scope.as_str(), mutation.as_str(), key.as_str()];
        if !take(&tx, place, digest).await? {
            let result = replay(&tx, place, digest).await?;
            return Ok((tx, result.map(Ok)));
        }
        let (tx, answer) = operation(tx).await?;
        match &answer {
            Ok(result) => keep(&tx, place, result).await?,
            Err(_) => give_back(&tx, place).await?,
        }
        Ok::<_, Error>((tx, Some(answer)))
    };
    // Whoever comes while the key is in use waits here, and not on a connection, of which many such would leave none to others.
    let mut pause = SHORTEST_WAIT;
    loop {
        if let Some(answer) = db.write(&origin, once).await? {
            return Ok(answer?);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_WAIT);
    }
}

/// Runs `operation` for `actor` in a transaction of its own, with nothing remembered: for the service's own commands and for questions.
pub async fn once<C: ?Sized, T>(
    db: &Db,
    actor: &Actor,
    command: &C,
    operation: impl AsyncFn(&mut Tx, &Actor, &C) -> Result<T, Error>,
) -> Result<T, Error> {
    let (operation, origin) = (&operation, actor.origin());
    let once = |mut tx| async move {
        let done = operation(&mut tx, actor, command).await?;
        Ok((tx, done))
    };
    db.write(&origin, once).await
}

/// The place of a session that was ended before its time: what can be done once has been.
fn ended(session: &str) -> [&str; 3] {
    ["session", "signOut", session]
}

/// Ends a session, named by what only its own pages know. That is remembered for longer than any lasts.
pub(super) async fn end_session(db: &Db, actor: &Actor, session: &str) -> Result<(), Error> {
    once(db, actor, session, async |tx, _, session| {
        take(tx, ended(session), &[]).await?;
        Ok(())
    })
    .await
}

/// Whether a session was ended.
pub(super) async fn has_ended(db: &Db, session: &str) -> Result<bool, store::Error> {
    let statement = Statement::from_sql_and_values(db.backend(), STORED, ended(session).map(Value::from));
    Ok(Stored::find_by_statement(statement).one(db.reader()).await?.is_some())
}

/// Takes the key for this transaction; false: it was used before, and that is still remembered, or it is being used now. Two keys may share
/// a lock: then one waits for the other.
async fn take(tx: &Tx, [scope, mutation, key]: [&str; 3], digest: &[u8]) -> Result<bool, Error> {
    let free = if tx.backend() == DbBackend::Postgres {
        "pg_try_advisory_xact_lock(hashtextextended(concat_ws(chr(1), $1, $2, $3), 0))"
    } else {
        // There is one writer.
        "true"
    };
    let sql = format!(
        "INSERT INTO idempotency_keys (scope, mutation, key, request_digest, result, created_at) \
         SELECT $1, $2, $3, $4, $5, $6 WHERE {free} ON CONFLICT (scope, mutation, key) DO UPDATE \
         SET request_digest = excluded.request_digest, result = excluded.result, created_at = excluded.created_at \
         WHERE idempotency_keys.created_at <= $7"
    );
    let nothing_yet = JsonValue::Object(serde_json::Map::new());
    let digest = digest.to_vec();
    let now = tx.now();
    let values = vec![
        scope.into(),
        mutation.into(),
        key.into(),
        digest.into(),
        nothing_yet.into(),
        now.into(),
        (now - RETENTION).into(),
    ];
    Ok(tx.execute(&sql, values).await?.rows_affected() == 1)
}

/// What came of the request under a key. None: nothing yet, for the key is being used, or was forgotten in this very moment.
async fn replay<T: DeserializeOwned>(
    tx: &Tx,
    [scope, mutation, key]: [&str; 3],
    digest: &[u8],
) -> Result<Option<T>, Error> {
    let stored: Option<Stored> = tx.query(STORED, vec![scope.into(), mutation.into(), key.into()]).await?.pop();
    let Some(stored) = stored else { return Ok(None) };
    if stored.request_digest != digest {
        let message =
            "this idempotency key was used for another request: use a new key, or repeat the first request unchanged";
        return Err(Refusal::new(RefusalCode::IdempotencyKeyReused, message).at(["idempotencyKey"]).into());
    }
    serde_json::from_value(stored.result).map(Some).map_err(|error| unreadable(&error))
}

async fn keep<T: Serialize>(tx: &Tx, [scope, mutation, key]: [&str; 3], result: &T) -> Result<(), Error> {
    let result = serde_json::to_value(result).map_err(|error| unreadable(&error))?;
    let sql = "UPDATE idempotency_keys SET result = $4 WHERE scope = $1 AND mutation = $2 AND key = $3";
    tx.execute(sql, vec![scope.into(), mutation.into(), key.into(), result.into()]).await?;
    Ok(())
}

/// Frees the key of a refusal that is committed.
async fn give_back(tx: &Tx, [scope, mutation, key]: [&str; 3]) -> Result<(), Error> {
    let sql = "DELETE FROM idempotency_keys WHERE scope = $1 AND mutation = $2 AND key = $3";
    tx.execute(sql, vec![scope.into(), mutation.into(), key.into()]).await?;
    Ok(())
}

fn unreadable(error: &serde_json::Error) -> Error {
    sea_orm::DbErr::Json(error.to_string()).into()
}
