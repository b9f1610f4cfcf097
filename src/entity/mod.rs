//! The stored records: one dense SeaORM entity a table, the enums they store, and the scoped finders.
//!
//! Nothing here decides anything. A status is stored as the word the API uses, so that a row read with `psql` or `sqlite3` explains
//! itself. A finder takes the caller's [`Scope`](scope::Scope): there is no way to select a record of somebody without saying for whom.

pub mod account;
pub mod activation_code;
pub mod api_key;
pub mod assignment;
pub mod channel;
pub mod code_key;
pub mod entitlement;
pub mod event;
pub mod fulfillment_exception;
pub mod fulfillment_rule;
pub mod kind;
pub mod money;
pub mod order;
pub mod order_line;
pub mod partner;
pub mod policy;
pub mod product;
pub mod provisioning_attempt;
pub mod redemption_attempt;
pub mod reservation;
pub mod scope;
