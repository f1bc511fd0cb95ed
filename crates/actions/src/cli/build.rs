use std::num::NonZero;

use image_factory::build::{
    self, BuildFailure, BuildOptions, BuildReport, BuildSecret, Cache, Outcome, SecretSource,
};
use image_factory::{FactoryError, plan};
use tokio_util::sync::CancellationToken;

use super::args::BuildArgs;
use super::commit;
use super::context::{Context, images, non_empty, set};
use super::failures::of_failed_images;
use super::output::table;
use super::report::{self, Report};
use super::stage::{End, stage};
use super::{summary, trail};
use crate::config::SecretFrom;
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &BuildArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let entries = context.entries()?;
    let images = images()?;
    let building = options(args, &context, cancel).await?;
    let mut options = context.plan_options(&args.factory, &args.settings);
    options.reports = to.files().collect();
    let work =
        async { Ok(plan::plan(&context.registry, &entries, &images, &options, cancel).await?) };
    let plan = stage("plan", work, super::plan::end).await?;
    if args.dry_run {
        to.deliver(&plan, || super::plan::show(&plan))?;
        return Ok(Exit::Done);
    }
    let work = async { Ok(build::build(&plan, &images, &building, cancel).await?) };
    match stage("build", work, |report| End::Done(counted(report))).await {
        Ok(report) => {
            summary::write(|| summary::of_build(&report, &[]))?;
            trail::tell((&context).into(), &trail::of_build(&report), cancel).await;
            to.deliver(&report, || show(&report, None))?;
            Ok(Exit::Done)
        }
        Err(ended) => tell_rest(ended, &to, &context),
    }
}

/// What is built is built, whatever became of the others: it must be known to be pinned.
fn tell_rest(ended: Failure, to: &Report, context: &Context) -> Result<Exit, Failure> {
    let Some(FactoryError::BuildFailed(failure)) = ended.error.downcast_ref() else {
        return Err(ended);
    };
    let report = &failure.report;
    let summed_up = summary::write(|| summary::of_build(report, &failures(failure)));
    let delivered = to.deliver(report, || show(report, Some(failure)));
    let annotations = of_failed_images(failure, &context.root);
    report::ended(
        Err(ended.with_annotations(annotations)),
        summed_up.and(delivered),
    )
}

/// How to build: what the arguments leave open is as `pipeline.yml` says.
async fn options(
    args: &BuildArgs,
    context: &Context,
    cancel: &CancellationToken,
) -> Result<BuildOptions, Failure> {
    let config = &context.config.build;
    let mut options = BuildOptions::new(&context.root);
    if let (Some(server), Some(name)) = (set("GITHUB_SERVER_URL"), set("GITHUB_REPOSITORY")) {
        options.source = Some(format!("{server}/{name}"));
    }
    if args.revision_label || config.revision_label {
        options.revision = Some(commit::current(&context.root, cancel).await?);
    }
    options.fail_fast = args.fail_fast.flatten().unwrap_or(config.fail_fast);
    options.jobs = args.jobs.flatten().and_then(NonZero::new).or(config.jobs);
    options.builder = non_empty(args.builder.clone()).or_else(|| config.builder.clone());
    options.cache_from = caches("cache-from", &args.cache_from, &config.cache_from)?;
    options.cache_to = caches("cache-to", &args.cache_to, &config.cache_to)?;
    let mut sources = config.secrets.clone();
    for pair in args.secrets.iter().flatten() {
        sources.insert(pair.id.clone(), pair.from.clone());
    }
    for (id, from) in sources {
        let source = match from {
            SecretFrom::Env(name) => SecretSource::Env(name),
            SecretFrom::File(path) => SecretSource::File(path),
        };
        let secret = BuildSecret::new(id, source);
        options
            .secrets
            .push(secret.map_err(|error| Failure::new(Exit::Input, error))?);
    }
    Ok(options)
}

fn caches(field: &str, given: &[String], config: &[String]) -> Result<Vec<Cache>, Failure> {
    let given = super::context::filled(given);
    let texts = if given.is_empty() { config } else { &given };
    let read = |text: &String| {
        text.parse::<Cache>().map_err(|error| {
            let hint = error.hint();
            Failure::new(Exit::Input, format!("use `{field}`: {error}")).with_hint(Some(hint))
        })
    };
    texts.iter().map(read).collect()
}

fn failures(failure: &BuildFailure) -> Vec<(String, String)> {
    let failed = failure.failed.iter().map(|one| {
        let line = one.line.map_or_else(String::new, |line| format!(":{line}"));
        let place = format!("{}{line}", one.dockerfile.display());
        (one.name.clone(), format!("{place}: {}", one.message))
    });
    let stopped = failure
        .stopped
        .iter()
        .map(|name| (name.clone(), "stopped by the failure of another".to_owned()));
    failed.chain(stopped).collect()
}

fn counted(report: &BuildReport) -> String {
    let count = |wanted: fn(&Outcome) -> bool| {
        let outcomes = report.built.iter().map(|one| &one.decision);
        outcomes.filter(|outcome| wanted(outcome)).count()
    };
    let kept = count(|outcome| matches!(outcome, Outcome::Kept(_)));
    let built = count(|outcome| matches!(outcome, Outcome::Built)) + kept;
    let reused = count(|outcome| matches!(outcome, Outcome::Reused));
    let kept = match kept {
        0 => String::new(),
        kept => format!(" ({kept} the same as their pins, which stay)"),
    };
    format!("{built} built{kept}, {reused} reused")
}

fn show(report: &BuildReport, failure: Option<&BuildFailure>) -> String {
    let built = report.built.iter().map(|one| {
        let outcome = match &one.decision {
            Outcome::Built => format!("built in {:.1} s: {}", one.seconds, one.why),
            Outcome::Reused => format!("reused (key {})", one.key.short()),
            Outcome::Kept(likeness) => summary::kept(likeness),
        };
        vec![one.name(), outcome, one.image.to_string()]
    });
    // What went wrong is told at the end, with its log.
    let failed = failure.iter().flat_map(|all| &all.failed);
    let failed = failed.map(|one| (&one.name, "failed"));
    let stopped = failure.iter().flat_map(|all| &all.stopped);
    let others = failed.chain(stopped.map(|name| (name, "stopped")));
    let others = others.map(|(name, what)| vec![name.clone(), what.to_owned(), String::new()]);
    let rows: Vec<Vec<String>> = built.chain(others).collect();
    table(&["processor", "outcome", "image"], &rows)
}
