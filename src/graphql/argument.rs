//! Arguments that are ids: read once, refused in one way.
//!
//! A malformed id, or one of another kind, is a mistake of whoever wrote the query, and is told so. An id that reads well and names nothing
//! the caller may see is not: it answers null, or matches nothing.

use async_graphql::ID;

use super::error::Fault;
use crate::id::RecordId;

/// Reads the id that was given as `argument`.
pub fn id<T: RecordId>(text: &ID, argument: &str) -> Result<T, Fault> {
    let bad = |_| {
        Fault::BadInput(format!(
            "`{argument}` must be an id that begins with `{0}_`, as `{0}_01h455vb4pex5vsknk084sn02q`.",
            T::PREFIX
        ))
    };
    text.parse().map_err(bad)
}

/// The same, where it may be left out.
pub fn optional<T: RecordId>(text: Option<&ID>, argument: &str) -> Result<Option<T>, Fault> {
    text.map(|text| id(text, argument)).transpose()
}

/// Text that is looked up. What no record can have (PostgreSQL stores no NUL) becomes what none has: nothing at all.
pub fn text(text: String) -> String {
    if text.contains('\0') { String::new() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::OrderId;

    #[test]
    fn an_id_of_another_kind_is_refused_by_the_argument_s_name() {
        let refused = id::<OrderId>(&ID::from("chn_01h455vb4pex5vsknk084sn02q"), "filter.orderId");
        assert!(
            matches!(refused, Err(Fault::BadInput(message)) if message.contains("`filter.orderId`") && message.contains("ord_"))
        );
        assert!(id::<OrderId>(&ID::from("ord_01h455vb4pex5vsknk084sn02q"), "id").is_ok());
    }
}
