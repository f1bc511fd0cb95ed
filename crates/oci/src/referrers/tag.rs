use std::time::{Duration, Instant};

use registry_model::{Digest, PinnedImage};
use serde_json::{Value, json};
use tracing::debug;

use crate::call::Call;
use crate::manifest::{self, Raw};
use crate::{Client, OciError, retry};

/// How long after a change the list is looked at again, at least and at most.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often a change must be seen to have stayed once another writer has shown up.
const SIGHTINGS: u32 = 3;
/// How long a change is tried against other writers.
const PATIENCE: Duration = Duration::from_secs(90);

/// The list of an image's referrers, as the content of a tag. Kept as it came, so that fields and
/// entries that others wrote survive our change.
///
/// Source: distribution specification, "Referrers Tag Schema".
#[derive(PartialEq)]
pub(super) struct TagList(Value);

impl TagList {
    fn new() -> Self {
        Self(json!({ "schemaVersion": 2, "mediaType": manifest::INDEX, "manifests": [] }))
    }

    pub(super) fn entries(mut self) -> Vec<Value> {
        match self.0["manifests"].take() {
            Value::Array(entries) => entries,
            _ => Vec::new(),
        }
    }

    fn lists(&self, digest: &Digest) -> bool {
        let mut entries = self.0["manifests"].as_array().into_iter().flatten();
        entries.any(|entry| entry["digest"].as_str() == Some(digest.as_str()))
    }

    fn add(&mut self, entry: &Value) {
        if let Some(entries) = self.0["manifests"].as_array_mut() {
            entries.push(entry.clone());
        }
    }
}

/// `sha256-<hex>`
fn tag_of(subject: &PinnedImage) -> String {
    subject.digest.as_str().replace(':', "-")
}

impl Client {
    /// The list of an image's referrers; empty when there is no such tag.
    pub(super) async fn read_tag(
        &self,
        subject: &PinnedImage,
        operation: &str,
    ) -> Result<TagList, OciError> {
        let found = self.look_at_tag(subject, operation).await?;
        Ok(found.unwrap_or_else(TagList::new))
    }

    /// `None` when the registry takes the tag for the image itself, as GitLab's does
    /// (oras-project/oras-go#1396).
    async fn look_at_tag(
        &self,
        subject: &PinnedImage,
        operation: &str,
    ) -> Result<Option<TagList>, OciError> {
        let tag = tag_of(subject);
        let bad = |problem: String| OciError::BadReferrersTag {
            operation: operation.to_owned(),
            tag: tag.clone(),
            problem,
        };
        let raw = match self.manifest(&subject.repository, &tag, operation).await {
            Ok(None) => return Ok(Some(TagList::new())),
            Ok(Some(raw)) => raw,
            Err(OciError::Malformed { problem, .. }) => return Err(bad(problem)),
            Err(error) => return Err(error),
        };
        if raw.digest == subject.digest {
            return Ok(None);
        }
        if raw.media_type != manifest::INDEX {
            return Err(bad(format!("it is of type `{}`", raw.media_type)));
        }
        let list: Value =
            serde_json::from_slice(&raw.bytes).map_err(|error| bad(error.to_string()))?;
        match list["manifests"].as_array() {
            Some(entries) if entries.iter().all(Value::is_object) => Ok(Some(TagList(list))),
            _ => Err(bad("its entries are not as specified".to_owned())),
        }
    }

    /// Adds `entry`, which names `digest`, to the list and sees to it that it stays there.
    pub(super) async fn add_to_tag(
        &self,
        subject: &PinnedImage,
        digest: &Digest,
        entry: &Value,
        operation: &str,
    ) -> Result<(), OciError> {
        let tag = tag_of(subject);
        let begun = Instant::now();
        let mut failures = self.transport.attempts();
        let mut ours: Option<TagList> = None;
        let (mut rounds, mut sightings) = (0, 0);
        let mut alone = true;
        let mut slowest = Duration::ZERO;
        while begun.elapsed() < PATIENCE {
            let round = Instant::now();
            let Some(mut list) = self.look_at_tag(subject, operation).await? else {
                return Err(OciError::Malformed {
                    operation: operation.to_owned(),
                    problem: format!(
                        "the registry takes the tag `{tag}` for the image itself, and has no \
                         other place for a list of what is attached"
                    ),
                });
            };
            alone &= ours.as_ref().is_none_or(|ours| *ours == list);
            if list.lists(digest) {
                sightings += 1;
                if ours.is_none() || alone || sightings >= SIGHTINGS {
                    return Ok(());
                }
            } else {
                (rounds, sightings) = (rounds + 1, 0);
                debug!(%subject, rounds, "adding to the list of referrers");
                list.add(entry);
                let raw = Raw::write(manifest::INDEX, &list.0, operation)?;
                let call = Call::put_manifest(&subject.repository, &tag, &raw, operation);
                // One attempt: by the next one, others may have changed the list.
                if let Err(error) = self.transport.once(&call).await {
                    let error = self.refused_write(&subject.repository, error).await;
                    failures.again_after(error, operation).await?;
                    continue;
                }
                ours = Some(list);
            }
            slowest = slowest.max(round.elapsed());
            tokio::time::sleep(wait(slowest, rounds)).await;
        }
        Err(OciError::Contended {
            operation: operation.to_owned(),
            tag,
        })
    }
}

/// Longer than another writer, as slow as we were, takes from reading to writing; and spread
/// more with each round after the first, so that many writers stop meeting. Who writes alone, as
/// nearly all do, needs one round.
fn wait(change: Duration, rounds: u32) -> Duration {
    let least = change.saturating_mul(4).clamp(SHORTEST_WAIT, LONGEST_WAIT);
    let met = rounds.saturating_sub(1).min(4);
    least + least.mul_f64(retry::jitter() * f64::from(met))
}
