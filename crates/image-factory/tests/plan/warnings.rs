//! What a plan warns of: things that it does not watch.

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::Project;
use super::shelf::{Shelf, digest};

/// Keeps the text of each warning.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

async fn warnings(project: &Project, shelf: &Shelf) -> String {
    let heard = Heard::default();
    let guard = tracing::subscriber::set_default(heard.clone());
    project.plan(shelf).await;
    drop(guard);
    let all = heard.0.lock().unwrap();
    all.join("\n")
}

#[tokio::test]
async fn git_that_the_builder_is_sent_is_told_wherever_it_lies() {
    let project = Project::new("FROM scratch\n");
    let shelf = Shelf::default();
    for file in [".git/HEAD", "libs/deep/.git", "other/.git/HEAD"] {
        project.write(&format!("code/{file}"), "x");
    }
    for (copied, expected) in [
        ("libs/*.py", ""),
        ("one", ""),
        ("libs/deep/b.py", ""),
        ("libs", "libs/deep/.git"),
        ("libs/*", "libs/deep/.git"),
        ("libs/*/.g*", "libs/deep/.git"),
        ("other", "other/.git"),
        (".", ".git"),
        ("[l]ibs", ".git"),
        (".*", ".git"),
        ("other/.git/HEAD", "named other/.git"),
        (".git", "named .git"),
        ("libs one .git", "named .git"),
    ] {
        project.write(
            "code/one/Dockerfile",
            &format!("FROM scratch\nCOPY {copied} /x/\n"),
        );
        let told = warnings(&project, &shelf).await;
        let named = expected.strip_prefix("named ");
        let expected = match (expected, named) {
            ("", _) => String::new(),
            (_, Some(path)) => format!(
                "code/one/Dockerfile: the builder is sent `code/{path}`, which does not count: its \
                 history reaches the image, and no commit builds it again: give what is needed of \
                 it by a build argument"
            ),
            (path, None) => format!(
                "code/one/Dockerfile: the builder is sent `code/{path}`, which does not count: \
                 list it in `.dockerignore`"
            ),
        };
        assert_eq!(told, expected, "{copied}");
    }
    project.write("code/one/Dockerfile", "FROM scratch\nCOPY . /x\n");
    project.write("code/.dockerignore", "**/.git\n");
    assert_eq!(warnings(&project, &shelf).await, "");
    project.write("code/.dockerignore", ".git\nlibs\n");
    let told = warnings(&project, &shelf).await;
    assert!(told.contains("`code/other/.git`"), "{told}");
}

#[tokio::test]
async fn what_is_fetched_and_not_watched_is_told() {
    let project = Project::new("FROM scratch\nADD https://example.org/model /model\n");
    let shelf = Shelf::default();
    insta::assert_snapshot!(warnings(&project, &shelf).await, @"code/one/Dockerfile:2: what `https://example.org/model` fetches is not looked at: nothing is built again when it changes; give `--checksum`, or the full commit of a git repository");
    let sum = digest("1");
    let text = format!("FROM scratch\nADD --checksum={sum} https://example.org/model /model\n");
    project.write("code/one/Dockerfile", &text);
    assert_eq!(warnings(&project, &shelf).await, "");
}

#[tokio::test]
async fn a_base_that_nobody_knows_is_told() {
    let mut project = Project::new("FROM base:1\n");
    let shelf = Shelf::default();
    let told = warnings(&project, &shelf).await;
    assert_eq!(
        told,
        "base image `base:1` of code/one/Dockerfile:1 counts by its name only: neither the \
         registry nor the engine has it"
    );
    let options = &mut project.options.base_images;
    options.insert("base:1".into(), "local/base:1".into());
    let told = warnings(&project, &shelf).await;
    assert!(
        told.ends_with("by its name only: the engine does not have it"),
        "{told}"
    );
    let known = ("local/base:1".to_owned(), digest("1"));
    shelf.engine.lock().unwrap().extend([known]);
    assert_eq!(warnings(&project, &shelf).await, "");
}
