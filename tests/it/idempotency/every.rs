//! Every mutation that may be given a key, again under the same one: one after the other, and several at once at two nodes.

use std::collections::BTreeSet;

use async_graphql::parser::{
    parse_schema,
    types::{ServiceDocument, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::with;
use crate::harness::{Answer, App, Client, Desk, Test, both_engines, shop::product};

pub fn tests() -> Vec<Test> {
    both_engines![every_mutation_with_a_key_has_one_effect]
}

/// A mutation, what is looked at of its payload, its input, and the events that tell of its effect.
type Row = (&'static str, &'static str, Value, i64);

/// A row for each mutation, over records of their own.
async fn rows(app: &App) -> Vec<Row> {
    let desk = Desk::open(app, json!({"transferable": true, "reassignable": true}), 20).await;
    let shop = &desk.shop;
    let mut rows = purchase(app, &desk).await;
    rows.extend(on_units(&desk).await);
    rows.extend(downstream(app, &desk).await);
    let named = |name: &str| json!({"name": name});
    let admin = app.admin();
    let key = json!({"name": "of no use", "role": "SUPPORT"});
    let key = admin.mutate("createApiKey", "apiKey { id }", key).await.done().text("/apiKey/id");
    rows.extend([
        ("createApiKey", "apiKey { id }", json!({"name": "a key", "role": "SUPPORT"}), 1),
        ("revokeApiKey", "apiKey { id revokedAt }", json!({"apiKeyId": key}), 1),
        ("createPartner", "partner { id version }", named("Gamma"), 1),
        ("updatePartner", "partner { version }", json!({"partnerId": shop.partner, "name": "Alpha & Sons"}), 1),
        ("createChannel", "channel { id version }", json!({"name": "by post", "kind": "API"}), 1),
        ("updateChannel", "channel { version }", json!({"channelId": shop.channel, "name": "by phone"}), 1),
        ("createProduct", "product { id version }", json!({"sku": "Z", "name": "The Z"}), 1),
        ("updateProduct", "product { version }", json!({"productId": desk.product, "name": "The better P"}), 1),
        (
            "setFulfillmentRule",
            "rule { mode }",
            json!({"channelId": shop.channel, "productId": desk.product, "mode": "COUPLED"}),
            1,
        ),
    ]);
    rows
}

fn account(name: &str) -> Value {
    json!({"externalReference": name})
}

async fn purchase(app: &App, desk: &Desk) -> Vec<Row> {
    let lines = json!([{"sku": "P", "quantity": 2}]);
    let [cancelled, shown] = [desk.shop.place("o-2", lines.clone()).await, desk.shop.place("o-3", lines.clone()).await];
    let order = json!({"channelId": desk.shop.channel, "externalReference": "o-4", "lines": lines});
    let query = "query ($id: ID!) { entitlement(id: $id) { activationCode { id } } }";
    let code =
        app.admin().query(query, json!({"id": shown.units.first()})).await.text("/entitlement/activationCode/id");
    let why = |id: &str, of: &str| json!({id: of, "reason": "asked for"});
    vec![
        ("placeOrder", "order { id version }", order, 1),
        ("cancelOrder", "order { version status }", why("orderId", &cancelled.order), 1),
        ("exportActivationCodes", "activationCodes { code }", why("orderId", &shown.order), 1),
        ("revealActivationCode", "issuedCode { code }", why("activationCodeId", &code), 1),
    ]
}

async fn on_units(desk: &Desk) -> Vec<Row> {
    let why = |unit: usize| json!({"entitlementId": desk.unit(unit), "reason": "asked for"});
    let to = |unit: usize, name: &str| json!({"entitlementId": desk.unit(unit), "account": account(name)});
    let mut holds = Vec::new();
    for unit in 0..3 {
        holds.push(desk.reserve(desk.unit(unit), "ann").await);
    }
    let hold = |place: usize| json!({"reservationId": holds.get(place)});
    let held = desk.assign(desk.unit(3), "ann").await;
    crate::harness::desk::act(&desk.support, "suspendEntitlement", desk.unit(4)).await.done();
    let whole = "entitlement { id version status }";
    vec![
        ("extendReservation", "reservation { version }", with(hold(0), json!({"minutes": 5})), 1),
        ("confirmReservation", "assignment { id }", hold(1), 3),
        ("releaseReservation", "reservation { version }", hold(2), 1),
        ("releaseAssignment", whole, json!({"assignmentId": held, "reason": "asked for"}), 2),
        ("resumeEntitlement", whole, why(4), 1),
        ("suspendEntitlement", whole, why(5), 1),
        ("revokeEntitlement", whole, why(6), 2),
        ("reissueEntitlement", whole, why(7), 4),
        ("rotateActivationCode", whole, why(8), 2),
        ("extendEntitlement", whole, with(why(9), json!({"expiresAt": "2032-01-01T00:00:00Z"})), 1),
        ("transferEntitlement", whole, json!({"entitlementId": desk.unit(10), "recipient": {"name": "Bo"}}), 3),
        ("redeemCode", "assignment { id version }", json!({"code": desk.code(11), "account": account("ann")}), 2),
        ("assignEntitlement", "assignment { id version }", to(12, "ann"), 2),
        ("reserveEntitlement", "reservation { id version }", to(13, "ann"), 1),
        (
            "assignEntitlements",
            "assignments { id }",
            json!({"orderLineId": desk.placed.lines.first(), "accounts": [account("ann"), account("bo")]}),
            4,
        ),
    ]
}

/// What is made outside: a product for each, so that a worker takes nothing else.
async fn downstream(app: &App, desk: &Desk) -> Vec<Row> {
    let (admin, mut made) = (app.admin(), Vec::new());
    for sku in ["X1", "X2", "X3", "X4", "X5", "X6"] {
        let asked = if sku == "X6" { json!(["seat"]) } else { json!([]) };
        let id = product(app, sku, json!({"provisioning": "EXTERNAL", "requiredInput": asked})).await;
        let placed = desk.shop.place(sku, json!([{"sku": sku, "assignTo": account("ann")}])).await;
        made.push((json!({"productIds": [id]}), placed.units.concat()));
    }
    let [waiting, succeeding, failing, failed, settled, asking] = made.try_into().expect("six products");
    let take = async |(products, _): &(Value, String)| {
        let taken = admin.mutate("claimProvisioning", "attempts { attempt { id } }", products.clone()).await;
        taken.done().text("/attempts/0/attempt/id")
    };
    let assignment = async |(_, unit): &(Value, String)| {
        let query = "query ($id: ID!) { entitlement(id: $id) { assignment { id } } }";
        admin.query(query, json!({"id": unit})).await.text("/entitlement/assignment/id")
    };
    let [succeeding, failing] = [take(&succeeding).await, take(&failing).await];
    for stuck in [&failed, &settled] {
        desk.fail(&take(stuck).await).await;
    }
    let query = "query ($id: ID!) { entitlement(id: $id) { exceptions { id } } }";
    let exception = admin.query(query, json!({"id": settled.1})).await.text("/entitlement/exceptions/0/id");
    let whole = "assignment { id version status }";
    vec![
        ("claimProvisioning", "attempts { attempt { id } }", waiting.0, 1),
        ("completeProvisioning", whole, json!({"attemptId": succeeding}), 1),
        ("failProvisioning", whole, json!({"attemptId": failing, "reason": "no seat left"}), 1),
        ("retryProvisioning", whole, json!({"assignmentId": assignment(&failed).await}), 2),
        (
            "resolveException",
            "exception { version resolution }",
            json!({"exceptionId": exception, "resolution": "DISMISSED", "note": "as agreed"}),
            1,
        ),
        (
            "submitAssignmentInput",
            whole,
            json!({"assignmentId": assignment(&asking).await, "input": {"seat": "4a"}}),
            1,
        ),
    ]
}

/// The mutations whose input has a key.
fn keyed() -> BTreeSet<String> {
    let document: ServiceDocument = parse_schema(claimcheck::graphql::sdl()).expect("a schema");
    let types = || {
        document.definitions.iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(&definition.node),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        })
    };
    let has_key = |definition: &TypeDefinition| match &definition.kind {
        TypeKind::InputObject(input) => input.fields.iter().any(|field| field.node.name.node == "idempotencyKey"),
        TypeKind::Scalar | TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) | TypeKind::Enum(_) => {
            false
        }
    };
    let inputs: BTreeSet<String> = types()
        .filter(|definition| has_key(definition))
        .map(|definition| format!("{}!", definition.name.node))
        .collect();
    let mutation = types().find(|definition| definition.name.node == "Mutation").expect("mutations");
    let TypeKind::Object(mutation) = &mutation.kind else { panic!("no object") };
    let fields = mutation.fields.iter().map(|field| &field.node);
    let keyed = fields.filter(|field| field.arguments.iter().any(|one| inputs.contains(&one.node.ty.node.to_string())));
    keyed.map(|field| field.name.node.to_string()).collect()
}

async fn every_mutation_with_a_key_has_one_effect(app: App) {
    let rows = rows(&app).await;
    let tried: BTreeSet<String> = rows.iter().map(|(mutation, ..)| (*mutation).to_owned()).collect();
    assert_eq!(tried, keyed());
    let (here, there) = (app.admin(), app.second_node().await.admin());
    let nodes: [&Client; 4] = [&here, &there, &here, &there];
    let (mut told, mut expected) = (Vec::new(), Vec::new());
    for (mutation, selection, input, events) in rows {
        let input = with(input, json!({"idempotencyKey": "k"}));
        let before = app.events().await;
        let run = |client: &Client| {
            let (client, input) = (client.clone(), input.clone());
            async move { client.mutate(mutation, selection, input).await.done() }
        };
        let answers: Vec<Answer> = join_all(nodes.map(run)).await;
        let first = answers.first().expect("an answer");
        assert!(answers.iter().all(|answer| answer.data() == first.data()), "{mutation}: {answers:#?}");
        for client in [&here, &there] {
            assert_eq!(run(client).await.data(), first.data(), "{mutation}");
        }
        told.push((mutation, app.events().await - before));
        expected.push((mutation, events));
    }
    assert_eq!(told, expected, "events of one effect each");
    app.assert_sound().await;
}
