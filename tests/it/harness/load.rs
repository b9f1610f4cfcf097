//! Load that survives whatever becomes of the service: buyers who repeat what was not acknowledged, and followers who come back.
//!
//! What is acknowledged is remembered, so that a test can ask whether any of it was lost.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue};

use super::patience::breath;

/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Buyers and redeemers at work.
pub struct Load {
    ended: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// As many buyers, spread over the nodes: each buys a unit and redeems its code, again and again. `channel` sells `load`.
    pub fn start(nodes: &[SocketAddr], secret: &str, channel: &str, buyers: usize) -> Self {
        let (ended, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<String>>>::default());
        let tasks = (0..buyers).zip(nodes.iter().cycle()).map(|(buyer, node)| {
            let asker = Asker { http: reqwest::Client::new(), node: *node, secret: secret.to_owned() };
            let (channel, ended, acknowledged) = (channel.to_owned(), ended.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut turn = 0;
                while !ended.load(Ordering::Relaxed) {
                    turn += 1;
                    let assignment = asker.buy_and_redeem(&channel, &format!("{buyer}/{turn}")).await;
                    acknowledged.lock().expect("no panic holds it").push(assignment);
                }
            })
        });
        Self { tasks: tasks.collect(), ended, acknowledged }
    }

    /// How many redemptions were acknowledged by now.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.lock().expect("no panic holds it").len()
    }

    /// Lets everybody finish what they are at; the ids of the assignments that were acknowledged.
    pub async fn end(self) -> Vec<String> {
        self.ended.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a buyer that gets what was bought");
        }
        std::mem::take(&mut *self.acknowledged.lock().expect("no panic holds it"))
    }
}

struct Asker {
    http: reqwest::Client,
    node: SocketAddr,
    secret: String,
}

impl Asker {
    async fn buy_and_redeem(&self, channel: &str, reference: &str) -> String {
        let place = "mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { activationCodes { code } userErrors { code message } } }";
        let lines = json!([{"sku": "load", "quantity": 1}]);
        let order = json!({"channelId": channel, "externalReference": reference, "lines": lines});
        let placed = self.insist(place, "placeOrder", order).await;
        let code = placed.pointer("/activationCodes/0/code").and_then(Value::as_str).expect("a code");
        let redeem = "mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { assignment { id } userErrors { code message } } }";
        let claim = json!({"code": code, "account": {"externalReference": reference}});
        let redeemed = self.insist(redeem, "redeemCode", claim).await;
        redeemed.pointer("/assignment/id").and_then(Value::as_str).expect("an assignment").to_owned()
    }

    /// Repeats a mutation until it is acknowledged: all of these are safe to repeat.
    async fn insist(&self, document: &str, mutation: &str, input: Value) -> Value {
        let body = json!({"query": document, "variables": {"input": input}});
        loop {
            let post = self.http.post(format!("http://{}/graphql", self.node)).bearer_auth(&self.secret);
            let asked = async { post.json(&body).send().await?.json::<Value>().await };
            if let Ok(Ok(answer)) = tokio::time::timeout(PATIENCE, asked).await
                && let Some(payload) = answer.pointer(&format!("/data/{mutation}")).filter(|payload| !payload.is_null())
            {
                assert_eq!(payload.get("userErrors"), Some(&json!([])), "{body}");
                return payload.clone();
            }
            breath().await;
        }
    }
}

/// Somebody who follows all events over a socket, comes back whenever it is lost, and goes on after the last cursor.
pub struct Follower {
    had: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Follower {
    /// Follows from `cursor` on, at each return by the next of `nodes`.
    pub fn start(nodes: &[SocketAddr], secret: &str, cursor: &str) -> Self {
        let had = Arc::<Mutex<Vec<String>>>::default();
        let task = {
            let (nodes, had) = (nodes.to_owned(), had.clone());
            let (secret, mut cursor) = (format!("Bearer {secret}"), cursor.to_owned());
            tokio::spawn(async move {
                for node in nodes.iter().cycle() {
                    // However it ended: whoever follows comes back.
                    let _lost = follow(*node, &secret, &mut cursor, &had).await;
                    breath().await;
                }
            })
        };
        Self { had, task }
    }

    /// The ids of the events it has had, in their order.
    pub fn had(&self) -> Vec<String> {
        self.had.lock().expect("no panic holds it").clone()
    }

    /// Whether it is still at it.
    pub fn follows(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One socket's life. None: it was lost.
async fn follow(node: SocketAddr, secret: &str, cursor: &mut String, had: &Mutex<Vec<String>>) -> Option<()> {
    let mut request = format!("ws://{node}/graphql").into_client_request().ok()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.ok()?;
    let init = json!({"type": "connection_init", "payload": {"authorization": secret}});
    socket.send(Message::text(init.to_string())).await.ok()?;
    let document = "subscription ($after: Cursor) { events(after: $after) { id cursor } }";
    let payload = json!({"query": document, "variables": {"after": cursor.as_str()}});
    let subscribe = json!({"id": "1", "type": "subscribe", "payload": payload});
    loop {
        let Message::Text(text) = socket.next().await?.ok()? else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        match message.get("type").and_then(Value::as_str) {
            Some("connection_ack") => socket.send(Message::text(subscribe.to_string())).await.ok()?,
            Some("ping") => socket.send(Message::text(json!({"type": "pong"}).to_string())).await.ok()?,
            Some("next") => {
                let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
                // An answer without data says that the database is away.
                let (id, after) = (text("/payload/data/events/id")?, text("/payload/data/events/cursor")?);
                *cursor = after;
                had.lock().expect("no panic holds it").push(id);
            }
            _ => panic!("a follower cannot go on: {message}"),
        }
    }
}
