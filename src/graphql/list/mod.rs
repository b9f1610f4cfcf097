//! Lists: which rows belong to one, in which order, and the statement that reads a page of it.
//!
//! A list is ordered by a unique key (an id, or a position in the journal) and described by *legs*, conditions of which a row of the list
//! meets at least one, each of which can be walked along an index in the order of the key. A page takes at most its size from each leg, so
//! that its cost follows the page and not the table. It is one statement, also when a batch of parents asks for a page of each: then the
//! page is a lateral subquery of the parents. Sizes stand in the text as numbers, for a bound LIMIT makes PostgreSQL plan anew.

pub mod assignment;
pub mod attempt;
pub mod catalog;
pub mod entitlement;
pub mod event;
pub mod exception;
pub mod order;
pub mod reservation;
mod sql;

use std::{collections::BTreeSet, fmt::Debug, hash::Hash};

use async_graphql::ID;
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, FromQueryResult, IdenStatic, Iterable, Value,
    sea_query::{Alias, Expr, ExprTrait, Func, IntoIden, Query, SelectStatement, SimpleExpr},
};
use uuid::Uuid;

pub use self::sql::Sql;
use super::{
    argument,
    error::Fault,
    loader::SubtreeOf,
    page::{Listed, Slice},
    session::Session,
};
use crate::{
    entity::{
        event::Entity as Events,
        scope::{Arms, Scope, Scoped},
    },
    id::{AccountId, PartnerId},
};

/// A subtree of more partners than this is not walked partner by partner.
const MOST_LEGS: usize = 32;

/// A list that can be asked for: as a field of the query, or of every record of a kind, whose id is then `parent.id`.
pub trait Listing: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// A row, as it is read.
    type Row: FromQueryResult + Send;
    /// The node made of it.
    type Node: Listed + From<Self::Row>;

    /// The rows that `scope` may see of it.
    fn rows(&self, scope: &Scope) -> Rows;
}

/// The rows of a list.
#[derive(Clone)]
pub struct Rows {
    source: Source,
    legs: Vec<Condition>,
}

/// The tables that rows are read from, and the column that orders them.
#[derive(Clone, Copy)]
struct Source {
    table: &'static str,
    key: &'static str,
    /// `table.column` for each column of the records: one that a newer version has added is none of ours, and would make PostgreSQL refuse
    /// every statement that it has prepared.
    records: fn() -> String,
    journal: bool,
    along: Option<Along>,
}

/// A record that each row points to and that is read along with it, its columns under a prefix.
#[derive(Clone, Copy)]
pub struct Along {
    pub table: &'static str,
    /// The column that points.
    pub by: &'static str,
    /// `table.column AS prefix_column` for each of its columns.
    pub columns: &'static str,
}

impl Rows {
    /// Rows of a table of records, by their ids.
    pub fn of<E: EntityTrait>(legs: Vec<Condition>) -> Self {
        let table = E::default().table_name();
        Self { source: Source { table, key: "id", records: columns::<E>, journal: false, along: None }, legs }
    }

    /// Entries of the journal, by their positions.
    pub fn of_journal(legs: Vec<Condition>) -> Self {
        let (table, records) = ("journal_positions", columns::<Events>);
        Self { source: Source { table, key: "position", records, journal: true, along: None }, legs }
    }

    /// The same rows, each with the record it points to.
    #[must_use]
    pub fn along(mut self, along: Along) -> Self {
        self.source.along = Some(along);
        self
    }

    /// The statement of one page.
    pub fn page<K: Into<Value> + Copy>(&self, sql: &mut Sql, slice: &Slice<K>) {
        match self.legs.as_slice() {
            [leg] if !slice.behind => {
                sql.select(&self.source.walk(leg, slice, true));
                sql.limit(slice.size + 1);
            }
            legs => {
                sql.select(&self.source.select(true));
                sql.text(&format!(" WHERE {} IN (", self.source.key_text()));
                self.source.keys(sql, legs, slice);
                sql.text(")");
            }
        }
    }

    /// The statement of one page for each of `parents`, with the parent's id as `parent_key`.
    pub fn pages<K: Into<Value> + Copy>(&self, sql: &mut Sql, parents: &[Uuid], slice: &Slice<K>) {
        if sql.is_postgres() {
            sql.text("SELECT parent.id AS parent_key, child.* FROM ");
            sql.parents(parents);
            sql.text(" CROSS JOIN LATERAL (");
            self.page(sql, slice);
            sql.text(") AS child");
        } else {
            sql.text(&format!("SELECT parent.id AS parent_key, {} FROM ", self.source.columns()));
            sql.parents(parents);
            sql.text(&format!(" CROSS JOIN {} WHERE {} IN (", self.source.tables(), self.source.key_text()));
            self.source.keys(sql, &self.legs, slice);
            sql.text(")");
        }
    }

    /// The statement of how many rows there are, as `rows`.
    pub fn count(&self, sql: &mut Sql) {
        let mut select = self.source.select(false);
        let all = self.legs.iter().cloned().fold(Condition::any(), Condition::add);
        let all = if self.legs.is_empty() { Condition::all().add(Expr::cust("1 = 0")) } else { all };
        sql.select(select.expr_as(Expr::cust("count(*)"), "rows").cond_where(all));
    }

    /// The statement of how many rows each of `parents` has.
    pub fn counts(&self, sql: &mut Sql, parents: &[Uuid]) {
        sql.text("SELECT parent.id AS parent_key, (");
        self.count(sql);
        sql.text(") AS rows FROM ");
        sql.parents(parents);
    }
}

/// `table.column` for each column of a record.
fn columns<E: EntityTrait>() -> String {
    let table = E::default().table_name();
    let names = E::Column::iter().map(|column| format!("{table}.{}", column.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

/// `table.column AS prefix_column` for each, where a row has another record's columns beside its own.
fn columns_as<E: EntityTrait>(prefix: &str) -> String {
    let table = E::default().table_name();
    let names =
        E::Column::iter().map(|column| format!("{table}.{column} AS {prefix}{column}", column = column.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

impl Source {
    fn columns(self) -> String {
        match self.along {
            _ if self.journal => format!("journal_positions.position, {}", (self.records)()),
            Some(along) => format!("{}, {}", (self.records)(), along.columns),
            None => (self.records)(),
        }
    }

    fn tables(self) -> String {
        if self.journal {
            return "journal_positions CROSS JOIN events ON events.id = journal_positions.event_id".to_owned();
        }
        match self.along {
            Some(Along { table, by, .. }) => {
                format!("{own} CROSS JOIN {table} ON {table}.id = {own}.{by}", own = self.table)
            }
            None => self.table.to_owned(),
        }
    }

    fn key_text(self) -> String {
        format!("{}.{}", self.table, self.key)
    }

    fn key(self) -> SimpleExpr {
        Expr::col((Alias::new(self.table), Alias::new(self.key)))
    }

    /// All rows, with their columns or with none yet.
    fn select(self, columns: bool) -> SelectStatement {
        let mut select = Query::select();
        select.from(Alias::new(self.table).into_iden());
        if self.journal {
            let event = Expr::col((Alias::new("events"), Alias::new("id")));
            let place = Expr::col((Alias::new("journal_positions"), Alias::new("event_id")));
            select.inner_join(Alias::new("events").into_iden(), event.eq(place));
        }
        if !columns {
            return select;
        }
        if let Some(along) = self.along {
            let (record, pointer) = ((Alias::new(along.table), "id"), (Alias::new(self.table), along.by));
            select.inner_join(Alias::new(along.table).into_iden(), Expr::col(record).eq(Expr::col(pointer)));
        }
        select.expr(Expr::cust(self.columns()));
        select
    }

    /// The rows of a leg within the slice, in the direction of the page.
    fn walk<K: Into<Value> + Copy>(self, leg: &Condition, slice: &Slice<K>, columns: bool) -> SelectStatement {
        let mut select = self.leg(leg, columns);
        if let Some(after) = slice.after {
            select.and_where(self.key().gt(Expr::val(after)));
        }
        if let Some(before) = slice.before {
            select.and_where(self.key().lt(Expr::val(before)));
        }
        select.order_by_expr(self.key(), slice.order());
        select
    }

    /// The rows of a leg that the page has left behind, nearest first.
    fn behind<K: Into<Value> + Copy>(self, leg: &Condition, slice: &Slice<K>) -> Option<SelectStatement> {
        let mut select = self.leg(leg, false);
        if slice.backward {
            select.and_where(self.key().gte(Expr::val(slice.before?)));
        } else {
            select.and_where(self.key().lte(Expr::val(slice.after?)));
        }
        select.order_by_expr(self.key(), slice.reverse());
        Some(select)
    }

    fn leg(self, leg: &Condition, columns: bool) -> SelectStatement {
        let mut select = self.select(columns);
        if !columns {
            select.expr_as(self.key(), "id");
        }
        select.cond_where(leg.clone());
        select
    }

    /// The keys of a page: from each leg as many as the page could take, of which the first are the page; and one of those behind it.
    fn keys<K: Into<Value> + Copy>(self, sql: &mut Sql, legs: &[Condition], slice: &Slice<K>) {
        if legs.is_empty() {
            sql.text("NULL");
            return;
        }
        let take = slice.size + 1;
        let direction = if slice.backward { "DESC" } else { "ASC" };
        sql.text("SELECT id FROM (SELECT id FROM (");
        for (place, leg) in legs.iter().enumerate() {
            sql.text(if place == 0 { "SELECT id FROM (" } else { " UNION SELECT id FROM (" });
            sql.select(&self.walk(leg, slice, false));
            sql.limit(take);
            sql.text(&format!(") AS leg{place}"));
        }
        sql.text(&format!(") AS legs ORDER BY id {direction} LIMIT {take}) AS page"));
        if !slice.behind {
            return;
        }
        for (place, leg) in legs.iter().enumerate() {
            if let Some(select) = self.behind(leg, slice) {
                sql.text(" UNION ALL SELECT id FROM (");
                sql.select(&select);
                sql.limit(1);
                sql.text(&format!(") AS behind{place}"));
            }
        }
    }
}

/// `parent.id`: the parent's id, in a list that belongs to one.
pub fn parent() -> SimpleExpr {
    Expr::cust("parent.id")
}

/// No row.
pub fn nothing() -> SimpleExpr {
    Expr::cust("1 = 0")
}

/// A leg for each way in which `scope` sees rows of `E`, all of which meet `filter`. A subtree is walked partner by partner, so that each
/// leg is one walk along an index.
pub fn scoped<E: Scoped>(scope: &Scope, filter: &Condition) -> Vec<Condition> {
    let single: Vec<Scope> = match scope {
        Scope::Partner { subtree, namespace } if subtree.len() <= MOST_LEGS && !subtree.is_empty() => {
            let one = |partner: &PartnerId| Scope::Partner { subtree: [*partner].into(), namespace: *namespace };
            subtree.iter().map(one).collect()
        }
        Scope::All | Scope::Partner { .. } | Scope::Provisioner { .. } | Scope::Customer { .. } => vec![scope.clone()],
    };
    let mut legs: Vec<SimpleExpr> = Vec::new();
    for scope in &single {
        match E::arms(scope) {
            Arms::All => return vec![filter.clone()],
            Arms::Any(arms) => arms.into_iter().for_each(|arm| {
                if !legs.contains(&arm) {
                    legs.push(arm);
                }
            }),
        }
    }
    legs.into_iter().map(|leg| filter.clone().add(leg)).collect()
}

/// What `scope` sees of `E`, as one condition.
pub fn visible<E: Scoped>(scope: &Scope) -> Condition {
    E::arms(scope).condition()
}

/// A leg for each partner named, of rows that meet `filter`.
pub fn of_partners(column: &SimpleExpr, partners: &[PartnerId], filter: &Condition) -> Vec<Condition> {
    if partners.len() > MOST_LEGS {
        return vec![filter.clone().add(column.clone().is_in(partners.to_vec()))];
    }
    partners.iter().map(|partner| filter.clone().add(column.clone().eq(*partner))).collect()
}

/// What the caller sold, or bought: what a filter that names a channel, a partner or an order is about. Everything it sees, for whoever
/// does neither.
pub fn traded(scope: &Scope, partner: SimpleExpr, bought: impl FnOnce(AccountId) -> SimpleExpr) -> Option<SimpleExpr> {
    match scope {
        Scope::All | Scope::Provisioner { .. } => None,
        Scope::Partner { subtree, .. } => Some(partner.is_in(subtree.to_vec())),
        Scope::Customer { account, .. } => Some(bought(*account)),
    }
}

/// That the account in question, of the namespace in `partner`, is one that the caller may know.
pub fn known(scope: &Scope, account: AccountId, partner: SimpleExpr) -> Option<SimpleExpr> {
    match scope {
        Scope::All | Scope::Provisioner { .. } => None,
        Scope::Partner { namespace, .. } => Some(partner.eq(*namespace)),
        Scope::Customer { account: own, .. } => (*own != account).then(nothing),
    }
}

/// The partners that a filter names: one and those below it. Unknown and foreign ones are none.
pub async fn partners(session: &Session, id: Option<&ID>) -> Result<Option<Vec<PartnerId>>, Fault> {
    let Some(partner) = argument::optional(id, "filter.partnerId")? else { return Ok(None) };
    Ok(Some(session.load(SubtreeOf(partner)).await?.unwrap_or_default()))
}

/// Stored values of an enum's, each once: a list that names one a thousand times is no longer for it.
fn stored<A, B: From<A> + Ord>(values: Option<Vec<A>>) -> Option<Vec<B>> {
    let once = |values: Vec<A>| values.into_iter().map(B::from).collect::<BTreeSet<_>>().into_iter().collect();
    values.map(once)
}

/// An e-mail address that is looked for, whatever its case. The letters of ASCII have two; that is how SQLite sees it, and so PostgreSQL
/// is asked for the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    postgres: bool,
}

impl Address {
    pub fn new(session: &Session, text: &str) -> Self {
        Self { text: text.to_owned(), postgres: session.db.backend() == DbBackend::Postgres }
    }

    /// That it is the one in `column`.
    pub fn is_in(&self, column: impl ColumnTrait) -> SimpleExpr {
        let column = || Expr::col(column.as_column_ref());
        let alike = Expr::expr(Func::lower(column())).eq(Func::lower(Expr::val(self.text.as_str())));
        if !self.postgres {
            return alike;
        }
        let (capital, small) = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz");
        let plain = Func::cust("translate").args([column(), Expr::val(capital), Expr::val(small)]);
        alike.and(Expr::expr(plain).eq(self.text.to_ascii_lowercase()))
    }
}
