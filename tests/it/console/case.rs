//! Twelve cases of a support desk, each from the customer's words to the resolution, through the console alone.
//!
//! A case is a row: how the unit came to be as it is, what is typed into the search box, what the page must say, which form is sent, and
//! what the page says then. All of them are worked over HTTP; some in a browser as well.

use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};

use super::support;
use crate::harness::{
    App, Client, Desk, Test, both_engines,
    desk::act,
    visitor::{Page, Visitor},
};

pub fn tests() -> Vec<Test> {
    both_engines![every_case_is_resolved]
}

type Bring = for<'a> fn(&'a Desk) -> BoxFuture<'a, ()>;

/// A case.
pub struct Case {
    pub ticket: &'static str,
    /// The members of the policy that differ from the defaults.
    policy: &'static str,
    bring: Bring,
    /// What the customer has at hand.
    pub asked: fn(&Desk) -> String,
    /// What the page says.
    pub says: &'static [&'static str],
    /// A link to follow to the form, if it is on another page.
    pub by: Option<&'static str>,
    /// The form to send, and what to write into it.
    pub deed: &'static str,
    pub fields: &'static [(&'static str, &'static str)],
    /// What the page says then.
    pub then: &'static [&'static str],
    /// The state of the unit then, as [`Desk::state`] writes it.
    pub state: &'static str,
}

const EXTERNAL: &str = r#"{"provisioning": "EXTERNAL"}"#;
const WHY: (&str, &str) = ("reason", "ticket 4711");
const NOTE: (&str, &str) = ("note", "ticket 4711");

fn last_four(desk: &Desk) -> String {
    let code = desk.code(0);
    code.get(code.len() - 4..).expect("four symbols").to_owned()
}

fn code(desk: &Desk) -> String {
    desk.code(0).to_lowercase()
}

fn unit(desk: &Desk) -> String {
    desk.unit(0).to_owned()
}

fn order(desk: &Desk) -> String {
    desk.placed.order.clone()
}

fn as_sold(_: &Desk) -> BoxFuture<'_, ()> {
    async {}.boxed()
}

async fn try_code(client: &Client, code: &str) {
    let input = json!({"code": code, "account": {"externalReference": "ann"}});
    client.mutate("redeemCode", "entitlement { id }", input).await;
}

pub const CASES: [Case; 12] = [
    Case {
        ticket: "I deleted the mail with my code.",
        policy: "{}",
        bring: as_sold,
        asked: last_four,
        says: &[
            "Valid, and not used yet",
            "Used? No. The code that ends in",
            "Last failure None.",
            "Nobody has tried.",
        ],
        by: None,
        deed: "reveal",
        fields: &[WHY],
        then: &["The code was shown."],
        state: "UNASSIGNED / none / ISSUED",
    },
    Case {
        ticket: "I posted my code in public by mistake.",
        policy: "{}",
        bring: as_sold,
        asked: code,
        says: &["Valid, and not used yet"],
        by: None,
        deed: "rotate",
        fields: &[WHY],
        then: &["A new code was issued."],
        state: "UNASSIGNED / none / ISSUED",
    },
    Case {
        ticket: "It says that my code has been used, and I never did.",
        policy: "{}",
        bring: |desk| {
            async {
                desk.shop.redeem(desk.code(0), "bo").await;
                try_code(&desk.shop.key, desk.code(0)).await;
            }
            .boxed()
        },
        asked: code,
        says: &[
            "Valid, used and active",
            "by redeeming a code that ends in",
            "Held by bo. Active.",
            "a redemption for ann with the code that ends in",
            "was refused, for it had been redeemed already",
            "Compare the holder with the customer",
        ],
        by: None,
        deed: "release",
        fields: &[WHY],
        then: &["The assignment was released."],
        state: "UNASSIGNED / none / ISSUED",
    },
    Case {
        ticket: "My code has expired while I was ill.",
        policy: r#"{"validForDays": 1}"#,
        bring: |desk| {
            async {
                desk.app.clock.advance(std::time::Duration::from_hours(25));
                desk.app.sweep().await;
                try_code(&desk.shop.key, desk.code(0)).await;
            }
            .boxed()
        },
        asked: unit,
        says: &["No longer valid: it has expired", "for it had expired", "An exception is open (redemption rejected)"],
        by: Some("Resolve it"),
        deed: "extended",
        fields: &[NOTE, ("expiresAt", "2031-06-01T12:00")],
        then: &["Its end was moved."],
        state: "UNASSIGNED / none / ISSUED",
    },
    Case {
        ticket: "The code that you sent me first does not work.",
        policy: "{}",
        bring: |desk| {
            async {
                act(&desk.support, "rotateActivationCode", desk.unit(0)).await.done();
                try_code(&desk.shop.key, desk.code(0)).await;
            }
            .boxed()
        },
        asked: code,
        says: &[
            "for the code had been replaced by a newer one",
            "The customer has an old code: the one that works ends in",
        ],
        by: None,
        deed: "reveal",
        fields: &[WHY],
        then: &["The code was shown."],
        state: "UNASSIGNED / none / ISSUED",
    },
    Case {
        ticket: "It says that my unit is held for somebody else.",
        policy: "{}",
        bring: |desk| {
            async {
                desk.reserve(desk.unit(0), "bo").await;
                try_code(&desk.shop.key, desk.code(0)).await;
            }
            .boxed()
        },
        asked: last_four,
        says: &["Valid, held for somebody", "Held for bo until", "for it was held for somebody else"],
        by: Some("Resolve it"),
        deed: "released",
        fields: &[NOTE],
        then: &["It was released.", "Resolved Released"],
        state: "UNASSIGNED / none / ISSUED",
    },
    Case {
        ticket: "I redeemed it an hour ago, and still have no seat.",
        policy: EXTERNAL,
        bring: |desk| {
            async {
                desk.shop.redeem(desk.code(0), "ann").await;
                for attempt in desk.claim().await {
                    desk.fail(&attempt).await;
                }
            }
            .boxed()
        },
        asked: code,
        says: &[
            "Valid and used, but setting it up failed",
            "setting it up failed: no seat left.",
            "Open: Provisioning failed",
        ],
        by: Some("Resolve it"),
        deed: "retried",
        fields: &[NOTE],
        then: &["It is being tried again.", "Resolved Retried"],
        state: "ASSIGNED / PENDING / REDEEMED",
    },
    Case {
        ticket: "You wanted to know which seat: 12 A.",
        policy: r#"{"requiredInput": ["seat"]}"#,
        bring: |desk| async { drop(desk.shop.redeem(desk.code(0), "ann").await) }.boxed(),
        asked: unit,
        says: &["waiting for information from its holder", "Missing: seat", "Ask the holder for what is missing"],
        by: None,
        deed: "inform",
        fields: &[("input.seat", "12 A"), WHY],
        then: &["Valid, used and active"],
        state: "ACTIVE / ACTIVE / REDEEMED",
    },
    Case {
        ticket: "You suspended the wrong customer.",
        policy: "{}",
        bring: |desk| {
            async {
                desk.assign(desk.unit(0), "ann").await;
                act(&desk.support, "suspendEntitlement", desk.unit(0)).await.done();
            }
            .boxed()
        },
        asked: unit,
        says: &[
            "Suspended: it cannot be used for now",
            "It is suspended: asked for by Ann",
            "Resume it once the reason is gone.",
        ],
        by: None,
        deed: "resume",
        fields: &[WHY],
        then: &["Valid, used and active"],
        state: "ACTIVE / ACTIVE / REVOKED",
    },
    Case {
        ticket: "I want my money back for what I have not used.",
        policy: "{}",
        bring: |desk| async { drop(desk.shop.redeem(desk.code(1), "ann").await) }.boxed(),
        asked: order,
        says: &[
            "Confirmed; partially fulfilled.",
            "1 unassigned",
            "1 of its units are revoked",
            "The 1 that somebody has stay",
        ],
        by: None,
        deed: "cancel",
        fields: &[WHY],
        then: &["Partially cancelled; fulfilled."],
        state: "REVOKED / none / REVOKED",
    },
    Case {
        ticket: "I gave the gift to the wrong friend; please send it to Cy instead.",
        policy: "{}",
        bring: as_sold,
        asked: last_four,
        says: &["Valid, and not used yet"],
        by: None,
        deed: "transfer",
        fields: &[("recipient.name", "Cy"), ("recipient.email", "cy@example.com"), WHY],
        then: &["It was handed on."],
        state: "UNASSIGNED / none / ISSUED",
    },
    Case {
        ticket: "You revoked my licence, but I did pay.",
        policy: "{}",
        bring: |desk| async { drop(act(&desk.support, "revokeEntitlement", desk.unit(0)).await.done()) }.boxed(),
        asked: unit,
        says: &[
            "No longer valid: it was revoked",
            "It was revoked: asked for by Ann.",
            "Where the customer is still owed one, reissue it.",
        ],
        by: None,
        deed: "reissue",
        fields: &[WHY],
        then: &["A new one took its place"],
        state: "REVOKED / none / REVOKED",
    },
];

impl Case {
    /// A desk with the case before it.
    pub async fn open(&self, app: &App, place: usize) -> Desk {
        let policy: Value = serde_json::from_str(self.policy).expect("JSON");
        let desk = Desk::named(app, &format!("P{place}"), policy, 2).await;
        (self.bring)(&desk).await;
        desk
    }
}

async fn every_case_is_resolved(app: App) {
    for (place, case) in CASES.iter().enumerate() {
        let desk = case.open(&app, place).await;
        let mut visitor = support(&app).await;
        let page = work(&mut visitor, &desk, case).await;
        for words in case.then {
            page.says(words);
        }
        assert_eq!(desk.state(desk.unit(0)).await, case.state, "{}", case.ticket);
    }
    app.assert_sound().await;
}

async fn work(visitor: &mut Visitor, desk: &Desk, case: &Case) -> Page {
    let form = visitor.open("/console").await.form("/console/search");
    let mut page = visitor.send(&form.with("what", &(case.asked)(desk))).await;
    for words in case.says {
        page.says(words);
    }
    if let Some(link) = case.by {
        page = visitor.open(&page.link(link)).await;
    }
    let mut form = page.form(&format!("/{}", case.deed));
    for (name, value) in case.fields {
        assert!(form.names().contains(name), "{}: {name} of {:?}", case.ticket, form.names());
        form = form.with(name, value);
    }
    visitor.send(&form).await
}
