//! The console: signing in, what its pages say and do, who sees what; and the support desk's cases, from the ticket to the resolution.

use reqwest::{StatusCode, header::LOCATION};
use serde_json::json;

use crate::harness::{
    App, Desk, Shop, Test, both_engines,
    desk::act,
    shop::product,
    stream::Stream,
    visitor::{Page, Visitor},
    within,
};

mod answer;
mod case;
mod live;
mod login;
mod offer;
mod reach;
mod trust;

pub fn tests() -> Vec<Test> {
    let mut tests = both_engines![
        a_key_signs_in_and_out,
        what_is_no_key_of_the_console_is_refused,
        a_session_ends_with_its_key_and_counts_on_every_node,
        only_our_own_pages_change_anything,
        the_cookie_counts_for_graphql_from_our_own_pages,
        pages_are_kept_in_their_frame,
        a_search_lands_on_the_record,
        a_partner_sees_its_own_and_nothing_else,
        a_large_order_is_paged_through,
        the_overview_counts_and_lists,
        the_queue_is_filtered_by_kind_and_age,
        what_has_changed_meanwhile_is_not_done,
        the_query_page_runs_what_is_typed,
    ];
    tests.extend(answer::tests());
    tests.extend(case::tests());
    tests.extend(offer::tests());
    tests.extend(trust::tests());
    tests.extend(live::tests());
    tests.extend(login::tests());
    tests.extend(reach::tests());
    tests
}

/// A visitor with a key of a role that sees all.
async fn support(app: &App) -> Visitor {
    let key = app.key("SUPPORT", json!({})).await;
    Visitor::signed_in(app.address(), key.secret().expect("a secret")).await
}

/// A visitor of a shop.
async fn partner(app: &App, shop: &Shop) -> Visitor {
    Visitor::signed_in(app.address(), shop.key.secret().expect("a secret")).await
}

async fn a_key_signs_in_and_out(app: App) {
    let key = app.key("SUPPORT", json!({})).await;
    let secret = key.secret().expect("a secret");
    let mut visitor = Visitor::new(app.address());
    let asked = visitor.open("/console/units?status=ACTIVE").await;
    assert_eq!(asked.address, "/console/sign-in?to=%2Fconsole%2Funits%3Fstatus%3DACTIVE");
    let form = asked.form("/console/sign-in").with("key", secret);
    let signed_in = visitor.post(&form, &[]).await;
    assert_eq!(signed_in.status, StatusCode::SEE_OTHER);
    assert_eq!(signed_in.headers.get(LOCATION).expect("where to"), "/console/units?status=ACTIVE");
    let set = signed_in.headers.get("set-cookie").expect("a cookie").to_str().expect("text");
    assert!(set.contains("; HttpOnly") && set.contains("; SameSite=Strict") && !set.contains(secret), "{set}");

    let page = visitor.open("/console").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("a SUPPORT key · Support"), "{}", page.html);
    let (other, kept) = (app.second_node().await, visitor.clone());
    let cookies = kept.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let follow = app.stranger().get("/graphql?query=subscription%7Bevents%7Btype%7D%7D").header("cookie", cookies);
    let follow = follow.header("sec-fetch-site", "same-origin").header("accept", "text/event-stream");
    let mut stream = Stream::open(follow).await;
    assert_eq!(stream.status(), 200);
    let left = visitor.send(&page.form("/console/sign-out")).await;
    assert_eq!((left.address.as_str(), left.status), ("/console/sign-in", StatusCode::OK));
    assert_eq!(visitor.open("/console").await.address, "/console/sign-in");
    for address in [app.address(), other.address()] {
        let mut copy = kept.at(address);
        assert_eq!(copy.open("/console").await.address, "/console/sign-in", "whoever has a copy is out as well");
        let own = [("sec-fetch-site", "same-origin")];
        let asked = copy.fetch("/graphql?query=%7Bviewer%7Brole%7D%7D", None, &own).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    }
    within("the end of its stream", async { while stream.next().await.is_some() {} }).await;
}

async fn what_is_no_key_of_the_console_is_refused(app: App) {
    let alpha = Shop::open(&app, "Alpha").await;
    let customer = app.key("CUSTOMER", json!({"partnerId": alpha.partner, "accountReference": "eve"})).await;
    let provisioner = app.key("PROVISIONER", json!({})).await;
    let unknown = claimcheck::domain::access::Secret::generate().expect("randomness");
    for (secret, status, words) in [
        ("open sesame", StatusCode::UNAUTHORIZED, "This is no API key"),
        (unknown.reveal(), StatusCode::UNAUTHORIZED, "unknown, expired or revoked"),
        (customer.secret().expect("a secret"), StatusCode::FORBIDDEN, "this key has another role"),
        (provisioner.secret().expect("a secret"), StatusCode::FORBIDDEN, "this key has another role"),
    ] {
        let mut visitor = Visitor::new(app.address());
        let page = visitor.sign_in(secret).await;
        assert_eq!(page.status, status, "{words}");
        page.says(words);
        assert!(!page.html.contains(secret), "the key is not repeated");
        assert_eq!(visitor.open("/console").await.address, "/console/sign-in");
    }
}

async fn a_session_ends_with_its_key_and_counts_on_every_node(app: App) {
    let input = json!({"input": {"name": "short", "role": "SUPPORT"}});
    let create = "mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id } } }";
    let made = app.admin().query(create, input).await;
    let mut visitor = Visitor::signed_in(app.address(), &made.text("/createApiKey/secret")).await;
    let other = app.second_node().await;
    let mut elsewhere = visitor.at(other.address());
    assert_eq!(elsewhere.open("/console").await.address, "/console");

    let input = json!({"apiKeyId": made.text("/createApiKey/apiKey/id")});
    app.admin().mutate("revokeApiKey", "apiKey { id }", input).await.done();
    assert_eq!(visitor.open("/console").await.address, "/console/sign-in");

    let mut visitor = support(&app).await;
    app.clock.advance(std::time::Duration::from_hours(12));
    assert_eq!(visitor.open("/console").await.address, "/console/sign-in");
}

async fn only_our_own_pages_change_anything(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let mut visitor = support(&app).await;
    let address = format!("/console/entitlement/{}", desk.unit(0));
    let form = visitor.open(&address).await.form("/suspend").with("reason", "forged");
    let own = format!("http://{}", app.address());
    for (form, headers) in [
        (form.clone().with("token", ""), vec![("origin", own.as_str())]),
        (form.clone().with("token", "x"), vec![("origin", own.as_str())]),
        (form.clone(), vec![("origin", "https://evil.example")]),
        (form.clone(), vec![("origin", "null")]),
        (form.clone(), vec![("sec-fetch-site", "cross-site")]),
        (form.clone(), vec![("x-nothing", "1")]),
        (
            support(&app).await.open(&address).await.form("/suspend").with("reason", "forged"),
            vec![("origin", own.as_str())],
        ),
    ] {
        let page = visitor.post(&form, &headers).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{headers:?}");
        page.says("so nothing was done");
    }
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");
    let mut stranger = Visitor::new(app.address());
    let page = stranger.post(&form, &[]).await;
    assert_eq!(page.headers.get(LOCATION).expect("where to"), "/console/sign-in");
    visitor.send(&form).await.says("It is suspended.");
    assert_eq!(desk.state(desk.unit(0)).await, "SUSPENDED / none / ISSUED");
}

async fn the_cookie_counts_for_graphql_from_our_own_pages(app: App) {
    let mut visitor = support(&app).await;
    let query = "/graphql?query=%7Bviewer%7Brole%7D%7D";
    let own = format!("http://{}", app.address());
    for headers in [vec![("sec-fetch-site", "same-origin")], vec![("origin", own.as_str())]] {
        let page = visitor.fetch(query, None, &headers).await;
        assert_eq!((page.status, page.html.as_str()), (StatusCode::OK, r#"{"data":{"viewer":{"role":"SUPPORT"}}}"#));
    }
    for headers in [
        vec![],
        vec![("origin", "https://evil.example")],
        vec![("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-origin"), ("authorization", "Bearer nothing")],
    ] {
        assert_eq!(visitor.fetch(query, None, &headers).await.status, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
}

async fn pages_are_kept_in_their_frame(app: App) {
    let mut visitor = support(&app).await;
    let signed_out = Visitor::new(app.address()).open("/console/sign-in").await;
    for page in [visitor.open("/console").await, visitor.open("/console/entitlement/x").await, signed_out] {
        let policy = page.headers.get("content-security-policy").expect("a policy").to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers.get("cache-control").expect("a header"), "no-store");
        assert!(!page.html.contains(" style=") && !page.html.contains(" onclick") && !page.html.contains("<script>"));
    }
    let page = visitor.open("/console").await;
    for (before, kind) in [("script src=\"", "text/javascript"), ("stylesheet\" href=\"", "text/css")] {
        let (_, rest) = page.html.split_once(before).expect("an asset");
        let asset = visitor.open(rest.split('"').next().expect("an address")).await;
        assert_eq!(asset.status, StatusCode::OK);
        assert!(asset.headers.get("content-type").expect("a type").to_str().expect("text").starts_with(kind));
        assert!(!asset.html.contains("http://") && !asset.html.contains("https://"), "nothing comes from elsewhere");
    }
    let link = visitor.fetch("/console/units", None, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(link.status, StatusCode::OK, "the cookie came along");
    let late = Visitor::new(app.address()).fetch("/console/units", None, &[("sec-fetch-site", "cross-site")]).await;
    assert!(late.html.contains(r#"http-equiv="refresh" content="0; url=/console/units""#), "{}", late.html);
}

async fn search(visitor: &mut Visitor, what: &str) -> Page {
    let form = visitor.open("/console").await.form("/console/search");
    visitor.send(&form.with("what", what)).await
}

async fn a_search_lands_on_the_record(app: App) {
    product(&app, "A", json!({})).await;
    let shop = Shop::open(&app, "Alpha").await;
    let more = json!({"buyer": {"email": "ann@example.com"}});
    let lines = json!([{"sku": "A", "quantity": 2, "recipient": {"email": "gift@example.com"}}]);
    let placed = shop.place_with("o-77", lines, more).await;
    let code = placed.codes.first().expect("a code").clone();
    shop.redeem(&code, "bo").await;
    let used = app.admin().query("query ($c: String!) { search(query: $c) { node { id } } }", json!({"c": code})).await;
    let unit = used.text("/search/0/node/id");
    let mut visitor = support(&app).await;
    for (what, page) in [
        ("o-77", format!("/console/order/{}", placed.order)),
        (placed.order.as_str(), format!("/console/order/{}", placed.order)),
        ("ANN@example.com", format!("/console/order/{}", placed.order)),
        (code.as_str(), format!("/console/entitlement/{unit}")),
        (unit.as_str(), format!("/console/entitlement/{unit}")),
        (code.get(code.len() - 4..).expect("four"), format!("/console/entitlement/{unit}")),
    ] {
        let landed = search(&mut visitor, what).await;
        assert_eq!((landed.address, landed.status), (page, StatusCode::OK), "{what}");
    }
    let account = search(&mut visitor, "bo").await;
    assert!(account.address.starts_with("/console/account/acc_"), "{}", account.address);
    account.says("The A");
    let several = search(&mut visitor, "gift@example.com").await;
    several.says("2 records match.");
    let none = search(&mut visitor, "nobody knows").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    none.says("Nothing was found");
}

async fn a_partner_sees_its_own_and_nothing_else(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    desk.assign(desk.unit(0), "bo").await;
    let beta = Shop::open(&app, "Beta").await;
    let (mut own, mut foreign) = (partner(&app, &desk.shop).await, partner(&app, &beta).await);
    let unit = format!("/console/entitlement/{}", desk.unit(1));
    for page in [&unit, &format!("/console/order/{}", desk.placed.order)] {
        assert_eq!(own.open(page).await.status, StatusCode::OK, "{page}");
        let hidden = foreign.open(page).await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{page}");
        let unknown = foreign.open(&page.replace(|c: char| c.is_ascii_digit(), "0")).await;
        assert_eq!(unknown.text(), hidden.text(), "nobody learns which");
    }
    own.open("/console/units").await.says("The P");
    foreign.open("/console/units").await.says("None.");
    assert_eq!(search(&mut foreign, "o-1").await.status, StatusCode::NOT_FOUND);
    let overview = own.open("/console").await;
    overview.says("1 Unassigned");
    foreign.open("/console").await.says("0 Unassigned");

    // What a partner may do is offered, what only the desk may do is not, and a form of somebody else's page does nothing.
    let page = own.open(&unit).await;
    assert!(page.actions().iter().any(|to| to.ends_with("/revoke")));
    assert!(!page.actions().iter().any(|to| to.ends_with("/suspend") || to.ends_with("/extend")));
    let form = foreign.open("/console/search").await.form("/console/search").with("subject", desk.unit(1));
    let forged = crate::harness::visitor::Form { action: format!("{unit}/revoke"), ..form.with("reason", "mine") };
    assert_eq!(foreign.send(&forged).await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.state(desk.unit(1)).await, "UNASSIGNED / none / ISSUED");
    own.send(&page.form("/revoke").with("reason", "sold twice")).await.says("No. It was revoked: sold twice.");

    // What was redeemed elsewhere is held by somebody there: that side sees its unit, this one that it is used.
    let gamma = Desk::named(&app, "G", json!({}), 1).await;
    beta.redeem(gamma.code(0), "eve").await;
    let unit = format!("/console/entitlement/{}", gamma.unit(0));
    partner(&app, &gamma.shop).await.open(&unit).await.says("Held by somebody whose account is not yours to see.");
    let held = foreign.open(&unit).await;
    held.says("Held by eve. Active.");
    for page in ["/console", "/console/units", "/console/exceptions", "/console/overdue"] {
        assert_eq!(foreign.open(page).await.status, StatusCode::OK, "{page}");
    }
    assert_eq!(search(&mut foreign, gamma.unit(0)).await.address, unit);
    search(&mut foreign, "eve").await.says("The G");
    assert!(
        !held.actions().iter().any(|to| to.ends_with("/revoke") || to.ends_with("/reveal")),
        "{:?}",
        held.actions()
    );
}

async fn a_large_order_is_paged_through(app: App) {
    let desk = Desk::open(&app, json!({}), 120).await;
    desk.assign(desk.unit(0), "bo").await;
    let mut visitor = support(&app).await;
    let mut page = visitor.open(&format!("/console/order/{}", desk.placed.order)).await;
    page.says("119 unassigned");
    let mut seen = Vec::new();
    loop {
        let units = page.html.split("/console/entitlement/").skip(1).filter_map(|rest| rest.split('"').next());
        seen.extend(units.map(str::to_owned));
        if !page.html.contains("rel=\"next\"") {
            break;
        }
        page = visitor.open(&page.link("Next")).await;
    }
    assert_eq!(seen.len(), 120);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 120, "each once");
    let back = visitor.open(&page.link("Back")).await;
    assert!(back.html.contains("rel=\"next\"") && back.html.contains("rel=\"prev\""));
    let active = visitor.open(&format!("/console/order/{}?status=ACTIVE", desk.placed.order)).await;
    assert_eq!(active.html.matches("/console/entitlement/").count(), 1);
}

async fn the_overview_counts_and_lists(app: App) {
    let desk = Desk::open(&app, json!({}), 3).await;
    desk.shop.redeem(desk.code(0), "bo").await;
    desk.shop.redeem(desk.code(0), "cy").await;
    let page = support(&app).await.open("/console").await;
    for words in [
        "2 Unassigned",
        "1 Active",
        "Alpha that sells P 3 units",
        "Redeemed The P by bo",
        "Refused The P by cy , for it had been redeemed already",
    ] {
        page.says(words);
    }
    page.says("o-1 , 3 × The P");
    assert!(page.html.contains(r#"aria-label="2 unassigned 1 active ""#), "{}", page.html);
}

async fn the_queue_is_filtered_by_kind_and_age(app: App) {
    let desk = Desk::open(&app, json!({"provisioning": "EXTERNAL"}), 2).await;
    desk.assign(desk.unit(0), "bo").await;
    for attempt in desk.claim().await {
        desk.fail(&attempt).await;
    }
    desk.assign(desk.unit(1), "cy").await;
    let mut visitor = support(&app).await;
    visitor.open("/console").await.says("Provisioning failed 1 0 0");
    app.clock.advance(std::time::Duration::from_hours(26));
    app.sweep().await;
    let mut visitor = support(&app).await;
    visitor.open("/console").await.says("Provisioning failed 1 1 0");
    let all = visitor.open("/console/exceptions").await;
    all.says("2 open");
    let failed = visitor.open("/console/exceptions?kind=PROVISIONING_FAILED").await;
    failed.says("1 open, the oldest first. Provisioning failed");
    failed.says("no seat left");
    visitor.open("/console/exceptions?age=1").await.says("1 open");
    visitor.open("/console/exceptions?age=7").await.says("0 open");
    visitor.open("/console/exceptions?resolved=yes").await.says("0 resolved");
    let late = visitor.open("/console/overdue").await;
    late.says("1 assignment past the deadline.");
    late.says("cy");

    // A partner sees what waits, and that it is not its to decide.
    let mut own = partner(&app, &desk.shop).await;
    let queue = own.open("/console/exceptions?kind=PROVISIONING_FAILED").await;
    own.open(&queue.link("Provisioning failed")).await.says("Nothing that you may do.");
}

async fn what_has_changed_meanwhile_is_not_done(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let mut visitor = support(&app).await;
    let address = format!("/console/entitlement/{}", desk.unit(0));
    let page = visitor.open(&address).await;
    act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
    act(&desk.support, "resumeEntitlement", desk.unit(0)).await.done();
    let refused = visitor.send(&page.form("/revoke").with("reason", "too late")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.says("“Revoke” was refused, and nothing was changed");
    assert_eq!(refused.form("/revoke").fields.last(), Some(&("reason".to_owned(), "too late".to_owned())));
    assert_eq!(desk.state(desk.unit(0)).await, "UNASSIGNED / none / ISSUED");

    // A form that is sent twice is done once, and answered twice.
    let form = visitor.open(&address).await.form("/rotate").with("reason", "lost");
    let (first, second) = (visitor.send(&form).await, visitor.send(&form).await);
    first.says("A new code was issued.");
    assert_eq!(first.text(), second.text());
}

async fn the_query_page_runs_what_is_typed(app: App) {
    let mut visitor = support(&app).await;
    let form = visitor.open("/console/query").await.form("/console/query");
    let run = async |visitor: &mut Visitor, query: &str, variables: &str| {
        visitor.send(&form.clone().with("query", query).with("variables", variables)).await
    };
    run(&mut visitor, "{ viewer { role } }", "").await.says(r#""role": "SUPPORT""#);
    let id = r#"{"id": "ord_01h455vb4pex5vsknk084sn02q"}"#;
    run(&mut visitor, "query ($id: ID!) { order(id: $id) { id } }", id).await.says(r#""order": null"#);
    run(&mut visitor, "{ nothing }", "").await.says("GRAPHQL_VALIDATION_FAILED");
    run(&mut visitor, "{ viewer { role } }", "{").await.says("BAD_USER_INPUT");
    run(&mut visitor, "subscription { events { type } }", "").await.says("followed, not run");
    let deep = format!("{{ viewer {}}}", "{ partner ".repeat(80));
    run(&mut visitor, &deep, "").await.says("errors");
    let kept = run(&mut visitor, "{ viewer { role # <b> } }", "").await;
    assert!(kept.html.contains("&#60;b&#62;"), "what was typed stays, as text");
}
