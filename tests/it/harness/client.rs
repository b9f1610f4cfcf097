//! A client of the service: GraphQL over HTTP and over a socket, under one credential.

use std::net::SocketAddr;

use reqwest::{Method, RequestBuilder, StatusCode, header::ACCEPT};
use serde_json::{Value, json};

use super::{Socket, Stream, Subscription};

/// Somebody who speaks to one node.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    secret: Option<String>,
}

impl Client {
    pub fn new(address: SocketAddr, secret: Option<&str>) -> Self {
        Self::over(&reqwest::Client::new(), address, secret)
    }

    /// The same with the connections of others.
    pub fn over(http: &reqwest::Client, address: SocketAddr, secret: Option<&str>) -> Self {
        Self { http: http.clone(), address, secret: secret.map(str::to_owned) }
    }

    /// The API key or token that this client shows.
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// Runs a query or mutation.
    pub async fn query(&self, document: &str, variables: Value) -> Answer {
        let request = self.post("/graphql").header(ACCEPT, "application/graphql-response+json");
        let response =
            request.json(&json!({"query": document, "variables": variables})).send().await.expect("an answer");
        let status = response.status();
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status}, {error}: {text}"));
        Answer { status, body }
    }

    /// Runs one mutation with its input. The answer's data is the payload: what is selected of it, and its `userErrors`.
    pub async fn mutate(&self, mutation: &str, selection: &str, input: Value) -> Answer {
        let mut kind = mutation.to_owned();
        if let Some(first) = kind.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let errors = "userErrors { code message field retryable retryAfterSeconds allowedActions }";
        let document =
            format!("mutation ($input: {kind}Input!) {{ {mutation}(input: $input) {{ {selection} {errors} }} }}");
        let mut answer = self.query(&document, json!({"input": input})).await;
        let payload = answer.body.pointer_mut(&format!("/data/{mutation}")).map(Value::take);
        if let (Some(payload), Some(data)) = (payload, answer.body.get_mut("data")) {
            *data = payload;
        }
        answer
    }

    /// Starts an operation on a socket of its own. What it misses until the service has read this is not awaited: where every event
    /// counts, subscribe after [`feed_cursor`](Self::feed_cursor).
    pub async fn subscribe(&self, document: &str, variables: Value) -> Subscription {
        Subscription::start(self.socket().await, document, variables).await
    }

    /// Starts an operation as a response of its own, in the form that `accept` names.
    pub async fn stream(&self, accept: &str, document: &str, variables: Value) -> Stream {
        let request = self.post("/graphql").header(ACCEPT, accept);
        Stream::open(request.json(&json!({"query": document, "variables": variables}))).await
    }

    /// A socket of this client, acknowledged.
    pub async fn socket(&self) -> Socket {
        let mut socket = Socket::open(self.address).await;
        socket.greet(self.secret()).await;
        socket
    }

    /// The head of the journal.
    pub async fn feed_cursor(&self) -> String {
        self.query("{ feedCursor }", json!({})).await.text("/feedCursor")
    }

    /// A plain GET of `path`, under this client's credential.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.authorized(self.http.get(self.url(path)))
    }

    /// A plain POST to `path`, under this client's credential.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.authorized(self.http.post(self.url(path)))
    }

    /// A plain request by another method.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized(self.http.request(method, self.url(path)))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.secret {
            Some(secret) => request.bearer_auth(secret),
            None => request,
        }
    }
}

/// What the service answered, whichever way it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status; 200 for what came over a socket.
    pub status: StatusCode,
    /// The whole GraphQL response.
    pub body: Value,
}

impl Answer {
    /// The data, of an answer without errors.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert!(self.errors().is_empty(), "{}: {:#}", self.status, self.body);
        self.body.get("data").unwrap_or_else(|| panic!("no data: {:#}", self.body))
    }

    /// What stands in the data under a JSON pointer, as `/redeemCode/userErrors/0/code`.
    #[track_caller]
    pub fn at(&self, pointer: &str) -> &Value {
        self.data().pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}: {:#}", self.body))
    }

    /// The text in the data under a JSON pointer.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let value = self.at(pointer);
        value.as_str().unwrap_or_else(|| panic!("no text at {pointer}: {:#}", self.body)).to_owned()
    }

    /// The whole number in the data under a JSON pointer.
    #[track_caller]
    pub fn number(&self, pointer: &str) -> i64 {
        let value = self.at(pointer);
        value.as_i64().unwrap_or_else(|| panic!("no whole number at {pointer}: {:#}", self.body))
    }

    /// The list in the data under a JSON pointer.
    #[track_caller]
    pub fn list(&self, pointer: &str) -> &[Value] {
        let value = self.at(pointer);
        value.as_array().unwrap_or_else(|| panic!("no list at {pointer}: {:#}", self.body))
    }

    /// Why a mutation was refused: the code of the one `userErrors` of a payload that [`Client::mutate`] gave. None: it was not.
    #[track_caller]
    pub fn refusal(&self) -> Option<&str> {
        let refusals = self.list("/userErrors");
        assert!(refusals.len() < 2, "{:#}", self.body);
        refusals.first()?.get("code")?.as_str()
    }

    /// The payload of a mutation that was not refused.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.refusal(), None, "{:#}", self.body);
        self
    }

    /// The GraphQL errors; empty where there are none.
    pub fn errors(&self) -> &[Value] {
        self.body.get("errors").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The `extensions.code` of the first GraphQL error.
    pub fn code(&self) -> Option<&str> {
        self.errors().first()?.pointer("/extensions/code")?.as_str()
    }
}
