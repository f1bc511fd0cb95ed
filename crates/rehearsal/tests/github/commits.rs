use github::{GithubError, MergeMethod, Repo, RepoName};
use rehearsal::github::{EmbeddedGithub, EmbeddedGithubOptions};
use reqwest::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::recorder::Recorder;
use crate::support::*;

/// Every byte that a text channel might change.
const ODD: &[u8] = b"\xef\xbb\xbfimage: x\r\n\xff\x00 end without a line end";

#[tokio::test]
async fn a_change_goes_from_commit_to_merge() {
    let world = World::new().await;
    let before = world.head("dev").await;
    let mut request = new_commit(
        before.clone(),
        &[
            ("code/registry/a.yaml", b"image: {oci: x@sha256:1}\n"),
            ("code/bin/run.sh", b"#!/bin/sh\necho hi\n"),
            ("code/registry/odd.yaml", ODD),
            ("new/empty.txt", b""),
            ("new/tool", b"x"),
        ],
    );
    request.files[4].executable = true;
    let commit = world.repo.create_commit(&request).await.unwrap();
    let branch = world.repo.create_branch("bot/pin-1", &commit.sha);
    branch.await.unwrap();
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
        format!("{before} pipeline-app[bot] GitHub ci: pin processor images (bot)")
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
async fn nothing_is_written_when_nothing_would_change() {
    let world = World::new().await;
    let head = world.head("dev").await;
    let request = new_commit(head.clone(), &[("code/registry/a.yaml", b"image: {}\n")]);
    let error = world.repo.create_commit(&request).await.unwrap_err();
    assert!(matches!(error, GithubError::Unchanged { .. }), "{error}");

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
    let recorder = Recorder::start(server.api_url(), None).await;
    let repo = Repo::new(client_options(&recorder.url, &name, None)).unwrap();
    assert_eq!(repo.branch_head("main").await.unwrap(), None);
    let url = format!("{}/repos/acme/empty/git/trees", recorder.url);
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
