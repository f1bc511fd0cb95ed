//! Retries, throttling, deadlines and refusals.

use std::time::Duration;

use modal_deploy::proto::{RpcRetryPolicy, RpcStatus};
use modal_deploy::{Client, ClientOptions, ErrorClass, ModalError};
use prost::Message;
use secrecy::SecretString;
use tonic::{Code, Status};

use crate::plane::{Plane, Step, TOKEN_SECRET};

pub(crate) fn throttled(seconds: f32) -> Step {
    let policy = RpcRetryPolicy {
        retry_after_secs: seconds,
    };
    let details = RpcStatus {
        details: vec![prost_types::Any {
            type_url: "type.googleapis.com/modal.client.RPCRetryPolicy".to_owned(),
            value: policy.encode_to_vec(),
        }],
        ..Default::default()
    };
    let details = details.encode_to_vec().into();
    Step::Fail(Status::with_details(
        Code::ResourceExhausted,
        "slow down",
        details,
    ))
}

pub(crate) fn unavailable() -> Step {
    Step::Fail(Status::unavailable("try later"))
}

#[tokio::test]
async fn unavailable_twice_then_ok_keeps_one_idempotency_key() {
    let plane = Plane::start().await;
    plane.script("EnvironmentList", [unavailable(), unavailable()]);
    let environments = plane.client().environments().await.unwrap();
    assert_eq!(environments[0].name, "dev");
    assert_eq!(
        environments[0].image_builder_version.as_deref(),
        Some("2025.06")
    );

    let state = plane.state();
    let tries: Vec<_> = state
        .seen
        .iter()
        .filter(|seen| seen.rpc == "EnvironmentList")
        .collect();
    let numbers: Vec<_> = tries
        .iter()
        .map(|seen| seen.header("x-retry-attempt").unwrap())
        .collect();
    assert_eq!(numbers, ["0", "1", "2"]);
    let key = tries[0].header("x-idempotency-key").unwrap();
    assert!(uuid::Uuid::parse_str(key).is_ok());
    for seen in &tries {
        assert_eq!(seen.header("x-idempotency-key"), Some(key));
        assert_eq!(seen.header("x-modal-token-id"), Some("ak-1"));
        assert_eq!(seen.header("x-modal-token-secret"), Some(TOKEN_SECRET));
        assert!(seen.header("grpc-timeout").is_some());
    }
    assert!(tries[0].header("x-retry-delay").is_none());
    assert!(tries[1].header("x-retry-delay").is_some());
}

#[tokio::test]
async fn the_control_plane_gets_an_auth_token_only_when_it_wants_one() {
    let plane = Plane::start().await;
    plane.client().environments().await.unwrap();
    assert_eq!(plane.count("AuthTokenGet"), 0);

    plane.state().wants_auth_token = true;
    plane.script("AuthTokenGet", [unavailable()]);
    let client = plane.client();
    let (one, two) = tokio::join!(client.environments(), client.environments());
    one.unwrap();
    two.unwrap();
    // Fetched once for both, and sent at once from then on.
    assert_eq!(plane.count("AuthTokenGet"), 2);
    let before = plane.count("EnvironmentList");
    client.environments().await.unwrap();
    assert_eq!(plane.count("EnvironmentList"), before + 1);
    assert_eq!(plane.count("AuthTokenGet"), 2);
    let state = plane.state();
    let last = state.seen.last().unwrap();
    let sent = last.header("x-modal-auth-token");
    assert_eq!(sent, Some("jwt-of-the-connection"));
    let mut fetched = state.seen.iter().filter(|seen| seen.rpc == "AuthTokenGet");
    assert!(fetched.all(|seen| seen.header("x-modal-auth-token").is_none()));
}

#[tokio::test]
async fn a_server_without_auth_tokens_is_not_asked_for_one_twice() {
    let plane = Plane::start().await;
    plane.state().auth_tokens = false;
    let refused = || Step::Fail(Status::unauthenticated("Token ID is malformed"));
    plane.script("EnvironmentList", [refused(), refused()]);
    let client = plane.client();
    for _ in 0..2 {
        let error = client.environments().await.unwrap_err();
        assert_eq!(error.grpc_code(), Some(Code::Unauthenticated));
    }
    client.environments().await.unwrap();
    assert_eq!(plane.count("AuthTokenGet"), 1);
    assert_eq!(plane.count("EnvironmentList"), 3);
}

#[tokio::test]
async fn the_servers_waits_are_followed_beyond_our_own_retries() {
    let plane = Plane::start().await;
    plane.script("EnvironmentList", (0..5).map(|_| throttled(0.0)));
    plane.client().environments().await.unwrap();
    let state = plane.state();
    let last = state.seen.last().unwrap();
    assert_eq!(last.header("x-throttle-retry-attempt"), Some("5"));
    assert_eq!(last.header("x-retry-attempt"), Some("0"));
    assert!(last.header("x-throttle-retry-delay").is_some());
}

#[tokio::test]
async fn a_wait_beyond_the_limit_is_an_error_at_once() {
    let plane = Plane::start().await;
    plane.script("EnvironmentList", [throttled(0.1), throttled(3600.0)]);
    let mut options = plane.options();
    options.throttle_limit = Duration::from_secs(60);
    let client = Client::connect(options).unwrap();
    let error = client.environments().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "list environments: Modal asks to wait 3600s more, which exceeds the limit of 60s"
    );
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn exhausted_without_a_policy_is_final() {
    let plane = Plane::start().await;
    let exhausted = Step::Fail(Status::resource_exhausted("quota"));
    plane.script("EnvironmentList", [exhausted]);
    let error = plane.client().environments().await.unwrap_err();
    assert_eq!(error.grpc_code(), Some(Code::ResourceExhausted));
    assert_eq!(plane.count("EnvironmentList"), 1);
}

#[tokio::test]
async fn a_server_that_hangs_meets_the_deadline_on_every_attempt() {
    let plane = Plane::start().await;
    plane.script("EnvironmentList", (0..4).map(|_| Step::Hang));
    let mut options = plane.options();
    options.attempt_timeout = Duration::from_millis(150);
    let client = Client::connect(options).unwrap();
    let error = client.environments().await.unwrap_err();
    assert_eq!(error.grpc_code(), Some(Code::DeadlineExceeded));
    assert!(
        error.to_string().contains("no answer within 150ms"),
        "{error}"
    );
    assert_eq!(plane.count("EnvironmentList"), 4);
}

#[tokio::test]
async fn a_refused_token_is_final_and_says_what_to_check() {
    let plane = Plane::start().await;
    let refused = || Step::Fail(Status::unauthenticated("Token ID is malformed"));
    plane.script("EnvironmentList", [refused()]);
    plane.script("AuthTokenGet", [refused()]);
    let error = plane.client().environments().await.unwrap_err();
    assert_eq!(plane.count("AuthTokenGet"), 1);
    assert_eq!(plane.count("EnvironmentList"), 1);
    let text = error.to_string();
    assert!(
        text.starts_with("sign in: UNAUTHENTICATED: Token ID is malformed (AuthTokenGet at http"),
        "{text}"
    );
    assert!(error.hint().unwrap().contains("MODAL_TOKEN_ID"));
    assert_eq!(error.class(), ErrorClass::Deploy);
    assert!(!format!("{error:?}").contains(TOKEN_SECRET));
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    // A port that was free a moment ago, and on which nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let options = ClientOptions::new("ak", SecretString::from("as")).with_server_url(&url);
    let error = Client::connect(options)
        .unwrap()
        .environments()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ModalError::Rpc { server, .. } if *server == url),
        "{error}"
    );
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(error.hint().unwrap().contains(&url));
}

#[tokio::test]
async fn dropped_connections_are_opened_again() {
    let plane = Plane::start_after(2).await;
    assert_eq!(plane.client().environments().await.unwrap().len(), 1);
}

#[tokio::test]
async fn warnings_of_the_server_are_shown() {
    let plane = Plane::start().await;
    plane.state().warning = Some("100%25%20deprecated");
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(log.reopen().unwrap()))
        .finish();
    let shown = tracing::subscriber::set_default(subscriber);
    plane.client().environments().await.unwrap();
    drop(shown);
    let text = std::fs::read_to_string(log.path()).unwrap();
    assert!(
        text.contains("WARN") && text.contains("Modal says: 100% deprecated"),
        "{text}"
    );
}
