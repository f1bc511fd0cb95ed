use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use rehearsal::github::{EmbeddedGithub, EmbeddedGithubOptions};
use rehearsal::modal::{EmbeddedModal, ModalOptions};
use rehearsal::registry::{EmbeddedRegistry, RegistryOptions};
use tokio_util::sync::CancellationToken;

use super::args::{ServeArgs, Service};
use super::output::print;
use crate::exit::Exit;
use crate::ui::Failure;

/// Serves until Ctrl-C or SIGTERM, which is how a service ends well.
pub(super) async fn run(args: &ServeArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    match &args.service {
        Service::Registry { port } => registry(*port, cancel).await?,
        Service::Github {
            port,
            repository,
            from,
        } => {
            github(*port, repository, from, cancel).await?;
        }
        Service::Modal {
            port,
            environments,
            latency,
            reply,
        } => {
            let options = ModalOptions {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, *port)),
                environments: environments.clone(),
                latency: *latency,
                reply: reply.clone(),
                ..ModalOptions::default()
            };
            modal(options, cancel).await?;
        }
    }
    Ok(Exit::Done)
}

async fn registry(port: u16, cancel: &CancellationToken) -> Result<(), Failure> {
    let port = (port != 0).then_some(port);
    let options = RegistryOptions { folder: None, port };
    let server = EmbeddedRegistry::start(&options, cancel).await?;
    print(&format!(
        "registry at {host}\n  docker push {host}/team/image:tag\n  pipeline build --registry {host}\n",
        host = server.host()
    ))?;
    cancel.cancelled().await;
    if let Err(error) = server.stop().await {
        return Err(Failure::new(Exit::Unexpected, error));
    }
    Ok(())
}

async fn github(
    port: u16,
    repository: &str,
    from: &Path,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let another = || (port != 0).then(|| "choose another port, or 0 for any free one".to_owned());
    let name: github::RepoName = repository.parse()?;
    let options = EmbeddedGithubOptions {
        port,
        ..EmbeddedGithubOptions::default()
    };
    let server = EmbeddedGithub::start(options, cancel)
        .await
        .map_err(Failure::from)
        .map_err(|failure| match failure.hint {
            None => failure.with_hint(another()),
            Some(_) => failure,
        })?;
    server
        .create_repository(&name, "dev", Some(from), cancel)
        .await
        .map_err(Failure::from)
        .map_err(|failure| {
            let hint = failure.hint.clone().unwrap_or_else(|| {
                "give a folder of a git repository with --from; `git init`, `git add --all` and \
                 `git commit` make one"
                    .to_owned()
            });
            failure.with_hint(Some(hint))
        })?;
    print(&format!(
        "GitHub API at {api}\n  GITHUB_API_URL={api} GITHUB_REPOSITORY={name} pipeline pin --from build.json --propose --run-id 1\n  git clone {dir}\n",
        api = server.api_url(),
        dir = server.git_dir(&name).display()
    ))?;
    cancel.cancelled().await;
    server.stop().await;
    Ok(())
}

async fn modal(options: ModalOptions, cancel: &CancellationToken) -> Result<(), Failure> {
    let server = EmbeddedModal::start(options, cancel).await?;
    print(&format!(
        "Modal control plane at {url}\n  export MODAL_SERVER_URL={url} MODAL_TOKEN_ID=ak-any MODAL_TOKEN_SECRET=as-any\n  modal environment list\n",
        url = server.url()
    ))?;
    cancel.cancelled().await;
    server.stop().await;
    Ok(())
}
