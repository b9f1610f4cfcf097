//! A group: all who ask the same, and what is executed once for all of them.
//!
//! An answer is made by whoever needs it first, while the others wait for it, and is remembered for as long as they may be a little behind
//! one another. Whoever is far behind makes its own, and so do those who are there at the same time. If a listener goes away while it makes
//! an answer, the next one makes it again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_graphql::{Request, Response, Variables, parser::types::ExecutableDocument};
use moka::future::Cache;

use super::{
    execution::{Execution, Item, Kind, Plan},
    likeness::Likeness,
};
use crate::{
    feed::{Cursor, Question},
    graphql::{Graph, answer::Answer},
};

/// Bytes of answers that a node remembers, and for how long: what an answer links to is as of when it was made.
const REMEMBERED_BYTES: u64 = 64 * 1024 * 1024;
const REMEMBERED: Duration = Duration::from_secs(5);
/// Executions that a group keeps for the next answers.
const IDLE: usize = 2;
/// How long to wait for a database that is away, before an execution is started again.
const PAUSE: Duration = Duration::from_millis(250);

/// An answer, the same for all who asked.
#[derive(Debug)]
pub struct Frame {
    /// Where to resume from after it.
    pub place: Cursor,
    /// The place as clients hold it.
    pub cursor: String,
    /// The response as JSON.
    pub json: Arc<str>,
    /// Whether nothing comes after it.
    pub is_last: bool,
}

/// The answers that a node remembers, by group and place.
pub type Frames = Cache<(u64, i64), Arc<Frame>>;

pub fn frames() -> Frames {
    let weight = |_: &(u64, i64), frame: &Arc<Frame>| u32::try_from(frame.json.len() + 256).unwrap_or(u32::MAX);
    Cache::builder().weigher(weight).max_capacity(REMEMBERED_BYTES).time_to_live(REMEMBERED).build()
}

/// All who ask the same.
pub struct Group {
    number: u64,
    likeness: Arc<Likeness>,
    /// What all of them sent, but for where each begins.
    request: Template,
    plan: Plan,
    question: Arc<Question>,
    idle: Mutex<Vec<Execution>>,
}

impl Group {
    pub fn new(number: u64, likeness: Arc<Likeness>, request: Template, plan: Plan, graph: &Graph) -> Self {
        let question = graph.feed().ask(plan.filter.clone());
        Self { number, likeness, request, plan, question, idle: Mutex::default() }
    }

    pub fn kind(&self) -> Kind {
        self.plan.kind
    }

    pub fn question(&self) -> Arc<Question> {
        Arc::clone(&self.question)
    }

    /// The answer about what lies before `place`, made now or a moment ago.
    pub async fn frame(&self, graph: &Graph, place: Cursor, item: impl FnOnce() -> Item) -> Arc<Frame> {
        let key = (self.number, place.position());
        let frames = graph.frames();
        match frames.get(&key).await {
            Some(frame) => frame,
            // In a box: whoever waits for the next event should not carry the room to make an answer.
            None => Box::pin(frames.get_with(key, self.make(graph, place, item()))).await,
        }
    }

    /// The answer about what lies before `place`, made now.
    pub async fn make(&self, graph: &Graph, place: Cursor, item: Item) -> Arc<Frame> {
        let mut execution = self.execution(graph).await;
        let (response, is_last) = execution.answer(item).await;
        if !is_last {
            self.keep(execution);
        }
        let json = Answer::of(response, graph.limits().errors).json();
        Arc::new(Frame { place, cursor: graph.feed().seal(place), json: json.into(), is_last })
    }

    /// Takes an execution back for the next answer.
    pub fn keep(&self, execution: Execution) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(execution);
        }
    }

    async fn execution(&self, graph: &Graph) -> Execution {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            if let Some(execution) = kept {
                return execution;
            }
            match self.request.start(graph, &self.likeness, Some(self.plan.clone())).await {
                Ok((execution, _)) => return execution,
                // It was started before: this can only be the database's absence.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// A request, to be run again.
pub struct Template {
    query: String,
    operation: Option<String>,
    variables: Variables,
    document: ExecutableDocument,
}

impl Template {
    pub fn new(request: Request, document: ExecutableDocument) -> Self {
        Self { query: request.query, operation: request.operation_name, variables: request.variables, document }
    }

    pub async fn start(
        &self,
        graph: &Graph,
        likeness: &Likeness,
        plan: Option<Plan>,
    ) -> Result<(Execution, Plan), Box<Response>> {
        let mut request = Request::new(&self.query).variables(self.variables.clone());
        request.operation_name.clone_from(&self.operation);
        request.set_parsed_query(self.document.clone());
        let audience = Arc::clone(&likeness.audience);
        Execution::start(|request| graph.run(audience, request), request, plan).await
    }
}
