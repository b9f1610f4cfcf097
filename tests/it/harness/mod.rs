//! What every test stands on: a database of its own, the real service over it, and clients that speak to it as anybody would.
//!
//! A test is an async function that takes what it needs, an [`App`] or only a [`Database`], and runs once on each engine:
//!
//! ```text
//! pub fn tests() -> Vec<Test> {
//!     both_engines![a_code_redeems_once]
//! }
//!
//! async fn a_code_redeems_once(app: App) { … }
//! ```
//!
//! `main.rs` lists the modules. A function that no list names is dead code, and the compiler says so; `#[test]` would be skipped without a
//! word, so the architecture test forbids it here. Names read `sqlite::redeem::a_code_redeems_once`; the usual filters of `cargo test` apply.
//! Where no PostgreSQL can be found its half is reported ignored, with the reason, and fails under `REQUIRE_POSTGRES=1`.

mod app;
pub mod browser;
mod client;
mod database;
pub mod desk;
pub mod load;
mod patience;
pub mod postgres;
pub mod program;
pub mod provider;
mod runner;
pub mod scrape;
pub mod shop;
pub mod socket;
pub mod stream;
pub mod visitor;

pub use app::App;
pub use client::{Answer, Client};
pub use database::{Database, Engine};
pub use desk::Desk;
pub use patience::{eventually, within};
pub use runner::{Fixture, Test, main};
pub use shop::Shop;
pub use socket::{Socket, Subscription};
pub use stream::Stream;

/// The named tests, each on SQLite and on PostgreSQL.
macro_rules! both_engines {
    ($($test:ident),+ $(,)?) => {
        [$($crate::harness::Test::on_each_engine(concat!(module_path!(), "::", stringify!($test)), $test)),+]
            .into_iter()
            .flatten()
            .collect::<Vec<$crate::harness::Test>>()
    };
}

/// The named tests, each on SQLite and on PostgreSQL, with a browser.
macro_rules! in_a_browser {
    ($($test:ident),+ $(,)?) => {
        [$($crate::harness::Test::on_each_engine(concat!(module_path!(), "::", stringify!($test)), $test)),+]
            .into_iter()
            .flatten()
            .map($crate::harness::Test::with_a_browser)
            .collect::<Vec<$crate::harness::Test>>()
    };
}

/// The named tests, plain functions that need no database.
macro_rules! without_database {
    ($($test:ident),+ $(,)?) => {
        vec![$($crate::harness::Test::plain(concat!(module_path!(), "::", stringify!($test)), $test)),+]
    };
}

pub(crate) use both_engines;
pub(crate) use in_a_browser;
pub(crate) use without_database;

/// A variable of the environment; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "the tests' own switches are no settings of the service")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
