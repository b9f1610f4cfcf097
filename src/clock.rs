//! The only caller of the system's clock.
//!
//! Every moment is in UTC and has microseconds, the precision both engines keep, so that what was written compares equal to what is read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// How far the clocks of two nodes may be apart.
pub const APART: TimeDelta = TimeDelta::minutes(5);

/// The time: the system's, or one that a test holds still and moves by hand.
#[derive(Clone, Default)]
pub struct Clock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `moment` until it is advanced; clones move together.
    pub fn fixed(moment: DateTime<Utc>) -> Self {
        Self(Source::Fixed(Arc::new(AtomicI64::new(moment.timestamp_micros()))))
    }

    /// The present moment, in whole microseconds.
    #[expect(clippy::disallowed_methods, reason = "the one place where the system is asked for the time")]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System => Utc::now().trunc_subsecs(6),
            Source::Fixed(micros) => DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or_default(),
        }
    }

    /// Sets a fixed clock, to whatever moment. The system's clock goes its own way.
    pub fn set(&self, moment: DateTime<Utc>) {
        if let Source::Fixed(micros) = &self.0 {
            micros.store(moment.timestamp_micros(), Ordering::SeqCst);
        }
    }

    /// Moves a fixed clock forward. The system's clock goes its own way.
    pub fn advance(&self, by: Duration) {
        if let Source::Fixed(micros) = &self.0 {
            micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}
