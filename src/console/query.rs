//! A plain page to ask the graph by hand. It needs nothing from elsewhere; following a subscription needs the script.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use serde_json::Value;

use super::{
    shell::{self, Shell},
    visit::{Posted, Trouble, Visit},
};

const EXAMPLE: &str = "{\n  orders(last: 3) {\n    nodes { externalReference status fulfillmentStatus }\n  }\n}\n";

#[derive(Template)]
#[template(path = "query.html", config = ".askama.toml")]
struct Page<'a> {
    shell: Shell,
    query: &'a str,
    variables: &'a str,
    answer: Option<String>,
}

/// `/console/query`
pub async fn page(visit: Visit) -> Result<Response, Trouble> {
    show(&visit, EXAMPLE, "", None).await
}

async fn show(visit: &Visit, query: &str, variables: &str, answer: Option<String>) -> Result<Response, Trouble> {
    let shell = Shell::new(visit, &visit.viewer().await?, "query")?;
    Ok(shell::page(StatusCode::OK, &Page { shell, query, variables, answer }))
}

/// Runs what was typed.
pub async fn run(Posted { visit, form }: Posted) -> Result<Response, Trouble> {
    let (query, variables) = (form.get("query").unwrap_or_default(), form.get("variables").unwrap_or_default());
    let answer = visit.run(&[("query", query), ("variables", variables)]).await;
    let answer = serde_json::from_str::<Value>(&answer).and_then(|answer| serde_json::to_string_pretty(&answer));
    show(&visit, query, variables, Some(answer.map_err(|_| Trouble::Unavailable)?)).await
}
