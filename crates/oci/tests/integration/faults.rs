use std::time::{Duration, Instant};

use oci::{Likeness, OciError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::likeness::Pair;
use crate::script::{Server, anonymous, digest, reply};

const HEAD: &str = "HEAD /v2/team/app/manifests/v1";

#[tokio::test]
async fn passing_failures_are_asked_again() {
    let found = digest("x");
    let server = Server::start(|_| {
        vec![
            reply(408),
            reply(502)
                .header("content-type", "text/html; charset=utf-8")
                .body("<html><h1>Bad Gateway</h1></html>"),
            reply(200).digest(&found),
        ]
    })
    .await;
    let answer = anonymous().resolve(&server.repository, "v1").await.unwrap();
    assert_eq!(answer, Some(found));
    assert_eq!(server.lines(), [HEAD; 3]);
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let found = digest("x");
    let server = Server::start(|_| {
        vec![
            reply(429).header("retry-after", "1"),
            reply(200).digest(&found),
        ]
    })
    .await;
    let begun = Instant::now();
    let answer = anonymous().resolve(&server.repository, "v1").await.unwrap();
    assert_eq!(answer, Some(found));
    // Its own pause would have been 2 ms.
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.lines(), [HEAD; 2]);
}

#[tokio::test]
async fn a_retry_after_beyond_the_total_gives_up_at_once() {
    let server = Server::start(|_| vec![reply(429).header("retry-after", "3600")]).await;
    let begun = Instant::now();
    let error = anonymous()
        .resolve(&server.repository, "v1")
        .await
        .unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(error.is_retryable());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    let hint = error.hint().unwrap();
    assert!(hint.contains("limits how often"), "{hint}");
    assert!(hint.contains("3600 s"), "{hint}");
    assert_eq!(server.lines(), [HEAD]);
}

#[tokio::test]
async fn it_gives_up_after_the_last_attempt_and_says_why() {
    let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
    let server = Server::start(|_| vec![reply(429).body(body); 3]).await;
    // A HEAD answer has no body, so ask for content.
    let image = server.image("x");
    let error = anonymous().describe(&image).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("describe `{image}`: 429 Too Many Requests: slow down (TOOMANYREQUESTS)")
    );
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_web_page_is_no_answer_even_with_200() {
    let page = || {
        reply(200)
            .header("content-type", "text/html")
            .body("<html>Please log in to the hotel's network</html>")
    };
    let server = Server::start(|_| vec![page(), page(), page()]).await;
    let error = anonymous().exists(&server.image("x")).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(
        error
            .to_string()
            .ends_with("an HTML page instead of a registry's answer"),
        "{error}"
    );
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn refusals_are_final() {
    for status in [400, 401, 403] {
        let server = Server::start(|_| vec![reply(status)]).await;
        let error = anonymous().exists(&server.image("x")).await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
        match status {
            400 => assert!(matches!(error, OciError::Refused { .. }), "{error:?}"),
            401 => assert!(matches!(error, OciError::Unauthorized { .. }), "{error:?}"),
            _ => assert!(matches!(error, OciError::Forbidden { .. }), "{error:?}"),
        }
        let heads = server
            .lines()
            .iter()
            .filter(|l| l.starts_with("HEAD"))
            .count();
        assert_eq!(heads, 1, "{status}");
    }
}

#[tokio::test]
async fn missing_is_an_answer() {
    let server = Server::start(|_| vec![reply(404), reply(404)]).await;
    let client = anonymous();
    assert_eq!(
        client.resolve(&server.repository, "v1").await.unwrap(),
        None
    );
    let image = server.image("x");
    assert!(!client.exists(&image).await.unwrap());
    assert_eq!(
        server.lines(),
        [
            HEAD.to_owned(),
            format!("HEAD /v2/team/app/manifests/{}", image.digest)
        ]
    );
}

#[tokio::test]
async fn another_digest_in_the_answer_is_an_error() {
    let other = digest("other");
    let server = Server::start(|_| vec![reply(200).digest(&other)]).await;
    let error = anonymous().exists(&server.image("x")).await.unwrap_err();
    assert!(
        matches!(&error, OciError::DigestMismatch { found, .. } if *found == other),
        "{error:?}"
    );
}

#[tokio::test]
async fn without_the_digest_header_the_content_decides() {
    let content = r#"{"schemaVersion":2,"manifests":[]}"#;
    let get = || {
        reply(200)
            .header("content-type", crate::script::INDEX)
            .body(content)
    };
    let server = Server::start(|_| vec![reply(200), get(), reply(200), get()]).await;
    let client = anonymous();
    let found = client.resolve(&server.repository, "v1").await.unwrap();
    assert_eq!(found, Some(digest(content)));
    let error = client.exists(&server.image("x")).await.unwrap_err();
    assert!(
        matches!(error, OciError::DigestMismatch { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn lost_connections_are_asked_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    let found = digest("x");
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDocker-Content-Digest: {found}\r\nConnection: close\r\n\r\n"
    );
    let server = tokio::spawn(async move {
        let mut asked = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0);
            asked += 1;
            // Twice it hangs up in the middle of the status line.
            if asked < 3 {
                stream.write_all(b"HTTP/1.1 2").await.unwrap();
                drop(stream);
            } else {
                stream.write_all(answer.as_bytes()).await.unwrap();
                return asked;
            }
        }
    });
    let repository = format!("{host}/team/app").parse().unwrap();
    let resolved = anonymous().resolve(&repository, "v1").await.unwrap();
    assert_eq!(resolved, Some(found));
    assert_eq!(server.await.unwrap(), 3);
}

#[tokio::test]
async fn a_plain_registry_asked_over_tls_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let mut asked = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked += 1;
            assert_eq!(asked, 1, "asked again in vain");
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nClient sent a TLS record")
                .await;
        }
    });
    // `0.0.0.0` reaches this machine but is no loopback address, so TLS is spoken to it.
    let repository = format!("0.0.0.0:{port}/team/app").parse().unwrap();
    let error = anonymous().resolve(&repository, "v1").await.unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
    assert!(error.hint().unwrap().contains("insecure"), "{error:?}");
    server.abort();
}

#[tokio::test]
async fn questions_can_be_asked_from_many_tasks() {
    let server = Server::start(|_| vec![reply(404); 6]).await;
    let client = anonymous();
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let (client, image) = (client.clone(), server.image("x"));
            tokio::spawn(async move {
                match number {
                    0 => client.exists(&image).await.map(|found| assert!(!found)),
                    1 => client
                        .resolve(&image.repository, "v1")
                        .await
                        .map(|found| assert_eq!(found, None)),
                    2 => client.tag(&image, "v1").await.map(|_| ()),
                    _ => client.describe(&image).await.map(|_| ()),
                }
            })
        })
        .collect();
    let mut missing = 0;
    for task in tasks {
        match task.await.unwrap() {
            Err(OciError::NotFound { .. }) => missing += 1,
            other => other.unwrap(),
        }
    }
    assert_eq!(missing, 2);
}

/// A server that gives one answer a connection, byte by byte as it is here, and hangs up.
async fn raw(answers: Vec<Vec<u8>>) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
            stream.write_all(&answer).await.unwrap();
        }
    });
    (host, server)
}

fn whole(content: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    [head.as_bytes(), content].concat()
}

fn broken_off(content: &[u8]) -> Vec<u8> {
    let mut answer = whole(content);
    answer.truncate(answer.len() - content.len() / 2);
    answer
}

#[tokio::test]
async fn content_that_breaks_off_is_asked_for_again() {
    let content = r#"{"schemaVersion":2,"manifests":[]}"#.replace(
        "2,",
        &format!(r#"2,"mediaType":"{}","#, crate::script::INDEX),
    );
    let answers = vec![broken_off(content.as_bytes()), whole(content.as_bytes())];
    let (host, server) = raw(answers).await;
    let repository: registry_model::Repository = format!("{host}/team/app").parse().unwrap();
    let image = repository.at(digest(&content));
    assert_eq!(anonymous().children(&image).await.unwrap(), []);
    server.await.unwrap();
}

/// A comparison begins anew with both layers.
#[tokio::test]
async fn a_layer_that_breaks_off_is_fetched_again() {
    let pair = Pair::new();
    let (old, new) = (pair.layers[0].clone(), pair.layers[1].clone());
    let (storage, storage_task) = raw(vec![broken_off(&new), whole(&new)]).await;
    let mut replies = pair.replies();
    for _ in 0..2 {
        let old = reply(200).body(old.clone()).to(digest(&old).to_string());
        let away = reply(307).header("location", format!("http://{storage}/new"));
        replies.extend([old, away.to(digest(&new).to_string())]);
    }
    let server = Server::start(|_| replies).await;
    let found = pair.compare(&server).await.unwrap();
    assert_eq!(found, Likeness::OnlyTimestamps);
    storage_task.await.unwrap();
    server.seen();
}

/// Nothing goes on behind the caller's back: the runtime waits for its threads when it ends.
#[test]
fn a_comparison_that_is_dropped_leaves_no_thread() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let pair = Pair::new();
        let mut replies = pair.replies();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let storage = listener.local_addr().unwrap();
        for layer in &pair.layers {
            let away = reply(307).header("location", format!("http://{storage}/layer"));
            replies.push(away.to(digest(layer).to_string()));
        }
        let server = Server::start(|_| replies).await;
        let comparison = pair.compare(&server);
        let stall = async {
            let mut open = Vec::new();
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                // An answer before its question counts as a broken connection.
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let begin = broken_off(&pair.layers[0]);
                stream.write_all(&begin).await.unwrap();
                open.push(stream);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        tokio::select! {
            found = comparison => panic!("{found:?}"),
            () = stall => {}
        }
    });
    // It waits for the threads of its tasks; one that is left would wait for the rest of a layer.
    let begun = Instant::now();
    runtime.shutdown_timeout(PATIENCE);
    assert!(begun.elapsed() < PATIENCE);
}
