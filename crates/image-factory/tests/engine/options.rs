//! What can be wished for when building, on the engine that is there.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, Mutex};

use image_factory::FactoryError;
use image_factory::build::{BuildFailure, BuildReport, BuildSecret, Outcome, SecretSource};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::common::{Project, shell, with_store};

/// Keeps the events of a build, as `target|item|status or step|text`.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, start: &str) -> Vec<String> {
        let all = self.all();
        let ours = all.iter().filter_map(|event| event.strip_prefix(start));
        ours.map(str::to_owned).collect()
    }
}

#[derive(Default)]
struct Fields {
    item: String,
    more: String,
    text: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "item" => self.item = format!("{value:?}"),
            "message" => self.text = format!("{value:?}"),
            "stage" => {}
            _ => self.more += &format!("{value:?} "),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("pipeline::")
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let target = event.metadata().target().trim_start_matches("pipeline::");
        let (item, more, text) = (fields.item, fields.more, fields.text);
        let line = format!("{target}|{item}|{}|{text}", more.trim_end());
        self.0.lock().unwrap().push(line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn failure(ended: Result<BuildReport, FactoryError>) -> BuildFailure {
    match ended {
        Err(FactoryError::BuildFailed(failure)) => *failure,
        other => panic!("{other:?}"),
    }
}

/// A step that tells when it begins and ends. It does not end before another of the same project has
/// begun, which it learns from the folder that they share: the first two run side by side, however
/// busy the machine is. It gives up after a minute.
fn meets(project: &Project, name: &str) -> String {
    let shared = project.root().display();
    format!(
        "COPY bin/busybox /bin/sleep\nCOPY bin/busybox /bin/cat\n\
         RUN --mount=type=cache,id={shared},target=/shared cat /proc/uptime; : > /shared/{name}; \
         i=0; while set -- /shared/*; [ $# -lt 2 ]; do \
         i=$((i+1)); [ $i -lt 600 ] || exit 7; sleep 0.1; done; sleep 0.5; cat /proc/uptime\n"
    )
}

#[tokio::test]
async fn no_more_are_built_at_once_than_wanted_and_the_images_are_the_same() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        for name in ["a", "b", "c", "d", "e"] {
            // Else they have the step in common.
            project.write(&format!("code/{name}"), name);
            let step = meets(&project, name);
            project.processor(
                name,
                &shell(&format!("COPY {name} /{name}\n{step}CMD [\"{name}\"]\n")),
                "",
            );
        }
        let plan = project.plan(&store.client).await;
        let heard = Heard::default();
        let guard = tracing::subscriber::set_default(heard.clone());
        let bounded = project
            .build_with(&plan, store, |options| {
                options.jobs = std::num::NonZero::new(2);
            })
            .await
            .unwrap();
        drop(guard);

        let mut times: Vec<(f64, i32)> = Vec::new();
        for name in ["a", "b", "c", "d", "e"] {
            let log = heard.of(&format!("log|x/{name}@1||"));
            assert_eq!(log.len(), 2, "{log:?}");
            for (line, change) in log.iter().zip([1, -1]) {
                let uptime = line.split(' ').next().unwrap().parse().unwrap();
                times.push((uptime, change));
            }
        }
        times.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let mut running = 0;
        let mut most = 0;
        for (_, change) in times {
            running += change;
            most = most.max(running);
        }
        assert_eq!(most, 2);

        // The same again without a look at what is there, all at once and from the cache.
        project.options.offline = true;
        let plan = project.plan(&store.client).await;
        let unbounded = project.build(&plan, store).await.unwrap();
        let images = |report: &BuildReport| -> Vec<String> {
            let built = report.built.iter();
            built.map(|built| built.image.to_string()).collect()
        };
        assert_eq!(images(&bounded), images(&unbounded));
        for (one, other) in bounded.built.iter().zip(&unbounded.built) {
            assert_eq!(other.decision, Outcome::Built);
            assert_ne!(one.tags, other.tags);
        }
    })
    .await;
}

#[tokio::test]
async fn progress_is_told_once() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        project.processor("good", &shell("RUN echo \"$(echo hello)\"\n"), "");
        project.processor("bad", &shell("RUN echo bye; exit 3\n"), "");
        let plan = project.plan(&store.client).await;
        let heard = Heard::default();
        let guard = tracing::subscriber::set_default(heard.clone());
        failure(project.build(&plan, store).await);
        drop(guard);

        let all = heard.all();
        let count = |line: &str| all.iter().filter(|event| event.starts_with(line)).count();
        for once in [
            "progress|x/good@1|item-start|started",
            "progress|x/good@1|3 3|RUN echo",
            "progress|x/good@1|item-done|pushed ",
            "progress|x/bad@1|item-start|started",
            "progress|x/bad@1|item-failed|process \"/bin/sh -c echo bye; exit 3\"",
            "log|x/good@1||hello",
            "log|x/bad@1||bye",
        ] {
            assert_eq!(count(once), 1, "{once} in {all:#?}");
        }
        assert_eq!(count("progress|x/bad@1|item-done"), 0);
    })
    .await;
}

/// A line and a file that differ each time.
const RANDOM: &str = "read id < /proc/sys/kernel/random/uuid && echo $id && echo $id > /id";
const SLEEP: &str = "COPY bin/busybox /bin/sleep\n";

#[tokio::test]
async fn what_is_built_anew_is_not_built_twice_if_another_fails() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        project.options.rebuild = true;
        project.processor("good", &shell(&format!("RUN {RANDOM}\n")), "");
        // The other comes to its end meanwhile.
        let slow = shell(&format!("{SLEEP}RUN sleep 8; exit 3\n"));
        project.processor("bad", &slow, "");
        let plan = project.plan(&store.client).await;
        let heard = Heard::default();
        let guard = tracing::subscriber::set_default(heard.clone());
        let failure = failure(project.build(&plan, store).await);
        drop(guard);
        assert_eq!(failure.report.built.len(), 1);
        let runs = heard.of("log|x/good@1||");
        assert_eq!(runs.len(), 1, "{runs:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_stopped_by_another_is_still_built_anew() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        let slow = shell(&format!("{SLEEP}RUN sleep 3; {RANDOM}\n"));
        project.processor("good", &slow, "");
        let plan = project.plan(&store.client).await;
        let first = project.build(&plan, store).await.unwrap();

        project.options.rebuild = true;
        project.processor("bad", &shell("RUN exit 3\n"), "");
        let plan = project.plan(&store.client).await;
        let failure = failure(project.build(&plan, store).await);
        let again = &failure.report.built[0];
        assert_eq!(again.reference, first.built[0].reference);
        // The cache has the old one still.
        assert_ne!(again.image.digest, first.built[0].image.digest);
    })
    .await;
}

#[tokio::test]
async fn fail_fast_stops_what_is_left() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        project.processor("a", &shell("RUN exit 3\n"), "");
        project.processor("b", &shell("CMD [\"b\"]\n"), "");
        project.processor("c", &shell("CMD [\"c\"]\n"), "");
        let plan = project.plan(&store.client).await;
        let ended = project
            .build_with(&plan, store, |options| {
                options.fail_fast = true;
                options.jobs = std::num::NonZero::new(1);
            })
            .await;
        let stopped = failure(ended);
        assert_eq!(stopped.failed[0].name, "x/a@1");
        assert_eq!(stopped.stopped, ["x/b@1", "x/c@1"]);
        assert!(stopped.report.built.is_empty());

        let ended = project
            .build_with(&plan, store, |options| options.fail_fast = true)
            .await;
        let stopped = failure(ended);
        assert_eq!(stopped.failed.len(), 1);
        assert_eq!(stopped.stopped, ["x/b@1", "x/c@1"]);
    })
    .await;
}

#[tokio::test]
async fn all_that_fail_are_told_with_their_lines() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        for name in ["a", "b", "c", "d"] {
            let dockerfile = format!("\nRUN echo {name} fails; exit 3\n");
            project.processor(name, &shell(&dockerfile), "");
        }
        project.processor("good", &shell(""), "");
        let plan = project.plan(&store.client).await;
        for jobs in [None, std::num::NonZero::new(2)] {
            let ended = project
                .build_with(&plan, store, |options| options.jobs = jobs)
                .await;
            let failure = failure(ended);
            let mut told: Vec<_> = failure
                .failed
                .iter()
                .map(|failed| (failed.name.as_str(), failed.line, failed.log.join("/")))
                .collect();
            told.sort_unstable();
            let expected = ["a", "b", "c", "d"].map(|name| format!("x/{name}@1"));
            assert_eq!(told.len(), 4, "{told:?}");
            for ((name, line, log), expected) in told.iter().zip(&expected) {
                assert_eq!((*name, *line), (expected.as_str(), Some(5)));
                assert_eq!(log, &format!("{} fails", &expected[2..3]));
            }
            assert_eq!(failure.report.built.len(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_reaches_the_dockerfile_and_nothing_else() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        let value = format!("very-{}", uuid::Uuid::new_v4());
        project.write("token", &value);
        let secret = || {
            let source = SecretSource::File("token".into());
            vec![BuildSecret::new("token", source).unwrap()]
        };
        let mount = "RUN --mount=type=secret,id=token read t < /run/secrets/token;";
        let good = format!("{mount} test ${{#t}} = {}\n", value.len());
        project.processor("good", &shell(&good), "");
        project.processor(
            "leaks",
            &shell(&format!("{mount} echo \"it is $t\"; exit 3\n")),
            "",
        );
        let plan = project.plan(&store.client).await;
        let heard = Heard::default();
        let guard = tracing::subscriber::set_default(heard.clone());
        let ended = project
            .build_with(&plan, store, |options| options.secrets = secret())
            .await;
        drop(guard);
        let failure = failure(ended);
        assert_eq!(failure.failed.len(), 1);
        assert_eq!(failure.failed[0].log, ["it is ***"]);
        assert_eq!(failure.report.built.len(), 1);
        let told = heard.all().join("\n");
        assert!(!told.contains(&value), "{told}");
        assert!(!format!("{failure:?}").contains(&value));
    })
    .await;
}

#[tokio::test]
async fn labels_of_the_plan_and_the_standard_ones_are_in_the_image() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        project.processor("one", &shell(""), "");
        let labels = &mut project.options.settings.labels;
        labels.insert("team".to_owned(), "${HOME}, ml".to_owned());
        labels.insert(
            "org.opencontainers.image.revision".to_owned(),
            "own".to_owned(),
        );
        let plan = project.plan(&store.client).await;
        let report = project
            .build_with(&plan, store, |options| {
                options.source = Some("https://github.com/acme/models".to_owned());
                options.revision = Some("of the option".to_owned());
            })
            .await
            .unwrap();
        let configs = store.client.configs(&report.built[0].image).await.unwrap();
        let labels = &configs[0].labels;
        assert_eq!(labels["team"], "${HOME}, ml");
        assert_eq!(labels["org.opencontainers.image.revision"], "own");
        assert_eq!(
            labels["org.opencontainers.image.source"],
            "https://github.com/acme/models"
        );
    })
    .await;
}
