//! Issues: one is kept, however often it is reported, and it shares its number with pull requests.

use github::{Issue, NewIssue};
use reqwest::Method;
use serde_json::json;

use crate::support::*;

fn issue(title: &str) -> NewIssue {
    NewIssue {
        title: title.into(),
        body: "<!-- mark --> | a |".into(),
        label: "drift".into(),
    }
}

fn marked(issue: &Issue) -> bool {
    issue.body.contains("<!-- mark -->")
}

#[tokio::test]
async fn an_issue_is_opened_once_rewritten_and_closed() {
    let world = World::new().await;
    world.commit("dev", "x", &[("a", b"1")]).await;
    let pull = world.open("x", "dev").await;
    let repo = world.with("ghs_actions_1");
    // To GitHub a pull request is an issue; it is none of ours.
    repo.add_labels(pull.number, &["drift".to_owned()])
        .await
        .unwrap();
    let (first, new) = repo.open_issue_once(&issue("One"), marked).await.unwrap();
    assert_eq!((first.number, new), (2, true));
    assert_eq!(first.author, "github-actions[bot]");
    let (again, new) = repo.open_issue_once(&issue("Two"), marked).await.unwrap();
    assert_eq!((&again, new), (&first, false));
    assert_eq!(repo.open_issues("drift").await.unwrap(), [first]);
    assert_eq!(repo.open_issues("other").await.unwrap(), []);

    repo.rewrite_issue(2, "Three", "text").await.unwrap();
    let there = repo.open_issues("DRIFT").await.unwrap().remove(0);
    assert_eq!(
        (there.title.as_str(), there.body.as_str()),
        ("Three", "text")
    );
    let comment = || repo.comment_on_issue_once(2, "<!-- done -->", "<!-- done --> Done.");
    assert!(comment().await.unwrap());
    assert!(!comment().await.unwrap());
    repo.close_issue(2).await.unwrap();
    repo.close_issue(2).await.unwrap();
    assert_eq!(repo.open_issues("drift").await.unwrap(), []);
    let (_, closed) = world.call(Method::GET, "/issues?state=closed", "").await;
    assert_eq!(closed[0]["state_reason"], "completed");
    assert_eq!(closed[0]["comments"], 1);
    let (_, all) = world.call(Method::GET, "/issues?state=all", "").await;
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert!(all[1]["pull_request"].is_object());
    let (after, _) = repo.open_issue_once(&issue("Four"), marked).await.unwrap();
    assert_eq!(after.number, 3);
}

#[tokio::test]
async fn what_is_no_issue_is_refused() {
    let world = World::new().await;
    world.commit("dev", "x", &[("a", b"1")]).await;
    world.open("x", "dev").await;
    let missing = world.repo.rewrite_issue(1, "a", "b").await.unwrap_err();
    assert!(missing.hint().unwrap().contains("issues: write"));
    let empty = json!({"title": " "});
    assert_eq!(world.refusal("POST", "/issues", &empty).await.0, 422);
    let long = json!({"title": "t".repeat(257)});
    assert_eq!(world.refusal("POST", "/issues", &long).await.0, 422);
    let label = json!({"title": "t", "labels": ["l".repeat(51)]});
    assert_eq!(world.refusal("POST", "/issues", &label).await.0, 422);
    world
        .repo
        .open_issue_once(&issue("One"), marked)
        .await
        .unwrap();
    let state = json!({"state": "done"});
    assert_eq!(world.refusal("PATCH", "/issues/2", &state).await.0, 422);
}
