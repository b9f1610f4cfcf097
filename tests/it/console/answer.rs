//! What a page answers at its top, and how one gets to it: an order as its only unit or in numbers, a choice by an address that can be come
//! back to, a form's address by its page.

use reqwest::{StatusCode, header::LOCATION};
use serde_json::json;

use super::{search, support};
use crate::harness::{App, Desk, Test, both_engines, desk::act};

pub fn tests() -> Vec<Test> {
    both_engines![
        an_order_of_one_unit_answers_as_that,
        an_order_of_several_answers_in_numbers,
        an_order_answers_for_what_is_left_of_it,
        what_is_suspended_can_be_cancelled,
        an_account_is_shown_with_what_it_bought_and_what_is_held_for_it,
        a_choice_has_an_address_and_no_code_is_in_one,
        the_address_of_a_form_leads_to_its_page,
        an_attempt_downstream_is_found_by_its_id,
        an_order_s_story_goes_back_to_its_beginning,
    ]
}

async fn an_order_of_one_unit_answers_as_that(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let mut visitor = support(&app).await;
    let page = search(&mut visitor, "o-1").await;
    page.says("Valid, and not used yet");
    page.says("Used? No. The code that ends in");
    desk.shop.redeem(desk.code(0), "bo").await;
    desk.shop.redeem(desk.code(0), "eve").await;
    let page = search(&mut visitor, "o-1").await;
    for words in ["Valid, used and active", "Held by bo. Active.", "a redemption for eve with the code that ends in"] {
        page.says(words);
    }
}

async fn an_order_of_several_answers_in_numbers(app: App) {
    let desk = Desk::open(&app, json!({}), 3).await;
    let mut visitor = support(&app).await;
    let order = format!("/console/order/{}", desk.placed.order);
    visitor.open(&order).await.says("Valid, and not used yet");
    desk.shop.redeem(desk.code(0), "bo").await;
    desk.reserve(desk.unit(1), "cy").await;
    let page = visitor.open(&order).await;
    for words in [
        "Valid, and 1 of 3 units are used",
        "Valid? Yes.",
        "Used? 1 of 3 units.",
        "1 by an account, 1 for an account, 1 by nobody yet.",
        "Last failure None of late.",
    ] {
        page.says(words);
    }
    act(&desk.support, "suspendEntitlement", desk.unit(2)).await.done();
    desk.shop.redeem(desk.code(2), "bo").await;
    let page = visitor.open(&order).await;
    page.says("Valid, and waiting for somebody to decide");
    page.says("2 of 3 units are. Suspended: 1.");
    page.says("Of 1 suspended, those that nobody has are revoked as well.");
    visitor.open(&page.link("Redemption rejected")).await.says("Redemption rejected: open");
    let form = visitor.open(&order).await.form("/cancel-all").with("reason", "never paid");
    visitor.send(&form).await.says("No longer valid: it was cancelled");
}

async fn an_order_answers_for_what_is_left_of_it(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let mut visitor = support(&app).await;
    let order = format!("/console/order/{}", desk.placed.order);
    let anew = act(&desk.support, "reissueEntitlement", desk.unit(0)).await.done();
    desk.shop.redeem(&anew.text("/issuedCode/code"), "bo").await;
    let page = visitor.open(&order).await;
    page.says("Valid, used and active");
    page.says("Held by bo. Active.");

    let two = desk.shop.place("o-2", json!([{"sku": "P", "quantity": 2}])).await;
    let first = two.units.first().expect("a unit");
    act(&desk.support, "revokeEntitlement", first).await.done();
    desk.shop.redeem(two.codes.first().expect("a code"), "cy").await;
    let page = visitor.open(&format!("/console/order/{}", two.order)).await;
    page.says("Valid? Yes. Revoked, replaced or expired: 1.");
    page.says("a redemption was refused, for it had been revoked.");
}

async fn what_is_suspended_can_be_cancelled(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let mut visitor = support(&app).await;
    let order = format!("/console/order/{}", desk.placed.order);
    desk.assign(desk.unit(0), "bo").await;
    for unit in &desk.placed.units {
        act(&desk.support, "suspendEntitlement", unit).await.done();
    }
    let page = visitor.open(&order).await;
    page.says("2 suspended are revoked as well, whoever has them.");
    let page = visitor.send(&page.form("/cancel").with("reason", "not wanted")).await;
    page.says("What nobody had was cancelled.");
    assert!(page.html.contains(&format!("data-page=\"{order}\"")), "an address that says so says so once");
    assert!(!page.actions().contains(&format!("{order}/cancel")), "nobody has none of the rest");
    visitor.send(&page.form("/cancel-all").with("reason", "at all")).await.says("No longer valid: it was cancelled");
}

async fn an_account_is_shown_with_what_it_bought_and_what_is_held_for_it(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    desk.reserve(desk.unit(0), "bo").await;
    let mut visitor = support(&app).await;
    let buyer = search(&mut visitor, "ann").await;
    buyer.says("What it bought Confirmed o-1");
    assert_eq!(buyer.link("o-1"), format!("/console/order/{}", desk.placed.order));
    search(&mut visitor, "bo").await.says("What is held for it Held The P until");
    visitor.open(&format!("/console/entitlement/{}", desk.unit(0))).await.says("Reservation for bo Held made");
}

async fn a_choice_has_an_address_and_no_code_is_in_one(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let again = json!([{"sku": "P", "quantity": 1, "recipient": {"email": "gift@example.com"}}]);
    for order in ["o-2", "o-3"] {
        desk.shop.place_with(order, again.clone(), json!({})).await;
    }
    let mut visitor = support(&app).await;
    let several = search(&mut visitor, "gift@example.com").await;
    assert_eq!(several.address, "/console/search?what=gift%40example.com");
    visitor.open(&several.address).await.says("2 records match.");
    let slip = desk.code(0).replace(|c: char| c.is_ascii_digit(), "Z");
    for what in [slip.as_str(), &slip.to_lowercase()] {
        let form = visitor.open("/console").await.form("/console/search").with("what", what);
        let page = visitor.post(&form, &[]).await;
        assert!(page.headers.get(LOCATION).is_none(), "{what} is not in an address");
        page.says("Nothing was found");
    }
}

async fn the_address_of_a_form_leads_to_its_page(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let mut visitor = support(&app).await;
    let unit = format!("/console/entitlement/{}", desk.unit(0));
    let page = visitor.open(&format!("{unit}/suspend")).await;
    assert_eq!((page.address.as_str(), page.status), (unit.as_str(), StatusCode::OK));
    let form = page.form("/extend").with("expiresAt", "2001-01-01T00:00").with("reason", "a word");
    let refused = visitor.post(&form, &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.html.contains(&format!("data-page=\"{unit}\"")) && refused.html.contains("<title>Refused: "));
}

async fn an_attempt_downstream_is_found_by_its_id(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 1).await;
    desk.assign(desk.unit(0), "bo").await;
    let attempt = desk.claim().await.pop().expect("an attempt");
    let mut visitor = support(&app).await;
    let landed = search(&mut visitor, &attempt).await;
    assert_eq!(landed.address, format!("/console/entitlement/{}", desk.unit(0)));
}

async fn an_order_s_story_goes_back_to_its_beginning(app: App) {
    let desk = Desk::open(&app, json!({}), 20).await;
    for unit in &desk.placed.units {
        act(&desk.support, "suspendEntitlement", unit).await.done();
    }
    let mut visitor = support(&app).await;
    let page = visitor.open(&format!("/console/order/{}", desk.placed.order)).await;
    assert!(!page.text().contains("The order was placed"), "{}", page.text());
    let past = visitor.open(&page.link("What happened before")).await;
    past.says("The order was placed");
    assert!(!visitor.open(&past.link("Back to the newest")).await.text().contains("The order was placed"));
}
