use oci::{Credentials, OciError};

use crate::script::{Server, client, digest, reply};

const HEAD: &str = "HEAD /v2/team/app/manifests/v1";

fn login() -> Credentials {
    Credentials::Basic {
        user: "user".into(),
        password: "hunter22".into(),
    }
}

/// `printf user:hunter22 | base64`
const BASIC: &str = "Basic dXNlcjpodW50ZXIyMg==";

#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    let found = digest("x");
    let server = Server::start(|host| {
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="s""#);
        vec![
            reply(401).header("www-authenticate", &challenge),
            reply(200).body(r#"{"token":"t1"}"#),
            reply(200).digest(&found),
            reply(200).digest(&found),
        ]
    })
    .await;
    let client = client(login());
    for _ in 0..2 {
        let answer = client.resolve(&server.repository, "v1").await.unwrap();
        assert_eq!(answer, Some(found.clone()));
    }
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            HEAD,
            "GET /token?scope=repository%3Ateam%2Fapp%3Apull&service=s",
            HEAD,
            HEAD
        ]
    );
    let shown: Vec<_> = seen.iter().map(|s| s.authorization.as_deref()).collect();
    let token = Some("Bearer t1");
    assert_eq!(shown, [None, Some(BASIC), token, token]);
}

#[tokio::test]
async fn a_token_out_of_date_is_renewed() {
    let found = digest("x");
    let server = Server::start(|host| {
        let challenge = format!(r#"Bearer realm="http://{host}/token""#);
        let asks = || reply(401).header("www-authenticate", &challenge);
        vec![
            asks(),
            reply(200).body(r#"{"token":"t1"}"#),
            reply(200).digest(&found),
            // Later:
            asks(),
            reply(200).body(r#"{"token":"t2"}"#),
            reply(200).digest(&found),
        ]
    })
    .await;
    let client = client(Credentials::Anonymous);
    for _ in 0..2 {
        client.resolve(&server.repository, "v1").await.unwrap();
    }
    let last = server.seen().pop().unwrap();
    assert_eq!(last.authorization.as_deref(), Some("Bearer t2"));
}

#[tokio::test]
async fn basic_authentication_works_without_a_token_server() {
    let found = digest("x");
    let server = Server::start(|_| {
        let challenge = r#"Basic realm="registry""#;
        vec![
            reply(401).header("www-authenticate", challenge),
            reply(200).digest(&found),
        ]
    })
    .await;
    let answer = client(login()).resolve(&server.repository, "v1").await;
    assert_eq!(answer.unwrap(), Some(found));
    let last = server.seen().pop().unwrap();
    assert_eq!(last.authorization.as_deref(), Some(BASIC));
}

#[tokio::test]
async fn wrong_credentials_are_refused_once_and_not_shown() {
    for (status, said) in [
        (401, "not logged in to `HOST`, or the credentials are wrong"),
        // GHCR's token server says so of a package that is not there, too.
        (403, "`HOST` denies access"),
    ] {
        let server = Server::start(|host| {
            let challenge = format!(r#"Bearer realm="http://{host}/token""#);
            let denied = r#"{"errors":[{"code":"DENIED","message":"denied"}]}"#;
            let asks = || reply(401).header("www-authenticate", &challenge);
            vec![asks(), reply(status).body(denied)]
        })
        .await;
        let host = server.repository.host();
        let client = client(login());
        // The token server is not asked again.
        for _ in 0..2 {
            let asked = client.resolve(&server.repository, "v1").await;
            let error = asked.unwrap_err();
            match &error {
                OciError::Unauthorized { login, .. } => assert!(*login && status == 401),
                OciError::Forbidden { .. } => assert_eq!(status, 403),
                other => panic!("{other:?}"),
            }
            let expected = format!(
                "resolve `{}:v1`: {}: denied (DENIED)",
                server.repository,
                said.replace("HOST", host)
            );
            assert_eq!(error.to_string(), expected);
            assert!(!format!("{error:?}").contains("hunter22"));
            let hint = error.hint().unwrap();
            assert!(hint.contains(&format!("docker login {host}")), "{hint}");
        }
        assert_eq!(server.lines().len(), 2);
    }
}

/// A login that does not hold is told from none, at each question.
#[tokio::test]
async fn a_refusal_tells_whether_there_was_a_login() {
    for credentials in [login(), Credentials::Anonymous] {
        let shown = matches!(credentials, Credentials::Basic { .. });
        let server = Server::start(|_| {
            let challenge = r#"Basic realm="registry""#;
            let refuses = || reply(401).header("www-authenticate", challenge);
            let questions = if shown { 3 } else { 2 };
            std::iter::repeat_with(refuses).take(questions).collect()
        })
        .await;
        let client = client(credentials);
        for _ in 0..2 {
            let error = client.resolve(&server.repository, "v1").await.unwrap_err();
            assert!(
                matches!(error, OciError::Unauthorized { login, .. } if login == shown),
                "{error:?}"
            );
        }
        server.seen();
    }
}

#[tokio::test]
async fn a_token_server_with_a_bad_moment_is_asked_again() {
    let found = digest("x");
    let server = Server::start(|host| {
        let challenge = format!(r#"Bearer realm="http://{host}/token""#);
        let asks = || reply(401).header("www-authenticate", &challenge);
        vec![
            asks(),
            reply(503).body("<html>unicorn</html>"),
            reply(200).body(r#"{"token":"t1"}"#),
            reply(200).digest(&found),
        ]
    })
    .await;
    let answer = client(login()).resolve(&server.repository, "v1").await;
    assert_eq!(answer.unwrap(), Some(found));
    assert_eq!(server.lines().len(), 4);
}

/// Neither a plain text nor a page is a word on the login.
#[tokio::test]
async fn a_token_server_that_fails_in_plain_text_is_no_refusal() {
    for failure in [
        reply(500).body("upstream connect error"),
        reply(503),
        reply(429).header("retry-after", "0").body("slow down"),
        reply(200).header("content-type", "text/html").body("hello"),
    ] {
        let server = Server::start(|host| {
            let challenge = format!(r#"Bearer realm="http://{host}/token""#);
            let asks = reply(401).header("www-authenticate", challenge);
            vec![asks, failure.clone(), failure.clone(), failure]
        })
        .await;
        let error = client(login()).resolve(&server.repository, "v1").await;
        let error = error.unwrap_err();
        assert!(matches!(error, OciError::Unavailable { .. }), "{error:?}");
        assert!(
            error.to_string().contains("log in to `127.0.0.1:"),
            "{error}"
        );
        assert_eq!(server.lines().len(), 4);
    }
}

#[tokio::test]
async fn an_answer_without_a_token_is_named() {
    for body in ["{}", r#"{"token":""}"#, "token", r#"{"token":"a\nb"}"#] {
        let server = Server::start(|host| {
            let challenge = format!(r#"Bearer realm="http://{host}/token""#);
            vec![
                reply(401).header("www-authenticate", challenge),
                reply(200).body(body),
            ]
        })
        .await;
        let error = client(login()).resolve(&server.repository, "v1").await;
        let error = error.unwrap_err();
        assert!(matches!(error, OciError::Malformed { .. }), "{error:?}");
        server.seen();
    }
}

/// Who may push may read: one token is enough for both.
#[tokio::test]
async fn a_token_to_push_serves_for_reading() {
    let server = Server::start(|host| {
        let challenge = format!(r#"Bearer realm="http://{host}/token""#);
        vec![
            reply(401).header("www-authenticate", &challenge),
            reply(200).body(r#"{"token":"t1"}"#),
            reply(202).header("location", "/session"),
            reply(204),
            reply(404),
            // Later, the token is out of date.
            reply(401).header("www-authenticate", &challenge),
            reply(200).body(r#"{"token":"t2"}"#),
            reply(404),
            reply(404),
        ]
    })
    .await;
    let client = client(login());
    client.check_push(&server.repository).await.unwrap();
    for _ in 0..3 {
        let found = client.resolve(&server.repository, "v1").await.unwrap();
        assert_eq!(found, None);
    }
    let seen = server.seen();
    let heads = seen.iter().filter(|it| it.line == HEAD);
    let shown: Vec<_> = heads.map(|it| it.authorization.clone().unwrap()).collect();
    assert_eq!(shown, ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"]);
}
