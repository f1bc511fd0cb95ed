//! What a gate over many images asks of a registry that is far away.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use receipts::Store;
use receipts::dsse::Envelope;
use receipts::store::{ARTIFACT_TYPE, ENVELOPE};
use receipts::verify::Policy;
use registry_model::{Digest, PinnedImage};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::common::{all_kinds, time};
use crate::registry::{MANIFEST, client, digest_of};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGES: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_an_image_once_it_is_known_where_the_lists_are() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let of_host = host.clone();
    let answer = move |Path(path): Path<String>| async move {
        counter.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Some((_, hex)) = path.split_once("/manifests/sha256-") else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        let image: PinnedImage = format!("{of_host}/team/app@{digest}").parse().unwrap();
        let entries = all_kinds(&image)
            .into_iter()
            .enumerate()
            .map(|(number, receipt)| {
                json!({
                    "mediaType": MANIFEST, "artifactType": ARTIFACT_TYPE, "size": 1,
                    "digest": digest_of(&[number.to_le_bytes()[0]]).as_str(),
                    "annotations": { ENVELOPE: Envelope::seal(&receipt, None).to_json() },
                })
            });
        let entries: Vec<_> = entries.collect();
        let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        ([(header::CONTENT_TYPE, INDEX)], list.to_string()).into_response()
    };
    let app = Router::new().route("/v2/{*rest}", get(answer));
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let images: Vec<PinnedImage> = (0..IMAGES)
        .map(|number| {
            format!("{host}/team/app@{}", digest_of(&number.to_le_bytes()))
                .parse()
                .unwrap()
        })
        .collect();
    let store = Store::new(client());
    let read = store.read_many(&images, &CancellationToken::new()).await;
    server.abort();
    assert_eq!(read.len(), IMAGES);
    for (image, found) in images.iter().zip(read) {
        let verdicts = Policy::default().judge(&found.unwrap(), time("2026-03-02T00:00:00Z"));
        let believed: Vec<_> = verdicts
            .iter()
            .filter_map(|it| it.believed().cloned())
            .collect();
        assert_eq!(believed, all_kinds(image));
    }
    // Those that were under way before the first list came have asked in both places.
    let asked = asked.load(Ordering::Relaxed);
    assert!((IMAGES..=IMAGES + 64 + 1).contains(&asked), "{asked}");
}
