//! The action `build-and-pin`, its document, and the command that it runs.

use serde_yaml::Value;

use super::bench::{Bench, Run, json_file};
use super::project::{self, git};
use super::propose;
use super::services::{Forge, TOKEN, with_registry};

const ACTION: &str = include_str!("../../../../build-and-pin/action.yml");
const DOCUMENT: &str = include_str!("../../../../docs/build-and-pin.md");
const ARCHITECTURE: &str = include_str!("../../../../docs/architecture.md");

fn action() -> Value {
    serde_yaml::from_str(ACTION).unwrap()
}

pub(crate) fn keys(value: &Value) -> Vec<&str> {
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
    with_inputs(&action(), step, run, given)
}

/// The same for any action. Of several values of an input the last one counts.
pub(crate) fn with_inputs(action: &Value, step: &str, run: Run, given: &[(&str, &str)]) -> Run {
    let step = steps(action)
        .iter()
        .find(|one| one["name"] == step)
        .unwrap();
    let mut run = run;
    for name in keys(&step["env"]) {
        let value = step["env"][name].as_str().unwrap();
        let input = value
            .trim_start_matches("${{ inputs.")
            .trim_end_matches(" }}");
        // What stands behind it counts where it is empty.
        let input = input.split(" || ").next().unwrap();
        let default = action["inputs"][input]["default"].as_str().unwrap();
        let given = given.iter().rev().find(|(known, _)| *known == input);
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
    std::fs::write(
        &report,
        r#"{"schema": 1, "ended-at": "2026-03-01T12:00:00Z", "built": []}"#,
    )
    .unwrap();
    let pin = bench.pipeline("pin --dry-run --from").arg(&report);
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
    std::fs::write(
        &report,
        r#"{"schema": 1, "ended-at": "2026-03-01T12:00:00Z", "built": []}"#,
    )
    .unwrap();
    let pin = bench
        .pipeline("pin --propose --dry-run --from")
        .arg(&report);
    let ran = as_in("Pin", pin, &[("auto-merge", "yes")]).go().await;
    ran.ended(2).says(&["--auto-merge", "squash"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_of_the_request_reach_it() {
    let bench = Bench::new();
    project::runbook(&bench);
    let workflow = "on: {workflow_dispatch: {}}\njobs: {}\n";
    bench.write(".github/workflows/prove.yml", workflow);
    let forge = Forge::start(&bench).await;
    git(&forge.git_dir(), &["branch", "next", "dev"]).await;
    let from = propose::build_report(&bench).await;
    let pin = propose::on(&forge, bench.pipeline("pin --propose --from")).arg(from);
    let inputs = [
        ("base", "next"),
        ("branch", "bot/pins"),
        ("labels", "pins, images"),
        ("reviewers", "ann,bob"),
        ("team-reviewers", "platform"),
        ("draft", "true"),
        ("dispatch", "prove.yml"),
        ("status-context", "proven"),
        ("token", TOKEN),
    ];
    as_in("Pin", pin, &inputs).go().await.ok().hides(TOKEN);

    let open = forge.open().await;
    let [request] = open.as_slice() else {
        panic!("{open:?}")
    };
    assert_eq!((&*request.head, &*request.base), ("bot/pins", "next"));
    let details = forge.repo().pull_request(request.number).await.unwrap();
    assert_eq!(details.labels, ["images", "pins"]);
    assert!(details.draft);
    assert_eq!(details.reviewers, ["ann", "bob", "platform"]);
    let started = forge.dispatches().await;
    let started: Vec<_> = started
        .iter()
        .map(|one| (&*one.workflow, &*one.reference))
        .collect();
    assert_eq!(started, [("prove.yml", "bot/pins")]);
    let status = forge.repo().combined_status(&request.head_sha).await;
    let status = status.unwrap().statuses;
    let status: Vec<_> = status
        .iter()
        .map(|one| (&*one.context, one.state))
        .collect();
    assert_eq!(status, [("proven", github::StatusState::Pending)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_fast_of_the_file_can_be_undone() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        bench.write("pipeline.yml", "build: {fail-fast: true}\n");
        // It is the first to fail, and the other one would not be quicker.
        bench.write(
            &project::dockerfile_of("lower"),
            "FROM scratch\nCOPY nothing /\n",
        );
        let slow = "FROM scratch\nCOPY bin/busybox /bin/sh\nCOPY unique /unique\n\
                    RUN [\"/bin/sh\", \"-c\", \"sleep 3\"]\n";
        bench.write(&project::dockerfile_of("upper"), slow);
        let report = bench.path("build.json");
        for (given, built) in [("", 0), ("false", 1)] {
            let build = bench.pipeline("build --json").arg(&report);
            let inputs = [
                ("registry", host),
                ("image-prefix", "ghcr.io/acme/models"),
                ("fail-fast", given),
            ];
            as_in("Build", build, &inputs).go().await.ended(11);
            let report = json_file(&report);
            assert_eq!(report["built"].as_array().unwrap().len(), built, "{report}");
        }
        let build = bench.pipeline("build --dry-run --fail-fast=perhaps");
        build.go().await.ended(2).says(&["--fail-fast", "true"]);
    })
    .await;
}

#[test]
fn every_workflow_of_the_document_says_when_it_runs() {
    let blocks = DOCUMENT.split("```yaml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let workflows = blocks.filter(|block| block.contains("\njobs:"));
    let mut count = 0;
    for workflow in workflows {
        let workflow: Value = serde_yaml::from_str(workflow).unwrap();
        assert!(workflow["on"].is_mapping(), "{workflow:?}");
        count += 1;
    }
    assert!(count >= 3, "{count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_be_built_is_pinned_although_the_rest_failed() {
    let action = action();
    let pin = steps(&action).iter().find(|one| one["name"] == "Pin");
    assert_eq!(
        pin.unwrap()["if"],
        "${{ !cancelled() && steps.build.outputs.report != '' }}"
    );
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let broken = "FROM scratch\nCOPY nothing /\n";
        bench.write(&project::dockerfile_of("upper"), broken);
        let forge = Forge::start(&bench).await;
        let output = bench.path("output");
        let report = bench.path("build.json");
        let build = bench.pipeline("build --json").arg(&report);
        let build = build.env("GITHUB_OUTPUT", &output);
        let inputs = [("registry", host), ("image-prefix", "ghcr.io/acme/models")];
        as_in("Build", build, &inputs).go().await.ended(11);
        let outputs = std::fs::read_to_string(&output).unwrap();
        let path = report.to_str().unwrap();
        let is_set = outputs.starts_with("report<<") && outputs.contains(&format!("\n{path}\n"));
        assert!(is_set, "{outputs}");

        let pin = propose::on(&forge, bench.pipeline("pin --propose --run-id 7 --from"));
        let pin = pin.arg(&report);
        let inputs = [("token", TOKEN)];
        as_in("Pin", pin, &inputs).go().await.ok();
        let changed = git(
            &forge.git_dir(),
            &["diff", "--name-only", "dev", "bot/pin-7"],
        )
        .await;
        assert_eq!(changed, project::file_of("lower"));
    })
    .await;
}

/// The document's workflow in many jobs.
fn fan_out() -> Value {
    let text = section("In many jobs");
    let (_, text) = text.split_once("```yaml\n").unwrap();
    serde_yaml::from_str(text.split("```").next().unwrap()).unwrap()
}

#[test]
fn the_job_that_pins_runs_also_when_nothing_is_built() {
    let pin = &fan_out()["jobs"]["pin"];
    let needs: Vec<_> = pin["needs"].as_sequence().unwrap().iter().collect();
    assert_eq!(needs, ["plan", "build"]);
    let condition = pin["if"].as_str().unwrap();
    // A job that fails keeps its own pin back, and no other.
    assert_eq!(
        condition.trim(),
        "!cancelled() && needs.plan.result == 'success'"
    );
    let jobs = fan_out();
    let build = jobs["jobs"]["build"]["steps"].as_sequence().unwrap();
    let upload = build.iter().find(|step| {
        let uses = step["uses"].as_str().unwrap_or_default();
        uses.starts_with("actions/upload-artifact@")
    });
    assert_eq!(upload.unwrap()["if"], "always()");
    let steps = pin["steps"].as_sequence().unwrap();
    let build = steps.iter().find(|step| {
        let run = step["run"].as_str().unwrap_or_default();
        run.contains("pipeline build --json ")
    });
    assert_eq!(build.unwrap()["if"], "needs.plan.outputs.any == 'false'");
    assert_eq!(pin["permissions"]["packages"], "read");
}
