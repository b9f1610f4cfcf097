//! A support desk with an order before it, for tests about what becomes of units after their purchase.
//!
//! Alpha has sold units of the product P to Ann. [`act`] does something to one of them, and [`told`] is its story.

use claimcheck::id::EntitlementId;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use super::{
    Answer, App, Client, Shop,
    shop::{Placed, product},
};

/// The reason that the tests give.
pub const WHY: &str = "asked for by Ann";
/// What the tests look at of a unit that was changed.
const UNIT: &str = "id version status statusReason expiresAt recipient { name email }";
/// And of a code that was issued with it.
const CODE: &str = "issuedCode { code activationCode { id status } }";

/// A shop's order, and who looks after it.
#[derive(Clone)]
pub struct Desk {
    pub app: App,
    pub shop: Shop,
    pub placed: Placed,
    pub support: Client,
    pub product: String,
}

impl Desk {
    /// So many units of a product under `policy`, sold to Ann.
    pub async fn open(app: &App, policy: Value, quantity: usize) -> Self {
        Self::named(app, "P", policy, quantity).await
    }

    /// The same of a product, and at a shop, of another name: several may be open at once.
    pub async fn named(app: &App, sku: &str, policy: Value, quantity: usize) -> Self {
        let product = product(app, sku, policy).await;
        let shop = Shop::open(app, &format!("Alpha that sells {sku}")).await;
        let buyer = json!({"buyerAccount": {"externalReference": "ann"}});
        let placed = shop.place_with("o-1", json!([{"sku": sku, "quantity": quantity}]), buyer).await;
        let support = app.key("SUPPORT", json!({})).await;
        Self { app: app.clone(), shop, placed, support, product }
    }

    pub fn unit(&self, place: usize) -> &str {
        self.placed.units.get(place).expect("a unit")
    }

    pub fn code(&self, place: usize) -> &str {
        self.placed.codes.get(place).expect("a code")
    }

    /// The key of an account of the shop.
    pub async fn customer(&self, account: &str) -> Client {
        self.app.key("CUSTOMER", json!({"partnerId": self.shop.partner, "accountReference": account})).await
    }

    /// The support desk and the shop at another node.
    pub async fn elsewhere(&self) -> (Client, Client) {
        let node = self.app.second_node().await;
        let at = |client: &Client| node.client(client.secret().expect("a secret"));
        (at(&self.support), at(&self.shop.key))
    }

    /// Gives a unit to an account of the shop; the assignment.
    pub async fn assign(&self, unit: &str, account: &str) -> String {
        let input = json!({"entitlementId": unit, "account": {"externalReference": account}});
        self.shop.key.mutate("assignEntitlement", "assignment { id }", input).await.done().text("/assignment/id")
    }

    /// Holds a unit for an account of the shop; the reservation.
    pub async fn reserve(&self, unit: &str, account: &str) -> String {
        let input = json!({"entitlementId": unit, "account": {"externalReference": account}});
        self.shop.key.mutate("reserveEntitlement", "reservation { id }", input).await.done().text("/reservation/id")
    }

    /// Takes all work that waits on the product; the attempts.
    pub async fn claim(&self) -> Vec<String> {
        let input = json!({"limit": 100, "leaseSeconds": 3600, "productIds": [self.product]});
        let claimed = self.app.admin().mutate("claimProvisioning", "attempts { attempt { id } }", input).await.done();
        let attempts = claimed.list("/attempts").iter().filter_map(|taken| taken.pointer("/attempt/id")?.as_str());
        attempts.map(str::to_owned).collect()
    }

    /// Reports success.
    pub async fn complete(&self, attempt: &str) {
        let input = json!({"attemptId": attempt});
        self.app.admin().mutate("completeProvisioning", "assignment { id }", input).await.done();
    }

    /// Reports failure for good.
    pub async fn fail(&self, attempt: &str) {
        let input = json!({"attemptId": attempt, "reason": "no seat left", "retryable": false});
        self.app.admin().mutate("failProvisioning", "assignment { id }", input).await.done();
    }

    /// Does all work that waits, with success.
    pub async fn work(&self) {
        for attempt in self.claim().await {
            self.complete(&attempt).await;
        }
    }

    /// Gives a unit to Bo and has it made downstream; the assignment.
    pub async fn provisioned(&self, unit: &str) -> String {
        let assignment = self.assign(unit, "bo").await;
        self.work().await;
        assignment
    }

    /// The status of a unit, of its assignment in force and of its last code, as "ACTIVE / DEPROVISIONING / REDEEMED".
    pub async fn state(&self, unit: &str) -> String {
        let query =
            "query ($id: ID!) { entitlement(id: $id) { status assignment { status } activationCode { status } } }";
        let answer = self.support.query(query, json!({"id": unit})).await;
        let status = |place: &str| {
            let found = answer.at("/entitlement").pointer(place).and_then(Value::as_str);
            found.unwrap_or("none").to_owned()
        };
        format!("{} / {} / {}", status("/status"), status("/assignment/status"), status("/activationCode/status"))
    }

    /// How many units there are in which state, as "ordered 2, unassigned 1, revoked 1".
    pub async fn statistics(&self) -> String {
        const COUNTS: [&str; 9] =
            ["ordered", "reissued", "unassigned", "reserved", "assigned", "active", "suspended", "revoked", "expired"];
        let query = format!("{{ statistics {{ {} }} }}", COUNTS.join(" "));
        let answer = self.shop.key.query(&query, json!({})).await;
        let counted = COUNTS.iter().map(|count| (count, answer.number(&format!("/statistics/{count}"))));
        let counted = counted.filter(|(_, units)| *units > 0).map(|(count, units)| format!("{count} {units}"));
        counted.collect::<Vec<_>>().join(", ")
    }

    /// What somebody else is refused, of each of its two kinds: the record is there, and there is none.
    pub async fn assert_unknown(&self, mutation: &str, selection: &str, input: &Value, field: &str) {
        let beta = Shop::open(&self.app, &format!("Beta who tries {mutation}")).await;
        let foreign = beta.key.mutate(mutation, selection, input.clone()).await;
        assert_eq!(foreign.refusal(), Some("NOT_FOUND"), "{mutation}");
        assert_eq!(foreign.at("/userErrors/0/allowedActions"), &json!([]), "{mutation}");
        let known = input.get(field).and_then(Value::as_str).expect("an id");
        let (kind, _) = known.split_once('_').expect("a kind");
        let unknown = with(input.clone(), json!({field: format!("{kind}_01h455vb4pex5vsknk084sn02q")}));
        let unknown = beta.key.mutate(mutation, selection, unknown).await;
        assert_eq!(unknown.body.to_string(), foreign.body.to_string(), "{mutation}: nobody learns which");
    }
}

/// `input` with further members, or others.
pub fn with(mut input: Value, more: Value) -> Value {
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    input
}

/// What `mutation` asks for to be done to a unit.
pub fn asked(mutation: &str, unit: &str) -> Value {
    match mutation {
        "transferEntitlement" => json!({"entitlementId": unit, "recipient": {"name": "Cy", "email": "cy@example.com"}}),
        "extendEntitlement" => json!({"entitlementId": unit, "reason": WHY, "expiresAt": "2032-01-01T00:00:00Z"}),
        _ => json!({"entitlementId": unit, "reason": WHY}),
    }
}

/// Does `mutation` to a unit.
pub async fn act(client: &Client, mutation: &str, unit: &str) -> Answer {
    act_with(client, mutation, unit, json!({})).await
}

/// The same with further members of its input.
pub async fn act_with(client: &Client, mutation: &str, unit: &str, more: Value) -> Answer {
    client.mutate(mutation, &selection(mutation), with(asked(mutation, unit), more)).await
}

/// What the tests look at in the payload of `mutation`.
pub fn selection(mutation: &str) -> String {
    match mutation {
        "revokeEntitlement" | "suspendEntitlement" => format!("entitlement {{ {UNIT} }}"),
        "reissueEntitlement" => format!("entitlement {{ {UNIT} }} replaced {{ {UNIT} }} {CODE}"),
        _ => format!("entitlement {{ {UNIT} }} {CODE}"),
    }
}

/// Releases an assignment.
pub async fn release(client: &Client, assignment: &str, more: Value) -> Answer {
    let selection = format!("assignment {{ id version status statusReason endedAt }} entitlement {{ {UNIT} }} {CODE}");
    let input = with(json!({"assignmentId": assignment, "reason": WHY}), more);
    client.mutate("releaseAssignment", &selection, input).await
}

/// Cancels an order.
pub async fn cancel(client: &Client, order: &str, more: Value) -> Answer {
    let input = with(json!({"orderId": order, "reason": WHY}), more);
    client.mutate("cancelOrder", "order { id version status fulfillmentStatus }", input).await
}

/// The unit's story after its order was placed: each event's type, its own change and the unit's, as
/// `ASSIGNMENT_ENDED ACTIVE>ENDED, unit ACTIVE>UNASSIGNED`.
pub async fn told(client: &Client, unit: &str) -> Vec<String> {
    let query = "query ($id: ID!) { entitlement(id: $id) { timeline(first: 100) { nodes {
        type fromStatus toStatus entitlementFrom entitlementTo
    } } } }";
    let answer = client.query(query, json!({"id": unit})).await;
    let change = |event: &Value, from: &str, to: &str| {
        let status = |member: &str| event.get(member).and_then(Value::as_str).map(str::to_owned);
        match (status(from), status(to)) {
            (Some(from), Some(to)) => Some(format!("{from}>{to}")),
            (from, to) => from.or(to),
        }
    };
    let line = |event: &Value| {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        let own = change(event, "fromStatus", "toStatus").map(|own| format!(" {own}")).unwrap_or_default();
        let unit = change(event, "entitlementFrom", "entitlementTo").map(|unit| format!(", unit {unit}"));
        format!("{kind}{own}{}", unit.unwrap_or_default())
    };
    answer.list("/entitlement/timeline/nodes").iter().skip(1).map(line).collect()
}

/// The members of the last events of a unit's story.
pub async fn last_told(client: &Client, unit: &str, count: usize) -> Vec<Value> {
    let query = "query ($id: ID!, $count: Int) { entitlement(id: $id) { timeline(last: $count) { nodes {
        type actor reason quantity
    } } } }";
    client.query(query, json!({"id": unit, "count": count})).await.list("/entitlement/timeline/nodes").to_vec()
}

/// Writes what no version of the service writes into the assignment of a unit, or mends it.
pub async fn spoil(app: &App, unit: &str, missing_input: &str) {
    let unit: EntitlementId = unit.parse().expect("an id");
    let connection = app.db().await;
    let backend = connection.get_database_backend();
    let sql = format!("UPDATE assignments SET missing_input = '{missing_input}' WHERE entitlement_id = $1");
    let done = connection.execute_raw(Statement::from_sql_and_values(backend, sql, [unit.into()])).await;
    assert_eq!(done.expect("an update").rows_affected(), 1);
    connection.close().await.expect("an orderly end");
}
