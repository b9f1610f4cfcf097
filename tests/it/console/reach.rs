//! For everybody: by the keyboard alone one sees where one is and gets everywhere, and a screen reader is told the name of everything.

use serde_json::{Value, json};

use crate::harness::{
    App, Desk, Test,
    browser::{Browser, Key, Tab},
    desk::act,
    in_a_browser,
};

pub fn tests() -> Vec<Test> {
    in_a_browser![
        a_case_is_worked_by_the_keyboard_alone,
        a_screen_reader_is_told_what_everything_is,
        pages_are_read_on_a_phone_and_in_the_dark,
    ]
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
    let pages = pages(&app).await;
    let key = app.key("SUPPORT", json!({})).await;
    let browser = Browser::start();
    let mut tab = browser.open(app.address()).await;
    look_at(&mut tab, "/console", "a stranger").await;
    tab.sign_in(key.secret().expect("a secret")).await;
    for (_, page) in &pages {
        look_at(&mut tab, page, "support").await;
    }
}

/// Every kind of page by a name, with something on it.
async fn pages(app: &App) -> Vec<(&'static str, String)> {
    let desk = Desk::open(app, json!({"provisioning": "EXTERNAL"}), 5).await;
    let unit = |place| format!("/console/entitlement/{}", desk.unit(place));
    desk.assign(desk.unit(0), "ann").await;
    for attempt in desk.claim().await {
        desk.fail(&attempt).await;
    }
    desk.assign(desk.unit(1), "bo").await;
    desk.work().await;
    desk.reserve(desk.unit(2), "cy").await;
    act(&desk.support, "suspendEntitlement", desk.unit(3)).await.done();
    desk.shop.redeem(desk.code(3), "eve").await;
    let known = "{ exceptions { nodes { id } } assignments { nodes { account { id } } } }";
    let known = app.admin().query(known, json!({})).await;
    vec![
        ("overview", "/console".to_owned()),
        ("units", "/console/units".to_owned()),
        ("exceptions", "/console/exceptions".to_owned()),
        ("overdue", "/console/overdue".to_owned()),
        ("query", "/console/query".to_owned()),
        ("search", "/console/search?what=nothing".to_owned()),
        ("order", format!("/console/order/{}", desk.placed.order)),
        ("failed", unit(0)),
        ("active", unit(1)),
        ("held", unit(2)),
        ("suspended", unit(3)),
        ("free", unit(4)),
        ("exception", format!("/console/exception/{}", known.text("/exceptions/nodes/0/id"))),
        ("account", format!("/console/account/{}", known.text("/assignments/nodes/0/account/id"))),
        ("nowhere", "/console/entitlement/nowhere".to_owned()),
    ]
}

/// The texts of a page that stand out too little from what is behind them: WCAG 2.2, 1.4.3.
const FAINT: &str = "(() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [red, green, blue] = numbers(color).map((part) => (color.startsWith('color(') ? part : part / 255)).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element) => {
        const own = getComputedStyle(element).backgroundColor;
        return (numbers(own)[3] ?? 1) > 0.99 || !element.parentElement ? own : behind(element.parentElement);
    };
    const faint = [];
    for (const element of document.body.querySelectorAll('*')) {
        const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!says || !element.checkVisibility() || element.closest('.quiet, .skip, svg')) continue;
        const { color, fontSize, fontWeight } = getComputedStyle(element);
        const [one, other] = [light(color), light(behind(element))];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        const large = parseFloat(fontSize) >= 24 || (parseFloat(fontSize) >= 18.66 && fontWeight >= 700);
        if (contrast < (large ? 3 : 4.5)) faint.push(`${contrast.toFixed(2)} ${element.outerHTML.slice(0, 120)}`);
    }
    return faint;
})()";

async fn pages_are_read_on_a_phone_and_in_the_dark(app: App) {
    let pages = pages(&app).await;
    let key = app.key("SUPPORT", json!({})).await;
    let browser = Browser::start();
    let mut tab = browser.open(app.address()).await;
    tab.sign_in(key.secret().expect("a secret")).await;
    for (phone, dark, by) in
        [(false, false, "desk"), (true, false, "phone"), (true, true, "phone-dark"), (false, true, "dark")]
    {
        tab.look_by(phone, dark).await;
        for (name, page) in &pages {
            tab.goto(page).await;
            let fits = tab.evaluate("document.documentElement.scrollWidth <= innerWidth").await;
            assert_eq!(fits, Some(json!(true)), "{name} does not fit: {by}");
            assert_eq!(tab.evaluate(FAINT).await, Some(json!([])), "{name} is hard to read: {by}");
            tab.keep_picture(&format!("{by}-{name}")).await;
        }
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
