//! A real Chromium, driven over its debugging protocol: for what only a browser can show.
//!
//! It is the installed one, without a window, with a profile of its own in a directory that goes with it; `CHROMIUM` names another program.
//! Where there is none its tests are reported ignored, with the reason, and fail under `REQUIRE_CHROMIUM=1`.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

use super::{eventually, variable};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
];

/// The words of a page, those of each element apart.
const WORDS: &str = "(() => { const words = []; const main = document.querySelector('main'); \
    const walk = document.createTreeWalker(main, NodeFilter.SHOW_TEXT); \
    while (walk.nextNode()) words.push(walk.currentNode.data); return words.join(' ').replace(/\\s+/g, ' '); })()";

/// Whether a page is there that stays.
const ARRIVED: &str =
    "!window.isOld && document.readyState === 'complete' && !document.querySelector('meta[http-equiv=refresh]')";

/// A browser that runs until it is dropped.
pub struct Browser {
    child: Child,
    debugger: SocketAddr,
    _profile: TempDir,
}

/// An open page of it.
pub struct Tab {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    sent: u64,
    /// The service whose pages it opens.
    origin: String,
}

fn program() -> Option<PathBuf> {
    if let Some(named) = variable("CHROMIUM") {
        return Some(named.into());
    }
    let path = variable("PATH")?;
    let places = path.split(':').flat_map(|directory| NAMES.map(|name| PathBuf::from(directory).join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// Why there can be no browser here, if so.
pub fn absence() -> Option<String> {
    program().is_none().then(|| "no Chromium is installed, and CHROMIUM names none".to_owned())
}

/// Whether tests must not be left out for want of a browser.
pub fn required() -> bool {
    variable("REQUIRE_CHROMIUM").is_some_and(|value| value != "0")
}

impl Browser {
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(program().expect("a browser"));
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the browser starts");
        let lines = BufReader::new(child.stderr.take().expect("its output")).lines();
        let mut lines = lines.map_while(Result::ok);
        let said = lines.find_map(|line| {
            let (_, address) = line.split_once("DevTools listening on ws://")?;
            address.split('/').next()?.parse().ok()
        });
        // What else it has to say must be read, or it would wait for that.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, debugger: said.expect("where it listens"), _profile: profile }
    }

    /// A new page over the service at `address`.
    pub async fn open(&self, address: SocketAddr) -> Tab {
        let url = format!("http://{}/json/new?about:blank", self.debugger);
        let made = reqwest::Client::new().put(url).send().await.expect("an answer").text().await.expect("a body");
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let debugger = made.get("webSocketDebuggerUrl").and_then(Value::as_str).expect("its address");
        let (socket, _) = tokio_tungstenite::connect_async(debugger).await.expect("the page's socket");
        let mut tab = Tab { socket, sent: 0, origin: format!("http://{address}") };
        // Keys go where the page has its focus, as in the window that somebody looks at.
        tab.command("Emulation.setFocusEmulationEnabled", json!({"enabled": true})).await;
        tab
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A key that is no text.
#[derive(Clone, Copy)]
pub enum Key {
    Tab,
    Enter,
}

impl Tab {
    /// What a command gives; none where the page went away meanwhile.
    async fn command(&mut self, method: &str, parameters: Value) -> Option<Value> {
        self.sent += 1;
        let command = json!({"id": self.sent, "method": method, "params": parameters});
        self.socket.send(Message::text(command.to_string())).await.expect("a command");
        loop {
            let message = self.socket.next().await.expect("an answer").expect("a message");
            let Message::Text(text) = message else { continue };
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            if answer.get("id").and_then(Value::as_u64) == Some(self.sent) {
                return answer.get("result").cloned();
            }
        }
    }

    /// What an expression gives on the page; none while it cannot be run, as between two pages.
    pub async fn evaluate(&mut self, expression: &str) -> Option<Value> {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.command("Runtime.evaluate", parameters).await?;
        if result.get("exceptionDetails").is_some() {
            return None;
        }
        Some(result.pointer("/result/value").cloned().unwrap_or_default())
    }

    /// Waits until an expression is true of the page.
    pub async fn becomes(&mut self, what: &str, expression: &str) {
        let seen = eventually(what, async || self.evaluate(expression).await.filter(|value| *value == json!(true)));
        seen.await;
    }

    /// Has a script run before those of every page to come.
    pub async fn begin_with(&mut self, script: &str) {
        self.command("Page.enable", json!({})).await;
        self.command("Page.addScriptToEvaluateOnNewDocument", json!({"source": script})).await;
    }

    /// Goes to an address, and waits until its page is there.
    pub async fn goto(&mut self, address: &str) {
        self.leave(&format!("location.assign({})", json!(format!("{}{address}", self.origin)))).await;
    }

    /// Does what leads to another page, and waits until that is there: not one that only opens another.
    pub async fn leave(&mut self, script: &str) {
        self.evaluate("window.isOld = true").await;
        self.evaluate(&format!("(() => {{ {script} }})()")).await;
        self.becomes(script, ARRIVED).await;
    }

    /// Presses a key, as somebody does who has no mouse.
    pub async fn press(&mut self, key: Key) {
        let (name, number, text) = match key {
            Key::Tab => ("Tab", 9, ""),
            Key::Enter => ("Enter", 13, "\r"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": number, "text": text});
            self.command("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Types a text.
    pub async fn type_in(&mut self, text: &str) {
        self.command("Input.insertText", json!({"text": text})).await;
    }

    /// Presses Enter, and waits until the page that it leads to is there.
    pub async fn enter(&mut self) {
        self.evaluate("window.isOld = true").await;
        self.press(Key::Enter).await;
        self.becomes("another page", ARRIVED).await;
    }

    /// Looks at pages on a phone or a desk, by day or in the dark.
    pub async fn look_by(&mut self, phone: bool, dark: bool) {
        let (width, height) = if phone { (390, 844) } else { (1_280, 900) };
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.command("Emulation.setDeviceMetricsOverride", screen).await;
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        self.command("Emulation.setEmulatedMedia", json!({"features": [scheme]})).await;
    }

    /// Keeps a picture of the whole page, where `CLAIMCHECK_TEST_SCREENSHOTS` names a directory for that.
    pub async fn keep_picture(&mut self, name: &str) {
        let Some(directory) = variable("CLAIMCHECK_TEST_SCREENSHOTS") else { return };
        let taken = self.command("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
        let data = taken.as_ref().and_then(|taken| taken.get("data")?.as_str()).expect("a picture");
        let data = STANDARD.decode(data).expect("base64");
        std::fs::write(PathBuf::from(directory).join(format!("{name}.png")), data).expect("a file");
    }

    /// What a screen reader is told of the page.
    pub async fn told(&mut self) -> Vec<Value> {
        let tree = self.command("Accessibility.getFullAXTree", json!({})).await.expect("a tree");
        tree.get("nodes").and_then(Value::as_array).expect("nodes").clone()
    }

    /// Signs in by the form.
    pub async fn sign_in(&mut self, secret: &str) {
        self.goto("/console").await;
        let script = format!(
            "document.querySelector('#key').value = {}; document.querySelector('main form').requestSubmit()",
            json!(secret)
        );
        self.leave(&script).await;
        self.becomes("the console", "document.querySelector('#announce') !== null").await;
    }

    /// The words of the page.
    pub async fn text(&mut self) -> String {
        let text = self.evaluate(WORDS).await;
        text.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Waits until the page says something.
    pub async fn comes_to_say(&mut self, words: &str) {
        let says = format!("{WORDS}.includes({})", json!(words));
        self.becomes(words, &says).await;
    }
}
