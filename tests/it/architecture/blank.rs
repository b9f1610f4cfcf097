//! Rust text without what is no code.
//!
//! Comments and the insides of literals become spaces, so that every other character keeps its line. Good enough for reading paths; no
//! parser.

/// `text` with its comments and literals blanked out.
pub fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if let Some(hashes) = raw(rest).filter(|_| !out.ends_with(in_word)) {
            raw_text(rest, hashes)
        } else if first == '"' {
            1 + quoted(rest.get(1..).unwrap_or_default(), '"')
        } else if first == '\'' {
            character(rest)
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        };
        let (gone, left) = rest.split_at(skipped);
        out.extend(gone.chars().map(|symbol| if symbol == '\n' { '\n' } else { ' ' }));
        rest = left;
    }
    out
}

/// Whether a symbol may stand in an identifier.
pub fn in_word(symbol: char) -> bool {
    symbol.is_alphanumeric() || symbol == '_'
}

/// The length of a block comment; they nest.
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// How many hashes open a raw string here, if one opens.
fn raw(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.chars().take_while(|symbol| *symbol == '#').count();
    after.get(hashes..)?.starts_with('"').then_some(hashes)
}

fn raw_text(text: &str, hashes: usize) -> usize {
    let start = text.find('"').map_or(text.len(), |quote| quote + 1);
    let end = format!("\"{}", "#".repeat(hashes));
    let inside = text.get(start..).unwrap_or_default();
    inside.find(&end).map_or(text.len(), |length| start + length + end.len())
}

/// The length of what stands before and with the closing `quote`.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, symbol) in text.char_indices() {
        if !escaped && symbol == quote {
            return at + symbol.len_utf8();
        }
        escaped = !escaped && symbol == '\\';
    }
    text.len()
}

/// The length of a character literal; of the quote alone where it begins a lifetime.
fn character(text: &str) -> usize {
    let inside = text.get(1..).unwrap_or_default();
    let mut symbols = inside.chars();
    let (first, second) = (symbols.next(), symbols.next());
    if first == Some('\\') || second == Some('\'') { 1 + quoted(inside, '\'') } else { 1 }
}
