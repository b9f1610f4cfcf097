//! The few small documents that are asked of the identity provider.
//!
//! Each within five seconds and a quarter of a megabyte; nothing is followed elsewhere, and where TLS is spoken the system's roots count.

use std::{error::Error, io, time::Duration};

use axum::{
    body::Bytes,
    http::{Request, StatusCode, header},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(5);
const MOST_BYTES: usize = 256 * 1024;

/// Why there is no answer, for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Asks. Cheap to clone.
#[derive(Clone)]
pub struct Web(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Web {
    pub fn new() -> io::Result<Self> {
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// The document at an address.
    pub async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, Cause> {
        let request = Request::get(address).header(header::ACCEPT, "application/json").body(Full::default())?;
        let (status, body) = self.ask(request).await?;
        if !status.is_success() {
            return Err(format!("the answer is {status}").into());
        }
        Ok(serde_json::from_slice(&body)?)
    }

    /// The answer to a request, whatever it is.
    pub async fn ask(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Cause> {
        let asking = async {
            let response = self.0.request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MOST_BYTES).collect().await?;
            Ok((status, body.to_bytes()))
        };
        timeout(DEADLINE, asking).await?
    }
}
