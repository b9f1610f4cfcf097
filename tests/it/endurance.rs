//! Nothing is lost, whatever dies: the service killed under load, the database killed under the service, nodes that come and go, a reader
//! that stops reading.
//!
//! A few rounds each; `CLAIMCHECK_TEST_ROUNDS` asks for more. Each follower's events must be the journal's, one by one, and each acknowledged
//! redemption must be there.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};

use crate::harness::{
    Client, Database, Engine, Socket, Test, both_engines, eventually,
    load::{Follower, Load},
    postgres::Cluster,
    program::{Program, Running},
    variable,
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_service_that_is_killed_loses_nothing,
        a_database_that_is_killed_loses_nothing,
        nodes_come_and_go,
        requests_that_are_given_up_take_nothing_with_them,
        a_reader_that_stops_reading_costs_its_neighbours_nothing,
    ]
}

const BUYERS: usize = 4;
const FOLLOWERS: usize = 3;

fn rounds(few: usize) -> usize {
    variable("CLAIMCHECK_TEST_ROUNDS").and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}

/// The program as it serves a database, on an address that it keeps.
struct Served {
    program: Program,
    running: Running,
    address: SocketAddr,
}

impl Served {
    fn start(program: Program) -> Self {
        // Whatever it says is read by nobody while it runs.
        let program = program.set("CLAIMCHECK_LOG", "error");
        let mut running = program.start(&["serve"]);
        let address = running.address();
        Self { program: program.set("CLAIMCHECK_LISTEN", &address.to_string()), running, address }
    }

    fn kill_and_start(&mut self) {
        self.running.kill();
        self.running = self.program.start(&["serve"]);
        assert_eq!(self.running.address(), self.address);
    }
}

/// A shop whose buyers are at work, with somebody who follows.
struct Scene {
    client: Client,
    start: String,
    load: Load,
    followers: Vec<Follower>,
}

impl Scene {
    async fn begin(program: &Program, nodes: &[SocketAddr]) -> Self {
        let made = program.run(&["key", "create", "--name", "load", "--role", "admin"]).answer();
        let secret = made.lines().find(|line| line.starts_with("cck_")).expect("a key").to_owned();
        let client = Client::new(*nodes.first().expect("a node"), Some(&secret));
        let channel = client.mutate("createChannel", "channel { id }", json!({"name": "load", "kind": "DIRECT"})).await;
        client.mutate("createProduct", "product { id }", json!({"sku": "load", "name": "load"})).await;
        let start = client.feed_cursor().await;
        let load = Load::start(nodes, &secret, &channel.text("/channel/id"), BUYERS);
        let followers = (0..FOLLOWERS).map(|_| Follower::start(nodes, &secret, &start)).collect();
        Self { client, start, load, followers }
    }

    /// Waits until some more redemptions were acknowledged.
    async fn goes_on(&self) {
        let before = self.load.acknowledged();
        eventually("more redemptions", async || (self.load.acknowledged() > before + BUYERS).then_some(())).await;
    }

    /// Lets everybody finish, and looks whether all that must be is there.
    async fn end(self) {
        let acknowledged = self.load.end().await;
        let journal = journal(&self.client, &self.start).await;
        for follower in &self.followers {
            let everything = async || (!follower.follows() || follower.had().len() >= journal.len()).then_some(());
            eventually("every event", everything).await;
            assert_eq!(follower.had(), journal, "a follower's events are the journal's");
        }
        for assignments in acknowledged.chunks(50) {
            let document = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Assignment { id status } } }";
            let answer = self.client.query(document, json!({"ids": assignments})).await;
            let active = assignments.iter().map(|id| json!({"id": id, "status": "ACTIVE"})).collect::<Vec<_>>();
            assert_eq!(
                answer.body.pointer("/data/nodes"),
                Some(&Value::Array(active)),
                "what was acknowledged is there"
            );
        }
    }
}

/// The ids of all events after `cursor`, as the list of them has them.
async fn journal(client: &Client, cursor: &str) -> Vec<String> {
    let document = "query ($after: String) { events(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }";
    let (mut ids, mut after) = (Vec::new(), cursor.to_owned());
    loop {
        let page = client.query(document, json!({"after": after})).await;
        let nodes = page.body.pointer("/data/events/nodes").and_then(Value::as_array).expect("events").clone();
        ids.extend(nodes.iter().filter_map(|node| node.get("id")?.as_str().map(str::to_owned)));
        if page.body.pointer("/data/events/pageInfo/hasNextPage") != Some(&json!(true)) {
            return ids;
        }
        after = page.text("/events/pageInfo/endCursor");
    }
}

async fn a_service_that_is_killed_loses_nothing(database: Database) {
    let program = Program::over(&database);
    let mut served = Served::start(program.clone());
    let scene = Scene::begin(&program, &[served.address]).await;
    for _ in 0..rounds(3) {
        scene.goes_on().await;
        served.kill_and_start();
    }
    scene.goes_on().await;
    scene.end().await;
    assert!(program.run(&["verify"]).stdout.contains("hold"), "all invariants");
}

async fn a_database_that_is_killed_loses_nothing(database: Database) {
    if database.engine() == Engine::Sqlite {
        return; // It has no process of its own.
    }
    let Some(mut cluster) = Cluster::start() else { return };
    let program = Program::over(&database).set("DATABASE_URL", &cluster.url());
    let served = Served::start(program.clone());
    let scene = Scene::begin(&program, &[served.address]).await;
    for _ in 0..rounds(2) {
        scene.goes_on().await;
        cluster.kill_and_start();
    }
    scene.goes_on().await;
    scene.end().await;
    assert!(program.run(&["verify"]).stdout.contains("hold"), "all invariants");
}

async fn nodes_come_and_go(database: Database) {
    if database.engine() == Engine::Sqlite {
        return; // One node.
    }
    let program = Program::over(&database);
    let mut nodes = [(); 3].map(|()| Served::start(program.clone()));
    let scene = Scene::begin(&program, &nodes.each_ref().map(|node| node.address)).await;
    for round in 0..rounds(3) {
        scene.goes_on().await;
        nodes.get_mut(round % 3).expect("a node").kill_and_start();
    }
    scene.goes_on().await;
    scene.end().await;
}

async fn requests_that_are_given_up_take_nothing_with_them(database: Database) {
    let program = Program::over(&database);
    let served = Served::start(program.clone());
    let scene = Scene::begin(&program, &[served.address]).await;
    let hasty: Vec<_> = (0..8_u64)
        .map(|haste| {
            let client = scene.client.clone();
            tokio::spawn(async move {
                // With a key, for that begins a transaction before anything is looked at.
                let mutation = "mutation ($key: String) { rotateActivationCode(input: {idempotencyKey: $key, reason: \"no\", \
                                entitlementId: \"ent_01h455vb4pex5vsknk084sn02q\"}) { userErrors { code } } }";
                for turn in 0..200 {
                    let variables = json!({"key": format!("{haste}/{turn}")});
                    let asked = client.post("/graphql").json(&json!({"query": mutation, "variables": variables})).send();
                    let _ = tokio::time::timeout(Duration::from_micros(300 * (haste + turn % 10)), asked).await;
                }
            })
        })
        .collect();
    for hasty in hasty {
        hasty.await.expect("one in haste");
    }
    scene.goes_on().await;
    scene.end().await;
}

async fn a_reader_that_stops_reading_costs_its_neighbours_nothing(database: Database) {
    let program = Program::over(&database);
    let mut served = Served::start(program.clone());
    let scene = Scene::begin(&program, &[served.address]).await;
    let before = resident(&served.running);
    let mut stopped = Vec::new();
    for _ in 0..50 {
        let mut socket = Socket::open(served.address).await;
        socket.greet(scene.client.secret()).await;
        let document = "subscription ($after: Cursor) { events(after: $after) { id cursor timeline: entitlement { timeline(last: 20) { nodes { id reason } } } } }";
        let payload = json!({"query": document, "variables": {"after": scene.start}});
        socket.send(json!({"id": "1", "type": "subscribe", "payload": payload})).await;
        stopped.push(socket);
    }
    for _ in 0..10 {
        scene.goes_on().await;
    }
    let grown = resident(&served.running).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB for fifty who do not read");
    scene.end().await;
    drop(stopped);
    served.running.terminate();
}

/// Memory that a process holds, in KiB; none where the system does not say.
fn resident(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
