//! Every reason for which a request can be refused, brought about on purpose: once from the side of whoever the record belongs to, and once
//! from a stranger's, to whom it does not exist. Codes are the exception: whoever holds one whole is told its true state.

use std::{collections::BTreeSet, time::Duration};

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use claimcheck::domain::activation_code::code::Code;
use serde_json::{Value, json};

use crate::harness::{
    App, Client, Desk, Shop, Test, both_engines,
    desk::with,
    shop::{self, Placed},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        every_reason_is_given_to_its_own_and_hidden_from_strangers,
        what_is_done_for_a_reason_says_so_in_the_journal,
        what_a_provisioner_says_is_for_whoever_knows_the_holder,
    ]
}

/// Two shops, and what each of them has tried so far.
struct Stage {
    app: App,
    shop: Shop,
    stranger: Shop,
    given: BTreeSet<String>,
    placed: usize,
}

impl Stage {
    async fn set(app: App) -> Self {
        let policies = [
            ("A", json!({})),
            ("SHORT", json!({"validForDays": 1})),
            ("ONE", json!({"maxPerAccount": 1})),
            ("STAYS", json!({"transferable": false, "reassignable": false})),
        ];
        for (sku, policy) in policies {
            shop::product(&app, sku, policy).await;
        }
        let (shop, stranger) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
        Self { app, shop, stranger, given: BTreeSet::new(), placed: 0 }
    }

    /// A fresh unit of `sku`.
    async fn unit(&mut self, sku: &str) -> Placed {
        self.placed += 1;
        let reference = format!("o-{}", self.placed);
        self.shop.place(&reference, json!([{"sku": sku}])).await
    }

    /// Expects `reason` for `own`, who may do this and is refused, and `hidden` for a stranger who tries the same.
    async fn refused(&mut self, reason: &str, own: &Client, mutation: &str, input: Value, hidden: &str) {
        let stranger = self.stranger.key.clone();
        assert_eq!(tried(&stranger, mutation, &input).await.as_deref(), Some(hidden), "{reason} by a stranger");
        assert_eq!(tried(own, mutation, &input).await.as_deref(), Some(reason), "{mutation} {input}");
        self.given.insert(reason.to_owned());
    }

    /// The same for a code, whose state is the same to everybody who holds it.
    async fn code_refused(&mut self, reason: &str, code: &str) {
        let own = self.shop.key.clone();
        let input = json!({"code": code, "account": {"externalReference": "bob"}});
        self.refused(reason, &own, "redeemCode", input, reason).await;
    }

    async fn done(&self, client: &Client, mutation: &str, input: Value) {
        assert_eq!(tried(client, mutation, &input).await, None, "{mutation} {input}");
    }
}

/// The code of the refusal; none: it was done.
async fn tried(client: &Client, mutation: &str, input: &Value) -> Option<String> {
    let name = mutation[..1].to_uppercase() + &mutation[1..];
    let document =
        format!("mutation ($i: {name}Input!) {{ {mutation}(input: $i) {{ userErrors {{ code message }} }} }}");
    let answer = client.query(&document, json!({"i": input})).await;
    let errors = answer.list(&format!("/{mutation}/userErrors"));
    let first = errors.first()?;
    assert_ne!(first.get("message").and_then(Value::as_str).unwrap_or_default(), "");
    first.get("code").and_then(Value::as_str).map(str::to_owned)
}

/// All reasons that the schema knows.
fn reasons() -> BTreeSet<String> {
    let document = parse_schema(claimcheck::graphql::sdl()).expect("a schema");
    let reasons = document.definitions.into_iter().find_map(|definition| {
        let TypeSystemDefinition::Type(definition) = definition else { return None };
        (definition.node.name.node == "UserErrorCode").then_some(definition.node.kind)
    });
    let Some(TypeKind::Enum(reasons)) = reasons else { panic!("no reasons") };
    reasons.values.into_iter().map(|value| value.node.value.node.to_string()).collect()
}

async fn every_reason_is_given_to_its_own_and_hidden_from_strangers(app: App) {
    let mut stage = Stage::set(app).await;
    about_requests(&mut stage).await;
    about_states(&mut stage).await;
    about_reservations(&mut stage).await;
    about_codes(&mut stage).await;
    about_guesses(&mut stage).await;
    assert_eq!(stage.given, reasons());
}

async fn about_requests(stage: &mut Stage) {
    let own = stage.shop.key.clone();
    let unit = stage.unit("A").await.units.concat();
    let nobody = "ent_01h455vb4pex5vsknk084sn02q";
    let input = json!({"entitlementId": nobody, "reason": "lost"});
    stage.refused("NOT_FOUND", &own, "revokeEntitlement", input, "NOT_FOUND").await;
    let input = json!({"entitlementId": unit, "reason": " "});
    stage.refused("INVALID_INPUT", &own, "revokeEntitlement", input, "INVALID_INPUT").await;
    let input = json!({"entitlementId": unit, "reason": "lost", "expectedVersion": 99});
    stage.refused("STALE_VERSION", &own, "revokeEntitlement", input, "NOT_FOUND").await;

    let rotate = |reason: &str| json!({"entitlementId": unit, "reason": reason, "idempotencyKey": "k"});
    stage.done(&own, "rotateActivationCode", rotate("lost")).await;
    stage.refused("IDEMPOTENCY_KEY_REUSED", &own, "rotateActivationCode", rotate("leaked"), "NOT_FOUND").await;

    let order = |quantity: i32| json!({"channelId": stage.shop.channel, "externalReference": "same", "lines": [{"sku": "A", "quantity": quantity}]});
    let (first, second) = (order(1), order(2));
    stage.done(&own, "placeOrder", first).await;
    stage.refused("EXTERNAL_REFERENCE_REUSED", &own, "placeOrder", second, "NOT_FOUND").await;

    let placed = stage.unit("A").await;
    let accounts = json!([{"externalReference": "ann"}, {"externalReference": "bob"}]);
    let input = json!({"orderLineId": placed.lines.concat(), "accounts": accounts});
    stage.refused("INSUFFICIENT_AVAILABLE", &own, "assignEntitlements", input, "NOT_FOUND").await;
}

async fn about_states(stage: &mut Stage) {
    let own = stage.shop.key.clone();
    let ann = json!({"externalReference": "ann"});
    let placed = stage.unit("A").await;
    stage.done(&own, "assignEntitlement", json!({"entitlementId": placed.units.concat(), "account": ann})).await;
    let input = json!({"entitlementId": placed.units.concat(), "reason": "lost"});
    stage.refused("INVALID_STATE", &own, "rotateActivationCode", input, "NOT_FOUND").await;

    let first = stage.unit("ONE").await.units.concat();
    stage.done(&own, "assignEntitlement", json!({"entitlementId": first, "account": ann})).await;
    let second = stage.unit("ONE").await.units.concat();
    let input = json!({"entitlementId": second, "account": ann});
    stage.refused("LIMIT_PER_ACCOUNT", &own, "assignEntitlement", input, "NOT_FOUND").await;

    let stays = stage.unit("STAYS").await.units.concat();
    let input = json!({"entitlementId": stays, "recipient": {"name": "Zoë"}});
    stage.refused("NOT_TRANSFERABLE", &own, "transferEntitlement", input, "NOT_FOUND").await;
    let assign = "mutation ($i: AssignEntitlementInput!) { assignEntitlement(input: $i) { assignment { id } } }";
    let answer = own.query(assign, json!({"i": {"entitlementId": stays, "account": ann}})).await;
    let input = json!({"assignmentId": answer.text("/assignEntitlement/assignment/id"), "reason": "back"});
    stage.refused("NOT_REASSIGNABLE", &own, "releaseAssignment", input, "NOT_FOUND").await;
}

async fn about_reservations(stage: &mut Stage) {
    let own = stage.shop.key.clone();
    let reserve = "mutation ($i: ReserveEntitlementInput!) { reserveEntitlement(input: $i) { reservation { id } } }";
    let hold = async |client: &Client, unit: &str| {
        let input = json!({"entitlementId": unit, "minutes": 1, "account": {"externalReference": "ann"}});
        client.query(reserve, json!({"i": input})).await.text("/reserveEntitlement/reservation/id")
    };
    let placed = stage.unit("A").await;
    let held = hold(&own, &placed.units.concat()).await;
    stage.code_refused("RESERVED_BY_OTHER", &placed.codes.concat()).await;
    let input = json!({"reservationId": held, "minutes": 100_000});
    stage.refused("LIMIT_EXCEEDED", &own, "extendReservation", input, "NOT_FOUND").await;
    stage.app.clock.advance(Duration::from_mins(2));
    stage.refused("RESERVATION_EXPIRED", &own, "confirmReservation", json!({"reservationId": held}), "NOT_FOUND").await;

    // Of a partner that has been switched off since; what the house does for its accounts is left to the house.
    let gone = Shop::open(&stage.app, "Gamma").await;
    let unit = gone.place("o-gone", json!([{"sku": "A"}])).await.units.concat();
    let held = hold(&gone.key, &unit).await;
    let admin = stage.app.admin();
    stage.done(&admin, "updatePartner", json!({"partnerId": gone.partner, "active": false})).await;
    let support = stage.app.key("SUPPORT", json!({})).await;
    stage.refused("NOT_ELIGIBLE", &support, "confirmReservation", json!({"reservationId": held}), "NOT_FOUND").await;
}

async fn about_codes(stage: &mut Stage) {
    let (own, admin) = (stage.shop.key.clone(), stage.app.admin());
    let placed = stage.unit("A").await;
    let input = json!({"entitlementId": placed.units.concat(), "reason": "doubtful"});
    stage.done(&admin, "suspendEntitlement", input).await;
    stage.code_refused("ENTITLEMENT_SUSPENDED", &placed.codes.concat()).await;

    let placed = stage.unit("A").await;
    stage.done(&own, "revokeEntitlement", json!({"entitlementId": placed.units.concat(), "reason": "refunded"})).await;
    stage.code_refused("CODE_REVOKED", &placed.codes.concat()).await;

    let placed = stage.unit("A").await;
    stage.done(&own, "rotateActivationCode", json!({"entitlementId": placed.units.concat(), "reason": "lost"})).await;
    stage.code_refused("CODE_REPLACED", &placed.codes.concat()).await;

    let placed = stage.unit("A").await;
    let redeemed = stage.shop.redeem(&placed.codes.concat(), "ann").await;
    assert!(redeemed.list("/redeemCode/userErrors").is_empty(), "{:#}", redeemed.body);
    stage.code_refused("ALREADY_REDEEMED", &placed.codes.concat()).await;

    let placed = stage.unit("SHORT").await;
    stage.app.clock.advance(Duration::from_hours(25));
    stage.code_refused("CODE_EXPIRED", &placed.codes.concat()).await;
    stage.code_refused("CODE_INVALID", &Code::random().expect("a code").reveal()).await;
}

async fn about_guesses(stage: &mut Stage) {
    let guess = async |client: &Client| {
        let code = Code::random().expect("a code").reveal();
        tried(client, "redeemCode", &json!({"code": code, "account": {"externalReference": "eve"}})).await
    };
    for client in [stage.shop.key.clone(), stage.stranger.key.clone()] {
        for _ in 0..10 {
            assert_eq!(guess(&client).await.as_deref(), Some("CODE_INVALID"));
        }
        assert_eq!(guess(&client).await.as_deref(), Some("RATE_LIMITED"));
    }
    stage.given.insert("RATE_LIMITED".to_owned());
}

async fn what_is_done_for_a_reason_says_so_in_the_journal(app: App) {
    let desk = Desk::open(&app, json!({"requiredInput": ["seat"], "provisioning": "EXTERNAL"}), 8).await;
    let account = json!({"externalReference": "bo"});
    let held = desk.reserve(desk.unit(2), "bo").await;
    let assigned = desk.assign(desk.unit(4), "bo").await;
    for (place, mutation, input) in [
        (0, "redeemCode", json!({"code": desk.code(0), "account": account})),
        (1, "assignEntitlement", json!({"entitlementId": desk.unit(1), "account": account})),
        (2, "extendReservation", json!({"reservationId": held, "minutes": 1})),
        (2, "confirmReservation", json!({"reservationId": held})),
        (3, "transferEntitlement", json!({"entitlementId": desk.unit(3), "recipient": {"email": "cy@example.com"}})),
        (3, "reserveEntitlement", json!({"entitlementId": desk.unit(3), "account": account})),
        (4, "submitAssignmentInput", json!({"assignmentId": assigned, "input": {"seat": "12 A"}})),
    ] {
        let why = format!("ticket {mutation}");
        let input = |reason: &str| with(input.clone(), json!({"reason": reason, "idempotencyKey": mutation}));
        assert_eq!(tried(&desk.support, mutation, &input(" ")).await.as_deref(), Some("INVALID_INPUT"), "{mutation}");
        assert_eq!(tried(&desk.support, mutation, &input(&why)).await, None, "{mutation}");
        let query = "query ($id: ID!) { entitlement(id: $id) { timeline(last: 1) { nodes { reason } } } }";
        let told = desk.support.query(query, json!({"id": desk.unit(place)})).await;
        assert_eq!(told.text("/entitlement/timeline/nodes/0/reason"), why);
    }
    // What was said on another side is nobody's business here.
    let beta = Shop::open(&app, "Beta").await;
    let input = json!({"code": desk.code(6), "account": account, "reason": "for Mrs Miller"});
    assert_eq!(tried(&beta.key, "redeemCode", &input).await, None);
    let query = "query ($id: ID!) { entitlement(id: $id) { timeline(last: 1) { nodes { reason } } } }";
    for (client, reason) in [(&desk.support, json!("for Mrs Miller")), (&desk.shop.key, json!(null))] {
        let told = client.query(query, json!({"id": desk.unit(6)})).await;
        assert_eq!(told.at("/entitlement/timeline/nodes/0/reason"), &reason);
    }
    // A request of before there were reasons is still the same one.
    let keyed = json!({"code": desk.code(7), "account": account, "idempotencyKey": "old"});
    for input in [keyed.clone(), with(keyed.clone(), json!({"reason": null}))] {
        assert_eq!(tried(&desk.support, "redeemCode", &input).await, None);
    }
    let other = with(keyed, json!({"reason": "now there is one"}));
    assert_eq!(tried(&desk.support, "redeemCode", &other).await.as_deref(), Some("IDEMPOTENCY_KEY_REUSED"));

    for attempt in desk.claim().await {
        desk.fail(&attempt).await;
    }
    let retry = json!({"assignmentId": assigned, "reason": "there is room again"});
    assert_eq!(tried(&desk.support, "retryProvisioning", &retry).await, None);
    let product = app.admin().query("{ productBySku(sku: \"P\") { id } }", json!({})).await.text("/productBySku/id");
    let stock = json!({"channelId": desk.shop.channel, "productId": product});
    let many = with(stock, json!({"accounts": [account], "reason": "a whole team"}));
    assert_eq!(tried(&desk.support, "assignEntitlements", &many).await, None);
    let query = "{ events(last: 1, filter: {types: [ASSIGNMENT_RETRIED]}) { nodes { reason } }
        team: events(last: 1) { nodes { reason } } }";
    let told = app.admin().query(query, json!({})).await;
    assert_eq!(told.text("/events/nodes/0/reason"), "there is room again");
    assert_eq!(told.text("/team/nodes/0/reason"), "a whole team");
    app.assert_sound().await;
}

async fn what_a_provisioner_says_is_for_whoever_knows_the_holder(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 2).await;
    let beta = Shop::open(&app, "Beta").await;
    beta.redeem(desk.code(0), "bob").await.data();
    desk.shop.redeem(desk.code(1), "bo").await.data();
    for attempt in desk.claim().await {
        desk.fail(&attempt).await;
    }
    let query = "query ($id: ID!) { entitlement(id: $id) {
        assignment { statusReason attempts { outcome reason } } exceptions { kind reason }
        timeline(last: 3) { nodes { type reason } }
    } }";
    let said = "no seat left";
    let times = async |client: &Client, unit: &str| {
        let answer = client.query(query, json!({"id": unit})).await;
        assert_eq!(answer.at("/entitlement/assignment/attempts/0/outcome"), "FAILED");
        answer.body.to_string().matches(said).count()
    };
    let told = times(&desk.support, desk.unit(0)).await;
    assert!(told > 3, "in the assignment, its attempt, the exception and the journal: {told}");
    assert_eq!(times(&desk.shop.key, desk.unit(1)).await, told, "of a holder of one's own");
    assert_eq!(
        times(&beta.key, desk.unit(0)).await,
        told - 2,
        "as a holder, but for the seller's exception and its opening"
    );
    assert_eq!(times(&desk.shop.key, desk.unit(0)).await, 0);
    assert_eq!(times(&desk.customer("ann").await, desk.unit(0)).await, 0, "who bought it");
    let told = desk.shop.key.query(query, json!({"id": desk.unit(0)})).await;
    let expected = json!([{"kind": "PROVISIONING_FAILED", "reason": "it could not be set up downstream"}]);
    assert_eq!(told.at("/entitlement/exceptions"), &expected);
    let console = "{ exceptions { nodes { reason } } events(last: 20) { nodes { reason } } }";
    let all = desk.shop.key.query(console, json!({})).await;
    assert!(all.body.to_string().matches(said).count() < 4, "those of its own holder: {:#}", all.body);
}
