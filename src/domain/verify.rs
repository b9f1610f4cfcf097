//! The invariants, held against the whole database.
//!
//! Each check is one query that finds nothing in a sound database and otherwise names every row that breaks it. They repeat what the
//! schema already forbids where they can: a proof should not rest on what it proves.

use sea_orm::{DbBackend, FromQueryResult};
use uuid::Uuid;

use crate::{
    id::{
        ActivationCodeId, AssignmentId, ChannelId, EntitlementId, EventId, ExceptionId, OrderId, OrderLineId, RecordId,
        ReservationId,
    },
    store::{self, Db},
};

/// One thing that always holds.
pub struct Check {
    /// What holds, as a person would say it.
    pub holds: &'static str,
    /// Finds the rows for which it does not: an id and what is wrong.
    sql: &'static str,
    /// Writes the ids.
    name: fn(Uuid) -> String,
}

/// A row that breaks a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    pub record: String,
    pub detail: String,
}

#[derive(FromQueryResult)]
struct Found {
    id: Uuid,
    detail: String,
}

impl Check {
    /// The rows for which it does not hold.
    ///
    /// One statement, and so one snapshot: what runs meanwhile cannot look like a breach.
    pub async fn run(&self, db: &Db) -> Result<Vec<Breach>, store::Error> {
        let postgres = db.backend() == DbBackend::Postgres;
        let (places, tallies) = if postgres { (PLACES, TALLIES) } else { ("journal_positions", "tallies") };
        let sql = self.sql.replace("{places}", places).replace("{tallies}", tallies);
        let found: Vec<Found> = db.survey(&sql).await?;
        let breach = |row: Found| Breach { record: (self.name)(row.id), detail: row.detail };
        Ok(found.into_iter().map(breach).collect())
    }
}

/// On PostgreSQL: the places of all events, those that wait for theirs after all others.
const PLACES: &str = "(SELECT event_id, position FROM journal_positions \
    UNION ALL SELECT event_id, 4611686018427387904 + seq FROM journal_pending)";
/// On PostgreSQL: the tallies with what has not been folded into them yet.
const TALLIES: &str = "(SELECT channel_id, product_id, counter, units FROM tallies \
    UNION ALL SELECT channel_id, product_id, counter, units FROM tally_deltas) AS t";

fn named<T: RecordId>(id: Uuid) -> String {
    T::from(id).to_string()
}

/// All checks, in the order in which they are run.
pub const CHECKS: &[Check] = &[
    Check {
        holds: "every line has as many units as were ordered",
        sql: "SELECT l.id, 'ordered ' || l.quantity || ', issued ' || count(e.id) AS detail FROM order_lines l \
              LEFT JOIN entitlements e ON e.order_line_id = l.id AND e.replaces_id IS NULL \
              GROUP BY l.id, l.quantity HAVING count(e.id) <> l.quantity",
        name: named::<OrderLineId>,
    },
    Check {
        holds: "every unit reaches its line, order and channel",
        sql: "SELECT e.id, 'its line, order, channel, partner or product is not its own' AS detail FROM entitlements e \
              LEFT JOIN order_lines l ON l.id = e.order_line_id LEFT JOIN orders o ON o.id = l.order_id \
              LEFT JOIN channels c ON c.id = o.channel_id \
              WHERE c.id IS NULL OR e.order_id <> o.id OR e.channel_id <> c.id OR e.partner_id <> c.partner_id \
              OR e.product_id <> l.product_id",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "an assignment is of its unit's channel, partner and product",
        sql: "SELECT s.id, 'its channel, partner or product is not its unit''s' AS detail FROM assignments s \
              JOIN entitlements e ON e.id = s.entitlement_id \
              WHERE s.channel_id <> e.channel_id OR s.partner_id <> e.partner_id OR s.product_id <> e.product_id",
        name: named::<AssignmentId>,
    },
    Check {
        holds: "an event is of its order's channel and partner, and of its unit's order and product",
        sql: "SELECT v.id, 'it is told to those of another order, channel, partner or product' AS detail FROM events v \
              LEFT JOIN orders o ON o.id = v.order_id LEFT JOIN entitlements e ON e.id = v.entitlement_id \
              WHERE (o.id IS NOT NULL AND (v.channel_id IS DISTINCT FROM o.channel_id OR v.partner_id IS DISTINCT FROM o.partner_id)) \
              OR (e.id IS NOT NULL AND (v.order_id IS DISTINCT FROM e.order_id OR v.product_id IS DISTINCT FROM e.product_id))",
        name: named::<EventId>,
    },
    Check {
        holds: "statistics agree with the units",
        sql: "SELECT channel_id AS id, 'counter ' || counter || ' of a product is off by ' || sum(units) AS detail FROM ( \
                SELECT channel_id, product_id, counter, units FROM {tallies} \
                UNION ALL SELECT channel_id, product_id, status, -count(*) FROM entitlements GROUP BY 1, 2, 3 \
                UNION ALL SELECT channel_id, product_id, CASE WHEN replaces_id IS NULL THEN 'ORDERED' ELSE 'REISSUED' END, \
                  -count(*) FROM entitlements GROUP BY 1, 2, 3 \
              ) AS counted GROUP BY channel_id, product_id, counter HAVING sum(units) <> 0",
        name: named::<ChannelId>,
    },
    Check {
        holds: "a unit has at most one assignment in force",
        sql: "SELECT entitlement_id AS id, count(*) || ' assignments are in force' AS detail FROM assignments \
              WHERE status NOT IN ('ENDED', 'CANCELLED') GROUP BY entitlement_id HAVING count(*) > 1",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "whoever holds a unit is an account",
        sql: "SELECT e.id, 'its holder is no account' AS detail FROM entitlements e \
              LEFT JOIN accounts a ON a.id = e.holder_account_id WHERE e.holder_account_id IS NOT NULL AND a.id IS NULL \
              UNION ALL SELECT s.entitlement_id, 'an assignment of it is to no account' FROM assignments s \
              LEFT JOIN accounts a ON a.id = s.account_id WHERE a.id IS NULL",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "a unit has at most one held reservation",
        sql: "SELECT entitlement_id AS id, count(*) || ' reservations are held' AS detail FROM reservations \
              WHERE status = 'HELD' GROUP BY entitlement_id HAVING count(*) > 1",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "a unit has at most one live code",
        sql: "SELECT entitlement_id AS id, count(*) || ' codes are live' AS detail FROM activation_codes \
              WHERE status = 'ISSUED' GROUP BY entitlement_id HAVING count(*) > 1",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "a code redeems at most once",
        sql: "SELECT activation_code_id AS id, 'redeemed ' || count(*) || ' times' AS detail FROM redemption_attempts \
              WHERE outcome = 'SUCCEEDED' GROUP BY activation_code_id HAVING count(*) > 1",
        name: named::<ActivationCodeId>,
    },
    Check {
        holds: "a redeemed code has the assignment it turned into",
        sql: "SELECT c.id, 'has ' || count(s.id) || ' assignments' AS detail FROM activation_codes c \
              LEFT JOIN assignments s ON s.activation_code_id = c.id \
              GROUP BY c.id, c.status HAVING count(s.id) <> CASE WHEN c.status = 'REDEEMED' THEN 1 ELSE 0 END",
        name: named::<ActivationCodeId>,
    },
    Check {
        holds: "a redeemed code has the attempt that redeemed it",
        sql: "SELECT c.id, 'it is ' || c.status || ' and ' || count(t.id) || ' attempts have redeemed it' AS detail \
              FROM activation_codes c \
              LEFT JOIN redemption_attempts t ON t.activation_code_id = c.id AND t.outcome = 'SUCCEEDED' \
              GROUP BY c.id, c.status HAVING count(t.id) <> CASE WHEN c.status = 'REDEEMED' THEN 1 ELSE 0 END",
        name: named::<ActivationCodeId>,
    },
    Check {
        holds: "a code is stored under a key that the database knows",
        sql: "SELECT c.id, 'its key is ' || c.key_id AS detail FROM activation_codes c \
              WHERE NOT EXISTS (SELECT 1 FROM code_keys k WHERE k.id = c.key_id)",
        name: named::<ActivationCodeId>,
    },
    Check {
        holds: "a live code stands for a unit that can still be claimed",
        sql: "SELECT c.id, 'its unit is ' || e.status AS detail FROM activation_codes c \
              JOIN entitlements e ON e.id = c.entitlement_id \
              WHERE c.status = 'ISSUED' AND e.status NOT IN ('UNASSIGNED', 'RESERVED', 'SUSPENDED')",
        name: named::<ActivationCodeId>,
    },
    Check {
        holds: "a unit's state agrees with its assignment and its holder",
        sql: "SELECT e.id, 'it is ' || e.status || ' and its assignment ' || coalesce(s.status, 'none') AS detail \
              FROM entitlements e LEFT JOIN assignments s ON s.entitlement_id = e.id AND s.status NOT IN ('ENDED', 'CANCELLED') \
              WHERE (e.status IN ('UNASSIGNED', 'RESERVED') AND s.id IS NOT NULL) \
              OR (e.status IN ('ASSIGNED', 'ACTIVE') AND s.id IS NULL) \
              OR (e.status = 'ASSIGNED' AND s.status NOT IN ('PENDING', 'AWAITING_INPUT', 'PROVISIONING', 'FAILED')) \
              OR (e.status = 'ACTIVE' AND s.status NOT IN ('ACTIVE', 'DEPROVISIONING', 'DEPROVISION_FAILED')) \
              OR (s.id IS NOT NULL AND (e.holder_account_id IS NULL OR e.holder_account_id <> s.account_id \
                OR e.holder_partner_id <> s.account_partner_id)) \
              OR (s.id IS NULL AND e.holder_account_id IS NOT NULL)",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "a unit is reserved exactly while a reservation holds it",
        sql: "SELECT e.id, 'it is ' || e.status || ' and its reservation ' || coalesce(r.status, 'none') AS detail \
              FROM entitlements e LEFT JOIN reservations r ON r.entitlement_id = e.id AND r.status = 'HELD' \
              WHERE (e.status = 'RESERVED') <> (r.id IS NOT NULL)",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "every order and partner has as many units as were ordered and reissued",
        sql: "SELECT o.id, 'ordered ' || coalesce(l.units, 0) || ', issued ' || coalesce(e.units, 0) AS detail FROM orders o \
              LEFT JOIN (SELECT order_id, sum(quantity) AS units FROM order_lines GROUP BY order_id) AS l ON l.order_id = o.id \
              LEFT JOIN (SELECT order_id, partner_id, count(*) AS units FROM entitlements WHERE replaces_id IS NULL \
                GROUP BY order_id, partner_id) AS e ON e.order_id = o.id AND e.partner_id = o.partner_id \
              WHERE coalesce(l.units, 0) <> coalesce(e.units, 0)",
        name: named::<OrderId>,
    },
    Check {
        holds: "a replaced unit has ended, and its successor is of the same line",
        sql: "SELECT n.id, 'it replaces a unit that is ' || e.status AS detail FROM entitlements n \
              JOIN entitlements e ON e.id = n.replaces_id \
              WHERE e.status NOT IN ('REVOKED', 'EXPIRED') OR e.order_line_id <> n.order_line_id OR n.id = e.id",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "an assignment is being worked on exactly while an attempt is running",
        sql: "SELECT s.id, 'it is ' || s.status || ' and ' || count(t.id) || ' attempts are running' AS detail FROM assignments s \
              LEFT JOIN provisioning_attempts t ON t.assignment_id = s.id AND t.outcome = 'STARTED' \
              GROUP BY s.id, s.status HAVING count(t.id) > 1 OR (s.status = 'PROVISIONING') > (count(t.id) = 1) \
              OR (count(t.id) = 1 AND s.status NOT IN ('PROVISIONING', 'DEPROVISIONING'))",
        name: named::<AssignmentId>,
    },
    Check {
        holds: "a cancelled order has no unit that lives",
        sql: "SELECT e.id, 'it is ' || e.status || ' and its order CANCELLED' AS detail FROM entitlements e \
              JOIN orders o ON o.id = e.order_id WHERE o.status = 'CANCELLED' AND e.status NOT IN ('REVOKED', 'EXPIRED') \
              AND e.replaces_id IS NULL AND NOT EXISTS ( \
                SELECT 1 FROM events c WHERE c.order_id = o.id AND c.type = 'ORDER_CANCELLED' AND c.to_status = 'CANCELLED' \
                AND e.expires_at <= c.occurred_at)",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "a unit is replaced at most once",
        sql: "SELECT replaces_id AS id, count(*) || ' units replace it' AS detail FROM entitlements \
              WHERE replaces_id IS NOT NULL GROUP BY replaces_id HAVING count(*) > 1",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "positions are dense",
        sql: "SELECT event_id AS id, 'position ' || position || ' follows ' || before AS detail FROM ( \
                SELECT event_id, position, coalesce(lag(position) OVER (ORDER BY position), 0) AS before FROM journal_positions \
              ) AS placed WHERE position <> before + 1",
        name: named::<EventId>,
    },
    Check {
        holds: "the head is the last position",
        sql: "SELECT (SELECT id FROM partners ORDER BY id LIMIT 1) AS id, \
                'the head is ' || h.position || ' and the last position ' || coalesce(max(p.position), 0) AS detail \
              FROM journal_head h LEFT JOIN journal_positions p ON true \
              GROUP BY h.position HAVING h.position <> coalesce(max(p.position), 0)",
        name: |_| "journal_head".to_owned(),
    },
    Check {
        holds: "every event has its position",
        sql: "SELECT e.id, 'it has no position' AS detail FROM events e \
              LEFT JOIN {places} p ON p.event_id = e.id WHERE p.position IS NULL",
        name: named::<EventId>,
    },
    Check {
        holds: "every position has its event",
        sql: "SELECT p.event_id AS id, 'position ' || p.position || ' has no event' AS detail FROM journal_positions p \
              LEFT JOIN events e ON e.id = p.event_id WHERE e.id IS NULL",
        name: named::<EventId>,
    },
    Check {
        holds: "a unit's state is what the journal says last",
        sql: "SELECT u.id, 'it is ' || u.status || ' and the journal says ' || told.entitlement_to AS detail FROM ( \
                SELECT e.entitlement_id, e.entitlement_to, \
                  row_number() OVER (PARTITION BY e.entitlement_id ORDER BY p.position DESC) AS place \
                FROM events e JOIN {places} p ON p.event_id = e.id \
                WHERE e.entitlement_id IS NOT NULL AND e.entitlement_to IS NOT NULL \
              ) AS told JOIN entitlements u ON u.id = told.entitlement_id \
              WHERE told.place = 1 AND told.entitlement_to <> u.status \
              AND NOT (u.status = 'REVOKED' AND told.entitlement_to IN ('UNASSIGNED', 'RESERVED', 'SUSPENDED') AND EXISTS ( \
                SELECT 1 FROM events c WHERE c.order_id = u.order_id AND c.type = 'ORDER_CANCELLED'))",
        name: named::<EntitlementId>,
    },
    // An order's own event stands for all of its units that nobody has.
    Check {
        holds: "a unit that the journal does not name is as its order's events say",
        sql: "SELECT u.id, 'it is ' || u.status || ' and no event says so' AS detail FROM entitlements u \
              WHERE u.status <> 'UNASSIGNED' \
              AND NOT EXISTS (SELECT 1 FROM events e WHERE e.entitlement_id = u.id AND e.entitlement_to IS NOT NULL) \
              AND NOT (u.status = 'ACTIVE' AND EXISTS ( \
                SELECT 1 FROM assignments s WHERE s.entitlement_id = u.id AND s.method = 'IMPORT')) \
              AND NOT (u.status = 'REVOKED' AND EXISTS ( \
                SELECT 1 FROM events c WHERE c.order_id = u.order_id AND c.type = 'ORDER_CANCELLED'))",
        name: named::<EntitlementId>,
    },
    Check {
        holds: "the journal tells a unit's states without a gap",
        sql: "SELECT told.id, 'it tells of ' || told.entitlement_from || ' after ' || told.before AS detail FROM ( \
                SELECT e.id, e.entitlement_from, \
                  lag(e.entitlement_to) OVER (PARTITION BY e.entitlement_id ORDER BY p.position) AS before \
                FROM events e JOIN {places} p ON p.event_id = e.id \
                WHERE e.entitlement_id IS NOT NULL AND e.entitlement_to IS NOT NULL \
              ) AS told WHERE told.before IS NOT NULL AND told.entitlement_from <> told.before",
        name: named::<EventId>,
    },
    Check {
        holds: "the journal tells a record's own states without a gap",
        sql: "SELECT told.id, 'it tells of ' || told.from_status || ' after ' || told.before AS detail FROM ( \
                SELECT own.id, own.from_status, \
                  lag(own.to_status) OVER (PARTITION BY own.record ORDER BY p.position) AS before FROM ( \
                  SELECT e.id, e.from_status, e.to_status, CASE WHEN e.type LIKE 'ORDER%' THEN e.order_id \
                    WHEN e.type LIKE 'CODE%' THEN e.activation_code_id WHEN e.type LIKE 'RESERVATION%' THEN e.reservation_id \
                    WHEN e.type LIKE 'ASSIGNMENT%' THEN e.assignment_id WHEN e.type LIKE 'EXCEPTION%' THEN e.exception_id \
                    END AS record FROM events e WHERE e.to_status IS NOT NULL \
                ) AS own JOIN {places} p ON p.event_id = own.id WHERE own.record IS NOT NULL \
              ) AS told WHERE told.from_status <> told.before",
        name: named::<EventId>,
    },
    Check {
        holds: "a unit's own event says what became of it",
        sql: "SELECT id, 'it says ' || to_status || ' and the unit became ' || coalesce(entitlement_to, from_status) AS detail \
              FROM events WHERE type LIKE 'ENTITLEMENT%' AND to_status <> coalesce(entitlement_to, from_status)",
        name: named::<EventId>,
    },
    // A purchase tells of its codes by its own event, and so does what cancels it.
    Check {
        holds: "a code's status is what the journal says last",
        sql: "SELECT c.id, 'it is ' || c.status || ' and the journal says ' || coalesce(told.to_status, 'ISSUED') AS detail \
              FROM activation_codes c LEFT JOIN ( \
                SELECT e.activation_code_id, e.to_status, \
                  row_number() OVER (PARTITION BY e.activation_code_id ORDER BY p.position DESC) AS place \
                FROM events e JOIN {places} p ON p.event_id = e.id \
                WHERE e.activation_code_id IS NOT NULL AND e.type LIKE 'CODE%' \
              ) AS told ON told.activation_code_id = c.id AND told.place = 1 \
              WHERE coalesce(told.to_status, 'ISSUED') <> c.status \
              AND NOT (c.status = 'REVOKED' AND coalesce(told.to_status, 'ISSUED') = 'ISSUED' AND EXISTS ( \
                SELECT 1 FROM entitlements u JOIN events v ON v.order_id = u.order_id AND v.type = 'ORDER_CANCELLED' \
                WHERE u.id = c.entitlement_id AND u.status = 'REVOKED'))",
        name: named::<ActivationCodeId>,
    },
    Check {
        holds: "the journal tells of every attempt whose end nobody knows",
        sql: "SELECT assignment_id AS id, sum(stored) || ' attempts are UNKNOWN and the journal tells of ' || sum(told) AS detail \
              FROM (SELECT assignment_id, 1 AS stored, 0 AS told FROM provisioning_attempts WHERE outcome = 'UNKNOWN' \
                UNION ALL SELECT assignment_id, 0, 1 FROM events WHERE type = 'ATTEMPT_UNKNOWN' \
              ) AS counted GROUP BY assignment_id HAVING sum(stored) <> sum(told)",
        name: named::<AssignmentId>,
    },
    Check {
        holds: "an assignment's state is what the journal says last",
        sql: "SELECT s.id, 'it is ' || s.status || ' and the journal says ' || told.to_status AS detail FROM ( \
                SELECT e.assignment_id, e.to_status, \
                  row_number() OVER (PARTITION BY e.assignment_id ORDER BY p.position DESC) AS place \
                FROM events e JOIN {places} p ON p.event_id = e.id \
                WHERE e.assignment_id IS NOT NULL AND e.type LIKE 'ASSIGNMENT%' \
              ) AS told JOIN assignments s ON s.id = told.assignment_id \
              WHERE told.place = 1 AND told.to_status <> s.status",
        name: named::<AssignmentId>,
    },
    Check {
        holds: "an assignment that the journal does not name was imported",
        sql: "SELECT s.id, 'it is ' || s.status || ' and no event says so' AS detail FROM assignments s \
              WHERE NOT (s.method = 'IMPORT' AND s.status = 'ACTIVE') AND NOT EXISTS ( \
                SELECT 1 FROM events e WHERE e.entitlement_id = s.entitlement_id AND e.assignment_id = s.id \
                AND e.type LIKE 'ASSIGNMENT%')",
        name: named::<AssignmentId>,
    },
    Check {
        holds: "a reservation's state is what the journal says last",
        sql: "SELECT r.id, 'it is ' || r.status || ' and the journal says ' || told.to_status AS detail FROM ( \
                SELECT e.reservation_id, e.to_status, \
                  row_number() OVER (PARTITION BY e.reservation_id ORDER BY p.position DESC) AS place \
                FROM events e JOIN {places} p ON p.event_id = e.id \
                WHERE e.reservation_id IS NOT NULL AND e.type LIKE 'RESERVATION%' \
              ) AS told JOIN reservations r ON r.id = told.reservation_id \
              WHERE told.place = 1 AND told.to_status <> r.status \
              AND NOT (r.status IN ('RELEASED', 'EXPIRED') AND EXISTS ( \
                SELECT 1 FROM entitlements u JOIN events c ON c.order_id = u.order_id AND c.type = 'ORDER_CANCELLED' \
                WHERE u.id = r.entitlement_id AND u.status = 'REVOKED'))",
        name: named::<ReservationId>,
    },
    Check {
        holds: "an order's status is what the journal says last",
        sql: "SELECT o.id, 'it is ' || o.status || ' and the journal says ' || coalesce(told.to_status, 'nothing') AS detail \
              FROM orders o LEFT JOIN ( \
                SELECT e.order_id, e.to_status, \
                  row_number() OVER (PARTITION BY e.order_id ORDER BY p.position DESC) AS place \
                FROM events e JOIN {places} p ON p.event_id = e.id \
                WHERE e.type LIKE 'ORDER%' \
              ) AS told ON told.order_id = o.id AND told.place = 1 \
              WHERE told.to_status IS NULL OR told.to_status <> o.status",
        name: named::<OrderId>,
    },
    Check {
        holds: "an exception's status is what the journal says last",
        sql: "SELECT x.id, 'it is ' || x.status || ' and the journal says ' || coalesce(told.to_status, 'nothing') AS detail \
              FROM fulfillment_exceptions x LEFT JOIN ( \
                SELECT e.exception_id, e.to_status, \
                  row_number() OVER (PARTITION BY e.exception_id ORDER BY p.position DESC) AS place \
                FROM events e JOIN {places} p ON p.event_id = e.id \
                WHERE e.exception_id IS NOT NULL AND e.type LIKE 'EXCEPTION%' \
              ) AS told ON told.exception_id = x.id AND told.place = 1 \
              WHERE told.to_status IS NULL OR told.to_status <> x.status",
        name: named::<ExceptionId>,
    },
];
