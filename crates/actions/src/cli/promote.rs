//! `pipeline promote`: reads both sides, asks everything that a rule is about, and carries it out.

mod evidence;
mod modal;
mod show;
mod side;

use std::collections::BTreeSet;

use github::Repo;
use process::Command;
use promotion::{Bypass, PromotionError, PromotionPlan, PromotionReport, RunOptions, Scope};
use registry_model::ProcessorRef;
use tokio_util::sync::CancellationToken;

use self::evidence::Found;
use self::modal::Modal;
use self::side::Side;
use super::args::PromoteArgs;
use super::context::{filled, github, non_empty, set};
use super::failures::process_failure;
use super::report::{self, Report};
use super::stage::{End, stage};
use super::trail;
use crate::config::Config;
use crate::exit::Exit;
use crate::ui::Failure;

/// How often everything is read again when others write at the same time.
const ATTEMPTS: u32 = 5;
/// A reason is a sentence or two, in characters.
const LONGEST: usize = 500;

pub(super) async fn run(args: &PromoteArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to_json = Report::to(&args.json)?;
    let bypass = bypass(args, cancel).await?;
    let repo = github(&args.github, cancel)?;
    let mut attempt = 1;
    loop {
        let ready = prepare(args, bypass.clone(), &repo, cancel).await?;
        let planned = PromotionReport::judged(&ready.plan, &ready.options);
        let shown = || show::plan(&ready.plan, &planned.processors) + &show::notices(&planned);
        if let Some(refusal) = ready.refusal() {
            ready.tell(args, &planned, cancel).await;
            let delivered = to_json.deliver(&planned, shown);
            return report::ended(Err(refusal), delivered);
        }
        if args.dry_run {
            ready.tell(args, &planned, cancel).await;
            to_json.deliver(&planned, shown)?;
            return Ok(Exit::Done);
        }
        let work = ready.carry_out(args, &repo, cancel);
        let ended = stage("promote", work, |ended| match ended {
            Ok(report) => End::Done(show::line(report)),
            Err(_) => End::Failed(String::new()),
        })
        .await?;
        match ended {
            Ok(report) => {
                let show = || {
                    show::plan(&ready.plan, &report.processors)
                        + &show::notices(&report)
                        + &show::end(&report)
                };
                ready.tell(args, &report, cancel).await;
                show::outputs(&report)?;
                to_json.deliver(&report, show)?;
                return Ok(Exit::Done);
            }
            Err(error @ PromotionError::Moved { .. }) if attempt < ATTEMPTS => {
                tracing::debug!(attempt, "reading again: {error}");
                attempt += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Everything that is known before anything is changed.
struct Ready {
    plan: PromotionPlan,
    options: RunOptions,
    modal: Modal,
    /// `pipeline.yml` of the target.
    config: Config,
}

async fn prepare(
    args: &PromoteArgs,
    bypass: Option<Bypass>,
    repo: &Repo,
    cancel: &CancellationToken,
) -> Result<Ready, Failure> {
    let clone = &args.repo.repo;
    // One after the other: two fetches into one clone can meet at a lock.
    let from = Side::read(clone, repo, &args.from, cancel).await?;
    let to = Side::read(clone, repo, &args.to, cancel).await?;
    let chosen = from.chosen(&filled(&args.repo.processors))?;
    let plan = match &chosen {
        None => promotion::plan(&from.standing, &to.standing)?,
        Some(chosen) => promotion::plan(&from.standing.only(chosen), &to.standing.only(chosen))?,
    };
    let released = released(args, &plan)?;
    let modal = Modal::look(args, &from, &to, &plan, cancel).await?;
    let rules = to.config.promotion_rules(&args.from);
    let mut found = Found::look(clone, &plan, &from, &to, chosen.is_some(), cancel).await?;
    let mut notices = modal.notices.clone();
    notices.append(&mut found.notices);
    match &chosen {
        // What everything is promoted for stays held: the branch is not the app.
        None => notices.extend(modal.stay_held(&plan, &released)),
        Some(_) => {
            let held = modal.held.iter();
            let held = held.filter(|(reference, _)| !released.contains(reference));
            found.evidence.held = held.map(|(it, at)| (it.clone(), at.clone())).collect();
        }
    }
    if !args.merge && !released.is_empty() {
        notices.push(format!(
            "the hold ends when `pipeline deploy --env {} --release-hold {}` runs after the merge",
            args.to,
            filled(&args.release_hold).join(",")
        ));
    }
    let admissions = promotion::gate(&plan, &rules, &found.evidence);
    if bypass.is_some() && admissions.iter().any(promotion::Admission::is_refused) {
        notices.extend(to.refuses_bypass());
    }
    let scope = match chosen {
        None => Scope::All { join: found.join },
        Some(chosen) => Scope::Some(chosen),
    };
    Ok(Ready {
        plan,
        options: RunOptions {
            merge: args.merge,
            scope,
            admissions,
            bypass,
            notices,
        },
        modal,
        config: to.config,
    })
}

impl Ready {
    /// Shows in the summary of the job where the images stand.
    async fn tell(&self, args: &PromoteArgs, report: &PromotionReport, cancel: &CancellationToken) {
        let place = trail::Place {
            root: &args.repo.repo,
            config: &self.config,
            online: true,
        };
        trail::tell(place, &trail::of_promotion(report), cancel).await;
    }

    /// Everything that stands in the way, at once: what the environment lacks, then what the
    /// processors lack.
    fn refusal(&self) -> Option<Failure> {
        let (plan, options) = (&self.plan, &self.options);
        let admitted = promotion::admit(plan, &options.admissions, options.bypass.as_ref()).err();
        let gaps = &self.modal.gaps;
        if gaps.is_empty() {
            return admitted.map(Failure::from);
        }
        let mut text = format!("find all in `{}` that a deploy there will need:", plan.to);
        for gap in gaps {
            text.push_str(&format!("\n  - {}", gap.replace('\n', "\n    ")));
        }
        if let Some(admitted) = admitted {
            text.push_str(&format!("\nand to {admitted}"));
        }
        Some(Failure::new(Exit::Promotion, text))
    }

    /// Promotes, and reads the target again. Others who were faster are an answer like others.
    async fn carry_out(
        &self,
        args: &PromoteArgs,
        repo: &Repo,
        cancel: &CancellationToken,
    ) -> Result<Result<PromotionReport, PromotionError>, Failure> {
        let done = promotion::run(&self.plan, &self.options, repo, cancel).await;
        let mut report = match done {
            Ok(report) => report,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(merged) = &report.merged {
            let clone = &args.repo.repo;
            let after = Side::at(clone, &args.to, merged.clone(), cancel).await?;
            if let Err(wrong) = promotion::verify(&self.plan, &after.standing) {
                return Ok(Err(wrong));
            }
            let released = released(args, &self.plan)?;
            report
                .notices
                .extend(self.modal.release(&args.to, &released, cancel).await?);
        }
        Ok(Ok(report))
    }
}

/// The processors whose holds end; one that is not promoted is a mistake.
fn released(args: &PromoteArgs, plan: &PromotionPlan) -> Result<BTreeSet<ProcessorRef>, Failure> {
    let names = filled(&args.release_hold);
    let find = |name: &String| {
        let mut all = plan.comparisons.iter().map(|one| &one.reference);
        let found = all.find(|it| it.to_string() == *name || it.app_name() == *name);
        found.cloned().ok_or_else(|| {
            let text = format!("release the hold of `{name}`: it is none of the processors");
            let hint = "name it as in `llm/litellm@1` or `llm-litellm-v1`, and among --processors";
            Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned()))
        })
    };
    names.iter().map(find).collect()
}

/// Who goes against the rules, and why.
async fn bypass(args: &PromoteArgs, cancel: &CancellationToken) -> Result<Option<Bypass>, Failure> {
    let why = non_empty(args.why.clone());
    let why = match (args.bypass, why) {
        (false, None) => return Ok(None),
        (true, Some(why)) => why,
        (true, None) => {
            let text = "go on against the rules: nobody says why";
            let hint = "give the reason with --why TEXT: it is kept beside the image";
            return Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())));
        }
        (false, Some(_)) => {
            let text = "go on with --why: it is the reason for --bypass, which is not given";
            return Err(Failure::new(Exit::Input, text));
        }
    };
    let by = match set("GITHUB_ACTOR") {
        Some(actor) => actor,
        None => git_user(args, cancel).await?,
    };
    Ok(Some(Bypass {
        by: one_line("who", &by)?,
        why: one_line("why", &why)?,
    }))
}

/// What goes into a receipt, where it is read for years, is one line.
fn one_line(what: &str, text: &str) -> Result<String, Failure> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() > LONGEST || line.chars().any(char::is_control) {
        let text = format!(
            "keep {what} beside the image: it is longer than {LONGEST} characters, or has some \
             that nobody can read"
        );
        return Err(Failure::new(Exit::Input, text));
    }
    Ok(line)
}

async fn git_user(args: &PromoteArgs, cancel: &CancellationToken) -> Result<String, Failure> {
    let asked = Command::new("git")
        .args(["var", "GIT_AUTHOR_IDENT"])
        .current_dir(&args.repo.repo)
        .run(cancel)
        .await
        .map_err(|error| {
            let failure = process_failure(error, Exit::Input);
            let hint = "set GITHUB_ACTOR, or `git config user.name` and `user.email`: whoever goes \
                        against the rules is named";
            failure.with_hint(Some(hint.to_owned()))
        })?;
    let text = asked.stdout_text();
    // `Name <address> time zone`
    let name = text
        .rsplit_once('>')
        .map_or(text.as_str(), |(name, _)| name);
    Ok(format!("{}>", name.trim()))
}
