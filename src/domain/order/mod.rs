//! Orders: recording a purchase, complete and valid at once, and issuing its units.

mod cancel;
mod check;
pub mod import;
mod issue;
mod place;
mod state;

pub use self::{
    cancel::{Cancel, Cancelled, cancel},
    place::{Line, Place, Placed, place},
    state::Command,
};

use crate::{
    entity::{event, kind::EventType, order::Model},
    store::journal,
};

/// An event about an order as a whole, with all that scopes and filters ask of it.
pub(super) fn event(kind: EventType, order: &Model) -> event::Model {
    event::Model {
        partner_id: Some(order.partner_id),
        channel_id: Some(order.channel_id),
        order_id: Some(order.id),
        buyer_account_id: order.buyer_account_id,
        ..journal::event(kind)
    }
}
