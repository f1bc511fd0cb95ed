//! What a suite left in the S3 service of its stack, held against what the processors declare.
//!
//! A key belongs to a processor when it is `<prefix><namespace>/<name>/…/<path>`, where the path is
//! one that the processor's cases declare; whatever stands between them is the suite's own business.

mod judge;
mod store;

use std::collections::BTreeSet;
use std::time::Instant;

use registry_model::{ArtifactPath, MediaType, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::contract::CaseSource;
use crate::told::Told;
use crate::{AcceptanceError, StackPlan, Violation};
pub use store::ObjectsError;
pub(crate) use store::Store;

/// As many violations as a report keeps.
const MOST_KEPT: usize = 1000;

/// Where the suite leaves artifacts, if what it leaves there is to be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ObjectsOptions {
    /// The service in the compose file.
    pub service: String,
    /// Its port inside the container; `None` is the lowest that it publishes.
    pub port: Option<u16>,
    /// The bucket, all of which is looked at.
    pub bucket: String,
    /// What every key begins with, as in `runs/`; empty as a rule.
    pub prefix: String,
    /// The variable with the access key. The environment of the service is asked first, then
    /// [`crate::AcceptanceOptions::env`], then this process.
    pub access_key_env: String,
    /// The variable with the secret key, found in the same way.
    pub secret_key_env: String,
}

impl ObjectsOptions {
    /// A bucket of the service `minio`, with the variables that MinIO reads itself.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            service: "minio".to_owned(),
            port: None,
            bucket: bucket.into(),
            prefix: String::new(),
            access_key_env: "MINIO_ROOT_USER".to_owned(),
            secret_key_env: "MINIO_ROOT_PASSWORD".to_owned(),
        }
    }
}

/// What is looked at, and what may be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ObjectsPlan {
    /// Where.
    #[serde(flatten)]
    pub options: ObjectsOptions,
    /// Every file that a case of a processor declares.
    pub declared: BTreeSet<DeclaredObject>,
}

/// A file that a processor may write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeclaredObject {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// Below its folder for outputs.
    pub path: ArtifactPath,
    /// Its kind.
    pub media_type: MediaType,
}

/// What was found in the bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ObjectsReport {
    /// The bucket.
    pub bucket: String,
    /// How many objects it had.
    pub objects: usize,
    /// How long it took to look at them.
    pub seconds: f64,
    /// What was wrong, the first 1,000 by key; empty when nothing was.
    pub violations: Vec<Violation>,
    /// How many objects were wrong in all.
    pub wrong: usize,
}

impl ObjectsReport {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.wrong == 0
    }
}

/// Decides what to look at. That the service is one of the stack is known afterwards.
pub(crate) fn plan(
    options: &ObjectsOptions,
    stack: Option<&StackPlan>,
    cases: &[CaseSource],
) -> Result<ObjectsPlan, AcceptanceError> {
    let wrong = |source| AcceptanceError::Objects {
        bucket: options.bucket.clone(),
        source,
    };
    if !is_bucket(&options.bucket) {
        return Err(wrong(ObjectsError::Name));
    }
    if !stack.is_some_and(|stack| stack.services.contains(&options.service)) {
        return Err(wrong(ObjectsError::NoService {
            service: options.service.clone(),
        }));
    }
    let declared = cases.iter().flat_map(|source| {
        let artifacts = source.case.artifacts.iter();
        artifacts.map(|(path, media_type)| DeclaredObject {
            reference: source.entry.reference.clone(),
            path: path.clone(),
            media_type: media_type.clone(),
        })
    });
    Ok(ObjectsPlan {
        options: options.clone(),
        declared: declared.collect(),
    })
}

/// As S3 has it, so that a name can never be another place on the server.
fn is_bucket(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(allowed)
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..")
}

/// Looks at everything in the bucket.
pub(crate) async fn check(
    plan: &ObjectsPlan,
    store: &Store,
    images: &[(ProcessorRef, PinnedImage)],
    cancel: &CancellationToken,
) -> Result<ObjectsReport, AcceptanceError> {
    let bucket = &plan.options.bucket;
    tracing::info!(target: "pipeline::progress", stage = "acceptance", item = %bucket, "looking at the objects of the suite");
    let started = Instant::now();
    let declared: Vec<&DeclaredObject> = plan
        .declared
        .iter()
        .filter(|one| images.iter().any(|(known, _)| *known == one.reference))
        .collect();
    let looked = async {
        let keys = store.keys().await?;
        let judged = keys
            .iter()
            .map(|key| (key, judge::of_key(&declared, &plan.options.prefix, key)));
        let judged: Vec<(&String, Vec<&MediaType>)> = judged.collect();
        let of_pinned = judged.iter().filter(|(_, kinds)| !kinds.is_empty());
        let wanted: Vec<&str> = of_pinned.map(|(key, _)| key.as_str()).collect();
        let types = store.media_types(&wanted).await?;
        let told = Told::new();
        let wrong: Vec<Violation> = judged
            .iter()
            .filter_map(|(key, kinds)| {
                let got = types.get(key.as_str()).map(String::as_str);
                judge::violation(key, kinds, got, &plan.options.prefix, &told)
            })
            .collect();
        Ok((keys.len(), wrong))
    };
    let looked = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(AcceptanceError::Cancelled),
        looked = tokio::time::timeout(store::PATIENCE, looked) => looked,
    };
    let looked = looked.unwrap_or(Err(ObjectsError::Slow));
    let (objects, mut violations) = looked.map_err(|source| AcceptanceError::Objects {
        bucket: bucket.clone(),
        source,
    })?;
    let wrong = violations.len();
    violations.truncate(MOST_KEPT);
    Ok(ObjectsReport {
        bucket: bucket.clone(),
        objects,
        seconds: crate::run::seconds(started),
        violations,
        wrong,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_a_name_and_no_path() {
        for name in ["artifacts", "a-b.c1"] {
            assert!(is_bucket(name), "{name}");
        }
        for name in [
            "",
            "ab",
            "..",
            "a/b",
            "../admin",
            "Artifacts",
            "a..b",
            "-ab",
            "a?b",
        ] {
            assert!(!is_bucket(name), "{name}");
        }
    }
}
