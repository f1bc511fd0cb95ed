use std::path::PathBuf;
use std::time::Duration;

use github::{Repo, RepoName, RepoOptions};
use process::Command;
use registry_model::Environment;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::run::{random_secret, repository_name};
use super::scratch::Scratch;
use super::{RehearseError, RehearseOptions};
use crate::github::{EmbeddedGithub, EmbeddedGithubOptions};
use crate::modal::{EmbeddedModal, ModalOptions, Token};
use crate::registry::{EmbeddedRegistry, RegistryOptions};

/// The three neighbours, started for one rehearsal, and the clients for them.
pub(super) struct Servers {
    pub(super) registry: EmbeddedRegistry,
    pub(super) images: oci::Client,
    pub(super) github: EmbeddedGithub,
    pub(super) repo: Repo,
    pub(super) modal: Option<Modal>,
}

/// The control plane and a client for it.
pub(super) struct Modal {
    pub(super) server: EmbeddedModal,
    pub(super) control: modal_deploy::Control,
}

impl Servers {
    pub(super) async fn start(
        options: &RehearseOptions,
        first: &Environment,
        scratch: &Scratch,
        with_modal: bool,
        cancel: &CancellationToken,
    ) -> Result<Self, RehearseError> {
        let folder = Some(scratch.beside("registry"));
        let registry =
            EmbeddedRegistry::start(&RegistryOptions { folder, port: None }, cancel).await?;
        // Nothing of the user's own credentials concerns this registry.
        let images = oci::Client::new(oci::ClientOptions {
            credentials: oci::Credentials::Anonymous,
            ..oci::ClientOptions::default()
        })?;
        let token = random_secret();
        let folder = Some(scratch.beside("github"));
        let github = EmbeddedGithub::start(
            EmbeddedGithubOptions {
                folder,
                port: 0,
                token: Some(token.clone()),
            },
            cancel,
        )
        .await?;
        let name: RepoName = format!("rehearsal/{}", repository_name(&options.repository))
            .parse()
            .map_err(|error| RehearseError::Setting {
                what: "the name of the repository",
                problem: format!("{error}"),
            })?;
        github
            .create_repository(&name, first.as_str(), Some(scratch.root()), cancel)
            .await?;
        let repo = Repo::new(RepoOptions {
            api_url: github.api_url(),
            token: Some(token),
            cancel: cancel.clone(),
            ..RepoOptions::new(name)
        })?;
        if let Some(head) = repo.branch_head(first.as_str()).await? {
            for environment in options.environments.iter().skip(1) {
                repo.create_branch(environment.as_str(), &head).await?;
            }
        }
        let modal = match with_modal {
            true => Some(Modal::start(&options.environments, cancel).await?),
            false => None,
        };
        Ok(Self {
            registry,
            images,
            github,
            repo,
            modal,
        })
    }

    /// The bare repository behind the API.
    pub(super) fn git_dir(&self) -> PathBuf {
        self.github.git_dir(self.repo.name())
    }

    /// Ends all three, and removes from the engine the images that came from this registry.
    pub(super) async fn stop(self) {
        if let Some(modal) = self.modal {
            modal.server.stop().await;
        }
        self.github.stop().await;
        forget_images(&self.registry.host()).await;
        if let Err(error) = self.registry.stop().await {
            tracing::debug!(%error, "the registry did not end by itself");
        }
    }
}

impl Modal {
    async fn start(
        environments: &[Environment],
        cancel: &CancellationToken,
    ) -> Result<Self, RehearseError> {
        let secret = random_secret();
        let id = "ak-rehearsal";
        let token = Token {
            id: id.to_owned(),
            secret: secret.clone(),
        };
        let server = EmbeddedModal::start(
            ModalOptions {
                environments: environments.to_vec(),
                token: Some(token),
                pull_check: true,
                ..ModalOptions::default()
            },
            cancel,
        )
        .await?;
        let options = modal_deploy::ClientOptions::new(id, secret.expose_secret().into())
            .with_server_url(server.url());
        Ok(Self {
            control: modal_deploy::Control::Native(modal_deploy::Client::connect(options)?),
            server,
        })
    }
}

/// Images of a registry that is about to vanish are of no use to anyone.
async fn forget_images(host: &str) {
    // Also when the rehearsal was cancelled: hence a token of its own.
    let never = CancellationToken::new();
    let docker = || Command::new("docker").timeout(Duration::from_secs(60));
    let listed = docker()
        .args([
            "image",
            "ls",
            "--format",
            "{{.Repository}} {{.Tag}} {{.ID}}",
        ])
        .run(&never)
        .await;
    let Ok(listed) = listed else { return };
    let listed = listed.stdout_text();
    let ours = format!("{host}/");
    let names: Vec<String> = listed
        .lines()
        .filter(|line| line.starts_with(&ours))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (repository, tag, id) = (words.next()?, words.next()?, words.next()?);
            Some(if tag == "<none>" {
                id.to_owned()
            } else {
                format!("{repository}:{tag}")
            })
        })
        .collect();
    if !names.is_empty() {
        let removed = docker()
            .args(["image", "rm", "--force"])
            .args(&names)
            .run(&never)
            .await;
        if let Err(error) = removed {
            tracing::debug!(%error, "images were left in the engine");
        }
    }
}
