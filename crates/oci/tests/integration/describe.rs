use oci::{ImageKind, OciError};
use registry_model::Digest;

use crate::script::{CONFIG, INDEX, MANIFEST, Reply, Server, anonymous, digest, reply};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const AMD64: &str = r#"{"os":"linux","architecture":"amd64","rootfs":{}}"#;
const ARM64: &str = r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#;
const UNKNOWN: &str = r#"{"os":"unknown","architecture":"unknown"}"#;

/// A manifest with one config and layers of the given names and sizes.
fn manifest(config: &str, layers: &[(&str, u64)], layer_type: &str) -> String {
    let layers: Vec<String> = layers
        .iter()
        .map(|(name, size)| descriptor(layer_type, name, *size, ""))
        .collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
        descriptor(CONFIG, config, 10, ""),
        layers.join(",")
    )
}

fn descriptor(media_type: &str, content: &str, size: u64, more: &str) -> String {
    format!(
        r#"{{"mediaType":"{media_type}","digest":"{}","size":{size}{more}}}"#,
        digest(content)
    )
}

fn child(content: &str, platform: &str) -> String {
    let (os, architecture) = platform.split_once('/').unwrap();
    let more = format!(r#","platform":{{"os":"{os}","architecture":"{architecture}"}}"#);
    descriptor(MANIFEST, content, 500, &more)
}

fn index(children: &[String]) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#,
        children.join(",")
    )
}

fn content(text: &str) -> Reply {
    reply(200)
        .header("content-type", "application/octet-stream")
        .body(text)
}

fn names(platforms: &[registry_model::Platform]) -> Vec<String> {
    platforms.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_manifest_gets_its_platform_from_its_config() {
    let content_of = manifest(ARM64, &[("a", 100), ("b", 200), ("a", 100)], LAYER);
    let server = Server::start(|_| vec![content(&content_of), content(ARM64)]).await;
    let info = anonymous()
        .describe(&server.image(&content_of))
        .await
        .unwrap();
    assert_eq!(info.kind, ImageKind::Manifest);
    assert_eq!(info.media_type, MANIFEST);
    assert_eq!(names(&info.platforms), ["linux/arm64/v8"]);
    // The repeated layer counts once.
    assert_eq!(info.compressed_size, 310);
}

#[tokio::test]
async fn an_index_leaves_its_attestations_out() {
    let amd64 = manifest(AMD64, &[("shared", 100), ("x", 1)], LAYER);
    let arm64 = manifest(ARM64, &[("shared", 100), ("y", 2)], LAYER);
    let list = index(&[
        child(&amd64, "linux/amd64"),
        child(&arm64, "linux/arm64"),
        child("attestation", "unknown/unknown"),
    ]);
    let server = Server::start(|_| {
        vec![
            content(&list),
            content(&amd64).to(digest(&amd64).as_str()),
            content(&arm64).to(digest(&arm64).as_str()),
        ]
    })
    .await;
    let info = anonymous().describe(&server.image(&list)).await.unwrap();
    assert_eq!(info.kind, ImageKind::Index);
    assert_eq!(names(&info.platforms), ["linux/amd64", "linux/arm64"]);
    assert_eq!(info.compressed_size, 10 + 10 + 100 + 1 + 2);
    let json = serde_json::to_value(&info).unwrap();
    assert_eq!(json["media-type"], INDEX);
    assert_eq!(json["kind"], "index");
}

async fn refused(replies: Vec<Reply>, content: &str) -> OciError {
    let server = Server::start(|_| replies).await;
    let error = anonymous()
        .describe(&server.image(content))
        .await
        .unwrap_err();
    server.seen();
    error
}

#[tokio::test]
async fn what_cannot_run_is_refused_by_name() {
    let attestation = manifest(UNKNOWN, &[("s", 1)], "application/vnd.in-toto+json");
    let unknown = manifest(UNKNOWN, &[("s", 1)], LAYER);
    let artifact = manifest(AMD64, &[], LAYER).replace(CONFIG, "application/vnd.oci.empty.v1+json");
    let empty = index(&[child("attestation", "unknown/unknown")]);
    for (replies, content_of, expected) in [
        (
            vec![content(&attestation)],
            &attestation,
            "it is an attestation",
        ),
        (
            vec![content(&unknown), content(UNKNOWN)],
            &unknown,
            "it is an attestation (platform unknown/unknown)",
        ),
        (
            vec![content(&artifact)],
            &artifact,
            "it is an artifact without an image config",
        ),
        (
            vec![content(&empty)],
            &empty,
            "it is an index without an image",
        ),
        // No such manifest, but a blob of that digest.
        (
            vec![reply(404), reply(200)],
            &AMD64.to_owned(),
            "it is a config or a layer, which cannot be pulled as an image",
        ),
    ] {
        let error = refused(replies, content_of).await;
        assert!(matches!(error, OciError::NotAnImage { .. }), "{error:?}");
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn an_index_with_a_lost_platform_is_missing_something() {
    let amd64 = manifest(AMD64, &[("x", 1)], LAYER);
    let list = index(&[child(&amd64, "linux/amd64")]);
    let error = refused(vec![content(&list), reply(404)], &list).await;
    match error {
        OciError::NotFound { image, .. } => assert_eq!(image.digest, digest(&amd64)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn changed_content_is_noticed() {
    let real = manifest(AMD64, &[("x", 1)], LAYER);
    let forged = real.replace(r#""size":10"#, r#""size":11"#);
    assert_ne!(forged, real);
    for (replies, what) in [
        (vec![content(&forged)], "manifest"),
        (vec![content(&real), content(ARM64)], "config"),
    ] {
        let error = refused(replies, &real).await;
        assert!(
            matches!(error, OciError::DigestMismatch { .. }),
            "{what}: {error:?}"
        );
    }
}

/// The reference registry answers 500 to a config's digest. A real 500 is still asked again.
#[tokio::test]
async fn a_500_is_looked_into_before_it_is_believed() {
    let config = digest(AMD64);
    let at = |kind: &str, digest: &Digest| format!("/v2/team/app/{kind}/{digest}");
    let server = Server::start(|_| vec![reply(500), reply(200), content(AMD64)]).await;
    assert!(!anonymous().exists(&server.image(AMD64)).await.unwrap());
    assert_eq!(
        server.lines(),
        [
            format!("HEAD {}", at("manifests", &config)),
            format!("HEAD {}", at("blobs", &config)),
            format!("GET {}", at("blobs", &config)),
        ]
    );

    // This registry hands out manifests as blobs too.
    let real = manifest(AMD64, &[("x", 1)], LAYER);
    for blob in [vec![reply(404)], vec![reply(200), content(&real)]] {
        let found = reply(200).digest(&digest(&real));
        let replies = [vec![reply(500)], blob, vec![reply(500), found]].concat();
        let server = Server::start(|_| replies).await;
        assert!(anonymous().exists(&server.image(&real)).await.unwrap());
        assert!(server.lines().len() >= 4);
    }

    // Nor is a layer fetched to see that it is no manifest.
    let long = reply(200).header("content-length", "9000000");
    let error = refused(vec![reply(500), long, reply(200)], "layer").await;
    assert!(matches!(error, OciError::NotAnImage { .. }), "{error:?}");
}

/// Somebody who cleans up may leave an index and take what it lists.
#[tokio::test]
async fn an_index_is_whole_with_all_that_it_lists() {
    let children = ["a", "b"].map(|child| digest(child).to_string());
    let entry =
        |child: &String| serde_json::json!({ "mediaType": MANIFEST, "digest": child, "size": 1 });
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": children.iter().map(entry).collect::<Vec<_>>(),
    })
    .to_string();
    for (second, expected) in [(200, true), (404, false)] {
        let head = reply(200)
            .digest(&digest(&index))
            .header("content-type", INDEX);
        let server = Server::start(|_| {
            vec![
                head,
                reply(200).header("content-type", INDEX).body(index.clone()),
                reply(200).digest(&digest("a")).to(&children[0]),
                reply(second).digest(&digest("b")).to(&children[1]),
            ]
        })
        .await;
        let image = server.image(&index);
        assert_eq!(anonymous().is_whole(&image).await.unwrap(), expected);
        server.seen();
    }
    // One request is enough for a manifest.
    let head = reply(200)
        .digest(&digest("x"))
        .header("content-type", MANIFEST);
    let server = Server::start(|_| vec![head, reply(404)]).await;
    let client = anonymous();
    assert!(client.is_whole(&server.image("x")).await.unwrap());
    assert!(!client.is_whole(&server.image("x")).await.unwrap());
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_missing_image_is_not_found() {
    let error = refused(vec![reply(404), reply(404)], "x").await;
    assert!(matches!(error, OciError::NotFound { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("push it again"));
}
