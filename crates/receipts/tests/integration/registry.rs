//! A registry with an image in it.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use oci::{Client, ClientOptions, Credentials};
use registry_model::{Digest, PinnedImage, Repository};
use rehearsal::registry::{EmbeddedRegistry, RegistryOptions};
use serde_json::{Value, json};
use sha2::Digest as _;
use tokio_util::sync::CancellationToken;

use crate::front::Front;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

pub(crate) struct Place {
    pub(crate) repository: Repository,
    pub(crate) image: PinnedImage,
    http: reqwest::Client,
}

/// Whether the registry keeps the lists of artifacts itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Api {
    Missing,
    There,
}

/// Runs a test with a registry; afterwards, also when it fails, nothing of it is left.
pub(crate) async fn with_registry(api: Api, test: impl AsyncFnOnce(&Place)) {
    let cancel = CancellationToken::new();
    let options = RegistryOptions::default();
    let registry = EmbeddedRegistry::start(&options, &cancel).await.unwrap();
    let front = match api {
        Api::Missing => None,
        Api::There => Some(Front::start(registry.host()).await),
    };
    let host = match &front {
        None => registry.host(),
        Some(front) => front.host().to_owned(),
    };
    let work = async {
        let place = Place::new(&host).await;
        test(&place).await;
    };
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    drop(front);
    registry.stop().await.unwrap();
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// A client with connections of its own, as on another machine.
pub(crate) fn client() -> Client {
    let options = ClientOptions {
        credentials: Credentials::Anonymous,
        ..ClientOptions::default()
    };
    Client::new(options).unwrap()
}

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
        .parse()
        .unwrap()
}

impl Place {
    async fn new(host: &str) -> Self {
        let repository: Repository = format!("{host}/team/app").parse().unwrap();
        let mut place = Self {
            image: repository.at(digest_of(b"")),
            repository,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        place.image = place.push("amd64").await;
        place
    }

    fn url(&self, path: &str) -> String {
        let (host, name) = (self.repository.host(), self.repository.path());
        format!("http://{host}/v2/{name}/{path}")
    }

    /// Another image.
    pub(crate) async fn push(&self, architecture: &str) -> PinnedImage {
        let config = json!({
            "os": "linux", "architecture": architecture,
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let config = config.to_string();
        let digest = digest_of(config.as_bytes());
        let opened = self.http.post(self.url("blobs/uploads/")).body("");
        let opened = opened.send().await.unwrap().error_for_status().unwrap();
        let mut session: reqwest::Url = opened.headers()["location"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        session
            .query_pairs_mut()
            .append_pair("digest", digest.as_str());
        let size = config.len();
        let put = self.http.put(session).body(config).send().await.unwrap();
        put.error_for_status().unwrap();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
            "config": { "mediaType": CONFIG, "digest": digest.as_str(), "size": size },
        });
        self.put(None, &manifest).await
    }

    /// Stores a manifest under a tag, or by its digest.
    pub(crate) async fn put(&self, tag: Option<&str>, manifest: &Value) -> PinnedImage {
        let bytes = manifest.to_string().into_bytes();
        let digest = digest_of(&bytes);
        let reference = tag.map_or_else(|| digest.to_string(), str::to_owned);
        let media_type = manifest["mediaType"].as_str().unwrap().to_owned();
        let put = self.http.put(self.url(&format!("manifests/{reference}")));
        let put = put.header("content-type", media_type).body(bytes);
        put.send().await.unwrap().error_for_status().unwrap();
        self.repository.at(digest)
    }

    /// A manifest, or the list in a tag; `None` when there is none.
    pub(crate) async fn get(&self, reference: &str) -> Option<Value> {
        let get = self.http.get(self.url(&format!("manifests/{reference}")));
        let accept = format!("{MANIFEST}, application/vnd.oci.image.index.v1+json");
        let answer = get.header("accept", accept).send().await.unwrap();
        match answer.status().as_u16() {
            404 => None,
            _ => Some(answer.error_for_status().unwrap().json().await.unwrap()),
        }
    }

    /// The name of the tag with the list of the image's artifacts, or with cosign's.
    pub(crate) fn tag(&self, end: &str) -> String {
        format!("sha256-{}{end}", self.image.digest.hex())
    }
}
