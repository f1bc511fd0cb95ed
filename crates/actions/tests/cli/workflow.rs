use super::bench::{Bench, Run};
use super::project::{self, digest, file_of};

fn in_workflow(bench: &Bench, words: &str) -> Run {
    bench
        .pipeline(words)
        .env("GITHUB_ACTIONS", "true")
        .env("CI", "true")
        .env("GITHUB_OUTPUT", bench.path("output"))
}

#[tokio::test]
async fn outputs_say_where_the_report_is() {
    let bench = Bench::new();
    project::runbook(&bench);
    let image = format!("ghcr.io/acme/upper@{}", digest('1'));
    let report = bench.path("a report.json");
    let words = format!("pin set {} {image} --json", file_of("upper"));
    in_workflow(&bench, &words).arg(&report).go().await.ok();
    let output = std::fs::read_to_string(bench.path("output")).unwrap();
    let lines: Vec<&str> = output.lines().collect();
    let delimiter = lines[0].strip_prefix("report<<").unwrap();
    assert_eq!(lines[1..], [report.to_str().unwrap(), delimiter]);
    assert!(report.is_file());

    // No file, no output: on standard output there is nothing to point at.
    std::fs::remove_file(bench.path("output")).unwrap();
    in_workflow(&bench, &words).arg("-").go().await.ok();
    assert!(!bench.path("output").exists());
}

#[tokio::test]
async fn an_error_is_one_annotation_and_never_another_command() {
    let bench = Bench::new();
    project::runbook(&bench);
    bench.write(
        &file_of("upper"),
        "ref: \"100%\\n::stop-commands::x\\n##[error]y\"\nimage: {oci: sha256:pending}\n",
    );
    let ran = in_workflow(&bench, "accept")
        .go()
        .await
        .ended(2)
        .one_error();
    let (lines, rest): (Vec<&str>, Vec<&str>) = ran
        .stderr
        .lines()
        .partition(|line| line.starts_with("::error file="));
    assert_eq!(lines.len(), 1, "{}", ran.stderr);
    assert!(lines[0].contains("%0A"), "{}", ran.stderr);
    for line in rest {
        let command = line.trim_start().starts_with("::") || line.contains("##[");
        assert!(!command, "{}", ran.stderr);
    }
    assert_eq!(ran.stdout, "", "it is for data");
    let ran = in_workflow(&bench, "accept --unknown").go().await.ended(2);
    let annotation = "\n::error::unexpected argument '--unknown' found\n";
    assert_eq!(ran.stdout, "");
    ran.says(&[annotation]);
    // A person at a terminal gets no annotations.
    let ran = bench.pipeline("accept").go().await.ended(2);
    ran.hides("::error");
}
