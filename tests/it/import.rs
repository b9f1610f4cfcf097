//! `claimcheck import orders`: what becomes of legacy orders, and of files that are as dirty as real ones are.

mod stored;

use std::fs;

use chrono::{DateTime, Utc};
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::harness::{
    App, Database, Test, both_engines, eventually,
    program::{Program, Ran},
    shop::product,
};

pub fn tests() -> Vec<Test> {
    let reading = both_engines![
        real_orders_are_imported_once,
        every_reject_has_its_place_and_reason,
        json_lines_are_read_like_rows,
        rows_of_an_order_may_lie_anywhere,
        an_unknown_product_is_rejected_unless_it_is_to_be_made,
        an_order_of_too_many_units_is_rejected_whole,
        a_date_has_several_forms,
        an_order_may_name_as_many_accounts_as_it_has_units,
        a_sku_may_be_longer_than_a_name,
        what_cannot_be_imported_is_one_clear_line,
        a_file_is_not_overwritten_by_its_rejects,
        an_import_that_was_killed_goes_on_where_it_stopped,
    ];
    reading.into_iter().chain(stored::tests()).collect()
}

const HEADER: &str = "external_reference,sku,quantity,unit_price,placed_at";
const ALL: &str =
    "external_reference,sku,product_name,quantity,unit_price,placed_at,buyer_name,buyer_email,assign_to,resource";
/// The names that the real orders have for the fields.
const MAP: &str = "external_reference=InvoiceNo,sku=StockCode,product_name=Description,quantity=Quantity,\
                   unit_price=UnitPrice,placed_at=InvoiceDate,assign_to=CustomerID";
const MAKE: &[&str] = &["--create-products", "--currency", "GBP"];

/// A row for each of `items`.
fn rows<T>(items: impl IntoIterator<Item = T>, row: impl Fn(T) -> String) -> String {
    items.into_iter().map(row).collect::<Vec<_>>().concat()
}

fn write(database: &Database, name: &str, text: impl AsRef<[u8]>) {
    fs::write(database.directory().join(name), text).expect("a file");
}

fn run(database: &Database, files: &[&str], options: &[&str]) -> Ran {
    let arguments = [&["import", "orders", "--channel", "web", "--json"], files, options].concat();
    Program::over(database).run(&arguments)
}

/// Orders, lines, units, rejected rows, unchanged and mismatched orders.
fn import(database: &Database, files: &[&str], options: &[&str]) -> [u64; 6] {
    let answer = run(database, files, options).answer();
    let counts: Value = serde_json::from_str(&answer).expect("JSON");
    let counts = ["orders", "lines", "units", "rejectedRows", "unchangedOrders", "mismatchedOrders"]
        .map(|name| counts.get(name).and_then(Value::as_u64).expect("a count"));
    let [orders, lines, units, rejected, unchanged, mismatched] = counts;
    let promised = format!(
        "{{\"orders\":{orders},\"lines\":{lines},\"units\":{units},\"rejectedRows\":{rejected},\
         \"unchangedOrders\":{unchanged},\"mismatchedOrders\":{mismatched}}}\n"
    );
    assert_eq!(answer, promised);
    counts
}

fn import_text(database: &Database, text: &str) -> [u64; 6] {
    write(database, "orders.csv", text);
    import(database, &["orders.csv"], MAKE)
}

/// File, line and reason of each reject.
fn rejects(database: &Database) -> Vec<(String, String, String)> {
    let text = fs::read_to_string(database.directory().join("rejects.csv")).expect("the rejects");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("file,line,reason"));
    let row = |line: &str| {
        let mut cells = line.splitn(3, ',').map(|cell| cell.trim_matches('"').replace("\"\"", "\""));
        let mut cell = || cells.next().unwrap_or_default();
        (cell(), cell(), cell())
    };
    lines.map(row).collect()
}

fn verified(database: &Database) {
    let answer = Program::over(database).run(&["verify"]).answer();
    assert!(answer.ends_with(" invariants hold\n"), "{answer}");
}

async fn ask(app: &App, document: &str, variables: Value) -> Value {
    app.admin().query(document, variables).await.data().clone()
}

/// What `selection` shows of the order `reference` of the channel that these tests import into.
async fn order(app: &App, reference: &str, selection: &str) -> Value {
    let channel = ask(app, "{ channelByName(name: \"web\") { id } }", json!({})).await;
    let document = format!(
        "query ($channel: ID!, $reference: String!) {{
            orderByReference(channelId: $channel, externalReference: $reference) {{ {selection} }} }}"
    );
    let channel = channel.pointer("/channelByName/id").cloned().expect("the channel");
    let answer = ask(app, &document, json!({"channel": channel, "reference": reference})).await;
    answer.get("orderByReference").cloned().expect("an order or none")
}

async fn real_orders_are_imported_once(app: App) {
    let database = app.database();
    write(database, "orders.csv", include_str!("../../src/cli/demo/orders.csv"));
    let options = [MAKE, &["--map", MAP, "--rejects", "rejects.csv"]].concat();
    assert_eq!(import(database, &["orders.csv"], &options), [9, 52, 788, 1, 0, 0]);
    let found = rejects(database);
    assert!(matches!(found.as_slice(), [(file, _, why)] if file == "orders.csv" && why.contains("\"-")), "{found:?}");
    let statistics = ask(&app, "{ statistics { ordered active unassigned } }", json!({})).await;
    assert_eq!(statistics, json!({"statistics": {"ordered": 788, "active": 679, "unassigned": 109}}));
    let total = order(&app, "536366", "total { amount currencyCode } lines { quantity product { name } }").await;
    assert_eq!(total.pointer("/total"), Some(&json!({"amount": "22.20", "currencyCode": "GBP"})), "{total}");
    verified(database);

    let said = Program::over(database)
        .run(&[&["import", "orders", "orders.csv", "--channel", "web"], options.as_slice()].concat());
    assert_eq!(
        said.answer(),
        "nothing new\n0 orders, 0 lines, 0 units imported; 1 rows rejected; 9 orders unchanged, 0 different\n"
    );
    assert_eq!(import(database, &["orders.csv"], &options), [0, 0, 0, 1, 9, 0]);
    let events =
        ask(&app, "{ events(first: 100, filter: { types: [ORDER_IMPORTED] }) { totalCount } }", json!({})).await;
    assert_eq!(events.pointer("/events/totalCount"), Some(&json!(9)));
    verified(database);
}

async fn every_reject_has_its_place_and_reason(database: Database) {
    let text: &[u8] = b"external_reference,sku,quantity,unit_price,placed_at
A1,S1,1,2.50,2010-12-01
,S1,1,2.50,2010-12-01
A1, ,1,2.50,2010-12-01

A1,S1,0,2.50,2010-12-01
A1,S1,-3,2.50,2010-12-01
A1,S1,1.5,2.50,2010-12-01
A1,S1,some,2.50,2010-12-01
A1,S1,1,-11062.06,2010-12-01
A1,S1,1,free,2010-12-01
A1,S1,1,2.50,01/12/2010
\"A
2\",S1,1,2.50,2010-12-01
A1,S\xff1,1,2.50,2010-12-01
A1,S1,1,2.50,2010-12-01,more
A3,gift_0001_30,2,0,2010-12-01
A3,S1,3,1.25
";
    let expected = [
        (3, "its external_reference is empty"),
        (4, "its sku is empty"),
        (6, "its quantity \"0\" is no whole number of at least 1"),
        (7, "its quantity \"-3\" is no whole number of at least 1"),
        (8, "its quantity \"1.5\" is no whole number of at least 1"),
        (9, "its quantity \"some\" is no whole number of at least 1"),
        (10, "its price \"-11062.06\" is negative or no number"),
        (11, "its price \"free\" is negative or no number"),
        (12, "its date \"01/12/2010\" is neither"),
        (13, "its external_reference cannot be used"),
        (15, "it is not UTF-8"),
        (16, "it has 6 fields where the header has 5"),
        (18, "it has 4 fields where the header has 5"),
    ];
    let on_windows = text.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
    for (text, counts) in [(text, [2, 2, 3, 13, 0, 0]), (&on_windows, [0, 0, 0, 13, 2, 0])] {
        write(&database, "dirty.csv", text);
        assert_eq!(import(&database, &["dirty.csv"], &[MAKE, &["--rejects", "rejects.csv"]].concat()), counts);
        let found = rejects(&database);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((file, line, reason), (place, why)) in found.iter().zip(expected) {
            assert_eq!((file.as_str(), line.as_str()), ("dirty.csv", place.to_string().as_str()), "{reason}");
            assert!(reason.starts_with(why), "{line}: {reason}");
        }
    }
    verified(&database);
}

async fn json_lines_are_read_like_rows(database: Database) {
    let text =
        "\u{feff}{\"ref\": 7, \"sku\": \"S1\", \"quantity\": 2, \"unit_price\": 1.25, \"placed_at\": \"2010-12-01\"}
{\"ref\": \"7\", \"sku\": \"S2\", \"quantity\": \"3\", \"unit_price\": null, \"assign_to\": \"u-1\"}

[1, 2]
{\"ref\": \"7\", \"sku\": \"S2\", \"quantity\": 1.5}
{\"ref\": \"8\", \"sku\": null, \"quantity\": 1}
{\"ref\": \"8\", \"sku\": \"S1\", \"quantity\": 1, \"unit_price\": \"-1\"}
{\"ref\": \"8\", \"sku\": \"S1\\u0000\", \"quantity\": 1}
{\"ref\": \"8\", \"sku\": \"S1\", \"quanti";
    write(&database, "orders.ndjson", text);
    let options = [MAKE, &["--map", "external_reference=ref", "--rejects", "rejects.csv"]].concat();
    assert_eq!(import(&database, &["orders.ndjson"], &options), [1, 2, 5, 6, 0, 0]);
    let lines: Vec<_> = rejects(&database).into_iter().map(|(_, line, _)| line).collect();
    assert_eq!(lines, ["4", "5", "6", "7", "8", "9"]);
    assert_eq!(import(&database, &["orders.ndjson"], &options), [0, 0, 0, 6, 1, 0]);
    verified(&database);
}

async fn rows_of_an_order_may_lie_anywhere(app: App) {
    let database = app.database();
    write(
        database,
        "one.csv",
        format!(
            "{HEADER}\nA,S1,0,1,2010-11-30\nA,S1,1,1,2010-12-01\nB,S1,1,1,2010-12-02\na,S1,1,1,2010-12-02\nA,S2,2,1,2010-12-03\n"
        ),
    );
    write(
        database,
        "two.csv",
        "sku,external_reference,quantity,unit_price,placed_at,Country\nS1,A,4,1,2009-01-01,France\nS1, A,8,1,2010-12-01,France\n",
    );
    assert_eq!(import(database, &["one.csv", "two.csv"], MAKE), [4, 6, 17, 1, 0, 0]);
    let seen = order(&app, "A", "placedAt lines { quantity }").await;
    assert_eq!(seen.pointer("/placedAt"), Some(&json!("2010-12-01T00:00:00Z")), "its first accepted row's");
    let mut quantities: Vec<_> =
        seen.pointer("/lines").and_then(Value::as_array).into_iter().flatten().cloned().collect();
    quantities.sort_by_key(ToString::to_string);
    assert_eq!(quantities, [json!({"quantity": 1}), json!({"quantity": 2}), json!({"quantity": 4})]);
    assert_eq!(import(database, &["one.csv", "two.csv"], MAKE), [0, 0, 0, 1, 4, 0]);
}

async fn an_unknown_product_is_rejected_unless_it_is_to_be_made(app: App) {
    product(&app, "S1", json!({})).await;
    let database = app.database();
    write(database, "orders.csv", format!("{ALL}\nA,S1,,1,,,,,,\nA,s1,Small,2,,,,,,\nB,S 2,,4,,,,,,\nC,S3, ,8,,,,,,\nC,S3,Third,1,,,,,,\nD,S3,Other,1,,,,,,\n").replace(",unit_price,placed_at", "").replace(",,,,,,", ",,,,"));
    let known = ["--rejects", "rejects.csv"];
    assert_eq!(import(database, &["orders.csv"], &known), [1, 1, 1, 5, 0, 0]);
    let found = rejects(database);
    assert!(found.iter().all(|(_, _, why)| why.starts_with("there is no product \"")), "{found:?}");
    assert_eq!(found.iter().map(|(_, line, _)| line.as_str()).collect::<Vec<_>>(), ["3", "4", "5", "6", "7"]);

    assert_eq!(import(database, &["orders.csv"], &["--create-products"]), [3, 5, 16, 0, 0, 0]);
    let names = ask(
        &app,
        "{ a: productBySku(sku: \"S1\") { name } b: productBySku(sku: \"s1\") { name }
           c: productBySku(sku: \"S 2\") { name } d: productBySku(sku: \"S3\") { name } }",
        json!({}),
    );
    let names = names.await;
    let name = |place: &str| names.pointer(&format!("/{place}/name")).cloned();
    assert_eq!([name("a"), name("b")], [Some(json!("The S1")), Some(json!("Small"))]);
    assert_eq!([name("c"), name("d")], [Some(json!("S 2")), Some(json!("Third"))], "of the first row that has one");
    verified(database);
}

async fn an_order_of_too_many_units_is_rejected_whole(database: Database) {
    let text = format!(
        "{HEADER}\nA,S1,60000,1,2010-12-01\nB,S1,5,1,2010-12-01\nA,S1,40001,1,2010-12-01\nC,S1,99999999999999999999,1,2010-12-01\nA,S1,0,1,2010-12-01\n"
    );
    write(&database, "orders.csv", text);
    let options = [MAKE, &["--rejects", "rejects.csv"]].concat();
    assert_eq!(import(&database, &["orders.csv"], &options), [1, 1, 5, 4, 0, 0]);
    let found = rejects(&database);
    let whole = found.iter().filter(|(_, _, why)| why.ends_with("and an order has at most 100000"));
    assert_eq!(whole.map(|(_, line, _)| line.as_str()).collect::<Vec<_>>(), ["2", "4", "5"], "{found:?}");

    write(
        &database,
        "orders.csv",
        format!("{HEADER}\nD,S1,100,1,2010-12-01\nE,S1,100,1,2010-12-01\nE,S1,1,1,2010-12-01\n"),
    );
    let limited = Program::over(&database).set("CLAIMCHECK_MAX_ORDER_UNITS", "100");
    let arguments = [&["import", "orders", "orders.csv", "--channel", "web", "--json"], MAKE].concat();
    assert!(limited.run(&arguments).answer().starts_with(r#"{"orders":1,"lines":1,"units":100,"rejectedRows":2,"#));
    verified(&database);
}

async fn a_date_has_several_forms(app: App) {
    let dates = [
        ("2010-12-01", "2010-12-01T00:00:00Z"),
        ("2010-12-01 08:26", "2010-12-01T08:26:00Z"),
        ("2010-12-01 08:26:30", "2010-12-01T08:26:30Z"),
        ("2010-12-01T08:26:30Z", "2010-12-01T08:26:30Z"),
        ("2010-12-01T08:26:30.1234567+02:00", "2010-12-01T06:26:30.123456Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
        ("9999-12-31 23:59", "9999-12-31T23:59:00Z"),
    ];
    let rows = self::rows((1..).zip(dates), |(place, (date, _))| format!("A{place},S1,1,1,{date}\n"));
    let (text, count) = (format!("{HEADER}\n{rows}"), dates.len() as u64);
    assert_eq!(import_text(app.database(), &text), [count, count, count, 0, 0, 0]);
    for (place, (written, meant)) in (1..).zip(dates) {
        let seen = order(&app, &format!("A{place}"), "placedAt entitlements { nodes { issuedAt } }").await;
        let moment =
            |at: &str| seen.pointer(at).and_then(Value::as_str).and_then(|text| text.parse::<DateTime<Utc>>().ok());
        assert_eq!(moment("/placedAt"), meant.parse().ok(), "{written}");
        assert_eq!(moment("/entitlements/nodes/0/issuedAt"), meant.parse().ok(), "{written}");
    }
    assert_eq!(import_text(app.database(), &text), [0, 0, 0, 0, count, 0]);
    let none = [
        "yesterday",
        "",
        "10-12-01",
        "2010-12-1",
        "2010-12-01 8:26",
        "2010-12-01 24:00",
        "2010-02-30",
        "01.12.2010",
        "2010-12-01T08:26:30",
        "20101201",
        "0000-01-01T00:00:00+01:00",
        "+12010-12-01",
        "2010-12-01 08:26:30 PM",
    ];
    let rows = self::rows(none, |date| format!("B,S1,1,1,{date}\n"));
    assert_eq!(import_text(app.database(), &format!("{HEADER}\n{rows}")), [0, 0, 0, none.len() as u64, 0, 0]);
}

async fn an_order_may_name_as_many_accounts_as_it_has_units(database: Database) {
    let rows = rows(0..17_000, |seat| format!("A,S1,1,u-{seat}\n"));
    let text = format!("external_reference,sku,quantity,assign_to\n{rows}");
    assert_eq!(import_text(&database, &text), [1, 17_000, 17_000, 0, 0, 0]);
    assert_eq!(import_text(&database, &text), [0, 0, 0, 0, 1, 0]);
    verified(&database);
}

async fn a_sku_may_be_longer_than_a_name(database: Database) {
    let text = format!("external_reference,sku,quantity\nA,{},1\nA,{},1\n", "S".repeat(255), "S".repeat(256));
    assert_eq!(import_text(&database, &text), [1, 1, 1, 1, 0, 0]);
}

async fn what_cannot_be_imported_is_one_clear_line(database: Database) {
    fs::create_dir(database.directory().join("folder")).expect("a directory");
    write(&database, "empty.csv", "");
    write(&database, "other.csv", "InvoiceNo,sku,quantity\nA,S1,1\n");
    write(&database, "priced.csv", format!("{HEADER}\nA,S1,1,1,2010-12-01\n"));
    let cases: [(&[&str], i32, &str); 10] = [
        (&["empty.csv"], 1, "empty.csv has no column \"external_reference\""),
        (&["other.csv"], 1, "its columns are InvoiceNo, sku, quantity; use --map external_reference=COLUMN"),
        (&["other.csv", "--map", "external_reference=Invoice"], 1, "other.csv has no column \"Invoice\""),
        (&["folder"], 1, "cannot read folder: "),
        (&["missing.csv"], 1, "cannot read missing.csv: "),
        (&["priced.csv", "--rejects", "folder"], 1, "cannot write the rejects to folder: "),
        (&["priced.csv"], 2, "the prices need a currency: add --currency"),
        (&["priced.csv", "--currency", "pounds"], 2, "--currency: a currency is three capital letters"),
        (
            &["priced.csv", "--map", "price=Cost"],
            2,
            "there is no field \"price\"; the fields are external_reference, sku",
        ),
        (&["priced.csv", "--map", "sku=A,sku=B"], 2, "--map names sku twice"),
    ];
    for (arguments, code, says) in cases {
        let ran = run(&database, arguments, &[]);
        let line = ran.refusal(code);
        assert!(line.contains(says), "{arguments:?}: {line}");
        assert_eq!(ran.stdout, "");
    }
    let ran = Program::over(&database).run(&["import", "orders", "priced.csv"]);
    assert!(ran.refusal(2).contains("--channel"), "{ran:?}");
    write(&database, "header.csv", format!("{HEADER}\n"));
    assert_eq!(import(&database, &["header.csv"], &[]), [0; 6], "no rows are no mistake");
}

async fn a_file_is_not_overwritten_by_its_rejects(database: Database) {
    write(&database, "orders.csv", "external_reference,sku,quantity\nA,S1,1\n");
    let ran = run(&database, &["orders.csv"], &["--create-products", "--rejects", "orders.csv"]);
    assert!(ran.refusal(2).contains("--rejects names a file that is to be imported"), "{ran:?}");
    assert_eq!(import(&database, &["orders.csv"], &["--create-products"]), [1, 1, 1, 0, 0, 0]);
}

async fn an_import_that_was_killed_goes_on_where_it_stopped(database: Database) {
    const ORDERS: u64 = 3_000;
    let rows = rows(0..ORDERS, |number| format!("A{number},S1,3,1,2010-12-01\nA{number},S2,1,1,2010-12-01\n"));
    write(&database, "orders.csv", format!("{HEADER}\n{rows}"));
    let connection = database.connect().await;
    let arguments = [&["import", "orders", "orders.csv", "--channel", "web", "--json"], MAKE].concat();
    let mut running = Program::over(&database).start(&arguments);
    eventually("an imported order", async || {
        claimcheck::entity::order::Entity::find().one(&connection).await.expect("an answer")
    })
    .await;
    running.kill();
    connection.close().await.expect("an orderly end");
    let [orders, lines, units, rejected, unchanged, mismatched] = import(&database, &["orders.csv"], MAKE);
    assert_eq!((orders + unchanged, rejected, mismatched), (ORDERS, 0, 0));
    assert_eq!((lines, units), (orders * 2, orders * 4));
    assert!(unchanged > 0, "what was done before is not done again");
    assert_eq!(import(&database, &["orders.csv"], MAKE), [0, 0, 0, 0, ORDERS, 0]);
    verified(&database);
}
