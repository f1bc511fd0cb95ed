//! Reports of stages. A job that ran code of the repository wrote them: they may be anything, and so
//! what one holds does not say which it is.

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

use crate::cli::args::{ReportKind, ReportsFrom};
use crate::cli::pin::files_in;
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

impl Reported {
    /// All reports that the caller names, each as what it is named.
    pub(super) fn all(from: &[ReportsFrom]) -> Result<Vec<Self>, Failure> {
        let mut all = Vec::new();
        for ReportsFrom { kind, path } in from {
            for file in files_in(std::slice::from_ref(path))? {
                all.push(Self::read(*kind, &file)?);
            }
        }
        Ok(all)
    }

    fn read(kind: ReportKind, path: &Path) -> Result<Self, Failure> {
        let report = value(path)?;
        match kind {
            ReportKind::Build => typed(path, kind, report).map(Self::Build),
            ReportKind::Accept => typed(path, kind, report).map(Self::Acceptance),
            ReportKind::Deploy => typed(path, kind, report).map(Self::Deploy),
            ReportKind::Promote => typed(path, kind, report).map(Self::Promotion),
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
    kind: ReportKind,
    value: Value,
) -> Result<T, Failure> {
    let command = kind.command();
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
    let commands = ReportKind::ALL.map(|kind| format!("`{}`", kind.command()));
    let hint = format!(
        "give what {} of `pipeline` wrote with --json, not with --dry-run, each as what it is: \
         `--from accept=FILE`",
        commands.join(", ")
    );
    Failure::new(Exit::Input, text).with_hint(Some(hint))
}
