//! The names that a text of code mentions: below a root, above a module, or anywhere.
//!
//! Use trees are followed one level: of `crate::{a::b, c}` it is `a` and `c` that count.

use super::blank::in_word;

/// A name and the line it stands on.
pub struct Named {
    pub name: String,
    pub line: usize,
}

/// The names right below `root`, as `store` in `crate::store::Db`.
pub fn below(text: &str, root: &str) -> Vec<Named> {
    starts(text, root).flat_map(|at| after_colons(text, at + root.len())).collect()
}

/// The names that as many or more `super::` reach as the module is deep: those at the crate's root.
pub fn above(text: &str, depth: usize) -> Vec<Named> {
    let firsts = starts(text, "super").filter(|at| !text.get(..*at).unwrap_or_default().trim_end().ends_with("::"));
    let mut named = Vec::new();
    for first in firsts {
        let mut at = first;
        let mut climbed = 0;
        while text.get(at..).unwrap_or_default().starts_with("super::") {
            at += "super::".len();
            climbed += 1;
        }
        if climbed >= depth {
            named.extend(after_colons(text, at - "::".len()));
        }
    }
    named
}

/// Every place where `word` stands as a word.
pub fn words(text: &str, word: &str) -> Vec<Named> {
    starts(text, word).map(|at| Named { name: word.to_owned(), line: line(text, at) }).collect()
}

/// The modules declared in the text.
pub fn modules(text: &str) -> Vec<Named> {
    let after = |at: usize| text.get(at + "mod".len()..).unwrap_or_default();
    starts(text, "mod")
        .map(|at| Named { name: word(after(at).trim_start()).to_owned(), line: line(text, at) })
        .collect()
}

fn starts<'a>(text: &'a str, sought: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(sought).map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).unwrap_or_default();
        let after = text.get(at + sought.len()..).unwrap_or_default();
        !before.ends_with(in_word) && !after.starts_with(in_word)
    })
}

/// The name after `::`, or the first names of the branches where a tree follows.
fn after_colons(text: &str, at: usize) -> Vec<Named> {
    let Some(rest) = text.get(at..).and_then(|rest| rest.strip_prefix("::")) else { return Vec::new() };
    let start = text.len() - rest.len();
    if !rest.starts_with('{') {
        return vec![Named { name: word(rest).to_owned(), line: line(text, start) }];
    }
    let mut named = Vec::new();
    let mut depth = 0_usize;
    let mut awaits_name = false;
    for (offset, symbol) in rest.char_indices() {
        match symbol {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(symbol, '{' | ',') {
            awaits_name = true;
        } else if awaits_name && in_word(symbol) {
            awaits_name = false;
            let name = word(rest.get(offset..).unwrap_or_default()).to_owned();
            named.push(Named { name, line: line(text, start + offset) });
        }
    }
    named
}

fn word(text: &str) -> &str {
    text.find(|symbol| !in_word(symbol)).and_then(|end| text.get(..end)).unwrap_or(text)
}

fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}
