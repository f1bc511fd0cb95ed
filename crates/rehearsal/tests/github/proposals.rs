//! Pins that are proposed with each kind of token, on github.com and on a GitHub Enterprise Server.

use github::{PullRequestState, Repo};
use image_factory::pin::{PinAction, PinChanges, PinReport, ProposeOptions, preview, propose};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::*;

const FILE: &str = "code/registry/one.yaml";

fn changes(digit: char) -> PinChanges {
    let digest = digit.to_string().repeat(64);
    serde_json::from_value(json!({
        "changes": [{
            "ref": "x/one@1", "file": FILE, "pin-platform": null, "old": null,
            "new": format!("ghcr.io/acme/one@sha256:{digest}"), "key": "0".repeat(64),
            "why": "first-build",
        }],
        "registry-files": 1,
    }))
    .unwrap()
}

/// Puts a file on `dev`.
async fn push(repo: &Repo, name: &str, text: &str) {
    let branch = format!("push-{name}");
    let files: &[(&str, &[u8])] = &[(name, text.as_bytes())];
    let made = commit(repo, "dev", &branch, files).await.unwrap();
    repo.update_branch("dev", &made.sha, false).await.unwrap();
    repo.delete_branch(&branch).await.unwrap();
}

async fn run(repo: &Repo, id: &str, digit: char, source: Option<&str>) -> PinReport {
    let mut options = ProposeOptions::new(id);
    if let Some(at) = source {
        options.source = repo.branch_head(at).await.unwrap();
    }
    let cancel = CancellationToken::new();
    propose(repo, &changes(digit), &options, &cancel)
        .await
        .unwrap()
}

/// One request, found again, superseded, and the first pins back: each is what it is, whoever's
/// token it is.
#[tokio::test]
async fn each_kind_of_token_keeps_one_request() {
    for token in ["ghs_actions_1", "ghs_app_1", "ghp_1"] {
        for below in ["", "/api/v3"] {
            let world = World::new().await;
            let mut options = client_options(&world.recorder.url, &world.name, Some(token));
            options.api_url.push_str(below);
            let repo = Repo::new(options).unwrap();
            push(&repo, FILE, "ref: x/one@1\nimage:\n  oci: sha256:pending\n").await;
            let first = run(&repo, "1", '1', Some("dev")).await;
            assert_eq!(first.action, PinAction::Created, "{token}{below}");
            let again = run(&repo, "1", '1', Some("dev")).await;
            assert_eq!(again.action, PinAction::Unchanged, "{token}{below}");
            push(&repo, "a", "1").await;
            let second = run(&repo, "2", '2', Some("dev")).await;
            assert_eq!(second.closed, [1], "{token}{below}");
            push(&repo, "b", "1").await;
            let third = run(&repo, "3", '1', Some("dev")).await;
            assert_eq!(third.action, PinAction::Created, "{token}{below}");
            assert_eq!(third.closed, [2], "{token}{below}");
            assert_eq!(
                world.git(&["branch", "--list", "bot/*"]).await.trim(),
                "bot/pin-3"
            );

            // What became empty is closed by a run that commits nothing.
            push(&repo, FILE, &{
                let text = repo.read_file("bot/pin-3", FILE).await.unwrap().unwrap();
                String::from_utf8(text).unwrap()
            })
            .await;
            let none = run(&repo, "4", '1', Some("dev")).await;
            assert_eq!((none.action, none.closed), (PinAction::Nothing, vec![3]));
        }
    }
}

#[tokio::test]
async fn an_app_goes_on_where_the_jobs_token_began() {
    let world = World::new().await;
    let (job, app) = (world.with("ghs_actions_1"), world.with("ghs_app_1"));
    push(&job, FILE, "ref: x/one@1\nimage:\n  oci: sha256:pending\n").await;
    run(&job, "1", '1', None).await;
    push(&job, "a", "1").await;
    let second = run(&app, "2", '2', None).await;
    assert_eq!(second.closed, [1]);
    let closed = app.pull_request(1).await.unwrap();
    assert_eq!(closed.state, PullRequestState::Closed);
    assert!(closed.closed_at.is_some());
}

#[tokio::test]
async fn a_commit_that_github_does_not_know_is_not_proposed() {
    let world = World::new().await;
    let repo = world.with("ghs_app_1");
    push(&repo, FILE, "ref: x/one@1\nimage:\n  oci: sha256:pending\n").await;
    let topic = world.commit("dev", "topic", &[("a", b"1")]).await;
    for source in [topic, "f".repeat(40).parse().unwrap()] {
        let mut options = ProposeOptions::new("1");
        options.source = Some(source);
        let cancel = CancellationToken::new();
        let refused = propose(&repo, &changes('1'), &options, &cancel).await;
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("which `dev` does not have")
        );
        assert_eq!(world.git(&["branch", "--list", "bot/*"]).await, "");
    }
}

#[tokio::test]
async fn a_preview_writes_nothing_and_says_what_the_proposal_does() {
    for token in ["ghs_actions_1", "ghs_app_1", "ghp_1"] {
        let world = World::new().await;
        let repo = world.with(token);
        push(&repo, FILE, "ref: x/one@1\nimage:\n  oci: sha256:pending\n").await;
        let cancel = CancellationToken::new();
        for (round, (id, digit)) in [("1", '1'), ("2", '2'), ("3", '2')].into_iter().enumerate() {
            let mut options = ProposeOptions::new(id);
            options.labels = vec!["pins".to_owned()];
            options.reviewers = vec!["ann".to_owned()];
            options.draft = true;
            let changes = changes(digit);
            world.recorder.take_writes();
            let said = preview(&repo, &changes, &options, &cancel).await.unwrap();
            assert_eq!(world.recorder.take_writes(), [""; 0], "{token}");
            let done = propose(&repo, &changes, &options, &cancel).await.unwrap();
            assert_eq!(
                (said.action, &said.closed, &said.notices),
                (done.action, &done.closed, &done.notices)
            );
            let there = repo.pull_request(done.pull_request.unwrap().number).await;
            let (there, would) = (there.unwrap(), said.preview.unwrap());
            if done.action == PinAction::Created {
                assert!(!world.recorder.take_writes().is_empty());
                assert_eq!(would.branch, Some(there.request.head));
                assert_eq!(would.title, Some(there.title));
                assert_eq!(would.body, Some(there.body));
                assert_eq!(
                    (would.labels, would.reviewers),
                    (there.labels, there.reviewers)
                );
                assert_eq!(would.draft, there.draft);
            }
            push(&repo, &format!("next-{round}"), "1").await;
        }
    }
}
