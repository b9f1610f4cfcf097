//! The verdict on a unit, in words: is it valid, was it used, who has it, what went wrong last, and what to do about it.

use super::{
    entitlement::Unit,
    moment::Moment,
    order::{Matter, Order},
    record::{Account, Assignment, AssignmentStatus, RedemptionAttempt, Statistics, UnitStatus},
    word,
};

/// The five answers, under one line that says it all.
pub struct Verdict {
    /// `good`, `wait`, `bad` or `over`: how it is coloured.
    pub tone: &'static str,
    pub headline: String,
    pub valid: String,
    pub used: String,
    pub held: String,
    pub failure: String,
    pub advice: Vec<String>,
}

impl Verdict {
    pub fn of(unit: &Unit, now: Moment) -> Self {
        let standing = unit.standing(now);
        let (tone, headline) = headline(unit, standing);
        Self {
            tone,
            headline,
            valid: valid(unit, standing),
            used: used(unit, standing),
            held: held(unit, standing),
            failure: failure(unit),
            advice: advice(unit, standing),
        }
    }

    /// The same of an order of several units, in numbers.
    pub fn of_order(order: &Order, open: &[Matter]) -> Self {
        let sold = Sold::of(&order.statistics);
        let (tone, headline) = sold.headline(order.status == "CANCELLED", !open.is_empty());
        let matters = open.iter().map(|matter| (matter.opened_at, word::reason(&matter.reason)));
        let refusal = order.refusal().map(|event| {
            let reason = event.reason.as_deref().map(|reason| format!(", for {}", word::refusal(reason)));
            (event.occurred_at, format!("a redemption was refused{}", reason.unwrap_or_default()))
        });
        let failure = matters.chain(refusal).max_by_key(|(at, _)| *at);
        let failure = failure.map(|(at, text)| format!("{at}: {}.", text.trim_end_matches('.')));
        let advice = match open.len() {
            0 if sold.suspended > 0 => "Resume what is suspended once the reason is gone.",
            0 if sold.pending > 0 => "Some of it is still being set up, or waits for its holder: look at those units.",
            0 if sold.free > 0 => "Nothing needs to be done. What is about one unit stands on its own page.",
            0 => "Nothing needs to be done.",
            1 => "An exception is open: see there what it takes.",
            _ => "Exceptions are open: see there what they take.",
        };
        Self {
            tone,
            headline,
            valid: sold.valid(),
            used: match sold.used {
                0 => "No.".to_owned(),
                used if used == sold.left => "Yes, all of it.".to_owned(),
                used => format!("{} of {} units.", word::number(used), word::number(sold.left)),
            },
            held: sold.held(&order.statistics),
            failure: failure.unwrap_or_else(|| "None of late.".to_owned()),
            advice: vec![advice.to_owned()],
        }
    }
}

/// The units of an order, as far as they are alike.
struct Sold {
    /// Those that have not ended, and those that have: revoked, replaced or expired.
    left: i64,
    ended: i64,
    /// Those that may still be claimed, those that somebody has, and those that are of no use for now.
    free: i64,
    used: i64,
    suspended: i64,
    /// Those that somebody has and cannot use yet.
    pending: i64,
}

impl Sold {
    fn of(counts: &Statistics) -> Self {
        let ended = counts.revoked + counts.expired;
        Self {
            left: counts.units() - ended,
            ended,
            free: counts.unassigned + counts.reserved,
            used: counts.assigned + counts.active,
            suspended: counts.suspended,
            pending: counts.assigned,
        }
    }

    fn headline(&self, cancelled: bool, open: bool) -> (&'static str, String) {
        let Self { left, free, used, suspended, pending, .. } = *self;
        let headline = match (free, used) {
            _ if left == 0 && cancelled => return ("over", "No longer valid: it was cancelled".to_owned()),
            _ if left == 0 => return ("over", "No longer valid: all of it has ended".to_owned()),
            _ if open => return ("bad", "Valid, and waiting for somebody to decide".to_owned()),
            (0, 0) => return ("bad", "Suspended: it cannot be used for now".to_owned()),
            (_, 0) => "Valid, and not used yet".to_owned(),
            _ if used == left => "Valid, and all of it is used".to_owned(),
            _ => format!("Valid, and {} of {} units are used", word::number(used), word::number(left)),
        };
        match (pending, suspended) {
            (0, 0) => ("good", headline),
            (0, _) => ("wait", format!("{headline}; {} suspended", word::number(suspended))),
            _ => ("wait", format!("{headline}; {} not set up yet", word::number(pending))),
        }
    }

    fn valid(&self) -> String {
        let count = |units: i64, what: &str| match units {
            0 => String::new(),
            units => format!(" {what}: {}.", word::number(units)),
        };
        let valid = self.free + self.used;
        let answer = match valid {
            0 => "No.".to_owned(),
            _ if valid == self.left => "Yes.".to_owned(),
            _ => format!("{} of {} units are.", word::number(valid), word::number(self.left)),
        };
        format!("{answer}{}{}", count(self.suspended, "Suspended"), count(self.ended, "Revoked, replaced or expired"))
    }

    fn held(&self, counts: &Statistics) -> String {
        let kinds =
            [(self.used, "by an account"), (counts.reserved, "for an account"), (counts.unassigned, "by nobody yet")];
        let some = kinds.into_iter().filter(|(units, _)| *units > 0);
        let told = some.map(|(units, whom)| format!("{} {whom}", word::number(units))).collect::<Vec<_>>();
        if told.is_empty() { "Nobody.".to_owned() } else { format!("{}.", told.join(", ")) }
    }
}

fn headline(unit: &Unit, standing: UnitStatus) -> (&'static str, String) {
    let assignment = unit.assignment().map(|assignment| assignment.status);
    let (tone, text) = match (standing, assignment) {
        (UnitStatus::Unassigned, _) => ("good", "Valid, and not used yet"),
        (UnitStatus::Reserved, _) => ("wait", "Valid, held for somebody, and not used yet"),
        (UnitStatus::Assigned, Some(AssignmentStatus::AwaitingInput)) => {
            ("wait", "Valid and used, but waiting for information from its holder")
        }
        (UnitStatus::Assigned, Some(AssignmentStatus::Failed)) => ("bad", "Valid and used, but setting it up failed"),
        (UnitStatus::Assigned, _) => ("wait", "Valid and used; it is still being set up"),
        (UnitStatus::Active, Some(AssignmentStatus::Deprovisioning)) => ("wait", "It is being taken back"),
        (UnitStatus::Active, Some(AssignmentStatus::DeprovisionFailed)) => ("bad", "Taking it back failed"),
        (UnitStatus::Active, _) => ("good", "Valid, used and active"),
        (UnitStatus::Suspended, _) => ("bad", "Suspended: it cannot be used for now"),
        (UnitStatus::Revoked, _) if unit.replaced_by.is_some() => ("over", "No longer valid: a new one took its place"),
        (UnitStatus::Revoked, _) => ("over", "No longer valid: it was revoked"),
        (UnitStatus::Expired, _) if unit.replaced_by.is_some() => ("over", "Expired; a new one took its place"),
        (UnitStatus::Expired, _) => ("over", "No longer valid: it has expired"),
    };
    (tone, text.to_owned())
}

fn valid(unit: &Unit, standing: UnitStatus) -> String {
    let until = unit.expires_at.map(|end| format!(", until {end}")).unwrap_or_default();
    match standing {
        UnitStatus::Revoked => {
            let reason = unit.status_reason.as_deref().filter(|reason| *reason != "REPLACED");
            reason.map_or_else(|| "No.".to_owned(), |reason| format!("No. It was revoked: {reason}."))
        }
        UnitStatus::Expired => unit.expires_at.map_or_else(|| "No.".to_owned(), |end| format!("No, since {end}.")),
        UnitStatus::Suspended => {
            let reason = unit.status_reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("Not for now. It is suspended{reason}.")
        }
        UnitStatus::Unassigned | UnitStatus::Reserved | UnitStatus::Assigned | UnitStatus::Active => {
            format!("Yes{until}.")
        }
    }
}

fn used(unit: &Unit, standing: UnitStatus) -> String {
    if let Some(assignment) = unit.assignment() {
        return format!("Yes, {}.", use_of(unit, assignment));
    }
    let before = unit.assignments.first();
    let before = before.map(|assignment| format!(" It was before, {}.", use_of(unit, assignment)));
    let before = before.unwrap_or_default();
    let claimable = matches!(standing, UnitStatus::Unassigned | UnitStatus::Reserved);
    match unit.live_code().filter(|_| claimable) {
        Some(code) => format!("No. The code that ends in {} can be redeemed.{before}", code.last_four),
        None if claimable => format!("No, and there is no code for it.{before}"),
        None => format!("No.{before}"),
    }
}

/// When an assignment was made, how, and by whom.
fn use_of(unit: &Unit, assignment: &Assignment) -> String {
    let code = unit.activation_codes.iter().find(|code| code.redeemed_at == Some(assignment.assigned_at));
    let code = code.map(|code| format!(" that ends in {}", code.last_four)).unwrap_or_default();
    let attempt = unit.redemption_attempts.iter().find(|attempt| {
        attempt.succeeded() && attempt.occurred_at == assignment.assigned_at && assignment.method == "CODE"
    });
    let by = attempt.map(|attempt| format!(", asked by {}", word::actor(&attempt.actor))).unwrap_or_default();
    format!("since {} {}{code}{by}", assignment.assigned_at, word::method(&assignment.method))
}

fn held(unit: &Unit, standing: UnitStatus) -> String {
    if let Some(assignment) = unit.assignment() {
        return format!("{}. {}.", holder(assignment.account.as_ref()), assignment.status.word());
    }
    match &unit.reservation {
        Some(hold) if standing == UnitStatus::Reserved => {
            format!("Held for {} until {}.", holder(hold.account.as_ref()), hold.expires_at)
        }
        Some(_) | None => {
            let before = unit.assignments.first();
            let before = before.map(|former| format!(" Before: {}.", holder(former.account.as_ref())));
            format!("Nobody.{}", before.unwrap_or_default())
        }
    }
}

fn holder(account: Option<&Account>) -> String {
    account.map_or_else(|| "somebody whose account is not yours to see".to_owned(), Account::text)
}

fn last_rejected(unit: &Unit) -> Option<&RedemptionAttempt> {
    unit.redemption_attempts.iter().find(|attempt| !attempt.succeeded())
}

fn failure(unit: &Unit) -> String {
    let rejected = last_rejected(unit).map(|attempt| {
        let reason = attempt.reason.as_deref().map(word::refusal).unwrap_or_default();
        let by = attempt.account.as_ref().map(|account| format!(" for {}", account.text())).unwrap_or_default();
        let code = attempt.code_last_four.as_ref().map(|code| format!(" with the code that ends in {code}"));
        let code = code.unwrap_or_default();
        (attempt.occurred_at, format!("{}: a redemption{by}{code} was refused, for {reason}.", attempt.occurred_at))
    });
    let attempts = unit.assignments.iter().flat_map(|assignment| &assignment.attempts);
    let failed = attempts.filter(|attempt| attempt.outcome == "FAILED").filter_map(|attempt| {
        let at = attempt.finished_at?;
        let what = if attempt.operation == "PROVISION" { "setting it up" } else { "taking it back" };
        let reason = attempt.reason.as_deref().unwrap_or("no reason was given");
        Some((at, format!("{at}: {what} failed: {reason}.")))
    });
    let last = rejected.into_iter().chain(failed).max_by_key(|(at, _)| *at);
    last.map_or_else(|| "None.".to_owned(), |(_, text)| text)
}

fn advice(unit: &Unit, standing: UnitStatus) -> Vec<String> {
    let mut advice = Vec::new();
    if let Some(exception) = unit.open_exceptions().first() {
        let kind = word::plain(&exception.kind).to_lowercase();
        advice.push(if exception.allowed_resolutions.is_empty() {
            format!("An exception is open ({kind}): the support desk decides about it.")
        } else {
            format!("An exception is open ({kind}): resolve it, and what that takes is done.")
        });
    }
    if unit.replaced_by.is_some() {
        advice.push("Go by the entitlement that took its place.".to_owned());
    }
    advice.extend(by_state(unit, standing).map(str::to_owned));
    if let Some(code) = last_rejected(unit).and_then(|attempt| attempt.reason.as_deref()) {
        advice.extend(by_refusal(unit, standing, code));
    }
    if advice.is_empty() {
        advice.push("Nothing needs to be done.".to_owned());
    }
    advice
}

fn by_state(unit: &Unit, standing: UnitStatus) -> Option<&'static str> {
    let assignment = unit.assignment().map(|assignment| assignment.status);
    match (standing, assignment) {
        (UnitStatus::Unassigned, _) if unit.live_code().is_none() && unit.allows("ROTATE_CODE") => {
            Some("Issue a code, or assign it directly.")
        }
        (UnitStatus::Unassigned, _) if unit.live_code().is_some_and(|code| code.revealable) => {
            Some("Where the code was lost, show it again or replace it by a new one.")
        }
        (UnitStatus::Unassigned, _) if unit.live_code().is_some() => {
            Some("Where the code was lost, replace it by a new one.")
        }
        (UnitStatus::Reserved, _) => Some("It becomes free when the hold runs out, or when you release it."),
        (UnitStatus::Assigned, Some(AssignmentStatus::AwaitingInput)) => Some(match unit.own_holder() {
            Some(_) => "Ask the holder for what is missing and enter it, or release the assignment.",
            None => "Whoever it was redeemed with has to enter what is missing.",
        }),
        (_, Some(AssignmentStatus::Failed | AssignmentStatus::DeprovisionFailed))
            if unit.open_exceptions().is_empty() =>
        {
            Some("It stays as it is until it is tried again or given up.")
        }
        (UnitStatus::Suspended, _) if unit.allows("RESUME") => Some("Resume it once the reason is gone."),
        (UnitStatus::Expired, _) if unit.allows("EXTEND") => Some("Extend it to a new date, or reissue it."),
        (UnitStatus::Expired | UnitStatus::Revoked, _) if unit.allows("REISSUE") => {
            Some("Where the customer is still owed one, reissue it.")
        }
        _ => None,
    }
}

/// What mends the reason of the last refusal, as far as it still stands.
fn by_refusal(unit: &Unit, standing: UnitStatus, code: &str) -> Option<String> {
    match code {
        "ALREADY_REDEEMED" if unit.assignment().is_some() => Some(
            "Compare the holder with the customer: if the wrong account has it, release the assignment and issue a new code."
                .to_owned(),
        ),
        "CODE_REPLACED" => unit.live_code().map(|code| {
            format!("The customer has an old code: the one that works ends in {}. Show it again or replace it.", code.last_four)
        }),
        "LIMIT_PER_ACCOUNT" if standing == UnitStatus::Unassigned => {
            Some("The terms of sale allow an account only so many: assign it to another account.".to_owned())
        }
        _ => None,
    }
}
