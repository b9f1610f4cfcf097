//! A statement being written, in the dialect of the engine it is for.
//!
//! Conditions come from SeaORM's builders, what they cannot say (a lateral page, a list of parents) is text between them; one writer numbers
//! the placeholders of both.

use std::fmt::Write;

use sea_orm::{
    DbBackend, Statement, Value,
    sea_query::{
        ArrayType, PostgresQueryBuilder, QueryBuilder, SelectStatement, SimpleExpr, SqlWriter, SqlWriterValues,
        SqliteQueryBuilder,
    },
};
use uuid::Uuid;

/// Text and values of a statement.
pub struct Sql {
    writer: SqlWriterValues,
    backend: DbBackend,
}

impl Sql {
    pub fn new(backend: DbBackend) -> Self {
        let writer = if backend == DbBackend::Postgres {
            SqlWriterValues::new("$", true)
        } else {
            SqlWriterValues::new("?", false)
        };
        Self { writer, backend }
    }

    pub fn is_postgres(&self) -> bool {
        self.backend == DbBackend::Postgres
    }

    /// Writes text as it is.
    pub fn text(&mut self, text: &str) {
        // Writing to memory cannot fail.
        let _ = self.writer.write_str(text);
    }

    /// Writes a query with its values.
    pub fn select(&mut self, select: &SelectStatement) {
        if self.is_postgres() {
            select.build_collect_into(PostgresQueryBuilder, &mut self.writer);
        } else {
            select.build_collect_into(SqliteQueryBuilder, &mut self.writer);
        }
    }

    /// Writes a condition with its values.
    pub fn condition(&mut self, condition: &SimpleExpr) {
        if self.is_postgres() {
            PostgresQueryBuilder.prepare_expr(condition, &mut self.writer);
        } else {
            SqliteQueryBuilder.prepare_expr(condition, &mut self.writer);
        }
    }

    /// Writes how many rows there may be.
    pub fn limit(&mut self, rows: u32) {
        self.text(&format!(" LIMIT {rows}"));
    }

    /// Writes a table `parent` with the column `id`.
    pub fn parents(&mut self, parents: &[Uuid]) {
        if self.is_postgres() {
            self.text("unnest(");
            let ids: Vec<Value> = parents.iter().map(|id| Value::from(*id)).collect();
            self.writer.push_param(Value::Array(ArrayType::Uuid, Some(Box::new(ids))), &PostgresQueryBuilder);
            self.text("::uuid[]) AS parent(id)");
        } else {
            let ids: Vec<String> = parents.iter().map(|id| format!("\"{}\"", id.simple())).collect();
            self.text("(SELECT unhex(value) AS id FROM json_each(");
            self.writer.push_param(Value::from(format!("[{}]", ids.join(","))), &SqliteQueryBuilder);
            self.text(")) AS parent");
        }
    }

    pub fn finish(self) -> Statement {
        let (sql, values) = self.writer.into_parts();
        Statement { sql, values: Some(values), db_backend: self.backend }
    }
}
