//! A way to break each invariant, in rows that no other breach touches.

use claimcheck::id::{ActivationCodeId, AssignmentId, EventId, ExceptionId};
use uuid::Uuid;

use super::{Sold, Vandal, bare};

/// A way to break an invariant.
pub struct Breach {
    pub holds: &'static str,
    pub record: String,
    pub detail: &'static str,
    /// What breaks it; empty where what broke the one before has done so.
    pub sql: &'static str,
    pub ids: Vec<Uuid>,
}

fn breach(holds: &'static str, record: &str, detail: &'static str, sql: &'static str, ids: &[&str]) -> Breach {
    Breach { holds, record: record.to_owned(), detail, sql, ids: ids.iter().map(|id| bare(id)).collect() }
}

/// All of them. They are to be carried out in this order.
pub async fn all(sold: &Sold, vandal: &Vandal) -> Vec<Breach> {
    let mut breaches = breaches_of_units(sold);
    breaches.extend(breaches_of_states(sold));
    breaches.extend(breaches_of_codes(sold, vandal).await);
    breaches.extend(breaches_of_what_was_imported(sold, vandal).await);
    breaches.extend(breaches_of_the_journal(sold, vandal).await);
    breaches
}

fn breaches_of_units(sold: &Sold) -> Vec<Breach> {
    let [_, held, _] = &sold.held;
    vec![
        breach(
            "every line has as many units as were ordered",
            &sold.line,
            "ordered 13, issued ",
            "UPDATE order_lines SET quantity = 13 WHERE id = $1",
            &[&sold.line],
        ),
        breach(
            "every order and partner has as many units as were ordered and reissued",
            &sold.order,
            "ordered 13, issued ",
            "",
            &[],
        ),
        breach(
            "every unit reaches its line, order and channel",
            sold.unit(0),
            "its line, order, channel, partner or product is not its own",
            "UPDATE entitlements SET product_id = (SELECT id FROM products WHERE sku = 'T') WHERE id = $1",
            &[sold.unit(0)],
        ),
        breach(
            "an assignment is of its unit's channel, partner and product",
            sold.assignment(2),
            "its channel, partner or product is not its unit's",
            "UPDATE assignments SET product_id = (SELECT id FROM products WHERE sku = 'T') WHERE id = $1",
            &[sold.assignment(2)],
        ),
        breach(
            "statistics agree with the units",
            &sold.shop.channel,
            "counter EXPIRED of a product is off by 5",
            "INSERT INTO tallies (channel_id, product_id, counter, units) \
             SELECT $1, id, 'EXPIRED', 5 FROM products WHERE sku = 'T'",
            &[&sold.shop.channel],
        ),
        breach(
            "a unit has at most one assignment in force",
            sold.given(0),
            "2 assignments are in force",
            "UPDATE assignments SET entitlement_id = $1 WHERE id = $2",
            &[sold.given(0), sold.assignment(1)],
        ),
        breach(
            "a unit's state agrees with its assignment and its holder",
            sold.given(1),
            "it is ACTIVE and its assignment none",
            "",
            &[],
        ),
        breach(
            "whoever holds a unit is an account",
            sold.given(3),
            "its holder is no account",
            "UPDATE entitlements SET holder_account_id = $1 WHERE id = $1",
            &[sold.given(3)],
        ),
        breach(
            "a unit has at most one held reservation",
            sold.unit(7),
            "2 reservations are held",
            "UPDATE reservations SET entitlement_id = $1 WHERE id = $2",
            &[sold.unit(7), held],
        ),
        breach(
            "a unit is reserved exactly while a reservation holds it",
            sold.unit(8),
            "it is RESERVED and its reservation none",
            "",
            &[],
        ),
        breach(
            "a unit is replaced at most once",
            sold.unit(4),
            "2 units replace it",
            "UPDATE entitlements SET replaces_id = $1 WHERE id IN ($2, $3)",
            &[sold.unit(4), sold.unit(5), sold.unit(6)],
        ),
        breach(
            "a replaced unit has ended, and its successor is of the same line",
            sold.unit(5),
            "it replaces a unit that is UNASSIGNED",
            "",
            &[],
        ),
    ]
}

fn breaches_of_states(sold: &Sold) -> Vec<Breach> {
    let [_, _, held] = &sold.held;
    vec![
        breach(
            "a unit's state is what the journal says last",
            sold.given(2),
            "it is SUSPENDED and the journal says ACTIVE",
            "UPDATE entitlements SET status = 'SUSPENDED' WHERE id = $1",
            &[sold.given(2)],
        ),
        breach(
            "an assignment's state is what the journal says last",
            sold.assignment(3),
            "it is PROVISIONING and the journal says ACTIVE",
            "UPDATE assignments SET status = 'PROVISIONING' WHERE id = $1",
            &[sold.assignment(3)],
        ),
        breach(
            "an assignment is being worked on exactly while an attempt is running",
            sold.assignment(3),
            "it is PROVISIONING and 0 attempts are running",
            "",
            &[],
        ),
        breach(
            "the journal tells of every attempt whose end nobody knows",
            sold.assignment(0),
            "1 attempts are UNKNOWN and the journal tells of 0",
            "INSERT INTO provisioning_attempts (id, assignment_id, operation, outcome, idempotency_reference, started_at) \
             SELECT id, id, 'PROVISION', 'UNKNOWN', 'nobody knows', assigned_at FROM assignments WHERE id = $1",
            &[sold.assignment(0)],
        ),
        breach(
            "a reservation's state is what the journal says last",
            held,
            "it is RELEASED and the journal says HELD",
            "UPDATE reservations SET status = 'RELEASED' WHERE id = $1",
            &[held],
        ),
        breach(
            "an order's status is what the journal says last",
            &sold.order,
            "it is CANCELLED and the journal says CONFIRMED",
            "UPDATE orders SET status = 'CANCELLED' WHERE id = $1",
            &[&sold.order],
        ),
        breach(
            "a cancelled order has no unit that lives",
            sold.unit(0),
            "it is UNASSIGNED and its order CANCELLED",
            "",
            &[],
        ),
    ]
}

async fn breaches_of_codes(sold: &Sold, vandal: &Vandal) -> Vec<Breach> {
    let redeemed = "SELECT id FROM activation_codes WHERE status = 'REDEEMED' ORDER BY id";
    let once = vandal.find::<ActivationCodeId>(&format!("{redeemed} LIMIT 1"), &[]).await;
    let again = vandal.find::<ActivationCodeId>(&format!("{redeemed} DESC LIMIT 1"), &[]).await;
    let live = "SELECT id FROM activation_codes WHERE entitlement_id = $1";
    let dead = vandal.find::<ActivationCodeId>(live, &[bare(sold.unit(11))]).await;
    let live = vandal.find::<ActivationCodeId>(live, &[bare(sold.unit(3))]).await;
    vec![
        breach(
            "a unit has at most one live code",
            sold.unit(1),
            "2 codes are live",
            "UPDATE activation_codes SET entitlement_id = $1 WHERE entitlement_id = $2",
            &[sold.unit(1), sold.unit(2)],
        ),
        breach(
            "a code redeems at most once",
            &once,
            "redeemed 2 times",
            "UPDATE redemption_attempts SET activation_code_id = $1 WHERE activation_code_id = $2",
            &[&once, &again],
        ),
        breach(
            "a redeemed code has the assignment it turned into",
            &again,
            "has 0 assignments",
            "UPDATE assignments SET activation_code_id = NULL WHERE activation_code_id = $1",
            &[&again],
        ),
        breach(
            "a redeemed code has the attempt that redeemed it",
            &again,
            "it is REDEEMED and 0 attempts have redeemed it",
            "",
            &[],
        ),
        breach(
            "a code's status is what the journal says last",
            &dead,
            "it is REVOKED and the journal says ISSUED",
            "UPDATE activation_codes SET status = 'REVOKED', sealed = NULL WHERE id = $1",
            &[&dead],
        ),
        breach(
            "a code is stored under a key that the database knows",
            &once,
            "its key is ck_lost",
            "UPDATE activation_codes SET key_id = 'ck_lost' WHERE id = $1",
            &[&once],
        ),
        breach(
            "a live code stands for a unit that can still be claimed",
            &live,
            "its unit is REVOKED",
            "UPDATE entitlements SET status = 'REVOKED' WHERE id = $1",
            &[sold.unit(3)],
        ),
        breach(
            "a unit that the journal does not name is as its order's events say",
            sold.unit(3),
            "it is REVOKED and no event says so",
            "",
            &[],
        ),
    ]
}

async fn breaches_of_what_was_imported(sold: &Sold, vandal: &Vandal) -> Vec<Breach> {
    let [given, differing] = &sold.imported;
    let of_order = "JOIN orders o ON o.id = x.order_id WHERE o.external_reference";
    let sql =
        format!("SELECT s.id FROM assignments s JOIN entitlements x ON x.id = s.entitlement_id {of_order} = '{given}'");
    let assignment = vandal.find::<AssignmentId>(&sql, &[]).await;
    let sql = format!("SELECT x.id FROM fulfillment_exceptions x {of_order} = '{differing}'");
    let exception = vandal.find::<ExceptionId>(&sql, &[]).await;
    vec![
        breach(
            "an assignment that the journal does not name was imported",
            &assignment,
            "it is ACTIVE and no event says so",
            "UPDATE assignments SET method = 'DIRECT' WHERE id = $1",
            &[&assignment],
        ),
        breach(
            "an exception's status is what the journal says last",
            &exception,
            "it is RESOLVED and the journal says OPEN",
            "UPDATE fulfillment_exceptions SET status = 'RESOLVED', resolution = 'DISMISSED' WHERE id = $1",
            &[&exception],
        ),
    ]
}

async fn breaches_of_the_journal(sold: &Sold, vandal: &Vandal) -> Vec<Breach> {
    let told = "SELECT id FROM events WHERE entitlement_id = $1 AND type = 'RESERVATION_RELEASED'";
    let told = vandal.find::<EventId>(told, &[bare(sold.unit(9))]).await;
    let own = "SELECT id FROM events WHERE entitlement_id = $1 AND type = 'ENTITLEMENT_EXTENDED'";
    let own = vandal.find::<EventId>(own, &[bare(sold.unit(11))]).await;
    let foreign = "SELECT id FROM events WHERE entitlement_id = $1 AND type = 'RESERVATION_HELD'";
    let foreign = vandal.find::<EventId>(foreign, &[bare(sold.unit(8))]).await;
    let mut first = Vec::new();
    for position in 1..=3 {
        let sql = format!("SELECT event_id AS id FROM journal_positions WHERE position = {position}");
        first.push(vandal.find::<EventId>(&sql, &[]).await);
    }
    let [early, next, lost] = first.try_into().expect("three events");
    vec![
        breach(
            "the journal tells a unit's states without a gap",
            &told,
            "it tells of EXPIRED after RESERVED",
            "UPDATE events SET entitlement_from = 'EXPIRED' WHERE id = $1",
            &[&told],
        ),
        breach(
            "the journal tells a record's own states without a gap",
            &told,
            "it tells of HELD after EXPIRED",
            "UPDATE events SET to_status = 'EXPIRED' WHERE entitlement_id = $1 AND type = 'RESERVATION_HELD'",
            &[sold.unit(9)],
        ),
        breach(
            "a unit's own event says what became of it",
            &own,
            "it says EXPIRED and the unit became UNASSIGNED",
            "UPDATE events SET to_status = 'EXPIRED' WHERE id = $1",
            &[&own],
        ),
        breach(
            "an event is of its order's channel and partner, and of its unit's order and product",
            &foreign,
            "it is told to those of another order, channel, partner or product",
            "UPDATE events SET partner_id = (SELECT id FROM partners WHERE name = 'house') WHERE id = $1",
            &[&foreign],
        ),
        breach(
            "every event has its position",
            &early,
            "it has no position",
            "DELETE FROM journal_positions WHERE event_id = $1",
            &[&early],
        ),
        breach("positions are dense", &next, "position 2 follows 0", "", &[]),
        breach(
            "every position has its event",
            &lost,
            "position 3 has no event",
            "DELETE FROM events WHERE id = $1",
            &[&lost],
        ),
        breach(
            "the head is the last position",
            "journal_head",
            "the head is ",
            "UPDATE journal_head SET position = position + 1",
            &[],
        ),
    ]
}
