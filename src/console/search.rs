//! The one box: whatever is known of a record leads to its page, or to a choice where it is known of several.
//!
//! What is typed may be an activation code, which is as good as money: it goes in a request's body and never into an address.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    moment::Moment,
    record::{Channel, Id, OrderLink, Product, UnitStatus, Viewer},
    shell::{self, Shell},
    visit::{Asked, Posted, Trouble, Visit},
    word,
};
use crate::{http::address::address, id::AnyId};

pub(super) const DOCUMENT: &str = include_str!("../../console/search.graphql");
/// Letters and digits that do not give a code away, which has 25.
const SHORT: usize = 15;
/// As many records are looked for.
const MOST: usize = 50;

#[derive(Deserialize)]
struct Answer {
    viewer: Viewer,
    search: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    matched: String,
    node: Node,
}

/// Any record, as far as it says where its page is and what to call it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    #[serde(rename = "__typename")]
    kind: String,
    id: String,
    external_reference: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    name: Option<String>,
    sku: Option<String>,
    last_four: Option<String>,
    placed_at: Option<Moment>,
    issued_at: Option<Moment>,
    created_at: Option<Moment>,
    order_status: Option<String>,
    unit_status: Option<UnitStatus>,
    channel: Option<Channel>,
    product: Option<Product>,
    order: Option<OrderLink>,
    code: Option<Code>,
    entitlement: Option<Id>,
    tried: Option<Id>,
    concerned: Option<Id>,
    within: Option<OrderLink>,
    assignment: Option<Assigned>,
}

#[derive(Deserialize)]
struct Assigned {
    entitlement: Id,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Code {
    last_four: String,
}

/// A choice among what was found.
struct Found {
    to: String,
    title: String,
    about: String,
    at: Option<Moment>,
    matched: String,
}

impl Node {
    /// The page where it stands; none where there is no page of it.
    fn page(&self) -> Option<String> {
        let unit = self.entitlement.as_ref().or(self.tried.as_ref()).or(self.concerned.as_ref());
        let order = self.order.as_ref().or(self.within.as_ref());
        match (self.kind.as_str(), unit, order) {
            ("Order", ..) => Some(format!("/console/order/{}", self.id)),
            ("Entitlement", ..) => Some(format!("/console/entitlement/{}", self.id)),
            ("FulfillmentException", ..) => Some(format!("/console/exception/{}", self.id)),
            ("Account", ..) => Some(format!("/console/account/{}", self.id)),
            ("Product", ..) => Some(format!("/console/units?product={}", self.id)),
            ("Channel", ..) => Some(format!("/console/units?channel={}", self.id)),
            ("Partner", ..) => Some(format!("/console/units?partner={}", self.id)),
            ("ProvisioningAttempt", ..) => {
                self.assignment.as_ref().map(|of| format!("/console/entitlement/{}", of.entitlement.id))
            }
            (_, Some(unit), _) => Some(format!("/console/entitlement/{}", unit.id)),
            (_, None, Some(order)) => Some(format!("/console/order/{}", order.id)),
            (_, None, None) => None,
        }
    }

    fn title(&self) -> String {
        let name = [&self.external_reference, &self.display_name, &self.name, &self.sku].into_iter().flatten().next();
        let name = name.or(self.product.as_ref().map(|product| &product.name)).unwrap_or(&self.id);
        format!(
            "{} {name}",
            match self.kind.as_str() {
                "Entitlement" => "Unit:",
                "Order" => "Order",
                "Account" => "Account",
                kind => kind,
            }
        )
    }

    fn about(&self) -> String {
        let state = self.unit_status.map(|status| status.word().to_owned());
        let state = state.or(self.order_status.as_deref().map(word::plain));
        let order = self.order.as_ref().map(|order| format!("order {}", order.external_reference));
        let channel = self.channel.as_ref().map(|channel| channel.name.clone());
        let code = self.code.as_ref().map(|code| &code.last_four).or(self.last_four.as_ref());
        let code = code.map(|last_four| format!("code …{last_four}"));
        let known = [state, order, channel, self.email.clone(), code];
        known.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}

impl Hit {
    fn found(self) -> Option<Found> {
        let at = self.node.placed_at.or(self.node.issued_at).or(self.node.created_at);
        let (to, title, about) = (self.node.page()?, self.node.title(), self.node.about());
        let matched = match self.matched.as_str() {
            "id" => "its id",
            "code" => "the code",
            "lastFour" => "the code's last four",
            "externalReference" => "its reference",
            "buyerEmail" => "the buyer's e-mail",
            "recipientEmail" => "the recipient's e-mail",
            _ => "its e-mail",
        };
        Some(Found { to, title, about, at, matched: matched.to_owned() })
    }
}

#[derive(Template)]
#[template(path = "search.html", config = ".askama.toml")]
struct Page {
    shell: Shell,
    now: Moment,
    asked: bool,
    found: Vec<Found>,
    /// Whether there may be more of them.
    more: bool,
}

/// What an address may ask for.
#[derive(Deserialize)]
pub struct Sought {
    what: Option<String>,
}

/// `/console/search`: the box alone, or what there is to choose from.
pub async fn page(visit: Visit, Asked(Sought { what }): Asked<Sought>) -> Result<Response, Trouble> {
    if let Some(what) = what.filter(|what| !what.is_empty()) {
        return find(&visit, &what).await;
    }
    let shell = Shell::new(&visit, &visit.viewer().await?, "search")?;
    let page = Page { shell, now: visit.now(), asked: false, found: Vec::new(), more: false };
    Ok(shell::page(StatusCode::OK, &page))
}

/// Finds what is asked for. What may be said in an address goes by one, so that a browser that comes back to it need not ask whether to send
/// the form again.
pub async fn land(posted: Posted) -> Result<Response, Trouble> {
    let Posted { visit, form } = posted;
    match form.get("what") {
        Some(what) if may_be_a_code(what) => find(&visit, what).await,
        what => Ok(Redirect::to(&address("/console/search", &[("what", what.unwrap_or_default())])).into_response()),
    }
}

/// Whether there could be a code in it, even one with a slip.
fn may_be_a_code(what: &str) -> bool {
    what.parse::<AnyId>().is_err() && what.chars().filter(|character| character.is_alphanumeric()).count() > SHORT
}

/// Goes to what is asked for if it is one thing.
async fn find(visit: &Visit, what: &str) -> Result<Response, Trouble> {
    let Answer { viewer, search } = visit.ask(DOCUMENT, json!({"what": what, "most": MOST})).await?;
    let more = search.len() >= MOST;
    let mut found: Vec<Found> = Vec::new();
    for hit in search.into_iter().filter_map(Hit::found) {
        // A code and its unit have one page.
        if !found.iter().any(|other| other.to == hit.to) {
            found.push(hit);
        }
    }
    if let [only] = found.as_slice() {
        return Ok(Redirect::to(&only.to).into_response());
    }
    let status = if found.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let shell = Shell::new(visit, &viewer, "search")?.seeking(what);
    Ok(shell::page(status, &Page { shell, now: visit.now(), asked: true, found, more }))
}
