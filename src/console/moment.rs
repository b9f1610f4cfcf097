//! Moments as the pages write them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// A moment of the graph. Written as people read it; `ago` says how far it is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Moment(pub DateTime<Utc>);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%-d %b %Y, %H:%M UTC"))
    }
}

impl Moment {
    /// As an element of a page: how far away it is from `now`, and on asking when exactly. Nothing of it comes from anybody.
    pub fn tag(&self, now: &Self) -> String {
        let iso = self.0.format("%Y-%m-%dT%H:%M:%SZ");
        format!("<time datetime=\"{iso}\" title=\"{self}\">{}</time>", self.ago(now))
    }

    /// How long before or after `now` it is, in its largest unit.
    pub fn ago(&self, now: &Self) -> String {
        let seconds = (now.0 - self.0).num_seconds();
        let far = seconds.abs();
        let (count, unit) = match far {
            0..60 if seconds >= 0 => return "just now".to_owned(),
            0..60 => return "in a moment".to_owned(),
            60..3_600 => (far / 60, "minute"),
            3_600..86_400 => (far / 3_600, "hour"),
            86_400..5_184_000 => (far / 86_400, "day"),
            5_184_000..63_072_000 => (far / 2_629_800, "month"),
            _ => (far / 31_557_600, "year"),
        };
        let plural = if count == 1 { "" } else { "s" };
        if seconds < 0 { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_its_largest_unit() {
        let now = Moment("2030-01-10T12:00:00Z".parse().unwrap());
        for (moment, told) in [
            ("2030-01-10T12:00:00Z", "just now"),
            ("2030-01-10T12:00:30Z", "in a moment"),
            ("2030-01-10T11:58:30Z", "1 minute ago"),
            ("2030-01-10T14:10:00Z", "in 2 hours"),
            ("2030-01-09T12:00:00Z", "1 day ago"),
            ("2029-12-10T12:00:00Z", "31 days ago"),
            ("2029-06-10T12:00:00Z", "7 months ago"),
            ("2010-12-01T12:00:00Z", "19 years ago"),
        ] {
            assert_eq!(Moment(moment.parse().unwrap()).ago(&now), told, "{moment}");
        }
        assert_eq!(now.to_string(), "10 Jan 2030, 12:00 UTC");
    }
}
