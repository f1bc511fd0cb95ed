use std::path::{Path, PathBuf};
use std::time::Duration;

use process::Command;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::bench::files::{make, write};
use crate::bench::python::bench_python;
use crate::bench::served::serve;
use crate::error::Error;
use crate::rehearse::build;
use crate::say;
use crate::tools::Tools;

/// Where images go that have no pin yet.
pub(super) const IMAGES: &str = "registry.example/bench";
/// Images that are removed with one command.
const REMOVED_AT_ONCE: usize = 50;

/// What the measurements of this group share: programs, a folder and a registry.
pub(super) struct Scene {
    pub(super) pipeline: PathBuf,
    pub(super) python: PathBuf,
    pub(super) cancel: CancellationToken,
    environment: Vec<(&'static str, std::ffi::OsString)>,
    // Before the folder: fields are dropped in order, and the registry writes into it.
    registry: process::Service,
    host: String,
    folder: TempDir,
}

/// A program's time and memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) seconds: f64,
    pub(super) megabytes: f64,
}

impl Scene {
    /// # Errors
    /// When a program cannot be built or installed, or the registry does not come up.
    pub(super) async fn set(
        root: &Path,
        tools: &Tools,
        no_install: bool,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        say::line("bench: building pipeline");
        let package = ["--release", "--package", "actions", "--bin", "pipeline"];
        let pipeline = build(root, &package, cancel).await?;
        let python = bench_python(tools, no_install, cancel).await?;
        let folder = tempfile::Builder::new()
            .prefix("pipeline-bench-")
            .tempdir()
            .map_err(|error| Error::io("make a folder for the bench", error))?;
        for (name, text) in [
            ("runbook.py", include_str!("runbook.py")),
            ("peak.py", include_str!("peak.py")),
            ("seed.py", include_str!("seed.py")),
        ] {
            write(&folder.path().join(name), text)?;
        }
        let environment = tools.environment()?;
        let temporary = folder.path().join("registry");
        make(&temporary)?;
        // Where the registry keeps the images.
        let keeping = ("TMPDIR", temporary.into_os_string());
        let variables = [&environment[..], &[keeping]].concat();
        let (registry, host) = serve(&pipeline, &["registry"], &variables, "registry at ").await?;
        Ok(Self {
            pipeline,
            python,
            cancel: cancel.clone(),
            environment,
            registry,
            host,
            folder,
        })
    }

    /// A place of this bench alone.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The registry's host.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The arguments that send images to the registry.
    pub(super) fn factory(&self) -> [&str; 4] {
        ["--image-prefix", IMAGES, "--registry", &self.host]
    }

    /// A program that finds our tools.
    pub(super) fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let variables = self.environment.iter();
        variables.fold(Command::new(program), |command, (name, value)| {
            command.env(name, value)
        })
    }

    /// One of the scripts.
    pub(super) fn script(&self, name: &str) -> Command {
        self.program(&self.python).arg(self.path(name))
    }

    /// Time and memory of a program, whose output goes nowhere.
    ///
    /// # Errors
    /// When it fails.
    pub(super) async fn measure(
        &self,
        program: impl AsRef<std::ffi::OsStr>,
        args: &[&str],
        folder: &Path,
    ) -> Result<Measured, Error> {
        let command = self.script("peak.py").arg(program).args(args);
        let output = command.current_dir(folder).run(&self.cancel).await?;
        let text = output.stdout_text();
        let mut numbers = text.split_whitespace().map(str::parse::<f64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(seconds)), Some(Ok(kilobytes))) => Ok(Measured {
                seconds,
                megabytes: kilobytes * 1024.0 / 1e6,
            }),
            _ => Err(Error::format("what peak.py prints", text)),
        }
    }

    /// Ends the registry, and removes what the engine keeps of its images.
    ///
    /// # Errors
    /// When an image cannot be removed.
    pub(super) async fn clear(self) -> Result<(), Error> {
        // Also after an interruption.
        let cancel = CancellationToken::new();
        let docker = || self.program("docker").arg("image");
        let format = "{{.Repository}}:{{.Tag}}";
        let list = docker().args(["ls", "--format", format]).run(&cancel);
        let list = list.await?.stdout_text();
        let ours = format!("{}/", self.host);
        let images: Vec<&str> = list
            .lines()
            .filter(|line| line.starts_with(&ours))
            .collect();
        for some in images.chunks(REMOVED_AT_ONCE) {
            docker()
                .args(["rm", "--force"])
                .args(some)
                .run(&cancel)
                .await?;
        }
        self.registry.stop(Duration::from_secs(10)).await;
        let folder = self.folder.path().to_path_buf();
        self.folder
            .close()
            .map_err(|error| Error::io(format!("remove {}", folder.display()), error))
    }
}
