mod branches;
mod checks;
mod edges;
mod fake;
mod partial;
mod people;
mod preview;
mod prove;
mod race;
mod rules;

use std::collections::BTreeMap;

use github::CommitSha;
use registry_model::{LoadOptions, Registry};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::FactoryError;
use crate::build::BuildReport;
use fake::Fake;

const OLD: char = 'a';
const NEW: char = 'b';
const NEWER: char = 'c';

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
                "tags": [], "seconds": 1.5, "size": 12_345_678,
                "replaces": { "image": image(name, OLD), "size": 12_300_000 },
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({
        "schema": 1, "ended-at": "2026-03-01T12:00:00Z", "built": built
    }))
    .unwrap()
}

fn all(digit: char) -> BuildReport {
    report(&[
        ("one", None, digit),
        ("two", None, digit),
        ("three", Some("linux/amd64"), digit),
        ("three", Some("linux/arm64"), OLD),
    ])
}

/// A checkout, and a forge with the same files.
struct World {
    root: tempfile::TempDir,
    forge: Fake,
}

impl World {
    fn new() -> Self {
        let root = repository();
        let forge = Fake::new(files(&root));
        Self { root, forge }
    }

    /// What differs when everything was built with this digest.
    fn changes(&self, digit: char) -> PinChanges {
        changes(&all(digit), &registry(&self.root)).unwrap()
    }

    async fn run(&self, digit: char, options: &ProposeOptions) -> Result<PinReport, FactoryError> {
        self.propose(&self.changes(digit), options).await
    }

    async fn propose(
        &self,
        changes: &PinChanges,
        options: &ProposeOptions,
    ) -> Result<PinReport, FactoryError> {
        propose(&self.forge, changes, options, &CancellationToken::new()).await
    }

    /// A run that gets through.
    async fn ok(&self, digit: char, options: &ProposeOptions) -> PinReport {
        self.run(digit, options).await.unwrap()
    }

    /// What a branch pins `one` to.
    fn pinned(&self, at: &str) -> char {
        let state = self.forge.state();
        let text = String::from_utf8(state.files(at)["registry/one.yaml"].clone()).unwrap();
        let (_, digits) = text.split_once("sha256:").unwrap();
        digits.chars().next().unwrap()
    }
}

fn files(root: &tempfile::TempDir) -> BTreeMap<String, Vec<u8>> {
    ["one", "two", "three"]
        .map(|name| {
            let path = format!("registry/{name}.yaml");
            let bytes = std::fs::read(root.path().join(&path)).unwrap();
            (path, bytes)
        })
        .into()
}

fn from(id: &str, source: &CommitSha) -> ProposeOptions {
    ProposeOptions {
        source: Some(source.clone()),
        ..ProposeOptions::new(id)
    }
}
