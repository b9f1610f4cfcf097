//! What every request carries through the graph: who is asking, the database, the feed and the loaders.
//!
//! A resolver reads through [`Session`] alone, and so never without the caller's scope. Loaders keep nothing: what was loaded for one level
//! of a query is forgotten with it, so that a session may live as long as a subscription does.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context,
    dataloader::{DataLoader, Loader},
};
use chrono::{DateTime, Utc};

use super::{
    error::Fault,
    loader::{AtOnce, Reader, Turns},
};
use crate::{
    domain::{Actor, entitlement::REPLACED},
    entity::{kind::Role, scope::Scope},
    feed::{Cursor, Feed},
    id::{AssignmentId, PartnerId},
    store::Db,
};

/// Keys of a statement, which has at most 32,766 values on SQLite: a level is one statement, unless it is a very wide one.
const LARGEST_BATCH: usize = 8_192;

/// One request, or one subscription.
pub struct Session {
    pub actor: Arc<Actor>,
    pub db: Db,
    pub feed: Feed,
    /// The head of the feed from before the first read.
    pub head: Cursor,
    /// Where its batches wait.
    pub turns: Turns,
    /// Records of a page, at most.
    pub largest_page: u32,
    loaders: DataLoader<Reader>,
}

impl Session {
    /// A session of `actor`. Takes the head of the feed: make it before anything is read.
    pub fn new(actor: Arc<Actor>, db: Db, feed: Feed, turns: Turns, largest_page: u32) -> Self {
        let head = feed.head();
        let reader = Reader::new(db.clone(), actor.scope.clone());
        let loaders = DataLoader::new(reader, turns.clone(), AtOnce).max_batch_size(LARGEST_BATCH);
        Self { actor, db, feed, head, turns, largest_page, loaders }
    }

    /// The session that `ctx` belongs to.
    pub fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked::<Self>()
    }

    /// What the caller may see.
    pub fn scope(&self) -> &Scope {
        &self.actor.scope
    }

    /// The statements behind the loaders, for what is not batched.
    pub fn reader(&self) -> &Reader {
        self.loaders.loader()
    }

    /// The moment to compare deadlines with.
    pub fn now(&self) -> DateTime<Utc> {
        self.db.clock().now()
    }

    /// What `key` asks for, together with everything of its kind that is asked for at the same time.
    pub async fn load<K>(&self, key: K) -> Result<Option<<Reader as Loader<K>>::Value>, Fault>
    where
        K: Send + Sync + std::hash::Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Fault>,
    {
        self.loaders.load_one(key).await
    }

    /// What each of `keys` asks for, of what there is.
    pub async fn load_all<K>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<HashMap<K, <Reader as Loader<K>>::Value>, Fault>
    where
        K: Send + Sync + std::hash::Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Fault>,
    {
        self.loaders.load_many(keys).await
    }

    /// The same, for a field that may be null: nothing is asked for without a key, and what the caller may not see is not there.
    pub async fn find<K, T>(&self, key: Option<K>) -> Option<Result<T, Fault>>
    where
        K: Send + Sync + std::hash::Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Fault>,
        T: From<<Reader as Loader<K>>::Value>,
    {
        self.load(key?).await.transpose().map(|found| found.map(T::from))
    }

    /// The same, for a field that cannot be null. `what` is what the client is told is missing.
    pub async fn need<K, T>(&self, key: K, what: &'static str) -> Result<T, Fault>
    where
        K: Send + Sync + std::hash::Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Fault>,
        T: From<<Reader as Loader<K>>::Value>,
    {
        self.load(key).await?.map(T::from).ok_or(Fault::NotFound(what))
    }

    /// How the caller reads the name of an actor who acts for `partner`: as it is where the actor is of the caller's own scope, as
    /// `system` or `support` where it is not.
    pub fn actor_name(&self, name: &str, partner: Option<PartnerId>) -> String {
        let shown = match self.actor.scope {
            Scope::All => true,
            Scope::Partner { ref subtree, namespace } => {
                partner.is_some_and(|partner| partner == namespace || subtree.contains(&partner))
            }
            Scope::Provisioner { .. } | Scope::Customer { .. } => false,
        };
        // People of two namespaces may have one name.
        let home = |partner| partner == self.actor.namespace || Some(partner) == self.actor.partner;
        let own = name == self.actor.name && partner.is_none_or(home);
        if shown || own {
            name.to_owned()
        } else if name.starts_with("system:") {
            "system".to_owned()
        } else {
            "support".to_owned()
        }
    }

    /// Whether the caller is told what a provisioner said of an assignment: it may name who has the unit.
    pub async fn hears_of(&self, assignment: Option<AssignmentId>) -> Result<bool, Fault> {
        match (self.scope(), assignment) {
            (Scope::All | Scope::Provisioner { .. }, _) | (Scope::Partner { .. }, None) => Ok(true),
            (Scope::Customer { .. }, _) => Ok(false),
            (Scope::Partner { .. }, Some(id)) => {
                let found = self.load(id).await?;
                Ok(found.is_some_and(|found| self.scope().knows(found.account_id, found.account_partner_id)))
            }
        }
    }

    /// Whether the caller is a customer, who sees no words of the support desk.
    pub fn is_customer(&self) -> bool {
        self.actor.role == Role::Customer
    }
}

/// A reason as a customer may read it: the service's own word, but nobody's sentence.
pub fn reason_for(session: &Session, reason: Option<&String>) -> Option<String> {
    reason.filter(|reason| !session.is_customer() || *reason == REPLACED).cloned()
}
