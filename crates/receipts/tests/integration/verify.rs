use std::time::Duration;

use receipts::dsse::{Envelope, Signature};
use receipts::statement::{Deployment, Kind, Outcome, Predicate, Receipt, Smoke};
use receipts::store::{Flaw, Found, Promise};
use receipts::verify::{
    Policy, Refusal, Requirement, Standing, Verdict, already_accepted, standing,
};

use crate::common::{
    acceptance, deployment, digest, facts, found, image, promise, signing, time, verifying,
};

const NOW: &str = "2026-03-02T00:00:00Z";

fn strict() -> Policy {
    Policy {
        keys: vec![verifying(2), verifying(1)],
        repository: Some(image('a').repository),
        max_age: Some(Duration::from_hours(24)),
    }
}

fn accepted(hour: u8, outcome: Outcome) -> Receipt {
    Receipt::about(&image('a'), facts(hour), acceptance(outcome))
}

fn signed(receipt: &Receipt) -> Envelope {
    Envelope::seal(receipt, Some(&signing(1)))
}

fn judge(policy: &Policy, found: Found) -> Verdict {
    policy.judge(&[found], time(NOW)).remove(0)
}

fn refusal(policy: &Policy, found: Found) -> String {
    let verdict = judge(policy, found);
    assert!(verdict.believed().is_none());
    verdict.refusal.unwrap().to_string()
}

#[test]
fn a_genuine_receipt_is_believed() {
    let receipt = accepted(9, Outcome::Passed);
    let verdict = judge(&strict(), found(&image('a'), signed(&receipt)));
    assert_eq!(verdict.refusal, None);
    assert_eq!(verdict.believed(), Some(&receipt));
    assert_eq!(verdict.signed_by.as_ref(), Some(verifying(1).id()));
    // Without keys, whoever may write is believed.
    let open = Policy::default();
    let verdict = judge(&open, found(&image('a'), Envelope::seal(&receipt, None)));
    assert_eq!((verdict.refusal, verdict.signed_by), (None, None));
}

#[test]
fn every_reason_to_refuse_has_a_name() {
    let (policy, here) = (strict(), image('a'));
    let receipt = accepted(9, Outcome::Passed);
    let good = signed(&receipt);

    let mut forged = good.clone();
    let other = Envelope::seal(&receipt, Some(&signing(9)));
    forged.signatures[0].sig = other.signatures[0].sig.clone();
    insta::assert_snapshot!(refusal(&policy, found(&here, forged)), @"forged: no configured key made its signature, or it was changed afterwards");

    // Changed together with what the list promises: only the signature can tell.
    let failed = Envelope::seal(&accepted(9, Outcome::Failed), None);
    let mut changed = good.clone();
    changed.payload = failed.payload;
    let consistent = found(&here, changed);
    assert_eq!(
        judge(&policy, consistent.clone()).refusal,
        Some(Refusal::Forged)
    );
    // Changed alone: seen even without keys.
    let altered = Found {
        promised: Some(promise(&good)),
        ..consistent
    };
    let said = refusal(&Policy::default(), altered);
    assert!(said.starts_with("altered: its list has sha256:"), "{said}");
    let mismatch = Found {
        content: Err(Flaw::Altered(
            "read: the registry answered with x".to_owned(),
        )),
        ..found(&here, good.clone())
    };
    insta::assert_snapshot!(refusal(&policy, mismatch), @"altered: read: the registry answered with x");

    insta::assert_snapshot!(refusal(&policy, found(&here, Envelope::seal(&receipt, None))), @"unsigned, and a key is configured");
    let said = refusal(&policy, found(&here, other.clone()));
    let name = verifying(9).id().to_string();
    assert_eq!(
        said,
        format!("signed with a key that is not configured: {name}")
    );
    // A name is a hint: without one, and with another's, a configured key still counts.
    for keyid in ["", "SHA256:somewhere-else"] {
        let mut renamed = good.clone();
        renamed.signatures[0].keyid = keyid.to_owned();
        assert_eq!(judge(&policy, found(&here, renamed)).refusal, None);
    }
    let mut nameless = other;
    nameless.signatures[0].keyid.clear();
    assert_eq!(
        judge(&policy, found(&here, nameless.clone())).refusal,
        Some(Refusal::Forged)
    );
    // As GitHub's attestations are: no key made them, and nobody claims so.
    nameless.certified = true;
    insta::assert_snapshot!(refusal(&policy, found(&here, nameless.clone())), @"signed by an identity, which is not verified here");
    nameless.signatures[0].keyid = verifying(1).id().to_string();
    assert_eq!(
        judge(&policy, found(&here, nameless)).refusal,
        Some(Refusal::Forged)
    );

    let said = refusal(&policy, found(&image('b'), good.clone()));
    assert_eq!(said, format!("replayed: it is about {}", digest('a')));
    let elsewhere = "ghcr.io/acme/other".parse().unwrap();
    let elsewhere = Policy {
        repository: Some(elsewhere),
        ..strict()
    };
    insta::assert_snapshot!(refusal(&elsewhere, found(&here, good.clone())), @"about another repository: ghcr.io/acme/app");

    let mut text = good;
    text.payload_type = "text/plain".to_owned();
    insta::assert_snapshot!(refusal(&Policy::default(), found(&here, text)), @"unreadable: its content is no in-toto statement");
}

#[test]
fn age_is_limited_by_the_policy_and_by_the_receipt() {
    let here = image('a');
    let at = |text: &str, expires: Option<&str>| {
        let mut receipt = accepted(9, Outcome::Passed);
        receipt.facts.time = Some(time(text));
        receipt.facts.expires = expires.map(time);
        found(&here, signed(&receipt))
    };
    let policy = strict();
    let open = Policy {
        max_age: None,
        ..strict()
    };
    insta::assert_snapshot!(refusal(&policy, at("2026-03-01T00:00:00Z", None)), @"expired at 2026-03-02T00:00:00Z");
    assert_eq!(
        judge(&policy, at("2026-03-01T00:00:01Z", None)).refusal,
        None
    );
    assert_eq!(judge(&open, at("2016-03-01T00:00:00Z", None)).refusal, None);
    insta::assert_snapshot!(refusal(&open, at("2026-03-01T00:00:00Z", Some("2026-03-01T12:00:00Z"))), @"expired at 2026-03-01T12:00:00Z");
    assert_eq!(
        judge(
            &open,
            at("2026-03-01T00:00:00Z", Some("2027-01-01T00:00:00Z"))
        )
        .refusal,
        None
    );
    assert_eq!(judge(&open, at("2026-03-02T00:04:59Z", None)).refusal, None);
    insta::assert_snapshot!(refusal(&open, at("2026-03-02T00:06:00Z", None)), @"from the future: 2026-03-02T00:06:00Z");
    let mut undated = accepted(9, Outcome::Passed);
    undated.facts.time = None;
    insta::assert_snapshot!(refusal(&policy, found(&here, signed(&undated))), @"without a time, and the age is limited");
    // As long as times go.
    let forever = Policy {
        max_age: Some(Duration::MAX),
        ..strict()
    };
    assert_eq!(
        judge(&forever, at("2016-03-01T00:00:00Z", None)).refusal,
        None
    );
}

#[test]
fn the_newest_receipt_that_is_believed_counts() {
    let here = image('a');
    let believed = |receipt: &Receipt| found(&here, signed(receipt));
    let unsigned = |receipt: &Receipt| found(&here, Envelope::seal(receipt, None));
    let dev = "dev".parse().ok();
    let wanted = Requirement {
        kind: Kind::Acceptance,
        environment: dev,
    };
    let stand = |found: &[Found], wanted: &Requirement| {
        let verdicts = strict().judge(found, time(NOW));
        match standing(&verdicts, wanted) {
            Standing::Passed(it) => format!(
                "passed {}",
                it.receipt.as_ref().unwrap().facts.time.unwrap()
            ),
            Standing::Failed(it) => format!(
                "failed {}",
                it.receipt.as_ref().unwrap().facts.time.unwrap()
            ),
            Standing::Refused(it) => format!("refused {}", it.refusal.as_ref().unwrap()),
            Standing::Missing => "missing".to_owned(),
        }
    };
    let (passed, failed) = (accepted(9, Outcome::Passed), accepted(10, Outcome::Failed));
    assert_eq!(stand(&[], &wanted), "missing");
    assert_eq!(
        stand(&[believed(&passed)], &wanted),
        "passed 2026-03-01T09:00:00Z"
    );
    assert_eq!(
        stand(&[believed(&failed), believed(&passed)], &wanted),
        "failed 2026-03-01T10:00:00Z"
    );
    let again = accepted(11, Outcome::Passed);
    assert_eq!(
        stand(&[believed(&again), believed(&failed)], &wanted),
        "passed 2026-03-01T11:00:00Z"
    );
    // A failure that is not believed stops nothing, and a success that is not moves nothing.
    assert_eq!(
        stand(&[believed(&passed), unsigned(&failed)], &wanted),
        "passed 2026-03-01T09:00:00Z"
    );
    assert_eq!(
        stand(&[unsigned(&passed)], &wanted),
        "refused unsigned, and a key is configured"
    );
    let same_time = accepted(9, Outcome::Failed);
    assert_eq!(
        stand(&[believed(&same_time), believed(&passed)], &wanted),
        "failed 2026-03-01T09:00:00Z"
    );

    let deployed = Receipt::about(&here, facts(9), deployment(Outcome::Passed));
    assert_eq!(stand(&[believed(&deployed)], &wanted), "missing");
    let staging = Requirement {
        kind: Kind::Deployment,
        environment: "staging".parse().ok(),
    };
    assert_eq!(stand(&[believed(&deployed)], &staging), "missing");
    let anywhere = Requirement {
        kind: Kind::Deployment,
        environment: None,
    };
    assert_eq!(
        stand(&[believed(&deployed)], &anywhere),
        "passed 2026-03-01T09:00:00Z"
    );
    assert_eq!(
        (staging.to_string(), anywhere.to_string()),
        ("deployment in staging".into(), "deployment".into())
    );
}

fn without_content(receipt: &Receipt) -> Found {
    Found {
        content: Err(Flaw::Unreadable("it is gone".to_owned())),
        ..found(&image('a'), signed(receipt))
    }
}

fn ending(receipt: Receipt, end: &str) -> Receipt {
    let mut receipt = receipt;
    receipt.facts.expires = Some(time(end));
    receipt
}

#[test]
fn a_failure_that_expires_or_is_lost_does_not_bring_an_older_success_back() {
    let here = image('a');
    let wanted = Requirement {
        kind: Kind::Acceptance,
        environment: "dev".parse().ok(),
    };
    let expired = |hour, outcome| {
        let receipt = ending(accepted(hour, outcome), "2026-03-01T20:00:00Z");
        found(&here, signed(&receipt))
    };
    let is_skipped = |verdicts: &[Verdict]| {
        let skipped = already_accepted(verdicts, "smoke", &digest('e'));
        skipped.is_some()
    };
    let passed = found(&here, signed(&accepted(9, Outcome::Passed)));
    let failure = accepted(10, Outcome::Failed);
    // Its list says so; what came instead, and how, makes no difference.
    let mut unreadable = without_content(&failure);
    let altered = Found {
        promised: unreadable.promised.clone(),
        ..found(&here, signed(&accepted(8, Outcome::Passed)))
    };
    for (newer, why) in [
        (
            expired(10, Outcome::Failed),
            "expired at 2026-03-01T20:00:00Z",
        ),
        (unreadable.clone(), "unreadable: it is gone"),
        (altered, "altered: "),
    ] {
        let verdicts = strict().judge(&[newer.clone(), passed.clone()], time(NOW));
        let lacks = wanted.lacks(&verdicts).unwrap();
        let said = format!("the receipt of acceptance in dev is refused: {why}");
        assert!(lacks.starts_with(&said), "{lacks}");
        assert!(!is_skipped(&verdicts), "{why}");
        // Until it passes again.
        let again = found(&here, signed(&accepted(11, Outcome::Passed)));
        let verdicts = strict().judge(&[newer, passed.clone(), again], time(NOW));
        assert_eq!(wanted.lacks(&verdicts), None, "{why}");
        assert!(is_skipped(&verdicts), "{why}");
    }

    // What is older, passed, is not ours by the list, or claims to be of tomorrow, undoes nothing.
    let nothing = Found {
        promised: Some(Promise::default()),
        ..unreadable.clone()
    };
    let passed_since = without_content(&accepted(10, Outcome::Passed));
    let before = without_content(&accepted(8, Outcome::Failed));
    if let Some(claim) = unreadable
        .promised
        .as_mut()
        .and_then(|it| it.claim.as_mut())
    {
        claim.time = Some(time("2026-03-03T00:00:00Z"));
    }
    for other in [
        expired(8, Outcome::Failed),
        expired(10, Outcome::Passed),
        before,
        passed_since.clone(),
        nothing,
        unreadable,
    ] {
        let verdicts = strict().judge(&[other.clone(), passed.clone()], time(NOW));
        assert_eq!(wanted.lacks(&verdicts), None, "{other:?}");
        assert!(is_skipped(&verdicts), "{other:?}");
    }
    // A receipt that is lost is told apart from one that never was.
    let verdicts = strict().judge(&[passed_since], time(NOW));
    assert_eq!(
        wanted.lacks(&verdicts).as_deref(),
        Some("the receipt of acceptance in dev is refused: unreadable: it is gone")
    );
    let staging = Requirement {
        environment: "staging".parse().ok(),
        ..wanted
    };
    assert_eq!(
        staging.lacks(&verdicts).as_deref(),
        Some("no receipt of acceptance in staging")
    );
}

#[test]
fn a_deployment_that_nobody_called_is_not_enough() {
    let here = image('a');
    let deployed = |hour, smoke| {
        let deployment = Predicate::Deployment(Deployment {
            outcome: Outcome::Passed,
            app: "llm-litellm-v1".to_owned(),
            version: Some(7),
            smoke,
        });
        found(
            &here,
            signed(&Receipt::about(&here, facts(hour), deployment)),
        )
    };
    let wanted = Requirement {
        kind: Kind::Deployment,
        environment: "dev".parse().ok(),
    };
    let lacks = |found: &[Found]| wanted.lacks(&strict().judge(found, time(NOW)));
    assert_eq!(lacks(&[deployed(9, Smoke::Passed)]), None);
    assert_eq!(
        lacks(&[deployed(9, Smoke::Passed), deployed(10, Smoke::Skipped)]).as_deref(),
        Some("nothing called the deployment in dev at 2026-03-01T10:00:00Z")
    );
    assert_eq!(
        lacks(&[deployed(11, Smoke::Passed), deployed(10, Smoke::Skipped)]),
        None
    );
    // Nor is it when it no longer counts itself.
    let skipped = deployed(10, Smoke::Skipped).content.unwrap();
    let skipped = Receipt::from_statement(&skipped.payload).unwrap();
    let skipped = signed(&ending(skipped, "2026-03-01T20:00:00Z"));
    assert_eq!(
        lacks(&[deployed(9, Smoke::Passed), found(&here, skipped)]).as_deref(),
        Some("the receipt of deployment in dev is refused: expired at 2026-03-01T20:00:00Z")
    );
}

#[test]
fn what_passed_the_same_suite_at_the_same_inputs_need_not_run_again() {
    let here = image('a');
    let judged = |receipts: &[Receipt]| {
        let found: Vec<_> = receipts.iter().map(|it| found(&here, signed(it))).collect();
        strict().judge(&found, time(NOW))
    };
    let passed = judged(&[accepted(9, Outcome::Passed)]);
    assert!(already_accepted(&passed, "smoke", &digest('e')).is_some());
    assert!(already_accepted(&passed, "full", &digest('e')).is_none());
    assert!(already_accepted(&passed, "smoke", &digest('f')).is_none());
    let failed_since = judged(&[accepted(9, Outcome::Passed), accepted(10, Outcome::Failed)]);
    assert!(already_accepted(&failed_since, "smoke", &digest('e')).is_none());
}

#[test]
fn unknown_signature_forms_are_no_signatures() {
    let mut odd = signed(&accepted(9, Outcome::Passed));
    let keyid = odd.signatures[0].keyid.clone();
    for sig in [vec![], vec![0x30], vec![0; 64], vec![0xff; 4096]] {
        odd.signatures = vec![Signature {
            keyid: keyid.clone(),
            sig,
        }];
        assert_eq!(
            judge(&strict(), found(&image('a'), odd.clone())).refusal,
            Some(Refusal::Forged)
        );
    }
}
