//! The rules of the house that can be read off the source, checked.
//!
//! Which module may name which other, who may spawn tasks or look at the environment, how long a file may be, what a module may not be
//! called. The checker reads text with comments and literals blanked out: it sees paths that are written, not what a macro expands to. It is
//! tried on made-up breaches as well, for a checker that finds nothing may just be blind.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::harness::{Test, without_database};

mod blank;
mod path;

use blank::blank;
use path::Named;

pub fn tests() -> Vec<Test> {
    without_database![
        dependencies_point_one_way,
        foreign_layers_stay_out,
        the_environment_is_read_in_one_place,
        tasks_are_spawned_in_one_place,
        files_are_short_or_say_why_not,
        files_open_with_their_purpose,
        no_module_is_a_drawer,
        the_migrations_know_no_live_code,
        every_test_is_on_a_list,
        tests_wait_for_what_happens,
        a_breach_is_found,
        what_is_allowed_is_no_breach,
    ]
}

/// Each module of the crate with those it may name; `ANYWHERE` may be named by all.
const DIRECTION: [(&str, &[&str]); 17] = [
    ("main", &["cli", "config", "telemetry"]),
    ("cli", &["service", "graphql", "domain", "store", "entity", "config", "telemetry"]),
    (
        "service",
        &["http", "console", "graphql", "feed", "task", "domain", "store", "entity", "config", "telemetry", "metrics"],
    ),
    ("telemetry", &["config"]),
    ("config", &[]),
    ("console", &["http", "graphql", "domain", "config"]),
    ("http", &["graphql", "domain", "config", "metrics", "telemetry"]),
    ("graphql", &["domain", "feed", "store", "entity", "config", "metrics"]),
    ("feed", &["store", "entity"]),
    ("task", &["domain", "store", "entity", "metrics"]),
    ("domain", &["store", "entity"]),
    ("store", &["entity"]),
    ("entity", &[]),
    ("metrics", &["store"]),
    ("clock", &[]),
    ("id", &[]),
    ("lib", &[]),
];
const ANYWHERE: [&str; 2] = ["clock", "id"];

/// Crates that belong to some modules only.
const FOREIGN: [(&str, &[&str]); 5] = [
    ("async_graphql", &["graphql", "http"]),
    ("axum", &["http", "console", "service"]),
    ("prometheus_client", &["metrics"]),
    ("opentelemetry", &["telemetry"]),
    ("tracing_opentelemetry", &["telemetry"]),
];

/// Who may start tasks, and why.
const SPAWNERS: [(&str, &str); 11] = [
    ("http/listen.rs", "a connection, in a tracker that ends with the listener"),
    ("service.rs", "the composition root, which also ends what it starts"),
    ("http/socket", "a socket's operations, in the tracker that shutdown waits for"),
    ("http/stream.rs", "a stream of answers, in the same tracker"),
    ("http/lane.rs", "a request that came by a socket, on the lane for requests; it ends with whoever waits for it"),
    ("graphql/delivery/group.rs", "the driver of a group, which ends with it, and the answers that many may wait for"),
    ("telemetry/collector.rs", "a batch of spans on its way, which a thread of the library's own waits for"),
    (
        "http/auth/fetched.rs",
        "a look at what the identity provider publishes, which whoever goes away has begun for all",
    ),
    ("store/reader.rs", "what is left of a read that was given up, which keeps its turn until it is over"),
    ("store/together.rs", "what many write together, which none of them may give up for the others"),
    ("store/tx.rs", "the wait for the beginning of a transaction, which must not be given up half-way"),
];

const LONGEST: usize = 420;
const DRAWERS: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc"];

/// A source file: its path below the crate's directory, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Every Rust file under `directory`, a path from the workspace's root.
    fn under(directory: &str) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let mut files = Vec::new();
        collect(&root, &mut files);
        assert!(!files.is_empty(), "no sources under {directory}");
        let read = |file: &PathBuf| Self {
            path: file.strip_prefix(&root).expect("a file below the root").display().to_string(),
            text: fs::read_to_string(file).expect("readable text"),
        };
        files.iter().map(read).collect()
    }

    /// The module's path in its crate, as `["domain", "order", "place"]`.
    fn module(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        parts
    }

    fn layer(&self) -> &str {
        self.module().first().copied().unwrap_or_default()
    }

    fn breach(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            collect(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files.sort();
}

fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

fn each(files: &[Source], rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    files.iter().flat_map(rule).collect()
}

fn dependencies_point_one_way() {
    assert_none(&each(&Source::under("src"), direction));
}

fn direction(file: &Source) -> Vec<String> {
    let layer = file.layer();
    if layer == "lib" {
        return Vec::new(); // The map of the crate names everything.
    }
    let Some((_, allowed)) = DIRECTION.iter().find(|(name, _)| *name == layer) else {
        return vec![file.breach(1, &format!("`{layer}` has no row in the table of directions"))];
    };
    let text = blank(&file.text);
    let mut named = path::below(&text, "crate");
    named.extend(path::above(&text, file.module().len()));
    if layer == "main" {
        named.extend(path::below(&text, "claimcheck"));
    }
    let is_module = |name: &str| DIRECTION.iter().any(|(module, _)| *module == name);
    let may = |name: &str| name == layer || allowed.contains(&name) || ANYWHERE.contains(&name);
    let foreign = named.into_iter().filter(|named| is_module(&named.name) && !may(&named.name));
    foreign.map(|Named { name, line }| file.breach(line, &format!("`{layer}` must not know `{name}`"))).collect()
}

fn foreign_layers_stay_out() {
    assert_none(&each(&Source::under("src"), foreign));
}

fn foreign(file: &Source) -> Vec<String> {
    let text = blank(&file.text);
    let kept_out = FOREIGN.iter().filter(|(_, homes)| !homes.contains(&file.layer()));
    let found = kept_out.flat_map(|(name, _)| path::words(&text, name));
    found.map(|Named { name, line }| file.breach(line, &format!("`{}` must not know `{name}`", file.layer()))).collect()
}

fn the_environment_is_read_in_one_place() {
    assert_none(&each(&Source::under("src"), environment));
}

fn environment(file: &Source) -> Vec<String> {
    if file.path == "config.rs" {
        return Vec::new();
    }
    let named = path::below(&blank(&file.text), "std").into_iter().filter(|named| named.name == "env");
    named.map(|Named { line, .. }| file.breach(line, "`std::env` is for config.rs")).collect()
}

fn tasks_are_spawned_in_one_place() {
    assert_none(&each(&Source::under("src"), spawns));
}

fn spawns(file: &Source) -> Vec<String> {
    if SPAWNERS.iter().any(|(path, _reason)| file.path.starts_with(path)) {
        return Vec::new();
    }
    let text = blank(&file.text);
    let found = ["spawn", "spawn_blocking", "spawn_local", "spawn_on"].iter().flat_map(|name| path::words(&text, name));
    found.map(|Named { line, .. }| file.breach(line, "tasks are started in service.rs")).collect()
}

fn files_are_short_or_say_why_not() {
    let files: Vec<Source> = ["src", "migration/src", "tests/it"].into_iter().flat_map(Source::under).collect();
    assert_none(&each(&files, length));
}

fn length(file: &Source) -> Vec<String> {
    let lines = file.text.lines().count();
    let excused = file.text.lines().take(20).any(|line| line.starts_with("// long because "));
    if lines <= LONGEST || excused {
        return Vec::new();
    }
    vec![file.breach(lines, &format!("longer than {LONGEST} lines without a `// long because …` near its top"))]
}

fn files_open_with_their_purpose() {
    let files: Vec<Source> = ["src", "migration/src", "tests/it"].into_iter().flat_map(Source::under).collect();
    assert_none(&each(&files, purpose));
}

fn purpose(file: &Source) -> Vec<String> {
    if file.text.starts_with("//! ") { Vec::new() } else { vec![file.breach(1, "no `//!` says what it is for")] }
}

fn no_module_is_a_drawer() {
    let files: Vec<Source> = ["src", "migration/src", "tests/it"].into_iter().flat_map(Source::under).collect();
    assert_none(&each(&files, drawers));
}

fn drawers(file: &Source) -> Vec<String> {
    let text = blank(&file.text);
    let inline = path::modules(&text).into_iter().map(|Named { name, line }| (name, line));
    let own = file.module().into_iter().map(|name| (name.to_owned(), 1));
    let found = own.chain(inline).filter(|(name, _)| DRAWERS.contains(&name.as_str()));
    found.map(|(name, line)| file.breach(line, &format!("`{name}` says nothing of what is in it"))).collect()
}

fn the_migrations_know_no_live_code() {
    assert_none(&each(&Source::under("migration/src"), frozen));
}

fn frozen(file: &Source) -> Vec<String> {
    let named = path::words(&blank(&file.text), "claimcheck");
    named.into_iter().map(|Named { line, .. }| file.breach(line, "a migration must not know the live crate")).collect()
}

fn every_test_is_on_a_list() {
    assert_none(&each(&Source::under("tests/it"), unlisted));
}

fn unlisted(file: &Source) -> Vec<String> {
    let text = blank(&file.text);
    let lines = text.lines().enumerate();
    let skipped = lines.filter(|(_, line)| {
        let attribute = line.trim_start();
        ["#[test]", "#[tokio::test", "#[rstest", "#[test_case"].iter().any(|start| attribute.starts_with(start))
    });
    skipped.map(|(index, _)| file.breach(index + 1, "never runs: name it in `tests()` instead")).collect()
}

fn tests_wait_for_what_happens() {
    assert_none(&each(&Source::under("tests/it"), naps));
}

fn naps(file: &Source) -> Vec<String> {
    if ["harness/patience.rs", "harness/postgres.rs"].contains(&file.path.as_str()) {
        return Vec::new();
    }
    let named = path::words(&blank(&file.text), "sleep");
    named
        .into_iter()
        .map(|Named { line, .. }| file.breach(line, "wait for what must happen, not for a while"))
        .collect()
}

fn made_up(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn a_breach_is_found() {
    type Rule = fn(&Source) -> Vec<String>;
    let long = format!("//! Much.\n{}", "fn f() {}\n".repeat(LONGEST));
    let breaches: [(Rule, &str, &str, &str); 21] = [
        (direction, "domain/order/place.rs", "use crate::http::Http;", "place.rs:1: `domain` must not know `http`"),
        (
            direction,
            "store/tx.rs",
            "use crate::{\n    id::Ids,\n    domain::{actor, order},\n};",
            "tx.rs:3: `store` must not know `domain`",
        ),
        (direction, "entity/order.rs", "fn f() -> crate::store::Db {}", "order.rs:1: `entity` must not know `store`"),
        (direction, "feed/mod.rs", "use super::graphql;", "mod.rs:1: `feed` must not know `graphql`"),
        (
            direction,
            "task/expiry.rs",
            "use super::super::{feed::Ring, store};",
            "expiry.rs:1: `task` must not know `feed`",
        ),
        (direction, "main.rs", "use claimcheck::{cli, store};", "main.rs:1: `main` must not know `store`"),
        (direction, "domain/x.rs", "pub(in crate::graphql) fn f() {}", "x.rs:1: `domain` must not know `graphql`"),
        (direction, "cache/mod.rs", "", "mod.rs:1: `cache` has no row in the table of directions"),
        (foreign, "domain/x.rs", "fn f() -> async_graphql::ID {}", "x.rs:1: `domain` must not know `async_graphql`"),
        (foreign, "graphql/x.rs", "use axum::Router;", "x.rs:1: `graphql` must not know `axum`"),
        (environment, "store/mod.rs", "fn f() { std::env::var(\"A\"); }", "mod.rs:1: `std::env` is for config.rs"),
        (environment, "cli/serve.rs", "use std::{\n    env,\n    fs,\n};", "serve.rs:2: `std::env` is for config.rs"),
        (spawns, "feed/tail.rs", "\n\ntokio::spawn(async {});", "tail.rs:3: tasks are started in service.rs"),
        (length, "a.rs", &long, "a.rs:421: longer than 420 lines without a `// long because …` near its top"),
        (purpose, "a.rs", "use std::fs;", "a.rs:1: no `//!` says what it is for"),
        (drawers, "domain/utils.rs", "", "utils.rs:1: `utils` says nothing of what is in it"),
        (drawers, "a.rs", "\nmod helpers {}", "a.rs:2: `helpers` says nothing of what is in it"),
        (frozen, "m1.rs", "use claimcheck::entity::order;", "m1.rs:1: a migration must not know the live crate"),
        (unlisted, "a.rs", "  #[test]\nfn f() {}", "a.rs:1: never runs: name it in `tests()` instead"),
        (
            unlisted,
            "a.rs",
            "#[tokio::test(flavor = \"multi_thread\")]",
            "a.rs:1: never runs: name it in `tests()` instead",
        ),
        (naps, "a.rs", "use tokio::time::sleep;", "a.rs:1: wait for what must happen, not for a while"),
    ];
    for (rule, path, text, expected) in breaches {
        let found = rule(&made_up(path, text));
        assert!(found.len() == 1 && found.iter().all(|found| found.ends_with(expected)), "{path}: {text}\n{found:?}");
    }
}

fn what_is_allowed_is_no_breach() {
    let innocent = r##"//! Knows nothing of crate::http.
// long because nothing: tokio::spawn, std::env
use crate::{clock::Clock, entity::order, store::{Tx, journal}};
use super::actor::Actor;
/* crate::graphql /* crate::feed */ axum */
const TEXT: &str = "crate::http \" std::env claimcheck";
const RAW: &str = r#"crate::http "quoted" tokio::spawn"#;
fn of<'a>(quote: char, text: &'a str) -> bool { quote == '"' && text == "#[test] mod utils" || quote == '\'' }
fn respawn(crates: u8, recrate: u8) {}
#[cfg(test)]
mod tests { use super::*; }
"##;
    let file = made_up("domain/order/place.rs", innocent);
    for rule in [direction, foreign, environment, spawns, length, purpose, drawers, frozen, unlisted, naps] {
        assert_none(&rule(&file));
    }
}
