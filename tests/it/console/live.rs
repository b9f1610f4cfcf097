//! In a real browser: cases worked by hand, a page that grows while one looks, and one that goes on after its connection was lost.

use serde_json::json;

use super::case::{CASES, Case};
use crate::harness::{
    App, Desk, Test,
    browser::{Browser, Tab},
    in_a_browser,
};

pub fn tests() -> Vec<Test> {
    in_a_browser![
        cases_are_resolved_in_a_browser,
        an_open_page_is_kept_current,
        lists_are_kept_current,
        a_page_follows_its_record_after_a_refusal,
        a_page_outlives_the_session_it_was_opened_in,
        a_page_that_nobody_sees_takes_no_connection,
        a_page_that_is_out_of_date_says_so,
        a_page_of_nobody_leads_to_the_sign_in,
        a_lost_connection_is_taken_up_again,
        a_foreign_record_is_not_found_by_its_address,
        a_subscription_is_followed_on_the_query_page,
    ]
}

/// A tab of somebody who is signed in with a key that sees all.
async fn desk_tab(app: &App, browser: &Browser) -> Tab {
    let key = app.key("SUPPORT", json!({})).await;
    let mut tab = browser.open(app.address()).await;
    tab.sign_in(key.secret().expect("a secret")).await;
    tab
}

async fn cases_are_resolved_in_a_browser(app: App) {
    let browser = Browser::start();
    let mut tab = desk_tab(&app, &browser).await;
    for (place, case) in CASES.iter().enumerate() {
        let desk = case.open(&app, place).await;
        if tab.evaluate("location.pathname").await != Some(json!("/console")) {
            tab.goto("/console").await;
        }
        if case.ticket.contains("expired") {
            // A day has passed, and with it the session.
            tab = desk_tab(&app, &browser).await;
        }
        work(&mut tab, &desk, case).await;
        assert_eq!(desk.state(desk.unit(0)).await, case.state, "{}", case.ticket);
    }
}

async fn work(tab: &mut Tab, desk: &Desk, case: &Case) {
    let what = json!((case.asked)(desk));
    tab.leave(&format!("const box = document.querySelector('#what'); box.value = {what}; box.form.requestSubmit()"))
        .await;
    for words in case.says {
        let text = tab.text().await;
        assert!(text.contains(words), "{}: “{words}” is not in {text}", case.ticket);
    }
    if let Some(link) = case.by {
        let link = json!(link);
        tab.leave(&format!("[...document.querySelectorAll('main a')].find((a) => a.textContent === {link}).click()"))
            .await;
    }
    let form = format!("document.querySelector('form[action$=\"/{}\"]')", case.deed);
    let mut script = format!("const form = {form}; form.closest('details').open = true;");
    for (name, value) in case.fields {
        script += &["form.elements[", &json!(name).to_string(), "].value = ", &json!(value).to_string(), ";"].concat();
    }
    tab.leave(&format!("{script} form.querySelector('button').click()")).await;
    for words in case.then {
        let text = tab.text().await;
        assert!(text.contains(words), "{}: “{words}” is not in {text}", case.ticket);
    }
}

/// Waits until the page follows what happens.
async fn is_live(tab: &mut Tab) {
    tab.becomes("a live page", "document.querySelector('#live').dataset.state === 'on'").await;
}

async fn an_open_page_is_kept_current(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let browser = Browser::start();
    let mut tab = desk_tab(&app, &browser).await;
    tab.goto(&format!("/console/entitlement/{}", desk.unit(0))).await;
    tab.comes_to_say("Valid, and not used yet").await;
    is_live(&mut tab).await;
    tab.evaluate("window.isSame = true").await;
    desk.assign(desk.unit(0), "bo").await;
    tab.comes_to_say("Valid, used and active").await;
    tab.comes_to_say("Held by bo. Active.").await;
    tab.becomes("a timeline that grew", "document.querySelectorAll('.timeline li.new').length > 0").await;
    tab.becomes("an announcement", "document.querySelector('#announce').textContent.includes('Set up and active')")
        .await;
    tab.becomes("the same page", "window.isSame === true").await;

    // What somebody is writing is left alone.
    tab.evaluate(
        "(() => { const form = document.querySelector('form[action$=\"/suspend\"]'); form.closest('details').open = true; \
         form.elements.reason.value = 'half a sen'; form.elements.reason.focus(); })()",
    )
    .await;
    let input = json!({"entitlementId": desk.unit(0), "reason": "elsewhere"});
    desk.support.mutate("suspendEntitlement", "entitlement { id }", input).await.done();
    tab.comes_to_say("Suspended: it cannot be used for now").await;
    let kept = "document.querySelector('form[action$=\"/suspend\"]').elements.reason.value === 'half a sen'";
    tab.becomes("what was being written", kept).await;

    // Redemptions stream in on the overview.
    tab.goto("/console").await;
    is_live(&mut tab).await;
    desk.shop.redeem(desk.code(1), "cy").await;
    tab.becomes("a redemption", "document.querySelector('[data-part=redemptions]').textContent.includes('cy')").await;
}

async fn lists_are_kept_current(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 2).await;
    let browser = Browser::start();
    let mut tab = desk_tab(&app, &browser).await;
    tab.goto("/console/units").await;
    is_live(&mut tab).await;
    desk.assign(desk.unit(0), "bo").await;
    tab.becomes("a unit's holder", "document.querySelector('[data-part=rows]').textContent.includes('bo')").await;
    let account =
        tab.evaluate("[...document.querySelectorAll('main a')].find((a) => a.textContent === 'bo').pathname").await;
    tab.goto(account.as_ref().and_then(serde_json::Value::as_str).expect("the account's page")).await;
    is_live(&mut tab).await;
    desk.work().await;
    tab.becomes("a new state", "document.querySelector('[data-part=holdings]').textContent.includes('Active')").await;
    tab.goto("/console/overdue").await;
    is_live(&mut tab).await;
}

async fn a_page_follows_its_record_after_a_refusal(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let browser = Browser::start();
    let mut tab = desk_tab(&app, &browser).await;
    let unit = format!("/console/entitlement/{}", desk.unit(0));
    tab.goto(&unit).await;
    tab.leave(
        "const form = document.querySelector('form[action$=\"/extend\"]'); form.elements.expiresAt.value = '2001-01-01T00:00'; \
         form.elements.reason.value = 'a word'; form.requestSubmit()",
    )
    .await;
    tab.comes_to_say("was refused, and nothing was changed").await;
    assert_eq!(tab.evaluate("location.pathname").await, Some(json!(unit)));
    tab.becomes("what was refused", "document.activeElement.getAttribute('role') === 'alert'").await;
    is_live(&mut tab).await;
    desk.assign(desk.unit(0), "bo").await;
    tab.comes_to_say("Held by bo. Active.").await;
    let kept = "document.querySelector('form[action$=\"/extend\"]').elements.reason.value === 'a word'";
    tab.becomes("what was written", kept).await;
    tab.becomes("a title that keeps up", "document.title.startsWith('The P: Valid, used and active')").await;
}

async fn a_page_outlives_the_session_it_was_opened_in(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let browser = Browser::start();
    let mut tab = desk_tab(&app, &browser).await;
    tab.goto(&format!("/console/entitlement/{}", desk.unit(0))).await;
    is_live(&mut tab).await;
    // As in another tab.
    let secret = json!(desk.support.secret());
    let anew = format!(
        "(async () => {{ const page = new DOMParser().parseFromString(await (await fetch('/console/sign-in')).text(), 'text/html'); \
         const body = new URLSearchParams({{ token: page.querySelector('input[name=token]').value, key: {secret} }}); \
         return (await fetch('/console/sign-in', {{ method: 'POST', body }})).ok; }})()"
    );
    assert_eq!(tab.evaluate(&anew).await, Some(json!(true)));
    desk.assign(desk.unit(0), "bo").await;
    tab.comes_to_say("Held by bo. Active.").await;
    tab.leave("document.querySelector('#what').value = 'o-1'; document.querySelector('.search').requestSubmit()").await;
    tab.comes_to_say("Valid, used and active").await;
}

async fn a_page_that_nobody_sees_takes_no_connection(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let browser = Browser::start();
    let mut tab = desk_tab(&app, &browser).await;
    tab.begin_with(
        "window.hides = (hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); \
         document.dispatchEvent(new Event('visibilitychange')); }; hides(true); window.streams = []; \
         window.EventSource = class extends EventSource { constructor(address) { super(address); streams.push(this); } };",
    )
    .await;
    tab.goto(&format!("/console/entitlement/{}", desk.unit(0))).await;
    assert_eq!(tab.evaluate("streams.length").await, Some(json!(0)));
    tab.evaluate("hides(false)").await;
    is_live(&mut tab).await;
    tab.evaluate("hides(true)").await;
    assert_eq!(tab.evaluate("streams.map((stream) => stream.readyState)").await, Some(json!([2])), "closed");
    desk.assign(desk.unit(0), "bo").await;
    tab.evaluate("hides(false)").await;
    tab.comes_to_say("Held by bo. Active.").await;
}

async fn a_page_that_is_out_of_date_says_so(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let browser = Browser::start();
    let mut tab = desk_tab(&app, &browser).await;
    tab.goto(&format!("/console/entitlement/{}", desk.unit(0))).await;
    is_live(&mut tab).await;
    tab.evaluate("window.network = fetch; window.fetch = () => Promise.reject(new Error('away'))").await;
    desk.assign(desk.unit(0), "bo").await;
    tab.becomes("a warning", "document.querySelector('#live').textContent.startsWith('Out of date')").await;
    tab.evaluate("window.fetch = network").await;
    tab.comes_to_say("Held by bo. Active.").await;
    is_live(&mut tab).await;
}

async fn a_page_of_nobody_leads_to_the_sign_in(app: App) {
    let create = "mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id } } }";
    let made = app.admin().query(create, json!({"input": {"name": "short", "role": "SUPPORT"}})).await;
    let browser = Browser::start();
    let mut tab = browser.open(app.address()).await;
    tab.sign_in(&made.text("/createApiKey/secret")).await;
    is_live(&mut tab).await;
    let input = json!({"apiKeyId": made.text("/createApiKey/apiKey/id")});
    app.admin().mutate("revokeApiKey", "apiKey { id }", input).await.done();
    tab.becomes("the sign-in page", "location.pathname === '/console/sign-in'").await;
}

async fn a_lost_connection_is_taken_up_again(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let node = app.second_node().await;
    let browser = Browser::start();
    let mut tab = desk_tab(&node, &browser).await;
    tab.goto(&format!("/console/entitlement/{}", desk.unit(0))).await;
    is_live(&mut tab).await;
    node.stop();
    tab.becomes("a lost connection", "document.querySelector('#live').dataset.state === 'wait'").await;
    desk.assign(desk.unit(0), "bo").await;
    let address = node.address();
    let back = crate::harness::eventually("the address to be free", async || {
        drop(tokio::net::TcpListener::bind(address).await.ok()?);
        Some(())
    });
    back.await;
    let _back = app.node_with(|config| config.listen = address).await;
    is_live(&mut tab).await;
    tab.comes_to_say("Valid, used and active").await;
}

async fn a_foreign_record_is_not_found_by_its_address(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let beta = crate::harness::Shop::open(&app, "Beta").await;
    let browser = Browser::start();
    let mut tab = browser.open(app.address()).await;
    tab.sign_in(beta.key.secret().expect("a secret")).await;
    tab.goto(&format!("/console/entitlement/{}", desk.unit(0))).await;
    let text = tab.text().await;
    assert!(text.contains("There is no such record, or it is not yours to see"), "{text}");
}

async fn a_subscription_is_followed_on_the_query_page(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let browser = Browser::start();
    let mut tab = desk_tab(&app, &browser).await;
    tab.goto("/console/query").await;
    let script = "document.querySelector('#query').value = 'subscription { redemptions { type } }'; document.querySelector('#follow').click()";
    tab.evaluate(script).await;
    is_live(&mut tab).await;
    desk.shop.redeem(desk.code(0), "bo").await;
    tab.becomes("an event", "document.querySelector('#output').textContent.includes('CODE_REDEEMED')").await;

    // What is no subscription is answered, and not asked for ever.
    let script = "document.querySelector('#follow').click(); \
        document.querySelector('#query').value = 'mutation { nothing }'; document.querySelector('#follow').click()";
    tab.evaluate(script).await;
    tab.becomes("a refusal", "document.querySelector('#live').textContent === 'Refused'").await;
    tab.becomes("the answer", "document.querySelector('#output').textContent.includes('errors')").await;
    tab.becomes("a button", "document.querySelector('#follow').textContent === 'Follow a subscription'").await;
}
