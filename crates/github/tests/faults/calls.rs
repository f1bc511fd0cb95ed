use std::time::{Duration, Instant};

use github::{GithubError, MergeMethod, NewPullRequest, Repo, RepoOptions, Retry};
use tokio::net::TcpListener;

use crate::script::{OTHER, SHA, Script, broken, message, pull, reference, sha, step, with_header};

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
        step(HEAD, 408, "Request Timeout"),
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
    // So is a branch.
    let invalid = r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest",
        "field":"head","code":"invalid"}]}"#;
    let request = NewPullRequest {
        title: "t".into(),
        body: String::new(),
        head: "pin".into(),
        base: "dev".into(),
        draft: false,
    };
    let script = Script::new(vec![
        step(PULLS, 422, invalid),
        step(PIN, 200, reference(SHA)),
        step(PULLS, 422, invalid),
        step(PIN, 200, reference(SHA)),
        step(PULLS, 201, pull(false).to_string()),
    ])
    .await;
    let made = script.repo.create_pull_request(&request).await.unwrap();
    script.check();
    assert_eq!(made.number, 7);
    // One that is not there stays so.
    let script = Script::new(vec![
        step(PULLS, 422, invalid),
        step(PIN, 404, message("Not Found")),
        step("GET /repos/acme/x", 200, "{}"),
    ])
    .await;
    let error = script.repo.create_pull_request(&request).await.unwrap_err();
    script.check();
    assert!(error.to_string().contains("head invalid"), "{error}");

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
