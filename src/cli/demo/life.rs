//! What happens in the demo while one watches: sales and redemptions, and what a support desk is for.

use std::time::Duration;

use tokio::time::sleep;

use super::Failure;
use crate::{
    domain::{
        Actor,
        account::Reference,
        activation_code::{self, Issued, Redeem},
        catalog::{Change, PolicyChange, product},
        entitlement, once,
        order::{self, Line, Place, Placed},
        provisioning, reservation,
    },
    entity::kind::Provisioning,
    id::ChannelId,
    store::Db,
};

/// What is sold: products of the imported orders.
const SOLD: [&str; 3] = ["85123A", "71053", "22633"];
/// What is set up elsewhere, and has to be within a minute.
const SEAT: &str = "WORKSHOP";
/// The pause between two signs of life.
const PAUSE: Duration = Duration::from_secs(2);

pub struct Life<'a> {
    pub db: &'a Db,
    pub actor: &'a Actor,
    pub channels: [ChannelId; 2],
}

impl Life<'_> {
    /// Three seats in a workshop: one is set up, one cannot be, and one is left to whoever tries a provisioner.
    pub async fn begin(&self) -> Result<(), Failure> {
        let policy = PolicyChange {
            provisioning: Change::Set(Provisioning::External),
            provisioning_deadline_minutes: Change::Set(1),
            ..PolicyChange::default()
        };
        let seat = product::Create { sku: SEAT.to_owned(), name: "Seat in a workshop".to_owned(), policy };
        once(self.db, self.actor, &seat, product::create).await?;
        let seats = ["ann", "bo", "cy"].map(|person| Line { assign_to: Some(somebody(person)), ..line(SEAT, 1) });
        self.sell(self.channels[0], "demo-workshop", seats.into()).await?;
        let work = provisioning::Work { limit: 2, lease_seconds: 30, products: None };
        let claimed = once(self.db, self.actor, &work, provisioning::claim).await?;
        if let [one, other] = claimed.attempts.as_slice() {
            let external_reference = Some("seat 1".to_owned());
            let done = provisioning::Complete { attempt_id: one.attempt_id, external_reference };
            once(self.db, self.actor, &done, provisioning::complete).await?;
            let reason = "the room is full".to_owned();
            let failed = provisioning::Fail { attempt_id: other.attempt_id, reason, retryable: false };
            once(self.db, self.actor, &failed, provisioning::fail).await?;
        }
        Ok(())
    }

    /// Sells two units and redeems one of them, again and again; what becomes of the other differs. Ends only by an error.
    pub async fn goes_on(&self) -> Result<(), Failure> {
        for (round, channel) in (1..).zip(self.channels.iter().cycle()) {
            sleep(PAUSE).await;
            let sku = SOLD.get(round % SOLD.len()).copied().unwrap_or("85123A");
            let placed = self.sell(*channel, &format!("demo-{round}"), vec![line(sku, 2)]).await?;
            sleep(PAUSE).await;
            let [one, other] = placed.codes.as_slice() else { continue };
            let visitor = format!("visitor-{}", round % 7);
            self.redeem(one, &visitor).await?;
            match round % 4 {
                // Somebody tries what another has used.
                1 => self.redeem(one, "late-comer").await?,
                // Somebody tries what is suspended, which somebody has to decide about.
                2 => {
                    let reason = "the payment is disputed".to_owned();
                    let suspend =
                        entitlement::Suspend { entitlement_id: other.entitlement_id, reason, expected_version: None };
                    once(self.db, self.actor, &suspend, entitlement::suspend).await?;
                    self.redeem(other, &visitor).await?;
                }
                // One is held.
                3 => {
                    let hold = reservation::Reserve {
                        entitlement_id: other.entitlement_id,
                        account: Some(somebody(&visitor)),
                        resource: None,
                        minutes: None,
                        expected_version: None,
                    };
                    once(self.db, self.actor, &hold, reservation::reserve).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn sell(&self, channel_id: ChannelId, reference: &str, lines: Vec<Line>) -> Result<Placed, Failure> {
        let place = Place {
            channel_id,
            external_reference: reference.to_owned(),
            lines,
            buyer: None,
            buyer_account: None,
            placed_at: None,
            currency: None,
            payment_reference: None,
            request: reference.as_bytes().to_vec(),
        };
        Ok(once(self.db, self.actor, &place, order::place).await?)
    }

    /// Presents a code, whatever comes of it.
    async fn redeem(&self, issued: &Issued, visitor: &str) -> Result<(), Failure> {
        let Some(code) = &issued.code else { return Ok(()) };
        let redeem = Redeem { code: code.reveal(), account: Some(somebody(visitor)), resource: None, input: None };
        let _told = once(self.db, self.actor, &redeem, activation_code::redeem).await?;
        Ok(())
    }
}

fn somebody(reference: &str) -> Reference {
    Reference { external_reference: reference.to_owned(), email: None, display_name: None }
}

fn line(sku: &str, quantity: i32) -> Line {
    Line {
        sku: sku.to_owned(),
        quantity,
        unit_price: None,
        recipient: None,
        assign_to: None,
        resource: None,
        input: None,
    }
}
