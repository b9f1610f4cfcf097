//! The steps of a sequence, and how likely each is where the model stands.

use claimcheck::entity::kind::{AssignmentStatus, ExceptionStatus, ProvisioningOutcome, ReservationStatus, Resolution};
use proptest::{
    option,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof,
    sample::select,
    strategy::Union,
};
use proptest_state_machine::ReferenceStateMachine;

use crate::state::{self, DAY, HOUR, MINUTE, Model, Terms};

/// Units a sequence may come to have: enough to meet each other, few enough to be met again.
const UNITS: usize = 6;
pub const ACCOUNTS: usize = 3;

/// Something somebody does. Records are named by their unit and their place in it.
#[derive(Debug, Clone)]
pub enum Step {
    Place {
        product: usize,
        quantity: usize,
        to: Option<usize>,
        buyer: Option<usize>,
        seated: bool,
    },
    Redeem {
        code: (usize, usize),
        account: usize,
        seated: bool,
    },
    Assign {
        unit: usize,
        account: usize,
        seated: bool,
    },
    Reserve {
        unit: usize,
        account: Option<usize>,
        minutes: Option<i64>,
    },
    ExtendHold {
        hold: (usize, usize),
        minutes: i64,
    },
    Confirm {
        hold: (usize, usize),
        account: Option<usize>,
        seated: bool,
    },
    ReleaseHold {
        hold: (usize, usize),
    },
    Submit {
        assignment: (usize, usize),
        seated: bool,
    },
    Release {
        assignment: (usize, usize),
        force: bool,
    },
    Revoke {
        unit: usize,
    },
    Reissue {
        unit: usize,
    },
    Rotate {
        unit: usize,
    },
    Transfer {
        unit: usize,
    },
    Suspend {
        unit: usize,
    },
    Resume {
        unit: usize,
    },
    Extend {
        unit: usize,
        seconds: i64,
    },
    Cancel {
        order: usize,
        all: bool,
    },
    Claim {
        lease: i64,
    },
    Lease {
        attempt: (usize, usize, usize),
        seconds: i64,
    },
    Complete {
        attempt: (usize, usize, usize),
    },
    Fail {
        attempt: (usize, usize, usize),
        retryable: bool,
    },
    Retry {
        assignment: (usize, usize),
    },
    Resolve {
        exception: (usize, usize),
        resolution: Resolution,
        seconds: Option<i64>,
    },
    Wait {
        seconds: i64,
    },
    Sweep,
    /// The same request again, under the same key; a new one where the first is forgotten.
    Repeat {
        done: usize,
    },
}

impl Step {
    /// How many kinds there are.
    pub const KINDS: usize = 26;

    /// Whether it is a request that carries an idempotency key.
    pub fn keyed(&self) -> bool {
        !matches!(self, Self::Wait { .. } | Self::Sweep | Self::Repeat { .. } | Self::Lease { .. })
    }
}

/// The model as proptest drives it.
pub struct Machine;

impl ReferenceStateMachine for Machine {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        (terms(), terms()).prop_map(|(one, other)| Model::new([one, other])).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Step> {
        Union::new_weighted(likely(model)).boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        let _refused = model.perform(step);
        model
    }

    fn preconditions(model: &Model, step: &Step) -> bool {
        let unit = |unit: usize| model.units.get(unit);
        let assignment = |(of, place): (usize, usize)| unit(of).and_then(|unit| unit.assignments.get(place));
        match step {
            Step::Place { quantity, .. } => model.units.len() + quantity <= UNITS,
            Step::Redeem { code: (of, place), .. } => unit(*of).is_some_and(|unit| *place < unit.codes.len()),
            Step::Reissue { unit: of } => unit(*of).is_some() && model.units.len() < UNITS,
            Step::Assign { unit: of, .. }
            | Step::Reserve { unit: of, .. }
            | Step::Revoke { unit: of }
            | Step::Rotate { unit: of }
            | Step::Transfer { unit: of }
            | Step::Suspend { unit: of }
            | Step::Resume { unit: of }
            | Step::Extend { unit: of, .. } => unit(*of).is_some(),
            Step::ExtendHold { hold: (of, place), .. }
            | Step::Confirm { hold: (of, place), .. }
            | Step::ReleaseHold { hold: (of, place) } => unit(*of).is_some_and(|unit| *place < unit.holds.len()),
            Step::Submit { assignment: at, .. }
            | Step::Release { assignment: at, .. }
            | Step::Retry { assignment: at } => assignment(*at).is_some(),
            Step::Lease { attempt: (of, place, attempt), .. }
            | Step::Complete { attempt: (of, place, attempt) }
            | Step::Fail { attempt: (of, place, attempt), .. } => {
                assignment((*of, *place)).is_some_and(|found| *attempt < found.attempts.len())
            }
            Step::Resolve { exception: (of, place), resolution, .. } => {
                let room = *resolution != Resolution::Reissued || model.units.len() < UNITS;
                room && unit(*of).is_some_and(|unit| *place < unit.exceptions.len())
            }
            Step::Cancel { order, .. } => *order < model.orders.len(),
            Step::Repeat { done } => {
                let possible = |step| Self::preconditions(model, step);
                model.done.get(*done).is_some() && model.forgotten(*done).is_none_or(possible)
            }
            Step::Claim { .. } | Step::Wait { .. } | Step::Sweep => true,
        }
    }
}

fn terms() -> BoxedStrategy<Terms> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let limits = (option::of(1..4_i64), option::weighted(0.3, 1..3_usize));
    let terms = (flags, limits).prop_map(|((a, b, c, asks, external, coupled), (valid_days, max_per_account))| Terms {
        issues_codes: !a,
        valid_days,
        transferable: !b,
        reassignable: !c,
        max_per_account,
        asks,
        external,
        coupled,
    });
    terms.boxed()
}

/// One of `all`, most often one of those that something can be done with.
fn one<T: Copy + std::fmt::Debug + 'static>(all: &[(T, bool)]) -> BoxedStrategy<T> {
    let of = |wanted: &dyn Fn(bool) -> bool| -> Vec<T> {
        all.iter().filter(|(_, open)| wanted(*open)).map(|(record, _)| *record).collect()
    };
    let (everything, open) = (of(&|_| true), of(&|open| open));
    if open.is_empty() {
        select(everything).boxed()
    } else {
        prop_oneof![7 => select(open), 1 => select(everything)].boxed()
    }
}

fn likely(model: &Model) -> Vec<(u32, BoxedStrategy<Step>)> {
    let mut steps: Vec<(u32, BoxedStrategy<Step>)> =
        vec![(6, moments().prop_map(|seconds| Step::Wait { seconds }).boxed()), (3, Just(Step::Sweep).boxed())];
    if model.units.len() < UNITS {
        let room = UNITS - model.units.len();
        let who = || option::weighted(0.3, 0..ACCOUNTS);
        let place = (0..2_usize, 1..=room.min(2), who(), who(), any::<bool>());
        let place = place.prop_map(|(product, quantity, to, buyer, seated)| Step::Place {
            product,
            quantity,
            to,
            buyer,
            seated,
        });
        steps.push((if model.units.is_empty() { 100 } else { 4 }, place.boxed()));
    }
    if !model.units.is_empty() {
        steps.extend(on_units(model));
        let orders: Vec<(usize, bool)> = (0..model.orders.len()).map(|order| (order, true)).collect();
        steps.push((1, (one(&orders), any::<bool>()).prop_map(|(order, all)| Step::Cancel { order, all }).boxed()));
    }
    steps.extend(on_claims(model));
    steps.extend(downstream(model));
    let done: Vec<(usize, bool)> = (0..model.done.len())
        .filter(|done| Machine::preconditions(model, &Step::Repeat { done: *done }))
        .map(|done| (done, true))
        .collect();
    if !done.is_empty() {
        steps.push((2, one(&done).prop_map(|done| Step::Repeat { done }).boxed()));
    }
    steps
}

fn moments() -> BoxedStrategy<i64> {
    let waits = [1, 5, MINUTE, 31 * MINUTE, HOUR + 1, 25 * HOUR, DAY, 4 * DAY];
    select(waits.to_vec()).boxed()
}

fn on_units(model: &Model) -> Vec<(u32, BoxedStrategy<Step>)> {
    let units: Vec<(usize, bool)> = model.units.iter().map(state::Unit::live).enumerate().collect();
    let unit = || one(&units);
    let who = || option::weighted(0.7, 0..ACCOUNTS);
    let minutes = option::weighted(0.3, select(vec![0, 1, 45, 60, 61]));
    let ends = select(vec![-1, 0, MINUTE, 2 * DAY, 30 * DAY]);
    let mut steps = vec![
        (
            4,
            (unit(), 0..ACCOUNTS, any::<bool>())
                .prop_map(|(unit, account, seated)| Step::Assign { unit, account, seated })
                .boxed(),
        ),
        (
            4,
            (unit(), who(), minutes)
                .prop_map(|(unit, account, minutes)| Step::Reserve { unit, account, minutes })
                .boxed(),
        ),
        (1, unit().prop_map(|unit| Step::Revoke { unit }).boxed()),
        (2, unit().prop_map(|unit| Step::Rotate { unit }).boxed()),
        (1, unit().prop_map(|unit| Step::Transfer { unit }).boxed()),
        (2, unit().prop_map(|unit| Step::Suspend { unit }).boxed()),
        (3, unit().prop_map(|unit| Step::Resume { unit }).boxed()),
        (2, (unit(), ends).prop_map(|(unit, seconds)| Step::Extend { unit, seconds }).boxed()),
    ];
    if model.units.len() < UNITS {
        let any = select((0..model.units.len()).collect::<Vec<_>>());
        steps.push((2, any.prop_map(|unit| Step::Reissue { unit }).boxed()));
    }
    steps
}

fn on_claims(model: &Model) -> Vec<(u32, BoxedStrategy<Step>)> {
    let (mut codes, mut holds, mut exceptions) = (Vec::new(), Vec::new(), Vec::new());
    for (of, unit) in model.units.iter().enumerate() {
        codes.extend((0..unit.codes.len()).map(|code| ((of, code), unit.live_code() == Some(code))));
        let held = |place: usize| unit.holds.get(place).is_some_and(|hold| hold.status == ReservationStatus::Held);
        holds.extend((0..unit.holds.len()).map(|hold| ((of, hold), held(hold))));
        let open = unit.exceptions.iter().map(|exception| exception.status == ExceptionStatus::Open).enumerate();
        exceptions.extend(open.map(|(exception, open)| ((of, exception), open)));
    }
    let mut steps = Vec::new();
    if !codes.is_empty() {
        let redeem = (one(&codes), 0..ACCOUNTS, any::<bool>());
        steps.push((8, redeem.prop_map(|(code, account, seated)| Step::Redeem { code, account, seated }).boxed()));
    }
    if !holds.is_empty() {
        let who = option::weighted(0.5, 0..ACCOUNTS);
        let confirm = (one(&holds), who, any::<bool>());
        let extend = (one(&holds), select(vec![1, 10, 30, 31]));
        steps.push((4, confirm.prop_map(|(hold, account, seated)| Step::Confirm { hold, account, seated }).boxed()));
        steps.push((2, extend.prop_map(|(hold, minutes)| Step::ExtendHold { hold, minutes }).boxed()));
        steps.push((2, one(&holds).prop_map(|hold| Step::ReleaseHold { hold }).boxed()));
    }
    if !exceptions.is_empty() {
        use Resolution::{Dismissed, Extended, Forced, Reissued, Released, Retried, Revoked, Superseded};
        let all = vec![Retried, Released, Reissued, Revoked, Extended, Forced, Dismissed, Superseded];
        let ends = || option::weighted(0.8, select(vec![2 * DAY, 2 * DAY, 0]));
        let of = |exception, resolution, seconds| Step::Resolve { exception, resolution, seconds };
        let any = (one(&exceptions), select(all), ends());
        steps.push((
            2,
            any.prop_map(move |(exception, resolution, seconds)| of(exception, resolution, seconds)).boxed(),
        ));
        let offered: Vec<((usize, usize), Resolution)> = exceptions
            .iter()
            .flat_map(|((unit, place), _)| {
                let offered = model.resolutions(*unit, *place);
                offered.into_iter().map(|resolution| ((*unit, *place), resolution))
            })
            .collect();
        if !offered.is_empty() {
            let likely = (select(offered), ends());
            steps.push((
                8,
                likely.prop_map(move |((exception, resolution), seconds)| of(exception, resolution, seconds)).boxed(),
            ));
        }
    }
    steps
}

fn downstream(model: &Model) -> Vec<(u32, BoxedStrategy<Step>)> {
    let (mut assignments, mut waiting, mut failed, mut attempts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (of, unit) in model.units.iter().enumerate() {
        for (place, assignment) in unit.assignments.iter().enumerate() {
            let at = (of, place);
            assignments.push((at, assignment.in_force()));
            waiting.push((at, assignment.status == AssignmentStatus::AwaitingInput));
            let stuck = matches!(assignment.status, AssignmentStatus::Failed | AssignmentStatus::DeprovisionFailed);
            failed.push((at, stuck));
            let runs = assignment.attempts.iter().map(|attempt| attempt.outcome == ProvisioningOutcome::Started);
            attempts.extend(runs.enumerate().map(|(attempt, runs)| ((of, place, attempt), runs)));
        }
    }
    let mut steps = Vec::new();
    if !assignments.is_empty() {
        let claim = select(vec![5, MINUTE, HOUR, 0]);
        let submit = (one(&waiting), any::<bool>());
        let release = (one(&assignments), any::<bool>());
        steps.push((6, claim.prop_map(|lease| Step::Claim { lease }).boxed()));
        steps.push((3, submit.prop_map(|(assignment, seated)| Step::Submit { assignment, seated }).boxed()));
        steps.push((3, release.prop_map(|(assignment, force)| Step::Release { assignment, force }).boxed()));
        let stuck = failed.iter().any(|(_, stuck)| *stuck);
        let retry = one(&failed).prop_map(|assignment| Step::Retry { assignment });
        steps.push((if stuck { 5 } else { 1 }, retry.boxed()));
    }
    if !attempts.is_empty() {
        let attempt = || one(&attempts);
        let lease = (attempt(), select(vec![4, MINUTE]));
        let fail = (attempt(), any::<bool>());
        steps.push((6, attempt().prop_map(|attempt| Step::Complete { attempt }).boxed()));
        steps.push((6, fail.prop_map(|(attempt, retryable)| Step::Fail { attempt, retryable }).boxed()));
        steps.push((1, lease.prop_map(|(attempt, seconds)| Step::Lease { attempt, seconds }).boxed()));
    }
    steps
}
