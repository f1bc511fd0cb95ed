use oci::{OciError, Tagged};

use crate::script::{INDEX, Server, anonymous, digest, reply};

/// Odd spaces on purpose: the same bytes must come back.
const CONTENT: &str = "{ \"schemaVersion\":2,\n\"manifests\": [] }";

#[tokio::test]
async fn the_same_bytes_are_pushed_under_the_tag() {
    let server = Server::start(|_| {
        vec![
            reply(404),
            reply(200).header("content-type", INDEX).body(CONTENT),
            reply(201).digest(&digest(CONTENT)),
            reply(200).digest(&digest(CONTENT)),
        ]
    })
    .await;
    let image = server.image(CONTENT);
    assert_eq!(
        anonymous().tag(&image, "v1").await.unwrap(),
        Tagged::Written
    );
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|seen| seen.line.clone()).collect();
    assert_eq!(
        lines,
        [
            "HEAD /v2/team/app/manifests/v1".to_owned(),
            format!("GET /v2/team/app/manifests/{}", image.digest),
            "PUT /v2/team/app/manifests/v1".to_owned(),
            "HEAD /v2/team/app/manifests/v1".to_owned(),
        ]
    );
    assert_eq!(seen[2].body, CONTENT.as_bytes());
    assert_eq!(seen[2].content_type.as_deref(), Some(INDEX));
}

#[tokio::test]
async fn a_taken_tag_is_left_alone() {
    let other = digest("other");
    let server = Server::start(|_| vec![reply(200).digest(&other)]).await;
    let error = anonymous().tag(&server.image("x"), "v1").await.unwrap_err();
    assert!(
        matches!(&error, OciError::TagTaken { found, .. } if *found == other),
        "{error:?}"
    );
    assert_eq!(server.lines(), ["HEAD /v2/team/app/manifests/v1"]);
}

#[tokio::test]
async fn a_tag_that_somebody_writes_at_the_same_moment_is_noticed() {
    let other = digest("other");
    let server = Server::start(|_| {
        vec![
            reply(404),
            reply(200).header("content-type", INDEX).body(CONTENT),
            reply(201).digest(&digest(CONTENT)),
            reply(200).digest(&other),
        ]
    })
    .await;
    let error = anonymous().tag(&server.image(CONTENT), "v1").await;
    let error = error.unwrap_err();
    assert!(
        matches!(&error, OciError::TagTaken { found, .. } if *found == other),
        "{error:?}"
    );
    server.seen();
}

#[tokio::test]
async fn a_tag_in_place_needs_no_write() {
    let server = Server::start(|_| vec![reply(200).digest(&digest("x"))]).await;
    let tagged = anonymous().tag(&server.image("x"), "v1").await.unwrap();
    assert_eq!(tagged, Tagged::Unchanged);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_missing_image_cannot_be_tagged() {
    let server = Server::start(|_| vec![reply(404), reply(404)]).await;
    let error = anonymous().tag(&server.image("x"), "v1").await.unwrap_err();
    assert!(matches!(error, OciError::NotFound { .. }), "{error:?}");
}
