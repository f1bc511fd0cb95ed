use std::fmt::Write as _;

use serde_json::Value;

use super::GROUP;
use super::scene::Scene;
use crate::bench::files::write;
use crate::bench::measure::{median, seconds};
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::say;

const RUNS: usize = 5;
const CASES: u32 = 20;
/// As many as `pipeline accept` runs at once.
const AT_ONCE: u32 = 4;
const MOST_MS: f64 = 150.0;

/// What a case takes beyond a `docker run` of the same image with the same request, and what the
/// first one takes alone, with all that is done once in a run.
///
/// # Errors
/// When a program fails.
pub(super) async fn rows(scene: &Scene) -> Result<Vec<Row>, Error> {
    let many = row(
        scene,
        CASES,
        "each of 20 cases, beyond `docker run`, 4 at once",
    )
    .await?;
    let one = row(scene, 1, "a case alone, beyond `docker run`").await?;
    Ok(vec![many, one])
}

async fn row(scene: &Scene, cases: u32, name: &str) -> Result<Row, Error> {
    let mut section = "acceptance:\n  cases:\n".to_owned();
    for number in 0..cases {
        // Writing to a string cannot fail.
        let _ = writeln!(
            section,
            "    - {{name: case-{number}, mode: real, inputs: {{do: 'true'}}}}"
        );
    }
    let root = scene.repository(&format!("contract-{cases}"), &section)?;
    let request = scene.path("request.json");
    write(
        &request,
        r#"{"inputs":{"do":"true"},"mode":"real","ref":"text/x@1"}"#,
    )?;
    let mut beyond = Vec::new();
    for run in 0..RUNS {
        say::line(format_args!(
            "bench: {cases} cases, run {} of {RUNS}",
            run + 1
        ));
        let (_, report) = scene.accept(&root, "contract").await?;
        let ours = contract_seconds(&report, cases)?;
        let script = r#"seq "$1" | xargs -P "$2" -I{} sh -c '
            docker run --rm -i --network none --log-driver none --tmpfs /processor/out \
              -e IMAGE_REF="$1" -e PROCESSOR_OUTPUT_DIR=/processor/out "$1" < "$0" > /dev/null
          ' "$3" "$4""#;
        let by_hand = scene
            .program("sh")
            .args(["-ec", script, "sh"])
            .args([cases.to_string(), AT_ONCE.to_string()])
            .arg(&request)
            .arg(&scene.image);
        let baseline = seconds(by_hand, &scene.cancel).await?;
        beyond.push((ours - baseline) * 1000.0 / f64::from(cases));
    }
    let target = Target::AtMost(MOST_MS);
    Ok(Row::new(GROUP, name, "ms", median(&beyond), None, target))
}

/// The seconds of a contract that did what it is measured for.
fn contract_seconds(report: &Value, cases: u32) -> Result<f64, Error> {
    let contract = &report["contract"];
    let ran = contract["cases"].as_array().map_or(0, Vec::len);
    match contract["seconds"].as_f64() {
        Some(seconds) if ran == cases as usize && report["verdict"] == "passed" => Ok(seconds),
        _ => Err(Error::format(
            "the report of acceptance",
            contract.to_string(),
        )),
    }
}
