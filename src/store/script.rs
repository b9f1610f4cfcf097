//! Writes that are sent together: on PostgreSQL one statement, a common table expression each; on SQLite one script.
//!
//! A round trip costs more than most of what an operation writes. The changes of an operation therefore wait in its transaction until
//! something is read, or until the end, and go with its events. Each of them is a compare-and-set: who did not find what it expected has
//! lost its race, and the script fails. On PostgreSQL it fails as a statement does, with all that it did: it needs no transaction around it.

use std::fmt::Write as _;

use sea_orm::{
    ConnectionTrait, DbBackend, Statement, Value,
    sea_query::{
        InsertStatement, PostgresQueryBuilder, QueryStatementWriter, SqlWriter, SqlWriterValues, SqliteQueryBuilder,
        UpdateStatement,
    },
};

use super::Error;

/// A write that waits.
pub enum Write {
    /// Changes one row, if it still is what was decided on.
    Change(UpdateStatement),
    /// Adds one row.
    Insert(InsertStatement),
}

/// Writes, in the order in which they are made.
pub struct Script {
    writer: SqlWriterValues,
    postgres: bool,
    steps: usize,
    /// The steps that must have found their row.
    guarded: Vec<usize>,
    /// Rows that all steps together change.
    rows: u64,
}

impl Script {
    pub fn new(backend: DbBackend) -> Self {
        let postgres = backend == DbBackend::Postgres;
        // SQLite counts on from statement to statement of a script where its placeholders have no numbers.
        let writer = if postgres { SqlWriterValues::new("$", true) } else { SqlWriterValues::new("?", false) };
        Self { writer, postgres, steps: 0, guarded: Vec::new(), rows: 0 }
    }

    pub fn is_postgres(&self) -> bool {
        self.postgres
    }

    /// Begins a step that changes so many rows; its text follows.
    pub fn step(&mut self, rows: usize) {
        if self.postgres {
            let opening = if self.steps == 0 { "WITH" } else { ")," };
            self.text(&format!("{opening} w{} AS (", self.steps));
        } else if self.steps > 0 {
            self.text("; ");
        }
        self.steps += 1;
        self.rows += u64::try_from(rows).unwrap_or(u64::MAX);
    }

    /// Adds a step that was written before.
    pub fn write(&mut self, write: &Write) {
        self.step(1);
        match write {
            Write::Change(update) => {
                self.built(update);
                if self.postgres {
                    self.text(" RETURNING 1");
                    self.guarded.push(self.steps - 1);
                }
            }
            Write::Insert(insert) => self.built(insert),
        }
    }

    fn built(&mut self, statement: &impl QueryStatementWriter) {
        if self.postgres {
            statement.build_collect_into(PostgresQueryBuilder, &mut self.writer);
        } else {
            statement.build_collect_into(SqliteQueryBuilder, &mut self.writer);
        }
    }

    /// Writes text as it is.
    pub fn text(&mut self, text: &str) {
        // Writing to memory cannot fail.
        let _ = self.writer.write_str(text);
    }

    /// Writes a value.
    pub fn value(&mut self, value: Value) {
        if self.postgres {
            self.writer.push_param(value, &PostgresQueryBuilder);
        } else {
            self.writer.push_param(value, &SqliteQueryBuilder);
        }
    }

    /// Writes rows of values: `(…), (…)`.
    pub fn rows<const N: usize>(&mut self, rows: impl IntoIterator<Item = [Value; N]>) {
        for (place, row) in rows.into_iter().enumerate() {
            self.text(if place == 0 { "(" } else { ", (" });
            for (place, cell) in row.into_iter().enumerate() {
                if place > 0 {
                    self.text(", ");
                }
                self.value(cell);
            }
            self.text(")");
        }
    }

    /// Runs it, if there is anything in it. A row that was not as expected is a lost race.
    pub async fn run(mut self, connection: &impl ConnectionTrait) -> Result<(), Error> {
        if self.steps == 0 {
            return Ok(());
        }
        if self.postgres {
            let counts = self.guarded.iter().map(|step| format!(" + (SELECT count(*) FROM w{step})"));
            let (sum, expected) = (counts.collect::<String>(), self.guarded.len());
            // Nothing but an error undoes what a statement has done by then: see `MISSED`.
            self.text(&format!(") SELECT 1 / (0{sum} = {expected})::int"));
            connection.execute_raw(self.statement(DbBackend::Postgres)).await?;
            return Ok(());
        }
        let rows = self.rows;
        let done = connection.execute_raw(self.statement(DbBackend::Sqlite)).await?;
        if done.rows_affected() == rows {
            Ok(())
        } else {
            Err(Error::Conflict("a record that changed meanwhile".to_owned()))
        }
    }

    fn statement(self, backend: DbBackend) -> Statement {
        let (sql, values) = self.writer.into_parts();
        Statement { sql, values: Some(values), db_backend: backend }
    }
}
