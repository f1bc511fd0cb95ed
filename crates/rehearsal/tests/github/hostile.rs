//! Everything that comes from a client may be meant badly.

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn names_lead_nowhere_else() {
    let world = World::new().await;
    let head = world.head("dev").await;
    let before = world.git(&["for-each-ref"]).await;
    let sha = json!({ "sha": head, "force": true });
    for (method, path, body) in [
        ("GET", "/git/ref/..%2FHEAD", Value::Null),
        ("GET", "/git/ref/heads%2F..%2F..%2Fconfig", Value::Null),
        ("GET", "/git/ref/heads%2Fdev%00", Value::Null),
        ("PATCH", "/git/refs/..%2FHEAD", sha.clone()),
        ("PATCH", "/git/refs/heads%2F..%2F..%2F..%2Fx", sha),
        ("DELETE", "/git/refs/..%2FHEAD", Value::Null),
        ("DELETE", "/git/refs/heads%2F..%2F..%2Fconfig", Value::Null),
        ("GET", "/commits/--all", Value::Null),
        ("GET", "/commits/HEAD~1", Value::Null),
        ("GET", "/commits/dev%5E%7Btree%7D", Value::Null),
        ("GET", "/compare/--output=x...dev", Value::Null),
        ("GET", "/contents/..%2Fconfig", Value::Null),
        ("GET", "/contents/%2Fetc%2Fpasswd", Value::Null),
        ("GET", "/contents/README.md?ref=--help", Value::Null),
        ("GET", "/git/trees/-l", Value::Null),
        ("GET", "/pulls/18446744073709551616", Value::Null),
        ("GET", "/pulls/0", Value::Null),
    ] {
        let (status, _) = world.refusal(method, path, &body).await;
        assert!((400..500).contains(&status), "{method} {path}: {status}");
    }
    for prefix in ["..%2F", "heads%2F..%2F", "%00", "--sort=x", "*"] {
        let path = format!("/git/matching-refs/{prefix}");
        let (status, found) = world.call(reqwest::Method::GET, &path, "").await;
        assert_eq!((status.as_u16(), found), (200, json!([])), "{prefix}");
    }
    assert_eq!(world.git(&["for-each-ref"]).await, before);
    assert_eq!(world.git(&["symbolic-ref", "HEAD"]).await, "refs/heads/dev");
}

#[tokio::test]
async fn sizes_and_types_are_bounded() {
    let world = World::new().await;
    let head = world.head("dev").await;
    world.commit("dev", "change", &[("a", b"1")]).await;
    world.open("change", "dev").await;
    let long = |length: usize| "x".repeat(length);
    let many = |count: usize| (0..count).map(|it| format!("l{it}")).collect::<Vec<_>>();
    let entry = |path: String| json!({ "path": path, "mode": "100644", "content": "" });
    let statuses = format!("/statuses/{head}");
    let nobody = format!("/statuses/{}", "0".repeat(40));
    let reviewers = "/pulls/1/requested_reviewers";
    let start = "/actions/workflows/x.yaml/dispatches";
    let inputs: Value = many(26).into_iter().map(|it| (it, json!(""))).collect();
    for (method, path, body) in [
        (
            "POST",
            "/pulls",
            json!({ "title": long(257), "head": "change", "base": "dev" }),
        ),
        ("PATCH", "/pulls/1", json!({ "title": long(257) })),
        ("PATCH", "/pulls/1", json!({ "title": " " })),
        ("PATCH", "/pulls/1", json!({ "body": long(65_537) })),
        ("PATCH", "/pulls/1", json!({ "state": "merged" })),
        (
            "POST",
            "/issues/1/comments",
            json!({ "body": long(65_537) }),
        ),
        ("POST", "/issues/1/comments", json!({ "body": " " })),
        ("POST", "/issues/1/comments", json!({ "body": 1 })),
        ("POST", "/issues/1/labels", json!({ "labels": [long(51)] })),
        ("POST", "/issues/1/labels", json!({ "labels": [1] })),
        ("POST", "/issues/1/labels", json!({ "labels": "a" })),
        ("POST", "/issues/1/labels", json!(many(101))),
        ("POST", reviewers, json!({ "reviewers": many(101) })),
        ("POST", reviewers, json!({ "reviewers": [1] })),
        ("POST", reviewers, json!({ "team_reviewers": ["../x"] })),
        ("POST", &statuses, json!({ "state": "done" })),
        (
            "POST",
            &statuses,
            json!({ "state": "error", "description": long(141) }),
        ),
        (
            "POST",
            &statuses,
            json!({ "state": "error", "context": long(256) }),
        ),
        ("POST", &nobody, json!({ "state": "error" })),
        ("POST", start, json!({ "ref": "dev", "inputs": inputs })),
        (
            "POST",
            start,
            json!({ "ref": "dev", "inputs": { "a": long(70_000) } }),
        ),
        ("POST", start, json!({ "ref": "dev", "inputs": [] })),
        ("POST", "/git/trees", json!({ "tree": [entry(long(5000))] })),
        (
            "POST",
            "/git/trees",
            json!({ "tree": [entry("a\0b".into())] }),
        ),
        ("POST", "/git/trees", json!({ "tree": ["a"] })),
        (
            "POST",
            "/git/commits",
            json!({ "message": "a\0b", "tree": head }),
        ),
    ] {
        let (status, _) = world.refusal(method, path, &body).await;
        assert_eq!(status, 422, "{method} {path}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let (status, _) = world.call(reqwest::Method::POST, "/pulls", &deep).await;
    assert_eq!(status, 400);
    assert_eq!(world.repo.comments(1).await.unwrap(), []);
    assert!(
        world
            .server
            .dispatches(&world.name)
            .await
            .unwrap()
            .is_empty()
    );
}
