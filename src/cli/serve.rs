//! `claimcheck serve`: migrates, serves, and stops in order when it is told to by a signal.

use std::io;

use super::{Failure, print};
use crate::{config::Config, service::Service, telemetry};

pub async fn run(config: Config) -> Result<(), Failure> {
    let telemetry = telemetry::start(&config)?;
    let mut service = Service::open(config).await?;
    service.listen().await?;
    let stop = told_to_stop()?;
    print(&format!("listening on http://{}", service.address()))?;
    if let Some(address) = service.metrics_address() {
        print(&format!("metrics at http://{address}/metrics"))?;
    }
    let ended = service.run(stop).await;
    telemetry.end();
    Ok(ended?)
}

/// Ends when the process is told to: by an interrupt from the terminal, or a request to terminate. From this call on neither ends it by
/// itself.
#[cfg(unix)]
pub fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupts, mut requests) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = requests.recv() => {}
        }
        tracing::info!("told to stop");
    })
}

/// Ends when the process is told to, by an interrupt from the terminal.
#[cfg(not(unix))]
pub fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        tracing::info!("told to stop");
    })
}
