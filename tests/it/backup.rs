//! A backup that was made while the service ran, and what is there when it has taken the place of the database.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{
    Client, Database, Shop, Test, both_engines, eventually,
    program::{Program, Running},
};

pub fn tests() -> Vec<Test> {
    both_engines![a_restored_backup_goes_on_where_it_was_made]
}

const REDEEMED: &str = "subscription ($after: Cursor) {
    events(after: $after, filter: { types: [CODE_REDEEMED] }) { entitlement { id } }
}";

/// A service over a database, and the shop whose key is the one that was made first.
fn serve(database: &Database, channel: &str, secret: &str) -> (Running, Shop) {
    let mut running = Program::over(database).start(&["serve"]);
    let key = Client::new(running.address(), Some(secret));
    (running, Shop { partner: String::new(), channel: channel.to_owned(), key })
}

/// The cursor of the `number`th redemption.
async fn redemption(shop: &Shop, number: usize) -> String {
    let document = "{ events(first: 100, filter: { types: [CODE_REDEEMED] }) { nodes { cursor } } }";
    eventually("a redemption's place in the journal", async || {
        let answer = shop.key.query(document, json!({})).await;
        answer.list("/events/nodes").get(number - 1)?.get("cursor")?.as_str().map(str::to_owned)
    })
    .await
}

async fn a_restored_backup_goes_on_where_it_was_made(database: Database) {
    let secret = Program::over(&database).run(&["key", "create", "--name", "first", "--role", "admin"]).answer();
    let (mut running, mut shop) = serve(&database, "", secret.trim());
    let channel = json!({"name": "C", "kind": "API"});
    shop.channel = shop.key.mutate("createChannel", "channel { id }", channel).await.done().text("/channel/id");
    shop.key.mutate("createProduct", "product { id }", json!({"sku": "P", "name": "P"})).await.done();
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": 3}])).await;
    let [first, second, third] = placed.codes.as_slice() else { panic!("three codes") };
    let redeemed = |answer: &crate::harness::Answer| answer.text("/redeemCode/entitlement/id");
    redeemed(&shop.redeem(first, "ann").await);
    let before = redemption(&shop, 1).await;

    let Some(restored) = database.restored().await else { return };
    redeemed(&shop.redeem(second, "ben").await);
    let lost = redemption(&shop, 2).await;
    assert_eq!(running.terminate().code, Some(0));
    let file = |database: &Database| database.directory().join("claimcheck.keys");
    fs::copy(file(&database), file(&restored)).expect("the key file");

    let program = Program::over(&restored);
    assert!(program.run(&["verify"]).answer().contains("hold"), "all invariants");
    assert!(!program.run(&["keys", "status"]).answer().contains("missing"));
    let (mut running, shop) = serve(&restored, &shop.channel, secret.trim());
    let mut gone = shop.key.subscribe(REDEEMED, json!({"after": lost})).await;
    assert_eq!(gone.refused().await.code(), Some("CURSOR_EXPIRED"));
    let mut events = shop.key.subscribe(REDEEMED, json!({"after": before})).await;
    let again: Vec<String> =
        [redeemed(&shop.redeem(third, "cid").await), redeemed(&shop.redeem(second, "ben").await)].into();
    for unit in &again {
        assert_eq!(events.next().await.at("/events/entitlement/id"), &Value::from(unit.as_str()));
    }
    let refused = shop.redeem(first, "dan").await;
    assert_eq!(refused.at("/redeemCode/userErrors/0/code"), "ALREADY_REDEEMED");
    assert_eq!(running.terminate().code, Some(0));
    restored.remove().await;
}
