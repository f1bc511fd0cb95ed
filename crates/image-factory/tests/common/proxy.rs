//! Stands before a registry and answers some requests in its place, badly.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as the rules see it.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Whether the builder asks, not this process.
    pub(crate) by_builder: bool,
}

/// What happens to a request.
pub(crate) enum Answer {
    /// The registry answers.
    Pass,
    /// This is the answer: status line, headers, body.
    Say(&'static str, &'static str, &'static str),
    /// The connection breaks off after so many bytes of the request's body.
    Cut(u64),
    /// The registry answers, and this replaces its header `Docker-Content-Digest`.
    OtherDigest(&'static str),
}

pub(crate) struct Proxy {
    pub(crate) host: String,
    serving: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Rule = Arc<Mutex<dyn FnMut(&Asked) -> Answer + Send>>;

impl Proxy {
    /// Stands before the registry at `upstream`; `rule` decides about each request.
    pub(crate) async fn before(
        upstream: &str,
        rule: impl FnMut(&Asked) -> Answer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let rule: Rule = Arc::new(Mutex::new(rule));
        let upstream = upstream.to_owned();
        let serving = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (upstream, rule) = (upstream.clone(), Arc::clone(&rule));
                tokio::spawn(async move {
                    // Broken connections are what this is for.
                    let _ = serve(client, &upstream, &rule).await;
                });
            }
        });
        Self { host, serving }
    }
}

/// One request a connection: the next one comes over a new one.
async fn serve(mut client: TcpStream, upstream: &str, rule: &Rule) -> std::io::Result<()> {
    let head = read_head(&mut client).await?;
    let mut words = head.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let asked = Asked {
        method: word(),
        path: word(),
        by_builder: !head.to_lowercase().contains("\r\nuser-agent: pipeline/"),
    };
    let answer = (rule.lock().unwrap())(&asked);
    match answer {
        Answer::Say(status, headers, body) => {
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            client.write_all(text.as_bytes()).await?;
            client.shutdown().await?;
            // What still comes must be read, or the answer is lost to a reset.
            let mut nowhere = tokio::io::sink();
            let rest = copy(&mut client, &mut nowhere);
            let _ = tokio::time::timeout(Duration::from_secs(5), rest).await;
        }
        Answer::Cut(bytes) => {
            let (mut some, mut nowhere) = (client.take(bytes), tokio::io::sink());
            // A shorter body is over before, and then the other side waits.
            let some = copy(&mut some, &mut nowhere);
            let _ = tokio::time::timeout(Duration::from_millis(500), some).await;
        }
        Answer::Pass => {
            let mut registry = TcpStream::connect(upstream).await?;
            registry.write_all(closing(&head).as_bytes()).await?;
            copy_bidirectional(&mut client, &mut registry).await?;
        }
        Answer::OtherDigest(digest) => {
            let mut registry = TcpStream::connect(upstream).await?;
            registry.write_all(closing(&head).as_bytes()).await?;
            let answer = read_head(&mut registry).await?;
            let lines = answer.split("\r\n").map(|line| {
                match line.to_lowercase().starts_with("docker-content-digest:") {
                    true => format!("Docker-Content-Digest: {digest}"),
                    false => line.to_owned(),
                }
            });
            let answer = lines.collect::<Vec<_>>().join("\r\n");
            client.write_all(answer.as_bytes()).await?;
            copy(&mut registry, &mut client).await?;
        }
    }
    Ok(())
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The request, with the wish that the connection ends after the answer.
fn closing(head: &str) -> String {
    let lines = head.split("\r\n");
    let others = lines.filter(|line| !line.to_lowercase().starts_with("connection:"));
    let text = others.collect::<Vec<_>>().join("\r\n");
    text.replacen("\r\n", "\r\nConnection: close\r\n", 1)
}
