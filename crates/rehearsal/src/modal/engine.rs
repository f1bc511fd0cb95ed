use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, ImageConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, DownloadFromContainerOptionsBuilder,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    UploadToContainerOptionsBuilder, WaitContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt};

/// The label that every container of a control plane carries, with the control plane's name.
pub(super) const LABEL: &str = "dev.pipeline.rehearsal";

/// Waiting for a container to end is one request; the function's own limit ends it earlier.
const REQUEST_LIMIT: Duration = Duration::from_secs(24 * 3600);

const HINT: &str = "is Docker running, and may this user reach its socket?";

/// The Docker engine, as far as answering a call needs it.
#[derive(Clone)]
pub(super) struct Engine(Docker);

impl Engine {
    pub(super) fn connect() -> Result<Self, String> {
        Docker::connect_with_defaults()
            .map(|docker| Self(docker.with_timeout(REQUEST_LIMIT)))
            .map_err(|error| format!("the Docker engine cannot be reached ({error}); {HINT}"))
    }

    /// The configuration of an image, which is pulled when it is not there.
    pub(super) async fn image(
        &self,
        reference: &str,
        credentials: Option<DockerCredentials>,
    ) -> Result<ImageConfig, String> {
        if let Some(config) = self.inspect(reference).await? {
            return Ok(config);
        }
        let options = CreateImageOptionsBuilder::new()
            .from_image(reference)
            .build();
        self.0
            .create_image(Some(options), None, credentials)
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(|error| format!("image {reference} cannot be pulled: {error}"))?;
        self.inspect(reference)
            .await?
            .ok_or_else(|| format!("image {reference} is not there after it was pulled"))
    }

    async fn inspect(&self, reference: &str) -> Result<Option<ImageConfig>, String> {
        match self.0.inspect_image(reference).await {
            Ok(image) => Ok(Some(image.config.unwrap_or_default())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(format!(
                "image {reference} cannot be inspected: {error}; {HINT}"
            )),
        }
    }

    pub(super) async fn create(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<Container, String> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        // From here on something may be there to remove, even if the answer gets lost.
        let container = Container {
            docker: self.0.clone(),
            name: name.to_owned(),
            removed: false,
        };
        self.0
            .create_container(Some(options), body)
            .await
            .map_err(|error| format!("the container cannot be created: {error}"))?;
        Ok(container)
    }

    /// Removes whatever containers a control plane has left.
    pub(super) async fn sweep(&self, owner: &str) -> Result<(), bollard::errors::Error> {
        let filters = HashMap::from([("label", vec![format!("{LABEL}={owner}")])]);
        let filters: HashMap<String, Vec<String>> = filters
            .into_iter()
            .map(|(key, values)| (key.to_owned(), values))
            .collect();
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        for container in self.0.list_containers(Some(options)).await? {
            remove(&self.0, &container.id.unwrap_or_default()).await?;
        }
        Ok(())
    }
}

/// A container that is removed when this value goes.
pub(super) struct Container {
    docker: Docker,
    name: String,
    removed: bool,
}

impl Container {
    /// Unpacks a tar archive at the root of its file system.
    pub(super) async fn put(&self, archive: Vec<u8>) -> Result<(), String> {
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        self.docker
            .upload_to_container(
                &self.name,
                Some(options),
                bollard::body_full(archive.into()),
            )
            .await
            .map_err(|error| format!("files cannot be put into the container: {error}"))
    }

    /// A tar archive of one folder.
    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(path)
            .build();
        self.docker
            .download_from_container(&self.name, Some(options))
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
            .map_err(|error| format!("the answer cannot be read from the container: {error}"))
    }

    pub(super) async fn start(&self) -> Result<(), String> {
        self.docker
            .start_container(&self.name, None)
            .await
            .map_err(|error| error.to_string())
    }

    /// Waits for its end; the exit code.
    pub(super) async fn wait(&self) -> Result<i64, String> {
        use bollard::errors::Error;
        let mut answers = self
            .docker
            .wait_container(&self.name, None::<WaitContainerOptions>)
            .boxed();
        match answers.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(format!("the container cannot be waited for: {error}")),
            None => Err("the engine says nothing about the container's end".to_owned()),
        }
    }

    /// Whether the kernel killed it for its memory.
    pub(super) async fn out_of_memory(&self) -> bool {
        let details = self.docker.inspect_container(&self.name, None).await;
        details
            .ok()
            .and_then(|details| details.state?.oom_killed)
            .unwrap_or(false)
    }

    /// The last lines it printed.
    pub(super) async fn last_lines(&self, lines: usize) -> String {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let parts: Vec<LogOutput> = self
            .docker
            .logs(&self.name, Some(options))
            .filter_map(|part| async { part.ok() })
            .collect()
            .await;
        parts.iter().map(ToString::to_string).collect()
    }

    pub(super) async fn remove(mut self) {
        match remove(&self.docker, &self.name).await {
            Ok(()) => self.removed = true,
            // The guard tries once more.
            Err(error) => tracing::debug!(container = self.name, %error, "not removed yet"),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        // The runtime may be ending, so this does not depend on it.
        let name = std::mem::take(&mut self.name);
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let (Ok(runtime), Ok(docker)) = (runtime, Docker::connect_with_defaults()) {
                let _ = runtime.block_on(remove(&docker, &name));
            }
        });
        let _ = removal.join();
    }
}

async fn remove(docker: &Docker, name: &str) -> Result<(), bollard::errors::Error> {
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    match docker.remove_container(name, Some(options)).await {
        Err(error) if !is_missing(&error) => Err(error),
        _ => Ok(()),
    }
}

fn is_missing(error: &bollard::errors::Error) -> bool {
    use bollard::errors::Error;
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == 404)
}
