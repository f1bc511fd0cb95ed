//! Plans, builds and pins on a real Docker engine with a real registry.

mod common;
#[path = "engine/containerd.rs"]
mod containerd;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/machine.rs"]
mod machine;
#[path = "engine/options.rs"]
mod options;
#[path = "engine/outcomes.rs"]
mod outcomes;
#[path = "common/proxy.rs"]
mod proxy;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Nowhere, Project, docker, dockerfile_of, file_of, files_below, shell, with_store};
use image_factory::build::{BuildOptions, BuildReport, Outcome, build};
use image_factory::pin::{apply, changes};
use image_factory::plan::{BuildPlan, Decision, Why};
use image_factory::{ErrorClass, FactoryError};
use oci::Likeness;
use tokio_util::sync::CancellationToken;

fn whys(plan: &BuildPlan) -> Vec<Why> {
    plan.items.iter().map(|item| item.why()).collect()
}

#[tokio::test]
async fn builds_once_pins_and_then_has_nothing_to_do() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        project.processor("one", &shell("CMD [\"one\"]\n"), "");
        project.processor("two", &shell("CMD [\"two\"]\n"), "");
        project.write("code/README.md", "not in any image");

        let plan = project.plan(&store.client).await;
        assert_eq!(whys(&plan), [Why::FirstBuild, Why::FirstBuild]);
        let report = project.build(&plan, store).await.unwrap();
        for (built, item) in report.built.iter().zip(&plan.items) {
            assert_eq!(built.decision, Outcome::Built);
            assert_eq!(built.image.repository, item.repository);
            assert!(built.seconds > 0.0, "{built:?}");
            for tag in [&built.tags[0], &item.key.tag()] {
                let found = store.resolve(&built.image.repository, tag).await;
                assert_eq!(found.as_ref(), Some(&built.image.digest), "{tag}");
            }
        }
        assert_ne!(report.built[0].image.digest, report.built[1].image.digest);

        let file = project.root().join("report.json");
        report.write(&file).unwrap();
        assert_eq!(BuildReport::read(&file).unwrap(), report);
        std::fs::remove_file(&file).unwrap();

        let found = changes(&report, &project.registry()).unwrap();
        assert_eq!(apply(project.root(), &found).unwrap(), 2);
        let text = project.read(&file_of("one"));
        assert!(text.contains(&report.built[0].image.to_string()), "{text}");
        assert!(text.contains("# the bot writes here"), "{text}");

        // The pins lie in the context, and still nothing is to be built, nor to be pinned.
        let again = project.plan(&store.client).await;
        assert_eq!(whys(&again), [Why::SameInputs, Why::SameInputs]);
        assert_eq!(again.items[0].key, plan.items[0].key);
        let reused = project.build(&again, store).await.unwrap();
        assert_eq!(reused.built[0].decision, Outcome::Reused);
        assert_eq!(reused.built[0].image, report.built[0].image);
        assert!(changes(&reused, &project.registry()).unwrap().is_empty());

        // An argument that nothing asks for: built again, to the same bits, so nothing is to be pinned.
        for name in ["one", "two"] {
            let text = project.read(&file_of(name));
            project.write(
                &file_of(name),
                &format!("{text}  args: {{UNUSED: \"1\"}}\n"),
            );
        }
        let changed = project.plan(&store.client).await;
        assert!(
            matches!(whys(&changed)[..], [Why::Changed { .. }, _]),
            "{changed:?}"
        );
        let rebuilt = project.build(&changed, store).await.unwrap();
        assert_eq!(
            rebuilt.built[0].decision,
            Outcome::Kept(Likeness::Identical)
        );
        assert_eq!(rebuilt.built[0].image, report.built[0].image);
        assert!(changes(&rebuilt, &project.registry()).unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_failing_dockerfile_is_told_and_stops_no_other() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        project.processor("good", &shell("CMD [\"good\"]\n"), "");
        project.processor("runs", &shell("\nRUN echo about to fail; exit 3\n"), "");
        project.processor("typo", &shell("\n\nCOPPY a b\n"), "");

        let plan = project.plan(&store.client).await;
        let error = project.build(&plan, store).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Build);
        let FactoryError::BuildFailed(failure) = error else {
            panic!("another error: {error}");
        };
        let mut failed: Vec<_> = failure.failed.iter().collect();
        failed.sort_by_key(|failed| &failed.name);
        let told: Vec<_> = failed
            .iter()
            .map(|failed| (failed.name.as_str(), failed.line))
            .collect();
        assert_eq!(told, [("x/runs@1", Some(5)), ("x/typo@1", Some(6))]);
        assert_eq!(failed[0].dockerfile, Path::new(&dockerfile_of("runs")));
        assert_eq!(failed[0].log, ["about to fail"]);
        assert!(failed[0].message.contains("exit code: 3"), "{failure}");
        assert!(failed[1].message.contains("COPPY"), "{failure}");

        let good: Vec<_> = failure
            .report
            .built
            .iter()
            .map(|built| built.name())
            .collect();
        assert_eq!(good, ["x/good@1"]);
        let again = project.plan(&store.client).await;
        let kept = again.items.iter().find(|item| item.name() == "x/good@1");
        assert!(matches!(kept.unwrap().decision, Decision::Reuse { .. }));
    })
    .await;
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_told_of() {
    let project = Project::new("127.0.0.1:1");
    project.processor("one", &shell(""), "");
    let plan = project.plan(&Nowhere).await;
    // Nothing listens there.
    let client = oci::Client::new(oci::ClientOptions {
        credentials: oci::Credentials::Anonymous,
        retry: oci::RetryPolicy {
            attempts: 1,
            ..oci::RetryPolicy::default()
        },
        ..oci::ClientOptions::default()
    });
    let client = client.unwrap();
    let error = project.try_plan(&client).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Build);
    assert!(error.hint().is_some());

    let options = BuildOptions::new(project.root());
    let error = build(&plan, &client, &options, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, FactoryError::Registry(_)), "{error}");
    assert_eq!(error.class(), ErrorClass::Build);
}

#[tokio::test]
async fn base_images_are_replaced_and_their_digests_count() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        // The base comes from the same registry, as one more image.
        project.processor("base", &shell("RUN echo 1 > /version\n"), "");
        let built = project.plan(&store.client).await;
        let base = project.build(&built, store).await.unwrap().built.remove(0);
        store.client.tag(&base.image, "v1").await.unwrap();

        let from = "FROM docker.io/library/python:3.11-slim\nRUN test -f /version\n";
        project.processor("user", from, "");
        let reference = base.image.repository.tagged("v1");
        let mapping = &mut project.options.base_images;
        mapping.insert("python:3.11-slim".to_owned(), reference.clone());
        let plan = project.plan(&store.client).await;
        let user = plan
            .items
            .iter()
            .find(|item| item.name() == "x/user@1")
            .unwrap();
        assert_eq!(user.base_images[0].reference, base.image.to_string());
        let report = project.build(&plan, store).await.unwrap();
        assert_eq!(report.built.len(), 2);

        // Another base under another tag is another input; a base that is not used is none.
        let key = user.key.clone();
        let mapping = &mut project.options.base_images;
        mapping.insert("debian:12".to_owned(), "local:none".to_owned());
        let plan = project.plan(&store.client).await;
        assert_eq!(plan.items[1].key, key);
        project
            .options
            .base_images
            .insert("python:3.11-slim".to_owned(), "local:other".to_owned());
        let plan = project.plan(&store.client).await;
        assert_ne!(plan.items[1].key, key);
    })
    .await;
}

/// A named context would take the place of the stage.
#[tokio::test]
async fn a_stage_with_the_name_of_its_base_is_built() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        project.processor("base", &shell(""), "");
        let plan = project.plan(&store.client).await;
        let base = project.build(&plan, store).await.unwrap().built.remove(0);
        let image = base.image.repository.tagged(&base.tags[0]);
        // Stages have names without a host; the engine knows this one only.
        let name = format!("base-{}", uuid::Uuid::new_v4());
        docker(&["tag", &image, &name]).await;

        let user = format!("FROM {name} AS {name}\nLABEL own=yes\n");
        project.processor("user", &user, "");
        project.options.offline = true;
        let plan = project.plan(&store.client).await;
        let ended = project.build(&plan, store).await;
        docker(&["rmi", &name]).await;
        let report = ended.unwrap();
        let built = report.built.iter();
        let mut built = built.filter(|built| built.name() == "x/user@1");
        let configs = store.client.configs(&built.next().unwrap().image).await;
        assert_eq!(configs.unwrap()[0].labels["own"], "yes");
    })
    .await;
}

#[tokio::test]
async fn arguments_arrive_as_they_are_written() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        let test = "ARG A\nRUN test \"$A\" = '${HOME} %{if} \"q\" $$x'\n";
        let args = "  args:\n    A: '${HOME} %{if} \"q\" $$x'\n";
        project.processor("one", &shell(test), args);
        let plan = project.plan(&store.client).await;
        project.build(&plan, store).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_forced_build_stays_the_one_that_is_reused() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        // Each run of this step makes other bits.
        let random = shell("RUN read id < /proc/sys/kernel/random/uuid && echo $id > /id\n");
        project.processor("one", &random, "");
        let plan = project.plan(&store.client).await;
        let first = project.build(&plan, store).await.unwrap().built.remove(0);

        project.options.rebuild = true;
        let plan = project.plan(&store.client).await;
        assert_eq!(whys(&plan), [Why::Forced]);
        let second = project.build(&plan, store).await.unwrap().built.remove(0);
        assert_ne!(second.image.digest, first.image.digest);

        project.options.rebuild = false;
        let plan = project.plan(&store.client).await;
        assert_eq!(plan.items[0].reused(), Some(second.image));
    })
    .await;
}

#[tokio::test]
async fn a_key_that_somebody_else_took_meanwhile_is_not_overwritten() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        project.processor("one", &shell(""), "");
        let plan = project.plan(&store.client).await;
        let theirs = project.build(&plan, store).await.unwrap().built.remove(0);

        project.processor("one", &shell("CMD [\"other\"]\n"), "");
        let plan = project.plan(&store.client).await;
        let tag = plan.items[0].key.tag();
        store.client.tag(&theirs.image, &tag).await.unwrap();
        let error = project.build(&plan, store).await.unwrap_err();
        assert!(
            matches!(error, FactoryError::BuiltMeanwhile { .. }),
            "{error}"
        );
        assert_eq!(error.class(), ErrorClass::Build);
        let found = store.resolve(&theirs.image.repository, &tag).await;
        assert_eq!(found, Some(theirs.image.digest));
    })
    .await;
}

/// Whether a program of this machine has the text among its arguments.
#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
fn is_running(text: &str) -> bool {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let mut arguments = all.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
    arguments.any(|arguments| String::from_utf8_lossy(&arguments).contains(text))
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("in 30 s: {what}");
}

#[tokio::test]
async fn cancelling_ends_the_build() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        let sign = uuid::Uuid::new_v4().to_string();
        let endless = format!("RUN : {sign}; while true; do :; done\n");
        project.processor("slow", &shell(&endless), "");
        let plan = project.plan(&store.client).await;
        let cancel = CancellationToken::new();
        let options = BuildOptions::new(project.root());
        let build = build(&plan, &store.client, &options, &cancel);
        let stop = async {
            until("the step does not run", || is_running(&sign)).await;
            cancel.cancel();
            Instant::now()
        };
        let (ended, cancelled) = tokio::join!(build, stop);
        assert_eq!(ended.unwrap_err().class(), ErrorClass::Cancelled);
        assert!(cancelled.elapsed() < Duration::from_secs(20));
        until("the engine goes on with the step", || !is_running(&sign)).await;
    })
    .await;
}

/// What counts for the key is exactly what the engine is sent.
#[tokio::test]
async fn the_key_follows_the_files_that_the_engine_sees() {
    let project = Project::new("127.0.0.1:1");
    project.processor("all", "FROM scratch\nCOPY . /\n", "");
    let files = [
        "a.md",
        "docs/a.md",
        "docs/keep/b.md",
        "docs/keep/no/c.md",
        "lib/io.py",
        "lib/x/io.pyc",
        "lib/__pycache__/y.pyc",
        "tests/t.py",
        "apps/tests/t.py",
        "apps/x1/y",
        "apps/x2/y",
        "apps/xa/y",
        "{a,b}/z",
        "a+b/z",
        ".git/HEAD",
        ".env",
        "deep/1/2/3/end.log",
        "end.log",
        "node_modules/m/index.js",
        "apps/node_modules/m/index.js",
        "pre-fix/a",
        "prefix/a",
        "[x]/a",
        "ends.",
        "trailing space ",
        "UPPER/a",
    ];
    for file in files {
        project.write(&format!("code/{file}"), "1");
    }
    std::os::unix::fs::symlink("lib/io.py", project.root().join("code/link.py")).unwrap();
    project.write(
        "code/.dockerignore",
        "# comment\n*.md\n!docs/a.md\ndocs/keep\n!docs/keep/no/c.md\n**/*.pyc\n/tests/\n\
         apps/x[0-9]/**\n!apps/x2\n{a,b}\n**/.git\n.env*\ndeep/**/*.log\nnode_modules\npre?fix\n\
         **/ends.\nupper\nlib/../prefix\n\\[x\\]\n./bin\nunique\n",
    );

    let out = tempfile::tempdir().unwrap();
    let code = project.root().join("code");
    let dockerfile = project.root().join(dockerfile_of("all"));
    let output = format!("type=local,dest={}", out.path().display());
    docker(&[
        "buildx",
        "build",
        "--file",
        &dockerfile.to_string_lossy(),
        "--output",
        &output,
        &code.to_string_lossy(),
    ])
    .await;
    let seen = files_below(out.path());

    let before = project.plan(&Nowhere).await.items.remove(0).key;
    // These count in ways of their own.
    let special = |file: &String| {
        file.ends_with("Dockerfile") || file.ends_with(".yaml") || file == ".dockerignore"
    };
    let mut counted = BTreeSet::new();
    for file in files_below(&code).into_iter().filter(|file| !special(file)) {
        let path = code.join(&file);
        let moved = project.root().join("moved");
        std::fs::rename(&path, &moved).unwrap();
        if project.plan(&Nowhere).await.items[0].key != before {
            counted.insert(file);
        }
        std::fs::rename(&moved, &path).unwrap();
    }
    let seen: BTreeSet<String> = seen.into_iter().filter(|file| !special(file)).collect();
    assert!(seen.len() > 10, "{seen:?}");
    assert_eq!(counted, seen);
}

#[tokio::test]
async fn missing_input_is_named_with_its_registry_file() {
    let project = Project::new("127.0.0.1:1");
    project.processor("one", &shell(""), "");
    let registry = project.registry();
    let entries: Vec<_> = registry.entries.iter().collect();
    std::fs::remove_file(project.root().join(dockerfile_of("one"))).unwrap();
    let cancel = CancellationToken::new();
    let plan = image_factory::plan::plan(&registry, &entries, &Nowhere, &project.options, &cancel);
    let error = plan.await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Input);
    assert_eq!(
        error.to_string(),
        format!(
            "find Dockerfile `{}`, named by {}: no such file",
            dockerfile_of("one"),
            file_of("one")
        )
    );

    cancel.cancel();
    let plan = image_factory::plan::plan(&registry, &entries, &Nowhere, &project.options, &cancel);
    assert!(plan.await.unwrap_err().is_cancelled());
}
