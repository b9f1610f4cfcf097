//! The page of an account: what it holds and held, what is held for it, and what it bought.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::json;

use super::{
    moment::Moment,
    record::{AssignmentStatus, Channel, Connection, Named, UnitLink, Viewer},
    shell::{self, Shell},
    unit::{Steps, Turn, paging},
    visit::{Asked, Trouble, Visit},
    word,
};

pub(super) const DOCUMENT: &str = include_str!("../../console/account.graphql");
const SIZE: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    feed_cursor: String,
    viewer: Viewer,
    account: Option<Account>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    id: String,
    external_reference: String,
    display_name: Option<String>,
    email: Option<String>,
    created_at: Moment,
    partner: Named,
    reservations: Connection<Hold>,
    orders: Connection<Bought>,
    assignments: Connection<Holding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hold {
    id: String,
    expires_at: Moment,
    resource: Option<String>,
    entitlement: UnitLink,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bought {
    id: String,
    external_reference: String,
    placed_at: Moment,
    status: String,
    channel: Channel,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holding {
    status: AssignmentStatus,
    status_reason: Option<String>,
    method: String,
    assigned_at: Moment,
    ended_at: Option<Moment>,
    entitlement: UnitLink,
}

#[derive(Template)]
#[template(path = "account.html", config = ".askama.toml")]
struct Page {
    shell: Shell,
    now: Moment,
    account: Account,
    /// The newest, and how many there are.
    holds: Vec<Hold>,
    all_holds: i64,
    orders: Vec<Bought>,
    all_orders: i64,
    steps: Steps,
}

/// `/console/account/{id}`
pub async fn page(visit: Visit, Path(id): Path<String>, Asked(turn): Asked<Turn>) -> Result<Response, Trouble> {
    let mut variables = paging(&turn.after, &turn.before, SIZE);
    variables.insert("id".to_owned(), id.as_str().into());
    let Answer { feed_cursor, viewer, account } = visit.ask(DOCUMENT, variables.into()).await?;
    let mut account = account.ok_or(Trouble::Missing)?;
    let shell = Shell::new(&visit, &viewer, "units")?.following(&feed_cursor, &json!({"accountId": account.id}));
    let steps = turn.steps(&format!("/console/account/{id}"), &account.assignments.page_info);
    let (holds, all_holds) = newest(&mut account.reservations);
    let (orders, all_orders) = newest(&mut account.orders);
    let now = visit.now();
    Ok(shell::page(StatusCode::OK, &Page { shell, now, account, holds, all_holds, orders, all_orders, steps }))
}

/// The last of a list, newest first, and how many there are.
fn newest<T>(list: &mut Connection<T>) -> (Vec<T>, i64) {
    (std::mem::take(&mut list.nodes).into_iter().rev().collect(), list.total_count.unwrap_or_default())
}
