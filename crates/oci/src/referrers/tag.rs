use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use registry_model::{Digest, PinnedImage};
use serde_json::{Value, json};
use tracing::debug;

use super::not_seen_yet;
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

/// What a tag that is named after an image lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `sha256-<hex>`, an index: distribution specification, "Referrers Tag Schema".
    Referrers,
    /// `sha256-<hex>.att`, a manifest whose layers are attestations: cosign,
    /// `specs/ATTESTATION_SPEC.md`.
    Attestations,
}

impl Kind {
    pub(super) fn tag(self, subject: &PinnedImage) -> String {
        let end = match self {
            Self::Referrers => "",
            Self::Attestations => ".att",
        };
        format!("sha256-{}{end}", subject.digest.hex())
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Referrers => manifest::INDEX,
            Self::Attestations => manifest::IMAGE,
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Referrers => "manifests",
            Self::Attestations => "layers",
        }
    }
}

/// A list as the content of a tag. Kept as it came, so that fields and entries that others wrote
/// survive our change.
#[derive(PartialEq)]
pub(super) struct TagList {
    kind: Kind,
    content: Value,
}

/// Entries by their digest.
type Entries = BTreeMap<String, Value>;

impl TagList {
    pub(super) fn new(kind: Kind) -> Self {
        let content = json!({
            "schemaVersion": 2, "mediaType": kind.media_type(), kind.field(): [],
        });
        Self { kind, content }
    }

    pub(super) fn entries(mut self) -> Vec<Value> {
        match self.content[self.kind.field()].take() {
            Value::Array(entries) => entries,
            _ => Vec::new(),
        }
    }

    /// The digest and the content of each entry that has a digest.
    fn named(&self) -> impl Iterator<Item = (&str, &Value)> {
        let entries = self.content[self.kind.field()].as_array();
        let entries = entries.into_iter().flatten();
        entries.filter_map(|entry| Some((entry["digest"].as_str()?, entry)))
    }

    /// Those of `known` that are not in the list.
    fn lacks(&self, known: &Entries) -> Vec<Value> {
        let mut missing: BTreeMap<&str, &Value> = known
            .iter()
            .map(|(digest, entry)| (digest.as_str(), entry))
            .collect();
        for (digest, _) in self.named() {
            missing.remove(digest);
        }
        missing.into_values().cloned().collect()
    }

    fn add(&mut self, more: Vec<Value>) {
        if let Some(entries) = self.content[self.kind.field()].as_array_mut() {
            entries.extend(more);
        }
    }
}

impl Client {
    /// The list in the tag; empty when there is no such tag.
    pub(super) async fn read_tag(
        &self,
        subject: &PinnedImage,
        kind: Kind,
        operation: &str,
    ) -> Result<TagList, OciError> {
        let found = self.look_at_tag(subject, kind, operation).await?;
        Ok(found.unwrap_or_else(|| TagList::new(kind)))
    }

    /// `None` when the registry takes the tag for the image itself, as GitLab's does
    /// (oras-project/oras-go#1396).
    async fn look_at_tag(
        &self,
        subject: &PinnedImage,
        kind: Kind,
        operation: &str,
    ) -> Result<Option<TagList>, OciError> {
        let tag = kind.tag(subject);
        let bad = |problem: String| OciError::BadReferrersTag {
            operation: operation.to_owned(),
            tag: tag.clone(),
            problem,
        };
        let raw = match self.manifest(&subject.repository, &tag, operation).await {
            Ok(None) => return Ok(Some(TagList::new(kind))),
            Ok(Some(raw)) => raw,
            Err(OciError::Malformed { problem, .. }) => return Err(bad(problem)),
            Err(error) => return Err(error),
        };
        if raw.digest == subject.digest {
            return Ok(None);
        }
        if raw.media_type != kind.media_type() {
            return Err(bad(format!("it is of type `{}`", raw.media_type)));
        }
        let content: Value =
            serde_json::from_slice(&raw.bytes).map_err(|error| bad(error.to_string()))?;
        match content[kind.field()].as_array() {
            Some(entries) if entries.iter().all(Value::is_object) => {
                Ok(Some(TagList { kind, content }))
            }
            _ => Err(bad("its entries are not as specified".to_owned())),
        }
    }

    /// Adds `entry`, which names `digest`, to the list and sees to it that it stays there, and
    /// with it every entry that was seen on the way: who reads before and writes after another
    /// undoes the other's change, and whoever has seen that change puts it back.
    pub(super) async fn add_to_tag(
        &self,
        subject: &PinnedImage,
        kind: Kind,
        (digest, entry): (&Digest, Value),
        operation: &str,
    ) -> Result<(), OciError> {
        let tag = kind.tag(subject);
        let begun = Instant::now();
        let mut failures = self.transport.attempts();
        let mut known = Entries::from([(digest.to_string(), entry)]);
        let mut ours: Option<TagList> = None;
        let (mut rounds, mut sightings) = (0, 0);
        let mut alone = true;
        let mut slowest = Duration::ZERO;
        while begun.elapsed() < PATIENCE {
            let round = Instant::now();
            let Some(mut list) = self.look_at_tag(subject, kind, operation).await? else {
                return Err(OciError::Malformed {
                    operation: operation.to_owned(),
                    problem: format!(
                        "the registry takes the tag `{tag}` for the image itself, and has no \
                         other place for a list of what is attached"
                    ),
                });
            };
            alone &= ours.as_ref().is_none_or(|ours| *ours == list);
            let lost = list.lacks(&known);
            if lost.is_empty() {
                sightings += 1;
                if ours.is_none() || alone || sightings >= SIGHTINGS {
                    return Ok(());
                }
            } else {
                (rounds, sightings) = (rounds + 1, 0);
                debug!(%subject, tag, rounds, adds = lost.len(), "writing the list in a tag");
                list.add(lost);
                self.complete(subject, &mut list, operation).await?;
                let raw = Raw::write(kind.media_type(), &list.content, operation)?;
                let call = Call::put_manifest(&subject.repository, &tag, &raw, operation);
                // One attempt: by the next one, others may have changed the list.
                if let Err(error) = self.transport.once(&call).await {
                    let error = not_seen_yet(error);
                    let error = self.refused_write(&subject.repository, error).await;
                    failures.again_after(error, operation).await?;
                    continue;
                }
            }
            let seen = list.named();
            known.extend(seen.map(|(digest, entry)| (digest.to_owned(), entry.clone())));
            if sightings == 0 {
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

    /// A manifest needs a config. cosign's names its layers, as that of an image does.
    async fn complete(
        &self,
        subject: &PinnedImage,
        list: &mut TagList,
        operation: &str,
    ) -> Result<(), OciError> {
        if list.kind == Kind::Referrers {
            return Ok(());
        }
        let layers: Vec<&str> = list.named().map(|(digest, _)| digest).collect();
        let config = json!({
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": layers },
        });
        let config = config.to_string();
        let stored = self.put_blob(&subject.repository, config.as_bytes(), operation);
        let digest = stored.await?;
        list.content["config"] = json!({
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "size": config.len(),
            "digest": digest.as_str(),
        });
        Ok(())
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
