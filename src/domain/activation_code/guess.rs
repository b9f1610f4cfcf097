//! The guessing limit: a code of 120 random bits is not guessed, but whoever tries should find it slow.
//!
//! Well-formed codes that do not exist are counted over a quarter of an hour, in the database, so on all nodes together. Mistyped ones,
//! which the check symbol tells, are not. A try past the limit is refused before the code is looked at, and writes nothing.

use chrono::TimeDelta;
use sea_orm::FromQueryResult;

use super::super::{
    Actor,
    account::Named,
    error::{Error, Refusal},
};
use crate::{
    entity::kind::{RefusalCode, Role},
    store::Tx,
};

const WINDOW_SECONDS: u32 = 15 * 60;

#[derive(FromQueryResult)]
struct Count {
    own: Option<i64>,
    tried: i64,
}

/// Who is guessing: the credential, for whom, and from where.
fn guesser(tx: &Tx, actor: &Actor, named: &Named) -> Result<Vec<u8>, Error> {
    let reference = named.reference.as_deref().unwrap_or_default();
    Ok(tx.keyring()?.digest(format!("guess\0{}\0{reference}\0{}", actor.name, actor.address).as_bytes()))
}

/// Refuses whoever has guessed too often lately.
pub async fn limit(tx: &Tx, actor: &Actor, named: &Named) -> Result<(), Error> {
    let since = tx.now() - TimeDelta::seconds(WINDOW_SECONDS.into());
    let sql = "SELECT sum(CASE WHEN guesser = $1 THEN 1 ELSE 0 END) AS own, count(*) AS tried \
               FROM code_guesses WHERE actor = $2 AND occurred_at > $3";
    let values = vec![guesser(tx, actor, named)?.into(), actor.name.clone().into(), since.into()];
    let counts: Vec<Count> = tx.query(sql, values).await?;
    let (own, all) = counts.first().map_or((0, 0), |count| (count.own.unwrap_or(0), count.tried));
    let settings = tx.settings();
    // Behind a server's key stand many people; where it says for whom it asks, each of them is counted alone.
    let person = actor.role == Role::Customer || named.reference.is_some();
    if (person && own >= i64::from(settings.guesses)) || all >= i64::from(settings.server_guesses) {
        let mut refusal = Refusal::new(RefusalCode::RateLimited, "too many unknown codes were tried: try again later");
        refusal.retry_after = Some(WINDOW_SECONDS);
        return Err(refusal.into());
    }
    Ok(())
}

/// Counts a well-formed code that does not exist.
pub async fn count(tx: &Tx, actor: &Actor, named: &Named) -> Result<(), Error> {
    let sql = "INSERT INTO code_guesses (id, actor, guesser, occurred_at) VALUES ($1, $2, $3, $4)";
    let id: crate::id::RedemptionAttemptId = tx.id();
    let values = vec![id.into(), actor.name.clone().into(), guesser(tx, actor, named)?.into(), tx.now().into()];
    tx.execute(sql, values).await?;
    Ok(())
}
