use std::collections::BTreeMap;

use github::{AutoMerge, CombinedStatus, CommitStatus, GithubError, StatusState};

use super::forge::Forge;
use super::propose::Run;
use super::report::PinAction;
use super::rivals::Rival;
use crate::FactoryError;

/// Who commits with the token of a job.
const JOB_TOKEN: &str = "github-actions[bot]";

/// What the status says before the workflow was started. Whoever finds it so later starts it: the
/// run that wrote it was killed, or GitHub refused.
const STARTING: &str = "starting the workflow for the new pins";
const NOT_STARTED: &str = "the workflow could not be started";
/// What it says from then on, until the workflow says something itself.
const STARTED: &str = "started for the new pins";

/// Does what a pull request needs besides, as far as that is not done: labels, reviewers, auto-merge,
/// checks. The pins are proposed by then, so what fails here is told and is no error.
///
/// `author` is the login of whoever pushed its commit. `repeated` tells that an earlier attempt of
/// this run may have opened it and been killed.
pub(super) async fn finish<F: Forge>(
    run: &mut Run<'_, F>,
    ours: &Rival,
    author: &str,
    repeated: bool,
) -> Result<(), FactoryError> {
    let (forge, options) = (run.forge, run.options);
    let number = ours.number();
    run.finish_labels(ours).await?;
    if run.report.action == PinAction::Unchanged && !repeated {
        return start(run, ours).await;
    }
    let missing = |wanted: &[String]| -> Vec<String> {
        let there = &ours.pull.reviewers;
        let missing = wanted.iter();
        let missing =
            missing.filter(|name| !there.iter().any(|one| one.eq_ignore_ascii_case(name)));
        missing.cloned().collect()
    };
    let (people, teams) = (
        missing(&options.reviewers),
        missing(&options.team_reviewers),
    );
    let asks = !people.is_empty() || !teams.is_empty();
    // Asking again would bother those who reviewed already.
    if asks && run.report.action != PinAction::Updated {
        let asked = forge.request_reviewers(number, &people, &teams);
        if let Err(error) = asked.await {
            run.note_failure("no review is requested", error)?;
        }
    }
    if let Some(method) = options.auto_merge {
        match forge.auto_merge(number, &ours.pull.node_id, method).await {
            Ok(AutoMerge::Enabled) => {}
            Ok(AutoMerge::NothingToWaitFor) => run.notice(format!(
                "auto-merge is not on: no rule of `{}` asks for a check or a review, so there is \
                 nothing to wait for; merge it by hand, or protect the branch",
                options.base
            )),
            Err(error) => run.note_failure("auto-merge is not on", error)?,
        }
    }
    if options.dispatch.is_none() && author == JOB_TOKEN {
        run.notice(
            "the pull request is by the token of a job (GITHUB_TOKEN): workflows on it wait for the approval of somebody with write access, or do not start at all (GitHub \
             Enterprise Server); use the token of a GitHub App, or `dispatch` to start acceptance \
             on the branch"
                .to_owned(),
        );
    }
    start(run, ours).await
}

/// Starts the workflow on the branch, unless it was started for this commit, with a status that says
/// so until the workflow ends it. What an earlier run could not start is started now.
async fn start<F: Forge>(run: &mut Run<'_, F>, ours: &Rival) -> Result<(), FactoryError> {
    let (forge, options) = (run.forge, run.options);
    let Some(dispatch) = &options.dispatch else {
        return Ok(());
    };
    let of_ours = |said: CombinedStatus| {
        let mut statuses = said.statuses.into_iter();
        statuses.find(|one| one.context == dispatch.context)
    };
    let is_before = |one: &CommitStatus| {
        let said = one.description.as_deref();
        said == Some(STARTING) || said == Some(NOT_STARTED)
    };
    match forge.status(ours.head_sha()).await.map(of_ours) {
        Ok(Some(one)) if !is_before(&one) => return Ok(()),
        Ok(_) => {}
        Err(error) => {
            run.note_failure("the checks are not started", error)?;
            return Ok(());
        }
    }
    let status = |state, description: &str| CommitStatus {
        context: dispatch.context.clone(),
        state,
        description: Some(description.to_owned()),
        target_url: options.run_url.clone(),
    };
    let pending = status(StatusState::Pending, STARTING);
    // First: a quick workflow must not be followed by a status that says it has not ended.
    if let Err(error) = forge.set_status(ours.head_sha(), &pending).await {
        run.note_failure("the checks are not started", error)?;
        return Ok(());
    }
    let inputs = BTreeMap::new();
    let started = forge.dispatch(&dispatch.workflow, ours.head(), &inputs);
    if let Err(error) = started.await {
        let failed = status(StatusState::Error, NOT_STARTED);
        let told: Result<(), GithubError> = forge.set_status(ours.head_sha(), &failed).await;
        run.note_failure("the checks are not started", error)?;
        if let Err(error) = told {
            run.note_failure("the status of the commit stays pending", error)?;
        }
        return Ok(());
    }
    // Unless the workflow was quicker.
    let told = async {
        let said = forge.status(ours.head_sha()).await.map(of_ours)?;
        if said.as_ref().is_none_or(is_before) {
            let started = status(StatusState::Pending, STARTED);
            forge.set_status(ours.head_sha(), &started).await?;
        }
        Ok(())
    };
    if let Err(error) = told.await {
        run.note_failure("the next run starts the checks once more", error)?;
    }
    // What would be started is in the preview.
    if !run.is_dry() {
        run.notice(format!(
            "workflow `{}` on `{}` ends the commit status `{}`",
            dispatch.workflow,
            ours.head(),
            dispatch.context
        ));
    }
    Ok(())
}

impl<F: Forge> Run<'_, F> {
    /// Adds the labels that are missing.
    pub(super) async fn finish_labels(&mut self, ours: &Rival) -> Result<(), FactoryError> {
        let there = &ours.pull.labels;
        let wanted = self.options.labels.iter();
        let missing: Vec<String> = wanted
            .filter(|label| !there.iter().any(|one| one.eq_ignore_ascii_case(label)))
            .cloned()
            .collect();
        if !missing.is_empty()
            && let Err(error) = self.forge.add_labels(ours.number(), &missing).await
        {
            self.note_failure("labels are missing", error)?;
        }
        Ok(())
    }
}
