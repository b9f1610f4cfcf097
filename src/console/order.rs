//! The page of an order: what was bought, how its units stand, and the units themselves a page at a time.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::json;

use super::{
    deed::{self, Deed, Offer, Refused},
    entitlement,
    moment::Moment,
    record::{Account, Channel, Connection, Contact, Event, Id, Money, Product, Statistics, Viewer},
    shell::{self, Shell},
    unit::{Row, STATES, Steps, Turn},
    verdict::Verdict,
    visit::{Asked, Posted, Trouble, Visit},
    word,
};
use crate::http::address::encoded;

pub(super) const DOCUMENT: &str = include_str!("../../console/order.graphql");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    feed_cursor: String,
    viewer: Viewer,
    order: Option<Order>,
    exceptions: Connection<Matter>,
}

/// What is open about an order.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matter {
    pub id: String,
    pub kind: String,
    pub reason: String,
    pub opened_at: Moment,
}

/// An order with what is on its page.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: String,
    pub version: i64,
    pub external_reference: String,
    pub status: String,
    pub fulfillment_status: String,
    pub source: String,
    pub placed_at: Moment,
    pub payment_reference: Option<String>,
    pub channel: Channel,
    pub buyer: Option<Contact>,
    pub buyer_account: Option<Account>,
    pub total: Option<Money>,
    pub lines: Vec<Line>,
    pub statistics: Statistics,
    pub entitlements: Connection<Row>,
    pub suspended: Connection<Suspended>,
    pub timeline: Connection<Event>,
}

/// One of the first units that are suspended.
#[derive(Deserialize)]
pub struct Suspended {
    pub assignment: Option<Id>,
}

impl Order {
    /// The unit that the order is of, where it is of one: others have had its place before.
    fn only(&self) -> Option<&Row> {
        let (counts, rows) = (&self.statistics, &self.entitlements.nodes);
        let replaced = rows.iter().filter(|row| row.replaced_by.is_some()).count();
        let mut left = rows.iter().filter(|row| row.replaced_by.is_none());
        left.next().filter(|_| left.next().is_none() && counts.units() == 1 + i64::try_from(replaced).unwrap_or(0))
    }

    /// The newest refusal among what is shown of what happened.
    pub fn refusal(&self) -> Option<&Event> {
        self.timeline.nodes.iter().rfind(|event| event.kind == "REDEMPTION_REJECTED")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub quantity: i64,
    pub mode: String,
    pub unit_price: Option<Money>,
    pub product: Product,
}

#[derive(Template)]
#[template(path = "order.html", config = ".askama.toml")]
struct Page {
    shell: Shell,
    now: Moment,
    turn: Turn,
    steps: Steps,
    offers: Vec<Offer>,
    verdict: Verdict,
    /// The newest of those that are open, and how many there are.
    matters: Vec<Matter>,
    open: i64,
    order: Order,
}

/// `/console/order/{id}`
pub async fn page(visit: Visit, Path(id): Path<String>, Asked(turn): Asked<Turn>) -> Result<Response, Trouble> {
    show(&visit, &id, turn, StatusCode::OK, None).await
}

async fn show(
    visit: &Visit,
    id: &str,
    turn: Turn,
    status: StatusCode,
    refused: Option<Refused>,
) -> Result<Response, Trouble> {
    let mut variables = turn.variables();
    variables.insert("id".to_owned(), id.into());
    variables.extend((!turn.past.is_empty()).then(|| ("past".to_owned(), turn.past.as_str().into())));
    let Answer { feed_cursor, viewer, order, exceptions } = visit.ask(DOCUMENT, variables.into()).await?;
    let (order, now) = (order.ok_or(Trouble::Missing)?, visit.now());
    let open = exceptions.total_count.unwrap_or_default();
    let matters: Vec<Matter> = exceptions.nodes.into_iter().rev().collect();
    let verdict = match order.only() {
        // What is asked about an order of one unit is asked about that.
        Some(only) => Verdict::of(&entitlement::read(visit, &only.id, "").await?.2, now),
        None => Verdict::of_order(&order, &matters),
    };
    let mut offers = deed::of_order(&order, &viewer);
    let alarm = refused.map(|refused| refused.into_draft(&mut offers));
    let notice = turn.done.as_deref().and_then(deed::done);
    let page = format!("/console/order/{}", order.id);
    let shell = Shell::new(visit, &viewer, "units")?.saying(notice, alarm, page);
    let shell = shell.following(&feed_cursor, &json!({"orderId": order.id}));
    let steps = turn.steps(&format!("/console/order/{id}"), &order.entitlements.page_info);
    Ok(shell::page(status, &Page { shell, now, turn, steps, offers, verdict, matters, open, order }))
}

/// `/console/order/{id}/{deed}`: does what a form of the page asks for.
pub async fn act(Path((id, name)): Path<(String, String)>, posted: Posted) -> Result<Response, Trouble> {
    let deed = Deed::named(&name, deed::ORDER).ok_or(Trouble::Missing)?;
    match deed.perform(&posted, &format!("/console/order/{}", encoded(&id))).await? {
        Ok(done) => Ok(done),
        Err(refused) => show(&posted.visit, &id, Turn::default(), StatusCode::CONFLICT, Some(refused)).await,
    }
}
