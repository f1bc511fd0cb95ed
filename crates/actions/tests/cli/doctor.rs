use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use super::bench::Bench;
use super::project;
use super::services::with_registry;

/// A registry that lets `upper` be pushed and answers for `lower` as GHCR does for a package of
/// another repository.
async fn answer(uri: Uri) -> Response {
    let path = uri.path();
    if path.contains("/text-lower/") {
        let text = r#"{"errors":[{"code":"DENIED","message":"permission_denied: write_package"}]}"#;
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    if path.ends_with("/blobs/uploads/") {
        let session = [("Location", format!("{path}1234"))];
        return (StatusCode::ACCEPTED, session).into_response();
    }
    if path.contains("/blobs/uploads/") {
        return StatusCode::NO_CONTENT.into_response();
    }
    StatusCode::NOT_FOUND.into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_refused_is_told_at_once_with_what_to_change() {
    let bench = Bench::new();
    project::runbook(&bench);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let app = axum::Router::new().fallback(answer);
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let words = format!("doctor registry --registry {host} --image-prefix ghcr.io/acme/models");
    let ran = bench.pipeline(&words).go().await.ended(18).one_error();
    let json = bench.pipeline(&format!("{words} --json -")).go().await;
    // Nothing is built for a registry that refuses.
    let build = format!("build --registry {host} --image-prefix ghcr.io/acme/models");
    let built = bench.pipeline(&build).go().await;
    server.abort();

    let lower = format!("{host}/acme/models/text-lower");
    let ran = ran.says(&["1 of 2 repositories", &lower, "write_package", "hint: "]);
    let row = |name: &str| {
        let line = ran.stdout.lines().find(|line| line.contains(name)).unwrap();
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(row("text-upper")[1..], ["✓", "✓"]);
    assert_eq!(row("text-lower")[2], "✗");
    let json = json.ended(18).json();
    assert_eq!(json["schema"], 1);
    let lower = &json["repositories"][0];
    assert_eq!(lower["processors"], serde_json::json!(["text/lower@1"]));
    assert_eq!(
        (&lower["push"], &json["repositories"][1]["push"]),
        (&"refused".into(), &"ok".into())
    );
    assert!(lower["change"].is_string(), "{lower}");
    built.ended(18).one_error().says(&["text-lower", "hint: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_lets_us_push_is_left_as_it_is() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let words = format!("doctor registry --registry {host} --image-prefix ghcr.io/acme/models");
        let ran = bench.pipeline(&words).go().await.ok();
        assert!(
            ran.stderr.contains("2 repositories, all writable"),
            "{}",
            ran.stderr
        );
        let ran = bench.pipeline(&format!("{words} --processors text/upper --json -"));
        let report = ran.go().await.ok().json();
        assert_eq!(report["repositories"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_no_refusal() {
    let bench = Bench::new();
    project::runbook(&bench);
    let words = "doctor registry --registry 127.0.0.1:1 --image-prefix ghcr.io/acme/models";
    let ran = bench.pipeline(words).go().await.ended(11).one_error();
    ran.says(&["2 of 2 repositories", "127.0.0.1:1", "no answer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_registrys_is_no_refusal() {
    let bench = Bench::new();
    project::runbook(&bench);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    // It takes the session, and does not say where it is.
    let app = axum::Router::new().fallback(async |uri: Uri| {
        match uri.path().ends_with("/blobs/uploads/") {
            true => StatusCode::ACCEPTED,
            false => StatusCode::NOT_FOUND,
        }
    });
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let words = format!(
        "doctor registry --registry {host} --image-prefix ghcr.io/acme/models \
         --processors text/upper"
    );
    let ran = bench.pipeline(&words).go().await.ended(11).one_error();
    server.abort();
    let ran = ran.says(&["without saying where", "hint: check that it is a registry"]);
    let row = ran.stdout.lines().find(|line| line.contains("text-upper"));
    let row = row.unwrap();
    assert!(row.contains("?     check that it is a registry"), "{row}");
}
