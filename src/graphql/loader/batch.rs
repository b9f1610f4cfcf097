//! Batching: the keys that the fields of a level ask for, gathered until all of them have.
//!
//! The first key of a kind opens a batch; whoever comes before it is read joins it. It is read when the request's task is polled again, that
//! is after every field that could ask has asked, by whichever of those who wait is polled first: no task is started for it, and none is
//! left waiting when another's field has failed and gone. Nothing is kept once it is read.

use std::{
    any::{Any, TypeId},
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::dataloader::Loader;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::Reader;
use crate::graphql::error::Fault;

/// What was found, by key.
pub type Found<K> = Arc<HashMap<K, <Reader as Loader<K>>::Value>>;
type Answer<K> = Shared<BoxFuture<'static, Result<Found<K>, Fault>>>;

/// The loaders of one session.
pub struct Batches {
    reader: Arc<Reader>,
    /// The last batch of each kind of key.
    last: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

struct Batch<K>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Reader: Loader<K, Error = Fault>,
{
    /// What it asks for; none once it is being read.
    keys: Arc<Mutex<Option<HashSet<K>>>>,
    answer: Answer<K>,
}

impl Batches {
    pub fn new(reader: Reader) -> Self {
        Self { reader: Arc::new(reader), last: Mutex::default() }
    }

    /// The statements behind the loaders.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What `key` asks for, read together with the others of its kind.
    pub async fn load<K>(&self, key: K) -> Result<Option<<Reader as Loader<K>>::Value>, Fault>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Fault>,
    {
        let answer = self.join([key.clone()]);
        Ok(answer.await?.get(&key).cloned())
    }

    /// What each of `keys` asks for, as far as it is there. Shares the answer with others: it may hold more.
    pub async fn load_all<K>(&self, keys: impl IntoIterator<Item = K>) -> Result<Found<K>, Fault>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Fault>,
    {
        let answer = self.join(keys);
        answer.await
    }

    fn join<K>(&self, asked: impl IntoIterator<Item = K>) -> Answer<K>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Fault>,
    {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = last.get(&TypeId::of::<K>()).and_then(|batch| batch.downcast_ref::<Batch<K>>())
            && let Some(keys) = batch.keys.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
        {
            keys.extend(asked);
            return batch.answer.clone();
        }
        let batch = self.open(asked.into_iter().collect());
        let answer = batch.answer.clone();
        last.insert(TypeId::of::<K>(), Box::new(batch));
        answer
    }

    fn open<K>(&self, keys: HashSet<K>) -> Batch<K>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Fault>,
    {
        let keys = Arc::new(Mutex::new(Some(keys)));
        let (reader, waiting) = (self.reader.clone(), keys.clone());
        let answer = async move {
            tokio::task::yield_now().await;
            let keys = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
            let keys: Vec<K> = keys.into_iter().flatten().collect();
            reader.load(&keys).await.map(Arc::new)
        };
        Batch { keys, answer: answer.boxed().shared() }
    }
}
