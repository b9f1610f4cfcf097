//! The guessing limit: a code of 120 random bits is not guessed, but whoever tries should find it slow.
//!
//! Well-formed codes that do not exist are counted over a quarter of an hour, in the database, so on all nodes together. Mistyped ones,
//! which the check symbol tells, are not guesses. What a customer is refused otherwise is counted as well. A try past the limit is
//! refused whether there is such a code or not, and writes nothing. A guess is counted by the statement that finds room for it, under a
//! number that only one can have, so that many at once get no further than one after the other.

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

impl Guesser {
    /// Well-formed codes that do not exist. A customer guesses for itself, whomever it names.
    fn guesses(tx: &Tx, actor: &Actor, named: &Named) -> Result<Self, Error> {
        let reference = named.reference.as_deref().filter(|_| actor.role != Role::Customer).unwrap_or_default();
        let guesser = format!("guess\0{}\0{reference}\0{}", principal(actor), actor.address);
        let settings = tx.settings();
        let all = i64::from(settings.server_guesses);
        // Behind a server's key stand many people; where it says for whom it asks, each of them is counted alone.
        let person = actor.role == Role::Customer || named.reference.is_some();
        let own = if person { i64::from(settings.guesses) } else { all };
        let digest = tx.keyring()?.digest(guesser.as_bytes());
        Ok(Self { digest, principal: principal(actor), since: since(tx), most: [own, all] })
    }

    /// What a customer is refused for any other reason.
    fn slips(tx: &Tx, actor: &Actor) -> Self {
        let all = i64::from(tx.settings().server_guesses);
        let principal = format!("mistyped {}", principal(actor));
        Self { digest: Vec::new(), principal, since: since(tx), most: [all; 2] }
    }

    /// Refuses whoever has tried too often lately.
    async fn limit(&self, tx: &Tx) -> Result<(), Error> {
        let sql = "SELECT sum(CASE WHEN guesser = $1 THEN 1 ELSE 0 END) AS own, count(*) AS tried \
                   FROM code_guesses WHERE actor = $2 AND occurred_at > $3";
        let Self { digest, principal, since, .. } = self.clone();
        let values = vec![digest.into(), principal.into(), since.into()];
        let counts: Vec<Count> = tx.query(sql, values).await?;
        let tried = counts.first().map_or([0, 0], |count| [count.own.unwrap_or(0), count.tried]);
        if tried.iter().zip(self.most).any(|(tried, most)| *tried >= most) {
            let mut refusal =
                Refusal::new(RefusalCode::RateLimited, "too many codes that are none were tried: try again later");
            refusal.retry_after = Some(WINDOW_SECONDS);
            return Err(refusal.into());
        }
        Ok(())
    }

    /// Counts a try; refuses as [`Self::limit`] does where others took the last room meanwhile.
    async fn count(&self, tx: &Tx) -> Result<(), Error> {
        let sql = "INSERT INTO code_guesses (id, actor, guesser, occurred_at, turn) \
                   SELECT $1, $2, $3, $4, COALESCE(max(turn), 0) + 1 FROM code_guesses WHERE actor = $2 \
                   HAVING COALESCE(sum(CASE WHEN occurred_at > $5 AND guesser = $3 THEN 1 ELSE 0 END), 0) < $6 \
                   AND COALESCE(sum(CASE WHEN occurred_at > $5 THEN 1 ELSE 0 END), 0) < $7 \
                   ON CONFLICT (actor, turn) DO NOTHING";
        let id: crate::id::RedemptionAttemptId = tx.id();
        let Self { digest, principal, since, most: [own, all] } = self.clone();
        let values =
            vec![id.into(), principal.into(), digest.into(), tx.now().into(), since.into(), own.into(), all.into()];
        // Whoever has the number that was to be ours has counted: there is room for one less, until there is none.
        while tx.execute(sql, values.clone()).await?.rows_affected() == 0 {
            self.limit(tx).await?;
        }
        Ok(())
    }
}

fn since(tx: &Tx) -> DateTime<Utc> {
    tx.now() - TimeDelta::seconds(WINDOW_SECONDS.into())
}

/// The unit of a presented code. None: there is no such code, which counts as a guess. Whoever has guessed too often lately is refused
/// whether there is one or not: it is not looked for, so that the time it takes tells nothing.
pub async fn presented(tx: &Tx, actor: &Actor, code: &Code, named: &Named) -> Result<Option<Claim>, Error> {
    let hashes = tx.keyring()?.codes().hashes(code.as_bytes());
    let guesser = Guesser::guesses(tx, actor, named)?;
    let claim = Claim::load(tx, actor, By::Hashes(hashes, guesser.clone()), named).await?;
    if claim.is_none() {
        tx.renew_keys().await?;
        guesser.count(tx).await?;
    }
    Ok(claim)
}

/// Refuses whoever has guessed too often lately: for what is not worth being looked up.
pub async fn limit(tx: &Tx, actor: &Actor, named: &Named) -> Result<(), Error> {
    Guesser::guesses(tx, actor, named)?.limit(tx).await
}

/// Counts a well-formed code that does not exist; refuses as [`limit`] does where others took the last room meanwhile.
pub async fn count(tx: &Tx, actor: &Actor, named: &Named) -> Result<(), Error> {
    Guesser::guesses(tx, actor, named)?.count(tx).await
}

/// Refuses whoever has guessed too often lately, and a customer who mistypes too often.
pub async fn mistyped(tx: &Tx, actor: &Actor, named: &Named) -> Result<(), Error> {
    limit(tx, actor, named).await?;
    slip(tx, actor).await
}

/// Counts what a customer is refused, for each time is written down; refuses it where it was as often as a server may guess.
pub async fn slip(tx: &Tx, actor: &Actor) -> Result<(), Error> {
    if actor.role == Role::Customer {
        Guesser::slips(tx, actor).count(tx).await?;
    }
    Ok(())
}
