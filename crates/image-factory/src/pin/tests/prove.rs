use std::path::Path;

use super::*;
use crate::plan::{PlanOptions, plan};

/// Two processors whose registry files lie in the context that their images are built from.
fn project() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("code/Dockerfile", "FROM scratch\nCOPY . /\n");
    for name in ["one", "two"] {
        let text = format!(
            "ref: x/{name}@1\nimage:\n  oci: {}\nbuild:\n  context: .\n  dockerfile: Dockerfile\n",
            image(name, OLD)
        );
        write(&format!("code/registry/{name}.yaml"), &text);
    }
    root
}

fn load(root: &Path, glob: &str) -> Registry {
    Registry::load(root, &LoadOptions::new([glob], "code")).unwrap()
}

fn images() -> oci::Client {
    oci::Client::new(oci::ClientOptions::default()).unwrap()
}

/// What a build of this tree reports.
async fn built(root: &Path) -> (BuildReport, PlanOptions) {
    let registry = load(root, "code/registry/*.yaml");
    let entries: Vec<_> = registry.entries.iter().collect();
    let images = images();
    let mut options = PlanOptions::new(root);
    // Then no registry is asked.
    options.rebuild = true;
    let cancel = CancellationToken::new();
    let planned = plan(&registry, &entries, &images, &options, &cancel);
    let built: Vec<_> = planned
        .await
        .unwrap()
        .items
        .iter()
        .map(|item| {
            let image = format!("{}@sha256:{}", item.repository, "b".repeat(64));
            serde_json::json!({
                "ref": item.reference, "file": item.file, "pin-platform": item.pin_platform,
                "image": image, "key": item.key, "decision": "built",
                "why": item.why(), "platforms": item.platforms, "base-images": item.base_images,
                "tags": [], "seconds": 1,
            })
        })
        .collect();
    let ended = "2026-03-01T12:00:00Z";
    let report = serde_json::json!({ "schema": 1, "ended-at": ended, "built": built });
    (serde_json::from_value(report).unwrap(), options)
}

#[tokio::test]
async fn pins_that_build_nothing_again_are_proved() {
    let root = project();
    let (report, options) = built(root.path()).await;
    let registry = load(root.path(), "code/registry/*.yaml");
    let changes = changes(&report, &registry).unwrap();
    assert_eq!(changes.changes.len(), 2);
    let cancel = CancellationToken::new();
    prove(&registry, &report, &changes, &images(), &options, &cancel)
        .await
        .unwrap();

    // The proof writes nothing; after the pins are written it holds, too.
    apply(root.path(), &changes).unwrap();
    let after = load(root.path(), "code/registry/*.yaml");
    prove(&after, &report, &changes, &images(), &options, &cancel)
        .await
        .unwrap();
}

#[tokio::test]
async fn pins_that_are_inputs_are_refused() {
    let root = project();
    // Here the file of `two` is no registry file, but a file like any other.
    let (mut report, options) = built(root.path()).await;
    let changes = changes(&report, &load(root.path(), "code/registry/*.yaml")).unwrap();
    let registry = load(root.path(), "code/registry/one.yaml");
    report.built.truncate(1);
    let cancel = CancellationToken::new();
    let error = prove(&registry, &report, &changes, &images(), &options, &cancel).await;
    let error = error.unwrap_err();
    insta::assert_snapshot!(error, @r"
    prove the pins: once merged, images would be built again
      x/one@1: `code/registry/two.yaml` changed
    ");
    assert!(error.hint().unwrap().contains(".dockerignore"));
}
