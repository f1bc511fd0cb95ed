use std::collections::BTreeSet;
use std::path::Path;

use promotion::{
    Change, Processor, PromotionError, PromotionPlan, PromotionReport, meet, plan, verify,
};
use registry_model::{PinPlace, PinnedImage};

use super::{commit, pin, processor, standing};

/// One line a pin: `a/b@1 oci: 1 -> 2`.
fn lines(plan: &PromotionPlan) -> Vec<String> {
    let digit = |image: &PinnedImage| image.digest.hex()[..1].to_owned();
    plan.comparisons
        .iter()
        .map(|comparison| {
            let place = match &comparison.place {
                PinPlace::Oci => "oci".to_owned(),
                PinPlace::Platform(platform) => platform.to_string(),
            };
            let change = match &comparison.change {
                Change::Same { image } => format!("same {}", digit(image)),
                Change::Move { old, new } => format!("{} -> {}", digit(old), digit(new)),
                Change::New { new } => format!("new {}", digit(new)),
                Change::Pending { old } => {
                    format!("pending, {}", old.as_ref().map_or("-".into(), digit))
                }
                Change::OnlyInTarget { old } => {
                    format!("only in target {}", old.as_ref().map_or("-".into(), digit))
                }
            };
            format!("{} {place}: {change}", comparison.reference)
        })
        .collect()
}

#[test]
fn every_pin_is_compared_once() {
    let dev = vec![
        processor("c/moved@1", '2'),
        processor("a/same@1", '1'),
        processor("b/new@1", '3'),
        processor("d/filled@1", '4'),
    ];
    let staging = vec![
        processor("a/same@1", '1'),
        processor("c/moved@1", '1'),
        processor("d/filled@1", '-'),
        processor("e/gone@1", '5'),
        processor("f/gone@1", '-'),
    ];
    let plan = plan(
        &standing("dev", 'a', dev),
        &standing("staging", 'b', staging),
    )
    .unwrap();
    assert_eq!(
        lines(&plan),
        [
            "a/same@1 oci: same 1",
            "b/new@1 oci: new 3",
            "c/moved@1 oci: 1 -> 2",
            "d/filled@1 oci: new 4",
            "e/gone@1 oci: only in target 5",
            "f/gone@1 oci: only in target -",
        ]
    );
    assert!(!plan.is_empty());
    assert_eq!(plan.commit, commit('a'));
}

#[test]
fn platforms_are_kept_apart() {
    let two = |amd64, arm64| {
        let place = |arch: &str| PinPlace::Platform(format!("linux/{arch}").parse().unwrap());
        vec![Processor {
            reference: "a/b@1".parse().unwrap(),
            file: "registry/a.yaml".into(),
            pins: vec![pin(place("amd64"), amd64), pin(place("arm64"), arm64)],
        }]
    };
    let dev = standing("dev", 'a', two('1', '2'));
    let plan = plan(&dev, &standing("staging", 'b', two('1', '1'))).unwrap();
    assert_eq!(
        lines(&plan),
        ["a/b@1 linux/amd64: same 1", "a/b@1 linux/arm64: 1 -> 2"]
    );
    let moves = PromotionReport::planned(&plan).moves;
    assert_eq!(moves.len(), 1);
    assert_eq!(moves[0].platform.as_ref().unwrap().arch(), "arm64");
}

#[test]
fn the_same_pins_need_nothing() {
    let both = || vec![processor("a/b@1", '1')];
    let plan = plan(
        &standing("dev", 'a', both()),
        &standing("staging", 'b', both()),
    )
    .unwrap();
    assert!(plan.is_empty());
    // What the target alone has is not touched, so it is no work either.
    let more = vec![processor("a/b@1", '1'), processor("c/d@1", '2')];
    let more = promotion::plan(
        &standing("dev", 'a', both()),
        &standing("staging", 'b', more),
    );
    let more = more.unwrap();
    assert!(more.is_empty());
    let report = PromotionReport::planned(&more);
    assert_eq!((report.unchanged, report.only_in_target.len()), (1, 1));
}

#[test]
fn what_was_never_built_stands_in_the_plan() {
    let dev = vec![
        processor("b/pending@1", '-'),
        processor("a/good@1", '1'),
        Processor {
            reference: "c/none@1".parse().unwrap(),
            file: "registry/c.yaml".into(),
            pins: Vec::new(),
        },
    ];
    let staging = vec![processor("b/pending@1", '2')];
    let plan = plan(
        &standing("dev", 'a', dev),
        &standing("staging", 'b', staging),
    )
    .unwrap();
    assert_eq!(
        lines(&plan),
        [
            "a/good@1 oci: new 1",
            "b/pending@1 oci: pending, 2",
            "c/none@1 oci: pending, -",
        ]
    );
}

#[test]
fn some_processors_are_planned_alone() {
    let dev = vec![processor("a/b@1", '2'), processor("c/d@1", '2')];
    let staging = vec![processor("a/b@1", '1'), processor("c/d@1", '1')];
    let chosen = BTreeSet::from(["c/d@1".parse().unwrap()]);
    let plan = plan(
        &standing("dev", 'a', dev).only(&chosen),
        &standing("staging", 'b', staging).only(&chosen),
    )
    .unwrap();
    assert_eq!(lines(&plan), ["c/d@1 oci: 1 -> 2"]);
    assert_eq!((plan.commit, plan.target), (commit('a'), commit('b')));
    let file = plan.comparisons[0].file.as_deref();
    assert_eq!(file, Some(Path::new("registry/c-d-1.yaml")));
}

#[test]
fn what_is_not_as_planned_is_told_by_name() {
    let dev = vec![processor("a/b@1", '2'), processor("c/d@1", '1')];
    let staging = vec![processor("a/b@1", '1'), processor("c/d@1", '1')];
    let plan = plan(
        &standing("dev", 'a', dev.clone()),
        &standing("staging", 'b', staging),
    )
    .unwrap();
    let after = |processors| standing("staging", 'c', processors);
    verify(&plan, &after(dev)).unwrap();
    // Somebody pinned another one in the same moment, and one is gone.
    let error = verify(&plan, &after(vec![processor("a/b@1", '3')])).unwrap_err();
    assert!(error.is_rule() && error.hint().is_some());
    insta::assert_snapshot!(error, @r"
    find the pins in `staging` that were promoted from `dev`:
      - a/b@1: planned 222222222222, and it is 333333333333
      - c/d@1: planned 111111111111, and it is not pinned
    ");
}

#[test]
fn what_both_sides_changed_is_told_apart() {
    let base = vec![
        processor("a/clean@1", '1'),
        processor("b/reverted@1", '2'),
        processor("c/contested@1", '1'),
    ];
    let dev = vec![
        processor("a/clean@1", '2'),
        processor("b/reverted@1", '2'),
        processor("c/contested@1", '3'),
    ];
    let staging = vec![
        processor("a/clean@1", '1'),
        processor("b/reverted@1", '1'),
        processor("c/contested@1", '2'),
    ];
    let plan = plan(
        &standing("dev", 'a', dev),
        &standing("staging", 'b', staging),
    )
    .unwrap();
    let meeting = meet(&plan, &standing("staging", 'c', base));
    let reverted = ("b/reverted@1".parse().unwrap(), PinPlace::Oci);
    assert_eq!(meeting.reverted, BTreeSet::from([reverted]));
    let contested = "c/contested@1".parse().unwrap();
    assert_eq!(meeting.contested, BTreeSet::from([contested]));
}

#[test]
fn refs_that_occur_twice_are_refused_on_either_side() {
    let twice = || vec![processor("a/b@1", '1'), processor("a/b@1", '1')];
    for (dev, staging, expected) in [
        (twice(), Vec::new(), "`dev`"),
        (Vec::new(), twice(), "`staging`"),
    ] {
        let error = plan(
            &standing("dev", 'a', dev),
            &standing("staging", 'b', staging),
        );
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("`a/b@1`"),
            "{error}"
        );
    }
}

#[test]
fn an_environment_is_not_promoted_to_itself() {
    let dev = standing("dev", 'a', vec![processor("a/b@1", '1')]);
    let error = plan(&dev, &dev).unwrap_err();
    assert!(matches!(error, PromotionError::SameEnvironment { .. }));
}
