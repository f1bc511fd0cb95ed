use github::{GithubError, MergeMethod, Repo};
use serde_json::{Value, json};

use crate::support::*;

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

    let mut options = client_options(&world.recorder.url, &world.name, None);
    options.name = "acme/nothing".parse().unwrap();
    let error = Repo::new(options)
        .unwrap()
        .branch_head("dev")
        .await
        .unwrap_err();
    assert!(matches!(error, GithubError::NotFound { .. }), "{error}");
    assert!(error.hint().unwrap().contains("contents: read"));

    let nobodys: github::CommitSha = "f".repeat(40).parse().unwrap();
    let orphan = new_commit(nobodys, &[("a", b"")]);
    let error = world.repo.create_commit(&orphan).await.unwrap_err();
    assert!(matches!(error, GithubError::NotFound { .. }), "{error}");
    for path in ["link", "link/x", "code", "README.md/x"] {
        let error = commit(&world.repo, "dev", "x", &[(path, b"1")]).await;
        assert!(
            matches!(error, Err(GithubError::Invalid { .. })),
            "{path}: {error:?}"
        );
    }
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
