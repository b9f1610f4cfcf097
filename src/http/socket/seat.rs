//! How many sockets each principal has open on this node.
//!
//! Counted here and not in the database: what is bounded is this process' memory. A customer is counted by its account, under whatever
//! credential it comes; everybody else by the credential.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    config::Limits,
    domain::{Actor, actor::Credential},
    id::AccountId,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Account(AccountId),
    Credential(Option<Credential>),
}

/// The seats of one node. Cheap to clone.
#[derive(Clone, Default)]
pub struct Seats(Arc<Mutex<HashMap<Holder, usize>>>);

/// One open socket; given back when it is dropped.
pub struct Seat {
    seats: Seats,
    holder: Holder,
}

impl Seats {
    /// A seat for one more socket of `actor`, where it has room for one.
    pub fn take(&self, actor: &Actor, limits: &Limits) -> Option<Seat> {
        let (holder, most) = match actor.account {
            Some(account) => (Holder::Account(account), limits.customer_sockets),
            None => (Holder::Credential(actor.credential.clone()), limits.sockets),
        };
        let mut taken = self.taken();
        let count = taken.entry(holder.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { seats: self.clone(), holder })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Holder, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(count) = taken.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}
