//! What claimcheck reaches, as ratios against what its databases can do at best, each pair measured in one run on one machine.
//!
//! `cargo bench --bench figures` measures on SQLite and, where `BENCH_DATABASE_URL` names a PostgreSQL server on which databases may be
//! created, there too; `-- issue`, `-- redeem`, `-- race` pick one figure. The service runs in this process and is asked over HTTP. The limits are
//! the same work as plain statements over plain tables, without a service. Nothing else should run meanwhile.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a measurement that fails should say so and end")]
#![expect(
    clippy::disallowed_methods,
    reason = "what is measured against has neither the service's ids nor its configuration"
)]
#![expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]

mod limit;
mod subject;

use std::time::{Duration, Instant};

use self::{limit::Limit, subject::Subject};

/// The service's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Units of the large order.
const UNITS: usize = 100_000;
/// Clients at a time.
const CLIENTS: usize = 16;
/// Codes that are redeemed one after the other by each client.
const EACH: usize = 500;
/// Codes that are raced for, and attempts at each.
const PRIZES: usize = 1_000;
const ATTEMPTS: usize = 100;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |figure: &str| wanted.is_empty() || wanted.iter().any(|name| name == figure);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for engine in subject::engines().await {
            if wants("issue") {
                issue(&engine).await;
            }
            if wants("redeem") {
                redeem(&engine).await;
            }
            if wants("race") {
                race(&engine).await;
            }
        }
    });
}

/// An order of 100,000 units with their codes, against inserting as many rows.
async fn issue(engine: &subject::Engine) {
    let limit = Limit::open(engine).await;
    let subject = Subject::start(engine).await;
    let (mut best_limit, mut best) = (Duration::MAX, Duration::MAX);
    for round in 0..3 {
        let begun = Instant::now();
        limit.insert(UNITS).await;
        best_limit = best_limit.min(begun.elapsed());
        let begun = Instant::now();
        subject.place(&format!("bulk-{round}"), UNITS).await;
        best = best.min(begun.elapsed());
    }
    let a_second = |taken: Duration| UNITS as f64 / taken.as_secs_f64();
    report(engine, "issue, units a second", a_second(best), a_second(best_limit));
    subject.stop().await;
}

/// Redemptions by 16 clients, against the same seven round trips without a service.
async fn redeem(engine: &subject::Engine) {
    let limit = Limit::open(engine).await;
    let subject = Subject::start(engine).await;
    let codes = subject.codes(CLIENTS * EACH).await;
    limit.insert(CLIENTS * EACH).await;

    let begun = Instant::now();
    limit.redeem(CLIENTS, EACH).await;
    let at_best = begun.elapsed();
    let begun = Instant::now();
    let redeemed =
        subject.concurrently(CLIENTS, codes, |client, code| async move { client.redeem(&code, "bench").await }).await;
    let taken = begun.elapsed();
    assert_eq!(redeemed.iter().filter(|done| **done).count(), CLIENTS * EACH, "every code is redeemed");
    let a_second = |taken: Duration| (CLIENTS * EACH) as f64 / taken.as_secs_f64();
    report(engine, "redemptions a second", a_second(taken), a_second(at_best));
    subject.stop().await;
}

/// 100,000 attempts at 1,000 codes: each is redeemed once.
async fn race(engine: &subject::Engine) {
    let subject = Subject::start(engine).await;
    let codes = subject.codes(PRIZES).await;
    let attempts: Vec<String> = codes.iter().flat_map(|code| std::iter::repeat_n(code.clone(), ATTEMPTS)).collect();
    let begun = Instant::now();
    let won = subject.concurrently(2 * CLIENTS, attempts, |client, code| async move {
        let racer = client.name();
        client.redeem(&code, &racer).await
    });
    let won = won.await;
    let winners = subject.redeemed().await;
    println!(
        "{engine}: {} attempts at {PRIZES} codes in {:.0} s: {winners} redemptions, {} answers of success",
        won.len(),
        begun.elapsed().as_secs_f64(),
        won.iter().filter(|done| **done).count(),
    );
    assert_eq!(winners, PRIZES, "no code is redeemed twice, and none is lost");
    subject.stop().await;
}

fn report(engine: &subject::Engine, figure: &str, reached: f64, limit: f64) {
    println!("{engine}: {figure}: {reached:.0}, limit {limit:.0}, ratio {:.2}", reached / limit);
}
