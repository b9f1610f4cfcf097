//! Connections that are kept from one statement to the next, and what a statement does to them that takes too long, fails or is given up.

use std::time::Duration;

use claimcheck::{
    clock::Clock,
    id::Ids,
    store::{Db, Error, Settings},
};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, DbErr, QueryResult, Statement};

use crate::harness::{Database, Engine, Test, both_engines, eventually, within};

/// More than may be read at once, on either engine.
const CROWD: usize = 40;
const CONNECTIONS: u32 = 6;

pub fn tests() -> Vec<Test> {
    both_engines![
        a_read_ends_at_its_deadline,
        a_read_that_is_given_up_makes_room,
        a_crowd_of_readers_leaves_room_for_writing,
        a_connection_that_broke_is_not_kept,
        closing_waits_for_what_is_read,
    ]
}

async fn open(database: &Database, statement_timeout: Option<Duration>) -> Db {
    let settings = Settings { statement_timeout, ..Settings::default() };
    Db::open(database.url(), CONNECTIONS, Clock::default(), Ids::default(), settings).await.expect("an open database")
}

/// Reads for about a minute.
async fn long(db: &Db, engine: Engine) -> Result<Vec<QueryResult>, DbErr> {
    ask(db, match engine {
        Engine::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT count(*) FROM n"
        }
        Engine::Postgres => "SELECT pg_sleep(60)",
    })
    .await
}

async fn short(db: &Db) -> Result<Vec<QueryResult>, DbErr> {
    ask(db, "SELECT epoch FROM journal_head").await
}

async fn ask(db: &Db, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    db.reader().query_all_raw(Statement::from_string(db.backend(), sql)).await
}

async fn a_read_ends_at_its_deadline(database: Database) {
    let db = open(&database, Some(Duration::from_millis(300))).await;
    let reads = within("an end of all reads", join_all((0..CROWD).map(|_| long(&db, database.engine())))).await;
    for read in reads {
        let failure = Error::from(read.expect_err("no answer within its time"));
        assert!(matches!(failure, Error::Unavailable(_)), "{failure}");
    }
    within("an answer", short(&db)).await.expect("the database as before");
    db.close().await;
}

async fn a_read_that_is_given_up_makes_room(database: Database) {
    let db = open(&database, Some(Duration::from_mins(1))).await;
    // The first of them run, the others wait for their turn: all are given up where they are.
    let crowd = join_all((0..CROWD).map(|_| long(&db, database.engine())));
    tokio::time::timeout(Duration::from_millis(200), crowd).await.expect_err("reads that go on");
    let answers = within("answers", join_all((0..CROWD).map(|_| short(&db)))).await;
    assert!(answers.iter().all(Result::is_ok));
    db.close().await;
}

async fn a_crowd_of_readers_leaves_room_for_writing(database: Database) {
    let db = open(&database, Some(Duration::from_secs(20))).await;
    let crowd = join_all((0..CROWD).map(|_| long(&db, database.engine())));
    let write = async {
        // Two statements on a connection of the other half.
        let sequenced = db.sequence().await.expect("a transaction");
        assert_eq!(sequenced, Some(0));
    };
    tokio::select! {
        _ = crowd => panic!("the reads have ended"),
        () = within("a transaction", write) => {}
    }
}

async fn a_connection_that_broke_is_not_kept(database: Database) {
    let db = open(&database, None).await;
    for _ in 0..3 * CONNECTIONS {
        ask(&db, "SELECT nothing FROM nowhere").await.expect_err("no such table");
    }
    if database.engine() == Engine::Postgres {
        let answers = join_all((0..CROWD).map(|_| short(&db))).await;
        assert!(answers.iter().all(Result::is_ok));
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let connection = database.connect().await;
        connection.execute_unprepared(others).await.expect("an end of the service's connections");
        connection.close().await.expect("an orderly end");
    }
    // Each of those kept fails once at the most.
    let mut failures = 0;
    eventually("answers again", async || {
        let answers = short(&db).await.is_ok();
        failures += u32::from(!answers);
        answers.then_some(())
    })
    .await;
    assert!(failures <= CONNECTIONS, "{failures}");
    db.close().await;
}

async fn closing_waits_for_what_is_read(database: Database) {
    let db = open(&database, None).await;
    let reads = join_all((0..CROWD).map(|_| short(&db)));
    let (answers, ()) = within("an end", async { tokio::join!(reads, db.close()) }).await;
    for answer in answers {
        if let Err(refused) = answer {
            assert!(matches!(Error::from(refused), Error::Unavailable(_)));
        }
    }
    short(&db).await.expect_err("a closed database");
}
