//! What belongs to a pull request: text, labels, comments, reviewers, statuses, auto-merge.

use github::{
    AutoMerge, CommitStatus, GithubError, MergeMethod, PullRequestFilter, PullRequestState,
    PullRequestUpdate, StatusState,
};
use serde_json::json;

use crate::recorder::ON_PURPOSE;
use crate::support::*;

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn status(state: StatusState) -> CommitStatus {
    CommitStatus {
        context: "acceptance".into(),
        state,
        description: Some("x".repeat(200)),
        target_url: Some("https://example.com/runs/1".into()),
    }
}

#[tokio::test]
async fn a_request_is_changed_closed_and_opened_again() {
    let world = World::new().await;
    world.commit("dev", "bot/pin-1", &[("a", b"1")]).await;
    let number = world.open("bot/pin-1", "dev").await.number;
    let update = PullRequestUpdate {
        title: Some(" New title ".into()),
        body: Some("x".repeat(70_000)),
    };
    let changed = world
        .repo
        .update_pull_request(number, &update)
        .await
        .unwrap();
    assert_eq!(changed.title, "New title");
    assert_eq!(changed.body.chars().count(), 65_536);
    assert_eq!(changed.author, "pipeline-app[bot]");
    assert!(changed.from_here);

    let list = async |open| {
        let filter = PullRequestFilter {
            open,
            head: None,
            base: Some("dev".into()),
            pages: 1,
        };
        world.repo.pull_requests(&filter).await.unwrap()
    };
    assert_eq!(list(true).await.len(), 1);
    let closed = world.repo.close_pull_request(number).await.unwrap();
    assert_eq!(closed.state, PullRequestState::Closed);
    assert_eq!((list(true).await.len(), list(false).await.len()), (0, 1));
    let opened = world.repo.reopen_pull_request(number).await.unwrap();
    assert_eq!(opened.state, PullRequestState::Open);

    // Not while another one is open for the same branches.
    world.repo.close_pull_request(number).await.unwrap();
    world.open("bot/pin-1", "dev").await;
    let refused = world.repo.reopen_pull_request(number).await;
    assert!(
        matches!(refused, Err(GithubError::Rejected { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn labels_reviewers_and_comments_stay_with_the_request() {
    let world = World::new().await;
    world.commit("dev", "change", &[("a", b"1")]).await;
    let number = world.open("change", "dev").await.number;
    let repo = &world.repo;
    repo.add_labels(number, &owned(&["Images", "bot/pin ä"]))
        .await
        .unwrap();
    repo.add_labels(number, &owned(&["images"])).await.unwrap();
    let details = repo.pull_request(number).await.unwrap();
    assert_eq!(details.labels, ["bot/pin ä", "Images"]);

    repo.request_reviewers(number, &owned(&["ann"]), &owned(&["ops"]))
        .await
        .unwrap();
    repo.request_reviewers(number, &owned(&["Ann", "bob"]), &[])
        .await
        .unwrap();
    let asked = repo.pull_request(number).await.unwrap().reviewers;
    assert_eq!(asked, ["ann", "bob", "ops"]);
    for people in [["pipeline-app[bot]"], ["no such/name"]] {
        let refused = repo.request_reviewers(number, &owned(&people), &[]).await;
        assert!(
            matches!(refused, Err(GithubError::Rejected { .. })),
            "{refused:?}"
        );
    }

    assert!(
        repo.comment_once(number, "<!-- one -->", None, "hello <!-- one -->")
            .await
            .unwrap()
    );
    assert!(
        !repo
            .comment_once(number, "<!-- one -->", None, "hello <!-- one -->")
            .await
            .unwrap()
    );
    for index in 0..104 {
        let body = json!({ "body": format!("{index}") }).to_string();
        let path = format!("/issues/{number}/comments");
        world.call(reqwest::Method::POST, &path, &body).await;
    }
    let comments = repo.comments(number).await.unwrap();
    assert_eq!(comments.len(), 105);
    assert_eq!(comments[0].author, "pipeline-app[bot]");
    assert_eq!(comments[104].body, "103");
}

#[tokio::test]
async fn the_latest_status_of_each_context_counts() {
    let world = World::new().await;
    let sha = world.head("dev").await;
    let state = async || world.repo.combined_status(&sha).await.unwrap().state;
    assert_eq!(state().await, StatusState::Pending);
    for next in [
        StatusState::Pending,
        StatusState::Failure,
        StatusState::Error,
        StatusState::Success,
    ] {
        world.repo.set_status(&sha, &status(next)).await.unwrap();
        let combined = world.repo.combined_status(&sha).await.unwrap();
        assert_eq!(combined.statuses.len(), 1);
        assert_eq!(combined.statuses[0].state, next);
        let whole = match next {
            StatusState::Error => StatusState::Failure,
            other => other,
        };
        assert_eq!(combined.state, whole);
    }
    let other = CommitStatus {
        context: "lint".into(),
        ..status(StatusState::Pending)
    };
    world.repo.set_status(&sha, &other).await.unwrap();
    assert_eq!(state().await, StatusState::Pending);
    let (_, json) = world
        .call(reqwest::Method::GET, "/commits/dev/status", "")
        .await;
    assert_eq!(json["total_count"], 2);
}

#[tokio::test]
async fn auto_merge_waits_for_the_required_status() {
    let world = World::new().await;
    let sha = world.commit("dev", "change", &[("a", b"1")]).await;
    let number = world.open("change", "dev").await.number;
    let node = world.repo.pull_request(number).await.unwrap().node_id;
    let enable = async || {
        world
            .repo
            .enable_auto_merge(number, &node, MergeMethod::Squash)
            .await
            .unwrap()
    };
    // As on GitHub: what can be merged at once cannot wait.
    assert_eq!(enable().await, AutoMerge::NothingToWaitFor);

    world
        .server
        .require_statuses(&world.name, "dev", &["acceptance"])
        .await
        .unwrap();
    let path = format!("/pulls/{number}");
    let (_, json) = world.call(reqwest::Method::GET, &path, "").await;
    assert_eq!(json["mergeable_state"], "blocked");
    let refused = world
        .repo
        .merge_pull_request(number, MergeMethod::Merge, &sha)
        .await;
    assert!(
        matches!(refused, Err(GithubError::NotMergeable { .. })),
        "{refused:?}"
    );
    assert_eq!(enable().await, AutoMerge::Enabled);
    let (_, json) = world.call(reqwest::Method::GET, &path, "").await;
    assert_eq!(json["auto_merge"]["merge_method"], "squash");

    world
        .repo
        .set_status(&sha, &status(StatusState::Failure))
        .await
        .unwrap();
    let details = world.repo.pull_request(number).await.unwrap();
    assert_eq!(details.state, PullRequestState::Open);
    world
        .repo
        .set_status(&sha, &status(StatusState::Success))
        .await
        .unwrap();
    let details = world.repo.pull_request(number).await.unwrap();
    assert_eq!(details.state, PullRequestState::Merged);
    let subject = world.git(&["log", "-1", "--format=%s", "dev"]).await;
    assert_eq!(subject, "Pin processor images (#1)");
}

#[tokio::test]
async fn the_graphql_api_refuses_with_200() {
    let world = World::new().await;
    world.commit("dev", "change", &[("a", b"1")]).await;
    world.open("change", "dev").await;
    let ask = async |path: &str, query: &str| {
        let url = format!("{}{path}", world.recorder.url);
        let body = json!({ "query": query }).to_string();
        let request = world.http.post(url).header(ON_PURPOSE, "1").body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let found = ask("/api/graphql", "{ viewer { login } }").await;
    assert_eq!(found["data"]["viewer"]["login"], "pipeline-app[bot]");
    for (query, kind) in [
        (
            r#"mutation { enablePullRequestAutoMerge(input: {pullRequestId: "PR_x"}) { clientMutationId } }"#,
            "NOT_FOUND",
        ),
        (
            "mutation { enablePullRequestAutoMerge(input: {}) { clientMutationId } }",
            "missingRequiredArguments",
        ),
        ("{ rateLimit { cost } }", "undefinedField"),
    ] {
        let answer = ask("/graphql", query).await;
        assert_eq!(answer["errors"][0]["type"], kind, "{answer}");
    }
}
