//! A provisioner: takes work, creates or removes the record downstream, and reports what came of it.
//!
//! It may be killed at any line, and is stopped in no other way; several may run at once. It keeps nothing itself. Where it dies
//!
//! - before it has claimed: nobody has the work, and the next worker takes it;
//! - after it has claimed, or in the middle of creating: the lease runs out, and the next worker is given the same reference, under which the
//!   record is created once, or found;
//! - after it has created, before it has reported: the same, and the record is found;
//! - after it has reported: all is done.

mod api;
mod downstream;

use std::{
    env,
    path::PathBuf,
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use api::{Error, Job, Operation, Service};
use downstream::{Downstream, Trouble};

/// Assignments that are taken at once.
const BATCH: i64 = 10;
/// How long to wait when there is nothing to do.
const IDLE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match run() {
        Ok(never) => match never {},
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<std::convert::Infallible, String> {
    let key = env::var("CLAIMCHECK_KEY").map_err(|_| "CLAIMCHECK_KEY must be set: see README.md")?;
    let url = env::var("CLAIMCHECK_URL").unwrap_or_else(|_| "http://127.0.0.1:8000".to_owned());
    let directory = PathBuf::from(env::var("DOWNSTREAM_DIRECTORY").unwrap_or_else(|_| "downstream".to_owned()));
    let lease = Duration::from_secs(number("LEASE_SECONDS", 60)?);
    let latency = Duration::from_millis(number("DOWNSTREAM_MILLISECONDS", 50)?);
    let downstream =
        Downstream::open(&directory, latency).map_err(|error| format!("{}: {error}", directory.display()))?;
    let worker = Worker { service: Service::new(&url, &key), downstream, lease };
    loop {
        let claimed = Instant::now();
        let jobs = worker.service.claim(BATCH, lease).map_err(|error| error.to_string())?;
        if jobs.is_empty() {
            sleep(IDLE);
        }
        for job in jobs {
            match worker.work(&job, claimed) {
                Ok(()) => {}
                // Whoever has it now finds what this worker has left, by the reference.
                Err(Error::Lost) => eprintln!("{}: {}", job.idempotency_reference, Error::Lost),
                Err(Error::Refused(message)) => return Err(message),
            }
        }
    }
}

struct Worker {
    service: Service,
    downstream: Downstream,
    lease: Duration,
}

impl Worker {
    /// Does one piece of work that was taken at `claimed`, and reports.
    fn work(&self, job: &Job, claimed: Instant) -> Result<(), Error> {
        let attempt = &job.attempt.id;
        // It has waited for others of its batch: is it this worker's still, and for long enough?
        if claimed.elapsed() > self.lease / 2 {
            self.service.extend(attempt, self.lease)?;
        }
        let (reference, assignment) = (&job.idempotency_reference, &job.assignment);
        if job.former_outcome_unknown {
            eprintln!("{reference}: somebody has begun this and not said what came of it");
        }
        // A former try that nobody knows the outcome of needs no question of its own: creating asks it.
        let outcome = match &job.attempt.operation {
            Operation::PROVISION => {
                let account = assignment.account.as_ref().map_or("", |account| &account.external_reference);
                let product = &assignment.entitlement.product.sku;
                self.downstream.create(reference, account, product, assignment.resource.as_deref()).map(Some)
            }
            Operation::DEPROVISION => match &assignment.external_reference {
                Some(id) => self.downstream.remove(id).map(|()| None),
                None => Ok(None),
            },
            Operation::Other(name) => Err(Trouble::Lasting(format!("this worker knows no operation {name}"))),
        };
        match outcome {
            Ok(id) => self.service.complete(attempt, id),
            Err(Trouble::Passing(reason)) => self.service.fail(attempt, reason, true),
            Err(Trouble::Lasting(reason)) => self.service.fail(attempt, reason, false),
        }
    }
}

fn number(variable: &str, default: u64) -> Result<u64, String> {
    let Ok(text) = env::var(variable) else { return Ok(default) };
    text.parse().map_err(|_| format!("{variable} must be a whole number"))
}
