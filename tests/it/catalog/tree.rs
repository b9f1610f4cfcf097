//! The tree of partners: who stands where, what a move takes along, and which moves are refused.

use futures_util::future::join_all;
use serde_json::json;

use super::{assert_refused, partner, update_partner};
use crate::harness::{Answer, App, Client, Shop, Test, both_engines, eventually, shop::product};

pub fn tests() -> Vec<Test> {
    both_engines![
        partners_form_a_tree,
        a_partner_that_moves_takes_all_below_it_along,
        a_partner_at_the_top_has_a_namespace_of_its_own,
        moves_that_would_break_the_tree_are_refused,
        of_two_moves_that_would_make_a_circle_one_is_refused,
        a_partner_that_is_off_opens_nothing,
    ]
}

/// Whether `client` sees the channel.
async fn sees(client: &Client, channel: &str) -> bool {
    let answer = client.query("query ($id: ID!) { channel(id: $id) { id } }", json!({"id": channel})).await;
    answer.body.pointer("/data/channel/id").is_some()
}

async fn partners_form_a_tree(app: App) {
    let top = partner(&app, "Top", None).await;
    let below = partner(&app, "Below", Some(&top)).await;
    let seen = "query ($id: ID!) { partner(id: $id) { name active version parent { id parent { id } } } }";
    let seen = app.admin().query(seen, json!({"id": below})).await;
    let expected = json!({"name": "Below", "active": true, "version": 1, "parent": {"id": top, "parent": null}});
    assert_eq!(seen.at("/partner"), &expected);
    let names = app.admin().query("{ partners(first: 10) { nodes { name } } }", json!({})).await;
    assert_eq!(names.at("/partners/nodes"), &json!([{"name": "house"}, {"name": "Top"}, {"name": "Below"}]));
}

async fn a_partner_that_moves_takes_all_below_it_along(app: App) {
    let (old, new) = (Shop::open(&app, "old").await, Shop::open(&app, "new").await);
    let middle = old.open_below(&app, "middle").await;
    let low = middle.open_below(&app, "low").await;
    product(&app, "S", json!({})).await;
    low.place("A", json!([{"sku": "S", "assignTo": {"externalReference": "u-1"}}])).await;
    let account = "{ accountByReference(externalReference: \"u-1\") { id } }";
    assert!(low.key.query(account, json!({})).await.at("/accountByReference").is_object());

    update_partner(&app, json!({"partnerId": middle.partner, "parentId": new.partner})).await.done();
    assert!(sees(&new.key, &low.channel).await && sees(&middle.key, &low.channel).await);
    assert!(!sees(&old.key, &low.channel).await && !sees(&old.key, &middle.channel).await);
    let unit = "query ($id: ID!) { orderByReference(channelId: $id, externalReference: \"A\") { id } }";
    assert!(new.key.query(unit, json!({"id": low.channel})).await.at("/orderByReference").is_object());
    assert!(
        low.key.query(account, json!({})).await.at("/accountByReference").is_null(),
        "it has another namespace now"
    );
    app.assert_sound().await;
}

async fn a_partner_at_the_top_has_a_namespace_of_its_own(app: App) {
    let top = Shop::open(&app, "top").await;
    let below = top.open_below(&app, "below").await;
    product(&app, "S", json!({})).await;
    let place = async |reference: &str| {
        below.place(reference, json!([{"sku": "S", "assignTo": {"externalReference": "u-1"}}])).await
    };
    place("A").await;
    let moved = update_partner(&app, json!({"partnerId": below.partner, "parentId": null})).await.done();
    assert!(moved.at("/partner/parent").is_null());
    place("B").await;
    let accounts = "query ($top: ID!, $below: ID!) {
        top: accountByReference(externalReference: \"u-1\", partnerId: $top) { id }
        below: accountByReference(externalReference: \"u-1\", partnerId: $below) { id } }";
    let found = app.admin().query(accounts, json!({"top": top.partner, "below": below.partner})).await;
    assert_ne!(found.text("/top/id"), found.text("/below/id"));
}

async fn moves_that_would_break_the_tree_are_refused(app: App) {
    let shop = Shop::open(&app, "top").await;
    let below = shop.open_below(&app, "below").await;
    let other = partner(&app, "other", None).await;
    let house =
        app.admin().query("{ partners(first: 1) { nodes { id } } }", json!({})).await.text("/partners/nodes/0/id");
    let refused = async |moved: &str, to: &str| {
        let answer = update_partner(&app, json!({"partnerId": moved, "parentId": to})).await;
        assert_refused(&answer, "INVALID_INPUT", &["parentId"]);
    };
    refused(&shop.partner, &shop.partner).await;
    refused(&shop.partner, &below.partner).await;
    refused(&house, &other).await;
    update_partner(&app, json!({"partnerId": shop.partner, "parentId": other})).await.done();
    update_partner(&app, json!({"partnerId": shop.partner, "parentId": null})).await.done();
    product(&app, "S", json!({})).await;
    below.place("A", json!([{"sku": "S", "assignTo": {"externalReference": "u-1"}}])).await;
    refused(&shop.partner, &other).await;
    update_partner(&app, json!({"partnerId": below.partner, "parentId": other})).await.done();
}

async fn of_two_moves_that_would_make_a_circle_one_is_refused(app: App) {
    let (one, other) = (partner(&app, "one", None).await, partner(&app, "other", None).await);
    let moves = [(&one, &other), (&other, &one)];
    let moves = moves.map(|(moved, to)| update_partner(&app, json!({"partnerId": moved, "parentId": to})));
    let answers = join_all(moves).await;
    let refusals: Vec<_> = answers.iter().filter_map(Answer::refusal).collect();
    assert_eq!(refusals, ["INVALID_INPUT"]);
}

async fn a_partner_that_is_off_opens_nothing(app: App) {
    let shop = Shop::open(&app, "top").await;
    let below = shop.open_below(&app, "below").await;
    let switch = async |active: bool| {
        update_partner(&app, json!({"partnerId": shop.partner, "active": active})).await.done();
    };
    let opens = async |client: &Client| client.query("{ viewer { role } }", json!({})).await.errors().is_empty();
    assert!(opens(&shop.key).await && opens(&below.key).await);
    switch(false).await;
    assert!(!opens(&shop.key).await && !opens(&below.key).await, "the keys of those below it open nothing either");
    let second = app.second_node().await;
    assert!(!opens(&second.client(shop.key.secret().expect("a secret"))).await);
    switch(true).await;
    assert!(opens(&shop.key).await && opens(&below.key).await);
    let elsewhere = second.client(shop.key.secret().expect("a secret"));
    eventually("the key on another node", async || opens(&elsewhere).await.then_some(())).await;
}
