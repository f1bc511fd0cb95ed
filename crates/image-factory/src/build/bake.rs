use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::cache::Cache;
use super::options::BuildOptions;
use super::preflight::Engine;
use super::target::Target;
use crate::plan::{BaseImage, ImageSettings, Planned};

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
    output: [String; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    args: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    contexts: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secret: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache_from: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache_to: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_cache: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pull: bool,
}

/// The argument by which Dockerfiles and BuildKit know the time that counts
/// (reproducible-builds.org/docs/source-date-epoch).
pub(crate) const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// How all targets of a build are built.
#[derive(Clone, Debug)]
pub(crate) struct Recipe<'a> {
    /// The root of the repository; absolute.
    pub(crate) root: &'a Path,
    pub(crate) settings: &'a ImageSettings,
    pub(crate) options: &'a BuildOptions,
    /// Not known where it makes no difference.
    pub(crate) engine: Option<&'a Engine>,
}

impl Recipe<'_> {
    /// The file for `targets`. Paths become absolute, as `bake` takes those of a Dockerfile relative
    /// to its context.
    pub(crate) fn definition(&self, targets: &[Target<'_>]) -> Definition {
        let ids = || targets.iter().map(|target| target.id.clone());
        let default = Group {
            targets: ids().collect(),
        };
        let one = |target| self.target(target);
        Definition {
            group: BTreeMap::from([("default", default)]),
            target: ids().zip(targets.iter().map(one)).collect(),
        }
    }

    fn target(&self, target: &Target<'_>) -> TargetDefinition {
        let (item, options) = (target.item, self.options);
        let bases = &item.base_images;
        let path = |relative: &Path| literal(&self.root.join(relative).to_string_lossy());
        let pairs = |from: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let pairs = from.iter();
            pairs
                .map(|(name, value)| (literal(name), literal(value)))
                .collect()
        };
        let cache = |caches: &[Cache]| -> Vec<String> {
            let lines = caches.iter().map(|cache| cache.line(&target.id, self.root));
            lines.map(|line| literal(&line)).collect()
        };
        let secrets = options.secrets.iter();
        let annotations = self.settings.annotations.iter();
        let levels = self.annotated(item);
        TargetDefinition {
            context: path(&item.context),
            dockerfile: path(&item.dockerfile),
            tags: vec![item.repository.tagged(&target.build_tag)],
            platforms: item.platforms.iter().map(ToString::to_string).collect(),
            output: [self.output()],
            target: item.target.as_deref().map(literal),
            args: self.args(item),
            contexts: bases
                .iter()
                .filter(|base| !base.shadowed)
                .map(named_context)
                .collect(),
            labels: pairs(&self.labels()),
            annotations: levels
                .iter()
                .flat_map(|level| {
                    annotations
                        .clone()
                        .map(move |annotation| (level, annotation))
                })
                .map(|(level, (name, value))| literal(&format!("{level}:{name}={value}")))
                .collect(),
            secret: secrets
                .map(|secret| literal(&secret.line(self.root)))
                .collect(),
            cache_from: cache(&options.cache_from),
            cache_to: cache(&options.cache_to),
            no_cache: target.is_renewed() && !target.has_run,
            pull: bases.iter().any(must_be_pulled),
        }
    }

    /// Those of the plan, and the standard ones that it does not set itself.
    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.settings.labels.clone();
        let standard = [
            ("source", &self.options.source),
            ("revision", &self.options.revision),
        ];
        for (name, value) in standard {
            if let Some(value) = value {
                labels
                    .entry(format!("org.opencontainers.image.{name}"))
                    .or_insert_with(|| value.clone());
            }
        }
        labels
    }

    fn args(&self, item: &Planned) -> BTreeMap<String, String> {
        let epoch = self.settings.source_date_epoch;
        let epoch = epoch.map(|epoch| (EPOCH.to_owned(), epoch.to_string()));
        let own = item.args.iter();
        let own = own.map(|(name, value)| (literal(name), literal(value)));
        epoch.into_iter().chain(own).collect()
    }

    /// What the annotations are written to: the manifests, and the index if there is one. Each is
    /// named apart, as `bake` 0.13 hears only the first of `manifest,index:`.
    fn annotated(&self, item: &Planned) -> &'static [&'static str] {
        let attested = self.settings.provenance.is_some() || self.settings.sbom;
        match item.platforms.len() > 1 || attested {
            true => &["manifest", "index"],
            false => &["manifest"],
        }
    }

    fn output(&self) -> String {
        let reproducible = self.settings.source_date_epoch.is_some();
        let mut output = vec!["type=image"];
        let in_docker = self.engine.is_some_and(Engine::is_docker);
        output.push(match reproducible && in_docker {
            // The engine unpacks what it stores, and cannot do that with rewritten layers. So
            // BuildKit pushes, nothing is stored, and buildx must not try to push what is stored:
            // for BuildKit an empty value means yes, for buildx no.
            true => "push=,store=false",
            false => "push=true",
        });
        if reproducible {
            output.push("rewrite-timestamp=true");
        }
        if !self.settings.annotations.is_empty() {
            // The index of the other media types has no place for them.
            output.push("oci-mediatypes=true");
        }
        output.join(",")
    }
}

/// Whether the engine must not take its own image of that name: it may be older than the one that
/// the plan found. One that no registry has cannot be pulled.
fn must_be_pulled(base: &BaseImage) -> bool {
    base.shadowed && base.reference.contains('@')
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

    /// BuildKit takes a named context for the stage of that name, too, and runs none of its steps.
    #[test]
    fn a_base_with_the_name_of_a_stage_is_pulled_and_no_context() {
        let base = |name: &str, shadowed, digest: &str| BaseImage {
            name: name.to_owned(),
            reference: format!("docker.io/library/{name}{digest}"),
            id: None,
            on_build: None,
            shadowed,
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
}
