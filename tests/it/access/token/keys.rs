//! The provider's keys: fetched when they are needed, seldom, and by whoever comes first for all.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use serde_json::json;

use super::Door;
use crate::harness::{App, Test, both_engines, eventually, provider::Signer};

pub fn tests() -> Vec<Test> {
    both_engines![
        the_provider_may_change_its_keys,
        a_provider_that_fails_takes_no_key_away,
        many_tokens_ask_the_provider_once,
        who_goes_away_has_asked_the_provider_for_all,
    ]
}

async fn the_provider_may_change_its_keys(app: App) {
    let door = Door::open(&app).await;
    let admin = json!({"role": "admin"});
    let next = Signer::new("k-2", Algorithm::ES256);
    assert_eq!(door.refusal(&door.signer.token(admin.clone())).await, None);
    door.provider.publish(&[&door.signer, &next]);
    assert_eq!(door.refusal(&next.token(admin.clone())).await, Some(401), "not asked again so soon");
    app.clock.advance(Duration::from_secs(10));
    assert_eq!(door.refusal(&next.token(admin.clone())).await, None);
    assert_eq!(door.refusal(&door.signer.token(admin.clone())).await, None);
    assert_eq!(door.provider.asked(), 2);
    door.provider.publish(&[&next]);
    app.clock.advance(Duration::from_mins(5));
    assert_eq!(door.refusal(&door.signer.token(admin.clone())).await, Some(401), "a key that was taken away is gone");
    assert_eq!(
        door.refusal(&next.token_under(&Header { kid: None, ..next.header() }, admin)).await,
        None,
        "the only one"
    );
}

async fn a_provider_that_fails_takes_no_key_away(app: App) {
    let door = Door::open(&app).await;
    let admin = json!({"role": "admin"});
    let next = Signer::new("k-2", Algorithm::ES256);
    door.provider.say(None);
    assert_eq!(door.refusal(&door.signer.token(admin.clone())).await, Some(503), "nothing is known yet");
    app.clock.advance(Duration::from_secs(10));
    door.provider.publish(&[&door.signer]);
    assert_eq!(door.refusal(&door.signer.token(admin.clone())).await, None);
    let endless = format!(r#"{{"keys": [], "padding": "{}"}}"#, "x".repeat(300_000));
    for failure in [None, Some("{".to_owned()), Some("[]".to_owned()), Some(endless)] {
        door.provider.say(failure);
        app.clock.advance(Duration::from_mins(5));
        let asked = door.provider.asked();
        assert_eq!(door.refusal(&door.signer.token(admin.clone())).await, None);
        assert_eq!(door.provider.asked(), asked + 1);
        assert_eq!(
            door.refusal(&next.token(admin.clone())).await,
            Some(503),
            "whether there is such a key is not known"
        );
        assert_eq!(door.provider.asked(), asked + 1);
    }
}

async fn many_tokens_ask_the_provider_once(app: App) {
    let door = Door::open(&app).await;
    let good = door.signer.token(json!({"role": "support"}));
    let unknown: Vec<String> = (0..20)
        .map(|count| {
            let header = Header { kid: Some(format!("made up {count}")), ..door.signer.header() };
            door.signer.token_under(&header, json!({"role": "support"}))
        })
        .collect();
    for round in 1..=2 {
        let asking = unknown.iter().chain([&good]).map(|token| door.refusal(token));
        let refusals = futures_util::future::join_all(asking).await;
        assert_eq!(refusals.iter().filter(|refusal| **refusal == Some(401)).count(), 20);
        assert_eq!(refusals.last(), Some(&None));
        assert_eq!(door.provider.asked(), round);
        app.clock.advance(Duration::from_secs(10));
    }
}

async fn who_goes_away_has_asked_the_provider_for_all(app: App) {
    let door = Door::open(&app).await;
    let token = door.signer.token(json!({"role": "support"}));
    door.provider.hold(true);
    tokio::select! {
        refusal = door.refusal(&token) => panic!("an answer without keys: {refusal:?}"),
        () = eventually("a question", async || (door.provider.asked() > 0).then_some(())) => {}
    }
    door.provider.hold(false);
    // The clock stands still: nobody may ask again, and nobody has to.
    eventually("the keys", async || door.refusal(&token).await.is_none().then_some(())).await;
    assert_eq!(door.provider.asked(), 1);
}
