//! Threads of their own for what is delivered, so that however many listen, requests are answered beside it.
//!
//! A socket is served on the lane for delivery, which has half as many threads as there are cores; a query or mutation that comes by a socket
//! is run where all the others are.

use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinError,
};
use tokio_util::task::AbortOnDropHandle;

/// Handles on both lanes.
#[derive(Clone)]
pub struct Lanes {
    pub requests: Handle,
    pub delivery: Handle,
}

impl Lanes {
    /// Runs a request's work on its own lane; it ends with whoever waits for it.
    pub async fn answer<T: Send + 'static>(
        self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        AbortOnDropHandle::new(self.requests.spawn(work)).await
    }
}

/// The lane for delivery, which lasts as long as this.
pub struct DeliveryLane(Option<Runtime>);

impl DeliveryLane {
    /// Starts its threads. The lane for requests is the runtime that this is called on.
    pub fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut threads = Builder::new_multi_thread();
        let runtime = threads.worker_threads((cores / 2).max(1)).thread_name("delivery").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Both lanes. Call it on the lane for requests.
    pub fn lanes(&self) -> Lanes {
        let requests = Handle::current();
        let delivery = self.0.as_ref().map_or_else(|| requests.clone(), |runtime| runtime.handle().clone());
        Lanes { requests, delivery }
    }
}

impl Drop for DeliveryLane {
    fn drop(&mut self) {
        // What is left was given its time; a runtime that waited here would hold up the one that drops it.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
