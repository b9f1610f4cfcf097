//! What a deed will do, told before it is done.

use super::super::{
    entitlement::Unit,
    record::{Account, AssignmentStatus, UnitStatus, Viewer},
};

/// What happens to a unit.
pub fn on_unit(name: &str, unit: &Unit, viewer: &Viewer) -> Vec<String> {
    let end =
        unit.expires_at.map_or_else(|| "It has no end so far.".to_owned(), |end| format!("So far it ends {end}."));
    let told: Vec<String> = match name {
        "reveal" => vec![
            "The code is shown to you in full. Nothing changes, but that it was shown is written down with your reason."
                .to_owned(),
        ],
        "rotate" => vec![code(unit, "stops working at once"), "A new code is issued and shown to you.".to_owned()],
        "redeem" => vec![
            "The account holds the unit from then on, as if it had redeemed the code itself.".to_owned(),
            terms(unit),
        ],
        "assign" => {
            vec![code(unit, "stops working"), "The account holds the unit from then on.".to_owned(), terms(unit)]
        }
        "reserve" => vec![
            match &unit.order_line {
                Some(line) => {
                    let minutes = line.policy.reservation_minutes;
                    format!("Nobody else can claim it for {minutes} minutes, or as many as you say.")
                }
                None => "Nobody else can claim it for a while, or for as many minutes as you say.".to_owned(),
            },
            "Its code keeps working for the account it is held for.".to_owned(),
        ],
        "confirm" => vec![format!("{} holds the unit from then on.", held_for(unit)), code(unit, "stops working")],
        "prolong" => {
            vec![format!("Nobody else can claim it for as much longer: by {} minutes at the most.", unit.room())]
        }
        "retry" => {
            vec!["It is put back to work for the provisioner, and what is open about its failure is closed.".to_owned()]
        }
        "let-go" => vec![format!("It is no longer held for {}: anybody with the code can redeem it.", held_for(unit))],
        "release" => release(unit),
        "transfer" => vec![
            "Somebody else is named as its recipient.".to_owned(),
            code(unit, "stops working at once"),
            "A new code is issued and shown to you.".to_owned(),
        ],
        "extend" => vec![end, "It ends at the moment you enter, earlier or later than now.".to_owned(), revived(unit)],
        "suspend" => vec![
            "It cannot be claimed or used until it is resumed.".to_owned(),
            if unit.status == UnitStatus::Reserved { "The hold on it is released.".to_owned() } else { keeps(unit) },
        ],
        "resume" => vec!["It goes on from where it was suspended.".to_owned(), keeps(unit)],
        "reissue" => vec![
            format!("This one is revoked for good{}.", loses(unit)),
            "A new one takes its place, with a code of its own, which is shown to you.".to_owned(),
        ],
        "revoke" => vec![
            format!("It is over for good{}.", loses(unit)),
            code(unit, "stops working"),
            if viewer.role == "PARTNER" {
                "This cannot be undone.".to_owned()
            } else {
                "This cannot be undone; a new one can be issued in its place later.".to_owned()
            },
        ],
        _ => Vec::new(),
    };
    told.into_iter().filter(|sentence| !sentence.is_empty()).collect()
}

fn code(unit: &Unit, fate: &str) -> String {
    unit.live_code().map(|code| format!("The code that ends in {} {fate}.", code.last_four)).unwrap_or_default()
}

fn terms(unit: &Unit) -> String {
    let without = unit.order_line.as_ref().is_some_and(|line| !line.policy.issues_codes);
    let words = if without { "It was sold without codes." } else { "" };
    words.to_owned()
}

fn held_for(unit: &Unit) -> String {
    let account = unit.reservation.as_ref().and_then(|hold| hold.account.as_ref());
    account.map_or_else(|| "whoever it is held for".to_owned(), Account::text)
}

fn holder(unit: &Unit) -> Option<String> {
    let account = unit.assignment()?.account.as_ref();
    Some(account.map_or_else(|| "its holder".to_owned(), Account::text))
}

fn loses(unit: &Unit) -> String {
    holder(unit).map(|holder| format!(": {holder} loses it")).unwrap_or_default()
}

fn keeps(unit: &Unit) -> String {
    holder(unit).map(|holder| format!("{holder} stays its holder.")).unwrap_or_default()
}

fn revived(unit: &Unit) -> String {
    let expired = unit.status == UnitStatus::Expired;
    let words = if expired { "It can be claimed again, with a new code where its terms know codes." } else { "" };
    words.to_owned()
}

fn release(unit: &Unit) -> Vec<String> {
    let holder = holder(unit).unwrap_or_else(|| "Its holder".to_owned());
    let status = unit.assignment().map(|assignment| assignment.status);
    let then = match status {
        Some(AssignmentStatus::Provisioning) => {
            "A worker is at it: what becomes of it is seen when that reports back, and then it is taken down."
        }
        Some(AssignmentStatus::Active | AssignmentStatus::DeprovisionFailed) => {
            "Where something was set up for it, that is taken down first."
        }
        _ => "Nothing was set up for it yet.",
    };
    vec![
        format!("{holder} loses it."),
        then.to_owned(),
        "Then it is free to be claimed again; a new code is issued where its terms know codes.".to_owned(),
    ]
}

/// What becomes of an exception, and of what it is about.
pub fn on_exception(name: &str, kind: &str) -> Vec<String> {
    let about = match name {
        "retried" if kind == "OVERDUE" => "It gets a new deadline, and is worked on again where a worker was at it.",
        "retried" => "The work waits for a worker again.",
        "released" if kind == "REDEMPTION_REJECTED" => "The hold is released: anybody with the code can redeem it.",
        "released" => "The assignment ends, and the unit is free to be claimed again.",
        "extended" => "The unit ends at the moment you enter; one that had expired can be claimed again.",
        "reissued" => "The unit is revoked, and a new one takes its place with a code that is shown to you.",
        "revoked" => "The unit is over for good; who holds it loses it.",
        "forced" => {
            "The assignment counts as ended though nobody confirmed that it was taken down: see to that yourself."
        }
        _ => "Nothing changes but that the exception is closed.",
    };
    vec![about.to_owned(), "The exception is closed with your reason.".to_owned()]
}

/// What becomes of an order with so many units that nobody has, that somebody has, and that are suspended.
pub fn on_order(name: &str, free: i64, held: i64, suspended: i64) -> Vec<String> {
    let told = if name == "cancel" {
        [
            (free, format!("{free} of its units are revoked, and their codes stop working.")),
            (suspended, format!("Of {suspended} suspended, those that nobody has are revoked as well.")),
            (held, format!("The {held} that somebody has stay as they are.")),
        ]
    } else {
        [
            (
                1,
                format!(
                    "All that is left of it is revoked: {free} units that nobody has, and {held} that somebody loses."
                ),
            ),
            (suspended, format!("{suspended} suspended are revoked as well, whoever has them.")),
            (1, "What was set up for them is taken down. This cannot be undone.".to_owned()),
        ]
    };
    told.into_iter().filter(|(units, _)| *units > 0).map(|(_, sentence)| sentence).collect()
}
