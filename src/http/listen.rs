//! Accepting connections, and what holds for each whatever it asks.
//!
//! The head of a request has to arrive within a time that starts when the connection waits for it: who drips letters, or says nothing more,
//! is let go; and so is who takes nothing of an answer for as long. On shutdown no connection is accepted, requests under way are answered and then their connections end.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    time::sleep,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long nothing is accepted after the system could not give a connection.
const BREATH: Duration = Duration::from_millis(500);

/// How long a peer may take for the head of a request, and for taking anything of an answer.
#[derive(Clone, Copy)]
pub struct Patience {
    pub head: Duration,
    pub write: Duration,
}

/// Serves connections until `shutdown`, and then until the last of them has been answered.
pub async fn serve(listener: TcpListener, router: Router, patience: Patience, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer, router.clone(), patience, shutdown.clone()));
            }
            // The peer gave up before it was accepted.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::error!(error.cause = %error, "no connection can be accepted");
                sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    patience: Patience,
    shutdown: CancellationToken,
) {
    // An answer is written whole: waiting for more to fill a packet only delays it.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience.write));
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.head);
    let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error.cause = %error, "a connection ended early");
    }
}
