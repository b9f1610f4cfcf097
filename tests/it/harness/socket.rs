//! GraphQL over a WebSocket, by the `graphql-transport-ws` protocol.
//!
//! A [`Socket`] speaks the protocol as it is, for tests of the protocol itself; a [`Subscription`] is one operation, for everything else.
//! Whatever must come and does not fails the test, which says for what it waited.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue, protocol::CloseFrame},
};

use super::{Answer, patience::within};

/// The id of a [`Subscription`]'s operation, alone on its socket.
const OPERATION: &str = "1";

/// A WebSocket that speaks the protocol and hides nothing of it.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What came over a socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A message of the protocol.
    Message(Value),
    /// The service closed the socket, with this code; 1006 where it vanished without one.
    Closed(u16),
}

impl Socket {
    /// A socket that nothing was said on yet.
    pub async fn open(address: SocketAddr) -> Self {
        let mut request = format!("ws://{address}/graphql").into_client_request().expect("a request");
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        let connecting = tokio_tungstenite::connect_async(request);
        let (socket, _response) =
            within("the upgrade", connecting).await.unwrap_or_else(|error| panic!("no socket: {error}"));
        Self(socket)
    }

    /// Says who is asking and awaits the acknowledgement.
    pub async fn greet(&mut self, secret: Option<&str>) {
        let payload = secret.map(|secret| json!({"authorization": format!("Bearer {secret}")}));
        self.send(json!({"type": "connection_init", "payload": payload})).await;
        self.message("connection_ack", "the acknowledgement").await;
    }

    /// Sends a message of the protocol.
    pub async fn send(&mut self, message: Value) {
        let sending = self.0.send(Message::text(message.to_string()));
        within("room to send", sending).await.unwrap_or_else(|error| panic!("{message} cannot be sent: {error}"));
    }

    /// Sends up to so many pings and reads nothing; whether the service stopped taking them.
    pub async fn flooded_by_pings(mut self, most: usize) -> bool {
        for _ in 0..most {
            let ping = Message::Ping(vec![0; 125].into());
            match tokio::time::timeout(std::time::Duration::from_secs(1), self.0.send(ping)).await {
                Ok(Ok(())) => {}
                // Taken no further, or cut off.
                Ok(Err(_)) | Err(_) => return true,
            }
        }
        false
    }

    /// What comes next; `awaited` is what the test says if nothing does. The WebSocket's own pings are answered and left out.
    pub async fn next(&mut self, awaited: &str) -> Frame {
        loop {
            match within(awaited, self.0.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Frame::Message(
                        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")),
                    );
                }
                Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => return Frame::Closed(code.into()),
                Some(Ok(Message::Close(None))) => return Frame::Closed(1005),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(bytes))) => panic!("{} binary bytes where {awaited} should be", bytes.len()),
                Some(Err(_)) | None => return Frame::Closed(1006),
            }
        }
    }

    /// The next message, which must be of the type `expected`. Pings of the protocol are answered and left out.
    pub async fn message(&mut self, expected: &str, awaited: &str) -> Value {
        match self.turn(awaited).await {
            Frame::Message(message) if kind(&message) == expected => message,
            other @ (Frame::Message(_) | Frame::Closed(_)) => panic!("{awaited} should come, and not {other:?}"),
        }
    }

    async fn turn(&mut self, awaited: &str) -> Frame {
        loop {
            match self.next(awaited).await {
                Frame::Message(message) if kind(&message) == "ping" => self.send(json!({"type": "pong"})).await,
                frame @ (Frame::Message(_) | Frame::Closed(_)) => return frame,
            }
        }
    }
}

/// One operation on a socket of its own.
pub struct Subscription(Socket);

impl Subscription {
    /// Sends the operation over `socket`.
    pub async fn start(mut socket: Socket, document: &str, variables: Value) -> Self {
        let payload = json!({"query": document, "variables": variables});
        socket.send(json!({"id": OPERATION, "type": "subscribe", "payload": payload})).await;
        Self(socket)
    }

    /// The next result; fails the test where the stream ends instead, or nothing comes.
    pub async fn next(&mut self) -> Answer {
        answer(self.payload("next", "the next result").await)
    }

    /// The errors by which the operation was refused or ended, as an answer.
    pub async fn refused(&mut self) -> Answer {
        answer(json!({"errors": self.payload("error", "the refusal").await}))
    }

    /// Awaits the close of the socket and gives its code; results that come before it are passed over.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Frame::Closed(code) = self.0.turn("the close of the socket").await {
                return code;
            }
        }
    }

    /// Tells the service to end the stream.
    pub async fn stop(&mut self) {
        self.0.send(json!({"id": OPERATION, "type": "complete"})).await;
    }

    async fn payload(&mut self, kind: &str, awaited: &str) -> Value {
        self.0.message(kind, awaited).await.get("payload").cloned().unwrap_or_default()
    }
}

fn kind(message: &Value) -> &str {
    message.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn answer(body: Value) -> Answer {
    Answer { status: StatusCode::OK, body }
}
