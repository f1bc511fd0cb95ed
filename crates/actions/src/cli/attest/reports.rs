//! Reports of stages, told apart by what they hold. A job that ran code of the repository wrote
//! them: they may be anything.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use acceptance::AcceptanceReport;
use image_factory::build::BuildReport;
use modal_deploy::DeployReport;
use promotion::PromotionReport;
use receipts::statement::{Draft, Facts};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::report::LARGEST;
use crate::exit::Exit;
use crate::ui::Failure;

/// The reports that receipts are made of.
pub(super) enum Reported {
    Build(BuildReport),
    Acceptance(AcceptanceReport),
    Deploy(DeployReport),
    Promotion(PromotionReport),
}

/// The commands that write them, and a field that no other report has.
const KINDS: [(&str, &str); 4] = [
    ("build", "built"),
    ("accept", "contract"),
    ("deploy", "apps"),
    ("promote", "moves"),
];

impl Reported {
    /// Reads a report and finds out which it is.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let report = value(path)?;
        let has = |field: &str| report.get(field).is_some();
        let mut kinds = KINDS.iter().filter(|(_, field)| has(field));
        let (kind, more) = (kinds.next(), kinds.next());
        match (kind, more) {
            (Some(("build", _)), None) => typed(path, "build", report).map(Self::Build),
            (Some(("accept", _)), None) => typed(path, "accept", report).map(Self::Acceptance),
            (Some(("deploy", _)), None) => typed(path, "deploy", report).map(Self::Deploy),
            (Some(("promote", _)), None) => typed(path, "promote", report).map(Self::Promotion),
            _ => Err(wrong(path, "receipts are made of other reports")),
        }
    }

    /// What it proves. `source` is the repository that the commit is in.
    pub(super) fn receipts(&self, source: Option<&str>, facts: &Facts) -> Vec<Draft> {
        match self {
            Self::Build(report) => image_factory::build::receipts(report, source, facts),
            Self::Acceptance(report) => acceptance::receipts(report, facts),
            Self::Deploy(report) => modal_deploy::receipts(report, facts),
            Self::Promotion(report) => promotion::receipts(report, facts),
        }
    }
}

fn value(path: &Path) -> Result<Value, Failure> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| wrong(path, error))?;
    let read = file.take(LARGEST + 1).read_to_end(&mut text);
    read.map_err(|error| wrong(path, error))?;
    if text.len() as u64 > LARGEST {
        return Err(wrong(path, format!("it is longer than {LARGEST} bytes")));
    }
    serde_json::from_slice(&text).map_err(|error| wrong(path, error))
}

/// The report as its command writes it: with all that it has, and nothing that it has not.
fn typed<T: Serialize + DeserializeOwned>(
    path: &Path,
    command: &str,
    value: Value,
) -> Result<T, Failure> {
    let wrong = |problem: &str| wrong(path, format!("as one of `pipeline {command}`: {problem}"));
    if value.get("schema").and_then(Value::as_u64) != Some(1) {
        return Err(wrong("its `schema` is not 1"));
    }
    let fields: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|it| it.0.clone())
        .collect();
    let typed: T = serde_json::from_value(value).map_err(|error| wrong(&error.to_string()))?;
    let known = serde_json::to_value(&typed).map_err(|error| wrong(&error.to_string()))?;
    match fields.iter().find(|field| known.get(field).is_none()) {
        Some(unknown) => Err(wrong(&format!(
            "`{}` is no field of it",
            unknown.escape_debug()
        ))),
        None => Ok(typed),
    }
}

fn wrong(path: &Path, problem: impl std::fmt::Display) -> Failure {
    // What is quoted of the file may be long, and anything.
    let problem: String = problem.to_string().chars().take(300).collect();
    let text = format!("read the report `{}`: {problem}", path.display());
    let commands = KINDS.map(|(command, _)| format!("`{command}`")).join(", ");
    let hint = format!("give what {commands} of `pipeline` wrote with --json, not with --dry-run");
    Failure::new(Exit::Input, text).with_hint(Some(hint))
}
