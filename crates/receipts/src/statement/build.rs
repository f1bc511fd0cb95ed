use jiff::Timestamp;
use registry_model::{Digest, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Facts;
use super::read::Digests;
use super::text::Text;

/// Source: SLSA 1.0, `provenance/v1`.
pub(super) const TYPE: &str = "https://slsa.dev/provenance/v1";
/// How to read the parameters below.
const BUILD_TYPE: &str = "https://github.com/org/pipeline/receipts/build/v1";
/// How the URIs of images begin, which tells them from that of the source.
const IMAGE: &str = "oci://";

/// The image was built. The commit is in the [`Facts`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Build {
    /// Whose image it is.
    pub processor: Option<ProcessorRef>,
    /// The repository that it was built from.
    pub source: Option<String>,
    /// The images that it was built from, as far as they are known by digest.
    #[serde(default)]
    pub base_images: Vec<PinnedImage>,
    /// The key over all inputs.
    pub input_key: Option<Digest>,
    /// What built it: a URI.
    pub builder: String,
    /// When it began.
    pub started: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    build_definition: Definition,
    run_details: Details,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    build_type: Text,
    #[serde(default)]
    external_parameters: Value,
    #[serde(default)]
    internal_parameters: Value,
    #[serde(default)]
    resolved_dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    uri: Option<Text>,
    #[serde(default)]
    digest: Digests,
}

#[derive(Deserialize)]
struct Details {
    builder: Builder,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Builder {
    id: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    invocation_id: Option<Text>,
    started_on: Option<Timestamp>,
    finished_on: Option<Timestamp>,
}

impl Build {
    pub(super) fn write(&self, facts: &Facts) -> Value {
        let mut definition = json!({ "buildType": BUILD_TYPE, "externalParameters": {} });
        if let Some(processor) = &self.processor {
            definition["externalParameters"]["processor"] = processor.to_string().into();
        }
        if let Some(key) = &self.input_key {
            definition["internalParameters"] = json!({ "inputKey": key.as_str() });
        }
        let source = self.source.iter().map(|source| {
            let mut dependency = json!({ "uri": source });
            if let Some(commit) = &facts.commit {
                dependency["digest"] = json!({ "gitCommit": commit });
            }
            dependency
        });
        let images = self.base_images.iter().map(|image| {
            let digest = json!({ "sha256": image.digest.hex() });
            json!({ "uri": format!("{IMAGE}{image}"), "digest": digest })
        });
        let dependencies: Vec<Value> = source.chain(images).collect();
        if !dependencies.is_empty() {
            definition["resolvedDependencies"] = dependencies.into();
        }
        let mut details = json!({ "builder": { "id": self.builder }, "metadata": {} });
        let metadata = [
            ("invocationId", facts.run.clone()),
            ("startedOn", self.started.map(|time| time.to_string())),
            ("finishedOn", facts.time.map(|time| time.to_string())),
        ];
        for (name, text) in metadata {
            if let Some(text) = text {
                details["metadata"][name] = text.into();
            }
        }
        json!({ "buildDefinition": definition, "runDetails": details })
    }
}

impl Wire {
    /// The build, and what it says of the facts.
    pub(super) fn open(self) -> (Build, Facts) {
        let definition = self.build_definition;
        let ours = String::from(definition.build_type) == BUILD_TYPE;
        // Only for our own type is it known what the parameters mean.
        let parameter = |of: &Value, name: &str| -> Option<String> {
            ours.then(|| of[name].as_str().map(str::to_owned))?
        };
        let processor = parameter(&definition.external_parameters, "processor");
        let input_key = parameter(&definition.internal_parameters, "inputKey");
        let (mut source, mut commit, mut base_images) = (None, None, Vec::new());
        for (place, dependency) in definition.resolved_dependencies.into_iter().enumerate() {
            let uri = dependency.uri.map(String::from);
            let image = uri.as_deref().and_then(|uri| uri.strip_prefix(IMAGE));
            match image.map(str::parse) {
                Some(image) => base_images.extend(image.ok()),
                None if place == 0 => (source, commit) = (uri, dependency.digest.git_commit()),
                None => {}
            }
        }
        let metadata = self.run_details.metadata;
        let facts = Facts {
            time: metadata.as_ref().and_then(|it| it.finished_on),
            commit,
            ..Facts::default()
        };
        let started = metadata.as_ref().and_then(|it| it.started_on);
        let run = metadata.and_then(|it| it.invocation_id).map(String::from);
        let build = Build {
            processor: processor.and_then(|text| text.parse().ok()),
            source,
            base_images,
            input_key: input_key.and_then(|text| text.parse().ok()),
            builder: self.run_details.builder.id.into(),
            started,
        };
        (build, Facts { run, ..facts })
    }
}
