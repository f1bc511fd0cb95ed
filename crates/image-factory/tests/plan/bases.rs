//! Which images a Dockerfile is built from, and what they add.

use std::sync::atomic::Ordering;

use image_factory::ErrorClass;
use image_factory::plan::Planned;

use super::shelf::{Answer, Shelf, config, digest};
use super::{Project, bases};

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
