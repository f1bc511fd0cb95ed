use github::{GithubError, NewIssue};
use serde_json::json;

use crate::script::{Script, broken, message, step};

const LIST: &str = "GET /repos/acme/x/issues?state=open&labels=drift&sort=created&direction=asc&per_page=100&page=1";
const OPEN: &str = "POST /repos/acme/x/issues";

fn issue() -> NewIssue {
    NewIssue {
        title: "t".into(),
        body: "mark".into(),
        label: "drift".into(),
    }
}

fn listed(number: u64, author: &str) -> String {
    let page = "https://github.com/acme/x/issues/7";
    json!([{
        "number": number, "html_url": page, "title": "t", "body": "mark", "user": {"login": author},
    }])
    .to_string()
}

#[tokio::test]
async fn an_issue_whose_answer_was_lost_is_not_opened_twice() {
    let script = Script::new(vec![
        // A stranger's is not ours, whatever it says.
        step(LIST, 200, listed(3, "eve")),
        broken(OPEN),
        step(LIST, 200, listed(7, "bot[bot]")),
    ])
    .await;
    let opened = script
        .repo
        .open_issue_once(&issue(), |one| one.author == "bot[bot]")
        .await
        .unwrap();
    script.check();
    assert_eq!((opened.0.number, opened.1), (7, true));
}

#[tokio::test]
async fn where_issues_cannot_be_written_the_permission_is_named() {
    let refused = "Resource not accessible by integration";
    let script = Script::new(vec![
        step(LIST, 200, "[]"),
        step(OPEN, 403, message(refused)),
    ])
    .await;
    let error = script.repo.open_issue_once(&issue(), |_| true).await;
    let error = error.unwrap_err();
    script.check();
    assert!(matches!(error, GithubError::Forbidden { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("issues: write"));
}
