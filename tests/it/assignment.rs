//! Direct assignment, one unit or many, and the input that an assignment waits for.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Client, Shop, Test, both_engines,
    shop::{Placed, product},
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_unit_is_given_to_an_account,
        a_unit_is_given_once,
        of_many_at_once_one_is_given_a_unit,
        a_redemption_and_an_assignment_at_once_do_not_both_happen,
        a_unit_past_its_end_is_not_given,
        a_change_decided_on_an_old_version_is_refused,
        a_foreign_unit_is_unknown,
        an_account_is_given_no_more_than_its_limit,
        an_account_is_made_when_it_is_first_named,
        many_accounts_get_a_unit_each,
        an_account_that_is_named_twice_gets_two,
        stock_is_given_oldest_first,
        what_is_held_or_over_is_not_given,
        all_get_a_unit_or_none,
        each_line_s_own_limit_counts,
        requests_at_once_give_different_units,
        a_source_of_units_is_named_one_way,
        input_is_submitted_step_by_step,
        the_last_input_sets_off_what_is_made_outside,
        input_is_taken_only_while_it_is_awaited,
        input_of_strangers_is_not_taken,
    ]
}

const GIVEN: &str = "assignment { id status method resource input missingInput account { externalReference } } entitlement { id status version }";
const GIVEN_MANY: &str = "assignments { id status account { externalReference } entitlement { id } }";

async fn stock(app: &App, policy: Value, quantity: usize) -> (Shop, Placed) {
    product(app, "P", policy).await;
    let shop = Shop::open(app, "Alpha").await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": quantity}])).await;
    (shop, placed)
}

fn unit(placed: &Placed) -> &str {
    placed.units.first().expect("a unit")
}

fn with(mut input: Value, more: Value) -> Value {
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    input
}

async fn assign(client: &Client, unit: &str, account: &str, more: Value) -> Answer {
    let input = json!({"entitlementId": unit, "account": {"externalReference": account}});
    client.mutate("assignEntitlement", GIVEN, with(input, more)).await
}

/// Gives a unit of `from` to each of `accounts`.
async fn assign_many(client: &Client, from: Value, accounts: &[&str]) -> Answer {
    let accounts: Vec<Value> = accounts.iter().map(|account| json!({"externalReference": account})).collect();
    client.mutate("assignEntitlements", GIVEN_MANY, with(from, json!({"accounts": accounts}))).await
}

fn line(placed: &Placed) -> Value {
    json!({"orderLineId": placed.lines.first()})
}

/// What stands under `pointer` in each of the assignments that were made.
fn each(answer: &Answer, pointer: &str) -> Vec<String> {
    let made = answer.list("/assignments").iter().filter_map(|made| made.pointer(pointer)?.as_str());
    made.map(str::to_owned).collect()
}

async fn told(client: &Client, unit: &str) -> Vec<Value> {
    let query =
        "query ($id: ID!) { entitlement(id: $id) { timeline { nodes { type fromStatus toStatus entitlementTo } } } }";
    let answer = client.query(query, json!({"id": unit})).await;
    let members = ["type", "fromStatus", "toStatus", "entitlementTo"];
    let events = answer.list("/entitlement/timeline/nodes").iter().skip(1);
    events.map(|event| members.iter().map(|member| event.get(member).cloned().unwrap_or_default()).collect()).collect()
}

async fn a_unit_is_given_to_an_account(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let answer =
        assign(&shop.key, unit(&placed), "ann", json!({"resource": "desk", "input": {"size": "M"}})).await.done();
    assert_eq!(answer.at("/assignment/status"), "ACTIVE");
    assert_eq!(answer.at("/assignment/method"), "DIRECT");
    assert_eq!(answer.at("/assignment/resource"), "desk");
    assert_eq!(answer.at("/assignment/input"), &json!({"size": "M"}));
    assert_eq!(answer.at("/assignment/account/externalReference"), "ann");
    assert_eq!(answer.at("/entitlement/status"), "ACTIVE");
    let expected =
        [json!(["CODE_REVOKED", "ISSUED", "REVOKED", null]), json!(["ASSIGNMENT_ACTIVATED", null, "ACTIVE", "ACTIVE"])];
    assert_eq!(told(&shop.key, unit(&placed)).await, expected);
    app.assert_sound().await;
}

async fn a_unit_is_given_once(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    assign(&shop.key, unit(&placed), "ann", json!({})).await.done();
    for account in ["bo", "ann"] {
        let again = assign(&shop.key, unit(&placed), account, json!({})).await;
        assert_eq!(again.refusal(), Some("INVALID_STATE"));
        assert!(again.text("/userErrors/0/message").contains("ACTIVE"), "it names the present state");
        let allowed = again.list("/userErrors/0/allowedActions");
        assert!(!allowed.contains(&json!("ASSIGN")) && !allowed.contains(&json!("REDEEM")), "{allowed:?}");
    }
    app.assert_sound().await;
}

async fn of_many_at_once_one_is_given_a_unit(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let nodes = [shop.key.clone(), app.second_node().await.client(shop.key.secret().expect("a secret"))];
    let accounts: Vec<String> = (0..12).map(|number| format!("account {number}")).collect();
    let tries = nodes.iter().cycle().zip(&accounts);
    let answers = join_all(tries.map(|(client, account)| assign(client, unit(&placed), account, json!({})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.refusal().is_none()).count(), 1);
    assert!(answers.iter().filter_map(Answer::refusal).all(|refusal| refusal == "INVALID_STATE"));
    app.assert_sound().await;
}

async fn a_redemption_and_an_assignment_at_once_do_not_both_happen(app: App) {
    const UNITS: usize = 6;
    let (shop, placed) = stock(&app, json!({}), UNITS).await;
    let races = placed.units.iter().zip(&placed.codes).map(async |(unit, code)| {
        let input = json!({"code": code, "account": {"externalReference": "ann"}});
        let redeem = shop.key.mutate("redeemCode", "assignment { id }", input);
        let (given, redeemed) = tokio::join!(assign(&shop.key, unit, "bo", json!({})), redeem);
        (given.refusal().map(str::to_owned), redeemed.refusal().map(str::to_owned))
    });
    for outcome in join_all(races).await {
        let (given, redeemed) = (outcome.0.as_deref(), outcome.1.as_deref());
        assert!(
            matches!((given, redeemed), (None, Some("CODE_REVOKED")) | (Some("INVALID_STATE"), None)),
            "{outcome:?}"
        );
    }
    app.assert_sound().await;
}

async fn a_unit_past_its_end_is_not_given(app: App) {
    let (shop, placed) = stock(&app, json!({"validForDays": 1}), 1).await;
    app.clock.advance(Duration::from_hours(24));
    let late = assign(&shop.key, unit(&placed), "ann", json!({})).await;
    assert_eq!(late.refusal(), Some("INVALID_STATE"));
    assert!(late.text("/userErrors/0/message").contains("EXPIRED"), "no sweep has run");
}

async fn a_change_decided_on_an_old_version_is_refused(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let stale = assign(&shop.key, unit(&placed), "ann", json!({"expectedVersion": 2})).await;
    assert_eq!(stale.refusal(), Some("STALE_VERSION"));
    assert_eq!(stale.at("/userErrors/0/retryable"), true);
    let answer = assign(&shop.key, unit(&placed), "ann", json!({"expectedVersion": 1})).await.done();
    assert!(answer.number("/entitlement/version") > 1);
}

async fn a_foreign_unit_is_unknown(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    let beta = Shop::open(&app, "Beta").await;
    let below = shop.open_below(&app, "Alpha's reseller").await;
    for stranger in [&beta, &below] {
        let foreign = assign(&stranger.key, unit(&placed), "ann", json!({})).await;
        assert_eq!(foreign.refusal(), Some("NOT_FOUND"));
        assert_eq!(foreign.at("/userErrors/0/allowedActions"), &json!([]));
        let many = assign_many(&stranger.key, line(&placed), &["ann"]).await;
        assert_eq!(many.refusal(), Some("NOT_FOUND"));
    }
    let own = below.place("o-1", json!([{"sku": "P"}])).await;
    assign(&shop.key, unit(&own), "ann", json!({})).await.done();
    app.assert_sound().await;
}

async fn an_account_is_given_no_more_than_its_limit(app: App) {
    let (shop, placed) = stock(&app, json!({"maxPerAccount": 1}), 3).await;
    assign(&shop.key, unit(&placed), "ann", json!({})).await.done();
    let last = placed.units.last().expect("a unit");
    assert_eq!(assign(&shop.key, last, "ann", json!({})).await.refusal(), Some("LIMIT_PER_ACCOUNT"));
    assert_eq!(assign_many(&shop.key, line(&placed), &["bo", "ann"]).await.refusal(), Some("LIMIT_PER_ACCOUNT"));
    assert_eq!(assign_many(&shop.key, line(&placed), &["bo", "bo"]).await.refusal(), Some("LIMIT_PER_ACCOUNT"));
    assign_many(&shop.key, line(&placed), &["bo", "cy"]).await.done();
    app.assert_sound().await;
}

async fn an_account_is_made_when_it_is_first_named(app: App) {
    let (shop, placed) = stock(&app, json!({}), 2).await;
    let query = "{ accountByReference(externalReference: \"ann\") { email displayName assignments { totalCount } } }";
    assert_eq!(shop.key.query(query, json!({})).await.at("/accountByReference"), &Value::Null);
    for (unit, account) in placed.units.iter().zip([
        json!({"externalReference": "ann", "email": "ann@example.com", "displayName": "Ann"}),
        json!({"externalReference": "ann", "displayName": "Ann B."}),
    ]) {
        let input = json!({"entitlementId": unit, "account": account});
        shop.key.mutate("assignEntitlement", GIVEN, input).await.done();
    }
    let expected = json!({"email": "ann@example.com", "displayName": "Ann B.", "assignments": {"totalCount": 2}});
    assert_eq!(shop.key.query(query, json!({})).await.at("/accountByReference"), &expected);
}

async fn many_accounts_get_a_unit_each(app: App) {
    let (shop, placed) = stock(&app, json!({"provisioning": "EXTERNAL"}), 5).await;
    let accounts = ["zoe", "ann", "bo"];
    let answer = assign_many(&shop.key, line(&placed), &accounts).await.done();
    assert_eq!(each(&answer, "/account/externalReference"), accounts, "in the order in which they were named");
    assert_eq!(each(&answer, "/status"), ["PENDING"; 3]);
    assert_eq!(each(&answer, "/entitlement/id"), placed.units.iter().take(3).cloned().collect::<Vec<_>>());
    for code in placed.codes.iter().take(3) {
        let dead = shop.redeem(code, "zoe").await;
        assert_eq!(dead.at("/redeemCode/userErrors/0/code"), "CODE_REVOKED");
    }
    app.assert_sound().await;
}

async fn an_account_that_is_named_twice_gets_two(app: App) {
    let (shop, placed) = stock(&app, json!({}), 3).await;
    let answer = assign_many(&shop.key, line(&placed), &["ann", "bo", "ann"]).await.done();
    assert_eq!(each(&answer, "/account/externalReference"), ["ann", "bo", "ann"]);
    assert_eq!(each(&answer, "/entitlement/id").iter().collect::<BTreeSet<_>>().len(), 3);
    app.assert_sound().await;
}

async fn stock_is_given_oldest_first(app: App) {
    product(&app, "OTHER", json!({})).await;
    let (shop, first) = stock(&app, json!({}), 2).await;
    app.clock.advance(Duration::from_secs(1));
    shop.place("o-2", json!([{"sku": "OTHER", "quantity": 5}])).await;
    let second = shop.place("o-3", json!([{"sku": "P", "quantity": 2}])).await;
    let query = "{ productBySku(sku: \"P\") { id } }";
    let product = app.admin().query(query, json!({})).await.text("/productBySku/id");
    let stock = json!({"channelId": shop.channel, "productId": product});
    let answer = assign_many(&shop.key, stock.clone(), &["ann", "bo", "cy"]).await.done();
    let oldest: Vec<String> = first.units.iter().chain(second.units.first()).cloned().collect();
    assert_eq!(each(&answer, "/entitlement/id"), oldest);
    let more = assign_many(&shop.key, stock, &["di", "ed"]).await;
    assert_eq!(more.refusal(), Some("INSUFFICIENT_AVAILABLE"), "other products do not count");
    app.assert_sound().await;
}

async fn what_is_held_or_over_is_not_given(app: App) {
    let (shop, placed) = stock(&app, json!({"validForDays": 1}), 3).await;
    let [held, given, free] = &*placed.units else { panic!("three units") };
    shop.key.mutate("reserveEntitlement", "reservation { id }", json!({"entitlementId": held})).await.done();
    assign(&shop.key, given, "ann", json!({})).await.done();
    assert_eq!(assign_many(&shop.key, line(&placed), &["bo", "cy"]).await.refusal(), Some("INSUFFICIENT_AVAILABLE"));
    let answer = assign_many(&shop.key, line(&placed), &["bo"]).await.done();
    assert_eq!(each(&answer, "/entitlement/id"), std::slice::from_ref(free));
    let late = shop.place("o-2", json!([{"sku": "P"}])).await;
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(assign_many(&shop.key, line(&late), &["bo"]).await.refusal(), Some("INSUFFICIENT_AVAILABLE"));
    app.assert_sound().await;
}

async fn all_get_a_unit_or_none(app: App) {
    let (shop, placed) = stock(&app, json!({}), 2).await;
    let answer = assign_many(&shop.key, line(&placed), &["ann", "bo", "cy"]).await;
    assert_eq!(answer.refusal(), Some("INSUFFICIENT_AVAILABLE"));
    assert_eq!(answer.at("/userErrors/0/retryable"), true);
    assert_eq!(answer.at("/assignments"), &Value::Null);
    for accounts in [&["ann", ""][..], &[]] {
        assert_eq!(assign_many(&shop.key, line(&placed), accounts).await.refusal(), Some("INVALID_INPUT"));
    }
    let query = "query ($id: ID!) { order(id: $id) { statistics { unassigned active } }
        accountByReference(externalReference: \"ann\") { id } }";
    let state = shop.key.query(query, json!({"id": placed.order})).await;
    assert_eq!(state.at("/order/statistics"), &json!({"unassigned": 2, "active": 0}));
    assert_eq!(state.at("/accountByReference"), &Value::Null);
    app.assert_sound().await;
}

async fn each_line_s_own_limit_counts(app: App) {
    let (shop, _) = stock(&app, json!({}), 1).await;
    let query = "{ productBySku(sku: \"P\") { id } }";
    let product = app.admin().query(query, json!({})).await.text("/productBySku/id");
    let input = json!({"productId": product, "policy": {"maxPerAccount": 1}});
    app.admin().mutate("updateProduct", "product { id }", input).await.done();
    shop.place("o-2", json!([{"sku": "P", "quantity": 2}])).await;
    let stock = json!({"channelId": shop.channel, "productId": product});
    let answer = assign_many(&shop.key, stock.clone(), &["ann", "ann"]).await;
    assert_eq!(answer.refusal(), Some("LIMIT_PER_ACCOUNT"), "the second unit was sold under a limit");
    assign_many(&shop.key, stock, &["ann", "bo"]).await.done();
    app.assert_sound().await;
}

async fn requests_at_once_give_different_units(app: App) {
    const REQUESTS: usize = 8;
    let (shop, placed) = stock(&app, json!({}), REQUESTS * 3).await;
    let nodes = [shop.key.clone(), app.second_node().await.client(shop.key.secret().expect("a secret"))];
    let requests = nodes.iter().cycle().take(REQUESTS);
    let answers = join_all(requests.map(|client| assign_many(client, line(&placed), &["ann", "bo", "cy"]))).await;
    let given: Vec<String> = answers.into_iter().flat_map(|answer| each(&answer.done(), "/entitlement/id")).collect();
    assert_eq!(given.len(), REQUESTS * 3);
    assert_eq!(given.iter().collect::<BTreeSet<_>>(), placed.units.iter().collect::<BTreeSet<_>>());
    app.assert_sound().await;
}

async fn a_source_of_units_is_named_one_way(app: App) {
    let (shop, placed) = stock(&app, json!({}), 1).await;
    for from in [json!({}), json!({"channelId": shop.channel}), with(line(&placed), json!({"channelId": shop.channel}))]
    {
        assert_eq!(assign_many(&shop.key, from.clone(), &["ann"]).await.refusal(), Some("INVALID_INPUT"), "{from}");
    }
}

/// A unit in the hands of ann, whose input is missing; the id of the assignment.
async fn awaiting(app: &App, provisioning: &str) -> (Shop, Placed, String) {
    let (shop, placed) = stock(app, json!({"requiredInput": ["seat", "size"], "provisioning": provisioning}), 2).await;
    let answer = assign(&shop.key, unit(&placed), "ann", json!({})).await.done();
    assert_eq!(answer.at("/assignment/status"), "AWAITING_INPUT");
    (shop, placed, answer.text("/assignment/id"))
}

async fn submit(client: &Client, assignment: &str, input: Value, more: Value) -> Answer {
    let selection = "assignment { id version status missingInput input deadline activatedAt entitlement { status } }";
    client
        .mutate("submitAssignmentInput", selection, with(json!({"assignmentId": assignment, "input": input}), more))
        .await
}

async fn input_is_submitted_step_by_step(app: App) {
    let (shop, placed, assignment) = awaiting(&app, "NONE").await;
    let first = submit(&shop.key, &assignment, json!({"size": "M", "note": 1}), json!({})).await.done();
    assert_eq!(first.at("/assignment/status"), "AWAITING_INPUT");
    assert_eq!(first.at("/assignment/missingInput"), &json!(["seat"]));
    let blank = submit(&shop.key, &assignment, json!({"seat": " "}), json!({})).await.done();
    assert_eq!(blank.at("/assignment/missingInput"), &json!(["seat"]), "blank text answers nothing");
    let last = submit(&shop.key, &assignment, json!({"seat": "4a", "size": "L"}), json!({})).await.done();
    assert_eq!(last.at("/assignment/status"), "ACTIVE");
    assert_eq!(last.at("/assignment/input"), &json!({"note": 1, "seat": "4a", "size": "L"}));
    assert_eq!(last.at("/assignment/missingInput"), &json!([]));
    assert_eq!(last.at("/assignment/activatedAt"), "2030-01-01T12:00:00Z");
    assert_eq!(last.at("/assignment/deadline"), &Value::Null);
    assert_eq!(last.at("/assignment/entitlement/status"), "ACTIVE");
    let events = told(&shop.key, unit(&placed)).await;
    let submitted: Vec<&Value> =
        events.iter().filter(|event| event.get(0) == Some(&json!("ASSIGNMENT_INPUT_SUBMITTED"))).collect();
    assert_eq!(submitted.len(), 3);
    assert_eq!(submitted.last().and_then(|event| event.get(3)), Some(&json!("ACTIVE")));
    app.assert_sound().await;
}

async fn the_last_input_sets_off_what_is_made_outside(app: App) {
    let (shop, _, assignment) = awaiting(&app, "EXTERNAL").await;
    let done = submit(&shop.key, &assignment, json!({"seat": "4a", "size": "M"}), json!({})).await.done();
    assert_eq!(done.at("/assignment/status"), "PENDING");
    assert_eq!(done.at("/assignment/deadline"), "2030-01-01T13:00:00Z");
    assert_eq!(done.at("/assignment/entitlement/status"), "ASSIGNED");
    app.assert_sound().await;
}

async fn input_is_taken_only_while_it_is_awaited(app: App) {
    let (shop, _, assignment) = awaiting(&app, "EXTERNAL").await;
    let input = json!({"seat": "4a", "size": "M"});
    let stale = submit(&shop.key, &assignment, input.clone(), json!({"expectedVersion": 9})).await;
    assert_eq!(stale.refusal(), Some("STALE_VERSION"));
    let partial = submit(&shop.key, &assignment, json!({"seat": "1"}), json!({"expectedVersion": 1})).await.done();
    assert_eq!(partial.number("/assignment/version"), 2);
    assert_eq!(submit(&shop.key, &assignment, json!([1]), json!({})).await.refusal(), Some("INVALID_INPUT"));
    submit(&shop.key, &assignment, input.clone(), json!({"expectedVersion": 2})).await.done();
    let late = submit(&shop.key, &assignment, input, json!({})).await;
    assert_eq!(late.refusal(), Some("INVALID_STATE"));
    assert!(late.text("/userErrors/0/message").contains("PENDING"), "it names the present state");
    app.assert_sound().await;
}

async fn input_of_strangers_is_not_taken(app: App) {
    let (shop, _, assignment) = awaiting(&app, "NONE").await;
    let beta = Shop::open(&app, "Beta").await;
    let customer =
        async |name: &str| app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": name})).await;
    let (ann, bo) = (customer("ann").await, customer("bo").await);
    let input = json!({"seat": "4a", "size": "M"});
    for stranger in [&beta.key, &bo] {
        assert_eq!(submit(stranger, &assignment, input.clone(), json!({})).await.refusal(), Some("NOT_FOUND"));
    }
    submit(&ann, &assignment, input, json!({})).await.done();
}
