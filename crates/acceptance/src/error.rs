use std::path::PathBuf;

use process::ProcessError;
use registry_model::{PinnedImage, Platform, ProcessorRef};

use crate::{AcceptanceReport, ObjectsError, PendingPin, ServiceDiagnosis};

/// Why images could not be proven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptanceError {
    /// A file of the repository cannot be read.
    #[error("read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The folder that the suite should run in does not exist.
    #[error("find the folder `{}` for the suite", path.display())]
    NoDirectory {
        /// The folder.
        path: PathBuf,
    },
    /// The compose file says something else than a compose file should.
    #[error("understand the compose file `{}`: {problem}", file.display())]
    ComposeFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The compose files ask for what another stack on the machine may have, too.
    #[error(
        "keep the stack of {} apart from others:{}",
        named(files),
        list(faults)
    )]
    NotApart {
        /// The compose files.
        files: Vec<PathBuf>,
        /// All of it, by service, network or volume, each with what to write instead.
        faults: Vec<String>,
    },
    /// A service was asked for that the compose file lacks.
    #[error("find service `{service}` in `{}`", file.display())]
    UnknownService {
        /// The service.
        service: String,
        /// The compose file.
        file: PathBuf,
        /// The services that it has.
        known: Vec<String>,
    },
    /// The command of the suite has no program.
    #[error("run the suite: its command is empty")]
    EmptyCommand,
    /// Processors have no image by digest.
    #[error("prove images that are not pinned yet:{}", list(pending))]
    Pending {
        /// All of them.
        pending: Vec<PendingPin>,
    },
    /// Images cannot be had, or are made for something else.
    #[error("get the images by digest:{}", list(problems))]
    Images {
        /// All of them.
        problems: Vec<ImageProblem>,
    },
    /// There is no Docker Compose.
    #[error("find Docker Compose: neither `docker compose` nor `docker-compose` answers")]
    NoCompose,
    /// Docker Compose is too old to wait for healthy services.
    #[error("use Docker Compose {found}: version 2 or later is needed")]
    OldCompose {
        /// Its version.
        found: String,
    },
    /// The services did not start, or did not become healthy.
    #[error("bring up the stack of `{}`{}", file.display(), troubled(diagnoses))]
    StackUp {
        /// The compose file.
        file: PathBuf,
        /// Every service, with its last lines.
        diagnoses: Vec<ServiceDiagnosis>,
        /// What was done up to then.
        report: Option<Box<AcceptanceReport>>,
        /// What Docker Compose said.
        #[source]
        source: Box<ProcessError>,
    },
    /// There is no Docker engine to run anything with.
    #[error("reach the Docker engine")]
    NoEngine {
        /// The question, and what came back.
        #[source]
        source: Box<ProcessError>,
    },
    /// The engine did not answer a question.
    #[error("ask the Docker engine")]
    Engine {
        /// What was done up to then, if anything.
        report: Option<Box<AcceptanceReport>>,
        /// The question, and what came back.
        #[source]
        source: Box<ProcessError>,
    },
    /// The engine did not do what it was asked for.
    #[error("have the Docker engine {doing}")]
    Docker {
        /// What it should do: `start …`.
        doing: String,
        /// What it said.
        #[source]
        source: Box<bollard::errors::Error>,
    },
    /// The engine runs on a kind of machine that nothing is known of.
    #[error("hold folders on an engine for {found}: only amd64 and arm64 are known")]
    EngineArch {
        /// Its kind.
        found: String,
    },
    /// A case that was asked for does not exist.
    #[error("find the acceptance case `{case}`")]
    UnknownCase {
        /// The case.
        case: String,
        /// The cases that there are.
        known: Vec<String>,
    },
    /// A file that a case names cannot be used.
    #[error("use `{}` in the case {case}: {problem}", path.display())]
    CaseFile {
        /// The processor and the case.
        case: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Images do not do what their contracts say.
    #[error("hold the images to their contracts: {}", broken(report))]
    Contract {
        /// What was done, with every violation.
        report: Box<AcceptanceReport>,
    },
    /// The suite could not be started.
    #[error("start the suite in `{}`", directory.display())]
    SuiteStart {
        /// Where.
        directory: PathBuf,
        /// What was done up to then.
        report: Option<Box<AcceptanceReport>>,
        /// Why.
        #[source]
        source: Box<ProcessError>,
    },
    /// The suite ended with something other than 0, or was ended by its time limit.
    #[error("pass the suite `{command}`: {outcome}{}", told(report, output))]
    Suite {
        /// The command line.
        command: String,
        /// `exit code 2`, `still running after 900s, ended`.
        outcome: String,
        /// Its last lines.
        output: Vec<String>,
        /// What was done up to then, with the state of every service.
        report: Box<AcceptanceReport>,
    },
    /// What the suite left in the S3 service could not be looked at.
    #[error("look at the objects in the bucket `{bucket}`")]
    Objects {
        /// The bucket.
        bucket: String,
        /// Why.
        #[source]
        source: ObjectsError,
    },
    /// The folder that says which runs are under way cannot be used.
    #[error("use the folder `{}`, which says what runs are under way", path.display())]
    Claims {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// A working folder or file could not be made.
    #[error("prepare the suite's files")]
    Workspace {
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Something of the stack is still there.
    #[error("take down the stack `{project}`: left behind: {}", left.join(", "))]
    Teardown {
        /// The compose project.
        project: String,
        /// Containers, networks and volumes.
        left: Vec<String>,
        /// What was done up to then.
        report: Option<Box<AcceptanceReport>>,
    },
    /// The caller cancelled; everything was taken down.
    #[error("finish the acceptance stage: interrupted")]
    Cancelled,
}

/// What an [`AcceptanceError`] means for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Bad usage or input, or a machine without what the stage needs: exit code 2.
    Input,
    /// The images are not proven: exit code 13.
    Failed,
    /// The caller cancelled: exit code 130.
    Cancelled,
}

/// Why one image cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageProblem {
    /// The processor.
    pub reference: ProcessorRef,
    /// Its image.
    pub image: PinnedImage,
    /// What is wrong with it.
    pub why: ImageWhy,
}

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageWhy {
    /// The engine cannot pull it; its last words.
    Unavailable(String),
    /// It is made for something else.
    Platform {
        /// What it is made for.
        found: String,
        /// What it should be made for.
        wanted: Platform,
    },
}

impl std::fmt::Display for ImageProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: ", self.reference, self.image)?;
        match &self.why {
            ImageWhy::Unavailable(words) => f.write_str(words),
            ImageWhy::Platform { found, wanted } => write!(f, "made for {found}, not {wanted}"),
        }
    }
}

impl AcceptanceError {
    /// What it means for the exit code.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Read { .. }
            | Self::NoDirectory { .. }
            | Self::ComposeFile { .. }
            | Self::NotApart { .. }
            | Self::UnknownService { .. }
            | Self::EmptyCommand
            | Self::NoCompose
            | Self::OldCompose { .. }
            | Self::EngineArch { .. }
            | Self::UnknownCase { .. }
            | Self::CaseFile { .. }
            | Self::Claims { .. }
            | Self::NoEngine { .. } => ErrorClass::Input,
            Self::Objects { source, .. } if source.is_input() => ErrorClass::Input,
            Self::Cancelled => ErrorClass::Cancelled,
            Self::Pending { .. }
            | Self::Images { .. }
            | Self::StackUp { .. }
            | Self::Engine { .. }
            | Self::Docker { .. }
            | Self::Contract { .. }
            | Self::SuiteStart { .. }
            | Self::Suite { .. }
            | Self::Objects { .. }
            | Self::Workspace { .. }
            | Self::Teardown { .. } => ErrorClass::Failed,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.class() == ErrorClass::Cancelled
    }

    /// Whether all that is wrong is that digests are not there yet: once they are pinned, it is not.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        match self {
            Self::Pending { pending } => pending.iter().all(|pin| pin.others.is_empty()),
            _ => false,
        }
    }

    /// What was done before something failed, with the verdict on what ran before it.
    #[must_use]
    pub fn report(&self) -> Option<&AcceptanceReport> {
        match self {
            Self::Suite { report, .. } | Self::Contract { report } => Some(report),
            Self::StackUp { report, .. }
            | Self::Engine { report, .. }
            | Self::SuiteStart { report, .. }
            | Self::Teardown { report, .. } => report.as_deref(),
            _ => None,
        }
    }

    /// The same, with what was done up to then.
    pub(crate) fn with_report(mut self, done: &AcceptanceReport) -> Self {
        match &mut self {
            Self::StackUp { report, .. }
            | Self::Engine { report, .. }
            | Self::SuiteStart { report, .. }
            | Self::Teardown { report, .. } => *report = Some(Box::new(done.clone())),
            _ => {}
        }
        self
    }

    /// The state and the last lines of each service, when that may explain the failure.
    #[must_use]
    pub fn diagnoses(&self) -> &[ServiceDiagnosis] {
        match self {
            Self::StackUp { diagnoses, .. } => diagnoses,
            _ => self.report().map_or(&[], |report| report.stack.diagnoses()),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read { .. } | Self::Workspace { .. } | Self::Cancelled => return None,
            Self::NoDirectory { .. } => "set `acceptance.directory` in pipeline.yml".into(),
            Self::ComposeFile { file, .. } => {
                format!("check it with: docker compose -f {} config", file.display())
            }
            Self::NotApart { .. } => {
                "where the file itself has to stay, a file of `acceptance.compose-override` in \
                 pipeline.yml can say otherwise, as in `ports: !override ['127.0.0.1::5432']`"
                    .into()
            }
            Self::UnknownService { known, .. } => format!(
                "it has: {}; see `acceptance.services` in pipeline.yml",
                known.join(", ")
            ),
            Self::EmptyCommand => {
                "set `acceptance.command` in pipeline.yml, as in [make, test-acceptance]".into()
            }
            Self::Pending { pending } if pending.iter().all(|pin| !pin.others.is_empty()) => {
                "build these processors for this platform, too: `platforms` in pipeline.yml".into()
            }
            Self::Pending { .. } => {
                "merge the open pin pull request, or run build-and-pin for these processors".into()
            }
            Self::Images { .. } => {
                "log in to the registry (docker login), or build and pin again if the digest is \
                 gone"
                    .into()
            }
            Self::NoCompose | Self::OldCompose { .. } => {
                "install Docker Compose 2 or later: the package docker-compose-plugin (Docker), \
                 docker-compose-v2 (Ubuntu) or docker-compose (Debian 13)"
                    .into()
            }
            Self::StackUp { source, .. } => stack_hint(source),
            Self::NoEngine { source } => match source.as_ref() {
                ProcessError::NotFound { .. } => {
                    "install Docker: https://docs.docker.com/engine/install/".into()
                }
                _ => "start it (systemctl start docker), or set DOCKER_HOST".into(),
            },
            Self::UnknownCase { known, .. } => match known.is_empty() {
                true => "`acceptance.cases` of a registry file has them".into(),
                false => format!("there is: {}", known.join(", ")),
            },
            Self::CaseFile { .. } => "see `acceptance.cases` of the registry file".into(),
            Self::Contract { .. } => {
                "put the processor right, or its `acceptance` in the registry file; \
                 docs/acceptance.md says what each line means"
                    .into()
            }
            Self::Objects { source, .. } => source.hint().into(),
            Self::Claims { path, .. } => format!(
                "let this user write to /var/tmp; remove what is not this user's there, or open to \
                 others, with: rm -r {}",
                path.display()
            ),
            Self::EngineArch { .. } => "run it on another machine, or set DOCKER_HOST".into(),
            Self::Engine { .. } | Self::Docker { .. } => {
                "check that the engine answers: docker version".into()
            }
            Self::SuiteStart { .. } => {
                "install the program, or set `acceptance.command` in pipeline.yml".into()
            }
            Self::Suite { report, .. } if report.stack.diagnoses().is_empty() => return None,
            Self::Suite { .. } => "see the state and the last lines of each service".into(),
            Self::Teardown { project, .. } => {
                format!("remove it with: docker compose -p {project} down -v --remove-orphans")
            }
        })
    }
}

/// The violations, one a line, as many as people read.
fn broken(report: &AcceptanceReport) -> String {
    const MOST: usize = 20;
    let cases = match &report.contract {
        crate::ContractReport::Ran { cases, .. } => cases.as_slice(),
        crate::ContractReport::Accepted | crate::ContractReport::NotConfigured { .. } => &[],
    };
    let failed = cases.iter().filter(|case| !case.is_passed());
    let mut counts = Vec::new();
    if failed.clone().next().is_some() {
        counts.push(format!(
            "{} of {} cases failed",
            failed.clone().count(),
            cases.len()
        ));
    }
    let objects = report.objects.as_ref().filter(|it| !it.is_passed());
    counts.extend(objects.map(|it| {
        format!(
            "{} of {} objects in `{}` are wrong",
            it.wrong, it.objects, it.bucket
        )
    }));
    let mut text = counts.join(", ");
    let mut all: Vec<String> = failed
        .flat_map(|case| {
            let of_case = move |violation| crate::ViolationText(case, violation).to_string();
            case.violations.iter().map(of_case)
        })
        .collect();
    all.extend(
        objects
            .iter()
            .flat_map(|it| &it.violations)
            .map(ToString::to_string),
    );
    text.push_str(&list(&all[..all.len().min(MOST)]));
    if all.len() > MOST {
        text.push_str(&format!("\n  and {} more, in the report", all.len() - MOST));
    }
    text
}

/// Only chooses the advice: what is wrong is told by the error itself.
fn stack_hint(source: &ProcessError) -> String {
    let said = source.stderr();
    let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if any(&[
        "pull access denied",
        "no such host",
        "manifest unknown",
        "failed to resolve",
        "connection refused",
    ]) {
        "name other images in a file of `acceptance.compose-override` in pipeline.yml, or by \
         variables (`image: ${POSTGRES_IMAGE:-postgres:15}`) that `acceptance.env` sets"
    } else {
        "see the health check and the log of the service; `acceptance.services` in pipeline.yml \
         says which are started"
    }
    .into()
}

fn named(files: &[PathBuf]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|file| format!("`{}`", file.display()))
        .collect();
    names.join(" and ")
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("\n  {item}")).collect()
}

fn troubled(diagnoses: &[ServiceDiagnosis]) -> String {
    diagnoses
        .iter()
        .filter(|service| service.is_troubled())
        .map(|service| format!("\n  {}", service.summary(5).replace('\n', "\n  ")))
        .collect()
}

/// The failed cases, or the last lines when the suite names none.
fn told(report: &AcceptanceReport, output: &[String]) -> String {
    let cases = match &report.suite {
        crate::SuiteReport::Ran { cases, .. } => cases.as_ref(),
        crate::SuiteReport::NotRun
        | crate::SuiteReport::Accepted { .. }
        | crate::SuiteReport::NotConfigured { .. } => None,
    };
    match cases.filter(|cases| !cases.failed.is_empty()) {
        Some(cases) => {
            let shown = cases.failed.iter().take(20);
            let lines: String = shown
                .map(|case| format!("\n  {}: {}", case.name, case.message))
                .collect();
            format!(
                ", {} of {} cases failed{lines}",
                cases.failed.len(),
                cases.tests
            )
        }
        None => list(&output[output.len().saturating_sub(20)..]),
    }
}
