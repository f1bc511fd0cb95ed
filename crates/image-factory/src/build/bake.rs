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
    attest: Vec<String>,
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
                .filter(|base| base.is_named_context())
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
            attest: item
                .sbom_generator()
                .map(|image| literal(&format!("type=sbom,generator={}", image.reference)))
                .into_iter()
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
        let attested = self.settings.is_attested();
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
mod tests;
