//! Pages of lists, of one or of many parents.
//!
//! Every list goes through here. Parents that ask for the same slice of the same list are answered by one statement, in which each has a
//! page of its own: ten units of each of fifty lines are ten times fifty rows, however long the lines are.

use std::{collections::HashMap, hash::Hash};

use async_graphql::dataloader::Loader;
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::{Found, Reader};
use crate::graphql::{
    error::Fault,
    list::{Listing, Sql},
    page::{Listed, Page, Slice},
};

/// A page of the list that a record has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageOf<L, K> {
    pub parent: Uuid,
    pub list: L,
    pub slice: Slice<K>,
}

/// What a list is ordered by.
type Key<L> = <<L as Listing>::Node as Listed>::Key;

/// How long the list is that a record has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CountOf<L> {
    pub parent: Uuid,
    pub list: L,
}

/// A row with the parent it was asked for by.
struct Child<M> {
    parent: Uuid,
    row: M,
}

impl<M: FromQueryResult> FromQueryResult for Child<M> {
    fn from_query_result(result: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self { parent: result.try_get("", "parent_key")?, row: M::from_query_result(result, prefix)? })
    }
}

#[derive(FromQueryResult)]
struct Count {
    rows: i64,
}

impl Reader {
    /// A page of a list that stands by itself.
    pub async fn page<L: Listing>(&self, list: &L, slice: &Slice<Key<L>>) -> Result<Page<L::Node>, Fault> {
        let mut sql = Sql::new(self.db.backend());
        list.rows(&self.scope).page(&mut sql, slice);
        let rows: Vec<L::Row> = self.all(sql.finish()).await?;
        Ok(Page::of(rows.into_iter().map(L::Node::from).collect(), slice))
    }

    /// How long such a list is.
    pub async fn count<L: Listing>(&self, list: &L) -> Result<i64, Fault> {
        let mut sql = Sql::new(self.db.backend());
        list.rows(&self.scope).count(&mut sql);
        let counts: Vec<Count> = self.all(sql.finish()).await?;
        Ok(counts.first().map_or(0, |count| count.rows))
    }
}

impl<L: Listing> Loader<PageOf<L, Key<L>>> for Reader {
    type Value = Page<L::Node>;
    type Error = Fault;

    async fn load(&self, keys: &[PageOf<L, Key<L>>]) -> Found<PageOf<L, Key<L>>, Self::Value> {
        let mut pages = HashMap::with_capacity(keys.len());
        for ((list, slice), parents) in alike(keys, |key| ((key.list.clone(), key.slice), key.parent)) {
            let mut sql = Sql::new(self.db.backend());
            list.rows(&self.scope).pages(&mut sql, &parents, &slice);
            let children: Vec<Child<L::Row>> = self.all(sql.finish()).await?;
            let mut nodes: HashMap<Uuid, Vec<L::Node>> = HashMap::with_capacity(parents.len());
            for child in children {
                nodes.entry(child.parent).or_default().push(child.row.into());
            }
            for (parent, nodes) in nodes {
                pages.insert(PageOf { parent, list: list.clone(), slice }, Page::of(nodes, &slice));
            }
        }
        Ok(pages)
    }
}

impl<L: Listing> Loader<CountOf<L>> for Reader {
    type Value = i64;
    type Error = Fault;

    async fn load(&self, keys: &[CountOf<L>]) -> Found<CountOf<L>, Self::Value> {
        let mut counts = HashMap::with_capacity(keys.len());
        for (list, parents) in alike(keys, |key| (key.list.clone(), key.parent)) {
            let mut sql = Sql::new(self.db.backend());
            list.rows(&self.scope).counts(&mut sql, &parents);
            let counted: Vec<Child<Count>> = self.all(sql.finish()).await?;
            let entries =
                counted.into_iter().map(|child| (CountOf { parent: child.parent, list: list.clone() }, child.row.rows));
            counts.extend(entries);
        }
        Ok(counts)
    }
}

/// The parents that ask the same, for each thing that is asked.
fn alike<K, Q: Eq + Hash>(keys: &[K], split: impl Fn(&K) -> (Q, Uuid)) -> HashMap<Q, Vec<Uuid>> {
    let mut groups: HashMap<Q, Vec<Uuid>> = HashMap::new();
    for (question, parent) in keys.iter().map(split) {
        groups.entry(question).or_default().push(parent);
    }
    groups
}
