//! Exceptions: what needs a decision is reported once, and can be settled in the ways that its unit's state allows.

mod life;
mod situation;

use serde_json::{Value, json};

use crate::harness::{App, Client, Test, both_engines};
use situation::{Situation, Stage};

pub fn tests() -> Vec<Test> {
    let own = both_engines![
        a_rejected_redemption_is_resolved_as_its_unit_allows,
        a_failed_provisioning_is_resolved_as_its_unit_allows,
        a_failed_deprovisioning_is_resolved_as_its_unit_allows,
        what_is_late_is_resolved_as_its_unit_allows,
    ];
    own.into_iter().chain(life::tests()).collect()
}

const RESOLUTIONS: [&str; 8] =
    ["RETRIED", "RELEASED", "REISSUED", "REVOKED", "EXTENDED", "FORCED", "DISMISSED", "SUPERSEDED"];

/// The newest exception of a unit.
async fn newest(client: &Client, unit: &str) -> Value {
    let query = "query ($id: ID!) { entitlement(id: $id) { exceptions(first: 1) {
        id version kind status reason resolution note resolvedBy openedAt resolvedAt allowedResolutions
        assignment { status } order { id } channel { id } redemptionAttempts { reason }
    } } }";
    let seen = client.query(query, json!({"id": unit})).await;
    seen.at("/entitlement/exceptions").get(0).cloned().unwrap_or_default()
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer}: {value:#}"))
        .to_owned()
}

async fn resolve(client: &Client, exception: &Value, resolution: &str, more: Value) -> crate::harness::Answer {
    let mut input = json!({"exceptionId": exception.get("id"), "resolution": resolution, "note": "as agreed"});
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    let selection = "exception { id version status resolution note resolvedBy resolvedAt }
        entitlement { id status replaces { id } } issuedCode { code }";
    client.mutate("resolveException", selection, input).await
}

/// How a unit and its newest assignment stand, as `[unit, assignment]`.
async fn states(client: &Client, unit: &str) -> Value {
    let query = "query ($id: ID!) { entitlement(id: $id) { status assignments(first: 1) { status } } }";
    let seen = client.query(query, json!({"id": unit})).await;
    let assignment = seen.at("/entitlement/assignments").pointer("/0/status").cloned();
    json!([seen.at("/entitlement/status"), assignment])
}

/// Tries every resolution in a situation of its own, and finds those accepted that were offered. `expected` are those, each with how the
/// unit and its assignment stand afterwards.
async fn each_is_accepted_if_offered(stage: &mut Stage, situation: Situation, expected: &[(&str, Value)]) {
    for resolution in RESOLUTIONS {
        let unit = stage.make(situation).await;
        let exception = newest(&stage.support, &unit).await;
        assert_eq!(exception.get("kind"), Some(&json!(situation.kind())), "{situation:?}");
        assert_eq!(exception.get("status"), Some(&json!("OPEN")), "{situation:?}");
        let offered: Vec<&str> = expected.iter().map(|(offered, _)| *offered).collect();
        assert_eq!(exception.get("allowedResolutions"), Some(&json!(offered)), "{situation:?}");

        let before = states(&stage.support, &unit).await;
        let more = if resolution == "EXTENDED" { json!({"expiresAt": stage.in_a_year()}) } else { json!({}) };
        let answer = resolve(&stage.support, &exception, resolution, more).await;
        let told = format!("{situation:?} {resolution}: {:#}", answer.body);
        let after = states(&stage.support, &unit).await;
        let row = newest(&stage.support, &unit).await;
        if let Some((_, expected)) = expected.iter().find(|(offered, _)| *offered == resolution) {
            assert_eq!(answer.refusal(), None, "{told}");
            assert_eq!(&after, expected, "{told}");
            assert_eq!(row.get("id"), exception.get("id"), "{told}");
            let settled = [row.get("status"), row.get("resolution"), row.get("note"), row.get("allowedResolutions")];
            let wanted = [json!("RESOLVED"), json!(resolution), json!("as agreed"), json!([])];
            assert_eq!(settled.map(|value| value.cloned().unwrap_or_default()), wanted, "{told}");
            assert!(text(&row, "/resolvedBy").starts_with("key:"), "{told}");
            let again = resolve(&stage.support, &exception, resolution, json!({})).await;
            assert_eq!(again.refusal(), Some("INVALID_STATE"), "{told}");
        } else {
            assert_eq!(answer.refusal(), Some("INVALID_STATE"), "{told}");
            assert_eq!((&after, &row), (&before, &exception), "nothing was changed: {told}");
        }
    }
}

async fn a_rejected_redemption_is_resolved_as_its_unit_allows(app: App) {
    use Situation::{AfterReissue, AfterRotation, Expired, Held, Revoked, Suspended};
    let mut stage = Stage::open(&app).await;
    let gone = json!(["REVOKED", null]);
    for (situation, expected) in [
        (
            Expired,
            vec![
                ("REISSUED", json!(["EXPIRED", null])),
                ("EXTENDED", json!(["UNASSIGNED", null])),
                ("DISMISSED", json!(["EXPIRED", null])),
            ],
        ),
        (Revoked, vec![("REISSUED", gone.clone()), ("DISMISSED", gone.clone())]),
        (AfterReissue, vec![("DISMISSED", gone.clone())]),
        (
            AfterRotation,
            vec![
                ("REISSUED", gone.clone()),
                ("EXTENDED", json!(["UNASSIGNED", null])),
                ("DISMISSED", json!(["UNASSIGNED", null])),
            ],
        ),
        (
            Held,
            vec![
                ("REISSUED", gone.clone()),
                ("RELEASED", json!(["UNASSIGNED", null])),
                ("DISMISSED", json!(["RESERVED", null])),
            ],
        ),
        (Suspended, vec![("REISSUED", gone.clone()), ("DISMISSED", json!(["SUSPENDED", null]))]),
    ] {
        each_is_accepted_if_offered(&mut stage, situation, &expected).await;
    }
    app.assert_sound().await;
}

/// What becomes of an assignment that nothing downstream hangs on, and of one that is left as it is.
fn five(left: Value, retried: Value) -> Vec<(&'static str, Value)> {
    vec![
        ("RETRIED", retried),
        ("RELEASED", json!(["UNASSIGNED", "CANCELLED"])),
        ("REISSUED", json!(["REVOKED", "CANCELLED"])),
        ("REVOKED", json!(["REVOKED", "CANCELLED"])),
        ("DISMISSED", left),
    ]
}

async fn a_failed_provisioning_is_resolved_as_its_unit_allows(app: App) {
    let mut stage = Stage::open(&app).await;
    let expected = five(json!(["ASSIGNED", "FAILED"]), json!(["ASSIGNED", "PENDING"]));
    each_is_accepted_if_offered(&mut stage, Situation::Failed, &expected).await;
    let mut expected = five(json!(["SUSPENDED", "FAILED"]), json!(["SUSPENDED", "PENDING"]));
    expected.retain(|(resolution, _)| *resolution != "RELEASED");
    each_is_accepted_if_offered(&mut stage, Situation::FailedAndSuspended, &expected).await;
    app.assert_sound().await;
}

async fn a_failed_deprovisioning_is_resolved_as_its_unit_allows(app: App) {
    let mut stage = Stage::open(&app).await;
    let released = [("RETRIED", json!(["ACTIVE", "DEPROVISIONING"])), ("FORCED", json!(["UNASSIGNED", "ENDED"]))];
    each_is_accepted_if_offered(&mut stage, Situation::StuckAfterRelease, &released).await;
    let revoked = [("RETRIED", json!(["REVOKED", "DEPROVISIONING"])), ("FORCED", json!(["REVOKED", "ENDED"]))];
    each_is_accepted_if_offered(&mut stage, Situation::StuckAfterRevocation, &revoked).await;
    app.assert_sound().await;
}

async fn what_is_late_is_resolved_as_its_unit_allows(app: App) {
    let mut stage = Stage::open(&app).await;
    for (situation, state) in [(Situation::LateInput, "AWAITING_INPUT"), (Situation::LatePending, "PENDING")] {
        let left = json!(["ASSIGNED", state]);
        each_is_accepted_if_offered(&mut stage, situation, &five(left.clone(), left)).await;
    }
    let left = json!(["ASSIGNED", "PROVISIONING"]);
    let running = [("DISMISSED", left.clone())];
    each_is_accepted_if_offered(&mut stage, Situation::LateAndRunning, &running).await;
    let lost = [("RETRIED", left.clone()), ("DISMISSED", left)];
    each_is_accepted_if_offered(&mut stage, Situation::LateAndLost, &lost).await;
    app.assert_sound().await;
}
