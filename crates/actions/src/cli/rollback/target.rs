//! What to go back to.

use std::path::Path;

use image_factory::retention::{self, HistoryOptions, PinnedAt};
use registry_model::{Digest, Entry, PinnedImage, Platform, ProcessorRef};
use tokio_util::sync::CancellationToken;

use super::super::digests::with_files;
use super::super::tree;
use crate::exit::Exit;
use crate::ui::Failure;

/// The processor on the branch of its environment.
pub(super) struct Place<'a> {
    pub(super) repo: &'a Path,
    pub(super) branch: &'a str,
    pub(super) entry: &'a Entry,
    pub(super) platform: &'a Platform,
}

impl Place<'_> {
    /// The image that `to` names, or else the one that was pinned before the current one.
    pub(super) async fn target(
        &self,
        to: Option<&str>,
        cancel: &CancellationToken,
    ) -> Result<PinnedImage, Failure> {
        match to.map(|to| (to, digest(to))) {
            None => {
                let (pins, shallow) = self.pins(cancel).await?;
                let current = self.entry.pinned(self.platform);
                let before = before(&pins, &self.entry.reference, current);
                before.ok_or_else(|| self.nothing(shallow))
            }
            Some((_, Some(digest))) => {
                let (pins, _) = self.pins(cancel).await?;
                let mut images = pins.iter().map(|pin| &pin.image);
                if let Some(image) = images.find(|image| image.digest == digest) {
                    return Ok(image.clone());
                }
                let current = self.entry.pinned(self.platform);
                let current = current.ok_or_else(|| self.nothing(false))?;
                Ok(current.repository.at(digest))
            }
            Some((commit, None)) => self.at(commit, cancel).await,
        }
    }

    /// The pins of the processor on its branch, the latest first, and whether the history is cut.
    async fn pins(&self, cancel: &CancellationToken) -> Result<(Vec<PinnedAt>, bool), Failure> {
        let branches = with_files(self.repo, vec![self.branch.to_owned()], cancel).await?;
        let options = HistoryOptions {
            root: self.repo.to_owned(),
            branches,
            requests: Vec::new(),
            earlier: true,
        };
        let histories = retention::histories(&options, cancel).await?;
        let shallow = histories.iter().any(|history| history.shallow);
        let mut pins: Vec<PinnedAt> = histories
            .into_iter()
            .flat_map(|history| history.earlier)
            .collect();
        pins.retain(|pin| pin.reference == self.entry.reference);
        Ok((pins, shallow))
    }

    /// What a commit pins.
    async fn at(&self, commit: &str, cancel: &CancellationToken) -> Result<PinnedImage, Failure> {
        let failure = |problem: &str| {
            let text = format!("roll back to `{commit}`: {problem}");
            let hint = "give `sha256:<64 hex>`, or a commit of this clone that pins the image";
            Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned()))
        };
        // Nothing that git could take for an option or for a range.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/_.-~^".contains(&b);
        let odd = commit.starts_with(['-', '^']) || commit.contains("..");
        if commit.is_empty() || odd || !commit.bytes().all(plain) {
            return Err(failure("it is neither a digest nor the name of a commit"));
        }
        let Some(found) = tree::resolve(self.repo, commit, cancel).await? else {
            return Err(failure("there is no such commit in this clone"));
        };
        let entries = tree::entries(self.repo, &found, cancel).await?;
        let reference = &self.entry.reference;
        let entry = entries.iter().find(|entry| entry.reference == *reference);
        let image = entry.and_then(|entry| entry.pinned(self.platform));
        let image = image.ok_or_else(|| failure(&format!("{reference} is not pinned there")))?;
        Ok(image.clone())
    }

    fn nothing(&self, shallow: bool) -> Failure {
        let (reference, branch) = (&self.entry.reference, self.branch);
        let text = format!("roll back {reference}: `{branch}` has no earlier pin of it");
        let hint = match shallow {
            true => {
                "the history is cut off here: run `git fetch --unshallow`, or set \
                     `fetch-depth: 0` of actions/checkout"
            }
            false => "name what to go back to: `--to sha256:…`",
        };
        Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned()))
    }
}

/// `sha256:<64 hex>`, with or without what is before the colon.
fn digest(text: &str) -> Option<Digest> {
    let digest = text.parse().ok();
    digest.or_else(|| format!("sha256:{text}").parse().ok())
}

/// The pin before `current`, in the same place of the file; `pins` has the latest first.
fn before(
    pins: &[PinnedAt],
    reference: &ProcessorRef,
    current: Option<&PinnedImage>,
) -> Option<PinnedImage> {
    let ours: Vec<&PinnedAt> = pins
        .iter()
        .filter(|pin| pin.reference == *reference)
        .collect();
    let now = ours.iter().find(|pin| Some(&pin.image) == current);
    let place = now.or(ours.first()).map(|pin| &pin.place)?;
    let mut earlier = ours.iter().filter(|pin| pin.place == *place);
    let found = earlier.find(|pin| Some(&pin.image) != current)?;
    Some(found.image.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(digit: char) -> PinnedImage {
        let hex = String::from(digit).repeat(64);
        format!("ghcr.io/acme/x@sha256:{hex}").parse().unwrap()
    }

    fn pin(reference: &str, place: &str, digit: char) -> PinnedAt {
        PinnedAt {
            reference: reference.parse().unwrap(),
            place: place.to_owned(),
            image: image(digit),
        }
    }

    #[test]
    fn the_pin_before_is_that_of_the_same_processor_and_place() {
        let pins = [
            pin("a/b@1", "image.oci", '4'),
            pin("a/b@1", "image.platforms.arm64", '9'),
            pin("a/c@1", "image.oci", '8'),
            pin("a/b@1", "image.oci", '3'),
            pin("a/b@1", "image.oci", '2'),
        ];
        let ask = |current: Option<char>| {
            let current = current.map(image);
            before(&pins, &"a/b@1".parse().unwrap(), current.as_ref())
        };
        assert_eq!(ask(Some('4')), Some(image('3')));
        // What is pending now was pinned before.
        assert_eq!(ask(None), Some(image('4')));
        assert_eq!(
            before(&pins[..1], &pins[0].reference, Some(&image('4'))),
            None
        );
    }

    #[test]
    fn a_digest_is_known_from_a_commit() {
        let hex = "a".repeat(64);
        assert!(digest(&hex).is_some());
        assert!(digest(&format!("sha256:{hex}")).is_some());
        for other in ["1a2b3c4", "main", "sha256:aa", ""] {
            assert_eq!(digest(other), None);
        }
    }
}
