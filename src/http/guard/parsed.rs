//! Documents that were parsed lately: clients send the same few over and over, and parsing one costs several times a copy of it.
//!
//! What is kept depends on the text alone, so that every service of the process may share it. What does not parse is not kept.

use std::sync::LazyLock;

use async_graphql::parser::{self, types::ExecutableDocument};
use moka::sync::Cache;

/// Bytes that all kept documents may take.
const ROOM: u64 = 64 << 20;
/// Bytes of a document for each of its text, at the worst: a field may be one letter.
const BYTES_PER_BYTE: u32 = 256;

static PARSED: LazyLock<Cache<String, ExecutableDocument>> = LazyLock::new(|| {
    let weigh = |text: &String, _: &ExecutableDocument| {
        u32::try_from(text.len()).unwrap_or(u32::MAX).saturating_mul(BYTES_PER_BYTE)
    };
    Cache::builder().weigher(weigh).max_capacity(ROOM).build()
});

/// The document that `text` is.
pub fn parsed(text: &str) -> parser::Result<ExecutableDocument> {
    if let Some(known) = PARSED.get(text) {
        return Ok(known);
    }
    let document = parser::parse_query(text)?;
    PARSED.insert(text.to_owned(), document.clone());
    Ok(document)
}
