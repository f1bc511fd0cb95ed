use std::collections::BTreeMap;

use ::receipts::statement::{Decision, Facts, Outcome, Predicate};
use promotion::{
    Bypass, Evidence, PromotionReport, PullRequestLink, Rules, RunOptions, gate, plan, receipts,
};

use super::gate::{Said, draft, judged};
use super::{environment, image, processor, standing};

/// Two processors go: one is proven, the other is not.
fn report(bypass: Option<Bypass>) -> PromotionReport {
    let dev = vec![processor("a/b@1", '1'), processor("c/d@1", '2')];
    let plan = plan(
        &standing("dev", 'a', dev),
        &standing("staging", 'b', Vec::new()),
    )
    .unwrap();
    let about = image('1');
    let said = [
        Said::Deployed("dev", Outcome::Failed),
        Said::Accepted(Outcome::Passed),
        Said::Deployed("dev", Outcome::Passed),
    ];
    let drafts = said
        .iter()
        .zip(1..)
        .map(|(one, hour)| draft(&about, *one, hour));
    let verdicts = judged(&about, &drafts.collect::<Vec<_>>());
    let found = Evidence {
        judged: BTreeMap::from([(about, Ok(verdicts))]),
        ..Evidence::default()
    };
    let options = RunOptions {
        admissions: gate(&plan, &Rules::usual(&environment("dev")), &found),
        bypass,
        ..RunOptions::default()
    };
    let mut report = PromotionReport::judged(&plan, &options);
    report.ended_at = "2026-03-01T12:00:00Z".parse().unwrap();
    report
}

fn facts() -> Facts {
    Facts {
        by: Some("ci".to_owned()),
        run: Some("https://github.com/acme/models/actions/runs/1".to_owned()),
        ..Facts::default()
    }
}

#[test]
fn what_was_only_planned_or_refused_proves_nothing() {
    assert_eq!(receipts(&report(None), &facts()), []);
}

#[test]
fn the_report_is_a_contract() {
    let mut report = report(Some(Bypass {
        by: "octocat".to_owned(),
        why: "the key leaked".to_owned(),
    }));
    report.moves.truncate(1);
    report.processors.truncate(1);
    report.notices = vec!["for people".to_owned()];
    let again = serde_json::from_value(serde_json::to_value(&report).unwrap());
    assert_eq!(again.ok(), Some(report.clone()));
    insta::assert_json_snapshot!(report, @r#"
    {
      "schema": 1,
      "from": "dev",
      "to": "staging",
      "commit": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "ended-at": "2026-03-01T12:00:00Z",
      "partial": false,
      "pull-request": null,
      "merged": null,
      "processors": [
        {
          "ref": "a/b@1",
          "proofs": [
            {
              "image": "ghcr.io/acme/app@sha256:1111111111111111111111111111111111111111111111111111111111111111",
              "requirement": {
                "kind": "acceptance",
                "environment": null
              },
              "state": "passed",
              "why": null,
              "receipt": "sha256:0000000000000000000000000000000000000000000000000000000000000001",
              "at": "2026-03-01T02:00:00Z"
            },
            {
              "image": "ghcr.io/acme/app@sha256:1111111111111111111111111111111111111111111111111111111111111111",
              "requirement": {
                "kind": "deployment",
                "environment": "dev"
              },
              "state": "passed",
              "why": null,
              "receipt": "sha256:0000000000000000000000000000000000000000000000000000000000000002",
              "at": "2026-03-01T03:00:00Z"
            }
          ],
          "why-not": []
        }
      ],
      "bypass": {
        "by": "octocat",
        "why": "the key leaked"
      },
      "moves": [
        {
          "ref": "a/b@1",
          "platform": null,
          "old": null,
          "new": "ghcr.io/acme/app@sha256:1111111111111111111111111111111111111111111111111111111111111111"
        }
      ],
      "unchanged": 0,
      "only-in-target": [],
      "notices": [
        "for people"
      ]
    }
    "#);
}

#[test]
fn each_image_gets_the_decision_and_what_was_looked_at() {
    let bypass = Bypass {
        by: "octocat".to_owned(),
        why: "the key leaked".to_owned(),
    };
    let mut report = report(Some(bypass));
    report.pull_request = Some(PullRequestLink {
        number: 7,
        url: "https://github.com/acme/models/pull/7".to_owned(),
    });
    let drafts = receipts(&report, &facts());
    assert_eq!(drafts, receipts(&report, &facts()));
    let promotion = |index: usize| match &drafts[index].receipt.predicate {
        Predicate::Promotion(promotion) => promotion.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((drafts.len(), &drafts[0].image), (2, &image('1')));
    for draft in &drafts {
        let facts = &draft.receipt.facts;
        assert_eq!(facts.time, Some(report.ended_at));
        assert_eq!(facts.environment, Some(environment("staging")));
        assert_eq!(facts.by.as_deref(), Some("ci"));
    }
    // The proven one keeps the rules although somebody takes the responsibility for the other; of
    // its two deployments, the newest was looked at.
    let proven = promotion(0);
    assert_eq!(proven.decision, Decision::Passed);
    let looked_at: Vec<&str> = proven.receipts.iter().map(|it| it.hex()).collect();
    assert_eq!(looked_at, [format!("{:064x}", 1), format!("{:064x}", 2)]);
    assert_eq!(
        (proven.from, proven.to),
        (environment("dev"), environment("staging"))
    );
    let bypassed = promotion(1);
    assert!(bypassed.receipts.is_empty());
    assert_eq!(
        bypassed.decision,
        Decision::Bypassed {
            by: "octocat".to_owned(),
            why: "the key leaked".to_owned(),
        }
    );
    // To every other tool, it did not pass.
    let outcome = |index: usize| drafts[index].receipt.outcome();
    assert_eq!(
        (outcome(0), outcome(1)),
        (Some(Outcome::Passed), Some(Outcome::Failed))
    );
}

#[test]
fn what_needs_no_bypass_is_none() {
    let dev = vec![processor("a/b@1", '1')];
    let plan = plan(
        &standing("dev", 'a', dev),
        &standing("staging", 'b', Vec::new()),
    )
    .unwrap();
    let options = RunOptions {
        admissions: gate(&plan, &Rules::default(), &Evidence::default()),
        bypass: Some(Bypass {
            by: "octocat".to_owned(),
            why: "to be sure".to_owned(),
        }),
        ..RunOptions::default()
    };
    let mut report = PromotionReport::judged(&plan, &options);
    assert_eq!(report.bypass, None);
    report.pull_request = Some(PullRequestLink {
        number: 7,
        url: String::new(),
    });
    let drafts = receipts(&report, &Facts::default());
    assert_eq!(drafts[0].receipt.outcome(), Some(Outcome::Passed));
}
