//! Writes that are sent together: on PostgreSQL one statement, a common table expression each; on SQLite one script.
//!
//! A round trip costs more than most of what an operation writes. The changes of an operation therefore wait in its transaction until
//! something is read, or until the end, and go with its events. Each of them is a compare-and-set: who did not find what it expected has
//! lost its race, and the script fails. On PostgreSQL it fails as a statement does, with all that it did: it needs no transaction around it.

use std::{collections::HashSet, fmt::Write as _};

use sea_orm::{
    ConnectionTrait, DbBackend, EntityName, EntityTrait, Iden, Iterable, ModelTrait, Statement, Value,
    sea_query::{PostgresQueryBuilder, SqlWriter, SqlWriterValues, SqliteQueryBuilder, UpdateStatement},
};

use super::Error;

/// Writes, in the order in which they are made.
#[derive(Default)]
pub struct Script {
    steps: Vec<Step>,
    /// The records that are changed by it: a statement changes a row once.
    changed: HashSet<String>,
}

enum Step {
    /// Changes one row, if it still is what was decided on.
    Change(Box<UpdateStatement>),
    Insert(Insert),
    /// Anything else that changes one row.
    Other(String),
}

/// Adds rows to a table.
pub struct Insert {
    /// The table, and its columns in parentheses.
    pub into: String,
    pub rows: Vec<Row>,
    /// What follows the rows.
    pub otherwise: &'static str,
}

/// The cells of a row; the first ones may be text.
pub struct Row {
    pub text: String,
    pub values: Vec<Value>,
}

impl<const N: usize> From<[Value; N]> for Row {
    fn from(values: [Value; N]) -> Self {
        Self { text: String::new(), values: values.into() }
    }
}

impl Script {
    /// Adds a change of the row called `record`.
    pub fn change(&mut self, record: String, update: UpdateStatement) {
        self.changed.insert(record);
        self.steps.push(Step::Change(Box::new(update)));
    }

    /// Adds rows, if there are any.
    pub fn insert(&mut self, insert: Insert) {
        if !insert.rows.is_empty() {
            self.steps.push(Step::Insert(insert));
        }
    }

    /// Adds a row.
    pub fn row<M: ModelTrait>(&mut self, model: &M) {
        let columns = || <M::Entity as EntityTrait>::Column::iter();
        let names = columns().map(|column| column.to_string()).collect::<Vec<_>>().join(", ");
        let into = format!("{} ({names})", M::Entity::default().table_name());
        let values = columns().map(|column| model.get(column)).collect();
        self.insert(Insert { into, rows: vec![Row { text: String::new(), values }], otherwise: "" });
    }

    /// Adds a statement that changes one row.
    pub fn other(&mut self, sql: String) {
        self.steps.push(Step::Other(sql));
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many writes it is.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// The records that it changes.
    pub fn changed(&self) -> &HashSet<String> {
        &self.changed
    }

    /// Runs it, if there is anything in it. A row that was not as expected is a lost race.
    pub async fn run(self, connection: &impl ConnectionTrait) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let backend = connection.get_database_backend();
        let done = connection.execute_raw(statement(&[&self], backend)).await?;
        if backend == DbBackend::Postgres || done.rows_affected() == self.rows() {
            Ok(())
        } else {
            Err(Error::Conflict("a record that changed meanwhile".to_owned()))
        }
    }

    /// Rows that it changes.
    fn rows(&self) -> u64 {
        let rows = self.steps.iter().map(|step| match step {
            Step::Change(_) | Step::Other(_) => 1,
            Step::Insert(insert) => insert.rows.len(),
        });
        u64::try_from(rows.sum::<usize>()).unwrap_or(u64::MAX)
    }
}

/// How long a statement of several scripts waits for another's lock before it fails, which is then the affair of one of them.
const LOCKED: &str = "50ms";

/// The statement of a script, or of several that differ in their values alone. On PostgreSQL it fails as a whole where one of its changes
/// finds no row.
pub fn statement(scripts: &[&Script], backend: DbBackend) -> Statement {
    let mut writer = Writer::new(backend);
    let steps = scripts.first().map_or(0, |script| script.len());
    for place in 0..steps {
        let alike = scripts.iter().filter_map(|script| script.steps.get(place));
        let mut rows = 0;
        for step in alike {
            match step {
                Step::Change(update) => writer.change(update),
                Step::Insert(insert) => {
                    if rows == 0 {
                        writer.step();
                        writer.text(&format!("INSERT INTO {} VALUES ", insert.into));
                    }
                    for row in &insert.rows {
                        writer.text(if rows == 0 { "(" } else { ", (" });
                        writer.row(row);
                        rows += 1;
                    }
                }
                Step::Other(sql) => {
                    writer.step();
                    writer.text(sql);
                }
            }
        }
        if let Some(Step::Insert(insert)) = scripts.first().and_then(|script| script.steps.get(place)) {
            writer.text(insert.otherwise);
        }
    }
    writer.finish(scripts.len() > 1)
}

struct Writer {
    sql: SqlWriterValues,
    backend: DbBackend,
    steps: usize,
    /// The steps that must have found their row.
    guarded: Vec<usize>,
}

impl Writer {
    fn new(backend: DbBackend) -> Self {
        // SQLite counts on from statement to statement of a script where its placeholders have no numbers.
        let postgres = backend == DbBackend::Postgres;
        let sql = if postgres { SqlWriterValues::new("$", true) } else { SqlWriterValues::new("?", false) };
        Self { sql, backend, steps: 0, guarded: Vec::new() }
    }

    fn is_postgres(&self) -> bool {
        self.backend == DbBackend::Postgres
    }

    /// Begins a step; its text follows.
    fn step(&mut self) {
        if self.is_postgres() {
            let opening = if self.steps == 0 { "WITH" } else { ")," };
            self.text(&format!("{opening} w{} AS (", self.steps));
        } else if self.steps > 0 {
            self.text("; ");
        }
        self.steps += 1;
    }

    fn change(&mut self, update: &UpdateStatement) {
        self.step();
        if self.is_postgres() {
            update.build_collect_into(PostgresQueryBuilder, &mut self.sql);
            self.text(" RETURNING 1");
            self.guarded.push(self.steps - 1);
        } else {
            update.build_collect_into(SqliteQueryBuilder, &mut self.sql);
        }
    }

    /// The cells of a row and what closes it.
    fn row(&mut self, row: &Row) {
        self.text(&row.text);
        for (place, value) in row.values.iter().enumerate() {
            if place > 0 || !row.text.is_empty() {
                self.text(", ");
            }
            if self.is_postgres() {
                self.sql.push_param(value.clone(), &PostgresQueryBuilder);
            } else {
                self.sql.push_param(value.clone(), &SqliteQueryBuilder);
            }
        }
        self.text(")");
    }

    fn text(&mut self, text: &str) {
        // Writing to memory cannot fail.
        let _ = self.sql.write_str(text);
    }

    fn finish(mut self, several: bool) -> Statement {
        if self.is_postgres() {
            let counts = self.guarded.iter().map(|step| format!(" + (SELECT count(*) FROM w{step})"));
            let (sum, expected) = (counts.collect::<String>(), self.guarded.len());
            // What is to be summed is done when it is come to, from left to right: the timeout is there before the first change.
            let zero = if several {
                format!("0 * length(set_config('lock_timeout', '{LOCKED}', true))")
            } else {
                "0".to_owned()
            };
            // Nothing but an error undoes what a statement has done by then: see `MISSED`.
            self.text(&format!(") SELECT 1 / ({zero}{sum} = {expected})::int"));
        }
        let db_backend = self.backend;
        let (sql, values) = self.sql.into_parts();
        Statement { sql, values: Some(values), db_backend }
    }
}
