use image_factory::build::{self, BuildOptions, BuildReport, Outcome};
use image_factory::{FactoryError, plan};
use tokio_util::sync::CancellationToken;

use super::args::BuildArgs;
use super::context::{Context, images, set};
use super::output::table;
use super::report::Report;
use super::stage::{End, stage};
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &BuildArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let entries = context.entries()?;
    let images = images()?;
    let options = context.plan_options(&args.factory);
    let work =
        async { Ok(plan::plan(&context.registry, &entries, &images, &options, cancel).await?) };
    let plan = stage("plan", work, super::plan::end).await?;
    if args.dry_run {
        to.deliver(&plan, || super::plan::show(&plan))?;
        return Ok(Exit::Done);
    }
    let mut building = BuildOptions::new(&context.root);
    if let (Some(server), Some(name)) = (set("GITHUB_SERVER_URL"), set("GITHUB_REPOSITORY")) {
        building.source = Some(format!("{server}/{name}"));
    }
    let work = async {
        let ended = build::build(&plan, &images, &building, cancel).await;
        if let Err(FactoryError::BuildFailed(failure)) = &ended {
            to.deliver_failed(&failure.report);
        }
        Ok(ended?)
    };
    let report = stage("build", work, |report| {
        let built = report.built.iter();
        let built = built.filter(|one| one.decision == Outcome::Built).count();
        End::Done(format!(
            "{built} built, {} reused",
            report.built.len() - built
        ))
    })
    .await?;
    to.deliver(&report, || show(&report))?;
    Ok(Exit::Done)
}

fn show(report: &BuildReport) -> String {
    let rows: Vec<Vec<String>> = report
        .built
        .iter()
        .map(|one| {
            let outcome = match &one.decision {
                Outcome::Built => format!("built in {:.1} s: {}", one.seconds, one.why),
                Outcome::Reused => "reused".to_owned(),
                Outcome::Kept(_) => "kept: the same bits as the pin".to_owned(),
            };
            vec![one.name(), outcome, one.image.to_string()]
        })
        .collect();
    table(&["processor", "outcome", "image"], &rows)
}
