use ::receipts::statement::{Deployment, Draft, Facts, Outcome, Predicate, Smoke};

use crate::report::{AppReport, DeployReport, Deployed};
use crate::smoke::Verdict;

/// What this report says of images, for beside them: one for each app that was deployed, rolled over
/// or called in this run.
///
/// Not of what was left as it was, to a person or to a later run, nor of what was not tried. Nothing
/// passed in a run that was interrupted before it called what it deployed.
#[must_use]
pub fn receipts(report: &DeployReport, facts: &Facts) -> Vec<Draft> {
    let facts = Facts {
        time: Some(report.ended_at),
        environment: Some(report.environment.clone()),
        ..facts.clone()
    };
    let drafts = report.apps.iter().filter_map(|app| {
        let deployment = deployment(app, report.interrupted)?;
        let predicate = Predicate::Deployment(deployment);
        Some(Draft::about(&app.image, facts.clone(), predicate))
    });
    drafts.collect()
}

fn deployment(app: &AppReport, interrupted: bool) -> Option<Deployment> {
    let smoke = match app.smoke.verdict {
        Verdict::Passed => Smoke::Passed,
        Verdict::Failed => Smoke::Failed,
        Verdict::Skipped => Smoke::Skipped,
    };
    let called = smoke != Smoke::Skipped;
    let outcome = match app.deployed {
        Deployed::Failed if app.tried => Outcome::Failed,
        Deployed::Failed | Deployed::Superseded | Deployed::Held => return None,
        Deployed::Current if !called => return None,
        _ if interrupted && !called => return None,
        _ => Outcome::from(smoke != Smoke::Failed),
    };
    Some(Deployment {
        outcome,
        app: app.app.clone(),
        version: app.version.map(u64::from),
        smoke,
    })
}

#[cfg(test)]
mod tests {
    use ::receipts::statement::Receipt;

    use super::*;
    use crate::report::tests::report;

    const ALL: [Deployed; 7] = [
        Deployed::Deployed,
        Deployed::Unchanged,
        Deployed::RolledOver,
        Deployed::Current,
        Deployed::Held,
        Deployed::Superseded,
        Deployed::Failed,
    ];

    /// What is said of an app that ended in each way, with a smoke that ended so.
    fn said(verdict: Verdict, change: impl Fn(&mut DeployReport)) -> Vec<(Deployed, String)> {
        let mut found = Vec::new();
        for deployed in ALL {
            let mut report = report();
            report.apps[0].deployed = deployed;
            report.apps[0].smoke.verdict = verdict;
            change(&mut report);
            let drafts = receipts(&report, &Facts::default());
            assert!(drafts.len() <= 1);
            found.extend(drafts.iter().map(|draft| {
                let outcome = draft.receipt.outcome().unwrap();
                (deployed, outcome.to_string())
            }));
        }
        found
    }

    fn all(of: &[Deployed], outcome: &str) -> Vec<(Deployed, String)> {
        of.iter().map(|one| (*one, outcome.to_owned())).collect()
    }

    #[test]
    fn only_of_what_was_touched_and_tried() {
        let (new, failed) = (&ALL[..3], [(Deployed::Failed, "failed".to_owned())]);
        let as_is = |_: &mut DeployReport| {};
        let wanted = [all(&ALL[..4], "passed"), failed.to_vec()].concat();
        assert_eq!(said(Verdict::Passed, as_is), wanted);
        let wanted = [all(&ALL[..4], "failed"), failed.to_vec()].concat();
        assert_eq!(said(Verdict::Failed, as_is), wanted);
        let wanted = [all(new, "passed"), failed.to_vec()].concat();
        assert_eq!(said(Verdict::Skipped, as_is), wanted);

        let interrupted = |report: &mut DeployReport| report.interrupted = true;
        assert_eq!(said(Verdict::Skipped, interrupted), failed);
        assert_eq!(
            said(Verdict::Passed, interrupted)[..4],
            all(&ALL[..4], "passed")
        );
        let untried = |report: &mut DeployReport| report.apps[0].tried = false;
        assert_eq!(said(Verdict::Skipped, untried), all(new, "passed"));
    }

    #[test]
    fn a_receipt_has_the_environment_and_the_end_of_the_run() {
        let mut report = report();
        report.apps[0].smoke.verdict = Verdict::Passed;
        let facts = Facts {
            by: Some("octocat".to_owned()),
            ..Facts::default()
        };
        let drafts = receipts(&report, &facts);
        let [draft] = &drafts[..] else {
            panic!("{drafts:?}")
        };
        let wanted = Facts {
            time: Some(report.ended_at),
            environment: Some(report.environment.clone()),
            ..facts.clone()
        };
        assert_eq!(draft.receipt.facts, wanted);
        assert_eq!(draft.image, report.apps[0].image);
        let deployment = Deployment {
            outcome: Outcome::Passed,
            app: "llm-litellm-v1".to_owned(),
            version: Some(3),
            smoke: Smoke::Passed,
        };
        assert_eq!(draft.receipt.predicate, Predicate::Deployment(deployment));
        let read = Receipt::from_statement(&draft.receipt.to_statement()).unwrap();
        assert_eq!(read, draft.receipt);
        assert_eq!(receipts(&report, &facts), drafts);
    }
}
