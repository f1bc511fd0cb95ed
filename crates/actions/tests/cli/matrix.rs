use super::bench::{Bench, Run, json_file};
use super::project::{self, file_of};
use super::services::with_registry;

/// The outputs of a step.
fn outputs(bench: &Bench, file: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(bench.path(file)).unwrap();
    let mut lines = text.lines();
    let mut outputs = Vec::new();
    while let Some((name, end)) = lines.next().and_then(|line| line.split_once("<<")) {
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        outputs.push((name.to_owned(), value.join("\n")));
    }
    outputs
}

fn output(bench: &Bench, file: &str, name: &str) -> String {
    let outputs = outputs(bench, file);
    let found = outputs.into_iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value).unwrap_or_default()
}

fn in_workflow(bench: &Bench, words: &str, file: &str) -> Run {
    bench
        .pipeline(words)
        .env("GITHUB_ACTIONS", "true")
        .env("CI", "true")
        .env("GITHUB_OUTPUT", bench.path(file))
        .env("GITHUB_STEP_SUMMARY", bench.path("summary.md"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_registry_says_so() {
    let bench = Bench::new();
    project::runbook(&bench);
    let words = "plan --offline --registry 127.0.0.1:1 --image-prefix ghcr.io/acme/models";
    let ran = bench.pipeline(words).go().await.ok();
    insta::assert_snapshot!(ran.stdout, @r"
    processor     decision  why        repository
    ────────────  ────────  ─────────  ──────────────────────────────────
    text/lower@1  build     not asked  127.0.0.1:1/acme/models/text-lower
    text/upper@1  build     not asked  127.0.0.1:1/acme/models/text-upper
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matrix_is_built_in_parts_and_pinned_at_once() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let factory = format!("--registry {host} --image-prefix ghcr.io/acme/models");
        let plan = format!("plan --matrix {factory}");
        let ran = in_workflow(&bench, &plan, "first").go().await.ok();
        insta::assert_snapshot!(ran.stdout.trim_end(), @r#"{"include":[{"processor":"text/lower@1","name":"text-lower-v1"},{"processor":"text/upper@1","name":"text-upper-v1"}]}"#);
        assert_eq!(output(&bench, "first", "matrix"), ran.stdout.trim_end());
        assert_eq!(output(&bench, "first", "count"), "2");
        assert_eq!(output(&bench, "first", "any"), "true");
        let summary = std::fs::read_to_string(bench.path("summary.md")).unwrap();
        let (planned, standing) = summary.split_once("### Where it stands\n").unwrap();
        assert!(standing.contains("| `text/lower@1` | `no digest yet` | – to build | "), "{standing}");
        insta::assert_snapshot!(planned, @r"
        ### Plan: 2 of 2 to build

        | processor | decision | why |
        | --- | --- | --- |
        | `text/lower@1` | build | first build |
        | `text/upper@1` | build | first build |
        ");

        // Each job builds its own, and writes its own report.
        std::fs::create_dir(bench.path("reports")).unwrap();
        let jobs = ran.json();
        for job in jobs["include"].as_array().unwrap() {
            let report = format!("reports/{}.json", job["name"].as_str().unwrap());
            let build = bench
                .pipeline(&format!("build {factory} --only"))
                .arg(job["processor"].as_str().unwrap())
                .arg("--json")
                .arg(bench.path(&report));
            build.go().await.ok();
            let report = json_file(&bench.path(&report));
            assert_eq!(report["built"].as_array().unwrap().len(), 1, "{report}");
        }
        let reports = bench.path("reports");
        let pin = format!("pin --from {}", reports.display());
        bench.pipeline(&pin).go().await.ok();
        for name in ["upper", "lower"] {
            let text = bench.read(&file_of(name));
            assert!(text.contains(&format!("{host}/acme/models/text-{name}@sha256:")), "{text}");
        }

        // Nothing is left to do: there is no job to start.
        let ran = in_workflow(&bench, &plan, "second").go().await.ok();
        assert_eq!(ran.stdout, "{\"include\":[]}\n");
        assert_eq!(output(&bench, "second", "count"), "0");
        assert_eq!(output(&bench, "second", "any"), "false");

        // The job that pins still has to know that all is well, to close what is not needed.
        let report = bench.path("reports/all.json");
        let words = format!("build {factory} --json {}", report.display());
        let build = bench.pipeline(&words).env("DOCKER_HOST", "unix:///nonexistent.sock");
        build.go().await.ok();
        let report = json_file(&report);
        let built = report["built"].as_array().unwrap();
        let reused = built.iter().filter(|one| one["decision"] == "reused");
        assert_eq!(reused.count(), 2, "{report}");
        let words = format!("pin --from {} --json -", bench.path("reports/all.json").display());
        let pin = bench.pipeline(&words).go().await.ok().json();
        assert_eq!(pin["changes"]["unchanged"].as_array().unwrap().len(), 2, "{pin}");
    })
    .await;
}
