//! `pipeline promote`: reads both sides, asks everything that a rule is about, and carries it out.

mod evidence;
mod modal;
mod show;
mod side;

use std::collections::BTreeSet;

use github::{CommitSha, Repo};
use process::Command;
use promotion::{Bypass, PromotionError, PromotionPlan, PromotionReport, RunOptions, Scope};
use registry_model::{Platform, ProcessorRef};
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
    let mut covered = None;
    loop {
        let ready = prepare(args, bypass.clone(), &repo, cancel).await?;
        let planned = PromotionReport::judged(&ready.plan, &ready.options);
        let shown = || show::plan(&ready.plan, &ready.options) + &show::notices(&planned);
        let set_aside = ready.set_aside();
        let grown = grown(covered.get_or_insert_with(|| set_aside.clone()), &set_aside);
        if let Some(refusal) = ready.refusal().or(grown) {
            ready.tell(args, &planned, cancel).await;
            let delivered = to_json.deliver(&planned, shown);
            return report::ended(Err(refusal), delivered);
        }
        if args.dry_run {
            ready.tell(args, &planned, cancel).await;
            to_json.deliver(&planned, shown)?;
            return Ok(Exit::Done);
        }
        let work = async { Ok(ready.carry_out(args, &repo, &to_json, cancel).await) };
        let ended = stage("promote", work, |ended| match ended {
            Ok((report, Ok(()))) => End::Done(show::line(report)),
            Ok((_, Err(_))) | Err(_) => End::Failed(String::new()),
        })
        .await?;
        match ended {
            Ok((report, after)) => {
                let show = || {
                    show::plan(&ready.plan, &ready.options)
                        + &show::notices(&report)
                        + &show::end(&report)
                };
                let delivered = to_json.deliver(&report, show);
                let delivered = delivered.and(show::outputs(&report));
                ready.tell(args, &report, cancel).await;
                return report::ended(after.map(|()| Exit::Done), delivered);
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
    /// The platforms whose pins are in the plan.
    counted: Vec<Platform>,
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
    let (from, to) = Side::both(clone, repo, (&args.from, &args.to), cancel).await?;
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
        None => {
            notices.extend(modal.stay_held(&plan, &released));
            if !plan.is_empty() {
                found.evidence.hidden = side::hidden(&from, &to)?;
            }
        }
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
        if chosen.is_none() {
            notices
                .push("--bypass covers all that may not go: --processors narrows that".to_owned());
        }
    }
    let rules_changed = match (&chosen, plan.is_empty()) {
        (None, false) => side::rules_changed(clone, &from, &to, cancel).await?,
        _ => Vec::new(),
    };
    if !rules_changed.is_empty() {
        notices.push(format!(
            "this brings other rules to {}: {}",
            args.to,
            rules_changed.join(", ")
        ));
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
            rules_changed,
            losses: found.losses,
            notices,
        },
        modal,
        counted: to.counted,
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
            return admitted.map(Failure::from).or_else(|| self.other_rules());
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

    /// Who may only write to the source shall not change unseen what the target asks for.
    fn other_rules(&self) -> Option<Failure> {
        let RunOptions {
            merge,
            bypass,
            rules_changed,
            ..
        } = &self.options;
        if !merge || bypass.is_some() || rules_changed.is_empty() {
            return None;
        }
        let PromotionPlan { from, to, .. } = &self.plan;
        let text = format!(
            "promote `{from}` to `{to}`: it would change the rules of `{to}`: {}",
            rules_changed.join(", ")
        );
        let hint = "leave --merge out, and let a person read and merge the request; or give \
                    --bypass with --why";
        Some(Failure::new(Exit::Promotion, text).with_hint(Some(hint.to_owned())))
    }

    /// What the bypass sets aside, one line each; nothing without one.
    fn set_aside(&self) -> BTreeSet<String> {
        let given = self.options.bypass.iter();
        let admissions = given.flat_map(|_| &self.options.admissions);
        let lines = admissions.flat_map(|admission| {
            let why_not = admission.why_not.iter();
            why_not.map(|why| format!("{}: {}", admission.reference, why.text))
        });
        lines.collect()
    }

    /// Promotes, and sees to what comes after a merge: how that went is told beside the report,
    /// which is what the receipts are made of.
    async fn carry_out(
        &self,
        args: &PromoteArgs,
        repo: &Repo,
        to_json: &Report,
        cancel: &CancellationToken,
    ) -> Result<(PromotionReport, Result<(), Failure>), PromotionError> {
        let mut report = promotion::run(&self.plan, &self.options, repo, cancel).await?;
        let Some(merged) = report.merged.clone() else {
            return Ok((report, Ok(())));
        };
        to_json.save(&report);
        let after = self.after(args, merged, cancel).await;
        let after = after.map(|notices| report.notices.extend(notices));
        if let Err(failure) = &after {
            let error = &failure.error;
            let notice = format!("it is merged, and what comes after failed to {error}");
            report.notices.push(notice);
            let held = filled(&args.release_hold).join(",");
            if !held.is_empty() {
                report.notices.push(format!(
                    "holds that are still there end with `pipeline deploy --env {} --release-hold \
                     {held}`",
                    args.to
                ));
            }
        }
        Ok((report, after))
    }

    /// Reads the target again after the merge, and ends holds there.
    async fn after(
        &self,
        args: &PromoteArgs,
        merged: CommitSha,
        cancel: &CancellationToken,
    ) -> Result<Vec<String>, Failure> {
        let after = Side::at(&args.repo.repo, &args.to, merged, cancel).await?;
        let after = after.counting(&self.counted);
        promotion::verify(&self.plan, &after.standing)?;
        let released = released(args, &self.plan)?;
        self.modal.release(&args.to, &released, cancel).await
    }
}

/// Whoever gave a bypass did so for what was there then.
fn grown(covered: &BTreeSet<String>, now: &BTreeSet<String>) -> Option<Failure> {
    let new: Vec<String> = now
        .difference(covered)
        .map(|line| format!("\n  - {line}"))
        .collect();
    (!new.is_empty()).then(|| {
        let text = format!(
            "go on against the rules: --bypass was given before there was more that it would set \
             aside:{}",
            new.concat()
        );
        let hint = "look at it, and run it again if it may go, too".to_owned();
        Failure::new(Exit::Promotion, text).with_hint(Some(hint))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bypass_covers_what_was_there_when_it_was_given() {
        let lines = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
        let (one, two) = (lines(&["a@1: x"]), lines(&["a@1: x", "b@1: y"]));
        for (covered, now) in [(&one, &one), (&two, &one), (&two, &two)] {
            assert!(grown(covered, now).is_none());
        }
        let failure = grown(&one, &two).unwrap();
        assert_eq!(failure.exit, Exit::Promotion);
        assert!(failure.error.to_string().ends_with("aside:\n  - b@1: y"));
    }
}
