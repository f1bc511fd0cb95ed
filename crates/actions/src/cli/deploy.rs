use std::collections::BTreeSet;
use std::time::Duration;

use modal_deploy::deploy::{self, DeployOptions, Images, Step, Steps};
use modal_deploy::gate::Gate;
use modal_deploy::secrets::{self, SecretOutcome, SecretPlan};
use modal_deploy::{
    AppReport, DeployReport, Deployed, ErrorClass, LiveApp, Processor, RunOptions, Verdict,
};
use registry_model::{Environment, ProcessorRef, SecretNames};
use tokio_util::sync::CancellationToken;

use super::args::DeployArgs;
use super::commit;
use super::context::{Context, filled};
use super::failures::modal_exit;
use super::modal::control;
use super::output::table;
use super::report::{self, Report};
use super::secrets::{mask_all, nobodys, source};
use super::stage::{End, stage};
use super::trail;
use crate::exit::Exit;
use crate::ui::Failure;

/// More does not fit beside the rest of the table.
const LONGEST_NOTE: usize = 80;

pub(super) async fn run(args: &DeployArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let processors = context.processors()?;
    let values = source(&args.secrets)?.with_names(context.config.secret_names()?);
    let shared = context.config.shared_secrets();
    let secrets = secrets::plan(&processors, &shared, &values, &args.env)?;
    mask_all(&secrets);
    let plan = deploy::plan(&processors, &secrets)?;
    let every = context.registry.entries.iter();
    let every: Vec<&ProcessorRef> = every.map(|entry| &entry.reference).collect();
    deploy::check_names(&plan, &every)?;
    let options = RunOptions {
        declared: Some(declared(&context)),
        ..options(args, &context, &processors, &secrets, cancel).await?
    };
    let control = control(&args.modal, cancel).await?;
    if args.dry_run {
        let steps = modal_deploy::decide(&control, &plan, &secrets, &options, cancel).await?;
        let delivered = to.deliver(&steps, || show_steps(&steps));
        let proven = match &options.gate {
            Some(gate) => gate.check(&steps, cancel).await,
            None => Ok(()),
        };
        return report::ended(
            proven.map(|()| Exit::Done).map_err(Failure::from),
            delivered,
        );
    }
    let work = async { Ok(modal_deploy::run(&control, &plan, &secrets, &options, cancel).await?) };
    let report = stage(
        &format!("deploy {}", args.env),
        work,
        |report| match report.class() {
            None => End::Done(summary(report)),
            Some(_) => End::Failed(String::new()),
        },
    )
    .await?;
    trail::tell((&context).into(), &trail::of_deploy(&report), cancel).await;
    let delivered = to.deliver(&report, || show(&report));
    let ended = match report.class() {
        None => Ok(Exit::Done),
        Some(class) => Err(failure(&report, class)),
    };
    report::ended(ended, delivered)
}

async fn options(
    args: &DeployArgs,
    context: &Context,
    processors: &[Processor],
    secrets: &SecretPlan,
    cancel: &CancellationToken,
) -> Result<RunOptions, Failure> {
    let mut deploying = deploying(context);
    deploying.at_once = args.jobs.flatten().unwrap_or(deploying.at_once);
    if let Some(seconds) = args.timeout.flatten() {
        deploying.timeout = Duration::from_secs(seconds);
    }
    deploying.logs = args.logs.clone().flatten();
    deploying.commit = commit_of(&deploying, cancel).await?;
    let registry = Images::as_modal(secrets, &deploying.registry_secret)?;
    Ok(RunOptions {
        gate: gate(context, &args.env, &registry)?,
        smoke: (!args.no_smoke).then(|| context.config.smoke_options(&args.env)),
        create_environment: args.create_environment,
        partial: context.is_narrowed(),
        force: args.force,
        on_failure: args.on_failure.flatten().unwrap_or_default(),
        registry: Some(registry),
        release: releases(args, processors)?,
        ..RunOptions::new(deploying)
    })
}

/// What images must have proven before they are deployed to `environment`.
fn gate(
    context: &Context,
    environment: &Environment,
    images: &Images,
) -> Result<Option<Gate>, Failure> {
    let require = context.config.required(environment);
    if require.is_empty() {
        return Ok(None);
    }
    Ok(Some(Gate {
        store: images.receipts(),
        policy: context.config.receipts.policy(&context.root)?,
        require,
        accept_bypass: context.config.receipts.accept_bypass,
    }))
}

/// How this repository is deployed, as far as its file and the environment say.
pub(super) fn deploying(context: &Context) -> DeployOptions {
    let mut deploying = context.config.deploy_options(&context.root);
    if let Ok(name) = std::env::var("REGISTRY_SECRET") {
        deploying.registry_secret = name;
    }
    deploying
}

/// The names of all secrets that the repository declares.
fn declared(context: &Context) -> SecretNames {
    let mut all = context.config.shared_secrets();
    for entry in &context.registry.entries {
        all.required.extend(entry.secrets.required.iter().cloned());
        all.optional.extend(entry.secrets.optional.iter().cloned());
    }
    all
}

/// What goes into the tag of a deployment. Without git, it has only the pin.
pub(super) async fn commit_of(
    deploying: &DeployOptions,
    cancel: &CancellationToken,
) -> Result<Option<String>, Failure> {
    match commit::current(&deploying.repository, cancel).await {
        Ok(commit) => Ok(Some(commit)),
        Err(failure) if failure.exit == Exit::Interrupted => Err(failure),
        Err(_) => Ok(None),
    }
}

/// The holds that end; a name that is none of the processors' is a mistake.
fn releases(args: &DeployArgs, processors: &[Processor]) -> Result<BTreeSet<String>, Failure> {
    let names = filled(&args.release_hold);
    for name in &names {
        let known = |one: &Processor| {
            *name == one.reference.to_string() || *name == one.reference.app_name()
        };
        if !processors.iter().any(known) {
            let text = format!("release the hold of `{name}`: it is none of the processors");
            let hint = "name it as in `llm/litellm@1` or `llm-litellm-v1`, and among --processors";
            return Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())));
        }
    }
    Ok(names.into_iter().collect())
}

/// Everything that is in trouble, with all that is known about it.
pub(super) fn failure(report: &DeployReport, class: ErrorClass) -> Failure {
    let verb = if class == ErrorClass::Smoke {
        "smoke"
    } else {
        "deploy to"
    };
    let mut text = format!("{verb} `{}`:", report.environment);
    let mut hints: Vec<&String> = Vec::new();
    let mut tell = |name: &str, trouble: &str| {
        let indented = trouble.trim_end().replace('\n', "\n    ");
        text.push_str(&format!("\n  - {name}: {indented}"));
    };
    for secret in &report.secrets.secrets {
        if let Some(error) = &secret.error {
            tell(&secret.name, error);
            hints.extend(&secret.hint);
        }
    }
    for app in &report.apps {
        let name = app.reference.to_string();
        let smoke = app.smoke.verdict == Verdict::Failed;
        let detail = app.smoke.detail.as_ref().filter(|_| smoke);
        for trouble in app.error.iter().chain(detail) {
            tell(&name, trouble);
        }
        if let Some(rollback) = &app.rollback {
            tell(&name, &rollback.to_string());
        }
        hints.extend(&app.hint);
        hints.extend(app.smoke.hint.as_ref().filter(|_| smoke));
    }
    let hint = hints.first().map(|hint| (*hint).clone());
    Failure::new(modal_exit(class), text).with_hint(hint)
}

fn summary(report: &DeployReport) -> String {
    let written = report.secrets.written().len();
    let changed = report.apps.iter().filter(|app| {
        matches!(
            app.deployed,
            Deployed::Deployed | Deployed::Unchanged | Deployed::RolledOver
        )
    });
    let (changed, all) = (changed.count(), report.apps.len());
    if written + changed == 0 {
        return format!("nothing to do, {all} apps");
    }
    format!("secrets written: {written}, apps deployed: {changed} of {all}")
}

fn show_steps(steps: &Steps) -> String {
    let rows: Vec<Vec<String>> = steps
        .apps
        .iter()
        .map(|app| {
            vec![
                app.reference.to_string(),
                app.app.clone(),
                app.image.digest.short().to_owned(),
                app.step.to_string(),
                app.why.join("; "),
            ]
        })
        .collect();
    let heading = &[
        "processor",
        "app",
        "pinned",
        steps.environment.as_str(),
        "why",
    ];
    let mut text = table(heading, &rows);
    for secret in &steps.secrets {
        if let Some(why) = secret.write {
            text.push_str(&format!("secret {} would be written: {why}\n", secret.name));
        }
    }
    text
}

pub(super) fn show(report: &DeployReport) -> String {
    let rows: Vec<Vec<String>> = report
        .apps
        .iter()
        .map(|app| {
            vec![
                app.reference.to_string(),
                app.image.digest.short().to_owned(),
                done(app),
                app.smoke.verdict.to_string(),
                app.live.as_ref().map_or("nothing".to_owned(), live),
                note(app),
            ]
        })
        .collect();
    let environment = report.environment.to_string();
    let heading = [
        "processor",
        "pinned",
        &environment,
        "smoke",
        "runs now",
        "note",
    ];
    let mut text = table(&heading, &rows);
    let failed = |outcome| outcome == SecretOutcome::Failed;
    for secret in report
        .secrets
        .secrets
        .iter()
        .filter(|one| failed(one.outcome))
    {
        text.push_str(&format!("secret {} was not written\n", secret.name));
    }
    text + &nobodys(&report.secrets)
}

/// What was done, and the version that came of it.
fn done(app: &AppReport) -> String {
    let done = match app.deployed {
        Deployed::Deployed => "deployed",
        Deployed::Unchanged => "unchanged",
        Deployed::RolledOver => "rolled over",
        Deployed::Current => "nothing to do",
        Deployed::Held => "held",
        Deployed::Superseded => "superseded",
        Deployed::Failed => "failed",
    };
    match app.version {
        Some(version) => format!("{done} v{version}"),
        None => done.to_owned(),
    }
}

fn live(live: &LiveApp) -> String {
    let version = live
        .version
        .map_or("?".to_owned(), |version| format!("v{version}"));
    match &live.digest {
        Some(digest) => format!("{version} {}", digest.short()),
        None => version,
    }
}

/// What matters most, in one short line; the whole error comes after the table.
fn note(app: &AppReport) -> String {
    let failed = app.smoke.verdict == Verdict::Failed;
    let smoke = app.smoke.detail.as_ref();
    let text = match (&app.error, &app.rollback) {
        // A program says last why it failed.
        (Some(error), _) => error.lines().last().unwrap_or_default().to_owned(),
        (None, Some(rollback)) => rollback.to_string(),
        (None, None) if failed => smoke.cloned().unwrap_or_default(),
        (None, None) if app.step == Step::Current => String::new(),
        (None, None) => app.why.join("; "),
    };
    let line = text.lines().next().unwrap_or_default().trim();
    match line.char_indices().nth(LONGEST_NOTE) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}
