//! What the client does when GitHub, or the way to it, fails: against a server that follows a script.
#![expect(clippy::unwrap_used, reason = "the helpers of the tests are tests too")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use github::{CommitSha, GithubError, MergeMethod, NewPullRequest, Repo, RepoOptions, Retry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "ffffffffffffffffffffffffffffffffffffffff";

/// One request that must come, and what is done with it.
struct Step {
    request: &'static str,
    reply: Reply,
}

enum Reply {
    /// Status, extra header lines, body.
    Answer(u16, &'static str, String),
    /// The connection breaks after the request has been read.
    Break,
}

fn step(request: &'static str, status: u16, body: impl Into<String>) -> Step {
    with_header(request, status, "", body)
}

fn with_header(
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

fn broken(request: &'static str) -> Step {
    Step {
        request,
        reply: Reply::Break,
    }
}

fn message(text: &str) -> String {
    serde_json::json!({ "message": text }).to_string()
}

fn reference(sha: &str) -> String {
    serde_json::json!({ "object": { "sha": sha } }).to_string()
}

fn pull(merged: bool) -> serde_json::Value {
    let end = |branch: &str| serde_json::json!({ "ref": branch, "sha": SHA, "repo": { "full_name": "acme/x" } });
    serde_json::json!({
        "number": 7, "html_url": "https://github.com/acme/x/pull/7", "head": end("pin"),
        "base": end("dev"), "merged": merged, "merge_commit_sha": merged.then_some(OTHER),
    })
}

fn sha() -> CommitSha {
    SHA.parse().unwrap()
}

struct Script {
    repo: Repo,
    /// The head of each request that came.
    seen: Arc<Mutex<Vec<String>>>,
    expected: Vec<&'static str>,
    options: RepoOptions,
}

impl Script {
    async fn new(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let expected = steps.iter().map(|step| step.request).collect();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            for step in steps {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = read_request(&mut stream).await;
                log.lock().unwrap().push(head);
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
        Self {
            repo: Repo::new(options.clone()).unwrap(),
            seen,
            expected,
            options,
        }
    }

    /// Checks that exactly the requests of the script came, each with the token.
    fn check(&self) {
        let seen = self.seen.lock().unwrap();
        let lines: Vec<&str> = seen
            .iter()
            .map(|head| head.split(" HTTP/1.1").next().unwrap())
            .collect();
        assert_eq!(lines, self.expected);
        for head in seen.iter() {
            let head = head.to_ascii_lowercase();
            assert!(
                head.contains("\r\nauthorization: bearer ghs_hunter2\r\n"),
                "{head}"
            );
            assert!(head.contains("\r\nuser-agent: pipeline/"), "{head}");
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
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
            return format!("{head}\r\n");
        }
    }
}

const HEAD: &str = "GET /repos/acme/x/git/ref/heads/dev";
const REFS: &str = "POST /repos/acme/x/git/refs";
const PIN: &str = "GET /repos/acme/x/git/ref/heads/pin";
const PULLS: &str = "POST /repos/acme/x/pulls";
const OPEN: &str =
    "GET /repos/acme/x/pulls?state=open&per_page=100&head=acme%3Apin&base=dev&page=1";
const MERGE: &str = "PUT /repos/acme/x/pulls/7/merge";

#[tokio::test]
async fn server_errors_breaks_and_short_limits_are_tried_again() {
    let limit = message("You have exceeded a secondary rate limit.");
    for first in [
        step(HEAD, 500, ""),
        step(HEAD, 502, "<html>Bad Gateway</html>"),
        with_header(HEAD, 503, "Retry-After: 0\r\n", ""),
        with_header(HEAD, 403, "Retry-After: 0\r\n", limit.clone()),
        with_header(HEAD, 429, "Retry-After: 0\r\n", limit.clone()),
        step(HEAD, 429, limit.clone()),
        broken(HEAD),
    ] {
        let script = Script::new(vec![first, step(HEAD, 200, reference(SHA))]).await;
        assert_eq!(script.repo.branch_head("dev").await.unwrap(), Some(sha()));
        script.check();
    }
}

#[tokio::test]
async fn it_gives_up_after_the_last_attempt() {
    let steps = (0..4).map(|_| step(HEAD, 502, "<html>Bad\nGateway</html>"));
    let script = Script::new(steps.collect()).await;
    let error = script.repo.branch_head("dev").await.unwrap_err();
    script.check();
    assert_eq!(
        error.to_string(),
        "read branch `dev` in acme/x: GitHub answered 502 (<html>Bad Gateway</html>)"
    );

    let script = Script::new((0..4).map(|_| broken(HEAD)).collect()).await;
    let error = script.repo.branch_head("dev").await.unwrap_err();
    script.check();
    assert!(matches!(error, GithubError::Network { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("https_proxy"));
}

#[tokio::test]
async fn refusals_are_not_tried_again() {
    for (status, words) in [
        (401, "the token was refused"),
        (403, "not allowed"),
        (409, "the repository's state does not allow it"),
        (422, "GitHub refused the request with 422"),
        (301, "the repository was renamed or moved"),
    ] {
        let request = "POST /repos/acme/x/git/refs";
        let script = Script::new(vec![step(request, status, message("No"))]).await;
        let error = script.repo.create_branch("pin", &sha()).await.unwrap_err();
        script.check();
        assert!(error.to_string().contains(words), "{error}");
    }
    // A 404 is asked about once more, to tell a missing branch from a missing repository.
    let steps = vec![
        step(HEAD, 404, message("Not Found")),
        step("GET /repos/acme/x", 404, message("Not Found")),
    ];
    let script = Script::new(steps).await;
    let error = script.repo.branch_head("dev").await.unwrap_err();
    script.check();
    assert_eq!(
        error.to_string(),
        "read branch `dev` in acme/x: repository acme/x is missing, or the token has no access to it"
    );
}

#[tokio::test]
async fn long_limits_are_reported_instead_of_waited_for() {
    for (status, headers, wait) in [
        (403, "Retry-After: 3600\r\n", Some(3600)),
        (429, "Retry-After: 3600\r\n", Some(3600)),
        (403, "X-RateLimit-Remaining: 0\r\n", None),
        (429, "X-RateLimit-Remaining: 0\r\n", None),
    ] {
        let script = Script::new(vec![with_header(HEAD, status, headers, message("Slow"))]).await;
        let error = script.repo.branch_head("dev").await.unwrap_err();
        script.check();
        let GithubError::RateLimited { wait: found, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(found, wait.map(Duration::from_secs));
    }
    let text = message("You have exceeded a secondary rate limit.");
    let script = Script::new(vec![step(HEAD, 403, text)]).await;
    let error = script.repo.branch_head("dev").await.unwrap_err();
    script.check();
    assert!(matches!(error, GithubError::RateLimited { wait: None, .. }));
}

#[tokio::test]
async fn a_branch_made_by_an_attempt_whose_answer_was_lost_is_ours() {
    let exists = || step(REFS, 422, message("Reference already exists"));
    let lost = vec![broken(REFS), exists(), step(PIN, 200, reference(SHA))];
    let script = Script::new(lost).await;
    script.repo.create_branch("pin", &sha()).await.unwrap();
    script.check();

    let taken = vec![
        step(REFS, 502, ""),
        exists(),
        step(PIN, 200, reference(OTHER)),
    ];
    let script = Script::new(taken).await;
    let error = script.repo.create_branch("pin", &sha()).await.unwrap_err();
    script.check();
    assert!(
        matches!(error, GithubError::AlreadyExists { .. }),
        "{error}"
    );

    // Without a lost attempt there is nothing to look up.
    let script = Script::new(vec![exists()]).await;
    let error = script.repo.create_branch("pin", &sha()).await.unwrap_err();
    script.check();
    assert!(
        matches!(error, GithubError::AlreadyExists { .. }),
        "{error}"
    );

    let request = "DELETE /repos/acme/x/git/refs/heads/pin";
    let gone = message("Reference does not exist");
    let script = Script::new(vec![broken(request), step(request, 422, gone)]).await;
    assert!(script.repo.delete_branch("pin").await.unwrap());
    script.check();
}

#[tokio::test]
async fn so_is_a_pull_request_and_a_merge() {
    let request = NewPullRequest {
        title: "t".into(),
        body: String::new(),
        head: "pin".into(),
        base: "dev".into(),
        draft: false,
    };
    let exists = r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest",
        "code":"custom","message":"A pull request already exists for acme:pin."}]}"#;
    let list = format!("[{}]", pull(false));
    let script = Script::new(vec![
        step(PULLS, 504, ""),
        step(PULLS, 422, exists),
        step(OPEN, 200, list),
    ])
    .await;
    let made = script.repo.create_pull_request(&request).await.unwrap();
    script.check();
    assert_eq!(made.number, 7);

    let script = Script::new(vec![
        broken(MERGE),
        step(MERGE, 405, message("Pull Request is not mergeable")),
        step("GET /repos/acme/x/pulls/7", 200, pull(true).to_string()),
    ])
    .await;
    let head = sha();
    let merged = script.repo.merge_pull_request(7, MergeMethod::Merge, &head);
    assert_eq!(merged.await.unwrap().as_str(), OTHER);
    script.check();
}

#[tokio::test]
async fn what_github_itself_asks_to_repeat_is_repeated() {
    // A commit that was made a moment ago is not known everywhere yet.
    for words in ["Could not resolve to a node", "Object does not exist"] {
        let steps = vec![step(REFS, 422, message(words)), step(REFS, 201, "{}")];
        let script = Script::new(steps).await;
        script.repo.create_branch("pin", &sha()).await.unwrap();
        script.check();

        let steps = vec![
            step(REFS, 422, message(words)),
            step(REFS, 422, message(words)),
        ];
        let script = Script::new(steps).await;
        script.repo.create_branch("pin", &sha()).await.unwrap_err();
        script.check();
    }
    let busy = "Base branch was modified. Review and try the merge again.";
    let done = serde_json::json!({ "sha": OTHER, "merged": true });
    let script = Script::new(vec![
        step(MERGE, 405, message(busy)),
        step(MERGE, 200, done.to_string()),
    ])
    .await;
    let head = sha();
    let merged = script
        .repo
        .merge_pull_request(7, MergeMethod::Squash, &head);
    assert_eq!(merged.await.unwrap().as_str(), OTHER);
    script.check();
}

#[tokio::test]
async fn answers_of_something_else_are_named_and_nothing_shows_the_token() {
    let script = Script::new(vec![step(HEAD, 200, "<html>Sign in</html>")]).await;
    let error = script.repo.branch_head("dev").await.unwrap_err();
    script.check();
    assert!(matches!(error, GithubError::Answer { .. }), "{error}");

    let echo = "your header was: Authorization: Bearer ghs_hunter2";
    for status in [400, 401, 403, 500] {
        let steps = (0..if status == 500 { 4 } else { 1 }).map(|_| step(HEAD, status, echo));
        let script = Script::new(steps.collect()).await;
        let error = script.repo.branch_head("dev").await.unwrap_err();
        script.check();
        let shown = format!("{error} {error:?} {:?} {:?}", error.hint(), script.repo);
        assert!(shown.contains("Bearer ***"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn cancelling_ends_a_wait_and_a_call() {
    let slow = with_header(HEAD, 503, "Retry-After: 50\r\n", "");
    let mut script = Script::new(vec![slow]).await;
    script.options.retry = Retry::default();
    let cancel = script.options.cancel.clone();
    let repo = Repo::new(script.options.clone()).unwrap();
    let start = Instant::now();
    let (result, ()) = tokio::join!(repo.branch_head("dev"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cancel.cancel();
    });
    let error = result.unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "it waited to the end"
    );
    script.check();
    // Later calls do not even begin.
    assert!(repo.branch_head("dev").await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_port_without_a_server_is_a_network_error() {
    let mut options = RepoOptions::new("acme/x".parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    options.api_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    options.retry.first_wait = Duration::from_millis(1);
    let error = Repo::new(options)
        .unwrap()
        .branch_head("dev")
        .await
        .unwrap_err();
    assert!(matches!(error, GithubError::Network { .. }), "{error:?}");
}
