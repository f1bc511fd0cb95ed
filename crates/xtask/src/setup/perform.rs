use std::path::PathBuf;

use process::Command;
use tokio_util::sync::CancellationToken;

use super::facts::Facts;
use super::newer::PARTIAL;
use super::step::Step;
use super::{Ready, engine, newer, python};
use crate::error::Error;
use crate::tools::{MODAL, S3S_FS, Tools};
use crate::workspace;

/// Does steps, and remembers what later rounds and the end of the task must know.
pub(crate) struct Performer {
    tools: Tools,
    lists_refreshed: bool,
    ready: Ready,
}

impl Performer {
    pub(crate) fn new(tools: Tools) -> Self {
        Self {
            tools,
            lists_refreshed: false,
            ready: Ready::default(),
        }
    }

    pub(crate) fn lists_refreshed(&self) -> bool {
        self.lists_refreshed
    }

    pub(crate) fn finish(self) -> Ready {
        self.ready
    }

    /// Does one step.
    ///
    /// # Errors
    /// When it does not succeed.
    pub(crate) async fn perform(
        &mut self,
        step: &Step,
        facts: &Facts,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let tools = &self.tools;
        match step {
            Step::RefreshLists => {
                apt(facts, &["update"]).run(cancel).await?;
                self.lists_refreshed = true;
            }
            Step::Install { packages } => {
                apt(facts, &["install", "--yes", "--no-install-recommends"])
                    .args(packages)
                    .run(cancel)
                    .await?;
            }
            Step::Newer { parts } => {
                newer::parts(tools, parts, facts.privilege, cancel).await?;
            }
            Step::Registry => newer::registry(tools, cancel).await?,
            Step::ControlGroups => engine::mount_control_groups(facts.privilege, cancel).await?,
            Step::StartEngine(how) => {
                let service = engine::start(*how, tools, facts, cancel).await?;
                self.ready.left_running.push(service);
            }
            Step::Modal => {
                let python = find_python(cancel).await?;
                let package = format!("modal=={MODAL}");
                python::make_environment(&python, &tools.modal(), &[&package], cancel).await?;
            }
            Step::ModalClient { tag } => modal_client(tools, tag, cancel).await?,
            Step::S3 => {
                let package = format!("s3s-fs@{S3S_FS}");
                cargo_install(tools, &[&package, "--features", "binary"], cancel).await?;
            }
            Step::CargoDeny => cargo_install(tools, &["cargo-deny"], cancel).await?,
            Step::Images { .. } => {
                let root = workspace::root()?;
                let mut command =
                    Command::new(root.join("examples/processors/images/build.sh")).arg("all");
                for (name, value) in tools.environment()? {
                    command = command.env(name, value);
                }
                command.run(cancel).await?;
            }
            // The caller never performs what only a person can do.
            Step::ByHand { .. } => {}
        }
        Ok(())
    }
}

fn apt(facts: &Facts, args: &[&str]) -> Command {
    let words: Vec<&str> = ["apt-get", "--quiet"].iter().chain(args).copied().collect();
    let variables = [("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C.UTF-8")];
    facts.privilege.command(&variables, &words)
}

async fn find_python(cancel: &CancellationToken) -> Result<python::Python, Error> {
    python::find(cancel).await?.ok_or_else(|| {
        Error::from(process::ProcessError::NotFound {
            program: "python3".to_owned(),
        })
    })
}

/// Modal's client for a Python that this machine does not have, from ready-made packages.
async fn modal_client(tools: &Tools, tag: &str, cancel: &CancellationToken) -> Result<(), Error> {
    let folder = tools.folder().join(format!("modal-client-{tag}"));
    let partial = PathBuf::from(format!("{}{PARTIAL}", folder.display()));
    let digits = tag.trim_start_matches("cp");
    let (major, minor) = digits.split_at(digits.len().min(1));
    let pip = tools.modal().join("bin/python");
    let command = Command::new(pip)
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--upgrade"])
        .args(["--disable-pip-version-check", "--only-binary=:all:"])
        .arg(format!("--python-version={major}.{minor}"))
        .arg("--target")
        .arg(&partial)
        .arg(format!("modal=={MODAL}"));
    command.run(cancel).await?;
    std::fs::rename(&partial, &folder)
        .map_err(|error| Error::io(format!("make {}", folder.display()), error))
}

/// cargo puts a program into place when it is whole.
async fn cargo_install(
    tools: &Tools,
    package: &[&str],
    cancel: &CancellationToken,
) -> Result<(), Error> {
    Command::new("cargo")
        .args(["install", "--locked", "--quiet", "--root"])
        .arg(tools.folder())
        .args(package)
        .run(cancel)
        .await?;
    Ok(())
}
