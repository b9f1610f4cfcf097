//! A stream of answers over plain HTTP, read as it comes.

use std::collections::HashMap;

use reqwest::{RequestBuilder, Response, header::CONTENT_TYPE};
use serde_json::Value;

use super::{Answer, patience::within};

/// A response that goes on.
pub struct Stream {
    response: Response,
    text: String,
}

/// A server-sent event, or what looks like one without being one.
#[derive(Debug, Default)]
pub struct Sent {
    /// Its fields.
    pub fields: HashMap<String, String>,
}

impl Sent {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The answer in a `next` event.
    #[track_caller]
    pub fn answer(&self) -> Answer {
        assert_eq!(self.field("event"), Some("next"), "{self:?}");
        let body = serde_json::from_str(self.field("data").expect("data")).expect("JSON");
        Answer { status: reqwest::StatusCode::OK, body }
    }

    /// The cursor.
    #[track_caller]
    pub fn id(&self) -> String {
        self.field("id").unwrap_or_else(|| panic!("no id: {self:?}")).to_owned()
    }
}

impl Stream {
    pub async fn open(request: RequestBuilder) -> Self {
        let response = within("the head of the stream", request.send()).await.expect("an answer");
        Self { response, text: String::new() }
    }

    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub fn content_type(&self) -> &str {
        self.response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The next block of a server-sent stream; none where the response has ended.
    pub async fn next(&mut self) -> Option<Sent> {
        let block = self.until("\n\n").await?;
        let fields = block.lines().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
        });
        Some(Sent { fields: fields.collect() })
    }

    /// The next event, signs of life aside.
    pub async fn event(&mut self) -> Sent {
        loop {
            let sent = self.next().await.expect("no end");
            if sent.field("event").is_some() {
                return sent;
            }
        }
    }

    /// What comes before `mark`, which is passed; none where the response has ended before.
    pub async fn until(&mut self, mark: &str) -> Option<String> {
        loop {
            if let Some((before, after)) = self.text.split_once(mark) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.text = after;
                return Some(before);
            }
            let chunk = within("more of the stream", self.response.chunk()).await.ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    /// All that is left, as the service ends it.
    pub async fn rest(mut self) -> String {
        while let Ok(Some(chunk)) = within("the end of the stream", self.response.chunk()).await {
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
        self.text
    }
}

/// The payload in a part of a multipart stream.
pub fn payload(part: &str) -> Value {
    let (_, json) = part.split_once("\r\n\r\n").expect("a head and a body");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {part}"))
}
