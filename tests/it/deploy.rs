//! What the pages and files for operators say of the program, held against the program.

use std::{collections::BTreeSet, fs, path::Path};

use crate::harness::{Database, Test, both_engines, program::Program, without_database};

pub fn tests() -> Vec<Test> {
    let mut tests = without_database![an_image_is_built_of_what_is_there];
    tests.extend(both_engines![settings_are_those_there_are]);
    tests
}

const README: &str = include_str!("../../README.md");
const OPERATIONS: &str = include_str!("../../deploy/README.md");
const IMAGE: &str = include_str!("../../deploy/Dockerfile");

/// The settings that a text names, but for those of the exporter of spans and of the tests.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|symbol: char| !symbol.is_ascii_uppercase() && symbol != '_');
    let own =
        |word: &&str| word.starts_with("CLAIMCHECK_") && !word.starts_with("CLAIMCHECK_TEST_") && !word.ends_with('_');
    words.filter(|word| *word == "DATABASE_URL" || own(word)).collect()
}

async fn settings_are_those_there_are(database: Database) {
    let shown = Program::over(&database).run(&["config"]).answer();
    let known: BTreeSet<&str> = shown.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    for (page, text) in [
        ("README.md", README),
        ("deploy/README.md", OPERATIONS),
        ("deploy/Dockerfile", IMAGE),
        ("deploy/compose.yaml", include_str!("../../deploy/compose.yaml")),
        ("deploy/claimcheck.service", include_str!("../../deploy/claimcheck.service")),
    ] {
        let named = named(text);
        assert!(named.contains("DATABASE_URL"), "{page}: {named:?}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{page} names what nobody reads: {unknown:?}");
    }
    // A row that names several of one beginning has only the ends of the others; of the limits it has the beginning.
    let end = |name: &str, (at, _): (usize, &str)| format!("`…{}`", name.get(at..).unwrap_or_default());
    let shortened = |name: &str| name.match_indices('_').any(|place| README.contains(&end(name, place)));
    let mut untold = named(&shown);
    untold.retain(|name| !README.contains(*name) && !shortened(name) && !name.starts_with("CLAIMCHECK_MAX_"));
    assert!(untold.is_empty(), "README.md says nothing of {untold:?}");
}

fn an_image_is_built_of_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let taken = fs::read_to_string(root.join(".dockerignore")).expect("what an image is built of");
    let copied = IMAGE.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"));
    let sources: Vec<&str> =
        copied.filter_map(|line| line.rsplit_once(' ').map(|(from, _)| from)).flat_map(str::split_whitespace).collect();
    assert!(sources.len() > 4, "{sources:?}");
    for source in sources {
        assert!(root.join(source).exists(), "{source} is not there");
        assert!(taken.lines().any(|line| line.strip_prefix('!') == Some(source)), "{source} is left out");
    }
}
