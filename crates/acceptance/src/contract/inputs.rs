use std::collections::BTreeMap;

use registry_model::{Digest, Platform, ProcessorRef};
use serde_json::{Value, json};

use super::{CasePlan, ContractPlan, canonical};
use crate::inputs::Fields;

/// To be raised when the same run would be judged otherwise.
const JUDGE_VERSION: u32 = 2;

/// For each processor a digest over its cases: all that the verdict on its image depends on. Where
/// in its file a case stands makes no difference, nor does their order.
pub(crate) fn inputs(plan: &ContractPlan, platform: &Platform) -> BTreeMap<ProcessorRef, Digest> {
    let mut cases: BTreeMap<ProcessorRef, BTreeMap<&str, String>> = BTreeMap::new();
    for case in &plan.cases {
        let of_processor = cases.entry(case.reference.clone()).or_default();
        of_processor.insert(case.name.as_str(), canonical::text(&whole(case)));
    }
    let digest = |cases: BTreeMap<&str, String>| {
        let mut fields = Fields::new("contract", JUDGE_VERSION);
        fields.add("platform", platform.to_string());
        for text in cases.into_values() {
            fields.add("case", text);
        }
        fields.finish()
    };
    let digests = cases.into_iter();
    digests
        .map(|(reference, cases)| (reference, digest(cases)))
        .collect()
}

fn whole(case: &CasePlan) -> Value {
    let files = case.files.iter();
    let files: BTreeMap<&str, String> = files
        .map(|(path, bytes)| (path.as_str(), canonical::sha256(bytes)))
        .collect();
    json!({
        "name": case.name,
        "mode": case.mode,
        // With the ref and the inputs.
        "request": case.request,
        "files": files,
        "expect": case.expect,
        "artifacts": case.artifacts,
        "budget": case.budget,
        "limits": case.limits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunLimits;
    use registry_model::{Budget, Expect, Mode};

    fn case(reference: &str, name: &str) -> CasePlan {
        CasePlan {
            reference: reference.parse().unwrap(),
            name: name.parse().unwrap(),
            file: "a.yaml".into(),
            line: 3,
            mode: Mode::Mock,
            request: "{}".into(),
            inputs_sha256: String::new(),
            files: [("a".parse().unwrap(), b"one".to_vec())].into(),
            expect: Expect::success(),
            artifacts: [("b".parse().unwrap(), "text/plain".parse().unwrap())].into(),
            budget: Budget::default(),
            limits: RunLimits {
                seconds: 1,
                memory_mib: 64,
                cpus: 1.0,
                pids: 16,
                output_mib: 1,
            },
        }
    }

    fn of(cases: Vec<CasePlan>) -> BTreeMap<ProcessorRef, Digest> {
        inputs(&ContractPlan { cases }, &Platform::linux_amd64())
    }

    fn two() -> Vec<CasePlan> {
        vec![
            case("a/b@1", "one"),
            case("a/b@1", "two"),
            case("a/c@1", "one"),
        ]
    }

    #[test]
    fn one_digest_a_processor_that_stays_the_same() {
        let digests: Vec<String> = of(two())
            .iter()
            .map(|(reference, digest)| format!("{reference} {digest}"))
            .collect();
        // To be changed only together with the version: receipts that are out there name them.
        insta::assert_debug_snapshot!(digests, @r#"
        [
            "a/b@1 sha256:df2ca39517d6b60db4e61ee74ab17aa05b9651472a0c383fa7ebfa1f1395e4e9",
            "a/c@1 sha256:a3da99b6856e15cc554c25f56339cc83588dbefb35428ba6c765e526171fa221",
        ]
        "#);
        let mut other = two();
        other.reverse();
        other[0].line = 77;
        other[0].file = "b.yaml".into();
        assert_eq!(of(other), of(two()));
    }

    #[test]
    fn whatever_decides_makes_another_digest_for_that_processor_alone() {
        type Change = fn(&mut CasePlan);
        let changes: [(&str, Change); 10] = [
            ("ref or inputs", |it| it.request = "{\"a\":1}".into()),
            ("mode", |it| it.mode = Mode::Real),
            ("bytes of a file", |it| {
                it.files.values_mut().next().unwrap().push(b'!');
            }),
            ("name of a file", |it| {
                it.files = [("z".parse().unwrap(), b"one".to_vec())].into();
            }),
            ("expectation", |it| {
                it.expect = serde_json::from_str("{\"/result/a\": 1}").unwrap();
            }),
            ("artifact", |it| {
                it.artifacts = [("b".parse().unwrap(), "text/csv".parse().unwrap())].into();
            }),
            ("budget", |it| it.budget.wall_seconds = Some(1.5)),
            ("cost", |it| {
                it.budget.cost_units = Some(0.5.try_into().unwrap());
            }),
            ("limit", |it| it.limits.pids = 17),
            ("cores", |it| it.limits.cpus = 0.5),
        ];
        let before = of(two());
        let (first, second) = ("a/b@1".parse().unwrap(), "a/c@1".parse().unwrap());
        for (what, change) in changes {
            let mut cases = two();
            change(&mut cases[1]);
            let after = of(cases);
            assert_ne!(after[&first], before[&first], "{what}");
            assert_eq!(after[&second], before[&second], "{what}");
        }
        assert_ne!(of(two()[1..].to_vec())[&first], before[&first]);
        let arm = inputs(
            &ContractPlan { cases: two() },
            &"linux/arm64".parse().unwrap(),
        );
        assert_ne!(arm[&first], before[&first]);
    }
}
