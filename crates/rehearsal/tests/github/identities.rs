//! Who a token makes of its bearer.

use github::GithubError;

use crate::support::*;

#[tokio::test]
async fn commits_and_requests_are_the_tokens_owners() {
    let world = World::new().await;
    for (token, login, verified) in [
        ("ghs_actions_1", "github-actions[bot]", true),
        ("ghs_app_1", "pipeline-app[bot]", true),
        ("ghp_1", "pipeline-user", false),
    ] {
        let repo = world.with(token);
        let branch = format!("by-{token}");
        assert_eq!(repo.viewer().await.unwrap(), login);
        let made = commit(&repo, "dev", &branch, &[(token, b"1")])
            .await
            .unwrap();
        assert_eq!(made.verified, verified, "{token}");
        let commit = repo.commit(&branch).await.unwrap();
        assert_eq!(commit.author.login.as_deref(), Some(login));
        let committer = if verified { "GitHub" } else { login };
        assert_eq!(commit.committer.name, committer);
        let pull = repo
            .create_pull_request(&pull_request(&branch, "dev"))
            .await
            .unwrap();
        let details = repo.pull_request(pull.number).await.unwrap();
        assert_eq!(details.author, login);
        let ahead = repo.ahead("dev", &branch).await.unwrap();
        assert_eq!((ahead.ahead_by, ahead.behind_by), (1, 0));
        assert_eq!(ahead.commits, [commit]);
        assert_eq!(ahead.files, [token]);
    }
    let email = world
        .git(&["log", "-1", "--format=%ae", "by-ghs_actions_1"])
        .await;
    assert_eq!(
        email,
        "41898282+github-actions[bot]@users.noreply.github.com"
    );

    // A person's commit, pushed with git, belongs to no account here.
    let person = world.repo.commit("dev").await.unwrap();
    assert_eq!(person.author.login, None);
    assert_eq!(person.author.email, "person@example.com");
}

#[tokio::test]
async fn naming_an_author_costs_the_signature() {
    let world = World::new().await;
    let head = world.head("dev").await;
    let (_, commit) = world
        .call(reqwest::Method::GET, &format!("/git/commits/{head}"), "")
        .await;
    let body = serde_json::json!({
        "message": "m",
        "tree": commit["tree"]["sha"],
        "parents": [head],
        "author": { "name": "A", "email": "a@example.com", "date": "2026-01-02T03:04:05Z" },
    });
    let (status, made) = world
        .call(reqwest::Method::POST, "/git/commits", &body.to_string())
        .await;
    assert_eq!(status, 201);
    assert_eq!(made["verification"]["verified"], false);
    assert_eq!(made["author"]["date"], "2026-01-02T03:04:05Z");
}

#[tokio::test]
async fn names_that_leave_their_place_are_refused() {
    let world = World::new().await;
    let wrong = world.with("ghp_x").branch_head("../x").await;
    assert!(
        matches!(wrong, Err(GithubError::Invalid { .. })),
        "{wrong:?}"
    );
}
