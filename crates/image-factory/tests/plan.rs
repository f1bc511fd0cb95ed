//! Plans against a registry that is a table: what is asked, what follows, and why.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

#[path = "plan/bases.rs"]
mod bases;
#[path = "plan/changed.rs"]
mod changed;
#[path = "plan/decides.rs"]
mod decides;
#[path = "plan/engine_ids.rs"]
mod engine_ids;
#[path = "plan/merged.rs"]
mod merged;
#[path = "plan/pace.rs"]
mod pace;
#[path = "plan/reports.rs"]
mod reports;
#[path = "plan/sees.rs"]
mod sees;
#[path = "plan/shelf.rs"]
mod shelf;
#[path = "plan/warnings.rs"]
mod warnings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image_factory::FactoryError;
use image_factory::plan::{BuildPlan, BuiltAgain, PlanOptions, Planned, Proposed, after, plan};
use registry_model::{Edit, LoadOptions, PinPlace, Registry, edit};
use shelf::{Shelf, digest};
use tokio_util::sync::CancellationToken;

const REPOSITORY: &str = "ghcr.io/acme/models/x-one";

struct Project {
    folder: tempfile::TempDir,
    options: PlanOptions,
}

impl Project {
    /// The processor `x/one@1` with this Dockerfile, beside a few files.
    fn new(dockerfile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = PlanOptions::new(folder.path());
        options.image_prefix = Some("ghcr.io/acme/models".to_owned());
        let project = Self { folder, options };
        project.write("code/one/Dockerfile", dockerfile);
        project.pin("sha256:pending");
        for file in ["libs/a.py", "libs/deep/b.py", "one/main.py", "other/c.py"] {
            project.write(&format!("code/{file}"), file);
        }
        project
    }

    fn pin(&self, pin: &str) {
        let text = format!(
            "ref: x/one@1\nimage:\n  oci: {pin}\nbuild:\n  context: .\n  \
             dockerfile: one/Dockerfile\n"
        );
        self.write("code/registry/one.yaml", &text);
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn registry(&self) -> Registry {
        let options = LoadOptions::new(["code/registry/*.yaml"], "code");
        Registry::load(self.folder.path(), &options).unwrap()
    }

    async fn try_plan(&self, shelf: &Shelf) -> Result<BuildPlan, FactoryError> {
        let registry = self.registry();
        let entries: Vec<_> = registry.entries.iter().collect();
        plan(
            &registry,
            &entries,
            shelf,
            &self.options,
            &CancellationToken::new(),
        )
        .await
    }

    async fn plan(&self, shelf: &Shelf) -> BuildPlan {
        self.try_plan(shelf).await.unwrap()
    }

    async fn item(&self, shelf: &Shelf) -> Planned {
        self.plan(shelf).await.items.remove(0)
    }

    async fn after(&self, plan: &BuildPlan, edits: &[(&str, Vec<u8>)]) -> Vec<BuiltAgain> {
        let proposed: Vec<Proposed> = plan.items.iter().map(Proposed::from).collect();
        let edits: BTreeMap<PathBuf, Vec<u8>> = edits
            .iter()
            .map(|(path, bytes)| (path.into(), bytes.clone()))
            .collect();
        let (registry, cancel) = (self.registry(), CancellationToken::new());
        after(&registry, &proposed, edits, &self.options, &cancel)
            .await
            .unwrap()
    }

    /// The registry file with another pin.
    fn pinned(&self, place: &PinPlace) -> Vec<u8> {
        let text = std::fs::read(self.folder.path().join("code/registry/one.yaml")).unwrap();
        let image = format!("{REPOSITORY}@{}", digest("9")).parse().unwrap();
        match edit(&text, place, &image).unwrap() {
            Edit::Changed(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }
}

fn why(item: &Planned) -> String {
    item.why().to_string()
}

fn bases(item: &Planned) -> Vec<String> {
    item.base_images
        .iter()
        .map(|base| format!("{} = {}", base.name, base.reference))
        .collect()
}

#[tokio::test]
async fn only_what_is_copied_counts() {
    let project = Project::new("FROM python:3\nCOPY libs/*.py /libs/\nCOPY one /one\n");
    let shelf = Shelf::default();
    shelf.put("docker.io/library/python:3", "1");
    let before = project.item(&shelf).await.key;
    project.write("code/other/c.py", "changed");
    project.write("code/libs/deep/b.py", "changed");
    project.write("code/new", "new");
    assert_eq!(project.item(&shelf).await.key, before);
    project.write("code/libs/new.py", "new");
    let with_new = project.item(&shelf).await.key;
    assert_ne!(with_new, before);
    project.write("code/one/main.py", "changed");
    assert_ne!(project.item(&shelf).await.key, with_new);

    // A link may lead anywhere.
    let link = project.folder.path().join("code/libs/link.py");
    std::os::unix::fs::symlink("../other/c.py", link).unwrap();
    let linked = project.item(&shelf).await.key;
    project.write("code/other/c.py", "again");
    assert_ne!(project.item(&shelf).await.key, linked);
    // Here it is not certain which ones are meant.
    for source in [
        "libs/[l]ink.py",
        "libs/**",
        "--parents libs/*.py",
        "--parents l*/link.py",
    ] {
        project.write(
            "code/one/Dockerfile",
            &format!("FROM python:3\nCOPY {source} /libs/\n"),
        );
        let before = project.item(&shelf).await.key;
        project.write("code/other/c.py", source);
        assert_ne!(project.item(&shelf).await.key, before, "{source}");
    }
}

#[tokio::test]
async fn equal_keys_do_not_depend_on_where_the_repository_lies() {
    let one = Project::new("FROM scratch\nCOPY libs /libs\n");
    let two = Project::new("FROM scratch\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    assert_eq!(one.item(&shelf).await.key, two.item(&shelf).await.key);
    assert_ne!(one.folder.path(), Path::new(two.folder.path()));
}
