//! Nothing of a stack stays behind.

use std::time::Duration;

use futures_util::future::join_all;
use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use crate::AcceptanceError;
use crate::compose::Compose;

const ROUNDS: usize = 5;
const PAUSE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(60);

const IMAGE: &str = "image";

/// What the engine calls each kind, how it lists them and how it removes them.
const KINDS: [(&str, &[&str], &[&str]); 4] = [
    (
        "container",
        &["ps", "--all", "--quiet"],
        &["rm", "--force", "--volumes"],
    ),
    ("network", &["network", "ls", "--quiet"], &["network", "rm"]),
    (
        "volume",
        &["volume", "ls", "--quiet"],
        &["volume", "rm", "--force"],
    ),
    // Found by its name: an image that is imported has no label.
    (
        IMAGE,
        &["image", "ls", "--quiet", "--no-trunc"],
        &["image", "rm", "--force"],
    ),
];

/// Takes a project down when asked to, or else when it is dropped.
///
/// It exists before the first container does, so that no way out of a run misses it: an error,
/// a panic, or a caller that drops the future half-way.
#[derive(Debug)]
pub(crate) struct Teardown {
    project: String,
    compose: Option<Compose>,
    armed: bool,
}

impl Teardown {
    pub(crate) fn new(project: &str, compose: Option<Compose>) -> Self {
        Self {
            project: project.to_owned(),
            compose,
            armed: true,
        }
    }

    /// Takes everything down now. `settled` says that nothing is being started any more; without
    /// it, the engine may still be busy with what a killed client asked for last.
    pub(crate) async fn now(mut self, settled: bool) -> Result<(), AcceptanceError> {
        let done = remove_all(&self.project, self.compose.as_ref(), settled).await;
        self.armed = false;
        done
    }
}

impl Drop for Teardown {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (project, compose) = (self.project.clone(), self.compose.take());
        // The runtime of the caller may be shutting down: use one of our own, and wait, as the
        // process may end right after this.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(remove_all(&project, compose.as_ref(), false)),
                Err(source) => Err(AcceptanceError::Workspace { source }),
            }
        });
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "cannot take down the stack"),
            Err(_) => tracing::error!("cannot take down the stack: its thread panicked"),
        }
    }
}

async fn remove_all(
    project: &str,
    compose: Option<&Compose>,
    settled: bool,
) -> Result<(), AcceptanceError> {
    // Teardown is not cancellable: it is what cancellation leads to.
    let cancel = CancellationToken::new();
    if let Some(compose) = compose
        && let Err(error) = compose.down(&cancel).await
    {
        tracing::warn!(%error, project, "`down` failed; removing what is left one by one");
    }
    if !settled {
        tokio::time::sleep(PAUSE).await;
    }
    let mut left = Vec::new();
    for round in 0..ROUNDS {
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        left = match sweep(project, &cancel).await {
            Ok(found) => found,
            // Without an engine there is nothing of ours in it.
            Err(ProcessError::NotFound { .. }) if compose.is_none() => Vec::new(),
            Err(error) => vec![format!("unknown, as the engine does not answer: {error}")],
        };
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(AcceptanceError::Teardown {
        project: project.to_owned(),
        left,
    })
}

/// Removes what carries the project's label; returns what it found.
async fn sweep(project: &str, cancel: &CancellationToken) -> Result<Vec<String>, ProcessError> {
    let filter = format!("label=com.docker.compose.project={project}");
    let docker = |words: &[&str]| Command::new("docker").args(words).timeout(PATIENCE);
    let named = format!("reference={project}:*");
    let lists = KINDS.map(|(kind, list, _)| {
        let filter = if kind == IMAGE { &named } else { &filter };
        docker(list).args(["--filter", filter]).run(cancel)
    });
    let mut found = Vec::new();
    // In this order: a network or volume in use cannot be removed.
    for ((kind, _, remove), listed) in KINDS.iter().zip(join_all(lists).await) {
        let listed = listed?.stdout_text();
        let ids: Vec<&str> = listed.split_whitespace().collect();
        if ids.is_empty() {
            continue;
        }
        tracing::debug!(project, kind, ?ids, "removing what is left");
        if let Err(error) = docker(remove).args(&ids).run(cancel).await {
            tracing::debug!(%error, "not removed yet");
        }
        found.extend(ids.iter().map(|id| format!("{kind} {id}")));
    }
    Ok(found)
}
