//! Sending spans to a collector, by OTLP over HTTP.
//!
//! Spans wait in a bounded queue, are sent by a thread of the library's own, and are dropped where a collector does not keep up or is away:
//! nobody who is served waits for it. That it is away is logged once, until it is back.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, body::Bytes};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry::Key;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::{runtime::Handle, time::timeout};

/// How long a collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of its answer is read.
const MOST_BYTES: usize = 64 * 1024;

/// What makes spans of the service called `name`, or as the environment calls it, and has them sent to `address`. Call it on the runtime that is to send them.
pub fn provider(address: &str, name: Option<&str>) -> io::Result<SdkTracerProvider> {
    let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let collector = Collector { client, runtime: Handle::current(), away: AtomicBool::new(false) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_endpoint(address)
        .build()
        .map_err(io::Error::other)?;
    let found = Resource::builder().build();
    let found = found.get(&Key::from_static_str("service.name")).map(|name| name.to_string());
    // That is what the library says where nothing is said.
    let found = found.filter(|name| !name.starts_with("unknown_service"));
    let name = name.map(str::to_owned).or(found).unwrap_or_else(|| "claimcheck".to_owned());
    let resource = Resource::builder().with_service_name(name).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

#[derive(Debug)]
struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    away: AtomicBool,
}

impl HttpClient for Collector {
    // As the trait's macro writes it.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let sending = send(self.client.clone(), request.map(Full::new));
        Box::pin(async move {
            // The library's thread has no timer: the deadline is made where the sending is done.
            let sending = async move { timeout(PATIENCE, sending).await };
            let sent = self.runtime.spawn(sending).await.map_err(HttpError::from);
            let sent = sent.and_then(|sent| sent.map_err(HttpError::from)).and_then(|answered| answered);
            self.tell(sent.as_ref().is_ok_and(|answer| answer.status().is_success()));
            sent
        })
    }
}

impl Collector {
    fn tell(&self, took: bool) {
        if self.away.swap(!took, Ordering::Relaxed) == took {
            if took {
                tracing::info!("the collector takes spans again");
            } else {
                tracing::warn!("the collector takes no spans; they are dropped");
            }
        }
    }
}

async fn send(
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = client.request(request).await?.into_parts();
    Ok(Response::from_parts(head, Limited::new(body, MOST_BYTES).collect().await?.to_bytes()))
}
