//! Hundreds of questions at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use oci::Credentials;
use registry_model::Repository;

use crate::script::{Server, anonymous, client, digest, reply};

#[derive(Default)]
struct Counts {
    asked: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

/// A registry that takes 20 ms for each answer, and has nothing.
async fn slow(State(counts): State<Arc<Counts>>) -> StatusCode {
    counts.asked.fetch_add(1, SeqCst);
    counts
        .most
        .fetch_max(counts.under_way.fetch_add(1, SeqCst) + 1, SeqCst);
    tokio::time::sleep(Duration::from_millis(20)).await;
    counts.under_way.fetch_sub(1, SeqCst);
    StatusCode::NOT_FOUND
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_look_ups_take_a_fraction_of_their_latencies() {
    let counts = Arc::new(Counts::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    let app = Router::new().fallback(slow).with_state(counts.clone());
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let repositories: Vec<Repository> = (0..500)
        .map(|number| format!("{host}/team/app{number}").parse().unwrap())
        .collect();
    let client = anonymous();
    let begun = Instant::now();
    let found = join_all(repositories.iter().map(|it| client.resolve(it, "v1"))).await;
    let elapsed = begun.elapsed();
    assert!(found.into_iter().all(|it| it.unwrap().is_none()));
    // One after another they take 10 s at least. The benchmark holds the release build to 1/20.
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    assert_eq!(counts.asked.load(SeqCst), 500);
    assert_eq!(counts.most.load(SeqCst), 64);
    server.abort();
}

#[tokio::test]
async fn many_calls_to_one_repository_share_one_token() {
    let found = digest("x");
    let server = Server::start(|host| {
        let challenge = format!(r#"Bearer realm="http://{host}/token""#);
        let asks = reply(401).header("www-authenticate", challenge);
        let token = reply(200).body(r#"{"token":"t1"}"#);
        let slow = token.to("/token").after(Duration::from_millis(100));
        let answer = reply(200).digest(&found).to("manifests");
        [vec![asks.to("manifests"); 50], vec![slow], vec![answer; 51]].concat()
    })
    .await;
    let client = client(Credentials::Anonymous);
    let calls = (0..50).map(|_| client.resolve(&server.repository, "v1"));
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap(), Some(found.clone()));
    }
    client.resolve(&server.repository, "v1").await.unwrap();
    let lines = server.lines();
    let tokens = lines.iter().filter(|line| line.contains("/token"));
    assert_eq!(tokens.count(), 1);
}

#[tokio::test]
async fn many_calls_with_a_wrong_login_show_it_once() {
    let server = Server::start(|host| {
        let challenge = format!(r#"Bearer realm="http://{host}/token""#);
        let asks = reply(401).header("www-authenticate", challenge);
        let refusal = reply(401).body("wrong").to("/token");
        [vec![asks.to("manifests"); 20], vec![refusal]].concat()
    })
    .await;
    let client = client(Credentials::Basic {
        user: "user".into(),
        password: "hunter22".into(),
    });
    let calls = (0..20).map(|_| client.resolve(&server.repository, "v1"));
    for answer in join_all(calls).await {
        let error = answer.unwrap_err();
        assert!(error.to_string().ends_with(": wrong"), "{error}");
    }
    assert_eq!(server.lines().len(), 21);
    // Nor later.
    client.resolve(&server.repository, "v1").await.unwrap_err();
    assert_eq!(server.lines().len(), 21);
}
