//! The containers of a stack, as the engine sees them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use process::{Command, ProcessError};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::cleanup::LABEL;
use crate::credentials::without_values;
use crate::told::Told;

const LOG_LINES: usize = 200;
const LONGEST_LINE: usize = 2000;
const CHECKS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// The state of a service and what it said last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceDiagnosis {
    /// Its name in the compose file.
    pub service: String,
    /// `running`, `exited`, `restarting` …
    pub state: String,
    /// The exit code, when it ended.
    pub exit_code: Option<i64>,
    /// `healthy`, `unhealthy`, `starting`; none without a health check.
    pub health: Option<String>,
    /// What its last health checks answered, oldest first.
    pub checks: Vec<String>,
    /// Its last 200 lines.
    pub log: Vec<String>,
}

impl ServiceDiagnosis {
    /// Whether it is not as a service should be.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        self.state != "running" || self.health.as_deref().is_some_and(|it| it != "healthy")
    }

    /// Its state, its last check and its last `lines` lines, for people.
    #[must_use]
    pub fn summary(&self, lines: usize) -> String {
        let mut text = format!("service `{}` is {}", self.service, self.state);
        if let Some(code) = self.exit_code {
            let _ = write!(text, " with code {code}");
        }
        if let Some(health) = &self.health {
            let _ = write!(text, ", {health}");
        }
        if let Some(check) = self.checks.last() {
            let _ = write!(text, "; last check: {check}");
        }
        for line in &self.log[self.log.len().saturating_sub(lines)..] {
            let _ = write!(text, "\n  | {line}");
        }
        text
    }
}

/// One container of a stack.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Container {
    id: String,
    state: State,
    config: Config,
    network_settings: NetworkSettings,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    exit_code: i64,
    health: Option<Health>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
    log: Option<Vec<Check>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    exit_code: i64,
    output: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    env: Variables,
}

/// What a container was started with, some of which may be secret.
#[derive(Default, Deserialize)]
struct Variables(Option<Vec<String>>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    ports: Option<BTreeMap<String, Option<Vec<Binding>>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_ip: String,
    host_port: String,
}

impl Container {
    pub(crate) fn service(&self) -> Option<&str> {
        let labels = self.config.labels.as_ref()?;
        labels.get("com.docker.compose.service").map(String::as_str)
    }

    /// A variable that it was started with.
    pub(crate) fn variable(&self, name: &str) -> Option<SecretString> {
        let mut all = self.config.env.0.iter().flatten();
        let value = all.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.into())
    }

    /// Its published TCP ports: the port inside and the address outside, lowest port first.
    pub(crate) fn addresses(&self) -> Vec<(u16, String)> {
        let mut found: Vec<(u16, String)> = self
            .network_settings
            .ports
            .iter()
            .flatten()
            .filter_map(|(inside, bindings)| {
                let port = inside.strip_suffix("/tcp")?.parse().ok()?;
                let bindings = bindings.as_ref()?;
                let v4 = bindings
                    .iter()
                    .find(|binding| !binding.host_ip.contains(':'));
                let binding = v4.or(bindings.first())?;
                Some((port, binding.address()))
            })
            .collect();
        found.sort();
        found
    }
}

impl Binding {
    /// Where a client on this machine reaches it.
    fn address(&self) -> String {
        let host = match self.host_ip.as_str() {
            "" | "0.0.0.0" => "127.0.0.1".to_owned(),
            "::" => "[::1]".to_owned(),
            ip if ip.contains(':') => format!("[{ip}]"),
            ip => ip.to_owned(),
        };
        format!("{host}:{}", self.host_port)
    }
}

/// The containers of a project, running or not, that belong to a service.
pub(crate) async fn containers(
    project: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Container>, ProcessError> {
    let filter = format!("label={LABEL}={project}");
    let listed = Command::new("docker")
        .args(["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter])
        .timeout(PATIENCE)
        .run(cancel)
        .await?
        .stdout_text();
    if listed.trim().is_empty() {
        return Ok(Vec::new());
    }
    let inspected = Command::new("docker")
        .args(["container", "inspect"])
        .args(listed.split_whitespace())
        .timeout(PATIENCE)
        .run(cancel)
        .await?;
    let mut all: Vec<Container> =
        serde_json::from_slice(&inspected.stdout).map_err(|source| ProcessError::Follow {
            command: "docker container inspect".into(),
            source: source.into(),
        })?;
    all.retain(|container| container.service().is_some());
    all.sort_by(|a, b| a.service().cmp(&b.service()));
    Ok(all)
}

/// Every service of a project with its state and its last lines; what cannot be had is left out.
pub(crate) async fn diagnose(project: &str, cancel: &CancellationToken) -> Vec<ServiceDiagnosis> {
    let found = match containers(project, cancel).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, project, "cannot look at the services");
            return Vec::new();
        }
    };
    let told = Arc::new(Told::new());
    let each = found.into_iter().map(|container| {
        let told = told.clone();
        async move {
            let log = log(&container.id, told.clone(), cancel).await;
            let health = container.state.health;
            let ended = container.state.status == "exited";
            ServiceDiagnosis {
                service: container.config.labels.unwrap_or_default()["com.docker.compose.service"]
                    .clone(),
                exit_code: ended.then_some(container.state.exit_code),
                state: container.state.status,
                checks: health
                    .iter()
                    .flat_map(|health| health.log.iter().flatten())
                    .map(|check| {
                        let output = told.line_of(check.output.trim_end(), LONGEST_LINE);
                        format!("code {}: {output}", check.exit_code)
                    })
                    .rev()
                    .take(CHECKS)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect(),
                health: health.map(|health| health.status),
                log,
            }
        }
    });
    join_all(each).await
}

async fn log(id: &str, told: Arc<Told>, cancel: &CancellationToken) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let ran = without_values(Command::new("docker"))
        .args(["logs", "--tail", &LOG_LINES.to_string(), id])
        .timeout(PATIENCE)
        .on_line(move |_, line| {
            if let Ok(mut lines) = sink.lock() {
                lines.push(told.line_of(line.trim_end(), LONGEST_LINE));
            }
        })
        .run(cancel)
        .await;
    if let Err(error) = ran {
        tracing::debug!(%error, "cannot read a service's log");
    }
    lines
        .lock()
        .map(|mut lines| std::mem::take(&mut *lines))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_a_client_on_this_machine_uses() {
        let container: Container = serde_json::from_str(
            r#"{"Id": "a", "State": {"Status": "running", "ExitCode": 0},
                "Config": {"Labels": null},
                "NetworkSettings": {"Ports": {
                  "9001/tcp": [{"HostIp": "::", "HostPort": "2"}, {"HostIp": "0.0.0.0", "HostPort": "1"}],
                  "900/tcp": [{"HostIp": "127.0.0.1", "HostPort": "3"}],
                  "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "4"}],
                  "80/tcp": null,
                  "90/tcp": [{"HostIp": "::", "HostPort": "5"}]}}}"#,
        )
        .unwrap();
        let address = |port, at: &str| (port, at.to_owned());
        assert_eq!(
            container.addresses(),
            [
                address(90, "[::1]:5"),
                address(900, "127.0.0.1:3"),
                address(9001, "127.0.0.1:1")
            ]
        );
        assert_eq!(container.service(), None);
    }
}
