use std::collections::{BTreeMap, BTreeSet};

use registry_model::PinnedImage;
use serde::{Deserialize, Serialize};

use super::model::{BranchHistory, PinnedAt, Use};

/// What must stay because of a pin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RetentionPlan {
    /// The branches that were read.
    pub branches: Vec<String>,
    /// Each image with those who pin it, or did.
    pub images: BTreeMap<PinnedImage, Vec<Use>>,
    /// What was not read, and may therefore be missing here.
    pub warnings: Vec<String>,
}

/// What the branches pin now, and for each processor on a branch the `earlier` images that it had
/// there before, the latest first: what a rollback may go back to. A processor with a pin for each
/// platform had so many in each place. It counts by its name: also when its pin is pending now, or
/// stands in another place. A processor that a branch no longer has counts no more on that branch.
#[must_use]
pub fn plan(histories: &[BranchHistory], earlier: usize) -> RetentionPlan {
    let mut plan = RetentionPlan::default();
    for history in histories {
        plan.branches.push(history.branch.clone());
        plan.warnings.extend(warnings(history, earlier));
        let mut seen = BTreeSet::new();
        for pin in &history.head {
            seen.insert((&pin.reference, &pin.image));
            plan.add(history, pin, true);
        }
        let mut taken: BTreeMap<_, usize> = BTreeMap::new();
        for pin in &history.earlier {
            let is_here = history.processors.contains(&pin.reference);
            if !is_here || !seen.insert((&pin.reference, &pin.image)) {
                continue;
            }
            let taken = taken.entry((&pin.reference, &pin.place)).or_default();
            if *taken < earlier {
                *taken += 1;
                plan.add(history, pin, false);
            }
        }
    }
    for uses in plan.images.values_mut() {
        uses.sort_unstable();
        uses.dedup();
    }
    plan
}

impl RetentionPlan {
    fn add(&mut self, history: &BranchHistory, pin: &PinnedAt, now: bool) {
        let uses = self.images.entry(pin.image.clone()).or_default();
        uses.push(Use {
            branch: history.branch.clone(),
            reference: pin.reference.clone(),
            now,
        });
    }
}

fn warnings(history: &BranchHistory, earlier: usize) -> Vec<String> {
    let branch = &history.branch;
    if earlier == 0 {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    if history.shallow {
        warnings.push(format!(
            "the history of `{branch}` is cut off in this clone, and with it earlier pins; run \
             `git fetch --unshallow`, or set `fetch-depth: 0` of actions/checkout"
        ));
    }
    let unreadable = history.unreadable.iter();
    warnings.extend(unreadable.map(|what| format!("pins of `{branch}` are left out: {what}")));
    warnings
}

#[cfg(test)]
mod tests {
    use registry_model::ProcessorRef;

    use super::*;

    fn pin(name: &str, digit: char) -> PinnedAt {
        let digest = digit.to_string().repeat(64);
        PinnedAt {
            reference: format!("x/{name}@1").parse().unwrap(),
            place: "image.oci".to_owned(),
            image: format!("ghcr.io/a/{name}@sha256:{digest}").parse().unwrap(),
        }
    }

    fn processors(names: &[&str]) -> BTreeSet<ProcessorRef> {
        let reference = |name: &&str| format!("x/{name}@1").parse().unwrap();
        names.iter().map(reference).collect()
    }

    fn shown(plan: &RetentionPlan) -> Vec<String> {
        let line = |(image, uses): (&PinnedImage, &Vec<Use>)| {
            let uses: Vec<String> = uses
                .iter()
                .map(|one| format!("{}{}", one.branch, if one.now { "" } else { " before" }))
                .collect();
            let (name, digest) = (&image.repository, &image.digest.short()[..2]);
            format!("{name} {digest}: {}", uses.join(", "))
        };
        plan.images.iter().map(line).collect()
    }

    #[test]
    fn the_last_distinct_pins_of_each_processor_stay() {
        let dev = BranchHistory {
            branch: "dev".into(),
            processors: processors(&["one", "two"]),
            head: vec![pin("one", '5'), pin("two", '1')],
            // Back and forth; and a processor that is gone.
            earlier: ["5", "4", "5", "4", "3", "2"]
                .iter()
                .filter_map(|digit| digit.chars().next())
                .map(|digit| pin("one", digit))
                .chain([pin("two", '1'), pin("gone", '9')])
                .collect(),
            ..BranchHistory::default()
        };
        let main = BranchHistory {
            branch: "main".into(),
            processors: processors(&["one"]),
            head: vec![pin("one", '3')],
            ..BranchHistory::default()
        };
        assert_eq!(
            shown(&plan(&[dev.clone(), main.clone()], 2)),
            [
                "ghcr.io/a/one 33: dev before, main",
                "ghcr.io/a/one 44: dev before",
                "ghcr.io/a/one 55: dev",
                "ghcr.io/a/two 11: dev",
            ]
        );
        assert_eq!(
            shown(&plan(&[dev, main], 0)),
            [
                "ghcr.io/a/one 33: main",
                "ghcr.io/a/one 55: dev",
                "ghcr.io/a/two 11: dev"
            ]
        );
    }

    #[test]
    fn a_pin_that_is_pending_or_elsewhere_now_keeps_its_past() {
        let on = |platform: &str, digit| PinnedAt {
            place: format!("image.platforms.{platform}"),
            ..pin("two", digit)
        };
        let dev = BranchHistory {
            branch: "dev".into(),
            processors: processors(&["one", "two"]),
            // `one` is pending, `two` has one pin for all platforms since a moment ago.
            head: vec![pin("two", '9')],
            earlier: vec![
                pin("two", '9'),
                pin("one", '3'),
                pin("one", '2'),
                on("amd64", '8'),
                on("arm64", '7'),
                on("amd64", '6'),
            ],
            ..BranchHistory::default()
        };
        assert_eq!(
            shown(&plan(&[dev], 1)),
            [
                "ghcr.io/a/one 33: dev before",
                "ghcr.io/a/two 77: dev before",
                "ghcr.io/a/two 88: dev before",
                "ghcr.io/a/two 99: dev",
            ]
        );
    }

    #[test]
    fn what_was_not_read_is_told() {
        let history = BranchHistory {
            branch: "dev".into(),
            shallow: true,
            unreadable: vec!["a.yaml at 0123: no YAML".into()],
            ..BranchHistory::default()
        };
        let warnings = plan(std::slice::from_ref(&history), 1).warnings;
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("fetch-depth: 0"), "{warnings:?}");
        // Nobody asked for the past.
        assert_eq!(plan(&[history], 0).warnings, [""; 0]);
    }
}
