use github::NewPullRequest;

use crate::PromotionPlan;
use crate::report::Move;

/// The pull request that promotes: what moves, in one table.
pub(crate) fn pull_request(plan: &PromotionPlan) -> NewPullRequest {
    let (from, to) = (plan.from.as_str(), plan.to.as_str());
    let rows: String = plan
        .moves()
        .filter_map(Move::of)
        .map(|moved| {
            let platform = moved
                .platform
                .map_or_else(String::new, |platform| format!(" ({platform})"));
            let old = moved
                .old
                .map_or_else(|| "–".to_owned(), |old| format!("`{}`", old.digest.short()));
            format!(
                "| `{}`{platform} | {old} | `{}` |\n",
                moved.reference,
                moved.new.digest.short()
            )
        })
        .collect();
    NewPullRequest {
        title: format!("Promote {from} to {to}"),
        body: format!(
            "Merges `{from}` at {} into `{to}`. The images are the ones that run in `{from}`; \
             nothing is built again.\n\n| processor | `{to}` now | then |\n| --- | --- | --- |\n{rows}",
            plan.commit
        ),
        head: from.to_owned(),
        base: to.to_owned(),
        draft: false,
    }
}
