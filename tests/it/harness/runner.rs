//! The list of tests and its run.
//!
//! All tests share one runtime, so that pools and the database server last for the whole run, and each has a thread named after it, so that
//! a panic says whose it is. What a test was given is taken down whether it passed or not.

use std::{any::Any, future::Future, panic::AssertUnwindSafe, process::ExitCode, sync::LazyLock, thread};

use futures_util::FutureExt as _;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;

use super::{Database, Engine, browser, postgres, variable};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// What a test may ask for as its argument: made anew for it, and taken down after it.
pub trait Fixture: Clone + 'static {
    /// Makes it over a migrated database that nobody else uses.
    fn set_up(database: Database) -> impl Future<Output = Self>;

    /// Ends what it started. The database is removed by the runner afterwards.
    fn tear_down(self) -> impl Future<Output = ()>;
}

/// A named test, ready to run.
pub struct Test {
    name: String,
    engine: Option<Engine>,
    browser: bool,
    body: Box<dyn FnOnce() + Send>,
}

impl Test {
    /// `body` on SQLite and on PostgreSQL; `path` is the function's path in this crate.
    pub fn on_each_engine<F, B, R>(path: &str, body: B) -> [Self; 2]
    where
        F: Fixture,
        B: Fn(F) -> R + Copy + Send + 'static,
        R: Future<Output = ()>,
    {
        [Engine::Sqlite, Engine::Postgres].map(|engine| Self {
            name: format!("{engine}::{}", within_crate(path)),
            engine: Some(engine),
            browser: false,
            body: Box::new(move || RUNTIME.block_on(with_fixture(engine, body))),
        })
    }

    /// A test that needs neither database nor service.
    pub fn plain(path: &str, body: impl FnOnce() + Send + 'static) -> Self {
        Self { name: within_crate(path).to_owned(), engine: None, browser: false, body: Box::new(body) }
    }

    /// The same where it needs a browser as well.
    pub fn with_a_browser(self) -> Self {
        Self { browser: true, ..self }
    }

    /// Why it cannot run here, if so, and the switch that makes this a failure.
    fn absence(&self) -> Option<(String, Option<&'static str>)> {
        let postgres = (self.engine == Some(Engine::Postgres)).then(postgres::absence).flatten();
        let postgres = postgres.map(|reason| (reason, postgres::required().then_some("REQUIRE_POSTGRES")));
        let browser = self.browser.then(browser::absence).flatten();
        postgres.or(browser.map(|reason| (reason, browser::required().then_some("REQUIRE_CHROMIUM"))))
    }

    fn into_trial(self) -> Trial {
        let absent = self.absence();
        // nextest decides from the list alone what it reports as ignored.
        let listed_as_ignored =
            absent.as_ref().is_some_and(|(_, switch)| switch.is_none()) && variable("NEXTEST").is_some();
        let name = self.name.clone();
        Trial::ignorable_test(self.name, move || match absent {
            Some((reason, Some(switch))) => Err(Failed::from(format!("{reason}, and {switch} is set"))),
            Some((reason, None)) => Ok(Completion::ignored_with(reason)),
            None => on_own_thread(name, self.body).map(|()| Completion::Completed),
        })
        .with_ignored_flag(listed_as_ignored)
    }
}

/// Runs what the command line selects of `tests`; the whole of `main`.
pub fn main(tests: impl IntoIterator<Item = Vec<Test>>) -> ExitCode {
    if postgres::was_asked_to_watch() {
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    // Tests wait for sockets and disks more than they compute.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads = arguments.test_threads.or(Some(cores * 2));
    let trials = tests.into_iter().flatten().map(Test::into_trial).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

async fn with_fixture<F: Fixture, R: Future<Output = ()>>(engine: Engine, body: impl Fn(F) -> R) {
    let database = Database::migrated(engine).await;
    let fixture = F::set_up(database.clone()).await;
    let outcome = AssertUnwindSafe(body(fixture.clone())).catch_unwind().await;
    fixture.tear_down().await;
    database.remove().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn on_own_thread(name: String, body: Box<dyn FnOnce() + Send>) -> Result<(), Failed> {
    let running = thread::Builder::new().name(name).spawn(body).map_err(Failed::from)?;
    running.join().map_err(|panic| Failed::from(message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

fn within_crate(path: &str) -> &str {
    path.split_once("::").map_or(path, |(_, rest)| rest)
}
