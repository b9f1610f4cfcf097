//! Situations: terms of sale, and what is done to all units of a desk under them.

use std::time::Duration;

use serde_json::{Value, json};

use self::Step::{Assign, Claim, Complete, Day, Fail, Hour, Reissue, Release, Reserve, Revoke, Suspend, Sweep};
use super::Sample;
use crate::harness::{
    Desk,
    desk::{act, release},
};

/// What is done to every unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Reserve,
    Assign,
    Claim,
    Complete,
    Fail,
    Release,
    Suspend,
    Revoke,
    Reissue,
    Hour,
    Day,
    Sweep,
}

/// A situation that a unit can be in.
pub struct Situation {
    pub name: &'static str,
    /// The state of a unit, as [`Desk::state`] writes it, without its code.
    state: &'static str,
    /// The members of its policy that differ from the defaults.
    policy: &'static str,
    steps: &'static [Step],
}

const fn situation(name: &'static str, state: &'static str, policy: &'static str, steps: &'static [Step]) -> Situation {
    Situation { name, state, policy, steps }
}

const ASKS: &str = r#"{"requiredInput": ["seat"]}"#;
const EXTERNAL: &str = r#"{"provisioning": "EXTERNAL"}"#;
const BRIEF: &str = r#"{"validForDays": 1}"#;
const BRIEF_EXTERNAL: &str = r#"{"validForDays": 1, "provisioning": "EXTERNAL"}"#;

pub const FREE: &[Situation] = &[
    situation("never claimed", "UNASSIGNED / none", "{}", &[]),
    situation("given back", "UNASSIGNED / none", "{}", &[Assign, Release]),
    situation("without codes", "UNASSIGNED / none", r#"{"issuesCodes": false}"#, &[]),
    situation("not to be handed on", "UNASSIGNED / none", r#"{"transferable": false}"#, &[]),
    situation("held", "RESERVED / none", "{}", &[Reserve]),
    situation("held until now", "RESERVED / none", r#"{"reservationMinutes": 10}"#, &[Reserve, Hour]),
];

pub const ASSIGNED: &[Situation] = &[
    situation("waits for input", "ASSIGNED / AWAITING_INPUT", ASKS, &[Assign]),
    situation("waits for a worker", "ASSIGNED / PENDING", EXTERNAL, &[Assign]),
    situation("is worked on", "ASSIGNED / PROVISIONING", EXTERNAL, &[Assign, Claim]),
    situation("is to end after that", "ASSIGNED / PROVISIONING", EXTERNAL, &[Assign, Claim, Release]),
    situation("failed", "ASSIGNED / FAILED", EXTERNAL, &[Assign, Claim, Fail]),
];

pub const ACTIVE: &[Situation] = &[
    situation("in use", "ACTIVE / ACTIVE", "{}", &[Assign]),
    situation("in use for good", "ACTIVE / ACTIVE", r#"{"reassignable": false}"#, &[Assign]),
    situation("in use outside", "ACTIVE / ACTIVE", EXTERNAL, &[Assign, Claim, Complete]),
    situation("taken down", "ACTIVE / DEPROVISIONING", EXTERNAL, &[Assign, Claim, Complete, Release]),
    situation(
        "taken down by somebody",
        "ACTIVE / DEPROVISIONING",
        EXTERNAL,
        &[Assign, Claim, Complete, Release, Claim],
    ),
    situation(
        "not taken down",
        "ACTIVE / DEPROVISION_FAILED",
        EXTERNAL,
        &[Assign, Claim, Complete, Release, Claim, Fail],
    ),
];

pub const SUSPENDED: &[Situation] = &[
    situation("nobody's", "SUSPENDED / none", "{}", &[Suspend]),
    situation("was held", "SUSPENDED / none", "{}", &[Reserve, Suspend]),
    situation("waits for input", "SUSPENDED / AWAITING_INPUT", ASKS, &[Assign, Suspend]),
    situation("waits for a worker", "SUSPENDED / PENDING", EXTERNAL, &[Assign, Suspend]),
    situation("is worked on", "SUSPENDED / PROVISIONING", EXTERNAL, &[Assign, Claim, Suspend]),
    situation("is to end after that", "SUSPENDED / PROVISIONING", EXTERNAL, &[Assign, Claim, Release, Suspend]),
    situation("failed", "SUSPENDED / FAILED", EXTERNAL, &[Assign, Claim, Fail, Suspend]),
    situation("in use", "SUSPENDED / ACTIVE", "{}", &[Assign, Suspend]),
    situation("in use outside", "SUSPENDED / ACTIVE", EXTERNAL, &[Assign, Claim, Complete, Suspend]),
    situation("taken down", "SUSPENDED / DEPROVISIONING", EXTERNAL, &[Assign, Claim, Complete, Release, Suspend]),
    situation(
        "not taken down",
        "SUSPENDED / DEPROVISION_FAILED",
        EXTERNAL,
        &[Assign, Claim, Complete, Release, Claim, Fail, Suspend],
    ),
    situation(
        "was taken down",
        "SUSPENDED / none",
        EXTERNAL,
        &[Assign, Claim, Complete, Release, Claim, Suspend, Complete],
    ),
];

pub const ENDED: &[Situation] = &[
    situation("revoked", "REVOKED / none", "{}", &[Revoke]),
    situation("revoked in use", "REVOKED / none", "{}", &[Assign, Revoke]),
    situation("revoked and worked on", "REVOKED / PROVISIONING", EXTERNAL, &[Assign, Claim, Revoke]),
    situation("revoked and taken down", "REVOKED / DEPROVISIONING", EXTERNAL, &[Assign, Claim, Complete, Revoke]),
    situation(
        "revoked and not taken down",
        "REVOKED / DEPROVISION_FAILED",
        EXTERNAL,
        &[Assign, Claim, Complete, Revoke, Claim, Fail],
    ),
    situation("replaced", "REVOKED / none", "{}", &[Reissue]),
    situation("past its end", "UNASSIGNED / none", BRIEF, &[Day]),
    situation("held past its end", "RESERVED / none", BRIEF, &[Reserve, Day]),
    situation("in use past its end", "ACTIVE / ACTIVE", BRIEF, &[Assign, Day]),
    situation("suspended past its end", "SUSPENDED / ACTIVE", BRIEF, &[Assign, Suspend, Day]),
    situation("waits past its end", "ASSIGNED / PENDING", BRIEF_EXTERNAL, &[Assign, Day]),
    situation("worked on past its end", "ASSIGNED / PROVISIONING", BRIEF_EXTERNAL, &[Assign, Claim, Day]),
    situation("in use outside past its end", "ACTIVE / ACTIVE", BRIEF_EXTERNAL, &[Assign, Claim, Complete, Day]),
    situation("expired", "EXPIRED / none", BRIEF, &[Day, Sweep]),
    situation("expired in use", "EXPIRED / none", BRIEF, &[Assign, Day, Sweep]),
    situation("expired and worked on", "EXPIRED / PROVISIONING", BRIEF_EXTERNAL, &[Assign, Claim, Day, Sweep]),
    situation(
        "expired and taken down",
        "EXPIRED / DEPROVISIONING",
        BRIEF_EXTERNAL,
        &[Assign, Claim, Complete, Day, Sweep],
    ),
    situation("expired and replaced", "EXPIRED / none", BRIEF, &[Day, Reissue]),
];

impl Situation {
    pub fn policy(&self) -> Value {
        serde_json::from_str(self.policy).expect("JSON")
    }

    /// Whether time passes in it: a sweep may come by.
    pub fn takes_time(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Hour | Day))
    }

    /// Brings all units of a desk into it.
    pub async fn bring(&self, desk: &Desk) -> Vec<Sample> {
        let codes = desk.placed.codes.iter().cloned().map(Some).chain(std::iter::repeat(None));
        let units = desk.placed.units.iter().cloned().zip(codes);
        let sample = |(unit, code)| Sample { unit, code, hold: None, assignment: None };
        let mut samples: Vec<Sample> = units.map(sample).collect();
        let mut attempts = Vec::new();
        for step in self.steps {
            match step {
                Claim => attempts = desk.claim().await,
                Complete | Fail => {
                    for attempt in attempts.drain(..) {
                        if *step == Complete { desk.complete(&attempt).await } else { desk.fail(&attempt).await }
                    }
                }
                Hour => desk.app.clock.advance(Duration::from_hours(1)),
                Day => desk.app.clock.advance(Duration::from_hours(24)),
                Sweep => desk.app.sweep().await,
                Reserve | Assign | Release | Suspend | Revoke | Reissue => {
                    for sample in &mut samples {
                        take(*step, desk, sample).await;
                    }
                }
            }
        }
        if let Some(sample) = samples.first() {
            let state = desk.state(&sample.unit).await;
            let swept = self.takes_time() && (state.starts_with("EXPIRED") || state.starts_with("UNASSIGNED"));
            assert!(swept || state.starts_with(self.state), "{}: {state}", self.name);
        }
        samples
    }
}

async fn take(step: Step, desk: &Desk, sample: &mut Sample) {
    match step {
        Reserve => sample.hold = Some(desk.reserve(&sample.unit, "bo").await),
        Assign => sample.assignment = Some(desk.assign(&sample.unit, "bo").await),
        Release => {
            let assignment = sample.assignment.as_deref().expect("an assignment");
            let answer = release(&desk.support, assignment, json!({})).await.done();
            if let Some(code) = answer.at("/issuedCode").get("code").and_then(Value::as_str) {
                sample.code = Some(code.to_owned());
            }
        }
        Suspend => drop(act(&desk.support, "suspendEntitlement", &sample.unit).await.done()),
        Revoke => drop(act(&desk.support, "revokeEntitlement", &sample.unit).await.done()),
        Reissue => drop(act(&desk.support, "reissueEntitlement", &sample.unit).await.done()),
        Claim | Complete | Fail | Hour | Day | Sweep => panic!("{step:?} is no step of one unit"),
    }
}
