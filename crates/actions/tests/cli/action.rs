//! The action `build-and-pin`, its document, and the command that it runs.

use serde_yaml::Value;

use super::bench::{Bench, Run};
use super::project;

const ACTION: &str = include_str!("../../../../build-and-pin/action.yml");
const DOCUMENT: &str = include_str!("../../../../docs/build-and-pin.md");
const ARCHITECTURE: &str = include_str!("../../../../docs/architecture.md");

fn action() -> Value {
    serde_yaml::from_str(ACTION).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    let pairs = value.as_mapping().unwrap();
    pairs.keys().map(|key| key.as_str().unwrap()).collect()
}

/// The part of the document below a heading.
fn section(heading: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

fn steps(action: &Value) -> &[Value] {
    action["runs"]["steps"].as_sequence().unwrap()
}

#[test]
fn every_input_and_output_is_documented() {
    let action = action();
    for (heading, names) in [("Inputs", "inputs"), ("Outputs", "outputs")] {
        let text = section(heading);
        for name in keys(&action[names]) {
            assert!(text.contains(&format!("`{name}`")), "{name} in {heading}");
            assert!(action[names][name]["description"].is_string(), "{name}");
        }
    }
    for (exit, _) in actions::Exit::ALL {
        let row = format!("\n| {} | ", exit.code());
        assert!(ARCHITECTURE.contains(&row), "exit code {}", exit.code());
    }
}

#[test]
fn nothing_of_a_caller_is_read_by_the_shell() {
    let action = action();
    for step in steps(&action) {
        let run = step["run"].as_str().unwrap();
        assert!(!run.contains("${{"), "{run}");
    }
    for input in keys(&action["inputs"]) {
        let used = format!("${{{{ inputs.{input} }}}}");
        assert!(ACTION.contains(&used), "{input} is not used");
    }
}

/// The command with the environment that a step of the action gives it.
fn as_in(step: &str, run: Run, given: &[(&str, &str)]) -> Run {
    let action = action();
    let step = steps(&action)
        .iter()
        .find(|one| one["name"] == step)
        .unwrap();
    let mut run = run;
    for name in keys(&step["env"]) {
        let value = step["env"][name].as_str().unwrap();
        let input = value
            .trim_start_matches("${{ inputs.")
            .trim_end_matches(" }}");
        let default = action["inputs"][input]["default"].as_str().unwrap();
        let given = given.iter().find(|(known, _)| *known == input);
        run = run.env(name, given.map_or(default, |(_, value)| value));
    }
    run
}

#[tokio::test]
async fn inputs_that_nobody_gives_change_nothing() {
    let bench = Bench::new();
    project::runbook(&bench);
    let prefix = ("image-prefix", "127.0.0.1:1/acme");
    let build = bench.pipeline("build --dry-run --json -");
    let ran = as_in("Build", build, &[prefix]).go().await;
    // All that is wrong is that nobody answers there.
    ran.ended(11).says(&["127.0.0.1:1", "no answer"]);

    let report = bench.path("build.json");
    std::fs::write(&report, r#"{"schema": 1, "built": []}"#).unwrap();
    let pin = bench
        .pipeline("pin --propose --dry-run --from")
        .arg(&report);
    let ran = as_in("Pin", pin, &[]).go().await.ok();
    assert_eq!(ran.stdout, "every pin is as it should be\n");
}

#[tokio::test]
async fn inputs_are_read_and_what_makes_no_sense_is_refused_by_name() {
    let bench = Bench::new();
    project::runbook(&bench);
    let prefix = ("image-prefix", "127.0.0.1:1/acme");
    for (input, value, said) in [
        ("jobs", "0", "--jobs"),
        ("max-age", "soon", "--max-age"),
        ("secrets", "pip=hunter22", "--secret"),
        ("secrets", "pip=env:A\nnpm", "--secret"),
        ("cache-to", "type=gha\ntype=tape", "`cache-to`"),
    ] {
        let build = bench.pipeline("build --dry-run");
        let ran = as_in("Build", build, &[prefix, (input, value)]).go().await;
        let ran = ran.ended(2).says(&[said]);
        assert!(!ran.stderr.contains("no answer"), "{}", ran.stderr);
    }
    let good = [
        prefix,
        ("jobs", "4"),
        ("rebuild", "true"),
        ("fail-fast", "true"),
        ("max-age", "30d"),
        ("secrets", "pip=env:PIP_TOKEN\nnpm=file:npmrc\n"),
        ("cache-from", "type=gha\ntype=local,src=cache\n"),
    ];
    let build = bench.pipeline("build --dry-run");
    let ran = as_in("Build", build, &good).go().await.ok();
    assert!(ran.stdout.contains("forced"), "{}", ran.stdout);

    let report = bench.path("build.json");
    std::fs::write(&report, r#"{"schema": 1, "built": []}"#).unwrap();
    let pin = bench
        .pipeline("pin --propose --dry-run --from")
        .arg(&report);
    let ran = as_in("Pin", pin, &[("auto-merge", "yes")]).go().await;
    ran.ended(2).says(&["--auto-merge", "squash"]);
}
