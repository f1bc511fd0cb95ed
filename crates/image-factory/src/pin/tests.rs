use std::collections::BTreeMap;
use std::sync::Mutex;

use github::{CommitInfo, CommitRequest, GithubError, NewPullRequest, PullRequest};
use registry_model::{LoadOptions, Registry};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::build::BuildReport;

const OLD: char = 'a';
const NEW: char = 'b';

fn image(name: &str, digit: char) -> String {
    format!(
        "ghcr.io/acme/{name}@sha256:{}",
        digit.to_string().repeat(64)
    )
}

/// A repository with a pinned, a pending and a per-platform entry.
fn repository() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("code")).unwrap();
    std::fs::write(root.path().join("code/Dockerfile"), "FROM scratch\n").unwrap();
    let write = |name: &str, image: &str| {
        let text = format!(
            "ref: x/{name}@1\n{image}\n\
             build:\n  context: .\n  dockerfile: Dockerfile # kept\n"
        );
        let path = root.path().join(format!("registry/{name}.yaml"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("one", &format!("image:\n  oci: {}", image("one", OLD)));
    write("two", "image:\n  oci: sha256:pending");
    write(
        "three",
        &format!(
            "image:\n  platforms:\n    amd64: {}\n    arm64: {}",
            image("three", OLD),
            image("three", OLD)
        ),
    );
    root
}

fn registry(root: &tempfile::TempDir) -> Registry {
    Registry::load(root.path(), &LoadOptions::new(["registry/*.yaml"], "code")).unwrap()
}

fn report(built: &[(&str, Option<&str>, char)]) -> BuildReport {
    let built: Vec<_> = built
        .iter()
        .map(|(name, platform, digit)| {
            serde_json::json!({
                "ref": format!("x/{name}@1"), "file": format!("registry/{name}.yaml"),
                "pin-platform": platform, "image": image(name, *digit), "key": "0".repeat(64),
                "decision": "built", "why": "inputs-changed", "platforms": ["linux/amd64"],
                "tags": [], "seconds": 1.5
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({ "schema": 1, "built": built })).unwrap()
}

fn all_new() -> BuildReport {
    report(&[
        ("one", None, NEW),
        ("two", None, NEW),
        ("three", Some("linux/amd64"), NEW),
    ])
}

/// A forge that holds files by branch and counts what is made.
#[derive(Default)]
struct Fake {
    branches: Mutex<BTreeMap<String, BTreeMap<String, Vec<u8>>>>,
    pulls: Mutex<Vec<NewPullRequest>>,
    commits: Mutex<Vec<CommitRequest>>,
}

impl Fake {
    fn holding(root: &tempfile::TempDir) -> Self {
        let fake = Self::default();
        let files = ["one", "two", "three"].map(|name| {
            let path = format!("registry/{name}.yaml");
            let bytes = std::fs::read(root.path().join(&path)).unwrap();
            (path, bytes)
        });
        fake.branches
            .lock()
            .unwrap()
            .insert("dev".into(), files.into());
        fake
    }

    fn write(&self, branch: &str, path: &str, bytes: &[u8]) {
        let mut branches = self.branches.lock().unwrap();
        let files = branches.get_mut(branch).unwrap();
        files.insert(path.to_owned(), bytes.to_vec());
    }

    fn exists() -> GithubError {
        GithubError::AlreadyExists {
            operation: "create it".into(),
        }
    }

    fn pull(request: &NewPullRequest) -> PullRequest {
        PullRequest {
            number: 7,
            url: "https://github.example/7".into(),
            head: request.head.clone(),
            base: request.base.clone(),
            head_sha: "1".repeat(40).parse().unwrap(),
        }
    }
}

impl Forge for Fake {
    async fn read_file(&self, branch: &str, path: &str) -> Result<Option<Vec<u8>>, GithubError> {
        let branches = self.branches.lock().unwrap();
        Ok(branches
            .get(branch)
            .and_then(|files| files.get(path))
            .cloned())
    }

    async fn commit_files(&self, request: &CommitRequest) -> Result<CommitInfo, GithubError> {
        let mut branches = self.branches.lock().unwrap();
        if branches.contains_key(&request.branch) {
            return Err(Self::exists());
        }
        let mut files = branches[&request.base].clone();
        for file in &request.files {
            files.insert(file.path.clone(), file.bytes.clone());
        }
        branches.insert(request.branch.clone(), files);
        self.commits.lock().unwrap().push(request.clone());
        Ok(CommitInfo {
            sha: "1".repeat(40).parse().unwrap(),
            parent: "0".repeat(40).parse().unwrap(),
            branch: request.branch.clone(),
            verified: true,
        })
    }

    async fn find_open(&self, head: &str, _: &str) -> Result<Vec<PullRequest>, GithubError> {
        let pulls = self.pulls.lock().unwrap();
        let found = pulls.iter().filter(|pull| pull.head == head);
        Ok(found.map(Self::pull).collect())
    }

    async fn open(&self, request: &NewPullRequest) -> Result<PullRequest, GithubError> {
        let mut pulls = self.pulls.lock().unwrap();
        if pulls.iter().any(|pull| pull.head == request.head) {
            return Err(Self::exists());
        }
        pulls.push(request.clone());
        Ok(Self::pull(request))
    }
}

async fn propose_all(forge: &Fake, changes: &PinChanges) -> PinReport {
    let options = ProposeOptions::new("17");
    propose(forge, changes, &options, &CancellationToken::new())
        .await
        .unwrap()
}

#[test]
fn only_what_differs_changes_and_after_that_nothing_does() {
    let root = repository();
    let found = changes(&all_new(), &registry(&root)).unwrap();
    let names: Vec<_> = found.changes.iter().map(PinChange::name).collect();
    assert_eq!(names, ["x/one@1", "x/two@1", "x/three@1 linux/amd64"]);
    assert_eq!(found.changes[1].old, None);

    assert_eq!(apply(root.path(), &found).unwrap(), 3);
    let three = std::fs::read_to_string(root.path().join("registry/three.yaml")).unwrap();
    assert!(three.contains(&format!("amd64: {}", image("three", NEW))));
    assert!(three.contains(&format!("arm64: {}", image("three", OLD))));
    assert!(three.contains("# kept"));

    assert!(changes(&all_new(), &registry(&root)).unwrap().is_empty());
    assert_eq!(apply(root.path(), &found).unwrap(), 0);
}

#[test]
fn a_report_of_other_files_is_refused() {
    let root = repository();
    let error = changes(&report(&[("four", None, NEW)]), &registry(&root)).unwrap_err();
    insta::assert_snapshot!(error, @"pin x/four@1: it is not in registry/four.yaml");
    let error = changes(&report(&[("three", None, NEW)]), &registry(&root)).unwrap_err();
    insta::assert_snapshot!(error, @"pin x/three@1: registry/three.yaml has no such pin");
    assert_eq!(error.class(), crate::ErrorClass::Pin);
}

#[test]
fn each_file_that_cannot_be_pinned_is_named_and_the_others_are_written() {
    let root = repository();
    let found = changes(&all_new(), &registry(&root)).unwrap();
    let one = root.path().join("registry/one.yaml");
    let broken = "ref: x/one@1\nimage:\n  oci: &a x\n";
    std::fs::write(&one, broken).unwrap();
    let error = apply(root.path(), &found).unwrap_err().to_string();
    assert!(
        error.starts_with("pin 1 of 3 files\n  registry/one.yaml: "),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&one).unwrap(), broken);
    assert!(
        std::fs::read_to_string(root.path().join("registry/two.yaml"))
            .unwrap()
            .contains(&image("two", NEW))
    );
}

#[test]
fn the_pull_request_says_what_changes_and_why() {
    let root = repository();
    let found = changes(&all_new(), &registry(&root)).unwrap();
    insta::assert_snapshot!(title(&found), @"Pin 3 processor images");
    insta::assert_snapshot!(body(&found, "dev"), @r"
    These images are built from `dev` and pushed. Merging this pins them; it changes nothing that an image is built from.

    | processor | image | why |
    | --- | --- | --- |
    | `x/one@1` | `aaaaaaaaaaaa` → `bbbbbbbbbbbb` | inputs changed |
    | `x/two@1` | pending → `bbbbbbbbbbbb` | inputs changed |
    | `x/three@1 linux/amd64` | `aaaaaaaaaaaa` → `bbbbbbbbbbbb` | inputs changed |
    ");
}

#[tokio::test]
async fn one_commit_and_one_pull_request() {
    let root = repository();
    let forge = Fake::holding(&root);
    let found = changes(&all_new(), &registry(&root)).unwrap();
    let report = propose_all(&forge, &found).await;
    assert_eq!(report.pull_request.unwrap().head, "bot/pin-17");
    let commits = forge.commits.lock().unwrap();
    assert_eq!(commits.len(), 1);
    assert_eq!(commits[0].message, "ci: pin processor images (bot)");
    assert_eq!(commits[0].base, "dev");
    let paths: Vec<_> = commits[0].files.iter().map(|file| &file.path).collect();
    assert_eq!(
        paths,
        [
            "registry/one.yaml",
            "registry/three.yaml",
            "registry/two.yaml"
        ]
    );
}

#[tokio::test]
async fn nothing_to_change_makes_nothing() {
    let root = repository();
    let forge = Fake::holding(&root);
    let none = propose_all(&forge, &PinChanges::default()).await;
    assert_eq!((none.commit, none.pull_request), (None, None));

    // The base branch has the pins already, though the checkout has not.
    let found = changes(&all_new(), &registry(&root)).unwrap();
    apply(root.path(), &found).unwrap();
    let forge = Fake::holding(&root);
    let none = propose_all(&forge, &found).await;
    assert!(none.changes.is_empty() && none.commit.is_none());
    assert!(forge.commits.lock().unwrap().is_empty());
    assert!(forge.pulls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_second_attempt_takes_up_the_first() {
    let root = repository();
    let forge = Fake::holding(&root);
    let found = changes(&all_new(), &registry(&root)).unwrap();
    propose_all(&forge, &found).await;
    // Killed between the branch and the pull request.
    forge.pulls.lock().unwrap().clear();
    let second = propose_all(&forge, &found).await;
    assert!(second.commit.is_none() && second.pull_request.is_some());
    let third = propose_all(&forge, &found).await;
    assert_eq!(third.pull_request, second.pull_request);
    assert_eq!(forge.pulls.lock().unwrap().len(), 1);

    // Another commit on the branch is not ours to take up.
    forge.write("bot/pin-17", "registry/one.yaml", b"by hand");
    let options = ProposeOptions::new("17");
    let error = propose(&forge, &found, &options, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, crate::FactoryError::Forge(_)));
}
