//! Streams of answers over plain HTTP: server-sent events and multipart, each operation a response of its own.
//!
//! A task a stream, which ends with the client, with the credential, with the service, or with a client that takes
//! nothing for the write timeout. The bytes wait in a channel with room for one piece, so the client's pace is the pace.
//! Each event's `id` is its cursor. A browser reconnects by itself and says which it had last, so it must know a cursor
//! before it could miss anything: the response begins once there is an answer or, after a moment, with a cursor alone;
//! and while nothing comes the cursor is told anew, now and then. A part of a multipart response is ended when it is
//! written, not when the next one is.

use std::{convert::Infallible, fmt::Write, sync::Arc, time::Duration};

use async_graphql::Request;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::{select, sync::mpsc, time::timeout};

use super::{
    Http, graphql,
    negotiation::Streaming,
    watch::{Event, Watch},
};
use crate::{
    domain::Actor,
    graphql::{
        answer::{Answer, LIMIT_EXCEEDED, refusal},
        delivery::Delivery,
    },
};

/// How long a response waits for its first answer. Whoever listens to what it does next should get that first, for some
/// readers take a cursor alone for an event.
const MOMENT: Duration = Duration::from_secs(1);
/// Bytes that are gathered while answers are at hand.
const PIECE: usize = 4 * 1024;

/// What stands before, between and, with two more hyphens, after the parts of a multipart response.
const DELIMITER: &str = "\r\n--graphql";

/// The answers of a subscription, as they come.
pub async fn subscription(
    http: &Arc<Http>,
    actor: Arc<Actor>,
    request: Request,
    streaming: Streaming,
    headers: &HeaderMap,
) -> Response {
    let Some(seat) = http.seats.take(&actor, &http.limits) else {
        let error = refusal(LIMIT_EXCEEDED, "Too many sockets and streams are open under this credential: close some.");
        return single(&Answer::refused(error), streaming);
    };
    let resume = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let mut delivery =
        match graphql::subscribe(&http.graph, &actor, request, resume.map(str::to_owned), http.limits.request_timeout)
            .await
        {
            Ok(delivery) => delivery,
            Err(refusal) => return single(&refusal, streaming),
        };
    let mut piece = Piece::new(streaming);
    match timeout(MOMENT, delivery.next()).await {
        Ok(Some(frame)) => piece.next(Some(&frame.cursor), &frame.json),
        Ok(None) => {}
        Err(_elapsed) => piece.alive(&delivery.cursor()),
    }
    let (sender, mut receiver) = mpsc::channel(1);
    let (carrier, watch) = (Arc::clone(http), Watch::new(http, actor));
    let carrying = async move {
        run(carrier, watch, delivery, piece, sender).await;
        drop(seat);
    };
    http.sockets.spawn_on(carrying, &http.lanes.delivery);
    let pieces = stream::poll_fn(move |context| receiver.poll_recv(context)).map(Ok::<_, Infallible>);
    respond(streaming, Body::from_stream(pieces))
}

/// An answer that comes alone, as a stream.
pub fn single(answer: &Answer, streaming: Streaming) -> Response {
    let mut piece = Piece::new(streaming);
    piece.next(None, &answer.json());
    piece.complete();
    respond(streaming, Body::from(piece.text))
}

fn respond(streaming: Streaming, body: Body) -> Response {
    let content_type = HeaderValue::from_static(match streaming {
        Streaming::Events => "text/event-stream; charset=utf-8",
        Streaming::Multipart => "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0",
    });
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // A proxy that gathers what it passes on would keep an event until the next ones have filled its buffer.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

/// Carries answers into the response until one of the two ends.
async fn run(http: Arc<Http>, mut watch: Watch, mut delivery: Delivery, mut piece: Piece, sender: mpsc::Sender<Bytes>) {
    let mut shutdown = std::pin::pin!(http.shutdown.cancelled());
    loop {
        let ended = delivery.has_ended();
        if ended {
            piece.complete();
        }
        if !piece.text.is_empty() {
            let sending = sender.send(std::mem::take(&mut piece.text).into());
            if !matches!(timeout(http.limits.write_timeout, sending).await, Ok(Ok(()))) {
                return;
            }
        }
        if ended {
            return;
        }
        select! {
            biased;
            // Clients take the end of a response that did not say that it is complete for a reason to come back.
            () = &mut shutdown => return,
            () = sender.closed() => return,
            event = watch.next() => match event {
                Event::Quiet => {}
                Event::Ping => piece.alive(&delivery.cursor()),
                Event::Ended(_) => return,
            },
            frame = delivery.next() => {
                let mut next = frame;
                while let Some(frame) = next {
                    piece.next(Some(&frame.cursor), &frame.json);
                    next = if piece.text.len() < PIECE { delivery.next().now_or_never().flatten() } else { None };
                }
            }
        }
    }
}

/// What is written next.
struct Piece {
    streaming: Streaming,
    text: String,
}

impl Piece {
    fn new(streaming: Streaming) -> Self {
        let text = match streaming {
            Streaming::Events => String::new(),
            Streaming::Multipart => DELIMITER.to_owned(),
        };
        Self { streaming, text }
    }

    /// An answer, and the cursor after it.
    fn next(&mut self, cursor: Option<&str>, json: &str) {
        // Writing to memory cannot fail.
        let _ = match (self.streaming, cursor) {
            (Streaming::Events, Some(cursor)) => write!(self.text, "event: next\nid: {cursor}\ndata: {json}\n\n"),
            (Streaming::Events, None) => write!(self.text, "event: next\ndata: {json}\n\n"),
            (Streaming::Multipart, _) => self.part(format_args!("{{\"payload\":{json}}}")),
        };
    }

    /// A sign of life, from which no client makes an event; it moves a browser's cursor on.
    fn alive(&mut self, cursor: &str) {
        let _ = match self.streaming {
            Streaming::Events => write!(self.text, ":\nid: {cursor}\n\n"),
            Streaming::Multipart => self.part(format_args!("{{}}")),
        };
    }

    /// The end of the operation.
    fn complete(&mut self) {
        self.text.push_str(match self.streaming {
            // With a line of data, for browsers drop an event without.
            Streaming::Events => "event: complete\ndata:\n\n",
            // The delimiter is there already.
            Streaming::Multipart => "--\r\n",
        });
    }

    /// A part and the delimiter after it, for which a reader waits before it takes the part for whole.
    fn part(&mut self, json: std::fmt::Arguments<'_>) -> std::fmt::Result {
        write!(self.text, "\r\nContent-Type: application/json\r\n\r\n{json}{DELIMITER}")
    }
}
