use receipts::statement::{Build, Draft, Facts, PIPELINE, Predicate};
use registry_model::PinnedImage;

use super::report::{BuildReport, Built, Outcome};

/// What this report says of images, for beside them. `source` is the repository that `facts.commit`
/// is in: a URI.
///
/// Only of those that this very run built. What was there before, or was built and is dropped for a
/// pin that holds the same, was built by a run that has said so, or can no longer say so.
#[must_use]
pub fn receipts(report: &BuildReport, source: Option<&str>, facts: &Facts) -> Vec<Draft> {
    let facts = Facts {
        time: Some(report.ended_at),
        ..facts.clone()
    };
    let built = report.built.iter();
    let built = built.filter(|built| built.decision == Outcome::Built);
    let mut drafts: Vec<Draft> = Vec::new();
    for built in built {
        let build = Predicate::Build(build(built, source));
        let draft = Draft::about(&built.image, facts.clone(), build);
        // One image can be the pin of several platforms.
        if !drafts.contains(&draft) {
            drafts.push(draft);
        }
    }
    drafts
}

fn build(built: &Built, source: Option<&str>) -> Build {
    let digest = |base: &str| base.parse::<PinnedImage>().ok();
    let bases = built.base_images.iter();
    Build {
        processor: Some(built.reference.clone()),
        source: source.map(str::to_owned),
        base_images: bases.filter_map(|base| digest(&base.reference)).collect(),
        input_key: format!("sha256:{}", built.key).parse().ok(),
        builder: PIPELINE.to_owned(),
        started: None,
    }
}

#[cfg(test)]
mod tests {
    use receipts::statement::{Kind, Receipt};
    use serde_json::json;

    use super::*;

    fn built(
        name: &str,
        platform: Option<&str>,
        decision: &serde_json::Value,
    ) -> serde_json::Value {
        let hex = "a".repeat(64);
        json!({
            "ref": format!("x/{name}@1"), "file": "registry/x.yaml", "pin-platform": platform,
            "image": format!("ghcr.io/acme/{name}@sha256:{hex}"), "key": "7".repeat(64),
            "decision": decision, "why": "inputs-changed", "platforms": ["linux/amd64"],
            "base-images": [
                { "name": "debian", "reference": format!("docker.io/library/debian@sha256:{hex}") },
                { "name": "local", "reference": "local:1", "id": format!("sha256:{hex}") },
            ],
            "tags": [], "seconds": 1.5, "size": null, "replaces": null,
        })
    }

    fn report(built: &[serde_json::Value]) -> BuildReport {
        let ended = "2026-03-01T12:00:00.5Z";
        serde_json::from_value(json!({ "schema": 1, "ended-at": ended, "built": built })).unwrap()
    }

    #[test]
    fn only_what_this_run_built_is_told_of() {
        let report = report(&[
            built("one", None, &json!("built")),
            built("two", None, &json!("reused")),
            built("three", None, &json!({ "kept": "identical" })),
            built("four", Some("linux/amd64"), &json!("built")),
            built("four", Some("linux/arm64"), &json!("built")),
        ]);
        let facts = Facts {
            by: Some("octocat".to_owned()),
            commit: Some("9".repeat(40)),
            ..Facts::default()
        };
        let source = "git+https://github.com/acme/models";
        let drafts = receipts(&report, Some(source), &facts);
        let images: Vec<_> = drafts
            .iter()
            .map(|it| it.image.repository.as_str())
            .collect();
        assert_eq!(images, ["ghcr.io/acme/one", "ghcr.io/acme/four"]);
        assert_eq!(drafts, receipts(&report, Some(source), &facts));

        let Draft { image, receipt } = &drafts[0];
        let read = Receipt::from_statement(&receipt.to_statement()).unwrap();
        assert_eq!(read, *receipt);
        assert_eq!(read.kind(), Some(Kind::Build));
        assert_eq!(read.subjects[0].digest, image.digest);
        assert_eq!(read.facts.time, Some(report.ended_at));
        assert_eq!(read.facts.by.as_deref(), Some("octocat"));
        let Predicate::Build(build) = read.predicate else {
            panic!("{read:?}")
        };
        insta::assert_json_snapshot!(build, @r#"
        {
          "processor": "x/one@1",
          "source": "git+https://github.com/acme/models",
          "base-images": [
            "docker.io/library/debian@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          ],
          "input-key": "sha256:7777777777777777777777777777777777777777777777777777777777777777",
          "builder": "https://github.com/org/pipeline",
          "started": null
        }
        "#);
    }
}
