//! Pages: Relay connections, once for all lists.
//!
//! A page is asked for by `first` and `after`, or from the end by `last` and `before`; both are read, checked and limited here and nowhere
//! else. A list is in the order its records were made; an edge's cursor is its node's own id, or, in the journal, a journal cursor. Whether
//! there is more on either side is found out by the same statement. `totalCount` is counted only where it is selected.

use std::borrow::Cow;

use async_graphql::{Context, Object, OutputType, SimpleObject, TypeName};
use sea_orm::{Order, Value};
use uuid::Uuid;

use super::{
    error::Fault,
    list::Listing,
    loader::nested::{CountOf, PageOf},
    session::Session,
};
use crate::{config::LARGEST_PAGE, id::RecordId};

/// The size of a page for whoever names none.
pub const DEFAULT_SIZE: u32 = 20;
/// What an unpaged list counts in a query's complexity.
const UNPAGED: usize = 10;
/// The size of a list of the newest where none is given.
const NEWEST: i32 = 100;

/// A node of a connection.
pub trait Listed: OutputType + Clone + Send + Sync + 'static {
    /// What its list is ordered by.
    type Key: Copy + Ord + std::hash::Hash + Into<Value> + std::fmt::Debug + Send + Sync + 'static;

    /// Its place in the list.
    fn key(&self) -> Self::Key;

    /// The text that leads back to this place.
    fn cursor(&self, session: &Session) -> String;

    /// The place that a cursor names; `argument` is where it was given.
    fn place(
        text: &str,
        argument: &'static str,
        session: &Session,
    ) -> impl Future<Output = Result<Self::Key, Fault>> + Send;
}

/// The place that a record's id names in a list of its kind.
pub fn place_of<T: RecordId>(text: &str, argument: &'static str) -> Result<Uuid, Fault> {
    let bad = |_| {
        Fault::BadInput(format!(
            "`{argument}` is not a cursor of this list: pass an edge's `cursor`, `startCursor` or `endCursor` as it was given."
        ))
    };
    text.parse().map(T::uuid).map_err(bad)
}

/// The part of a list that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slice<K> {
    pub size: u32,
    /// Whether the page is the end of what is left, not the beginning.
    pub backward: bool,
    pub after: Option<K>,
    pub before: Option<K>,
    /// Whether to find out if there is something on the side that the page comes from.
    pub behind: bool,
}

impl<K> Slice<K> {
    /// The last `size` of a list.
    pub fn newest(size: u32) -> Self {
        Self { size, backward: true, after: None, before: None, behind: false }
    }

    /// The order in which it is walked.
    pub fn order(&self) -> Order {
        if self.backward { Order::Desc } else { Order::Asc }
    }

    /// The other one.
    pub fn reverse(&self) -> Order {
        if self.backward { Order::Asc } else { Order::Desc }
    }
}

/// The nodes of a page, in the order of the list.
#[derive(Debug, Clone)]
pub struct Page<N> {
    pub nodes: Vec<N>,
    pub has_next: bool,
    pub has_previous: bool,
}

impl<N> Default for Page<N> {
    fn default() -> Self {
        Self { nodes: Vec::new(), has_next: false, has_previous: false }
    }
}

impl<N: Listed> Page<N> {
    /// The page made of what was read for `slice`: one row more than asked for says that there are more, one from behind likewise.
    pub fn of(mut nodes: Vec<N>, slice: &Slice<N::Key>) -> Self {
        nodes.sort_by_key(Listed::key);
        let size = slice.size as usize;
        if slice.backward {
            let within = nodes.iter().take_while(|node| slice.before.is_none_or(|before| node.key() < before)).count();
            let behind = nodes.len() > within;
            nodes.truncate(within);
            let more = nodes.len().saturating_sub(size);
            nodes.drain(..more);
            Self { nodes, has_next: behind, has_previous: more > 0 }
        } else {
            let behind = nodes.iter().take_while(|node| slice.after.is_some_and(|after| node.key() <= after)).count();
            nodes.drain(..behind);
            let more = nodes.len() > size;
            nodes.truncate(size);
            Self { nodes, has_next: more, has_previous: behind > 0 }
        }
    }
}

/// The arguments of a connection, as they came.
#[derive(Debug, Default)]
pub struct Arguments {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

impl Arguments {
    /// The size that was asked for, of those up to `largest`, and whether it is meant from the end.
    fn size(&self, largest: u32) -> Result<(u32, bool), Fault> {
        match (self.first, self.last) {
            (Some(_), Some(_)) => Err(Fault::BadInput(
                "`first` and `last` cannot be given together: use `first` with `after` to go forward, or `last` with `before` to go back."
                    .to_owned(),
            )),
            (Some(first), None) => Ok((size("first", first, largest)?, false)),
            (None, Some(last)) => Ok((size("last", last, largest)?, true)),
            (None, None) => Ok((largest.min(DEFAULT_SIZE), self.before.is_some() && self.after.is_none())),
        }
    }

    /// The slice they ask for in a list of `N`.
    pub async fn slice<N: Listed>(&self, session: &Session) -> Result<Slice<N::Key>, Fault> {
        let (size, backward) = self.size(session.largest_page)?;
        let after = match &self.after {
            Some(text) => Some(N::place(text, "after", session).await?),
            None => None,
        };
        let before = match &self.before {
            Some(text) => Some(N::place(text, "before", session).await?),
            None => None,
        };
        Ok(Slice { size, backward, after, before, behind: false })
    }
}

fn size(argument: &str, asked: i32, largest: u32) -> Result<u32, Fault> {
    let bad = || {
        Fault::BadInput(format!(
            "`{argument}` must be between 0 and {largest}, and {asked} is not: take smaller pages and follow `pageInfo`."
        ))
    };
    u32::try_from(asked).ok().filter(|size| *size <= largest).ok_or_else(bad)
}

/// The size of the first page, of a list that has no other.
pub fn first(session: &Session, first: Option<i32>) -> Result<u32, Fault> {
    let (size, _) = Arguments { first, ..Arguments::default() }.size(session.largest_page)?;
    Ok(size)
}

/// The size of a list of the newest. Its default is in the schema, and stands for less where that is too much.
fn newest(session: &Session, first: Option<i32>) -> Result<u32, Fault> {
    let largest = session.largest_page;
    let given = first.filter(|first| *first != NEWEST);
    given.map_or(Ok(largest.min(NEWEST.unsigned_abs())), |first| size("first", first, largest))
}

/// What a page counts in a query's complexity. One that is larger than any may be is refused when it is asked for.
pub fn cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let size = first.or(last).and_then(|size| u32::try_from(size).ok()).unwrap_or(DEFAULT_SIZE);
    // One of size 0 is asked for as well, for its `totalCount`.
    times(if size > LARGEST_PAGE { 1 } else { size.max(1) as usize }, child)
}

/// What so many records count. It ends below what a sum of it over the largest document would overflow with: the library adds as it comes.
pub fn times(records: usize, child: usize) -> usize {
    records.saturating_mul(child).saturating_add(1).min(1 << 40)
}

/// What a list of the newest counts: as one without pages where its size is the default, for most are short.
pub fn newest_cost(first: Option<i32>, child: usize) -> usize {
    if first.is_none_or(|first| first == NEWEST) { unpaged(child) } else { cost(first, None, child) }
}

/// What a list without pages counts in a query's complexity.
pub fn unpaged(child: usize) -> usize {
    times(UNPAGED, child)
}

/// A page of a list that stands by itself.
pub async fn connect<L: Listing>(
    ctx: &Context<'_>,
    arguments: Arguments,
    list: L,
) -> Result<Connection<L::Node>, Fault> {
    let session = Session::of(ctx);
    let slice = slice_for::<L>(ctx, &arguments).await?;
    let page = session.reader().page(&list, &slice).await?;
    let total = if selected(ctx, "totalCount") { Some(session.reader().count(&list).await?) } else { None };
    Ok(Connection { page, total })
}

/// A page of the list that `parent` has, read together with those of its siblings.
pub async fn connect_within<L: Listing>(
    ctx: &Context<'_>,
    arguments: Arguments,
    parent: impl RecordId,
    list: L,
) -> Result<Connection<L::Node>, Fault> {
    let session = Session::of(ctx);
    let slice = slice_for::<L>(ctx, &arguments).await?;
    let parent = parent.uuid();
    let total = selected(ctx, "totalCount");
    let page = session.load(PageOf { parent, list: list.clone(), slice }).await?.unwrap_or_default();
    let total = if total { session.load(CountOf { parent, list }).await?.or(Some(0)) } else { None };
    Ok(Connection { page, total })
}

/// At most `first` of the list that `parent` has, newest first.
pub async fn newest_within<L: Listing>(
    session: &Session,
    first: Option<i32>,
    parent: impl RecordId,
    list: L,
) -> Result<Vec<L::Node>, Fault> {
    let slice = Slice::newest(newest(session, first)?);
    let page = session.load(PageOf { parent: parent.uuid(), list, slice }).await?.unwrap_or_default();
    Ok(page.nodes.into_iter().rev().collect())
}

async fn slice_for<L: Listing>(
    ctx: &Context<'_>,
    arguments: &Arguments,
) -> Result<Slice<<L::Node as Listed>::Key>, Fault> {
    let slice = arguments.slice::<L::Node>(Session::of(ctx)).await?;
    let info = ctx.look_ahead().field("pageInfo");
    let behind = if slice.backward {
        slice.before.is_some() && info.field("hasNextPage").exists()
    } else {
        slice.after.is_some() && info.field("hasPreviousPage").exists()
    };
    Ok(Slice { behind, ..slice })
}

fn selected(ctx: &Context<'_>, field: &str) -> bool {
    ctx.look_ahead().field(field).exists()
}

/// A page of a list.
pub struct Connection<N: Listed> {
    page: Page<N>,
    total: Option<i64>,
}

impl<N: Listed> TypeName for Connection<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", N::type_name()).into()
    }
}

/// One page of a list, in the order in which its records were made.
#[Object(name_type)]
impl<N: Listed> Connection<N> {
    /// The nodes of this page, each with its cursor.
    async fn edges(&self) -> Vec<Edge<N>> {
        self.page.nodes.iter().cloned().map(Edge).collect()
    }

    /// The nodes of this page, for whoever needs no cursor of each.
    async fn nodes(&self) -> &[N] {
        &self.page.nodes
    }

    /// Where this page lies in the list.
    async fn page_info(&self, ctx: &Context<'_>) -> PageInfo {
        let cursor = |node: &N| node.cursor(Session::of(ctx));
        PageInfo {
            has_next_page: self.page.has_next,
            has_previous_page: self.page.has_previous,
            start_cursor: self.page.nodes.first().map(cursor),
            end_cursor: self.page.nodes.last().map(cursor),
        }
    }

    /// How many nodes the whole list has, whatever the page. Counted only when it is selected, which costs more the longer the list is.
    async fn total_count(&self) -> Option<i32> {
        self.total.map(|total| i32::try_from(total).unwrap_or(i32::MAX))
    }
}

/// A node with its place in a list.
pub struct Edge<N: Listed>(N);

impl<N: Listed> TypeName for Edge<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", N::type_name()).into()
    }
}

/// A node with its place in a list.
#[Object(name_type)]
impl<N: Listed> Edge<N> {
    /// Leads back to this place: pass it as `after` or `before`.
    async fn cursor(&self, ctx: &Context<'_>) -> String {
        self.0.cursor(Session::of(ctx))
    }

    /// What is there.
    async fn node(&self) -> &N {
        &self.0
    }
}

/// Where a page lies in its list.
#[derive(Debug, Clone, SimpleObject)]
pub struct PageInfo {
    /// Whether more nodes come after this page: continue with `after: endCursor`.
    pub has_next_page: bool,
    /// Whether there are nodes before this page: go back with `before: startCursor`.
    pub has_previous_page: bool,
    /// The cursor of the first node. Null on an empty page.
    pub start_cursor: Option<String>,
    /// The cursor of the last node. Null on an empty page.
    pub end_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ChannelId, OrderId};

    fn size_of(first: Option<i32>, last: Option<i32>) -> Option<(u32, bool)> {
        Arguments { first, last, ..Arguments::default() }.size(100).ok()
    }

    #[test]
    fn a_page_is_between_none_and_a_hundred_from_one_end() {
        assert_eq!(size_of(None, None), Some((DEFAULT_SIZE, false)));
        assert_eq!(size_of(Some(0), None), Some((0, false)));
        assert_eq!(size_of(Some(100), None), Some((100, false)));
        assert_eq!(size_of(None, Some(7)), Some((7, true)));
        for (first, last) in
            [(Some(-1), None), (Some(101), None), (None, Some(-5)), (None, Some(i32::MAX)), (Some(1), Some(1))]
        {
            assert_eq!(size_of(first, last), None, "{first:?} {last:?}");
        }
    }

    #[test]
    fn a_refused_size_says_what_to_do() {
        let refused = Arguments { first: Some(500), ..Arguments::default() }.size(100);
        assert!(
            matches!(refused, Err(Fault::BadInput(message)) if message.contains("`first`") && message.contains("pageInfo"))
        );
    }

    #[test]
    fn a_cursor_is_an_id_of_the_listed_kind() {
        let id = "ord_01h455vb4pex5vsknk084sn02q";
        assert!(place_of::<OrderId>(id, "after").is_ok());
        for bad in ["", "garbage", "chn_01h455vb4pex5vsknk084sn02q"] {
            assert!(matches!(place_of::<OrderId>(bad, "after"), Err(Fault::BadInput(_))), "{bad}");
        }
        assert!(place_of::<ChannelId>(id, "before").is_err());
    }

    #[test]
    fn a_page_costs_its_size_times_what_a_node_costs() {
        assert_eq!(cost(Some(50), None, 4), 201);
        assert_eq!(cost(None, None, 4), 81);
        assert_eq!(cost(None, Some(i32::MAX), 1), 2, "which is refused");
        assert_eq!(cost(Some(-1), None, 1), 21);
        assert_eq!(cost(Some(10_000), None, usize::MAX), 1 << 40);
    }
}
