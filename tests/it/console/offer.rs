//! What the console offers is what can be done: every form of every unit's page, sent, is not refused.

use serde_json::{Value, json};

use super::{partner, support};
use crate::harness::{
    App, Desk, Shop, Test, both_engines,
    desk::{act, release},
    visitor::{Form, Visitor},
};

pub fn tests() -> Vec<Test> {
    both_engines![what_the_console_offers_is_done]
}

/// Terms, what is done to each unit, and what a page about it must offer the desk at least.
const SITUATIONS: [(&str, &[&str], &[&str]); 15] = [
    (
        "{}",
        &[],
        &["reveal", "rotate", "redeem", "assign", "reserve", "transfer", "extend", "suspend", "reissue", "revoke"],
    ),
    (r#"{"issuesCodes": false}"#, &[], &["assign", "reserve"]),
    (r#"{"transferable": false}"#, &[], &["rotate"]),
    ("{}", &["reserve"], &["confirm", "prolong", "let-go", "revoke"]),
    (r#"{"reservationMinutes": 30, "reservationMaxMinutes": 30}"#, &["reserve"], &["let-go"]),
    ("{}", &["assign"], &["release", "suspend", "revoke", "reissue"]),
    (r#"{"requiredInput": ["seat"]}"#, &["assign"], &["inform", "release"]),
    (r#"{"requiredInput": ["seat"]}"#, &["abroad"], &["inform", "release"]),
    (r#"{"provisioning": "EXTERNAL"}"#, &["assign"], &["release"]),
    (r#"{"provisioning": "EXTERNAL"}"#, &["assign", "fail"], &["retry", "release"]),
    (r#"{"reassignable": false}"#, &["assign"], &["suspend"]),
    ("{}", &["assign", "suspend"], &["resume", "revoke"]),
    ("{}", &["revoke"], &["reissue"]),
    ("{}", &["assign", "release"], &["reveal", "assign"]),
    (r#"{"validForDays": 1}"#, &["day"], &["extend", "reissue"]),
];

async fn bring(desk: &Desk, steps: &[&str]) {
    for step in steps {
        if *step == "fail" {
            for attempt in desk.claim().await {
                desk.fail(&attempt).await;
            }
            continue;
        }
        if *step == "day" {
            desk.app.clock.advance(std::time::Duration::from_hours(25));
            desk.app.sweep().await;
            continue;
        }
        if *step == "abroad" {
            let other = Shop::open(&desk.app, "Beta").await;
            for code in &desk.placed.codes {
                assert_eq!(other.redeem(code, "zed").await.code(), None);
            }
            continue;
        }
        for unit in &desk.placed.units {
            match *step {
                "reserve" => drop(desk.reserve(unit, "bo").await),
                "assign" => drop(desk.assign(unit, "bo").await),
                "suspend" => drop(act(&desk.support, "suspendEntitlement", unit).await.done()),
                "revoke" => drop(act(&desk.support, "revokeEntitlement", unit).await.done()),
                "release" => {
                    let query = "query ($id: ID!) { entitlement(id: $id) { assignment { id } } }";
                    let held = desk.support.query(query, json!({"id": unit})).await;
                    release(&desk.support, &held.text("/entitlement/assignment/id"), json!({})).await.done();
                }
                _ => panic!("{step}?"),
            }
        }
    }
}

async fn what_the_console_offers_is_done(app: App) {
    for (place, (policy, steps, wanted)) in SITUATIONS.iter().enumerate() {
        let policy: Value = serde_json::from_str(policy).expect("JSON");
        let desk = Desk::named(&app, &format!("Q{place}"), policy, 26).await;
        bring(&desk, steps).await;
        let mut units =
            desk.placed.units.iter().zip(desk.placed.codes.iter().map(String::as_str).chain(std::iter::repeat("")));
        let mut offered = Vec::new();
        for (who, mut visitor) in [("the desk", support(&app).await), ("the shop", partner(&app, &desk.shop).await)] {
            let (first, _) = units.next().expect("a unit");
            for name in names(&visitor.open(&format!("/console/entitlement/{first}")).await.actions()) {
                let (unit, code) = units.next().expect("a unit");
                let code =
                    if steps.contains(&"release") { revealed(&mut visitor, unit).await } else { code.to_owned() };
                let page = visitor.open(&format!("/console/entitlement/{unit}")).await;
                let done = visitor.send(&filled(page.form(&format!("/{name}")), &code)).await;
                assert!(done.status.is_success(), "{steps:?}, {who}, {name}: {}", done.text());
                offered.push((who, name));
            }
        }
        for name in *wanted {
            assert!(offered.contains(&("the desk", (*name).to_owned())), "{steps:?}: {name} of {offered:?}");
        }
    }
    app.assert_sound().await;
}

/// The deeds that a page offers, by their names.
fn names(actions: &[String]) -> Vec<String> {
    let of_unit = actions.iter().filter_map(|to| to.strip_prefix("/console/entitlement/"));
    of_unit.filter_map(|to| to.split_once('/')).map(|(_, name)| name.to_owned()).collect()
}

/// The code that a returned unit has now.
async fn revealed(visitor: &mut Visitor, unit: &str) -> String {
    let page = visitor.open(&format!("/console/entitlement/{unit}")).await;
    let shown = visitor.send(&page.form("/reveal").with("reason", "to try it")).await;
    let (_, code) = shown.html.split_once("<code id=\"code\">").expect("a code");
    code.split('<').next().unwrap_or_default().to_owned()
}

fn filled(mut form: Form, code: &str) -> Form {
    for (name, value) in form.fields.clone() {
        let given = match name.as_str() {
            _ if !value.is_empty() => continue,
            "account.externalReference" => "cy",
            "code" => code,
            "minutes" => "20",
            "expiresAt" => "2032-01-01T00:00",
            "recipient.email" => "cy@example.com",
            _ => "tried",
        };
        form = form.with(&name, given);
    }
    form
}
