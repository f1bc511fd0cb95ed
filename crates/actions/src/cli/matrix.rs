use std::collections::{BTreeMap, BTreeSet};

use image_factory::plan::{BuildPlan, Decision, InputKey, Planned};
use registry_model::{ProcessorRef, Repository};
use serde::Serialize;

use super::output::set_output;
use crate::ui::Failure;

/// GitHub makes at most this many jobs of a matrix ("Running variations of jobs in a workflow").
const MOST_JOBS: usize = 256;
/// Linux takes a variable or an argument of at most 128 KiB (`MAX_ARG_STRLEN` of execve(2)).
const LONGEST: usize = 100_000;

/// The jobs that build what a plan says: `strategy.matrix` of a workflow.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Matrix {
    include: Vec<Job>,
}

/// One job.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Job {
    /// What `--only` takes: a processor, or several that need the same image.
    processor: String,
    /// Names its report: letters, digits and `-`.
    name: String,
}

impl Matrix {
    /// A job for each image to build, and one for all images that are there already and are not
    /// pinned yet: those have to be reported, too.
    pub(super) fn of(plan: &BuildPlan) -> Self {
        let groups = Groups::of(plan.to_build());
        let unpinned: Vec<&Planned> = plan
            .items
            .iter()
            .filter(|item| matches!(item.decision, Decision::Reuse { .. }))
            .filter(|item| item.reused() != item.pinned)
            .filter(|item| !groups.by_reference.contains_key(&item.reference))
            .collect();
        let reused = Job::all_of(&unpinned, "reused");
        let room = MOST_JOBS.saturating_sub(reused.len()).max(1);
        let mut include: Vec<Job> = Vec::new();
        let groups = groups.items.iter().filter(|items| !items.is_empty());
        for (index, items) in groups.enumerate() {
            let job = Job::of(items);
            match index < room {
                true => include.push(job),
                false => include[index % room].add(&job.processor),
            }
        }
        include.extend(reused);
        Self { include }
    }

    /// One line of JSON.
    pub(super) fn json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Tells a workflow: `matrix`, `count` and `any`.
    pub(super) fn set_outputs(&self) -> Result<(), Failure> {
        let count = self.include.len();
        set_output("matrix", &self.json())?;
        set_output("count", &count.to_string())?;
        set_output("any", if count > 0 { "true" } else { "false" })
    }
}

/// What must be in one job: a processor with all its images, and everything that needs the same
/// image. Two jobs would race for its tag.
#[derive(Default)]
struct Groups<'a> {
    items: Vec<Vec<&'a Planned>>,
    by_image: BTreeMap<(&'a Repository, &'a InputKey), usize>,
    by_reference: BTreeMap<&'a ProcessorRef, usize>,
}

impl<'a> Groups<'a> {
    fn of(items: impl Iterator<Item = &'a Planned>) -> Self {
        let mut groups = Self::default();
        for item in items {
            let known = [
                groups.by_image.get(&(&item.repository, &item.key)).copied(),
                groups.by_reference.get(&item.reference).copied(),
            ];
            let into = known.iter().flatten().min().copied();
            let into = into.unwrap_or(groups.items.len());
            groups
                .items
                .resize(groups.items.len().max(into + 1), Vec::new());
            groups.put(into, item);
            for other in known.into_iter().flatten().filter(|other| *other != into) {
                for item in std::mem::take(&mut groups.items[other]) {
                    groups.put(into, item);
                }
            }
        }
        groups
    }

    fn put(&mut self, group: usize, item: &'a Planned) {
        self.items[group].push(item);
        self.by_image.insert((&item.repository, &item.key), group);
        self.by_reference.insert(&item.reference, group);
    }
}

impl Job {
    fn of(items: &[&Planned]) -> Self {
        let name = items.first().map(|item| item.reference.app_name());
        Self {
            processor: references(items).join(","),
            name: name.unwrap_or_default(),
        }
    }

    /// As few jobs as can take them all.
    fn all_of(items: &[&Planned], name: &str) -> Vec<Self> {
        let mut jobs: Vec<Self> = Vec::new();
        for reference in references(items) {
            match jobs.last_mut() {
                Some(job) if job.processor.len() + reference.len() < LONGEST => job.add(&reference),
                _ => jobs.push(Self {
                    processor: reference,
                    name: match jobs.len() {
                        0 => name.to_owned(),
                        before => format!("{name}-{}", before + 1),
                    },
                }),
            }
        }
        jobs
    }

    fn add(&mut self, processor: &str) {
        self.processor.push(',');
        self.processor.push_str(processor);
    }
}

/// The processors, each once.
fn references(items: &[&Planned]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let new = items.iter().filter(|item| seen.insert(&item.reference));
    new.map(|item| item.reference.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, repository: &str, key: char, decision: &str) -> serde_json::Value {
        let digest = |digit: char| format!("sha256:{}", digit.to_string().repeat(64));
        let image = |digit| format!("{repository}@{}", digest(digit));
        let (decision, pinned) = match decision {
            "build" => (serde_json::json!({"build": {"why": "first-build"}}), None),
            "pinned" => (
                serde_json::json!({"reuse": {"digest": digest('1')}}),
                Some(image('1')),
            ),
            _ => (
                serde_json::json!({"reuse": {"digest": digest('1')}}),
                Some(image('2')),
            ),
        };
        serde_json::json!({
            "ref": name, "file": "registry/x.yaml", "pin-platform": null, "pinned": pinned,
            "repository": repository, "context": "code", "dockerfile": "code/Dockerfile",
            "target": null, "args": [], "platforms": ["linux/amd64"], "base-images": [],
            "key": key.to_string().repeat(64), "decision": decision
        })
    }

    fn matrix(items: &[serde_json::Value]) -> Matrix {
        let plan = serde_json::json!({"schema": 1, "items": items});
        Matrix::of(&serde_json::from_value(plan).unwrap())
    }

    #[test]
    fn a_job_for_each_image_that_must_be_built_or_pinned() {
        let matrix = matrix(&[
            item("x/one@1", "ghcr.io/a/one", '1', "build"),
            item("x/one@2", "ghcr.io/a/one", '1', "build"),
            item("x/two@1", "ghcr.io/a/two", '2', "build"),
            item("x/three@1", "ghcr.io/a/three", '3', "pinned"),
            item("x/four@1", "ghcr.io/a/four", '4', "reverted"),
            item("x/five@1", "ghcr.io/a/five", '5', "reverted"),
        ]);
        insta::assert_snapshot!(matrix.json(), @r#"{"include":[{"processor":"x/one@1,x/one@2","name":"x-one-v1"},{"processor":"x/two@1","name":"x-two-v1"},{"processor":"x/four@1,x/five@1","name":"reused"}]}"#);
    }

    #[test]
    fn nothing_to_do_is_an_empty_matrix() {
        let matrix = matrix(&[item("x/one@1", "ghcr.io/a/one", '1', "pinned")]);
        assert_eq!(matrix.json(), r#"{"include":[]}"#);
    }

    #[test]
    fn no_more_jobs_than_github_makes() {
        let mut items: Vec<_> = (0..600)
            .map(|n| {
                item(
                    &format!("x/p{n}@1"),
                    &format!("ghcr.io/a/p{n}"),
                    '1',
                    "build",
                )
            })
            .collect();
        items.push(item("x/old@1", "ghcr.io/a/old", '1', "reverted"));
        let matrix = matrix(&items);
        assert_eq!(matrix.include.len(), MOST_JOBS);
        let all: Vec<&str> = matrix
            .include
            .iter()
            .flat_map(|job| job.processor.split(','))
            .collect();
        assert_eq!(all.len(), 601);
    }

    #[test]
    fn what_needs_the_same_image_is_in_one_job() {
        // The second image of `one` is that of `two`, whose other image is that of `three`.
        let matrix = matrix(&[
            item("x/three@1", "ghcr.io/a/three", '3', "build"),
            item("x/one@1", "ghcr.io/a/one", '1', "build"),
            item("x/one@1", "ghcr.io/a/two", '2', "build"),
            item("x/two@1", "ghcr.io/a/two", '2', "build"),
            item("x/four@1", "ghcr.io/a/four", '4', "build"),
            item("x/two@1", "ghcr.io/a/three", '3', "build"),
        ]);
        insta::assert_snapshot!(matrix.json(), @r#"{"include":[{"processor":"x/three@1,x/two@1,x/one@1","name":"x-three-v1"},{"processor":"x/four@1","name":"x-four-v1"}]}"#);
    }

    #[test]
    fn no_list_is_too_long_for_a_variable() {
        let long = "p".repeat(50);
        let items: Vec<_> = (1000..5000)
            .map(|n| item(&format!("x/{long}{n}@1"), "ghcr.io/a/p", '1', "reverted"))
            .collect();
        let matrix = matrix(&items);
        let names: Vec<&str> = matrix.include.iter().map(|job| &*job.name).collect();
        assert_eq!(names, ["reused", "reused-2", "reused-3"]);
        let jobs = matrix.include.iter().map(|job| &job.processor);
        assert!(jobs.clone().all(|list| list.len() < 128 * 1024));
        assert_eq!(jobs.flat_map(|list| list.split(',')).count(), 4000);
    }
}
