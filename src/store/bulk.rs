//! Writing many rows in one statement, column by column.
//!
//! A hundred thousand units differ in a few columns and agree in the rest. Here the differing columns are passed as one value each (an
//! array on PostgreSQL, one blob of fixed-width cells on SQLite, which has no arrays) and the agreeing ones once, so that neither the text
//! of the statement nor its parameters grow with the rows.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{
    ConnectionTrait, DbBackend, Value,
    sea_query::{ArrayType, Expr, SimpleExpr, UpdateStatement},
};
use uuid::Uuid;

use super::{Error, Tx};

/// Rows a statement takes at the most: enough to make round trips cheap, few enough to bound the memory of a statement.
const ROWS: usize = 20_000;
/// The widest moment in SQLite's text, `2026-11-22T07:52:34.123456+00:00`.
const MOMENT: usize = 32;

/// What stands for no moment where an array is bound, which can have no nulls: a second before the year 1.
const NO_MOMENT: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_801, 0) {
    Some(moment) => moment,
    None => DateTime::UNIX_EPOCH,
};

/// The values of one column over all rows.
pub enum Column {
    /// The same in every row.
    Same(Value),
    /// An id a row, or none.
    Ids(Vec<Option<Uuid>>),
    /// So many bytes a row, one row after the other.
    Bytes(usize, Vec<u8>),
    /// So many ASCII characters a row, one row after the other.
    Ascii(usize, String),
    /// A moment a row, or none.
    Moments(Vec<Option<DateTime<Utc>>>),
    /// A number a row.
    Numbers(Vec<i64>),
}

impl Column {
    /// An id in every row.
    pub fn ids<I: Into<Uuid>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::Ids(ids.into_iter().map(|id| Some(id.into())).collect())
    }

    /// The same value in every row.
    pub fn same(value: impl Into<Value>) -> Self {
        Self::Same(value.into())
    }
}

/// Inserts `rows` rows into `table`; every differing column has a cell for each.
pub async fn insert(tx: &Tx, table: &str, rows: usize, columns: &[(&'static str, Column)]) -> Result<(), Error> {
    let mut from = 0;
    while from < rows {
        let until = rows.min(from + ROWS);
        let write = if tx.backend() == DbBackend::Postgres { postgres } else { sqlite };
        let (sql, values) = write(table, columns, from, until);
        tx.execute(&sql, values).await?;
        from = until;
    }
    Ok(())
}

/// Runs `update` over the rows whose `id` is one of `ids`; how many it changed.
pub async fn update(tx: &Tx, update: &UpdateStatement, ids: &[Uuid]) -> Result<u64, Error> {
    let mut changed = 0;
    for portion in ids.chunks(ROWS) {
        let mut update = update.clone();
        update.and_where(one_of(tx.backend(), portion));
        changed += tx.connection().await?.execute(&update).await?.rows_affected();
    }
    Ok(changed)
}

fn one_of(backend: DbBackend, ids: &[Uuid]) -> SimpleExpr {
    if backend == DbBackend::Postgres {
        let ids = ids.iter().map(|id| (*id).into()).collect();
        return Expr::cust_with_values("id = ANY($1)", [Value::Array(ArrayType::Uuid, Some(Box::new(ids)))]);
    }
    let cells: Vec<u8> = ids.iter().flat_map(|id| id.into_bytes()).collect();
    let rows = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    Expr::cust_with_values(
        "id IN (WITH RECURSIVE row (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM row WHERE n + 1 < ?) \
         SELECT substr(?, n * 16 + 1, 16) FROM row)",
        [Value::from(rows), Value::from(cells)],
    )
}

fn names(columns: &[(&'static str, Column)]) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn postgres(table: &str, columns: &[(&'static str, Column)], from: usize, until: usize) -> (String, Vec<Value>) {
    let (mut select, mut arrays, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    let mut values = Vec::new();
    for (name, column) in columns {
        // An array is bound without nulls, so that none is a value that no row has.
        let mut array = |kind: &str, of: ArrayType, items: Vec<Value>, none: Option<&str>| {
            values.push(Value::Array(of, Some(Box::new(items))));
            arrays.push(format!("${}::{kind}[]", values.len()));
            cells.push(format!("c_{name}"));
            select.push(none.map_or_else(|| format!("c_{name}"), |none| format!("nullif(c_{name}, '{none}')")));
        };
        match column {
            Column::Same(value) => {
                values.push(value.clone());
                select.push(format!("${}", values.len()));
            }
            Column::Ids(ids) => {
                let ids = cut(ids, from, until);
                let none = ids.iter().any(Option::is_none).then_some("00000000-0000-0000-0000-000000000000");
                array("uuid", ArrayType::Uuid, ids.iter().map(|id| id.unwrap_or_default().into()).collect(), none);
            }
            Column::Bytes(width, bytes) => {
                let items = cut(bytes, from * width, until * width).chunks(*width).map(|cell| cell.to_vec().into());
                array("bytea", ArrayType::Bytes, items.collect(), None);
            }
            Column::Ascii(width, text) => {
                let items = cut(text.as_bytes(), from * width, until * width)
                    .chunks(*width)
                    .map(|cell| String::from_utf8_lossy(cell).into_owned().into());
                array("text", ArrayType::String, items.collect(), None);
            }
            Column::Moments(moments) => {
                let moments = cut(moments, from, until);
                let none = moments.iter().any(Option::is_none).then_some("0001-12-31T23:59:59Z BC");
                let items = moments.iter().map(|moment| moment.unwrap_or(NO_MOMENT).into()).collect();
                array("timestamptz", ArrayType::ChronoDateTimeUtc, items, none);
            }
            Column::Numbers(numbers) => {
                let items = cut(numbers, from, until).iter().map(|number| (*number).into()).collect();
                array("bigint", ArrayType::BigInt, items, None);
            }
        }
    }
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM unnest({}) AS row ({})",
        names(columns),
        select.join(", "),
        arrays.join(", "),
        cells.join(", "),
    );
    (sql, values)
}

fn sqlite(table: &str, columns: &[(&'static str, Column)], from: usize, until: usize) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![i64::try_from(until - from).unwrap_or(i64::MAX).into()];
    let mut select = Vec::new();
    for (_, column) in columns {
        let place = values.len() + 1;
        let cell = |width: usize| format!("substr(${place}, n * {width} + 1, {width})");
        let (value, expression): (Value, String) = match column {
            Column::Same(value) => (value.clone(), format!("${place}")),
            Column::Ids(ids) => {
                let ids = cut(ids, from, until);
                let bytes = ids.iter().flat_map(|id| id.unwrap_or_default().into_bytes()).collect::<Vec<u8>>();
                let optional = ids.iter().any(Option::is_none);
                (bytes.into(), if optional { format!("nullif({}, zeroblob(16))", cell(16)) } else { cell(16) })
            }
            Column::Bytes(width, bytes) => (cut(bytes, from * width, until * width).to_vec().into(), cell(*width)),
            // As a blob, for SQLite walks a text from its beginning to find its nth character.
            Column::Ascii(width, text) => {
                let bytes = cut(text.as_bytes(), from * width, until * width).to_vec();
                (bytes.into(), format!("CAST({} AS TEXT)", cell(*width)))
            }
            Column::Moments(moments) => {
                let text = cut(moments, from, until).iter().fold(String::new(), |mut text, moment| {
                    // The spelling that sqlx gives a bound moment, so that all compare alike.
                    let moment = moment.map(|moment| moment.to_rfc3339_opts(SecondsFormat::AutoSi, false));
                    let _ = write!(text, "{:MOMENT$}", moment.unwrap_or_default());
                    text
                });
                (text.into_bytes().into(), format!("nullif(rtrim(CAST({} AS TEXT)), '')", cell(MOMENT)))
            }
            Column::Numbers(numbers) => {
                let bytes = cut(numbers, from, until).iter().fold(String::new(), |mut text, number| {
                    let _ = write!(text, "{number:20}");
                    text
                });
                (bytes.into_bytes().into(), format!("CAST(trim(CAST({} AS TEXT)) AS INTEGER)", cell(20)))
            }
        };
        values.push(value);
        select.push(expression);
    }
    let sql = format!(
        "WITH RECURSIVE row (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM row WHERE n + 1 < $1) \
         INSERT INTO {table} ({}) SELECT {} FROM row",
        names(columns),
        select.join(", "),
    );
    (sql, values)
}

fn cut<T>(items: &[T], from: usize, until: usize) -> &[T] {
    items.get(from..until).unwrap_or_default()
}
