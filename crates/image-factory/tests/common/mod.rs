//! A repository of processors, an OCI registry and an engine to build with.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt;
use image_factory::build::{BuildOptions, BuildReport, build};
use image_factory::pin::{apply, changes};
use image_factory::plan::{BuildPlan, PlanOptions, plan};
use image_factory::{FactoryError, Images};
use oci::{Artifact, ImageConfig, ImageInfo, Likeness, OciError, Referrer};
use process::{Command, Service};
use registry_model::{Digest, LoadOptions, PinnedImage, Platform, Registry, Repository};
use tokio_util::sync::CancellationToken;

const PROCESSORS: &str = "code/apps/core/registry/processors";

/// An OCI registry for one test.
pub(crate) struct Store {
    pub(crate) host: String,
    pub(crate) client: oci::Client,
    service: Mutex<Option<Service>>,
    folder: tempfile::TempDir,
}

/// Runs a test with a registry; afterwards, also when it fails, nothing of it is left.
pub(crate) async fn with_store(test: impl AsyncFnOnce(&Store)) {
    let store = Store::start().await;
    let ended = AssertUnwindSafe(test(&store)).catch_unwind().await;
    store.stop().await;
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

impl Store {
    async fn start() -> Self {
        assert!(
            process::which("docker-registry").is_some(),
            "this test needs a registry: apt-get install docker-registry"
        );
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let host = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {host}}}\n",
            folder.path().join("data").display()
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let client = oci::Client::new(oci::ClientOptions {
            credentials: oci::Credentials::Anonymous,
            ..oci::ClientOptions::default()
        })
        .unwrap();
        let store = Self {
            host,
            client,
            service: Mutex::default(),
            folder,
        };
        store.serve().await;
        store
    }

    async fn serve(&self) {
        let mut service = Command::new("docker-registry")
            .arg("serve")
            .arg(self.folder.path().join("config.yml"))
            .start()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(&self.host).is_ok() {
                break;
            }
            assert_eq!(service.ended(), None, "docker-registry did not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        *self.service.lock().unwrap() = Some(service);
    }

    /// Kills the registry; after a while it is there again, with what it had stored.
    pub(crate) async fn restart(&self, after: Duration) {
        let service = self.service.lock().unwrap().take().unwrap();
        service.stop(Duration::ZERO).await;
        tokio::time::sleep(after).await;
        self.serve().await;
    }

    pub(crate) async fn resolve(&self, repository: &Repository, tag: &str) -> Option<Digest> {
        self.client.resolve(repository, tag).await.unwrap()
    }

    /// The images that the engine has of a registry.
    async fn kept(host: &str) -> Vec<String> {
        let all = docker(&[
            "image",
            "ls",
            "--format",
            "{{.Repository}} {{.Tag}} {{.ID}}",
        ])
        .await;
        let ours = format!("{host}/");
        all.lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let [repository, tag, id] = words[..] else {
                    panic!("not three words: {line}")
                };
                // A build that was stopped may not have come to its tag.
                repository.starts_with(&ours).then(|| match tag {
                    "<none>" => id.to_owned(),
                    tag => format!("{repository}:{tag}"),
                })
            })
            .collect()
    }

    async fn stop(self) {
        forget(&self.host).await;
        let service = self.service.lock().unwrap().take().unwrap();
        service.stop(Duration::from_millis(200)).await;
    }
}

/// Removes what the engine has of a registry.
pub(crate) async fn forget(host: &str) {
    for image in Store::kept(host).await {
        docker(&["image", "rm", "--force", &image]).await;
    }
    assert_eq!(Store::kept(host).await, [""; 0]);
}

pub(crate) async fn docker(args: &[&str]) -> String {
    Command::new("docker")
        .args(args)
        .run(&CancellationToken::new())
        .await
        .expect("this test needs a Docker engine: apt-get install docker.io docker-buildx-plugin")
        .stdout_text()
}

/// A registry that has nothing and keeps nothing.
pub(crate) struct Nowhere;

impl Images for Nowhere {
    async fn resolve(&self, _: &Repository, _: &str) -> Result<Option<Digest>, OciError> {
        Ok(None)
    }

    async fn exists(&self, _: &PinnedImage) -> Result<bool, OciError> {
        Ok(false)
    }

    async fn describe(&self, image: &PinnedImage) -> Result<ImageInfo, OciError> {
        Err(missing(image))
    }

    async fn configs(&self, image: &PinnedImage) -> Result<Vec<ImageConfig>, OciError> {
        Err(missing(image))
    }

    async fn configs_for(
        &self,
        image: &PinnedImage,
        _: &[Platform],
    ) -> Result<Vec<ImageConfig>, OciError> {
        Err(missing(image))
    }

    async fn tag(&self, _: &PinnedImage, _: &str) -> Result<(), OciError> {
        Ok(())
    }

    async fn move_tag(&self, _: &PinnedImage, _: &str) -> Result<(), OciError> {
        Ok(())
    }

    async fn check_push(&self, _: &Repository) -> Result<(), OciError> {
        Ok(())
    }

    async fn compare(&self, old: &PinnedImage, _: &PinnedImage) -> Result<Likeness, OciError> {
        Err(missing(old))
    }

    async fn attach(&self, subject: &PinnedImage, _: &Artifact) -> Result<PinnedImage, OciError> {
        Ok(subject.clone())
    }

    async fn referrers(&self, _: &PinnedImage, _: &str) -> Result<Vec<Referrer>, OciError> {
        Ok(Vec::new())
    }

    async fn artifact(
        &self,
        manifest: &PinnedImage,
        _: usize,
    ) -> Result<Option<Vec<u8>>, OciError> {
        Err(missing(manifest))
    }

    async fn of_engine(&self, _: &str) -> Option<Digest> {
        None
    }
}

fn missing(image: &PinnedImage) -> OciError {
    OciError::NotFound {
        operation: "ask a registry that has nothing".to_owned(),
        image: image.clone(),
    }
}

/// A repository in the layout of the runbook.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    pub(crate) options: PlanOptions,
}

impl Project {
    /// A repository whose images go to `<host>/acme/models`.
    pub(crate) fn new(host: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = PlanOptions::new(folder.path());
        options.image_prefix = Some("ghcr.io/acme/models".to_owned());
        options.registry_host = Some(host.to_owned());
        let project = Self { folder, options };
        let busybox = Path::new("/bin/busybox");
        assert!(
            busybox.is_file(),
            "this test needs a static shell: apt-get install busybox-static"
        );
        std::fs::create_dir_all(project.root().join("code/bin")).unwrap();
        std::fs::copy(busybox, project.root().join("code/bin/busybox")).unwrap();
        // Layers of earlier runs must not be found in the engine's cache.
        project.write("code/unique", &project.root().to_string_lossy());
        project
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Adds the processor `x/<name>@1`; `more` goes below `build:`.
    pub(crate) fn processor(&self, name: &str, dockerfile: &str, more: &str) {
        self.write(&dockerfile_of(name), dockerfile);
        self.write(
            &file_of(name),
            &format!(
                "ref: x/{name}@1\nimage:\n  oci: sha256:pending # the bot writes here\n\
                 build:\n  context: .\n{more}"
            ),
        );
    }

    pub(crate) fn registry(&self) -> Registry {
        Registry::load(self.root(), &LoadOptions::default()).unwrap()
    }

    pub(crate) async fn plan<I: Images>(&self, images: &I) -> BuildPlan {
        self.try_plan(images).await.unwrap()
    }

    pub(crate) async fn try_plan<I: Images>(&self, images: &I) -> Result<BuildPlan, FactoryError> {
        let registry = self.registry();
        let entries: Vec<_> = registry.entries.iter().collect();
        let cancel = CancellationToken::new();
        plan(&registry, &entries, images, &self.options, &cancel).await
    }

    pub(crate) async fn build(
        &self,
        plan: &BuildPlan,
        store: &Store,
    ) -> Result<BuildReport, FactoryError> {
        self.build_with(plan, store, |_| {}).await
    }

    /// Builds with other options.
    pub(crate) async fn build_with(
        &self,
        plan: &BuildPlan,
        store: &Store,
        set: impl FnOnce(&mut BuildOptions),
    ) -> Result<BuildReport, FactoryError> {
        let mut options = BuildOptions::new(self.root());
        options.retry.base_delay = Duration::from_millis(200);
        set(&mut options);
        build(plan, &store.client, &options, &CancellationToken::new()).await
    }

    /// Writes the images of a report into the registry files.
    pub(crate) fn pin(&self, report: &BuildReport) {
        let found = changes(report, &self.registry()).unwrap();
        apply(self.root(), &found).unwrap();
    }
}

pub(crate) fn file_of(name: &str) -> String {
    format!("{PROCESSORS}/{name}.yaml")
}

pub(crate) fn dockerfile_of(name: &str) -> String {
    format!("code/apps/core/processors/x_{name}/Dockerfile")
}

/// A Dockerfile with a shell.
pub(crate) fn shell(rest: &str) -> String {
    format!("FROM scratch\nCOPY bin/busybox /bin/sh\nCOPY unique /unique\n{rest}")
}

/// The paths of all files below a folder, relative to it.
pub(crate) fn files_below(root: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                let inside = path.strip_prefix(root).unwrap();
                files.insert(inside.to_string_lossy().into_owned());
            }
        }
    }
    files
}
