use std::sync::{Arc, Mutex};
use std::time::Duration;

use github::{CommitSha, Repo, RepoOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const OTHER: &str = "ffffffffffffffffffffffffffffffffffffffff";

/// One request that must come, and what is done with it.
pub(crate) struct Step {
    request: &'static str,
    reply: Reply,
}

enum Reply {
    /// Status, extra header lines, body.
    Answer(u16, &'static str, String),
    /// The connection breaks after the request has been read.
    Break,
}

pub(crate) fn step(request: &'static str, status: u16, body: impl Into<String>) -> Step {
    with_header(request, status, "", body)
}

pub(crate) fn with_header(
    request: &'static str,
    status: u16,
    headers: &'static str,
    body: impl Into<String>,
) -> Step {
    Step {
        request,
        reply: Reply::Answer(status, headers, body.into()),
    }
}

pub(crate) fn broken(request: &'static str) -> Step {
    Step {
        request,
        reply: Reply::Break,
    }
}

pub(crate) fn message(text: &str) -> String {
    serde_json::json!({ "message": text }).to_string()
}

pub(crate) fn reference(sha: &str) -> String {
    serde_json::json!({ "object": { "sha": sha } }).to_string()
}

pub(crate) fn pull(merged: bool) -> serde_json::Value {
    let end = |branch: &str| serde_json::json!({ "ref": branch, "sha": SHA, "repo": { "full_name": "acme/x" } });
    serde_json::json!({
        "number": 7, "node_id": "PR_7", "title": "t", "body": null, "state": "open",
        "user": { "login": "bot[bot]" }, "labels": [{ "name": "pins" }], "html_url": "https://github.com/acme/x/pull/7", "head": end("pin"),
        "base": end("dev"), "merged": merged, "merge_commit_sha": merged.then_some(OTHER),
    })
}

pub(crate) fn sha() -> CommitSha {
    SHA.parse().unwrap()
}

pub(crate) struct Script {
    pub(crate) repo: Repo,
    /// The head and the body of each request that came.
    seen: Arc<Mutex<Vec<(String, String)>>>,
    expected: Vec<&'static str>,
    pub(crate) options: RepoOptions,
}

impl Script {
    pub(crate) async fn new(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let expected = steps.iter().map(|step| step.request).collect();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            for step in steps {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                log.lock().unwrap().push(request);
                if let Reply::Answer(status, headers, body) = step.reply {
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
        });
        let mut options = RepoOptions::new("acme/x".parse().unwrap());
        options.api_url = format!("http://{address}");
        options.token = Some("ghs_hunter2".into());
        options.retry.first_wait = Duration::from_millis(1);
        options.retry.longest_wait = Duration::from_millis(20);
        Self {
            repo: Repo::new(options.clone()).unwrap(),
            seen,
            expected,
            options,
        }
    }

    /// Checks that exactly the requests of the script came, each with the token.
    pub(crate) fn check(&self) {
        let seen = self.seen.lock().unwrap();
        let lines: Vec<&str> = seen
            .iter()
            .map(|(head, _)| head.split(" HTTP/1.1").next().unwrap())
            .collect();
        assert_eq!(lines, self.expected);
        for (head, _) in seen.iter() {
            let head = head.to_ascii_lowercase();
            assert!(
                head.contains("\r\nauthorization: bearer ghs_hunter2\r\n"),
                "{head}"
            );
            assert!(head.contains("\r\nuser-agent: pipeline/"), "{head}");
        }
    }
}

impl Script {
    /// What was sent with the requests that have a body.
    pub(crate) fn bodies(&self) -> Vec<serde_json::Value> {
        let seen = self.seen.lock().unwrap();
        let bodies = seen.iter().filter(|(_, body)| !body.is_empty());
        bodies
            .map(|(_, body)| serde_json::from_str(body).unwrap())
            .collect()
    }
}

async fn read_request(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 4096];
    loop {
        let read = stream.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0, "a request that ends early");
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or_default() {
            return (format!("{head}\r\n"), body.to_owned());
        }
    }
}
