use std::collections::BTreeMap;
use std::path::Path;

use registry_model::Repository;
use serde::Serialize;

use crate::plan::{BaseImage, BuildPlan, Decision, InputKey, Planned, Why};

/// One image to build: the items of a plan that need the same one.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    /// What `bake` calls it.
    pub(crate) id: String,
    /// How people call it.
    pub(crate) name: String,
    /// Any of the items.
    pub(crate) item: &'a Planned,
    /// The tag for people.
    pub(crate) build_tag: String,
}

/// A file for `docker buildx bake`. Source: docs.docker.com/build/bake/reference.
#[derive(Debug, Serialize)]
pub(crate) struct Definition {
    group: BTreeMap<&'static str, Group>,
    target: BTreeMap<String, TargetDefinition>,
}

#[derive(Debug, Serialize)]
struct Group {
    targets: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct TargetDefinition {
    context: String,
    dockerfile: String,
    tags: Vec<String>,
    platforms: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    args: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    contexts: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_cache: bool,
}

/// The images to build, each once, however many items need it.
pub(crate) fn targets<'a>(plan: &'a BuildPlan, build_tag: &str) -> Vec<Target<'a>> {
    let mut targets: Vec<Target<'a>> = Vec::new();
    for item in plan.to_build() {
        let same = |target: &Target<'_>| {
            target.item.repository == item.repository && target.item.key == item.key
        };
        if targets.iter().any(same) {
            continue;
        }
        // Two versions of a processor may share a repository; tags must not collide there.
        let shares = |target: &Target<'_>| target.item.repository == item.repository;
        let build_tag = match targets.iter().any(shares) {
            true => format!("{build_tag}-{}", item.key.short()),
            false => build_tag.to_owned(),
        };
        let arch = item.pin_platform.iter().map(|platform| platform.arch());
        let id = std::iter::once(item.reference.app_name().as_str())
            .chain(arch)
            .collect::<Vec<_>>()
            .join("-");
        let taken = |id: &str| targets.iter().any(|target| target.id == id);
        let id = match taken(&id) {
            true => format!("{id}-{}", targets.len()),
            false => id,
        };
        targets.push(Target {
            id,
            name: item.name(),
            item,
            build_tag,
        });
    }
    targets
}

/// The file for `targets`. Paths become absolute, as `bake` takes those of a Dockerfile relative to
/// its context.
pub(crate) fn definition(
    targets: &[Target<'_>],
    root: &Path,
    labels: &BTreeMap<String, String>,
) -> Definition {
    let path = |relative: &Path| literal(&root.join(relative).to_string_lossy());
    let target = |target: &Target<'_>| {
        let item = target.item;
        let forced = item.decision == Decision::Build { why: Why::Forced };
        let mut tags = vec![item.repository.tagged(&target.build_tag)];
        if forced {
            // Whoever forces a build wants the key to stand for the new image; otherwise that tag
            // is set later, and never moved.
            tags.push(inputs_tag(&item.repository, &item.key));
        }
        let definition = TargetDefinition {
            context: path(&item.context),
            dockerfile: path(&item.dockerfile),
            tags,
            platforms: item.platforms.iter().map(ToString::to_string).collect(),
            target: item.target.as_deref().map(literal),
            args: item
                .args
                .iter()
                .map(|(name, value)| (literal(name), literal(value)))
                .collect(),
            contexts: item.base_images.iter().map(named_context).collect(),
            labels: labels
                .iter()
                .map(|(name, value)| (literal(name), literal(value)))
                .collect(),
            no_cache: forced,
        };
        (target.id.clone(), definition)
    };
    Definition {
        group: BTreeMap::from([(
            "default",
            Group {
                targets: targets.iter().map(|target| target.id.clone()).collect(),
            },
        )]),
        target: targets.iter().map(target).collect(),
    }
}

fn inputs_tag(repository: &Repository, key: &InputKey) -> String {
    repository.tagged(&key.tag())
}

fn named_context(base: &BaseImage) -> (String, String) {
    (
        literal(&base.name),
        literal(&format!("docker-image://{}", base.reference)),
    )
}

/// `bake` fills in `${…}` and `%{…}` in the strings of a JSON file, too, and in its keys; ours are
/// meant as they are.
fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ImageSettings;

    fn planned(reference: &str, repository: &str, key: u8, why: Why) -> Planned {
        Planned {
            reference: reference.parse().unwrap(),
            file: "registry/x.yaml".into(),
            pin_platform: None,
            pinned: None,
            repository: repository.parse().unwrap(),
            context: "code".into(),
            dockerfile: "code/x/Dockerfile".into(),
            target: None,
            args: Vec::new(),
            platforms: vec![registry_model::Platform::linux_amd64()],
            base_images: Vec::new(),
            key: InputKey::new([key; 32]),
            decision: Decision::Build { why },
        }
    }

    fn plan(items: Vec<Planned>) -> BuildPlan {
        BuildPlan {
            schema: 1,
            items,
            settings: ImageSettings::default(),
        }
    }

    #[test]
    fn an_image_is_built_once_and_tags_do_not_collide() {
        let repository = "ghcr.io/acme/llm-litellm";
        let plan = plan(vec![
            planned("llm/litellm@1", repository, 1, Why::FirstBuild),
            planned("llm/litellm@2", repository, 1, Why::FirstBuild),
            planned("llm/litellm@3", repository, 2, Why::FirstBuild),
        ]);
        let targets = targets(&plan, "build-x");
        let seen: Vec<_> = targets
            .iter()
            .map(|target| (target.id.as_str(), target.build_tag.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("llm-litellm-v1", "build-x"),
                ("llm-litellm-v3", "build-x-020202020202")
            ]
        );
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
        }];
        let plan = plan(vec![item]);
        let labels = BTreeMap::from([("${HOME}".to_owned(), "${HOME}".to_owned())]);
        let definition = definition(&targets(&plan, "build-x"), Path::new("/repo"), &labels);
        let text = serde_json::to_string(&definition).unwrap();
        assert_eq!(text.matches("${HOME}").count(), 9, "{text}");
        assert_eq!(text.matches("$${HOME}").count(), 9, "{text}");
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
        }];
        let plan = plan(vec![item]);
        let labels = BTreeMap::from([(
            "org.opencontainers.image.source".to_owned(),
            "https://github.com/acme/models".to_owned(),
        )]);
        let definition = definition(&targets(&plan, "build-x"), Path::new("/repo"), &labels);
        insta::assert_snapshot!(serde_json::to_string_pretty(&definition).unwrap(), @r#"
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
                "127.0.0.1:5000/a/llm:build-x",
                "127.0.0.1:5000/a/llm:inputs-01010101010101010101010101010101"
              ],
              "platforms": [
                "linux/amd64"
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
}
