//! `Money`: an amount with its currency.

use async_graphql::SimpleObject;

use crate::{entity::money::Amount, graphql::scalars::Decimal};

/// An amount of money.
#[derive(Debug, Clone, SimpleObject)]
pub struct Money {
    /// The exact amount.
    amount: Decimal,
    /// The currency, as the three letters of ISO 4217.
    currency_code: String,
}

impl Money {
    /// Money, where there are both an amount and its currency.
    pub fn of(amount: Option<Amount>, currency: Option<&String>) -> Option<Self> {
        Some(Self { amount: Decimal(amount?), currency_code: currency?.clone() })
    }
}
