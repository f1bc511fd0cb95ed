use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Command, Service};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::bench::far_registry::FarRegistry;
use crate::bench::files::{json, make, write};
use crate::bench::measure::seconds;
use crate::bench::sample;
use crate::bench::served::serve;
use crate::error::Error;
use crate::rehearse::build;
use crate::say;
use crate::tools::Tools;

/// The environment of what is deployed once.
pub(super) const ENVIRONMENT: &str = "dev";
/// What every function returns; no container is started for it.
const REPLY: &str = r#"{"status": "success"}"#;

/// What the measurements of this group share: programs and a folder.
pub(super) struct Scene {
    pub(super) cancel: CancellationToken,
    root: PathBuf,
    pipeline: PathBuf,
    tools: Tools,
    folder: TempDir,
}

/// A Modal control plane and a registry that take their time for each answer.
pub(super) struct Plane<'a> {
    scene: &'a Scene,
    latency: Duration,
    service: Service,
    registry: FarRegistry,
    environment: Vec<(&'static str, OsString)>,
}

impl Scene {
    /// # Errors
    /// When `pipeline` cannot be built.
    pub(super) async fn set(
        root: &Path,
        tools: &Tools,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        say::line("bench: building pipeline");
        let package = ["--release", "--package", "actions", "--bin", "pipeline"];
        let pipeline = build(root, &package, cancel).await?;
        let folder = tempfile::Builder::new()
            .prefix("pipeline-bench-")
            .tempdir()
            .map_err(|error| Error::io("make a folder for the bench", error))?;
        write(
            &folder.path().join("secrets.py"),
            include_str!("secrets.py"),
        )?;
        Ok(Self {
            cancel: cancel.clone(),
            root: root.to_path_buf(),
            pipeline,
            tools: tools.clone(),
            folder,
        })
    }

    /// A place of this bench alone.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl<'a> Plane<'a> {
    /// # Errors
    /// When one of the two does not come up.
    pub(super) async fn start(scene: &'a Scene, latency: Duration) -> Result<Self, Error> {
        let mut environment = scene.tools.environment()?;
        let far = format!("{}ms", latency.as_millis());
        let args = ["modal", "--environments", ENVIRONMENT, "--latency", &far];
        let args = [&args[..], &["--reply", REPLY]].concat();
        let prefix = "Modal control plane at ";
        let (service, url) = serve(&scene.pipeline, &args, &environment, prefix).await?;
        environment.extend([
            ("MODAL_SERVER_URL", url.into()),
            ("MODAL_TOKEN_ID", "ak-bench".into()),
            ("MODAL_TOKEN_SECRET", "as-bench".into()),
            ("MODAL_CONFIG_PATH", scene.path("modal.toml").into()),
        ]);
        Ok(Self {
            scene,
            latency,
            service,
            registry: FarRegistry::start(latency).await?,
            environment,
        })
    }

    /// How far away it is, for people.
    pub(super) fn distance(&self) -> String {
        format!("{} ms", self.latency.as_millis())
    }

    /// A repository with that many processors, each with a secret of its own, all pinned.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn repository(&self, processors: usize) -> Result<PathBuf, Error> {
        let name = format!("repository-{processors}-{}", self.latency.as_millis());
        let root = self.scene.path(&name);
        let config = "registry-files: [code/registry/*.yaml]\ncontext: code\n";
        write(&root.join("pipeline.yml"), config)?;
        for index in 0..processors {
            let file = root.join(format!("code/registry/tool_{index:05}.yaml"));
            write(&file, sample::text(index, &self.image(index)))?;
            // It is not built, but must be there.
            let dockerfile = format!("code/{}/Dockerfile", sample::folder(index));
            write(&root.join(dockerfile), "FROM scratch\n")?;
        }
        let app = self
            .scene
            .root
            .join("examples/processors/code/modal_app.py");
        let text = std::fs::read(&app)
            .map_err(|error| Error::io(format!("read {}", app.display()), error))?;
        write(&root.join("code/modal_app.py"), text)?;
        Ok(root)
    }

    /// The pin of a processor.
    fn image(&self, index: usize) -> String {
        let host = self.registry.host();
        format!("{host}/bench/tool-{index:05}@sha256:{:064x}", index + 1)
    }

    /// What somebody who follows the runbook does for one processor of a repository.
    pub(super) fn deploy_by_hand(&self, root: &Path, index: usize) -> Command {
        let command = self.modal().args(["deploy", "code/modal_app.py"]);
        let command = command.args(["--env", ENVIRONMENT, "--name"]);
        command
            .arg(format!("bench-tool-{index:05}-v1"))
            .env("PROCESSOR_REF", format!("bench/tool-{index:05}@1"))
            .env("IMAGE_REF", self.image(index))
            .env("TOOL_SECRETS", secret(index))
            .env("REGISTRY_SECRET", "")
            .current_dir(root)
    }

    /// A value for each secret of such a repository, in one file; `salt` makes them differ.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn values(&self, processors: usize, salt: &str) -> Result<PathBuf, Error> {
        let pair = |index| (secret(index), Value::from(format!("{salt}-{index}")));
        let values: serde_json::Map<String, Value> = (0..processors).map(pair).collect();
        let file = self.scene.path("values.json");
        private(&file, &Value::from(values).to_string())?;
        Ok(file)
    }

    /// A program that finds our tools and this control plane.
    pub(super) fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let variables = self.environment.iter();
        variables.fold(Command::new(program), |command, (name, value)| {
            command.env(name, value)
        })
    }

    /// The program `modal`.
    pub(super) fn modal(&self) -> Command {
        self.program(self.scene.tools.modal().join("bin/modal"))
    }

    /// The script that writes secrets in one process.
    pub(super) fn script(&self) -> Command {
        let python = self.scene.tools.modal().join("bin/python");
        self.program(python).arg(self.scene.path("secrets.py"))
    }

    /// The seconds of a stage of `pipeline` in a repository, and its report.
    ///
    /// # Errors
    /// When it fails.
    pub(super) async fn pipeline(
        &self,
        root: &Path,
        args: &[&str],
        values: &Path,
    ) -> Result<(f64, Value), Error> {
        self.pipeline_with(root, args, values, |command| command)
            .await
    }

    /// The same, with something else about the program.
    ///
    /// # Errors
    /// When it fails.
    pub(super) async fn pipeline_with(
        &self,
        root: &Path,
        args: &[&str],
        values: &Path,
        change: impl FnOnce(Command) -> Command,
    ) -> Result<(f64, Value), Error> {
        let report = self.scene.path("report.json");
        let command = self.program(&self.scene.pipeline).args(args);
        let command = command.arg("--secrets-json").arg(values);
        let command = change(command.arg("--json").arg(&report).current_dir(root));
        let took = seconds(command, &self.scene.cancel).await?;
        Ok((took, json(&report)?))
    }

    /// Ends both.
    pub(super) async fn stop(self) {
        self.service.stop(Duration::from_secs(10)).await;
    }
}

/// The secret of a processor.
pub(super) fn secret(index: usize) -> String {
    format!("BENCH_API_KEY_{index:05}")
}

/// How many elements of a list of a report have `value` at `pointer`.
pub(super) fn count(report: &Value, list: &str, pointer: &str, value: &str) -> usize {
    let list = report.pointer(list).and_then(Value::as_array);
    let list = list.into_iter().flatten();
    list.filter(|one| one.pointer(pointer) == Some(&Value::from(value)))
        .count()
}

/// A run that did something else is no measurement.
///
/// # Errors
/// When the numbers differ.
pub(super) fn expect(what: &str, found: usize, wanted: usize) -> Result<(), Error> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::format(what, format!("{found}, not {wanted}")))
}

/// Writes a file that nobody else may read.
fn private(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    make(path.parent().unwrap_or(path))?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Error::io(format!("write {}", path.display()), error))
}
