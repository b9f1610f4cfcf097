//! One execution of a subscription, fed by hand: it answers about whatever it is given, whenever.
//!
//! The library runs a subscription as a stream: a resolver makes a source, and each item of the source becomes an answer. Here the resolver
//! says only what is listened for, and its source is a [`Seat`] into which events are put one at a time; so one execution serves any number
//! of listeners, wherever in the journal each of them is.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::Poll,
};

use async_graphql::{Context, Request, Response};
use futures_util::{FutureExt, Stream, StreamExt, future::poll_fn, stream, stream::BoxStream};
use tokio::sync::mpsc;

use crate::{
    feed::Filter,
    graphql::answer::{GRAPHQL_VALIDATION_FAILED, INTERNAL, refusal},
    store::journal::Entry,
};

/// What a subscription listens for, as its resolver found out.
#[derive(Debug, Clone)]
pub struct Plan {
    pub filter: Filter,
    pub kind: Kind,
}

/// What a subscription gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every event that is wanted, once and in order.
    Events,
    /// The present state, first and after what is wanted, once for all that has come by then.
    State,
}

/// What an execution is given to answer about.
pub enum Item {
    Event(Arc<Entry>),
    State,
}

/// Where a resolver says what it listens for, and takes from what there is.
pub struct Seat {
    plan: OnceLock<Plan>,
    items: Mutex<Option<mpsc::Receiver<Item>>>,
}

impl Seat {
    /// The seat of the execution that `ctx` belongs to.
    pub fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked::<Arc<Self>>()
    }

    /// Whether it is known what is listened for, so that nobody need look.
    pub fn is_taken(&self) -> bool {
        self.plan.get().is_some()
    }

    /// Says what is listened for. What was said first holds.
    pub fn take(&self, plan: Plan) {
        let _ = self.plan.set(plan);
    }

    /// What is given to answer about. Once only; afterwards nothing.
    pub fn items(&self) -> impl Stream<Item = Item> + use<> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream::unfold(items, |items| async {
            let mut items = items?;
            Some((items.recv().await?, Some(items)))
        })
    }
}

/// A running execution.
pub struct Execution {
    answers: BoxStream<'static, Response>,
    items: mpsc::Sender<Item>,
}

impl Execution {
    /// Runs `execute` until its resolver has said what it listens for; or gives its refusal. Where the plan is known, the resolver is told.
    pub async fn start(
        execute: impl FnOnce(Request) -> BoxStream<'static, Response>,
        request: Request,
        plan: Option<Plan>,
    ) -> Result<(Self, Plan), Box<Response>> {
        let (sender, receiver) = mpsc::channel(1);
        let plan = plan.map_or_else(OnceLock::new, OnceLock::from);
        let seat = Arc::new(Seat { plan, items: Mutex::new(Some(receiver)) });
        let mut answers = execute(request.data(Arc::clone(&seat)));
        let started = poll_fn(|context| match Pin::new(&mut answers).poll_next(context) {
            Poll::Ready(refusal) => Poll::Ready(Err(Box::new(refusal.unwrap_or_else(empty)))),
            // A seat may be taken from the beginning, while the document is still to be looked at: it is ready once its items are taken.
            Poll::Pending if seat.items.lock().unwrap_or_else(PoisonError::into_inner).is_none() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        });
        AssertUnwindSafe(started).catch_unwind().await.unwrap_or_else(|_panic| Err(Box::new(panicked())))?;
        let plan = seat.plan.get().cloned().ok_or_else(|| Box::new(panicked()))?;
        Ok((Self { answers, items: sender }, plan))
    }

    /// The answer about an item, and whether it is the last there will ever be.
    pub async fn answer(&mut self, item: Item) -> (Response, bool) {
        // There is room: nothing is put in before what was is answered.
        let _ = self.items.try_send(item);
        let answer = AssertUnwindSafe(self.answers.next()).catch_unwind().await;
        match answer {
            Ok(Some(answer)) if answer.is_ok() => (answer, false),
            Ok(Some(answer)) => {
                let ended = matches!(self.answers.next().now_or_never(), Some(None));
                (answer, ended)
            }
            Ok(None) | Err(_) => (panicked(), true),
        }
    }
}

fn empty() -> Response {
    Response::from_errors(vec![refusal(GRAPHQL_VALIDATION_FAILED, "A directive leaves out the subscription's field.")])
}

pub fn panicked() -> Response {
    tracing::error!("a subscription panicked");
    Response::from_errors(vec![refusal(INTERNAL, "The service failed to run this operation.")])
}
