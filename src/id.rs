//! Typed record ids and the only place that makes new ones.
//!
//! Inside, an id is a `UUIDv7` (RFC 9562): ordered by time of creation, so that primary keys append and a page by id is a page by age.
//! Outside, it is written in the `TypeID` format (prefix, underscore, 26 characters of Crockford base32), so that a person who reads a log
//! knows what an id names and an id of one kind is never taken for another.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX: usize = 26;

/// What every typed id can do. Implemented by the macro below only.
pub trait RecordId: Copy + From<Uuid> + fmt::Display + FromStr<Err = BadId> {
    /// The prefix that names the kind of record, as `ord` in `ord_…`.
    const PREFIX: &'static str;
    fn uuid(self) -> Uuid;
}

/// The text is not an id of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct BadId;

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
            pub struct $name(pub Uuid);

            impl RecordId for $name {
                const PREFIX: &'static str = $prefix;
                fn uuid(self) -> Uuid {
                    self.0
                }
            }

            impl From<Uuid> for $name {
                fn from(id: Uuid) -> Self {
                    Self(id)
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, concat!($prefix, "_{}"), Suffix(self.0))
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(self, f)
                }
            }

            impl FromStr for $name {
                type Err = BadId;
                fn from_str(text: &str) -> Result<Self, BadId> {
                    let suffix = text.strip_prefix(concat!($prefix, "_")).ok_or(BadId)?;
                    parse_suffix(suffix).map(Self)
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                }
            }

            // SeaORM asks this of every primary key, for databases that hand out integers; ours never do.
            impl sea_orm::TryFromU64 for $name {
                fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                    Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
                }
            }
        )*

        /// An id whose kind was read from its own prefix.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AnyId {
            $(#[allow(missing_docs)] $name($name),)*
        }

        impl FromStr for AnyId {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let (prefix, suffix) = text.split_once('_').ok_or(BadId)?;
                let id = parse_suffix(suffix)?;
                match prefix {
                    $($prefix => Ok(Self::$name($name(id))),)*
                    _ => Err(BadId),
                }
            }
        }
    };
}

typed_ids! {
    /// A partner.
    PartnerId = "prt";
    /// A sales channel.
    ChannelId = "chn";
    /// A product.
    ProductId = "prd";
    /// One version of a product's policy; never shown, for a policy is read through its product or line.
    PolicyId = "pol";
    /// An order.
    OrderId = "ord";
    /// A line of an order.
    OrderLineId = "lin";
    /// One purchased unit.
    EntitlementId = "ent";
    /// An activation code.
    ActivationCodeId = "cod";
    /// A reservation.
    ReservationId = "res";
    /// An assignment.
    AssignmentId = "asg";
    /// An account.
    AccountId = "acc";
    /// One attempt to provision or deprovision an assignment.
    ProvisioningAttemptId = "pat";
    /// One attempt to redeem a code.
    RedemptionAttemptId = "att";
    /// A fulfillment exception.
    ExceptionId = "exc";
    /// An entry of the journal.
    EventId = "evt";
    /// An API key.
    ApiKeyId = "key";
}

impl PartnerId {
    /// The platform's own partner, which the first migration makes.
    pub const HOUSE: Self = Self(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000));
}

struct Suffix(Uuid);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let bits = self.0.as_u128();
        (0..SUFFIX).rev().try_for_each(|place| {
            let symbol = usize::try_from((bits >> (place * 5)) & 31).unwrap_or_default();
            f.write_char(char::from(ALPHABET.get(symbol).copied().unwrap_or(b'0')))
        })
    }
}

fn parse_suffix(text: &str) -> Result<Uuid, BadId> {
    // 26 symbols hold 130 bits: the first may carry three only, or the same id could be written in several ways.
    if text.len() != SUFFIX || text.as_bytes().first().is_none_or(|first| *first > b'7') {
        return Err(BadId);
    }
    text.bytes()
        .try_fold(0_u128, |bits, byte| {
            let symbol = ALPHABET.iter().position(|symbol| *symbol == byte).ok_or(BadId)?;
            Ok(bits << 5 | symbol as u128)
        })
        .map(Uuid::from_u128)
}

/// Where new ids come from: random ones in production, a countable sequence where a test wants the same ids in every run.
#[derive(Clone, Default)]
pub struct Ids(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    Random,
    Seeded(Arc<AtomicU64>),
}

// One monotonic counter a process: ids made in the same millisecond keep the order in which they were made.
static CONTEXT: std::sync::LazyLock<std::sync::Mutex<ContextV7>> =
    std::sync::LazyLock::new(|| std::sync::Mutex::new(ContextV7::new()));

impl Ids {
    /// Ids that follow from `seed` and the order of the calls.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(AtomicU64::new(seed << 32))))
    }

    /// A new id, of the moment `now`.
    pub fn make<T: RecordId>(&self, now: DateTime<Utc>) -> T {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        T::from(match &self.0 {
            Source::Random => Uuid::new_v7(Timestamp::from_unix(
                &*CONTEXT,
                millis / 1000,
                u32::try_from(millis % 1000).unwrap_or_default() * 1_000_000,
            )),
            Source::Seeded(counter) => seeded(millis, counter.fetch_add(1, Ordering::Relaxed)),
        })
    }
}

fn seeded(millis: u64, count: u64) -> Uuid {
    let mut bytes = [0_u8; 10];
    bytes[2..].copy_from_slice(&count.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_typeid_specification_s_own_example_reads_and_writes() {
        let id: EventId = "evt_01h455vb4pex5vsknk084sn02q".parse().expect("valid");
        assert_eq!(id.0.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
        assert_eq!(id.to_string(), "evt_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn only_the_canonical_spelling_of_the_right_kind_is_an_id() {
        for bad in [
            "",
            "evt_",
            "ord_01h455vb4pex5vsknk084sn02q",
            "evt_81h455vb4pex5vsknk084sn02q",
            "evt_01H455VB4PEX5VSKNK084SN02Q",
            "evt_01h455vb4pex5vsknk084sn02",
            "evt_01h455vb4pex5vsknk084sn02\u{e9}",
        ] {
            assert_eq!(bad.parse::<EventId>(), Err(BadId), "{bad}");
        }
    }

    #[test]
    fn ids_made_in_one_moment_ascend() {
        for ids in [Ids::default(), Ids::seeded(7)] {
            let now = DateTime::UNIX_EPOCH;
            let made: Vec<OrderId> = (0..5000).map(|_| ids.make(now)).collect();
            assert!(made.is_sorted_by(|a, b| a < b));
        }
    }
}
