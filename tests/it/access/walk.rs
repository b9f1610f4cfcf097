//! The whole schema, walked by documents that are made from it: what somebody reads does not depend on what others do.
//!
//! A [`Walk`] asks every list and every search of a client, then every field of every record whose id it has come across, each with what lies
//! below it, and writes down all answers. Who walks again after somebody else's business must read the same, letter by letter: no id, no
//! count and no text can have come in by any way that is written in the schema.

mod follow;
mod schema;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::schema::Schema;
use super::customer;
use crate::harness::{App, Client, Shop, Test, both_engines, eventually, shop::product};

pub fn tests() -> Vec<Test> {
    let mut tests = both_engines![
        what_a_partner_reads_is_its_own_business,
        what_a_customer_reads_is_its_own_business,
        what_a_provisioner_reads_is_its_own_work,
        two_partners_come_across_no_record_of_each_other,
        the_people_of_two_partners_come_across_no_record_of_each_other,
        a_walk_comes_across_everything,
    ];
    tests.extend(follow::tests());
    tests
}

/// How many links a walk follows from what a list or a search finds, beside what each document nests.
const STEPS: usize = 6;
/// Records of a kind that a walk looks into; the ids of all are gathered.
const EXAMPLES: usize = 8;
/// Records within records in one document.
const NESTED: usize = 1;

/// Everything that one client has read.
#[derive(Default)]
struct Walk {
    /// The answers, by the documents.
    read: BTreeMap<String, String>,
    /// The ids that came up, with the type of each that is a record.
    met: BTreeMap<String, Option<String>>,
}

impl Walk {
    /// Walks as `client`.
    async fn take(client: &Client) -> Self {
        let (schema, mut walk) = (Schema::read(), Self::default());
        // The head of the journal moves with everybody's business, and tells nobody how far.
        for field in schema.fields("Query").iter().filter(|field| field.name != "feedCursor") {
            if let Some(part) = schema.part(field, 0) {
                walk.ask(client, format!("{{ {part} }}")).await;
            }
        }
        for word in WORDS {
            for asked in [
                "search(query: @)",
                "channelByName(name: @)",
                "productBySku(sku: @)",
                "accountByReference(externalReference: @)",
            ] {
                let asked = asked.replace('@', &json!(word).to_string());
                let selection =
                    if asked.starts_with("search") { "matched node { __typename id }" } else { "__typename id" };
                walk.ask(client, format!("{{ {asked} {{ {selection} }} }}")).await;
            }
        }
        let (mut seen, mut examples) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
        for _ in 0..STEPS {
            let next: Vec<String> = walk.met.keys().filter(|id| !seen.contains(*id)).cloned().collect();
            for id in next {
                let examples = examples.entry(kind_of(&id).to_owned()).or_default();
                *examples += 1;
                if *examples <= EXAMPLES {
                    walk.look_at(client, &schema, &id).await;
                }
                seen.insert(id);
            }
        }
        walk
    }

    /// Reads every field of a record; together, and where one of them spoils the others, each alone.
    async fn look_at(&mut self, client: &Client, schema: &Schema, id: &str) {
        let asked = format!("node(id: {})", json!(id));
        let found = self.ask(client, format!("{{ {asked} {{ __typename id }} }}")).await;
        let Some(kind) = found.pointer("/data/node/__typename").and_then(Value::as_str).map(str::to_owned) else {
            return;
        };
        self.met.insert(id.to_owned(), Some(kind.clone()));
        let within = |selection: String| format!("{{ {asked} {{ ... on {kind} {{ {selection} }} }} }}");
        if self.ask_whole(client, within(schema.selection(&kind, NESTED))).await {
            return;
        }
        for field in schema.fields(&kind) {
            let part = |depth| schema.part(field, depth).map(within);
            let (Some(deep), Some(flat)) = (part(NESTED), part(0)) else { continue };
            if !self.ask_whole(client, deep).await {
                self.ask(client, flat).await;
            }
        }
    }

    /// Asks for several things at once; whether nothing was missing. Where something was, it is left to chance which of the fields that
    /// cannot be null speaks for all, and nothing is written down.
    async fn ask_whole(&mut self, client: &Client, document: String) -> bool {
        let whole = self.ask(client, document.clone()).await.get("errors").is_none();
        if !whole {
            self.read.remove(&document);
        }
        whole
    }

    async fn ask(&mut self, client: &Client, document: String) -> Value {
        let answer = client.query(&document, json!({})).await;
        for code in answer.errors().iter().map(|error| error.pointer("/extensions/code")) {
            let expected = matches!(code.and_then(Value::as_str), Some("NOT_FOUND" | "FORBIDDEN"));
            assert!(expected, "{document}: {:#}", answer.body);
        }
        self.gather(&answer.body);
        self.read.insert(document, answer.body.to_string());
        answer.body
    }

    /// Notes all ids in an answer.
    fn gather(&mut self, value: &Value) {
        match value {
            Value::String(text) if is_id(text) => {
                self.met.entry(text.clone()).or_default();
            }
            Value::Array(items) => items.iter().for_each(|item| self.gather(item)),
            Value::Object(members) => members.values().for_each(|member| self.gather(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The records that came up, but for those that are everybody's.
    fn records(&self) -> BTreeSet<&String> {
        self.met.keys().filter(|id| kind_of(id) != "prd").collect()
    }

    fn kinds(&self) -> BTreeSet<&str> {
        self.met.values().flatten().map(String::as_str).collect()
    }

    /// That this is what was read before.
    #[track_caller]
    fn assert_same(&self, before: &Self) {
        for (document, answer) in &before.read {
            assert_eq!(self.read.get(document), Some(answer), "{document}");
        }
        let more: Vec<&String> = self.read.keys().filter(|document| !before.read.contains_key(*document)).collect();
        assert!(more.is_empty(), "{more:?}");
    }
}

/// The kind of an id, as it begins.
fn kind_of(id: &str) -> &str {
    id.split_once('_').map_or(id, |(kind, _)| kind)
}

/// Whether a text is an id: a kind, a line and 26 symbols.
fn is_id(text: &str) -> bool {
    let parts = text.split_once('_').filter(|(kind, rest)| kind.len() <= 4 && rest.len() == 26);
    parts.is_some_and(|(kind, rest)| (kind.to_owned() + rest).bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// What everybody here searches for: all of them use the same words.
const WORDS: [&str; 8] = ["o-1", "o-2", "ann", "bob", "ann@example.com", "guest@example.com", "Alpha", "NOW"];

/// A year's business of a shop, whose partners all call their customers, orders and resources alike: whatever can become of a unit became of
/// one of theirs.
pub(super) async fn trade(app: &App, shop: &Shop, again: &str) {
    let reference = |name: &str| format!("{name}{again}");
    let buyer = json!({"buyerAccount": {"externalReference": "ann", "email": "ann@example.com", "displayName": "Ann"},
        "buyer": {"name": "Ann", "email": "ann@example.com"}, "currencyCode": "GBP", "paymentReference": "pay-1"});
    let lines = json!([
        {"sku": "NOW", "quantity": 6, "unitPrice": "1.50", "recipient": {"name": "Guest", "email": "guest@example.com"}},
        {"sku": "LATER", "quantity": 3, "resource": "seat-1"},
        {"sku": "NOW", "assignTo": {"externalReference": "bob"}, "resource": "seat-2"},
    ]);
    let placed = shop.place_with(&reference("o-1"), lines, buyer).await;
    let unit = |place: usize| placed.units.get(place).expect("a unit").as_str();
    let code = |place: usize| placed.codes.get(place).expect("a code").as_str();
    let support = app.key("SUPPORT", json!({})).await;
    shop.redeem(code(0), "ann").await.data();
    shop.redeem(code(0), "bob").await.data();
    shop.redeem(code(1), "bob").await.data();
    let account = json!({"externalReference": "ann"});
    let done = async |client: &Client, mutation: &str, input: Value| {
        client.mutate(mutation, "__typename", input).await.done();
    };
    done(&shop.key, "reserveEntitlement", json!({"entitlementId": unit(2), "account": account, "resource": "seat-3"}))
        .await;
    done(&support, "suspendEntitlement", json!({"entitlementId": unit(3), "reason": "asked for"})).await;
    shop.redeem(code(3), "ann").await.data();
    done(&support, "reissueEntitlement", json!({"entitlementId": unit(4), "reason": "asked for"})).await;
    shop.redeem(code(4), "ann").await.data();
    done(&shop.key, "revokeEntitlement", json!({"entitlementId": unit(5), "reason": "asked for"})).await;
    // One is made downstream, one fails for good, one is under way.
    for place in 6..9 {
        shop.redeem(code(place), "ann").await.data();
    }
    let worker = app.key("PROVISIONER", json!({"partnerId": shop.partner})).await;
    let claim = json!({"limit": 3, "leaseSeconds": 3600});
    let claimed = worker.mutate("claimProvisioning", "attempts { attempt { id } }", claim).await.done();
    let attempt = |place: usize| claimed.text(&format!("/attempts/{place}/attempt/id"));
    done(&worker, "completeProvisioning", json!({"attemptId": attempt(0), "externalReference": "licence-1"})).await;
    done(&worker, "failProvisioning", json!({"attemptId": attempt(1), "reason": "no seat", "retryable": false})).await;
    shop.place(&reference("o-2"), json!([{"sku": "NOW"}])).await;
    settle(app).await;
}

/// Waits until every event has its place.
pub(super) async fn settle(app: &App) {
    claimcheck::service::finish_pending(app.store()).await.expect("the rest in its place");
    let written = app.events().await;
    eventually("all events", async || {
        let answer = app.admin().query("{ events(first: 0) { totalCount } }", json!({})).await;
        let total = answer.at("/events/totalCount").clone();
        (total.is_null() || total == json!(written)).then_some(())
    })
    .await;
}

/// Two partners that sell the same products, and a node where one may ask as much at once as a walk does.
struct Fair {
    alpha: Shop,
    beta: Shop,
    wide: App,
}

impl Fair {
    async fn open(app: &App) -> Self {
        product(app, "NOW", json!({"reassignable": true})).await;
        product(app, "LATER", json!({"provisioning": "EXTERNAL"})).await;
        let wide = app.node_with(|config| {
            config.limits.complexity = 100_000_000;
            config.limits.depth = 64;
            config.limits.document_tokens = 1_000_000;
            config.limits.expanded_selections = 1_000_000;
        });
        let wide = wide.await;
        Self { alpha: Shop::open(app, "Alpha").await, beta: Shop::open(app, "Beta").await, wide }
    }

    async fn walk(&self, client: &Client) -> Walk {
        Walk::take(&self.wide.client(client.secret().expect("a secret"))).await
    }
}

async fn what_a_partner_reads_is_its_own_business(app: App) {
    let fair = Fair::open(&app).await;
    let below = fair.beta.open_below(&app, "Below").await;
    trade(&app, &fair.beta, "").await;
    let mut before = Vec::new();
    for shop in [&fair.beta, &below] {
        before.push(fair.walk(&shop.key).await);
    }
    trade(&app, &fair.alpha, "").await;
    let beside = fair.beta.open_below(&app, "Beside").await;
    for (shop, before) in [&fair.beta, &below].into_iter().zip(&before).skip(1) {
        fair.walk(&shop.key).await.assert_same(before);
    }
    // The one above sees the new partner below it, and after a first look nothing changes for it either.
    let before = fair.walk(&fair.beta.key).await;
    trade(&app, &fair.alpha, " again").await;
    fair.walk(&fair.beta.key).await.assert_same(&before);
    let before = fair.walk(&below.key).await;
    trade(&app, &beside, "").await;
    let after = fair.walk(&below.key).await;
    // Those below one partner share its accounts, and with them what these hold; nothing of what the other sold to nobody of theirs.
    assert!(after.records().len() > before.records().len());
    assert!(!after.kinds().contains("Order") && !after.kinds().contains("OrderLine"), "{:?}", after.kinds());
}

async fn what_a_customer_reads_is_its_own_business(app: App) {
    let fair = Fair::open(&app).await;
    trade(&app, &fair.beta, "").await;
    let (ann, zoe) = (customer(&app, &fair.beta, "ann").await, customer(&app, &fair.beta, "zoe").await);
    let before = (fair.walk(&ann).await, fair.walk(&zoe).await);
    trade(&app, &fair.alpha, "").await;
    let other = fair.beta.place("o-3", json!([{"sku": "NOW", "quantity": 2}])).await;
    fair.beta.redeem(other.codes.first().expect("a code"), "bob").await.data();
    settle(&app).await;
    fair.walk(&ann).await.assert_same(&before.0);
    fair.walk(&zoe).await.assert_same(&before.1);
    let kinds = before.0.kinds();
    assert!(kinds.contains("Order") && kinds.contains("Assignment"), "{kinds:?}");
    assert!(!kinds.contains("FulfillmentException") && !kinds.contains("ApiKey"), "{kinds:?}");
    assert_eq!(
        before.1.kinds().into_iter().collect::<Vec<_>>(),
        ["Account", "Event", "Partner", "Product"],
        "and its key was made"
    );
}

async fn what_a_provisioner_reads_is_its_own_work(app: App) {
    let fair = Fair::open(&app).await;
    trade(&app, &fair.beta, "").await;
    let worker = app.key("PROVISIONER", json!({"partnerId": fair.beta.partner})).await;
    let before = fair.walk(&worker).await;
    trade(&app, &fair.alpha, "").await;
    let other = fair.beta.place("o-3", json!([{"sku": "NOW", "quantity": 2}])).await;
    fair.beta.redeem(other.codes.first().expect("a code"), "bob").await.data();
    settle(&app).await;
    fair.walk(&worker).await.assert_same(&before);
    let kinds = before.kinds();
    assert!(kinds.contains("ProvisioningAttempt") && !kinds.contains("Order"), "{kinds:?}");
}

async fn two_partners_come_across_no_record_of_each_other(app: App) {
    let fair = Fair::open(&app).await;
    trade(&app, &fair.alpha, "").await;
    trade(&app, &fair.beta, "").await;
    let (alpha, beta) = (fair.walk(&fair.alpha.key).await, fair.walk(&fair.beta.key).await);
    let (own, others) = (alpha.records(), beta.records());
    let shared: Vec<_> = own.intersection(&others).collect();
    assert!(shared.is_empty(), "{shared:?}");
    let named = |walk: &Walk, name: &str| {
        walk.read.iter().any(|(asked, answer)| !asked.contains(name) && answer.contains(name))
    };
    assert!(named(&alpha, "Alpha") && named(&beta, "Beta"));
    assert!(!named(&alpha, "Beta") && !named(&beta, "Alpha"));
    // Whatever one has come across, the other is told of as of what does not exist.
    for id in alpha.records() {
        let unknown = super::unknown_like(id);
        let about = |id: &str| {
            format!(
                "{{ node(id: \"{id}\") {{ id }} nodes(ids: [\"{id}\"]) {{ id }} search(query: \"{id}\") {{ matched }} }}"
            )
        };
        let (foreign, none) =
            (fair.beta.key.query(&about(id), json!({})).await, fair.beta.key.query(&about(&unknown), json!({})).await);
        assert_eq!(foreign.body.to_string().replace(id.as_str(), "*"), none.body.to_string().replace(&unknown, "*"));
    }
}

async fn the_people_of_two_partners_come_across_no_record_of_each_other(app: App) {
    let fair = Fair::open(&app).await;
    trade(&app, &fair.alpha, "").await;
    trade(&app, &fair.beta, "").await;
    let mut met = Vec::new();
    for shop in [&fair.alpha, &fair.beta] {
        let worker = app.key("PROVISIONER", json!({"partnerId": shop.partner})).await;
        let walks = [fair.walk(&customer(&app, shop, "ann").await).await, fair.walk(&worker).await];
        met.push(walks.iter().flat_map(Walk::records).cloned().collect::<BTreeSet<_>>());
    }
    let [alpha, beta] = met.as_slice() else { panic!("two partners") };
    let shared: Vec<_> = alpha.intersection(beta).collect();
    assert!(shared.is_empty(), "{shared:?}");
    // The desk sees what any of them has come across.
    let support = app.key("SUPPORT", json!({})).await;
    for id in alpha.union(beta) {
        let found = support.query("query ($id: ID!) { node(id: $id) { id } }", json!({"id": id})).await;
        assert_eq!(found.at("/node/id"), id);
    }
}

async fn a_walk_comes_across_everything(app: App) {
    let fair = Fair::open(&app).await;
    trade(&app, &fair.alpha, "").await;
    let everything = [
        "Account",
        "ActivationCode",
        "ApiKey",
        "Assignment",
        "Channel",
        "Entitlement",
        "Event",
        "FulfillmentException",
        "Order",
        "OrderLine",
        "Partner",
        "Product",
        "ProvisioningAttempt",
        "RedemptionAttempt",
        "Reservation",
    ];
    for client in [app.admin(), app.key("SUPPORT", json!({})).await] {
        let walk = fair.walk(&client).await;
        assert_eq!(walk.kinds().into_iter().collect::<Vec<_>>(), everything);
    }
    let walk = fair.walk(&fair.alpha.key).await;
    let mut own = everything.to_vec();
    own.retain(|kind| *kind != "ApiKey");
    assert_eq!(walk.kinds().into_iter().collect::<Vec<_>>(), own);
}
