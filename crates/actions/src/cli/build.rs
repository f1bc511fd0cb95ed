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
use super::report::Report;
use super::stage::{End, stage};
use super::summary;
use crate::config::SecretFrom;
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &BuildArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let entries = context.entries()?;
    let images = images()?;
    let building = options(args, &context, cancel).await?;
    let options = context.plan_options(&args.factory, &args.settings);
    let work =
        async { Ok(plan::plan(&context.registry, &entries, &images, &options, cancel).await?) };
    let plan = stage("plan", work, super::plan::end).await?;
    if args.dry_run {
        to.deliver(&plan, || super::plan::show(&plan))?;
        return Ok(Exit::Done);
    }
    let work = async {
        let ended = build::build(&plan, &images, &building, cancel).await;
        let mut annotations = Vec::new();
        if let Err(FactoryError::BuildFailed(failure)) = &ended {
            to.deliver_failed(&failure.report);
            summary::write(|| summary::of_build(&failure.report, &failures(failure)))?;
            annotations = of_failed_images(failure, &context.root);
        }
        ended.map_err(|error| Failure::from(error).with_annotations(annotations))
    };
    let report = stage("build", work, |report| End::Done(counted(report))).await?;
    summary::write(|| summary::of_build(&report, &[]))?;
    to.deliver(&report, || show(&report))?;
    Ok(Exit::Done)
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

fn show(report: &BuildReport) -> String {
    let rows: Vec<Vec<String>> = report
        .built
        .iter()
        .map(|one| {
            let outcome = match &one.decision {
                Outcome::Built => format!("built in {:.1} s: {}", one.seconds, one.why),
                Outcome::Reused => format!("reused (key {})", one.key.short()),
                Outcome::Kept(likeness) => summary::kept(likeness),
            };
            vec![one.name(), outcome, one.image.to_string()]
        })
        .collect();
    table(&["processor", "outcome", "image"], &rows)
}
