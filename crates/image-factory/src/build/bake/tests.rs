use super::super::secrets::{BuildSecret, SecretSource};
use super::super::target::targets;
use super::super::target::tests::{plan, planned};
use super::*;
use crate::plan::{BuildPlan, Why};

fn engine(driver: &str) -> Engine {
    serde_json::from_value(serde_json::json!({
        "version": "26.1.5", "api-version": "1.45", "buildx": "0.13.1",
        "builder": "default", "driver": driver, "containerd-store": true
    }))
    .unwrap()
}

fn written_by(driver: &str, plan: &BuildPlan, options: &BuildOptions) -> String {
    let recipe = Recipe {
        root: Path::new("/repo"),
        settings: &plan.settings,
        options,
        engine: Some(&engine(driver)),
    };
    let definition = recipe.definition(&targets(plan, "build-x"));
    serde_json::to_string_pretty(&definition).unwrap()
}

fn written(plan: &BuildPlan, options: &BuildOptions) -> String {
    written_by("docker", plan, options)
}

#[test]
fn nothing_is_filled_in() {
    let mut item = planned("llm/litellm@1", "127.0.0.1:5000/a/llm", 1, Why::FirstBuild);
    item.context = "${HOME}".into();
    item.dockerfile = "${HOME}/Dockerfile".into();
    item.target = Some("${HOME}".into());
    item.args = vec![("${HOME}".into(), "${HOME} %{x}".into())];
    item.base_images = vec![BaseImage {
        name: "base-${HOME}".into(),
        reference: "registry/${HOME}".into(),
        id: None,
        on_build: None,
        shadowed: false,
        makes_sbom: false,
    }];
    let mut plan = plan(vec![item]);
    let both = || BTreeMap::from([("${HOME}".to_owned(), "${HOME}".to_owned())]);
    plan.settings.labels = both();
    plan.settings.annotations = both();
    let mut options = BuildOptions::new("/repo");
    let source = SecretSource::File("${HOME}".into());
    options.secrets = vec![BuildSecret::new("x", source).unwrap()];
    options.cache_to = vec!["type=gha,scope=${HOME}".parse().unwrap()];
    let text = written(&plan, &options);
    assert_eq!(text.matches("${HOME}").count(), 13, "{text}");
    assert_eq!(text.matches("$${HOME}").count(), 13, "{text}");
    assert_eq!(text.matches("%%{x}").count(), 1, "{text}");
}

#[test]
fn writes_what_bake_reads() {
    let mut item = planned("llm/litellm@1", "127.0.0.1:5000/a/llm", 1, Why::Forced);
    item.target = Some("prod".into());
    item.args = vec![("A".into(), "${HOME} %{x}".into())];
    item.base_images = vec![BaseImage {
        name: "python:3.11-slim".into(),
        reference: "127.0.0.1:5000/base/python@sha256:abc".into(),
        id: None,
        on_build: None,
        shadowed: false,
        makes_sbom: false,
    }];
    let plan = plan(vec![item]);
    let mut options = BuildOptions::new("/repo");
    options.source = Some("https://github.com/acme/models".to_owned());
    insta::assert_snapshot!(written(&plan, &options), @r#"
    {
      "group": {
        "default": {
          "targets": [
            "llm-litellm-v1"
          ]
        }
      },
      "target": {
        "llm-litellm-v1": {
          "context": "/repo/code",
          "dockerfile": "/repo/code/x/Dockerfile",
          "tags": [
            "127.0.0.1:5000/a/llm:build-x"
          ],
          "platforms": [
            "linux/amd64"
          ],
          "output": [
            "type=image,push=true"
          ],
          "target": "prod",
          "args": {
            "A": "$${HOME} %%{x}"
          },
          "contexts": {
            "python:3.11-slim": "docker-image://127.0.0.1:5000/base/python@sha256:abc"
          },
          "labels": {
            "org.opencontainers.image.source": "https://github.com/acme/models"
          },
          "no-cache": true
        }
      }
    }
    "#);
}

#[test]
fn what_makes_the_sbom_is_no_base_image() {
    let mut item = planned("llm/litellm@1", "ghcr.io/a/llm", 1, Why::FirstBuild);
    item.base_images = vec![BaseImage {
        name: "127.0.0.1:5000/scanner:1".into(),
        reference: "127.0.0.1:5000/scanner@sha256:abc".into(),
        id: None,
        on_build: None,
        shadowed: false,
        makes_sbom: true,
    }];
    let text = written(&plan(vec![item]), &BuildOptions::new("/repo"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let target = &value["target"]["llm-litellm-v1"];
    let expected = serde_json::json!(["type=sbom,generator=127.0.0.1:5000/scanner@sha256:abc"]);
    assert_eq!(target["attest"], expected);
    assert_eq!(target.get("contexts"), None);
    assert_eq!(target.get("pull"), None);
}

/// BuildKit takes a named context for the stage of that name, too, and runs none of its steps.
#[test]
fn a_base_with_the_name_of_a_stage_is_pulled_and_no_context() {
    let base = |name: &str, shadowed, digest: &str| BaseImage {
        name: name.to_owned(),
        reference: format!("docker.io/library/{name}{digest}"),
        id: None,
        on_build: None,
        shadowed,
        makes_sbom: false,
    };
    let mut item = planned("llm/litellm@1", "ghcr.io/a/llm", 1, Why::FirstBuild);
    let mut write = |bases: Vec<BaseImage>| {
        item.base_images = bases;
        let text = written(&plan(vec![item.clone()]), &BuildOptions::new("/repo"));
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["target"]["llm-litellm-v1"].take()
    };
    let target = write(vec![
        base("node", true, "@sha256:1"),
        base("alpine", false, "@sha256:2"),
    ]);
    let expected = serde_json::json!({
        "alpine": "docker-image://docker.io/library/alpine@sha256:2"
    });
    assert_eq!(target["contexts"], expected);
    assert_eq!(target["pull"], true);
    let local = write(vec![base("local", true, "")]);
    assert_eq!(
        (&local["contexts"], &local["pull"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
}

#[test]
fn what_has_run_may_come_from_the_cache() {
    let plan = plan(vec![planned(
        "llm/litellm@1",
        "ghcr.io/a/llm",
        1,
        Why::Forced,
    )]);
    let options = BuildOptions::new("/repo");
    let engine = engine("docker");
    let recipe = Recipe {
        root: Path::new("/repo"),
        settings: &plan.settings,
        options: &options,
        engine: Some(&engine),
    };
    let mut targets = targets(&plan, "build-x");
    let no_cache =
        |targets: &[Target<'_>]| recipe.definition(targets).target["llm-litellm-v1"].no_cache;
    assert!(no_cache(&targets));
    targets[0].has_run = true;
    assert!(!no_cache(&targets));
}

#[test]
fn settings_and_options_are_written_out() {
    let mut item = planned("llm/litellm@1", "ghcr.io/a/llm", 1, Why::FirstBuild);
    item.platforms.push("linux/arm64".parse().unwrap());
    let mut plan = plan(vec![item]);
    plan.settings.annotations = BTreeMap::from([("team".to_owned(), "ml, b".to_owned())]);
    plan.settings.source_date_epoch = Some(0);
    let mut options = BuildOptions::new("/repo");
    options.secrets = vec!["id=pip,env=PIP_TOKEN".parse().unwrap()];
    options.cache_from = vec![
        "type=gha".parse().unwrap(),
        "ghcr.io/a/cache".parse().unwrap(),
    ];
    options.cache_to = vec!["type=local,dest=.cache".parse().unwrap()];
    let text = written(&plan, &options);
    let from = text.find("\"output\"").unwrap();
    insta::assert_snapshot!(&text[from..], @r#"
    "output": [
            "type=image,push=,store=false,rewrite-timestamp=true,oci-mediatypes=true"
          ],
          "args": {
            "SOURCE_DATE_EPOCH": "0"
          },
          "annotations": [
            "manifest:team=ml, b",
            "index:team=ml, b"
          ],
          "secret": [
            "id=pip,env=PIP_TOKEN"
          ],
          "cache-from": [
            "type=gha,scope=llm-litellm-v1",
            "type=registry,ref=ghcr.io/a/cache:llm-litellm-v1"
          ],
          "cache-to": [
            "type=local,dest=/repo/.cache/llm-litellm-v1"
          ]
        }
      }
    }
    "#);
    let elsewhere = written_by("remote", &plan, &options);
    let output = "type=image,push=true,rewrite-timestamp=true,oci-mediatypes=true";
    assert!(elsewhere.contains(output), "{elsewhere}");
}
