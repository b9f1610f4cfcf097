//! The messages of graphql-transport-ws: what a client may send, what it is sent, and why a socket is closed.
//!
//! Reading is strict: whatever is not a message of the protocol ends the socket with 4400 and a reason. Close codes
//! follow the protocol; where it has none, they are the ones that clients take for passing trouble and retry. A payload
//! is passed on as the text it already is, so that one text can go to many sockets; only the client's own id is put
//! before it.

use std::{borrow::Cow, fmt::Write};

use async_graphql::{Name, Request, Value};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};

use crate::http::parameter::{self, Object};

/// The one sub-protocol that is spoken.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// A control frame carries 125 bytes, two of them the code (RFC 6455, 5.5).
const LONGEST_REASON: usize = 123;
/// Ids are the client's to choose, but they are kept and repeated.
const LONGEST_ID: usize = 1024;

/// What a client says.
pub enum ClientMessage {
    /// Opens the conversation, perhaps with a credential.
    ConnectionInit(Option<Object>),
    /// Starts an operation.
    Subscribe { id: String, request: Box<Request> },
    /// Ends one.
    Complete { id: String },
    /// Asks for a pong; what it carries is sent back.
    Ping(Option<Object>),
    /// Answers a ping, or merely shows life.
    Pong,
}

impl ClientMessage {
    /// Reads a text frame.
    ///
    /// # Errors
    ///
    /// The close with which it is answered.
    pub fn read(text: &str) -> Result<Self, Close> {
        let mut members = match serde_json::from_str(text) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return Err(Close::invalid("Message is not a JSON object")),
            Err(_) => return Err(Close::invalid("Message is not valid JSON")),
        };
        let Some(Value::String(kind)) = members.swap_remove("type") else {
            return Err(Close::invalid("Message has no \"type\", or one that is no string"));
        };
        match kind.as_str() {
            "connection_init" => Ok(Self::ConnectionInit(optional_payload(&mut members)?)),
            "subscribe" => {
                let id = id(&mut members)?;
                let payload =
                    optional_payload(&mut members)?.ok_or_else(|| Close::invalid("Message has no \"payload\""))?;
                let request = parameter::from_object(payload).map_err(|error| Close::invalid(error.message))?;
                Ok(Self::Subscribe { id, request: Box::new(request) })
            }
            "complete" => Ok(Self::Complete { id: id(&mut members)? }),
            "ping" => Ok(Self::Ping(optional_payload(&mut members)?)),
            "pong" => optional_payload(&mut members).map(|_| Self::Pong),
            _ => Err(Close::invalid("Message is of a type that clients do not send")),
        }
    }
}

fn id(members: &mut Object) -> Result<String, Close> {
    match members.swap_remove("id") {
        Some(Value::String(id)) if id.is_empty() => Err(Close::invalid("Message has an empty \"id\"")),
        Some(Value::String(id)) if id.len() > LONGEST_ID => Err(Close::invalid("Message has too long an \"id\"")),
        Some(Value::String(id)) => Ok(id),
        _ => Err(Close::invalid("Message has no \"id\", or one that is no string")),
    }
}

fn optional_payload(members: &mut Object) -> Result<Option<Object>, Close> {
    match members.swap_remove("payload") {
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(Value::Null) | None => Ok(None),
        Some(_) => Err(Close::invalid("Message has a \"payload\" that is no object")),
    }
}

/// The credential in a `connection_init` payload; its name is matched as a header's would be.
pub fn authorization(payload: &Object) -> Option<&str> {
    let named = |name: &Name| name.as_str().eq_ignore_ascii_case("authorization");
    let (_, value) = payload.iter().find(|(name, _)| named(name))?;
    // Where something else was meant as a credential, that it is none is for authentication to say.
    Some(if let Value::String(credential) = value { credential } else { "" })
}

/// `connection_ack`
pub fn ack() -> Message {
    Message::Text(Utf8Bytes::from_static(r#"{"type":"connection_ack"}"#))
}

/// `pong`, with what the ping carried.
pub fn pong(payload: Option<Object>) -> Message {
    Message::text(match payload {
        Some(payload) => format!(
            r#"{{"type":"pong","payload":{}}}"#,
            serde_json::to_string(&payload).unwrap_or_else(|_| "null".to_owned())
        ),
        None => String::from(r#"{"type":"pong"}"#),
    })
}

/// An operation's id as the client gave it, and as it begins each of the operation's messages.
pub struct Label {
    /// The client's id.
    pub id: String,
    prefix: String,
}

impl Label {
    /// Prepares what stands before each payload.
    pub fn new(id: String) -> Self {
        let prefix = format!(r#"{{"id":{},"type":""#, Value::String(id.clone()).into_json().unwrap_or_default());
        Self { id, prefix }
    }

    /// `next`, with a response as JSON.
    pub fn next(&self, payload: &str) -> Message {
        self.message("next", Some(payload))
    }

    /// `error`, with a JSON array of errors. Ends the operation.
    pub fn error(&self, errors: &str) -> Message {
        self.message("error", Some(errors))
    }

    /// `complete`. Ends the operation.
    pub fn complete(&self) -> Message {
        self.message("complete", None)
    }

    fn message(&self, kind: &str, payload: Option<&str>) -> Message {
        let mut text = String::with_capacity(self.prefix.len() + payload.map_or(0, str::len) + 32);
        // Writing to a string cannot fail.
        let _ = match payload {
            Some(payload) => write!(text, r#"{}{kind}","payload":{payload}}}"#, self.prefix),
            None => write!(text, r#"{}{kind}"}}"#, self.prefix),
        };
        Message::text(text)
    }
}

/// Why the service ends a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The close code.
    pub code: u16,
    reason: Cow<'static, str>,
}

impl Close {
    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// 4400: what came is no message of the protocol.
    pub fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 4400, reason: reason.into() }
    }

    /// 4401: an operation before the acknowledgement.
    pub const fn unauthorized() -> Self {
        Self::new(4401, "Unauthorized")
    }

    /// 4403: the credential is refused, or stands no longer.
    pub const fn forbidden(reason: &'static str) -> Self {
        Self::new(4403, reason)
    }

    /// 4406: the client does not speak the protocol.
    pub const fn subprotocol() -> Self {
        Self::new(4406, "Subprotocol not acceptable")
    }

    /// 4408: no `connection_init` in time.
    pub const fn init_timeout() -> Self {
        Self::new(4408, "Connection initialisation timeout")
    }

    /// 4409: the id is taken.
    pub fn subscriber_exists(id: &str) -> Self {
        Self { code: 4409, reason: format!("Subscriber for {id} already exists").into() }
    }

    /// 4429: a second `connection_init`.
    pub const fn second_init() -> Self {
        Self::new(4429, "Too many initialisation requests")
    }

    /// 1009: a message larger than the limit.
    pub const fn too_large() -> Self {
        Self::new(1009, "Message too large")
    }

    /// 1012: the service restarts; connect again.
    pub const fn restart() -> Self {
        Self::new(1012, "Service restart")
    }

    /// 1013: this principal has as many sockets as it may; try again when one has ended.
    pub const fn crowded() -> Self {
        Self::new(1013, "Too many sockets are open under this credential")
    }

    /// 1013: try again later.
    pub const fn unavailable() -> Self {
        Self::new(1013, "Credentials cannot be checked at the moment")
    }

    /// The frame, its reason cut to what a frame holds.
    pub fn into_message(self) -> Message {
        let mut reason = self.reason.into_owned();
        reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
        Message::Close(Some(CloseFrame { code: self.code, reason: reason.into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: Message) -> String {
        message.into_text().unwrap().as_str().to_owned()
    }

    #[test]
    fn the_protocol_s_messages_are_read() {
        assert!(matches!(
            ClientMessage::read(r#"{"type":"connection_init"}"#),
            Ok(ClientMessage::ConnectionInit(None))
        ));
        assert!(matches!(ClientMessage::read(r#"{"type":"ping","payload":null}"#), Ok(ClientMessage::Ping(None))));
        assert!(matches!(ClientMessage::read(r#"{"type":"pong","payload":{"a":1}}"#), Ok(ClientMessage::Pong)));
        let subscribe = r#"{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":{"x":1}}}"#;
        let Ok(ClientMessage::Subscribe { id, request }) = ClientMessage::read(subscribe) else { panic!("not read") };
        assert_eq!((id.as_str(), request.query.as_str(), request.variables.len()), ("1", "{a}", 1));
    }

    #[test]
    fn everything_else_is_4400_with_a_reason() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":"next","id":"1"}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"complete","id":""}"#,
        ] {
            let close = ClientMessage::read(text).err().unwrap();
            assert!(close.code == 4400 && !close.reason.is_empty(), "{text}");
        }
        let positional = r#"{"type":"subscribe","id":"1","payload":["{a}"]}"#;
        assert_eq!(ClientMessage::read(positional).err().unwrap().code, 4400);
    }

    #[test]
    fn an_id_is_an_opaque_string() {
        let label = Label::new("\"\\\n🦀".to_owned());
        assert_eq!(
            text(label.next(r#"{"data":1}"#)),
            "{\"id\":\"\\\"\\\\\\n🦀\",\"type\":\"next\",\"payload\":{\"data\":1}}"
        );
        assert_eq!(text(Label::new("1".to_owned()).complete()), r#"{"id":"1","type":"complete"}"#);
    }

    #[test]
    fn a_reason_fits_its_frame() {
        let Message::Close(Some(frame)) = Close::invalid("é".repeat(200)).into_message() else { panic!("no close") };
        assert_eq!(frame.reason.len(), 122);
    }

    #[test]
    fn the_credential_s_name_is_matched_like_a_header_s() {
        let payload = |text: &str| serde_json::from_str::<Object>(text).unwrap();
        assert_eq!(authorization(&payload(r#"{"Authorization":"Bearer x"}"#)), Some("Bearer x"));
        assert_eq!(authorization(&payload(r#"{"authorization":7}"#)), Some(""));
        assert_eq!(authorization(&payload(r#"{"a":1}"#)), None);
    }
}
