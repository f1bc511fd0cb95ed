use std::path::Path;

use github::Repo;
use promotion::{PromotionPlan, PromotionReport, Standing};
use registry_model::{Environment, Registry};
use tokio_util::sync::CancellationToken;

use super::args::PromoteArgs;
use super::context::{github, load_options, platforms};
use super::output::table;
use super::report::Report;
use super::stage::{End, stage};
use super::tree;
use crate::config::Config;
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &PromoteArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to_json = Report::to(&args.json)?;
    let repo = github(&args.github, cancel)?;
    // One after the other: two fetches into one clone can meet at a lock.
    let from = standing(&args.repo, &repo, &args.from, cancel).await?;
    let to = standing(&args.repo, &repo, &args.to, cancel).await?;
    let plan = promotion::plan(&from, &to)?;
    if args.dry_run {
        to_json.deliver(&plan, || show(&plan))?;
        return Ok(Exit::Done);
    }
    let work = async { Ok(promotion::run(&plan, &repo, cancel).await?) };
    let report = stage("promote", work, |report| match report.merged {
        Some(_) => End::Done(format!("{} to {}", plan.from, plan.to)),
        None => End::Done("nothing to promote".to_owned()),
    })
    .await?;
    to_json.deliver(&report, || show(&plan) + &say(&report))?;
    Ok(Exit::Done)
}

/// What the branch of an environment pins, at the commit that GitHub has now.
async fn standing(
    clone: &Path,
    repo: &Repo,
    environment: &Environment,
    cancel: &CancellationToken,
) -> Result<Standing, Failure> {
    let branch = environment.as_str();
    let commit = repo.branch_head(branch).await?.ok_or_else(|| {
        Failure::new(
            Exit::Input,
            format!("find branch `{branch}` of {}", repo.name()),
        )
        .with_hint(Some(format!(
            "an environment is a branch of its name; create `{branch}`"
        )))
    })?;
    let folder = tree::of_branch(clone, branch, commit.as_str(), cancel).await?;
    let config = Config::load(folder.path())?;
    let registry = Registry::load(folder.path(), &load_options(&config))?;
    Ok(Standing::of_entries(
        environment.clone(),
        commit,
        &registry.entries,
        &platforms(&config),
    ))
}

fn show(plan: &PromotionPlan) -> String {
    let rows: Vec<Vec<String>> = plan
        .comparisons
        .iter()
        .map(|one| {
            use promotion::Change;
            let change = match &one.change {
                Change::Same { image } => format!("same {}", image.digest.short()),
                Change::Move { old, new } => {
                    format!("{} → {}", old.digest.short(), new.digest.short())
                }
                Change::New { new } => format!("new {}", new.digest.short()),
                Change::OnlyInTarget { .. } => format!("only in {}", plan.to),
            };
            vec![one.reference.to_string(), change]
        })
        .collect();
    table(
        &["processor", &format!("{} → {}", plan.from, plan.to)],
        &rows,
    )
}

fn say(report: &PromotionReport) -> String {
    match (&report.pull_request, &report.merged) {
        (Some(request), Some(merged)) => format!(
            "pull request #{} merged as {}\n",
            request.number,
            merged.short()
        ),
        (Some(request), None) => {
            format!("pull request #{}: {}\n", request.number, request.url)
        }
        (None, _) => "nothing to promote\n".to_owned(),
    }
}
