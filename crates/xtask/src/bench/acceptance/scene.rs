use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Command, Service};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::bench::files::{json, make, write};
use crate::bench::measure::seconds;
use crate::bench::served::serve;
use crate::error::Error;
use crate::rehearse::build;
use crate::say;
use crate::tools::Tools;

/// What the image has besides a shell and the processor.
const APPLETS: [&str; 8] = ["cat", "cut", "httpd", "nc", "sh", "sha256sum", "true", "wc"];
/// The one that the tests have, too: it answers as a processor should.
const PROCESSOR: &str = include_str!("../../../../acceptance/tests/stack/processor.sh");

/// What the measurements of this group share: a program, a registry and an image in it.
pub(super) struct Scene {
    pub(super) cancel: CancellationToken,
    /// The image by digest, which the engine has as well.
    pub(super) image: String,
    tag: String,
    pipeline: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    // Before the folder: fields are dropped in order, and the registry writes into it.
    registry: Service,
    folder: TempDir,
}

impl Scene {
    /// # Errors
    /// When `pipeline` or the image cannot be built, or the registry does not come up.
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
        let environment = tools.environment()?;
        let keeping = folder.path().join("registry");
        make(&keeping)?;
        let variables = [&environment[..], &[("TMPDIR", keeping.into_os_string())]].concat();
        let (registry, host) = serve(&pipeline, &["registry"], &variables, "registry at ").await?;
        let mut scene = Self {
            cancel: cancel.clone(),
            image: String::new(),
            tag: format!("{host}/bench/tool:1"),
            pipeline,
            environment,
            registry,
            folder,
        };
        scene.image = scene.push().await?;
        Ok(scene)
    }

    /// A place of this bench alone.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program that finds our tools.
    pub(super) fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let variables = self.environment.iter();
        variables.fold(Command::new(program), |command, (name, value)| {
            command.env(name, value)
        })
    }

    /// A repository with one pinned processor, and more of its registry file.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn repository(&self, name: &str, more: &str) -> Result<PathBuf, Error> {
        let root = self.path(name);
        let config = "registry-files: [code/registry/*.yaml]\ncontext: code\n";
        write(&root.join("pipeline.yml"), config)?;
        write(&root.join("code/Dockerfile"), "FROM scratch\n")?;
        let text = format!(
            "ref: text/x@1\nimage: {{oci: {}}}\nbuild: {{dockerfile: Dockerfile}}\n{more}",
            self.image
        );
        write(&root.join("code/registry/x.yaml"), text)?;
        Ok(root)
    }

    /// The seconds of `pipeline accept` in a repository, and its report.
    ///
    /// # Errors
    /// When it fails.
    pub(super) async fn accept(&self, root: &Path, part: &str) -> Result<(f64, Value), Error> {
        let report = self.path("report.json");
        let command = self.program(&self.pipeline);
        let command = command.args(["accept", "--part", part, "--json"]);
        let command = command.arg(&report).current_dir(root);
        let took = seconds(command, &self.cancel).await?;
        Ok((took, json(&report)?))
    }

    /// Makes the image and returns its name by digest.
    async fn push(&self) -> Result<String, Error> {
        let root = self.path("image");
        let failed = |error| Error::io("make the image of the bench", error);
        let busybox = process::which("busybox")
            .ok_or_else(|| Error::format("PATH", "there is no busybox"))?;
        make(&root.join("bin"))?;
        std::fs::copy(busybox, root.join("bin/busybox")).map_err(failed)?;
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).map_err(failed)?;
        }
        let processor = root.join("bin/processor");
        write(&processor, PROCESSOR)?;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(processor, mode).map_err(failed)?;
        let tar = Command::new("tar").arg("-C").arg(&root);
        let tar = tar.args(["--owner=0", "--group=0", "-c", "."]);
        let layer = tar.run(&self.cancel).await?.stdout;
        let import = self
            .program("docker")
            .args(["import", "-c", "ENV PATH=/bin"]);
        let import = import.args(["-c", r#"ENTRYPOINT ["/bin/processor"]"#, "-", &self.tag]);
        import.stdin(layer).run(&self.cancel).await?;
        let push = self.program("docker").args(["push", "--quiet", &self.tag]);
        push.run(&self.cancel).await?;
        let format = "{{index .RepoDigests 0}}";
        let inspect = self
            .program("docker")
            .args(["image", "inspect", "--format"]);
        let named = inspect.args([format, &self.tag]).run(&self.cancel).await?;
        Ok(named.stdout_text().trim().to_owned())
    }

    /// Ends the registry, and removes the image.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) async fn clear(self) -> Result<(), Error> {
        // Also after an interruption.
        let cancel = CancellationToken::new();
        let remove = self.program("docker").args(["image", "rm", "--force"]);
        remove.args([&self.image, &self.tag]).run(&cancel).await?;
        self.registry.stop(Duration::from_secs(10)).await;
        Ok(())
    }
}
