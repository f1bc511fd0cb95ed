use oci::{Credentials, OciError, PushRefusal};

use crate::real::with_registry;
use crate::script::{Reply, Server, anonymous, client, reply};

const POST: &str = "POST /v2/team/app/blobs/uploads/";

fn login() -> Credentials {
    Credentials::Basic {
        user: "user".into(),
        password: "hunter22".into(),
    }
}

fn asks(host: &str, more: &str) -> Reply {
    let challenge = format!(r#"Bearer realm="http://{host}/token"{more}"#);
    reply(401).header("www-authenticate", challenge)
}

#[tokio::test]
async fn a_session_is_opened_and_cancelled() {
    for location in [
        "/v2/team/app/blobs/uploads/1?_state=a%3D",
        "1?_state=a%3D",
        "http://HOST/v2/team/app/blobs/uploads/1?_state=a%3D",
    ] {
        let server = Server::start(|host| {
            let location = location.replace("HOST", host);
            // That the registry cannot cancel is no matter.
            let opened = reply(202).header("content-type", "text/html");
            vec![opened.header("location", location), reply(405)]
        })
        .await;
        anonymous().check_push(&server.repository).await.unwrap();
        assert_eq!(
            server.lines(),
            [POST, "DELETE /v2/team/app/blobs/uploads/1?_state=a%3D"]
        );
    }
}

/// As a page in between might, which takes the question for another one.
#[tokio::test]
async fn an_answer_without_a_session_is_no_permission() {
    let server = Server::start(|_| vec![reply(200).body("{}")]).await;
    let error = anonymous().check_push(&server.repository).await;
    let error = error.unwrap_err();
    assert!(matches!(error, OciError::Malformed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_session_at_another_host_is_left_alone() {
    let storage = Server::start(|_| Vec::new()).await;
    let location = format!("http://{}/session", storage.repository.host());
    let server = Server::start(|host| {
        vec![
            asks(host, ""),
            reply(200).body(r#"{"access_token":"t1"}"#),
            reply(202).header("location", location),
        ]
    })
    .await;
    client(login())
        .check_push(&server.repository)
        .await
        .unwrap();
    let seen = server.seen();
    assert_eq!(
        seen[1].line,
        "GET /token?scope=repository%3Ateam%2Fapp%3Apull%2Cpush"
    );
    assert_eq!(seen[2].authorization.as_deref(), Some("Bearer t1"));
    // It may be anybody's.
    assert_eq!(storage.lines(), [""; 0]);
}

#[tokio::test]
async fn another_host_gets_content_but_neither_login_nor_token() {
    let storage = Server::start(|_| vec![reply(201), reply(201)]).await;
    let location = format!("http://{}/session", storage.repository.host());
    let subject = r#"{"schemaVersion":2,"manifests":[]}"#;
    let server = Server::start(|host| {
        let manifest = reply(200).header("content-type", crate::script::INDEX);
        let opened = reply(202).header("location", location).to("POST");
        vec![
            asks(host, "").to("/manifests/"),
            reply(200).body(r#"{"access_token":"t1"}"#).to("/token"),
            manifest.body(subject).to("/manifests/"),
            reply(200).body(r#"{"access_token":"t2"}"#).to("/token"),
            reply(404).to("HEAD"),
            reply(404).to("HEAD"),
            opened.clone(),
            opened,
            reply(403).to("PUT"),
        ]
    })
    .await;
    let artifact = oci::Artifact {
        artifact_type: "application/vnd.example".into(),
        media_type: "text/plain".into(),
        content: b"x".to_vec(),
        annotations: std::collections::BTreeMap::new(),
    };
    let image = server.image(subject);
    let refused = client(login()).attach(&image, &artifact).await.unwrap_err();
    assert!(
        matches!(refused, OciError::PushRefused { .. }),
        "{refused:?}"
    );
    let shown: Vec<_> = server
        .seen()
        .into_iter()
        .filter_map(|it| it.authorization)
        .collect();
    assert!(shown.iter().any(|shown| shown == "Bearer t2"), "{shown:?}");
    for put in storage.seen() {
        assert!(put.line.starts_with("PUT /session?digest="), "{}", put.line);
        assert_eq!(put.authorization, None);
    }
}

#[tokio::test]
async fn what_is_no_answer_to_the_question_is_no_refusal() {
    let round = Server::start(|_| {
        let back = reply(307).header("location", "/v2/team/app/blobs/uploads/");
        vec![back; 7]
    })
    .await;
    let error = anonymous().check_push(&round.repository).await.unwrap_err();
    assert!(
        matches!(error, OciError::Refused { status: 307, .. }),
        "{error:?}"
    );
    let hint = error.hint().unwrap();
    assert!(hint.contains("in a circle"), "{hint}");

    let odd = Server::start(|_| vec![reply(202)]).await;
    let error = anonymous().check_push(&odd.repository).await.unwrap_err();
    assert!(matches!(error, OciError::Malformed { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("no proxy"), "{error}");
    assert_eq!(odd.lines(), [POST]);
}

#[tokio::test]
async fn passing_failures_are_asked_again_and_refusals_are_not() {
    let server = Server::start(|_| {
        vec![
            reply(429),
            reply(503),
            reply(202).header("location", "/done"),
            reply(204),
        ]
    })
    .await;
    anonymous().check_push(&server.repository).await.unwrap();
    assert_eq!(server.lines(), [POST, POST, POST, "DELETE /done"]);

    for (status, body, expected) in [
        (
            403,
            "denied: installation not allowed to Create organization package",
            PushRefusal::CannotCreate,
        ),
        (
            403,
            "denied: permission_denied: write_package",
            PushRefusal::NotLinked,
        ),
        (403, "no", PushRefusal::Denied),
        (404, "project acme not found", PushRefusal::UnknownName),
        (405, "read only", PushRefusal::ReadOnly),
        (400, "quota", PushRefusal::Denied),
        (401, "who are you", PushRefusal::NotLoggedIn),
    ] {
        let server = Server::start(|_| vec![reply(status).body(body)]).await;
        let error = anonymous()
            .check_push(&server.repository)
            .await
            .unwrap_err();
        match &error {
            OciError::PushRefused {
                refusal, message, ..
            } => {
                assert_eq!(*refusal, expected);
                assert!(message.contains(body), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert!(!error.is_retryable());
        assert!(error.hint().is_some());
        assert_eq!(server.lines(), [POST]);
    }
}

#[tokio::test]
async fn a_wrong_login_and_a_login_that_is_not_enough_are_told_apart() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"denied"}]}"#;
    let server = Server::start(|host| vec![asks(host, ""), reply(403).body(denied)]).await;
    let wrong = client(login())
        .check_push(&server.repository)
        .await
        .unwrap_err();
    assert!(
        matches!(
            &wrong,
            OciError::PushRefused {
                refusal: PushRefusal::BadLogin,
                ..
            }
        ),
        "{wrong:?}"
    );
    assert_eq!(
        wrong.to_string(),
        format!(
            "push to `{}`: the login is wrong or out of date: denied (DENIED)",
            server.repository
        )
    );
    assert_eq!(server.lines().len(), 2);

    let server = Server::start(|host| {
        vec![
            asks(host, ""),
            reply(200).body(r#"{"token":"t1"}"#),
            asks(host, r#",error="insufficient_scope""#),
        ]
    })
    .await;
    let weak = client(login())
        .check_push(&server.repository)
        .await
        .unwrap_err();
    assert!(
        matches!(
            &weak,
            OciError::PushRefused {
                refusal: PushRefusal::Denied,
                ..
            }
        ),
        "{weak:?}"
    );
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn the_reference_registry_lets_us_push_and_keeps_nothing() {
    with_registry(async |real| {
        real.client.check_push(&real.repository).await.unwrap();
        let listed = real.client.resolve(&real.repository, "latest").await;
        assert_eq!(listed.unwrap(), None);
    })
    .await;
}
