//! What did not pass, at its line.

use std::path::{Path, PathBuf};

use acceptance::{
    AcceptanceReport, CaseReport, ContractReport, FailedCase, ObjectsReport, SuiteReport,
};

use crate::cli::failures::{MOST_ANNOTATIONS, in_workspace};
use crate::runner::{Annotation, Level};

/// As many wrong objects as people read.
const MOST_OBJECTS: usize = 20;

/// Where the files of a report lie.
pub(super) struct Places<'a> {
    /// The root of the repository, without symbolic links.
    pub(super) root: &'a Path,
    /// Where the suite ran.
    pub(super) directory: Option<&'a Path>,
}

/// One annotation for each case that failed, of the contract and of the suite.
pub(super) fn of_report(report: &AcceptanceReport, places: &Places<'_>) -> Vec<Annotation> {
    let mut annotations = Vec::new();
    if let ContractReport::Ran { cases, .. } = &report.contract {
        let failed = cases.iter().filter(|case| !case.is_passed());
        annotations.extend(failed.map(|case| of_contract(case, places)));
    }
    if let SuiteReport::Ran {
        cases: Some(cases), ..
    } = &report.suite
    {
        let failed = cases.failed.iter();
        annotations.extend(
            failed
                .take(MOST_ANNOTATIONS)
                .map(|case| of_suite(case, places)),
        );
    }
    let objects = report.objects.iter().filter(|it| !it.is_passed());
    annotations.extend(objects.map(of_objects));
    annotations.truncate(MOST_ANNOTATIONS);
    annotations
}

fn of_contract(case: &CaseReport, places: &Places<'_>) -> Annotation {
    let lines: Vec<String> = case.violations.iter().map(ToString::to_string).collect();
    Annotation {
        level: Level::Error,
        place: places
            .shown(&case.file)
            .map(|file| (file, case.line as u64, 1)),
        title: Some(format!("{} {}", case.reference, case.name)),
        message: lines.join("\n"),
    }
}

/// All at once, as a key has no line.
fn of_objects(report: &ObjectsReport) -> Annotation {
    let wrong = report.violations.iter().take(MOST_OBJECTS);
    let lines: Vec<String> = wrong.map(ToString::to_string).collect();
    Annotation {
        level: Level::Error,
        place: None,
        title: Some(format!("{} objects in {}", report.wrong, report.bucket)),
        message: lines.join("\n"),
    }
}

fn of_suite(case: &FailedCase, places: &Places<'_>) -> Annotation {
    let file = case.file.as_deref().and_then(|file| places.of_test(file));
    let file = file.and_then(|file| places.shown(&file));
    Annotation {
        level: Level::Error,
        place: file.map(|file| (file, case.line.unwrap_or(1), 1)),
        title: Some(case.name.clone()),
        // The runner shows nothing without one.
        message: match case.message.as_str() {
            "" => "failed, and does not say why".to_owned(),
            message => message.to_owned(),
        },
    }
}

impl Places<'_> {
    /// A file of the repository as the runner names it.
    fn shown(&self, file: &Path) -> Option<String> {
        let folder = in_workspace(self.root)?;
        Some(folder.join(file).to_string_lossy().into_owned())
    }

    /// A file that a suite names, relative to the root: it must be one of the repository.
    pub(super) fn of_test(&self, file: &str) -> Option<PathBuf> {
        let folders = [self.directory?, self.root];
        let found = folders.iter().find_map(|folder| {
            let path = folder.join(file).canonicalize().ok()?;
            path.is_file().then_some(path)
        });
        found?.strip_prefix(self.root).ok().map(Path::to_owned)
    }
}
