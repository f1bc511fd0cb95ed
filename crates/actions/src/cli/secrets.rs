mod source;

use modal_deploy::fingerprint::FingerprintKey;
use modal_deploy::record::Record;
use modal_deploy::secrets::{self, SecretOutcome, SecretPlan, SecretReport, SyncReport};
use tokio_util::sync::CancellationToken;

use super::args::SecretsArgs;
use super::context::Context;
use super::failures::modal_exit;
use super::modal::control;
use super::output::table;
use super::report::{self, Report};
use super::stage::{End, stage};
use crate::exit::Exit;
use crate::runner::mask;
use crate::ui::Failure;

pub(super) use source::source;

pub(super) async fn run(args: &SecretsArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let processors = context.processors()?;
    let values = source(&args.source)?.with_names(context.config.secret_names()?);
    let shared = context.config.shared_secrets();
    let plan = secrets::plan(&processors, &shared, &values, &args.env)?;
    mask_all(&plan);
    let control = control(&args.modal, cancel).await?;

    let create = args.create_environment && !args.dry_run;
    let work = async {
        for warning in &plan.warnings {
            tracing::warn!("{warning}");
        }
        let stored = secrets::stored(&control, &args.env, create, cancel).await?;
        let mut record = Record::among(&stored);
        let key = FingerprintKey::new(&control.options().token_secret, &args.env);
        let steps = secrets::decide(&plan, record.as_ref(), &stored, &key, args.force);
        let mut report = match args.dry_run {
            true => SyncReport::preview(&plan, &steps),
            false => secrets::sync(&control, &plan, &steps, &key, record.as_mut(), cancel).await?,
        };
        let declared = context.registry.entries.iter().map(|entry| &entry.secrets);
        report.orphans = secrets::orphans(&stored, declared.chain([&shared]));
        Ok(report)
    };
    let name = format!("secrets {}", args.env);
    let report = stage(&name, work, |report: &SyncReport| match report.class() {
        None => End::Done(summary(report)),
        Some(_) => End::Failed(summary(report)),
    })
    .await?;
    let delivered = to.deliver(&report, || show(&report));
    report::ended(failure(&report), delivered)
}

/// In a workflow, keeps the runner from showing these values. To be called before anything is
/// logged that could hold one.
pub(super) fn mask_all(plan: &SecretPlan) {
    if std::env::var_os("GITHUB_ACTIONS").is_some() {
        let values = plan
            .secrets
            .iter()
            .flat_map(|secret| secret.values.values());
        // Not to standard output, which may be a file or a pipe with the report.
        let _ = mask(&mut std::io::stderr().lock(), values);
    }
}

/// How many ended how.
fn summary(report: &SyncReport) -> String {
    use SecretOutcome::{Due, Failed, Interrupted, Kept, LeftOut, Written};
    let counts = [Due, Written, Kept, LeftOut, Failed, Interrupted].map(|outcome| {
        let count = report.named(outcome).len();
        (count > 0).then(|| format!("{count} {}", word(outcome)))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    match counts.is_empty() {
        true => "none declared".to_owned(),
        false => counts.join(", "),
    }
}

fn word(outcome: SecretOutcome) -> &'static str {
    match outcome {
        SecretOutcome::Due => "to write",
        SecretOutcome::Written => "written",
        SecretOutcome::Kept => "kept",
        SecretOutcome::LeftOut => "left out",
        SecretOutcome::Failed => "failed",
        SecretOutcome::Interrupted => "interrupted",
    }
}

fn show(report: &SyncReport) -> String {
    let why = |one: &SecretReport| match (one.outcome, one.why) {
        (SecretOutcome::Kept, _) => "unchanged".to_owned(),
        (SecretOutcome::LeftOut, _) => "optional, and has no value".to_owned(),
        (_, Some(why)) => why.to_string(),
        (_, None) => String::new(),
    };
    let rows: Vec<Vec<String>> = report
        .secrets
        .iter()
        .map(|one| vec![one.name.clone(), word(one.outcome).to_owned(), why(one)])
        .collect();
    table(&["secret", report.environment.as_str(), "why"], &rows) + &nobodys(report)
}

/// The secrets that nobody declares, and what to do about them; nothing when there are none.
pub(super) fn nobodys(report: &SyncReport) -> String {
    if report.orphans.is_empty() {
        return String::new();
    }
    let names = report.orphans.join(", ");
    let environment = &report.environment;
    format!(
        "Nobody declares these of `{environment}`: {names}\n\
         Delete what is not needed: modal secret delete NAME --env {environment}\n"
    )
}

/// Every secret that could not be written.
fn failure(report: &SyncReport) -> Result<Exit, Failure> {
    let Some(class) = report.class() else {
        return Ok(Exit::Done);
    };
    let mut text = format!("write secrets to `{}`:", report.environment);
    for one in &report.secrets {
        if let Some(error) = &one.error {
            let error = error.replace('\n', "\n    ");
            text.push_str(&format!("\n  - {}: {error}", one.name));
        }
    }
    let hint = report.secrets.iter().find_map(|one| one.hint.clone());
    Err(Failure::new(modal_exit(class), text).with_hint(hint))
}
