//! What the pages read of the graph's records, each as the documents in `console/` select it.

use serde::Deserialize;

use super::moment::Moment;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Viewer {
    pub role: String,
    pub api_key: Option<Named>,
    pub partner: Option<Named>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    pub name: String,
}

/// A record of which nothing but its id matters.
#[derive(Debug, Clone, Deserialize)]
pub struct Id {
    pub id: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Contact {
    pub name: Option<String>,
    pub email: Option<String>,
}

impl Contact {
    /// A name and an address, as far as there are any.
    pub fn text(&self) -> String {
        match (&self.name, &self.email) {
            (Some(name), Some(email)) => format!("{name} <{email}>"),
            (Some(text), None) | (None, Some(text)) => text.clone(),
            (None, None) => String::new(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub id: String,
    pub external_reference: String,
    pub display_name: Option<String>,
    pub email: Option<String>,
}

impl Account {
    /// Its reference, with a name or an address where it has one.
    pub fn text(&self) -> String {
        match self.display_name.as_ref().or(self.email.as_ref()) {
            Some(name) if *name != self.external_reference => format!("{} ({name})", self.external_reference),
            Some(_) | None => self.external_reference.clone(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Product {
    pub sku: String,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Channel {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Money {
    pub amount: String,
    #[serde(rename = "currencyCode")]
    pub currency: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnitStatus {
    Unassigned,
    Reserved,
    Assigned,
    Active,
    Suspended,
    Revoked,
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AssignmentStatus {
    Pending,
    AwaitingInput,
    Provisioning,
    Active,
    Failed,
    Deprovisioning,
    DeprovisionFailed,
    Ended,
    Cancelled,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Code {
    pub id: String,
    pub status: String,
    pub last_four: String,
    pub issued_at: Moment,
    pub redeemed_at: Option<Moment>,
    pub revealable: bool,
}

impl Code {
    pub fn is_live(&self) -> bool {
        self.status == "ISSUED"
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    pub id: String,
    pub version: i64,
    pub status: String,
    pub account: Option<Account>,
    pub resource: Option<String>,
    pub expires_at: Moment,
    pub created_at: Moment,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    pub id: String,
    pub version: i64,
    pub status: AssignmentStatus,
    pub status_reason: Option<String>,
    pub method: String,
    pub resource: Option<String>,
    pub account: Option<Account>,
    pub missing_input: Vec<String>,
    pub external_reference: Option<String>,
    pub deadline: Option<Moment>,
    pub assigned_at: Moment,
    pub activated_at: Option<Moment>,
    pub ended_at: Option<Moment>,
    pub attempts: Vec<ProvisioningAttempt>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningAttempt {
    pub operation: String,
    pub outcome: String,
    pub started_at: Moment,
    pub finished_at: Option<Moment>,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedemptionAttempt {
    pub id: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub code_last_four: Option<String>,
    pub account: Option<Account>,
    pub actor: String,
    pub occurred_at: Moment,
    /// Where a page asks for it.
    pub entitlement: Option<UnitLink>,
}

impl RedemptionAttempt {
    pub fn succeeded(&self) -> bool {
        self.outcome == "SUCCEEDED"
    }
}

/// The unit that something is about. Its order is not asked for: whoever holds what somebody else sold does not see that.
#[derive(Debug, Clone, Deserialize)]
pub struct UnitLink {
    pub id: String,
    pub product: Product,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLink {
    pub id: String,
    pub external_reference: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    pub id: String,
    pub version: i64,
    pub kind: String,
    pub status: String,
    pub reason: String,
    pub allowed_resolutions: Vec<String>,
    pub resolution: Option<String>,
    pub note: Option<String>,
    pub opened_at: Moment,
    pub resolved_at: Option<Moment>,
    pub resolved_by: Option<String>,
}

impl Exception {
    pub fn is_open(&self) -> bool {
        self.status == "OPEN"
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub occurred_at: Moment,
    pub actor: String,
    pub reason: Option<String>,
    pub entitlement_from: Option<UnitStatus>,
    pub entitlement_to: Option<UnitStatus>,
    pub quantity: Option<i64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    pub unassigned: i64,
    pub reserved: i64,
    pub assigned: i64,
    pub active: i64,
    pub suspended: i64,
    pub revoked: i64,
    pub expired: i64,
}

impl Statistics {
    /// The units in each state, in the order of a unit's life.
    pub fn states(&self) -> [(UnitStatus, i64); 7] {
        [
            (UnitStatus::Unassigned, self.unassigned),
            (UnitStatus::Reserved, self.reserved),
            (UnitStatus::Assigned, self.assigned),
            (UnitStatus::Active, self.active),
            (UnitStatus::Suspended, self.suspended),
            (UnitStatus::Revoked, self.revoked),
            (UnitStatus::Expired, self.expired),
        ]
    }

    pub fn units(&self) -> i64 {
        self.states().iter().map(|(_, units)| units).sum()
    }
}

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection<T> {
    pub nodes: Vec<T>,
    #[serde(default)]
    pub page_info: PageInfo,
    pub total_count: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    pub has_next_page: bool,
    pub has_previous_page: bool,
    pub start_cursor: Option<String>,
    pub end_cursor: Option<String>,
}
