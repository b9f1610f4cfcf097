//! The schema's subscriptions, followed as a walk reads: as each role, at two partners that did the same business at the same time.
//!
//! What a [`Reader`] is told as it happens is what it may read afterwards, event by event, and nothing of it is the other partner's.

use serde_json::{Value, json};

use super::{super::unknown_like, Fair, NESTED, Schema, Walk, kind_of, settle, trade};
use crate::harness::{App, Client, Shop, Test, both_engines, eventually};

pub fn tests() -> Vec<Test> {
    both_engines![
        everybody_is_told_its_own_from_wherever_it_begins,
        live_objects_are_as_they_are_read,
        nobody_is_stirred_by_what_is_not_its_own,
    ]
}

/// How many records of a kind are followed.
const EXAMPLES: usize = 2;
/// After which events somebody begins anew: one in so many.
const BEGINNINGS: usize = 12;

/// Somebody who reads and follows.
struct Reader {
    who: String,
    /// Whose business it sees; none: everybody's.
    side: Option<usize>,
    client: Client,
    /// What it asks of an event.
    selection: String,
}

impl Reader {
    fn new(fair: &Fair, who: String, side: Option<usize>, client: &Client) -> Self {
        let client = fair.wide.client(client.secret().expect("a secret"));
        Self { who, side, client, selection: "id".to_owned() }
    }

    /// Asks as much of an event as it can: where a record has something that is not for it to see, the record's id alone.
    async fn choose(&mut self, schema: &Schema) {
        let choices = [schema.selection("Event", NESTED), schema.selection("Event", 0)];
        self.selection =
            self.possible(&choices, |selection| format!("events(last: 100) {{ nodes {{ {selection} }} }}")).await;
    }

    /// The first selection by which a field is answered without an error.
    async fn possible(&self, choices: &[String], field: impl Fn(&str) -> String) -> String {
        for selection in choices {
            let answer = self.client.query(&format!("{{ {} }}", field(selection)), json!({})).await;
            if answer.errors().is_empty() {
                return selection.clone();
            }
        }
        panic!("{} is never answered {}", self.who, field("@"))
    }

    /// Everybody there is: each role at either partner, and those who see all.
    async fn all(app: &App, fair: &Fair) -> Vec<Self> {
        let mut readers = Vec::new();
        for (side, shop) in [&fair.alpha, &fair.beta].into_iter().enumerate() {
            let scope = json!({"partnerId": shop.partner});
            let customer = json!({"partnerId": shop.partner, "accountReference": "ann"});
            for (role, client) in [
                ("PARTNER", shop.key.clone()),
                ("PROVISIONER", app.key("PROVISIONER", scope).await),
                ("CUSTOMER", app.key("CUSTOMER", customer).await),
            ] {
                readers.push(Self::new(fair, format!("{role} {side}"), Some(side), &client));
            }
        }
        for (role, client) in [("ADMIN", app.admin()), ("SUPPORT", app.key("SUPPORT", json!({})).await)] {
            readers.push(Self::new(fair, role.to_owned(), None, &client));
        }
        readers
    }

    /// All events it may read, in their order.
    async fn read(&self) -> Vec<Value> {
        let document = format!(
            "query ($after: String) {{ events(first: 100, after: $after) {{
                nodes {{ {} }} pageInfo {{ hasNextPage endCursor }}
            }} }}",
            self.selection
        );
        let (mut events, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = self.client.query(&document, json!({"after": after})).await;
            assert!(page.errors().is_empty(), "{}: {:#}", self.who, page.body);
            events.extend_from_slice(page.list("/events/nodes"));
            if page.at("/events/pageInfo/hasNextPage") == false {
                return events;
            }
            after = page.at("/events/pageInfo/endCursor").clone();
        }
    }

    /// That exactly these events come after a place, by the stream that is called so.
    async fn assert_told(&self, stream: &str, after: &Value, expected: &[&Value], whole: &mut Walk) {
        let more = if stream == "redemptions" { ", includeRejected: true" } else { "" };
        let document =
            format!("subscription ($after: Cursor) {{ {stream}(after: $after{more}) {{ {} }} }}", self.selection);
        let mut told = self.client.subscribe(&document, json!({"after": after})).await;
        for event in expected {
            let answer = told.next().await;
            assert_eq!(answer.at(&format!("/{stream}")), *event, "{} {stream}", self.who);
            whole.gather(&answer.body);
            whole.read.insert(format!("{stream} {}", whole.read.len()), answer.body.to_string());
        }
    }

    /// What a live object begins with, as text: its state, or why there is none for this reader.
    async fn first(&self, asked: &str, seen: bool) -> String {
        let mut live = self.client.subscribe(&format!("subscription {{ {asked} }}"), json!({})).await;
        let first = if seen { live.next().await } else { live.refused().await };
        first.body.to_string()
    }
}

/// Business of a shop that everybody of it is told of, redemptions included: what comes last.
async fn close(shop: &Shop, reference: &str) {
    let buyer = json!({"buyerAccount": {"externalReference": "ann"}});
    let lines = json!([{"sku": "NOW"}, {"sku": "LATER", "assignTo": {"externalReference": "ann"}}]);
    let placed = shop.place_with(reference, lines, buyer).await;
    shop.redeem(placed.codes.first().expect("a code"), "ann").await.data();
}

fn member<'a>(event: &'a Value, name: &str) -> &'a str {
    event.get(name).and_then(Value::as_str).expect("a text")
}

async fn everybody_is_told_its_own_from_wherever_it_begins(app: App) {
    let fair = Fair::open(&app).await;
    let mut readers = Reader::all(&app, &fair).await;
    settle(&app).await;
    let after = json!(app.admin().feed_cursor().await);
    let mut known = Vec::new();
    for reader in &readers {
        known.push(reader.read().await.len());
    }
    trade(&app, &fair.alpha, "").await;
    trade(&app, &fair.beta, "").await;
    close(&fair.alpha, "last").await;
    close(&fair.beta, "last").await;
    settle(&app).await;

    let (schema, mut stories) = (Schema::read(), Vec::new());
    for (reader, known) in readers.iter_mut().zip(known) {
        reader.choose(&schema).await;
        let story = reader.read().await.split_off(known);
        assert!(!story.is_empty(), "{}", reader.who);
        stories.push(story);
    }
    let mut sides = [Walk::default(), Walk::default()];
    for (reader, story) in readers.iter().zip(&stories) {
        let mut all = Walk::default();
        let whole = reader.side.and_then(|side| sides.get_mut(side)).unwrap_or(&mut all);
        let events: Vec<&Value> = story.iter().collect();
        reader.assert_told("events", &after, &events, whole).await;
        let redeemed = ["CODE_REDEEMED", "REDEMPTION_REJECTED"];
        let redemptions: Vec<&Value> =
            events.into_iter().filter(|event| redeemed.contains(&member(event, "type"))).collect();
        reader.assert_told("redemptions", &after, &redemptions, whole).await;
    }
    let [alpha, beta] = &sides;
    let shared: Vec<_> = alpha.records().intersection(&beta.records()).copied().collect();
    assert!(shared.is_empty(), "{shared:?}");
    assert!(!alpha.read.values().any(|told| told.contains("Beta")));
    assert!(!beta.read.values().any(|told| told.contains("Alpha")));

    // Whoever an event is for, all can go on after it, each with its own next one.
    let everything = stories.get(readers.iter().position(|reader| reader.who == "ADMIN").expect("one")).expect("it");
    let place = |event: &Value| everything.iter().position(|other| member(other, "id") == member(event, "id"));
    for (index, event) in everything.iter().enumerate().step_by(BEGINNINGS) {
        for (reader, story) in readers.iter().zip(&stories) {
            let next = story.iter().find(|event| place(event).is_some_and(|place| place > index));
            let next: Vec<&Value> = next.into_iter().collect();
            let cursor = json!(member(event, "cursor"));
            reader.assert_told("events", &cursor, &next, &mut Walk::default()).await;
        }
    }
}

async fn live_objects_are_as_they_are_read(app: App) {
    let fair = Fair::open(&app).await;
    trade(&app, &fair.alpha, "").await;
    trade(&app, &fair.beta, "").await;
    let readers = Reader::all(&app, &fair).await;
    let schema = Schema::read();
    let mut followed = Vec::new();
    for (side, shop) in [&fair.alpha, &fair.beta].into_iter().enumerate() {
        let walk = fair.walk(&shop.key).await;
        for kind in ["ord", "ent", "chn"] {
            let ids = walk.records().into_iter().filter(|id| kind_of(id) == kind);
            followed.extend(ids.take(EXAMPLES).map(|id| (side, id.clone())));
        }
    }
    for field in schema.fields("Subscription") {
        let (read, kind, of) = match field.name.as_str() {
            "orderUpdated" => ("order", "Order", "ord"),
            "entitlementUpdated" => ("entitlement", "Entitlement", "ent"),
            "statisticsUpdated" => ("statistics", "Statistics", "chn"),
            "events" | "redemptions" => continue,
            other => panic!("nobody follows {other}"),
        };
        let (live, choices) = (&field.name, [schema.selection(kind, 0), "__typename id".to_owned()]);
        for reader in &readers {
            for (side, id) in followed.iter().filter(|(_, id)| kind_of(id) == of) {
                let argument = if read == "statistics" { "channelId" } else { "id" };
                let asked = |field: &str, id: &str, selection: &str| {
                    format!("{field}({argument}: {}) {{ {selection} }}", json!(id))
                };
                let selection = reader.possible(&choices, |selection| asked(read, id, selection)).await;
                let about = |field: &str, id: &str| asked(field, id, &selection);
                let found = reader.client.query(&format!("{{ {} }}", about(read, id)), json!({})).await;
                let seen = found.at(&format!("/{read}")).is_object();
                let first = reader.first(&about(live, id), seen).await;
                if seen {
                    let expected = found.body.to_string().replacen(read, live, 1);
                    assert_eq!(first, expected, "{} {live} {id}", reader.who);
                }
                if reader.side.is_some_and(|own| own != *side) {
                    let unknown = unknown_like(id);
                    let none = reader.first(&about(live, &unknown), read == "statistics").await;
                    assert_eq!(first.replace(id.as_str(), "*"), none.replace(&unknown, "*"), "{} {live}", reader.who);
                }
            }
        }
    }
}

async fn nobody_is_stirred_by_what_is_not_its_own(app: App) {
    let fair = Fair::open(&app).await;
    let bought = fair.beta.place("o-1", json!([{"sku": "NOW", "quantity": 2}])).await;
    let unit = bought.units.first().expect("a unit");
    // Until the node has read what was done so far, that is news.
    eventually("what was done so far", async || {
        let read = app.admin().query("{ feedCursor events(last: 1) { edges { cursor } } }", json!({})).await;
        (read.at("/feedCursor") == read.at("/events/edges/0/cursor")).then_some(())
    })
    .await;
    let mut follows = Vec::new();
    for asked in [
        "statisticsUpdated { ordered }".to_owned(),
        format!("orderUpdated(id: \"{}\") {{ entitlements {{ nodes {{ status }} }} }}", bought.order),
        format!("entitlementUpdated(id: \"{unit}\") {{ status }}"),
    ] {
        let mut live = fair.beta.key.subscribe(&format!("subscription {{ {asked} }}"), json!({})).await;
        follows.push((live.next().await.body.to_string(), live));
    }
    trade(&app, &fair.alpha, "").await;
    let revoke = json!({"entitlementId": unit, "reason": "sold twice"});
    fair.beta.place("o-2", json!([{"sku": "NOW"}])).await;
    fair.beta.key.mutate("revokeEntitlement", "entitlement { id }", revoke).await.done();
    for (before, live) in &mut follows {
        // What comes next is news; whatever is nobody's news would say again what was said before.
        assert_ne!(live.next().await.body.to_string(), *before);
    }
}
