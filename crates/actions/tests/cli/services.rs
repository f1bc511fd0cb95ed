//! The embedded services, and what the engine keeps of them.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use github::{RepoName, RepoOptions};
use oci::Credentials;
use process::Command;
use registry_model::PinnedImage;
use rehearsal::github::{EmbeddedGithub, EmbeddedGithubOptions};
use rehearsal::registry::{EmbeddedRegistry, RegistryOptions};
use tokio_util::sync::CancellationToken;

use super::bench::Bench;

/// The token that the embedded GitHub asks for.
pub(crate) const TOKEN: &str = "ghs_0123456789abcdef";

/// Runs a test with a registry; afterwards, also when it fails, the engine keeps no image of it.
pub(crate) async fn with_registry(test: impl AsyncFnOnce(&str)) {
    let cancel = CancellationToken::new();
    let registry = EmbeddedRegistry::start(&RegistryOptions::default(), &cancel)
        .await
        .unwrap_or_else(|error| panic!("{error}\nhint: {:?}", error.hint()));
    let host = registry.host();
    let ended = AssertUnwindSafe(test(&host)).catch_unwind().await;
    forget(&host).await;
    let left = images_of(&host).await;
    registry.stop().await.unwrap();
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
    assert_eq!(left, [""; 0]);
}

/// Removes what the engine has of a registry.
pub(crate) async fn forget(host: &str) {
    for image in images_of(host).await {
        docker(&["image", "rm", "--force", &image]).await;
    }
}

async fn images_of(host: &str) -> Vec<String> {
    let format = "{{.Repository}} {{.Tag}} {{.ID}}";
    let all = docker(&["image", "ls", "--all", "--digests", "--format", format]).await;
    let ours = format!("{host}/");
    let mut images: Vec<String> = all
        .lines()
        .filter(|line| line.starts_with(&ours))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, tag, id) = (words.next()?, words.next()?, words.next()?);
            Some(match tag {
                "<none>" => id.to_owned(),
                tag => format!("{name}:{tag}"),
            })
        })
        .collect();
    images.sort();
    images.dedup();
    images
}

pub(crate) async fn docker(args: &[&str]) -> String {
    Command::new("docker")
        .args(args)
        .timeout(Duration::from_secs(120))
        .run(&CancellationToken::new())
        .await
        .unwrap_or_else(|error| {
            panic!("{error}\nhint: apt-get install docker.io docker-buildx-plugin")
        })
        .stdout_text()
}

/// Whether the registry that `image` names has it.
pub(crate) async fn is_in_registry(image: &str) -> bool {
    let image: PinnedImage = image.parse().unwrap();
    let options = oci::ClientOptions {
        credentials: Credentials::Anonymous,
        ..oci::ClientOptions::default()
    };
    let client = oci::Client::new(options).unwrap();
    client.exists(&image).await.unwrap()
}

/// The base image of the example, made of the packages of this distribution.
pub(crate) async fn python_base() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Command::new(root.join("examples/processors/images/build.sh"))
        .arg("python")
        .timeout(Duration::from_secs(600))
        .run(&CancellationToken::new())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
}

/// GitHub with the bench's repository as `acme/models`, whose default branch is `dev`.
pub(crate) struct Forge {
    pub(crate) server: EmbeddedGithub,
    name: RepoName,
    token: String,
}

impl Forge {
    pub(crate) async fn start(bench: &Bench) -> Self {
        Self::start_for(bench, TOKEN).await
    }

    /// One that takes this token, by which it knows who asks.
    pub(crate) async fn start_for(bench: &Bench, token: &str) -> Self {
        super::project::commit_all(&bench.repo()).await;
        let cancel = CancellationToken::new();
        let options = EmbeddedGithubOptions {
            token: Some(token.into()),
            ..EmbeddedGithubOptions::default()
        };
        let server = EmbeddedGithub::start(options, &cancel).await.unwrap();
        let name: RepoName = "acme/models".parse().unwrap();
        let from = bench.repo();
        server
            .create_repository(&name, "dev", Some(&from), &cancel)
            .await
            .unwrap();
        let token = token.to_owned();
        Self {
            server,
            name,
            token,
        }
    }

    pub(crate) fn git_dir(&self) -> std::path::PathBuf {
        self.server.git_dir(&self.name)
    }

    pub(crate) fn repo(&self) -> github::Repo {
        let options = RepoOptions {
            api_url: self.server.api_url(),
            token: Some(self.token.clone().into()),
            ..RepoOptions::new(self.name.clone())
        };
        github::Repo::new(options).unwrap()
    }

    /// The open pull requests.
    pub(crate) async fn open(&self) -> Vec<github::PullRequest> {
        self.repo()
            .find_open_pull_requests(None, None)
            .await
            .unwrap()
    }

    /// The workflows that were started.
    pub(crate) async fn dispatches(&self) -> Vec<rehearsal::github::Dispatch> {
        self.server.dispatches(&self.name).await.unwrap()
    }

    /// The branches with their commits.
    pub(crate) async fn branches(&self) -> String {
        super::project::git(&self.git_dir(), &["for-each-ref", "refs/heads"]).await
    }
}
