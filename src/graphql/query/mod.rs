//! The query root, in parts that the schema joins.

mod list;
mod record;
mod search;

use async_graphql::MergedObject;

/// What can be asked. A record that does not exist and one that is not yours answer alike: null, or an empty list.
#[derive(MergedObject, Default)]
pub struct Query(record::Records, list::Lists, search::Search);
