//! `Statistics`: units by state.

use async_graphql::SimpleObject;

use crate::{entity::kind::EntitlementStatus, graphql::loader::Tallies, store::journal::Counter};

/// Units by state. What was ordered and what was issued in place of others together are always the sum over the states.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub struct Statistics {
    /// Units sold.
    ordered: i32,
    /// Units issued in place of others.
    reissued: i32,
    /// Units nobody holds.
    unassigned: i32,
    /// Units held for somebody for a while.
    reserved: i32,
    /// Units that an account has, and that are not ready for use yet.
    assigned: i32,
    /// Units in use.
    active: i32,
    /// Units out of use until they are resumed.
    suspended: i32,
    /// Units taken back for good.
    revoked: i32,
    /// Units past their end.
    expired: i32,
    /// Exceptions that wait for a decision. Zero for customers.
    open_exceptions: i32,
}

impl From<Tallies> for Statistics {
    fn from(tallies: Tallies) -> Self {
        let units = |counter: &str| i32::try_from(tallies.units(counter)).unwrap_or(i32::MAX);
        let count = |counter: Counter| units(&counter.to_string());
        let state = |status| count(Counter::In(status));
        Self {
            ordered: count(Counter::Ordered),
            reissued: count(Counter::Reissued),
            unassigned: state(EntitlementStatus::Unassigned),
            reserved: state(EntitlementStatus::Reserved),
            assigned: state(EntitlementStatus::Assigned),
            active: state(EntitlementStatus::Active),
            suspended: state(EntitlementStatus::Suspended),
            revoked: state(EntitlementStatus::Revoked),
            expired: state(EntitlementStatus::Expired),
            open_exceptions: units("OPEN_EXCEPTIONS"),
        }
    }
}
