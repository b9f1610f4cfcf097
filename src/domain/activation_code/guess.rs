//! The guessing limit: a code of 120 random bits is not guessed, but whoever tries should find it slow.
//!
//! Well-formed codes that do not exist are counted over a quarter of an hour, in the database, so on all nodes together. Mistyped ones,
//! which the check symbol tells, are not. A try past the limit is refused whether there is such a code or not, and writes nothing. A guess is
//! counted by the statement that finds room for it, under a number that only one can have, so that many at once get no further than one
//! after the other.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

use super::{
    super::{
        Actor,
        account::Named,
        entitlement::{By, Claim, Guesser},
        error::{Error, Refusal},
    },
    code::Code,
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

/// The credential that guesses; people of two namespaces may have one name.
fn principal(actor: &Actor) -> String {
    format!("{} {}", actor.idempotency_scope(), actor.name)
}

/// Who is guessing: the credential, for whom, and from where. A customer guesses for itself, whomever it names.
fn guesser(tx: &Tx, actor: &Actor, named: &Named) -> Result<Vec<u8>, Error> {
    let reference = named.reference.as_deref().filter(|_| actor.role != Role::Customer).unwrap_or_default();
    Ok(tx.keyring()?.digest(format!("guess\0{}\0{reference}\0{}", principal(actor), actor.address).as_bytes()))
}

/// How many guesses a guesser has, and how many all of a credential have together.
fn limits(tx: &Tx, actor: &Actor, named: &Named) -> [i64; 2] {
    let settings = tx.settings();
    // Behind a server's key stand many people; where it says for whom it asks, each of them is counted alone.
    let person = actor.role == Role::Customer || named.reference.is_some();
    let all = i64::from(settings.server_guesses);
    [if person { i64::from(settings.guesses) } else { all }, all]
}

/// The unit of a presented code. None: there is no such code, which counts as a guess. Whoever has guessed too often lately is refused
/// whether there is one or not.
pub async fn presented(tx: &Tx, actor: &Actor, code: &Code, named: &Named) -> Result<Option<Claim>, Error> {
    let hashes = tx.keyring()?.codes().hashes(code.as_bytes());
    let by = Guesser { digest: guesser(tx, actor, named)?, principal: principal(actor), since: since(tx) };
    let claim = Claim::load(tx, actor, By::Hashes(hashes, by), named).await?;
    let refused = claim.as_ref().and_then(|claim| refuse(tx, actor, named, claim.guesses).err());
    if claim.is_none() || refused.is_some() {
        // Past the limit one that there is costs what one costs that there is not, so that the time it takes tells nothing.
        tx.renew_keys().await?;
        count(tx, actor, named).await?;
    }
    refused.map_or(Ok(claim), Err)
}

fn since(tx: &Tx) -> DateTime<Utc> {
    tx.now() - TimeDelta::seconds(WINDOW_SECONDS.into())
}

/// Refuses whoever has guessed too often lately: for what is not worth being looked up.
pub async fn limit(tx: &Tx, actor: &Actor, named: &Named) -> Result<(), Error> {
    let sql = "SELECT sum(CASE WHEN guesser = $1 THEN 1 ELSE 0 END) AS own, count(*) AS tried \
               FROM code_guesses WHERE actor = $2 AND occurred_at > $3";
    let values = vec![guesser(tx, actor, named)?.into(), principal(actor).into(), since(tx).into()];
    let counts: Vec<Count> = tx.query(sql, values).await?;
    refuse(tx, actor, named, counts.first().map_or([0, 0], |count| [count.own.unwrap_or(0), count.tried]))
}

/// Refuses whoever has guessed as often as that.
fn refuse(tx: &Tx, actor: &Actor, named: &Named, [own, all]: [i64; 2]) -> Result<(), Error> {
    let [most_own, most] = limits(tx, actor, named);
    if own >= most_own || all >= most {
        let mut refusal = Refusal::new(RefusalCode::RateLimited, "too many unknown codes were tried: try again later");
        refusal.retry_after = Some(WINDOW_SECONDS);
        return Err(refusal.into());
    }
    Ok(())
}

/// Counts a well-formed code that does not exist; refuses as [`limit`] does where others took the last room meanwhile.
pub async fn count(tx: &Tx, actor: &Actor, named: &Named) -> Result<(), Error> {
    let sql = "INSERT INTO code_guesses (id, actor, guesser, occurred_at, turn) \
               SELECT $1, $2, $3, $4, COALESCE(max(turn), 0) + 1 FROM code_guesses WHERE actor = $2 \
               HAVING COALESCE(sum(CASE WHEN occurred_at > $5 AND guesser = $3 THEN 1 ELSE 0 END), 0) < $6 \
               AND COALESCE(sum(CASE WHEN occurred_at > $5 THEN 1 ELSE 0 END), 0) < $7 \
               ON CONFLICT (actor, turn) DO NOTHING";
    let id: crate::id::RedemptionAttemptId = tx.id();
    let [most_own, most] = limits(tx, actor, named);
    let values = vec![
        id.into(),
        principal(actor).into(),
        guesser(tx, actor, named)?.into(),
        tx.now().into(),
        since(tx).into(),
        most_own.into(),
        most.into(),
    ];
    // Whoever has the number that was to be ours has counted: there is room for one less, until there is none.
    while tx.execute(sql, values.clone()).await?.rows_affected() == 0 {
        limit(tx, actor, named).await?;
    }
    Ok(())
}
