//! Random sequences of everything that can be done, against a small model of the design.
//!
//! Each sequence is done twice: by the model, which knows the design's tables and nothing of the service, and by the real operations over
//! a real database. After every step both must give the same answer and the same picture: the states of units, codes, holds, assignments,
//! attempts, exceptions and orders, their deadlines, what may be done next, and the statistics. At the end of a run the whole database is
//! verified. Sequences of a run share a database and have products, orders and accounts of their own.
//!
//! A run tries 250 sequences on each engine, the same ones every time. `CLAIMCHECK_TEST_SEQUENCES` asks for more or fewer, and
//! `CLAIMCHECK_TEST_SEED` for others. What fails is shrunk to the shortest sequence that does.

#![expect(clippy::expect_used, reason = "a test that fails should panic")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a rule names what it allows, and refuses the rest")]

mod command;
#[path = "../it/harness/mod.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "the other tests' needs are wider")]
mod harness;
mod rule;
mod seen;
mod service;
mod state;
mod step;
mod tried;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use claimcheck::{
    clock::Clock,
    domain::verify,
    id::Ids,
    service::finish_pending,
    store::{Db, Settings},
};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine as _;

use crate::{
    command::Command,
    harness::{Database, both_engines},
    seen::Seen,
    service::{Service, Session},
    state::Model,
    step::{Machine, Step},
    tried::Tried,
};

const START: &str = "2030-01-01T12:00:00Z";
const SEQUENCES: u32 = 250;
const LENGTH: std::ops::RangeInclusive<usize> = 10..=50;

fn main() -> std::process::ExitCode {
    harness::main([both_engines![the_service_does_what_the_design_says]])
}

async fn the_service_does_what_the_design_says(database: Database) {
    let start: DateTime<Utc> = START.parse().expect("a moment");
    let settings = Settings {
        provisioning_attempts: i32::try_from(state::FAILURES).expect("a small number"),
        ..Settings::default()
    };
    let db = Db::open(database.url(), 4, Clock::fixed(start), Ids::seeded(1), settings).await.expect("a database");
    db.open_keys(&database.directory().join("claimcheck.keys")).await.expect("keys");
    let service = Service::open(db.clone()).await;
    let explored = tokio::task::block_in_place(|| explore(service));
    sound(&db).await;
    db.close().await;
    if let Err(failure) = explored {
        panic!("{failure}");
    }
}

/// Tries sequence after sequence; the shortest one that fails, if any does.
fn explore(service: Service) -> Result<(), String> {
    let sequences =
        harness::variable("CLAIMCHECK_TEST_SEQUENCES").map_or(SEQUENCES, |text| text.parse().expect("a number"));
    let seed: u64 = harness::variable("CLAIMCHECK_TEST_SEED").map_or(1, |text| text.parse().expect("a number"));
    let config = Config { cases: sequences, failure_persistence: None, max_shrink_time: 60_000, ..Config::default() };
    let mut bytes = [0; 32];
    for (byte, of_seed) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *byte = of_seed;
    }
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let (service, tried) = (std::cell::RefCell::new(service), Tried::default());
    let outcome = runner.run(&Machine::sequential_strategy(LENGTH), |(model, steps, seen)| {
        let seen = seen.unwrap_or_default();
        let mut service = service.borrow_mut();
        let run = follow(&mut service, model, &steps, (&seen, &tried));
        tokio::runtime::Handle::current().block_on(run).map_err(proptest::test_runner::TestCaseError::fail)
    });
    match outcome {
        Ok(()) if sequences < SEQUENCES => Ok(()),
        Ok(()) => tried.everything(),
        Err(TestError::Fail(why, (model, steps, _))) => {
            let steps: Vec<String> = steps.iter().map(|step| format!("  {step:?}")).collect();
            Err(format!("{why}\nunder {:#?}\nafter\n{}", model.terms, steps.join("\n")))
        }
        Err(other) => Err(other.to_string()),
    }
}

/// Does a sequence on both sides.
async fn follow(
    service: &mut Service,
    mut model: Model,
    steps: &[Step],
    (count, tried): (&AtomicUsize, &Tried),
) -> Result<(), String> {
    let mut session = service.session(&model.terms).await;
    let (mut seen, _) = Seen::read(&session).await;
    for step in steps {
        count.fetch_add(1, Ordering::SeqCst);
        let again = match step {
            Step::Repeat { done } => model.forgotten(*done).cloned().map(|step| (*done, step)),
            _ => None,
        };
        let expected = model.perform(step);
        tried.note(step, expected);
        let done = perform(&mut session, step, again, (&seen, &model)).await?;
        if done != expected {
            return Err(format!("{step:?} gives {done:?}, and the design says {expected:?}"));
        }
        let picture;
        (seen, picture) = Seen::read(&session).await;
        let expected = model.picture();
        if picture != expected {
            return Err(format!("after {step:?} it is {picture:#?}\nand the design says {expected:#?}"));
        }
        if !seen.references_agree() {
            return Err(format!("after {step:?} attempts of one operation have several references"));
        }
        session.learn(&seen.live_codes()).await;
    }
    Ok(())
}

/// Has the service do a step; `again` is the one that it repeats, and its place, where the first time is forgotten.
async fn perform(
    session: &mut Session<'_>,
    step: &Step,
    again: Option<(usize, Step)>,
    (seen, model): (&Seen, &Model),
) -> Result<rule::Outcome, String> {
    match step {
        Step::Wait { seconds } => {
            let seconds = u64::try_from(*seconds).expect("time goes one way");
            session.service.db.clock().advance(Duration::from_secs(seconds));
            return Ok(Ok(()));
        }
        Step::Sweep => {
            session.service.sweep().await;
            return Ok(Ok(()));
        }
        Step::Repeat { done } if again.is_none() => return session.repeat(*done).await.map(Ok),
        _ => {}
    }
    let (place, step) = again.map_or((None, step.clone()), |(place, step)| (Some(place), step));
    let Some(command) = Command::of(&step, session, seen) else { return Ok(Ok(())) };
    let answer = match session.request(command, place).await {
        Ok(answer) => answer,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !step.keyed() {
        session.done.pop();
    }
    if let Some(order) = answer.order {
        let units = seen::units_of(&session.service.db, order).await;
        session.units.extend(units);
    }
    if let Some(claimed) = answer.claimed {
        let unknown = claimed.attempts.iter().filter(|attempt| attempt.former_unknown).count();
        if unknown != model.unknown {
            return Err(format!(
                "{unknown} attempts follow one without a report, and the design says {}",
                model.unknown
            ));
        }
    }
    Ok(Ok(()))
}

/// Fails where something does not hold that always must.
async fn sound(db: &Db) {
    finish_pending(db).await.expect("numbered events");
    for check in verify::CHECKS {
        let breaches = check.run(db).await.expect("a check");
        assert!(breaches.is_empty(), "{}: {breaches:?}", check.holds);
    }
}
