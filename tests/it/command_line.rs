//! The command line: what it answers, and how it says what is wrong. Imports, proofs and migrations have tests of their own.

use std::fs;

use claimcheck::{domain::access::Secret, id::PartnerId};
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{
    App, Client, Database, Engine, Shop, Test, both_engines, eventually,
    program::{Program, Running},
    shop::product,
};

pub fn tests() -> Vec<Test> {
    both_engines![
        the_schema_is_printed_without_a_database,
        a_service_is_served_until_it_is_told_to_stop,
        the_demo_shows_itself_and_its_keys,
        a_key_is_made_listed_and_revoked,
        a_key_needs_what_its_role_needs,
        a_key_of_the_command_line_is_in_the_journal,
        a_database_that_is_not_ours_is_refused,
        a_newer_database_is_refused,
        a_file_that_is_no_database_is_refused,
        a_place_that_cannot_be_had_is_named,
        a_port_in_use_is_named,
        a_malformed_setting_is_named_and_not_repeated,
        every_setting_is_shown_and_no_password,
        a_mistake_in_the_arguments_is_one_line,
        help_and_version_are_answers,
        codes_are_exported_and_told_of,
        whoever_has_seen_enough_of_an_export_is_no_failure,
    ]
}

async fn the_schema_is_printed_without_a_database(database: Database) {
    let program = Program::over(&database).set("DATABASE_URL", "nonsense");
    let printed = program.run(&["schema"]).answer();
    assert!(printed == include_str!("../../schema.graphql"), "schema.graphql is not what `claimcheck schema` prints");
}

/// The role of whoever shows `secret`; none where nobody does.
async fn role(service: &mut Client) -> Option<String> {
    let answer = service.query("{ viewer { role } }", json!({})).await;
    answer.errors().is_empty().then(|| answer.text("/viewer/role"))
}

fn serve(program: &Program) -> (Running, std::net::SocketAddr) {
    let mut service = program.start(&[]);
    let address = service.address();
    (service, address)
}

async fn a_service_is_served_until_it_is_told_to_stop(database: Database) {
    let program = Program::over(&database);
    for arguments in [&[][..], &["serve"]] {
        let mut service = program.start(arguments);
        let stranger = Client::new(service.address(), None);
        let alive = stranger.get("/livez").send().await.expect("an answer");
        assert!(alive.status().is_success());
        let ready = stranger.get("/readyz").send().await.expect("an answer");
        assert!(ready.status().is_success());
        let ended = service.terminate();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    }
    let mut service = program.start(&["serve"]);
    service.address();
    assert_eq!(service.terminate().code, Some(0), "whoever has read where it listens may stop it");
}

async fn the_demo_shows_itself_and_its_keys(database: Database) {
    let mut demo = Program::over(&database).start(&["demo"]);
    let address = demo.address();
    for expected in ["ADMIN", "SUPPORT", "PARTNER", "PROVISIONER", "CUSTOMER"] {
        let line = demo.line();
        let (shown, secret) = line.split_once(' ').expect("a role and its key");
        assert_eq!(shown, expected);
        assert_eq!(role(&mut Client::new(address, Some(secret.trim()))).await.as_deref(), Some(expected));
    }
    let ended = demo.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains(&format!("http://{address}/graphiql")), "{}", ended.stdout);
    assert!(!database.directory().join("demo.db").exists());
}

async fn a_key_is_made_listed_and_revoked(database: Database) {
    let program = Program::over(&database);
    let (_service, address) = serve(&program);
    let made = program.run(&["key", "create", "--name", "a door", "--role", "support"]).answer();
    let secret = made.strip_suffix('\n').expect("a line");
    assert!(Secret::parse(secret).is_some(), "the secret alone: {made:?}");
    let mut client = Client::new(address, Some(secret));
    assert_eq!(role(&mut client).await.as_deref(), Some("SUPPORT"));

    let list = program.run(&["key", "list"]).answer();
    assert!(!list.contains(secret), "{list}");
    let line = list.lines().find(|line| line.ends_with("a door")).expect("the key");
    assert!(line.contains("SUPPORT"), "{line}");
    let id = line.split_whitespace().next().expect("an id");
    assert_eq!(program.run(&["key", "revoke", id]).answer(), "");
    let list = program.run(&["key", "list"]).answer();
    assert!(list.lines().any(|line| line.starts_with(id) && line.contains("revoked 20")), "{list}");
    eventually("the end of the key", async || role(&mut client).await.is_none().then_some(())).await;
    let unknown = id.replace(|digit: char| digit.is_ascii_digit(), "0");
    assert_eq!(program.run(&["key", "revoke", &unknown]).code, Some(1));
}

async fn a_key_needs_what_its_role_needs(database: Database) {
    let program = Program::over(&database);
    let create = |more: &[&str]| program.run(&[&["key", "create", "--name", "n"], more].concat());
    let house = &PartnerId::HOUSE.to_string();
    let nobody = &PartnerId(Uuid::from_u128(1)).to_string();
    assert_eq!(create(&["--role", "partner", "--partner", house]).code, Some(0));
    assert_eq!(create(&["--role", "customer", "--account", "u-1"]).code, Some(0));
    assert_eq!(create(&["--role", "admin", "--expires", "90d"]).code, Some(0));
    let cases: [(&[&str], i32); 7] = [
        (&["--role", "partner"], 1),
        (&["--role", "customer"], 1),
        (&["--role", "partner", "--partner", nobody], 1),
        (&["--role", "admin", "--expires", "2020-01-01"], 1),
        (&["--role", "admin", "--expires", "soon"], 2),
        (&["--role", "partner", "--partner", "house"], 2),
        (&["--role", "king"], 2),
    ];
    for (more, code) in cases {
        let ran = create(more);
        ran.refusal(code);
        assert_eq!(ran.stdout, "", "{more:?}");
    }
    let list = program.run(&["key", "list"]).answer();
    assert_eq!(list.lines().count(), 4, "{list}");
    assert!(list.lines().any(|line| line.contains("PARTNER") && line.contains(house.as_str())), "{list}");
}

async fn a_key_of_the_command_line_is_in_the_journal(database: Database) {
    let program = Program::over(&database);
    let secret = program.run(&["key", "create", "--name", "first", "--role", "admin"]).answer();
    let (_service, address) = serve(&program);
    let admin = Client::new(address, Some(secret.trim()));
    let answer = admin.query("{ events(first: 5) { nodes { type actor } } }", json!({})).await;
    let expected = json!([{"type": "API_KEY_CREATED", "actor": "system:key"}]);
    assert_eq!(answer.at("/events/nodes"), &expected);
}

const OPENING: [&[&str]; 5] = [&["serve"], &["migrate", "up"], &["migrate", "status"], &["verify"], &["key", "list"]];

async fn a_database_that_is_not_ours_is_refused(database: Database) {
    let empty = database.empty().await;
    let connection = empty.connect().await;
    connection.execute_unprepared("CREATE TABLE invoices (id integer)").await.expect("a table");
    for arguments in OPENING {
        let ran = Program::over(&empty).run(arguments);
        assert!(ran.refusal(1).contains("is not a claimcheck database: it has other tables"), "{ran:?}");
    }
    connection.execute_unprepared("DROP TABLE invoices").await.expect("nothing was changed");
    connection.close().await.expect("an orderly end");
    empty.remove().await;
}

async fn a_newer_database_is_refused(database: Database) {
    let connection = database.connect().await;
    let row = "INSERT INTO claimcheck_migrations (version, applied_at) VALUES ('m29990101_000001_think', 0)";
    connection.execute_unprepared(row).await.expect("a row");
    connection.close().await.expect("an orderly end");
    for arguments in OPENING {
        let ran = Program::over(&database).run(arguments);
        assert!(ran.refusal(1).contains("was written by a newer claimcheck"), "{ran:?}");
        assert!(ran.refusal(1).contains("m29990101_000001_think"), "{ran:?}");
    }
}

async fn a_file_that_is_no_database_is_refused(database: Database) {
    if database.engine() == Engine::Postgres {
        return; // It has no file.
    }
    let file = database.directory().join("letter.db");
    let letter = "Dear reader, this is no database. ".repeat(100);
    fs::write(&file, &letter).expect("a file");
    let program = Program::over(&database).set("DATABASE_URL", "sqlite:letter.db");
    for arguments in OPENING {
        let ran = program.run(arguments);
        assert!(ran.refusal(1).contains("letter.db"), "{ran:?}");
    }
    assert_eq!(fs::read_to_string(file).expect("the file"), letter);
}

async fn a_place_that_cannot_be_had_is_named(database: Database) {
    let url = match database.engine() {
        Engine::Sqlite => "sqlite:///no/such/directory/claimcheck.db".to_owned(),
        Engine::Postgres => database.url().replace("claimcheck_it", "nobody_has"),
    };
    let ran = Program::over(&database).set("DATABASE_URL", &url).run(&["migrate", "up"]);
    assert!(ran.refusal(1).contains("cannot open the database"), "{ran:?}");
}

async fn a_port_in_use_is_named(database: Database) {
    let program = Program::over(&database);
    let (_service, address) = serve(&program);
    let ran = program.set("CLAIMCHECK_LISTEN", &address.to_string()).run(&["serve"]);
    let line = ran.stderr.lines().last().unwrap_or_default();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(line.starts_with(&format!("claimcheck: cannot listen on {address}: ")), "{}", ran.stderr);
}

async fn a_malformed_setting_is_named_and_not_repeated(database: Database) {
    let settings = [
        ("DATABASE_URL", "mysql://u:s3cret@h/d"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("CLAIMCHECK_LISTEN", "s3cret"),
        ("CLAIMCHECK_REVEAL_DAYS", "-3"),
        ("CLAIMCHECK_MAX_DEPTH", "s3cret"),
        ("CLAIMCHECK_MAX_PAGE", "0"),
        ("CLAIMCHECK_LOG", "claimcheck=s3cret"),
    ];
    for (name, value) in settings {
        let ran = Program::over(&database).set(name, value).run(&["serve"]);
        let line = ran.refusal(1);
        assert!(line.starts_with(name) && !line.contains("s3cret"), "{line}");
    }
    if database.engine() == Engine::Postgres {
        let password =
            database.url().replace("claimcheck@", "claimcheck:s3cret@").replace("claimcheck_it", "nobody_has");
        let ran = Program::over(&database).set("DATABASE_URL", &password).run(&["migrate", "status"]);
        assert!(!ran.refusal(1).contains("s3cret"), "{ran:?}");
    }
}

/// The names of variables that stand in the source of the settings, tests aside.
fn variables() -> Vec<String> {
    let sources = [
        include_str!("../../src/config.rs"),
        include_str!("../../src/config/limit.rs"),
        include_str!("../../src/config/origin.rs"),
        include_str!("../../src/config/token.rs"),
        include_str!("../../src/config/variable.rs"),
    ];
    let read = sources.into_iter().map(|source| source.split("#[cfg(test)]").next().unwrap_or_default());
    let is_name = |text: &&str| text.len() > 8 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    read.flat_map(|source| source.split('"').filter(is_name)).map(str::to_owned).collect()
}

async fn every_setting_is_shown_and_no_password(database: Database) {
    let program = Program::over(&database)
        .set("DATABASE_URL", "postgres://u:s3cret@h/d?password=s3cret")
        .set("CLAIMCHECK_JWT_ISSUER", "i")
        .set("CLAIMCHECK_JWT_AUDIENCE", "a")
        .set("CLAIMCHECK_JWT_JWKS_URL", "https://u:s3cret@h/keys")
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:s3cret@h")
        .set("CLAIMCHECK_MAX_PAGE", "25");
    let shown = program.run(&["config"]).answer();
    assert!(!shown.contains("s3cret"), "{shown}");
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        ["VARIABLE", "VALUE", "FROM"],
        ["DATABASE_URL", "postgres://u@h/d", "environment"],
        ["CLAIMCHECK_MAX_PAGE", "25", "environment"],
        ["CLAIMCHECK_MAX_DEPTH", "16", "default"],
        ["CLAIMCHECK_METRICS_LISTEN", "-", "default"],
        ["CLAIMCHECK_INTROSPECTION", "on", "default"],
        ["CLAIMCHECK_JWT_JWKS_URL", "https://u@h/keys", "environment"],
    ] {
        assert!(rows.contains(&row.to_vec()), "{row:?}: {shown}");
    }
    let variables = variables();
    assert!(variables.len() > 30, "{variables:?}");
    for name in &variables {
        assert!(rows.iter().any(|row| row.first() == Some(&name.as_str())), "{name} is read and not shown");
    }
    let bare = program.unset("CLAIMCHECK_JWT_ISSUER").unset("CLAIMCHECK_JWT_AUDIENCE").unset("CLAIMCHECK_JWT_JWKS_URL");
    assert_eq!(bare.run(&["config"]).answer().lines().count(), rows.len(), "as many, whatever is set");
}

async fn a_mistake_in_the_arguments_is_one_line(database: Database) {
    let cases: [(&[&str], &str); 6] = [
        (&["sevre"], "unrecognized subcommand 'sevre'"),
        (&["serve", "--port", "80"], "unexpected argument '--port'"),
        (&["key", "create", "--role", "admin"], "--name"),
        (&["key", "revoke", "ent_1"], "a key's id begins with key_"),
        (&["import", "orders", "--channel", "web"], "<FILES>"),
        (&["migrate", "down"], "'down'"),
    ];
    for (arguments, says) in cases {
        let ran = Program::over(&database).run(arguments);
        assert!(ran.refusal(2).contains(says), "{ran:?}");
        assert_eq!(ran.stdout, "");
    }
}

async fn help_and_version_are_answers(database: Database) {
    let program = Program::over(&database);
    let help = program.run(&["--help"]).answer();
    for expected in ["serve", "demo", "migrate", "key", "import", "schema", "verify", "DATABASE_URL", "CLAIMCHECK_KEYS"]
    {
        assert!(help.contains(expected), "{expected}: {help}");
    }
    assert!(program.run(&["--version"]).answer().starts_with("claimcheck 0."));
}

async fn codes_are_exported_and_told_of(app: App) {
    product(&app, "A", json!({})).await;
    let shop = Shop::open(&app, "Alpha").await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 3}])).await;
    let program = Program::over(app.database());
    let exported = program.run(&["export", "codes", "--order", &placed.order, "--reason", "gift cards"]).answer();
    let mut lines = exported.lines();
    assert_eq!(lines.next(), Some("code,activation_code_id,entitlement_id"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let codes: Vec<&str> = rows.iter().filter_map(|row| row.first().copied()).collect();
    let units: Vec<&str> = rows.iter().filter_map(|row| row.get(2).copied()).collect();
    assert_eq!(
        (codes, units),
        (placed.codes.iter().map(String::as_str).collect(), placed.units.iter().map(String::as_str).collect())
    );

    let query = "{ events(filter: {types: [CODE_REVEALED]}) { nodes { quantity reason actor order { id } } } }";
    let told = eventually("the event", async || {
        app.admin().query(query, json!({})).await.list("/events/nodes").first().cloned()
    });
    let expected =
        json!({"quantity": 3, "reason": "gift cards", "actor": "system:export", "order": {"id": placed.order}});
    assert_eq!(told.await, expected);

    let unknown = program.run(&["export", "codes", "--order", "ord_01h455vb4pex5vsknk084sn02q"]);
    assert_eq!(unknown.refusal(1), "there is no such order");
    assert_eq!(unknown.stdout, "");
    assert_eq!(program.run(&["export", "codes", "--order", "x"]).code, Some(2));
}

async fn whoever_has_seen_enough_of_an_export_is_no_failure(app: App) {
    product(&app, "A", json!({})).await;
    let shop = Shop::open(&app, "Alpha").await;
    let placed = shop.place("o-1", json!([{"sku": "A", "quantity": 400}])).await;
    Program::over(app.database()).run_unheard(&["export", "codes", "--order", &placed.order]).answer();
}
