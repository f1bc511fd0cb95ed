//! Docker Compose, found and spoken to.

mod apart;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use crate::credentials::without_values;
use crate::told::Told;
use crate::{AcceptanceError, AcceptancePlan, StackPlan};

/// Pulling the services' images is not part of the time that they may take to become healthy.
const PULL_ALLOWANCE: Duration = Duration::from_secs(15 * 60);

/// Only reads files, but for those that include others from elsewhere.
const CONFIG_PATIENCE: Duration = Duration::from_secs(60);

/// One stack: compose files under a project name.
#[derive(Clone, Debug)]
pub(crate) struct Compose {
    program: Vec<String>,
    project: String,
    files: Vec<PathBuf>,
    env: BTreeMap<String, String>,
}

impl Compose {
    /// `program` is what [`find`] answered; of `files`, each wins over those before it.
    pub(crate) fn new(
        program: Vec<String>,
        project: &str,
        files: Vec<PathBuf>,
        env: BTreeMap<String, String>,
    ) -> Self {
        Self {
            program,
            project: project.to_owned(),
            files,
            env,
        }
    }

    /// The configuration of `services`, and of those that they depend on, as `up` would have it:
    /// JSON with all variables replaced.
    pub(crate) async fn config(
        &self,
        services: &[String],
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, ProcessError> {
        let command = self.command().args(["config", "--format", "json"]);
        let command = command.args(services).timeout(CONFIG_PATIENCE);
        command.run(cancel).await.map(|output| output.stdout)
    }

    /// Starts `services` and waits until each is healthy, or running if it has no health check.
    pub(crate) async fn up(
        &self,
        services: &[String],
        wait: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), ProcessError> {
        let seconds = wait.as_secs().max(1).to_string();
        self.command()
            .args(["up", "--detach", "--wait", "--wait-timeout", &seconds])
            .args(services)
            .timeout(wait + PULL_ALLOWANCE)
            .run(cancel)
            .await
            .map(drop)
    }

    pub(crate) async fn down(&self, cancel: &CancellationToken) -> Result<(), ProcessError> {
        self.command()
            .args(["down", "--volumes", "--remove-orphans", "--timeout", "1"])
            .timeout(Duration::from_secs(90))
            .run(cancel)
            .await
            .map(drop)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program[0])
            .args(&self.program[1..])
            .arg("--project-name")
            .arg(&self.project);
        for file in &self.files {
            command = command.arg("--file").arg(file);
        }
        // What the file says would decide where they go.
        command = without_values(command);
        for (name, value) in &self.env {
            command = command.env(name, value);
        }
        // It would aim at another stack than the one named above.
        let command = command.env_remove("COMPOSE_FILE");
        // By this it is found when it outlives this process.
        command.env("COMPOSE_PROJECT_NAME", &self.project)
    }
}

/// Refuses a stack that two runs on one machine could not have at the same time, with all that
/// stands in the way. Starts nothing.
pub(crate) async fn check(
    program: &[String],
    stack: &StackPlan,
    plan: &AcceptancePlan,
    cancel: &CancellationToken,
) -> Result<(), AcceptanceError> {
    // Any name shows what depends on it.
    const PROJECT: &str = "pipeline-accept-check";
    let wrong = |problem: String| AcceptanceError::ComposeFile {
        file: stack.file.clone(),
        problem,
    };
    let files: Vec<PathBuf> = stack.files().cloned().collect();
    let compose = Compose::new(program.to_vec(), PROJECT, files.clone(), plan.env.clone());
    let config = match compose.config(&stack.services, cancel).await {
        Ok(config) => config,
        Err(error) if error.is_cancelled() => return Err(AcceptanceError::Cancelled),
        Err(error) => return Err(wrong(refusal(&error))),
    };
    let config: apart::Config =
        serde_json::from_slice(&config).map_err(|error| wrong(error.to_string()))?;
    match config.faults(PROJECT) {
        faults if faults.is_empty() => Ok(()),
        faults => Err(AcceptanceError::NotApart { files, faults }),
    }
}

/// What Docker Compose said last.
fn refusal(error: &ProcessError) -> String {
    let said = error.stderr();
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    let mut problem = match last {
        Some(last) => Told::new().line(last),
        None => error.to_string(),
    };
    if said.contains("required variable") {
        problem.push_str(
            " (credentials of this process are kept from it, unless `acceptance.env` sets them)",
        );
    }
    problem
}

/// The words that start Docker Compose on this machine.
pub(crate) async fn find(cancel: &CancellationToken) -> Result<Vec<String>, AcceptanceError> {
    let candidates = [vec!["docker", "compose"], vec!["docker-compose"]];
    detect(&candidates, cancel).await
}

/// The first candidate of version 2 or later.
async fn detect(
    candidates: &[Vec<&str>],
    cancel: &CancellationToken,
) -> Result<Vec<String>, AcceptanceError> {
    let mut old = None;
    for candidate in candidates {
        let asked = Command::new(candidate[0])
            .args(&candidate[1..])
            .args(["version", "--short"])
            .timeout(Duration::from_secs(20))
            .run(cancel)
            .await;
        match asked {
            Ok(output) => {
                let version = output.stdout_text().trim().to_owned();
                if major(&version).is_some_and(|major| major >= 2) {
                    tracing::debug!(?candidate, version, "found Docker Compose");
                    return Ok(candidate.iter().map(|&word| word.to_owned()).collect());
                }
                old = Some(version);
            }
            Err(error) if error.is_cancelled() => return Err(AcceptanceError::Cancelled),
            Err(error) => tracing::debug!(?candidate, %error, "no Docker Compose"),
        }
    }
    Err(match old {
        Some(found) => AcceptanceError::OldCompose { found },
        None => AcceptanceError::NoCompose,
    })
}

/// `2` of `v2.26.1-4`.
fn major(version: &str) -> Option<u32> {
    version
        .trim_start_matches('v')
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn each_file_wins_over_those_before_it() {
        let files = vec!["/r/a.yml".into(), "/r/b.yml".into()];
        let compose = Compose::new(vec!["compose".to_owned()], "p", files, BTreeMap::new());
        assert_eq!(
            compose.command().display(),
            "compose --project-name p --file /r/a.yml --file /r/b.yml"
        );
    }

    async fn found(versions: &[&str]) -> Result<usize, AcceptanceError> {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<String> = versions
            .iter()
            .enumerate()
            .map(|(i, version)| {
                let path = folder.path().join(format!("compose-{i}"));
                let script = format!("#!/bin/sh\n[ \"$*\" = 'version --short' ] && {version}\n");
                std::fs::write(&path, script).unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
                path.to_str().unwrap().to_owned()
            })
            .collect();
        let candidates: Vec<Vec<&str>> = paths.iter().map(|path| vec![path.as_str()]).collect();
        let program = detect(&candidates, &CancellationToken::new()).await?;
        Ok(paths.iter().position(|path| *path == program[0]).unwrap())
    }

    #[tokio::test]
    async fn takes_the_first_that_is_new_enough() {
        assert_eq!(found(&["echo 2.26.1-4", "echo 5.6.1"]).await.unwrap(), 0);
        assert_eq!(found(&["false", "echo v2.3.3"]).await.unwrap(), 1);
        assert_eq!(found(&["echo 1.29.2", "echo 5.6.1"]).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn refuses_version_1_and_says_what_to_install() {
        let error = found(&["false", "echo 1.29.2"]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "use Docker Compose 1.29.2: version 2 or later is needed"
        );
        assert!(
            error
                .hint()
                .unwrap()
                .starts_with("install Docker Compose 2")
        );
        let error = found(&["false"]).await.unwrap_err();
        assert!(matches!(error, AcceptanceError::NoCompose), "{error}");
    }
}
