//! What somebody else publishes and we read now and then: once for all who want it.
//!
//! It is read when it is first needed, and again when it is old or what is wanted is not in it; at most once in ten seconds, by one request
//! at a time, however many want it. The old counts while the new is on its way, and for as long as there is no new.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::web::Cause;
use crate::clock::Clock;

/// How long after one attempt to read it the next may follow.
const PAUSE: TimeDelta = TimeDelta::seconds(10);

/// Why what is wanted is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is not in it.
    Unknown,
    /// It cannot be read.
    Unavailable,
}

/// Something that is read from elsewhere. Clones know the same.
pub struct Fetched<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// What it is called where it cannot be read.
    name: &'static str,
    /// For how long it counts without a look at whether it still does.
    fresh: TimeDelta,
    clock: Clock,
    known: RwLock<Option<Arc<T>>>,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Default)]
struct Asked {
    last: Option<DateTime<Utc>>,
    answered: Option<DateTime<Utc>>,
}

impl<T> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> Fetched<T> {
    /// Something called `name`, of which nothing is known yet.
    pub fn new(name: &'static str, fresh: TimeDelta, clock: Clock) -> Self {
        Self(Arc::new(Inner { name, fresh, clock, known: RwLock::default(), asked: Arc::default() }))
    }

    /// What `pick` finds in it, as `fetch` reads it where that is due.
    pub async fn get<R, F>(&self, pick: impl Fn(&T) -> Option<R>, fetch: impl FnOnce() -> F) -> Result<R, Missing>
    where
        F: Future<Output = Result<T, Cause>> + Send + 'static,
    {
        // Whoever finds the old asks for the new; whoever comes meanwhile makes do with the old.
        let asked = match (self.known(&pick), Arc::clone(&self.0.asked).try_lock_owned()) {
            (Some(found), Err(_)) => return Ok(found),
            (_, Ok(asked)) => asked,
            (None, Err(_)) => Arc::clone(&self.0.asked).lock_owned().await,
        };
        let now = self.0.clock.now();
        let found = self.known(&pick);
        let lately = asked.last.is_some_and(|last| now < last + PAUSE);
        let fresh = asked.answered.is_some_and(|answered| now < answered + self.0.fresh);
        if lately || (found.is_some() && fresh) {
            let missing = if asked.answered == asked.last { Missing::Unknown } else { Missing::Unavailable };
            return found.ok_or(missing);
        }
        // In a task of its own: whoever goes away half-way has asked for all.
        let fetched = tokio::spawn(self.clone().renew(asked, now, fetch()));
        let fetched = fetched.await.unwrap_or(false);
        if fetched { self.known(&pick).ok_or(Missing::Unknown) } else { found.ok_or(Missing::Unavailable) }
    }

    /// Reads it; whether it could be.
    async fn renew(
        self,
        mut asked: OwnedMutexGuard<Asked>,
        now: DateTime<Utc>,
        fetch: impl Future<Output = Result<T, Cause>>,
    ) -> bool {
        asked.last = Some(now);
        match fetch.await {
            Ok(fetched) => {
                asked.answered = Some(now);
                *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(fetched));
                true
            }
            Err(cause) => {
                tracing::warn!(error.cause = %cause, "{} cannot be read", self.0.name);
                false
            }
        }
    }

    fn known<R>(&self, pick: impl Fn(&T) -> Option<R>) -> Option<R> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.and_then(|known| pick(&known))
    }
}
