//! Asking again under the same key: one effect, the same answer, and nobody else's business.

mod every;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, Statement, TransactionTrait as _};
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Engine, Shop, Test, both_engines,
    desk::act,
    shop::{Placed, product},
    within,
};

pub fn tests() -> Vec<Test> {
    let own = both_engines![
        every_mutation_has_one_effect_under_a_key,
        other_input_under_a_key_is_refused,
        requests_at_once_under_a_key_have_one_effect,
        who_waits_for_a_key_keeps_nobody_waiting,
        a_key_belongs_to_one_mutation,
        a_key_belongs_to_whoever_used_it,
        a_key_is_shared_by_the_keys_of_a_partner,
        a_refusal_is_not_remembered,
        a_repeat_shows_the_codes_again,
        a_repeat_shows_no_code_that_came_later,
        a_repeated_answer_is_as_of_now,
        a_key_s_secret_is_shown_once,
        a_key_has_a_length,
    ];
    own.into_iter().chain(every::tests()).collect()
}

struct Call {
    mutation: &'static str,
    selection: &'static str,
    input: Value,
    /// Another input for which the mutation would do something.
    other: Value,
}

async fn stock(app: &App, quantity: usize) -> (Shop, Placed) {
    product(app, "P", json!({"requiredInput": ["seat"]})).await;
    let shop = Shop::open(app, "Alpha").await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": quantity}])).await;
    (shop, placed)
}

fn with(mut input: Value, more: Value) -> Value {
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    input
}

impl Call {
    async fn run(&self, client: &Client, input: &Value, key: &str) -> Answer {
        let input = with(input.clone(), json!({"idempotencyKey": key}));
        client.mutate(self.mutation, self.selection, input).await
    }
}

async fn reserve(shop: &Shop, unit: &str) -> String {
    let input = json!({"entitlementId": unit, "account": {"externalReference": "ann"}});
    shop.key.mutate("reserveEntitlement", "reservation { id }", input).await.done().text("/reservation/id")
}

/// A call of each mutation of purchase and claiming, over units of their own.
async fn calls(shop: &Shop, placed: &Placed) -> Vec<Call> {
    let [redeemed, assigned, .., extended, confirmed, released, held, waiting] = &*placed.units else {
        panic!("more units")
    };
    let code = placed.codes.iter().zip(&placed.units).find(|(_, unit)| *unit == redeemed).map(|(code, _)| code);
    let account = |name: &str| json!({"externalReference": name});
    let input = json!({"entitlementId": waiting, "account": account("ann")});
    let waiting = shop.key.mutate("assignEntitlement", "assignment { id }", input).await.done().text("/assignment/id");
    let [extended, confirmed, released] =
        [reserve(shop, extended).await, reserve(shop, confirmed).await, reserve(shop, released).await];
    let order = |quantity: i32| json!({"channelId": shop.channel, "externalReference": "o-2", "lines": [{"sku": "P", "quantity": quantity}]});
    let call = |mutation, selection, input: Value, change: Value| {
        let other = with(input.clone(), change);
        Call { mutation, selection, input, other }
    };
    vec![
        call(
            "placeOrder",
            "order { id version } activationCodes { code }",
            order(2),
            json!({"externalReference": "o-3"}),
        ),
        call(
            "redeemCode",
            "assignment { id version }",
            json!({"code": code, "account": account("ann")}),
            json!({"resource": "desk"}),
        ),
        call(
            "assignEntitlement",
            "assignment { id version } entitlement { version }",
            json!({"entitlementId": assigned, "account": account("ann")}),
            json!({"account": account("bo")}),
        ),
        call(
            "assignEntitlements",
            "assignments { id version }",
            json!({"orderLineId": placed.lines.first(), "accounts": [account("ann"), account("bo")]}),
            json!({"accounts": [account("ann")]}),
        ),
        call(
            "extendReservation",
            "reservation { id version expiresAt }",
            json!({"reservationId": extended, "minutes": 5}),
            json!({"minutes": 6}),
        ),
        call(
            "confirmReservation",
            "assignment { id } reservation { version status }",
            json!({"reservationId": confirmed}),
            json!({"input": {"seat": "1"}}),
        ),
        call(
            "releaseReservation",
            "reservation { version status } entitlement { version }",
            json!({"reservationId": released}),
            json!({"reason": "over"}),
        ),
        call(
            "reserveEntitlement",
            "reservation { id version } entitlement { version }",
            json!({"entitlementId": held}),
            json!({"minutes": 3}),
        ),
        call(
            "submitAssignmentInput",
            "assignment { id version status }",
            json!({"assignmentId": waiting, "input": {"size": "M"}}),
            json!({"input": {"size": "L"}}),
        ),
    ]
}

async fn every_mutation_has_one_effect_under_a_key(app: App) {
    let (shop, placed) = stock(&app, 12).await;
    let other = app.second_node().await.client(shop.key.secret().expect("a secret"));
    for call in calls(&shop, &placed).await {
        let first = call.run(&shop.key, &call.input, "k").await.done();
        let told = app.events().await;
        for client in [&shop.key, &other] {
            let again = call.run(client, &call.input, "k").await.done();
            assert_eq!(again.data(), first.data(), "{}", call.mutation);
        }
        assert_eq!(app.events().await, told, "{}", call.mutation);
    }
    app.assert_sound().await;
}

async fn other_input_under_a_key_is_refused(app: App) {
    let (shop, placed) = stock(&app, 12).await;
    for call in calls(&shop, &placed).await {
        call.run(&shop.key, &call.input, "k").await.done();
        let told = app.events().await;
        let refused = call.run(&shop.key, &call.other, "k").await;
        assert_eq!(refused.refusal(), Some("IDEMPOTENCY_KEY_REUSED"), "{}", call.mutation);
        assert_eq!(refused.at("/userErrors/0/field"), &json!(["idempotencyKey"]));
        assert_eq!(app.events().await, told, "{}", call.mutation);
    }
    app.assert_sound().await;
}

async fn requests_at_once_under_a_key_have_one_effect(app: App) {
    let (shop, placed) = stock(&app, 12).await;
    let nodes = [shop.key.clone(), app.second_node().await.client(shop.key.secret().expect("a secret"))];
    let mut told = Vec::new();
    for call in calls(&shop, &placed).await {
        let before = app.events().await;
        let answers = join_all(nodes.iter().cycle().take(6).map(|client| call.run(client, &call.input, "k"))).await;
        let answers: Vec<Answer> = answers.into_iter().map(Answer::done).collect();
        let first = answers.first().expect("an answer");
        assert!(answers.iter().all(|answer| answer.data() == first.data()), "{}: {answers:#?}", call.mutation);
        told.push((call.mutation, app.events().await - before));
    }
    let expected = [
        ("placeOrder", 1),
        ("redeemCode", 2),
        ("assignEntitlement", 2),
        ("assignEntitlements", 4),
        ("extendReservation", 1),
        ("confirmReservation", 3),
        ("releaseReservation", 1),
        ("reserveEntitlement", 1),
        ("submitAssignmentInput", 1),
    ];
    assert_eq!(told, expected, "events of one effect");
    app.assert_sound().await;
}

async fn a_key_belongs_to_one_mutation(app: App) {
    let (shop, placed) = stock(&app, 12).await;
    for call in calls(&shop, &placed).await {
        call.run(&shop.key, &call.input, "the same for all").await.done();
    }
}

async fn a_key_belongs_to_whoever_used_it(app: App) {
    let (alpha, placed) = stock(&app, 2).await;
    let beta = Shop::open(&app, "Beta").await;
    let customer = app.key("CUSTOMER", json!({"partnerId": alpha.partner, "accountReference": "cy"})).await;
    let [first, second] = &*placed.codes else { panic!("two codes") };
    let redeem = async |client: &Client, code: &str, account: &str| {
        let account = json!({"externalReference": account});
        let input = json!({"code": code, "account": account, "idempotencyKey": "k"});
        client.mutate("redeemCode", "assignment { id }", input).await
    };
    let mine = redeem(&alpha.key, first, "ann").await.done();
    let theirs = redeem(&beta.key, second, "ann").await.done();
    assert_ne!(mine.at("/assignment/id"), theirs.at("/assignment/id"));
    assert_eq!(redeem(&customer, first, "cy").await.refusal(), Some("ALREADY_REDEEMED"), "not what Alpha was answered");
    assert_eq!(redeem(&app.admin(), first, "ann").await.refusal(), Some("ALREADY_REDEEMED"));
    app.assert_sound().await;
}

async fn a_key_is_shared_by_the_keys_of_a_partner(app: App) {
    let (shop, placed) = stock(&app, 12).await;
    let colleague = app.key("PARTNER", json!({"partnerId": shop.partner})).await;
    for call in calls(&shop, &placed).await {
        let first = call.run(&shop.key, &call.input, "k").await.done();
        let again = call.run(&colleague, &call.input, "k").await.done();
        assert_eq!(again.data(), first.data(), "{}", call.mutation);
    }
}

async fn who_waits_for_a_key_keeps_nobody_waiting(app: App) {
    if app.engine() == Engine::Sqlite {
        return; // Its one writer is waited for by all.
    }
    let (shop, _) = stock(&app, 1).await;
    let node = app.node_with(|config| config.limits.connections = 4).await;
    let key = node.client(shop.key.secret().expect("a secret"));
    let order = |reference: &str, key: &str| json!({"channelId": shop.channel, "externalReference": reference, "lines": [{"sku": "P"}], "idempotencyKey": key});
    key.mutate("placeOrder", "order { id }", order("known", "known")).await.done();
    // Somebody is at work under a key, as for a large order.
    let connection = app.db().await;
    let scope = "SELECT scope AS text FROM idempotency_keys WHERE key = 'known'";
    let scope = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), scope)).await;
    let scope: String = scope.expect("an answer").expect("a row").try_get("", "text").expect("text");
    let busy = connection.begin().await.expect("a transaction");
    let lock = format!(
        "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(chr(1), '{scope}', 'placeOrder', 'busy'), 0))"
    );
    busy.execute_unprepared(&lock).await.expect("a lock");
    let waiting = tokio::spawn({
        let key = key.clone();
        let order = order("busy", "busy");
        async move { join_all((0..8).map(|_| key.mutate("placeOrder", "order { id }", order.clone()))).await }
    });
    for number in 0..20 {
        let reference = format!("o-{number}-beside");
        within("an order", key.mutate("placeOrder", "order { id }", order(&reference, &reference))).await.done();
    }
    assert!(!waiting.is_finished());
    busy.rollback().await.expect("an end");
    connection.close().await.expect("an orderly end");
    let answers = within("those who waited", waiting).await.expect("no panic");
    let ids: std::collections::BTreeSet<String> =
        answers.into_iter().map(|answer| answer.done().text("/order/id")).collect();
    assert_eq!(ids.len(), 1);
    app.assert_sound().await;
}

async fn a_refusal_is_not_remembered(app: App) {
    let (shop, placed) = stock(&app, 1).await;
    let unit = placed.units.first().expect("a unit");
    let hold = reserve(&shop, unit).await;
    let account = json!({"externalReference": "bo"});
    let redeem = async || {
        let input = json!({"code": placed.codes.first(), "account": account, "idempotencyKey": "k"});
        shop.key.mutate("redeemCode", "assignment { id }", input).await
    };
    for _ in 0..2 {
        assert_eq!(redeem().await.refusal(), Some("RESERVED_BY_OTHER"));
    }
    shop.key.mutate("releaseReservation", "reservation { id }", json!({"reservationId": hold})).await.done();
    redeem().await.done();
    let query = "query ($id: ID!) { entitlement(id: $id) { redemptionAttempts { outcome } } }";
    let attempts = shop.key.query(query, json!({"id": unit})).await;
    assert_eq!(attempts.list("/entitlement/redemptionAttempts").len(), 3, "each try was one");
    app.assert_sound().await;
}

async fn a_repeat_shows_the_codes_again(app: App) {
    let (shop, _) = stock(&app, 1).await;
    let input = json!({
        "channelId": shop.channel, "externalReference": "o-2", "lines": [{"sku": "P", "quantity": 3}], "idempotencyKey": "k",
    });
    let selection = "activationCodes { code activationCode { id } }";
    let first = shop.key.mutate("placeOrder", selection, input.clone()).await.done();
    assert_eq!(first.list("/activationCodes").len(), 3);
    let used = first.text("/activationCodes/0/code");
    assert_eq!(shop.key.mutate("placeOrder", selection, input.clone()).await.done().data(), first.data());
    shop.redeem(&used, "ann").await.data();
    let later = shop.key.mutate("placeOrder", selection, input).await.done();
    assert_eq!(later.list("/activationCodes").len(), 2, "a redeemed one can no longer be shown");
}

async fn a_repeat_shows_no_code_that_came_later(app: App) {
    let (shop, _) = stock(&app, 1).await;
    let input = json!({"channelId": shop.channel, "externalReference": "o-2", "lines": [{"sku": "P", "quantity": 2}]});
    let selection = "activationCodes { code activationCode { id } } order { entitlements { nodes { id } } }";
    let first = shop.key.mutate("placeOrder", selection, input.clone()).await.done();
    let unit = first.text("/order/entitlements/nodes/0/id");
    app.clock.advance(std::time::Duration::from_secs(1));
    act(&shop.key, "rotateActivationCode", &unit).await.done();
    let again = shop.key.mutate("placeOrder", selection, input).await.done();
    assert_eq!(again.list("/activationCodes").len(), 1, "{:#}", again.body);
    assert_eq!(again.at("/activationCodes/0"), first.at("/activationCodes/1"), "a new one is revealed with a reason");
}

async fn a_repeated_answer_is_as_of_now(app: App) {
    let (shop, placed) = stock(&app, 1).await;
    let input =
        json!({"entitlementId": placed.units.first(), "account": {"externalReference": "ann"}, "idempotencyKey": "k"});
    let selection = "assignment { id status }";
    let first = shop.key.mutate("assignEntitlement", selection, input.clone()).await.done();
    assert_eq!(first.at("/assignment/status"), "AWAITING_INPUT");
    let given = json!({"assignmentId": first.at("/assignment/id"), "input": {"seat": "4a"}});
    shop.key.mutate("submitAssignmentInput", "assignment { id }", given).await.done();
    let again = shop.key.mutate("assignEntitlement", selection, input).await.done();
    assert_eq!(again.at("/assignment/id"), first.at("/assignment/id"));
    assert_eq!(again.at("/assignment/status"), "ACTIVE");
}

async fn a_key_s_secret_is_shown_once(app: App) {
    let input = json!({"name": "a key", "role": "SUPPORT", "idempotencyKey": "k"});
    let admin = app.admin();
    let first = admin.mutate("createApiKey", "apiKey { id } secret", input.clone()).await.done();
    let again = admin.mutate("createApiKey", "apiKey { id } secret", input).await.done();
    assert_eq!(again.at("/apiKey/id"), first.at("/apiKey/id"));
    assert!(first.text("/secret").starts_with("cck_"));
    assert_eq!(again.at("/secret"), &Value::Null);
}

async fn a_key_has_a_length(app: App) {
    let (shop, placed) = stock(&app, 1).await;
    let unit = placed.units.first().expect("a unit");
    let reserve = async |key: &str| {
        let input = json!({"entitlementId": unit, "idempotencyKey": key});
        shop.key.mutate("reserveEntitlement", "reservation { id }", input).await
    };
    for key in ["", &"k".repeat(256), "a\0b"] {
        assert_eq!(reserve(key).await.refusal(), Some("INVALID_INPUT"), "{key:?}");
    }
    reserve(&"é".repeat(255)).await.done();
}
