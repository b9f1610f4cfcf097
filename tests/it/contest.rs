//! Two who want different things of one unit at the same moment, at two nodes: one comes first, and the other is told so.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Desk, Test, both_engines,
    desk::{act, asked, cancel, release},
    eventually,
    program::Program,
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_seller_s_revocation_and_a_redemption,
        the_desk_s_revocation_and_a_redemption,
        a_release_and_a_revocation,
        a_rotation_and_a_redemption,
        a_first_code_and_an_assignment,
        a_suspension_and_a_redemption,
        a_resumption_and_a_refusal,
        a_release_of_a_hold_and_a_refusal,
        a_transfer_and_an_assignment,
        a_reissue_and_a_redemption,
        a_cancellation_and_redemptions,
        a_cancellation_and_everything_else_of_its_seller,
        a_cancellation_and_releases,
        a_cancellation_and_extensions_of_what_had_ended,
    ]
}

const UNITS: usize = 12;
/// Where it takes luck to meet.
const MANY: usize = 50;

async fn redeem(client: &Client, code: &str) -> Answer {
    let input = json!({"code": code, "account": {"externalReference": "bo"}});
    client.mutate("redeemCode", "assignment { id }", input).await
}

async fn assign(client: &Client, unit: &str) -> Answer {
    let input = json!({"entitlementId": unit, "account": {"externalReference": "bo"}});
    client.mutate("assignEntitlement", "assignment { id }", input).await
}

/// Does `mutation` to each unit while its code is redeemed at another node; the two refusals of each.
async fn against_redemption(desk: &Desk, client: &Client, mutation: &str) -> Vec<(Option<String>, Option<String>)> {
    let (_, shop) = desk.elsewhere().await;
    let pairs = desk.placed.units.iter().zip(&desk.placed.codes).map(async |(unit, code)| {
        let (acted, redeemed) = tokio::join!(act(client, mutation, unit), redeem(&shop, code));
        (acted.refusal().map(str::to_owned), redeemed.refusal().map(str::to_owned))
    });
    join_all(pairs).await
}

/// That of each pair one was done, and the other refused as expected.
fn assert_one_each(pairs: &[(Option<String>, Option<String>)], late: &str) {
    for pair in pairs {
        let pair = (pair.0.as_deref(), pair.1.as_deref());
        assert!(pair == (None, Some(late)) || pair == (Some("INVALID_STATE"), None), "{pair:?}");
    }
}

async fn a_seller_s_revocation_and_a_redemption(app: App) {
    let desk = Desk::open(&app, json!({}), UNITS).await;
    let pairs = against_redemption(&desk, &desk.shop.key, "revokeEntitlement").await;
    assert_one_each(&pairs, "CODE_REVOKED");
    app.assert_sound().await;
}

async fn the_desk_s_revocation_and_a_redemption(app: App) {
    let desk = Desk::open(&app, json!({}), UNITS).await;
    for (revoked, redeemed) in against_redemption(&desk, &desk.support, "revokeEntitlement").await {
        assert_eq!(revoked, None, "whoever has it");
        assert!(matches!(redeemed.as_deref(), None | Some("CODE_REVOKED")), "{redeemed:?}");
    }
    assert_eq!(desk.statistics().await, format!("ordered {UNITS}, revoked {UNITS}"));
    app.assert_sound().await;
}

async fn a_release_and_a_revocation(app: App) {
    let desk = Desk::open(&app, json!({}), UNITS).await;
    let (support, _) = desk.elsewhere().await;
    let mut assignments = Vec::new();
    for unit in &desk.placed.units {
        assignments.push(desk.assign(unit, "bo").await);
    }
    let pairs = desk.placed.units.iter().zip(&assignments).map(async |(unit, assignment)| {
        tokio::join!(release(&desk.shop.key, assignment, json!({})), act(&support, "revokeEntitlement", unit))
    });
    for (released, revoked) in join_all(pairs).await {
        assert_eq!(revoked.refusal(), None);
        assert!(matches!(released.refusal(), None | Some("INVALID_STATE")), "{:?}", released.refusal());
    }
    for unit in &desk.placed.units {
        assert_eq!(desk.state(unit).await, "REVOKED / none / REVOKED", "no fresh code lives");
    }
    app.assert_sound().await;
}

async fn a_rotation_and_a_redemption(app: App) {
    let desk = Desk::open(&app, json!({}), UNITS).await;
    let pairs = against_redemption(&desk, &desk.shop.key, "rotateActivationCode").await;
    assert_one_each(&pairs, "CODE_REPLACED");
    app.assert_sound().await;
}

async fn a_first_code_and_an_assignment(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let (_, shop) = desk.elsewhere().await;
    let channel = shop.query("{ channels { nodes { name } } }", json!({})).await.text("/channels/nodes/0/name");
    let rows = format!("external_reference,sku,quantity,assign_to\nL1,P,{UNITS},\n");
    std::fs::write(app.database().directory().join("legacy.csv"), rows).expect("a file");
    Program::over(app.database()).run(&["import", "orders", "legacy.csv", "--channel", &channel]).answer();
    let query = "query ($id: ID!) { orderByReference(channelId: $id, externalReference: \"L1\") {
        entitlements(first: 100) { nodes { id } }
    } }";
    let imported = shop.query(query, json!({"id": desk.shop.channel})).await;
    let units = imported.list("/orderByReference/entitlements/nodes").iter();
    let units: Vec<&str> = units.filter_map(|unit| unit.get("id").and_then(Value::as_str)).collect();
    assert_eq!(units.len(), UNITS);
    let pairs = units
        .iter()
        .map(async |unit| tokio::join!(act(&desk.shop.key, "rotateActivationCode", unit), assign(&shop, unit)));
    for (rotated, assigned) in join_all(pairs).await {
        assert_eq!(assigned.refusal(), None);
        assert!(matches!(rotated.refusal(), None | Some("INVALID_STATE")), "{:?}", rotated.refusal());
    }
    app.assert_sound().await;
}

async fn a_suspension_and_a_redemption(app: App) {
    let desk = Desk::open(&app, json!({}), UNITS).await;
    for (suspended, redeemed) in against_redemption(&desk, &desk.support, "suspendEntitlement").await {
        assert_eq!(suspended, None);
        assert!(matches!(redeemed.as_deref(), None | Some("ENTITLEMENT_SUSPENDED")), "{redeemed:?}");
    }
    assert_eq!(desk.statistics().await, format!("ordered {UNITS}, suspended {UNITS}"));
    app.assert_sound().await;
}

/// Does `mutation`, which lets everybody have each unit, while the unit's code is redeemed at another node: nothing waits for a decision then.
async fn against_refusal(desk: &Desk, mutation: &str, inputs: Vec<Value>) {
    let (_, shop) = desk.elsewhere().await;
    let pairs = inputs.into_iter().zip(&desk.placed.codes).map(async |(input, code)| {
        let freeing = desk.support.mutate(mutation, "entitlement { id }", input);
        tokio::join!(freeing, redeem(&shop, code), redeem(&desk.shop.key, code))
    });
    for (freed, one, other) in join_all(pairs).await {
        assert_eq!(freed.refusal(), None);
        for refusal in [one.refusal(), other.refusal()] {
            let known = matches!(refusal, None | Some("ENTITLEMENT_SUSPENDED" | "RESERVED_BY_OTHER"));
            assert!(known, "{refusal:?}");
        }
    }
    let query = "{ exceptions(filter: { status: OPEN }) { nodes { reason entitlement { status } } } }";
    assert_eq!(desk.support.query(query, json!({})).await.at("/exceptions/nodes"), &json!([]));
    desk.app.assert_sound().await;
}

async fn a_resumption_and_a_refusal(app: App) {
    let desk = Desk::open(&app, json!({}), MANY).await;
    let mut inputs = Vec::new();
    for unit in &desk.placed.units {
        act(&desk.support, "suspendEntitlement", unit).await.done();
        inputs.push(asked("resumeEntitlement", unit));
    }
    against_refusal(&desk, "resumeEntitlement", inputs).await;
}

async fn a_release_of_a_hold_and_a_refusal(app: App) {
    let desk = Desk::open(&app, json!({}), MANY).await;
    let mut inputs = Vec::new();
    for unit in &desk.placed.units {
        inputs.push(json!({"reservationId": desk.reserve(unit, "cy").await}));
    }
    against_refusal(&desk, "releaseReservation", inputs).await;
}

async fn a_transfer_and_an_assignment(app: App) {
    let desk = Desk::open(&app, json!({}), UNITS).await;
    let (_, shop) = desk.elsewhere().await;
    let pairs = desk
        .placed
        .units
        .iter()
        .map(async |unit| tokio::join!(act(&desk.shop.key, "transferEntitlement", unit), assign(&shop, unit)));
    for (handed_on, assigned) in join_all(pairs).await {
        assert_eq!(assigned.refusal(), None);
        assert!(matches!(handed_on.refusal(), None | Some("INVALID_STATE")), "{:?}", handed_on.refusal());
    }
    for unit in &desk.placed.units {
        assert_eq!(desk.state(unit).await, "ACTIVE / ACTIVE / REVOKED", "neither code lives");
    }
    app.assert_sound().await;
}

async fn a_reissue_and_a_redemption(app: App) {
    let desk = Desk::open(&app, json!({}), UNITS).await;
    let pairs = against_redemption(&desk, &desk.shop.key, "reissueEntitlement").await;
    assert_one_each(&pairs, "CODE_REPLACED");
    let reissued = pairs.iter().filter(|(reissued, _)| reissued.is_none()).count();
    let query = "{ statistics { reissued unassigned active revoked } }";
    let counted = desk.support.query(query, json!({})).await;
    let active = UNITS - reissued;
    let expected = json!({"reissued": reissued, "unassigned": reissued, "active": active, "revoked": reissued});
    assert_eq!(counted.at("/statistics"), &expected);
    app.assert_sound().await;
}

async fn a_cancellation_and_redemptions(app: App) {
    let desk = Desk::open(&app, json!({}), 60).await;
    let (support, shop) = desk.elsewhere().await;
    let redemptions = join_all(desk.placed.codes.iter().map(|code| redeem(&shop, code)));
    let (redeemed, cancelled) = tokio::join!(redemptions, cancel(&support, &desk.placed.order, json!({})));
    let cancelled = cancelled.done();
    let taken = redeemed.iter().filter(|answer| answer.refusal().is_none()).count();
    let late = redeemed.iter().filter_map(Answer::refusal);
    assert!(late.into_iter().all(|refusal| refusal == "CODE_REVOKED"));
    let query = "query ($id: ID!, $filter: EventFilter) { order(id: $id) { statistics { active revoked } } events(filter: $filter) { nodes { quantity } } }";
    let filter = json!({"orderId": desk.placed.order, "types": ["ORDER_CANCELLED"]});
    let variables = json!({"id": desk.placed.order, "filter": filter});
    let order = eventually("the order's event", async || {
        let answer = desk.support.query(query, variables.clone()).await;
        (!answer.list("/events/nodes").is_empty()).then_some(answer)
    });
    let order = order.await;
    let revoked = 60 - taken;
    assert_eq!(order.at("/order/statistics"), &json!({"active": taken, "revoked": revoked}));
    assert_eq!(order.at("/events/nodes"), &json!([{"quantity": revoked}]));
    let status = if taken == 0 { "CANCELLED" } else { "PARTIALLY_CANCELLED" };
    assert_eq!(cancelled.at("/order/status"), status);
    app.assert_sound().await;
}

async fn a_cancellation_and_everything_else_of_its_seller(app: App) {
    let desk = Desk::open(&app, json!({}), 60).await;
    let (support, shop) = desk.elsewhere().await;
    let others = desk.placed.units.iter().enumerate().map(async |(place, unit)| {
        let mutation = match place % 4 {
            0 => "reissueEntitlement",
            1 => "rotateActivationCode",
            2 => "transferEntitlement",
            _ => {
                let input = json!({"entitlementId": unit, "account": {"externalReference": "bo"}});
                return shop.mutate("reserveEntitlement", "entitlement { id }", input).await;
            }
        };
        act(&shop, mutation, unit).await
    });
    let (others, cancelled) = tokio::join!(join_all(others), cancel(&support, &desk.placed.order, json!({})));
    assert_eq!(cancelled.done().at("/order/status"), "CANCELLED");
    let late = others.iter().filter_map(Answer::refusal);
    assert!(late.into_iter().all(|refusal| refusal == "INVALID_STATE"));
    let query = "{ statistics { unassigned reserved } }";
    let left = desk.support.query(query, json!({})).await;
    assert_eq!(left.at("/statistics"), &json!({"unassigned": 0, "reserved": 0}), "nothing slipped through");
    app.assert_sound().await;
}

async fn a_cancellation_and_releases(app: App) {
    let desk = Desk::open(&app, json!({}), 30).await;
    let (support, shop) = desk.elsewhere().await;
    let mut assignments = Vec::new();
    for unit in &desk.placed.units {
        assignments.push(desk.assign(unit, "bo").await);
    }
    let releases = join_all(assignments.iter().map(|assignment| release(&shop, assignment, json!({}))));
    let (released, cancelled) = tokio::join!(releases, cancel(&support, &desk.placed.order, json!({})));
    cancelled.done();
    assert!(released.iter().all(|answer| answer.refusal().is_none()), "nobody took them back");
    app.assert_sound().await;
    let last = cancel(&support, &desk.placed.order, json!({})).await;
    assert!(matches!(last.refusal(), None | Some("INVALID_STATE")), "{:?}", last.refusal());
    assert_eq!(desk.statistics().await, "ordered 30, revoked 30");
    app.assert_sound().await;
}

async fn a_cancellation_and_extensions_of_what_had_ended(app: App) {
    let desk = Desk::open(&app, json!({"validForDays": 1}), 20).await;
    app.clock.advance(Duration::from_hours(24));
    let (support, shop) = desk.elsewhere().await;
    let last = desk.placed.units.len() - 1;
    act(&support, "extendEntitlement", desk.unit(last)).await.done();
    let extensions = join_all(desk.placed.units.iter().take(last).map(|unit| act(&support, "extendEntitlement", unit)));
    let (extended, cancelled) = tokio::join!(extensions, cancel(&shop, &desk.placed.order, json!({})));
    assert_eq!(cancelled.done().at("/order/status"), "CANCELLED");
    assert!(extended.iter().filter_map(Answer::refusal).all(|refusal| refusal == "INVALID_STATE"));
    let left = desk.support.query("{ statistics { unassigned } }", json!({})).await;
    assert_eq!(left.number("/statistics/unassigned"), 0, "nothing is on offer again");
    app.assert_sound().await;
}
