//! The registry program that most people run, on a port of its own.

use std::net::{TcpListener, TcpStream};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use oci::Client;
use process::{Command, Service};
use registry_model::{Digest, PinnedImage, Repository};
use serde_json::{Value, json};

use crate::script::{CONFIG, INDEX, MANIFEST, anonymous, digest};

pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The reference registry (distribution 2.8 or 3).
pub(crate) struct Real {
    pub(crate) repository: Repository,
    pub(crate) client: Client,
    http: reqwest::Client,
    service: Service,
    _folder: tempfile::TempDir,
}

/// Runs a test with a registry; afterwards, also when it fails, nothing of it is left.
pub(crate) async fn with_registry(test: impl AsyncFnOnce(&Real)) {
    let real = Real::start().await;
    let ended = AssertUnwindSafe(test(&real)).catch_unwind().await;
    real.service.stop(Duration::from_millis(200)).await;
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

impl Real {
    async fn start() -> Self {
        let programs = ["docker-registry", "registry"];
        let program = programs.iter().find_map(process::which);
        let program = program.unwrap_or_else(|| {
            panic!("this test needs a registry: apt-get install docker-registry")
        });
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let host = format!("127.0.0.1:{port}");
        let config = json!({
            "version": 0.1,
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("data") } },
            "http": { "addr": host },
        });
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let mut service = Command::new(program)
            .arg("serve")
            .arg(&file)
            .start()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(&host).is_ok() {
                break;
            }
            assert_eq!(service.ended(), None, "docker-registry did not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self {
            repository: format!("{host}/team/app").parse().unwrap(),
            client: anonymous(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            service,
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        let (host, name) = (self.repository.host(), self.repository.path());
        format!("http://{host}/v2/{name}/{path}")
    }

    pub(crate) async fn blob(&self, content: impl Into<Vec<u8>>) -> Digest {
        let content = content.into();
        let digest = digest(&content);
        let post = self.http.post(self.url("blobs/uploads/")).send();
        let opened = post.await.unwrap();
        let location = opened.headers()["location"].to_str().unwrap();
        let place = format!("{location}&digest={digest}");
        let put = self.http.put(place).body(content).send();
        assert_eq!(put.await.unwrap().status(), 201);
        digest
    }

    /// Stores a manifest under a tag or its digest.
    pub(crate) async fn put(&self, name: Option<&str>, manifest: &Value) -> PinnedImage {
        let content = manifest.to_string();
        let digest = digest(&content);
        let name = name.unwrap_or(digest.as_str());
        let put = self
            .http
            .put(self.url(&format!("manifests/{name}")))
            .header("content-type", manifest["mediaType"].as_str().unwrap())
            .body(content)
            .send();
        let answer = put.await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        self.repository.at(digest)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let get = self
            .http
            .get(self.url(path))
            .header("accept", format!("{INDEX}, {MANIFEST}"));
        get.send().await.unwrap().json().await.unwrap()
    }

    /// An image of one platform, with layers of these bytes.
    pub(crate) async fn image(&self, config: &Value, layers: &[Vec<u8>]) -> PinnedImage {
        let mut entries = Vec::new();
        for layer in layers {
            let digest = self.blob(layer.clone()).await;
            entries.push(json!({
                "mediaType": LAYER, "digest": digest.as_str(), "size": layer.len(),
            }));
        }
        let config = config.to_string();
        let digest = self.blob(config.clone()).await;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": digest.as_str(), "size": config.len() },
            "layers": entries,
        });
        self.put(None, &manifest).await
    }

    /// An image without layers.
    pub(crate) async fn small_image(&self) -> PinnedImage {
        let config = json!({
            "os": "linux", "architecture": "amd64",
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        self.image(&config, &[]).await
    }

    /// An index of images that the registry has, with their platforms.
    pub(crate) async fn index(&self, images: &[(&PinnedImage, &str)], note: &str) -> PinnedImage {
        let mut entries = Vec::new();
        for (image, platform) in images {
            let (os, architecture) = platform.split_once('/').unwrap();
            let size = self.get(&format!("manifests/{}", image.digest)).await;
            entries.push(json!({
                "mediaType": MANIFEST,
                "digest": image.digest.as_str(),
                "size": size.to_string().len(),
                "platform": { "os": os, "architecture": architecture },
            }));
        }
        let index = json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": entries,
            "annotations": { "note": note },
        });
        self.put(None, &index).await
    }
}
