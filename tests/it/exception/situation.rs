//! Situations that need a decision, each made anew with a product of its own, so that workers take nothing else.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    harness::{App, Client, Shop, shop::product},
    sweep,
};

/// What is wrong with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    Expired,
    Revoked,
    AfterReissue,
    AfterRotation,
    Held,
    Suspended,
    Failed,
    FailedAndSuspended,
    StuckAfterRelease,
    StuckAfterRevocation,
    LateInput,
    LatePending,
    LateAndRunning,
    LateAndLost,
}

impl Situation {
    pub fn kind(self) -> &'static str {
        match self {
            Self::Expired | Self::Revoked | Self::AfterReissue | Self::AfterRotation | Self::Held | Self::Suspended => {
                "REDEMPTION_REJECTED"
            }
            Self::Failed | Self::FailedAndSuspended => "PROVISIONING_FAILED",
            Self::StuckAfterRelease | Self::StuckAfterRevocation => "DEPROVISIONING_FAILED",
            Self::LateInput | Self::LatePending | Self::LateAndRunning | Self::LateAndLost => "OVERDUE",
        }
    }
}

/// A shop, a worker and somebody who decides.
pub struct Stage {
    pub app: App,
    pub shop: Shop,
    pub worker: Client,
    pub support: Client,
    made: u32,
}

impl Stage {
    pub async fn open(app: &App) -> Self {
        let shop = Shop::open(app, "Alpha").await;
        let worker = app.key("PROVISIONER", json!({})).await;
        let support = app.key("SUPPORT", json!({})).await;
        Self { app: app.clone(), shop, worker, support, made: 0 }
    }

    pub fn in_a_year(&self) -> Value {
        json!(self.app.clock.now() + chrono::TimeDelta::days(365))
    }

    /// Makes a situation; the unit it is about.
    pub async fn make(&mut self, situation: Situation) -> String {
        use Situation::{
            AfterReissue, AfterRotation, Expired, Failed, FailedAndSuspended, Held, LateAndLost, LateAndRunning,
            LateInput, LatePending, Revoked, StuckAfterRelease, StuckAfterRevocation, Suspended,
        };
        match situation {
            Expired | Revoked | AfterReissue | AfterRotation | Held | Suspended => self.rejected(situation).await,
            Failed | FailedAndSuspended => {
                let (unit, product) = self.assigned(json!({})).await;
                self.fail(&product).await;
                if situation == FailedAndSuspended {
                    self.on(&unit, "suspendEntitlement").await;
                }
                unit
            }
            StuckAfterRelease | StuckAfterRevocation => {
                let (unit, product) = self.assigned(json!({})).await;
                let attempt = self.take(&product, 60).await;
                let input = json!({"attemptId": attempt});
                self.worker.mutate("completeProvisioning", "assignment { id }", input).await.done();
                if situation == StuckAfterRelease {
                    let input = json!({"assignmentId": self.assignment(&unit).await, "reason": "not needed"});
                    self.support.mutate("releaseAssignment", "assignment { id }", input).await.done();
                } else {
                    self.on(&unit, "revokeEntitlement").await;
                }
                self.fail(&product).await;
                unit
            }
            LateInput | LatePending | LateAndRunning | LateAndLost => self.late(situation).await,
        }
    }

    async fn late(&mut self, situation: Situation) -> String {
        let asked = if situation == Situation::LateInput { json!(["seat"]) } else { json!([]) };
        let policy = json!({"requiredInput": asked, "inputDeadlineHours": 1, "provisioningDeadlineMinutes": 60});
        let (unit, product) = self.assigned(policy).await;
        if situation == Situation::LateAndRunning {
            self.app.clock.advance(Duration::from_mins(30));
            self.take(&product, 3_600).await;
        } else if situation == Situation::LateAndLost {
            self.take(&product, 60).await;
        }
        let left = if situation == Situation::LateAndRunning { 30 } else { 60 };
        self.app.clock.advance(Duration::from_mins(left));
        sweep::all(&self.app).await;
        unit
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is left is held for somebody else")]
    async fn rejected(&mut self, situation: Situation) -> String {
        let (sku, _) = self.product(json!({"validForDays": 1})).await;
        let placed = self.shop.place(&sku, json!([{"sku": sku}])).await;
        let (unit, code) = (placed.units.first().expect("a unit"), placed.codes.first().expect("a code"));
        match situation {
            Situation::Expired => {
                self.app.clock.advance(Duration::from_hours(24));
                sweep::all(&self.app).await;
            }
            Situation::Revoked => self.on(unit, "revokeEntitlement").await,
            Situation::AfterReissue => self.on(unit, "reissueEntitlement").await,
            Situation::AfterRotation => self.on(unit, "rotateActivationCode").await,
            Situation::Suspended => self.on(unit, "suspendEntitlement").await,
            _ => {
                let input = json!({"entitlementId": unit, "account": {"externalReference": "bo"}});
                self.shop.key.mutate("reserveEntitlement", "reservation { id }", input).await.done();
            }
        }
        let refused = self.shop.redeem(code, "ann").await;
        assert_eq!(refused.list("/redeemCode/userErrors").len(), 1, "{:#}", refused.body);
        unit.clone()
    }

    /// A new product under `policy`: its SKU and its id.
    async fn product(&mut self, policy: Value) -> (String, String) {
        self.made += 1;
        let sku = format!("p-{}", self.made);
        let id = product(&self.app, &sku, policy).await;
        (sku, id)
    }

    /// A unit of a new product made outside, that is ann's, and the product.
    pub async fn assigned(&mut self, policy: Value) -> (String, String) {
        let mut terms = json!({"provisioning": "EXTERNAL"});
        terms.as_object_mut().expect("an object").extend(policy.as_object().expect("an object").clone());
        let (sku, product) = self.product(terms).await;
        let line = json!([{"sku": sku, "assignTo": {"externalReference": "ann"}}]);
        let placed = self.shop.place(&sku, line).await;
        (placed.units.first().expect("a unit").clone(), product)
    }

    /// What support does to a unit.
    pub async fn on(&self, unit: &str, mutation: &str) {
        let input = json!({"entitlementId": unit, "reason": "as agreed"});
        self.support.mutate(mutation, "entitlement { id }", input).await.done();
    }

    pub async fn assignment(&self, unit: &str) -> String {
        let query = "query ($id: ID!) { entitlement(id: $id) { assignment { id } } }";
        self.support.query(query, json!({"id": unit})).await.text("/entitlement/assignment/id")
    }

    /// Has a worker take what there is of a product.
    pub async fn take(&self, product: &str, seconds: u32) -> String {
        let input = json!({"productIds": [product], "leaseSeconds": seconds});
        let claimed = self.worker.mutate("claimProvisioning", "attempts { attempt { id } }", input).await.done();
        claimed.text("/attempts/0/attempt/id")
    }

    /// Has a worker fail at what there is of a product, for good.
    pub async fn fail(&self, product: &str) {
        let input = json!({"attemptId": self.take(product, 60).await, "reason": "no seat left", "retryable": false});
        self.worker.mutate("failProvisioning", "assignment { id }", input).await.done();
    }
}
