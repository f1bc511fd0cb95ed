use proptest::prelude::*;
use receipts::statement::{
    Build, Decision, Facts, Kind, LONGEST_STATEMENT, Other, Outcome, Predicate, Receipt, Smoke,
};
use serde_json::{Value, json};

use crate::common::{all_kinds, digest, facts, image, time};

/// The field that only our own statements have.
const FACTS: &str = "https://github.com/org/pipeline/receipts/facts/v1";

fn json_of(receipt: &Receipt) -> Value {
    serde_json::from_slice(&receipt.to_statement()).unwrap()
}

fn read(statement: &Value) -> Result<Receipt, String> {
    Receipt::from_statement(statement.to_string().as_bytes()).map_err(|error| error.problem)
}

fn statement(predicate_type: &str, predicate: impl Into<Value>) -> Value {
    let predicate = predicate.into();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "ghcr.io/acme/app", "digest": { "sha256": digest('a').hex() } }],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    for receipt in all_kinds(&image('a')) {
        assert_eq!(read(&json_of(&receipt)).unwrap(), receipt);
        let report = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&report).unwrap(), receipt);
    }
}

/// What other tools see. Fields and names are those of the types' own specifications.
#[test]
fn the_standard_types_are_written_as_specified() {
    let written: Vec<_> = all_kinds(&image('a')).iter().map(json_of).collect();
    let text = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    insta::assert_snapshot!(text(&written[0]), @r#"
    {
      "_type": "https://in-toto.io/Statement/v1",
      "subject": [
        {
          "name": "ghcr.io/acme/app",
          "digest": {
            "sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          }
        }
      ],
      "predicateType": "https://slsa.dev/provenance/v1",
      "predicate": {
        "buildDefinition": {
          "buildType": "https://github.com/org/pipeline/receipts/build/v1",
          "externalParameters": {
            "processor": "llm/litellm@1"
          },
          "internalParameters": {
            "inputKey": "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
          },
          "resolvedDependencies": [
            {
              "uri": "git+https://github.com/acme/app",
              "digest": {
                "gitCommit": "9fceb02d0ae598e95dc970b74767f19372d61af8"
              }
            },
            {
              "uri": "oci://ghcr.io/acme/app@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
              "digest": {
                "sha256": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
              }
            }
          ]
        },
        "runDetails": {
          "builder": {
            "id": "https://github.com/acme/app/.github/workflows/build.yml"
          },
          "metadata": {
            "invocationId": "https://github.com/acme/app/actions/runs/1",
            "startedOn": "2026-03-01T08:00:00Z",
            "finishedOn": "2026-03-01T09:00:00Z"
          }
        },
        "https://github.com/org/pipeline/receipts/facts/v1": {
          "time": "2026-03-01T09:00:00Z",
          "by": "octocat",
          "run": "https://github.com/acme/app/actions/runs/1",
          "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
          "environment": "dev"
        }
      }
    }
    "#);
    insta::assert_snapshot!(text(&written[1]), @r#"
    {
      "_type": "https://in-toto.io/Statement/v1",
      "subject": [
        {
          "name": "ghcr.io/acme/app",
          "digest": {
            "sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          }
        }
      ],
      "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
      "predicate": {
        "result": "PASSED",
        "configuration": [
          {
            "name": "smoke",
            "digest": {
              "sha256": "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
            }
          }
        ],
        "url": "https://github.com/acme/app/actions/runs/1",
        "passedTests": [
          "answers"
        ],
        "warnedTests": [],
        "failedTests": [],
        "https://github.com/org/pipeline/receipts/facts/v1": {
          "time": "2026-03-01T09:00:00Z",
          "by": "octocat",
          "run": "https://github.com/acme/app/actions/runs/1",
          "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
          "environment": "dev"
        }
      }
    }
    "#);
    insta::assert_snapshot!(text(&written[2]), @r#"
    {
      "_type": "https://in-toto.io/Statement/v1",
      "subject": [
        {
          "name": "ghcr.io/acme/app",
          "digest": {
            "sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          }
        }
      ],
      "predicateType": "https://github.com/org/pipeline/receipts/deployment/v1",
      "predicate": {
        "result": "PASSED",
        "app": "llm-litellm-v1",
        "smoke": "PASSED",
        "version": 7,
        "https://github.com/org/pipeline/receipts/facts/v1": {
          "time": "2026-03-01T09:00:00Z",
          "by": "octocat",
          "run": "https://github.com/acme/app/actions/runs/1",
          "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
          "environment": "dev"
        }
      }
    }
    "#);
    insta::assert_snapshot!(text(&written[3]), @r#"
    {
      "_type": "https://in-toto.io/Statement/v1",
      "subject": [
        {
          "name": "ghcr.io/acme/app",
          "digest": {
            "sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          }
        }
      ],
      "predicateType": "https://slsa.dev/verification_summary/v1",
      "predicate": {
        "verifier": {
          "id": "https://github.com/org/pipeline"
        },
        "timeVerified": "2026-03-01T09:00:00Z",
        "resourceUri": "ghcr.io/acme/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "policy": {
          "uri": "https://github.com/org/pipeline/receipts/promotion/v1"
        },
        "inputAttestations": [
          {
            "digest": {
              "sha256": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
            }
          }
        ],
        "verificationResult": "FAILED",
        "verifiedLevels": [],
        "slsaVersion": "1.0",
        "https://github.com/org/pipeline/receipts/promotion/v1": {
          "from": "dev",
          "to": "staging",
          "bypass": {
            "by": "octocat",
            "why": "the site is down"
          }
        },
        "https://github.com/org/pipeline/receipts/facts/v1": {
          "time": "2026-03-01T09:00:00Z",
          "by": "octocat",
          "run": "https://github.com/acme/app/actions/runs/1",
          "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
          "environment": "dev"
        }
      }
    }
    "#);
}

#[test]
fn a_promotion_against_the_rules_says_failed_to_other_tools() {
    let promotion = all_kinds(&image('a')).pop().unwrap();
    assert_eq!(promotion.outcome(), Some(Outcome::Failed));
    let mut written = json_of(&promotion);
    assert_eq!(written["predicate"]["verificationResult"], "FAILED");
    // And one that claims both is not believed to have passed.
    written["predicate"]["verificationResult"] = "PASSED".into();
    let read = read(&written).unwrap();
    assert!(matches!(
        read.predicate,
        Predicate::Promotion(it) if it.decision == Decision::Failed
    ));
}

#[test]
fn what_others_write_of_our_types_is_understood_as_far_as_it_goes() {
    // Somebody's tests passed; that is not our acceptance, whatever key signed it.
    let test = "https://in-toto.io/attestation/test-result/v0.1";
    let theirs = json!({ "result": "PASSED" });
    let receipt = read(&statement(test, theirs.clone())).unwrap();
    assert_eq!((receipt.kind(), receipt.outcome()), (None, None));
    assert_eq!(
        receipt.predicate,
        Predicate::Other(Other {
            predicate_type: test.to_owned(),
            predicate: theirs,
        })
    );
    let warned = json!({ "result": "WARNED", FACTS: {} });
    let warned = read(&statement(test, warned)).unwrap();
    assert_eq!(warned.kind(), Some(Kind::Acceptance));
    assert_eq!(warned.outcome(), Some(Outcome::Passed));
    assert_eq!(warned.facts, Facts::default());

    let provenance = json!({
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": { "workflow": { "ref": "refs/heads/main" } },
            "resolvedDependencies": [{
                "uri": "git+https://github.com/acme/app@refs/heads/main",
                "digest": { "gitCommit": "9fceb02d0ae598e95dc970b74767f19372d61af8" },
            }],
        },
        "runDetails": {
            "builder": { "id": "https://github.com/actions/runner/github-hosted" },
            "metadata": {
                "invocationId": "https://github.com/acme/app/actions/runs/5/attempts/1",
                "finishedOn": "2026-03-01T09:00:00Z",
            },
        },
    });
    let build = read(&statement("https://slsa.dev/provenance/v1", provenance)).unwrap();
    assert_eq!(build.kind(), Some(Kind::Build));
    assert_eq!(build.facts.time, Some(time("2026-03-01T09:00:00Z")));
    assert!(build.facts.run.unwrap().ends_with("runs/5/attempts/1"));
    assert!(build.facts.commit.unwrap().starts_with("9fceb02d"));

    let summary =
        json!({ "verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_3"] });
    let summary = read(&statement(
        "https://slsa.dev/verification_summary/v1",
        summary,
    ))
    .unwrap();
    assert_eq!(summary.kind(), None);
    assert_eq!(summary.outcome(), None);
}

#[test]
fn types_that_are_not_ours_are_kept() {
    let foreign = statement(
        "https://example.com/x/v9",
        json!({ "a": [1, "\u{1b}[31m"] }),
    );
    let receipt = read(&foreign).unwrap();
    assert_eq!(receipt.kind(), None);
    assert_eq!(receipt.predicate_type(), "https://example.com/x/v9");
    assert_eq!(json_of(&receipt), foreign);
    // What cosign 2 writes.
    let mut before = foreign.clone();
    before["_type"] = "https://in-toto.io/Statement/v0.1".into();
    assert_eq!(read(&before).unwrap(), receipt);
}

#[test]
fn a_deployment_whose_call_failed_did_not_pass() {
    let kind = "https://github.com/org/pipeline/receipts/deployment/v1";
    let says = json!({ "result": "PASSED", "app": "x", "smoke": "FAILED" });
    let receipt = read(&statement(kind, says)).unwrap();
    assert_eq!(receipt.outcome(), Some(Outcome::Failed));
    assert!(matches!(
        receipt.predicate,
        Predicate::Deployment(it) if it.smoke == Smoke::Failed
    ));
}

#[test]
fn what_is_no_statement_about_an_image_is_refused() {
    let test = "https://in-toto.io/attestation/test-result/v0.1";
    let good = statement(test, json!({ "result": "PASSED", FACTS: {} }));
    assert_eq!(read(&good).unwrap().kind(), Some(Kind::Acceptance));
    let change = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        read(&changed).unwrap_err()
    };
    insta::assert_snapshot!(change("/_type", "x".into()), @"it is no in-toto statement of version 0.1 or 1");
    insta::assert_snapshot!(change("/subject", json!([])), @"it names no image by its digest");
    insta::assert_snapshot!(change("/subject/0/digest", json!({ "sha512": "00" })), @"it names no image by its digest");
    insta::assert_snapshot!(change("/subject/0/digest", json!({ "sha256": "../x" })), @"it names no image by its digest");
    insta::assert_snapshot!(change("/subject/0/name", "a\nb".into()), @"a text has control characters at line 1 column 68");
    insta::assert_snapshot!(change("/predicate", json!({ "result": "MAYBE", FACTS: {} })), @"unknown variant `MAYBE`, expected one of `PASSED`, `WARNED`, `FAILED`");
    insta::assert_snapshot!(change("/predicate", json!({ "result": "PASSED", "url": "x".repeat(5000), FACTS: {} })), @"a text is longer than 4096 bytes");
    insta::assert_snapshot!(change("/predicate", json!({ "result": "PASSED", "url": "\u{1b}]0;x", FACTS: {} })), @"a text has control characters");
    let of_facts = |value: Value| change("/predicate", json!({ "result": "PASSED", FACTS: value }));
    insta::assert_snapshot!(of_facts(json!({ "environment": "../dev" })), @"read environment `../dev`: expected at most 64 letters, digits, `-`, `_`, not starting with `en-`");
    insta::assert_snapshot!(of_facts(json!({ "time": "yesterday" })), @"failed to parse four digit integer as year: invalid digit, expected 0-9 but got y");
    insta::assert_snapshot!(of_facts(json!({ "by": ["a"] })), @"invalid type: sequence, expected a string");
    let subjects = vec![good["subject"][0].clone(); 1001];
    insta::assert_snapshot!(change("/subject", subjects.into()), @"more than 1000 subjects");
    let long = Receipt::from_statement(&vec![b' '; LONGEST_STATEMENT + 1]).unwrap_err();
    insta::assert_snapshot!(long, @"read the statement: longer than 1048576 bytes");
}

proptest! {
    /// Any JSON in any place of a statement gives an answer, never a panic.
    #[test]
    fn no_content_stops_the_reader(
        place in prop::sample::select(vec![
            "/_type", "/subject", "/subject/0", "/subject/0/digest", "/predicateType", "/predicate",
            "/predicate/result", "/predicate/configuration", "/predicate/verificationResult",
            "/predicate/https:~1~1github.com~1org~1pipeline~1receipts~1facts~1v1",
            "/predicate/buildDefinition", "/predicate/runDetails/metadata",
        ]),
        text in "\\PC{0,20}",
        shape in 0_u8..6,
        of in 0_usize..4,
    ) {
        let mut written = json_of(&all_kinds(&image('a'))[of]);
        let value = match shape {
            0 => Value::Null,
            1 => json!(text),
            2 => json!([text]),
            3 => json!({ "sha256": text, "name": [] }),
            4 => json!(u64::MAX),
            _ => json!({}),
        };
        if let Some(found) = written.pointer_mut(place) {
            *found = value;
            drop(read(&written));
        }
    }
}

#[test]
fn base_images_are_not_taken_for_the_source() {
    let image = image('a');
    let build = Build {
        base_images: vec![image.repository.at(digest('b'))],
        builder: "x".to_owned(),
        ..Build::default()
    };
    let receipt = Receipt::about(&image, facts(9), Predicate::Build(build));
    assert_eq!(
        Receipt::from_statement(&receipt.to_statement()),
        Ok(receipt)
    );
}
