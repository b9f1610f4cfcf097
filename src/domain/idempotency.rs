//! Running an operation so that asking again is safe.
//!
//! Under an idempotency key the ids an operation answers with are stored in its own transaction, beside a keyed digest of the input. The
//! same key with the same input answers with the same ids and has no second effect; with other input it is refused. A refusal is not
//! stored: it is evaluated anew. Two requests at once meet at the primary key, and the loser reads the winner's answer.

use sea_orm::{FromQueryResult, JsonValue};
use serde::{Serialize, de::DeserializeOwned};

use super::{Actor, Error, Operation, Refusal};
use crate::{
    entity::kind::RefusalCode,
    store::{Db, Tx},
};

const LONGEST_KEY: usize = 255;

/// What identifies a request to run a mutation.
#[derive(Debug, Clone)]
pub struct Request {
    pub mutation: Operation,
    /// The key the client chose, if any.
    pub key: Option<String>,
    /// All that was asked for, in a spelling that is the same for the same input.
    pub input: Vec<u8>,
}

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
    let Some(key) = &request.key else { return Ok(db.write(&actor.origin(), operation).await??) };
    if key.is_empty() || key.chars().count() > LONGEST_KEY || key.contains('\0') {
        let message = format!("an idempotency key has 1 to {LONGEST_KEY} characters");
        return Err(super::error::invalid(message).at(["idempotencyKey"]).into());
    }
    let digest = &db.keyring()?.digest(&request.input);
    let scope = &actor.idempotency_scope();
    let once = |tx| async move {
        if let Some(stored) = find(&tx, scope, &request.mutation.name(), key).await? {
            return Ok((tx, Ok(replay(stored, digest)?)));
        }
        let (tx, answer) = operation(tx).await?;
        if let Ok(result) = &answer {
            store(&tx, scope, &request.mutation.name(), key.clone(), digest.clone(), result).await?;
        }
        Ok::<_, Error>((tx, answer))
    };
    Ok(db.write(&actor.origin(), once).await??)
}

/// Runs `operation` for `actor` in a transaction of its own, with nothing remembered: for the service's own commands and for questions.
pub async fn once<C, T>(
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

async fn find(tx: &Tx, scope: &str, mutation: &str, key: &str) -> Result<Option<Stored>, Error> {
    let sql = "SELECT request_digest, result FROM idempotency_keys WHERE scope = $1 AND mutation = $2 AND key = $3";
    Ok(tx.query(sql, vec![scope.into(), mutation.into(), key.into()]).await?.pop())
}

fn replay<T: DeserializeOwned>(stored: Stored, digest: &[u8]) -> Result<T, Error> {
    if stored.request_digest != digest {
        let message =
            "this idempotency key was used for another request: use a new key, or repeat the first request unchanged";
        return Err(Refusal::new(RefusalCode::IdempotencyKeyReused, message).at(["idempotencyKey"]).into());
    }
    serde_json::from_value(stored.result).map_err(unreadable)
}

async fn store<T: Serialize>(
    tx: &Tx,
    scope: &str,
    mutation: &str,
    key: String,
    digest: Vec<u8>,
    result: &T,
) -> Result<(), Error> {
    let result = serde_json::to_value(result).map_err(unreadable)?;
    let sql = "INSERT INTO idempotency_keys (scope, mutation, key, request_digest, result, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = vec![scope.into(), mutation.into(), key.into(), digest.into(), result.into(), tx.now().into()];
    tx.execute(sql, values).await?;
    Ok(())
}

fn unreadable(error: serde_json::Error) -> Error {
    sea_orm::DbErr::Json(error.to_string()).into()
}
