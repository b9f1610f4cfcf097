//! Which deeds are offered of a record, and a form that was refused.

use super::{
    super::{
        entitlement::Unit,
        moment::Moment,
        order::Order,
        record::{AssignmentStatus, Exception, UnitStatus, Viewer},
        visit::Form,
        word,
    },
    Deed, EXCEPTION, Field, ORDER, UNIT, effect,
};

/// A deed for one record as it stands.
pub struct Offer {
    pub deed: &'static Deed,
    /// The address that its form is sent to.
    pub to: String,
    /// The record that it is about.
    pub subject: String,
    /// The version of it that was looked at; none where a mutation asks for none.
    pub version: Option<i64>,
    /// What will happen, sentence by sentence.
    pub effect: Vec<String>,
    pub inputs: Vec<Input>,
    /// Whether its form is shown open: after it was refused.
    pub open: bool,
}

/// A field of a form, and what stands in it.
pub struct Input {
    pub name: String,
    pub label: String,
    pub kind: &'static str,
    pub required: bool,
    pub value: String,
}

impl From<&Field> for Input {
    fn from(field: &Field) -> Self {
        let Field { name, label, kind, required } = *field;
        Self { name: name.to_owned(), label: label.to_owned(), kind, required, value: String::new() }
    }
}

impl Offer {
    fn of(deed: &'static Deed, page: &str, subject: &str, version: Option<i64>, effect: Vec<String>) -> Self {
        Self {
            deed,
            to: format!("{page}/{}", deed.name),
            subject: subject.to_owned(),
            version,
            effect,
            inputs: deed.fields.iter().map(Input::from).collect(),
            open: false,
        }
    }
}

/// What may be done with a unit now.
pub fn of_unit(unit: &Unit, viewer: &Viewer, now: Moment) -> Vec<Offer> {
    UNIT.iter().filter_map(|deed| unit_offer(deed, unit, viewer, now)).collect()
}

fn unit_offer(deed: &'static Deed, unit: &Unit, viewer: &Viewer, now: Moment) -> Option<Offer> {
    let standing = unit.standing(now);
    let hold = unit.reservation.as_ref().filter(|_| standing == UnitStatus::Reserved);
    let assignment = unit.assignment();
    // Each kind of record has versions of its own.
    let (action, subject, version) = match deed.name {
        "reveal" => {
            let code = unit.live_code().filter(|code| code.revealable)?;
            ("ROTATE_CODE", code.id.as_str(), None)
        }
        "redeem" => ("REDEEM", "", None),
        "confirm" => {
            let hold = hold.filter(|hold| hold.account.is_some())?;
            ("RELEASE", hold.id.as_str(), Some(hold.version))
        }
        "prolong" if unit.room() > 0 => ("RELEASE", hold?.id.as_str(), Some(hold?.version)),
        "let-go" => ("RELEASE", hold?.id.as_str(), Some(hold?.version)),
        "release" if hold.is_none() => ("RELEASE", assignment?.id.as_str(), Some(assignment?.version)),
        "retry" => return retry(deed, unit, viewer, standing),
        "inform" => return inform(deed, unit, standing),
        "rotate" => ("ROTATE_CODE", unit.id.as_str(), Some(unit.version)),
        "assign" => ("ASSIGN", unit.id.as_str(), Some(unit.version)),
        "reserve" => ("RESERVE", unit.id.as_str(), Some(unit.version)),
        "transfer" => ("TRANSFER", unit.id.as_str(), Some(unit.version)),
        "extend" => ("EXTEND", unit.id.as_str(), Some(unit.version)),
        "suspend" => ("SUSPEND", unit.id.as_str(), Some(unit.version)),
        "resume" => ("RESUME", unit.id.as_str(), Some(unit.version)),
        "reissue" => ("REISSUE", unit.id.as_str(), Some(unit.version)),
        "revoke" => ("REVOKE", unit.id.as_str(), Some(unit.version)),
        _ => return None,
    };
    let effect = effect::on_unit(deed.name, unit, viewer);
    unit.allows(action).then(|| Offer::of(deed, &page(unit), subject, version, effect))
}

fn page(unit: &Unit) -> String {
    format!("/console/entitlement/{}", unit.id)
}

/// What an assignment waits for, a field each. It is entered where the account is known.
fn inform(deed: &'static Deed, unit: &Unit, standing: UnitStatus) -> Option<Offer> {
    let assignment = unit.assignment().filter(|assignment| assignment.status == AssignmentStatus::AwaitingInput)?;
    if standing != UnitStatus::Assigned || unit.own_holder().is_none() {
        return None;
    }
    let effect = vec!["With the last of it the assignment goes on.".to_owned()];
    let inputs = assignment.missing_input.iter().map(|name| Input {
        name: format!("input.{name}"),
        label: word::plain(name),
        kind: "text",
        required: false,
        value: String::new(),
    });
    let inputs = inputs.chain(deed.fields.iter().map(Input::from)).collect();
    Some(Offer { inputs, ..Offer::of(deed, &page(unit), &assignment.id, Some(assignment.version), effect) })
}

/// What failed downstream, once more: also where nobody is asked about it any more.
fn retry(deed: &'static Deed, unit: &Unit, viewer: &Viewer, standing: UnitStatus) -> Option<Offer> {
    let failed = [AssignmentStatus::Failed, AssignmentStatus::DeprovisionFailed];
    let assignment = unit.assignment().filter(|assignment| failed.contains(&assignment.status))?;
    if viewer.role == "PARTNER" || standing == UnitStatus::Suspended {
        return None;
    }
    let effect = effect::on_unit(deed.name, unit, viewer);
    Some(Offer::of(deed, &page(unit), &assignment.id, Some(assignment.version), effect))
}

/// What resolves an exception now.
pub fn of_exception(exception: &Exception) -> Vec<Offer> {
    let allowed = |deed: &&Deed| {
        exception.allowed_resolutions.iter().any(|resolution| resolution.eq_ignore_ascii_case(deed.name))
    };
    let page = format!("/console/exception/{}", exception.id);
    let offer = |deed: &'static Deed| {
        let effect = effect::on_exception(deed.name, &exception.kind);
        Offer::of(deed, &page, &exception.id, Some(exception.version), effect)
    };
    EXCEPTION.iter().filter(allowed).map(offer).collect()
}

/// What may be done with an order now.
pub fn of_order(order: &Order, viewer: &Viewer) -> Vec<Offer> {
    let counts = &order.statistics;
    let (free, held) = (counts.unassigned + counts.reserved, counts.assigned + counts.active);
    let idle = order.suspended.nodes.iter().any(|unit| unit.assignment.is_none());
    let page = format!("/console/order/{}", order.id);
    let allowed = |deed: &&Deed| match deed.name {
        _ if order.status == "CANCELLED" => false,
        "cancel" => free > 0 || idle,
        _ => held + counts.suspended > 0 && viewer.role != "PARTNER",
    };
    let offer = |deed: &'static Deed| {
        let effect = effect::on_order(deed.name, free, held, counts.suspended);
        Offer::of(deed, &page, &order.id, Some(order.version), effect)
    };
    ORDER.iter().filter(allowed).map(offer).collect()
}

/// A form that was refused: why, and what stood in it.
pub struct Refused {
    deed: &'static Deed,
    message: String,
    written: Vec<(String, String)>,
}

impl Refused {
    pub fn new(deed: &'static Deed, message: &str, form: &Form) -> Self {
        let written = form.filled().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { deed, message: message.to_owned(), written }
    }

    /// Puts what was written back into the form, where it is still offered; gives what to say about it.
    pub fn into_draft(self, offers: &mut [Offer]) -> String {
        for offer in offers.iter_mut().filter(|offer| offer.deed.name == self.deed.name) {
            offer.open = true;
            for input in &mut offer.inputs {
                let written = self.written.iter().find(|(name, _)| *name == input.name);
                input.value = written.map(|(_, value)| value.clone()).unwrap_or_default();
            }
        }
        format!("“{}” was refused, and nothing was changed: {}.", self.deed.title, self.message.trim_end_matches('.'))
    }
}
