mod issue;

use std::path::Path;

use modal_deploy::Processor;
use modal_deploy::audit::{self, AppAudit, AuditReport, Pins, Standing};
use registry_model::{Environment, Platform};
use tokio_util::sync::CancellationToken;

use super::args::AuditArgs;
use super::context::{filled, github};
use super::modal::control;
use super::output::table;
use super::report::{self, Report};
use super::stage::{End, stage};
use super::tree;
use crate::config::Config;
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &AuditArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let config = Config::load(&args.repo)?;
    let environments = environments(&filled(&args.env), &config)?;
    let github = match args.issue {
        true => Some(github(&args.github, cancel)?),
        false => None,
    };
    let control = control(&args.modal, cancel).await?;
    let work = async {
        let mut all = Vec::new();
        for environment in &environments {
            all.push(pins(&args.repo, environment, cancel).await?);
        }
        let mut report = audit::audit(&control, &all, &config.shared_secrets(), cancel).await?;
        if !args.all {
            for one in &mut report.environments {
                one.others.clear();
            }
        }
        Ok(report)
    };
    let report = stage("audit", work, |report: &AuditReport| match report.drift() {
        0 => End::Done("everything is as git has it".to_owned()),
        some => End::Failed(format!("{some} not as git has it")),
    })
    .await?;
    let kept = match &github {
        Some(repo) => issue::keep(repo, &report).await,
        None => Ok(String::new()),
    };
    let said = kept.as_deref().unwrap_or_default();
    let delivered = to.deliver(&report, || show(&report) + said);
    let ended = match report.drift() {
        0 => Ok(Exit::Done),
        _ => Err(failure(&report)),
    };
    report::ended(ended, delivered.and(kept.map(drop)))
}

fn environments(named: &[String], config: &Config) -> Result<Vec<Environment>, Failure> {
    if named.is_empty() || named == ["all"] {
        return Ok(config.environments());
    }
    let parse = |name: &String| {
        name.parse().map_err(|error: registry_model::NameError| {
            Failure::new(Exit::Input, format!("audit `{name}`: {error}"))
        })
    };
    named.iter().map(parse).collect()
}

/// What the branch of an environment has.
async fn pins(
    repo: &Path,
    environment: &Environment,
    cancel: &CancellationToken,
) -> Result<Pins, Failure> {
    let commit = tree::commit_of(repo, environment.as_str(), cancel).await?;
    let platform = Platform::linux_amd64();
    let entries = tree::entries(repo, &commit, cancel).await?;
    Ok(Pins {
        environment: environment.clone(),
        processors: entries
            .iter()
            .map(|entry| Processor::from_entry(entry, &platform))
            .collect(),
    })
}

fn name(app: &AppAudit) -> String {
    match &app.reference {
        Some(reference) => reference.to_string(),
        None => app.app.clone(),
    }
}

fn pinned(app: &AppAudit) -> String {
    let pinned = app.pinned.as_ref();
    pinned.map_or("nothing".to_owned(), |image| {
        image.digest.short().to_owned()
    })
}

fn live(app: &AppAudit) -> String {
    let Some(live) = &app.live else {
        return "nothing".to_owned();
    };
    let version = live.version.map(|version| format!("v{version}"));
    let digest = live.digest.as_ref().map(|digest| {
        let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
        digits.chars().take(12).collect()
    });
    let parts: Vec<String> = version.into_iter().chain(digest).collect();
    match parts.is_empty() {
        true => "something".to_owned(),
        false => parts.join(" "),
    }
}

fn show(report: &AuditReport) -> String {
    let mut text = String::new();
    for one in &report.environments {
        let rows: Vec<Vec<String>> = one
            .apps
            .iter()
            .map(|app| {
                vec![
                    name(app),
                    app.standing.to_string(),
                    pinned(app),
                    live(app),
                    app.why.clone(),
                ]
            })
            .collect();
        let heading = [one.environment.as_str(), "", "pinned", "live", "why"];
        text.push_str(&table(&heading, &rows));
        for secret in &one.missing_secrets {
            let by: Vec<String> = secret.by.iter().map(ToString::to_string).collect();
            let by = match by.is_empty() {
                true => "the environment".to_owned(),
                false => by.join(", "),
            };
            text.push_str(&format!("secret {} is missing, for {by}\n", secret.name));
        }
        if !one.orphans.is_empty() {
            let names = one.orphans.join(", ");
            text.push_str(&format!("secrets that nobody declares: {names}\n"));
        }
        if !one.others.is_empty() {
            text.push_str(&format!("other apps: {}\n", one.others.join(", ")));
        }
        text.push('\n');
    }
    text
}

/// What to do about what is not as git has it, one line each.
fn hints(report: &AuditReport) -> Vec<String> {
    let mut hints = Vec::new();
    let apps = |test: fn(&AppAudit) -> bool| {
        let all = report.environments.iter();
        let mut apps = all.flat_map(|one| one.apps.iter().map(move |app| (one, app)));
        apps.find(|(_, app)| app.standing.is_drift() && test(app))
    };
    let extra = |app: &AppAudit| app.standing == Standing::Extra;
    let pinned = |app: &AppAudit| app.standing != Standing::Extra && app.held.is_none();
    let secrets = report.environments.iter();
    let secrets = secrets.map(|one| one.missing_secrets.len()).sum::<usize>();
    if apps(pinned).is_some() || secrets > 0 {
        hints.push("`pipeline deploy --env NAME` brings back what is pinned".to_owned());
    }
    if let Some((one, app)) = apps(|app| app.standing != Standing::Extra && app.held.is_some())
        && let Some(held) = &app.held
    {
        let (name, environment) = (name(app), &one.environment);
        hints.push(format!(
            "what a person holds comes back with `pipeline rollback --processor {name} --env \
             {environment} --to {held} --now`, and is let go with `--release-hold`"
        ));
    }
    if apps(extra).is_some() {
        hints.push(
            "what is extra, and no other repository's, goes with `modal app stop APP --env NAME`"
                .to_owned(),
        );
    }
    hints
}

fn failure(report: &AuditReport) -> Failure {
    let mut text = "find what runs as git has it:".to_owned();
    for one in &report.environments {
        for app in one.apps.iter().filter(|app| app.standing.is_drift()) {
            let (name, standing) = (name(app), app.standing);
            let environment = &one.environment;
            text.push_str(&format!(
                "\n  - {name} in {environment} is {standing}: {}",
                app.why
            ));
        }
        for secret in &one.missing_secrets {
            let environment = &one.environment;
            text.push_str(&format!(
                "\n  - secret {} in {environment} is missing",
                secret.name
            ));
        }
    }
    let hint = hints(report).join("\n");
    Failure::new(Exit::Drift, text).with_hint(Some(hint))
}
