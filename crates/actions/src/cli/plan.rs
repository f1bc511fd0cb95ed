use image_factory::plan::{self, BuildPlan, Decision};
use tokio_util::sync::CancellationToken;

use super::args::PlanArgs;
use super::context::{Context, images, set};
use super::matrix::Matrix;
use super::output::{table, write};
use super::report::Report;
use super::stage::{End, stage};
use super::{summary, trail};
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &PlanArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let report = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let entries = context.entries()?;
    let mut options = context.plan_options(&args.factory, &args.settings);
    options.offline = args.offline;
    options.reports = report.files().collect();
    let images = images()?;
    let work =
        async { Ok(plan::plan(&context.registry, &entries, &images, &options, cancel).await?) };
    let plan = stage("plan", work, end).await?;
    summary::write(|| summary::of_plan(&plan))?;
    let place = trail::Place {
        online: !args.offline,
        ..trail::Place::from(&context)
    };
    trail::tell(place, &trail::of_plan(&plan), cancel).await;
    if args.matrix {
        write(&format!("{}\n", Matrix::of(&plan).json()))?;
    } else {
        report.deliver(&plan, || show(&plan))?;
    }
    if set("GITHUB_OUTPUT").is_some() {
        Matrix::of(&plan).set_outputs()?;
    }
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
            let [decision, why] = match &item.decision {
                Decision::Reuse { digest } => [
                    format!("reuse {}", digest.short()),
                    format!("{} (key {})", item.why(), item.key.short()),
                ],
                Decision::Build { why } => ["build".to_owned(), why.to_string()],
            };
            vec![item.name(), decision, why, item.repository.to_string()]
        })
        .collect();
    table(&["processor", "decision", "why", "repository"], &rows)
}
