use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use acceptance::{AcceptanceError, ImageWhy};
use process::Command;
use tokio_util::sync::CancellationToken;

use crate::support::{Image, Repo, docker, remove_image, unique};

/// A registry on this machine, for as long as the value lives.
pub(crate) struct LocalRegistry {
    _folder: tempfile::TempDir,
    _service: process::Service,
    host: String,
}

impl LocalRegistry {
    pub(crate) async fn new() -> Self {
        let program = process::which("docker-registry")
            .expect("docker-registry is missing; install it with: apt-get install docker-registry");
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let host = format!("127.0.0.1:{port}");
        let data = folder.path().join("data");
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: {host}}}\n",
            data.display()
        );
        std::fs::write(&config, text).unwrap();
        let service = Command::new(program)
            .arg("serve")
            .arg(config)
            .start()
            .unwrap();
        for _ in 0..100 {
            if TcpStream::connect(&host).is_ok() {
                return Self {
                    _folder: folder,
                    _service: service,
                    host,
                };
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("docker-registry does not answer at {host}");
    }

    /// Pushes `image`, forgets it locally, and returns `<repository>@sha256:…`.
    pub(crate) async fn push(&self, image: &Image) -> String {
        let tag = format!("{}/acme/{}:1", self.host, unique("app"));
        docker(&["tag", &image.0, &tag]).await;
        docker(&["push", "--quiet", &tag]).await;
        let pinned = docker(&[
            "image",
            "inspect",
            "--format",
            "{{index .RepoDigests 0}}",
            &tag,
        ])
        .await;
        remove_image(&tag);
        pinned
    }
}

#[tokio::test]
async fn images_are_pulled_by_digest_and_handed_to_the_suite() {
    let registry = LocalRegistry::new().await;
    let image = Image::new().await;
    let pinned = registry.push(&image).await;
    let repo = Repo::bare(Some("cat $PIPELINE_IMAGES > ../images"));
    let images = [("text/x@1".parse().unwrap(), pinned.parse().unwrap())];
    let report = repo
        .accept(&images, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(
        repo.text("images").unwrap(),
        format!("{{\"text/x@1\":\"{pinned}\"}}")
    );
    assert_eq!(report.images[0].image.to_string(), pinned);
    docker(&["image", "inspect", &pinned]).await;
    remove_image(&pinned);
}

#[tokio::test]
async fn every_image_that_cannot_be_used_is_named_before_anything_starts() {
    let registry = LocalRegistry::new().await;
    let image = Image::new().await;
    let pinned = registry.push(&image).await;
    let (repository, _) = pinned.split_once('@').unwrap();
    let gone = format!("{repository}@sha256:{}", "0".repeat(64));
    let mut repo = Repo::bare(Some("touch ../suite-ran"));
    repo.options.platform = "linux/s390x".parse().unwrap();
    let images = [
        ("text/gone@1".parse().unwrap(), gone.parse().unwrap()),
        ("text/other@1".parse().unwrap(), pinned.parse().unwrap()),
    ];
    // The second is there already, as if an earlier run had pulled it.
    docker(&["pull", "--quiet", &pinned]).await;
    let error = repo
        .accept(&images, &CancellationToken::new())
        .await
        .unwrap_err();
    let AcceptanceError::Images { problems } = &error else {
        panic!("{error:?}")
    };
    assert!(
        matches!(problems[0].why, ImageWhy::Unavailable(_)),
        "{problems:?}"
    );
    assert!(
        matches!(problems[1].why, ImageWhy::Platform { .. }),
        "{problems:?}"
    );
    let text = error.to_string();
    assert!(text.contains(&gone), "{text}");
    assert!(
        text.contains("made for linux/amd64, not linux/s390x"),
        "{text}"
    );
    assert_eq!(repo.text("suite-ran"), None);
    remove_image(&pinned);
}
