use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use jiff::tz::TimeZone;
use oci::OciError;
use registry_model::Repository;
use tokio_util::sync::CancellationToken;

use super::bake::{self, Recipe, Target};
use super::epoch;
use super::failure::{BuildFailure, FailedTarget};
use super::feature::wanted;
use super::finish::finish;
use super::options::BuildOptions;
use super::preflight::{Engine, preflight};
use super::progress::Told;
use super::report::BuildReport;
use super::rounds::{Done, Rounds};
use super::secrets;
use crate::plan::BuildPlan;
use crate::{FactoryError, Images};

/// Repositories that are asked at once whether we may push to them.
const ASKED_AT_ONCE: usize = 32;

/// Builds and pushes what the plan says, confirms every image, and records the input keys.
///
/// When nothing is to be built, no engine is needed. Before anything is built, it is made sure that
/// the engine can do what is asked, that the secrets have values, and that the registry lets us
/// push. On cancellation the build is ended, and nothing stays behind but what is in the registry
/// already.
///
/// # Errors
/// When the engine is not fit, pushing is refused, an image fails (the others are in
/// [`BuildFailure::report`]), or the registry does not have what was pushed.
pub async fn build<I: Images>(
    plan: &BuildPlan,
    images: &I,
    options: &BuildOptions,
    cancel: &CancellationToken,
) -> Result<BuildReport, FactoryError> {
    let root = std::path::absolute(&options.root).map_err(|source| FactoryError::Read {
        path: options.root.clone(),
        source,
    })?;
    let targets = bake::targets(plan, &build_tag());
    let mut told = Told::default();
    let mut done = Done::default();
    if !targets.is_empty() {
        told = Told::new(secrets::redactor(&options.secrets, &root)?);
        epoch::check(plan, &targets, &root)?;
        let engine = prepare(plan, &targets, images, options, cancel).await?;
        let recipe = Recipe {
            root: &root,
            settings: &plan.settings,
            options,
            engine: &engine,
        };
        done = Rounds::new(recipe, told.clone())
            .run(targets, cancel)
            .await?;
    }

    let finished = tokio::select! {
        biased;
        () = cancel.cancelled() => {
            return Err(FactoryError::Cancelled { operation: "confirm the images" });
        }
        finished = finish(plan, &done.pushed, images, &told) => finished,
    };
    let report = BuildReport {
        schema: 1,
        built: finished.built,
    };
    let mut failed = done.failed;
    let mut errors = finished.failed.into_iter();
    if failed.is_empty() {
        // What is wrong with one image is told best by its own error; the others are complete.
        return errors.next().map_or(Ok(report), |(_, error)| Err(error));
    }
    failed.extend(errors.map(|(item, error)| FailedTarget::new(item, error.to_string())));
    Err(FactoryError::BuildFailed(Box::new(BuildFailure {
        failed,
        stopped: done.stopped,
        report,
    })))
}

/// A tag for people, and for no other build: two may begin in one second.
fn build_tag() -> String {
    let now = jiff::Timestamp::now().to_zoned(TimeZone::UTC);
    let (random, ..) = uuid::Uuid::new_v4().as_fields();
    format!("{}-{random:08x}", now.strftime("build-%Y%m%dT%H%M%SZ"))
}

/// Makes sure that the engine and the registry will do their part.
async fn prepare<I: Images>(
    plan: &BuildPlan,
    targets: &[Target<'_>],
    images: &I,
    options: &BuildOptions,
    cancel: &CancellationToken,
) -> Result<Engine, FactoryError> {
    let repositories: BTreeSet<&Repository> = targets
        .iter()
        .map(|target| &target.item.repository)
        .collect();
    let (engine, pushable) = tokio::select! {
        biased;
        () = cancel.cancelled() => {
            return Err(FactoryError::Cancelled { operation: "prepare the build" });
        }
        both = async {
            tokio::join!(
                preflight(options.builder.as_deref(), cancel),
                check_push(repositories, images)
            )
        } => both,
    };
    let engine = engine?;
    engine.check(&wanted(targets, &plan.settings, options))?;
    pushable?;
    Ok(engine)
}

/// Whether we may push to each of the repositories.
async fn check_push<I: Images>(
    repositories: BTreeSet<&Repository>,
    images: &I,
) -> Result<(), FactoryError> {
    let errors: Vec<OciError> = stream::iter(repositories)
        .map(|repository| images.check_push(repository))
        .buffered(ASKED_AT_ONCE)
        .filter_map(|asked| std::future::ready(asked.err()))
        .collect()
        .await;
    let no_answer = |error: &OciError| {
        error.is_retryable() || matches!(error, OciError::NoAnswer { .. } | OciError::SetUp { .. })
    };
    let (unasked, refusals): (Vec<_>, Vec<_>) = errors.into_iter().partition(no_answer);
    match (refusals.is_empty(), unasked.into_iter().next()) {
        (false, _) => Err(FactoryError::PushDenied { refusals }),
        (true, Some(error)) => Err(error.into()),
        (true, None) => Ok(()),
    }
}
