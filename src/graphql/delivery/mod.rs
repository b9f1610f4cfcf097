//! Delivery: what subscriptions are answered with, executed once for all who ask the same.
//!
//! Subscriptions of one document, one set of variables (but for where to begin) and one audience form a [`Group`]. A [`Delivery`] is one
//! listener's place and its group: it waits until the group's question wants something, and takes the group's answer about it. So the cost of
//! an event grows with the different questions, and each listener adds the writing of its frame. Resuming is the same as listening, from
//! further back; there is no moment at which a listener changes from the one to the other.

mod execution;
mod group;
mod likeness;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use async_graphql::{PathSegment, Request, Response, ServerError};
use tokio::sync::Semaphore;

pub use self::{
    execution::{Item, Kind, Plan, Seat},
    group::{Frame, Frames},
};
use self::{
    group::{Group, Making, Template},
    likeness::{After, Asked, Likeness},
};
use super::{Graph, answer::Answer, error::Fault};
use crate::{
    domain::Actor,
    feed::{Cursor, Listener},
};

/// Subscriptions that are begun at a time: of a crowd, the first of each group does the work and the others find it done.
const BEGINNING: usize = 8;

/// The groups of a node, by what is asked; each forgets itself when nobody is in it any more.
type Known = Arc<Mutex<HashMap<Arc<Likeness>, Weak<Group>>>>;

/// The groups of a node, and what they have in common.
pub struct Groups {
    known: Known,
    count: AtomicU64,
    beginning: Semaphore,
    pub frames: Frames,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            known: Known::default(),
            count: AtomicU64::new(0),
            beginning: Semaphore::new(BEGINNING),
            frames: group::frames(),
        }
    }
}

impl Groups {
    /// How many there are, and how many are in them: each listener holds its group once.
    pub fn count(&self) -> (usize, usize) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let listeners = known.values().map(Weak::strong_count).filter(|listeners| *listeners > 0);
        listeners.fold((0, 0), |(groups, all), listeners| (groups + 1, all + listeners))
    }

    fn find(&self, likeness: &Likeness) -> Option<Arc<Group>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(likeness)?.upgrade()
    }

    /// The group of `likeness`: the one there is, or the one that `make` makes.
    fn join(&self, likeness: Likeness, make: impl FnOnce(u64, Arc<Likeness>, Known) -> Arc<Group>) -> Arc<Group> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = known.get(&likeness).and_then(Weak::upgrade) {
            return group;
        }
        let likeness = Arc::new(likeness);
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let group = make(number, Arc::clone(&likeness), Arc::clone(&self.known));
        known.insert(likeness, Arc::downgrade(&group));
        group
    }
}

/// A subscription of one listener.
pub struct Delivery {
    graph: Graph,
    group: Arc<Group>,
    listener: Listener,
    /// Whether the present state is still to be given, before any change of it.
    first: bool,
    /// It, being made.
    making: Option<Making>,
    ended: bool,
}

impl Delivery {
    /// Begins a subscription, after `resume` where it is given and where the request says otherwise; or says why it cannot.
    pub async fn begin(
        graph: &Graph,
        actor: &Actor,
        mut request: Request,
        resume: Option<String>,
    ) -> Result<Self, Answer> {
        // Before anything is read: what happens from here on is not missed.
        let head = graph.feed().head();
        let refused = |error: ServerError| Answer::of(Response::from_errors(vec![error]), graph.errors());
        let document = request.parsed_query().map_err(refused)?.clone();
        let Asked { likeness, after, at, key } = Asked::of(Arc::new(actor.audience()), &mut request, &document);
        if likeness.is_too_large() {
            let fault = Fault::LimitExceeded("A subscription and its variables may have 32 KiB together.".to_owned());
            return Err(refused(async_graphql::Error::from(fault).into_server_error(at)));
        }
        let group = match graph.groups().find(&likeness) {
            Some(group) => group,
            None => Self::group(graph, likeness, Template::new(request, document)).await?,
        };
        let cursor = match (resume, after) {
            (Some(cursor), _) | (None, After::Cursor(cursor)) => cursor,
            (None, After::Now) => return Ok(Self::new(graph, group, head)),
        };
        let resumed = graph.feed().resume(&cursor).await;
        let from = resumed.map_err(|error| {
            let error = async_graphql::Error::from(Fault::from(error)).into_server_error(at);
            refused(error.with_path(vec![PathSegment::Field(key)]))
        })?;
        Ok(Self::new(graph, group, from))
    }

    /// The group of a question that nobody asked a moment ago.
    async fn group(graph: &Graph, likeness: Likeness, template: Template) -> Result<Arc<Group>, Answer> {
        let groups = graph.groups();
        let _permit = groups.beginning.acquire().await;
        if let Some(group) = groups.find(&likeness) {
            return Ok(group);
        }
        let started = template.start(graph, &likeness, None).await;
        let (execution, plan) = started.map_err(|refusal| Answer::of(*refusal, graph.errors()))?;
        let make = |number, likeness, known| Group::new(number, likeness, known, template, plan, graph);
        let group = groups.join(likeness, make);
        group.keep(execution);
        Ok(group)
    }

    fn new(graph: &Graph, group: Arc<Group>, from: Cursor) -> Self {
        let listener = graph.feed().listen(group.question(), from);
        let first = group.kind() == Kind::State;
        Self { graph: graph.clone(), group, listener, first, making: None, ended: false }
    }

    /// The next answer, as soon as there is one; none after the last. Safe to drop half-way.
    pub async fn next(&mut self) -> Option<Arc<Frame>> {
        if self.ended {
            return None;
        }
        let frame = if self.first {
            // Made for this listener alone: what it has itself just done, it is shown. It goes on being made where whoever waits looks
            // up in between.
            let place = self.listener.place();
            let making = self.making.get_or_insert_with(|| self.group.make(&self.graph, place));
            let frame = making.await.unwrap_or_else(|_panic| Frame::broken(&self.graph, place));
            (self.first, self.making) = (false, None);
            frame
        } else {
            self.group.turn(&self.listener).await;
            self.group.next(&self.graph, &mut self.listener).await
        };
        self.ended = frame.is_last;
        Some(frame)
    }

    /// Whether the last answer was given.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The place to resume from as clients hold it: after the last answer, and after all that has been looked at since.
    pub fn cursor(&self) -> String {
        self.graph.feed().seal(self.listener.place())
    }
}
