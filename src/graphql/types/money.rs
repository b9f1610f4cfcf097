//! `Money`: an amount with its currency.

use async_graphql::{InputObject, SimpleObject};

use crate::{entity::money::Amount, graphql::scalars::Decimal};

/// An amount of money.
#[derive(Debug, Clone, SimpleObject)]
pub struct Money {
    /// The exact amount.
    amount: Decimal,
    /// The currency, as the three letters of ISO 4217.
    currency_code: String,
}

/// An amount of money to name. Kept for clients that pass amounts with their currency; no field takes one yet.
#[derive(Debug, Clone, InputObject)]
pub struct MoneyInput {
    /// The exact amount.
    pub amount: Decimal,
    /// The currency, as the three letters of ISO 4217.
    pub currency_code: String,
}

impl Money {
    /// Money, where there are both an amount and its currency.
    pub fn of(amount: Option<Amount>, currency: Option<&String>) -> Option<Self> {
        Some(Self { amount: Decimal(amount?), currency_code: currency?.clone() })
    }
}
