//! What a run did, held against its contract. Nothing here asks or does anything.

use registry_model::{Cost, PinnedImage};
use serde_json::Value;

use super::container::{End, LARGEST_ANSWER, MOST_TALK, Ran};
use super::outputs::{Outputs, What};
use super::{CasePlan, Violation, ViolationCode, envelope, media};
use crate::told::Told;

/// As many of one kind as people read.
const MOST_ALIKE: usize = 10;

/// What came of a run.
pub(super) struct Judged {
    pub(super) violations: Vec<Violation>,
    pub(super) answer: Option<Value>,
    pub(super) cost_units: Option<Cost>,
}

/// Holds one run against the contract.
pub(super) fn judge(
    case: &CasePlan,
    image: &PinnedImage,
    ran: &Ran,
    outputs: &Outputs,
    told: &Told,
) -> Judged {
    let mut found = Found {
        told,
        violations: Vec::new(),
    };
    let ended = end(case, ran, &mut found);
    budget(case, ran, outputs, &mut found);
    artifacts(case, outputs, ended, &mut found);
    let mut cost_units = None;
    let mut answer = None;
    // What was ended has no answer, and its half of one would only be noise.
    if ended {
        match envelope::read(&ran.stdout) {
            Ok(value) => {
                cost_units = envelope::cost_units(&value);
                receipt(case, image, &value, &mut found);
                expectations(case, &value, &mut found);
                listed(case, outputs, &value, &mut found);
                cost(case, cost_units, &mut found);
                answer = Some(value);
            }
            Err(problems) => {
                for (place, problem) in problems {
                    let expected = "an answer as docs/acceptance.md has it";
                    found.add(ViolationCode::Answer, &place, expected, &problem);
                }
            }
        }
    }
    Judged {
        violations: found.violations,
        answer,
        cost_units,
    }
}

/// The budgets that nothing is known about after all runs: what cannot be told has not been kept.
pub(super) fn unmeasured(
    case: &CasePlan,
    wall_seconds: Option<f64>,
    peak_memory: Option<u64>,
    told: &Told,
) -> Vec<Violation> {
    let mut found = Found {
        told,
        violations: Vec::new(),
    };
    let got = "not measured";
    if let (Some(most), None) = (case.budget.wall_seconds, wall_seconds) {
        let expected = format!("at most {most} s");
        found.add(ViolationCode::WallTime, "wall time", &expected, got);
    }
    if let (Some(most), None) = (case.budget.memory_mib, peak_memory) {
        let expected = format!("at most {most} MiB");
        found.add(ViolationCode::PeakMemory, "peak memory", &expected, got);
    }
    found.violations
}

/// What differs between two runs that should be the same.
pub(super) fn compare(
    first: (&Outputs, Option<&Value>),
    second: (&Outputs, Option<&Value>),
    told: &Told,
) -> Vec<Violation> {
    let mut found = Found {
        told,
        violations: Vec::new(),
    };
    let code = ViolationCode::Nondeterministic;
    let hash = |outputs: &Outputs, path: &str| {
        let mut files = outputs.files();
        let file = files.find(|(known, _, _)| *known == path);
        file.map_or_else(
            || "no file".to_owned(),
            |(_, _, sha256)| format!("sha256 {sha256}"),
        )
    };
    let mut paths: Vec<&str> = [first.0, second.0]
        .into_iter()
        .flat_map(|outputs| outputs.files().map(|(path, _, _)| path))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let (one, two) = (hash(first.0, path), hash(second.0, path));
        if one != two {
            found.about(code, path, "the second run", &one, &two);
        }
    }
    // An answer tells of its files, so that one difference would be told twice.
    if found.violations.is_empty()
        && let (Some(one), Some(two)) = (first.1, second.1)
    {
        let (one, two) = (envelope::lasting(one), envelope::lasting(two));
        if one != two {
            let (place, one, two) = difference(&one, &two, String::new());
            let what = format!("`{place}` of the answer in the second run");
            found.add(code, &what, &one, &two);
        }
    }
    found.violations
}

/// The first place where two values differ.
fn difference(one: &Value, two: &Value, at: String) -> (String, String, String) {
    if let (Value::Object(first), Value::Object(second)) = (one, two) {
        for (key, value) in first {
            let at = format!("{at}/{key}");
            match second.get(key) {
                Some(other) if other == value => {}
                Some(other) => return difference(value, other, at),
                None => return (at, envelope::shown(Some(value)), envelope::shown(None)),
            }
        }
        if let Some((key, value)) = second.iter().find(|(key, _)| !first.contains_key(*key)) {
            let at = format!("{at}/{key}");
            return (at, envelope::shown(None), envelope::shown(Some(value)));
        }
    }
    (at, envelope::shown(Some(one)), envelope::shown(Some(two)))
}

/// What is wrong so far.
struct Found<'a> {
    told: &'a Told,
    violations: Vec<Violation>,
}

impl Found<'_> {
    fn add(&mut self, code: ViolationCode, what: &str, expected: &str, got: &str) {
        self.push(code, None, what, expected, got);
    }

    fn about(&mut self, code: ViolationCode, path: &str, what: &str, expected: &str, got: &str) {
        self.push(code, Some(path), what, expected, got);
    }

    fn push(
        &mut self,
        code: ViolationCode,
        artifact: Option<&str>,
        what: &str,
        expected: &str,
        got: &str,
    ) {
        self.violations.push(Violation {
            code,
            what: self.told.line(what),
            expected: self.told.line(expected),
            got: self.told.line(got),
            artifact: artifact.map(|path| self.told.line(path)),
        });
    }
}

/// Whether the run ended by itself.
fn end(case: &CasePlan, ran: &Ran, found: &mut Found<'_>) -> bool {
    let limits = &case.limits;
    let wanted = match case.status() {
        "error" => 1,
        _ => 0,
    };
    match ran.end {
        End::Exited(code) => {
            if code != wanted {
                let expected = format!("{wanted}");
                found.add(
                    ViolationCode::ExitCode,
                    "exit code",
                    &expected,
                    &format!("{code}"),
                );
            }
            return true;
        }
        End::Killed => {
            let expected = format!(
                "an end within {} MiB of memory, files included",
                limits.memory_mib
            );
            let got = "killed by signal 9, as the memory limit does";
            found.add(ViolationCode::Killed, "end", &expected, got);
        }
        End::TimedOut => {
            let expected = format!("an end within {} s", limits.seconds);
            found.add(
                ViolationCode::TimeLimit,
                "end",
                &expected,
                "still running, ended",
            );
        }
        End::Flooded => {
            let expected =
                format!("at most {LARGEST_ANSWER} bytes of answer, {MOST_TALK} on standard error");
            found.add(ViolationCode::Flood, "text", &expected, "more, ended");
        }
    }
    false
}

fn budget(case: &CasePlan, ran: &Ran, outputs: &Outputs, found: &mut Found<'_>) {
    let budget = &case.budget;
    if let (Some(most), Some(wall)) = (budget.wall_seconds, ran.wall_seconds)
        && wall > most
    {
        let (expected, got) = (format!("at most {most} s"), format!("{wall} s"));
        found.add(ViolationCode::WallTime, "wall time", &expected, &got);
    }
    if let (Some(most), Some(peak)) = (budget.memory_mib, ran.peak_memory)
        && peak > most << 20
    {
        let got = format!("{:.1} MiB", peak as f64 / f64::from(1 << 20));
        let expected = format!("at most {most} MiB");
        found.add(ViolationCode::PeakMemory, "peak memory", &expected, &got);
    }
    let written = outputs.bytes();
    if let Some(most) = budget.output_bytes
        && written > most
    {
        let (expected, got) = (format!("at most {most} bytes"), format!("{written} bytes"));
        found.add(ViolationCode::OutputBytes, "output", &expected, &got);
    }
    // Files take whole pages: the last one of each may be nearly empty.
    let pages = 4096 * (outputs.found.len() as u64 + 1);
    if outputs.cut || written + pages >= case.limits.output_mib << 20 {
        let expected = format!("room left of {} MiB", case.limits.output_mib);
        found.add(
            ViolationCode::OutputFull,
            "folder for outputs",
            &expected,
            "none",
        );
    }
}

fn cost(case: &CasePlan, told: Option<Cost>, found: &mut Found<'_>) {
    let Some(most) = case.budget.cost_units else {
        return;
    };
    let got = match told {
        Some(cost) if cost <= most => return,
        Some(cost) => format!("{cost}"),
        // What failed need not know what it would have cost.
        None if case.status() == "error" => return,
        None => "nothing in `/usage/cost_units` of the answer".to_owned(),
    };
    found.add(
        ViolationCode::CostUnits,
        "cost units",
        &format!("at most {most}"),
        &got,
    );
}

fn artifacts(case: &CasePlan, outputs: &Outputs, ended: bool, found: &mut Found<'_>) {
    let mut undeclared = 0;
    for entry in &outputs.found {
        let declared = case
            .artifacts
            .iter()
            .find(|(path, _)| path.as_str() == entry.path);
        match (&entry.what, declared) {
            (What::File { content, .. }, Some((_, kind))) => {
                if let Some(got) = media::mismatch(kind, content) {
                    let code = ViolationCode::ArtifactKind;
                    found.about(code, &entry.path, "content", kind.as_str(), &got);
                }
            }
            (What::Folder, _) if leads_to_declared(case, &entry.path) => {}
            (What::Link(target), _) => {
                let got = format!("a link to `{target}`");
                let code = ViolationCode::ArtifactNoFile;
                found.about(code, &entry.path, "kind of entry", "a file", &got);
            }
            (What::Other(what), _) => {
                let code = ViolationCode::ArtifactNoFile;
                found.about(code, &entry.path, "kind of entry", "a file", what);
            }
            (What::File { .. } | What::Folder, _) => {
                undeclared += 1;
                if undeclared <= MOST_ALIKE {
                    let code = ViolationCode::ArtifactUndeclared;
                    let got = match entry.what {
                        What::Folder => "a folder",
                        _ => "a file",
                    };
                    found.about(code, &entry.path, "undeclared entry", "nothing", got);
                }
            }
        }
    }
    if undeclared > MOST_ALIKE {
        let got = format!("{undeclared} of them");
        found.add(
            ViolationCode::ArtifactUndeclared,
            "undeclared entries",
            "none",
            &got,
        );
    }
    if !ended {
        return;
    }
    for (path, kind) in &case.artifacts {
        if !outputs
            .found
            .iter()
            .any(|entry| entry.path == path.as_str())
        {
            let code = ViolationCode::ArtifactMissing;
            found.about(
                code,
                path.as_str(),
                "declared artifact",
                kind.as_str(),
                "nothing",
            );
        }
    }
}

fn leads_to_declared(case: &CasePlan, folder: &str) -> bool {
    let below = format!("{folder}/");
    case.artifacts
        .keys()
        .any(|path| path.as_str().starts_with(&below))
}

fn receipt(case: &CasePlan, image: &PinnedImage, answer: &Value, found: &mut Found<'_>) {
    let expected = [
        ("ref", case.reference.to_string()),
        ("image_digest", image.digest.to_string()),
        ("mode", case.mode.as_str().to_owned()),
        ("inputs_sha256", case.inputs_sha256.clone()),
        ("status", case.status().to_owned()),
    ];
    for (field, expected) in expected {
        let got = answer.pointer(&format!("/receipt/{field}"));
        if got.and_then(Value::as_str) != Some(&expected) {
            let what = format!("`{field}` of the receipt");
            let expected = envelope::shown(Some(&expected.into()));
            found.add(
                ViolationCode::Receipt,
                &what,
                &expected,
                &envelope::shown(got),
            );
        }
    }
}

fn expectations(case: &CasePlan, answer: &Value, found: &mut Found<'_>) {
    let own = [
        ("/ref", Value::from(case.reference.to_string())),
        ("/status", case.status().into()),
    ];
    for (place, expected) in own {
        let got = answer.pointer(place);
        if got != Some(&expected) {
            differs(place, &expected, got, found);
        }
    }
    for (place, expected) in case.expect.iter() {
        let got = place.find(answer);
        if got != Some(expected) && place.as_str() != "/status" {
            differs(place.as_str(), expected, got, found);
        }
    }
}

fn differs(place: &str, expected: &Value, got: Option<&Value>, found: &mut Found<'_>) {
    let what = format!("`{place}` of the answer");
    let expected = envelope::shown(Some(expected));
    found.add(
        ViolationCode::Expectation,
        &what,
        &expected,
        &envelope::shown(got),
    );
}

/// What the answer tells about files, against the files.
fn listed(case: &CasePlan, outputs: &Outputs, answer: &Value, found: &mut Found<'_>) {
    let code = ViolationCode::ArtifactTold;
    let list = answer["outputs"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let declared = |path: &str| case.artifacts.keys().any(|known| known.as_str() == path);
    // Of the others, more need not be told.
    for (path, content, sha256) in outputs.files().filter(|(path, _, _)| declared(path)) {
        let Some(item) = list.iter().find(|item| item["path"] == path) else {
            found.about(
                code,
                path,
                "`/outputs` of the answer",
                "an item for it",
                "none",
            );
            continue;
        };
        let told = text(item, "sha256");
        if told != sha256 {
            found.about(code, path, "sha256 in the answer", sha256, &told);
        }
        if item["bytes"] != content.len() as u64 {
            let expected = content.len().to_string();
            found.about(
                code,
                path,
                "bytes in the answer",
                &expected,
                &item["bytes"].to_string(),
            );
        }
    }
    for item in list.iter().take(outputs.found.len() + MOST_ALIKE) {
        let path = text(item, "path");
        if !outputs.files().any(|(known, _, _)| known == path) {
            found.about(
                code,
                &path,
                "`/outputs` of the answer",
                "only what was written",
                "it",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use registry_model::{Budget, Expect, Mode};

    use super::*;
    use crate::RunLimits;

    #[test]
    fn a_budget_that_nothing_was_measured_for_is_not_kept() {
        let mut case = CasePlan {
            reference: "a/b@1".parse().unwrap(),
            name: "one".parse().unwrap(),
            file: "a.yaml".into(),
            line: 3,
            mode: Mode::Mock,
            request: "{}".into(),
            inputs_sha256: String::new(),
            files: [].into(),
            expect: Expect::success(),
            artifacts: [].into(),
            budget: Budget::default(),
            limits: RunLimits {
                seconds: 1,
                memory_mib: 64,
                cpus: 1.0,
                pids: 16,
                output_mib: 1,
            },
        };
        let told = Told::new();
        assert_eq!(unmeasured(&case, None, None, &told), []);
        case.budget.memory_mib = Some(1);
        case.budget.wall_seconds = Some(0.5);
        assert_eq!(unmeasured(&case, Some(9.0), Some(9 << 20), &told), []);
        let found = unmeasured(&case, None, None, &told);
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "wall time: expected at most 0.5 s, got not measured",
                "peak memory: expected at most 1 MiB, got not measured",
            ]
        );
    }
}
