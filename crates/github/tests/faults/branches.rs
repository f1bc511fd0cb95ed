use github::{FileChange, GithubError, NewCommit};
use serde_json::json;

use crate::script::{OTHER, SHA, Script, Step, broken, message, reference, sha, step};

const PIN: &str = "GET /repos/acme/x/git/ref/heads/pin";
const MOVE: &str = "PATCH /repos/acme/x/git/refs/heads/pin";
const DELETE: &str = "DELETE /repos/acme/x/git/refs/heads/pin";

fn moved(error: &GithubError) {
    assert!(matches!(error, GithubError::Moved { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("read the branch again"));
}

const GRAPHQL: &str = "POST /graphql";

fn found() -> Step {
    let found = json!({ "data": { "repository": { "id": "R_1" } } });
    step(GRAPHQL, 200, found.to_string())
}

fn done() -> Step {
    let done = json!({ "data": { "updateRefs": { "clientMutationId": null } } });
    step(GRAPHQL, 200, done.to_string())
}

fn refused(kind: &str, words: &str) -> Step {
    let refused = json!({ "data": null, "errors": [{ "type": kind, "message": words }] });
    step(GRAPHQL, 200, refused.to_string())
}

fn unknown() -> Step {
    let words = "Field 'updateRefs' doesn't exist on type 'Mutation'";
    let error = json!({ "message": words, "extensions": { "code": "undefinedField" } });
    step(GRAPHQL, 200, json!({ "errors": [error] }).to_string())
}

async fn replace(steps: Vec<Step>) -> (Script, Result<(), GithubError>) {
    let script = Script::new(steps).await;
    let other = OTHER.parse().unwrap();
    let ended = script.repo.replace_branch("pin", &sha(), &other).await;
    script.check();
    (script, ended)
}

#[tokio::test]
async fn a_branch_is_replaced_only_where_it_was_expected() {
    let (script, ended) = replace(vec![found(), done()]).await;
    ended.unwrap();
    let update =
        json!({ "name": "refs/heads/pin", "beforeOid": SHA, "afterOid": OTHER, "force": true });
    assert_eq!(
        script.bodies()[1]["variables"]["input"],
        json!({ "repositoryId": "R_1", "refUpdates": [update] })
    );

    // Somebody wrote to it: nothing is written, and it is told where it is.
    let third = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let elsewhere = || refused("UNPROCESSABLE", "whatever GitHub says");
    let (_, ended) = replace(vec![found(), elsewhere(), step(PIN, 200, reference(third))]).await;
    let error = ended.unwrap_err();
    moved(&error);
    assert_eq!(
        error.to_string(),
        "move branch `pin` in acme/x: it has moved meanwhile (it is at aaaaaaa)"
    );

    // A commit that GitHub does not know yet is tried once more.
    let here = || step(PIN, 200, reference(SHA));
    let (_, ended) = replace(vec![found(), elsewhere(), here(), done()]).await;
    ended.unwrap();
    let (_, ended) = replace(vec![found(), elsewhere(), here(), elsewhere(), here()]).await;
    let error = ended.unwrap_err();
    assert!(matches!(error, GithubError::Rejected { .. }), "{error:?}");

    let forbidden = refused("FORBIDDEN", "Resource not accessible by integration");
    let (_, ended) = replace(vec![found(), forbidden]).await;
    assert!(
        ended
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("contents: write")
    );
}

#[tokio::test]
async fn the_repository_is_looked_up_once() {
    let script = Script::new(vec![found(), done(), done()]).await;
    let other = OTHER.parse().unwrap();
    let repo = script.repo.clone();
    repo.replace_branch("pin", &sha(), &other).await.unwrap();
    assert!(script.repo.delete_branch_at("pin", &other).await.unwrap());
    script.check();
    let update = &script.bodies()[2]["variables"]["input"]["refUpdates"][0];
    assert_eq!(update["afterOid"], "0".repeat(40));
}

#[tokio::test]
async fn an_answer_that_was_lost_while_moving_or_deleting_is_no_failure() {
    let no = || refused("UNPROCESSABLE", "no");
    let there = step(PIN, 200, reference(OTHER));
    let (_, ended) = replace(vec![found(), broken(GRAPHQL), no(), there]).await;
    ended.unwrap();

    let gone = || step(PIN, 404, message("Not Found"));
    let repository = || step("GET /repos/acme/x", 200, "{}");
    let steps = vec![found(), broken(GRAPHQL), no(), gone(), repository()];
    let script = Script::new(steps).await;
    assert!(script.repo.delete_branch_at("pin", &sha()).await.unwrap());
    script.check();

    let steps = vec![found(), no(), step(PIN, 200, reference(OTHER))];
    let script = Script::new(steps).await;
    assert!(!script.repo.delete_branch_at("pin", &sha()).await.unwrap());
    script.check();
}

#[tokio::test]
async fn a_server_without_the_mutation_is_asked_before_and_after() {
    let at = |sha| step(PIN, 200, reference(sha));
    let forced = || step(MOVE, 200, reference(OTHER));
    let old = |rest: Vec<Step>| [found(), unknown()].into_iter().chain(rest).collect();
    let (script, ended) = replace(old(vec![at(SHA), forced(), at(OTHER)])).await;
    ended.unwrap();
    assert_eq!(script.bodies()[2], json!({ "sha": OTHER, "force": true }));
    // Elsewhere before: nothing is written. Elsewhere afterwards: somebody wrote in the gap.
    let (_, ended) = replace(old(vec![at(OTHER)])).await;
    moved(&ended.unwrap_err());
    let (_, ended) = replace(old(vec![at(SHA), forced(), at(SHA)])).await;
    moved(&ended.unwrap_err());
    // Deleted in the gap.
    let gone = step(MOVE, 422, message("Reference does not exist"));
    let (_, ended) = replace(old(vec![at(SHA), gone])).await;
    moved(&ended.unwrap_err());

    let gone = message("Reference does not exist");
    let steps = vec![at(SHA), broken(DELETE), step(DELETE, 422, gone)];
    let script = Script::new(old(steps)).await;
    assert!(script.repo.delete_branch_at("pin", &sha()).await.unwrap());
    script.check();
    let script = Script::new(old(vec![at(OTHER)])).await;
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
        "commit": { "message": "m\n\nA: b", "tree": { "sha": "t2" }, "author": { "name": "n", "email": "e" }, "committer": null },
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
