//! A repository with a compose file, and images that need nothing from the network.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use acceptance::{AcceptanceError, AcceptanceOptions, AcceptanceReport, Sources, plan, run};
use process::Command;
use registry_model::{PinnedImage, ProcessorRef};
use tokio_util::sync::CancellationToken;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A name that no other test uses, in this process or another.
pub(crate) fn unique(stem: &str) -> String {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{}-{number}", std::process::id())
}

/// Runs `docker` and returns what it printed.
pub(crate) async fn docker(args: &[&str]) -> String {
    let output = Command::new("docker")
        .args(args)
        .run(&CancellationToken::new())
        .await;
    output.unwrap().stdout_text().trim().to_owned()
}

/// An image with nothing but busybox, removed in the end.
pub(crate) struct Image(pub(crate) String);

impl Image {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, &[]).await
    }

    /// With what `add` puts into its file system, and instructions of a Dockerfile.
    pub(crate) async fn with(add: impl FnOnce(&Path), changes: &[&str]) -> Self {
        let busybox = process::which("busybox")
            .expect("busybox is missing; install it with: apt-get install busybox-static");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("bin")).unwrap();
        let scratch = folder.path().join("tmp");
        std::fs::create_dir_all(&scratch).unwrap();
        std::fs::set_permissions(scratch, PermissionsExt::from_mode(0o1777)).unwrap();
        std::fs::copy(busybox, folder.path().join("bin/busybox")).unwrap();
        for applet in [
            "sh",
            "nc",
            "sleep",
            "httpd",
            "echo",
            "true",
            "cat",
            "cut",
            "dd",
            "id",
            "ln",
            "mkdir",
            "mkfifo",
            "sha256sum",
            "tail",
            "wc",
            "yes",
        ] {
            std::os::unix::fs::symlink("busybox", folder.path().join("bin").join(applet)).unwrap();
        }
        add(folder.path());
        let layer = Command::new("tar")
            .arg("-C")
            .arg(folder.path())
            .args(["--owner=0", "--group=0", "-c", "."])
            .run(&CancellationToken::new())
            .await
            .unwrap()
            .stdout;
        let name = unique("acceptance-test");
        let changes = changes.iter().flat_map(|change| ["-c", change]);
        Command::new("docker")
            .args(["import", "-c", "ENV PATH=/bin"])
            .args(changes)
            .args(["-", &name])
            .stdin(layer)
            .run(&CancellationToken::new())
            .await
            .unwrap();
        Self(name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        remove_image(&self.0);
    }
}

/// Removes an image from wherever it is called, also while a test panics.
pub(crate) fn remove_image(name: &str) {
    let name = name.to_owned();
    let removed = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(
                Command::new("docker")
                    .args(["image", "rm", "--force", &name])
                    .run(&CancellationToken::new()),
            )
            .map(drop)
    });
    let _ = removed.join();
}

/// A repository in a temporary folder.
pub(crate) struct Repo {
    folder: tempfile::TempDir,
    pub(crate) options: AcceptanceOptions,
}

impl Repo {
    /// With `code/compose.yml`, where `IMAGE` stands for `image`, and a suite of one shell script.
    pub(crate) fn new(image: &Image, compose: &str, suite: Option<&str>) -> Self {
        let repo = Self::bare(suite);
        let text = compose.replace("IMAGE", &image.0);
        std::fs::write(repo.path("code/compose.yml"), text).unwrap();
        repo
    }

    /// Without a compose file.
    pub(crate) fn bare(suite: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("code")).unwrap();
        let mut options = AcceptanceOptions::new(folder.path());
        options.command = suite.map(|script| ["sh", "-ec", script].map(str::to_owned).into());
        options.wait_timeout = Duration::from_secs(60);
        Self { folder, options }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    pub(crate) async fn accept(
        &self,
        images: &[(ProcessorRef, PinnedImage)],
        cancel: &CancellationToken,
    ) -> Result<AcceptanceReport, AcceptanceError> {
        let plan = plan(&self.options, &Sources::read(&self.options)?)?;
        run(&plan, images, cancel).await
    }

    pub(crate) async fn wait_for(&self, name: &str) -> String {
        wait_for(&self.path(name)).await
    }
}

/// Waits until `path` has a whole line, and returns it.
pub(crate) async fn wait_for(path: &Path) -> String {
    for _ in 0..600 {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("{} did not appear within 60 s", path.display());
}

/// What the engine still has of a project.
pub(crate) async fn left_of(project: &str) -> Vec<String> {
    let filter = format!("label=com.docker.compose.project={project}");
    let mut left = Vec::new();
    for kind in [&["ps", "--all"][..], &["network", "ls"], &["volume", "ls"]] {
        let ids = docker(&[kind, &["--quiet", "--filter", &filter]].concat()).await;
        left.extend(ids.split_whitespace().map(|id| format!("{kind:?} {id}")));
    }
    left
}

/// The ids of the containers of `image`, which is the test's own.
pub(crate) async fn containers_of(image: &Image) -> String {
    let filter = format!("ancestor={}", image.0);
    docker(&["ps", "--all", "--quiet", "--filter", &filter]).await
}

/// The project of the stack that runs, or is about to run, containers of `image`.
pub(crate) async fn project_of(image: &Image) -> String {
    let filter = format!("ancestor={}", image.0);
    let format = "{{.Label \"com.docker.compose.project\"}}";
    for _ in 0..1200 {
        let found = docker(&["ps", "--all", "--filter", &filter, "--format", format]).await;
        if let Some(project) = found.split_whitespace().next() {
            return project.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no stack started containers of {}", image.0);
}

/// Whether a process still runs; one that nobody reaped yet does not.
pub(crate) fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A service that is healthy at once, on a port that the engine chooses, with a volume.
pub(crate) const HEALTHY: &str = r#"
services:
  my-web:
    image: IMAGE
    command: [httpd, -f, -p, "8080"]
    init: false
    ports: ["127.0.0.1::8080", "127.0.0.1::9090"]
    volumes: [data:/data, /anonymous]
    networks: [own]
    healthcheck: {test: [CMD, nc, 127.0.0.1, "8080", -e, "true"], interval: 1s, retries: 30}
networks: {own: {}}
volumes: {data: {}}
"#;
