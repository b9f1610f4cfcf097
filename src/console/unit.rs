//! Lists of units: the stock of whoever looks, by state and channel, a page at a time. A page is found by the place where the last one
//! ended, so that the thousandth comes as fast as the first.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    moment::Moment,
    record::{
        Account, AssignmentStatus, Channel, Code, Connection, Contact, Id, OrderLink, PageInfo, Product, UnitStatus,
        Viewer,
    },
    shell::{self, Shell},
    visit::{Asked, Trouble, Visit},
    word,
};
use crate::http::address::address;

pub(super) const DOCUMENT: &str = include_str!("../../console/units.graphql");
/// Units on a page.
const SIZE: usize = 50;

/// All states, for a choice.
pub const STATES: [UnitStatus; 7] = [
    UnitStatus::Unassigned,
    UnitStatus::Reserved,
    UnitStatus::Assigned,
    UnitStatus::Active,
    UnitStatus::Suspended,
    UnitStatus::Revoked,
    UnitStatus::Expired,
];

/// Where in a list somebody is, and what of it they want to see.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Turn {
    pub after: String,
    pub before: String,
    pub status: String,
    pub channel: String,
    pub product: String,
    pub partner: String,
    /// Before which to tell what happened.
    pub past: String,
    pub done: Option<String>,
}

impl Turn {
    /// The variables of a document that lists units.
    pub fn variables(&self) -> Map<String, Value> {
        let mut variables = paging(&self.after, &self.before, SIZE);
        let mut filter = self.filter();
        if STATES.iter().any(|status| status.name() == self.status) {
            filter.insert("status".to_owned(), json!([self.status]));
        }
        variables.insert("filter".to_owned(), filter.into());
        variables
    }

    /// What is looked at, whatever its state: of units, and of what happens to them.
    fn filter(&self) -> Map<String, Value> {
        let members = [("channelId", &self.channel), ("productId", &self.product), ("partnerId", &self.partner)];
        let given = members.into_iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| (name.to_owned(), value.as_str().into())).collect()
    }

    /// The addresses of the pages beside this one, where there are any.
    pub fn steps(&self, path: &str, info: &PageInfo) -> Steps {
        let to = |side, cursor: &str| {
            let kept = [
                ("status", self.status.as_str()),
                ("channel", &self.channel),
                ("product", &self.product),
                ("partner", &self.partner),
                (side, cursor),
            ];
            address(path, &kept)
        };
        let next = info.end_cursor.as_ref().filter(|_| info.has_next_page);
        let back = info.start_cursor.as_ref().filter(|_| info.has_previous_page);
        Steps { next: next.map(|cursor| to("after", cursor)), back: back.map(|cursor| to("before", cursor)) }
    }
}

/// The ways to the pages beside one.
#[derive(Default)]
pub struct Steps {
    pub next: Option<String>,
    pub back: Option<String>,
}

/// The arguments of a page of a list.
pub fn paging(after: &str, before: &str, size: usize) -> Map<String, Value> {
    let mut variables = Map::new();
    let (count, side, cursor) = if before.is_empty() { ("first", "after", after) } else { ("last", "before", before) };
    variables.insert(count.to_owned(), size.into());
    if !cursor.is_empty() {
        variables.insert(side.to_owned(), cursor.into());
    }
    variables
}

/// A unit in a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: String,
    pub status: UnitStatus,
    pub expires_at: Option<Moment>,
    pub product: Product,
    pub order: OrderLink,
    pub recipient: Option<Contact>,
    pub activation_code: Option<Code>,
    pub reservation: Option<Held>,
    pub assignment: Option<Assigned>,
    /// Where a page asks for it.
    pub replaced_by: Option<Id>,
}

#[derive(Deserialize)]
pub struct Held {
    pub account: Option<Account>,
}

#[derive(Deserialize)]
pub struct Assigned {
    pub status: AssignmentStatus,
    pub account: Option<Account>,
}

impl Row {
    /// Who has it or for whom it is held.
    pub fn account(&self) -> Option<&Account> {
        let held = self.reservation.as_ref().and_then(|hold| hold.account.as_ref());
        self.assignment.as_ref().map_or(held, |assignment| assignment.account.as_ref())
    }

    /// What its state does not say of itself.
    pub fn trouble(&self) -> Option<&'static str> {
        let status = self.assignment.as_ref()?.status;
        (status != AssignmentStatus::Active).then(|| status.word())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    feed_cursor: String,
    viewer: Viewer,
    channels: Connection<Channel>,
    entitlements: Connection<Row>,
}

#[derive(Template)]
#[template(path = "units.html", config = ".askama.toml")]
struct Page {
    shell: Shell,
    now: Moment,
    turn: Turn,
    channels: Vec<Channel>,
    rows: Vec<Row>,
    steps: Steps,
}

/// `/console/units`
pub async fn page(visit: Visit, Asked(mut turn): Asked<Turn>) -> Result<Response, Trouble> {
    // Stock is what one sells: what accounts of a partner hold of others' sales shows no order, and is found by the account.
    if let Some(partner) = visit.actor.partner.filter(|_| turn.partner.is_empty()) {
        turn.partner = partner.to_string();
    }
    let Answer { feed_cursor, viewer, channels, entitlements } = visit.ask(DOCUMENT, turn.variables().into()).await?;
    let shell = Shell::new(&visit, &viewer, "units")?.following(&feed_cursor, &turn.filter().into());
    let steps = turn.steps("/console/units", &entitlements.page_info);
    let page = Page { shell, now: visit.now(), turn, channels: channels.nodes, rows: entitlements.nodes, steps };
    Ok(shell::page(StatusCode::OK, &page))
}
