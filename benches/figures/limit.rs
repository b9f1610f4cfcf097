//! What a database can do at best: units and codes as two plain tables with the indexes and foreign keys such tables have anywhere.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait, Value, sea_query::ArrayType,
};
use uuid::Uuid;

use crate::subject::{Engine, connect};

/// Plain tables in a database of their own.
pub struct Limit {
    connection: DatabaseConnection,
    line: Uuid,
}

const TABLES: &str = "
CREATE TABLE line (id {id} PRIMARY KEY);
CREATE TABLE unit (id {id} PRIMARY KEY, line_id {id} NOT NULL REFERENCES line (id), product_id {id} NOT NULL, channel_id {id} NOT NULL,
  status text NOT NULL, issued_at text NOT NULL, expires_at text, holder text);
CREATE TABLE code (id {id} PRIMARY KEY, unit_id {id} NOT NULL REFERENCES unit (id), hash {bytes} NOT NULL UNIQUE, last_four text NOT NULL, status text NOT NULL);
CREATE TABLE assignment (id {id} PRIMARY KEY, unit_id {id} NOT NULL REFERENCES unit (id), account text NOT NULL, status text NOT NULL);
CREATE TABLE event (position {serial} PRIMARY KEY, kind text NOT NULL, unit_id {id}, payload text NOT NULL);
CREATE INDEX unit_line ON unit (line_id);
CREATE INDEX unit_product ON unit (product_id);
CREATE INDEX unit_channel ON unit (channel_id, status, id);
CREATE INDEX unit_status ON unit (status, id);
CREATE INDEX code_unit ON code (unit_id);
CREATE INDEX assignment_unit ON assignment (unit_id);
CREATE INDEX assignment_account ON assignment (account)";

#[derive(FromQueryResult)]
struct Found {
    id: Uuid,
    unit_id: Uuid,
}

impl Limit {
    pub async fn open(engine: &Engine) -> Self {
        let connection = connect(&engine.database("limit").await).await;
        let types = if connection.get_database_backend() == DbBackend::Postgres {
            [("{id}", "uuid"), ("{bytes}", "bytea"), ("{serial}", "bigserial")]
        } else {
            [("{id}", "BLOB"), ("{bytes}", "BLOB"), ("{serial}", "INTEGER")]
        };
        let script = types.iter().fold(TABLES.to_owned(), |script, (name, kind)| script.replace(name, kind));
        for statement in script.split(";\n") {
            connection.execute_unprepared(statement).await.expect("a table");
        }
        let line = Uuid::from_u128(7);
        run(&connection, "INSERT INTO line VALUES ($1)", vec![line.into()]).await;
        Self { connection, line }
    }

    /// Inserts units with their codes in one transaction, in the way that is fastest on the engine.
    pub async fn insert(&self, units: usize) {
        let ids: Vec<Uuid> = (0..2 * units).map(|_| Uuid::now_v7()).collect();
        let (units, codes) = ids.split_at(units);
        let tx = self.connection.begin_with_options(immediate()).await.expect("a transaction");
        if tx.get_database_backend() == DbBackend::Postgres {
            for (units, codes) in units.chunks(20_000).zip(codes.chunks(20_000)) {
                let array = |ids: &[Uuid]| {
                    Value::Array(ArrayType::Uuid, Some(Box::new(ids.iter().map(|id| (*id).into()).collect())))
                };
                let sql =
                    "INSERT INTO unit SELECT id, $2, $2, $2, 'ISSUED', 'now', NULL, NULL FROM unnest($1::uuid[]) AS id";
                run(&tx, sql, vec![array(units), self.line.into()]).await;
                let hashes = codes.iter().map(|id| hash(*id).into()).collect();
                let hashes = Value::Array(ArrayType::Bytes, Some(Box::new(hashes)));
                let sql = "INSERT INTO code SELECT a, b, c, '0000', 'ISSUED' FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS row (a, b, c)";
                run(&tx, sql, vec![array(codes), array(units), hashes]).await;
            }
        } else {
            // Literals of many rows a statement: binding them one by one costs more than inserting them.
            let line = self.line.simple();
            for (units, codes) in units.chunks(500).zip(codes.chunks(500)) {
                let rows = units.iter().map(|id| {
                    format!("(x'{}', x'{line}', x'{line}', x'{line}', 'ISSUED', 'now', NULL, NULL)", id.simple())
                });
                let sql = format!("INSERT INTO unit VALUES {}", rows.collect::<Vec<_>>().join(", "));
                tx.execute_unprepared(&sql).await.expect("units");
                let rows = units.iter().zip(codes).map(|(unit, code)| {
                    let hash = hash(*code).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
                    format!("(x'{}', x'{}', x'{hash}', '0000', 'ISSUED')", code.simple(), unit.simple())
                });
                let sql = format!("INSERT INTO code VALUES {}", rows.collect::<Vec<_>>().join(", "));
                tx.execute_unprepared(&sql).await.expect("codes");
            }
        }
        tx.commit().await.expect("a commit");
    }

    /// Redeems codes by `clients` at a time: find, two compare-and-sets, an assignment and an event.
    pub async fn redeem(&self, clients: usize, each: usize) {
        let codes = Found::find_by_statement(Statement::from_string(
            self.connection.get_database_backend(),
            "SELECT id, unit_id FROM code WHERE status = 'ISSUED'",
        ));
        let codes = codes.all(&self.connection).await.expect("codes");
        let mut running = tokio::task::JoinSet::new();
        for portion in codes.chunks(each).take(clients) {
            let (connection, hashes) =
                (self.connection.clone(), portion.iter().map(|code| hash(code.id)).collect::<Vec<_>>());
            running.spawn(async move {
                for hash in hashes {
                    redeem(&connection, hash).await;
                }
            });
        }
        running.join_all().await;
    }
}

async fn redeem(connection: &DatabaseConnection, hash: Vec<u8>) {
    let tx = connection.begin_with_options(immediate()).await.expect("a transaction");
    let lock = if tx.get_database_backend() == DbBackend::Postgres { " FOR UPDATE" } else { "" };
    let find = format!("SELECT id, unit_id FROM code WHERE hash = $1{lock}");
    let find = Statement::from_sql_and_values(tx.get_database_backend(), find, [hash.into()]);
    let code = Found::find_by_statement(find).one(&tx).await.expect("an answer").expect("a code");
    run(&tx, "UPDATE code SET status = 'REDEEMED' WHERE id = $1 AND status = 'ISSUED'", vec![code.id.into()]).await;
    run(&tx, "UPDATE unit SET status = 'ASSIGNED' WHERE id = $1 AND status = 'ISSUED'", vec![code.unit_id.into()])
        .await;
    let assignment = vec![Uuid::now_v7().into(), code.unit_id.into(), "bench".into()];
    run(&tx, "INSERT INTO assignment VALUES ($1, $2, $3, 'ACTIVE')", assignment).await;
    run(&tx, "INSERT INTO event (kind, unit_id, payload) VALUES ('redeemed', $1, '{}')", vec![code.unit_id.into()])
        .await;
    tx.commit().await.expect("a commit");
}

fn hash(id: Uuid) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    Sha256::digest(id.as_bytes()).to_vec()
}

fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

async fn run(connection: &impl ConnectionTrait, sql: &str, values: Vec<Value>) {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    connection.execute_raw(statement).await.expect("a statement");
}
