use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use image_factory::plan;
use oci::OciError;
use registry_model::Repository;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::args::{DoctorArgs, DoctorCommand, RegistryArgs};
use super::context::{Context, images};
use super::output::table;
use super::report::{self, Report};
use super::stage::{End, stage};
use crate::exit::Exit;
use crate::ui::Failure;

/// Repositories that are checked at once.
const AT_ONCE: usize = 16;

pub(super) async fn run(args: &DoctorArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    match &args.command {
        DoctorCommand::Registry(args) => registry(args, cancel).await,
        DoctorCommand::Modal(args) => super::doctor_modal::run(args, cancel).await,
    }
}

/// What was found about all repositories.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct AccessReport {
    schema: u32,
    repositories: Vec<Access>,
}

/// What was found about one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Access {
    repository: Repository,
    /// The processors whose images go there.
    processors: Vec<String>,
    pull: Verdict,
    push: Verdict,
    /// What is wrong; none if nothing is.
    problem: Option<String>,
    /// What to change.
    change: Option<String>,
    /// The page with that setting.
    url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Ok,
    Refused,
    /// The registry did not answer, or not in a way that tells.
    Unknown,
}

impl Verdict {
    fn of<T>(answer: &Result<T, OciError>) -> Self {
        match answer {
            Ok(_) => Self::Ok,
            Err(error) if error.is_about_access() => Self::Refused,
            Err(_) => Self::Unknown,
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Refused => "✗",
            Self::Unknown => "?",
        }
    }
}

async fn registry(args: &RegistryArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let entries = context.entries()?;
    let images = images()?;
    let mut options = context.place_options(&args.place);
    options.offline = true;
    let work = async {
        let plan = plan::plan(&context.registry, &entries, &images, &options, cancel).await?;
        let mut repositories: BTreeMap<Repository, Vec<String>> = BTreeMap::new();
        for item in &plan.items {
            let processors = repositories.entry(item.repository.clone()).or_default();
            let name = item.reference.to_string();
            if !processors.contains(&name) {
                processors.push(name);
            }
        }
        let checks = stream::iter(repositories)
            .map(|(repository, processors)| check(&images, repository, processors))
            .buffered(AT_ONCE)
            .collect();
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure::new(Exit::Interrupted, "check the registry")),
            checked = checks => Ok(AccessReport { schema: 1, repositories: checked }),
        }
    };
    let report = stage("doctor registry", work, |report: &AccessReport| {
        let wrong = report
            .repositories
            .iter()
            .filter(|one| one.problem.is_some());
        match wrong.count() {
            0 => End::Done(format!(
                "{} repositories, all writable",
                report.repositories.len()
            )),
            wrong => End::Failed(format!(
                "{wrong} of {} repositories",
                report.repositories.len()
            )),
        }
    })
    .await?;
    let delivered = to.deliver(&report, || show(&report));
    let ended = match failure(&report) {
        None => Ok(Exit::Done),
        Some(failure) => Err(failure),
    };
    report::ended(ended, delivered)
}

async fn check(images: &oci::Client, repository: Repository, processors: Vec<String>) -> Access {
    // Whether there is such a tag does not matter: only whether we may ask.
    let pull = images.resolve(&repository, "latest").await;
    let push = images.check_push(&repository).await;
    let (pulls, pushes) = (Verdict::of(&pull), Verdict::of(&push));
    let error = push.err().or(pull.err());
    Access {
        repository,
        processors,
        pull: pulls,
        push: pushes,
        problem: error.as_ref().map(chain),
        change: error.as_ref().and_then(OciError::hint),
        url: error.as_ref().and_then(OciError::setting_url),
    }
}

fn chain(error: &OciError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn show(report: &AccessReport) -> String {
    let rows: Vec<Vec<String>> = report
        .repositories
        .iter()
        .map(|one| {
            // What has no cure of its own is told below in full.
            let rest = one.problem.as_ref().map_or("", |_| "see below");
            let change = one.change.as_ref();
            let change = change.and_then(|text| text.lines().next());
            vec![
                one.repository.to_string(),
                one.pull.mark().to_owned(),
                one.push.mark().to_owned(),
                change.unwrap_or(rest).to_owned(),
            ]
        })
        .collect();
    table(&["repository", "pull", "push", "what to change"], &rows)
}

/// All that is wrong, at once.
fn failure(report: &AccessReport) -> Option<Failure> {
    let wrong: Vec<&Access> = report
        .repositories
        .iter()
        .filter(|one| one.problem.is_some())
        .collect();
    let refused = wrong
        .iter()
        .any(|one| [one.pull, one.push].contains(&Verdict::Refused));
    let exit = if refused { Exit::Access } else { Exit::Build };
    let mut text = format!(
        "get access to {} of {} repositories:",
        wrong.len(),
        report.repositories.len()
    );
    for one in &wrong {
        let problem = one.problem.as_deref().unwrap_or_default();
        text.push_str(&format!("\n  - {problem}"));
        if let Some(change) = &one.change {
            text.push_str(&format!(
                "\n    hint: {}",
                change.replace('\n', "\n          ")
            ));
        }
    }
    (!wrong.is_empty()).then(|| Failure::new(exit, text))
}
