//! How much anybody may ask for, hold open, or keep waiting: each limit on its edge, and none a matter of luck.

mod size;

use std::{fmt::Write as _, time::Duration};

use claimcheck::domain::activation_code::code::Code;
use futures_util::future::join_all;
use reqwest::StatusCode;
use sea_orm::{ConnectionTrait as _, SqliteTransactionMode, TransactionOptions, TransactionTrait as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{
    Answer, App, Client, Engine, Shop, Socket, Test, both_engines, eventually, shop::product, socket::Frame, within,
};

pub fn tests() -> Vec<Test> {
    let mut tests = both_engines![
        a_document_on_the_edge_is_run_and_one_past_it_is_not,
        a_customer_has_so_many_sockets,
        a_key_has_so_many_sockets,
        streams_count_as_sockets,
        who_takes_nothing_of_an_answer_is_let_go,
        who_takes_no_pongs_is_not_read_on,
        a_customer_guesses_for_itself_whomever_it_names,
        a_worker_names_so_many_products,
        a_request_s_head_has_to_arrive,
        a_request_s_body_has_to_arrive,
        an_operation_s_time_is_its_work_s_time,
        many_guesses_at_once_are_no_more_than_one_after_the_other,
        guesses_count_by_the_address_a_trusted_proxy_gives,
        the_schema_can_be_kept_secret,
        only_trusted_documents_are_run,
    ];
    tests.extend(size::tests());
    tests
}

async fn a_document_on_the_edge_is_run_and_one_past_it_is_not(app: App) {
    let shop = shop(&app).await;
    let secret = shop.key.secret().expect("a secret");
    let brief = app.node_with(|config| config.limits.document_tokens = 60).await.client(secret);
    let narrow = app.node_with(|config| config.limits.expanded_selections = 40).await.client(secret);
    // Each limit, and a document of a given size by its measure.
    let deep = |size: usize| {
        format!("{{ viewer {{ partner {{ {}id{} }} }} }}", "parent { ".repeat(size - 3), " }".repeat(size - 3))
    };
    let aliases = |size: usize| format!("{{ {} }}", counted(size, |number| format!("a{number}: feedCursor ")));
    let tokens = |size: usize| format!("{{ viewer {{ {}}} }}", "role ".repeat(size - 5));
    let selections = |size: usize| {
        let odd = if size % 2 == 1 { "a: role" } else { "" };
        format!("{{ viewer {{ role {odd} {}}} }} fragment F on Viewer {{ role }}", "...F ".repeat((size - 2) / 2))
    };
    let roots =
        |size: usize| format!("{{ __typename {} }}", "...F ".repeat(size)) + " fragment F on Query { feedCursor }";
    for (client, on, past) in [
        (&shop.key, deep(16), deep(17)),
        (&shop.key, aliases(30), aliases(31)),
        (&brief, tokens(60), tokens(61)),
        (&narrow, selections(40), selections(41)),
        (&shop.key, roots(50), roots(51)),
    ] {
        client.query(&on, json!({})).await.data();
        let refused = client.query(&past, json!({})).await;
        assert_eq!(refused.code(), Some("QUERY_TOO_COMPLEX"), "{past}: {:#}", refused.body);
    }
    let page = |size: usize| format!("{{ orders(first: {size}) {{ nodes {{ id }} }} }}");
    shop.key.query(&page(100), json!({})).await.data();
    let refused = shop.key.query(&page(101), json!({})).await;
    assert!(refused.code().is_some(), "{:#}", refused.body);
}

fn counted(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, number| {
        write!(all, "{}", text(number)).expect("memory");
        all
    })
}

async fn shop(app: &App) -> Shop {
    product(app, "P", json!({})).await;
    Shop::open(app, "Alpha").await
}

/// What becomes of one more socket.
async fn knock(node: &App, client: &Client) -> Result<Socket, u16> {
    let mut socket = Socket::open(node.address()).await;
    let authorization = format!("Bearer {}", client.secret().expect("a secret"));
    socket.send(json!({"type": "connection_init", "payload": {"authorization": authorization}})).await;
    match socket.next("an answer to the greeting").await {
        Frame::Message(_) => Ok(socket),
        Frame::Closed(code) => Err(code),
    }
}

async fn a_customer_has_so_many_sockets(app: App) {
    let shop = shop(&app).await;
    let node = app.node_with(|config| config.limits.customer_sockets = 2).await;
    let customer = async |reference: &str| {
        app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": reference})).await
    };
    // Two keys of one account are one customer.
    let (ann, ann_s_phone, bob) = (customer("ann").await, customer("ann").await, customer("bob").await);
    let first = knock(&node, &ann).await.expect("the first");
    let _second = knock(&node, &ann_s_phone).await.expect("the second");
    for client in [&ann, &ann_s_phone] {
        assert_eq!(knock(&node, client).await.err(), Some(1013));
    }
    let _other = knock(&node, &bob).await.expect("another customer's");
    drop(first);
    Box::pin(eventually("room for one more", async || knock(&node, &ann).await.ok())).await;
}

async fn a_key_has_so_many_sockets(app: App) {
    let shop = shop(&app).await;
    let node = app.node_with(|config| config.limits.sockets = 3).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(knock(&node, &shop.key).await.expect("a socket"));
    }
    assert_eq!(knock(&node, &shop.key).await.err(), Some(1013));
    let other = app.key("PARTNER", json!({"partnerId": shop.partner})).await;
    knock(&node, &other).await.expect("another key's socket");
}

async fn streams_count_as_sockets(app: App) {
    let shop = shop(&app).await;
    let node = app.node_with(|config| config.limits.sockets = 2).await;
    let client = node.client(shop.key.secret().expect("a secret"));
    let document = "subscription { events { id } }";
    let _socket = knock(&node, &client).await.expect("a socket");
    let stream = client.stream("text/event-stream", document, json!({})).await;
    let refused = async || {
        let request = client.post("/graphql").header("accept", "text/event-stream").json(&json!({"query": document}));
        let text = async { request.send().await.ok()?.text().await.ok() };
        // One that is not refused does not end.
        tokio::time::timeout(Duration::from_millis(500), text).await.ok().flatten()
    };
    eventually("a refusal", async || refused().await.filter(|text| text.contains("LIMIT_EXCEEDED"))).await;
    drop(stream);
    Box::pin(eventually("room for one more", async || refused().await.is_none().then_some(()))).await;
}

async fn who_takes_nothing_of_an_answer_is_let_go(app: App) {
    let node = app.node_with(|config| config.limits.write_timeout = Duration::from_millis(300)).await;
    let secret = app.admin().secret().expect("a secret").to_owned();
    let field = "a: __type(name: \"Mutation\") { fields { name description args { name description } } }";
    let body = json!({"query": format!("{{ {field} }}")}).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {secret}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(node.address()).await.expect("a connection");
    // More than the system keeps for a peer that does not read.
    stream.write_all([head, body].concat().repeat(400).as_bytes()).await.expect("room");
    eventually("the end of the connection", async || stream.try_write(b" ").err().filter(is_cut)).await;
}

fn is_cut(error: &std::io::Error) -> bool {
    error.kind() != std::io::ErrorKind::WouldBlock
}

async fn who_takes_no_pongs_is_not_read_on(app: App) {
    let socket = knock(&app, &app.admin()).await.expect("a socket");
    assert!(socket.flooded_by_pings(1_000_000).await, "a peer that reads nothing is not answered without end");
}

async fn a_customer_guesses_for_itself_whomever_it_names(app: App) {
    let shop = shop(&app).await;
    let ann = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "ann"})).await;
    for _ in 0..5 {
        assert_eq!(guess(&ann, None).await.refusal(), Some("CODE_INVALID"));
        assert_eq!(guess(&ann, Some("ann")).await.refusal(), Some("CODE_INVALID"));
    }
    for account in [None, Some("ann")] {
        assert_eq!(guess(&ann, account).await.refusal(), Some("RATE_LIMITED"));
    }
}

async fn a_worker_names_so_many_products(app: App) {
    let product = product(&app, "Q", json!({"provisioning": "EXTERNAL"})).await;
    let claim = async |count: usize| {
        let ids = vec![product.clone(); count];
        app.admin().mutate("claimProvisioning", "attempts { formerOutcomeUnknown }", json!({"productIds": ids})).await
    };
    claim(100).await.done();
    assert_eq!(claim(101).await.refusal(), Some("INVALID_INPUT"));
}

/// Writes `start` and then `drip` again and again, until the service ends the connection; what it said until then.
async fn drip(node: &App, start: &str, drip: &str) -> String {
    let mut stream = TcpStream::connect(node.address()).await.expect("a connection");
    stream.write_all(start.as_bytes()).await.expect("room");
    let (mut read, mut write) = stream.split();
    let mut said = Vec::new();
    let dripping = async {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        loop {
            pace.tick().await;
            if write.write_all(drip.as_bytes()).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let listening = async {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = read.read(&mut buffer).await {
            said.extend_from_slice(buffer.get(..count).expect("what was read"));
        }
    };
    within("the end of the connection", async {
        tokio::select! {
            () = dripping => {}
            () = listening => {}
        }
    })
    .await;
    String::from_utf8(said).expect("text")
}

async fn a_request_s_head_has_to_arrive(app: App) {
    let node = app.node_with(|config| config.limits.head_timeout = Duration::from_millis(300)).await;
    for (start, more) in [("GET /livez HTTP/1.1\r\nhost: a\r\n", "x: y\r\n"), ("G", ""), ("", "")] {
        let said = drip(&node, start, more).await;
        assert!(!said.contains("200"), "{said}");
    }
    let said = drip(&node, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n", "").await;
    assert!(said.starts_with("HTTP/1.1 200"), "answered, and let go when no other came: {said}");
}

async fn a_request_s_body_has_to_arrive(app: App) {
    let node = app.node_with(|config| config.limits.body_timeout = Duration::from_millis(300)).await;
    let secret = app.admin().secret().expect("a secret").to_owned();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {secret}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: 100000\r\n\r\n{{"
    );
    let said = drip(&node, &head, " ").await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
}

async fn an_operation_s_time_is_its_work_s_time(app: App) {
    let shop = shop(&app).await;
    let placed = shop.place("o-1", json!([{"sku": "P"}])).await;
    let node = app.node_with(|config| config.limits.request_timeout = Duration::from_secs(1)).await;
    let client = node.client(shop.key.secret().expect("a secret"));
    let connection = app.db().await;
    let writes = TransactionOptions {
        sqlite_transaction_mode: (app.engine() == Engine::Sqlite).then_some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let holding = connection.begin_with_options(writes).await.expect("the writer's place");
    if app.engine() == Engine::Postgres {
        holding.execute_unprepared("LOCK TABLE activation_codes IN EXCLUSIVE MODE").await.expect("the lock");
    }
    let redeem = json!({"code": placed.codes.first(), "account": {"externalReference": "ann"}, "idempotencyKey": "k"});
    let stuck = client.mutate("redeemCode", "entitlement { id }", redeem.clone()).await;
    assert_eq!(stuck.code(), Some("UNAVAILABLE"), "{:#}", stuck.body);
    if app.engine() == Engine::Postgres {
        // What it had begun is given up by the database as well, while the lock is still held.
        eventually("an end to the work", async || (app.waiting_for_locks().await == 0).then_some(())).await;
    }
    holding.rollback().await.expect("an end");
    connection.close().await.expect("an orderly end");
    let again = eventually("the database", async || {
        let answer = client.mutate("redeemCode", "entitlement { status }", redeem.clone()).await;
        (answer.code() != Some("UNAVAILABLE")).then_some(answer)
    });
    assert_eq!(again.await.done().at("/entitlement/status"), "ACTIVE");
    app.assert_sound().await;
}

fn unknown() -> String {
    Code::random().expect("randomness").reveal()
}

async fn guess(client: &Client, account: Option<&str>) -> Answer {
    let account = account.map(|reference| json!({"externalReference": reference}));
    client.mutate("redeemCode", "entitlement { id }", json!({"code": unknown(), "account": account})).await
}

async fn many_guesses_at_once_are_no_more_than_one_after_the_other(app: App) {
    let shop = shop(&app).await;
    let second = app.second_node().await.client(shop.key.secret().expect("a secret"));
    let nodes = [&shop.key, &second].into_iter().cycle();
    let answers = join_all(nodes.take(40).map(|client| guess(client, Some("ann")))).await;
    let refused = |code: &str| answers.iter().filter(|answer| answer.refusal() == Some(code)).count();
    assert_eq!((refused("CODE_INVALID"), refused("RATE_LIMITED")), (10, 30));
    let attempts = shop.key.query("{ redemptionAttempts { totalCount } }", json!({})).await;
    assert_eq!(attempts.number("/redemptionAttempts/totalCount"), 10, "limited tries write nothing");
}

async fn guesses_count_by_the_address_a_trusted_proxy_gives(app: App) {
    let shop = shop(&app).await;
    let ann = app.key("CUSTOMER", json!({"partnerId": shop.partner, "accountReference": "ann"})).await;
    let proxied = app
        .node_with(|config| config.proxies = claimcheck::config::Networks::listed("127.0.0.0/8").expect("a network"))
        .await;
    let document = "query ($code: String!) { redemptionCheck(code: $code) { redeemable } }";
    let ask = async |node: &App, told: &str| {
        let request = node.client(ann.secret().expect("a secret")).post("/graphql").header("x-forwarded-for", told);
        let body = json!({"query": document, "variables": {"code": unknown()}});
        let text = request.json(&body).send().await.expect("an answer").text().await.expect("a body");
        let body: Value = serde_json::from_str(&text).expect("JSON");
        body.pointer("/errors/0/extensions/code").and_then(Value::as_str).map(str::to_owned)
    };
    let limited = Some("RATE_LIMITED".to_owned());
    for told in ["192.0.2.1", "6.6.6.6, 192.0.2.2"] {
        for _ in 0..10 {
            assert_eq!(ask(&proxied, told).await, None);
        }
        assert_eq!(ask(&proxied, told).await, limited);
    }
    assert_eq!(ask(&proxied, "7.7.7.7, 192.0.2.2").await, limited, "what a client makes up does not help it");
    for made_up in 0..10 {
        assert_eq!(ask(&app, &format!("192.0.2.{made_up}")).await, None);
    }
    assert_eq!(ask(&app, "192.0.2.200").await, limited, "nor does anything where no proxy is trusted");
}

async fn the_schema_can_be_kept_secret(app: App) {
    let shop = shop(&app).await;
    let node = app.node_with(|config| config.limits.introspection = false).await;
    let client = node.client(shop.key.secret().expect("a secret"));
    for document in [
        "{ __schema { queryType { name } } }",
        r#"{ a: __type(name: "Order") { name } }"#,
        "{ ...F } fragment F on Query { __schema { types { name } } }",
        "{ viewer { role } ... on Query { ... { __schema { types { name } } } } }",
    ] {
        let answer = client.query(document, json!({})).await;
        assert_eq!(answer.code(), Some("GRAPHQL_VALIDATION_FAILED"), "{document}: {:#}", answer.body);
        assert_eq!(answer.body.get("data"), None, "{document}");
        assert_eq!(app.client(shop.key.secret().expect("a secret")).query(document, json!({})).await.code(), None);
    }
    let answer = client.query("{ __typename viewer { __typename role } }", json!({})).await;
    assert_eq!(answer.at("/viewer/__typename"), "Viewer", "which a client's cache needs");
    for page in ["/schema.graphql", "/graphiql"] {
        assert_eq!(client.get(page).send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
        assert_eq!(shop.key.get(page).send().await.expect("an answer").status(), StatusCode::OK);
    }
}

async fn only_trusted_documents_are_run(app: App) {
    const ROLE: &str = "query Role { viewer { role } }";
    const LIVE: &str = "subscription { statisticsUpdated { ordered } }";
    // `printf %s 'query Role { viewer { role } }' | sha256sum`
    const ID: &str = "54441517f1190d23371f841f02ae0bebc8d9eba9252f8b86cf318e041aa0b849";
    let shop = shop(&app).await;
    let file = app.database().directory().join("documents.json");
    std::fs::write(&file, json!({"role": ROLE, "live": LIVE}).to_string()).expect("a file");
    let documents = claimcheck::config::Documents::read(&file).expect("documents");
    let node = app.node_with(|config| config.limits.documents = Some(documents)).await;
    let client = node.client(shop.key.secret().expect("a secret"));
    assert_eq!(client.query(ROLE, json!({})).await.at("/viewer/role"), "PARTNER");
    for other in ["query Role { viewer { role }}", "{ viewer { role } }", "{ orders { totalCount } }", "{", ""] {
        let answer = client.query(other, json!({})).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, Some("FORBIDDEN")), "{other}");
    }
    let by = async |client: &Client, members: Value| {
        let request = client.post("/graphql").header("accept", "application/graphql-response+json").json(&members);
        let response = request.send().await.expect("an answer");
        let status = response.status();
        let body = serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
        Answer { status, body }
    };
    for id in [ID.to_owned(), format!("sha256:{ID}")] {
        assert_eq!(by(&client, json!({"documentId": id})).await.at("/viewer/role"), "PARTNER");
    }
    for (members, code) in [
        (json!({"documentId": "role"}), "FORBIDDEN"),
        (json!({"documentId": "0".repeat(64)}), "FORBIDDEN"),
        (json!({"documentId": 7}), "BAD_USER_INPUT"),
        (json!({"documentId": ID, "query": ROLE}), "BAD_USER_INPUT"),
        (json!({}), "BAD_USER_INPUT"),
    ] {
        assert_eq!(by(&client, members.clone()).await.code(), Some(code), "{members}");
    }
    assert_eq!(by(&shop.key, json!({"documentId": ID})).await.code(), Some("BAD_USER_INPUT"), "without a list");
    let mut live = client.subscribe(LIVE, json!({})).await;
    assert_eq!(live.next().await.at("/statisticsUpdated/ordered"), 0);
    let mut other = client.subscribe("subscription { events { id } }", json!({})).await;
    assert_eq!(other.refused().await.code(), Some("FORBIDDEN"));
}
