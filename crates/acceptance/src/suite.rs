//! The suite: a program of the repository, told where everything is.

use std::collections::VecDeque;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use process::{Command, ProcessError};
use registry_model::{PinnedImage, ProcessorRef};
use tokio_util::sync::CancellationToken;

use crate::credentials::without_credentials;
use crate::diagnosis::Container;
use crate::told::Told;
use crate::{AcceptanceError, SuitePlan, SuiteReport, junit};

const KEPT_LINES: usize = 200;

/// How a suite ended.
pub(crate) struct Ended {
    pub(crate) report: SuiteReport,
    /// Why it did not pass, and its last lines.
    pub(crate) failure: Option<(String, Vec<String>)>,
}

/// The variables that tell the suite about the stack.
pub(crate) fn stack_env(project: &str, containers: &[Container]) -> Vec<(String, String)> {
    let mut env = vec![("COMPOSE_PROJECT_NAME".to_owned(), project.to_owned())];
    let mut last = None;
    for container in containers {
        // Of a service with several containers, the first speaks for all.
        let Some(service) = container.service().filter(|name| last != Some(*name)) else {
            continue;
        };
        last = Some(service);
        let name = format!("PIPELINE_SERVICE_{}", variable(service));
        for (index, (port, address)) in container.addresses().into_iter().enumerate() {
            if index == 0 {
                env.push((name.clone(), address.clone()));
            }
            env.push((format!("{name}_{port}"), address));
        }
    }
    env
}

fn variable(service: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    service.to_ascii_uppercase().chars().map(plain).collect()
}

/// Runs the suite in `workspace`, a folder for its files that the caller removes.
pub(crate) async fn run(
    plan: &SuitePlan,
    images: &[(ProcessorRef, PinnedImage)],
    env: &[(String, String)],
    workspace: &Path,
    cancel: &CancellationToken,
) -> Result<Ended, AcceptanceError> {
    let (image_file, report_dir) = prepare(plan, images, workspace)?;
    let lines = Arc::new(Mutex::new(VecDeque::with_capacity(KEPT_LINES)));
    let sink = lines.clone();
    let told = Told::new();
    let command = Command::new(&plan.command[0])
        .args(&plan.command[1..])
        .current_dir(&plan.directory)
        .timeout(plan.timeout)
        .on_line(move |_, line| {
            tracing::debug!(target: "acceptance::suite", "{line}");
            if let Ok(mut lines) = sink.lock() {
                if lines.len() == KEPT_LINES {
                    lines.pop_front();
                }
                lines.push_back(line.to_owned());
            }
        });
    let mut command = without_credentials(command)
        .env("ADAPTER", "local")
        .env("MODE", "smoke")
        .env("PIPELINE_IMAGES", image_file)
        .env("PIPELINE_REPORT_DIR", &report_dir);
    for (name, value) in env {
        command = command.env(name, value);
    }
    let shown = command.display();
    tracing::info!(target: "pipeline::progress", stage = "acceptance", item = %shown, "running the suite");

    let started = Instant::now();
    let ran = command.run(cancel).await;
    let seconds = crate::run::seconds(started);
    let (exit, outcome) = match ran {
        Ok(_) => (Some(0), None),
        Err(ProcessError::Failed { code, status, .. }) => (code, Some(status)),
        Err(ProcessError::TimedOut { after, .. }) => {
            (None, Some(format!("still running after {after:?}, ended")))
        }
        Err(ProcessError::Cancelled { .. }) => return Err(AcceptanceError::Cancelled),
        Err(source) => {
            return Err(AcceptanceError::SuiteStart {
                directory: plan.directory.clone(),
                report: None,
                source: Box::new(source),
            });
        }
    };
    let cases = junit::read(&report_dir, &told);
    // Some programs that run tests end with 0 whatever the tests say.
    let broken = cases.as_ref().is_some_and(|cases| !cases.is_passed());
    let outcome = outcome.or_else(|| broken.then(|| "exit code 0".to_owned()));
    let output = lines.lock().map(|lines| lines.iter().cloned().collect());
    Ok(Ended {
        report: SuiteReport::Ran {
            command: plan.command.clone(),
            exit,
            seconds,
            cases,
            inputs: None,
        },
        failure: outcome.map(|outcome| (outcome, output.unwrap_or_default())),
    })
}

fn prepare(
    plan: &SuitePlan,
    images: &[(ProcessorRef, PinnedImage)],
    workspace: &Path,
) -> Result<(std::path::PathBuf, std::path::PathBuf), AcceptanceError> {
    let wrong = |source| AcceptanceError::Workspace { source };
    let names: serde_json::Map<String, serde_json::Value> = images
        .iter()
        .map(|(reference, image)| (reference.to_string(), image.to_string().into()))
        .collect();
    let image_file = workspace.join("images.json");
    let text = serde_json::Value::Object(names).to_string();
    std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&image_file)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(wrong)?;
    let report_dir = match &plan.report_dir {
        Some(folder) => std::path::absolute(folder).map_err(wrong)?,
        None => workspace.join("reports"),
    };
    std::fs::create_dir_all(&report_dir).map_err(wrong)?;
    Ok((image_file, report_dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_names_become_variables() {
        assert_eq!(variable("my-db.2"), "MY_DB_2");
    }
}
