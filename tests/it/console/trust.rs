//! What the console takes from whom: its own documents where only trusted ones are run, and no address for more than one.

use reqwest::{StatusCode, header::LOCATION};
use serde_json::json;

use super::{search, support};
use crate::harness::{
    App, Desk, Test, both_engines,
    visitor::{Form, Visitor},
};

pub fn tests() -> Vec<Test> {
    both_engines![the_pages_own_documents_are_trusted, an_address_is_no_part_of_a_header]
}

async fn the_pages_own_documents_are_trusted(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let file = app.database().directory().join("documents.json");
    std::fs::write(&file, json!({"role": "{ viewer { role } }"}).to_string()).expect("a file");
    let documents = claimcheck::config::Documents::read(&file).expect("documents");
    let node = app.node_with(|config| config.limits.documents = Some(documents)).await;
    let key = app.key("SUPPORT", json!({})).await;
    let mut visitor = Visitor::signed_in(node.address(), key.secret().expect("a secret")).await;
    let unit = format!("/console/entitlement/{}", desk.unit(0));
    for address in [
        "/console",
        "/console/units",
        "/console/exceptions",
        "/console/overdue",
        "/console/search",
        "/console/query",
        &format!("/console/order/{}", desk.placed.order),
        &unit,
    ] {
        let page = visitor.open(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.text());
    }
    let form = visitor.open(&unit).await.form("/suspend").with("reason", "a word");
    visitor.send(&form).await.says("It is suspended.");
    assert_eq!(search(&mut visitor, desk.unit(0)).await.address, unit);
    let form = visitor.open("/console/query").await.form("/console/query");
    visitor.send(&form.clone().with("query", "{ viewer { role } }")).await.says("SUPPORT");
    visitor.send(&form.with("query", "{ viewer { __typename } }")).await.says("not one of those that are run here");
}

async fn an_address_is_no_part_of_a_header(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let mut visitor = support(&app).await;
    let unit = format!("/console/entitlement/{}", desk.unit(0));
    let form = visitor.open(&unit).await.form("/suspend").with("reason", "a word");
    let elsewhere = Form { action: "/console/entitlement/%0d%0aX:%20y/suspend".to_owned(), ..form };
    let page = visitor.post(&elsewhere, &[]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let to = page.headers.get(LOCATION).expect("where to").to_str().expect("text");
    assert!(to.starts_with("/console/entitlement/%0D%0AX%3A%20y?"), "{to}");
    assert_eq!(desk.state(desk.unit(0)).await, "SUSPENDED / none / ISSUED");
}
