//! The service as a sequence of steps sees it: each step is a domain operation in a transaction, under a key of its own.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use claimcheck::{
    domain::{
        Actor, Error, Operation, Request,
        account::Reference,
        activation_code::{self, Issued, Redeem},
        catalog::{Change, PolicyChange, channel, product},
        provisioning::Claimed,
        run,
        sweep::Sweep,
    },
    entity::kind::{ChannelKind, FulfillmentMode, Provisioning, RefusalCode},
    id::{ActivationCodeId, ChannelId, EntitlementId, OrderId, ProductId},
    store::{Db, Tx},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    command::Command,
    state::{HOLD, INPUT, LONGEST_HOLD, PROVISIONING, Terms},
};

/// A running database that sequences share; each has products, orders and accounts of its own.
pub struct Service {
    pub db: Db,
    pub actor: Actor,
    channel: ChannelId,
    sequences: u32,
}

/// One sequence's own: what the model knows by its place.
pub struct Session<'a> {
    pub service: &'a Service,
    pub name: String,
    pub start: DateTime<Utc>,
    pub channel: ChannelId,
    pub products: [ProductId; 2],
    pub orders: Vec<OrderId>,
    pub units: Vec<EntitlementId>,
    pub codes: HashMap<ActivationCodeId, String>,
    /// What was done under which key, and the answer.
    pub done: Vec<(String, Command, Value)>,
    requests: usize,
}

/// What a step answered.
#[derive(Default)]
pub struct Answer {
    pub value: Value,
    pub order: Option<OrderId>,
    pub successor: Option<EntitlementId>,
    pub issued: Vec<Issued>,
    pub claimed: Option<Claimed>,
}

impl Service {
    pub async fn open(db: Db) -> Self {
        let actor = Actor::system("model");
        let command = channel::Create { name: "the model's".to_owned(), kind: ChannelKind::Api, partner_id: None };
        let made = perform(&db, &actor, Operation::CreateChannel, None, &command, channel::create).await;
        let channel = made.expect("a channel").channel_id;
        Self { db, actor, channel, sequences: 0 }
    }

    /// A new sequence under these terms.
    pub async fn session(&mut self, terms: &[Terms; 2]) -> Session<'_> {
        self.sequences += 1;
        let name = format!("s{}", self.sequences);
        let [one, other] = terms;
        let products = [self.product(&format!("{name}-0"), one).await, self.product(&format!("{name}-1"), other).await];
        Session {
            service: self,
            name,
            start: self.db.clock().now(),
            channel: self.channel,
            products,
            orders: Vec::new(),
            units: Vec::new(),
            codes: HashMap::new(),
            done: Vec::new(),
            requests: 0,
        }
    }

    async fn product(&self, sku: &str, terms: &Terms) -> ProductId {
        let whole = |number: i64| Change::Set(i32::try_from(number).expect("a small number"));
        let policy = PolicyChange {
            mode: Change::Set(if terms.coupled { FulfillmentMode::Coupled } else { FulfillmentMode::Decoupled }),
            issues_codes: Change::Set(terms.issues_codes),
            valid_for_days: terms.valid_days.map_or(Change::Clear, whole),
            reservation_minutes: whole(HOLD),
            reservation_max_minutes: whole(LONGEST_HOLD),
            input_deadline_hours: whole(INPUT / 3_600),
            provisioning_deadline_minutes: whole(PROVISIONING / 60),
            transferable: Change::Set(terms.transferable),
            reassignable: Change::Set(terms.reassignable),
            max_per_account: terms
                .max_per_account
                .map_or(Change::Clear, |most| whole(i64::try_from(most).expect("a small number"))),
            required_input: Change::Set(if terms.asks { vec!["seat".to_owned()] } else { Vec::new() }),
            provisioning: Change::Set(if terms.external { Provisioning::External } else { Provisioning::None }),
        };
        let command = product::Create { sku: sku.to_owned(), name: sku.to_owned(), policy };
        let made = perform(&self.db, &self.actor, Operation::CreateProduct, None, &command, product::create).await;
        made.expect("a product").product_id
    }

    /// Sweeps until there is nothing to sweep.
    pub async fn sweep(&self) {
        for sweep in Sweep::ALL {
            let mut walk = sweep.begin();
            while walk.step(&self.db).await.expect("a sweep") {}
            assert!(walk.failed.is_empty(), "{:?}", walk.failed);
        }
    }
}

/// Runs an operation as a mutation would.
pub async fn perform<C, T: Serialize + DeserializeOwned>(
    db: &Db,
    actor: &Actor,
    mutation: Operation,
    key: Option<&str>,
    command: &C,
    operation: impl AsyncFn(&mut Tx, &Actor, &C) -> Result<T, Error>,
) -> Result<T, RefusalCode> {
    let operation = &operation;
    let request = Request { mutation, key: key.map(str::to_owned), reason: None, input: Vec::new() };
    let done = run(db, actor, &request, |mut tx| async move {
        let done = operation(&mut tx, actor, command).await?;
        Ok((tx, Ok(done)))
    });
    outcome(done.await)
}

fn outcome<T>(done: Result<T, Error>) -> Result<T, RefusalCode> {
    match done {
        Ok(done) => Ok(done),
        Err(Error::Refused(refusal)) => Err(refusal.code),
        Err(other) => panic!("a step failed: {other}"),
    }
}

impl Session<'_> {
    pub fn account(&self, account: usize) -> Reference {
        let external_reference = format!("{}-a{account}", self.name);
        Reference { external_reference, email: None, display_name: None }
    }

    pub fn moment(&self, seconds: i64) -> DateTime<Utc> {
        self.service.db.clock().now() + chrono::TimeDelta::seconds(seconds)
    }

    /// Does a step anew: under a new key, or under that of a step whose first time is forgotten.
    pub async fn request(&mut self, command: Command, again: Option<usize>) -> Result<Answer, RefusalCode> {
        self.requests += 1;
        let new = || format!("{}-{}", self.name, self.requests);
        let key = again.and_then(|done| self.done.get(done)).map_or_else(new, |(key, ..)| key.clone());
        let answer = self.execute(&key, &command).await?;
        if let Some(order) = answer.order {
            self.orders.push(order);
        }
        self.units.extend(answer.successor);
        for issued in &answer.issued {
            let code = issued.code.as_ref().expect("a fresh code is shown");
            self.codes.insert(issued.activation_code_id, code.reveal());
        }
        let done = (key, command, answer.value.clone());
        match again.and_then(|done| self.done.get_mut(done)) {
            Some(first) => *first = done,
            None => self.done.push(done),
        }
        Ok(answer)
    }

    /// Does again what was done: the same answer, and nothing more.
    pub async fn repeat(&self, done: usize) -> Result<(), String> {
        let (key, command, value) = self.done.get(done).expect("a step that was done");
        match self.execute(key, command).await {
            Ok(again) if again.value == *value => Ok(()),
            Ok(again) => Err(format!("a repeat answers {} after {value}", again.value)),
            Err(refusal) => Err(format!("a repeat is refused: {refusal}")),
        }
    }

    async fn execute(&self, key: &str, command: &Command) -> Result<Answer, RefusalCode> {
        match command {
            Command::Redeem(command) => self.redeem(key, command).await,
            other => other.run(&self.service.db, &self.service.actor, key).await,
        }
    }

    async fn redeem(&self, key: &str, command: &Redeem) -> Result<Answer, RefusalCode> {
        let actor = &self.service.actor;
        let request =
            Request { mutation: Operation::RedeemCode, key: Some(key.to_owned()), reason: None, input: Vec::new() };
        let done = run(&self.service.db, actor, &request, |mut tx| async move {
            let answer = activation_code::redeem(&mut tx, actor, command).await?;
            Ok((tx, answer))
        });
        let done = outcome(done.await)?;
        Ok(Answer { value: serde_json::to_value(done).expect("an answer"), ..Answer::default() })
    }

    /// Sees to it that every live code of `live` is known in full, also where it was issued and shown to nobody.
    pub async fn learn(&mut self, live: &BTreeSet<ActivationCodeId>) {
        let db = &self.service.db;
        for code in live {
            if !self.codes.contains_key(code) {
                let row = crate::seen::code(db, *code).await;
                let text = activation_code::unseal(db, &row).await.expect("keys").expect("what may be revealed");
                self.codes.insert(*code, text.reveal());
            }
        }
    }
}
