use modal_deploy::deploy::{self, DeployOptions};
use modal_deploy::secrets::{self, SecretSource};
use modal_deploy::smoke::SmokeOptions;
use modal_deploy::{
    Client, ClientOptions, DeployReport, Deployed, ErrorClass, Processor, RunOptions, Verdict,
};
use registry_model::Platform;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::args::DeployArgs;
use super::context::Context;
use super::failures::modal_exit;
use super::output::table;
use super::report::{self, Report};
use super::stage::{End, stage};
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &DeployArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let platform = Platform::linux_amd64();
    let processors: Vec<Processor> = context
        .entries()?
        .into_iter()
        .map(|entry| Processor::from_entry(entry, &platform))
        .collect();
    let values = SecretSource::from_env();
    let secrets = secrets::plan(&processors, &secrets::shared(), &values, &args.env)?;
    let plan = deploy::plan(&processors, &secrets)?;
    if args.dry_run {
        let apps: Vec<_> = plan
            .apps
            .iter()
            .map(|app| {
                json!({"ref": app.reference, "app": app.app, "image": app.image,
                       "secrets": app.tool_secrets})
            })
            .collect();
        let report = json!({"schema": 1, "environment": args.env, "apps": apps});
        to.deliver(&report, || {
            let rows: Vec<Vec<String>> = plan
                .apps
                .iter()
                .map(|app| {
                    vec![
                        app.reference.to_string(),
                        app.app.clone(),
                        app.image.to_string(),
                        app.tool_secrets.join(", "),
                    ]
                })
                .collect();
            table(&["processor", "app", "image", "secrets"], &rows)
        })?;
        return Ok(Exit::Done);
    }
    let mut deploying = DeployOptions::new(&context.root);
    deploying.app_file = context.config.modal_app().to_string_lossy().into_owned();
    let mut smoke = SmokeOptions::default();
    if let Some(function) = &context.config.modal.function {
        smoke.function.clone_from(function);
    }
    let run = RunOptions {
        deploy: deploying,
        smoke: Some(smoke),
        create_environment: args.create_environment,
    };
    let client = Client::connect(ClientOptions::from_env()?)?;
    let work = async { Ok(modal_deploy::run(&client, &plan, &secrets, &run, cancel).await?) };
    let report = stage(
        &format!("deploy {}", args.env),
        work,
        |report| match report.class() {
            None => End::Done(format!("{} apps", report.apps.len())),
            Some(_) => End::Failed(String::new()),
        },
    )
    .await?;
    let delivered = to.deliver(&report, || show(&report));
    let ended = match report.class() {
        None => Ok(Exit::Done),
        Some(class) => Err(failure(&report, class)),
    };
    report::ended(ended, delivered)
}

/// Every app that is in trouble, with all that is known about it.
fn failure(report: &DeployReport, class: ErrorClass) -> Failure {
    let verb = if class == ErrorClass::Smoke {
        "smoke"
    } else {
        "deploy to"
    };
    let mut text = format!("{verb} `{}`:", report.environment);
    for app in &report.apps {
        let detail = app.smoke.detail.as_ref();
        let smoke = detail.filter(|_| app.smoke.verdict == Verdict::Failed);
        for trouble in app.error.iter().chain(smoke) {
            let indented = trouble.trim_end().replace('\n', "\n    ");
            text.push_str(&format!("\n  - {}: {indented}", app.reference));
        }
    }
    let hint = report.apps.iter().find_map(|app| app.hint.clone());
    Failure::new(modal_exit(class), text).with_hint(hint)
}

fn show(report: &DeployReport) -> String {
    let rows: Vec<Vec<String>> = report
        .apps
        .iter()
        .map(|app| {
            let deployed = match app.deployed {
                Deployed::Deployed => "deployed",
                Deployed::Unchanged => "unchanged",
                Deployed::Failed => "failed",
            };
            let version = app
                .version
                .map_or_else(|| "–".to_owned(), |version| format!("v{version}"));
            let note = app.error.as_ref().or(app.smoke.detail.as_ref());
            vec![
                app.reference.to_string(),
                app.image.digest.short().to_owned(),
                format!("{deployed} {version}"),
                app.smoke.verdict.to_string(),
                note.and_then(|text| text.lines().next())
                    .unwrap_or_default()
                    .to_owned(),
            ]
        })
        .collect();
    table(
        &[
            "processor",
            "digest",
            &format!("{}", report.environment),
            "smoke",
            "note",
        ],
        &rows,
    )
}
