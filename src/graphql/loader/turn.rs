//! When a batch is read: once every field that could ask has asked.
//!
//! The library's loader starts a task for each batch and hopes that the fields of a level have all asked before it runs. Here the batches of
//! a request wait in its own task, and are polled when the request itself can do no more: then all of them have. A level is one statement,
//! whatever else the machine is doing, and what was begun for a request ends with it.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use async_graphql::runtime::Timer;
use futures_util::{
    Stream, StreamExt,
    future::{self, BoxFuture},
    stream::{self, FuturesUnordered},
    task::{FutureObj, Spawn, SpawnError},
};

/// The batches of a request that have not begun.
#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<Vec<FutureObj<'static, ()>>>>);

/// No pause: a batch that is polled at all has been waited for long enough.
pub struct AtOnce;

impl Spawn for Turns {
    fn spawn_obj(&self, batch: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
        Ok(())
    }
}

impl Timer for AtOnce {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(future::ready(()))
    }
}

impl Turns {
    /// The answers of a request, its batches read whenever it waits for them.
    pub fn drive<S: Stream + Send>(self, answers: S) -> impl Stream<Item = S::Item> + Send {
        let mut running = FuturesUnordered::new();
        let mut answers = Box::pin(answers);
        stream::poll_fn(move |context| {
            loop {
                if let Poll::Ready(answer) = answers.as_mut().poll_next(context) {
                    return Poll::Ready(answer);
                }
                running.extend(std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)));
                // Once one has been read, whoever waited for it can go on.
                if !matches!(running.poll_next_unpin(context), Poll::Ready(Some(()))) {
                    return Poll::Pending;
                }
            }
        })
    }

    /// The same for what has one answer.
    pub async fn finish<F: Future + Send>(self, answer: F) -> Option<F::Output> {
        pin!(self.drive(stream::once(answer))).next().await
    }
}
