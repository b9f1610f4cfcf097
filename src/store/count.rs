//! How many statements were run: by this process, and by whatever is counted apart.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

tokio::task_local! {
    /// Where the present task counts, beside its process.
    static APART: Statements;
}

/// A count. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Statements(Arc<AtomicU64>);

impl Statements {
    /// How many there were, transaction control aside.
    pub fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts what `operation` runs, as far as it starts no task for it.
    pub async fn of<F: Future>(&self, operation: F) -> F::Output {
        APART.scope(self.clone(), operation).await
    }

    /// Counts one, here and wherever the present task counts.
    pub(super) fn count(&self) {
        self.add();
        Self::count_apart();
    }

    /// Counts one that another task runs for this one.
    pub(super) fn count_apart() {
        // Most tasks are not counted.
        let _ = APART.try_with(Self::add);
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
