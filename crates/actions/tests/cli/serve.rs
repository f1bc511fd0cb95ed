use std::sync::{Arc, Mutex};

use github::RepoOptions;
use process::{Command, Stream};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, Ran, eventually, send};
use super::project;

/// `pipeline serve …`, running.
struct Serving {
    lines: Arc<Mutex<Vec<String>>>,
    ended: JoinHandle<Ran>,
}

impl Serving {
    /// Starts it, and waits until it has said where it is.
    async fn start(bench: Arc<Bench>, words: &'static str) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&lines);
        let run = bench.pipeline_in_shell(&format!("serve {words}"));
        let ended = tokio::spawn(run.go_on(move |stream, line| {
            if stream == Stream::Stdout {
                seen.lock().unwrap().push(line.to_owned());
            }
        }));
        let serving = Self { lines, ended };
        eventually("it serves", || {
            assert!(!serving.ended.is_finished(), "it ended by itself");
            serving.line(2)
        })
        .await;
        serving
    }

    fn line(&self, number: usize) -> Option<String> {
        self.lines.lock().unwrap().get(number).cloned()
    }

    /// The address in the first line of what it says.
    fn address(&self) -> String {
        let line = self.line(1).unwrap();
        line.split_once(" at ").unwrap().1.to_owned()
    }

    async fn interrupt(self) {
        self.end(Signal::INT).await;
    }

    async fn end(self, signal: Signal) {
        // The shell says its number and then becomes the program.
        send(&self.line(0).unwrap(), signal);
        let ran = self.ended.await.unwrap().ok();
        assert_eq!(ran.stderr, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_serves_until_it_is_interrupted() {
    let bench = Arc::new(Bench::new());
    let serving = Serving::start(Arc::clone(&bench), "registry").await;
    let host = serving.address();
    let mut stream = tokio::net::TcpStream::connect(&host).await.unwrap();
    let request = format!("GET /v2/ HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    serving.interrupt().await;
    assert!(tokio::net::TcpStream::connect(&host).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn github_serves_the_repository_here() {
    let bench = Arc::new(Bench::new());
    bench.write("README.md", "hello\n");
    project::commit_all(&bench.repo()).await;
    let head = project::git(&bench.repo(), &["rev-parse", "HEAD"]).await;
    let serving = Serving::start(Arc::clone(&bench), "github --repository acme/models").await;
    let options = RepoOptions {
        api_url: serving.address(),
        ..RepoOptions::new("acme/models".parse().unwrap())
    };
    let found = github::Repo::new(options).unwrap().branch_head("dev").await;
    assert_eq!(found.unwrap().unwrap().as_str(), head);
    serving.interrupt().await;
    assert_eq!(
        project::git(&bench.repo(), &["status", "--short"]).await,
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn modal_serves_the_modal_program() {
    let bench = Arc::new(Bench::new());
    let serving = Serving::start(Arc::clone(&bench), "modal --environments dev,main").await;
    let program = std::env::var_os("PIPELINE_MODAL").unwrap_or("modal".into());
    let list = Command::new(program)
        .args(["environment", "list", "--json"])
        .env("MODAL_SERVER_URL", serving.address())
        .env("MODAL_TOKEN_ID", "ak-any")
        .env("MODAL_TOKEN_SECRET", "as-any")
        .env("MODAL_CONFIG_PATH", bench.path("modal.toml"))
        .env("HOME", bench.path("home"));
    let listed = list.run(&CancellationToken::new()).await;
    let listed = listed
        .expect("pip install modal==1.6.4, and put `modal` on PATH or into PIPELINE_MODAL")
        .stdout_text();
    assert!(
        listed.contains("\"dev\"") && listed.contains("\"main\""),
        "{listed}"
    );
    serving.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_terminal_ends_it_as_an_interruption_does() {
    for signal in [Signal::HUP, Signal::TERM] {
        let bench = Arc::new(Bench::new());
        let serving = Serving::start(Arc::clone(&bench), "registry").await;
        let host = serving.address();
        serving.end(signal).await;
        assert!(tokio::net::TcpStream::connect(&host).await.is_err());
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_told_with_its_cure() {
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    bench.write("README.md", "hello\n");
    project::commit_all(&bench.repo()).await;
    for service in ["registry", "github", "modal"] {
        let words = format!("serve {service} --port {port}");
        let ran = bench.pipeline(&words).go().await.ended(2).one_error();
        ran.says(&[&port.to_string(), "hint: "]);
    }
    let run = bench
        .pipeline("serve registry")
        .env("PATH", bench.path("home"));
    let ran = run.go().await.ended(2).one_error();
    ran.says(&["hint: ", "docker-registry"]);
    let run = bench
        .pipeline("serve github --from")
        .arg(bench.path("home"));
    let ran = run.go().await.ended(2).one_error();
    ran.says(&["hint: ", "git repository with --from"]);
    let run = bench.pipeline("serve github --repository acme");
    run.go().await.ended(2).one_error();
}
