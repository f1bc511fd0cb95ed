use github::{FileChange, GithubError, NewCommit};
use serde_json::json;

use crate::script::{OTHER, SHA, Script, broken, message, reference, sha, step};

const PIN: &str = "GET /repos/acme/x/git/ref/heads/pin";
const MOVE: &str = "PATCH /repos/acme/x/git/refs/heads/pin";
const DELETE: &str = "DELETE /repos/acme/x/git/refs/heads/pin";

fn moved(error: &GithubError) {
    assert!(matches!(error, GithubError::Moved { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("read the branch again"));
}

#[tokio::test]
async fn a_branch_is_replaced_only_where_it_was_expected() {
    let other = OTHER.parse().unwrap();
    let script = Script::new(vec![
        step(PIN, 200, reference(SHA)),
        step(MOVE, 200, reference(OTHER)),
        step(PIN, 200, reference(OTHER)),
    ])
    .await;
    script
        .repo
        .replace_branch("pin", &sha(), &other)
        .await
        .unwrap();
    script.check();
    assert_eq!(script.bodies(), [json!({ "sha": OTHER, "force": true })]);

    // Elsewhere before: nothing is written.
    let script = Script::new(vec![step(PIN, 200, reference(OTHER))]).await;
    let error = script.repo.replace_branch("pin", &sha(), &other).await;
    script.check();
    moved(&error.unwrap_err());

    // Elsewhere afterwards: somebody wrote in the gap.
    let script = Script::new(vec![
        step(PIN, 200, reference(SHA)),
        step(MOVE, 200, reference(OTHER)),
        step(PIN, 200, reference(SHA)),
    ])
    .await;
    let error = script.repo.replace_branch("pin", &sha(), &other).await;
    script.check();
    let error = error.unwrap_err();
    moved(&error);
    assert_eq!(
        error.to_string(),
        "move branch `pin` in acme/x: it has moved meanwhile (it is at 0123456)"
    );

    // Deleted in the gap.
    let script = Script::new(vec![
        step(PIN, 200, reference(SHA)),
        step(MOVE, 422, message("Reference does not exist")),
    ])
    .await;
    let error = script.repo.replace_branch("pin", &sha(), &other).await;
    script.check();
    moved(&error.unwrap_err());
}

#[tokio::test]
async fn an_answer_that_was_lost_while_moving_or_deleting_is_no_failure() {
    let script = Script::new(vec![
        step(PIN, 200, reference(SHA)),
        broken(MOVE),
        step(MOVE, 200, reference(OTHER)),
        step(PIN, 200, reference(OTHER)),
    ])
    .await;
    let other = OTHER.parse().unwrap();
    script
        .repo
        .replace_branch("pin", &sha(), &other)
        .await
        .unwrap();
    script.check();

    let gone = message("Reference does not exist");
    let script = Script::new(vec![
        step(PIN, 200, reference(SHA)),
        broken(DELETE),
        step(DELETE, 422, gone),
    ])
    .await;
    assert!(script.repo.delete_branch_at("pin", &sha()).await.unwrap());
    script.check();

    let script = Script::new(vec![step(PIN, 200, reference(OTHER))]).await;
    assert!(!script.repo.delete_branch_at("pin", &sha()).await.unwrap());
    script.check();
}

#[tokio::test]
async fn branches_are_listed_by_their_start() {
    let of = |name: &str| json!({ "ref": name, "object": { "sha": SHA } });
    let list = json!([
        of("refs/heads/bot/pin-1"),
        of("refs/tags/bot/pin-2"),
        of("x")
    ]);
    let path = "GET /repos/acme/x/git/matching-refs/heads/bot/pin-";
    let script = Script::new(vec![step(path, 200, list.to_string())]).await;
    let found = script.repo.branches("bot/pin-").await.unwrap();
    script.check();
    assert_eq!(found, [("bot/pin-1".to_owned(), sha())]);
    script.repo.branches("../x").await.unwrap_err();
}

#[tokio::test]
async fn a_commit_tells_who_made_it() {
    let tree = json!({ "sha": "t1", "tree": [], "truncated": false });
    let person = json!({ "name": "github-actions[bot]", "email": "b@x" });
    let commit = |tree: &str| {
        json!({ "sha": OTHER, "tree": { "sha": tree }, "author": person, "committer": person,
            "verification": { "verified": true, "reason": "valid" } })
        .to_string()
    };
    let at = "GET /repos/acme/x/git/commits/0123456789abcdef0123456789abcdef01234567";
    let script = Script::new(vec![
        step(at, 200, commit("t1")),
        step("GET /repos/acme/x/git/trees/t1", 200, tree.to_string()),
        step(
            "POST /repos/acme/x/git/trees",
            201,
            json!({ "sha": "t2" }).to_string(),
        ),
        step("POST /repos/acme/x/git/commits", 201, commit("t2")),
    ])
    .await;
    let request = NewCommit {
        parent: sha(),
        message: "m".into(),
        files: vec![FileChange {
            path: "a".into(),
            bytes: b"1".to_vec(),
            executable: false,
        }],
    };
    let made = script.repo.create_commit(&request).await.unwrap();
    script.check();
    assert_eq!(made.sha.as_str(), OTHER);
    assert_eq!(made.author.name, "github-actions[bot]");
    // Neither author nor committer is sent: that would cost the signature.
    assert_eq!(
        script.bodies()[1],
        json!({ "message": "m", "tree": "t2", "parents": [SHA] })
    );
}

#[tokio::test]
async fn what_a_branch_is_ahead_of_another() {
    let commit = json!({
        "sha": SHA, "parents": [{ "sha": OTHER }],
        "commit": { "message": "m\n\nA: b", "author": { "name": "n", "email": "e" }, "committer": null },
        "author": { "login": "ann" }, "committer": {},
    });
    let answer = json!({
        "ahead_by": 1, "behind_by": 2, "commits": [commit], "files": [{ "filename": "a/b" }],
    });
    let path = "GET /repos/acme/x/compare/dev...bot/pin?per_page=100";
    let script = Script::new(vec![step(path, 200, answer.to_string())]).await;
    let ahead = script.repo.ahead("dev", "bot/pin").await.unwrap();
    script.check();
    assert_eq!((ahead.ahead_by, ahead.behind_by), (1, 2));
    assert_eq!(ahead.files, ["a/b"]);
    let found = &ahead.commits[0];
    assert_eq!(found.author.login.as_deref(), Some("ann"));
    assert_eq!(found.committer.login, None);
    assert_eq!((found.trailer("a"), found.parents.len()), (Some("b"), 1));

    let path = "GET /repos/acme/x/commits/bot%2Fpin";
    let unknown = message("No commit found for SHA: bot/pin");
    let script = Script::new(vec![step(path, 422, unknown)]).await;
    let error = script.repo.commit("bot/pin").await.unwrap_err();
    script.check();
    assert!(matches!(error, GithubError::NotFound { .. }), "{error}");
}
