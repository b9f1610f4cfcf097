//! What a socket or a stream is due from time to time, whatever is said on it: signs of life, and the question whether
//! its credential still stands.
//!
//! One timer serves both. The question runs beside the conversation, so that a database that answers slowly delays no
//! frame.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    select,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use crate::{
    domain::actor::Actor,
    http::{Http, auth::AuthError},
};

/// How often the credential is asked about: revoked access must end within five seconds.
const RENEWAL: Duration = Duration::from_secs(2);

/// What is done about a connection from time to time, whatever is said on it.
pub struct Watch {
    /// Who opened it.
    pub actor: Arc<Actor>,
    http: Arc<Http>,
    ticks: Interval,
    next_ping: Instant,
    /// Pings since the peer was last heard.
    pub silent: u8,
    renewal: Option<BoxFuture<'static, Result<Option<Arc<Actor>>, AuthError>>>,
}

/// What a tick came to.
pub enum Event {
    /// Nothing to do.
    Quiet,
    /// The peer is to show that it is there, or to be shown that we are.
    Ping,
    /// The credential stands no longer, or for other rights than before; says which.
    Ended(&'static str),
}

impl Watch {
    /// Begins to watch a connection that is open in `actor`'s name.
    pub fn new(http: &Arc<Http>, actor: Arc<Actor>) -> Self {
        let now = Instant::now();
        let mut ticks = interval_at(now + RENEWAL, RENEWAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            actor,
            http: Arc::clone(http),
            ticks,
            next_ping: now + http.limits.ping_interval,
            silent: 0,
            renewal: None,
        }
    }

    /// The next thing to attend to. Safe to drop half-way: a renewal under way is kept.
    pub async fn next(&mut self) -> Event {
        select! {
            _ = self.ticks.tick() => {
                if self.renewal.is_none() {
                    let (auth, actor) = (self.http.auth.clone(), Arc::clone(&self.actor));
                    self.renewal = Some(async move { auth.renew(&actor).await }.boxed());
                }
                let now = Instant::now();
                if now < self.next_ping {
                    return Event::Quiet;
                }
                self.next_ping = now + self.http.limits.ping_interval;
                Event::Ping
            }
            outcome = pending_or(&mut self.renewal) => {
                self.renewal = None;
                self.renewed(outcome)
            }
        }
    }

    fn renewed(&mut self, outcome: Result<Option<Arc<Actor>>, AuthError>) -> Event {
        match outcome {
            Ok(Some(actor)) if same_rights(&actor, &self.actor) => {
                self.actor = actor;
                Event::Quiet
            }
            Ok(Some(_)) => Event::Ended("The credential's rights have changed"),
            Ok(None) | Err(AuthError::Unauthenticated(_)) => Event::Ended("The credential has ended"),
            // Where the credential cannot be asked about, nothing is known: the next tick asks again.
            Err(AuthError::Unavailable) => Event::Quiet,
        }
    }
}

async fn pending_or<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Whether two answers about one credential come to the same; when it ends may change, what it allows may not.
fn same_rights(one: &Actor, other: &Actor) -> bool {
    let rights = |actor: &Actor| (actor.role, actor.partner, actor.account, actor.namespace);
    rights(one) == rights(other) && one.credential == other.credential && one.scope == other.scope
}
