//! The journal: appending events, giving them their order, reading them.
//!
//! Positions are dense and agree with the order in which the changes of a record were committed. SQLite's single writer gives them as it
//! writes. On PostgreSQL a number taken before the commit is no order, for a reader that has passed 10 would miss a 9 that commits later;
//! there an event waits in `journal_pending` until [`Db::sequence`](super::Db::sequence) numbers all that have been committed, one sequencer at a time. The row
//! lock on `journal_head` makes it one, is taken per batch and freed by a crash.

mod sequence;
mod write;

use std::collections::BTreeMap;

use chrono::DateTime;
use uuid::Uuid;

pub use self::sequence::{BATCH, CHANNEL, Entry, Head};
use super::{Error, Tx, script::Script};
use crate::{
    entity::{
        event,
        kind::{EntitlementStatus, EventType, Role},
    },
    id::{AccountId, AssignmentId, ChannelId, EntitlementId, EventId, ExceptionId, PartnerId, ProductId},
};

/// Who or what causes the events of a transaction.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `key:<key id>`, `user:<subject>` or `system:<task>`.
    pub actor: String,
    /// In which role; none for the service itself.
    pub role: Option<Role>,
    /// The partner it acts for.
    pub partner: Option<PartnerId>,
    pub request_id: Option<String>,
    /// Why, as far as the events do not say it themselves.
    pub reason: Option<String>,
}

impl Origin {
    /// One of the service's own tasks.
    pub fn system(task: &str) -> Self {
        Self { actor: format!("system:{task}"), ..Self::default() }
    }
}

/// What statistics count, besides the units in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Units sold.
    Ordered,
    /// Units issued in place of others.
    Reissued,
    /// Units in a state.
    In(EntitlementStatus),
}

impl std::fmt::Display for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ordered => f.write_str("ORDERED"),
            Self::Reissued => f.write_str("REISSUED"),
            Self::In(status) => status.fmt(f),
        }
    }
}

/// Units that a transaction counts into a counter of a channel and product.
type Tally = ((Uuid, Uuid, String), i64);

/// What an event is about, where many are alike in all else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject {
    pub entitlement_id: Option<EntitlementId>,
    pub assignment_id: Option<AssignmentId>,
    pub exception_id: Option<ExceptionId>,
    /// The account that is concerned, and its namespace.
    pub account: Option<(AccountId, PartnerId)>,
}

/// The events and tallies of a transaction, until it is about to commit.
#[derive(Default)]
pub(super) struct Buffer {
    origin: Origin,
    events: Vec<event::Model>,
    alike: Vec<(event::Model, Vec<Subject>)>,
    tallies: BTreeMap<(Uuid, Uuid, String), i64>,
    appended: bool,
}

/// An event that says nothing yet but its type. The transaction fills in who, when and its id.
pub fn event(kind: EventType) -> event::Model {
    event::Model {
        id: EventId(Uuid::nil()),
        kind,
        occurred_at: DateTime::UNIX_EPOCH,
        actor: String::new(),
        actor_role: None,
        actor_partner_id: None,
        reason: None,
        request_id: None,
        partner_id: None,
        channel_id: None,
        product_id: None,
        order_id: None,
        buyer_account_id: None,
        account_id: None,
        account_partner_id: None,
        external: false,
        entitlement_id: None,
        activation_code_id: None,
        reservation_id: None,
        assignment_id: None,
        redemption_attempt_id: None,
        exception_id: None,
        api_key_id: None,
        from_status: None,
        to_status: None,
        entitlement_from: None,
        entitlement_to: None,
        quantity: None,
    }
}

impl Tx {
    /// Appends an event; it is written when the transaction commits, after all its changes.
    pub fn append(&mut self, event: event::Model) {
        self.journal.events.push(event);
    }

    /// Appends an event a subject, all alike but for that. They come after those that are appended one by one.
    pub fn append_each(&mut self, like: event::Model, subjects: Vec<Subject>) {
        self.journal.alike.push((like, subjects));
    }

    /// Counts units into (or, negative, out of) a counter of a channel and product.
    pub fn tally(&mut self, channel: ChannelId, product: ProductId, counter: Counter, units: i64) {
        *self.journal.tallies.entry((channel.0, product.0, counter.to_string())).or_default() += units;
    }

    /// The actor of this transaction, as its events name it.
    pub fn actor(&self) -> &str {
        &self.journal.origin.actor
    }
}

impl Buffer {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, ..Self::default() }
    }

    /// Whether one script writes it all.
    pub(super) fn is_one_script(&self) -> bool {
        self.alike.is_empty() && self.events.len() <= write::ROWS && self.tallies.len() <= write::ROWS
    }

    pub(super) fn appended(&self) -> bool {
        self.appended
    }

    /// Writes what was gathered, after what is in `script`. What is left says only whether anything was.
    pub(super) async fn flush(mut self, tx: &Tx, script: Script) -> Result<Self, Error> {
        let events: Vec<event::Model> =
            std::mem::take(&mut self.events).into_iter().map(|event| self.sign(event, tx)).collect();
        let alike = std::mem::take(&mut self.alike);
        let tallies: Vec<_> = std::mem::take(&mut self.tallies).into_iter().filter(|(_, units)| *units != 0).collect();
        self.appended = !events.is_empty() || !alike.is_empty();
        write::events(tx, script, events, tallies).await?;
        for (like, subjects) in alike {
            let like = self.sign(like, tx);
            write::alike(tx, like, &subjects).await?;
        }
        Ok(self)
    }

    fn sign(&self, event: event::Model, tx: &Tx) -> event::Model {
        event::Model {
            id: tx.id(),
            occurred_at: tx.now(),
            actor: self.origin.actor.clone(),
            actor_role: self.origin.role,
            actor_partner_id: self.origin.partner,
            request_id: self.origin.request_id.clone(),
            reason: event.reason.or_else(|| self.origin.reason.clone()),
            ..event
        }
    }
}
