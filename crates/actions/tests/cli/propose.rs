use github::MergeMethod;
use serde_json::Value;

use super::bench::{Bench, Run, json_file};
use super::project::{self, content, digest, file_of, git};
use super::services::{Forge, TOKEN};

/// A build report as `pipeline build --json` writes it, of images that nobody needs to have.
pub(crate) async fn build_report(bench: &Bench) -> String {
    report_of(bench, ['1', '2']).await
}

/// The same of the images with these digests, of `lower` and `upper`.
async fn report_of(bench: &Bench, digits: [char; 2]) -> String {
    let plan = "plan --offline --image-prefix ghcr.io/acme/models --json -";
    let plan = bench.pipeline(plan).go().await.ok().json();
    let key = |name: &str| {
        let mut items = plan["items"].as_array().unwrap().iter();
        let item = items.find(|item| item["ref"] == name).unwrap();
        item["key"].clone()
    };
    let built: Vec<_> = [("lower", digits[0]), ("upper", digits[1])]
        .map(|(name, digit)| {
            serde_json::json!({
                "ref": format!("text/{name}@1"), "file": file_of(name), "pin-platform": null,
                "image": image(name, digit), "key": key(&format!("text/{name}@1")),
                "decision": "built", "why": "first-build", "platforms": ["linux/amd64"],
                "base-images": [], "tags": [], "seconds": 1.5,
            })
        })
        .into();
    let report =
        serde_json::json!({ "schema": 1, "ended-at": "2026-03-01T12:00:00Z", "built": built });
    let path = bench.path("build.json");
    std::fs::write(&path, report.to_string()).unwrap();
    path.display().to_string()
}

fn image(name: &str, digit: char) -> String {
    format!("ghcr.io/acme/models/text-{name}@{}", digest(digit))
}

/// As a workflow has it.
pub(crate) fn on(forge: &Forge, run: Run) -> Run {
    run.env("GITHUB_API_URL", forge.server.api_url())
        .env("GITHUB_REPOSITORY", "acme/models")
        .env("GITHUB_TOKEN", TOKEN)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pull_request_pins_everything_once() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    let before = content(&bench.repo());
    let from = build_report(&bench).await;
    let propose = |id: &str| {
        let words = format!("pin --from {from} --propose --run-id {id} --json");
        on(&forge, bench.pipeline(&words)).arg(bench.path("pin.json"))
    };

    // Said, not done.
    let branches = forge.branches().await;
    let dry = propose("7").arg("--dry-run").go().await.ok();
    assert!(dry.stdout.contains("text/upper@1"), "{}", dry.stdout);
    for words in [
        "a pull request would be opened\n",
        "branch: bot/pin-7 → dev\n",
        "title: Pin 2 processor images\n",
        "| `text/upper@1` | pending → `222222222222` |",
    ] {
        assert!(dry.stdout.contains(words), "{words}: {}", dry.stdout);
    }
    let said = json_file(&bench.path("pin.json"));
    assert_eq!(said["action"], "created", "{said}");
    assert_eq!(
        (&said["commit"], &said["pull-request"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(said["preview"]["branch"], "bot/pin-7");
    assert_eq!(
        (forge.branches().await, forge.open().await.len()),
        (branches, 0)
    );

    let ran = propose("7").go().await.ok().hides(TOKEN);
    assert!(
        ran.stdout.contains("pull request #1 opened: "),
        "{}",
        ran.stdout
    );
    assert_eq!(
        content(&bench.repo()),
        before,
        "the files here are left alone"
    );
    let open = forge.open().await;
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].head.as_str(), open[0].base.as_str()),
        ("bot/pin-7", "dev")
    );
    let report = json_file(&bench.path("pin.json"));
    assert_eq!(
        (&report["schema"], &report["pull-request"]["number"]),
        (&1.into(), &1.into())
    );
    let changed = git(&forge.git_dir(), &["diff", "--numstat", "dev", "bot/pin-7"]).await;
    let expected = ["lower", "upper"].map(|name| format!("1\t1\t{}", file_of(name)));
    assert_eq!(changed, expected.join("\n"));
    for (name, digit) in [("lower", '1'), ("upper", '2')] {
        let place = format!("bot/pin-7:{}", file_of(name));
        let text = git(&forge.git_dir(), &["show", &place]).await;
        assert_eq!(text, project::entry(name, &image(name, digit)).trim_end());
    }

    // A run that is repeated takes up what its first attempt left.
    let branches = forge.branches().await;
    propose("7").go().await.ok();
    assert_eq!(
        (forge.branches().await, forge.open().await.len()),
        (branches, 1)
    );

    forge
        .repo()
        .merge_pull_request(1, MergeMethod::Merge, &open[0].head_sha)
        .await
        .unwrap();
    git(
        &bench.repo(),
        &["pull", "--quiet", &forge.git_dir().to_string_lossy(), "dev"],
    )
    .await;
    let merged = content(&bench.repo());
    let branches = forge.branches().await;
    let ran = propose("8").go().await.ok();
    assert_eq!(ran.stdout, "every pin is as it should be\n");
    assert_eq!(
        (forge.branches().await, forge.open().await.len()),
        (branches, 0)
    );
    bench
        .pipeline(&format!("pin --from {from}"))
        .go()
        .await
        .ok();
    assert_eq!(content(&bench.repo()), merged);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_is_what_is_checked_out() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    let from = build_report(&bench).await;
    let checked_out = git(&bench.repo(), &["rev-parse", "HEAD"]).await;
    let source = async |run_id: &str| {
        let args = [
            "log",
            "-1",
            "--format=%(trailers:key=Pipeline-Source,valueonly)",
        ];
        let branch = format!("bot/pin-{run_id}");
        git(&forge.git_dir(), &[&args[..], &[&branch]].concat()).await
    };
    // As for a pull request: the workflow runs for a merge that is nowhere else.
    let words = format!("pin --from {from} --propose --run-id 7");
    let run = on(&forge, bench.pipeline(&words)).env("GITHUB_SHA", "0".repeat(40));
    run.go().await.ok();
    assert_eq!(source("7").await, checked_out);
}

#[tokio::test]
async fn only_what_is_asked_for_is_pinned() {
    let bench = Bench::new();
    project::runbook(&bench);
    let from = build_report(&bench).await;
    let lower = bench.read(&file_of("lower"));
    let words = format!("pin --from {from} --processors text/upper --json -");
    let report = bench.pipeline(&words).go().await.ok().json();
    assert_eq!(
        report["changes"]["changes"].as_array().unwrap().len(),
        1,
        "{report}"
    );
    assert_eq!(
        bench.read(&file_of("upper")),
        project::entry("upper", &image("upper", '2'))
    );
    assert_eq!(bench.read(&file_of("lower")), lower);

    // What is not asked for is not spoken of, either: pins of it that are proposed elsewhere stay so.
    bench
        .pipeline(&format!("pin --from {from}"))
        .go()
        .await
        .ok();
    let report = bench.pipeline(&words).go().await.ok().json();
    let unchanged = report["changes"]["unchanged"].as_array().unwrap();
    assert_eq!(unchanged.len(), 1, "{report}");
    assert_eq!(unchanged[0]["file"], file_of("upper"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_told_and_not_shown() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    let words = format!(
        "pin --from {} --propose --run-id 7",
        build_report(&bench).await
    );
    for (token, said) in [("ghs_wrong_token_1234", "Bad credentials"), ("", "token")] {
        let run = on(&forge, bench.pipeline(&words)).env("GITHUB_TOKEN", token);
        let ran = run.go().await.ended(12).one_error();
        ran.says(&[said, "hint: "]).hides("ghs_wrong_token_1234");
    }
    assert_eq!(forge.open().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_asked_for() {
    let bench = Bench::new();
    project::runbook(&bench);
    let from = build_report(&bench).await;
    let words = format!("pin --from {from} --propose");
    let ran = bench.pipeline(&words).go().await.ended(2).one_error();
    ran.says(&["run id", "--run-id"]);
    let words = format!("{words} --run-id 7");
    let ran = bench.pipeline(&words).go().await.ended(2).one_error();
    ran.says(&["GITHUB_REPOSITORY"]);
    let run = bench.pipeline(&words).env("GITHUB_REPOSITORY", "acme");
    run.go().await.ended(2).one_error().says(&["`acme`"]);

    bench.write("not.json", "{\"schema\": 2, \"built\": []}");
    let ran = bench.pipeline("pin --from not.json").go().await.ended(2);
    ran.one_error().says(&["not.json", "schema 2"]);
    let ran = bench.pipeline("pin --from missing.json").go().await;
    ran.ended(2).one_error().says(&["missing.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_branch_has_one_request_that_is_kept_up_to_date() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    let propose = |from: &str, step: &str| {
        let words = format!("pin --from {from} --propose --branch bot/pins --label pins --draft");
        on(&forge, bench.pipeline(&words))
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_RUN_ID", "42")
            .env("GITHUB_SERVER_URL", "https://github.example")
            .env("GITHUB_OUTPUT", bench.path(&format!("{step}.output")))
            .env("GITHUB_STEP_SUMMARY", bench.path(&format!("{step}.md")))
    };
    let output = |step: &str, name: &str| {
        let text = std::fs::read_to_string(bench.path(&format!("{step}.output"))).unwrap();
        let mut lines = text.lines();
        let start = format!("{name}<<");
        lines.find(|line| line.starts_with(&start)).unwrap();
        lines.next().unwrap().to_owned()
    };

    let first = build_report(&bench).await;
    let dry = propose(&first, "dry").arg("--dry-run").go().await.ok();
    let dry = dry.hides(TOKEN).stdout;
    assert!(dry.contains("draft: yes\n  labels: pins\n"), "{dry}");
    assert_eq!(output("dry", "action"), "nothing", "it was not done");
    assert_eq!(output("dry", "changed"), "true");
    assert_eq!(output("dry", "pull-request-number"), "");
    let summary = std::fs::read_to_string(bench.path("dry.md")).unwrap();
    let heading = "### Pin (dry run): 2 of `dev`\n";
    assert!(summary.starts_with(heading), "{summary}");
    assert!(summary.contains("would be opened"), "{summary}");
    assert_eq!(forge.open().await.len(), 0);

    propose(&first, "first").go().await.ok().hides(TOKEN);
    assert_eq!(output("first", "action"), "created");
    assert_eq!(output("first", "changed"), "true");
    assert_eq!(output("first", "pull-request-number"), "1");
    assert!(output("first", "pull-request-url").ends_with("/acme/models/pull/1"));
    let summary = std::fs::read_to_string(bench.path("first.md")).unwrap();
    assert!(
        summary.starts_with("### Pin: 2 of `dev`\n\n| processor | pin | why |\n"),
        "{summary}"
    );
    let row = "| `text/lower@1` | pending → `111111111111` | first build |";
    assert!(summary.contains(row), "{summary}");

    propose(&first, "again").go().await.ok();
    assert_eq!(output("again", "action"), "unchanged");
    assert_eq!(output("again", "pull-request-number"), "1");

    let second = report_of(&bench, ['1', '3']).await;
    let dry = propose(&second, "dry").arg("--dry-run").go().await.ok();
    let words = "pull request #1 would be brought up to date: ";
    assert!(dry.stdout.contains(words), "{}", dry.stdout);
    assert!(dry.stdout.contains("`333333333333`"), "{}", dry.stdout);
    propose(&second, "second").go().await.ok();
    assert_eq!(output("second", "action"), "updated");
    let open = forge.open().await;
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].number, open[0].head.as_str()), (1, "bot/pins"));
    let place = format!("bot/pins:{}", file_of("upper"));
    let text = git(&forge.git_dir(), &["show", &place]).await;
    assert_eq!(
        text,
        project::entry("upper", &image("upper", '3')).trim_end()
    );
}

#[tokio::test]
async fn reports_of_other_sources_and_of_each_other_are_refused() {
    let bench = Bench::new();
    project::runbook(&bench);
    let before = content(&bench.repo());
    let reports = bench.path("reports");
    std::fs::create_dir(&reports).unwrap();
    let pin = format!("pin --from {}", reports.display());
    let ran = bench.pipeline(&pin).go().await.ended(2).one_error();
    ran.says(&["`*.json`", "hint: "]);

    let one = build_report(&bench).await;
    std::fs::copy(&one, reports.join("one.json")).unwrap();
    let other = report_of(&bench, ['1', '3']).await;
    std::fs::copy(&other, reports.join("two.json")).unwrap();
    let ran = bench.pipeline(&pin).go().await.ended(12).one_error();
    ran.says(&["text/upper@1", "hint: "]);
    assert_eq!(content(&bench.repo()), before);

    // The source has moved on since: merging these pins would not be the end.
    std::fs::remove_file(reports.join("two.json")).unwrap();
    bench.write("code/unique", "another");
    let moved = content(&bench.repo());
    let ran = bench.pipeline(&pin).go().await.ended(12).one_error();
    ran.says(&["would be built again", "text/upper@1", "hint: "]);
    // Before GitHub is asked for anything.
    let words = format!("{pin} --propose --dry-run --run-id 1");
    let ran = bench.pipeline(&words).go().await.ended(12).one_error();
    ran.says(&["would be built again"]);
    assert_eq!(content(&bench.repo()), moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_what_is_not_committed_are_not_proposed() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    // As after an edit, a build of it, and no commit.
    bench.write("code/unique", "edited");
    let from = build_report(&bench).await;
    let branches = forge.branches().await;
    let words = format!("pin --from {from} --propose --run-id 7");
    for words in [format!("{words} --dry-run"), words.clone()] {
        let ran = on(&forge, bench.pipeline(&words)).go().await;
        let ran = ran.ended(12).one_error();
        ran.says(&["propose", "`code/unique` differs from commit ", "hint: "]);
    }
    assert_eq!(forge.branches().await, branches);
    git(&bench.repo(), &["reset", "--quiet", "--hard"]).await;

    // Nor of what was added and not committed.
    let from = build_report(&bench).await;
    let words = format!("pin --from {from} --propose --run-id 7");
    bench.write("notes.md", "new");
    git(&bench.repo(), &["add", "notes.md"]).await;
    let ran = on(&forge, bench.pipeline(&words)).go().await.ended(12);
    ran.says(&["`notes.md` differs"]);
    git(&bench.repo(), &["reset", "--quiet"]).await;

    // A file that git does not have, the pins of an earlier `pin`, and a report are no such change.
    bench.write("generated.txt", "by the workflow");
    let local = format!("pin --from {from}");
    bench.pipeline(&local).go().await.ok();
    assert!(bench.read(&file_of("upper")).contains("@sha256:2222"));
    // But these very pins are in no commit, and would seem to be there.
    let ran = on(&forge, bench.pipeline(&words)).go().await.ended(12);
    ran.one_error()
        .says(&["has them here already", "git restore"]);
    git(&bench.repo(), &["restore", "-SW", &file_of("lower")]).await;
    // At the same path.
    report_of(&bench, ['1', '3']).await;
    on(&forge, bench.pipeline(&words)).go().await.ok();
    let place = format!("bot/pin-7:{}", file_of("upper"));
    let text = git(&forge.git_dir(), &["show", &place]).await;
    assert!(text.contains(&image("upper", '3')), "{text}");
    // Anything else in these files counts.
    let text = bench
        .read(&file_of("upper"))
        .replace("cpu: '1'", "cpu: '2'");
    bench.write(&file_of("upper"), text);
    let ran = on(&forge, bench.pipeline(&words)).go().await.ended(12);
    ran.says(&[&format!("`{}` differs", file_of("upper"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_an_unknown_commit_are_not_proposed() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    let from = build_report(&bench).await;
    let head = git(&bench.repo(), &["rev-parse", "HEAD"]).await;
    std::fs::remove_dir_all(bench.repo().join(".git")).unwrap();
    let words = format!("pin --from {from} --propose --run-id 7");
    let ran = on(&forge, bench.pipeline(&words)).go().await;
    let ran = ran.ended(12).one_error();
    ran.says(&["which commit", "GITHUB_SHA"]);
    assert_eq!(forge.open().await.len(), 0);
    let run = on(&forge, bench.pipeline(&words)).env("GITHUB_SHA", head);
    run.go().await.ok();
    assert_eq!(forge.open().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_summary_tells_what_the_token_of_a_job_cannot_do() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start_for(&bench, "ghs_actions_0123").await;
    let words = format!(
        "pin --from {} --propose --run-id 7",
        build_report(&bench).await
    );
    let run = on(&forge, bench.pipeline(&words))
        .env("GITHUB_TOKEN", "ghs_actions_0123")
        .env("GITHUB_STEP_SUMMARY", bench.path("summary.md"));
    run.go().await.ok().hides("ghs_actions_0123");
    let summary = std::fs::read_to_string(bench.path("summary.md")).unwrap();
    let words =
        "> the pull request is by the token of a job (GITHUB\\_TOKEN): workflows on it wait";
    assert!(summary.contains(words), "{summary}");
    assert!(summary.contains("`dispatch`"), "{summary}");
}
