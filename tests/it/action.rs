//! What is offered is what can be done: every situation a unit can be in, as everybody who sees it, with every action tried.
//!
//! Each situation is brought about twice. In the first one everybody reads the actions that are offered, and tries the others, which
//! changes nothing. In the second one there is a sample for each action that was offered to anybody, and all of them succeed.

mod situation;

use serde_json::{Value, json};

use self::situation::{ACTIVE, ASSIGNED, ENDED, FREE, SUSPENDED, Situation};
use crate::harness::{Answer, App, Client, Desk, Test, both_engines, desk::act};

pub fn tests() -> Vec<Test> {
    both_engines![
        what_can_be_done_with_a_unit_that_nobody_has,
        what_can_be_done_with_an_assigned_one,
        what_can_be_done_with_an_active_one,
        what_can_be_done_with_a_suspended_one,
        what_can_be_done_with_one_that_ended,
    ]
}

const ACTIONS: [&str; 11] = [
    "RESERVE",
    "ASSIGN",
    "REDEEM",
    "TRANSFER",
    "RELEASE",
    "SUSPEND",
    "RESUME",
    "REVOKE",
    "REISSUE",
    "ROTATE_CODE",
    "EXTEND",
];

/// A unit in a situation, and what its actions need.
pub struct Sample {
    pub unit: String,
    pub code: Option<String>,
    pub hold: Option<String>,
    pub assignment: Option<String>,
}

/// Everybody who may see a unit: who runs the service, who sold it, who bought it, and for whom it is held or who has it.
async fn everybody(desk: &Desk) -> [(&'static str, Client); 5] {
    [
        ("ADMIN", desk.app.admin()),
        ("SUPPORT", desk.support.clone()),
        ("PARTNER", desk.shop.key.clone()),
        ("BUYER", desk.customer("ann").await),
        ("HOLDER", desk.customer("bo").await),
    ]
}

/// What is offered of a unit; none to whoever does not see it.
async fn offered(client: &Client, unit: &str) -> Option<Vec<String>> {
    let query = "query ($id: ID!) { entitlement(id: $id) { allowedActions } }";
    let answer = client.query(query, json!({"id": unit})).await;
    let actions = answer.at("/entitlement").get("allowedActions")?.as_array()?;
    Some(actions.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Tries an action.
async fn attempt(client: &Client, who: &str, action: &str, sample: &Sample) -> Answer {
    // A customer acts for itself, everybody else for Cy.
    let account = if matches!(who, "BUYER" | "HOLDER") { Value::Null } else { json!({"externalReference": "cy"}) };
    let given = json!({"entitlementId": sample.unit, "account": account});
    let mutation = match action {
        "RESERVE" => return client.mutate("reserveEntitlement", "entitlement { id }", given).await,
        "ASSIGN" => return client.mutate("assignEntitlement", "entitlement { id }", given).await,
        "REDEEM" => {
            let code = sample.code.as_deref().unwrap_or("none");
            let input = json!({"code": code, "account": account});
            return client.mutate("redeemCode", "entitlement { id }", input).await;
        }
        "RELEASE" => return release(client, sample).await,
        "TRANSFER" => "transferEntitlement",
        "SUSPEND" => "suspendEntitlement",
        "RESUME" => "resumeEntitlement",
        "REVOKE" => "revokeEntitlement",
        "REISSUE" => "reissueEntitlement",
        "ROTATE_CODE" => "rotateActivationCode",
        "EXTEND" => "extendEntitlement",
        _ => panic!("how is {action} tried?"),
    };
    act(client, mutation, &sample.unit).await
}

/// Releases the hold on a unit that has one, and else its assignment.
async fn release(client: &Client, sample: &Sample) -> Answer {
    if let Some(hold) = &sample.hold {
        return client.mutate("releaseReservation", "reservation { id }", json!({"reservationId": hold})).await;
    }
    let assignment = sample.assignment.as_deref().unwrap_or("asg_01h455vb4pex5vsknk084sn02q");
    let input = json!({"assignmentId": assignment, "reason": "tried"});
    client.mutate("releaseAssignment", "assignment { id }", input).await
}

/// Why something was not done; none: it was.
fn refused(answer: &Answer) -> Option<String> {
    answer.code().or_else(|| answer.refusal()).map(str::to_owned)
}

async fn check(app: &App, group: &str, situations: &[Situation]) {
    for (place, situation) in situations.iter().enumerate() {
        let sku = format!("{group}{place}");
        let wanted = nothing_else_succeeds(app, &sku, situation).await;
        everything_offered_succeeds(app, &sku, situation, wanted).await;
    }
    app.assert_sound().await;
}

/// Tries what is not offered; gives what is.
async fn nothing_else_succeeds(app: &App, sku: &str, situation: &Situation) -> Vec<(usize, String)> {
    let desk = Desk::named(app, sku, situation.policy(), 5).await;
    let samples = situation.bring(&desk).await;
    let mut wanted = Vec::new();
    for (place, ((who, client), sample)) in everybody(&desk).await.iter().zip(&samples).enumerate() {
        let Some(offers) = offered(client, &sample.unit).await else { continue };
        let before = desk.state(&sample.unit).await;
        for action in ACTIONS.iter().filter(|action| !offers.iter().any(|offer| offer == *action)) {
            let answer = attempt(client, who, action, sample).await;
            let refusal = refused(&answer);
            assert!(refusal.is_some(), "{}: {who} was not offered {action} and did it", situation.name);
            let told = !matches!(refusal.as_deref(), Some("FORBIDDEN" | "NOT_FOUND" | "CODE_INVALID"));
            if told && *action != "RELEASE" {
                let instead = answer.at("/userErrors/0/allowedActions");
                assert_eq!(instead, &json!(offers), "{}: {who}, {action} instead", situation.name);
            }
        }
        if !situation.takes_time() {
            assert_eq!(desk.state(&sample.unit).await, before, "{}: {who} changed something", situation.name);
        }
        wanted.extend(offers.into_iter().map(|offer| (place, offer)));
    }
    wanted
}

async fn everything_offered_succeeds(app: &App, sku: &str, situation: &Situation, wanted: Vec<(usize, String)>) {
    let desk = Desk::named(app, &format!("{sku}-again"), situation.policy(), wanted.len().max(1)).await;
    let samples = situation.bring(&desk).await;
    let everybody = everybody(&desk).await;
    for ((place, action), sample) in wanted.iter().zip(&samples) {
        let (who, client) = everybody.get(*place).expect("somebody");
        let refusal = refused(&attempt(client, who, action, sample).await);
        assert_eq!(refusal, None, "{}: {who} was offered {action}", situation.name);
    }
}

async fn what_can_be_done_with_a_unit_that_nobody_has(app: App) {
    check(&app, "F", FREE).await;
}

async fn what_can_be_done_with_an_assigned_one(app: App) {
    check(&app, "A", ASSIGNED).await;
}

async fn what_can_be_done_with_an_active_one(app: App) {
    check(&app, "B", ACTIVE).await;
}

async fn what_can_be_done_with_a_suspended_one(app: App) {
    check(&app, "S", SUSPENDED).await;
}

async fn what_can_be_done_with_one_that_ended(app: App) {
    check(&app, "E", ENDED).await;
}
