use std::collections::HashMap;
use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use github::RepoName;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::answer::ApiError;
use super::faults::Faults;
use super::git::{self, Git};
use super::names::is_ref_name;
use super::repository::Repository;
use super::routes::app;
use super::{Dispatch, EmbeddedGithubError, Fault, version};

/// How to serve the embedded GitHub API.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedGithubOptions {
    /// Where the repositories live; default: a temporary folder that goes with the server. A folder
    /// that is named stays.
    pub folder: Option<PathBuf>,
    /// The port on 127.0.0.1; 0, the default, takes a free one.
    pub port: u16,
    /// The token that every request must carry; default: none is asked for.
    pub token: Option<SecretString>,
}

/// A running GitHub API. It ends, and its temporary folder goes, when this value is dropped.
#[derive(Debug)]
pub struct EmbeddedGithub {
    state: Shared,
    address: SocketAddr,
    cancel: CancellationToken,
    task: Option<JoinHandle<()>>,
    // Last, so that it goes when nothing writes to it any more.
    _temporary: Option<TempDir>,
}

/// What the handlers see.
pub(super) type Shared = Arc<Inner>;

#[derive(Debug)]
pub(super) struct Inner {
    folder: PathBuf,
    config: PathBuf,
    base: String,
    token: Option<SecretString>,
    cancel: CancellationToken,
    faults: Faults,
    repositories: Mutex<HashMap<String, Arc<Repository>>>,
}

impl EmbeddedGithub {
    /// Starts serving on 127.0.0.1.
    ///
    /// # Errors
    /// When git is missing or older than 2.38, or the folder or the port cannot be used.
    pub async fn start(
        options: EmbeddedGithubOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, EmbeddedGithubError> {
        let EmbeddedGithubOptions {
            folder,
            port,
            token,
        } = options;
        version::check(cancel).await?;
        let (folder, temporary) = match folder {
            Some(folder) => {
                std::fs::create_dir_all(&folder).map_err(io("create", &folder))?;
                let folder = folder.canonicalize().map_err(io("open", &folder))?;
                (folder, None)
            }
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("pipeline-github-")
                    // The repositories may be private.
                    .permissions(Permissions::from_mode(0o700))
                    .tempdir()
                    .map_err(io("create", &std::env::temp_dir()))?;
                (temporary.path().to_path_buf(), Some(temporary))
            }
        };
        let config = folder.join("gitconfig");
        std::fs::write(&config, git::CONFIG).map_err(io("write", &config))?;

        let place = (Ipv4Addr::LOCALHOST, port);
        let bind_error = |source| EmbeddedGithubError::Io {
            operation: format!("serve the GitHub API on 127.0.0.1:{port}"),
            source,
        };
        let listener = tokio::net::TcpListener::bind(place)
            .await
            .map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;

        let stopped = CancellationToken::new();
        let state = Arc::new(Inner {
            folder,
            config,
            base: format!("http://{address}"),
            token,
            cancel: stopped.clone(),
            faults: Faults::default(),
            repositories: Mutex::default(),
        });
        let app = app(Arc::clone(&state));
        let stop = stopped.clone();
        let task = tokio::spawn(async move {
            let served = axum::serve(listener, app)
                .with_graceful_shutdown(stop.cancelled_owned())
                .await;
            if let Err(error) = served {
                tracing::warn!(%error, "the GitHub API ended");
            }
        });
        Ok(Self {
            state,
            address,
            cancel: stopped,
            task: Some(task),
            _temporary: temporary,
        })
    }

    /// The API's address: what `GITHUB_API_URL` would be.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.state.base.clone()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bare repository of that name: `git clone` and `git push` work on it.
    #[must_use]
    pub fn git_dir(&self, name: &RepoName) -> PathBuf {
        self.state.git_dir(name)
    }

    /// Creates a repository whose default branch is `default_branch`. With `from`, a git repository
    /// on this machine, that branch starts at the commit checked out there, which is read and not
    /// changed; without, the repository is empty.
    ///
    /// # Errors
    /// When the name is taken, the branch name is bad, or git fails.
    pub async fn create_repository(
        &self,
        name: &RepoName,
        default_branch: &str,
        from: Option<&Path>,
        cancel: &CancellationToken,
    ) -> Result<(), EmbeddedGithubError> {
        let dir = self.state.git_dir(name);
        let taken = || EmbeddedGithubError::Exists {
            name: name.to_string(),
        };
        if let Some(owner) = dir.parent() {
            std::fs::create_dir_all(owner).map_err(io("create", owner))?;
        }
        // Creating the folder is what decides between two callers.
        std::fs::create_dir(&dir).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => taken(),
            _ => io("create", &dir)(source),
        })?;
        let made = self.fill(name, &dir, default_branch, from, cancel).await;
        match made {
            Ok(git) => {
                let repository = Repository::new(name.clone(), default_branch.to_owned(), git);
                self.state.lock().insert(key(name), Arc::new(repository));
                Ok(())
            }
            Err(error) => {
                let _ = std::fs::remove_dir_all(&dir);
                Err(error)
            }
        }
    }

    async fn fill(
        &self,
        name: &RepoName,
        dir: &Path,
        default_branch: &str,
        from: Option<&Path>,
        cancel: &CancellationToken,
    ) -> Result<Git, EmbeddedGithubError> {
        let git = Git::new(
            dir.to_path_buf(),
            self.state.config.clone(),
            self.state.cancel.clone(),
        );
        let now = git.with_cancel(cancel);
        let failed = |source| EmbeddedGithubError::Git {
            operation: format!("create repository {name}"),
            source,
        };
        let full = format!("refs/heads/{default_branch}");
        if !is_ref_name(&full) {
            return Err(EmbeddedGithubError::BadBranch {
                name: name.to_string(),
                branch: default_branch.to_owned(),
            });
        }
        now.run([
            "init",
            "--quiet",
            "--bare",
            "--initial-branch",
            default_branch,
        ])
        .await
        .map_err(failed)?;
        if let Some(from) = from {
            let from = from.canonicalize().map_err(io("open", from))?;
            let head = git::bare_command(&self.state.config)
                .current_dir(&from)
                .env_remove("GIT_DIR")
                .args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
            match head.run(cancel).await {
                Ok(_) => {}
                Err(process::ProcessError::Failed { code: Some(1), .. }) => {
                    return Err(EmbeddedGithubError::Empty { from });
                }
                Err(source) => return Err(failed(source)),
            }
            let fetch = now
                .command(["fetch", "--quiet", "--no-tags", "--update-shallow", "--"])
                .arg(&from)
                .arg(format!("HEAD:{full}"));
            now.start(fetch).await.map_err(failed)?;
        }
        Ok(git)
    }

    /// Fails requests that are to come: one fault after the other, in the order they were given.
    pub fn inject(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    /// Answers every request that much later.
    pub fn set_latency(&self, latency: Duration) {
        self.state.faults.set_latency(latency);
    }

    /// Merges into the branch only what has a successful commit status of each of these contexts,
    /// as a protection rule does; auto-merge waits for them. An empty list ends it.
    ///
    /// # Errors
    /// When there is no such repository.
    pub async fn require_statuses(
        &self,
        name: &RepoName,
        branch: &str,
        contexts: &[&str],
    ) -> Result<(), EmbeddedGithubError> {
        let repository = self.find(name)?;
        let contexts = contexts.iter().map(|it| (*it).to_owned()).collect();
        let mut kept = repository.state.lock().await;
        kept.required.insert(branch.to_owned(), contexts);
        Ok(())
    }

    /// The workflows that were started through the API, the first one first.
    ///
    /// # Errors
    /// When there is no such repository.
    pub async fn dispatches(&self, name: &RepoName) -> Result<Vec<Dispatch>, EmbeddedGithubError> {
        let repository = self.find(name)?;
        let kept = repository.state.lock().await;
        Ok(kept.dispatches.clone())
    }

    fn find(&self, name: &RepoName) -> Result<Arc<Repository>, EmbeddedGithubError> {
        let found = self.state.lock().get(&key(name)).cloned();
        found.ok_or_else(|| EmbeddedGithubError::Unknown {
            name: name.to_string(),
        })
    }

    /// Stops serving, after the requests that are being answered.
    pub async fn stop(mut self) {
        self.cancel.cancel();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for EmbeddedGithub {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Inner {
    /// `http://127.0.0.1:…`, without a slash at the end.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The repository that a request names, whatever the case of its letters.
    pub(super) fn repository(&self, owner: &str, name: &str) -> Result<Arc<Repository>, ApiError> {
        let key = format!("{owner}/{name}").to_ascii_lowercase();
        let found = self.lock().get(&key).cloned();
        found.ok_or_else(ApiError::not_found)
    }

    /// All of them.
    pub(super) fn repositories(&self) -> Vec<Arc<Repository>> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The token that a request must carry.
    pub(super) fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    fn git_dir(&self, name: &RepoName) -> PathBuf {
        self.folder.join(format!("{}.git", key(name)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Repository>>> {
        self.repositories
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(name: &RepoName) -> String {
    name.to_string().to_ascii_lowercase()
}

fn io(verb: &str, path: &Path) -> impl FnOnce(std::io::Error) -> EmbeddedGithubError {
    let operation = format!("{verb} {}", path.display());
    |source| EmbeddedGithubError::Io { operation, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_temporary_folder_is_for_its_user_only() {
        let cancel = CancellationToken::new();
        let server = EmbeddedGithub::start(EmbeddedGithubOptions::default(), &cancel)
            .await
            .unwrap();
        let mode = server.state.folder.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
