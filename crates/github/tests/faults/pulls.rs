use github::{
    AutoMerge, GithubError, MergeMethod, PullRequestFilter, PullRequestState, PullRequestUpdate,
};
use serde_json::json;

use crate::script::{Script, Step, broken, message, pull, step};

const ONE: &str = "GET /repos/acme/x/pulls/7";
const PATCH: &str = "PATCH /repos/acme/x/pulls/7";
const COMMENTS: &str = "GET /repos/acme/x/issues/7/comments?per_page=100&page=1";
const COMMENT: &str = "POST /repos/acme/x/issues/7/comments";
const GRAPHQL: &str = "POST /graphql";

#[tokio::test]
async fn what_is_known_of_a_pull_request() {
    let script = Script::new(vec![step(ONE, 200, pull(false).to_string())]).await;
    let found = script.repo.pull_request(7).await.unwrap();
    script.check();
    assert_eq!((found.title.as_str(), found.body.as_str()), ("t", ""));
    assert_eq!(
        (found.author.as_str(), found.labels.as_slice()),
        ("bot[bot]", &["pins".to_owned()][..])
    );
    assert!(found.from_here);
    assert_eq!(found.state, PullRequestState::Open);

    // A fork, a deleted fork, a deleted account.
    for (head, here) in [
        (json!({ "full_name": "ACME/X" }), true),
        (json!({ "full_name": "mallory/x" }), false),
        (json!(null), false),
    ] {
        let mut answer = pull(false);
        answer["head"]["repo"] = head;
        answer["user"] = json!(null);
        answer["state"] = json!("closed");
        answer["merged_at"] = json!("2026-01-01T00:00:00Z");
        let script = Script::new(vec![step(ONE, 200, answer.to_string())]).await;
        let found = script.repo.pull_request(7).await.unwrap();
        assert_eq!(found.from_here, here);
        assert_eq!(found.state, PullRequestState::Merged);
        assert_eq!(found.author, "");
    }
}

#[tokio::test]
async fn lists_are_read_page_by_page_and_end() {
    let page = |numbers: std::ops::Range<u64>| {
        let pulls: Vec<_> = numbers
            .map(|number| {
                let mut one = pull(false);
                one["number"] = number.into();
                one
            })
            .collect();
        json!(pulls).to_string()
    };
    let first = "GET /repos/acme/x/pulls?state=closed&sort=updated&direction=desc&per_page=100&base=dev&page=1";
    let second = "GET /repos/acme/x/pulls?state=closed&sort=updated&direction=desc&per_page=100&base=dev&page=2";
    let filter = PullRequestFilter {
        open: false,
        head: None,
        base: Some("dev".into()),
        pages: 2,
    };
    // The second is full, too, and the first of it was on the page before.
    let steps = vec![
        step(first, 200, page(0..100)),
        step(second, 200, page(99..199)),
    ];
    let script = Script::new(steps).await;
    let found = script.repo.pull_requests(&filter).await.unwrap();
    script.check();
    assert_eq!(found.len(), 199);

    // Of one branch; GitHub ignores a filter that it does not understand.
    let of_one = "GET /repos/acme/x/pulls?state=closed&sort=updated&direction=desc&per_page=100&head=acme%3Abot%2Fpin-7&base=dev&page=1";
    let mut other = pull(false);
    other["head"]["ref"] = json!("bot/pin-7");
    other["number"] = json!(8);
    other["requested_reviewers"] = json!([{ "login": "ann" }]);
    other["requested_teams"] = json!([{ "slug": "core" }]);
    other["closed_at"] = json!("2026-01-01T00:00:00Z");
    let listed = json!([pull(false), other]).to_string();
    let script = Script::new(vec![step(of_one, 200, listed)]).await;
    let filter = PullRequestFilter {
        head: Some("bot/pin-7".into()),
        ..filter
    };
    let found = script.repo.pull_requests(&filter).await.unwrap();
    script.check();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].request.number, 8);
    assert_eq!(found[0].reviewers, ["ann", "core"]);
    let closed = found[0].closed_at.unwrap();
    assert_eq!(closed.to_string(), "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn only_what_is_named_changes() {
    let mut closed = pull(false);
    closed["state"] = json!("closed");
    let script = Script::new(vec![
        step(PATCH, 502, ""),
        step(PATCH, 200, pull(false).to_string()),
        step(PATCH, 200, closed.to_string()),
        step(PATCH, 200, pull(false).to_string()),
    ])
    .await;
    let update = PullRequestUpdate {
        body: Some("x".repeat(70_000)),
        ..PullRequestUpdate::default()
    };
    script.repo.update_pull_request(7, &update).await.unwrap();
    let closed = script.repo.close_pull_request(7).await.unwrap();
    assert_eq!(closed.state, PullRequestState::Closed);
    script.repo.reopen_pull_request(7).await.unwrap();
    script.check();
    let bodies = script.bodies();
    let text = bodies[1]["body"].as_str().unwrap();
    assert_eq!(text.chars().count(), 65_536);
    assert_eq!(bodies[1].as_object().unwrap().len(), 1);
    assert_eq!(bodies[2], json!({ "state": "closed" }));
    assert_eq!(bodies[3], json!({ "state": "open" }));
}

fn comments(texts: &[&str]) -> Step {
    let list: Vec<_> = texts
        .iter()
        .map(|text| json!({ "body": text, "user": { "login": "bot[bot]" } }))
        .collect();
    step(COMMENTS, 200, json!(list).to_string())
}

#[tokio::test]
async fn a_comment_is_made_once_whatever_happens_to_the_answer() {
    let made = || {
        step(
            COMMENT,
            201,
            json!({ "body": "x", "user": null }).to_string(),
        )
    };
    // The steps, and whether it counts as made now.
    for (steps, now) in [
        (vec![comments(&["other"]), made()], true),
        (vec![comments(&["<!-- m --> before"])], false),
        // Lost, but made.
        (
            vec![comments(&[]), broken(COMMENT), comments(&["<!-- m -->"])],
            true,
        ),
        // Lost, and not made.
        (
            vec![comments(&[]), step(COMMENT, 502, ""), comments(&[]), made()],
            true,
        ),
        // Limited for a moment.
        (
            vec![
                comments(&[]),
                step(COMMENT, 403, message("secondary rate limit")),
                comments(&[]),
                made(),
            ],
            true,
        ),
    ] {
        let script = Script::new(steps).await;
        let done = script
            .repo
            .comment_once(7, "<!-- m -->", None, "<!-- m -->\nhello");
        assert_eq!(done.await.unwrap(), now);
        script.check();
    }
    let steps = vec![
        comments(&[]),
        step(COMMENT, 403, message("Resource not accessible")),
    ];
    let script = Script::new(steps).await;
    let error = script
        .repo
        .comment_once(7, "m", None, "m")
        .await
        .unwrap_err();
    script.check();
    assert!(error.hint().unwrap().contains("pull-requests: write"));
}

#[tokio::test]
async fn only_comments_from_inside_and_of_late_count() {
    let there = |login: &str, association: &str| {
        let comment = json!([{
            "body": "<!-- m -->", "user": { "login": login }, "author_association": association,
            "created_at": "2026-01-01T00:00:00Z",
        }]);
        step(COMMENTS, 200, comment.to_string())
    };
    let (before, after) = ("2025-12-31T23:50:00Z", "2026-01-01T00:10:00Z");
    for (login, association, since, counts) in [
        ("mallory", "NONE", None, false),
        ("mallory", "CONTRIBUTOR", None, false),
        ("mallory", "", None, false),
        ("bot[bot]", "NONE", None, true),
        ("ann", "OWNER", None, true),
        ("ann", "MEMBER", Some(before), true),
        ("ann", "COLLABORATOR", Some(after), false),
    ] {
        let mut steps = vec![there(login, association)];
        if !counts {
            let made = json!({ "body": "x", "user": null });
            steps.push(step(COMMENT, 201, made.to_string()));
        }
        let script = Script::new(steps).await;
        let since = since.map(|since| since.parse().unwrap());
        let done = script
            .repo
            .comment_once(7, "<!-- m -->", since, "<!-- m -->");
        assert_eq!(done.await.unwrap(), !counts, "{login} {association}");
        script.check();
    }
}

#[tokio::test]
async fn labels_and_reviewers() {
    let script = Script::new(vec![
        step("POST /repos/acme/x/issues/7/labels", 200, "[]"),
        step(
            "POST /repos/acme/x/pulls/7/requested_reviewers",
            201,
            pull(false).to_string(),
        ),
        step(
            "POST /repos/acme/x/pulls/7/requested_reviewers",
            422,
            message("Reviews may only be requested from collaborators."),
        ),
    ])
    .await;
    script.repo.add_labels(7, &["pins".into()]).await.unwrap();
    let (ann, core) = (["ann".to_owned()], ["core".to_owned()]);
    script.repo.request_reviewers(7, &ann, &core).await.unwrap();
    let error = script
        .repo
        .request_reviewers(7, &ann, &[])
        .await
        .unwrap_err();
    script.check();
    assert_eq!(
        script.bodies()[..2],
        [
            json!({ "labels": ["pins"] }),
            json!({ "reviewers": ["ann"], "team_reviewers": ["core"] })
        ]
    );
    assert_eq!(
        error.to_string(),
        "request reviews of pull request 7 in acme/x: GitHub refused the request with 422 \
         (Reviews may only be requested from collaborators.)"
    );
    assert!(error.hint().unwrap().contains("write access"));
}

#[tokio::test]
async fn auto_merge_goes_through_graphql() {
    let node = || serde_json::from_str("\"PR_7\"").unwrap();
    let refused = |kind: &str, words: &str| {
        let error = json!({ "errors": [{ "type": kind, "message": words }], "data": null });
        step(GRAPHQL, 200, error.to_string())
    };
    let done = json!({ "data": { "enablePullRequestAutoMerge": {} } });
    let script = Script::new(vec![
        step(GRAPHQL, 502, ""),
        step(GRAPHQL, 200, done.to_string()),
        refused(
            "UNPROCESSABLE",
            "Pull request Pull request is in clean status",
        ),
        refused(
            "UNPROCESSABLE",
            "Pull request Auto merge is not allowed for this repository",
        ),
        refused("FORBIDDEN", "Resource not accessible by integration"),
        step(GRAPHQL, 401, message("Bad credentials")),
    ])
    .await;
    let enable = || async {
        let node = node();
        script
            .repo
            .enable_auto_merge(7, &node, MergeMethod::Squash)
            .await
    };
    assert_eq!(enable().await.unwrap(), AutoMerge::Enabled);
    assert_eq!(enable().await.unwrap(), AutoMerge::NothingToWaitFor);
    assert!(
        enable()
            .await
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("Allow auto-merge")
    );
    let error = enable().await.unwrap_err();
    assert!(matches!(error, GithubError::Forbidden { .. }), "{error}");
    let error = enable().await.unwrap_err();
    assert!(matches!(error, GithubError::Unauthorized { .. }), "{error}");
    script.check();
    assert_eq!(
        script.bodies()[1]["variables"],
        json!({ "input": { "pullRequestId": "PR_7", "mergeMethod": "SQUASH" } })
    );
}

#[tokio::test]
async fn whose_the_token_is_is_asked_of_graphql() {
    let named = json!({ "data": { "viewer": { "login": "github-actions[bot]" } } });
    let empty = json!({ "data": null });
    let script = Script::new(vec![
        step(GRAPHQL, 200, named.to_string()),
        step(GRAPHQL, 200, empty.to_string()),
        step(GRAPHQL, 401, message("Bad credentials")),
    ])
    .await;
    assert_eq!(script.repo.viewer().await.unwrap(), "github-actions[bot]");
    let error = script.repo.viewer().await.unwrap_err();
    assert!(matches!(error, GithubError::Answer { .. }), "{error}");
    let error = script.repo.viewer().await.unwrap_err();
    assert!(matches!(error, GithubError::Unauthorized { .. }), "{error}");
    script.check();
}

#[tokio::test]
async fn on_an_enterprise_server_graphql_is_beside_the_rest_api() {
    let done = json!({ "data": {} }).to_string();
    let script = Script::new(vec![
        step(
            "GET /api/v3/repos/acme/x/pulls/7",
            200,
            pull(false).to_string(),
        ),
        step("POST /api/graphql", 200, done),
    ])
    .await;
    let mut options = script.options.clone();
    options.api_url.push_str("/api/v3");
    let repo = github::Repo::new(options).unwrap();
    let found = repo.pull_request(7).await.unwrap();
    let enabled = repo.enable_auto_merge(7, &found.node_id, MergeMethod::Merge);
    assert_eq!(enabled.await.unwrap(), AutoMerge::Enabled);
    script.check();
}
