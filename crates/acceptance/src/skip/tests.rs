use receipts::dsse::Envelope;
use receipts::statement::{Acceptance, Facts, Outcome, Predicate, Receipt};
use receipts::store::{Found, Source};
use receipts::verify::Policy;

use super::*;
use crate::{AcceptanceOptions, ContractPlan, Sources, StackPlan, SuitePlan};

fn digest(digit: &str) -> Digest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

fn images() -> Vec<(ProcessorRef, PinnedImage)> {
    let one = |(name, digit): (&str, &str)| {
        let image = format!("ghcr.io/acme/{name}@{}", digest(digit));
        (
            format!("text/{name}@1").parse().unwrap(),
            image.parse().unwrap(),
        )
    };
    [("one", "1"), ("two", "2")].map(one).into()
}

/// Two processors with a case each, a suite and a stack.
fn planned() -> AcceptancePlan {
    let mut plan = crate::plan(&AcceptanceOptions::new("/r"), &Sources::default()).unwrap();
    let case = |(reference, _): (ProcessorRef, PinnedImage)| crate::CasePlan {
        reference,
        name: "a".parse().unwrap(),
        file: "a.yaml".into(),
        line: 1,
        mode: registry_model::Mode::Mock,
        request: "{}".into(),
        inputs_sha256: String::new(),
        files: BTreeMap::new(),
        expect: registry_model::Expect::success(),
        artifacts: BTreeMap::new(),
        budget: registry_model::Budget::default(),
        limits: crate::RunLimits {
            seconds: 1,
            memory_mib: 8,
            cpus: 1.0,
            pids: 16,
            output_mib: 1,
        },
    };
    plan.contract = Configured::Configured(ContractPlan {
        cases: images().into_iter().map(case).collect(),
    });
    plan.stack = Configured::Configured(StackPlan {
        file: "/r/compose.yml".into(),
        overrides: Vec::new(),
        services: vec!["db".into()],
        wait_timeout: std::time::Duration::from_secs(1),
    });
    plan.suite = Configured::Configured(SuitePlan {
        command: vec!["true".into()],
        directory: "/r".into(),
        depends_on: "/r".into(),
        timeout: std::time::Duration::from_secs(1),
        report_dir: None,
    });
    plan
}

fn inputs() -> Inputs {
    let contract = images().into_iter().zip(["a", "b"]);
    Inputs {
        contract: contract
            .map(|((reference, _), digit)| (reference, digest(digit)))
            .collect(),
        suite: Some(digest("c")),
    }
}

/// `(number of the image, suite, digit of the inputs, outcome, minute)`.
type Told<'a> = (usize, &'a str, &'a str, Outcome, u8);

fn judged(told: &[Told<'_>]) -> Vec<Vec<Verdict>> {
    let mut verdicts = vec![Vec::new(), Vec::new()];
    for (number, suite, inputs, outcome, minute) in told {
        let (_, image) = &images()[*number];
        let time: Timestamp = format!("2026-03-01T12:{minute:02}:00Z").parse().unwrap();
        let predicate = Predicate::Acceptance(Acceptance {
            outcome: *outcome,
            suite: (*suite).to_owned(),
            inputs: Some(digest(inputs)),
            report: None,
            passed: vec![],
            warned: vec![],
            failed: vec![],
        });
        let facts = Facts {
            by: Some("octocat".into()),
            ..Facts::at(time)
        };
        let found = Found {
            place: format!("{}@{}", image.repository, digest("f"))
                .parse()
                .unwrap(),
            image: image.clone(),
            source: Source::Referrer,
            promised: None,
            content: Ok(Envelope::seal(
                &Receipt::about(image, facts, predicate),
                None,
            )),
        };
        let now = "2026-04-01T00:00:00Z".parse().unwrap();
        verdicts[*number].extend(Policy::default().judge(&[found], now));
    }
    verdicts
}

/// What is left to run, in one word each.
fn left(plan: &AcceptancePlan) -> String {
    let cases = plan.contract.get().map(|contract| {
        let cases = contract.cases.iter().map(|case| case.reference.to_string());
        cases.collect::<Vec<_>>().join("+")
    });
    let part = |there: bool, name: &str| {
        if there {
            name.to_owned()
        } else {
            "-".to_owned()
        }
    };
    format!(
        "{} {} {}",
        cases.unwrap_or("-".to_owned()),
        part(plan.stack.get().is_some(), "stack"),
        part(plan.suite.get().is_some(), "suite")
    )
}

const PASSED: Outcome = Outcome::Passed;
const FAILED: Outcome = Outcome::Failed;

#[test]
fn only_what_passed_at_the_same_inputs_is_left_out() {
    let cases: [(&str, &[Told<'_>], &str); 9] = [
        ("nothing", &[], "text/one@1+text/two@1 stack suite"),
        (
            "one contract",
            &[(0, "contract", "a", PASSED, 0)],
            "text/two@1 stack suite",
        ),
        (
            "that of another",
            &[(0, "contract", "b", PASSED, 0)],
            "text/one@1+text/two@1 stack suite",
        ),
        (
            "a suite of that name",
            &[(0, "suite", "a", PASSED, 0)],
            "text/one@1+text/two@1 stack suite",
        ),
        (
            "the suite with one image alone",
            &[(0, "suite", "c", PASSED, 0)],
            "text/one@1+text/two@1 stack suite",
        ),
        (
            "the suite with all",
            &[(0, "suite", "c", PASSED, 0), (1, "suite", "c", PASSED, 0)],
            "text/one@1+text/two@1 - -",
        ),
        (
            "everything",
            &[
                (0, "suite", "c", PASSED, 0),
                (0, "contract", "a", PASSED, 0),
                (1, "suite", "c", PASSED, 0),
                (1, "contract", "b", PASSED, 0),
            ],
            "- - -",
        ),
        (
            "failed later",
            &[
                (0, "contract", "a", PASSED, 0),
                (0, "contract", "a", FAILED, 1),
            ],
            "text/one@1+text/two@1 stack suite",
        ),
        (
            "another suite failed later",
            &[
                (0, "contract", "a", PASSED, 0),
                (0, "suite", "d", FAILED, 1),
            ],
            "text/one@1+text/two@1 stack suite",
        ),
    ];
    for (what, told, expected) in cases {
        let plan = skip(planned(), inputs(), &images(), &judged(told));
        assert_eq!(left(&plan), expected, "{what}");
        assert_eq!(plan.inputs, Some(inputs()), "{what}");
    }
}

#[test]
fn the_receipt_is_named() {
    let told = [(1, "contract", "b", PASSED, 7)];
    let plan = skip(planned(), inputs(), &images(), &judged(&told));
    let accepted: Vec<String> = plan
        .accepted
        .iter()
        .map(|(reference, by)| format!("{reference} {} {}", by[0].part, by[0]))
        .collect();
    let short = accepted[0].replace(&"f".repeat(64), "f…");
    insta::assert_snapshot!(short, @"text/two@1 contract sha256:f… of 2026-03-01T12:07:00Z by octocat");
}

#[test]
fn a_reduced_plan_and_one_without_inputs_stay_whole() {
    let told = [(0, "suite", "c", PASSED, 0), (1, "suite", "c", PASSED, 0)];
    let reduced = AcceptancePlan {
        reduced: true,
        ..planned()
    };
    let plan = skip(reduced, inputs(), &images(), &judged(&told));
    assert_eq!(left(&plan), "text/one@1+text/two@1 stack suite");
    let unread = Inputs {
        suite: None,
        ..inputs()
    };
    let plan = skip(planned(), unread, &images(), &judged(&told));
    assert_eq!(left(&plan), "text/one@1+text/two@1 stack suite");
    let plan = skip(planned(), inputs(), &[], &[]);
    assert_eq!(left(&plan), "text/one@1+text/two@1 stack suite");
}
