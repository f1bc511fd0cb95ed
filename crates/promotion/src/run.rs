use github::GithubError;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{Forge, PromotionError, PromotionPlan, PromotionReport, PullRequestLink, text};

/// Carries out `plan`: one pull request from the source's branch to the target's, merged at once.
///
/// An open pull request between the two is used instead of a new one. An empty plan does nothing.
///
/// # Errors
/// [`PromotionError::Moved`] when the source's branch is no longer at the planned commit, and
/// [`PromotionError::Reverted`] when there is no commit to merge; also when GitHub refuses (a
/// conflict, a missing review or check) or the caller cancels.
pub async fn run<F: Forge + Sync>(
    plan: &PromotionPlan,
    forge: &F,
    cancel: &CancellationToken,
) -> Result<PromotionReport, PromotionError> {
    let mut report = PromotionReport::planned(plan);
    if plan.is_empty() {
        return Ok(report);
    }
    let steps = async {
        let failed = |source| match source {
            GithubError::Unchanged { .. } => PromotionError::Reverted {
                from: plan.from.clone(),
                to: plan.to.clone(),
            },
            source => PromotionError::Github {
                from: plan.from.clone(),
                to: plan.to.clone(),
                source,
            },
        };
        let (head, base) = (plan.from.as_str(), plan.to.as_str());
        let request = match forge.find_open(head, base).await.map_err(failed)? {
            Some(open) => open,
            None => {
                let wanted = text::pull_request(plan);
                forge.open(&wanted).await.map_err(failed)?
            }
        };
        let (from, to) = (&plan.from, &plan.to);
        info!(
            target: "pipeline::progress",
            stage = "promote",
            item = %to,
            "pull request {} promotes {from} to {to}",
            request.number
        );
        if request.head_sha != plan.commit {
            return Err(PromotionError::Moved {
                from: plan.from.clone(),
                to: plan.to.clone(),
                planned: plan.commit.clone(),
                found: request.head_sha,
            });
        }
        let merged = forge.merge(&request).await.map_err(failed)?;
        info!(
            target: "pipeline::progress",
            stage = "promote",
            item = %to,
            "merged as {}",
            merged.short()
        );
        Ok((request, merged))
    };
    let (request, merged) = cancel.run_until_cancelled(steps).await.unwrap_or_else(|| {
        Err(PromotionError::Cancelled {
            from: plan.from.clone(),
            to: plan.to.clone(),
        })
    })?;
    report.pull_request = Some(PullRequestLink {
        number: request.number,
        url: request.url,
    });
    report.merged = Some(merged);
    Ok(report)
}
