use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::net::TcpListener;

use super::bench::{Bench, eventually, interrupt, json_file};
use super::project::{self, content, dockerfile_of, file_of};
use super::services::with_registry;

fn build(host: &str) -> String {
    format!("build --registry {host} --image-prefix ghcr.io/acme/models")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dockerfile_that_fails_is_named_with_its_line() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let broken = "FROM scratch\nCOPY bin/busybox /bin/sh\nCOPY unique /unique\n\
                      RUN [\"/bin/sh\", \"-c\", \"echo ::error::x; echo oh no; exit 3\"]\n";
        bench.write(&dockerfile_of("upper"), broken);
        let report = bench.path("build.json");
        let words = format!("{} --json {}", build(host), report.display());
        let run = bench.pipeline(&words).env("GITHUB_ACTIONS", "true");
        let ran = run.go().await.ended(11).one_error();
        let commands = |text: &str| -> Vec<String> {
            let lines = text.lines().map(str::trim_start);
            let commands = lines.filter(|line| line.starts_with("::"));
            let names = commands.filter_map(|line| line.split("::").nth(1));
            names.map(str::to_owned).collect()
        };
        // A group for each processor, and nothing that it printed; then one annotation.
        let said: Vec<String> = commands(&ran.stderr);
        let said: Vec<&str> = said
            .iter()
            .map(|one| one.split(' ').next().unwrap())
            .collect();
        let expected = ["group", "endgroup", "group", "endgroup", "error"];
        assert_eq!(said, expected, "{}", ran.stderr);
        let (_, group) = ran.stderr.split_once("::group::✗ text/upper@1\n").unwrap();
        let (group, after) = group.split_once("::endgroup::\n").unwrap();
        assert!(group.contains("  : :error::x\n  oh no\n"), "{group}");
        assert!(after.starts_with("✗ text/upper@1: "), "{after}");
        assert_eq!(commands(&ran.stdout), [""; 0], "{}", ran.stdout);
        let start = format!(
            "::error file={},line=4,col=1,title=text/upper@1::",
            dockerfile_of("upper")
        );
        assert!(ran.stderr.contains(&start), "{}", ran.stderr);
        let place = format!("{}:4", dockerfile_of("upper"));
        let ran = ran.says(&["text/upper@1", &place, "oh no"]);
        assert!(!ran.stderr.contains("text/lower@1 (code"), "{}", ran.stderr);
        // What could be built is told and in the report all the same.
        let report = json_file(&report);
        let image = report["built"][0]["image"].as_str().unwrap();
        let table = |name: &str| {
            let mut lines = ran.stdout.lines();
            lines
                .find(|line| line.starts_with(name))
                .unwrap_or_default()
        };
        let lower = table("text/lower@1  built in ");
        assert!(lower.ends_with(image), "{}", ran.stdout);
        assert_eq!(
            table("text/upper@1"),
            "text/upper@1  failed",
            "{}",
            ran.stdout
        );

        // Where a program reads what is printed, there is nothing else to read.
        let words = format!("{} --json -", build(host));
        let run = bench.pipeline(&words).env("GITHUB_ACTIONS", "true");
        let said = run.go().await.ended(11).json();
        assert_eq!(said["built"].as_array().unwrap().len(), 1, "{said}");

        // In a pipe, each line of a log says whose it is.
        let words = format!(
            "{} --verbose --fail-fast --processors text/upper",
            build(host)
        );
        let ran = bench.pipeline(&words).go().await.ended(11).one_error();
        ran.says(&["  text/upper@1 | oh no\n", "  build: text/upper@1: "]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_40_lines_of_a_step_that_fails_are_shown() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let broken = "FROM scratch\nCOPY bin/busybox /bin/sh\nCOPY unique /unique\n\n\
                      RUN i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo \"told $i\"; done; exit 3\n";
        bench.write(&dockerfile_of("upper"), broken);
        let ran = bench.pipeline(&build(host)).go().await;
        let ran = ran.ended(11).one_error();
        let told = ran.stderr.lines().filter_map(|line| {
            let (_, number) = line.rsplit_once("told ")?;
            number.parse::<u32>().ok()
        });
        let told: Vec<u32> = told.collect();
        let last: Vec<u32> = (21..=60).collect();
        assert_eq!(told, last, "{}", ran.stderr);
        ran.says(&[&format!("{}:5", dockerfile_of("upper"))]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_can_be_interrupted() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let before = content(&bench.repo());
        let slow = "FROM scratch\nCOPY bin/busybox /bin/busybox\nCOPY unique /unique\n\
                    RUN [\"/bin/busybox\", \"sleep\", \"120\"]\n";
        bench.write(&dockerfile_of("upper"), slow);
        let pid = Arc::<Mutex<Option<String>>>::default();
        let sleeping = Arc::new(AtomicBool::new(false));
        let (seen, slept) = (Arc::clone(&pid), Arc::clone(&sleeping));
        let run = bench.pipeline_in_shell(&format!("{} --verbose", build(host)));
        let ended = tokio::spawn(run.go_on(move |_, line| {
            seen.lock().unwrap().get_or_insert(line.to_owned());
            slept.fetch_or(line.contains("sleep"), Ordering::Relaxed);
        }));
        eventually("it builds", || {
            assert!(!ended.is_finished(), "it ended by itself");
            sleeping.load(Ordering::Relaxed).then_some(())
        })
        .await;
        let started = Instant::now();
        let pid = pid.lock().unwrap().clone().unwrap();
        interrupt(&pid);
        ended.await.unwrap().ended(130).says(&["interrupted: "]);
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it waited for the build"
        );
        bench.write(&dockerfile_of("upper"), project::dockerfile("upper"));
        assert_eq!(content(&bench.repo()), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_refuses_ends_the_build() {
    for (status, word, code) in [
        (StatusCode::FORBIDDEN, "does not allow it", 18),
        (StatusCode::INTERNAL_SERVER_ERROR, "500", 11),
    ] {
        let bench = Bench::new();
        project::runbook(&bench);
        let before = content(&bench.repo());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let app = axum::Router::new().fallback(async move || status);
        let server = tokio::spawn(axum::serve(listener, app).into_future());
        let ran = bench.pipeline(&build(&host)).go().await;
        server.abort();
        ran.ended(code).one_error().says(&[&host, word, "hint: "]);
        assert_eq!(content(&bench.repo()), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_engine_is_named_with_its_cure() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let run = bench.pipeline(&build(host));
        let ran = run
            .env("DOCKER_HOST", "unix:///nonexistent.sock")
            .go()
            .await;
        let ran = ran.ended(2).one_error();
        ran.says(&["/nonexistent.sock", "hint: ", "DOCKER_HOST"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_old_buildx_is_named_with_its_cure() {
    with_registry(async |host| {
        for (script, said) in [
            (
                "echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1",
                "buildx",
            ),
            ("echo 'github.com/docker/buildx v0.12.1 30feaa1'", "0.12.1"),
        ] {
            let bench = Bench::new();
            project::runbook(&bench);
            let docker = bench.path("bin/docker");
            std::fs::create_dir(docker.parent().unwrap()).unwrap();
            std::fs::write(&docker, format!("#!/bin/sh\n{script}\n")).unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&docker, mode).unwrap();
            let path = format!(
                "{}:{}",
                docker.parent().unwrap().display(),
                std::env::var("PATH").unwrap()
            );
            let ran = bench.pipeline(&build(host)).env("PATH", path).go().await;
            let ran = ran.ended(2).one_error();
            ran.says(&[said, "hint: install buildx 0.13 or newer"]);
        }
    })
    .await;
}

#[tokio::test]
async fn broken_input_is_named_with_its_place() {
    let bench = Bench::new();
    project::runbook(&bench);
    let plan = "plan --registry 127.0.0.1:9 --image-prefix ghcr.io/acme/models";

    let unknown = bench.pipeline(&format!("{plan} --processors text/uper"));
    let ran = unknown.go().await.ended(2).one_error();
    ran.says(&["text/uper", "text/upper"]);

    let broken = format!("{}  oci: [\n", project::entry("upper", "sha256:pending"));
    bench.write(&file_of("upper"), broken);
    let ran = bench.pipeline(plan).go().await.ended(2).one_error();
    // The line and the column stand behind the name.
    let place = format!("{}:", file_of("upper"));
    let ran = ran.says(&[&place]);
    let (_, after) = ran.stderr.split_once(&place).unwrap();
    let numbers: Vec<&str> = after.split(':').take(2).collect();
    assert!(
        numbers.iter().all(|text| text.parse::<u32>().is_ok()),
        "{numbers:?}"
    );

    bench.write(&file_of("upper"), project::entry("upper", "sha256:pending"));
    bench.write("pipeline.yml", "context: code\nbase-image: {}\n");
    let ran = bench.pipeline(plan).go().await.ended(2).one_error();
    ran.says(&["pipeline.yml", "base-image", "line 2", "hint: "]);

    let ran = bench.pipeline("plan --repo missing").go().await.ended(2);
    ran.one_error().says(&["missing"]);
}

#[tokio::test]
async fn a_repository_without_processors_is_told_what_to_add() {
    let bench = Bench::new();
    for command in ["plan", "build", "accept", "deploy --env dev"] {
        let ran = bench.pipeline(command).go().await.ended(2).one_error();
        ran.says(&["registry", "hint: "]);
    }
}
