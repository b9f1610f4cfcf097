//! GraphQL over WebSocket, by the graphql-transport-ws protocol.
//!
//! One task a socket: it reads messages, polls the socket's operations in turn, and writes. It never writes more than
//! the socket takes: while a write waits, nothing is read and no operation advances, and a peer that takes nothing for
//! the write timeout is dropped. Frames that are ready together share a flush. The credential is asked again every two
//! seconds while the socket is open; when it has ended, or stands for other rights than before, the socket closes with
//! 4403 and the client comes back with what it then has. On shutdown subscriptions end without a `complete` (which
//! clients would take for the end of the data), running queries and mutations finish, and the socket closes with 1012.
//! The task is counted by the tracker from the upgrade on.

mod operation;
mod protocol;
mod seat;

use std::{net::IpAddr, ops::ControlFlow, sync::Arc, time::Duration};

use async_graphql::Request;
use axum::{
    body::Bytes,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, SinkExt};
use tokio::{
    select,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

pub use self::seat::Seats;
use self::{
    operation::{Frame, Operation, Operations},
    protocol::{ClientMessage, Close, Label, SUBPROTOCOL},
    seat::Seat,
};
use super::{
    Http,
    auth::AuthError,
    client_address, graphql, request_id,
    watch::{Event, Watch},
};
use crate::{
    domain::Actor,
    graphql::answer::{Answer, LIMIT_EXCEEDED, refusal},
};

/// How long running queries and mutations may take to finish when the service stops.
const GRACE: Duration = Duration::from_secs(5);
/// How long the peer may take to answer a close.
const FAREWELL: Duration = Duration::from_secs(1);
/// How many frames share a flush, and how many bytes: what is buffered here stays allocated for as long as the socket
/// lives.
const FRAMES_A_FLUSH: usize = 32;
const WRITE_BUFFER: usize = 4 * 1024;
/// Allocated for each socket; a longer message takes several reads.
const READ_BUFFER: usize = 2 * 1024;

/// Where a socket comes from.
struct Origin {
    request_id: String,
    address: IpAddr,
    authorization: Option<String>,
}

/// Accepts the upgrade and serves the socket until it ends.
pub fn upgrade(http: Arc<Http>, upgrade: WebSocketUpgrade, parts: &Parts) -> Response {
    if http.shutdown.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response();
    }
    let origin = Origin {
        request_id: request_id(parts),
        address: client_address(parts),
        authorization: graphql::authorization(&parts.headers).map(ToOwned::to_owned),
    };
    // Taken here, for between this answer and the socket's own task the service may begin to wait for its sockets.
    let token = http.sockets.token();
    let most = http.limits.body_bytes;
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(most)
        .max_frame_size(most);
    let speaks = upgrade.selected_protocol().is_some();
    upgrade.on_upgrade(move |socket| {
        let (sockets, lane) = (http.sockets.clone(), http.lanes.delivery.clone());
        let connection = Connection { http, origin, socket, operations: Operations::default(), count: 0, seat: None };
        // In a task of its own: what the upgrade itself needed is then given back.
        sockets.spawn_on(connection.serve(speaks), &lane);
        drop(token);
        std::future::ready(())
    })
}

/// How a conversation ends.
enum End {
    /// The service ends it.
    Close(Close),
    /// The peer has said goodbye, or is out of reach.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

struct Connection {
    http: Arc<Http>,
    origin: Origin,
    socket: WebSocket,
    operations: Operations,
    /// How many operations were started.
    count: u64,
    /// Its place among its principal's, once that is known.
    seat: Option<Seat>,
}

impl Connection {
    async fn serve(mut self, speaks: bool) {
        let opened = Instant::now();
        let end = if speaks { self.converse().await } else { End::Close(Close::subprotocol()) };
        let code = match &end {
            End::Close(close) => Some(close.code),
            End::Gone => None,
        };
        tracing::info!(
            request.id = %self.origin.request_id,
            socket.close = code,
            socket.operations = self.count,
            duration.ms = opened.elapsed().as_secs_f64() * 1000.0,
            "socket closed"
        );
        // Operations end now, not when the peer has answered the close.
        self.operations = Operations::default();
        Box::pin(self.part(end)).await;
    }

    /// Sends the close and takes what the peer had under way, or its reset would overtake our reason.
    async fn part(&mut self, end: End) {
        if let End::Close(close) = end
            && !matches!(timeout(FAREWELL, self.socket.send(close.into_message())).await, Ok(Ok(())))
        {
            return;
        }
        let _ = timeout(FAREWELL, async { while matches!(self.socket.recv().await, Some(Ok(_))) {} }).await;
    }

    async fn converse(&mut self) -> End {
        let http = Arc::clone(&self.http);
        let deadline = Instant::now() + http.limits.init_timeout;
        // What is needed once is boxed: an idle socket should not carry it.
        let actor = select! {
            biased;
            () = http.shutdown.cancelled() => return End::Close(Close::restart()),
            outcome = Box::pin(self.greet(deadline)) => match outcome {
                Ok(actor) => actor,
                Err(end) => return end,
            },
        };
        let mut watch = Watch::new(&http, actor);
        // One future for as long as the socket lives: making it anew each turn would take its lock each turn.
        let mut shutdown = std::pin::pin!(http.shutdown.cancelled());
        loop {
            // Nothing is done inside the select: what it drops half-way must not be half-done.
            let turn = select! {
                biased;
                () = &mut shutdown => return Box::pin(self.drain()).await,
                event = watch.next() => Turn::Watch(event),
                turn = self.next() => turn,
            };
            let outcome = match turn {
                Turn::Watch(event) => self.attend(&mut watch, event).await,
                Turn::Operation(label, frame) => self.deliver(&label, frame).await,
                Turn::Peer(received) => {
                    watch.silent = 0;
                    let is_ping = matches!(received, Some(Ok(Message::Ping(_))));
                    match self.hear(received, &watch.actor).await {
                        // Its pong is queued: whoever takes none is not read on, or pongs would pile up.
                        Ok(()) if is_ping => self.flush().await,
                        outcome => outcome,
                    }
                }
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// The next message from the peer or frame of an operation, neither before the other. Safe to drop half-way.
    async fn next(&mut self) -> Turn {
        select! {
            received = self.socket.recv() => Turn::Peer(received),
            (label, frame) = self.operations.next() => Turn::Operation(label, frame),
        }
    }

    /// Waits for `connection_init` and finds out who it is.
    async fn greet(&mut self, deadline: Instant) -> Result<Arc<Actor>, End> {
        loop {
            let received = timeout_at(deadline, self.socket.recv()).await.map_err(|_| Close::init_timeout())?;
            match read(received)? {
                ControlFlow::Continue(()) => self.flush().await?,
                ControlFlow::Break(ClientMessage::Complete { .. } | ClientMessage::Pong) => {}
                ControlFlow::Break(ClientMessage::Ping(payload)) => self.send(protocol::pong(payload)).await?,
                ControlFlow::Break(ClientMessage::Subscribe { .. }) => return Err(Close::unauthorized().into()),
                ControlFlow::Break(ClientMessage::ConnectionInit(payload)) => {
                    let given = payload.as_ref().and_then(protocol::authorization);
                    let authorization = given.or(self.origin.authorization.as_deref());
                    let (address, request_id) = (self.origin.address, self.origin.request_id.clone());
                    let asked = self.http.auth.authenticate(authorization, address, request_id);
                    let asked = timeout(self.http.limits.request_timeout, asked).await;
                    let actor = asked.unwrap_or(Err(AuthError::Unavailable)).map_err(|error| match error {
                        AuthError::Unauthenticated(message) => Close::forbidden(message),
                        AuthError::Unavailable => Close::unavailable(),
                    })?;
                    // It is not needed again, and a secret is not kept for longer than it is needed.
                    self.origin.authorization = None;
                    self.seat = Some(self.http.seats.take(&actor, &self.http.limits).ok_or_else(Close::crowded)?);
                    self.send(protocol::ack()).await?;
                    return Ok(actor);
                }
            }
        }
    }

    async fn hear(&mut self, received: Received, actor: &Arc<Actor>) -> Result<(), End> {
        let ControlFlow::Break(message) = read(received)? else { return Ok(()) };
        match message {
            ClientMessage::ConnectionInit(_) => Err(Close::second_init().into()),
            ClientMessage::Ping(payload) => self.send(protocol::pong(payload)).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Complete { id } => {
                self.operations.end(&id);
                Ok(())
            }
            ClientMessage::Subscribe { id, .. } if self.operations.contains(&id) => {
                Err(Close::subscriber_exists(&id).into())
            }
            ClientMessage::Subscribe { id, request } => {
                let operation = self.start(*request, actor);
                self.operations.insert(id, operation);
                Ok(())
            }
        }
    }

    fn start(&mut self, request: Request, actor: &Arc<Actor>) -> Operation {
        let limits = &self.http.limits;
        let most = limits.operations_per_socket;
        if self.operations.len() >= most {
            let error = refusal(LIMIT_EXCEEDED, format!("A socket runs at most {most} operations at a time."));
            return Operation::refused(&Answer::refused(error));
        }
        self.count += 1;
        Operation::start(&self.http.graph, Arc::clone(actor), request, limits, &self.http.lanes)
    }

    /// Writes a frame and the others that are ready, then flushes once.
    async fn deliver(&mut self, label: &Label, frame: Frame) -> Result<(), End> {
        let deadline = Instant::now() + self.http.limits.write_timeout;
        let mut bytes = self.feed(label, frame, deadline).await?;
        for _ in 1..FRAMES_A_FLUSH {
            if bytes >= WRITE_BUFFER {
                break;
            }
            let Some((label, frame)) = self.operations.next().now_or_never() else { break };
            bytes += self.feed(&label, frame, deadline).await?;
        }
        within(&self.http, deadline, self.socket.flush()).await
    }

    async fn feed(&mut self, label: &Label, frame: Frame, deadline: Instant) -> Result<usize, End> {
        let message = match frame {
            Frame::Next(payload) => label.next(&payload),
            Frame::Error(errors) => label.error(&errors),
            Frame::Complete => label.complete(),
        };
        let bytes = match &message {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
            Message::Close(_) => 0,
        };
        within(&self.http, deadline, self.socket.feed(message)).await?;
        Ok(bytes)
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        let deadline = Instant::now() + self.http.limits.write_timeout;
        within(&self.http, deadline, self.socket.send(message)).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        let deadline = Instant::now() + self.http.limits.write_timeout;
        within(&self.http, deadline, self.socket.flush()).await
    }

    async fn attend(&mut self, watch: &mut Watch, event: Event) -> Result<(), End> {
        match event {
            // Two pings went unanswered: nobody is there to be told.
            Event::Ping if watch.silent >= 2 => Err(End::Gone),
            Event::Ping => {
                watch.silent += 1;
                self.send(Message::Ping(Bytes::new())).await
            }
            Event::Ended(reason) => Err(Close::forbidden(reason).into()),
            Event::Quiet => Ok(()),
        }
    }

    async fn drain(&mut self) -> End {
        self.operations.end_lasting();
        let finish = async {
            while !self.operations.is_empty() {
                let (label, frame) = self.operations.next().await;
                self.deliver(&label, frame).await?;
            }
            Ok(())
        };
        match timeout(GRACE, finish).await {
            Ok(Err(end)) => end,
            Ok(Ok(())) | Err(_) => End::Close(Close::restart()),
        }
    }
}

type Received = Option<Result<Message, axum::Error>>;

/// What a socket has to see to next.
enum Turn {
    Watch(Event),
    Peer(Received),
    Operation(Arc<Label>, Frame),
}

/// What a received frame means: a message of the protocol, or nothing to act on.
fn read(received: Received) -> Result<ControlFlow<ClientMessage>, End> {
    match received {
        Some(Ok(Message::Text(text))) => Ok(ControlFlow::Break(ClientMessage::read(&text)?)),
        Some(Ok(Message::Binary(_))) => Err(Close::invalid("Binary frames are not served").into()),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(ControlFlow::Continue(())),
        Some(Err(error)) => Err(unreadable(&error)),
        Some(Ok(Message::Close(_))) | None => Err(End::Gone),
    }
}

/// Why reading failed. The error's type cannot be named here, so its text decides; what is not recognised is taken for
/// a connection that was cut, which is what it nearly always is.
fn unreadable(error: &axum::Error) -> End {
    let text = error.to_string();
    if text.starts_with("Space limit exceeded") {
        Close::too_large().into()
    } else if text.starts_with("UTF-8") {
        Close::invalid("Message is not UTF-8").into()
    } else {
        End::Gone
    }
}

/// Waits for a write until the deadline; a peer that takes nothing does not hold up a service that stops.
async fn within<F>(http: &Http, deadline: Instant, write: F) -> Result<(), End>
where
    F: Future<Output = Result<(), axum::Error>>,
{
    let stopping = async {
        http.shutdown.cancelled().await;
        sleep(GRACE).await;
    };
    select! {
        biased;
        written = write => written.map_err(|_| End::Gone),
        () = stopping => Err(End::Gone),
        () = sleep_until(deadline) => Err(End::Gone),
    }
}
