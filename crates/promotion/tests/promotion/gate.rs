use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use promotion::board::ProofState;
use promotion::{
    Admission, Bypass, Evidence, PromotionError, PromotionPlan, Rule, Rules, admit, gate, plan,
};
use receipts::dsse::Envelope;
use receipts::statement::{
    Acceptance, Decision, Deployment, Draft, Facts, Outcome, Predicate, Promotion, Smoke,
};
use receipts::store::{Found, Source};
use receipts::verify::{Policy, Verdict};
use registry_model::{PinPlace, PinnedImage};

use super::{environment, image, processor, standing};

/// What is said of an image, at this hour of a day.
#[derive(Clone, Copy)]
pub(crate) enum Said {
    Accepted(Outcome),
    Deployed(&'static str, Outcome),
    Promoted(&'static str),
    Bypassed(&'static str),
}

pub(crate) fn draft(about: &PinnedImage, said: Said, hour: i8) -> Draft {
    let time: Timestamp = format!("2026-03-01T{hour:02}:00:00Z").parse().unwrap();
    let promotion = |to: &str, decision| {
        Predicate::Promotion(Promotion {
            from: environment("dev"),
            to: environment(to),
            decision,
            receipts: Vec::new(),
        })
    };
    let (place, predicate) = match said {
        Said::Accepted(outcome) => (
            None,
            Predicate::Acceptance(Acceptance {
                outcome,
                suite: "suite".to_owned(),
                inputs: None,
                report: None,
                passed: vec![],
                warned: vec![],
                failed: vec![],
            }),
        ),
        Said::Deployed(place, outcome) => (
            Some(place),
            Predicate::Deployment(Deployment {
                outcome,
                app: "app".to_owned(),
                version: Some(1),
                smoke: match outcome {
                    Outcome::Passed => Smoke::Passed,
                    Outcome::Failed => Smoke::Failed,
                },
            }),
        ),
        Said::Promoted(to) => (Some(to), promotion(to, Decision::Passed)),
        Said::Bypassed(to) => {
            let decision = Decision::Bypassed {
                by: "octocat".to_owned(),
                why: "the key leaked".to_owned(),
            };
            (Some(to), promotion(to, decision))
        }
    };
    let facts = Facts {
        environment: place.map(environment),
        ..Facts::at(time)
    };
    Draft::about(about, facts, predicate)
}

/// What lies beside an image, judged without a key. Each receipt has a place of its own.
pub(crate) fn judged(about: &PinnedImage, drafts: &[Draft]) -> Vec<Verdict> {
    let found: Vec<Found> = drafts
        .iter()
        .enumerate()
        .map(|(index, draft)| Found {
            image: about.clone(),
            place: format!("{}@sha256:{index:064x}", about.repository)
                .parse()
                .unwrap(),
            source: Source::Referrer,
            promised: None,
            content: Ok(Envelope::seal(&draft.receipt, None)),
        })
        .collect();
    Policy::default().judge(&found, "2026-03-02T00:00:00Z".parse().unwrap())
}

fn beside(about: &PinnedImage, said: &[Said]) -> Vec<Verdict> {
    let drafts = said
        .iter()
        .zip(1..)
        .map(|(one, hour)| draft(about, *one, hour));
    judged(about, &drafts.collect::<Vec<_>>())
}

fn evidence(said: &[(char, &[Said])]) -> Evidence {
    let judged = said.iter().map(|(digit, said)| {
        let about = image(*digit);
        (about.clone(), Ok(beside(&about, said)))
    });
    Evidence {
        judged: judged.collect::<BTreeMap<_, _>>(),
        ..Evidence::default()
    }
}

const GOOD: [Said; 2] = [
    Said::Accepted(Outcome::Passed),
    Said::Deployed("dev", Outcome::Passed),
];

fn dev_to_staging(dev: &[(&str, char)], staging: &[(&str, char)]) -> PromotionPlan {
    let all = |list: &[(&str, char)]| -> Vec<_> {
        list.iter()
            .map(|(it, digit)| processor(it, *digit))
            .collect()
    };
    plan(
        &standing("dev", 'a', all(dev)),
        &standing("staging", 'b', all(staging)),
    )
    .unwrap()
}

fn usual() -> Rules {
    Rules::usual(&environment("dev"))
}

/// What may not go, for people.
fn refusals(admissions: &[Admission]) -> String {
    let refused = admissions.iter().filter(|it| it.is_refused());
    let lines: Vec<String> = refused.map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn each_processor_goes_or_is_told_why_not() {
    let plan = dev_to_staging(
        &[
            ("a/good@1", '2'),
            ("b/missing@1", '3'),
            ("c/failed@1", '4'),
            ("d/unread@1", '5'),
            ("e/pending@1", '-'),
            ("f/same@1", '6'),
        ],
        &[("a/good@1", '1'), ("f/same@1", '6')],
    );
    let mut found = evidence(&[
        ('2', &GOOD),
        ('3', &[Said::Deployed("staging", Outcome::Passed)]),
        (
            '4',
            &[GOOD[0], GOOD[1], Said::Deployed("dev", Outcome::Failed)],
        ),
    ]);
    let problem = "failed to read the receipts: no route to host".to_owned();
    found.judged.insert(image('5'), Err(problem));
    let all = gate(&plan, &usual(), &found);
    // What is the same in both has nothing to prove.
    let names: Vec<String> = all.iter().map(|it| it.reference.to_string()).collect();
    assert_eq!(
        names,
        [
            "a/good@1",
            "b/missing@1",
            "c/failed@1",
            "d/unread@1",
            "e/pending@1"
        ]
    );
    assert!(!all[0].is_refused());
    let receipts: Vec<_> = all[0].proofs.iter().map(|it| it.receipt.clone()).collect();
    assert!(receipts.iter().all(Option::is_some) && receipts.len() == 2);
    let error = admit(&plan, &all, None).unwrap_err();
    assert!(error.is_rule());
    insta::assert_snapshot!(error, @r"
    promote `dev` to `staging`: 4 processors may not go:
      - b/missing@1: no receipt of acceptance (333333333333)
        hint: run `pipeline accept`, and `pipeline attest` with its report
      - b/missing@1: no receipt of deployment in dev (333333333333)
        hint: run `pipeline deploy --env dev`, and `pipeline attest` with its report
      - c/failed@1: deployment in dev failed at 2026-03-01T03:00:00Z (444444444444)
        hint: run `pipeline deploy --env dev`, and `pipeline attest` with its report
      - d/unread@1: failed to read the receipts: no route to host (555555555555)
        hint: see that the registry can be reached and read
      - e/pending@1: not pinned in dev yet
        hint: merge the open pin request into `dev`, or run build-and-pin there
    ");
}

#[test]
fn what_is_refused_names_the_reason() {
    let plan = dev_to_staging(&[("a/b@1", '2')], &[]);
    let about = image('2');
    let of_another = draft(&image('3'), GOOD[0], 1);
    let verdicts = judged(&about, &[of_another]);
    let found = Evidence {
        judged: BTreeMap::from([(about, Ok(verdicts))]),
        ..Evidence::default()
    };
    let all = gate(&plan, &usual(), &found);
    assert_eq!(all[0].proofs[0].state, ProofState::Refused);
    let text = refusals(&all);
    assert!(
        text.contains("the receipt of acceptance is refused: replayed"),
        "{text}"
    );
}

#[test]
fn each_platform_is_asked_about() {
    let two = |amd64, arm64| {
        let place = |arch: &str| PinPlace::Platform(format!("linux/{arch}").parse().unwrap());
        let mut one = processor("a/b@1", '1');
        one.pins = vec![
            super::pin(place("amd64"), amd64),
            super::pin(place("arm64"), arm64),
        ];
        vec![one]
    };
    let plan = plan(
        &standing("dev", 'a', two('2', '3')),
        &standing("staging", 'b', two('1', '1')),
    )
    .unwrap();
    let all = gate(&plan, &usual(), &evidence(&[('2', &GOOD)]));
    assert_eq!((all.len(), all[0].proofs.len()), (1, 4));
    let whys: Vec<&str> = all[0].why_not.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(
        whys,
        [
            "no receipt of acceptance (333333333333)",
            "no receipt of deployment in dev (333333333333)",
        ]
    );
}

#[test]
fn what_never_was_in_the_source_stops_a_promotion() {
    let plan = dev_to_staging(
        &[("a/rebuilt@1", '2'), ("b/same@1", '4')],
        &[("a/rebuilt@1", '1'), ("b/same@1", '4'), ("c/other@1", '5')],
    );
    let mut found = evidence(&[('2', &GOOD)]);
    found.foreign = BTreeSet::from([image('1').digest, image('5').digest]);
    let all = gate(&plan, &usual(), &found);
    let rules: Vec<_> = all
        .iter()
        .map(|it| (it.reference.to_string(), it.why_not[0].rule))
        .collect();
    assert_eq!(
        rules,
        [
            ("a/rebuilt@1".to_owned(), Rule::Origin),
            ("c/other@1".to_owned(), Rule::Origin),
        ]
    );
    assert!(refusals(&all).contains("staging has 111111111111, which never was in dev"));
    // Somebody took the responsibility for one of them; there, and not elsewhere.
    for (place, is_excused) in [("staging", true), ("main", false)] {
        let verdicts = beside(&image('1'), &[Said::Bypassed(place)]);
        found.judged.insert(image('1'), Ok(verdicts));
        let all = gate(&plan, &usual(), &found);
        assert_eq!(!all[0].is_refused(), is_excused, "{place}");
        assert!(all[1].is_refused());
    }
}

#[test]
fn holds_places_and_reverts_are_told() {
    let plan = dev_to_staging(
        &[
            ("a/held@1", '2'),
            ("b/placeless@1", '2'),
            ("c/reverted@1", '2'),
        ],
        &[("a/held@1", '1'), ("c/reverted@1", '1')],
    );
    let mut found = evidence(&[('2', &GOOD)]);
    found.held = BTreeMap::from([("a/held@1".parse().unwrap(), image('1').digest)]);
    found.without_place = BTreeSet::from([("b/placeless@1".parse().unwrap(), PinPlace::Oci)]);
    found.reverted = BTreeSet::from([("c/reverted@1".parse().unwrap(), PinPlace::Oci)]);
    let all = gate(&plan, &usual(), &found);
    insta::assert_snapshot!(refusals(&all), @r"
    - a/held@1: a person holds it in staging at 111111111111
      hint: give --release-hold a/held@1 to go on all the same
    - b/placeless@1: no registry file in staging has this pin
      hint: promote everything once: that brings the files
    - c/reverted@1: staging changed this pin by itself, and a merge would leave it so
      hint: name it with --processors to bring it to staging all the same
    ");
    // Nobody can set these aside.
    let bypass = Bypass {
        by: "octocat".to_owned(),
        why: "now".to_owned(),
    };
    let error = admit(&plan, &all, Some(&bypass)).unwrap_err();
    assert!(matches!(error, PromotionError::Refused { refused, .. } if refused.len() == 3));
    // At the digest that comes, a hold is none.
    found.held = BTreeMap::from([("a/held@1".parse().unwrap(), image('2').digest)]);
    assert!(!gate(&plan, &usual(), &found)[0].is_refused());
}

#[test]
fn a_bypass_lets_through_what_lacks_receipts() {
    let plan = dev_to_staging(&[("a/b@1", '2'), ("c/d@1", '3')], &[("a/b@1", '1')]);
    let mut found = evidence(&[('3', &GOOD)]);
    found.foreign = BTreeSet::from([image('1').digest]);
    let all = gate(&plan, &usual(), &found);
    admit(&plan, &all, None).unwrap_err();
    let bypass = Bypass {
        by: "octocat".to_owned(),
        why: "the key leaked".to_owned(),
    };
    admit(&plan, &all, Some(&bypass)).unwrap();
}

#[test]
fn a_bypass_counts_as_a_promotion_only_where_that_is_configured() {
    let plan = dev_to_staging(&[("a/b@1", '2')], &[]);
    let rules = |accept_bypass| Rules {
        require: vec![receipts::verify::Requirement {
            kind: receipts::statement::Kind::Promotion,
            environment: Some(environment("dev")),
        }],
        accept_bypass,
    };
    for (said, strict, lenient) in [
        (vec![Said::Promoted("dev")], true, true),
        (vec![Said::Bypassed("dev")], false, true),
        (
            vec![Said::Promoted("dev"), Said::Bypassed("dev")],
            false,
            true,
        ),
        (vec![Said::Bypassed("staging")], false, false),
        (vec![], false, false),
    ] {
        let found = evidence(&[('2', &said)]);
        let may = |accept| !gate(&plan, &rules(accept), &found)[0].is_refused();
        assert_eq!((may(false), may(true)), (strict, lenient));
    }
}

#[test]
fn nothing_is_asked_where_nothing_is_required() {
    let plan = dev_to_staging(&[("a/b@1", '2')], &[]);
    let all = gate(&plan, &Rules::default(), &Evidence::default());
    assert!(!all[0].is_refused() && all[0].proofs.is_empty());
    admit(&plan, &all, None).unwrap();
    // Nobody looked: that is no receipt.
    let all = gate(&plan, &usual(), &Evidence::default());
    assert_eq!(all[0].why_not.len(), 2);
}
