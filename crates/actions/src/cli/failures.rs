//! Every error of every stage, and the exit code it ends with.

use std::path::{Path, PathBuf};

use image_factory::build::{BuildFailure, FailedTarget};
use process::ProcessError;
use registry_model::{Finding, Findings, Severity};
use rehearsal::rehearse::RehearseError;
use tokio_util::sync::CancellationToken;

use crate::config::ConfigError;
use crate::exit::Exit;
use crate::runner::{Annotation, Level};
use crate::ui::Failure;

pub(super) fn process_failure(error: ProcessError, exit: Exit) -> Failure {
    let exit = if error.is_cancelled() {
        Exit::Interrupted
    } else {
        exit
    };
    let hint = match &error {
        ProcessError::NotFound { program } => Some(format!("install `{program}`")),
        _ => None,
    };
    Failure::new(exit, error).with_hint(hint)
}

/// The runner shows ten annotations of a level for a step, and drops the others.
pub(super) const MOST_ANNOTATIONS: usize = 10;

/// An annotation is cut at 4096 characters; the log has the rest.
const LINES_OF_LOG: usize = 10;

/// Findings in the files below `root`; a workflow shows each at its line.
pub(super) fn of_findings(findings: Findings, root: &Path) -> Failure {
    let Some(folder) = in_workspace(root) else {
        return findings.into();
    };
    let annotations = findings.iter().take(MOST_ANNOTATIONS);
    let annotations = annotations.map(|one| annotation(one, &folder)).collect();
    Failure::from(findings).with_annotations(annotations)
}

/// Each image that failed, at the line of its Dockerfile.
pub(super) fn of_failed_images(failure: &BuildFailure, root: &Path) -> Vec<Annotation> {
    let Some(folder) = in_workspace(root) else {
        return Vec::new();
    };
    let failed = failure.failed.iter().take(MOST_ANNOTATIONS);
    let annotation = |failed: &FailedTarget| {
        let file = folder.join(&failed.dockerfile);
        let line = failed.line.map(|line| line as u64);
        let mut message = failed.message.clone();
        let last = failed.log.len().saturating_sub(LINES_OF_LOG);
        for line in &failed.log[last..] {
            message.push_str(&format!("\n{line}"));
        }
        Annotation {
            level: Level::Error,
            place: line.map(|line| (file.to_string_lossy().into_owned(), line, 1)),
            title: Some(failed.name.clone()),
            message,
        }
    };
    failed.map(annotation).collect()
}

/// A folder as the runner names it: relative to the workspace.
pub(super) fn in_workspace(folder: &Path) -> Option<PathBuf> {
    let workspace = match std::env::var_os("GITHUB_WORKSPACE") {
        Some(workspace) if !workspace.is_empty() => workspace.into(),
        _ => std::env::current_dir().ok()?,
    };
    let (folder, workspace) = (folder.canonicalize().ok()?, workspace.canonicalize().ok()?);
    folder.strip_prefix(workspace).ok().map(Path::to_owned)
}

fn annotation(finding: &Finding, folder: &Path) -> Annotation {
    let file = folder.join(&finding.file).to_string_lossy().into_owned();
    let mut message = format!("{} [{}]", finding.message, finding.code);
    if let Some(hint) = &finding.hint {
        message.push_str(&format!("\nhint: {hint}"));
    }
    Annotation {
        level: match finding.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        },
        place: (finding.has_place()).then_some((file, finding.line as u64, finding.column as u64)),
        title: None,
        message,
    }
}

fn factory_exit(class: image_factory::ErrorClass) -> Exit {
    match class {
        image_factory::ErrorClass::Input => Exit::Input,
        image_factory::ErrorClass::Build => Exit::Build,
        image_factory::ErrorClass::Access => Exit::Access,
        image_factory::ErrorClass::Pin => Exit::Pin,
        image_factory::ErrorClass::Cancelled => Exit::Interrupted,
    }
}

fn acceptance_exit(class: acceptance::ErrorClass) -> Exit {
    match class {
        acceptance::ErrorClass::Input => Exit::Input,
        acceptance::ErrorClass::Failed => Exit::Acceptance,
        acceptance::ErrorClass::Cancelled => Exit::Interrupted,
    }
}

pub(super) fn modal_exit(class: modal_deploy::ErrorClass) -> Exit {
    match class {
        modal_deploy::ErrorClass::Input => Exit::Input,
        modal_deploy::ErrorClass::Deploy => Exit::Deploy,
        modal_deploy::ErrorClass::Smoke => Exit::Smoke,
        modal_deploy::ErrorClass::Cancelled => Exit::Interrupted,
    }
}

fn promotion_exit(error: &promotion::PromotionError) -> Exit {
    use promotion::PromotionError;
    match error {
        _ if error.is_cancelled() => Exit::Interrupted,
        _ if error.is_rule() => Exit::Promotion,
        PromotionError::Github { .. } => Exit::Pin,
        _ => Exit::Input,
    }
}

/// What broke because the user interrupted is an interruption, whatever it looks like. Only what
/// could not be removed must still be told.
pub(super) fn after(failure: Failure, cancel: &CancellationToken) -> Failure {
    let left = failure
        .error
        .downcast_ref::<acceptance::AcceptanceError>()
        .is_some_and(|error| matches!(error, acceptance::AcceptanceError::Teardown { .. }));
    if cancel.is_cancelled() && !left {
        Failure {
            exit: Exit::Interrupted,
            ..failure
        }
    } else {
        failure
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = match &error {
            ConfigError::Key { source, .. } => source.hint(),
            _ => Some("docs/configuration.md lists every field of pipeline.yml"),
        };
        let hint = hint.map(str::to_owned);
        Self::new(Exit::Input, error).with_hint(hint)
    }
}

impl From<Findings> for Failure {
    fn from(error: Findings) -> Self {
        // Each finding shows its own cure.
        Self::new(Exit::Input, error)
    }
}

impl From<registry_model::SelectionError> for Failure {
    fn from(error: registry_model::SelectionError) -> Self {
        let hint = error.hint();
        Self::new(Exit::Input, error).with_hint(hint)
    }
}

impl From<registry_model::PinError> for Failure {
    fn from(error: registry_model::PinError) -> Self {
        let hint = error.hint();
        Self::new(Exit::Input, error).with_hint(hint)
    }
}

impl From<oci::OciError> for Failure {
    fn from(error: oci::OciError) -> Self {
        let hint = error.hint();
        Self::new(Exit::Build, error).with_hint(hint)
    }
}

impl From<receipts::ReceiptsError> for Failure {
    fn from(error: receipts::ReceiptsError) -> Self {
        let exit = match &error {
            _ if error.is_cancelled() => Exit::Interrupted,
            _ if error.is_about_access() => Exit::Access,
            _ => Exit::Unexpected,
        };
        let hint = error.hint();
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<image_factory::FactoryError> for Failure {
    fn from(error: image_factory::FactoryError) -> Self {
        use image_factory::FactoryError;
        let hint = match (&error, error.hint()) {
            (
                FactoryError::PinLoop {
                    by_merge: false, ..
                },
                Some(hint),
            ) => Some(format!(
                "{hint}; what goes into every image (labels, provenance …) must be in pipeline.yml"
            )),
            (FactoryError::PushDenied { refusals }, hint) => all_hints(refusals).or(hint),
            (_, hint) => hint,
        };
        Self::new(factory_exit(error.class()), error).with_hint(hint)
    }
}

/// The cures of this many repositories are shown; the others have the same causes, as a rule.
const MOST_HINTS: usize = 5;

/// What to change for each repository, each cure once.
fn all_hints(refusals: &[oci::OciError]) -> Option<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in refusals.iter().filter_map(oci::OciError::hint) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    if hints.len() > MOST_HINTS {
        hints.truncate(MOST_HINTS);
        hints.push("for the others, see `pipeline doctor registry`".to_owned());
    }
    (!hints.is_empty()).then(|| hints.join("\nhint: "))
}

impl From<acceptance::AcceptanceError> for Failure {
    fn from(error: acceptance::AcceptanceError) -> Self {
        let (exit, hint) = (acceptance_exit(error.class()), error.hint());
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<modal_deploy::ModalError> for Failure {
    fn from(error: modal_deploy::ModalError) -> Self {
        let hint = match &error {
            modal_deploy::ModalError::EnvironmentMissing { environment, .. } => Some(format!(
                "run `modal environment create {environment}`, or give --create-environment"
            )),
            error => error.hint(),
        };
        let exit = modal_exit(error.class());
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<github::GithubError> for Failure {
    fn from(error: github::GithubError) -> Self {
        let exit = match &error {
            _ if error.is_cancelled() => Exit::Interrupted,
            github::GithubError::Invalid { .. } | github::GithubError::Client { .. } => Exit::Input,
            _ => Exit::Pin,
        };
        let hint = error.hint();
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<promotion::PromotionError> for Failure {
    fn from(error: promotion::PromotionError) -> Self {
        let (exit, hint) = (promotion_exit(&error), error.hint());
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<rehearsal::registry::RegistryError> for Failure {
    fn from(error: rehearsal::registry::RegistryError) -> Self {
        let hint = error.hint();
        Self::new(Exit::Input, error).with_hint(hint)
    }
}

impl From<rehearsal::github::EmbeddedGithubError> for Failure {
    fn from(error: rehearsal::github::EmbeddedGithubError) -> Self {
        let hint = error.hint();
        Self::new(Exit::Input, error).with_hint(hint)
    }
}

impl From<rehearsal::modal::ModalError> for Failure {
    fn from(error: rehearsal::modal::ModalError) -> Self {
        let hint = error.hint();
        Self::new(Exit::Input, error).with_hint(hint)
    }
}

impl From<RehearseError> for Failure {
    fn from(error: RehearseError) -> Self {
        let exit = match &error {
            _ if error.is_cancelled() => Exit::Interrupted,
            RehearseError::Factory(error) => factory_exit(error.class()),
            RehearseError::Acceptance(error) => acceptance_exit(error.class()),
            RehearseError::Modal(error) => modal_exit(error.class()),
            RehearseError::NotDeployed { .. } => Exit::Deploy,
            RehearseError::NotSmoked { .. } => Exit::Smoke,
            RehearseError::Promotion(error) => promotion_exit(error),
            RehearseError::Github(_) | RehearseError::Loop { .. } => Exit::Pin,
            RehearseError::Oci(_) | RehearseError::Base { .. } => Exit::Build,
            RehearseError::NotProven { .. } => Exit::Drift,
            RehearseError::Empty { .. }
            | RehearseError::NothingEnabled { .. }
            | RehearseError::Files { .. }
            | RehearseError::RegistryFiles(_)
            | RehearseError::Registry(_)
            | RehearseError::EmbeddedGithub(_)
            | RehearseError::EmbeddedModal(_)
            | RehearseError::Setting { .. }
            | RehearseError::Git(_) => Exit::Input,
            _ => Exit::Unexpected,
        };
        let hint = error.hint();
        Self::new(exit, error).with_hint(hint)
    }
}
