//! The `github` client against the embedded GitHub API, and the API's own answers.
#![expect(clippy::unwrap_used, reason = "the helpers of the tests are tests too")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use github::{
    CommitRequest, CommitSha, FileChange, GithubError, MergeMethod, NewPullRequest, Repo, RepoName,
    RepoOptions, Retry,
};
use process::Command;
use rehearsal::github::{EmbeddedGithub, EmbeddedGithubError, EmbeddedGithubOptions};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Every byte that a text channel might change.
const ODD: &[u8] = b"\xef\xbb\xbfimage: x\r\n\xff\x00 end without a line end";

async fn git_output(dir: &Path, args: &[&str]) -> Result<Vec<u8>, process::ProcessError> {
    let command = Command::new("git")
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args([
            "-c",
            "user.name=A Person",
            "-c",
            "user.email=person@example.com",
        ])
        .args([
            "-c",
            "commit.gpgsign=false",
            "-c",
            "init.defaultBranch=trunk",
        ])
        .args(args);
    Ok(command.run(&CancellationToken::new()).await?.stdout)
}

async fn git(dir: &Path, args: &[&str]) -> String {
    let bytes = git_output(dir, args).await.unwrap();
    String::from_utf8(bytes).unwrap().trim_end().to_owned()
}

fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A working repository with one commit.
async fn working_repository() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    git(dir, &["init", "--quiet"]).await;
    write(dir, "README.md", b"hello\n");
    write(dir, "code/registry/a.yaml", b"image: {}\n");
    write(dir, "code/bin/run.sh", b"#!/bin/sh\n");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.join("code/bin/run.sh"), mode).unwrap();
    std::os::unix::fs::symlink("README.md", dir.join("link")).unwrap();
    git(dir, &["add", "--all"]).await;
    git(dir, &["commit", "--quiet", "-m", "first"]).await;
    folder
}

/// A served repository `acme/processors` whose default branch is `dev`.
struct World {
    server: EmbeddedGithub,
    name: RepoName,
    repo: Repo,
    _source: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with_token(None).await
    }

    async fn with_token(token: Option<&str>) -> Self {
        let options = EmbeddedGithubOptions {
            token: token.map(Into::into),
            ..EmbeddedGithubOptions::default()
        };
        let cancel = CancellationToken::new();
        let server = EmbeddedGithub::start(options, &cancel).await.unwrap();
        let source = working_repository().await;
        let name: RepoName = "acme/processors".parse().unwrap();
        server
            .create_repository(&name, "dev", Some(source.path()), &cancel)
            .await
            .unwrap();
        let repo = Repo::new(client_options(&server, &name, token)).unwrap();
        Self {
            server,
            name,
            repo,
            _source: source,
        }
    }

    fn bare(&self) -> PathBuf {
        self.server.git_dir(&self.name)
    }

    async fn git(&self, args: &[&str]) -> String {
        git(&self.bare(), args).await
    }

    async fn head(&self, branch: &str) -> CommitSha {
        self.repo.branch_head(branch).await.unwrap().unwrap()
    }

    async fn commit(&self, base: &str, branch: &str, files: &[(&str, &[u8])]) -> CommitSha {
        let request = commit_request(base, branch, files);
        self.repo.commit_files(&request).await.unwrap().sha
    }

    async fn open(&self, head: &str, base: &str) -> github::PullRequest {
        let request = pull_request(head, base);
        self.repo.create_pull_request(&request).await.unwrap()
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: &str) -> (StatusCode, Value) {
        let url = format!("{}/repos/acme/processors{path}", self.server.api_url());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.request(method, url).body(body.to_owned());
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The status and the message of a refusal.
    async fn refusal(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let method = method.parse().unwrap();
        let (status, json) = self.call(method, path, &body.to_string()).await;
        assert!(
            json["documentation_url"].is_string(),
            "{path} {body}: {json}"
        );
        assert_eq!(json["status"], status.as_u16().to_string(), "{json}");
        let message = json["message"].as_str().unwrap().to_owned();
        let more = json["errors"][0]["message"].as_str();
        (status.as_u16(), more.map_or(message, str::to_owned))
    }
}

fn client_options(server: &EmbeddedGithub, name: &RepoName, token: Option<&str>) -> RepoOptions {
    let mut options = RepoOptions::new(name.clone());
    options.api_url = server.api_url();
    options.token = token.map(Into::into);
    options.retry = Retry {
        first_wait: std::time::Duration::from_millis(1),
        ..Retry::default()
    };
    options
}

fn commit_request(base: &str, branch: &str, files: &[(&str, &[u8])]) -> CommitRequest {
    CommitRequest {
        base: base.into(),
        branch: branch.into(),
        message: "ci: pin processor images (bot)".into(),
        files: files
            .iter()
            .map(|(path, bytes)| FileChange {
                path: (*path).into(),
                bytes: bytes.to_vec(),
                executable: false,
            })
            .collect(),
    }
}

fn pull_request(head: &str, base: &str) -> NewPullRequest {
    NewPullRequest {
        title: "Pin processor images".into(),
        body: "| processor |".into(),
        head: head.into(),
        base: base.into(),
        draft: false,
    }
}

#[tokio::test]
async fn a_change_goes_from_commit_to_merge() {
    let world = World::new().await;
    let before = world.head("dev").await;
    let mut request = commit_request(
        "dev",
        "bot/pin-1",
        &[
            ("code/registry/a.yaml", b"image: {oci: x@sha256:1}\n"),
            ("code/bin/run.sh", b"#!/bin/sh\necho hi\n"),
            ("code/registry/odd.yaml", ODD),
            ("new/empty.txt", b""),
            ("new/tool", b"x"),
        ],
    );
    request.files[4].executable = true;
    let commit = world.repo.commit_files(&request).await.unwrap();
    assert_eq!(commit.parent, before);
    assert!(commit.verified);
    assert_eq!(world.head("bot/pin-1").await, commit.sha);
    assert_eq!(world.head("dev").await, before, "the base must not move");

    // What git sees is what was asked for: bytes, modes, one parent, a bot.
    let odd = ["cat-file", "blob", "bot/pin-1:code/registry/odd.yaml"];
    assert_eq!(git_output(&world.bare(), &odd).await.unwrap(), ODD);
    let tree = world.git(&[
        "ls-tree",
        "-r",
        "bot/pin-1",
        "--format=%(objectmode) %(path)",
    ]);
    assert_eq!(
        tree.await.lines().collect::<Vec<_>>(),
        [
            "100644 README.md",
            "100755 code/bin/run.sh",
            "100644 code/registry/a.yaml",
            "100644 code/registry/odd.yaml",
            "120000 link",
            "100644 new/empty.txt",
            "100755 new/tool",
        ]
    );
    let about = world.git(&["log", "-1", "--format=%P %an %cn %s", "bot/pin-1"]);
    assert_eq!(
        about.await,
        format!("{before} pipeline-bot[bot] GitHub ci: pin processor images (bot)")
    );

    // Read back through the API.
    let read = async |at: &str, path: &str| world.repo.read_file(at, path).await.unwrap();
    assert_eq!(
        read("bot/pin-1", "code/registry/odd.yaml").await.unwrap(),
        ODD
    );
    assert_eq!(
        read(commit.sha.as_str(), "new/empty.txt").await.unwrap(),
        b""
    );
    assert_eq!(read("dev", "code/registry/odd.yaml").await, None);
    let comparison = world.repo.compare("dev", "bot/pin-1").await.unwrap();
    assert_eq!((comparison.ahead_by, comparison.behind_by), (1, 0));

    let pull = world.open("bot/pin-1", "dev").await;
    assert_eq!((pull.number, &pull.head_sha), (1, &commit.sha));
    assert_eq!(
        (pull.head.as_str(), pull.base.as_str()),
        ("bot/pin-1", "dev")
    );
    let open = async |head, base| {
        world
            .repo
            .find_open_pull_requests(head, base)
            .await
            .unwrap()
    };
    assert_eq!(
        open(Some("bot/pin-1"), Some("dev")).await,
        std::slice::from_ref(&pull)
    );
    assert_eq!(open(None, None).await.len(), 1);
    assert_eq!(open(Some("bot/other"), None).await, []);
    assert_eq!(open(None, Some("main")).await, []);

    let merged = world
        .repo
        .merge_pull_request(pull.number, MergeMethod::Merge, &commit.sha)
        .await
        .unwrap();
    assert_eq!(world.head("dev").await, merged);
    assert_eq!(
        world.git(&["log", "-1", "--format=%P", "dev"]).await,
        format!("{before} {}", commit.sha)
    );
    assert_eq!(open(None, None).await, []);
    assert!(world.repo.delete_branch("bot/pin-1").await.unwrap());
    assert!(!world.repo.delete_branch("bot/pin-1").await.unwrap());
    assert_eq!(world.repo.branch_head("bot/pin-1").await.unwrap(), None);
    world.git(&["fsck", "--strict"]).await;
}

#[tokio::test]
async fn squash_and_rebase_leave_one_line_of_commits() {
    let world = World::new().await;
    let first = world.commit("dev", "one", &[("a", b"1")]).await;
    world.commit("dev", "two", &[("b", b"1")]).await;
    let second = world.commit("two", "two-more", &[("c", b"1")]).await;

    let pull = world.open("one", "dev").await;
    let squashed = world
        .repo
        .merge_pull_request(pull.number, MergeMethod::Squash, &first)
        .await
        .unwrap();
    let pull = world.open("two-more", "dev").await;
    let rebased = world
        .repo
        .merge_pull_request(pull.number, MergeMethod::Rebase, &second)
        .await
        .unwrap();

    assert_eq!(world.head("dev").await, rebased);
    let range = format!("{squashed}~1..dev");
    let subjects = world.git(&["log", "--format=%s", &range]).await;
    assert_eq!(
        subjects.lines().collect::<Vec<_>>(),
        [
            "ci: pin processor images (bot)",
            "ci: pin processor images (bot)",
            "Pin processor images (#1)"
        ]
    );
    let files = world
        .git(&["ls-tree", "--name-only", "dev", "a", "b", "c"])
        .await;
    assert_eq!(files, "a\nb\nc");
}

#[tokio::test]
async fn nothing_is_written_when_nothing_would_change() {
    let world = World::new().await;
    let request = commit_request(
        "dev",
        "bot/same",
        &[("code/registry/a.yaml", b"image: {}\n")],
    );
    let error = world.repo.commit_files(&request).await.unwrap_err();
    assert!(matches!(error, GithubError::Unchanged { .. }), "{error}");
    assert_eq!(world.repo.branch_head("bot/same").await.unwrap(), None);

    let head = world.head("dev").await;
    world.repo.create_branch("same", &head).await.unwrap();
    let error = world
        .repo
        .create_pull_request(&pull_request("same", "dev"))
        .await;
    assert!(
        matches!(error, Err(GithubError::Unchanged { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_exists_is_not_made_twice_and_not_overwritten() {
    let world = World::new().await;
    world.commit("dev", "bot/pin", &[("a", b"1")]).await;
    let before = world.head("bot/pin").await;

    let again = world
        .repo
        .commit_files(&commit_request("dev", "bot/pin", &[("a", b"2")]))
        .await;
    assert!(
        matches!(again, Err(GithubError::AlreadyExists { .. })),
        "{again:?}"
    );
    assert_eq!(world.head("bot/pin").await, before);

    world.open("bot/pin", "dev").await;
    let again = world
        .repo
        .create_pull_request(&pull_request("bot/pin", "dev"))
        .await;
    assert!(
        matches!(again, Err(GithubError::AlreadyExists { .. })),
        "{again:?}"
    );

    // Closed is closed, and then there may be a new one.
    world.repo.close_pull_request(1).await.unwrap();
    assert_eq!(world.open("bot/pin", "dev").await.number, 2);
}

#[tokio::test]
async fn branches_are_moved_by_compare_and_swap() {
    let world = World::new().await;
    let base = world.head("dev").await;
    let ours = world.commit("dev", "ours", &[("a", b"1")]).await;
    let theirs = world.commit("dev", "theirs", &[("b", b"1")]).await;
    world.repo.create_branch("shared", &base).await.unwrap();

    world
        .repo
        .update_branch("shared", &theirs, false)
        .await
        .unwrap();
    let late = world
        .repo
        .update_branch("shared", &ours, false)
        .await
        .unwrap_err();
    assert!(matches!(late, GithubError::Moved { .. }), "{late}");
    assert_eq!(world.head("shared").await, theirs);

    world
        .repo
        .update_branch("shared", &ours, true)
        .await
        .unwrap();
    assert_eq!(world.head("shared").await, ours);

    let missing = world
        .repo
        .update_branch("no-such", &ours, false)
        .await
        .unwrap_err();
    assert!(matches!(missing, GithubError::NotFound { .. }), "{missing}");
}

#[tokio::test]
async fn merging_refuses_what_has_moved_and_what_conflicts() {
    let world = World::new().await;
    let stale = world
        .commit("dev", "change", &[("README.md", b"ours\n")])
        .await;
    world.open("change", "dev").await;
    let fresh = world.commit("change", "more", &[("x", b"1")]).await;
    world
        .repo
        .update_branch("change", &fresh, false)
        .await
        .unwrap();

    let merge = async |expected: &CommitSha| {
        let merged = world
            .repo
            .merge_pull_request(1, MergeMethod::Merge, expected)
            .await;
        merged.unwrap_err()
    };
    assert!(matches!(merge(&stale).await, GithubError::Moved { .. }));

    let rival = world
        .commit("dev", "rival", &[("README.md", b"theirs\n")])
        .await;
    world
        .repo
        .update_branch("dev", &rival, false)
        .await
        .unwrap();
    let conflict = merge(&fresh).await;
    assert!(
        matches!(conflict, GithubError::NotMergeable { .. }),
        "{conflict}"
    );
    assert_eq!(world.head("dev").await, rival);
    assert_eq!(
        conflict.to_string(),
        "merge pull request 1 in acme/processors: it cannot be merged (Pull Request is not mergeable)"
    );
    let comparison = world.repo.compare("dev", "change").await.unwrap();
    assert_eq!((comparison.ahead_by, comparison.behind_by), (2, 1));
}

#[tokio::test]
async fn what_is_missing_is_told_apart() {
    let world = World::new().await;
    assert_eq!(world.repo.branch_head("no/such").await.unwrap(), None);
    assert_eq!(world.repo.branch_head("cod").await.unwrap(), None);
    assert_eq!(world.repo.read_file("dev", "no/such").await.unwrap(), None);
    let error = world
        .repo
        .read_file("no-such", "README.md")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("`no-such` is missing"),
        "{error}"
    );
    let error = world.repo.read_file("dev", "code").await.unwrap_err();
    assert!(matches!(error, GithubError::Answer { .. }), "{error}");

    let mut options = client_options(&world.server, &world.name, None);
    options.name = "acme/nothing".parse().unwrap();
    let error = Repo::new(options)
        .unwrap()
        .branch_head("dev")
        .await
        .unwrap_err();
    assert!(matches!(error, GithubError::NotFound { .. }), "{error}");
    assert!(error.hint().unwrap().contains("contents: read"));

    let error = world
        .repo
        .commit_files(&commit_request("gone", "x", &[("a", b"")]))
        .await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("branch `gone` is missing")
    );
    for path in ["link", "link/x", "code", "README.md/x"] {
        let error = world
            .repo
            .commit_files(&commit_request("dev", "x", &[(path, b"1")]))
            .await;
        assert!(
            matches!(error, Err(GithubError::Invalid { .. })),
            "{path}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_token_is_needed_when_one_is_set() {
    let world = World::with_token(Some("ghs_right")).await;
    world.head("dev").await;
    for (token, words) in [
        (None, "Requires authentication"),
        (Some("ghs_wrong"), "Bad credentials"),
    ] {
        let options = client_options(&world.server, &world.name, token);
        let error = Repo::new(options)
            .unwrap()
            .branch_head("dev")
            .await
            .unwrap_err();
        assert!(matches!(error, GithubError::Unauthorized { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}").contains("ghs_"));
    }
}

#[tokio::test]
async fn the_address_of_an_enterprise_server_works() {
    let world = World::new().await;
    let mut options = client_options(&world.server, &world.name, None);
    options.api_url.push_str("/api/v3");
    let repo = Repo::new(options).unwrap();
    assert_eq!(
        repo.branch_head("dev").await.unwrap(),
        Some(world.head("dev").await)
    );
}

#[tokio::test]
async fn many_files_odd_names_and_large_ones() {
    let world = World::new().await;
    let large = vec![b'x'; 1_500_000];
    let mut files: Vec<(String, Vec<u8>)> = (0..250)
        .map(|i| {
            (
                format!("many/{}/f{i}.yaml", i % 7),
                format!("n: {i}\n").into_bytes(),
            )
        })
        .collect();
    files.push(("odd/ä b#%?&+.yaml".into(), b"odd\n".to_vec()));
    files.push(("-dash,comma\"quote\\".into(), b"dash\n".to_vec()));
    files.push(("large.bin".into(), large.clone()));
    let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(p, b)| (p.as_str(), &b[..])).collect();
    world.commit("dev", "bot/50%-#1+é", &borrowed).await;

    for (path, bytes) in files.iter().rev().take(4) {
        let read = world.repo.read_file("bot/50%-#1+é", path).await.unwrap();
        assert_eq!(read.as_ref(), Some(bytes), "{path}");
    }
    let pull = world.open("bot/50%-#1+é", "dev").await;
    let open = world
        .repo
        .find_open_pull_requests(Some("bot/50%-#1+é"), Some("dev"));
    assert_eq!(open.await.unwrap(), [pull]);
    let tree = world
        .git(&["ls-tree", "-r", "--name-only", "bot/50%-#1+é", "many"])
        .await;
    assert_eq!(tree.lines().count(), 250);
}

#[tokio::test]
async fn more_pull_requests_than_a_page_are_all_found() {
    let world = World::new().await;
    let sha = world.commit("dev", "b0", &[("a", b"1")]).await;
    let lines: String = (1..=105)
        .map(|number| format!("create refs/heads/b{number} {sha}\n"))
        .collect();
    let update = Command::new("git")
        .current_dir(world.bare())
        .args(["update-ref", "--stdin"])
        .stdin(lines);
    update.run(&CancellationToken::new()).await.unwrap();
    for number in 1..=105 {
        world.open(&format!("b{number}"), "dev").await;
    }
    let open = world.repo.find_open_pull_requests(None, Some("dev"));
    let numbers: Vec<u64> = open.await.unwrap().iter().map(|pull| pull.number).collect();
    assert_eq!(numbers, (1..=105).rev().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_that_create_a_branch_one_wins() {
    let world = Arc::new(World::new().await);
    let base = world.head("dev").await;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let content = format!("{number}");
                let request = commit_request("dev", "race", &[("winner", content.as_bytes())]);
                world.repo.commit_files(&request).await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(commit) => winners.push(commit.sha),
            Err(GithubError::AlreadyExists { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(winners, [world.head("race").await]);

    // And of twenty that move it forwards from the same commit.
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let branch = format!("mover-{number}");
                let sha = world
                    .commit("race", &branch, &[("mover", branch.as_bytes())])
                    .await;
                world
                    .repo
                    .update_branch("race", &sha, false)
                    .await
                    .map(|()| sha)
            })
        })
        .collect();
    let mut moved = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => moved += 1,
            Err(GithubError::Moved { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    let count = world
        .git(&["rev-list", "--count", &format!("{base}..race")])
        .await;
    assert_eq!(
        count,
        (moved + 1).to_string(),
        "each move adds one commit, none is lost"
    );
    world.git(&["fsck", "--strict"]).await;
}

#[tokio::test]
async fn refusals_have_githubs_shape() {
    let world = World::new().await;
    let head = world.head("dev").await;
    let nobody = "0123456789abcdef0123456789abcdef01234567";
    let change = world.commit("dev", "change", &[("a", b"1")]).await;
    world.repo.create_branch("same", &head).await.unwrap();
    world.open("change", "dev").await;
    let pull = |head: &str, base: &str| json!({ "title": "t", "head": head, "base": base });
    let refs = |name: &str, sha: &str| json!({ "ref": name, "sha": sha });
    let tree = |entry: Value| json!({ "tree": [entry] });
    let file =
        |path: &str| json!({ "path": path, "mode": "100644", "type": "blob", "content": "" });
    let long = "x".repeat(65_537);

    for (method, path, body, status, message) in [
        ("GET", "/git/ref/heads/no", json!(null), 404, "Not Found"),
        ("GET", "/git/ref/heads/a..b", json!(null), 404, "Not Found"),
        ("GET", "/branches/no", json!(null), 404, "Branch not found"),
        ("GET", "/contents/no", json!(null), 404, "Not Found"),
        (
            "GET",
            "/contents/README.md?ref=no",
            json!(null),
            404,
            "No commit found for the ref no",
        ),
        ("GET", "/git/commits/HEAD", json!(null), 404, "Not Found"),
        ("GET", "/git/trees/--help", json!(null), 404, "Not Found"),
        ("GET", "/git/blobs/x", json!(null), 404, "Not Found"),
        ("GET", "/compare/dev...no", json!(null), 404, "Not Found"),
        ("GET", "/pulls/99", json!(null), 404, "Not Found"),
        ("GET", "/pulls/x", json!(null), 404, "Not Found"),
        ("GET", "/no-such-thing", json!(null), 404, "Not Found"),
        ("DELETE", "/pulls", json!(null), 404, "Not Found"),
        (
            "POST",
            "/git/refs",
            json!([1]),
            400,
            "Body should be a JSON object",
        ),
        (
            "POST",
            "/git/refs",
            json!({ "ref": "refs/heads/x" }),
            422,
            "Invalid request.\n\n\"sha\" wasn't supplied.",
        ),
        (
            "POST",
            "/git/refs",
            refs("heads/x", head.as_str()),
            422,
            "Reference name must contain at least three slash-separated components.",
        ),
        (
            "POST",
            "/git/refs",
            refs("refs/heads/a b", head.as_str()),
            422,
            "refs/heads/a b is not a valid ref name.",
        ),
        (
            "POST",
            "/git/refs",
            refs("refs/heads/../x", head.as_str()),
            422,
            "refs/heads/../x is not a valid ref name.",
        ),
        (
            "POST",
            "/git/refs",
            refs("refs/heads/x", nobody),
            422,
            "Object does not exist",
        ),
        (
            "POST",
            "/git/refs",
            refs("refs/heads/x", "dev"),
            422,
            "Object does not exist",
        ),
        (
            "POST",
            "/git/refs",
            refs("refs/heads/dev", head.as_str()),
            422,
            "Reference already exists",
        ),
        (
            "POST",
            "/git/refs",
            refs("refs/heads/dev/x", head.as_str()),
            422,
            "Reference update failed",
        ),
        (
            "PATCH",
            "/git/refs/heads/no",
            json!({ "sha": head }),
            422,
            "Reference does not exist",
        ),
        (
            "PATCH",
            "/git/refs/heads/change",
            json!({ "sha": head }),
            422,
            "Update is not a fast forward",
        ),
        (
            "PATCH",
            "/git/refs/heads/change",
            json!({ "sha": head, "force": "yes" }),
            422,
            "Invalid request.\n\nFor 'properties/force', the value is not a boolean.",
        ),
        (
            "DELETE",
            "/git/refs/heads/no",
            json!(null),
            422,
            "Reference does not exist",
        ),
        (
            "POST",
            "/git/blobs",
            json!({ "content": "!", "encoding": "base64" }),
            422,
            "content is not valid Base64",
        ),
        (
            "POST",
            "/git/trees",
            tree(file("../x")),
            422,
            "tree.path contains a malformed path component",
        ),
        (
            "POST",
            "/git/trees",
            tree(file("a/./b")),
            422,
            "tree.path contains a malformed path component",
        ),
        (
            "POST",
            "/git/trees",
            tree(file("a/.GIT/hooks/x")),
            422,
            "tree.path contains a malformed path component",
        ),
        (
            "POST",
            "/git/trees",
            tree(file("git~1/x")),
            422,
            "tree.path contains a malformed path component",
        ),
        (
            "POST",
            "/git/trees",
            tree(file("")),
            422,
            "tree.path contains a malformed path component",
        ),
        (
            "POST",
            "/git/trees",
            tree(file("/etc/passwd")),
            422,
            "tree.path cannot start with a slash",
        ),
        (
            "POST",
            "/git/trees",
            tree(json!({ "path": "x", "mode": "777", "content": "" })),
            422,
            "Must supply a valid tree.mode",
        ),
        (
            "POST",
            "/git/trees",
            tree(json!({ "path": "x", "mode": "100644", "sha": head })),
            422,
            &format!("tree.sha {head} is not a valid blob"),
        ),
        (
            "POST",
            "/git/trees",
            json!({ "base_tree": nobody, "tree": [] }),
            404,
            "Not Found",
        ),
        (
            "POST",
            "/git/commits",
            json!({ "message": "m", "tree": nobody }),
            422,
            "Tree SHA does not exist",
        ),
        (
            "POST",
            "/pulls",
            pull("no", "dev"),
            422,
            "Validation Failed",
        ),
        (
            "POST",
            "/pulls",
            pull("change", "no"),
            422,
            "Validation Failed",
        ),
        (
            "POST",
            "/pulls",
            pull("other:change", "dev"),
            422,
            "Validation Failed",
        ),
        (
            "POST",
            "/pulls",
            pull("change", "dev"),
            422,
            "A pull request already exists for acme:change.",
        ),
        (
            "POST",
            "/pulls",
            pull("acme:change", "dev"),
            422,
            "A pull request already exists for acme:change.",
        ),
        (
            "POST",
            "/pulls",
            pull("same", "dev"),
            422,
            "No commits between dev and same",
        ),
        (
            "POST",
            "/pulls",
            json!({ "title": "t", "head": "change", "base": "same", "body": long }),
            422,
            "body is too long (maximum is 65536 characters)",
        ),
        (
            "PUT",
            "/pulls/1/merge",
            json!({ "sha": head }),
            409,
            "Head branch was modified. Review and try the merge again.",
        ),
        ("PUT", "/pulls/9/merge", json!({}), 404, "Not Found"),
    ] {
        let found = world.refusal(method, path, &body).await;
        assert_eq!(
            found,
            (status, message.to_owned()),
            "{method} {path} {body}"
        );
    }
    let (status, json) = world.call(reqwest::Method::POST, "/git/refs", "{").await;
    assert_eq!(
        (status.as_u16(), json["message"].as_str()),
        (400, Some("Problems parsing JSON"))
    );
    let (_, json) = world
        .call(
            reqwest::Method::POST,
            "/pulls",
            &pull("no", "dev").to_string(),
        )
        .await;
    assert_eq!(
        json["errors"],
        json!([{ "resource": "PullRequest", "code": "invalid", "field": "head" }])
    );

    // A draft cannot be merged; a merged one not again.
    let draft = json!({ "title": "t", "head": "change", "base": "same", "draft": true });
    world
        .call(reqwest::Method::POST, "/pulls", &draft.to_string())
        .await;
    let found = world.refusal("PUT", "/pulls/2/merge", &json!({})).await;
    assert_eq!(found, (405, "Pull Request is still a draft".to_owned()));
    world
        .repo
        .merge_pull_request(1, MergeMethod::Merge, &change)
        .await
        .unwrap();
    let found = world.refusal("PUT", "/pulls/1/merge", &json!({})).await;
    assert_eq!(found, (405, "Pull Request is not mergeable".to_owned()));
    let found = world
        .refusal("PATCH", "/pulls/1", &json!({ "state": "open" }))
        .await;
    assert_eq!(found.0, 422);
}

#[tokio::test]
async fn a_repository_without_a_commit_says_so() {
    let cancel = CancellationToken::new();
    let server = EmbeddedGithub::start(EmbeddedGithubOptions::default(), &cancel)
        .await
        .unwrap();
    let name: RepoName = "acme/empty".parse().unwrap();
    server
        .create_repository(&name, "main", None, &cancel)
        .await
        .unwrap();
    let repo = Repo::new(client_options(&server, &name, None)).unwrap();
    assert_eq!(repo.branch_head("main").await.unwrap(), None);
    let url = format!("{}/repos/acme/empty/git/trees", server.api_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .post(url)
        .body(r#"{"tree":[]}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("Git Repository is empty.")
    );
}

#[tokio::test]
async fn deleting_a_branch_closes_its_pull_request() {
    let world = World::new().await;
    let sha = world.commit("dev", "change", &[("a", b"1")]).await;
    world.open("change", "dev").await;
    assert!(world.repo.delete_branch("change").await.unwrap());
    let (_, json) = world.call(reqwest::Method::GET, "/pulls/1", "").await;
    assert_eq!(
        (&json["state"], &json["merged"]),
        (&json!("closed"), &json!(false))
    );
    assert_eq!(json["head"]["sha"], sha.as_str());
    assert_eq!(
        world
            .repo
            .find_open_pull_requests(None, None)
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn a_client_made_for_github_understands_the_answers() {
    let world = World::new().await;
    world.commit("dev", "change", &[("a", b"1")]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let crab = octocrab::OctocrabBuilder::default()
        .base_uri(world.server.api_url())
        .unwrap()
        .build_with_reqwest(http)
        .unwrap();
    let pulls = crab.pulls("acme", "processors");
    let pull = pulls
        .create("t", "change", "dev")
        .body("b")
        .send()
        .await
        .unwrap();
    assert_eq!(pull.commits, Some(1));
    let pull = pulls.get(pull.number).await.unwrap();
    assert_eq!(pull.mergeable, Some(true));
    assert_eq!(pulls.list().send().await.unwrap().items.len(), 1);

    let repos = crab.repos("acme", "processors");
    assert_eq!(
        repos.get().await.unwrap().default_branch.as_deref(),
        Some("dev")
    );
    let branch = octocrab::params::repos::Reference::Branch("change".into());
    repos.get_ref(&branch).await.unwrap();
    let file = repos
        .get_content()
        .path("README.md")
        .r#ref("dev")
        .send()
        .await
        .unwrap();
    assert_eq!(file.items[0].decoded_content().as_deref(), Some("hello\n"));
    let folder = repos.get_content().path("code").send().await.unwrap();
    assert_eq!(folder.items.len(), 2);
    let comparison = crab
        .commits("acme", "processors")
        .compare("dev", "change")
        .send()
        .await
        .unwrap();
    assert_eq!(comparison.total_commits, 1);
    let files = comparison.files.unwrap();
    assert_eq!((files[0].filename.as_str(), files[0].additions), ("a", 1));
    let get = async |path: &str| -> Value {
        crab.get(format!("/repos/acme/processors{path}"), None::<&()>)
            .await
            .unwrap()
    };
    let branch: octocrab::models::repos::Branch =
        serde_json::from_value(get("/branches/change").await).unwrap();
    let path = format!("/git/commits/{}", branch.commit.sha);
    let _: octocrab::models::commits::GitCommitObject =
        serde_json::from_value(get(&path).await).unwrap();
    let tree: octocrab::models::git::GitTree =
        serde_json::from_value(get("/git/trees/change?recursive=1").await).unwrap();
    assert_eq!(
        tree.tree
            .iter()
            .filter(|entry| entry.r#type == "blob")
            .count(),
        5
    );
    let merged = pulls.merge(1).send().await.unwrap();
    assert!(merged.merged);
}

#[tokio::test]
async fn a_shallow_clone_a_detached_head_and_uncommitted_work_can_be_copied() {
    let source = working_repository().await;
    write(source.path(), "README.md", b"second\n");
    git(source.path(), &["commit", "--quiet", "-a", "-m", "second"]).await;
    let shallow = tempfile::tempdir().unwrap();
    let url = format!("file://{}", source.path().display());
    let to = shallow.path().join("clone");
    git(
        shallow.path(),
        &["clone", "--quiet", "--depth=1", &url, to.to_str().unwrap()],
    )
    .await;
    git(&to, &["checkout", "--quiet", "--detach"]).await;
    write(&to, "README.md", b"not committed\n");
    let status = git(&to, &["status", "--porcelain"]).await;

    let cancel = CancellationToken::new();
    let server = EmbeddedGithub::start(EmbeddedGithubOptions::default(), &cancel)
        .await
        .unwrap();
    let name: RepoName = "Acme/Shallow".parse().unwrap();
    server
        .create_repository(&name, "dev", Some(&to), &cancel)
        .await
        .unwrap();
    let repo = Repo::new(client_options(
        &server,
        &"acme/shallow".parse().unwrap(),
        None,
    ))
    .unwrap();
    let head = git(&to, &["rev-parse", "HEAD"]).await;
    assert_eq!(
        repo.branch_head("dev").await.unwrap().unwrap().as_str(),
        head
    );
    assert_eq!(
        repo.read_file("dev", "README.md").await.unwrap().unwrap(),
        b"second\n"
    );
    repo.commit_files(&commit_request("dev", "x", &[("a", b"1")]))
        .await
        .unwrap();
    assert_eq!(
        git(&to, &["status", "--porcelain"]).await,
        status,
        "the source is untouched"
    );

    let again = server.create_repository(&name, "dev", None, &cancel).await;
    assert!(
        matches!(again, Err(EmbeddedGithubError::Exists { .. })),
        "{again:?}"
    );
    let empty = tempfile::tempdir().unwrap();
    git(empty.path(), &["init", "--quiet"]).await;
    let name: RepoName = "acme/e".parse().unwrap();
    let error = server
        .create_repository(&name, "dev", Some(empty.path()), &cancel)
        .await;
    assert!(
        matches!(error, Err(EmbeddedGithubError::Empty { .. })),
        "{error:?}"
    );
    let error = server.create_repository(&name, "a..b", None, &cancel).await;
    assert!(
        matches!(error, Err(EmbeddedGithubError::BadBranch { .. })),
        "{error:?}"
    );
    assert!(
        !server.git_dir(&name).exists(),
        "a failed repository leaves no folder"
    );
}

#[tokio::test]
async fn nothing_is_left_when_the_server_goes() {
    for orderly in [true, false] {
        let world = World::new().await;
        let (folder, address) = (world.bare(), world.server.address());
        assert!(folder.join("HEAD").is_file());
        if orderly {
            world.server.stop().await;
        } else {
            drop(world.server);
            tokio::task::yield_now().await;
        }
        assert!(!folder.exists());
        let refused = async || tokio::net::TcpStream::connect(address).await.is_err();
        for _ in 0..100 {
            if refused().await {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(refused().await, "the port is still served");
    }
}
