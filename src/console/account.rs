//! The page of an account: what it holds, and what it held.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::json;

use super::{
    moment::Moment,
    record::{AssignmentStatus, Connection, Named, UnitLink, Viewer},
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
    assignments: Connection<Holding>,
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
    steps: Steps,
}

/// `/console/account/{id}`
pub async fn page(visit: Visit, Path(id): Path<String>, Asked(turn): Asked<Turn>) -> Result<Response, Trouble> {
    let mut variables = paging(&turn.after, &turn.before, SIZE);
    variables.insert("id".to_owned(), id.as_str().into());
    let Answer { feed_cursor, viewer, account } = visit.ask(DOCUMENT, variables.into()).await?;
    let account = account.ok_or(Trouble::Missing)?;
    let shell = Shell::new(&visit, &viewer, "units").following(&feed_cursor, &json!({"accountId": account.id}));
    let steps = turn.steps(&format!("/console/account/{id}"), &account.assignments.page_info);
    Ok(shell::page(StatusCode::OK, &Page { shell, now: visit.now(), account, steps }))
}
