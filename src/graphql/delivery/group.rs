//! A group: all who ask the same, and what is executed once for all of them.
//!
//! A group has a driver, which waits for what the question wants, has the answer made, and only then wakes those who wait: each of them then
//! finds an answer to write. An answer is remembered for as long as they may be a little behind one another. Whoever is far behind has its
//! own made, together with those who are there at the same time. Answers are made by tasks of their own on the lane of requests: on that of
//! delivery each wait for the database would queue behind everybody's frames, and a listener whose client takes nothing would keep others
//! waiting for what it began.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};

use async_graphql::{Request, Response, Variables, parser::types::ExecutableDocument};
use moka::future::Cache;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{
    Known,
    execution::{Execution, Item, Kind, Plan, panicked},
    likeness::Likeness,
};
use crate::{
    feed::{Cursor, Listener, Question},
    graphql::{Graph, answer::Answer},
};

/// Bytes of answers that a node remembers, and for how long: what an answer links to is as of when it was made.
const REMEMBERED_BYTES: u64 = 64 * 1024 * 1024;
const REMEMBERED: Duration = Duration::from_secs(5);
/// Executions that a group keeps for the next answers.
const IDLE: usize = 2;
/// Room for groups that is worth giving back.
const SPARE: usize = 1_024;
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

impl Frame {
    /// What is told where making an answer has failed for a defect.
    pub fn broken(graph: &Graph, place: Cursor) -> Arc<Self> {
        Self::new(graph, place, panicked(), true)
    }

    fn new(graph: &Graph, place: Cursor, response: Response, is_last: bool) -> Arc<Self> {
        let json = Answer::of(response, graph.errors()).json();
        Arc::new(Self { place, cursor: graph.feed().seal(place), json: json.into(), is_last })
    }
}

/// An answer that is being made, for as long as somebody waits for it.
pub type Making = AbortOnDropHandle<Arc<Frame>>;

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
    /// Where it is known.
    known: Known,
    /// What all of them sent, but for where each begins.
    request: Template,
    plan: Plan,
    question: Arc<Question>,
    idle: Mutex<Vec<Execution>>,
    /// Moves when the driver has had an answer made.
    made: watch::Receiver<()>,
    driver: OnceLock<AbortOnDropHandle<()>>,
}

impl Group {
    pub fn new(
        number: u64,
        likeness: Arc<Likeness>,
        known: Known,
        request: Template,
        plan: Plan,
        graph: &Graph,
    ) -> Arc<Self> {
        let question = graph.feed().ask(plan.filter.clone());
        let (idle, driver) = (Mutex::default(), OnceLock::new());
        let (told, made) = watch::channel(());
        let group = Arc::new(Self { number, likeness, known, request, plan, question, idle, made, driver });
        // Not from the head, which may have moved on since: whoever listens may stand before it.
        let listener = graph.feed().listen(group.question(), group.question.asked());
        let drive = Self::drive(Arc::downgrade(&group), graph.clone(), listener, told);
        let _ = group.driver.set(AbortOnDropHandle::new(graph.lane().spawn(drive)));
        group
    }

    /// Has answers made as soon as there is something to answer about, for as long as there is the group.
    async fn drive(group: Weak<Self>, graph: Graph, mut listener: Listener, told: watch::Sender<()>) {
        loop {
            // It stays the next one until it is passed.
            listener.next().await;
            let Some(group) = group.upgrade() else { return };
            group.next(&graph, &mut listener).await;
            told.send_replace(());
        }
    }

    /// Waits until there is something for `listener`. Safe to drop half-way.
    pub async fn turn(&self, listener: &Listener) {
        let mut made = self.made.clone();
        made.mark_unchanged();
        while listener.is_idle() {
            if made.changed().await.is_err() {
                // Without a driver each has to wait for itself.
                return;
            }
        }
    }

    /// The next answer for `listener`, as soon as there is something to answer about. Safe to drop half-way.
    pub async fn next(self: &Arc<Self>, graph: &Graph, listener: &mut Listener) -> Arc<Frame> {
        match self.kind() {
            Kind::Events => {
                let entry = listener.next().await;
                let place = listener.place().at(entry.position, entry.event.id);
                let frame = self.frame(graph, place, || Item::Event(entry)).await;
                listener.pass();
                frame
            }
            Kind::State => {
                let place = listener.changed().await;
                let frame = self.frame(graph, place, || Item::State).await;
                listener.pass_to(place);
                frame
            }
        }
    }

    pub fn kind(&self) -> Kind {
        self.plan.kind
    }

    pub fn question(&self) -> Arc<Question> {
        Arc::clone(&self.question)
    }

    /// The answer about what lies before `place`, made now or a moment ago.
    async fn frame(self: &Arc<Self>, graph: &Graph, place: Cursor, item: impl FnOnce() -> Item) -> Arc<Frame> {
        let key = (self.number, place.position());
        if let Some(frame) = graph.frames().get(&key).await {
            return frame;
        }
        let (group, own, item) = (Arc::clone(self), graph.clone(), item());
        // To its end, whoever goes away: others may wait for it.
        let made = graph.lane().spawn(async move {
            let frames = own.frames().clone();
            frames.get_with(key, group.answer(&own, place, item)).await
        });
        made.await.unwrap_or_else(|_panic| Frame::broken(graph, place))
    }

    /// The answer about what lies before `place`, made from now on and for whoever asks alone.
    pub fn make(self: &Arc<Self>, graph: &Graph, place: Cursor) -> Making {
        let (group, own) = (Arc::clone(self), graph.clone());
        AbortOnDropHandle::new(graph.lane().spawn(async move { group.answer(&own, place, Item::State).await }))
    }

    async fn answer(&self, graph: &Graph, place: Cursor, item: Item) -> Arc<Frame> {
        let mut execution = self.execution(graph).await;
        let (response, is_last) = execution.answer(item).await;
        if !is_last {
            self.keep(execution);
        }
        Frame::new(graph, place, response, is_last)
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

impl Drop for Group {
    fn drop(&mut self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Another one may have taken its place.
        if known.get(&self.likeness).is_some_and(|group| group.strong_count() == 0) {
            known.remove(&self.likeness);
            if known.capacity() > SPARE && known.len() < known.capacity() / 4 {
                known.shrink_to_fit();
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
