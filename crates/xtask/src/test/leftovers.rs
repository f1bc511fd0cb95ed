use std::collections::BTreeSet;
use std::time::Duration;

use process::Command;
use tokio_util::sync::CancellationToken;

use super::checks::{MARKER, Scene};
use crate::error::Error;
use crate::setup;

/// What is ending anyway gets this long to be gone.
const PATIENCE: Duration = Duration::from_secs(15);

const QUESTIONS: [(&str, &[&str]); 3] = [
    (
        "container",
        &["ps", "--all", "--format", "{{.ID}} {{.Names}} ({{.Image}})"],
    ),
    (
        "network",
        &["network", "ls", "--format", "{{.ID}} {{.Name}}"],
    ),
    ("volume", &["volume", "ls", "--format", "{{.Name}}"]),
];

/// What was there before the checks began.
pub(crate) struct Leftovers {
    before: BTreeSet<String>,
}

impl Leftovers {
    /// Remembers what is there now.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub(crate) async fn watch(scene: &Scene, cancel: &CancellationToken) -> Result<Self, Error> {
        Ok(Self {
            before: present(scene, cancel).await?,
        })
    }

    /// What is there now and was not before.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub(crate) async fn compare(
        &self,
        scene: &Scene,
        cancel: &CancellationToken,
    ) -> Result<Vec<String>, Error> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = present(scene, cancel).await?;
            let left: Vec<String> = now.difference(&self.before).cloned().collect();
            if left.is_empty() || tokio::time::Instant::now() >= until {
                return Ok(left);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

async fn present(scene: &Scene, cancel: &CancellationToken) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    if setup::engine_answers(cancel).await? {
        for (kind, question) in QUESTIONS {
            let output = Command::new("docker").args(question).run(cancel).await?;
            let text = output.stdout_text();
            found.extend(text.lines().map(|line| format!("{kind} {line}")));
        }
    }
    found.extend(processes(&scene.marker));
    found.extend(files(scene.temporary.path()));
    Ok(found)
}

/// Processes that inherited this run's mark. Those of other users cannot be seen, nor be ours.
fn processes(marker: &str) -> BTreeSet<String> {
    let wanted = format!("{MARKER}={marker}");
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    let marked = entries.flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse::<u32>().ok()?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0);
        if !variables.any(|variable| variable == wanted.as_bytes()) {
            return None;
        }
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        Some(format!("process {id} {}", name.trim()))
    });
    marked.collect()
}

fn files(folder: &std::path::Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .map(|path| format!("temporary file {}", path.display()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sees_the_processes_of_this_run_and_no_others() {
        let marker = uuid::Uuid::new_v4().to_string();
        assert!(processes(&marker).is_empty());
        let service = Command::new("sleep")
            .arg("60")
            .env(MARKER, &marker)
            .start()
            .unwrap();
        // The mark shows when the new program has taken the place of the old.
        let mut found = BTreeSet::new();
        for _ in 0..100 {
            found = processes(&marker);
            if found.iter().any(|line| line.ends_with(" sleep")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(found.len(), 1, "{found:?}");
        service.stop(Duration::from_secs(5)).await;
        assert!(processes(&marker).is_empty());
    }

    #[test]
    fn sees_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(files(folder.path()).is_empty());
        std::fs::write(folder.path().join("left"), "").unwrap();
        assert_eq!(files(folder.path()).len(), 1);
    }
}
