//! Somebody who sells, for tests about what was sold.
//!
//! A [`Shop`] is a partner with one channel and a key of its own; what it places comes back as [`Placed`], with the ids and codes that the
//! rest of a test is about.

use serde_json::{Value, json};

use super::{Answer, App, Client};

const PLACE: &str = "mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) {
    order { id lines { id entitlements(first: 100) { nodes { id } } } }
    activationCodes { code }
    userErrors { code message field }
} }";

const REDEEM: &str = "mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) {
    entitlement { id status } assignment { id status } userErrors { code message field allowedActions retryable }
} }";

/// A partner, its channel and its key.
#[derive(Clone)]
pub struct Shop {
    pub partner: String,
    pub channel: String,
    pub key: Client,
}

/// An order that was placed: its lines, units and codes in the order in which they were issued.
#[derive(Debug, Clone)]
pub struct Placed {
    pub order: String,
    pub lines: Vec<String>,
    pub units: Vec<String>,
    pub codes: Vec<String>,
}

impl Shop {
    /// The shop of a new top-level partner.
    pub async fn open(app: &App, name: &str) -> Self {
        Self::of(app, json!({"name": name})).await
    }

    /// The shop of a new partner below this one.
    pub async fn open_below(&self, app: &App, name: &str) -> Self {
        Self::of(app, json!({"name": name, "parentId": self.partner})).await
    }

    async fn of(app: &App, input: Value) -> Self {
        let mutation = "mutation ($input: CreatePartnerInput!) { createPartner(input: $input) { partner { id } userErrors { message } } }";
        let partner = app.admin().query(mutation, json!({"input": input})).await.text("/createPartner/partner/id");
        let name = input.get("name").cloned().unwrap_or_default();
        let mutation = "mutation ($input: CreateChannelInput!) { createChannel(input: $input) { channel { id } userErrors { message } } }";
        let input = json!({"name": name, "kind": "API", "partnerId": partner});
        let channel = app.admin().query(mutation, json!({"input": input})).await.text("/createChannel/channel/id");
        let key = app.key("PARTNER", json!({"partnerId": partner})).await;
        Self { partner, channel, key }
    }

    /// Places an order of `lines`, as `json!([{"sku": "A", "quantity": 2}])`.
    pub async fn place(&self, reference: &str, lines: Value) -> Placed {
        self.place_with(reference, lines, json!({})).await
    }

    /// The same with further members of `PlaceOrderInput`.
    pub async fn place_with(&self, reference: &str, lines: Value, more: Value) -> Placed {
        let mut input = json!({"channelId": self.channel, "externalReference": reference, "lines": lines});
        if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
            input.extend(more);
        }
        let answer = self.key.query(PLACE, json!({"input": input})).await;
        assert!(answer.list("/placeOrder/userErrors").is_empty(), "{:#}", answer.body);
        let lines = answer.list("/placeOrder/order/lines");
        let nodes = lines.iter().filter_map(|line| line.pointer("/entitlements/nodes")?.as_array()).flatten();
        Placed {
            order: answer.text("/placeOrder/order/id"),
            units: nodes.map(|node| member(node, "id")).collect(),
            codes: answer.list("/placeOrder/activationCodes").iter().map(|issued| member(issued, "code")).collect(),
            lines: lines.iter().map(|line| member(line, "id")).collect(),
        }
    }

    /// Redeems a code for the account that this shop calls `account`.
    pub async fn redeem(&self, code: &str, account: &str) -> Answer {
        let input = json!({"code": code, "account": {"externalReference": account}});
        self.key.query(REDEEM, json!({"input": input})).await
    }
}

/// Makes a product with the members of a policy that differ from the defaults; its id.
pub async fn product(app: &App, sku: &str, policy: Value) -> String {
    let mutation = "mutation ($input: CreateProductInput!) { createProduct(input: $input) { product { id } userErrors { message } } }";
    let input = json!({"sku": sku, "name": format!("The {sku}"), "policy": policy});
    app.admin().query(mutation, json!({"input": input})).await.text("/createProduct/product/id")
}

fn member(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no text {name} in {value}")).to_owned()
}
