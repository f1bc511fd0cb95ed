//! Plans against a registry that is a table: what is asked, what follows, and why.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

#[path = "plan/engine_ids.rs"]
mod engine_ids;
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
use std::sync::atomic::Ordering;
use std::time::Duration;

use image_factory::plan::{
    BuildPlan, BuiltAgain, Decision, InputsRecord, PlanOptions, Planned, Proposed, Why, after, plan,
};
use image_factory::{ErrorClass, FactoryError};
use registry_model::{Edit, LoadOptions, PinPlace, Registry, edit};
use shelf::{Answer, Shelf, config, digest};
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
async fn each_base_image_is_asked_for_once_and_taken_by_digest() {
    let pinned = format!("quay.io/a/b@{}", digest("7"));
    let project = Project::new(&format!(
        "ARG V=3.11-slim\nFROM golang AS build\nFROM {pinned} AS more\nFROM python:$V\n\
         COPY --from=build /a /a\nCOPY --from=more /b /b\nCOPY --from=ghcr.io/x/uv:0.5 /uv /uv\n\
         COPY --from=golang:latest /c /c\n"
    ));
    let shelf = Shelf::default();
    shelf.put("docker.io/library/golang:latest", "1");
    shelf.put("docker.io/library/python:3.11-slim", "2");
    shelf.put("ghcr.io/x/uv:0.5", "3");
    let item = project.item(&shelf).await;
    let exact = |name: &str, hex: &str| format!("{name}@{}", digest(hex));
    assert_eq!(
        bases(&item),
        [
            format!("ghcr.io/x/uv:0.5 = {}", exact("ghcr.io/x/uv", "3")),
            format!("golang = {}", exact("docker.io/library/golang", "1")),
            format!(
                "python:3.11-slim = {}",
                exact("docker.io/library/python", "2")
            ),
            format!("{pinned} = {pinned}"),
        ]
    );
    let asked = shelf.asked();
    let resolved = asked
        .iter()
        .filter(|question| question.starts_with("resolve docker.io"));
    assert_eq!(resolved.count(), 2, "{asked:?}");
    assert!(
        !asked
            .iter()
            .any(|question| question.starts_with("resolve quay.io"))
    );

    shelf.put("docker.io/library/python:3.11-slim", "4");
    assert_ne!(project.item(&shelf).await.key, item.key);
}

#[tokio::test]
async fn replaced_bases_are_asked_for_at_their_new_place() {
    let mut project = Project::new("FROM docker.io/library/python:3.11-slim\n");
    let options = &mut project.options.base_images;
    options.insert(
        "python:3.11-slim".into(),
        "127.0.0.1:5000/base/python:3".into(),
    );
    let shelf = Shelf::default();
    shelf.put("127.0.0.1:5000/base/python:3", "5");
    let exact = format!("127.0.0.1:5000/base/python@{}", digest("5"));
    assert_eq!(
        bases(&project.item(&shelf).await),
        [format!("python:3.11-slim = {exact}")]
    );
    // All that are replaced count where it is not certain which is used.
    project.write("code/one/Dockerfile", "ARG V\nFROM python:$V\n");
    assert_eq!(
        bases(&project.item(&shelf).await),
        [format!("python:3.11-slim = {exact}")]
    );
    let options = &mut project.options.base_images;
    options.insert("python:3.11-slim".into(), "python:local".into());
    shelf.asked();
    assert_eq!(
        bases(&project.item(&shelf).await),
        ["python:3.11-slim = python:local"]
    );
    let asked = shelf.asked();
    let python = asked.iter().filter(|question| question.contains("python"));
    assert_eq!(python.collect::<Vec<_>>(), ["engine python:local"]);
}

#[tokio::test]
async fn a_base_that_only_the_engine_has_counts_by_its_id() {
    let mut project = Project::new("FROM base:1\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    let by_name = project.item(&shelf).await;
    let own = "docker.io/library/base:1";
    let put = |name: &str, hex: &str| {
        let mut engine = shelf.engine.lock().unwrap();
        engine.insert(name.to_owned(), digest(hex));
    };
    for replaced in [None, Some("local/base:2")] {
        let name = replaced.unwrap_or(own);
        if let Some(by) = replaced {
            project
                .options
                .base_images
                .insert("base:1".into(), by.into());
        }
        put(name, "1");
        let one = project.item(&shelf).await;
        assert_eq!(bases(&one), [format!("base:1 = {name}")]);
        assert_eq!(one.base_images[0].id, Some(digest("1")));
        assert_ne!(one.key, by_name.key);
        assert_eq!(project.item(&shelf).await.key, one.key);
        // The merge of a pin changes nothing of it, whatever the engine has by then.
        let plan = project.plan(&shelf).await;
        put(name, "2");
        assert_eq!(project.after(&plan, &[]).await, []);
        let two = project.item(&shelf).await;
        assert_ne!(two.key, one.key);
        let old = plan.record(&plan.items[0]).unwrap();
        let plan = project.plan(&shelf).await;
        let new = plan.record(&plan.items[0]).unwrap();
        let (from, to) = (
            digest("1").short().to_owned(),
            digest("2").short().to_owned(),
        );
        let told: Vec<String> = old.diff(&new).iter().map(ToString::to_string).collect();
        assert_eq!(told, [format!("base `base:1` moved {from}→{to}")]);
    }
    // What a registry has is not asked of the engine.
    project.options.base_images.clear();
    shelf.put(own, "3");
    shelf.asked();
    project.item(&shelf).await;
    assert!(
        !shelf
            .asked()
            .iter()
            .any(|asked| asked.starts_with("engine"))
    );
}

#[tokio::test]
async fn a_base_that_no_registry_shows_counts_by_its_name() {
    let project = Project::new("FROM base:local\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    let name = "docker.io/library/base:local";
    for answer in [None, Some(Answer::Unauthorized), Some(Answer::Forbidden)] {
        if let Some(answer) = answer {
            shelf.answer(name, answer);
        }
        assert_eq!(
            bases(&project.item(&shelf).await),
            [format!("base:local = {name}")]
        );
    }
    shelf.answer(name, Answer::Unavailable);
    let error = project.try_plan(&shelf).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "look up base image `base:local` of code/one/Dockerfile:1"
    );
    assert_eq!(error.class(), ErrorClass::Build);

    let private = Project::new("FROM scratch\n\nFROM ghcr.io/a/b:1\n");
    shelf.answer("ghcr.io/a/b:1", Answer::Forbidden);
    let error = private.try_plan(&shelf).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "look up base image `ghcr.io/a/b:1` of code/one/Dockerfile:3"
    );
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_login_that_is_not_taken_unpins_nothing() {
    let project = Project::new("FROM python:3\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    shelf.answer("docker.io/library/python:3", Answer::BadLogin);
    let error = project.try_plan(&shelf).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "look up base image `python:3` of code/one/Dockerfile:1"
    );
    assert!(error.hint().unwrap().contains("docker login docker.io"));

    // Who may ask for the digest and not for more does not get another key.
    shelf.put("docker.io/library/python:3", "1");
    shelf.no_configs.store(true, Ordering::Relaxed);
    let error = project.try_plan(&shelf).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "look up base image `python:3` of code/one/Dockerfile:1"
    );
}

#[tokio::test]
async fn a_base_that_moves_counts_in_every_dockerfile() {
    for text in [
        "FROM python:3\nRUN python3 - <<EOF\nimport os\nEOF\nCOPY libs /libs\n",
        "FROM python:3\nRUN cat <<EOF > /x\nCOPY . /y\nEOF\n",
        "FROM python:3\nRUN cat <<-'EOF' | sh\n\tEOF\nRUN --new-flag x\n",
        "ARG A=\"3\" B=\"slim\"\nFROM python:$A\n",
        "ARG A=x \\\n  B=3\nFROM python:$B\n",
        "ARG V='3'\nFROM python:${V}\n",
        "FROM scratch\nRUN --mount=\"type=bind,from=python:3,target=/p\" x\n",
        "# syntax=example.org/mine\nFROM python:3\nANYTHING <<\n",
        "FROM scratch AS a\nFROM python:3 AS A\nNEW instruction\n",
        "FROM python:3 AS base-amd64\nFROM base-$TARGETARCH\n",
    ] {
        let project = Project::new(text);
        let shelf = Shelf::default();
        shelf.put("docker.io/library/python:3", "1");
        let item = project.item(&shelf).await;
        let exact = format!("python:3 = docker.io/library/python@{}", digest("1"));
        assert_eq!(bases(&item), [exact], "{text}");
        shelf.put("docker.io/library/python:3", "2");
        assert_ne!(project.item(&shelf).await.key, item.key, "{text}");
    }
}

#[tokio::test]
async fn a_stage_with_the_name_of_its_base_keeps_its_instructions() {
    let mut project = Project::new("FROM node AS node\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    shelf.put("docker.io/library/node:latest", "1");
    let item = project.item(&shelf).await;
    assert!(item.base_images[0].shadowed);
    let exact = format!("node = docker.io/library/node@{}", digest("1"));
    assert_eq!(bases(&item), [exact]);
    let json = serde_json::to_string(&item).unwrap();
    assert_eq!(serde_json::from_str::<Planned>(&json).unwrap(), item);

    let options = &mut project.options.base_images;
    options.insert("node".into(), "127.0.0.1:5000/base/node:1".into());
    let error = project.try_plan(&shelf).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "replace base image `node` of code/one/Dockerfile:1: a stage has the same name"
    );
    assert_eq!(error.class(), ErrorClass::Input);
    assert!(error.hint().is_some());
    // A stage is no image, whatever is not certain beside it.
    project.write("code/one/Dockerfile", "FROM scratch AS node\nFROM a-$X\n");
    assert_eq!(bases(&project.item(&shelf).await), [""; 0]);
}

#[tokio::test]
async fn base_images_are_asked_only_for_what_is_not_there() {
    let project = Project::new("FROM python:3\nCOPY libs /libs\n");
    let two = "ref: x/two@1\nimage:\n  oci: sha256:pending\nbuild:\n  context: .\n  \
               dockerfile: two/Dockerfile\n";
    project.write("code/registry/two.yaml", two);
    project.write("code/two/Dockerfile", "FROM python:3\nCOPY one /one\n");
    let shelf = Shelf::default();
    shelf.put("docker.io/library/python:3", "1");
    let configs = || {
        let asked = shelf.asked().into_iter();
        asked.filter(|asked| asked.starts_with("configs")).count()
    };
    let first = project.plan(&shelf).await;
    assert_eq!(configs(), 1);
    let built = |item: &Planned, hex: &str| {
        let tag = item.repository.tagged(&item.key.tag());
        shelf.answer(&tag, Answer::Digest(digest(hex)));
    };
    built(&first.items[0], "6");
    built(&first.items[1], "7");
    shelf.no_configs.store(true, Ordering::Relaxed);
    let again = project.plan(&shelf).await;
    assert!(again.items.iter().all(|item| item.reused().is_some()));
    // One that is there says enough for the other.
    project.write("code/libs/a.py", "changed");
    let changed = project.plan(&shelf).await;
    assert!(changed.items[0].reused().is_none() && changed.items[1].reused().is_some());
    assert_eq!(configs(), 0);

    // And the other way round: an image that adds something is never taken for one that does not,
    // though the files are the same.
    shelf.no_configs.store(false, Ordering::Relaxed);
    shelf.put("docker.io/library/python:3", "2");
    let nothing = project.plan(&shelf).await;
    let mut adds = shelf.configs.lock().unwrap().clone();
    adds.insert(digest("2"), config(&["RUN x"], None));
    *shelf.configs.lock().unwrap() = adds;
    let something = project.plan(&shelf).await;
    assert_ne!(something.items[0].key, nothing.items[0].key);
    built(&something.items[0], "8");
    built(&something.items[1], "9");
    let again = project.plan(&shelf).await;
    assert!(again.items.iter().all(|item| item.reused().is_some()));
    assert_eq!(project.after(&again, &[]).await, []);
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
async fn what_a_base_image_adds_counts() {
    let project = Project::new("FROM python:3\nCOPY one /one\n");
    let shelf = Shelf::default();
    shelf.put("docker.io/library/python:3", "1");
    let sees_other = async || {
        let before = project.item(&shelf).await.key;
        let path = project.folder.path().join("code/other/c.py");
        let text = std::fs::read_to_string(path).unwrap();
        project.write("code/other/c.py", &format!("{text}."));
        project.item(&shelf).await.key != before
    };
    assert!(!sees_other().await);
    let set = |lines: &[&str]| {
        let mut configs = shelf.configs.lock().unwrap();
        configs.insert(digest("1"), config(lines, None));
    };
    set(&["COPY libs /libs"]);
    assert!(!sees_other().await);
    set(&["COPY other /other", "RUN make"]);
    assert!(sees_other().await);
    set(&["ADD . /app"]);
    assert!(sees_other().await);
    // Nobody can say.
    shelf.configs.lock().unwrap().clear();
    assert!(sees_other().await);

    // Who sees everything anyway does not ask.
    project.write("code/one/Dockerfile", "FROM python:3\nCOPY . /app\n");
    shelf.asked();
    project.item(&shelf).await;
    let asked = shelf.asked();
    assert!(
        !asked.iter().any(|question| question.starts_with("configs")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_key_that_is_there_is_reused_and_403_means_it_is_not() {
    let project = Project::new("FROM scratch\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    let item = project.item(&shelf).await;
    assert_eq!(why(&item), "first build");
    let tag = format!("{REPOSITORY}:{}", item.key.tag());
    assert_eq!(shelf.asked(), [format!("resolve {tag}")]);
    shelf.answer(&tag, Answer::Forbidden);
    assert_eq!(why(&project.item(&shelf).await), "first build");
    shelf.answer(&tag, Answer::Unauthorized);
    assert!(project.try_plan(&shelf).await.is_err());
    shelf.put(&tag, "6");
    let item = project.item(&shelf).await;
    assert_eq!(
        item.decision,
        Decision::Reuse {
            digest: digest("6")
        }
    );
}

#[tokio::test]
async fn age_and_force_build_again() {
    let mut project = Project::new("FROM scratch\n");
    let shelf = Shelf::default();
    let key = project.item(&shelf).await.key;
    shelf.put(&format!("{REPOSITORY}:{}", key.tag()), "6");
    let made = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(50);
    shelf
        .configs
        .lock()
        .unwrap()
        .insert(digest("6"), config(&[], Some(made)));
    project.options.max_age = Some(Duration::from_secs(3600 * 60));
    assert!(project.item(&shelf).await.reused().is_some());
    project.options.max_age = Some(Duration::from_secs(3600 * 40));
    let item = project.item(&shelf).await;
    assert_eq!(item.why(), Why::TooOld { made });
    assert_eq!(
        why(&item),
        format!("too old: made {}", made.strftime("%Y-%m-%d"))
    );
    assert_eq!(item.key, key);
    project.options.rebuild = true;
    assert_eq!(why(&project.item(&shelf).await), "forced");
}

/// An image that only sets metadata says of itself that it is as old as its base, whenever it was
/// built.
#[tokio::test]
async fn age_is_counted_from_the_last_build_and_ends_in_no_loop() {
    let mut project = Project::new("FROM scratch\nUSER 5\n");
    project.options.max_age = Some(Duration::from_secs(3600 * 40));
    let shelf = Shelf::default();
    let key = project.item(&shelf).await.key;
    shelf.put(&format!("{REPOSITORY}:{}", key.tag()), "6");
    let ago = |hours| jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
    let base = config(&[], Some(ago(10_000)));
    shelf.configs.lock().unwrap().insert(digest("6"), base);
    let plan = project.plan(&shelf).await;
    assert!(matches!(plan.items[0].why(), Why::TooOld { .. }));

    // Built again, to the same image.
    shelf
        .records
        .lock()
        .unwrap()
        .insert(digest("6"), vec![Vec::new()]);
    let noted = |hours| shelf.noted.lock().unwrap().insert(digest("6"), ago(hours));
    noted(1);
    assert_eq!(project.after(&plan, &[]).await, []);
    assert!(project.item(&shelf).await.reused().is_some());
    noted(50);
    assert!(matches!(
        project.item(&shelf).await.why(),
        Why::TooOld { .. }
    ));

    // A time that was chosen says nothing of the age, but the note does.
    project.options.settings.source_date_epoch = Some(0);
    let key = project.item(&shelf).await.key;
    shelf.put(&format!("{REPOSITORY}:{}", key.tag()), "7");
    let chosen = config(&[], Some(jiff::Timestamp::UNIX_EPOCH));
    shelf.configs.lock().unwrap().insert(digest("7"), chosen);
    assert!(project.item(&shelf).await.reused().is_some());
    shelf
        .records
        .lock()
        .unwrap()
        .insert(digest("7"), vec![Vec::new()]);
    shelf.noted.lock().unwrap().insert(digest("7"), ago(50));
    assert!(matches!(
        project.item(&shelf).await.why(),
        Why::TooOld { .. }
    ));
}

#[tokio::test]
async fn offline_asks_nobody() {
    let mut project = Project::new("FROM python:3\nCOPY libs /libs\n");
    project.options.offline = true;
    let shelf = Shelf::default();
    let item = project.item(&shelf).await;
    assert_eq!(shelf.asked(), [""; 0]);
    assert_eq!(item.why(), Why::NotAsked);
    assert_eq!(bases(&item), ["python:3 = docker.io/library/python:3"]);
}

#[tokio::test]
async fn says_what_changed_since_the_pin() {
    let project = Project::new("ARG X\nFROM python:3\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    shelf.put("docker.io/library/python:3", "1");
    let first = project.plan(&shelf).await;
    let record = first.record(&first.items[0]).unwrap();
    assert_eq!(record.key, first.items[0].key);
    assert_eq!(
        record.files.keys().collect::<Vec<_>>(),
        ["libs/a.py", "libs/deep/b.py"]
    );
    assert!(record.files["libs/a.py"].starts_with("100644 "));

    project.pin(&format!("{REPOSITORY}@{}", digest("8")));
    project.write("code/libs/a.py", "changed");
    assert_eq!(why(&project.item(&shelf).await), "inputs changed");
    let keep = |bytes: Vec<Vec<u8>>| {
        shelf.records.lock().unwrap().insert(digest("8"), bytes);
    };
    keep(vec![b"nonsense".to_vec()]);
    assert_eq!(why(&project.item(&shelf).await), "inputs changed");
    // One that can be read is enough.
    keep(vec![b"nonsense".to_vec(), record.to_bytes().unwrap()]);
    let short = digest("8").short().to_owned();
    let item = project.item(&shelf).await;
    assert_eq!(
        why(&item),
        format!("`code/libs/a.py` changed since pin {short}")
    );

    // An image that came out the same from other inputs has a record of each, in any order.
    let mut further = record.clone();
    further.dockerfile_sha256 = "0".repeat(64);
    further.context_sha256 = "0".repeat(64);
    further.files.insert("libs/z.py".into(), "100644 1".into());
    let further = further.to_bytes().unwrap();
    keep(vec![record.to_bytes().unwrap(), further]);
    assert_eq!(why(&project.item(&shelf).await), why(&item));

    shelf.put("docker.io/library/python:3", "2");
    project.write("code/libs/b.py", "new");
    assert_eq!(
        why(&project.item(&shelf).await),
        format!("`code/libs/a.py` changed since pin {short} (and 2 more)")
    );
    project.write("code/libs/a.py", "libs/a.py");
    std::fs::remove_file(project.folder.path().join("code/libs/b.py")).unwrap();
    let (from, to) = (
        digest("1").short().to_owned(),
        digest("2").short().to_owned(),
    );
    assert_eq!(
        why(&project.item(&shelf).await),
        format!("base `python:3` moved {from}→{to} since pin {short}")
    );
    // A few are named, all are counted.
    for index in 0..100 {
        project.write(&format!("code/libs/new_{index}.py"), "");
    }
    let Why::Changed { changes, more, .. } = project.item(&shelf).await.why() else {
        panic!("changed");
    };
    assert_eq!((changes.len(), more), (20, 81));
}

#[tokio::test]
async fn a_plan_that_was_read_has_no_records_and_is_the_same() {
    let project = Project::new("FROM scratch\nCOPY . /\n");
    let plan = project.plan(&Shelf::default()).await;
    let json = serde_json::to_string(&plan).unwrap();
    assert!(json.len() < 1000, "{json}");
    let read: BuildPlan = serde_json::from_str(&json).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.record(&read.items[0]), None);
    let record = plan.record(&plan.items[0]).unwrap();
    let bytes = record.to_bytes().unwrap();
    assert_eq!(InputsRecord::from_bytes(&bytes).unwrap(), record);
}

#[tokio::test]
async fn values_of_build_arguments_are_nowhere_in_the_record() {
    let project = Project::new("FROM scratch\nARG TOKEN\n");
    project.write(
        "code/registry/one.yaml",
        "ref: x/one@1\nimage:\n  oci: sha256:pending\nbuild:\n  context: .\n  \
         dockerfile: one/Dockerfile\n  args:\n    TOKEN: very-private\n",
    );
    let plan = project.plan(&Shelf::default()).await;
    let record = plan.record(&plan.items[0]).unwrap();
    assert!(record.args.contains_key("TOKEN"));
    assert!(
        !serde_json::to_string(&record)
            .unwrap()
            .contains("very-private")
    );
}

#[tokio::test]
async fn merging_pins_builds_nothing() {
    // The registry file lies in what is copied: its pin does not count.
    let project = Project::new("FROM python:3\nCOPY . /app\n");
    let shelf = Shelf::default();
    shelf.put("docker.io/library/python:3", "1");
    let plan = project.plan(&shelf).await;
    shelf.asked();
    let edits = [("code/registry/one.yaml", project.pinned(&PinPlace::Oci))];
    assert_eq!(project.after(&plan, &edits).await, []);
    assert_eq!(shelf.asked(), [""; 0]);
    // And so it is when it is merged.
    project.write(
        "code/registry/one.yaml",
        std::str::from_utf8(&edits[0].1).unwrap(),
    );
    assert_eq!(project.item(&shelf).await.key, plan.items[0].key);
}

#[tokio::test]
async fn a_loop_is_found_before_it_starts() {
    // The other pin is an alias: it cannot be told from the rest of the file.
    let project = Project::new("FROM scratch\nCOPY . /app\n");
    project.write(
        "code/registry/one.yaml",
        "ref: x/one@1\nx-old: &old sha256:pending\nimage:\n  platforms:\n    amd64: sha256:pending\n    \
         arm64: *old\nbuild:\n  context: .\n  dockerfile: one/Dockerfile\n",
    );
    let plan = project.plan(&Shelf::default()).await;
    let amd64 = PinPlace::Platform("linux/amd64".parse().unwrap());
    let edits = [("code/registry/one.yaml", project.pinned(&amd64))];
    let again = project.after(&plan, &edits).await;
    let told: Vec<String> = again
        .iter()
        .map(|again| {
            let changes: Vec<String> = again.changes.iter().map(ToString::to_string).collect();
            format!("{}: {}", again.name, changes.join(", "))
        })
        .collect();
    assert_eq!(
        told,
        ["x/one@1 linux/amd64: `code/registry/one.yaml` changed"]
    );
    // It is a loop indeed.
    project.write(
        "code/registry/one.yaml",
        std::str::from_utf8(&edits[0].1).unwrap(),
    );
    let merged = project.item(&Shelf::default()).await;
    assert_ne!(merged.key, plan.items[0].key);
}

#[tokio::test]
async fn a_tree_that_was_edited_since_the_build_is_told_apart() {
    let project = Project::new("FROM scratch\nCOPY libs /libs\n");
    let plan = project.plan(&Shelf::default()).await;
    project.write("code/libs/a.py", "edited");
    let again = project.after(&plan, &[]).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].changes, []);
    // An edit of the Dockerfile counts, too, and what it sees follows from it.
    project.write("code/libs/a.py", "libs/a.py");
    let dockerfile = b"FROM scratch\nCOPY one /one\n".to_vec();
    let again = project
        .after(&plan, &[("code/one/Dockerfile", dockerfile)])
        .await;
    assert_eq!(
        again[0].changes[0].to_string(),
        "`code/one/Dockerfile` changed"
    );
}

#[tokio::test]
async fn equal_keys_do_not_depend_on_where_the_repository_lies() {
    let one = Project::new("FROM scratch\nCOPY libs /libs\n");
    let two = Project::new("FROM scratch\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    assert_eq!(one.item(&shelf).await.key, two.item(&shelf).await.key);
    assert_ne!(one.folder.path(), Path::new(two.folder.path()));
}
