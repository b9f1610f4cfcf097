//! The operations of one socket: each a stream of frames, all polled in turn.
//!
//! An operation's frames carry text that is already serialised, wherever it was made; whether it was made for this
//! operation or for many that ask the same does not show here. The streams are polled round-robin as they become ready,
//! one frame each, so that a busy one does not starve its neighbours; and only when the socket can take a frame, so
//! that a slow socket holds its own operations back and nothing piles up. A panic ends the operation it happened in.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_graphql::{Request, parser::types::OperationType};
use futures_util::{
    FutureExt, StreamExt,
    stream::{self, AbortHandle, Abortable, BoxStream, SelectAll},
};

use super::protocol::Label;
use crate::{
    config::Limits,
    domain::Actor,
    graphql::{Graph, answer::Answer, delivery::Delivery},
    http::{Lanes, graphql, guard},
};

/// What an operation has to say to its client.
pub enum Frame {
    /// A response, as JSON; more may come.
    Next(Arc<str>),
    /// The operation could not start, or was lost: errors, as a JSON array. The last frame.
    Error(Arc<str>),
    /// The last frame.
    Complete,
}

/// An operation ready to be polled.
pub struct Operation {
    frames: BoxStream<'static, Frame>,
    lasting: bool,
}

impl Operation {
    /// Prepares an operation of any kind; what is wrong with it becomes its only frame.
    pub fn start(graph: &Graph, actor: Arc<Actor>, mut request: Request, limits: &Limits, lanes: &Lanes) -> Self {
        let (frames, lasting) = match guard::admit(&mut request, limits) {
            Err(error) => (Self::refused(&Answer::refused(error)).frames, false),
            Ok(OperationType::Subscription) => {
                (subscription(graph.clone(), actor, request, limits.request_timeout), true)
            }
            Ok(kind @ (OperationType::Query | OperationType::Mutation)) => {
                let (graph, limits) = (graph.clone(), limits.clone());
                let answer =
                    lanes.clone().answer(async move { graphql::execute(&graph, actor, kind, request, &limits).await });
                (answer.map(|answer| stream::iter(result(answer.ok()))).flatten_stream().boxed(), false)
            }
        };
        Self { frames, lasting }
    }

    /// An operation that only says why there is none.
    pub fn refused(answer: &Answer) -> Self {
        Self { frames: stream::iter([Frame::Error(answer.errors_json().into())]).boxed(), lasting: false }
    }
}

/// None: the service stops, and the socket with it.
fn result(answer: Option<Answer>) -> Vec<Frame> {
    match answer {
        Some(answer) if answer.executed => vec![Frame::Next(answer.json().into()), Frame::Complete],
        Some(answer) => vec![Frame::Error(answer.errors_json().into())],
        None => Vec::new(),
    }
}

/// The answers of a subscription as frames, the last one included.
fn subscription(graph: Graph, actor: Arc<Actor>, request: Request, patience: Duration) -> BoxStream<'static, Frame> {
    // In a box of its own: what it takes to begin is given back once it has begun.
    let begun = Box::pin(async move { graphql::subscribe(&graph, &actor, request, None, patience).await });
    stream::once(begun)
        .flat_map(|begun| match begun {
            Ok(delivery) => stream::unfold(Some(delivery), frame).left_stream(),
            Err(answer) => stream::iter([Frame::Error(answer.errors_json().into())]).right_stream(),
        })
        .boxed()
}

async fn frame(delivery: Option<Delivery>) -> Option<(Frame, Option<Delivery>)> {
    let mut delivery = delivery?;
    match delivery.next().await {
        Some(frame) => Some((Frame::Next(Arc::clone(&frame.json)), Some(delivery))),
        None => Some((Frame::Complete, None)),
    }
}

/// The operations that run on one socket, by the ids that the client gave them.
#[derive(Default)]
pub struct Operations {
    running: SelectAll<BoxStream<'static, (Arc<Label>, Frame)>>,
    active: HashMap<String, Active>,
}

struct Active {
    abort: AbortHandle,
    lasting: bool,
}

impl Operations {
    /// How many run.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Whether the id is in use.
    pub fn contains(&self, id: &str) -> bool {
        self.active.contains_key(id)
    }

    /// Adds an operation under an id that is free.
    pub fn insert(&mut self, id: String, operation: Operation) {
        let (abort, registration) = AbortHandle::new_pair();
        let label = Arc::new(Label::new(id.clone()));
        let frames = operation.frames.map(move |frame| (Arc::clone(&label), frame));
        self.running.push(Abortable::new(frames, registration).boxed());
        self.active.insert(id, Active { abort, lasting: operation.lasting });
    }

    /// Ends the operation of that id, if one runs: no further frame of it comes.
    pub fn end(&mut self, id: &str) {
        if let Some(active) = self.active.remove(id) {
            active.abort.abort();
        }
    }

    /// Ends the subscriptions and leaves queries and mutations to finish.
    pub fn end_lasting(&mut self) {
        self.active.retain(|_, active| {
            if active.lasting {
                active.abort.abort();
            }
            !active.lasting
        });
    }

    /// The next frame of any operation; waits for ever while there is none. Safe to drop half-way.
    pub async fn next(&mut self) -> (Arc<Label>, Frame) {
        let Some((label, frame)) = self.running.next().await else { return std::future::pending().await };
        if !matches!(frame, Frame::Next(_)) {
            self.active.remove(&label.id);
        }
        (label, frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripted(frames: Vec<Frame>) -> Operation {
        Operation { frames: stream::iter(frames).boxed(), lasting: true }
    }

    fn endless() -> Operation {
        Operation { frames: stream::repeat_with(|| Frame::Next("1".into())).boxed(), lasting: true }
    }

    #[tokio::test]
    async fn a_busy_operation_does_not_starve_another() {
        let mut operations = Operations::default();
        operations.insert("busy".to_owned(), endless());
        operations.insert("other".to_owned(), scripted(vec![Frame::Next("2".into()), Frame::Complete]));
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(operations.next().await.0.id.clone());
        }
        assert_eq!(seen.iter().filter(|id| *id == "other").count(), 2, "{seen:?}");
        assert!(operations.contains("busy") && !operations.contains("other"));
    }

    #[tokio::test]
    async fn an_ended_operation_says_nothing_more_and_its_id_is_free() {
        let mut operations = Operations::default();
        operations.insert("a".to_owned(), endless());
        operations.next().await;
        operations.end("a");
        operations.insert("a".to_owned(), scripted(vec![Frame::Complete]));
        assert!(matches!(operations.next().await.1, Frame::Complete));
        assert!(operations.is_empty());
    }
}
