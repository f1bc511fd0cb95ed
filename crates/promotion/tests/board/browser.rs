//! A real browser that is told what to do over the DevTools protocol.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use process::{Command, Service, Stream};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Debian's name of it, and those of others that speak the same protocol.
const PROGRAMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
const HINT: &str =
    "no chromium on PATH; get it with `apt-get install --yes --no-install-recommends chromium`";
/// On a busy machine; an answer takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Headless, alone, and without anything that would ask the network by itself.
const FLAGS: [&str; 14] = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
];

/// A browser with one page, in a profile of its own.
pub(crate) struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    next: u64,
    events: Vec<Value>,
    service: Service,
    folder: tempfile::TempDir,
}

impl Browser {
    /// Starts one, with nothing in it.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("board-").tempdir().unwrap();
        let program = PROGRAMS.into_iter().find_map(process::which).expect(HINT);
        let (say, said) = mpsc::channel();
        let mut command = Command::new(program)
            .args(FLAGS)
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            // What it keeps beside its profile goes with the folder.
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("LANGUAGE", "en")
            .env("TZ", "UTC")
            .on_line(move |stream, line| {
                if stream == Stream::Stderr {
                    let _ = say.send(line.to_owned());
                }
            });
        if rustix::process::geteuid().is_root() {
            // As root its sandbox refuses to start.
            command = command.arg("--no-sandbox");
        }
        let service = command.arg("about:blank").start().unwrap();
        let address = tokio::task::spawn_blocking(move || address(&said));
        let (socket, _) = connect_async(address.await.unwrap()).await.unwrap();
        let mut browser = Self {
            socket,
            session: String::new(),
            next: 0,
            events: Vec::new(),
            service,
            folder,
        };
        let target = browser
            .call("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in [
            "Page",
            "Runtime",
            "Log",
            "Network",
            "Audits",
            "Accessibility",
        ] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser.size(1280, 800).await;
        browser
    }

    /// Writes the text to a file and opens that, with nothing but `file://` to load from.
    pub(crate) async fn open(&mut self, html: &str, hash: &str) {
        let file = self.path("index.html");
        std::fs::write(&file, html).unwrap();
        self.visit(&file, hash).await;
    }

    /// Opens a file and waits until it is loaded.
    pub(crate) async fn visit(&mut self, file: &Path, hash: &str) {
        self.events.clear();
        let url = format!("file://{}{hash}", file.display());
        self.call("Page.navigate", json!({ "url": url })).await;
        self.event("Page.loadEventFired").await;
    }

    /// The same, and waits until every row is there.
    pub(crate) async fn open_whole(&mut self, html: &str, hash: &str) {
        self.open(html, hash).await;
        self.wait("document.documentElement.dataset.ready").await;
    }

    /// The value of an expression.
    pub(crate) async fn get(&mut self, expression: &str) -> Value {
        let evaluate =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", evaluate).await;
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer:#}"
        );
        answer["result"]["value"].clone()
    }

    /// The value of an expression that is a text.
    pub(crate) async fn text(&mut self, expression: &str) -> String {
        let value = self.get(expression).await;
        value
            .as_str()
            .unwrap_or_else(|| panic!("{expression} is {value}"))
            .to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) async fn wait(&mut self, expression: &str) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.get(&format!("Boolean({expression})")).await != true {
            assert!(
                tokio::time::Instant::now() < until,
                "never true: {expression}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// When something was first seen or marked, in milliseconds since the page was asked for.
    pub(crate) async fn moment(&mut self, name: &str) -> f64 {
        let entries = format!("performance.getEntriesByName('{name}')");
        self.wait(&format!("{entries}.length")).await;
        let time = self.get(&format!("{entries}[0].startTime")).await;
        time.as_f64().unwrap()
    }

    /// Presses and releases a key: `Enter`, `/`, `ArrowDown`.
    pub(crate) async fn key(&mut self, key: &str) {
        let text = match key {
            "Enter" => "\r",
            one if one.len() == 1 => one,
            _ => "",
        };
        // The browser knows the keys without text by these numbers.
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "End" => 35,
            "Home" => 36,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            _ => 0,
        };
        let mut press = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code });
        if !text.is_empty() {
            press["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", press).await;
        let release = json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", release).await;
    }

    /// Types text where the focus is.
    pub(crate) async fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// The size of the window, in CSS pixels.
    pub(crate) async fn size(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// A media feature, such as `prefers-color-scheme`, and its value; the medium stays a screen.
    pub(crate) async fn feature(&mut self, name: &str, value: &str) {
        let media = json!({ "media": "screen", "features": [{ "name": name, "value": value }] });
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// Waits until what was asked for is drawn, transitions included.
    pub(crate) async fn settle(&mut self) {
        let frames = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200)))";
        self.get(frames).await;
    }

    /// What it looks like, as a PNG.
    pub(crate) async fn picture(&mut self) -> Vec<u8> {
        use base64::Engine as _;
        let answer = self
            .call("Page.captureScreenshot", json!({ "format": "png" }))
            .await;
        let data = answer["data"].as_str().unwrap();
        base64::engine::general_purpose::STANDARD
            .decode(data)
            .unwrap()
    }

    /// Everything that went wrong or asked the network since the page was opened; empty is good.
    pub(crate) async fn troubles(&mut self) -> Vec<String> {
        // Whatever is on its way arrives before this answer does.
        self.settle().await;
        let events = self.events.iter();
        events.filter_map(trouble).collect()
    }

    /// A file of its own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends it and takes its folder away.
    pub(crate) async fn close(mut self) {
        self.session.clear();
        let close = json!({ "id": 0, "method": "Browser.close" }).to_string();
        let _ = self.socket.send(Message::text(close)).await;
        self.service.stop(Duration::from_secs(10)).await;
        self.folder.close().unwrap();
    }

    /// Calls a method of the protocol.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
        loop {
            let mut answer = self.receive(method).await;
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{method}: {answer:#}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    async fn event(&mut self, name: &str) {
        while !self.events.iter().any(|event| event["method"] == name) {
            let event = self.receive(name).await;
            self.events.push(event);
        }
    }

    async fn receive(&mut self, what: &str) -> Value {
        loop {
            let received = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = received.unwrap_or_else(|_| panic!("no answer to {what}"));
            if let Message::Text(text) = message.expect("the browser went away").unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

/// Where it listens, as it says itself; if it does not come up, it says why.
fn address(said: &mpsc::Receiver<String>) -> String {
    let mut lines = Vec::new();
    while let Ok(line) = said.recv_timeout(PATIENCE) {
        if let Some(address) = line.strip_prefix("DevTools listening on ") {
            return address.to_owned();
        }
        lines.push(line);
    }
    panic!("the browser does not listen:\n{}", lines.join("\n"));
}

/// What an event tells of trouble.
fn trouble(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" => Some(params["args"].to_string()),
        "Log.entryAdded" => Some(params["entry"].to_string()),
        "Audits.issueAdded" => {
            let issue = params["issue"].to_string();
            // That an address was changed without a person: by the test.
            let ours = issue.contains("NavigationEntryMarkedSkippable");
            (!ours).then_some(issue)
        }
        "Network.requestWillBeSent" => {
            let url = params["request"]["url"].as_str().unwrap_or_default();
            let own = url.starts_with("file://") && params["type"] == "Document";
            (!own && !url.starts_with("data:")).then(|| format!("asked for {url}"))
        }
        _ => None,
    }
}
