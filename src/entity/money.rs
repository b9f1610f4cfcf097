//! Exact amounts.
//!
//! Kept as canonical decimal text on both engines: exact wherever it is read, and never computed with in SQL.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;

/// An amount of at most 28 significant digits, never negative, without trailing zeros of its own making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Amount(pub Decimal);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not an amount.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("an amount is a decimal number like 19.90, neither negative nor in exponent notation")]
pub struct BadAmount;

impl FromStr for Amount {
    type Err = BadAmount;
    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let plain =
            !text.is_empty() && text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let amount = Decimal::from_str_exact(text).map_err(|_| BadAmount)?;
        if plain { Ok(Self(amount)) } else { Err(BadAmount) }
    }
}
