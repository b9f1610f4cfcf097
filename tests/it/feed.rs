//! The feed: every event once, in order and without a gap, to whoever is slow, comes back, or asks another node.
//!
//! Nodes here are a database, a feed and its loops, without the service around them, so that writers can be made to overlap as no client
//! could. What a client sees of it is tested at the end, through a socket.

use std::{future::Future, time::Duration};

use chrono::{DateTime, TimeDelta};
use claimcheck::{
    clock::Clock,
    entity::{kind::EventType, scope::Scope},
    feed::{Criteria, Cursor, CursorError, Feed, Listener},
    id::{EventId, Ids},
    metrics::Metrics,
    store::{Db, Error, Settings, journal},
    task::sequence::Sequencer,
};
use futures_util::{FutureExt as _, future::join_all};
use sea_orm::{ConnectionTrait as _, DbErr, Statement, TransactionTrait as _};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::{App, Database, Engine, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        every_reader_gets_every_event_once_and_in_order,
        overlapping_transactions_leave_no_gap,
        a_reader_far_behind_gets_everything,
        a_change_after_many_events_fires_once,
        what_nobody_asks_about_moves_a_place_on,
        what_is_missed_for_longer_than_it_is_kept_has_expired,
        a_node_reads_what_it_has_written,
        a_cursor_of_another_past_has_expired,
        a_client_resumes_where_it_stopped,
        a_client_is_told_what_is_wrong_with_its_cursor,
    ]
}

/// A node without its service.
struct Node {
    db: Db,
    feed: Feed,
    stop: CancellationToken,
}

impl Node {
    async fn start(database: &Database) -> Self {
        Self::at(database, Clock::default(), None).await
    }

    async fn at(database: &Database, clock: Clock, retention: Option<TimeDelta>) -> Self {
        let db = Db::open(database.url(), 8, clock, Ids::default(), Settings::default()).await;
        let db = db.unwrap_or_else(|error| panic!("the database opens: {error}"));
        let keys = db.open_keys(&database.directory().join("claimcheck.keys")).await;
        keys.unwrap_or_else(|error| panic!("the keys open: {error}"));
        let feed = Feed::open(db.clone(), retention).await.expect("the feed opens");
        let stop = CancellationToken::new();
        tokio::spawn(feed.tail().run(stop.clone()));
        tokio::spawn(Sequencer::new(db.clone(), feed.sequenced(), Metrics::default()).run(stop.clone()));
        Self { db, feed, stop }
    }

    /// Commits one transaction with an event for each label.
    async fn append(&self, labels: impl IntoIterator<Item = String>) {
        let labels: Vec<String> = labels.into_iter().collect();
        let origin = journal::Origin::system("test");
        let written = self.db.write(&origin, |mut tx| {
            let labels = labels.clone();
            async move {
                for label in labels {
                    tx.append(labelled(label));
                }
                Ok::<_, Error>((tx, ()))
            }
        });
        written.await.expect("a commit");
    }

    /// Appends an event and then gives its transaction up.
    async fn give_up(&self) {
        let origin = journal::Origin::system("test");
        let written = self.db.write(&origin, |mut tx| async move {
            tx.append(labelled("given up".to_owned()));
            Err::<(_, ()), _>(Error::Refused(DbErr::Custom("given up".to_owned())))
        });
        written.await.expect_err("no commit");
    }

    /// Listens to everything after `from`.
    async fn listen(&self, from: Cursor) -> Listener {
        let everything = self.feed.filter(&Scope::All, Criteria::default()).await.expect("a filter");
        self.feed.listen(self.feed.ask(everything), from)
    }

    /// The labels and positions of the next `count` events after `from`, and the cursor after them, as a client would hold it.
    async fn read(&self, from: Cursor, count: usize) -> (Vec<(i64, String)>, String) {
        let mut listener = self.listen(from).await;
        let mut seen = Vec::new();
        while seen.len() < count {
            let entry = within("the events", listener.next()).await;
            seen.push((entry.position, entry.event.reason.clone().unwrap_or_default()));
            listener.pass();
        }
        (seen, self.feed.seal(listener.place()))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn labelled(label: String) -> claimcheck::entity::event::Model {
    claimcheck::entity::event::Model { reason: Some(label), ..journal::event(EventType::ProductUpdated) }
}

async fn within<T>(awaited: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(30), future).await;
    waited.unwrap_or_else(|_| panic!("{awaited} did not come"))
}

fn assert_dense(seen: &[(i64, String)]) {
    let gap = seen.iter().zip(seen.iter().skip(1)).find(|((before, _), (after, _))| *after != before + 1);
    assert!(gap.is_none(), "{gap:?}");
}

async fn every_reader_gets_every_event_once_and_in_order(database: Database) {
    const WRITERS: usize = 4;
    const EACH: usize = 60;
    let nodes = [Node::start(&database).await, Node::start(&database).await];
    let [first, second] = &nodes;
    let start = first.feed.head();
    let writers = join_all((0..WRITERS).map(|writer| {
        let node = if writer % 2 == 0 { first } else { second };
        async move {
            for turn in 0..EACH {
                node.append([format!("{writer}/{turn}")]).await;
                if turn % 5 == 0 {
                    node.give_up().await;
                }
            }
        }
    }));
    // Comes back after every few events, to the other node, with the text of its cursor alone.
    let wanderer = async {
        let (mut seen, mut cursor) = (Vec::new(), first.feed.seal(start));
        for node in nodes.iter().cycle() {
            let count = 17.min(WRITERS * EACH - seen.len());
            if count == 0 {
                break;
            }
            let (more, after) = node.read(node.feed.resume(&cursor).await.expect("a good cursor"), count).await;
            seen.extend(more);
            cursor = after;
        }
        seen
    };
    let (_, (steady, _), wandered) = tokio::join!(writers, second.read(start, WRITERS * EACH), wanderer);
    assert_eq!(steady, wandered);
    assert_dense(&steady);
    for writer in 0..WRITERS {
        let own = steady.iter().filter_map(|(_, label)| label.strip_prefix(&format!("{writer}/")));
        assert!(own.map(|turn| turn.parse::<usize>().expect("a number")).eq(0..EACH), "{steady:?}");
    }
}

async fn overlapping_transactions_leave_no_gap(database: Database) {
    if database.engine() == Engine::Sqlite {
        return; // One writer: nothing overlaps.
    }
    let node = Node::start(&database).await;
    let start = node.feed.head();
    let connection = database.connect().await;
    // Both take their place in the queue before the one that commits first.
    let (late, never) = (connection.begin().await.expect("late"), connection.begin().await.expect("never"));
    for (id, transaction) in [(1, &late), (2, &never)] {
        let values = [Uuid::from_u128(id).into()];
        let sql = "WITH written AS (INSERT INTO events (id, type, occurred_at, actor, external, reason)
                   VALUES ($1, 'PRODUCT_UPDATED', now(), 'system:test', false, 'late')) INSERT INTO journal_pending (event_id) VALUES ($1)";
        let statement = Statement::from_sql_and_values(transaction.get_database_backend(), sql, values);
        transaction.execute_raw(statement).await.expect("an event");
    }
    node.append(["early".to_owned()]).await;
    let (seen, cursor) = node.read(start, 1).await;
    assert_eq!(seen.first().map(|(_, label)| label.as_str()), Some("early"), "nobody waits for an open transaction");
    never.rollback().await.expect("a rollback");
    late.commit().await.expect("a commit");
    node.append(["last".to_owned()]).await;
    let (more, _) = node.read(node.feed.resume(&cursor).await.expect("a good cursor"), 2).await;
    let seen = [seen, more].concat();
    assert_eq!(seen.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>(), ["early", "late", "last"]);
    assert_dense(&seen);
    connection.close().await.expect("an orderly end");
}

async fn a_reader_far_behind_gets_everything(database: Database) {
    const BATCHES: usize = 90;
    const EACH: usize = 100;
    let node = Node::start(&database).await;
    let start = node.feed.head();
    let mut slow = node.listen(start).await;
    // More than a node keeps in memory, while the slow one takes one event for every hundred.
    let mut taken = Vec::new();
    for batch in 0..BATCHES {
        node.append((0..EACH).map(|number| format!("{batch}/{number}"))).await;
        taken.push(next(&mut slow).await);
    }
    let (all, _) = node.read(start, BATCHES * EACH).await;
    assert_dense(&all);
    assert_eq!(all.last().map(|(_, label)| label.as_str()), Some("89/99"));
    while taken.len() < all.len() {
        taken.push(next(&mut slow).await);
    }
    assert!(taken.iter().eq(all.iter().map(|(position, _)| position)));
}

async fn next(listener: &mut Listener) -> i64 {
    let position = within("the next event", listener.next()).await.position;
    listener.pass();
    position
}

async fn a_change_after_many_events_fires_once(database: Database) {
    let node = Node::start(&database).await;
    let start = node.feed.head();
    let mut listener = node.listen(start).await;
    assert_eq!(listener.place(), start);
    for number in 0..50 {
        node.append([number.to_string()]).await;
    }
    node.read(start, 50).await;
    let place = within("the change", listener.changed()).await;
    assert_eq!(listener.place(), start, "it is to be had yet");
    listener.pass_to(place);
    assert_eq!(place, node.feed.head(), "one look at the present is enough for all of them");
    assert!(listener.changed().now_or_never().is_none());
}

async fn what_nobody_asks_about_moves_a_place_on(database: Database) {
    let node = Node::start(&database).await;
    let criteria = Criteria { types: Some(vec![EventType::ChannelCreated]), ..Criteria::default() };
    let filter = node.feed.filter(&Scope::All, criteria).await.expect("a filter");
    let start = node.feed.head();
    let mut listener = node.feed.listen(node.feed.ask(filter), start);
    node.append((0..300).map(|number| number.to_string())).await;
    node.read(start, 300).await;
    assert!(listener.next().now_or_never().is_none());
    assert_eq!(listener.place(), node.feed.head(), "it need not be looked at again");
}

const DAY: Duration = Duration::from_hours(24);

async fn what_is_missed_for_longer_than_it_is_kept_has_expired(database: Database) {
    let clock = Clock::fixed(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let node = Node::at(&database, clock.clone(), Some(TimeDelta::days(30))).await;
    let start = node.feed.seal(node.feed.head());
    let from = node.feed.head();
    for day in 0..4 {
        node.append([day.to_string()]).await;
        clock.advance(10 * DAY);
    }
    // The first event is forty days old, the second thirty, and it is the first that is too old to have been missed.
    let (seen, last) = node.read(from, 4).await;
    let Err(CursorError::Expired { oldest }) = node.feed.resume(&start).await else { panic!("resumed too late") };
    let oldest = node.feed.resume(&oldest).await.expect("the oldest one can be resumed from");
    let (rest, _) = node.read(oldest, 3).await;
    assert!(rest.iter().eq(seen.iter().skip(1)));
    clock.advance(1_000 * DAY);
    assert_eq!(
        node.feed.resume(&last).await.map(Cursor::position),
        Ok(rest.last().expect("an event").0),
        "nothing was missed since"
    );
}

async fn a_node_reads_what_it_has_written(database: Database) {
    let nodes = [Node::start(&database).await, Node::start(&database).await];
    for turn in 0..20 {
        for node in &nodes {
            let before = node.db.head().await.expect("a head").position;
            node.append([turn.to_string()]).await;
            node.feed.settled().await;
            let after = node.db.head().await.expect("a head").position;
            assert!(after > before, "{turn}");
        }
    }
}

async fn a_cursor_of_another_past_has_expired(database: Database) {
    let node = Node::start(&database).await;
    let start = node.feed.head();
    node.append(["a".to_owned()]).await;
    let (seen, good) = node.read(start, 1).await;
    let position = seen.first().expect("an event").0;
    assert!(node.feed.resume(&good).await.is_ok());
    let epoch = node.db.head().await.expect("a head").epoch;
    let other = EventId(Uuid::from_u128(7));
    for past in [Cursor::of(epoch, position, other), Cursor::of(epoch + 1, position, other), Cursor::start(epoch + 1)] {
        let Err(CursorError::Expired { oldest }) = node.feed.resume(&node.feed.seal(past)).await else {
            panic!("{past:?} is resumed from");
        };
        assert!(node.feed.resume(&oldest).await.is_ok(), "the oldest one can be resumed from");
    }
    assert_eq!(node.feed.resume("no cursor").await, Err(CursorError::Invalid));
}

const CHANNELS: &str = "subscription ($after: Cursor) {
    events(after: $after, filter: { types: [CHANNEL_CREATED] }) { cursor channel { name } }
}";

async fn create_channel(app: &App, name: &str) {
    let mutation =
        "mutation ($name: String!) { createChannel(input: { name: $name, kind: API }) { userErrors { message } } }";
    let answer = app.admin().query(mutation, json!({"name": name})).await;
    assert!(answer.list("/createChannel/userErrors").is_empty());
}

async fn a_client_resumes_where_it_stopped(app: App) {
    let admin = app.admin();
    let mut cursor = admin.feed_cursor().await;
    for name in ["one", "two", "three"] {
        create_channel(&app, name).await;
    }
    let other = app.second_node().await.admin();
    for (client, name) in [(&admin, "one"), (&other, "two"), (&admin, "three")] {
        let mut events = client.subscribe(CHANNELS, json!({"after": cursor})).await;
        let event = events.next().await;
        assert_eq!(event.at("/events/channel/name"), name);
        cursor = event.text("/events/cursor");
        events.stop().await;
    }
    let mut events = other.subscribe(CHANNELS, json!({"after": cursor})).await;
    create_channel(&app, "four").await;
    assert_eq!(events.next().await.at("/events/channel/name"), "four");
}

async fn a_client_is_told_what_is_wrong_with_its_cursor(app: App) {
    let admin = app.admin();
    let mut malformed = admin.subscribe(CHANNELS, json!({"after": "yesterday"})).await;
    assert_eq!(malformed.refused().await.code(), Some("CURSOR_INVALID"));
    let mut foreign = admin.subscribe(CHANNELS, json!({"after": "AAAAAAAAAAAAAAAAAAAAAA"})).await;
    let refusal = foreign.refused().await;
    assert_eq!(refusal.code(), Some("CURSOR_EXPIRED"));
    create_channel(&app, "one").await;
    let oldest = refusal.errors().first().and_then(|error| error.pointer("/extensions/oldestCursor"));
    let mut events = admin.subscribe(CHANNELS, json!({"after": oldest})).await;
    assert_eq!(events.next().await.at("/events/channel/name"), "one");
}
