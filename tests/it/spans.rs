//! The log and the spans: what a request did and how long that took, told to whoever listens, and to nobody's cost.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use serde_json::json;

use crate::harness::{Client, Database, Test, both_engines, eventually, program::Program, scrape::Scrape};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_request_is_told_as_spans_without_a_secret,
        an_operation_is_a_line_of_the_log,
        a_collector_that_takes_nothing_is_nobodys_trouble,
        a_log_that_nobody_reads_is_nobodys_trouble,
    ]
}

/// A collector on this machine, with all that it was sent.
struct Collector {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    async fn start() -> Self {
        let sent = Arc::<Mutex<Vec<u8>>>::default();
        let take = async |State(sent): State<Arc<Mutex<Vec<u8>>>>, body: Bytes| {
            sent.lock().expect("no panic holds it").extend_from_slice(&body);
            StatusCode::OK
        };
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&sent));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, sent }
    }

    /// Whether these bytes came: texts and ids stand in the messages as they are.
    fn has(&self, part: impl AsRef<[u8]>) -> bool {
        let part = part.as_ref();
        self.sent.lock().expect("no panic holds it").windows(part.len()).any(|window| window == part)
    }
}

fn traced(database: &Database, collector: SocketAddr) -> (Program, String) {
    let secret = Program::over(database).run(&["key", "create", "--name", "first", "--role", "admin"]).answer();
    let program = Program::over(database).set("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{collector}"));
    let program = program.set("OTEL_SERVICE_NAME", "claims-of-the-north");
    (program, secret.trim().to_owned())
}

async fn a_request_is_told_as_spans_without_a_secret(database: Database) {
    let collector = Collector::start().await;
    let (program, secret) = traced(&database, collector.address);
    let mut service = program.start(&["serve"]);
    let client = Client::new(service.address(), Some(&secret));
    let channel = r#"mutation { createChannel(input: { name: "C", kind: API }) { channel { id } } }"#;
    let channel = client.query(channel, json!({})).await.text("/createChannel/channel/id");
    client.mutate("createProduct", "product { id }", json!({"sku": "P", "name": "P"})).await.done();
    let place = "mutation Buy($input: PlaceOrderInput!) { placeOrder(input: $input) { activationCodes { code } } }";
    let lines = json!([{"sku": "P", "quantity": 1}]);
    let input = json!({"channelId": channel, "externalReference": "o-1", "lines": lines});
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let placed = client
        .post("/graphql")
        .header("x-request-id", "from-the-till-7")
        .header("traceparent", format!("00-{trace}-{parent}-01"))
        .json(&json!({"query": place, "variables": {"input": input}}))
        .send()
        .await
        .expect("an answer");
    let placed: serde_json::Value = placed.json().await.expect("JSON");
    let code =
        placed.pointer("/data/placeOrder/activationCodes/0/code").and_then(|code| code.as_str()).expect("a code");
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0), "{ended:?}");

    for told in ["claims-of-the-north", "/graphql", "from-the-till-7", "mutation", "Buy", "ADMIN", "transaction", "OK"]
    {
        assert!(collector.has(told), "{told} is not told");
    }
    let trace = u128::from_str_radix(trace, 16).expect("digits").to_be_bytes();
    assert!(collector.has(trace), "the client's trace goes on");
    let parent = u64::from_str_radix(parent, 16).expect("digits").to_be_bytes();
    assert!(collector.has(parent), "below the client's span");
    for kept in [secret.as_str(), code, &code.replace('-', ""), "o-1"] {
        assert!(!collector.has(kept), "{kept} is told");
    }
}

async fn an_operation_is_a_line_of_the_log(database: Database) {
    let program = Program::over(&database);
    let secret = program.run(&["key", "create", "--name", "first", "--role", "admin"]).answer().trim().to_owned();
    let mut service = program.start(&["serve"]);
    let client = Client::new(service.address(), Some(&secret));
    let ask = async |document: &str, accept: &str| {
        let request = client.post("/graphql").header("x-request-id", "from-the-till-7").header("accept", accept);
        request.json(&json!({"query": document})).send().await.expect("an answer").status()
    };
    ask("query Who { viewer { role } }", "application/json").await;
    ask("query Gone { node(id: \"ord_0\") { id } }", "application/json").await;
    ask("subscription Follow { events { type } }", "text/event-stream").await;
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let text = ended.stderr;
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let lines: Vec<_> = lines.filter(|line| line.get("message") == Some(&json!("operation"))).collect();
    for (name, kind, outcome) in
        [("Who", "query", "OK"), ("Gone", "query", "BAD_USER_INPUT"), ("Follow", "subscription", "OK")]
    {
        let line = lines.iter().find(|line| line.get("operation.name") == Some(&json!(name)));
        let line = line.unwrap_or_else(|| panic!("{name} is not told: {text}"));
        for (field, value) in [
            ("operation.kind", kind),
            ("operation.outcome", outcome),
            ("principal.kind", "ADMIN"),
            ("request.id", "from-the-till-7"),
        ] {
            assert_eq!(line.get(field), Some(&json!(value)), "{line}");
        }
        assert!(line.get("duration.ms").and_then(serde_json::Value::as_f64).is_some(), "{line}");
    }
}

async fn a_collector_that_takes_nothing_is_nobodys_trouble(database: Database) {
    // It takes connections, as the system does for it, and never answers.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (program, secret) = traced(&database, mute.local_addr().expect("an address"));
    let mut service = program.start(&["serve"]);
    let client = Client::new(service.address(), Some(&secret));
    let begun = Instant::now();
    // More than the queue holds.
    for _ in 0..1_200 {
        client.query("{ viewer { role } }", json!({})).await;
    }
    let asked = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(service.terminate().code, Some(0));
    assert!(asked < Duration::from_mins(1), "{asked:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

async fn a_log_that_nobody_reads_is_nobodys_trouble(database: Database) {
    let secret = Program::over(&database).run(&["key", "create", "--name", "first", "--role", "admin"]).answer();
    let program =
        Program::over(&database).set("CLAIMCHECK_LOG", "trace").set("CLAIMCHECK_METRICS_LISTEN", "127.0.0.1:0");
    let (_nobody, log) = std::io::pipe().expect("a pipe");
    let mut service = program.start_into(&["serve"], log.into());
    let client = Client::new(service.address(), Some(secret.trim()));
    let metrics = service.metrics_address();
    // More than the pipe holds, and more than waits for it.
    eventually("a lost line", async || {
        for _ in 0..20 {
            assert_eq!(client.query("{ viewer { role } }", json!({})).await.text("/viewer/role"), "ADMIN");
        }
        (Scrape::at(metrics).await.count("claimcheck_log_lines_lost_total", &[]) > 0).then_some(())
    })
    .await;
    let begun = Instant::now();
    assert_eq!(service.terminate().code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
