use image_factory::plan::{BuildPlan, Decision, InputKey, Planned};
use registry_model::Repository;
use serde::Serialize;

use super::output::set_output;
use crate::ui::Failure;

/// GitHub makes at most this many jobs of a matrix ("Running variations of jobs in a workflow").
const MOST_JOBS: usize = 256;

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
        let mut images: Vec<((&Repository, &InputKey), Vec<&Planned>)> = Vec::new();
        for item in plan.to_build() {
            let image = (&item.repository, &item.key);
            // A processor is in one job, whatever number of images it has.
            let same = |(known, items): &&mut ((&Repository, &InputKey), Vec<&Planned>)| {
                *known == image || items.iter().any(|one| one.reference == item.reference)
            };
            match images.iter_mut().find(same) {
                Some((_, items)) => items.push(item),
                None => images.push((image, vec![item])),
            }
        }
        let groups: Vec<Vec<&Planned>> = images.into_iter().map(|(_, items)| items).collect();
        let is_built = |item: &&Planned| {
            let mut built = groups.iter().flatten();
            !built.any(|other| other.reference == item.reference)
        };
        let unpinned: Vec<&Planned> = plan
            .items
            .iter()
            .filter(|item| matches!(item.decision, Decision::Reuse { .. }))
            .filter(|item| item.reused() != item.pinned)
            .filter(is_built)
            .collect();
        let room = MOST_JOBS - usize::from(!unpinned.is_empty());
        let mut include: Vec<Job> = Vec::new();
        for (index, items) in groups.iter().enumerate() {
            let job = Job::of(items, None);
            match index < room {
                true => include.push(job),
                false => include[index % room].add(&job.processor),
            }
        }
        if !unpinned.is_empty() {
            include.push(Job::of(&unpinned, Some("reused")));
        }
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

impl Job {
    fn of(items: &[&Planned], name: Option<&str>) -> Self {
        let mut references: Vec<String> = Vec::new();
        for item in items {
            let reference = item.reference.to_string();
            if !references.contains(&reference) {
                references.push(reference);
            }
        }
        let usual = || items.first().map(|item| item.reference.app_name());
        let name = name.map(str::to_owned).or_else(usual).unwrap_or_default();
        Self {
            processor: references.join(","),
            name,
        }
    }

    fn add(&mut self, processor: &str) {
        self.processor.push(',');
        self.processor.push_str(processor);
    }
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
}
