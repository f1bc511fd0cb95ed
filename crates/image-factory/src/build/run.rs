use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use jiff::tz::TimeZone;
use oci::OciError;
use registry_model::Repository;
use tokio_util::sync::CancellationToken;

use super::bake::Recipe;
use super::earlier::{Earlier, take_up};
use super::epoch;
use super::failure::{BuildFailure, FailedTarget};
use super::feature::wanted;
use super::finish::finish;
use super::options::BuildOptions;
use super::preflight::{Engine, ask_buildx, preflight, whoever_builds_can};
use super::progress::Told;
use super::report::BuildReport;
use super::reused::{Reused, confirm_reused};
use super::rounds::{Done, Rounds};
use super::secrets;
use super::target::{Target, targets};
use crate::plan::BuildPlan;
use crate::{FactoryError, Images};

/// Repositories that are asked at once whether we may push to them.
const ASKED_AT_ONCE: usize = 32;

/// Builds and pushes what the plan says, confirms every image, and records the input keys.
///
/// When nothing is to be built, no engine is needed. What an earlier run pushed and could not record
/// is taken up and not built again. Before anything is built, it is made sure that
/// the engine can do what is asked, that the secrets have values, and that the registry lets us
/// push. Meanwhile the images that are reused are confirmed. On cancellation the build is ended, and
/// nothing stays behind but what is in the registry already.
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
    let targets = targets(plan, &build_tag());
    let mut told = Told::default();
    if !targets.is_empty() {
        told = Told::new(secrets::redactor(&options.secrets, &root)?);
        epoch::check(plan, &targets, &root)?;
    }
    let (engine, Earlier { pushed, targets }) = match targets.is_empty() {
        true => (None, Earlier::default()),
        false => prepare(plan, targets, images, options, cancel).await?,
    };
    let build = async {
        if targets.is_empty() {
            return Ok(Done::default());
        }
        let recipe = Recipe {
            root: &root,
            settings: &plan.settings,
            options,
            engine: engine.as_ref(),
        };
        let rounds = Rounds::new(recipe, told.clone());
        match engine {
            Some(_) => rounds.run(targets, cancel).await,
            None => beside(&rounds, targets, cancel).await,
        }
    };
    let (mut done, reused) = tokio::try_join!(build, async {
        tokio::select! {
            // The build ends in its own way, and says so.
            biased;
            () = cancel.cancelled() => Ok(Reused::default()),
            reused = confirm_reused(plan, images) => Ok(reused),
        }
    })?;

    done.pushed.extend(pushed);
    let finished = tokio::select! {
        biased;
        () = cancel.cancelled() => {
            return Err(FactoryError::Cancelled { operation: "confirm the images" });
        }
        finished = finish(plan, &done.pushed, reused, images, &told) => finished,
    };
    let report = BuildReport {
        schema: 1,
        ended_at: jiff::Timestamp::now(),
        built: finished.built,
    };
    let (mut failed, mut errors) = (done.failed, finished.failed);
    if failed.is_empty() && errors.len() <= 1 && (errors.is_empty() || report.built.is_empty()) {
        // What is wrong with the only image is told best by its own error.
        return errors.pop().map_or(Ok(report), |(_, error)| Err(error));
    }
    let of_its_own = |(item, error): (_, FactoryError)| FailedTarget::of_its_own(item, &error);
    failed.extend(errors.into_iter().map(of_its_own));
    Err(FactoryError::BuildFailed(Box::new(BuildFailure {
        failed,
        stopped: done.stopped,
        report,
    })))
}

/// A tag for no other build: two may begin in one second.
fn build_tag() -> String {
    let now = jiff::Timestamp::now().to_zoned(TimeZone::UTC);
    let (random, ..) = uuid::Uuid::new_v4().as_fields();
    format!("{}-{random:08x}", now.strftime("build-%Y%m%dT%H%M%SZ"))
}

/// Makes sure that the engine and the registry will do their part. Returns what builds, if it makes a
/// difference, and what is left to build.
async fn prepare<'a, I: Images>(
    plan: &BuildPlan,
    targets: Vec<Target<'a>>,
    images: &I,
    options: &BuildOptions,
    cancel: &CancellationToken,
) -> Result<(Option<Engine>, Earlier<'a>), FactoryError> {
    let wanted = wanted(&targets, &plan.settings, options);
    let repositories: BTreeSet<&Repository> = targets
        .iter()
        .map(|target| &target.item.repository)
        .collect();
    let engine = async {
        // Of a builder that is named it is made sure that it is there.
        if options.builder.is_none() && whoever_builds_can(&wanted).await {
            return Ok(None);
        }
        let engine = preflight(options.builder.as_deref(), cancel).await?;
        engine.check(&wanted).map(|()| Some(engine))
    };
    let (engine, pushable, earlier) = tokio::select! {
        biased;
        () = cancel.cancelled() => {
            return Err(FactoryError::Cancelled { operation: "prepare the build" });
        }
        all = async {
            tokio::join!(engine, check_push(repositories, images), take_up(targets, images))
        } => all,
    };
    let engine = match earlier.targets.is_empty() {
        true => None,
        false => engine?,
    };
    pushable?;
    Ok((engine, earlier))
}

/// Builds while buildx says its version: it says so before it has begun. One that is too old is
/// stopped, and what is missing is told by its own error.
async fn beside<'t>(
    rounds: &Rounds<'_>,
    targets: Vec<Target<'t>>,
    cancel: &CancellationToken,
) -> Result<Done<'t>, FactoryError> {
    let stop = cancel.child_token();
    let version = async {
        let version = ask_buildx(cancel).await;
        if version.is_err() {
            stop.cancel();
        }
        version
    };
    let (done, version) = tokio::join!(rounds.run(targets, &stop), version);
    version?;
    done
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
    let (refusals, unasked): (Vec<_>, Vec<_>) =
        errors.into_iter().partition(OciError::is_about_access);
    match (refusals.is_empty(), unasked.into_iter().next()) {
        (false, _) => Err(FactoryError::PushDenied { refusals }),
        (true, Some(error)) => Err(error.into()),
        (true, None) => Ok(()),
    }
}
