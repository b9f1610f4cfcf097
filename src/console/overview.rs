//! The first page: how much there is in which state and channel, what waits for somebody, and what has just been redeemed.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use chrono::TimeDelta;
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::json;

use super::{
    moment::Moment,
    record::{Channel, Connection, Product, RedemptionAttempt, Statistics, UnitStatus, Viewer},
    shell::{self, Shell},
    visit::{Trouble, Visit},
    word,
};

pub(super) const DOCUMENT: &str = include_str!("../../console/overview.graphql");
/// The width of a chart, in its own units.
const WIDTH: f64 = 1000.0;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    feed_cursor: String,
    viewer: Viewer,
    statistics: Statistics,
    channels: Connection<Channel>,
    rejected: Queue,
    rejected_day: Count,
    rejected_week: Count,
    failed: Queue,
    failed_day: Count,
    failed_week: Count,
    stuck: Queue,
    stuck_day: Count,
    stuck_week: Count,
    overdue: Queue,
    overdue_day: Count,
    overdue_week: Count,
    mismatch: Queue,
    mismatch_day: Count,
    mismatch_week: Count,
    late: Count,
    redemption_attempts: Connection<RedemptionAttempt>,
    orders: Connection<Order>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    total_count: i64,
    nodes: Vec<Opened>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    opened_at: Moment,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_count: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    id: String,
    external_reference: String,
    placed_at: Moment,
    status: String,
    fulfillment_status: String,
    channel: Channel,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    quantity: i64,
    product: Product,
}

impl Order {
    fn sold(&self) -> String {
        let units: i64 = self.lines.iter().map(|line| line.quantity).sum();
        match self.lines.as_slice() {
            [line] => format!("{} × {}", word::number(units), line.product.name),
            lines => format!("{} units of {} lines", word::number(units), lines.len()),
        }
    }
}

#[derive(Deserialize)]
struct OfChannel {
    statistics: Statistics,
}

/// The open exceptions of a kind, by how long they have been open.
struct Kind {
    name: &'static str,
    open: i64,
    day: i64,
    week: i64,
    oldest: Option<Moment>,
}

/// The units of a channel, as a bar of the chart.
struct Bar {
    channel: Channel,
    statistics: Statistics,
    parts: Vec<Part>,
}

struct Part {
    status: UnitStatus,
    units: i64,
    from: String,
    width: String,
}

#[derive(Template)]
#[template(path = "overview.html", config = ".askama.toml")]
struct Page {
    shell: Shell,
    now: Moment,
    statistics: Statistics,
    bars: Vec<Bar>,
    more_channels: bool,
    kinds: Vec<Kind>,
    late: i64,
    attempts: Vec<RedemptionAttempt>,
    orders: Vec<Order>,
}

/// `/console`
pub async fn page(visit: Visit) -> Result<Response, Trouble> {
    let now = visit.now();
    let before = |days| (now.0 - TimeDelta::days(days)).to_rfc3339();
    let variables = json!({"day": before(1), "week": before(7)});
    let answer: Answer = visit.ask_for(DOCUMENT, "Overview", variables).await?;
    let kinds = kinds(&answer);
    let Answer { feed_cursor, viewer, statistics, channels, late, redemption_attempts, orders, .. } = answer;
    let bars = bars(&visit, channels.nodes).await?;
    let shell = Shell::new(&visit, &viewer, "overview")?.following(&feed_cursor, &json!({}));
    let newest = |attempts: Vec<RedemptionAttempt>| attempts.into_iter().rev().collect();
    let page = Page {
        shell,
        now,
        statistics,
        bars,
        more_channels: channels.page_info.has_next_page,
        kinds,
        late: late.total_count,
        attempts: newest(redemption_attempts.nodes),
        orders: orders.nodes.into_iter().rev().collect(),
    };
    Ok(shell::page(StatusCode::OK, &page))
}

fn kinds(answer: &Answer) -> Vec<Kind> {
    let kind = |name, queue: &Queue, day: &Count, week: &Count| Kind {
        name,
        open: queue.total_count,
        day: day.total_count,
        week: week.total_count,
        oldest: queue.nodes.first().map(|opened| opened.opened_at),
    };
    vec![
        kind("REDEMPTION_REJECTED", &answer.rejected, &answer.rejected_day, &answer.rejected_week),
        kind("PROVISIONING_FAILED", &answer.failed, &answer.failed_day, &answer.failed_week),
        kind("DEPROVISIONING_FAILED", &answer.stuck, &answer.stuck_day, &answer.stuck_week),
        kind("OVERDUE", &answer.overdue, &answer.overdue_day, &answer.overdue_week),
        kind("IMPORT_MISMATCH", &answer.mismatch, &answer.mismatch_day, &answer.mismatch_week),
    ]
}

/// A bar a channel, all of one length: what matters is which part of its units is where.
async fn bars(visit: &Visit, channels: Vec<Channel>) -> Result<Vec<Bar>, Trouble> {
    let asked = channels.into_iter().map(|channel| async move {
        let OfChannel { statistics } = visit.ask_for(DOCUMENT, "Channel", json!({"id": channel.id})).await?;
        Ok(Bar { channel, statistics, parts: parts(&statistics) })
    });
    try_join_all(asked).await
}

#[expect(clippy::cast_precision_loss, reason = "a width on a screen")]
fn parts(statistics: &Statistics) -> Vec<Part> {
    let all = statistics.units().max(1) as f64;
    let mut from = 0.0;
    let some = statistics.states().into_iter().filter(|(_, units)| *units > 0);
    let part = |(status, units): (UnitStatus, i64)| {
        let width = units as f64 / all * WIDTH;
        let part = Part { status, units, from: format!("{from:.1}"), width: format!("{width:.1}") };
        from += width;
        part
    };
    some.map(part).collect()
}
