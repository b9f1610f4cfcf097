//! The words for what the graph names in capitals.

use std::fmt::Display;

use super::record::{AssignmentStatus, UnitStatus};

impl UnitStatus {
    pub fn word(self) -> &'static str {
        match self {
            Self::Unassigned => "Unassigned",
            Self::Reserved => "Reserved",
            Self::Assigned => "Assigned",
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Revoked => "Revoked",
            Self::Expired => "Expired",
        }
    }

    /// As the graph writes it.
    pub fn name(self) -> String {
        self.word().to_ascii_uppercase()
    }

    /// The class of its badge.
    pub fn class(self) -> String {
        self.word().to_ascii_lowercase()
    }
}

impl AssignmentStatus {
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "Waits to be set up",
            Self::AwaitingInput => "Waits for information",
            Self::Provisioning => "Being set up",
            Self::Active => "Active",
            Self::Failed => "Setting up failed",
            Self::Deprovisioning => "Being taken back",
            Self::DeprovisionFailed => "Taking back failed",
            Self::Ended => "Ended",
            Self::Cancelled => "Cancelled",
        }
    }

    /// The class of its badge.
    pub fn class(self) -> &'static str {
        match self {
            Self::Pending | Self::AwaitingInput | Self::Provisioning | Self::Deprovisioning => "assigned",
            Self::Active => "active",
            Self::Failed | Self::DeprovisionFailed => "bad",
            Self::Ended | Self::Cancelled => "revoked",
        }
    }
}

/// `REDEMPTION_REJECTED` as "Redemption rejected": what every name of the graph can be read as.
pub fn plain(name: &str) -> String {
    capital(&name.replace('_', " ").to_ascii_lowercase())
}

/// Some words as they begin a sentence.
fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What happened, of an event's type.
pub fn event(kind: &str) -> String {
    let known = match kind {
        "ORDER_PLACED" => "The order was placed",
        "ORDER_IMPORTED" => "The order was imported",
        "ORDER_CANCELLED" => "The order was cancelled",
        "ENTITLEMENT_TRANSFERRED" => "Handed on to another recipient",
        "ENTITLEMENT_EXTENDED" => "Its end was moved",
        "ENTITLEMENT_SUSPENDED" => "Suspended",
        "ENTITLEMENT_RESUMED" => "Resumed",
        "ENTITLEMENT_REVOKED" => "Revoked",
        "ENTITLEMENT_REISSUED" => "Replaced by a new entitlement",
        "ENTITLEMENT_EXPIRED" => "Expired",
        "CODE_ISSUED" => "A code was issued",
        "CODE_REVEALED" => "The code was shown in full",
        "CODE_ROTATED" => "A new code took the old one's place",
        "CODE_REDEEMED" => "The code was redeemed",
        "REDEMPTION_REJECTED" => "A redemption was refused",
        "RESERVATION_HELD" => "Held for an account",
        "RESERVATION_EXTENDED" => "The hold was prolonged",
        "RESERVATION_CONFIRMED" => "The hold was confirmed",
        "RESERVATION_RELEASED" => "The hold was released",
        "RESERVATION_EXPIRED" => "The hold ran out",
        "ASSIGNMENT_CREATED" => "Assigned",
        "ASSIGNMENT_AWAITING_INPUT" => "Waits for information from the holder",
        "ASSIGNMENT_INPUT_SUBMITTED" => "The information was given",
        "ASSIGNMENT_PROVISIONING" => "A worker began to set it up",
        "ASSIGNMENT_ACTIVATED" => "Set up and active",
        "ASSIGNMENT_FAILED" => "Setting it up failed",
        "ASSIGNMENT_RETRIED" => "To be tried again",
        "ASSIGNMENT_END_REQUESTED" => "To be taken back once the worker is done",
        "ASSIGNMENT_DEPROVISIONING" => "Being taken back",
        "ASSIGNMENT_DEPROVISION_FAILED" => "Taking it back failed",
        "ASSIGNMENT_ENDED" => "The assignment ended",
        "ASSIGNMENT_CANCELLED" => "The assignment was cancelled",
        "ATTEMPT_UNKNOWN" => "A worker did not report back",
        "EXCEPTION_OPENED" => "An exception was opened",
        "EXCEPTION_RESOLVED" => "An exception was resolved",
        _ => return plain(kind),
    };
    known.to_owned()
}

/// Why a redemption was refused, of its code.
pub fn refusal(code: &str) -> String {
    let known = match code {
        "CODE_INVALID" => "there is no such code",
        "CODE_EXPIRED" => "it had expired",
        "CODE_REVOKED" => "it had been revoked",
        "CODE_REPLACED" => "the code had been replaced by a newer one",
        "ALREADY_REDEEMED" => "it had been redeemed already",
        "RESERVED_BY_OTHER" => "it was held for somebody else",
        "ENTITLEMENT_SUSPENDED" => "it was suspended",
        "NOT_ELIGIBLE" => "the account was not eligible",
        "LIMIT_PER_ACCOUNT" => "the account had as many as it may",
        "RATE_LIMITED" => "too many wrong codes had been tried",
        "INVALID_INPUT" => "what was given with it was not complete",
        _ => return plain(code).to_lowercase(),
    };
    known.to_owned()
}

/// Why something happened, as a sentence: in the words that were given, or in ours where the service gave the name of a reason.
pub fn reason(text: &str) -> String {
    let name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if name { capital(&refusal(text)) } else { format!("“{text}”") }
}

/// A count, its thousands set apart.
pub fn number(count: impl Display) -> String {
    let digits = count.to_string();
    let places = digits.char_indices().map(|(place, digit)| {
        let apart = place > 0 && (digits.len() - place).is_multiple_of(3);
        if apart { format!(",{digit}") } else { digit.to_string() }
    });
    places.collect()
}

/// How an assignment came about.
pub fn method(name: &str) -> String {
    let known = match name {
        "CODE" => "by redeeming a code",
        "DIRECT" => "by direct assignment",
        "RESERVATION" => "from a reservation",
        "COUPLED" => "in the purchase itself",
        "IMPORT" => "when it was imported",
        _ => return plain(name).to_lowercase(),
    };
    known.to_owned()
}

/// Who did something, as the journal names them.
pub fn actor(name: &str) -> String {
    match name.split_once(':') {
        Some(("system", task)) => format!("the service ({task})"),
        Some(("key", id)) => format!("key …{}", id.get(id.len().saturating_sub(6)..).unwrap_or(id)),
        Some(("user", subject)) => subject.to_owned(),
        Some(_) | None if name == "system" => "the service".to_owned(),
        Some(_) | None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words_and_words_stay() {
        assert_eq!(plain("REDEMPTION_REJECTED"), "Redemption rejected");
        assert_eq!(reason("RESERVED_BY_OTHER"), "It was held for somebody else");
        assert_eq!(reason("SUPERSEDED"), "Superseded");
        assert_eq!(reason("asked for by Ann"), "“asked for by Ann”");
        assert_eq!(actor("key:key_01h455vb4pex5vsknk084sn02q"), "key …4sn02q");
        assert_eq!(
            (actor("system:sweep"), actor("system"), actor("support")),
            ("the service (sweep)".to_owned(), "the service".to_owned(), "support".to_owned())
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        let told = [0, 999, 1_000, 100_129, 1_234_567].map(number);
        assert_eq!(told, ["0", "999", "1,000", "100,129", "1,234,567"]);
    }
}
