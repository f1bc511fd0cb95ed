//! Nothing of a stack stays behind.

mod claim;
mod earlier;
mod processes;

pub(crate) use claim::Claim;
pub(crate) use earlier::remove as remove_earlier;
pub(crate) use processes::Family;

use std::time::Duration;

use futures_util::future::join_all;
use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use crate::AcceptanceError;
use crate::compose::Compose;

const ROUNDS: usize = 5;
const PAUSE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(60);

/// What everything of a project carries.
pub(crate) const LABEL: &str = "com.docker.compose.project";

/// One kind of thing that the engine may have of a project.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    list: &'static [&'static str],
    remove: &'static [&'static str],
    /// Found by its name: an image that is imported has no label.
    by_name: bool,
}

/// In the order in which they can be removed: not while something uses them.
const KINDS: [Kind; 4] = [
    Kind {
        name: "container",
        list: &["ps", "--all", "--quiet"],
        remove: &["rm", "--force", "--volumes"],
        by_name: false,
    },
    Kind {
        name: "network",
        list: &["network", "ls", "--quiet"],
        remove: &["network", "rm"],
        by_name: false,
    },
    Kind {
        name: "volume",
        list: &["volume", "ls", "--quiet"],
        remove: &["volume", "rm", "--force"],
        by_name: false,
    },
    // By name, as several may be one.
    Kind {
        name: "image",
        list: &["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
        remove: &["image", "rm", "--force"],
        by_name: true,
    },
];

/// Takes a project down when asked to, or else when it is dropped.
///
/// It exists before the first container does, so that no way out of a run misses it: an error,
/// a panic, or a caller that drops the future half-way.
#[derive(Debug)]
pub(crate) struct Teardown {
    /// Until everything is down.
    claim: Option<Claim>,
    compose: Option<Compose>,
    family: Family,
}

impl Teardown {
    pub(crate) fn new(claim: Claim, compose: Option<Compose>, family: Family) -> Self {
        Self {
            claim: Some(claim),
            compose,
            family,
        }
    }

    /// Takes everything down now. `settled` says that nothing is being started any more; without
    /// it, the engine may still be busy with what a killed client asked for last.
    pub(crate) async fn now(mut self, settled: bool) -> Result<(), AcceptanceError> {
        let Some(claim) = &self.claim else {
            return Ok(());
        };
        let done = remove_all(
            claim.project(),
            self.compose.as_ref(),
            &self.family,
            settled,
        )
        .await;
        finish(self.claim.take(), &done);
        done
    }
}

impl Drop for Teardown {
    fn drop(&mut self) {
        let Some(claim) = self.claim.take() else {
            return;
        };
        let compose = self.compose.take();
        let family = self.family.clone();
        // The runtime of the caller may be shutting down: use one of our own, and wait, as the
        // process may end right after this.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let done = match runtime {
                Ok(runtime) => runtime.block_on(remove_all(
                    claim.project(),
                    compose.as_ref(),
                    &family,
                    false,
                )),
                Err(source) => Err(AcceptanceError::Workspace { source }),
            };
            finish(Some(claim), &done);
            done
        });
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "cannot take down the stack"),
            Err(_) => tracing::error!("cannot take down the stack: its thread panicked"),
        }
    }
}

/// A claim that stays makes the next run try again.
fn finish(claim: Option<Claim>, done: &Result<(), AcceptanceError>) {
    if let (Some(claim), Ok(())) = (claim, done) {
        claim.release();
    }
}

async fn remove_all(
    project: &str,
    compose: Option<&Compose>,
    family: &Family,
    settled: bool,
) -> Result<(), AcceptanceError> {
    // Teardown is not cancellable: it is what cancellation leads to.
    let cancel = CancellationToken::new();
    // First, as they may make more: what left the process group of the suite, or outlived a killed run.
    processes::end(project, family).await;
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
        report: None,
    })
}

/// Removes what carries the project's label; returns what it found.
async fn sweep(project: &str, cancel: &CancellationToken) -> Result<Vec<String>, ProcessError> {
    let filter = format!("label={LABEL}={project}");
    let named = format!("reference={project}:*");
    let docker = |words: &[&str]| Command::new("docker").args(words).timeout(PATIENCE);
    let lists = KINDS.map(|kind| {
        let filter = if kind.by_name { &named } else { &filter };
        docker(kind.list).args(["--filter", filter]).run(cancel)
    });
    let mut found = Vec::new();
    for (kind, listed) in KINDS.iter().zip(join_all(lists).await) {
        let listed = listed?.stdout_text();
        let ids: Vec<&str> = listed.split_whitespace().collect();
        if ids.is_empty() {
            continue;
        }
        let name = kind.name;
        tracing::debug!(project, name, ?ids, "removing what is left");
        if let Err(error) = docker(kind.remove).args(&ids).run(cancel).await {
            tracing::debug!(%error, "not removed yet");
        }
        found.extend(ids.iter().map(|id| format!("{name} {id}")));
    }
    Ok(found)
}
