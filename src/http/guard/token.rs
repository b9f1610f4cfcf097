//! Counts a document's tokens and the nesting of its brackets in one pass over the text, without allocating.
//!
//! It only has to agree with the grammar about where tokens end, not about which may follow which: on text that is no
//! GraphQL the count is of no interest, for the parser refuses it.

use async_graphql::ServerError;

use super::{NESTING, QUERY_TOO_COMPLEX, refusal};

/// Names are quoted in errors and in the log; nobody has one like this.
const LONGEST_NAME: usize = 255;

/// Refuses a document of too many tokens, too deep a nesting or too long a name, so that the parser never sees one that
/// it would suffer from.
pub fn scan(text: &str, most: usize) -> Result<(), ServerError> {
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut open) = (0_usize, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let (length, is_token) = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => (1, false),
            b'#' => (run(rest, |byte| !matches!(byte, b'\r' | b'\n')), false),
            b'"' => (string(rest), true),
            b'0'..=b'9' | b'-' => {
                (run(rest, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.')), true)
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => (run(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'_'), true),
            b'.' => (rest.iter().take(3).take_while(|byte| **byte == b'.').count(), true),
            _ => (1, true),
        };
        match byte {
            b'{' | b'(' | b'[' => open += 1,
            b'}' | b')' | b']' => open = open.saturating_sub(1),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' if length > LONGEST_NAME => {
                return Err(refusal(QUERY_TOO_COMPLEX, format!("A name is longer than {LONGEST_NAME} characters.")));
            }
            _ => {}
        }
        at += length;
        tokens += usize::from(is_token);
        if tokens > most {
            return Err(refusal(QUERY_TOO_COMPLEX, format!("The document has more than {most} tokens.")));
        }
        if open > NESTING {
            return Err(refusal(QUERY_TOO_COMPLEX, format!("The document nests more than {NESTING} brackets.")));
        }
    }
    Ok(())
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| belongs(**byte)).count().max(1)
}

/// The length of the string or block string that `bytes` begin with; one that never ends takes the rest.
fn string(bytes: &[u8]) -> usize {
    let block = bytes.starts_with(b"\"\"\"");
    let mut at = if block { 3 } else { 1 };
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        at += match rest {
            [b'\\', b'"', b'"', b'"', ..] if block => 4,
            [b'"', b'"', b'"', ..] if block => return at + 3,
            [b'\\', _, ..] if !block => 2,
            [b'"' | b'\n' | b'\r', ..] if !block => return at + 1,
            _ => 1,
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_as_the_grammar_has_them() {
        let count = |text: &str| (0..100).find(|most| scan(text, *most).is_ok());
        assert_eq!(count("{ a, b # c d e\n }"), Some(4));
        assert_eq!(count(r#"{ a(b: "x } \" y", c: -1.5e+3) ...F }"#), Some(13));
        assert_eq!(count("\"\"\" { \\\"\"\" { \"\"\" a"), Some(2));
        assert_eq!(count("query($x: [Int!]! = 3) { a }"), Some(16));
        assert_eq!(count("\u{feff}\"never ends {"), Some(4), "a byte order mark counts three, which harms nobody");
    }

    #[test]
    fn a_name_has_an_end() {
        assert!(scan(&format!("{{ {} }}", "a".repeat(255)), 10).is_ok());
        assert!(scan(&format!("{{ {} }}", "a".repeat(256)), 10).is_err());
    }
}
