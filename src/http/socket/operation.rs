//! The operations of one socket: each a stream of frames, all polled in turn.
//!
//! An operation's frames carry text that is already serialised, wherever it was made; whether it was made for this
//! operation or for many that ask the same does not show here. The streams are polled round-robin as they become ready,
//! one frame each, so that a busy one does not starve its neighbours; and only when the socket can take a frame, so
//! that a slow socket holds its own operations back and nothing piles up. A panic ends the operation it happened in.

use std::{collections::HashMap, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use async_graphql::{Request, Response, parser::types::OperationType};
use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{self, AbortHandle, Abortable, BoxStream, Peekable, SelectAll},
};

use super::protocol::Label;
use crate::{
    config::Limits,
    domain::Actor,
    graphql::Graph,
    http::{
        answer::{Answer, INTERNAL, refusal},
        graphql::execute,
        guard,
    },
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
    pub fn start(graph: &Graph, actor: Arc<Actor>, mut request: Request, limits: &Limits) -> Self {
        let (frames, lasting) = match guard::admit(&mut request, limits) {
            Err(error) => (Self::refused(&Answer::refused(error)).frames, false),
            Ok(OperationType::Subscription) => (subscription(graph.subscribe(actor, request), limits.errors), true),
            Ok(OperationType::Query | OperationType::Mutation) => {
                let (graph, limits) = (graph.clone(), limits.clone());
                let answer = async move { execute(&graph, actor, request, &limits).await };
                (answer.map(|answer| stream::iter(result(&answer))).flatten_stream().boxed(), false)
            }
        };
        Self { frames, lasting }
    }

    /// An operation that only says why there is none.
    pub fn refused(answer: &Answer) -> Self {
        Self { frames: stream::iter([Frame::Error(answer.errors_json().into())]).boxed(), lasting: false }
    }
}

fn result(answer: &Answer) -> Vec<Frame> {
    if answer.executed {
        vec![Frame::Next(answer.json().into()), Frame::Complete]
    } else {
        vec![Frame::Error(answer.errors_json().into())]
    }
}

/// The responses of a subscription as frames, the last one included.
fn subscription(responses: BoxStream<'static, Response>, most_errors: usize) -> BoxStream<'static, Frame> {
    let guarded = AssertUnwindSafe(responses).catch_unwind().map(move |response| match response {
        Ok(response) => Answer::of(response, most_errors),
        Err(_panic) => {
            tracing::error!("a subscription panicked");
            Answer::refused(refusal(INTERNAL, "The service failed to run this operation."))
        }
    });
    stream::unfold(Some((guarded.boxed().peekable(), true)), |state| async move {
        let (mut answers, first) = state?;
        let frame = match answers.next().await {
            None => return Some((Frame::Complete, None)),
            // A stream whose first response has no data and is its last one never had a source: that is an error, not a
            // result.
            Some(answer) if first && answer.is_without_data() && has_ended(&mut answers) => {
                Frame::Error(answer.errors_json().into())
            }
            Some(answer) if !answer.executed => Frame::Error(answer.errors_json().into()),
            Some(answer) => return Some((Frame::Next(answer.json().into()), Some((answers, false)))),
        };
        Some((frame, None))
    })
    .boxed()
}

/// Whether the stream says at once that nothing more comes; what it says instead stays in it.
fn has_ended<S: Stream + Unpin>(answers: &mut Peekable<S>) -> bool {
    matches!(Pin::new(answers).peek().now_or_never(), Some(None))
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
    use async_graphql::{ServerError, value};

    use super::*;

    fn scripted(frames: Vec<Frame>) -> Operation {
        Operation { frames: stream::iter(frames).boxed(), lasting: true }
    }

    fn endless() -> Operation {
        Operation { frames: stream::repeat_with(|| Frame::Next("1".into())).boxed(), lasting: true }
    }

    async fn kinds(responses: Vec<Response>) -> Vec<&'static str> {
        let frames = subscription(stream::iter(responses).boxed(), 10);
        let kind = |frame| match frame {
            Frame::Next(_) => "next",
            Frame::Error(_) => "error",
            Frame::Complete => "complete",
        };
        frames.map(kind).collect().await
    }

    fn response() -> Response {
        Response::new(value!({ "a": 1 }))
    }

    fn failure(path: Option<&str>) -> Response {
        let path = path.map(|field| async_graphql::PathSegment::Field(field.to_owned())).into_iter().collect();
        Response::from_errors(vec![ServerError::new("no", None).with_path(path)])
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

    #[tokio::test]
    async fn a_subscription_without_a_source_is_an_error_and_a_later_failure_is_a_result() {
        assert_eq!(kinds(vec![response(), response()]).await, ["next", "next", "complete"]);
        assert_eq!(kinds(vec![]).await, ["complete"]);
        assert_eq!(kinds(vec![failure(None)]).await, ["error"]);
        assert_eq!(kinds(vec![failure(Some("a"))]).await, ["error"]);
        assert_eq!(kinds(vec![response(), failure(Some("a"))]).await, ["next", "next", "complete"]);
        assert_eq!(
            kinds(vec![failure(Some("a")), response()]).await,
            ["next", "next", "complete"],
            "an event that fails is not lost"
        );
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_operation() {
        let panics = stream::iter([1]).map(|_| -> Response { panic!("as this test wants") }).boxed();
        let frames: Vec<Frame> = subscription(panics, 10).collect().await;
        assert!(matches!(frames.as_slice(), [Frame::Error(errors)] if errors.contains("INTERNAL")));
    }
}
