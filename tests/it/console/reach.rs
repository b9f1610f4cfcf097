//! For everybody: by the keyboard alone one sees where one is and gets everywhere, and a screen reader is told the name of everything.

use serde_json::{Value, json};

use crate::harness::{
    App, Desk, Test,
    browser::{Browser, Key, Tab},
    in_a_browser,
};

pub fn tests() -> Vec<Test> {
    in_a_browser![a_case_is_worked_by_the_keyboard_alone, a_screen_reader_is_told_what_everything_is]
}

/// More than there is to go through on a page.
const STEPS: usize = 80;

/// Goes on from one thing to the next until the one that an expression is true of.
async fn go_to(tab: &mut Tab, what: &str) {
    for _ in 0..STEPS {
        tab.press(Key::Tab).await;
        let seen = "(() => { const here = document.activeElement; if (here === document.body) return true; \
                    const how = getComputedStyle(here); return here.getClientRects().length > 0 \
                    && how.outlineStyle !== 'none' && parseFloat(how.outlineWidth) > 0 })()";
        let place = tab.evaluate("document.activeElement.outerHTML").await;
        assert_eq!(tab.evaluate(seen).await, Some(json!(true)), "nobody sees where the keyboard is: {place:?}");
        let there = format!("(() => {{ const here = document.activeElement; return Boolean({what}) }})()");
        if tab.evaluate(&there).await == Some(json!(true)) {
            return;
        }
    }
    panic!("the keyboard does not get to {what}");
}

async fn a_case_is_worked_by_the_keyboard_alone(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let key = app.key("SUPPORT", json!({})).await;
    let browser = Browser::start();
    let mut tab = browser.open(app.address()).await;
    tab.goto("/console").await;
    tab.evaluate("document.activeElement.blur()").await;
    go_to(&mut tab, "here.id === 'key'").await;
    tab.type_in(key.secret().expect("a secret")).await;
    tab.enter().await;
    // Past what stands on every page, and to the page itself.
    go_to(&mut tab, "here.className === 'skip'").await;
    go_to(&mut tab, "here.id === 'what'").await;
    tab.type_in(desk.code(0)).await;
    tab.enter().await;
    let deed = "here.closest('details')?.querySelector('form[action$=\"/rotate\"]')";
    go_to(&mut tab, &format!("here.tagName === 'SUMMARY' && {deed}")).await;
    tab.press(Key::Enter).await;
    go_to(&mut tab, &format!("here.name === 'reason' && {deed}")).await;
    tab.type_in("ticket 4711").await;
    go_to(&mut tab, &format!("here.tagName === 'BUTTON' && {deed}")).await;
    tab.enter().await;
    tab.comes_to_say("A new code was issued.").await;
}

fn member<'a>(node: &'a Value, name: &str) -> &'a str {
    node.pointer(&format!("/{name}/value")).and_then(Value::as_str).unwrap_or_default()
}

async fn a_screen_reader_is_told_what_everything_is(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    desk.shop.redeem(desk.code(0), "ann").await.data();
    let key = app.key("SUPPORT", json!({})).await;
    let browser = Browser::start();
    let mut tab = browser.open(app.address()).await;
    let order = format!("/console/order/{}", desk.placed.order);
    let unit = format!("/console/entitlement/{}", desk.unit(0));
    look_at(&mut tab, "/console", "a stranger").await;
    tab.sign_in(key.secret().expect("a secret")).await;
    for page in
        ["/console", "/console/units", "/console/exceptions", "/console/overdue", "/console/query", &order, &unit]
    {
        look_at(&mut tab, page, "support").await;
    }
}

async fn look_at(tab: &mut Tab, page: &str, who: &str) {
    tab.goto(page).await;
    let told = tab.told().await;
    let told: Vec<&Value> = told.iter().filter(|node| node.get("ignored") != Some(&json!(true))).collect();
    let of = |role: &str| told.iter().filter(|node| member(node, "role") == role).count();
    for node in &told {
        let role = member(node, "role");
        let acts = ["button", "link", "textbox", "searchbox", "combobox", "checkbox", "DisclosureTriangle", "image"];
        assert!(
            !acts.contains(&role) || !member(node, "name").is_empty(),
            "{who} {page}: a {role} has no name: {node}"
        );
    }
    assert_eq!(of("main"), 1, "{who} {page}: one part is the page itself");
    let levels = "[...document.querySelectorAll('h1, h2, h3, h4')].filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1]))";
    let levels = tab.evaluate(levels).await.expect("levels");
    let levels: Vec<i64> = levels.as_array().expect("a list").iter().filter_map(Value::as_i64).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{who} {page}: {levels:?}");
    assert!(levels.is_sorted_by(|one, next| *next <= one + 1), "{who} {page}: a level is left out: {levels:?}");
    assert_eq!(tab.evaluate("document.documentElement.lang").await, Some(json!("en")));
}
