use promotion::{Change, PromotionPlan, PromotionReport, RunOptions};

use super::super::output::{set_output, table};
use crate::ui::Failure;

/// What moves, and why not.
pub(super) fn plan(plan: &PromotionPlan, options: &RunOptions) -> String {
    let rows: Vec<Vec<String>> = plan
        .comparisons
        .iter()
        .map(|one| {
            let change = match &one.change {
                Change::Same { image } => format!("same {}", image.digest.short()),
                Change::Move { old, new } => {
                    format!("{} → {}", old.digest.short(), new.digest.short())
                }
                Change::New { new } => format!("new {}", new.digest.short()),
                Change::Pending { .. } => "not pinned yet".to_owned(),
                Change::OnlyInTarget { .. } => match options.losses.get(&one.reference) {
                    Some(loss) => loss.to_string(),
                    None => format!("only in {}", plan.to),
                },
            };
            let mut admissions = options.admissions.iter();
            let admission = admissions.find(|it| it.reference == one.reference);
            let why = admission.map_or_else(String::new, |admission| {
                let why: Vec<&str> = admission
                    .why_not
                    .iter()
                    .map(|it| it.text.as_str())
                    .collect();
                why.join("; ")
            });
            vec![one.reference.to_string(), change, why]
        })
        .collect();
    let heading = format!("{} → {}", plan.from, plan.to);
    table(&["processor", &heading, "why not"], &rows)
}

/// What people should know besides.
pub(super) fn notices(report: &PromotionReport) -> String {
    let bypass = report.bypass.as_ref().map_or_else(String::new, |bypass| {
        format!("against the rules, by {}: {}\n", bypass.by, bypass.why)
    });
    let notices = report.notices.iter().map(|text| format!("note: {text}\n"));
    bypass + &notices.collect::<String>()
}

/// How it ended, in a few words.
pub(super) fn line(report: &PromotionReport) -> String {
    match (&report.pull_request, &report.merged) {
        (None, _) => "nothing to promote".to_owned(),
        (Some(_), Some(_)) => format!("{} to {}", report.from, report.to),
        (Some(request), None) => format!("pull request #{} is open", request.number),
    }
}

/// How it ended.
pub(super) fn end(report: &PromotionReport) -> String {
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

/// Tells a workflow what came of it.
pub(super) fn outputs(report: &PromotionReport) -> Result<(), Failure> {
    let request = report.pull_request.as_ref();
    let number = request.map_or_else(String::new, |request| request.number.to_string());
    set_output("pull-request-number", &number)?;
    let url = request.map_or("", |request| request.url.as_str());
    set_output("pull-request-url", url)?;
    let merged = report.merged.as_ref();
    set_output("merged", merged.map_or("", |commit| commit.as_str()))
}
