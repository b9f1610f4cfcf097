//! What waits for somebody: open exceptions by kind and age, each with what resolves it, and work that is late.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Map, json};

use super::{
    deed::{self, Deed, Offer, Refused},
    moment::Moment,
    record::{
        Account, AssignmentStatus, Channel, Connection, Exception, OrderLink, PageInfo, RedemptionAttempt, UnitLink,
        Viewer,
    },
    shell::{self, Shell},
    unit::{Steps, paging},
    visit::{Asked, Posted, Trouble, Visit},
    word,
};
use crate::http::address::{address, encoded};

pub(super) const DOCUMENT: &str = include_str!("../../console/exceptions.graphql");
/// What changes a queue of exceptions.
const OPENED_OR_RESOLVED: [&str; 2] = ["EXCEPTION_OPENED", "EXCEPTION_RESOLVED"];
/// What changes the work that waits for somebody.
const ASSIGNMENTS: [&str; 12] = [
    "ASSIGNMENT_ACTIVATED",
    "ASSIGNMENT_AWAITING_INPUT",
    "ASSIGNMENT_CANCELLED",
    "ASSIGNMENT_CREATED",
    "ASSIGNMENT_DEPROVISIONING",
    "ASSIGNMENT_DEPROVISION_FAILED",
    "ASSIGNMENT_ENDED",
    "ASSIGNMENT_END_REQUESTED",
    "ASSIGNMENT_FAILED",
    "ASSIGNMENT_INPUT_SUBMITTED",
    "ASSIGNMENT_PROVISIONING",
    "ASSIGNMENT_RETRIED",
];
const SIZE: usize = 25;

pub const KINDS: [&str; 5] =
    ["REDEMPTION_REJECTED", "PROVISIONING_FAILED", "DEPROVISIONING_FAILED", "OVERDUE", "IMPORT_MISMATCH"];
/// How long an exception may have to be open to be listed: days, and their words.
const AGES: [(&str, &str); 3] = [("1", "More than a day"), ("7", "More than a week"), ("30", "More than 30 days")];

/// Where in a queue somebody is, and what of it they want to see.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Turn {
    after: String,
    before: String,
    kind: String,
    age: String,
    resolved: String,
    done: Option<String>,
}

impl Turn {
    fn asks_for(&self, choice: &str) -> bool {
        self.kind == choice || self.age == choice
    }
}

/// An exception with what it is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matter {
    #[serde(flatten)]
    exception: Exception,
    channel: Option<Channel>,
    order: Option<OrderLink>,
    entitlement: Option<UnitLink>,
    redemption_attempts: Vec<RedemptionAttempt>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    feed_cursor: String,
    viewer: Viewer,
    exceptions: Connection<Matter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    feed_cursor: String,
    viewer: Viewer,
    node: Option<Matter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Overdue {
    feed_cursor: String,
    viewer: Viewer,
    assignments: Connection<Late>,
}

/// An assignment past its deadline.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Late {
    status: AssignmentStatus,
    deadline: Option<Moment>,
    missing_input: Vec<String>,
    account: Option<Account>,
    entitlement: UnitLink,
}

#[derive(Template)]
#[template(path = "exceptions.html", config = ".askama.toml")]
struct Queue {
    shell: Shell,
    now: Moment,
    turn: Turn,
    matters: Vec<Matter>,
    total: i64,
    steps: Steps,
}

#[derive(Template)]
#[template(path = "exception.html", config = ".askama.toml")]
struct Page {
    shell: Shell,
    now: Moment,
    matter: Matter,
    offers: Vec<Offer>,
}

#[derive(Template)]
#[template(path = "overdue.html", config = ".askama.toml")]
struct LatePage {
    shell: Shell,
    now: Moment,
    work: Vec<Late>,
    total: i64,
    steps: Steps,
}

fn steps(path: &str, kept: &[(&str, &str)], info: &PageInfo) -> Steps {
    let to = |side, cursor: &String| address(path, &[kept, &[(side, cursor.as_str())]].concat());
    let next = info.end_cursor.as_ref().filter(|_| info.has_next_page);
    let back = info.start_cursor.as_ref().filter(|_| info.has_previous_page);
    Steps { next: next.map(|cursor| to("after", cursor)), back: back.map(|cursor| to("before", cursor)) }
}

/// `/console/exceptions`
pub async fn queue(visit: Visit, Asked(turn): Asked<Turn>) -> Result<Response, Trouble> {
    let now = visit.now();
    let mut filter = Map::new();
    filter.insert("status".to_owned(), if turn.resolved.is_empty() { "OPEN" } else { "RESOLVED" }.into());
    if KINDS.contains(&turn.kind.as_str()) {
        filter.insert("kind".to_owned(), json!([turn.kind]));
    }
    let days = AGES.iter().find(|(days, _)| *days == turn.age).and_then(|(days, _)| days.parse().ok());
    if let Some(days) = days {
        filter.insert("openedBefore".to_owned(), (now.0 - TimeDelta::days(days)).to_rfc3339().into());
    }
    let mut variables = paging(&turn.after, &turn.before, SIZE);
    variables.insert("filter".to_owned(), filter.into());
    let Listed { feed_cursor, viewer, exceptions } = visit.ask_for(DOCUMENT, "Exceptions", variables.into()).await?;
    let shell = Shell::new(&visit, &viewer, "exceptions")?;
    let shell = shell.following(&feed_cursor, &json!({"types": OPENED_OR_RESOLVED}));
    let kept = [("kind", turn.kind.as_str()), ("age", &turn.age), ("resolved", &turn.resolved)];
    let steps = steps("/console/exceptions", &kept, &exceptions.page_info);
    let total = exceptions.total_count.unwrap_or_default();
    Ok(shell::page(StatusCode::OK, &Queue { shell, now, turn, matters: exceptions.nodes, total, steps }))
}

/// `/console/exception/{id}`
pub async fn page(visit: Visit, Path(id): Path<String>, Asked(turn): Asked<Turn>) -> Result<Response, Trouble> {
    let notice = turn.done.as_deref().and_then(deed::done);
    show(&visit, &id, StatusCode::OK, notice, None).await
}

async fn show(
    visit: &Visit,
    id: &str,
    status: StatusCode,
    notice: Option<&str>,
    refused: Option<Refused>,
) -> Result<Response, Trouble> {
    // Whatever else has an id has a page elsewhere.
    if !id.starts_with("exc_") {
        return Err(Trouble::Missing);
    }
    let One { feed_cursor, viewer, node } = visit.ask_for(DOCUMENT, "Exception", json!({"id": id})).await?;
    let matter = node.ok_or(Trouble::Missing)?;
    let mut offers = deed::of_exception(&matter.exception);
    let alarm = refused.map(|refused| refused.into_draft(&mut offers));
    let page = format!("/console/exception/{}", matter.exception.id);
    let shell = Shell::new(visit, &viewer, "exceptions")?.saying(notice, alarm, page);
    let shell = shell.following(&feed_cursor, &json!({"types": OPENED_OR_RESOLVED}));
    Ok(shell::page(status, &Page { shell, now: visit.now(), matter, offers }))
}

/// `/console/exception/{id}/{deed}`: resolves it.
pub async fn act(Path((id, name)): Path<(String, String)>, posted: Posted) -> Result<Response, Trouble> {
    let deed = Deed::named(&name, deed::EXCEPTION).ok_or(Trouble::Missing)?;
    match deed.perform(&posted, &format!("/console/exception/{}", encoded(&id))).await? {
        Ok(done) => Ok(done),
        Err(refused) => show(&posted.visit, &id, StatusCode::CONFLICT, None, Some(refused)).await,
    }
}

/// `/console/overdue`
pub async fn overdue(visit: Visit, Asked(turn): Asked<Turn>) -> Result<Response, Trouble> {
    let variables = paging(&turn.after, &turn.before, SIZE).into();
    let Overdue { feed_cursor, viewer, assignments } = visit.ask_for(DOCUMENT, "Overdue", variables).await?;
    let shell = Shell::new(&visit, &viewer, "overdue")?.following(&feed_cursor, &json!({"types": ASSIGNMENTS}));
    let steps = steps("/console/overdue", &[], &assignments.page_info);
    let total = assignments.total_count.unwrap_or_default();
    Ok(shell::page(StatusCode::OK, &LatePage { shell, now: visit.now(), work: assignments.nodes, total, steps }))
}
