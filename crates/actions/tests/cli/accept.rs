mod action;
mod earlier;
mod event;
mod failed;
mod stack;
mod terminated;

use std::sync::{Arc, Mutex};

use super::bench::{Bench, eventually, interrupt, is_gone, json_file};
use super::project::{self, digest, entry, file_of};
use super::services::with_registry;

#[tokio::test]
async fn every_pending_pin_is_named() {
    let bench = Bench::new();
    project::runbook(&bench);
    let fails = || bench.pipeline("accept --pending fail");
    fails().go().await.ended(13).one_error().says(&[
        "text/upper@1",
        "text/lower@1",
        "hint: merge the open pin pull request",
    ]);

    // Others do not matter to who asks for one.
    let pinned = format!("ghcr.io/acme/models/text-upper@{}", digest('1'));
    bench.write(&file_of("upper"), entry("upper", &pinned));
    let report = bench.path("acceptance.json");
    let run = fails().words("--processors text/upper --json").arg(&report);
    let ran = run.go().await.ok();
    // It is told that this was not all.
    assert!(ran.stdout.contains("\npartial: "), "{ran:?}");
    assert_eq!(json_file(&report)["partial"], true);
}

#[tokio::test]
async fn while_a_pin_is_pending_the_stage_is_left_out_and_says_so() {
    let bench = Bench::new();
    project::runbook(&bench);
    let report = bench.path("acceptance.json");
    let summary = bench.path("summary.md");
    let accept = || {
        let run = bench.pipeline("accept --json").arg(&report);
        let run = run.env("GITHUB_STEP_SUMMARY", &summary);
        run.env("GITHUB_ACTIONS", "true")
    };
    let ran = accept().go().await.ok();
    for name in ["text/upper@1", "text/lower@1"] {
        assert!(ran.stdout.contains(name), "{ran:?}");
    }
    let text = ran
        .stdout
        .replace("code/apps/core/registry/processors", "…");
    insta::assert_snapshot!(text, @"skipped: it would prove images that are not pinned yet: text/lower@1 in …/text_lower.yaml: `sha256:pending` for linux/amd64, text/upper@1 in …/text_upper.yaml: `sha256:pending` for linux/amd64; merge the open pin pull request, or run build-and-pin for these processors");
    let notice =
        "::notice title=Acceptance::skipped: it would prove images that are not pinned yet";
    ran.says(&["– acceptance ", notice]);
    let told = json_file(&report);
    assert_eq!(told["verdict"], "skipped");
    assert!(told["skipped"].as_str().unwrap().contains("text/upper@1"));
    let summary = std::fs::read_to_string(&summary).unwrap();
    assert!(
        summary.starts_with("### Acceptance: skipped\n"),
        "{summary}"
    );

    // The flag wins over the file, as always.
    bench.write("pipeline.yml", "acceptance: {pending: fail}\n");
    accept().go().await.ended(13).one_error();
    accept().words("--pending skip").go().await.ok();
    accept().env("PIPELINE_PENDING", "").go().await.ended(13);
    let ran = accept().words("--pending maybe").go().await.ended(2);
    ran.says(&["--pending", "`skip` or `fail`"]);

    // One for another platform will not come by waiting.
    bench.write("pipeline.yml", "");
    let image = format!("ghcr.io/acme/models/text-upper@{}", digest('1'));
    let arm = entry("upper", "sha256:pending").replace(
        "oci:   sha256:pending",
        &format!("platforms: {{arm64: '{image}'}}"),
    );
    bench.write(&file_of("upper"), arm);
    let ran = accept().go().await.ended(13).one_error();
    ran.says(&[
        "text/upper@1",
        "nothing for linux/amd64, only for linux/arm64",
    ]);
}

#[tokio::test]
async fn what_is_not_configured_is_told_with_what_to_add() {
    let bench = Bench::new();
    project::runbook(&bench);
    for name in ["upper", "lower"] {
        let image = format!("ghcr.io/acme/models/text-{name}@{}", digest('1'));
        bench.write(&file_of(name), entry(name, &image));
    }
    let report = bench.path("acceptance.json");
    let ran = bench.pipeline("accept --json").arg(&report).go().await.ok();
    for said in [
        "stack: not configured: ",
        "compose",
        "suite: not configured: ",
        "test-acceptance",
    ] {
        assert!(ran.stdout.contains(said), "no `{said}` in {}", ran.stdout);
    }
    let report = json_file(&report);
    assert_eq!(
        (&report["schema"], &report["verdict"]),
        (&1.into(), &"not-configured".into())
    );

    bench.write("pipeline.yml", "acceptance: {directory: nowhere}\n");
    let ran = bench.pipeline("accept").go().await.ended(2).one_error();
    ran.says(&["nowhere", "acceptance.directory"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_decides() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        std::fs::remove_file(bench.repo().join(file_of("lower"))).unwrap();
        let build = bench.path("build.json");
        let words = format!("build --registry {host} --image-prefix ghcr.io/a/b --json");
        bench.pipeline(&words).arg(&build).go().await.ok();
        bench.pipeline("pin --from").arg(&build).go().await.ok();

        let report = bench.path("acceptance.json");
        let accept = || {
            let run = bench.pipeline("accept --json").arg(&report);
            let run = run.env("GITHUB_TOKEN", "ghs_not_for_suites");
            let run = run.env("SIGNING_KEY", "-----BEGIN PRIVATE KEY-----");
            run.env("COSIGN_KEY", "cosign.key")
        };
        bench.write(
            "code/Makefile",
            "test-acceptance:\n\t@test $$ADAPTER-$$MODE = local-smoke\n\
             \t@test -z \"$$GITHUB_TOKEN$$SIGNING_KEY$$COSIGN_KEY\"\n\t@grep -q text/upper@1 $$PIPELINE_IMAGES\n",
        );
        let ran = accept().go().await.ok();
        assert!(
            ran.stdout.contains("suite: `make test-acceptance` passed"),
            "{}",
            ran.stdout
        );
        assert_eq!(json_file(&report)["verdict"], "passed");

        bench.write(
            "code/Makefile",
            "test-acceptance:\n\t@echo hello; echo ::error::x\n",
        );
        let ran = accept().arg("--verbose").go().await.ok();
        ran.says(&["  acceptance: hello\n", "  acceptance: ::error::x\n"]);

        bench.write(
            "code/Makefile",
            "test-acceptance:\n\t@echo budget exceeded; exit 1\n",
        );
        let ran = accept().go().await.ended(13).one_error();
        ran.says(&["make test-acceptance", "exit code 2", "budget exceeded"]);
        // What is known of the failure is in the report.
        let failed = json_file(&report);
        assert_eq!(
            (&failed["verdict"], &failed["suite"]["exit"]),
            (&"failed".into(), &2.into())
        );

        // It counts more than that this cannot be written.
        let full = bench.path("full");
        std::os::unix::fs::symlink("/dev/full", &full).unwrap();
        let ran = bench.pipeline("accept --json").arg(&full).go().await;
        let ran = ran.ended(13).one_error();
        ran.says(&[
            "make test-acceptance",
            "warning: failed to write the report",
        ]);

        // Ctrl-C ends the suite with everything that it started.
        bench.write(
            "code/Makefile",
            "test-acceptance:\n\t@sleep 300 & echo $$! >../child; wait\n",
        );
        let run = bench.pipeline_in_shell("accept");
        let pid = Arc::<Mutex<Option<String>>>::default();
        let seen = Arc::clone(&pid);
        let ended = tokio::spawn(run.go_on(move |_, line| {
            seen.lock().unwrap().get_or_insert(line.to_owned());
        }));
        let child = bench.repo().join("child");
        let child = eventually("the suite runs", || {
            let text = std::fs::read_to_string(&child).ok()?;
            text.ends_with('\n').then(|| text.trim().to_owned())
        })
        .await;
        let pid = pid.lock().unwrap().clone().unwrap();
        interrupt(&pid);
        let ran = ended.await.unwrap().ended(130);
        ran.says(&["interrupted: "]);
        eventually("the child of the suite ends", || {
            is_gone(&child).then_some(())
        })
        .await;
    })
    .await;
}
