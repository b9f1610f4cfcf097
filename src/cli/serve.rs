//! `claimcheck serve`: migrates, serves, and stops in order when it is told to by a signal.

use super::{Failure, print};
use crate::{config::Config, service::Service, telemetry};

pub async fn run(config: Config) -> Result<(), Failure> {
    telemetry::start(&config)?;
    let mut service = Service::open(config).await?;
    service.listen().await?;
    print(&format!("listening on http://{}", service.address()))?;
    Ok(service.run(told_to_stop()).await?)
}

/// Ends when the process is told to: by an interrupt from the terminal, or a request to terminate.
pub async fn told_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated() => {}
    }
    tracing::info!("told to stop");
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut requests) => {
            requests.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
