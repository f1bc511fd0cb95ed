use image_factory::plan::{self, BuildPlan, Decision};
use tokio_util::sync::CancellationToken;

use super::args::PlanArgs;
use super::context::{Context, images};
use super::output::table;
use super::report::Report;
use super::stage::{End, stage};
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &PlanArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let report = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let entries = context.entries()?;
    let options = context.plan_options(&args.factory);
    let images = images()?;
    let work =
        async { Ok(plan::plan(&context.registry, &entries, &images, &options, cancel).await?) };
    let plan = stage("plan", work, end).await?;
    report.deliver(&plan, || show(&plan))?;
    Ok(Exit::Done)
}

pub(super) fn end(plan: &BuildPlan) -> End {
    let items = plan.items.iter();
    let build = items.filter(|item| matches!(item.decision, Decision::Build { .. }));
    End::Done(format!(
        "{} of {} to build",
        build.count(),
        plan.items.len()
    ))
}

pub(super) fn show(plan: &BuildPlan) -> String {
    let rows: Vec<Vec<String>> = plan
        .items
        .iter()
        .map(|item| {
            let decision = match &item.decision {
                Decision::Reuse { digest } => format!("reuse {}", digest.short()),
                Decision::Build { why } => format!("build: {why}"),
            };
            vec![
                item.name(),
                decision,
                item.key.short().to_owned(),
                item.repository.to_string(),
            ]
        })
        .collect();
    table(&["processor", "decision", "key", "repository"], &rows)
}
