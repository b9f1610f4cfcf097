//! What is counted for whoever watches the service.

use serde_json::json;

use crate::harness::{App, Engine, Shop, Test, both_engines, eventually, shop::product};

pub fn tests() -> Vec<Test> {
    both_engines![
        what_happens_is_counted,
        a_service_shows_its_metrics_nowhere_unless_told,
        made_up_names_of_operations_cost_nothing,
    ]
}

async fn watched(app: &App) -> App {
    app.node_with(|config| config.metrics_listen = Some(([127, 0, 0, 1], 0).into())).await
}

async fn what_happens_is_counted(app: App) {
    let app = watched(&app).await;
    let before = app.scrape().await;
    product(&app, "P", json!({})).await;
    let shop = Shop::open(&app, "Alpha").await;
    let mut events = shop.key.subscribe("subscription Follow { events { type } }", json!({})).await;
    let placed = shop.place("o-1", json!([{"sku": "P", "quantity": 2}])).await;
    events.next().await;
    assert_eq!(
        shop.redeem(placed.codes.first().expect("a code"), "ann").await.text("/redeemCode/assignment/status"),
        "ACTIVE"
    );
    shop.key.query("query Mine { viewer { role } }", json!({})).await;
    shop.key.query("query Wrong { nothing }", json!({})).await;
    shop.key.get("/nowhere").send().await.expect("an answer");

    let after = eventually("the feed", async || {
        let scrape = app.scrape().await;
        let read = scrape.count("claimcheck_feed_position", &[]);
        (read > 0 && read == scrape.count("claimcheck_journal_position", &[])).then_some(scrape)
    })
    .await;
    let grown = |name: &str, labels: &[(&str, &str)]| after.count(name, labels) - before.count(name, labels);
    let requests = "claimcheck_http_request_duration_seconds_count";
    assert!(grown(requests, &[("route", "/graphql"), ("status", "200")]) > 5, "{}", after.0);
    assert_eq!(grown(requests, &[("route", "none"), ("status", "404")]), 1);
    assert_eq!(grown(requests, &[("route", "/graphql"), ("status", "101")]), 1);
    let operations = "claimcheck_operations_total";
    assert_eq!(grown(operations, &[("operation", "Mine"), ("kind", "query"), ("outcome", "OK")]), 1);
    assert_eq!(grown(operations, &[("operation", "Follow"), ("kind", "subscription"), ("outcome", "OK")]), 1);
    let refused = [("operation", "(other)"), ("outcome", "GRAPHQL_VALIDATION_FAILED")];
    assert_eq!(grown(operations, &refused), 1, "{}", after.0);
    assert!(grown(operations, &[("operation", "(anonymous)"), ("kind", "mutation"), ("outcome", "OK")]) > 3);
    assert_eq!(grown("claimcheck_operation_duration_seconds_count", &[("operation", "Mine")]), 1);
    assert!(grown("claimcheck_statements_total", &[]) > 10);
    assert_eq!(grown("claimcheck_operation_statements_count", &[("operation", "Mine"), ("kind", "query")]), 1);
    let mutations = [("operation", "(anonymous)"), ("kind", "mutation")];
    assert!(grown("claimcheck_operation_statements_count", &mutations) > 3);
    assert!(after.0.contains(r#"le="0.0""#), "{}", after.0);
    let none = [&mutations[..], &[("le", "0.0")]].concat();
    assert_eq!(after.count("claimcheck_operation_statements_bucket", &none), 0, "each of them takes some");
    for (name, count) in [("feed_behind_events", 0), ("feed_groups", 1), ("feed_subscribers", 1)] {
        assert_eq!(after.count(&format!("claimcheck_{name}"), &[]), count, "{name}");
    }
    assert!(after.count("claimcheck_connections", &[]) >= 1);
    assert!(after.seconds("claimcheck_feed_lag_seconds") < 10.0);
    assert!(after.seconds("claimcheck_journal_unnumbered_age_seconds") < 1.0);
    let most = if app.engine() == Engine::Postgres { 16 } else { 4 + 1 };
    assert_eq!(after.count("claimcheck_pool_connections", &[("state", "most")]), most);
    assert!(after.count("claimcheck_pool_connections", &[("state", "idle")]) >= 1);
    assert!(after.count("process_resident_memory_bytes", &[]) > 1_000_000);
    assert_eq!(after.count("claimcheck_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1);
    eventually("a sweep", async || {
        let swept = app.scrape().await.count("claimcheck_sweep_duration_seconds_count", &[("sweep", "Overdue")]);
        (swept > 0).then_some(())
    })
    .await;
    if app.engine() == Engine::Postgres {
        // Either node may have had the turn.
        assert!(grown("claimcheck_sequencer_turns_total", &[]) > 0);
        let position = after.count("claimcheck_journal_position", &[]);
        assert!(after.count("claimcheck_sequencer_events_total", &[]) <= position);
    }
}

async fn a_service_shows_its_metrics_nowhere_unless_told(app: App) {
    assert_eq!(app.admin().get("/metrics").send().await.expect("an answer").status(), 404);
    let watched = watched(&app).await;
    assert_eq!(watched.admin().get("/metrics").send().await.expect("an answer").status(), 404);
    watched.scrape().await;
}

async fn made_up_names_of_operations_cost_nothing(app: App) {
    let app = watched(&app).await;
    let ask = async |name: String| app.admin().query(&format!("query {name} {{ feedCursor }}"), json!({})).await;
    for number in 0..220 {
        ask(format!("Name{number}")).await;
    }
    let full = app.scrape().await;
    let told_apart = full.series("claimcheck_operations_total").count();
    assert!((200..=203).contains(&told_apart), "{told_apart}");
    for number in 0..50 {
        ask(format!("Other{number}")).await;
        ask("N".repeat(100 + number)).await;
    }
    let after = app.scrape().await;
    assert_eq!(after.series("claimcheck_operations_total").count(), told_apart);
    assert_eq!(after.0.lines().count(), full.0.lines().count());
    assert_eq!(after.count("claimcheck_operations_total", &[("operation", "(other)")]), 120);
}
