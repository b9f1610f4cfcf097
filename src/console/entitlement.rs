//! The page of one unit: the verdict, the chain it stands in, what may be done with it, what was tried, and its story.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::json;

use super::{
    deed::{self, Deed, Offer},
    moment::Moment,
    record::{
        Account, Assignment, AssignmentStatus, Channel, Code, Connection, Contact, Event, Exception, Id, Product,
        RedemptionAttempt, Reservation, UnitStatus, Viewer,
    },
    shell::{self, Shell},
    verdict::Verdict,
    visit::{Asked, Posted, Trouble, Visit},
    word,
};
use crate::http::address::encoded;

pub(super) const DOCUMENT: &str = include_str!("../../console/entitlement.graphql");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    feed_cursor: String,
    viewer: Viewer,
    entitlement: Option<Unit>,
}

/// A unit with all around it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unit {
    pub id: String,
    pub version: i64,
    pub status: UnitStatus,
    pub status_reason: Option<String>,
    pub issued_at: Moment,
    pub expires_at: Option<Moment>,
    pub allowed_actions: Vec<String>,
    pub recipient: Option<Contact>,
    pub product: Product,
    /// Where and how it was sold; none to a holder that did not sell it.
    pub channel: Option<Channel>,
    pub order: Option<Order>,
    pub order_line: Option<Line>,
    pub activation_codes: Vec<Code>,
    pub reservation: Option<Reservation>,
    pub reservations: Vec<Reservation>,
    pub assignments: Vec<Assignment>,
    pub replaces: Option<Id>,
    pub replaced_by: Option<Id>,
    pub redemption_attempts: Vec<RedemptionAttempt>,
    pub exceptions: Vec<Exception>,
    pub timeline: Connection<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: String,
    pub external_reference: String,
    pub placed_at: Moment,
    pub status: String,
    pub source: String,
    pub buyer: Option<Contact>,
    pub buyer_account: Option<Account>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub quantity: i64,
    pub mode: String,
    pub policy: Policy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub reservation_minutes: i64,
    pub reservation_max_minutes: i64,
    pub issues_codes: bool,
}

impl Unit {
    pub fn allows(&self, action: &str) -> bool {
        self.allowed_actions.iter().any(|allowed| allowed == action)
    }

    /// The assignment in force.
    pub fn assignment(&self) -> Option<&Assignment> {
        let over = |status| matches!(status, AssignmentStatus::Ended | AssignmentStatus::Cancelled);
        self.assignments.iter().find(|assignment| !over(assignment.status))
    }

    /// Who holds it, where that is for whoever looks to know.
    pub fn own_holder(&self) -> Option<&Account> {
        self.assignment()?.account.as_ref()
    }

    pub fn open_exceptions(&self) -> Vec<&Exception> {
        self.exceptions.iter().filter(|exception| exception.is_open()).collect()
    }

    /// Minutes by which the hold may be prolonged.
    pub fn room(&self) -> i64 {
        let terms = self.order_line.as_ref().zip(self.reservation.as_ref());
        terms.map_or(0, |(line, hold)| {
            line.policy.reservation_max_minutes - (hold.expires_at.0 - hold.created_at.0).num_minutes()
        })
    }

    pub fn live_code(&self) -> Option<&Code> {
        self.activation_codes.iter().find(|code| code.is_live())
    }

    /// The state it is in by its deadline, which is written into its status a little later.
    pub fn standing(&self, now: Moment) -> UnitStatus {
        let ended = self.expires_at.is_some_and(|end| end <= now);
        let held = self.reservation.as_ref().is_some_and(|hold| hold.expires_at > now);
        if ended && self.status != UnitStatus::Revoked {
            UnitStatus::Expired
        } else if self.status == UnitStatus::Reserved && !held {
            UnitStatus::Unassigned
        } else {
            self.status
        }
    }
}

#[derive(Deserialize)]
pub struct Turn {
    #[serde(default)]
    before: String,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "entitlement.html", config = ".askama.toml")]
struct Page {
    shell: Shell,
    now: Moment,
    verdict: Verdict,
    offers: Vec<Offer>,
    unit: Unit,
    first: bool,
}

/// `/console/entitlement/{id}`
pub async fn page(visit: Visit, Path(id): Path<String>, Asked(turn): Asked<Turn>) -> Result<Response, Trouble> {
    let notice = turn.done.as_deref().and_then(deed::done);
    show(&visit, &id, &turn.before, StatusCode::OK, notice, None).await
}

async fn show(
    visit: &Visit,
    id: &str,
    before: &str,
    status: StatusCode,
    notice: Option<&str>,
    refused: Option<deed::Refused>,
) -> Result<Response, Trouble> {
    let (feed_cursor, viewer, unit) = read(visit, id, before).await?;
    let now = visit.now();
    let mut offers = deed::of_unit(&unit, &viewer, now);
    let alarm = refused.map(|refused| refused.into_draft(&mut offers));
    let page = format!("/console/entitlement/{}", unit.id);
    let shell = Shell::new(visit, &viewer, "units")?.saying(notice, alarm, page);
    let shell = shell.following(&feed_cursor, &json!({"entitlementId": unit.id}));
    let verdict = Verdict::of(&unit, now);
    Ok(shell::page(status, &Page { shell, now, verdict, offers, unit, first: before.is_empty() }))
}

/// A unit with what happened to it `before` a place in the journal, how far that is read, and for whom.
pub async fn read(visit: &Visit, id: &str, before: &str) -> Result<(String, Viewer, Unit), Trouble> {
    let before = Some(before).filter(|before| !before.is_empty());
    let ask = |sold| visit.ask::<Answer>(DOCUMENT, json!({"id": id, "before": before, "sold": sold}));
    let answer = match ask(true).await {
        // Held by an account of this partner, and sold by another.
        Err(Trouble::Missing) => ask(false).await?,
        answer => answer?,
    };
    let Answer { feed_cursor, viewer, entitlement } = answer;
    Ok((feed_cursor, viewer, entitlement.ok_or(Trouble::Missing)?))
}

/// `/console/entitlement/{id}/{deed}`: does what a form of the page asks for.
pub async fn act(Path((id, name)): Path<(String, String)>, posted: Posted) -> Result<Response, Trouble> {
    let deed = Deed::named(&name, deed::UNIT).ok_or(Trouble::Missing)?;
    let back = format!("/console/entitlement/{}", encoded(&id));
    match deed.perform(&posted, &back).await? {
        Ok(done) => Ok(done),
        Err(refused) => show(&posted.visit, &id, "", StatusCode::CONFLICT, None, Some(refused)).await,
    }
}
