//! Operations that write at the same time, written together.
//!
//! On PostgreSQL an operation that is done by one script is one statement, and most of what that costs is neither its rows nor its indexes:
//! it is the round trip, the start of a plan with a hundred relations, the locks of these, and a commit that waits for the disk. So scripts
//! wait here while as many as there are lanes are under way, and those that differ in their values alone then go as one statement: the
//! group commit of a database, one step further up. Nobody waits for company: where a lane is free, a script goes at once.
//!
//! What goes together stands or falls together, and nobody may fail for another's sake. A statement that the server refused has done
//! nothing, so each script of it is then run alone, and gets its own verdict. Whether one has been done whose connection broke, nobody can
//! tell; all of them hear so, as each would alone.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DbErr, RuntimeErr, Statement};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Db, Error, Statements,
    script::{self, Script},
};

/// Statements under way at a time.
const LANES: usize = 3;
/// Scripts that are written together at the most. Their number is a power of two: each number is a statement of its own to be prepared.
const MOST: usize = 8;
/// Values that a statement takes: PostgreSQL counts them with 16 bits.
const VALUES: usize = 16_384;
/// How long a statement keeps its lane: a script that waits for another's lock, which it does alone, should not keep those who do not.
const PATIENCE: Duration = Duration::from_millis(50);

/// Scripts that wait for a lane.
#[derive(Default)]
pub struct Together(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    busy: usize,
}

struct Job {
    script: Script,
    /// The script as a statement of its own.
    alone: Statement,
    answer: Answer,
}

type Answer = oneshot::Sender<Result<(), Error>>;

impl Together {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a job wait; whether there is a free lane, which the caller has taken by that.
    fn join(&self, job: Job) -> bool {
        let mut state = self.state();
        state.waiting.push_back(job);
        let free = state.busy < LANES;
        state.busy += usize::from(free);
        free
    }

    /// The next that go together; none where nobody waits, and the lane is free again.
    fn next(&self) -> Option<Vec<Job>> {
        let mut state = self.state();
        let batch = state.batch();
        if batch.is_empty() {
            state.busy -= 1;
            return None;
        }
        Some(batch)
    }
}

impl State {
    /// Whoever waits longest, and others like it that change other records.
    fn batch(&mut self) -> Vec<Job> {
        self.waiting.retain(|job| !job.answer.is_closed());
        let Some(first) = self.waiting.front() else { return Vec::new() };
        let values = first.alone.values.as_ref().map_or(0, |values| values.0.len()).max(1);
        let most = MOST.min(VALUES / values).max(1);
        let mut changed: HashSet<&str> = HashSet::new();
        let alike = self.waiting.iter().enumerate().filter(|(_, job)| job.alone.sql == first.alone.sql);
        let apart = alike.filter(|(_, job)| {
            let apart = job.script.changed().iter().all(|record| !changed.contains(record.as_str()));
            if apart {
                changed.extend(job.script.changed().iter().map(String::as_str));
            }
            apart
        });
        let mut places: Vec<usize> = apart.map(|(place, _)| place).take(most).collect();
        places.truncate(1 << places.len().ilog2());
        let mut batch: Vec<Job> = places.iter().rev().filter_map(|place| self.waiting.remove(*place)).collect();
        // Whoever locks several rows locks them in one order.
        batch.sort_by(|one, other| one.script.changed().iter().min().cmp(&other.script.changed().iter().min()));
        batch
    }
}

impl Db {
    /// Runs a script in no transaction but its own, with others that come at the same time.
    pub(super) async fn together(&self, script: Script) -> Result<(), Error> {
        Statements::count_apart();
        let (answer, answered) = oneshot::channel();
        let alone = script::statement(&[&script], self.backend());
        if self.0.together.join(Job { script, alone, answer }) {
            let db = self.clone();
            tokio::spawn(async move { db.drive().await });
        }
        answered
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable(DbErr::Custom("nobody knows what became of it".to_owned()))))
    }

    /// Keeps a lane busy for as long as somebody waits.
    async fn drive(self) {
        while let Some(batch) = self.0.together.next() {
            let db = self.clone();
            let running = tokio::spawn(async move { db.run_batch(batch).await });
            // One that takes longer goes on beside the lane; and what panics has told nobody anything, who hears that.
            let _ = timeout(PATIENCE, running).await;
        }
    }

    async fn run_batch(&self, batch: Vec<Job>) {
        let verdict = match batch.as_slice() {
            [_] => None,
            several => self.run_all(several).await,
        };
        match verdict {
            Some(verdict) => {
                for job in batch {
                    self.tell(job.answer, verdict.clone());
                }
            }
            None => {
                join_all(batch.into_iter().map(|job| self.run_alone(job))).await;
            }
        }
    }

    /// Runs scripts as one; none where the server has refused that.
    async fn run_all(&self, batch: &[Job]) -> Option<Result<(), DbErr>> {
        let scripts: Vec<&Script> = batch.iter().map(|job| &job.script).collect();
        let done = self.0.writer.execute_raw(script::statement(&scripts, self.backend())).await;
        match done {
            Err(cause) if refused(&cause) => None,
            done => Some(done.map(|_| ())),
        }
    }

    async fn run_alone(&self, job: Job) {
        if job.answer.is_closed() {
            return;
        }
        let done = self.0.writer.execute_raw(job.alone).await;
        self.tell(job.answer, done.map(|_| ()));
    }

    /// Tells whoever asked. Where they have gone away meanwhile, the feed does not hear of it from them.
    fn tell(&self, answer: Answer, verdict: Result<(), DbErr>) {
        let written = verdict.is_ok();
        if answer.send(verdict.map_err(Error::from)).is_err() && written {
            self.0.appended.send_modify(|count| *count += 1);
        }
    }
}

/// Whether it is the server that says so, and not of its own end.
fn refused(cause: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = cause else {
        return false;
    };
    let refusal = cause.as_database_error();
    refusal.is_some_and(|refusal| refusal.code().is_none_or(|code| !code.starts_with("57P")))
}
