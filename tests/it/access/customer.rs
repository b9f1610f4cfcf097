//! Those who see least: customers, who see what they bought or hold, and provisioners, who see their work.

use serde_json::{Value, json};

use super::{Town, customer};
use crate::harness::{Answer, App, Shop, Test, both_engines, desk::release, eventually, shop};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_customer_sees_what_it_bought_or_holds,
        a_customer_sees_only_the_state_of_a_gift_it_gave,
        a_customer_sees_no_words_of_support_and_no_exceptions,
        a_customer_sees_the_words_of_its_own_side_alone,
        a_customer_acts_for_itself_alone,
        a_provisioner_sees_its_work_alone,
        a_provisioner_of_a_partner_below_finds_work_by_its_account,
    ]
}

async fn a_customer_sees_what_it_bought_or_holds(app: App) {
    let town = Town::build(&app).await;
    let ann = customer(&app, &town.alpha, "ann").await;
    let bob = customer(&app, &town.alpha, "bob").await;
    let for_bob =
        town.alpha.place("o-2", json!([{"sku": "A", "assignTo": {"externalReference": "bob"}}, {"sku": "A"}])).await;
    let lists = "{ orders { nodes { id } } entitlements { totalCount nodes { id } } channels { nodes { id } } partners { nodes { id } }
        assignments { totalCount } exceptions { totalCount } redemptionAttempts { totalCount } statistics { ordered } }";
    let seen = ann.query(lists, json!({})).await;
    assert_eq!(seen.at("/orders/nodes"), &json!([{"id": town.placed.order}]));
    assert_eq!(seen.number("/entitlements/totalCount"), 3);
    assert_eq!(seen.at("/channels/nodes"), &json!([{"id": town.alpha.channel}]));
    assert_eq!(seen.at("/partners/nodes"), &json!([{"id": town.alpha.partner}]));
    assert_eq!(seen.number("/assignments/totalCount"), 1);
    assert_eq!(seen.number("/exceptions/totalCount"), 0);
    assert_eq!(seen.number("/statistics/ordered"), 0, "statistics are those of a seller");
    let seen = bob.query(lists, json!({})).await;
    assert_eq!(seen.at("/orders/nodes"), &json!([]), "whoever holds a unit did not buy the order");
    let held: Vec<&String> = for_bob.units.iter().take(1).collect();
    assert_eq!(seen.at("/entitlements/nodes"), &json!([{"id": held.first()}]));
    assert_eq!(seen.at("/channels/nodes"), &json!([]));
    let order = "query ($id: ID!) { order(id: $id) { externalReference buyerAccount { externalReference } channel { name partner { name } }
        lines { product { sku } entitlements { nodes { status activationCode { status } } } } } }";
    let answer = ann.query(order, json!({"id": town.placed.order})).await;
    assert_eq!(answer.at("/order/buyerAccount/externalReference"), "ann");
    assert_eq!(answer.at("/order/channel"), &json!({"name": "Alpha", "partner": {"name": "Alpha"}}));
    assert_eq!(answer.list("/order/lines/0/entitlements/nodes").len(), 3);
    assert_eq!(bob.query(order, json!({"id": town.placed.order})).await.at("/order"), &Value::Null);
    let accounts = "query ($id: ID!) { account(id: $id) { id } }";
    assert!(ann.query(accounts, json!({"id": town.account})).await.at("/account").is_object());
    assert_eq!(bob.query(accounts, json!({"id": town.account})).await.at("/account"), &Value::Null);
    // By filters that name a channel or a seller it is about what was bought.
    for (client, count) in [(&ann, 3), (&bob, 0)] {
        for filter in
            [format!(r#"channelId: "{}""#, town.alpha.channel), format!(r#"partnerId: "{}""#, town.alpha.partner)]
        {
            let answer =
                client.query(&format!("{{ entitlements(filter: {{ {filter} }}) {{ totalCount }} }}"), json!({})).await;
            assert_eq!(answer.number("/entitlements/totalCount"), count, "{filter}");
        }
        let filter = format!(r#"filter: {{ channelId: "{}" }}"#, town.alpha.channel);
        let answer = client
            .query(
                &format!("{{ assignments({filter}) {{ totalCount }} orders({filter}) {{ totalCount }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(answer.number("/assignments/totalCount"), i64::from(count > 0));
        assert_eq!(answer.number("/orders/totalCount"), i64::from(count > 0));
    }
}

async fn a_customer_sees_only_the_state_of_a_gift_it_gave(app: App) {
    let town = Town::build(&app).await;
    let ann = customer(&app, &town.alpha, "ann").await;
    let redeem =
        "mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { entitlement { id } userErrors { code } } }";
    let input = json!({"code": town.placed.codes.last(), "account": {"externalReference": "bea"}, "resource": "seat-7", "input": {"size": "XL"}});
    let gift = town.beta.key.query(redeem, json!({"input": input})).await;
    let gift = gift.text("/redeemCode/entitlement/id");
    let query = "query ($id: ID!) { entitlement(id: $id) { status assignment { status account { id } resource input externalReference }
        redemptionAttempts { account { id } } timeline { nodes { type actor reason } } } }";
    let answer = eventually("the events", async || {
        let answer = ann.query(query, json!({"id": gift})).await;
        (answer.list("/entitlement/timeline/nodes").len() >= 3).then_some(answer)
    })
    .await;
    let assignment =
        json!({"status": "ACTIVE", "account": null, "resource": null, "input": null, "externalReference": null});
    assert_eq!(answer.at("/entitlement/assignment"), &assignment);
    assert_eq!(answer.at("/entitlement/redemptionAttempts"), &json!([]));
    let actors = answer.list("/entitlement/timeline/nodes").iter().filter_map(|event| event.get("actor"));
    assert!(
        actors.clone().all(|actor| actor == "support"),
        "nobody of its own did anything: {:?}",
        actors.collect::<Vec<_>>()
    );
}

async fn a_customer_sees_no_words_of_support_and_no_exceptions(app: App) {
    let town = Town::build(&app).await;
    let ann = customer(&app, &town.alpha, "ann").await;
    let support = app.key("SUPPORT", json!({})).await;
    let release = "mutation ($id: ID!, $reason: String) { releaseReservation(input: { reservationId: $id, reason: $reason }) { userErrors { code } } }";
    let answer = support.query(release, json!({"id": town.reservation, "reason": "the customer was rude"})).await;
    assert!(answer.list("/releaseReservation/userErrors").is_empty(), "{:#}", answer.body);
    // Somebody else's attempt on the unit leaves an attempt, which is not the customer's to read.
    town.alpha.redeem(town.placed.codes.first().expect("a code"), "mallory").await.data();
    let query = "query ($id: ID!) { order(id: $id) { statistics { openExceptions } timeline(first: 50) { nodes { type actor reason requestId exception { id } } }
        entitlements { nodes { statusReason exceptions { id } redemptionAttempts { account { externalReference } } } } } }";
    let released = |answer: &Answer| {
        answer
            .list("/order/timeline/nodes")
            .iter()
            .find(|event| event.get("type").is_some_and(|kind| kind == "RESERVATION_RELEASED"))
            .cloned()
    };
    let (answer, event) = eventually("the release", async || {
        let answer = ann.query(query, json!({"id": town.placed.order})).await;
        released(&answer).map(|event| (answer, event))
    })
    .await;
    assert_eq!(
        event,
        json!({"type": "RESERVATION_RELEASED", "actor": "support", "reason": null, "requestId": null, "exception": null})
    );
    assert!(!answer.body.to_string().contains("rude"), "{:#}", answer.body);
    assert!(!answer.body.to_string().contains("mallory"), "{:#}", answer.body);
    assert_eq!(answer.number("/order/statistics/openExceptions"), 0);
    let seller = town.alpha.key.query(query, json!({"id": town.placed.order})).await;
    let event = released(&seller).expect("the same event");
    assert_eq!(
        (event.get("actor"), event.get("reason")),
        (Some(&json!("support")), Some(&json!("the customer was rude")))
    );
}

async fn a_customer_sees_the_words_of_its_own_side_alone(app: App) {
    shop::product(&app, "A", json!({})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    let ann = customer(&app, &beta, "ann").await;
    // Units that an account of Beta's redeemed; their seller takes them back.
    for (round, seller, shown) in [(1, &alpha, json!(null)), (2, &beta, json!("a word"))] {
        let placed = seller.place("o-1", json!([{"sku": "A"}])).await;
        let redeemed = beta.redeem(placed.codes.first().expect("a code"), "ann").await;
        release(&seller.key, &redeemed.text("/redeemCode/assignment/id"), json!({"reason": "a word"})).await.done();
        let ended = eventually("the end", async || {
            let answer = ann.query("{ events(first: 100) { nodes { type reason } } }", json!({})).await;
            let ended = |event: &&Value| event.get("type").is_some_and(|kind| kind == "ASSIGNMENT_ENDED");
            let ends: Vec<&Value> = answer.list("/events/nodes").iter().filter(ended).collect();
            (ends.len() == round).then(|| ends.last().copied().cloned().unwrap_or_default())
        });
        assert_eq!(ended.await.get("reason"), Some(&shown));
    }
}

async fn a_customer_acts_for_itself_alone(app: App) {
    let town = Town::build(&app).await;
    let ann = customer(&app, &town.alpha, "ann").await;
    let redeem = "mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { assignment { account { externalReference } } userErrors { code } } }";
    let code = town.placed.codes.last();
    for other in ["bob", "nobody"] {
        let answer = ann.query(redeem, json!({"input": {"code": code, "account": {"externalReference": other}}})).await;
        assert_eq!(answer.at("/redeemCode/userErrors/0/code"), "NOT_FOUND", "{other}");
    }
    let answer = ann.query(redeem, json!({"input": {"code": code}})).await;
    assert_eq!(
        answer.at("/redeemCode/assignment/account/externalReference"),
        "ann",
        "with no account given its own is meant"
    );
    let renamed = json!({"code": code, "account": {"externalReference": "ann", "email": "new@example.com"}});
    ann.query(redeem, json!({"input": renamed})).await.data();
    let answer = ann.query("{ viewer { account { email } } }", json!({})).await;
    assert_eq!(answer.at("/viewer/account/email"), &Value::Null, "no customer changes an account");
}

async fn a_provisioner_sees_its_work_alone(app: App) {
    shop::product(&app, "NOW", json!({})).await;
    shop::product(&app, "LATER", json!({"provisioning": "EXTERNAL"})).await;
    let (alpha, beta) = (Shop::open(&app, "Alpha").await, Shop::open(&app, "Beta").await);
    let mut work = Vec::new();
    for shop in [&alpha, &beta] {
        let placed = shop.place("o-1", json!([{"sku": "NOW"}, {"sku": "LATER", "quantity": 2}])).await;
        shop.redeem(placed.codes.first().expect("a code"), "ann").await.data();
        work.push(shop.redeem(placed.codes.get(1).expect("a code"), "ann").await.text("/redeemCode/assignment/id"));
    }
    let everywhere = app.key("PROVISIONER", json!({})).await;
    let of_beta = app.key("PROVISIONER", json!({"partnerId": beta.partner})).await;
    let query = "{ assignments { totalCount nodes { id account { externalReference } entitlement { status product { sku } } } }
        entitlements { totalCount } orders { totalCount } redemptionAttempts { totalCount } exceptions { totalCount } }";
    for (client, expected) in [(&everywhere, work.clone()), (&of_beta, work.split_off(1))] {
        let answer = client.query(query, json!({})).await;
        let ids: Vec<&str> =
            answer.list("/assignments/nodes").iter().filter_map(|node| node.get("id")?.as_str()).collect();
        assert_eq!(ids, expected);
        assert_eq!(answer.at("/assignments/nodes/0/account/externalReference"), "ann");
        assert_eq!(
            answer.at("/assignments/nodes/0/entitlement"),
            &json!({"status": "ASSIGNED", "product": {"sku": "LATER"}})
        );
        assert_eq!(answer.number("/entitlements/totalCount"), i64::try_from(expected.len()).expect("a size"));
        for nothing in ["orders", "redemptionAttempts", "exceptions"] {
            assert_eq!(answer.number(&format!("/{nothing}/totalCount")), 0, "{nothing}");
        }
    }
    let events = eventually("the events", async || {
        let answer = everywhere.query("{ events(first: 100) { nodes { type assignment { id } } } }", json!({})).await;
        (answer.list("/events/nodes").len() >= 2).then_some(answer)
    });
    for event in events.await.list("/events/nodes") {
        assert!(
            event.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("ASSIGNMENT_")),
            "{event}"
        );
    }
}

async fn a_provisioner_of_a_partner_below_finds_work_by_its_account(app: App) {
    shop::product(&app, "LATER", json!({"provisioning": "EXTERNAL"})).await;
    let below = Shop::open(&app, "Alpha").await.open_below(&app, "Below").await;
    let placed = below.place("o-1", json!([{"sku": "LATER"}])).await;
    below.redeem(placed.codes.first().expect("a code"), "ann").await.data();
    let worker = app.key("PROVISIONER", json!({"partnerId": below.partner})).await;
    let account = worker.query("{ assignments { nodes { account { id } } } }", json!({})).await;
    let account = account.text("/assignments/nodes/0/account/id");
    let query = "query ($id: ID!) { assignments(filter: { accountId: $id }) { totalCount } }";
    assert_eq!(worker.query(query, json!({"id": account})).await.number("/assignments/totalCount"), 1);
}
