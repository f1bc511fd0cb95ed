//! What a run proves about each image, as receipts.

use std::collections::BTreeMap;

use receipts::statement::{Acceptance, Draft, Facts, Outcome, Predicate};
use registry_model::PinnedImage;

use crate::{
    AcceptanceReport, CaseReport, Cases, ContractReport, ObjectsReport, Part, ProvenImage,
    SuiteReport,
};

/// A receipt stands in the list of its image's artifacts only while it is short.
const MOST_NAMES: usize = 20;
const LONGEST_NAME: usize = 200;

/// The receipts that `report` is worth: one about the contract of each processor whose cases ran,
/// and one about the suite for each image that it ran with, failed ones included. Of a reduced run,
/// and of what did not run, there are none; of a partial one none about the suite, nor about an image
/// that a processor that was left out has as well.
///
/// `facts` say who and where; the time is that of the report.
#[must_use]
pub fn receipts(report: &AcceptanceReport, facts: &Facts) -> Vec<Draft> {
    if report.reduced {
        return Vec::new();
    }
    let facts = Facts {
        time: Some(report.ended_at),
        environment: None,
        ..facts.clone()
    };
    let about = |image: &PinnedImage, acceptance: Acceptance| {
        Draft::about(image, facts.clone(), Predicate::Acceptance(acceptance))
    };
    let whole = report.images.iter().filter(|image| !image.shared);
    let contracts = whole.filter_map(|image| {
        let acceptance = contract(image, &report.contract)?;
        Some(about(&image.image, acceptance))
    });
    let mut drafts: Vec<Draft> = contracts.collect();
    let suite = suite(&report.suite, report.objects.as_ref());
    if let Some(acceptance) = suite.filter(|_| !report.partial) {
        // Two processors may share an image.
        let images: BTreeMap<String, &PinnedImage> = report
            .images
            .iter()
            .map(|image| (image.image.to_string(), &image.image))
            .collect();
        drafts.extend(
            images
                .values()
                .map(|image| about(image, acceptance.clone())),
        );
    }
    drafts
}

fn contract(image: &ProvenImage, report: &ContractReport) -> Option<Acceptance> {
    let ContractReport::Ran { cases, .. } = report else {
        return None;
    };
    let mine = cases
        .iter()
        .filter(|case| case.reference == image.reference);
    let (passed, failed): (Vec<&CaseReport>, Vec<&CaseReport>) =
        mine.partition(|case| case.is_passed());
    if passed.is_empty() && failed.is_empty() {
        return None;
    }
    let names = |cases: &[&CaseReport]| named(cases.iter().map(|case| case.name.as_str()));
    Some(Acceptance {
        outcome: Outcome::from(failed.is_empty()),
        suite: Part::Contract.to_string(),
        inputs: image.contract_inputs.clone(),
        report: None,
        passed: names(&passed),
        warned: Vec::new(),
        failed: names(&failed),
    })
}

fn suite(report: &SuiteReport, objects: Option<&ObjectsReport>) -> Option<Acceptance> {
    let SuiteReport::Ran {
        exit,
        cases,
        inputs,
        ..
    } = report
    else {
        return None;
    };
    let failed = cases.iter().flat_map(|cases: &Cases| &cases.failed);
    let failed = failed.map(|case| case.name.as_str());
    let wrong = objects.iter().flat_map(|objects| &objects.violations);
    let wrong = wrong.filter_map(|violation| violation.artifact.as_deref());
    let kept = objects.is_none_or(ObjectsReport::is_passed);
    // Some programs that run tests end with 0 whatever the tests say.
    let passed = cases.as_ref().is_none_or(Cases::is_passed);
    Some(Acceptance {
        outcome: Outcome::from(*exit == Some(0) && passed && kept),
        suite: Part::Suite.to_string(),
        inputs: inputs.clone(),
        report: None,
        passed: Vec::new(),
        warned: Vec::new(),
        failed: named(failed.chain(wrong)),
    })
}

/// Names that a statement can hold: neither long nor many, and without control characters.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut all: Vec<String> = names.map(plain).collect();
    if all.len() > MOST_NAMES {
        let more = all.len() - MOST_NAMES;
        all.truncate(MOST_NAMES);
        all.push(format!("and {more} more"));
    }
    all
}

fn plain(name: &str) -> String {
    let shown = name.chars().take(LONGEST_NAME);
    shown
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use registry_model::{Digest, ProcessorRef};
    use serde_json::json;

    use super::*;
    use crate::{FailedCase, Violation, ViolationCode};

    fn digest(digit: &str) -> Digest {
        format!("sha256:{}", digit.repeat(64)).parse().unwrap()
    }

    fn image(name: &str, digit: &str) -> ProvenImage {
        let reference: ProcessorRef = format!("text/{name}@1").parse().unwrap();
        ProvenImage {
            reference,
            image: format!("ghcr.io/acme/text-{name}@{}", digest(digit))
                .parse()
                .unwrap(),
            contract_inputs: Some(digest("c")),
            shared: false,
            accepted: Vec::new(),
        }
    }

    fn case(image: &ProvenImage, name: &str, violations: usize) -> CaseReport {
        let violation = Violation {
            code: ViolationCode::ExitCode,
            what: "exit code".into(),
            expected: "0".into(),
            got: "1".into(),
            artifact: None,
        };
        serde_json::from_value(json!({
            "ref": image.reference, "name": name, "file": "a.yaml", "line": 3,
            "image": image.image, "mode": "mock", "runs": 2, "wall-seconds": 0.1,
            "peak-memory-bytes": null, "output-bytes": 0, "cost-units": null, "artifacts": [],
            "violations": vec![violation; violations], "log": [],
        }))
        .unwrap()
    }

    fn ran(exit: Option<i32>, failed: &[&str]) -> SuiteReport {
        let failed = failed.iter().map(|name| FailedCase {
            name: (*name).to_owned(),
            message: "it broke".into(),
            file: None,
            line: None,
        });
        SuiteReport::Ran {
            command: vec!["make".into(), "test-acceptance".into()],
            exit,
            seconds: 1.0,
            cases: Some(Cases {
                tests: 3,
                failed: failed.collect(),
                ..Cases::default()
            }),
            inputs: Some(digest("d")),
        }
    }

    fn report(
        images: Vec<ProvenImage>,
        cases: Vec<CaseReport>,
        suite: SuiteReport,
    ) -> AcceptanceReport {
        AcceptanceReport {
            ended_at: "2026-03-01T12:00:00Z".parse().unwrap(),
            skipped: None,
            images,
            contract: match cases.is_empty() {
                true => ContractReport::Accepted,
                false => ContractReport::Ran {
                    cases,
                    seconds: 1.0,
                },
            },
            suite,
            ..AcceptanceReport::skipped(String::new())
        }
    }

    fn facts() -> Facts {
        Facts {
            by: Some("octocat".into()),
            environment: Some("dev".parse().unwrap()),
            ..Facts::at("2020-01-01T00:00:00Z".parse().unwrap())
        }
    }

    fn shown(drafts: &[Draft]) -> Vec<String> {
        let one = |draft: &Draft| match &draft.receipt.predicate {
            Predicate::Acceptance(it) => format!(
                "{} {} {} passed {:?} failed {:?}",
                draft.image.repository, it.suite, it.outcome, it.passed, it.failed
            ),
            other => panic!("{other:?}"),
        };
        drafts.iter().map(one).collect()
    }

    #[test]
    fn each_processor_answers_for_its_own_contract() {
        let (one, two, bare) = (image("one", "1"), image("two", "2"), image("bare", "3"));
        let cases = vec![case(&one, "a", 0), case(&one, "b", 1), case(&two, "a", 0)];
        let nothing = SuiteReport::NotConfigured { add: "one".into() };
        let report = report(vec![one, two, bare], cases, nothing);
        insta::assert_debug_snapshot!(shown(&receipts(&report, &facts())), @r#"
        [
            "ghcr.io/acme/text-one contract failed passed [\"a\"] failed [\"b\"]",
            "ghcr.io/acme/text-two contract passed passed [\"a\"] failed []",
        ]
        "#);
    }

    #[test]
    fn a_suite_that_left_what_nobody_declares_has_not_passed() {
        let mut report = report(vec![image("one", "1")], Vec::new(), ran(Some(0), &[]));
        report.objects = Some(ObjectsReport {
            bucket: "artifacts".into(),
            objects: 2,
            seconds: 0.1,
            violations: vec![Violation {
                code: ViolationCode::ArtifactUndeclared,
                what: "object".into(),
                expected: "none".into(),
                got: "it".into(),
                artifact: Some("stray".into()),
            }],
            wrong: 1,
        });
        let told = shown(&receipts(&report, &facts()));
        assert_eq!(
            told,
            ["ghcr.io/acme/text-one suite failed passed [] failed [\"stray\"]"]
        );
    }

    #[test]
    fn the_suite_speaks_for_every_image_that_it_ran_with() {
        let mut twin = image("twin", "1");
        let one = image("one", "1");
        twin.image = one.image.clone();
        let images = vec![one, twin, image("two", "2")];
        for (exit, outcome) in [(Some(0), "passed"), (Some(2), "failed"), (None, "failed")] {
            let report = report(images.clone(), Vec::new(), ran(exit, &[]));
            let expected = ["one", "two"].map(|name| {
                format!("ghcr.io/acme/text-{name} suite {outcome} passed [] failed []")
            });
            assert_eq!(shown(&receipts(&report, &facts())), expected);
        }
    }

    #[test]
    fn a_suite_with_failed_tests_has_failed_whatever_its_exit_code() {
        let one = image("one", "1");
        let report = report(vec![one], Vec::new(), ran(Some(0), &["a"]));
        let expected = ["ghcr.io/acme/text-one suite failed passed [] failed [\"a\"]"];
        assert_eq!(shown(&receipts(&report, &facts())), expected);
    }

    #[test]
    fn one_receipt_in_full() {
        let one = image("one", "1");
        let suite = SuiteReport::NotConfigured { add: String::new() };
        let report = report(vec![one.clone()], vec![case(&one, "a", 0)], suite);
        let drafts = receipts(&report, &facts());
        assert_eq!(drafts, receipts(&report, &facts()));
        insta::assert_json_snapshot!(drafts, @r#"
        [
          {
            "image": "ghcr.io/acme/text-one@sha256:1111111111111111111111111111111111111111111111111111111111111111",
            "receipt": {
              "subjects": [
                {
                  "name": "ghcr.io/acme/text-one",
                  "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111"
                }
              ],
              "facts": {
                "time": "2026-03-01T12:00:00Z",
                "by": "octocat",
                "run": null,
                "commit": null,
                "environment": null,
                "expires": null
              },
              "predicate": {
                "kind": "acceptance",
                "details": {
                  "outcome": "passed",
                  "suite": "contract",
                  "inputs": "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
                  "report": null,
                  "passed": [
                    "a"
                  ],
                  "warned": [],
                  "failed": []
                }
              }
            }
          }
        ]
        "#);
    }

    #[test]
    fn without_some_processors_neither_the_suite_nor_what_they_share_is_proven() {
        let (one, two) = (image("one", "1"), image("two", "2"));
        let cases = vec![case(&one, "a", 0), case(&two, "a", 0)];
        let mut report = report(vec![one, two], cases, ran(Some(0), &[]));
        assert_eq!(receipts(&report, &facts()).len(), 4);
        report.partial = true;
        report.images[1].shared = true;
        let expected = ["ghcr.io/acme/text-one contract passed passed [\"a\"] failed []"];
        assert_eq!(shown(&receipts(&report, &facts())), expected);
    }

    #[test]
    fn what_was_reduced_skipped_or_accepted_before_gives_none() {
        let one = image("one", "1");
        let mut reduced = report(
            vec![one.clone()],
            vec![case(&one, "a", 0)],
            ran(Some(0), &[]),
        );
        assert_eq!(receipts(&reduced, &facts()).len(), 2);
        reduced.reduced = true;
        assert_eq!(receipts(&reduced, &facts()), []);
        let accepted = SuiteReport::Accepted {
            inputs: digest("d"),
        };
        assert_eq!(receipts(&report(vec![one], vec![], accepted), &facts()), []);
        let skipped = AcceptanceReport::skipped("not asked for".into());
        assert_eq!(receipts(&skipped, &facts()), []);
    }

    #[test]
    fn hostile_names_make_no_receipt_unreadable() {
        let names: Vec<String> = (0..50)
            .map(|n| format!("{n}\n::error::{}", "é".repeat(9000)))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let report = report(vec![image("one", "1")], vec![], ran(Some(1), &names));
        let drafts = receipts(&report, &facts());
        let statement = drafts[0].receipt.to_statement();
        assert!(statement.len() < 16 << 10, "{}", statement.len());
        let read = ::receipts::statement::Receipt::from_statement(&statement).unwrap();
        assert_eq!(read, drafts[0].receipt);
        let Predicate::Acceptance(it) = read.predicate else {
            panic!("{read:?}")
        };
        assert_eq!(it.failed.last().unwrap(), "and 30 more");
    }
}
