//! The check against GitHub's description itself: it sees what is wrong.

use serde_json::{Value, json};

use crate::openapi::{Exchange, GITHUB};
use crate::support::*;

#[tokio::test]
async fn a_broken_answer_is_found() {
    let world = World::tampered(|json| {
        if json.get("mergeable").is_some() {
            json["head"]["sha"] = 1.into();
            if let Some(object) = json.as_object_mut() {
                object.remove("node_id");
            }
        }
    })
    .await;
    world.commit("dev", "change", &[("a", b"1")]).await;
    assert_eq!(world.recorder.take_wrong(), [""; 0]);
    let checked = world.recorder.checked();
    let request = pull_request("change", "dev");
    world.repo.create_pull_request(&request).await.unwrap_err();
    assert!(world.recorder.checked() > checked);
    let wrong = world.recorder.take_wrong().join("\n");
    for words in [
        "POST /repos/{owner}/{repo}/pulls answer 201 /head/sha: 1 is not of type \"string\"",
        "POST /repos/{owner}/{repo}/pulls answer 201 : \"node_id\" is a required property",
    ] {
        assert!(wrong.contains(words), "{wrong}");
    }
}

#[test]
fn a_wrong_request_is_found() {
    let check = |method, path, query, sent: Value| {
        let sent = if sent.is_null() {
            String::new()
        } else {
            sent.to_string()
        };
        GITHUB.check_request(&Exchange {
            method,
            path,
            query,
            sent: sent.as_bytes(),
            status: 200,
            received: b"",
        })
    };
    let pulls = "/repos/acme/x/pulls";
    let good = json!({ "head": "a", "base": "b", "title": "t" });
    assert_eq!(check("POST", pulls, "", good), [""; 0]);
    assert_eq!(
        check("GET", pulls, "state=open&per_page=100", Value::Null),
        [""; 0]
    );
    for (method, path, query, sent, words) in [
        (
            "POST",
            pulls,
            "",
            json!({ "head": 1, "base": "b" }),
            "/head: 1 is not of type",
        ),
        (
            "POST",
            pulls,
            "",
            json!({ "head": "a" }),
            "\"base\" is a required property",
        ),
        (
            "POST",
            pulls,
            "",
            json!({ "head": "a", "base": "b", "drafft": true }),
            "/drafft: unknown field",
        ),
        ("POST", pulls, "", Value::Null, "has no body"),
        ("GET", pulls, "", json!({}), "must not have a body"),
        (
            "GET",
            pulls,
            "per_pages=1",
            Value::Null,
            "unknown query parameter `per_pages`",
        ),
        ("GET", pulls, "page=one", Value::Null, "?page"),
        ("GET", pulls, "state=opened", Value::Null, "?state"),
        (
            "GET",
            "/repos/acme/x/pull",
            "",
            Value::Null,
            "not an operation",
        ),
    ] {
        let wrong = check(method, path, query, sent).join("\n");
        assert!(wrong.contains(words), "{words}: {wrong}");
    }
}

#[test]
fn a_status_that_is_not_described_is_found() {
    let exchange = |status, received: &'static [u8]| Exchange {
        method: "DELETE",
        path: "/repos/acme/x/git/refs/heads/a",
        query: "",
        sent: b"",
        status,
        received,
    };
    assert_eq!(GITHUB.check_answer(&exchange(204, b"")), [""; 0]);
    assert!(GITHUB.check_answer(&exchange(202, b""))[0].contains("202 is not described"));
    assert!(GITHUB.check_answer(&exchange(204, b"{}"))[0].contains("204 has no body"));
}
