//! Rotating the code keys: new codes under a new key, old ones as good as before, and nobody told that a good code is unknown.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use super::key_file;
use crate::harness::{
    App, Client, Database, Desk, Test, both_engines,
    program::{Program, Running},
    visitor::Visitor,
};

pub fn tests() -> Vec<Test> {
    both_engines![
        a_running_service_takes_up_a_new_key,
        a_service_whose_file_lacks_the_new_key_says_so,
        rotations_at_once_lose_no_key,
        a_key_that_was_left_unused_is_taken,
        sessions_are_ended_by_another_key,
    ]
}

/// What `keys status` says of each key, as "current 2 2": its state, its codes and those of them that can be redeemed; the current one first.
#[track_caller]
fn status(program: &Program) -> Vec<(String, String)> {
    let answer = program.run(&["keys", "status"]).answer();
    let said = |line: &str| {
        let words: Vec<&str> = line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        let (id, rest) = words.split_first().expect("an id");
        ((*id).to_owned(), rest.iter().take(3).copied().collect::<Vec<_>>().join(" "))
    };
    answer.lines().skip(1).map(said).collect()
}

fn key(id: &str, said: &str) -> (String, String) {
    (id.to_owned(), said.to_owned())
}

#[track_caller]
fn rotate(program: &Program) -> String {
    program.run(&["keys", "rotate"]).answer().trim_end().to_owned()
}

/// Sells one unit on the node of `client`; its code.
async fn sell(desk: &Desk, client: &Client, reference: &str) -> String {
    let lines = json!([{"sku": "P", "quantity": 1}]);
    let input = json!({"channelId": desk.shop.channel, "externalReference": reference, "lines": lines});
    client.mutate("placeOrder", "activationCodes { code }", input).await.done().text("/activationCodes/0/code")
}

async fn redeem(client: &Client, code: &str) -> Value {
    let input = json!({"code": code, "account": {"externalReference": "ann"}});
    let answer = client.mutate("redeemCode", "assignment { status }", input).await;
    if let Some(code) = answer.code() {
        return json!(code);
    }
    answer.done().at("/assignment/status").clone()
}

async fn a_running_service_takes_up_a_new_key(app: App) {
    let desk = Desk::open(&app, json!({}), 2).await;
    let program = Program::over(app.database());
    let before = status(&program);
    let [(old, said)] = before.as_slice() else { panic!("one key: {before:?}") };
    assert_eq!(said, "current 2 2");

    let new = rotate(&program);
    assert_eq!(status(&program), [key(&new, "current 0 0"), key(old, "held 2 2")]);
    let mode = fs::metadata(key_file(app.database())).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let (_, fresh) = desk.elsewhere().await;
    let code = sell(&desk, &fresh, "after").await;
    assert_eq!(redeem(&fresh, desk.code(0)).await, "ACTIVE", "an old code where the new key is current");
    assert_eq!(redeem(&desk.shop.key, &code).await, "ACTIVE", "a new code where the new key was not known");
    assert_eq!(redeem(&desk.shop.key, desk.code(1)).await, "ACTIVE");
    assert_eq!(status(&program), [key(&new, "current 1 0"), key(old, "held 2 0")]);
    sell(&desk, &desk.shop.key, "later").await;
    let last = status(&program);
    assert_eq!(last.first(), Some(&key(&new, "current 2 1")), "it issues under the new key from then on");
    app.assert_sound().await;
}

async fn a_service_whose_file_lacks_the_new_key_says_so(app: App) {
    let desk = Desk::open(&app, json!({}), 1).await;
    let copy = app.database().directory().join("copy.keys");
    fs::copy(key_file(app.database()), &copy).expect("a copy");
    let behind = app.node_with(|config| config.keys = Some(copy.clone())).await;
    let client = behind.client(desk.shop.key.secret().expect("a secret"));
    let ready = async || {
        let answer = behind.stranger().get("/readyz").send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.expect("JSON").get("keys").cloned())
    };
    assert_eq!(ready().await, (200, Some(json!(true))));
    let new = rotate(&Program::over(app.database()));
    assert_eq!(ready().await, (200, Some(json!(true))), "nobody has issued a code under it: nobody would do better");
    let (_, fresh) = desk.elsewhere().await;
    let code = sell(&desk, &fresh, "after").await;

    assert_eq!(redeem(&client, &code).await, "UNAVAILABLE", "it cannot tell");
    assert_eq!(ready().await, (503, Some(json!(false))), "others should be asked");
    assert_eq!(redeem(&client, desk.code(0)).await, "ACTIVE", "old codes are as good as before");
    let program = Program::over(app.database()).set("CLAIMCHECK_KEYS", &copy.to_string_lossy());
    for command in [&["serve"][..], &["keys", "rotate"]] {
        let ran = program.run(command);
        assert!(ran.refusal(1).starts_with(&format!("the database uses the code key {new}, which ")), "{ran:?}");
    }
    assert_eq!(status(&program).first(), Some(&key(&new, "missing in the file 1 1")));

    fs::copy(key_file(app.database()), &copy).expect("a copy");
    assert_eq!(ready().await, (200, Some(json!(true))), "without a restart");
    assert_eq!(redeem(&client, &code).await, "ACTIVE");
    app.assert_sound().await;
}

async fn rotations_at_once_lose_no_key(database: Database) {
    let program = Program::over(&database);
    let first = rotate(&program);
    let mut running: Vec<Running> = (0..4).map(|_| program.start(&["keys", "rotate"])).collect();
    let mut made: Vec<String> =
        running.iter_mut().map(|rotation| rotation.ended().answer().trim_end().to_owned()).collect();
    made.push(first);
    let rows = status(&program);
    assert_eq!(rows.len(), 6, "the first, which a rotation makes where there is none, and five more");
    let said = |said: &str| rows.iter().filter(|(id, state)| made.contains(id) && state == said).count();
    assert_eq!((said("current 0 0"), said("held 0 0")), (1, 4), "{rows:?} {made:?}");
    let left = fs::read_dir(database.directory()).expect("the directory").flatten().map(|entry| entry.file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().ends_with(".new")), "nothing is left lying");
}

async fn a_key_that_was_left_unused_is_taken(database: Database) {
    let program = Program::over(&database);
    rotate(&program);
    let text = fs::read_to_string(key_file(&database)).expect("the file");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    let keys = file.get_mut("code_keys").and_then(Value::as_array_mut).expect("keys");
    let mut left = keys.first().expect("a key").clone();
    left.as_object_mut().expect("an object").insert("id".to_owned(), json!("ck_left"));
    keys.push(left);
    fs::write(key_file(&database), file.to_string()).expect("the file");
    assert_eq!(status(&program).last(), Some(&key("ck_left", "not used 0 0")));
    assert_eq!(rotate(&program), "ck_left");
    assert_eq!(status(&program).first(), Some(&key("ck_left", "current 0 0")));
    assert_ne!(rotate(&program), "ck_left");
}

async fn sessions_are_ended_by_another_key(database: Database) {
    let program = Program::over(&database);
    let secret = program.run(&["key", "create", "--name", "first", "--role", "support"]).answer().trim().to_owned();
    let mut service = program.start(&["serve"]);
    let mut visitor = Visitor::signed_in(service.address(), &secret).await;
    for (command, landed) in [(&["keys", "rotate"], "/console"), (&["keys", "end-sessions"], "/console/sign-in")] {
        service.terminate();
        assert_eq!(program.run(command).code, Some(0));
        service = program.start(&["serve"]);
        visitor = visitor.at(service.address());
        assert_eq!(visitor.open("/console").await.address, landed, "{command:?}");
    }
    let again = visitor.sign_in(&secret).await;
    assert_eq!(again.address, "/console", "whoever signs in anew is in");
    service.terminate();
}
